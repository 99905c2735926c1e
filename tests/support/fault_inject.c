#include "fault_inject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static _Thread_local unsigned countdown; /* 0: not armed */
static _Thread_local bool sticky, fired;
static _Thread_local const char *fired_name = "none";
static _Atomic uint64_t allocations;

void fault_inject_arm(unsigned n)
{
    countdown = n;
    sticky = fired = false;
    fired_name = "none";
}

void fault_inject_arm_from(unsigned n)
{
    fault_inject_arm(n);
    sticky = true;
}

bool fault_inject_disarm(void)
{
    countdown = 0;
    sticky = false;
    return fired;
}

const char *fault_inject_name(void)
{
    return fired_name;
}

uint64_t fault_inject_allocations(void)
{
    return atomic_load(&allocations);
}

static bool fails(const char *name, int error)
{
    if (countdown == 0)
        return false;
    if (countdown > 1) {
        countdown--;
        return false;
    }
    if (!sticky)
        countdown = 0;
    fired = true;
    fired_name = name;
    errno = error;
    return true;
}

static bool memory_fails(const char *name)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return fails(name, ENOMEM);
}

/* Each pair below: what the linker calls the real one, and what it calls in its place. Names are
 * those of the symbols: where offsets are 64 bits wide, the headers rename mmap to mmap64, and so
 * on. */
#define WRAP(type, name, parameters) \
    type __real_##name parameters;   \
    type __wrap_##name parameters;   \
    type __wrap_##name parameters

WRAP(void *, malloc, (size_t size))
{
    return memory_fails("malloc") ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, (size_t count, size_t size))
{
    return memory_fails("calloc") ? NULL : __real_calloc(count, size);
}

WRAP(void *, realloc, (void *old, size_t size))
{
    return memory_fails("realloc") ? NULL : __real_realloc(old, size);
}

WRAP(void *, reallocarray, (void *old, size_t count, size_t size))
{
    return memory_fails("reallocarray") ? NULL : __real_reallocarray(old, count, size);
}

WRAP(void *, aligned_alloc, (size_t align, size_t size))
{
    return memory_fails("aligned_alloc") ? NULL : __real_aligned_alloc(align, size);
}

WRAP(int, posix_memalign, (void **block, size_t align, size_t size))
{
    return memory_fails("posix_memalign") ? ENOMEM : __real_posix_memalign(block, align, size);
}

WRAP(char *, strdup, (const char *text))
{
    return memory_fails("strdup") ? NULL : __real_strdup(text);
}

WRAP(char *, strndup, (const char *text, size_t size))
{
    return memory_fails("strndup") ? NULL : __real_strndup(text, size);
}

WRAP(FILE *, open_memstream, (char **text, size_t *size))
{
    return memory_fails("open_memstream") ? NULL : __real_open_memstream(text, size);
}

WRAP(void *, mmap64, (void *at, size_t size, int prot, int flags, int fd, off_t offset))
{
    return memory_fails("mmap") ? MAP_FAILED : __real_mmap64(at, size, prot, flags, fd, offset);
}

WRAP(int, mlock, (const void *base, size_t size))
{
    return fails("mlock", ENOMEM) ? -1 : __real_mlock(base, size);
}

WRAP(int, ftruncate64, (int fd, off_t size))
{
    return fails("ftruncate", ENOSPC) ? -1 : __real_ftruncate64(fd, size);
}

WRAP(int, fsync, (int fd))
{
    return fails("fsync", EIO) ? -1 : __real_fsync(fd);
}

WRAP(int, fstat64, (int fd, struct stat *status))
{
    return fails("fstat", EIO) ? -1 : __real_fstat64(fd, status);
}

WRAP(int, rename, (const char *from, const char *to))
{
    return fails("rename", EIO) ? -1 : __real_rename(from, to);
}

WRAP(int, mkstemp64, (char *name))
{
    return fails("mkstemp", EMFILE) ? -1 : __real_mkstemp64(name);
}

WRAP(FILE *, fopen64, (const char *name, const char *mode))
{
    return fails("fopen", EMFILE) ? NULL : __real_fopen64(name, mode);
}

WRAP(FILE *, fdopen, (int fd, const char *mode))
{
    return fails("fdopen", ENOMEM) ? NULL : __real_fdopen(fd, mode);
}

WRAP(int, eventfd, (unsigned value, int flags))
{
    return fails("eventfd", EMFILE) ? -1 : __real_eventfd(value, flags);
}

WRAP(int, epoll_create1, (int flags))
{
    return fails("epoll_create1", EMFILE) ? -1 : __real_epoll_create1(flags);
}

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event))
{
    return fails("epoll_ctl", ENOMEM) ? -1 : __real_epoll_ctl(epoll, operation, fd, event);
}

WRAP(int, timerfd_create, (int clock, int flags))
{
    return fails("timerfd_create", EMFILE) ? -1 : __real_timerfd_create(clock, flags);
}

WRAP(int, pipe2, (int *ends, int flags))
{
    return fails("pipe2", EMFILE) ? -1 : __real_pipe2(ends, flags);
}

WRAP(int, memfd_create, (const char *name, unsigned flags))
{
    return fails("memfd_create", EMFILE) ? -1 : __real_memfd_create(name, flags);
}

WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument))
{
    return fails("pthread_create", EAGAIN)
               ? EAGAIN
               : __real_pthread_create(thread, attributes, run, argument);
}

/* fcntl and open take one more argument sometimes; passing a long on is what every ABI here allows.
 */
int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    if (duplicates && fails("fcntl", EMFILE))
        return -1;
    return __real_fcntl64(fd, command, argument);
}

int __real_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails("open", EMFILE) ? -1 : __real_open64(name, flags, mode);
}

static _Thread_local const struct fault_io *io_step;
static _Thread_local size_t io_steps;

void fault_inject_io(const struct fault_io *steps, size_t count)
{
    io_step = steps;
    io_steps = count;
}

/* Cuts the list to what the step allows. False: the call fails. */
static bool io_cut(const struct iovec **iov, int *count, struct iovec *one)
{
    if (io_steps == 0)
        return true;
    const struct fault_io *step = io_step++;
    io_steps--;
    if (step->error) {
        errno = step->error;
        return false;
    }
    *one = **iov;
    if (step->bytes && step->bytes < one->iov_len)
        one->iov_len = step->bytes;
    *iov = one;
    *count = 1;
    return true;
}

WRAP(ssize_t, preadv64, (int fd, const struct iovec *iov, int count, off_t offset))
{
    struct iovec one;
    return io_cut(&iov, &count, &one) ? __real_preadv64(fd, iov, count, offset) : -1;
}

WRAP(ssize_t, pwritev64, (int fd, const struct iovec *iov, int count, off_t offset))
{
    struct iovec one;
    return io_cut(&iov, &count, &one) ? __real_pwritev64(fd, iov, count, offset) : -1;
}
