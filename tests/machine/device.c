/* Devices on the back side of a controller: alone, and with a controller before them. */
#include <errno.h>

#include "controller_rig.h"

#include "rate.h"

#define assert_near(is, expected)                                                \
    do {                                                                         \
        double is_ = (double)(is), expected_ = (double)(expected);               \
        if (is_ > expected_ * 1.01 || is_ < expected_ * 0.99)                    \
            fail_msg("%s: %.0f ps, the formula says %.0f", #is, is_, expected_); \
    } while (0)

enum {
    SIZE = 256 << 10,
};

/* ---- a device alone ---- */

struct asker {
    struct sim_kernel *kernel;
    unsigned under_way;
    sim_time last;
};

static void answered(struct sim_transfer *t)
{
    struct asker *a = t->owner;
    a->under_way--;
    a->last = sim_now(a->kernel);
}

static void ask(struct asker *a, struct sim_device *device, struct sim_transfer *t, uint64_t offset,
                void *data, uint32_t size, bool write)
{
    *t = (struct sim_transfer){
        .offset = offset, .size = size, .data = data, .write = write, .done = answered, .owner = a
    };
    a->under_way++;
    device->submit(device, t);
}

static void run(struct asker *a)
{
    assert_int_equal(sim_run(a->kernel, SIM_NEVER), 0);
    assert_int_equal(a->under_way, 0);
}

static struct asker asker_make(void)
{
    struct asker a = { 0 };
    assert_int_equal(sim_kernel_create(&a.kernel, 1), 0);
    return a;
}

/* n reads at once: latency there, all bytes one behind the other, latency back. Writes: once. */
static void far_memory_takes_its_link(void **state)
{
    (void)state;
    enum {
        COUNT = 16
    };
    static const uint64_t bandwidths[] = { 100000000, 12500000000, 0 };
    static uint8_t data[COUNT][4096], back[COUNT][4096];
    tag_fill(data, sizeof(data), 3, 0);
    for (unsigned b = 0; b < 3; b++) {
        struct asker a = asker_make();
        struct sim_device *far;
        struct sim_transfer t[COUNT];
        const struct sim_far_params p = { .size = SIZE,
                                          .latency = 1 * SIM_US,
                                          .bandwidth = bandwidths[b] };
        assert_int_equal(sim_far_create(&far, a.kernel, "far", &p), 0);
        for (unsigned i = 0; i < COUNT; i++)
            ask(&a, far, &t[i], i * 4096, data[i], 4096, true);
        run(&a);
        sim_time wire = COUNT * sim_rate_time(4096, bandwidths[b]);
        assert_int_equal(a.last, wire + p.latency);
        assert_memory_equal(sim_far_bytes(far), data, sizeof(data));
        sim_time begun = sim_now(a.kernel);
        for (unsigned i = 0; i < COUNT; i++)
            ask(&a, far, &t[i], i * 4096, back[i], 4096, false);
        run(&a);
        assert_int_equal(a.last - begun, wire + 2 * p.latency);
        assert_memory_equal(back, data, sizeof(data));
        /* Past its end: nothing. */
        ask(&a, far, &t[0], SIZE - 4095, back[0], 4096, false);
        ask(&a, far, &t[1], UINT64_MAX, back[1], 1, true);
        run(&a);
        assert_int_equal(t[0].error, -EINVAL);
        assert_int_equal(t[0].moved + t[1].moved, 0);
        sim_device_destroy(&far);
        sim_kernel_destroy(&a.kernel);
    }
}

/* The larger of what units and what the shared way take: blocks / units * latency, or bytes / B. */
static void a_block_device_spreads_over_its_units(void **state)
{
    (void)state;
    enum {
        COUNT = 512
    };
    static struct sim_transfer t[COUNT];
    static uint8_t data[4096];
    for (unsigned units = 1; units <= 64; units *= 4)
        for (unsigned b = 0; b < 2; b++) {
            struct asker a = asker_make();
            struct sim_device *block;
            const struct sim_block_params p = { .size = COUNT * 4096,
                                                .block = 4096,
                                                .units = units,
                                                .latency = 60 * SIM_US,
                                                .bandwidth = b ? 200000000 : 6000000000,
                                                .depth = 1024 };
            assert_int_equal(sim_block_create(&block, a.kernel, "block", &p), 0);
            for (unsigned i = 0; i < COUNT; i++)
                ask(&a, block, &t[i], i * 4096, data, 4096, false);
            run(&a);
            sim_time unit = (COUNT + units - 1) / units * p.latency;
            sim_time one = sim_rate_time(4096, p.bandwidth), way = COUNT * one;
            if (unit > way) /* the last round takes the way too */
                assert_near(a.last, unit + (units < COUNT ? units : COUNT) * one);
            else
                assert_near(a.last, way + p.latency);
            sim_device_destroy(&block);
            sim_kernel_destroy(&a.kernel);
        }
}

/* Latency-bound: a transfer waits for one before it, `depth` before it. Bytes are kept. */
static void a_block_device_accepts_so_many(void **state)
{
    (void)state;
    enum {
        COUNT = 64
    };
    static struct sim_transfer t[COUNT];
    static uint8_t data[COUNT][512], back[COUNT][512];
    tag_fill(data, sizeof(data), 4, 0);
    for (unsigned depth = 1; depth <= 64; depth *= 2) {
        struct asker a = asker_make();
        struct sim_device *block;
        const struct sim_block_params p = {
            .size = SIZE, .block = 512, .units = 1024, .latency = 10 * SIM_US, .depth = depth
        };
        assert_int_equal(sim_block_create(&block, a.kernel, "block", &p), 0);
        for (unsigned i = 0; i < COUNT; i++)
            ask(&a, block, &t[i], i * 512, data[i], 512, true);
        run(&a);
        assert_int_equal(a.last, COUNT / depth * p.latency);
        assert_memory_equal(sim_block_bytes(block), data, sizeof(data));
        for (unsigned i = 0; i < COUNT; i++)
            ask(&a, block, &t[i], i * 512, back[i], 512, false);
        run(&a);
        assert_memory_equal(back, data, sizeof(data));
        ask(&a, block, &t[0], SIZE, back[0], 1, false);
        run(&a);
        assert_int_equal(t[0].error, -EINVAL);
        sim_device_destroy(&block);
        sim_kernel_destroy(&a.kernel);
    }
}

static struct sim_device *stream(struct asker *a, const struct sim_stream_params *p,
                                 const void *source, uint64_t size)
{
    struct sim_device *device;
    assert_int_equal(sim_stream_create(&device, a->kernel, "stream", p, source, size), 0);
    return device;
}

/* A source gives bytes at its rate from its creation on, in order, and says where it ends. */
static void a_source_gives_at_its_rate(void **state)
{
    (void)state;
    enum {
        COUNT = 40
    };
    static uint8_t source[100000], got[COUNT][3000];
    static struct sim_transfer t[COUNT];
    static const uint64_t buffers[] = { 1, 100, 2999, 3000, 65536 };
    tag_fill(source, sizeof(source), 9, 0);
    for (unsigned b = 0; b < 5; b++)
        for (unsigned rate = 0; rate < 2; rate++) {
            const struct sim_stream_params p = { .rate = rate * 1000000000,
                                                 .buffer = buffers[b],
                                                 .latency = 500 * SIM_NS };
            struct asker a = asker_make();
            struct sim_device *in = stream(&a, &p, source, sizeof(source));
            uint64_t total = 0;
            memset(got, 0, sizeof(got));
            for (unsigned i = 0; i < COUNT; i++)
                ask(&a, in, &t[i], 0, got[i], 3000, false);
            run(&a);
            assert_int_equal(a.last, rate * 100 * SIM_US + p.latency);
            for (unsigned i = 0; i < COUNT; i++) {
                assert_int_equal(t[i].moved, i < 33 ? 3000 : i == 33 ? 1000 : 0);
                assert_int_equal(t[i].error, 0);
                assert_memory_equal(got[i], source + total, t[i].moved);
                total += t[i].moved;
            }
            assert_int_equal(sim_stream_lost(in), 0);
            sim_device_destroy(&in);
            sim_kernel_destroy(&a.kernel);
        }
}

static void nothing(struct sim_event *event)
{
    (void)event;
}

static void wait_till(struct asker *a, sim_time when)
{
    struct sim_event event;
    sim_event_init(&event, nothing);
    sim_at(a->kernel, &event, when);
    assert_int_equal(sim_run(a->kernel, when), 0);
}

/* Who comes late finds a full buffer: of a lossy source the newest bytes are gone, a lossless one has
 * waited. */
static void a_late_reader(void **state)
{
    (void)state;
    static uint8_t source[100000], got[100000];
    tag_fill(source, sizeof(source), 9, 0);
    for (unsigned lossy = 0; lossy < 2; lossy++) {
        const struct sim_stream_params p = { .rate = 1000000000, .buffer = 10000, .lossy = lossy };
        struct asker a = asker_make();
        struct sim_transfer t;
        struct sim_device *in = stream(&a, &p, source, sizeof(source));
        wait_till(&a, 30 * SIM_US);
        ask(&a, in, &t, 0, got, sizeof(got), false);
        run(&a);
        assert_int_equal(t.moved, lossy ? 80000 : 100000);
        assert_int_equal(sim_stream_lost(in), lossy ? 20000 : 0);
        assert_int_equal(a.last, (lossy ? 100 : 120) * SIM_US);
        assert_memory_equal(got, source, 10000);
        assert_memory_equal(got + 10000, source + (lossy ? 30000 : 10000), t.moved - 10000);
        sim_device_destroy(&in);
        sim_kernel_destroy(&a.kernel);
    }
}

/* A sink takes what its buffer has room for; then its giver waits, or bytes are lost. */
static void a_sink_takes_at_its_rate(void **state)
{
    (void)state;
    static uint8_t data[50000];
    static struct sim_transfer t[50];
    tag_fill(data, sizeof(data), 9, 0);
    for (unsigned lossy = 0; lossy < 2; lossy++) {
        const struct sim_stream_params p = { .rate = 1000000000, .buffer = 10000, .lossy = lossy };
        struct asker a = asker_make();
        struct sim_device *out = stream(&a, &p, NULL, 60000);
        uint64_t taken;
        for (unsigned i = 0; i < 50; i++)
            ask(&a, out, &t[i], 0, data + i * 1000, 1000, true);
        run(&a);
        assert_int_equal(sim_stream_lost(out), lossy ? 40000 : 0);
        assert_int_equal(a.last, lossy ? 0 : 40 * SIM_US); /* the last 10000 are in the buffer */
        assert_memory_equal(sim_stream_taken(out, &taken), data, lossy ? 10000 : 50000);
        assert_int_equal(taken, lossy ? 10000 : 50000);
        wait_till(&a, 200 * SIM_US);
        if (!lossy) { /* and no more than it keeps */
            for (unsigned i = 0; i < 12; i++)
                ask(&a, out, &t[i], 0, data, 1000, true);
            run(&a);
            assert_int_equal(t[9].error, 0);
            assert_int_equal(t[10].error, -ENOSPC);
            assert_int_equal(t[10].moved, 0);
        }
        sim_device_destroy(&out);
        sim_kernel_destroy(&a.kernel);
    }
}

static void streams_have_one_direction(void **state)
{
    (void)state;
    const struct sim_stream_params p = { .buffer = 100 };
    struct asker a = asker_make();
    struct sim_transfer t[2];
    uint8_t byte = 0;
    struct sim_device *in = stream(&a, &p, "x", 1), *out = stream(&a, &p, NULL, 1);
    ask(&a, in, &t[0], 0, &byte, 1, true);
    ask(&a, out, &t[1], 0, &byte, 1, false);
    run(&a);
    assert_int_equal(t[0].error, -EBADF);
    assert_int_equal(t[1].error, -EBADF);
    sim_device_destroy(&in);
    sim_device_destroy(&out);
    sim_kernel_destroy(&a.kernel);
}

/* ---- behind a controller ---- */

enum {
    SOURCE = 50000
};

struct behind {
    struct rig rig;
    struct sim_device *in, *out, *far, *block;
    uint8_t source[SOURCE];
    dray_key memory, from, to, there, disk;
};

static int setup(void **state)
{
    struct behind *b = calloc(1, sizeof(*b));
    struct sim_controller_params p = rig_params();
    const struct sim_stream_params s = { .rate = 1000000000, .buffer = 4096, .latency = SIM_US };
    const struct sim_far_params f = { .size = SIZE, .latency = SIM_US, .bandwidth = 10000000000 };
    const struct sim_block_params d = {
        .size = SIZE, .block = 4096, .units = 8, .latency = 10 * SIM_US, .depth = 16
    };
    rig_make(&b->rig, &p, 100 * SIM_NS);
    tag_fill(b->source, SOURCE, 11, 0);
    tag_fill(b->rig.bytes + RIG_DATA, SIZE, 12, 0);
    assert_int_equal(sim_stream_create(&b->in, b->rig.kernel, "in", &s, b->source, SOURCE), 0);
    assert_int_equal(sim_stream_create(&b->out, b->rig.kernel, "out", &s, NULL, SOURCE), 0);
    assert_int_equal(sim_far_create(&b->far, b->rig.kernel, "far", &f), 0);
    assert_int_equal(sim_block_create(&b->block, b->rig.kernel, "block", &d), 0);
    struct sim_device *devices[] = { b->in, b->out, b->far, b->block };
    for (unsigned i = 0; i < 4; i++)
        sim_controller_attach(b->rig.controller, i, devices[i]);
    b->memory = rig_memory(&b->rig, 1, RIG_DATA, 2 * SIZE);
    b->from = rig_map(&b->rig, 2, 0, UINT64_MAX, 1, SIM_REGION_STREAM, 0);
    b->to = rig_map(&b->rig, 3, 0, UINT64_MAX, 2, SIM_REGION_STREAM, 1);
    b->there =
        rig_map(&b->rig, 4, 4096, SIZE, 3, SIM_REGION_DEVICE, 2); /* its end is past the device's */
    b->disk = rig_map(&b->rig, 5, 0, SIZE, 3, SIM_REGION_DEVICE, 3);
    rig_start(&b->rig, 0);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct behind *b = *state;
    sim_controller_destroy(&b->rig.controller);
    sim_device_destroy(&b->in);
    sim_device_destroy(&b->out);
    sim_device_destroy(&b->far);
    sim_device_destroy(&b->block);
    rig_free(&b->rig);
    free(b);
    return 0;
}

static void copy(struct behind *b, dray_key dst, uint64_t dst_at, dray_key src, uint64_t src_at,
                 uint64_t length, unsigned flags)
{
    struct dray_desc *d = rig_get(&b->rig, 0);
    dray_prep_copy(d, dst, dst_at, src, src_at, length);
    d->flags = (uint16_t)flags;
}

/* Many transactions without a fence: a stream keeps their order all the same. */
static void streams_keep_their_order(void **state)
{
    struct behind *b = *state;
    uint64_t at = 0, taken;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t length = i * 137 % 3001 + 1;
        copy(b, b->memory, SIZE + at, b->from, 0, length, 0);
        copy(b, b->to, 0, b->memory, at, length, 0);
        at += length;
    }
    rig_publish(&b->rig, 0);
    for (unsigned i = 0; i < 40; i++)
        assert_status(rig_wait(&b->rig, 0), DRAY_STATUS_OK);
    assert_memory_equal(b->rig.bytes + RIG_DATA + SIZE, b->source, at);
    assert_memory_equal(sim_stream_taken(b->out, &taken), b->rig.bytes + RIG_DATA, at);
    assert_int_equal(taken, at);
}

static void a_stream_ends_in_the_middle(void **state)
{
    struct behind *b = *state;
    copy(b, b->memory, SIZE, b->from, 0, SOURCE - 10000, 0);
    assert_status(rig_finish(&b->rig, 0), DRAY_STATUS_OK);
    copy(b, b->memory, 0, b->from, 0, 4000, DRAY_FLAG_CHAIN);
    copy(b, b->memory, SIZE, b->from, 0, 20000, DRAY_FLAG_CHAIN | DRAY_FLAG_CRC);
    copy(b, b->memory, 0, b->memory, 5000, 100, 0); /* not reached */
    uint8_t first[100];
    struct dray_completion c = rig_finish(&b->rig, 0);
    memcpy(first, b->rig.bytes + RIG_DATA, 100);
    assert_status(c, DRAY_STATUS_END);
    assert_int_equal(c.moved, 10000);
    assert_int_equal(c.index, 1);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    assert_memory_equal(b->rig.bytes + RIG_DATA + SIZE, b->source + SOURCE - 6000, 6000);
    assert_memory_equal(first, b->source + SOURCE - 10000, 100);
    /* It stays at its end. */
    copy(b, b->memory, 0, b->from, 0, 1, 0);
    assert_status(rig_finish(&b->rig, 0), DRAY_STATUS_END);
}

static void a_sink_is_full(void **state)
{
    struct behind *b = *state;
    uint64_t taken;
    copy(b, b->to, 0, b->memory, 0, SOURCE + 5000, 0);
    struct dray_completion c = rig_finish(&b->rig, 0);
    assert_status(c, DRAY_STATUS_FULL);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    assert_int_equal(c.moved, SOURCE);
    assert_memory_equal(sim_stream_taken(b->out, &taken), b->rig.bytes + RIG_DATA, SOURCE);
    copy(b, b->to, 8, b->memory, 0, 10, 0); /* streams have no offsets */
    assert_status(rig_finish(&b->rig, 0), DRAY_STATUS_RANGE);
}

/* To the far side, from there to the disk, back; checksums and comparisons of what lies there. */
static void bytes_go_round(void **state)
{
    struct behind *b = *state;
    copy(b, b->there, 777, b->memory, 1003, 100000, 0);
    copy(b, b->disk, 55, b->there, 777, 100000, DRAY_FLAG_FENCE | DRAY_FLAG_CRC);
    copy(b, b->memory, SIZE + 9, b->disk, 55, 100000, DRAY_FLAG_FENCE);
    dray_prep_crc32c(rig_get(&b->rig, 0), b->memory, 1003, 100000, 0);
    dray_prep_compare(rig_get(&b->rig, 0), b->disk, 55, b->memory, 1003, 100000);
    dray_prep_compare(rig_get(&b->rig, 0), b->memory, 1003, b->there, 777 - 1, 100000);
    rig_publish(&b->rig, 0);
    assert_status(rig_wait(&b->rig, 0), DRAY_STATUS_OK);
    struct dray_completion on_the_way = rig_wait(&b->rig, 0);
    assert_status(on_the_way, DRAY_STATUS_OK);
    assert_int_equal(on_the_way.moved, 100000);
    assert_status(rig_wait(&b->rig, 0), DRAY_STATUS_OK);
    assert_int_equal(rig_wait(&b->rig, 0).result, on_the_way.result);
    assert_int_equal(rig_wait(&b->rig, 0).result, 100000);
    assert_int_equal(rig_wait(&b->rig, 0).result, 0);
    assert_memory_equal(sim_far_bytes(b->far) + 4096 + 777, b->rig.bytes + RIG_DATA + 1003, 100000);
    assert_memory_equal(sim_block_bytes(b->block) + 55, b->rig.bytes + RIG_DATA + 1003, 100000);
    assert_memory_equal(b->rig.bytes + RIG_DATA + SIZE + 9, b->rig.bytes + RIG_DATA + 1003, 100000);
}

static void what_devices_refuse(void **state)
{
    struct behind *b = *state;
    struct dray_completion c;
    /* Inside the region, outside of the device: what came before it was moved. */
    copy(b, b->there, SIZE - 8192, b->memory, 0, 8192, 0);
    c = rig_finish(&b->rig, 0);
    assert_status(c, DRAY_STATUS_IO);
    assert_int_equal(c.result, EINVAL);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    assert_int_equal(c.moved, 4096);
    /* A stream is not compared; loops are for memory. */
    dray_prep_compare(rig_get(&b->rig, 0), b->from, 0, b->memory, 0, 10);
    assert_status(rig_finish(&b->rig, 0), DRAY_STATUS_UNSUPPORTED);
    dray_prep_strided(rig_get(&b->rig, 0), b->there, 0, b->memory, 0, 64, (dray_key){ 0 }, 0);
    *rig_shape(&b->rig, 0) = (struct dray_shape){ .version = 1,
                                                  .loops = 1,
                                                  .element = 8,
                                                  .extent = { 8 },
                                                  .src_stride = { 16 },
                                                  .dst_stride = { 8 } };
    c = rig_finish(&b->rig, 0);
    assert_status(c, DRAY_STATUS_UNSUPPORTED);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    dray_prep_signal(rig_get(&b->rig, 0), b->there, 0, 1, false);
    assert_status(rig_finish(&b->rig, 0), DRAY_STATUS_UNSUPPORTED);
    dray_prep_fill(rig_get(&b->rig, 0), b->disk, 1000, 9000, "abc", 1);
    c = rig_finish(&b->rig, 0);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(sim_block_bytes(b->block)[1000 + 8999], 'a');
}

/* A source that gives nothing more for a while holds up nobody but its channel. */
static void a_slow_stream_holds_its_channel_alone(void **state)
{
    struct behind *b = *state;
    copy(b, b->memory, SIZE, b->from, 0, SOURCE, 0); /* 50 us */
    rig_publish(&b->rig, 0);
    rig_start(&b->rig, 1);
    dray_prep_copy(rig_get(&b->rig, 1), b->memory, SIZE + 100000, b->memory, 0, 50000);
    assert_status(rig_finish(&b->rig, 1), DRAY_STATUS_OK);
    assert_true(sim_now(b->rig.kernel) < 5 * SIM_US);
    assert_status(rig_wait(&b->rig, 0), DRAY_STATUS_OK);
    assert_true(sim_now(b->rig.kernel) >= 50 * SIM_US);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far_memory_takes_its_link),
        cmocka_unit_test(a_block_device_spreads_over_its_units),
        cmocka_unit_test(a_block_device_accepts_so_many),
        cmocka_unit_test(a_source_gives_at_its_rate),
        cmocka_unit_test(a_late_reader),
        cmocka_unit_test(a_sink_takes_at_its_rate),
        cmocka_unit_test(streams_have_one_direction),
        TEST(streams_keep_their_order),
        TEST(a_stream_ends_in_the_middle),
        TEST(a_sink_is_full),
        TEST(bytes_go_round),
        TEST(what_devices_refuse),
        TEST(a_slow_stream_holds_its_channel_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
