/* Mapping: check, pin or duplicate, then publish a key. A step that fails undoes those before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain/internal.h"

static int check_access(struct dray_domain *domain, unsigned access, unsigned allowed)
{
    if (access & ~allowed)
        return dray_domain_fail(domain, -EINVAL,
                                "map: access has bits %#x, which are not rights here",
                                access & ~allowed);
    if (!(access & (DRAY_READ | DRAY_WRITE)))
        return dray_domain_fail(domain, -EINVAL,
                                "map: access has neither DRAY_READ nor DRAY_WRITE");
    return 0;
}

/* Fills a slot and publishes it. The lock is held. */
static int publish(struct dray_domain *domain, const struct dray_slot *like, dray_key *key)
{
    dray_lazy_collect(domain);
    uint32_t index = dray_slot_take(domain);
    if (index == DRAY_SLOT_NONE && domain->lazy_count > 0) {
        dray_lazy_finish(domain);
        index = dray_slot_take(domain);
    }
    if (index == DRAY_SLOT_NONE)
        return dray_domain_fail(domain, -ENOSPC, "map: all %" PRIu32 " regions are in use",
                                domain->regions_max);
    struct dray_slot *slot = &domain->table.slots[index];
    slot->kind = like->kind;
    slot->access = like->access;
    slot->length = like->length;
    slot->base = like->base;
    slot->region = like->region;
    *key = dray_slot_publish(domain, index);
    return 0;
}

static int map(struct dray_domain *domain, const struct dray_slot *like, dray_key *key)
{
    pthread_mutex_lock(&domain->lock);
    int error = publish(domain, like, key);
    pthread_mutex_unlock(&domain->lock);
    return error;
}

/* ---- memory ---- */

static void unpin_list(struct dray_domain *domain, const struct iovec *list, size_t count)
{
    while (count-- > 0)
        dray_unpin(&domain->pins, list[count].iov_base, list[count].iov_len);
}

/* All or nothing. */
static int pin_list(struct dray_domain *domain, const struct iovec *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char why[200];
        int error = dray_pin(&domain->pins, list[i].iov_base, list[i].iov_len, why, sizeof(why));
        if (error) {
            unpin_list(domain, list, i);
            return dray_domain_fail(domain, error, "%s", why);
        }
    }
    return 0;
}

/* Pins if asked to, then maps. `list` is the memory of the region. */
static int map_memory(struct dray_domain *domain, const struct dray_slot *like,
                      const struct iovec *list, size_t count, dray_key *key)
{
    bool pin = like->access & DRAY_PIN;
    pthread_mutex_lock(&domain->lock);
    int error = pin ? pin_list(domain, list, count) : 0;
    if (!error) {
        error = publish(domain, like, key);
        if (error && pin)
            unpin_list(domain, list, count);
    }
    pthread_mutex_unlock(&domain->lock);
    return error;
}

static int map_range(struct dray_domain *domain, enum dray_region_kind kind, void *base,
                     uint64_t length, unsigned access, dray_key *key)
{
    int error = check_access(domain, access, DRAY_READ | DRAY_WRITE | DRAY_PIN);
    if (error)
        return error;
    if (!base || length == 0)
        return dray_domain_fail(domain, -EINVAL, "map: no %s", base ? "length" : "address");
    if (length > INT64_MAX || (uintptr_t)base + length - 1 < (uintptr_t)base)
        return dray_domain_fail(domain, -EINVAL, "map: %" PRIu64 " bytes at %p wrap round", length,
                                base);
    struct dray_slot like = {
        .kind = kind, .access = (uint8_t)access, .length = length, .base = base
    };
    struct iovec whole = { .iov_base = base, .iov_len = length };
    return map_memory(domain, &like, &whole, 1, key);
}

int dray_map_memory(struct dray_domain *domain, void *base, size_t length, unsigned access,
                    dray_key *key)
{
    return map_range(domain, DRAY_REGION_MEMORY, base, length, access, key);
}

int dray_map_flags(struct dray_domain *domain, uint64_t *words, size_t count, unsigned access,
                   dray_key *key)
{
    if ((uintptr_t)words % 8)
        return dray_domain_fail(domain, -EINVAL, "map flags: %p is not on a multiple of 8",
                                (void *)words);
    if (count > INT64_MAX / 8)
        return dray_domain_fail(domain, -EINVAL, "map flags: %zu words wrap round", count);
    return map_range(domain, DRAY_REGION_FLAGS, words, count * 8, access, key);
}

int dray_map_pieces(struct dray_domain *domain, const struct iovec *pieces, size_t count,
                    unsigned access, dray_key *key)
{
    int error = check_access(domain, access, DRAY_READ | DRAY_WRITE | DRAY_PIN);
    if (error)
        return error;
    if (!pieces || count == 0 || count > DRAY_PIECES_MAX)
        return dray_domain_fail(domain, -EINVAL, "map pieces: %zu pieces, expected 1 to %d", count,
                                DRAY_PIECES_MAX);
    char why[200];
    struct dray_slot like = { .kind = DRAY_REGION_PIECES, .access = (uint8_t)access };
    error = dray_region_from_pieces(&like.region, pieces, count, access & DRAY_WRITE, &like.length,
                                    why, sizeof(why));
    if (error)
        return dray_domain_fail(domain, error, "%s", why);
    error = map_memory(domain, &like, dray_region_pieces(like.region)->piece, count, key);
    if (error)
        dray_region_free(like.region);
    return error;
}

/* ---- files and streams ---- */

static int check_mode(struct dray_domain *domain, int fd, unsigned access, int *flags)
{
    *flags = fcntl(fd, F_GETFL);
    if (*flags < 0)
        return dray_domain_fail(domain, -errno, "map: descriptor %d: %s", fd, strerror(errno));
    int mode = *flags & O_ACCMODE;
    bool reads = mode == O_RDONLY || mode == O_RDWR;
    bool writes = mode == O_WRONLY || mode == O_RDWR;
    if (*flags & O_PATH || (access & DRAY_READ && !reads))
        return dray_domain_fail(domain, -EACCES, "map: descriptor %d is not open for reading", fd);
    if (access & DRAY_WRITE && !writes)
        return dray_domain_fail(domain, -EACCES, "map: descriptor %d is not open for writing", fd);
    return 0;
}

/* Bytes of a packet that were sent in two pieces would be two packets. */
static bool is_byte_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* The type of the file must fit the kind of region; an append-only file cannot be written by
 * offset. */
static int check_type(struct dray_domain *domain, enum dray_region_kind kind, int fd, mode_t type,
                      bool appends)
{
    bool file = S_ISREG(type) || S_ISBLK(type);
    bool stream = S_ISFIFO(type) || S_ISSOCK(type) || S_ISCHR(type);
    if (kind == DRAY_REGION_FILE && !file)
        return dray_domain_fail(domain, -EINVAL,
                                "map file: descriptor %d is no regular file or block device%s", fd,
                                stream ? " (map it as a stream)" : "");
    if (kind == DRAY_REGION_STREAM && !stream)
        return dray_domain_fail(
            domain, -EINVAL, "map stream: descriptor %d is no pipe, socket or character device%s",
            fd, file ? " (map it as a file)" : "");
    if (S_ISSOCK(type) && !is_byte_stream(fd))
        return dray_domain_fail(domain, -EPROTONOSUPPORT,
                                "map stream: descriptor %d is a socket of packets: only sockets "
                                "of bytes (SOCK_STREAM) have a place in a stream",
                                fd);
    if (kind == DRAY_REGION_FILE && appends)
        return dray_domain_fail(
            domain, -EINVAL,
            "map file: descriptor %d was opened with O_APPEND: the kernel would "
            "write at the end, not at the offset",
            fd);
    return 0;
}

void dray_region_close(struct dray_region *region)
{
    if (region->fd.fd >= 0)
        close(region->fd.fd);
    if (region->fd.tail_fd >= 0)
        close(region->fd.tail_fd);
}

/* The region's own descriptor, above the standard three, which programs reopen. A pipe gets an open
 * file of its own as well, so that it can be O_NONBLOCK without the caller's becoming so: a worker
 * must never wait for a stream, also where somebody else takes the bytes that it saw there. */
static int hold_open(int fd, int flags, mode_t type)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = -1;
    if (S_ISFIFO(type))
        own = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own >= 3)
        return own;
    if (own < 0 && S_ISFIFO(type) && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return -1;
    int copy = fcntl(own < 0 ? fd : own, F_DUPFD_CLOEXEC, 3);
    if (own >= 0)
        close(own);
    return copy;
}

static int map_fd(struct dray_domain *domain, enum dray_region_kind kind, int fd, unsigned access,
                  dray_key *key)
{
    int flags;
    struct stat status;
    int error = check_access(domain, access, DRAY_READ | DRAY_WRITE);
    if (!error)
        error = check_mode(domain, fd, access, &flags);
    if (error)
        return error;
    if (fstat(fd, &status))
        return dray_domain_fail(domain, -errno, "map: descriptor %d: %s", fd, strerror(errno));
    error = check_type(domain, kind, fd, status.st_mode, flags & O_APPEND && access & DRAY_WRITE);
    if (error)
        return error;
    struct dray_region *region = malloc(sizeof(*region));
    if (!region)
        return dray_domain_fail(domain, -ENOMEM, "map: no memory");
    region->kind = kind;
    region->fd = (struct dray_region_fd){
        .fd = hold_open(fd, flags, status.st_mode),
        .device = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev,
        .inode = S_ISBLK(status.st_mode) ? 0 : status.st_ino,
        .socket = S_ISSOCK(status.st_mode),
        .pipe = S_ISFIFO(status.st_mode),
        .block = 1,
        .tail_fd = -1,
    };
    if (region->fd.fd < 0) {
        error = dray_domain_fail(domain, -errno, "map: duplicate descriptor %d: %s", fd,
                                 strerror(errno));
        free(region);
        return error;
    }
    if (kind == DRAY_REGION_FILE && flags & O_DIRECT) {
        region->fd.block = dray_direct_alignment(fd, "");
        region->fd.tail_fd = dray_direct_open_tail(fd, flags & O_ACCMODE);
    }
    struct dray_slot like = { .kind = (uint8_t)kind, .access = (uint8_t)access, .region = region };
    like.length = kind == DRAY_REGION_FILE ? (uint64_t)INT64_MAX : UINT64_MAX;
    error = map(domain, &like, key);
    if (error) {
        dray_region_close(region);
        free(region);
    }
    return error;
}

int dray_map_file(struct dray_domain *domain, int fd, unsigned access, dray_key *key)
{
    return map_fd(domain, DRAY_REGION_FILE, fd, access, key);
}

int dray_map_stream(struct dray_domain *domain, int fd, unsigned access, dray_key *key)
{
    return map_fd(domain, DRAY_REGION_STREAM, fd, access, key);
}
