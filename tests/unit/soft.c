/* The software controller inside: what cannot be seen from outside, or only by luck. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/soft/soft.h"
#include "rig.h"

static const struct rig_config inline_config = { "cpu inline", "cpu", DRAY_MODE_INLINE, 0, NULL };
static const struct rig_config worker_config = { "cpu worker", "cpu", DRAY_MODE_WORKER, 1, NULL };
static const struct rig_config split_config = { "cpu 3 workers", "cpu", DRAY_MODE_WORKER, 3, NULL };

enum {
    SRC = 1,
    DST = 2
};

/* The full barrier behind the last completion is what a consumer that falls asleep relies on. */
static void idle_is_said_after_the_last_completion(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, &inline_config, 8);
    for (unsigned i = 0; i < 20; i++) {
        dray_prep_nop(rig_get(&rig));
        dray_queue_submit(rig.queue);
        const struct dray_port *port = dray_queue_port(rig.queue);
        assert_int_equal(port->complete, i + 1);
        assert_int_equal(port->settled, i + 1);
        rig_wait(&rig);
    }
    rig_close(&rig);
}

static void an_open_chain_tells_its_last_user_data(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t bytes[64] = { 0 };
    rig_open(&rig, &inline_config, 4);
    dray_key key = rig_map(&rig, bytes, sizeof(bytes), DRAY_READ | DRAY_WRITE);
    for (unsigned i = 0; i < 4; i++) {
        struct dray_desc *d = rig_get(&rig);
        dray_prep_copy(d, key, 0, key, 32, 8);
        d->flags = DRAY_FLAG_CHAIN;
        d->user_data = 100 + i;
    }
    struct dray_completion c = rig_finish(&rig);
    assert_status(c, DRAY_STATUS_CHAIN);
    assert_int_equal(c.user_data, 103);
    assert_int_equal(c.moved, 32);
    rig_close(&rig);
}

/* What failed first is what a transaction tells; the rest of it is skipped, a WAIT too. */
static void the_first_error_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct dray_desc array[2];
    rig_open(&rig, &inline_config, 4);
    dray_key key = rig_map(&rig, array, sizeof(array), DRAY_READ);
    dray_prep_nop(&array[0]);
    array[0].opcode = 99;
    array[0].flags = DRAY_FLAG_CHAIN;
    dray_prep_wait(&array[1], (dray_key){ 5 }, 0, DRAY_WAIT_EQ, 0, 0);
    dray_prep_link(rig_get(&rig), key, 0, 2);
    assert_status(rig_finish(&rig), DRAY_STATUS_OK);
    struct dray_completion c = rig_wait(&rig);
    assert_status(c, DRAY_STATUS_OPCODE);
    assert_int_equal(c.index, 0);
    rig_close(&rig);
}

/* The worker runs out of completion room in the middle of an array, so that nothing in the ring
 * tells of its work: room alone must wake it. */
static void room_wakes_a_worker_in_an_array(void **state)
{
    (void)state;
    enum {
        COUNT = 3000
    };
    struct rig rig;
    rig_open(&rig, &worker_config, 4);
    const struct dray_engine_options drowsy = { .size = sizeof(drowsy), .spin_ns = 1 };
    const struct dray_queue_options small = { .size = sizeof(small),
                                              .depth = 2,
                                              .completion_depth = 2 };
    struct rig other = { .domain = rig.domain };
    assert_int_equal(dray_engine_open(&other.engine, rig.domain, "cpu", &drowsy), 0);
    assert_int_equal(dray_queue_create(&other.queue, other.engine, &small), 0);
    struct dray_desc *array = guard_alloc(COUNT * sizeof(*array), 64);
    for (unsigned i = 0; i < COUNT; i++)
        dray_prep_nop(&array[i]);
    dray_key key = rig_map(&rig, array, COUNT * sizeof(*array), DRAY_READ);
    for (unsigned round = 0; round < 3; round++) {
        dray_prep_link(rig_get(&other), key, 0, COUNT);
        assert_status(rig_finish(&other), DRAY_STATUS_OK);
        for (unsigned i = 0; i < COUNT; i++)
            assert_status(rig_wait(&other), DRAY_STATUS_OK);
    }
    dray_queue_destroy(&other.queue);
    dray_engine_close(&other.engine);
    guard_free(array);
    rig_close(&rig);
}

/* ---- STRIDED in slices ---- */

static void strided_reference(const struct dray_shape *s, uint8_t *dst, const uint8_t *src)
{
    uint64_t rows = s->loops > 1 ? s->extent[1] : 1;
    for (uint64_t j = 0; j < rows; j++)
        for (uint64_t i = 0; i < s->extent[0]; i++)
            memcpy(dst + (int64_t)i * s->dst_stride[0] + (int64_t)j * s->dst_stride[1],
                   src + (int64_t)i * s->src_stride[0] + (int64_t)j * s->src_stride[1], s->element);
}

/* A rate cuts the work into slices of 64 KiB and more. */
static void shape_in_slices(struct rig *rig, const struct dray_shape *shape, uint64_t dst_at,
                            size_t size)
{
    uint64_t length = shape->element * shape->extent[0] * (shape->loops > 1 ? shape->extent[1] : 1);
    uint8_t *src = guard_alloc(size, 64), *dst = guard_alloc(size, 64), *expected = malloc(size);
    tag_fill(src, size, SRC, 0);
    tag_fill(dst, size, DST, 0);
    memcpy(expected, dst, size);
    strided_reference(shape, expected + dst_at, src);
    dray_key in = rig_map(rig, src, size, DRAY_READ), out = rig_map(rig, dst, size, DRAY_WRITE);
    struct dray_desc *d = rig_get(rig);
    dray_prep_strided(d, out, dst_at, in, 0, length, (dray_key){ 0 }, 0);
    *dray_queue_shape(rig->queue, d) = *shape;
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, length);
    assert_memory_equal(dst, expected, size);
    dray_unmap(rig->domain, in);
    dray_unmap(rig->domain, out);
    guard_free(src);
    guard_free(dst);
    free(expected);
}

static void shapes_are_whole_in_any_slices(void **state)
{
    (void)state;
    const struct {
        uint64_t dst_at;
        struct dray_shape shape;
    } cases[] = {
        /* an element longer than a slice */
        { 0, { 1, 1, 0, 300000, { 3 }, { 300100 }, { 300000 }, { 0 } } },
        /* rows */
        { 7, { 1, 2, 0, 3, { 40, 10000 }, { 3, 120 }, { 5, 230 }, { 0 } } },
        /* backwards */
        { 2000000, { 1, 1, 0, 8, { 200000 }, { 8 }, { -10 }, { 0 } } },
        /* a transposition, and one whose rows are longer than a slice */
        { 0, { 1, 2, 0, 4, { 700, 500 }, { 4, 2800 }, { 2000, 4 }, { 0 } } },
        { 0, { 1, 2, 0, 1, { 700000, 3 }, { 1, 700000 }, { 3, 1 }, { 0 } } },
        { 0, { 1, 2, 0, 2, { 3, 400000 }, { 800000, 2 }, { 2, 6 }, { 0 } } },
        /* a value spread over a range */
        { 0, { 1, 1, 0, 16, { 100000 }, { 0 }, { 16 }, { 0 } } },
    };
    struct rig rig;
    rig_open(&rig, &inline_config, 4);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dray_queue_limit_rate(rig.queue, 0);
        shape_in_slices(&rig, &cases[i].shape, cases[i].dst_at, 2600000);
        dray_queue_limit_rate(rig.queue, 60000000);
        shape_in_slices(&rig, &cases[i].shape, cases[i].dst_at, 2600000);
    }
    rig_close(&rig);
}

/* Loops of any length cost the engine at most a slice at a time. Two planes, each longer than two
 * services. */
static void a_service_does_no_more_than_its_share(void **state)
{
    (void)state;
    const uint64_t plane = 72u << 20;
    struct rig rig;
    rig_open(&rig, &inline_config, 4);
    uint8_t *src = calloc(1, plane), *dst = calloc(2, plane);
    dray_key in = rig_map(&rig, src, plane, DRAY_READ);
    dray_key out = rig_map(&rig, dst, 2 * plane, DRAY_WRITE);
    const struct dray_shape shape = { .version = DRAY_FORMAT_VERSION,
                                      .loops = 2,
                                      .element = 1,
                                      .extent = { plane, 2 },
                                      .src_stride = { 1, 0 },
                                      .dst_stride = { 2, 1 } };
    struct dray_desc *d = rig_get(&rig);
    dray_prep_strided(d, out, 0, in, 0, 2 * plane, (dray_key){ 0 }, 0);
    *dray_queue_shape(rig.queue, d) = shape;
    dray_queue_publish(rig.queue);
    struct dray_soft_queue *q = dray_queue_port(rig.queue)->engine_data;
    assert_true(dray_soft_service(q));
    assert_true(q->progress >= DRAY_SLICE && q->progress <= 2 * DRAY_SERVICE_BYTES);
    dray_queue_destroy(&rig.queue); /* in the middle */
    rig_close(&rig);
    free(src);
    free(dst);
}

/* More bytes than its destination holds: 2^61 steps on the spot. */
static void a_shape_that_never_ends_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t src[64] = { 0 }, dst[64] = { 0 };
    rig_open(&rig, &inline_config, 4);
    dray_key in = rig_map(&rig, src, 64, DRAY_READ), out = rig_map(&rig, dst, 64, DRAY_WRITE);
    const struct dray_shape shape = { .version = DRAY_FORMAT_VERSION,
                                      .loops = 2,
                                      .element = 1,
                                      .extent = { (uint64_t)1 << 60, 2 },
                                      .src_stride = { 0, 8 },
                                      .dst_stride = { 0, 16 } };
    struct dray_desc *d = rig_get(&rig);
    dray_prep_strided(d, out, 0, in, 0, (uint64_t)1 << 61, (dray_key){ 0 }, 0);
    *dray_queue_shape(rig.queue, d) = shape;
    struct dray_completion c = rig_finish(&rig);
    assert_status(c, DRAY_STATUS_OVERLAP);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    assert_int_equal(c.moved, 0);
    rig_close(&rig);
}

/* ---- memmove in slices ---- */

static void moves(const struct rig_config *config, uint16_t flags)
{
    const size_t size = 24u << 20;
    const size_t by[] = { 1, 63, 4097, 3u << 20, 5u << 20 };
    struct rig rig;
    rig_open(&rig, config, 4);
    uint8_t *bytes = guard_alloc(size, 64), *expected = malloc(size);
    dray_key key = rig_map(&rig, bytes, size, DRAY_READ | DRAY_WRITE);
    for (size_t i = 0; i < 2 * sizeof(by) / sizeof(by[0]); i++) {
        size_t apart = by[i / 2], n = size - apart;
        size_t from = i % 2 ? 0 : apart, to = i % 2 ? apart : 0;
        for (size_t w = 0; w < size / 8; w++)
            ((uint64_t *)bytes)[w] = w * 0x9e3779b97f4a7c15u;
        memcpy(expected, bytes, size);
        uint32_t crc = 0;
        if (flags) {
            dray_prep_crc32c(rig_get(&rig), key, from, n, 0);
            crc = (uint32_t)rig_finish(&rig).result;
        }
        memmove(expected + to, expected + from, n);
        struct dray_desc *d = rig_get(&rig);
        dray_prep_copy(d, key, to, key, from, n);
        d->flags = flags;
        struct dray_completion c = rig_finish(&rig);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.moved, n);
        assert_int_equal(c.result, crc);
        assert_true(memcmp(bytes, expected, size) == 0);
    }
    guard_free(bytes);
    free(expected);
    rig_close(&rig);
}

static void a_long_overlapping_copy_is_memmove(void **state)
{
    (void)state;
    moves(&inline_config, 0);
    moves(&inline_config, DRAY_FLAG_CRC);
    moves(&split_config, 0);
}

/* ---- what the profile says ---- */

/* The policy of an engine that is opened with a profile of these lines. */
static struct dray_copy_policy policy_with(const char *lines)
{
    char path[] = "/tmp/dray-profile-XXXXXX";
    int fd = mkstemp(path);
    struct rig rig;
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "[profile]\n%s", lines) > 0);
    close(fd);
    setenv("DRAY_PROFILE", path, 1);
    rig_open(&rig, &inline_config, 4);
    unsetenv("DRAY_PROFILE");
    unlink(path);
    struct dray_copy_policy policy = ((const struct dray_soft *)rig.engine)->policy;
    rig_close(&rig);
    return policy;
}

static void the_profile_says_when_to_stream(void **state)
{
    (void)state;
    struct dray_copy_policy policy = policy_with("stream_min = 5000000\nbatch_stream_min = 300\n"
                                                 "transpose_stream_min = 7000000\n");
    assert_int_equal(policy.stream_min, 5000000);
    assert_int_equal(policy.batch_stream_min, 300);
    assert_int_equal(policy.transpose_stream_min, 7000000);
    /* It is multiplied by the pieces of a batch. */
    policy = policy_with("batch_stream_min = 9223372036854775808\n");
    assert_true(policy.batch_stream_min > DRAY_SLICE);
    assert_true(policy.batch_stream_min < SIZE_MAX / 64);
}

/* ---- statistics ---- */

static void what_queues_did_counts_when_they_are_gone(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t src[100], dst[100];
    struct dray_engine_stats stats;
    rig_open(&rig, &worker_config, 4);
    memset(src, 1, sizeof(src));
    dray_key in = rig_map(&rig, src, sizeof(src), DRAY_READ);
    dray_key out = rig_map(&rig, dst, sizeof(dst), DRAY_WRITE);
    for (unsigned i = 0; i < 3; i++) {
        struct dray_desc *d = rig_get(&rig);
        dray_prep_copy(d, out, 0, in, 0, 60);
        d->flags = DRAY_FLAG_CHAIN;
        dray_prep_copy(rig_get(&rig), out, 60, in, 60, 40);
        assert_int_equal(rig_finish(&rig).moved, 100);
        assert_int_equal(dray_queue_destroy(&rig.queue), 0);
        assert_int_equal(dray_queue_create(&rig.queue, rig.engine, NULL), 0);
    }
    dray_engine_stats(rig.engine, &stats);
    assert_int_equal(stats.transactions, 3);
    assert_int_equal(stats.descriptors, 6);
    assert_int_equal(stats.moved_bytes, 300);
    assert_int_equal(stats.cpu_bytes, 300);
    rig_close(&rig);
}

/* ---- rates ---- */

/* Sleeps of a worker that would poll for an hour, while one of its queues copies at 20 MB/s. */
static uint64_t sleeps_at_a_rate(bool with_an_idle_queue)
{
    enum {
        SIZE = 1 << 20 /* 16 slices, each some 3 ms after the one before */
    };
    const struct dray_engine_options polls = { .size = sizeof(polls), .spin_ns = 3600000000000 };
    const struct dray_queue_options slow = { .size = sizeof(slow), .rate_bytes_per_s = 20000000 };
    struct rig rig, other = { 0 };
    struct dray_queue *idle = NULL;
    struct dray_engine_stats stats;
    rig_open(&rig, &inline_config, 4);
    other.domain = rig.domain;
    assert_int_equal(dray_engine_open(&other.engine, rig.domain, "cpu", &polls), 0);
    assert_int_equal(dray_queue_create(&other.queue, other.engine, &slow), 0);
    if (with_an_idle_queue)
        assert_int_equal(dray_queue_create(&idle, other.engine, NULL), 0);
    uint8_t *bytes = guard_alloc(SIZE, 64);
    dray_key key = rig_map(&rig, bytes, SIZE, DRAY_WRITE);
    dray_prep_fill(rig_get(&other), key, 0, SIZE, "!", 1);
    assert_int_equal(rig_finish(&other).moved, SIZE);
    dray_engine_stats(other.engine, &stats);
    dray_queue_destroy(&other.queue);
    dray_queue_destroy(&idle);
    dray_engine_close(&other.engine);
    rig_close(&rig);
    guard_free(bytes);
    return stats.sleeps;
}

static void a_worker_that_waits_for_a_rate_sleeps_at_once(void **state)
{
    (void)state;
    assert_true(sleeps_at_a_rate(false) > 0);
    assert_int_equal(sleeps_at_a_rate(true), 0); /* a doorbell may come any time: it polls for it */
}

/* ---- a peer that holds the events of its queue ---- */

static void make_block_and_fill(int fd)
{
    uint64_t most = UINT64_MAX - 1;
    int flags = fcntl(fd, F_GETFL);
    assert_int_equal(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
    if (write(fd, &most, sizeof(most)) < 0)
        assert_true(errno == EBADF || errno == EAGAIN); /* its end cannot be written at all */
}

/* The other process of an exported queue makes the events block, and full: whoever writes or reads
 * them then hangs. Another queue of the same worker must not notice. */
static void a_peer_cannot_block_the_worker(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, &worker_config, 8);
    struct dray_queue *shared;
    struct dray_queue_handle handle;
    assert_int_equal(dray_queue_create(&shared, rig.engine, NULL), 0);
    assert_int_equal(dray_queue_export(shared, &handle), 0);
    make_block_and_fill(handle.event_fd);
    make_block_and_fill(handle.doorbell_fd);
    for (unsigned i = 0; i < 100; i++) {
        dray_prep_nop(dray_queue_get(shared));
        dray_queue_publish(shared);
        dray_queue_arm(shared); /* the worker is to notify */
        dray_prep_nop(rig_get(&rig));
        assert_status(rig_finish(&rig), DRAY_STATUS_OK);
        while (dray_queue_peek(shared))
            dray_queue_seen(shared, 1);
    }
    dray_queue_destroy(&shared);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_is_said_after_the_last_completion),
        cmocka_unit_test(an_open_chain_tells_its_last_user_data),
        cmocka_unit_test(the_first_error_is_told),
        cmocka_unit_test(room_wakes_a_worker_in_an_array),
        cmocka_unit_test(shapes_are_whole_in_any_slices),
        cmocka_unit_test(a_service_does_no_more_than_its_share),
        cmocka_unit_test(a_shape_that_never_ends_is_refused),
        cmocka_unit_test(a_long_overlapping_copy_is_memmove),
        cmocka_unit_test(the_profile_says_when_to_stream),
        cmocka_unit_test(what_queues_did_counts_when_they_are_gone),
        cmocka_unit_test(a_worker_that_waits_for_a_rate_sleeps_at_once),
        cmocka_unit_test(a_peer_cannot_block_the_worker),
    };
    return cmocka_run_group_tests_name("soft", tests, NULL, NULL);
}
