/* What the operating system costs: pages and files. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calibration.h"
#include "clock.h"

enum {
    PAGE = 4096, /* the profile counts in pages of 4 KiB, whatever the system's */
    TOUCH_SIZE = 32 << 20,
    PIN_SIZE = 4 << 20, /* under the usual limit on locked memory, 8 MiB */
    FILE_READS = 2000,
};

void calibration_skip(struct calibration *calibration, const char *what, const char *why)
{
    char *text = calibration->skipped;
    size_t used = strlen(text);

    snprintf(text + used, CALIBRATION_WHY_SIZE - used, "%s%s: %s", used ? "; " : "", what, why);
}

static void *map_plain(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

static double touch_ns(volatile char *memory, size_t size)
{
    double begin = bench_seconds();
    size_t at;

    for (at = 0; at < size; at += PAGE)
        memory[at] = 1;
    return (bench_seconds() - begin) * 1e9 / (double)(size / PAGE);
}

static void measure_pin(struct calibration *calibration, void *memory)
{
    double begin = bench_seconds();

    if (mlock(memory, PIN_SIZE)) {
        calibration_skip(calibration, "pin_ns", strerror(errno));
        return;
    }
    calibration->profile.pin_ns = (bench_seconds() - begin) * 1e9 / (PIN_SIZE / PAGE);
    munlock(memory, PIN_SIZE);
}

void calibration_measure_pages(struct calibration *calibration)
{
    void *memory = map_plain(TOUCH_SIZE);

    if (!memory) {
        calibration_skip(calibration, "first_touch_ns, pin_ns", strerror(errno));
        return;
    }
    calibration->profile.first_touch_ns = touch_ns(memory, TOUCH_SIZE);
    measure_pin(calibration, memory);
    munmap(memory, TOUCH_SIZE);
}

/* A file that nobody else sees; -1 with errno. */
static int open_temporary(void)
{
    const char *folder = getenv("TMPDIR");
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/dray-calibrate-XXXXXX", folder && *folder ? folder : "/tmp");
    fd = mkstemp(path);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(fd, bytes, size);

        if (written <= 0)
            return -1;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Seconds of `times` reads of `length` bytes at the file's start; negative on failure. */
static double read_seconds(int fd, void *buffer, size_t length, unsigned times)
{
    double begin = bench_seconds();

    while (times--) {
        if (pread(fd, buffer, length, 0) != (ssize_t)length)
            return -1;
    }
    return bench_seconds() - begin;
}

static int measure_reads(struct dray_profile *profile, int fd, void *buffer, size_t size)
{
    double small, large;

    if (write_all(fd, buffer, size) || read_seconds(fd, buffer, size, 1) < 0)
        return -1;
    small = read_seconds(fd, buffer, 1, FILE_READS);
    large = read_seconds(fd, buffer, size, 3);
    if (small <= 0 || large <= 0)
        return -1;
    profile->file_setup_ns = small * 1e9 / FILE_READS;
    profile->file_bandwidth = 3 * (double)size / large;
    return 0;
}

void calibration_measure_file(struct calibration *calibration, void *buffer, size_t size)
{
    int fd = open_temporary();

    if (fd < 0 || measure_reads(&calibration->profile, fd, buffer, size))
        calibration_skip(calibration, "file_setup_ns, file_bandwidth", strerror(errno));
    if (fd >= 0)
        close(fd);
}

bool calibration_load_now(struct calibration_load *load)
{
    unsigned long long user, nice, system, idle, wait, irq, soft_irq;
    FILE *file = fopen("/proc/stat", "re");
    int got = 0;

    if (file) {
        got = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
                     &wait, &irq, &soft_irq);
        fclose(file);
    }
    if (got != 7)
        return false;
    load->all = (double)(user + nice + system + irq + soft_irq) / (double)sysconf(_SC_CLK_TCK);
    load->own = bench_seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    load->wall = bench_seconds();
    return true;
}

double calibration_others(const struct calibration_load *from, const struct calibration_load *to)
{
    double wall = to->wall - from->wall;
    double others = (to->all - from->all) - (to->own - from->own);

    /* The system counts in hundredths. */
    return wall < 0.5 || others < 0 ? 0 : others / wall;
}
