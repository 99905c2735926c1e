/*
 * Two readers of the same descriptors: the controller of the machine and a software engine, which share
 * no code. What lies in their rings is random: descriptors that mean something, some with a bit or two
 * turned, some noise. Each has a fence, so that the order is defined. Completions and bytes must be the
 * same in both worlds.
 */
#include "controller_rig.h"

#include "dray/domain.h"
#include "dray/engine.h"
#include "dray/queue.h"

enum {
    SIZE = 96 << 10,  /* of all regions together, from RIG_DATA on */
    ARRAY = 64 << 10, /* from here on nothing writes: arrays of LINK, then shapes */
    SHAPES = 80 << 10,
    REGIONS = 7,
    DESCRIPTORS = 40,
    LAST = 0x1a57,
};

struct both {
    struct rig rig;
    struct test_rng rng;
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
    uint8_t *host;
    dray_key key[REGIONS];
};

static uint64_t below(struct both *b, uint64_t limit)
{
    return test_below(&b->rng, limit);
}

/* ---- the same regions in both worlds ---- */

static void map(struct both *b, unsigned i, uint64_t offset, uint64_t length, unsigned rights)
{
    assert_int_equal(dray_map_memory(b->domain, b->host + offset, length, rights, &b->key[i]), 0);
    uint32_t index = b->key[i].value & 0xfffff;
    assert_true(index < RIG_REGION_COUNT);
    struct sim_region_entry entry = { .key = b->key[i].value,
                                      .rights = (uint8_t)rights,
                                      .kind = SIM_REGION_MEMORY,
                                      .address = RIG_DATA + offset,
                                      .length = length };
    memcpy(b->rig.bytes + RIG_REGIONS + index * sizeof(entry), &entry, sizeof(entry));
}

static void map_all(struct both *b)
{
    map(b, 0, 0, ARRAY, DRAY_READ | DRAY_WRITE);
    map(b, 1, ARRAY, SIZE - ARRAY, DRAY_READ);
    map(b, 2, 4096, 20000, DRAY_READ | DRAY_WRITE);
    map(b, 3, 30001, 9001, DRAY_READ | DRAY_WRITE); /* odd */
    map(b, 4, 0, ARRAY, DRAY_READ);
    map(b, 5, 8192, 8192, DRAY_WRITE);
    map(b, 6, 0, 4096, DRAY_READ);
    assert_int_equal(dray_unmap(b->domain, b->key[6]), 0);
    memset(b->rig.bytes + RIG_REGIONS + (b->key[6].value & 0xfffff) * 32, 0, 32);
}

static void make(struct both *b, const char *engine)
{
    const struct dray_engine_options inline_ = { .size = sizeof(inline_),
                                                 .mode = DRAY_MODE_INLINE };
    const struct dray_queue_options options = { .size = sizeof(options), .depth = 64 };
    struct sim_controller_params p = rig_params();
    p.channels = 1;
    p.overlap = 1 + below(b, 4);
    p.linked = below(b, 2);
    p.request = (uint64_t)64 << below(b, 7);
    p.reads = 1 + below(b, 20);
    p.prefetch = 1 + below(b, 16);
    rig_make(&b->rig, &p, below(b, 3) * 100 * SIM_NS);
    b->host = aligned_alloc(4096, SIZE);
    assert_int_equal(dray_domain_create(&b->domain, NULL), 0);
    assert_int_equal(dray_engine_open(&b->engine, b->domain, engine, &inline_), 0);
    assert_int_equal(dray_queue_create(&b->queue, b->engine, &options), 0);
    map_all(b);
}

static void destroy(struct both *b)
{
    dray_queue_destroy(&b->queue);
    dray_engine_close(&b->engine);
    dray_domain_destroy(&b->domain);
    free(b->host);
    rig_free(&b->rig);
}

/* ---- descriptors ---- */

static dray_key random_key(struct both *b)
{
    if (below(b, 3))
        return b->key[below(b, 4) ? 0 : 2];
    if (below(b, 12) == 0)
        return (dray_key){ b->key[0].value ^ 1u << below(b, 32) };
    return b->key[below(b, REGIONS)];
}

static uint64_t random_offset(struct both *b)
{
    if (below(b, 30) == 0)
        return test_next(&b->rng);
    return below(b, 50000) & (below(b, 2) ? ~(uint64_t)7 : UINT64_MAX);
}

/* The source anyhow, often as arrays have it; elements of the destination do not overlap each other,
 * for the order of loops is nobody's promise. A turned bit is one that makes it another's, or none. */
static void random_shape(struct both *b, struct dray_shape *s)
{
    memset(s, 0, sizeof(*s));
    s->version = 1;
    s->loops = (uint8_t)(1 + below(b, 4));
    s->element = 1u << below(b, 6);
    int64_t src = s->element, dst = s->element;
    unsigned first = (unsigned)below(b, s->loops); /* the destination's innermost */
    for (unsigned i = 0; i < s->loops; i++) {
        s->extent[i] = 1 + below(b, 6);
        s->src_stride[i] = below(b, 3) ? src : (int64_t)below(b, 2000) - 400;
        src *= (int64_t)s->extent[i];
    }
    for (unsigned i = 0; i < s->loops; i++) {
        unsigned loop = (first + i) % s->loops;
        dst += below(b, 3) ? 0 : (int64_t)below(b, 100);
        s->dst_stride[loop] = below(b, 4) ? dst : -dst;
        dst *= (int64_t)s->extent[loop];
    }
    unsigned bit = (unsigned)below(b, 12 * 32);
    if (bit < 32)
        ((uint8_t *)s)[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static uint64_t shape_length(const struct dray_shape *s)
{
    uint64_t length = s->element;
    for (unsigned i = 0; i < s->loops && i < 4; i++)
        length *= s->extent[i];
    return length;
}

static void make_strided(struct both *b, struct dray_desc *d, struct dray_shape *own)
{
    uint64_t at = SHAPES - ARRAY + below(b, (SIZE - SHAPES) / 128) * 128;
    random_shape(b, own);
    dray_prep_strided(d, random_key(b), random_offset(b), random_key(b), random_offset(b),
                      shape_length(own), (dray_key){ 0 }, 0);
    if (below(b, 2)) {
        d->arg.strided.shape_key = b->key[1];
        d->arg.strided.shape_offset = at;
        d->length = shape_length((struct dray_shape *)(b->host + ARRAY + at));
    }
    if (below(b, 3) == 0)
        d->dst_offset = d->src_offset + below(b, 200); /* side by side in one image */
    if (below(b, 3) == 0)
        d->dst_key = d->src_key;
}

static void make_one(struct both *b, struct dray_desc *d, struct dray_shape *own)
{
    dray_key x = random_key(b), y = random_key(b);
    uint64_t at = random_offset(b), from = random_offset(b);
    uint64_t length = below(b, 20) ? test_size(&b->rng, 9000) : test_next(&b->rng) >> below(b, 64);
    switch (below(b, 14)) {
    case DRAY_OP_NOP:
        dray_prep_nop(d);
        break;
    case DRAY_OP_STRIDED:
    case 0:
        make_strided(b, d, own);
        break;
    case DRAY_OP_FILL:
        dray_prep_fill(d, x, at, length & ~(uint64_t)15, &b->rng.state, 1u << below(b, 4));
        break;
    case DRAY_OP_COMPARE:
        dray_prep_compare(d, x, at, below(b, 2) ? x : y, below(b, 2) ? at : from, length);
        break;
    case DRAY_OP_CRC32C:
        dray_prep_crc32c(d, x, at, length, (uint32_t)below(b, 2) * 0x1234567);
        break;
    case DRAY_OP_FENCE:
        dray_prep_fence(d);
        break;
    case DRAY_OP_SIGNAL:
        dray_prep_signal(d, x, at & ~(uint64_t)7, below(b, 10), below(b, 2));
        break;
    case DRAY_OP_WAIT:
        dray_prep_wait(d, x, at & ~(uint64_t)7, (enum dray_wait)below(b, 6), below(b, 10), 1);
        break;
    case DRAY_OP_LINK:
        at = below(b, 6) ? below(b, (SHAPES - ARRAY) / 64 - 8) * 64 : below(b, SHAPES - ARRAY);
        dray_prep_link(d, b->key[1], at, 1 + (uint32_t)below(b, 8));
        break;
    default:
        dray_prep_copy(d, x, at, y, from, length);
        d->flags = below(b, 3) ? 0 : DRAY_FLAG_CRC;
    }
    d->flags |= below(b, 3) ? 0 : DRAY_FLAG_CHAIN;
    d->user_data = test_next(&b->rng);
}

/* A WAIT that nobody ends must end by itself, and soon on the host's clock too. */
static void random_desc(struct both *b, struct dray_desc *d, struct dray_shape *own)
{
    unsigned kind = (unsigned)below(b, 16);
    memset(own, 0, sizeof(*own));
    make_one(b, d, own);
    for (unsigned turns = kind < 4 ? kind : 0; turns; turns--)
        ((uint8_t *)d)[below(b, sizeof(*d))] ^= (uint8_t)(1 << below(b, 8));
    if (kind == 0)
        for (unsigned i = 2; i < sizeof(*d); i++)
            ((uint8_t *)d)[i] = (uint8_t)test_next(&b->rng);
    if (d->opcode == DRAY_OP_WAIT)
        d->arg.wait.timeout_ns = 1;
    d->flags |= DRAY_FLAG_FENCE;
}

/* ---- a round ---- */

static void fill_memory(struct both *b)
{
    struct dray_shape *shapes = (struct dray_shape *)(b->host + SHAPES);
    struct dray_desc *array = (struct dray_desc *)(b->host + ARRAY);
    struct dray_shape unused;
    tag_fill(b->host, ARRAY, 1 + below(b, 1000), 0);
    for (unsigned i = 0; i < 64; i++) /* flags that conditions may hold for */
        ((uint64_t *)b->host)[below(b, ARRAY / 8)] = below(b, 10);
    for (unsigned i = 0; i < (SIZE - SHAPES) / sizeof(*shapes); i++)
        random_shape(b, &shapes[i]);
    for (unsigned i = 0; i < (SHAPES - ARRAY) / sizeof(*array); i++)
        random_desc(b, &array[i], &unused);
    memcpy(b->rig.bytes + RIG_DATA, b->host, SIZE);
}

static void put_both(struct both *b, const struct dray_desc *d, const struct dray_shape *shape)
{
    struct dray_desc *host = dray_queue_get(b->queue);
    assert_non_null(host);
    *host = *d;
    *dray_queue_shape(b->queue, host) = *shape;
    *rig_get(&b->rig, 0) = *d;
    *rig_shape(&b->rig, 0) = *shape;
}

static struct dray_completion host_next(struct both *b)
{
    const struct dray_completion *c;
    assert_int_equal(dray_queue_wait(b->queue, &c, 10000000000u), 0);
    struct dray_completion copy = *c;
    dray_queue_seen(b->queue, 1);
    return copy;
}

static void say_list(const struct both *b)
{
    char text[DRAY_TEXT_MAX];
    for (unsigned i = 0; i <= DESCRIPTORS; i++) {
        const struct dray_desc *d =
            rig_desc_at((struct rig *)&b->rig, 0, b->rig.filled[0] - DESCRIPTORS - 1 + i);
        dray_desc_print(d, text, sizeof(text), NULL);
        print_message("%2u %s\n", i, text);
    }
}

static void compare_completions(struct both *b, uint64_t seen[])
{
    for (unsigned i = 0;; i++) {
        struct dray_completion is = rig_wait(&b->rig, 0), should = host_next(b);
        rig_seen(&b->rig, 0);
        is.flags = should.flags = 0;
        if (memcmp(&is, &should, sizeof(is))) {
            say_list(b);
            fail_msg(
                "completion %u: machine: status %u access %u index %u moved %llu result %llx user "
                "%llx; host: %u %u %u %llu %llx %llx",
                i, is.status, is.access, is.index, (unsigned long long)is.moved,
                (unsigned long long)is.result, (unsigned long long)is.user_data, should.status,
                should.access, should.index, (unsigned long long)should.moved,
                (unsigned long long)should.result, (unsigned long long)should.user_data);
        }
        seen[is.status]++;
        if (is.user_data == LAST)
            return;
    }
}

static void play(struct both *b, uint64_t seen[])
{
    struct dray_desc d;
    struct dray_shape shape;
    fill_memory(b);
    for (unsigned i = 0; i < DESCRIPTORS; i++) {
        random_desc(b, &d, &shape);
        put_both(b, &d, &shape);
    }
    dray_prep_nop(&d);
    d.user_data = LAST;
    put_both(b, &d, &shape);
    dray_queue_submit(b->queue);
    rig_publish(&b->rig, 0);
    compare_completions(b, seen);
    rig_run(&b->rig);
    for (unsigned i = 0; i < SIZE; i++)
        if (b->host[i] != b->rig.bytes[RIG_DATA + i]) {
            say_list(b);
            fail_msg("byte %u: machine %02x, host %02x", i, b->rig.bytes[RIG_DATA + i], b->host[i]);
        }
}

static void both_readers_say_the_same(void **state)
{
    (void)state;
    static const char *const engines[] = { "pio", "cpu" };
    uint64_t seen[DRAY_STATUS_CANCELLED + 1] = { 0 };
    for (unsigned i = 0; i < 40 / TEST_SLOWNESS; i++) {
        struct both b = { .rng = { test_seed() + i * 7919 } };
        make(&b, engines[i % 2]);
        rig_start(&b.rig, 0);
        for (unsigned round = 0; round < 40; round++)
            play(&b, seen);
        destroy(&b);
    }
    for (unsigned status = 0; status <= DRAY_STATUS_TIMEOUT; status++)
        print_message("status %u: %llu\n", status, (unsigned long long)seen[status]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_readers_say_the_same) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
