/*
 * Whatever lies in its rings, the controller moves no byte outside of the regions that it may write,
 * does not crash, and comes to rest when it is told to.
 *
 * Half of what it reads is noise, half are descriptors that mean something with a bit or two turned;
 * the same lies in the array that LINKs reach. Regions are memory, flags, and devices; one names memory
 * that is not there.
 */
#include "controller_rig.h"

enum {
    WRITABLE_FROM = RIG_DATA + (64 << 10),
    WRITABLE_SIZE = 64 << 10,
    ARRAY = RIG_DATA + (256 << 10), /* read alone: descriptors and shapes */
    ARRAY_SIZE = 64 << 10,
    SHAPES = ARRAY_SIZE / 2, /* in it; before them are descriptors */
    DEVICES = 4,
    KEYS = 12,
};

struct play {
    struct rig rig;
    struct test_rng rng;
    struct sim_device *device[DEVICES];
    uint8_t *source, *before;
    uint64_t *seen; /* completions of each status, of all rounds */
};

static uint64_t below(struct play *p, uint64_t limit)
{
    return test_below(&p->rng, limit);
}

static struct sim_controller_params random_params(struct play *p)
{
    struct sim_controller_params c = rig_params();
    c.channels = 1 + below(p, RIG_CHANNELS);
    c.prefetch = 1 + below(p, 16);
    c.cache = c.prefetch + below(p, 20);
    c.linked = below(p, 4) == 0;
    c.overlap = 1 + below(p, 6);
    c.set_up = below(p, 3) * 100 * SIM_NS;
    c.per_descriptor = below(p, 3) * 10 * SIM_NS;
    c.bandwidth = below(p, 3) * 5000000000;
    c.reads = 1 + below(p, 40);
    c.request = (uint64_t)64 << below(p, 7);
    c.alignment = below(p, 4) ? 1 : (uint64_t)1 << below(p, 7);
    c.address_bits = below(p, 2) ? 64 : 32;
    c.segment_max = below(p, 4) ? 0 : 1 + below(p, 65536);
    return c;
}

static void make_devices(struct play *p)
{
    const struct sim_stream_params in = { .rate = below(p, 2) * 1000000000,
                                          .buffer = 1 + below(p, 10000),
                                          .lossy = below(p, 2),
                                          .latency = 100 * SIM_NS };
    const struct sim_far_params far = { .size = 65536,
                                        .latency = 300 * SIM_NS,
                                        .bandwidth = 1u << 30 };
    const struct sim_block_params block = { .size = 65536,
                                            .block = 512,
                                            .units = 4,
                                            .latency = SIM_US,
                                            .bandwidth = 1u << 30,
                                            .depth = 2 };
    struct sim_kernel *kernel = p->rig.kernel;
    assert_int_equal(sim_stream_create(&p->device[0], kernel, "in", &in, p->source, 40000), 0);
    assert_int_equal(sim_stream_create(&p->device[1], kernel, "out", &in, NULL, 5000), 0);
    assert_int_equal(sim_far_create(&p->device[2], kernel, "far", &far), 0);
    assert_int_equal(sim_block_create(&p->device[3], kernel, "block", &block), 0);
    for (unsigned i = 0; i < DEVICES; i++)
        sim_controller_attach(p->rig.controller, i, p->device[i]);
}

static void make_regions(struct play *p)
{
    struct rig *rig = &p->rig;
    rig_memory(rig, 0, WRITABLE_FROM, WRITABLE_SIZE);
    rig_memory(rig, 1, WRITABLE_FROM, WRITABLE_SIZE);
    rig_map(rig, 2, WRITABLE_FROM, 4096, 3, SIM_REGION_FLAGS, 0);
    rig_map(rig, 3, ARRAY, ARRAY_SIZE, SIM_RIGHT_READ, SIM_REGION_MEMORY, 0);
    rig_map(rig, 4, RIG_DATA, WRITABLE_SIZE, SIM_RIGHT_READ, SIM_REGION_MEMORY, 0);
    rig_map(rig, 5, WRITABLE_FROM + 777, 5000, SIM_RIGHT_WRITE, SIM_REGION_MEMORY, 0);
    rig_memory(rig, 6, (uint64_t)1 << 33, (uint64_t)1 << 61); /* nothing is there */
    rig_map(rig, 7, 0, UINT64_MAX, SIM_RIGHT_READ, SIM_REGION_STREAM, 0);
    rig_map(rig, 8, 0, UINT64_MAX, SIM_RIGHT_WRITE, SIM_REGION_STREAM, 1);
    rig_map(rig, 9, 0, 100000, 3, SIM_REGION_DEVICE, 2); /* longer than the device */
    rig_map(rig, 10, 512, 60000, 3, SIM_REGION_DEVICE, 3);
    rig_map(rig, 11, WRITABLE_FROM, 4096, 3, (unsigned)below(p, 256), below(p, 100));
}

static dray_key random_key(struct play *p)
{
    if (below(p, 2))
        return (dray_key){ 1u << 20 | (uint32_t)below(p, 3) };
    return (dray_key){ 1u << 20 | (uint32_t)below(p, below(p, 8) ? KEYS : KEYS + 4) };
}

static uint64_t random_offset(struct play *p)
{
    switch (below(p, 8)) {
    case 0:
        return p->rng.state;
    case 1:
        return 65536 - below(p, 100);
    case 2:
        return 0;
    default:
        return below(p, 60000) & (below(p, 2) ? ~(uint64_t)63 : UINT64_MAX);
    }
}

static uint64_t random_length(struct play *p)
{
    uint64_t length = below(p, 16) ? test_size(&p->rng, 20000) : test_next(&p->rng) >> below(p, 64);
    return below(p, 2) ? length : length & ~(uint64_t)63;
}

static void random_shape(struct play *p, struct dray_shape *s)
{
    *s = (struct dray_shape){ .version = 1, .loops = (uint8_t)(1 + below(p, 4)) };
    s->element = (uint32_t)(1 + test_size(&p->rng, 600));
    for (unsigned i = 0; i < s->loops; i++) {
        s->extent[i] = 1 + test_size(&p->rng, below(p, 10) ? 9 : 1000000);
        s->src_stride[i] = (int64_t)below(p, 3000) - 300;
        s->dst_stride[i] = (int64_t)below(p, 3000) - 300;
    }
}

static uint64_t shape_length(const struct dray_shape *s)
{
    uint64_t length = s->element;
    for (unsigned i = 0; i < s->loops && i < 4; i++)
        length *= s->extent[i];
    return length;
}

static void meaningful(struct play *p, struct dray_desc *d, struct dray_shape *shape)
{
    dray_key a = random_key(p), b = random_key(p);
    uint64_t x = random_offset(p), y = random_offset(p), length = random_length(p);
    switch (1 + below(p, 12)) {
    case DRAY_OP_COPY:
    default:
        dray_prep_copy(d, a, x, b, y, length);
        if (below(p, 3) == 0)
            d->flags = DRAY_FLAG_CRC;
        break;
    case DRAY_OP_STRIDED:
        random_shape(p, shape);
        dray_prep_strided(d, a, x, b, y, shape_length(shape), (dray_key){ 0 }, 0);
        if (below(p, 2)) {
            uint64_t at = SHAPES + below(p, SHAPES / 128) * 128;
            d->arg.strided.shape_key.value = 1u << 20 | 3;
            d->arg.strided.shape_offset = at;
            d->length = shape_length((struct dray_shape *)(p->rig.bytes + ARRAY + at));
        }
        break;
    case DRAY_OP_FILL:
        dray_prep_fill(d, a, x, length & ~(uint64_t)15, &p->rng.state, 1u << below(p, 4));
        break;
    case DRAY_OP_COMPARE:
        dray_prep_compare(d, a, x, b, y, length);
        break;
    case DRAY_OP_CRC32C:
        dray_prep_crc32c(d, a, x, length, (uint32_t)length);
        break;
    case DRAY_OP_FENCE:
        dray_prep_fence(d);
        break;
    case DRAY_OP_SIGNAL:
        dray_prep_signal(d, a, x & ~(uint64_t)7, below(p, 10), below(p, 2));
        break;
    case DRAY_OP_WAIT:
        dray_prep_wait(d, a, x & ~(uint64_t)7, (enum dray_wait)below(p, 6), below(p, 10),
                       below(p, 3) * 1000);
        break;
    case DRAY_OP_LINK:
        x = below(p, 8) ? below(p, SHAPES / 64 - 8) * 64 : below(p, ARRAY_SIZE);
        dray_prep_link(d, (dray_key){ 1u << 20 | 3 }, x, 1 + (uint32_t)below(p, 9));
        break;
    }
    d->user_data = p->rng.state;
    if (below(p, 3) == 0)
        d->flags |= DRAY_FLAG_CHAIN;
    if (below(p, 6) == 0)
        d->flags |= DRAY_FLAG_FENCE;
    if (below(p, 9) == 0)
        d->flags |= DRAY_FLAG_NOTIFY;
}

static void noise(struct play *p, void *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)test_next(&p->rng);
}

static void put_desc(struct play *p, struct dray_desc *d, struct dray_shape *shape)
{
    unsigned kind = (unsigned)below(p, 8);
    if (kind == 0) {
        noise(p, d, sizeof(*d));
        return;
    }
    meaningful(p, d, shape);
    for (unsigned turns = kind < 3 ? kind : 0; turns; turns--)
        ((uint8_t *)d)[below(p, sizeof(*d))] ^= (uint8_t)(1 << below(p, 8));
    if (kind == 3 && below(p, 2))
        ((uint8_t *)shape)[below(p, 8)] ^= (uint8_t)(1 << below(p, 8));
}

static void fill_array(struct play *p)
{
    struct dray_desc *d = (struct dray_desc *)(p->rig.bytes + ARRAY);
    struct dray_shape *s = (struct dray_shape *)(p->rig.bytes + ARRAY + SHAPES);
    for (uint64_t i = 0; i < SHAPES / sizeof(*d); i++)
        random_shape(p, &s[i / 2]);
    for (uint64_t i = 0; i < SHAPES / sizeof(*d); i++)
        put_desc(p, &d[i], &s[i / 2]);
}

/* Everything but what may be written is as it was. */
static void check_outside(struct play *p)
{
    const uint8_t *is = p->rig.bytes;
    for (unsigned channel = 0; channel < RIG_CHANNELS; channel++) {
        uint64_t base = rig_base(channel);
        memcpy(p->before + base + RIG_COMPLETION, is + base + RIG_COMPLETION,
               p->rig.completion_size * sizeof(struct dray_completion));
        memcpy(p->before + base + RIG_HEAD, is + base + RIG_HEAD, 4);
    }
    memcpy(p->before + WRITABLE_FROM, is + WRITABLE_FROM, WRITABLE_SIZE);
    for (size_t i = 0; i < RIG_SIZE; i += 4096)
        if (memcmp(is + i, p->before + i, 4096))
            fail_msg("a byte in the page at %zx was written", i);
}

static void feed(struct play *p, unsigned channel)
{
    struct rig *rig = &p->rig;
    struct dray_completion c;
    uint32_t n = (uint32_t)below(p, rig->ring_size / 2), head;
    memcpy(&head, rig->bytes + rig_base(channel) + RIG_HEAD, 4);
    while (n-- && rig->filled[channel] - head < rig->ring_size) {
        struct dray_desc *d = rig_get(rig, channel);
        put_desc(p, d, rig_shape(rig, channel));
    }
    while (rig_reap(rig, channel, &c)) {
        assert_true(c.status <= DRAY_STATUS_CANCELLED);
        assert_true(c.access <= DRAY_ACCESS_FETCH);
        p->seen[c.status]++;
    }
    rig_seen(rig, channel);
    rig_publish(rig, channel);
}

/* A command at any moment: the channel comes to rest, and can be started again. */
static void end(struct play *p, unsigned channels)
{
    struct rig *rig = &p->rig;
    for (unsigned channel = 0; channel < channels; channel++)
        rig_write(rig, channel, SIM_REG_CONTROL,
                  below(p, 2) ? SIM_CONTROL_TERMINATE : SIM_CONTROL_RESET);
    rig_run(rig);
    for (unsigned channel = 0; channel < channels; channel++) {
        uint64_t status = rig_read(rig, channel, SIM_REG_STATUS);
        assert_true(status & SIM_STATUS_IDLE);
        assert_false(status & (SIM_STATUS_RUNNING | SIM_STATUS_STALE));
    }
    assert_true(sim_controller_idle(rig->controller));
}

static void works_again(struct play *p)
{
    struct rig *rig = &p->rig;
    rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    rig_registers(rig, 0);
    rig_start(rig, 0);
    struct dray_desc *d = rig_get(rig, 0);
    dray_prep_signal(d, (dray_key){ 1u << 20 | 2 }, 8, 0x123456789abcdef, false);
    assert_status(rig_finish(rig, 0), DRAY_STATUS_OK);
    assert_int_equal(*(uint64_t *)(rig->bytes + WRITABLE_FROM + 8), 0x123456789abcdef);
}

static void play(uint64_t seed, uint64_t seen[])
{
    struct play p = { .rng = { seed }, .seen = seen };
    struct sim_controller_params c = random_params(&p);
    rig_make(&p.rig, &c, below(&p, 6) * 50 * SIM_NS);
    p.rig.ring_size = 16u << below(&p, 5);
    p.rig.completion_size = 1u << below(&p, 9);
    p.source = malloc(40000);
    p.before = malloc(RIG_SIZE);
    noise(&p, p.source, 40000);
    make_devices(&p);
    make_regions(&p);
    fill_array(&p);
    for (unsigned channel = 0; channel < c.channels; channel++) {
        rig_registers(&p.rig, channel);
        rig_start(&p.rig, channel);
    }
    for (unsigned turn = 0; turn < 12; turn++) {
        for (unsigned channel = 0; channel < c.channels; channel++)
            feed(&p, channel);
        memcpy(p.before, p.rig.bytes, RIG_SIZE);
        rig_run_for(&p.rig, below(&p, 40) * SIM_US);
        check_outside(&p);
        assert_false(rig_read(&p.rig, 0, SIM_REG_STATUS) & SIM_STATUS_HALTED);
    }
    end(&p, (unsigned)c.channels);
    check_outside(&p);
    works_again(&p);
    sim_controller_destroy(&p.rig.controller);
    for (unsigned i = 0; i < DEVICES; i++)
        sim_device_destroy(&p.device[i]);
    free(p.source);
    free(p.before);
    rig_free(&p.rig);
}

static void noise_moves_nothing_outside(void **state)
{
    (void)state;
    unsigned rounds = TEST_SANITIZED ? 30 : 150;
    uint64_t seen[DRAY_STATUS_CANCELLED + 1] = { 0 };
    for (unsigned i = 0; i < rounds; i++)
        play(test_seed() + i * 1000003, seen);
    /* It was no idle play: each status came that a few rounds are sure to give. */
    for (unsigned status = 0; status < DRAY_STATUS_CANCELLED; status++) {
        bool rare = status == DRAY_STATUS_SHAPE || status == DRAY_STATUS_OVERLAP ||
                    (status >= DRAY_STATUS_END && status <= DRAY_STATUS_CLOSED);
        print_message("status %u: %llu\n", status, (unsigned long long)seen[status]);
        if (!rare && !getenv("DRAY_SEED"))
            assert_true(seen[status] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(noise_moves_nothing_outside) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
