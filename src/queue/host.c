#include "queue/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* With these a peer cannot shrink the memory, and nobody is killed by SIGBUS. */
enum {
    SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
};

/* Populated at once, so that no page fault falls on the data path. */
static int memory_map(int fd, uint64_t size, void **base)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    *base = map;
    return 0;
}

int dray_host_memory_create(uint64_t size, int *fd, void **base)
{
    int own = memfd_create("dray-queue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (own < 0)
        return -errno;
    int r = 0;
    if (ftruncate(own, (off_t)size) < 0 || fcntl(own, F_ADD_SEALS, SEALS) < 0)
        r = -errno;
    else
        r = memory_map(own, size, base);
    if (r)
        close(own);
    else
        *fd = own;
    return r;
}

static int memory_size(int fd, uint64_t *size)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS)
        return -EPROTO;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0)
        return -EPROTO;
    *size = (uint64_t)st.st_size;
    return 0;
}

int dray_host_memory_open(int fd, int *own_fd, uint64_t *size, void **base)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    int r = memory_size(own, size);
    if (r == 0)
        r = memory_map(own, *size, base);
    if (r)
        close(own);
    else
        *own_fd = own;
    return r;
}

void dray_host_memory_close(int fd, uint64_t size, void *base)
{
    munmap(base, size);
    close(fd);
}

int dray_host_event_create(int *fd)
{
    int own = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (own < 0)
        return -errno;
    *fd = own;
    return 0;
}

int dray_host_notice_create(int *wait_fd, int *ring_fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    *wait_fd = ends[0];
    *ring_fd = ends[1];
    return 0;
}

int dray_host_event_open(int fd, int *own_fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    *own_fd = own;
    return 0;
}

void dray_host_event_close(int fd)
{
    close(fd);
}

unsigned dray_host_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

void dray_host_ring(int fd)
{
    const uint64_t one = 1;
    /* EAGAIN means that it has long been readable: nothing is lost. */
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void dray_host_drain(int fd)
{
    uint64_t rings[8]; /* an eventfd gives its sum, a pipe each ring */
    struct iovec v = { .iov_base = rings, .iov_len = sizeof(rings) };
    /* The open file is shared with whoever received the event, who could have made it block. */
    ssize_t n;
    do
        n = preadv2(fd, &v, 1, -1, RWF_NOWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0 || errno != EOPNOTSUPP)
        return;
    /* A kernel whose pipes do not know RWF_NOWAIT (before 6.4): look first. */
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, 0) > 0)
        n = read(fd, rings, sizeof(rings));
}

void dray_host_sleep(int fd, uint64_t timeout_ns)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timespec t = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
                          .tv_nsec = (long)(timeout_ns % 1000000000u) };
    ppoll(&p, 1, timeout_ns == UINT64_MAX ? NULL : &t, NULL);
}
