/* Regions of a program: made, mapped, looked at, released. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain/region.h"
#include "program/escape.h"
#include "program/session.h"

enum {
    GUARD_BYTE = 0xa5,
    DRY_BLOCK = 512, /* of a direct file that is not there yet */
    CHUNK = 65536
};
#define DRY_ADDRESS ((uint64_t)1 << 32) /* of memory that is only explained */

static const struct dray_decl *decl_of(const struct dray_session *session, size_t index)
{
    return &session->program->decls[index];
}

static int fail(struct dray_session *session, size_t index, int error, const char *what)
{
    const struct dray_decl *decl = decl_of(session, index);
    char path[200] = "";
    if (decl->path)
        dray_escape(path, sizeof(path), decl->path, strlen(decl->path));
    return dray_report_error(session->report, session->program, decl->at, error, "%s%s%s%s%s: %s",
                             decl->name, decl->path ? " \"" : "", path, decl->path ? "\"" : "",
                             what, strerror(-error));
}

/* A key that no domain gave out, for sessions that only explain. */
static dray_key dry_key(size_t index, unsigned end)
{
    return (dray_key){ (uint32_t)(2 * index + end + 1) };
}

/* ---- memory ---- */

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Pieces lie in an order of their own, with guards between, so that no two neighbours touch: a step
 * that shares no factor with the count visits each place once. */
static size_t scatter_step(size_t count)
{
    size_t step = count * 5 / 8 | 1;
    for (;; step++) {
        size_t a = step, b = count;
        while (b) {
            size_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return step;
    }
}

static uint64_t slot_bytes(const struct dray_decl *decl)
{
    return align_up(decl->piece_size + DRAY_GUARD_BYTES, decl->align);
}

static void lay_pieces(const struct dray_decl *decl, struct dray_bound *bound, unsigned char *first)
{
    size_t step = scatter_step(decl->pieces), at = 0;
    for (size_t i = 0; i < decl->pieces; i++) {
        bound->pieces[i] = (struct iovec){ first + at * slot_bytes(decl), decl->piece_size };
        at = (at + step) % decl->pieces;
    }
}

/* Memory begins on a page, so that an explanation sees the same alignment as a run, up to a page. */
static uint64_t first_address(const struct dray_decl *decl, uint64_t arena)
{
    return align_up(arena + DRAY_GUARD_BYTES, decl->align) + decl->offset;
}

static int allocate(const struct dray_decl *decl, struct dray_bound *bound)
{
    uint64_t bytes = decl->pieces ? decl->pieces * slot_bytes(decl) : decl->size;
    bound->arena_size = bytes + decl->align + decl->offset + 2 * DRAY_GUARD_BYTES;
    void *arena = mmap(NULL, bound->arena_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (arena == MAP_FAILED)
        return -errno;
    bound->arena = arena;
    bound->address = first_address(decl, (uintptr_t)arena);
    bound->base = (unsigned char *)arena + (bound->address - (uintptr_t)arena);
    if (decl->pieces == 0) {
        memset(bound->base - DRAY_GUARD_BYTES, GUARD_BYTE, DRAY_GUARD_BYTES);
        memset(bound->base + decl->size, GUARD_BYTE, DRAY_GUARD_BYTES);
        return 0;
    }
    bound->pieces = calloc(decl->pieces, sizeof(*bound->pieces));
    if (!bound->pieces)
        return -ENOMEM;
    memset(bound->base - DRAY_GUARD_BYTES, GUARD_BYTE, bytes + DRAY_GUARD_BYTES);
    lay_pieces(decl, bound, bound->base);
    return 0;
}

static void write_content(const struct dray_decl *decl, struct dray_bound *bound)
{
    if (decl->pieces == 0 && decl->content.kind != DRAY_CONTENT_NONE)
        dray_content_write(&decl->content, 0, bound->base, decl->size);
    for (size_t i = 0; i < decl->pieces; i++)
        dray_content_write(&decl->content, i * decl->piece_size, bound->pieces[i].iov_base,
                           decl->piece_size);
}

int dray_bind_mem(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    bound->size = decl->size;
    if (session->dry) {
        bound->key[0] = dry_key(index, 0);
        bound->address = first_address(decl, DRY_ADDRESS);
        return 0;
    }
    int error = allocate(decl, bound);
    if (error)
        return fail(session, index, error, "");
    write_content(decl, bound);
    error = decl->pieces ? dray_map_pieces(session->domain, bound->pieces, decl->pieces,
                                           decl->access, &bound->key[0])
                         : dray_map_memory(session->domain, bound->base, decl->size, decl->access,
                                           &bound->key[0]);
    char why[200];
    dray_domain_error(session->domain, why, sizeof(why));
    if (error)
        return dray_report_error(session->report, session->program, decl->at, error, "%s: %s",
                                 decl->name, why[0] ? why : strerror(-error));
    return 0;
}

static bool all_guard(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != GUARD_BYTE)
            return false;
    return true;
}

bool dray_bound_guards_hold(const struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    const struct dray_bound *bound = &session->bound[index];
    if (!bound->arena)
        return true;
    bool hold = all_guard(bound->base - DRAY_GUARD_BYTES, DRAY_GUARD_BYTES);
    if (decl->pieces == 0)
        return hold && all_guard(bound->base + decl->size, DRAY_GUARD_BYTES);
    for (size_t i = 0; i < decl->pieces && hold; i++)
        hold = all_guard((unsigned char *)bound->pieces[i].iov_base + decl->piece_size,
                         slot_bytes(decl) - decl->piece_size);
    return hold;
}

/* ---- files ---- */

static int open_temp(struct dray_bound *bound, const char *name)
{
    const char *folder = getenv("TMPDIR");
    if (asprintf(&bound->path, "%s/dray-%s-XXXXXX", folder && *folder ? folder : "/tmp", name) <
        0) {
        bound->path = NULL;
        return -ENOMEM;
    }
    int fd = mkostemp(bound->path, O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int error = -errno;
    free(bound->path);
    bound->path = NULL;
    return error;
}

static int open_named(const struct dray_session *session, const struct dray_decl *decl)
{
    /* Not to hang on a FIFO that nobody else has opened; files do not care. */
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    flags |= decl->access & DRAY_WRITE ? O_RDWR : O_RDONLY;
    if (decl->how == DRAY_FILE_CREATE)
        flags |= O_CREAT | O_TRUNC;
    int folder = AT_FDCWD;
    if (session->options.directory)
        folder = open(session->options.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && folder != AT_FDCWD)
        return -errno;
    int fd = openat(folder, decl->path, flags, 0666);
    int error = -errno;
    if (folder != AT_FDCWD)
        close(folder);
    return fd < 0 ? error : fd;
}

static int write_all(int fd, const char *bytes, size_t length, uint64_t offset)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, bytes, length, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return -errno;
        n = n < 0 ? 0 : n;
        bytes += n;
        length -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int fill_file(int fd, const struct dray_decl *decl)
{
    char chunk[4096];
    if (ftruncate(fd, (off_t)decl->size) < 0)
        return -errno;
    for (uint64_t at = 0; decl->content.kind != DRAY_CONTENT_NONE && at < decl->size;) {
        size_t n = decl->size - at < sizeof(chunk) ? (size_t)(decl->size - at) : sizeof(chunk);
        dray_content_write(&decl->content, at, chunk, n);
        int error = write_all(fd, chunk, n, at);
        if (error)
            return error;
        at += n;
    }
    return 0;
}

/* Only the size, for a session that only explains. */
static int look_at_file(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    struct stat status;
    bound->key[0] = dry_key(index, 0);
    bound->size = decl->size;
    bound->alignment = decl->direct ? DRY_BLOCK : 0;
    if (decl->how != DRAY_FILE_OPEN)
        return 0;
    int folder = AT_FDCWD;
    if (session->options.directory)
        folder = open(session->options.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && folder != AT_FDCWD)
        return fail(session, index, -errno, "");
    int error = fstatat(folder, decl->path, &status, 0) < 0 ? -errno : 0;
    if (decl->direct)
        bound->alignment = dray_direct_alignment(folder, decl->path);
    if (folder != AT_FDCWD)
        close(folder);
    if (error)
        return fail(session, index, error, "");
    bound->size = (uint64_t)status.st_size;
    return 0;
}

/* The one that is looked at stays as it is; engines get a direct file opened once more. */
static int map_file(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    struct dray_region_info info;
    int fd = bound->fd;
    if (decl->direct) {
        char path[32];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", bound->fd);
        fd = open(path, (decl->access & DRAY_WRITE ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
        /* EINVAL is how a file system says that it has no direct files: no mistake in the program. */
        if (fd < 0)
            return fail(session, index, errno == EINVAL ? -EOPNOTSUPP : -errno, " direct");
    }
    int error = dray_map_file(session->domain, fd, decl->access, &bound->key[0]);
    if (decl->direct)
        close(fd);
    if (error)
        return fail(session, index, error, "");
    dray_region_info(session->domain, bound->key[0], &info);
    bound->alignment = info.alignment;
    return 0;
}

int dray_bind_file(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    struct stat status;
    if (session->dry)
        return look_at_file(session, index);
    int fd = decl->how == DRAY_FILE_TEMP ? open_temp(bound, decl->name) : open_named(session, decl);
    if (fd < 0)
        return fail(session, index, fd, "");
    bound->fd = fd;
    if (fstat(fd, &status) < 0)
        return fail(session, index, -errno, "");
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return fail(session, index, S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL,
                    " is no regular file or block device");
    if (decl->how != DRAY_FILE_OPEN) {
        int error = fill_file(fd, decl);
        if (error)
            return fail(session, index, error, "");
    }
    bound->size = dray_bound_file_size(session, index);
    return map_file(session, index);
}

/* ---- streams and flags ---- */

static int map_end(struct dray_session *session, int fd, unsigned access, dray_key *key)
{
    return dray_map_stream(session->domain, fd, access, key);
}

static int map_pipe(struct dray_session *session, const struct dray_decl *decl, const int *fd,
                    struct dray_bound *bound)
{
    int error = 0;
    if (decl->size > 0 && fcntl(fd[1], F_SETPIPE_SZ, (int)decl->size) < 0)
        error = -errno;
    if (!error && !decl->no_reader)
        error = map_end(session, fd[0], DRAY_READ, &bound->key[0]);
    if (!error && !decl->no_writer)
        error = map_end(session, fd[1], DRAY_WRITE, &bound->key[1]);
    return error;
}

int dray_bind_stream(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    int fd[2], error;
    if (session->dry) {
        bound->key[0] = dry_key(index, 0);
        bound->key[1] = dry_key(index, 1);
        return 0;
    }
    int made = decl->kind == DRAY_DECL_PIPE
                   ? pipe2(fd, O_CLOEXEC)
                   : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
    if (made < 0)
        return fail(session, index, -errno, "");
    if (decl->kind == DRAY_DECL_PIPE) {
        error = map_pipe(session, decl, fd, bound);
    } else {
        error = map_end(session, fd[0], DRAY_READ | DRAY_WRITE, &bound->key[0]);
        if (!error)
            error = map_end(session, fd[1], DRAY_READ | DRAY_WRITE, &bound->key[1]);
    }
    close(fd[0]); /* the domain has its own */
    close(fd[1]);
    return error ? fail(session, index, error, "") : 0;
}

int dray_bind_flag(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    bound->size = sizeof(uint64_t);
    if (session->dry) {
        bound->key[0] = dry_key(index, 0);
        return 0;
    }
    uint64_t *word = &session->flags[index * DRAY_FLAG_WORDS];
    *word = decl->content.value;
    int error = dray_map_flags(session->domain, word, 1, decl->access, &bound->key[0]);
    return error ? fail(session, index, error, "") : 0;
}

void dray_unbind_region(struct dray_session *session, size_t index)
{
    struct dray_bound *bound = &session->bound[index];
    if (bound->fd >= 0)
        close(bound->fd);
    if (bound->path && session->options.keep)
        dray_report_note(session->report, "%s: kept as %s", decl_of(session, index)->name,
                         bound->path);
    else if (bound->path)
        unlink(bound->path);
    free(bound->path);
    free(bound->pieces);
    if (bound->arena)
        munmap(bound->arena, bound->arena_size);
}

/* ---- looking at bytes ---- */

static void read_pieces(const struct dray_decl *decl, const struct dray_bound *bound,
                        uint64_t offset, unsigned char *out, size_t length)
{
    while (length > 0) {
        uint64_t in = offset % decl->piece_size;
        size_t n = decl->piece_size - in < length ? (size_t)(decl->piece_size - in) : length;
        const struct iovec *piece = &bound->pieces[offset / decl->piece_size];
        memcpy(out, (const unsigned char *)piece->iov_base + in, n);
        out += n;
        offset += n;
        length -= n;
    }
}

static int read_file(int fd, uint64_t offset, unsigned char *out, size_t length)
{
    while (length > 0) {
        ssize_t n = pread(fd, out, length, (off_t)offset);
        if (n == 0)
            return -ENODATA;
        if (n < 0 && errno != EINTR)
            return -errno;
        n = n < 0 ? 0 : n;
        out += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int dray_bound_read(const struct dray_session *session, size_t index, uint64_t offset, void *out,
                    size_t length)
{
    const struct dray_decl *decl = decl_of(session, index);
    const struct dray_bound *bound = &session->bound[index];
    if (decl->kind == DRAY_DECL_FILE)
        return read_file(bound->fd, offset, out, length);
    if (decl->kind == DRAY_DECL_FLAG) {
        uint64_t value = dray_flag_load(&session->flags[index * DRAY_FLAG_WORDS]);
        memcpy(out, (const char *)&value + offset, length);
    } else if (bound->pieces) {
        read_pieces(decl, bound, offset, out, length);
    } else {
        memcpy(out, bound->base + offset, length);
    }
    return 0;
}

uint64_t dray_bound_file_size(const struct dray_session *session, size_t index)
{
    off_t end = lseek(session->bound[index].fd, 0, SEEK_END); /* of a block device too */
    return end < 0 ? 0 : (uint64_t)end;
}
