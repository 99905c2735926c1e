/*
 * Files and streams by plain system calls. Nothing here blocks on a stream: what is not ready parks
 * the queue. Short transfers are continued by the next slice; EINTR is retried; the count of bytes
 * is exact whatever happens.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/soft/soft.h"

enum {
    RUNS_MAX = 64,
    PIPE_ATOMIC = 4096
};

/* A list of runs for one vectored call, and the bytes in it. */
struct runs {
    struct iovec iov[RUNS_MAX];
    int count;
    uint64_t bytes;
};

bool dray_soft_copies(enum dray_region_kind dst, enum dray_region_kind src)
{
    return dst != DRAY_REGION_NONE && src != DRAY_REGION_NONE;
}

static void gather_runs(struct dray_view view, uint64_t max, struct runs *runs)
{
    runs->count = 0;
    runs->bytes = 0;
    while (runs->count < RUNS_MAX && runs->bytes < max) {
        uint8_t *p;
        uint64_t n = dray_view_run(&view, max - runs->bytes, &p);
        runs->iov[runs->count++] = (struct iovec){ .iov_base = p, .iov_len = n };
        runs->bytes += n;
        view.offset += n;
    }
}

static void sum_runs(struct dray_soft_queue *q, const struct runs *runs, uint64_t bytes)
{
    if (!(q->desc.flags & DRAY_FLAG_CRC) || q->desc.opcode != DRAY_OP_COPY)
        return;
    for (int i = 0; bytes; i++) {
        uint64_t n = runs->iov[i].iov_len < bytes ? runs->iov[i].iov_len : bytes;
        q->txn.crc = q->soft->kernels->crc32c(q->txn.crc, runs->iov[i].iov_base, n);
        bytes -= n;
    }
}

static bool ready(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    return poll(&p, 1, 0) > 0;
}

/* A socket or pipe, without waiting: bytes, 0 at the end, or -errno. */
static ssize_t stream_read(const struct dray_region_fd *r, struct runs *runs)
{
    if (r->socket) {
        struct msghdr m = { .msg_iov = runs->iov, .msg_iovlen = (size_t)runs->count };
        return recvmsg(r->fd, &m, MSG_DONTWAIT);
    }
    ssize_t n = preadv2(r->fd, runs->iov, runs->count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP)
        return n;
    if (!ready(r->fd, POLLIN)) {
        errno = EAGAIN;
        return -1;
    }
    return readv(r->fd, runs->iov, runs->count);
}

/* Where the kernel cannot refuse to wait: a pipe that polls writable takes so much at once. */
static ssize_t pipe_write_polled(int fd, struct runs *runs)
{
    if (!ready(fd, POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    size_t n = runs->iov[0].iov_len < PIPE_ATOMIC ? runs->iov[0].iov_len : PIPE_ATOMIC;
    return write(fd, runs->iov[0].iov_base, n);
}

/* Writing to a pipe without reader raises SIGPIPE, which is the completion's to tell, not the
 * process's: blocked for this thread meanwhile, and taken back if it was this write that raised it.
 */
static ssize_t pipe_write(int fd, struct runs *runs)
{
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    ssize_t n = pwritev2(fd, runs->iov, runs->count, -1, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        n = pipe_write_polled(fd, runs);
    int error = errno;
    if (n < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_set, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error;
    return n;
}

static ssize_t stream_write(const struct dray_region_fd *r, struct runs *runs)
{
    if (r->socket) {
        struct msghdr m = { .msg_iov = runs->iov, .msg_iovlen = (size_t)runs->count };
        return sendmsg(r->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return pipe_write(r->fd, runs);
}

/* Which descriptor a file is reached by: its tail has one of its own. */
static int file_fd(const struct dray_region_fd *r, const struct runs *runs)
{
    return runs->bytes < r->block ? r->tail_fd : r->fd;
}

static ssize_t read_once(const struct dray_view *src, struct runs *runs)
{
    const struct dray_region_fd *r = dray_region_fd(src->slot->region);
    ssize_t n;
    do
        n = src->slot->kind == DRAY_REGION_FILE
                ? preadv(file_fd(r, runs), runs->iov, runs->count, (off_t)src->offset)
                : stream_read(r, runs);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t write_once(const struct dray_view *dst, struct runs *runs)
{
    const struct dray_region_fd *r = dray_region_fd(dst->slot->region);
    ssize_t n;
    do
        n = dst->slot->kind == DRAY_REGION_FILE
                ? pwritev(file_fd(r, runs), runs->iov, runs->count, (off_t)dst->offset)
                : stream_write(r, runs);
    while (n < 0 && errno == EINTR);
    return n;
}

static enum dray_step park_stream(struct dray_soft_queue *q, const struct dray_view *view,
                                  short events)
{
    q->park = DRAY_PARK_STREAM;
    q->park_fd = dray_region_fd(view->slot->region)->fd;
    q->park_events = events;
    q->deadline_ns = UINT64_MAX;
    return DRAY_STEP_PARK;
}

static enum dray_status status_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EFBIG:
    case EDQUOT:
        return DRAY_STATUS_FULL;
    case EPIPE:
    case ECONNRESET:
        return DRAY_STATUS_CLOSED;
    default:
        return DRAY_STATUS_IO;
    }
}

/* EINVAL of a direct file is a matter of addresses; of a tail that was not to be had, EBADF. */
static bool is_misaligned(const struct dray_view *view, int error)
{
    return view->slot->kind == DRAY_REGION_FILE && dray_region_fd(view->slot->region)->block > 1 &&
           (error == EINVAL || error == EBADF);
}

static enum dray_step fail_read(struct dray_soft_queue *q, const struct dray_view *src, ssize_t n)
{
    int error = errno;
    if (n == 0)
        return dray_soft_fail(q, DRAY_STATUS_END, DRAY_ACCESS_READ, q->desc.src_key,
                              q->desc.src_offset, 0);
    if (error == EAGAIN)
        return park_stream(q, src, POLLIN);
    if (is_misaligned(src, error))
        return dray_soft_fail_src(q, DRAY_STATUS_ALIGNMENT);
    return dray_soft_fail(q, status_of(error), DRAY_ACCESS_READ, q->desc.src_key,
                          q->desc.src_offset, (uint64_t)error);
}

static enum dray_step fail_write(struct dray_soft_queue *q, const struct dray_view *dst)
{
    int error = errno;
    if (error == EAGAIN)
        return park_stream(q, dst, POLLOUT);
    if (is_misaligned(dst, error))
        return dray_soft_fail_dst(q, DRAY_STATUS_ALIGNMENT);
    return dray_soft_fail(q, status_of(error), DRAY_ACCESS_WRITE, q->desc.dst_key,
                          q->desc.dst_offset, (uint64_t)error);
}

static enum dray_step read_memory(struct dray_soft_queue *q, struct dray_view *dst,
                                  struct dray_view *src, uint64_t max, uint64_t *done)
{
    struct runs runs;
    gather_runs(*dst, max, &runs);
    ssize_t n = read_once(src, &runs);
    if (n <= 0)
        return fail_read(q, src, n);
    sum_runs(q, &runs, (uint64_t)n);
    *done = (uint64_t)n;
    return DRAY_STEP_MORE;
}

static enum dray_step write_memory(struct dray_soft_queue *q, struct dray_view *dst,
                                   struct dray_view *src, uint64_t max, uint64_t *done)
{
    struct runs runs;
    gather_runs(*src, max, &runs);
    ssize_t n = write_once(dst, &runs);
    if (n < 0)
        return fail_write(q, dst);
    sum_runs(q, &runs, (uint64_t)n);
    *done = (uint64_t)n;
    return DRAY_STEP_MORE;
}

/* File to file inside the kernel. False: it will not, or says 0, which reading must confirm. */
static bool copy_range(const struct dray_view *dst, const struct dray_view *src, uint64_t max,
                       uint64_t *done)
{
    off_t in = (off_t)src->offset, out = (off_t)dst->offset;
    ssize_t n;
    do
        n = copy_file_range(dray_region_fd(src->slot->region)->fd, &in,
                            dray_region_fd(dst->slot->region)->fd, &out, max, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    *done = (uint64_t)n;
    return true;
}

static bool same_file_overlap(const struct dray_soft_queue *q, const struct dray_view *dst,
                              const struct dray_view *src)
{
    const struct dray_region_fd *a = dray_region_fd(dst->slot->region);
    const struct dray_region_fd *b = dray_region_fd(src->slot->region);
    return a->device == b->device && a->inode == b->inode &&
           dst->offset < src->offset + q->desc.length && src->offset < dst->offset + q->desc.length;
}

/* Through the bounce memory: what was read and could not be written yet waits there. */
static enum dray_step relay(struct dray_soft_queue *q, struct dray_view *dst, struct dray_view *src,
                            uint64_t max, uint64_t *done)
{
    struct runs runs = { .count = 1 };
    if (q->bounce_at == q->bounce_end) {
        uint64_t size = max < DRAY_BOUNCE_SIZE ? max : DRAY_BOUNCE_SIZE;
        runs.iov[0] = (struct iovec){ .iov_base = q->bounce, .iov_len = size };
        runs.bytes = size;
        ssize_t n = read_once(src, &runs);
        if (n <= 0)
            return fail_read(q, src, n);
        q->bounce_at = 0;
        q->bounce_end = (uint32_t)n;
    }
    uint64_t pending = q->bounce_end - q->bounce_at;
    runs.iov[0] = (struct iovec){ .iov_base = q->bounce + q->bounce_at,
                                  .iov_len = pending < max ? pending : max };
    runs.bytes = runs.iov[0].iov_len;
    ssize_t n = write_once(dst, &runs);
    if (n < 0)
        return fail_write(q, dst);
    sum_runs(q, &runs, (uint64_t)n);
    q->bounce_at += (uint32_t)n;
    *done = (uint64_t)n;
    return DRAY_STEP_MORE;
}

/* A stream moves any number of bytes at a time, a direct file whole blocks: between the two a program
 * goes through memory. */
static bool is_direct(const struct dray_view *view)
{
    return view->slot->kind == DRAY_REGION_FILE && dray_region_fd(view->slot->region)->block > 1;
}

/* What one call may move of a direct file: whole blocks from a block's start, or the part of a block
 * that the file ends with. 0: neither. */
static uint64_t whole_blocks(const struct dray_view *view, uint64_t left, uint64_t max)
{
    struct stat status;
    if (view->slot->kind != DRAY_REGION_FILE)
        return max;
    const struct dray_region_fd *r = dray_region_fd(view->slot->region);
    if (view->offset & (r->block - 1))
        return 0;
    if (max >= r->block)
        return max & ~(uint64_t)(r->block - 1);
    if (max < left)
        return 0;
    bool ends = fstat(r->fd, &status) == 0 &&
                (!S_ISREG(status.st_mode) || view->offset + left >= (uint64_t)status.st_size);
    return ends ? max : 0;
}

enum dray_step dray_soft_transfer(struct dray_soft_queue *q, struct dray_view *dst,
                                  struct dray_view *src, uint64_t max, uint64_t *done)
{
    uint64_t left = max;
    if (is_direct(src) && dst->slot->kind == DRAY_REGION_STREAM)
        return dray_soft_fail_src(q, DRAY_STATUS_UNSUPPORTED);
    if (is_direct(dst) && src->slot->kind == DRAY_REGION_STREAM)
        return dray_soft_fail_dst(q, DRAY_STATUS_UNSUPPORTED);
    max = whole_blocks(src, left, max);
    if (!max)
        return dray_soft_fail_src(q, DRAY_STATUS_ALIGNMENT);
    max = whole_blocks(dst, left, max);
    if (!max)
        return dray_soft_fail_dst(q, DRAY_STATUS_ALIGNMENT);
    if (dray_kind_is_memory(dst->slot->kind))
        return read_memory(q, dst, src, max, done);
    if (dray_kind_is_memory(src->slot->kind))
        return write_memory(q, dst, src, max, done);
    bool files = dst->slot->kind == DRAY_REGION_FILE && src->slot->kind == DRAY_REGION_FILE;
    if (files && q->progress == 0 && same_file_overlap(q, dst, src))
        return dray_soft_fail_dst(q, DRAY_STATUS_OVERLAP);
    if (files && !is_direct(dst) && !is_direct(src) && !(q->desc.flags & DRAY_FLAG_CRC) &&
        copy_range(dst, src, max, done))
        return DRAY_STEP_MORE;
    return relay(q, dst, src, max, done);
}
