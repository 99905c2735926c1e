/* Queues whose user is another process: passed by fork and over a socket, and memory that is no
 * queue. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "echo_engine.h"
#include "fault_inject.h"

enum {
    TRANSACTIONS = 500
};

static struct dray_queue *queue_make(uint32_t depth)
{
    struct dray_queue *q = NULL;
    struct dray_queue_options o = { .size = sizeof(o), .depth = depth };
    assert_int_equal(dray_queue_build(&q, &o), 0);
    return q;
}

/* The user, in a process of its own; returns its exit status. */
static int use(struct dray_queue *q)
{
    uint64_t submitted = 0, reaped = 0;
    while (reaped < TRANSACTIONS) {
        struct dray_desc *d;
        while (submitted < TRANSACTIONS && (d = dray_queue_get(q))) {
            dray_prep_nop(d);
            d->user_data = submitted++;
        }
        dray_queue_submit(q);
        const struct dray_completion *c;
        if (dray_queue_wait(q, &c, UINT64_MAX) || c->user_data != reaped++)
            return 1;
        dray_queue_seen(q, 1);
    }
    return 0;
}

static int import_and_use(const struct dray_queue_handle *handle)
{
    struct dray_queue *q;
    if (dray_queue_import(&q, handle))
        return 2;
    int r = use(q);
    dray_queue_free(q);
    return r;
}

static void expect_child(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Both of these begin in the child before there is any thread. */
static void child_uses_it_after_fork(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue_handle handle;
    struct dray_queue *q = queue_make(8);
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(import_and_use(&handle));
    assert_int_equal(pthread_create(&e.thread, NULL, echo_thread, &e), 0);
    expect_child(pid);
    echo_stop(&e);
    struct dray_queue_stats stats;
    dray_queue_stats(q, &stats);
    assert_int_equal(stats.completions, TRANSACTIONS);
    dray_queue_free(q);
}

static void send_handle(int socket, const struct dray_queue_handle *handle)
{
    char byte = 0, control[CMSG_SPACE(sizeof(*handle))] = { 0 };
    struct iovec v = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(*handle));
    memcpy(CMSG_DATA(c), handle, sizeof(*handle));
    assert_int_equal(sendmsg(socket, &m, 0), 1);
}

static bool receive_handle(int socket, struct dray_queue_handle *handle)
{
    char byte, control[CMSG_SPACE(sizeof(*handle))];
    struct iovec v = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
        return false;
    memcpy(handle, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(*handle));
    return true;
}

static void child_uses_what_it_was_sent(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct dray_queue_handle handle;
        _exit(receive_handle(pair[1], &handle) ? import_and_use(&handle) : 3);
    }
    struct echo e;
    struct dray_queue_handle handle;
    struct dray_queue *q = queue_make(2);
    echo_start(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    send_handle(pair[0], &handle);
    expect_child(pid);
    echo_stop(&e);
    dray_queue_free(q);
    close(pair[0]);
    close(pair[1]);
}

/* In one process: the import has a mapping of its own. */
static void import_goes_on_where_the_ring_stands(void **state)
{
    (void)state;
    struct echo e;
    const struct dray_completion *c;
    struct dray_queue_handle handle;
    struct dray_queue *import, *q = queue_make(4);
    echo_start(&e, q);
    for (uint64_t i = 0; i < 7; i++) {
        dray_prep_nop(dray_queue_get(q));
        dray_queue_submit(q);
        assert_int_equal(dray_queue_wait(q, &c, UINT64_MAX), 0);
        dray_queue_seen(q, 1);
    }
    assert_int_equal(dray_queue_export(q, &handle), 0);
    assert_int_equal(dray_queue_import(&import, &handle), 0);
    assert_null(dray_queue_peek(import));
    assert_int_equal(use(import), 0);
    struct dray_queue_stats stats;
    dray_queue_stats(import, &stats);
    assert_int_equal(stats.completions, TRANSACTIONS);
    assert_int_equal(dray_queue_moderate(import, &(struct dray_moderation){ 0 }), -ENOTSUP);
    dray_queue_free(import);
    echo_stop(&e);
    dray_queue_free(q);
}

static void import_learns_that_the_owner_is_gone(void **state)
{
    (void)state;
    struct echo e;
    const struct dray_completion *c;
    struct dray_queue_handle handle;
    struct dray_queue *import, *q = queue_make(4);
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    assert_int_equal(dray_queue_import(&import, &handle), 0);
    dray_prep_nop(dray_queue_get(import));
    dray_queue_submit(import);
    echo_work(&e, 1);
    dray_queue_free(q);
    close(e.doorbell_fd);
    assert_int_equal(dray_queue_wait(import, &c, UINT64_MAX), 0);
    dray_queue_seen(import, 1);
    assert_int_equal(dray_queue_wait(import, &c, UINT64_MAX), -ESHUTDOWN);
    dray_queue_free(import);
}

static void inline_queue_is_not_exported(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue_handle handle;
    struct dray_queue *q = queue_make(4);
    echo_attach_inline(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), -ENOTSUP);
    dray_queue_free(q);
}

/* ---- memory that is no queue ---- */

static void refused(int memory_fd)
{
    struct dray_queue *q;
    int event = eventfd(0, 0);
    struct dray_queue_handle handle = { memory_fd, event, event };
    assert_int_equal(dray_queue_import(&q, &handle), -EPROTO);
    close(event);
}

static int memory_make(size_t size, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void write_header(int fd, const uint32_t header[4])
{
    assert_int_equal(pwrite(fd, header, 16, 0), 16);
}

static void refuses_memory_that_is_no_queue(void **state)
{
    (void)state;
    enum {
        SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
    };
    static const uint32_t bad[][4] = {
        { 0, 1, 2, 2 },
        { DRAY_RING_MAGIC, 0, 2, 2 },
        { DRAY_RING_MAGIC, 2, 2, 2 },
        { DRAY_RING_MAGIC, 1, 0, 2 },
        { DRAY_RING_MAGIC, 1, 2, 0 },
        { DRAY_RING_MAGIC, 1, 3, 2 },
        { DRAY_RING_MAGIC, 1, 4, 2 },
        { DRAY_RING_MAGIC, 1, 2, 1u << 31 },
        { DRAY_RING_MAGIC, 1, 131072, 2 },
    };
    static const uint32_t good[4] = { DRAY_RING_MAGIC, 1, 2, 2 };
    enum {
        SIZE = 4096 + 2 * (64 + 32 + 128)
    };
    int fd;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        fd = memory_make(SIZE, SEALS);
        write_header(fd, bad[i]);
        refused(fd);
        close(fd);
    }
    fd = memory_make(SIZE, 0); /* could shrink under us */
    write_header(fd, good);
    refused(fd);
    close(fd);
    fd = memory_make(SIZE - 1, SEALS);
    write_header(fd, good);
    refused(fd);
    close(fd);
    fd = memory_make(0, SEALS);
    refused(fd);
    close(fd);
    fd = open("/dev/zero", O_RDWR);
    refused(fd);
    close(fd);
}

static void refuses_indices_that_do_not_fit(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue_handle handle;
    struct dray_queue *import, *q = queue_make(4);
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    e.port->ring->sq_tail = 5;
    assert_int_equal(dray_queue_import(&import, &handle), -EPROTO);
    dray_queue_free(q);
    close(e.doorbell_fd);
}

/* ---- errors on the way ---- */

static void build_undoes_what_it_did(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct dray_queue *q = NULL;
        fault_inject_arm(n);
        int r = dray_queue_build(&q, NULL);
        if (!fault_inject_disarm()) {
            assert_int_equal(r, 0);
            dray_queue_free(q);
            assert_true(n > 4);
            return;
        }
        assert_true(r < 0);
        assert_null(q);
    }
}

static void import_undoes_what_it_did(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue_handle handle;
    struct dray_queue *q = queue_make(4);
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    for (unsigned n = 1;; n++) {
        struct dray_queue *import = NULL;
        fault_inject_arm(n);
        int r = dray_queue_import(&import, &handle);
        if (!fault_inject_disarm()) {
            assert_int_equal(r, 0);
            dray_queue_free(import);
            assert_true(n > 4);
            break;
        }
        assert_true(r < 0);
        assert_null(import);
    }
    dray_queue_free(q);
    close(e.doorbell_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_uses_it_after_fork),
        cmocka_unit_test(child_uses_what_it_was_sent),
        cmocka_unit_test(import_goes_on_where_the_ring_stands),
        cmocka_unit_test(import_learns_that_the_owner_is_gone),
        cmocka_unit_test(inline_queue_is_not_exported),
        cmocka_unit_test(refuses_memory_that_is_no_queue),
        cmocka_unit_test(refuses_indices_that_do_not_fit),
        cmocka_unit_test(build_undoes_what_it_did),
        cmocka_unit_test(import_undoes_what_it_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
