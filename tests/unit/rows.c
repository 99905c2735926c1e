/* Rows M6, M8 and M9 through text programs: the way that is taken is told, and changes with the
 * engine's limits, the number of bytes and the profile; the bytes are the same. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "dray/dray.h"
#include "test.h"

/* g* of files is B_f (t_o + t_f). */
static struct dray_profile profile_with_gap(double gap)
{
    struct dray_profile profile;
    dray_profile_default(&profile);
    profile.file_bandwidth = 1e9;
    profile.descriptor_ns = 0;
    profile.file_setup_ns = gap; /* 1 byte a nanosecond */
    profile.cpu_bandwidth = 1e12;
    return profile;
}

static struct dray_report *run(const char *text, const struct dray_profile *profile, bool explain)
{
    struct dray_program_options options = { .size = sizeof(options), .profile = profile };
    struct dray_program *program;
    struct dray_report *report;
    struct dray_text_error error;
    assert_int_equal(dray_program_parse(&program, text, strlen(text), "row", &error), 0);
    int result = explain ? dray_program_explain(program, &options, &report)
                         : dray_program_run(program, &options, &report);
    if (result)
        fail_msg("%d: %s", result, dray_report_text(report));
    dray_program_free(&program);
    return report;
}

static void assert_tells(const char *text, const struct dray_profile *profile, bool explain,
                         const char *want)
{
    struct dray_report *report = run(text, profile, explain);
    if (!strstr(dray_report_text(report), want))
        fail_msg("\"%s\" is not in\n%s", want, dray_report_text(report));
    dray_report_free(&report);
}

/* Thirty records of 100 bytes with gaps of 50: 4450 bytes from the first to the last. */
static const char gaps[] = "file log  temp size 8KiB random 9\n"
                           "file same temp size 8KiB random 9\n"
                           "mem  out  size 3000\n"
                           "queue q engine cpu mode inline\n"
                           "  copy out <- log[10:100] every 150 times 30\n"
                           "expect moved q.1 == 3000\n"
                           "expect out == same[10:100] every 150 times 30\n";

static void gaps_below_the_profiles_threshold_are_read_through(void **state)
{
    (void)state;
    struct dray_profile below = profile_with_gap(40), above = profile_with_gap(60);
    assert_tells(gaps, &above, true, "29 gaps of at most 50 B < g* 60 B");
    assert_tells(gaps, &above, true, "bounce[0:4450]  <- log[10:4450]");
    assert_tells(gaps, &below, true, "direct (30 descriptors in 1 transaction");
    assert_tells(gaps, &above, false, "1 transactions, 1 descriptors; 4.346 KiB moved");
    assert_tells(gaps, &below, false, "1 transactions, 30 descriptors; 2.93 KiB moved");
}

static const char one[] = "mem  page size 64KiB random 3\n"
                          "mem  out  size 8KiB\n"
                          "queue q engine cpu mode inline segments 1\n"
                          "  copy out <- page[0:512] every 4KiB times 16\n"
                          "expect moved q.1 == 8KiB\n"
                          "expect out == page[0:512] every 4KiB times 16\n";

static void one_segment_only_bounces_and_says_what_it_copied(void **state)
{
    (void)state;
    struct dray_profile profile;
    dray_profile_default(&profile);
    profile.setup_ns = 5000;
    assert_tells(one, &profile, true, "copied by the CPU            8 KiB");
    assert_tells(one, &profile, true, "bounce all: gather by the CPU, then store (1 descriptor");
    assert_tells(one, &profile, false, "q: engine cpu, inline");
    assert_tells(one, &profile, false, "1 transactions, 1 descriptors; 8 KiB moved");
    /* 8 KiB by the calling CPU and 8 KiB by the engine, which here is one, too. */
    assert_tells(one, &profile, false, "16 KiB");
    /* Where a transaction costs nothing there is nothing to save. */
    profile.setup_ns = 0;
    assert_tells(one, &profile, false, "16 transactions, 16 descriptors; 8 KiB moved");
}

/* Where programs have their temporary files. */
static void skip_without_direct_files(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof(path), "%s/dray-rows-XXXXXX", folder && *folder ? folder : "/tmp");
    int file = mkstemp(path), direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC), error = errno;
    assert_true(file >= 0);
    close(file);
    unlink(path);
    if (direct >= 0) {
        close(direct);
        return;
    }
    assert_int_equal(error, EINVAL);
    print_message("skipped: no O_DIRECT on the file system of TMPDIR\n");
    skip();
}

#define DIRECT(length)                                   \
    "file disk temp size 100000 random 5 direct\n"       \
    "file same temp size 100000 random 5\n"              \
    "mem  out  size 60000 align 4KiB offset 100\n"       \
    "queue q engine cpu mode inline\n"                   \
    "  copy out[0:" length "] <- disk[100:" length "]\n" \
    "expect moved q.1 == " length "\n"                   \
    "expect out[0:" length "] == same[100:" length "]\n"

static void few_bytes_of_a_direct_file_are_bounced_whole(void **state)
{
    (void)state;
    struct dray_profile profile;
    skip_without_direct_files();
    dray_profile_default(&profile);
    profile.descriptor_ns = 0;
    profile.file_setup_ns = 1000; /* two more descriptors: 2000 ns, 20,000 bytes by the CPU */
    profile.cpu_bandwidth = 10e9;
    assert_tells(DIRECT("10000"), &profile, true, "bounce[0:10240]  <- disk[0:10240]");
    assert_tells(DIRECT("50000"), &profile, true, "direct, the rest through bounce memory (3");
    assert_tells(DIRECT("10000"), &profile, false, "1 transactions, 1 descriptors");
    assert_tells(DIRECT("50000"), &profile, false, "1 transactions, 3 descriptors");
}

/* What cannot be had is said, not done another way in silence. */
static void a_checksum_is_not_taken_of_bounced_bytes(void **state)
{
    (void)state;
    static const char text[] = "file disk temp size 100000 direct\n"
                               "mem  out  size 1000 align 4KiB\n"
                               "queue q engine cpu\n"
                               "  copy out <- disk[7:1000] crc\n";
    struct dray_program *program;
    struct dray_report *report;
    struct dray_text_error error;
    skip_without_direct_files();
    assert_int_equal(dray_program_parse(&program, text, strlen(text), "row", &error), 0);
    assert_int_equal(dray_program_run(program, NULL, &report), -ENOMEM);
    assert_non_null(strstr(dray_report_text(report), "a copy with crc do not have"));
    dray_report_free(&report);
    dray_program_free(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_below_the_profiles_threshold_are_read_through),
        cmocka_unit_test(one_segment_only_bounces_and_says_what_it_copied),
        cmocka_unit_test(few_bytes_of_a_direct_file_are_bounced_whole),
        cmocka_unit_test(a_checksum_is_not_taken_of_bounced_bytes),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
