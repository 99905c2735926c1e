/* Files, pipes and sockets on every engine: the bytes, the exact counts, and how the operating
 * system's refusals come back. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_inject.h"
#include "rig.h"

enum {
    SIZE = 300000,
    SRC = 1,
    DST = 2
};

static int temporary(void)
{
    char name[] = "/tmp/dray-io-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

static int file_of(uint64_t salt, size_t size)
{
    int fd = temporary();
    uint8_t *bytes = malloc(size);
    tag_fill(bytes, size, salt, 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
    free(bytes);
    return fd;
}

static void file_check(int fd, size_t size, uint64_t salt, uint64_t position, uint64_t at)
{
    uint8_t *bytes = malloc(size);
    assert_int_equal(pread(fd, bytes, size, (off_t)at), size);
    tag_check(bytes, size, salt, position);
    free(bytes);
}

static dray_key map_fd(struct rig *rig, int fd, unsigned access)
{
    struct stat st;
    dray_key key;
    assert_int_equal(fstat(fd, &st), 0);
    int error = S_ISREG(st.st_mode) ? dray_map_file(rig->domain, fd, access, &key)
                                    : dray_map_stream(rig->domain, fd, access, &key);
    assert_int_equal(error, 0);
    return key;
}

static struct dray_completion copy(struct rig *rig, dray_key dst, uint64_t dst_at, dray_key src,
                                   uint64_t src_at, uint64_t length, uint16_t flags)
{
    struct dray_desc *d = rig_get(rig);
    dray_prep_copy(d, dst, dst_at, src, src_at, length);
    d->flags = flags;
    return rig_finish(rig);
}

static void file_to_memory_and_back(void **state)
{
    struct rig *rig = *state;
    int from = file_of(SRC, SIZE), to = temporary();
    uint8_t *buffer = guard_alloc(SIZE, 1);
    dray_key in = map_fd(rig, from, DRAY_READ), out = map_fd(rig, to, DRAY_READ | DRAY_WRITE);
    dray_key memory = rig_map(rig, buffer, SIZE, DRAY_READ | DRAY_WRITE);

    struct dray_completion c = copy(rig, memory, 0, in, 777, 200000, 0);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, 200000);
    tag_check(buffer, 200000, SRC, 777);

    c = copy(rig, out, 5001, memory, 3, 100000, 0);
    assert_status(c, DRAY_STATUS_OK);
    file_check(to, 100000, SRC, 780, 5001);

    c = copy(rig, out, 250001, in, 11, 200000, 0);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, 200000);
    file_check(to, 200000, SRC, 11, 250001);
    guard_free(buffer);
    close(from);
    close(to);
}

/* The checksum of what passes is the same on every path. */
static void crc_of_a_copy_on_every_path(void **state)
{
    struct rig *rig = *state;
    int from = file_of(SRC, SIZE), to = temporary();
    uint8_t *buffer = guard_alloc(SIZE, 1), *other = guard_alloc(SIZE, 1);
    dray_key in = map_fd(rig, from, DRAY_READ), out = map_fd(rig, to, DRAY_WRITE);
    dray_key a = rig_map(rig, buffer, SIZE, DRAY_READ | DRAY_WRITE);
    dray_key b = rig_map(rig, other, SIZE, DRAY_READ | DRAY_WRITE);

    uint64_t first = copy(rig, a, 0, in, 0, SIZE, DRAY_FLAG_CRC).result;
    assert_int_equal(copy(rig, b, 0, a, 0, SIZE, DRAY_FLAG_CRC).result, first);
    assert_int_equal(copy(rig, out, 0, b, 0, SIZE, DRAY_FLAG_CRC).result, first);
    assert_int_equal(copy(rig, out, 0, in, 0, SIZE, DRAY_FLAG_CRC).result, first);
    dray_prep_crc32c(rig_get(rig), in, 0, SIZE, 0);
    assert_int_equal(rig_finish(rig).result, first);
    dray_prep_crc32c(rig_get(rig), a, 0, SIZE, 0);
    assert_int_equal(rig_finish(rig).result, first);
    dray_prep_compare(rig_get(rig), in, 0, a, 0, SIZE);
    assert_int_equal(rig_finish(rig).result, SIZE);
    buffer[SIZE - 7] ^= 1;
    dray_prep_compare(rig_get(rig), in, 0, a, 0, SIZE);
    assert_int_equal(rig_finish(rig).result, SIZE - 7);
    guard_free(buffer);
    guard_free(other);
    close(from);
    close(to);
}

static void scattered_memory_to_a_file(void **state)
{
    struct rig *rig = *state;
    enum {
        PIECES = 200,
        PIECE = 777
    };
    struct iovec pieces[PIECES];
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i] = (struct iovec){ guard_alloc(PIECE, 1), PIECE };
        tag_fill(pieces[i].iov_base, PIECE, SRC, i * PIECE);
    }
    int to = temporary();
    dray_key out = map_fd(rig, to, DRAY_READ | DRAY_WRITE), in;
    assert_int_equal(dray_map_pieces(rig->domain, pieces, PIECES, DRAY_READ | DRAY_WRITE, &in), 0);
    assert_int_equal(copy(rig, out, 0, in, 0, PIECES * PIECE, 0).moved, PIECES * PIECE);
    file_check(to, PIECES * PIECE, SRC, 0, 0);
    assert_int_equal(copy(rig, in, 0, out, 1, PIECES * PIECE - 1, 0).moved, PIECES * PIECE - 1);
    tag_check(pieces[0].iov_base, PIECE, SRC, 1);
    tag_check(pieces[100].iov_base, PIECE, SRC, 100 * PIECE + 1);
    for (unsigned i = 0; i < PIECES; i++)
        guard_free(pieces[i].iov_base);
    close(to);
}

static void fill_of_a_file(void **state)
{
    struct rig *rig = *state;
    int to = temporary();
    dray_key out = map_fd(rig, to, DRAY_WRITE);
    dray_prep_fill(rig_get(rig), out, 3, 400000, "abcdefgh", 8);
    assert_int_equal(rig_finish(rig).moved, 400000);
    char bytes[16];
    assert_int_equal(pread(to, bytes, 16, 3 + 399984), 16);
    assert_memory_equal(bytes, "abcdefghabcdefgh", 16);
    struct stat st;
    fstat(to, &st);
    assert_int_equal(st.st_size, 400003);
    close(to);
}

static void the_end_of_a_file_is_told_exactly(void **state)
{
    struct rig *rig = *state;
    int from = file_of(SRC, 1000);
    uint8_t *buffer = guard_alloc(5000, 1);
    dray_key in = map_fd(rig, from, DRAY_READ);
    dray_key memory = rig_map(rig, buffer, 5000, DRAY_WRITE);
    struct dray_completion c = copy(rig, memory, 0, in, 0, 5000, 0);
    assert_status(c, DRAY_STATUS_END);
    assert_int_equal(c.moved, 1000);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    tag_check(buffer, 1000, SRC, 0);
    /* It shrinks: mapped as it was, less is there. */
    assert_int_equal(ftruncate(from, 300), 0);
    c = copy(rig, memory, 0, in, 0, 1000, 0);
    assert_status(c, DRAY_STATUS_END);
    assert_int_equal(c.moved, 300);
    guard_free(buffer);
    close(from);
}

static bool works_in_this_thread(const struct rig *rig)
{
    return rig->config->mode == DRAY_MODE_INLINE;
}

/* The operating system interrupts, moves less than asked, and then has no room. */
static void what_the_system_cuts_short_is_told_exactly(void **state)
{
    struct rig *rig = *state;
    if (!works_in_this_thread(rig))
        return; /* the script is of the calling thread's calls; the code is the same */
    const struct fault_io steps[] = {
        { .error = EINTR }, { .bytes = 100 },    { .error = EINTR },
        { .bytes = 1 },     { .error = ENOSPC },
    };
    uint8_t *buffer = guard_alloc(5000, 1);
    tag_fill(buffer, 5000, SRC, 0);
    int to = temporary(), from = file_of(SRC, 5000);
    dray_key memory = rig_map(rig, buffer, 5000, DRAY_READ | DRAY_WRITE);
    dray_key out = map_fd(rig, to, DRAY_WRITE), in = map_fd(rig, from, DRAY_READ);

    fault_inject_io(steps, 5);
    struct dray_completion c = copy(rig, out, 0, memory, 0, 5000, 0);
    assert_status(c, DRAY_STATUS_FULL);
    assert_int_equal(c.result, ENOSPC);
    assert_int_equal(c.moved, 101);
    file_check(to, 101, SRC, 0, 0);

    /* Without the last step it goes on to the end. */
    fault_inject_io(steps, 4);
    c = copy(rig, out, 0, memory, 0, 5000, 0);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, 5000);
    file_check(to, 5000, SRC, 0, 0);

    memset(buffer, 0, 5000);
    fault_inject_io(steps, 4);
    c = copy(rig, memory, 0, in, 0, 5000, 0);
    assert_status(c, DRAY_STATUS_OK);
    tag_check(buffer, 5000, SRC, 0);

    const struct fault_io broken[] = { { .bytes = 7 }, { .error = EIO } };
    fault_inject_io(broken, 2);
    c = copy(rig, memory, 0, in, 0, 5000, 0);
    assert_status(c, DRAY_STATUS_IO);
    assert_int_equal(c.result, EIO);
    assert_int_equal(c.moved, 7);
    guard_free(buffer);
    close(to);
    close(from);
}

/* The file loses its end while it is read, slice by slice: what came is counted, and is right. */
static void a_file_that_shrinks_under_a_transfer(void **state)
{
    struct rig *rig = *state;
    enum {
        LONG = 24 << 20
    };
    int from = file_of(SRC, LONG);
    uint8_t *buffer = guard_alloc(LONG, 1);
    dray_key in = map_fd(rig, from, DRAY_READ), memory = rig_map(rig, buffer, LONG, DRAY_WRITE);
    dray_queue_limit_rate(rig->queue, 200 << 20); /* slices, so that it takes a while */
    dray_prep_copy(rig_get(rig), memory, 0, in, 0, LONG);
    dray_queue_submit(rig->queue);
    assert_int_equal(ftruncate(from, 1 << 20), 0);
    struct dray_completion c = rig_wait(rig);
    assert_status(c, DRAY_STATUS_END);
    assert_true(c.moved >= 1 << 20 && c.moved < LONG);
    tag_check(buffer, 1 << 20, SRC, 0);
    guard_free(buffer);
    close(from);
}

/* RLIMIT_FSIZE in a child process: as a full disk does it, a write is cut short, then refused. */
static void a_full_file_is_told_exactly(void **state)
{
    struct rig *outer = *state;
    pid_t child = fork();
    if (child == 0) {
        struct rig rig;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 10000, 10000 });
        rig_open(&rig, outer->config, 8);
        uint8_t *buffer = guard_alloc(SIZE, 1);
        int to = temporary();
        dray_key out = map_fd(&rig, to, DRAY_WRITE);
        dray_key in = rig_map(&rig, buffer, SIZE, DRAY_READ);
        struct dray_completion c = copy(&rig, out, 4000, in, 0, SIZE, 0);
        _exit(c.status == DRAY_STATUS_FULL && c.moved == 6000 && c.result == EFBIG ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void through_a_pipe(void **state)
{
    struct rig *rig = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uint8_t *src = guard_alloc(SIZE, 1), *dst = guard_alloc(SIZE, 1);
    tag_fill(src, SIZE, SRC, 0);
    dray_key in = rig_map(rig, src, SIZE, DRAY_READ), out = rig_map(rig, dst, SIZE, DRAY_WRITE);
    dray_key pipe_in = map_fd(rig, ends[1], DRAY_WRITE), pipe_out = map_fd(rig, ends[0], DRAY_READ);

    /* More than a pipe holds: the writer is parked, while the reader on another queue goes on. */
    struct dray_queue *reader;
    assert_int_equal(dray_queue_create(&reader, rig->engine, NULL), 0);
    dray_prep_copy(rig_get(rig), pipe_in, 0, in, 0, SIZE);
    dray_queue_submit(rig->queue);
    dray_prep_copy(dray_queue_get(reader), out, 0, pipe_out, 0, SIZE);
    dray_queue_submit(reader);
    const struct dray_completion *read_done = NULL, *write_done = NULL;
    while (!read_done || !write_done) {
        write_done = dray_queue_peek(rig->queue);
        read_done = dray_queue_peek(reader);
    }
    assert_status(*write_done, DRAY_STATUS_OK);
    assert_status(*read_done, DRAY_STATUS_OK);
    assert_int_equal(write_done->moved, SIZE);
    assert_int_equal(read_done->moved, SIZE);
    tag_check(dst, SIZE, SRC, 0);
    dray_queue_destroy(&reader);
    guard_free(src);
    guard_free(dst);
    close(ends[0]);
    close(ends[1]);
}

/* Whoever is first at the bytes, the worker or a caller that looks in: what comes after is not forgotten. */
static void a_pipe_is_listened_to_after_a_caller_helped(void **state)
{
    struct rig *rig = *state;
    if (rig->config->mode == DRAY_MODE_INLINE)
        return; /* nobody sleeps */
    int ends[2];
    uint8_t bytes[16] = { 0 };
    assert_int_equal(pipe(ends), 0);
    dray_key in = map_fd(rig, ends[0], DRAY_READ), memory = rig_map(rig, bytes, 16, DRAY_WRITE);
    for (int round = 0; round < 60; round++) {
        struct dray_engine_stats before, now;
        const struct dray_completion *c;
        dray_engine_stats(rig->engine, &before);
        dray_prep_copy(rig_get(rig), memory, 0, in, 0, 16);
        dray_queue_submit(rig->queue);
        do
            dray_engine_stats(rig->engine, &now);
        while (now.sleeps == before.sleeps);
        assert_int_equal(write(ends[1], "0123456789abcdef", 16), 16);
        if (dray_queue_wait(rig->queue, &c, 0) == 0)
            dray_queue_seen(rig->queue, 1);
        else
            assert_status(rig_wait(rig), DRAY_STATUS_OK);
        /* Now without looking in: armed, and asleep in the program's own poll. */
        dray_prep_copy(rig_get(rig), memory, 0, in, 0, 16);
        dray_queue_submit(rig->queue);
        assert_int_equal(write(ends[1], "0123456789abcdef", 16), 16);
        if (dray_queue_arm(rig->queue)) {
            struct pollfd p = { .fd = dray_queue_event_fd(rig->queue), .events = POLLIN };
            assert_int_equal(poll(&p, 1, 20000), 1);
        }
        assert_status(rig_wait(rig), DRAY_STATUS_OK);
    }
    close(ends[0]);
    close(ends[1]);
}

static void a_closed_pipe_is_told_not_raised(void **state)
{
    struct rig *rig = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uint8_t bytes[100] = { 0 };
    dray_key memory = rig_map(rig, bytes, 100, DRAY_READ | DRAY_WRITE);
    dray_key out = map_fd(rig, ends[1], DRAY_WRITE);
    close(ends[0]);
    struct dray_completion c = copy(rig, out, 0, memory, 0, 100, 0);
    assert_status(c, DRAY_STATUS_CLOSED);
    assert_int_equal(c.moved, 0);
    close(ends[1]);

    /* And the other way: the writer goes after 60 bytes. */
    assert_int_equal(pipe(ends), 0);
    dray_key in = map_fd(rig, ends[0], DRAY_READ);
    assert_int_equal(write(ends[1], bytes, 60), 60);
    close(ends[1]);
    c = copy(rig, memory, 0, in, 0, 100, 0);
    assert_status(c, DRAY_STATUS_END);
    assert_int_equal(c.moved, 60);
    close(ends[0]);
}

static void between_sockets_pipes_and_files(void **state)
{
    struct rig *rig = *state;
    int pair[2], ends[2], from = file_of(SRC, 50000), to = temporary();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(ends), 0);
    dray_key file = map_fd(rig, from, DRAY_READ), target = map_fd(rig, to, DRAY_WRITE);
    dray_key s0 = map_fd(rig, pair[0], DRAY_WRITE), s1 = map_fd(rig, pair[1], DRAY_READ);
    dray_key p0 = map_fd(rig, ends[1], DRAY_WRITE), p1 = map_fd(rig, ends[0], DRAY_READ);
    /* file -> socket -> pipe -> file, in pieces that each of them holds */
    for (unsigned at = 0; at < 50000; at += 25000) {
        assert_int_equal(copy(rig, s0, 0, file, at, 25000, 0).moved, 25000);
        assert_int_equal(copy(rig, p0, 0, s1, 0, 25000, 0).moved, 25000);
        assert_int_equal(copy(rig, target, at, p1, 0, 25000, 0).moved, 25000);
    }
    file_check(to, 50000, SRC, 0, 0);
    int fds[] = { pair[0], pair[1], ends[0], ends[1], from, to };
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
}

static void streams_have_no_offsets_and_files_no_overlap(void **state)
{
    struct rig *rig = *state;
    int ends[2], fd = file_of(SRC, 1000);
    uint8_t bytes[100] = { 0 };
    assert_int_equal(pipe(ends), 0);
    dray_key memory = rig_map(rig, bytes, 100, DRAY_READ | DRAY_WRITE);
    dray_key out = map_fd(rig, ends[1], DRAY_WRITE), in = map_fd(rig, ends[0], DRAY_READ);
    dray_key file = map_fd(rig, fd, DRAY_READ | DRAY_WRITE);
    assert_status(copy(rig, out, 8, memory, 0, 10, 0), DRAY_STATUS_RANGE);
    assert_status(copy(rig, file, 10, file, 0, 100, 0), DRAY_STATUS_OVERLAP);
    assert_status(copy(rig, file, 500, file, 0, 100, 0), DRAY_STATUS_OK);
    dray_prep_compare(rig_get(rig), in, 0, memory, 0, 10);
    assert_status(rig_finish(rig), DRAY_STATUS_UNSUPPORTED);
    dray_prep_strided(rig_get(rig), memory, 0, file, 0, 8, (dray_key){ 0 }, 0);
    /* the shape slot is zero: refused before the kinds are looked at */
    assert_int_not_equal(rig_finish(rig).status, DRAY_STATUS_OK);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_to_memory_and_back),
        cmocka_unit_test(crc_of_a_copy_on_every_path),
        cmocka_unit_test(scattered_memory_to_a_file),
        cmocka_unit_test(fill_of_a_file),
        cmocka_unit_test(the_end_of_a_file_is_told_exactly),
        cmocka_unit_test(what_the_system_cuts_short_is_told_exactly),
        cmocka_unit_test(a_file_that_shrinks_under_a_transfer),
        cmocka_unit_test(a_full_file_is_told_exactly),
        cmocka_unit_test(through_a_pipe),
        cmocka_unit_test(a_pipe_is_listened_to_after_a_caller_helped),
        cmocka_unit_test(a_closed_pipe_is_told_not_raised),
        cmocka_unit_test(between_sockets_pipes_and_files),
        cmocka_unit_test(streams_have_no_offsets_and_files_no_overlap),
    };
    return rig_run_host_tests("io", tests, sizeof(tests) / sizeof(tests[0]));
}
