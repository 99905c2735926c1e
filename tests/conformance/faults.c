/* What every engine that moves bytes refuses: each malformed descriptor completes with a status of its own, is
 * recorded, and moves no byte outside. */
#include "rig.h"

enum {
    SIZE = 4096,
    SRC = 1,
    DST = 2
};

struct board {
    uint8_t *src, *dst;
    dray_key in, out;
};

static struct board board_make(struct rig *rig)
{
    struct board b = { .src = guard_alloc(SIZE, 64), .dst = guard_alloc(SIZE, 64) };
    tag_fill(b.src, SIZE, SRC, 0);
    tag_fill(b.dst, SIZE, DST, 0);
    b.in = rig_map(rig, b.src, SIZE, DRAY_READ);
    b.out = rig_map(rig, b.dst, SIZE, DRAY_WRITE);
    return b;
}

static void board_free(struct board *b)
{
    guard_free(b->src);
    guard_free(b->dst);
}

/* Both buffers as they were, and the guards round them. */
static void board_untouched(const struct board *b)
{
    tag_check(b->src, SIZE, SRC, 0);
    tag_check(b->dst, SIZE, DST, 0);
    guard_check(b->src);
    guard_check(b->dst);
}

typedef void (*spoil)(struct dray_desc *d, struct rig *rig, const struct board *b);

static void bad_version(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->version = 77;
}
static void bad_opcode(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->opcode = 200;
}
static void zeroed(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    uint64_t user_data = d->user_data;
    memset(d, 0, sizeof(*d));
    d->user_data = user_data;
}
static void reserved_opcode(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    dray_prep(d, DRAY_OP_PLACE);
}
static void reserved_flag(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->flags = 1 << 9;
}
static void reserved_field(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->arg.byte[15] = 1;
}
static void zero_key(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->src_key.value = 0;
}
static void forged_key(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->dst_key.value ^= 0xfff00000;
}
static void foreign_key(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->src_key.value = 0x00155555;
}
static void no_read_right(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    d->src_key = b->out;
    d->dst_key = b->out;
}
static void no_write_right(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    d->dst_key = b->in;
}
static void past_source(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->src_offset = SIZE - 63;
}
static void past_destination(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->dst_offset = SIZE - 63;
}
static void offset_wraps(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->dst_offset = UINT64_MAX - 10;
}
static void zero_length(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->length = 0;
}
static void huge_length(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig, (void)b;
    d->length = UINT64_MAX;
}
static void fill_count(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_fill(d, b->out, 0, 64, "abc", 3);
}
static void fill_odd(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_fill(d, b->out, 0, 63, "abcdefgh", 8);
}
static void signal_misaligned(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_signal(d, b->out, 4, 1, false);
}
static void signal_count(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_signal(d, b->out, 8, 1, false);
    d->count = 2;
}
static void wait_condition(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_wait(d, b->in, 0, 17, 0, 0);
}
static void link_empty(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_link(d, b->in, 0, 0);
}
static void link_past_end(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    (void)rig;
    dray_prep_link(d, b->in, 0, SIZE / 64 + 1);
}

static struct dray_shape *shape_of(struct dray_desc *d, struct rig *rig, const struct board *b,
                                   uint64_t length)
{
    dray_prep_strided(d, b->out, 0, b->in, 0, length, (dray_key){ 0 }, 0);
    struct dray_shape *shape = dray_queue_shape(rig->queue, d);
    *shape = (struct dray_shape){ .version = DRAY_FORMAT_VERSION,
                                  .loops = 1,
                                  .element = 8,
                                  .extent = { 8 },
                                  .src_stride = { 8 },
                                  .dst_stride = { 8 } };
    return shape;
}
static void shape_loops(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64)->loops = 5;
}
static void shape_empty(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64)->extent[0] = 0;
}
static void shape_length(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 65);
}
static void shape_leaves_source(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64)->src_stride[0] = SIZE / 7 + 1;
}
static void shape_before_destination(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64)->dst_stride[0] = -8;
}
static void shape_overflows(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64)->dst_stride[0] = INT64_MIN;
}
static void shape_in_array(struct dray_desc *d, struct rig *rig, const struct board *b)
{
    shape_of(d, rig, b, 64);
    d->arg.strided.shape_key.value = 0x00155555;
}

static const struct {
    const char *name;
    spoil spoil;
    enum dray_status status;
    enum dray_access access;
} malformed[] = {
    { "version", bad_version, DRAY_STATUS_VERSION, DRAY_ACCESS_FETCH },
    { "opcode", bad_opcode, DRAY_STATUS_OPCODE, DRAY_ACCESS_FETCH },
    { "all zero", zeroed, DRAY_STATUS_VERSION, DRAY_ACCESS_FETCH },
    { "reserved opcode", reserved_opcode, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_FETCH },
    { "reserved flag", reserved_flag, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH },
    { "reserved field", reserved_field, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH },
    { "key zero", zero_key, DRAY_STATUS_KEY, DRAY_ACCESS_READ },
    { "forged generation", forged_key, DRAY_STATUS_KEY, DRAY_ACCESS_WRITE },
    { "foreign key", foreign_key, DRAY_STATUS_KEY, DRAY_ACCESS_READ },
    { "no read right", no_read_right, DRAY_STATUS_RIGHT, DRAY_ACCESS_READ },
    { "no write right", no_write_right, DRAY_STATUS_RIGHT, DRAY_ACCESS_WRITE },
    { "past source", past_source, DRAY_STATUS_RANGE, DRAY_ACCESS_READ },
    { "past destination", past_destination, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE },
    { "offset wraps", offset_wraps, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE },
    { "zero length", zero_length, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH },
    { "huge length", huge_length, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH },
    { "fill count", fill_count, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH },
    { "fill length", fill_odd, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH },
    { "misaligned flag", signal_misaligned, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_FETCH },
    { "signal count", signal_count, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH },
    { "wait condition", wait_condition, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH },
    { "empty link", link_empty, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH },
    { "link past end", link_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_FETCH },
    { "five loops", shape_loops, DRAY_STATUS_SHAPE, DRAY_ACCESS_FETCH },
    { "zero extent", shape_empty, DRAY_STATUS_SHAPE, DRAY_ACCESS_FETCH },
    { "shape and length", shape_length, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH },
    { "shape leaves source", shape_leaves_source, DRAY_STATUS_RANGE, DRAY_ACCESS_READ },
    { "shape before start", shape_before_destination, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE },
    { "shape overflows", shape_overflows, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE },
    { "shape key", shape_in_array, DRAY_STATUS_KEY, DRAY_ACCESS_FETCH },
};

static void each_malformed_descriptor_has_its_status(void **state)
{
    struct rig *rig = *state;
    struct board b = board_make(rig);
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        struct dray_desc *d = rig_get(rig);
        dray_prep_copy(d, b.out, 0, b.in, 0, 64);
        malformed[i].spoil(d, rig, &b);
        d->user_data = 1000 + i;

        struct dray_completion c = rig_finish(rig);

        if (c.status != malformed[i].status)
            print_error("case: %s\n", malformed[i].name);
        assert_status(c, malformed[i].status);
        assert_int_equal(c.user_data, 1000 + i);
        assert_int_equal(c.moved, 0);
        assert_int_equal(c.access, malformed[i].access);
        struct dray_fault fault = rig_fault(rig);
        assert_int_equal(fault.user_data, 1000 + i);
        assert_int_equal(fault.reason, malformed[i].status);
        assert_true(fault.queue > 0 && fault.time_ns > 0);
        board_untouched(&b);
    }
    board_free(&b);
}

static void key_is_refused_after_unmap(void **state)
{
    struct rig *rig = *state;
    struct board b = board_make(rig);
    assert_int_equal(dray_unmap(rig->domain, b.in), 0);
    dray_prep_copy(rig_get(rig), b.out, 0, b.in, 0, 64);
    assert_status(rig_finish(rig), DRAY_STATUS_KEY);
    /* The slot may be used again: the old key is still not valid. */
    dray_key again = rig_map(rig, b.src, SIZE, DRAY_READ);
    assert_int_not_equal(again.value, b.in.value);
    dray_prep_copy(rig_get(rig), b.out, 0, b.in, 0, 64);
    assert_status(rig_finish(rig), DRAY_STATUS_KEY);
    board_untouched(&b);
    board_free(&b);
}

/* The same calls in another domain give keys of the same index: the generations begin elsewhere. */
static void a_key_of_another_domain_is_refused(void **state)
{
    struct rig *rig = *state;
    struct board b = board_make(rig);
    unsigned alike = 0;
    for (int i = 0; i < 8; i++) {
        struct dray_domain *other;
        dray_key key;
        assert_int_equal(dray_domain_create(&other, NULL), 0);
        assert_int_equal(dray_map_memory(other, b.src, SIZE, DRAY_READ, &key), 0);
        if (key.value == b.in.value) {
            alike++; /* one in 4095 */
        } else {
            dray_prep_copy(rig_get(rig), b.out, 0, key, 0, 64);
            assert_status(rig_finish(rig), DRAY_STATUS_KEY);
        }
        assert_int_equal(dray_domain_destroy(&other), 0);
    }
    assert_true(alike < 4);
    board_untouched(&b);
    board_free(&b);
}

/* COMPARE reads both sides: the fault names the right one. */
static void compare_names_the_side_at_fault(void **state)
{
    struct rig *rig = *state;
    struct board b = board_make(rig);
    dray_prep_compare(rig_get(rig), b.in, 0, b.out, 8, 64);
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_RIGHT);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    struct dray_fault fault = rig_fault(rig);
    assert_int_equal(fault.key.value, b.out.value);
    assert_int_equal(fault.offset, 8);
    board_free(&b);
}

static void a_chain_stops_at_its_fault(void **state)
{
    struct rig *rig = *state;
    struct board b = board_make(rig);
    for (unsigned i = 0; i < 4; i++) {
        struct dray_desc *d = rig_get(rig);
        dray_prep_copy(d, b.out, 100 * i, b.in, i == 2 ? SIZE : 100 * i, 100);
        d->flags = i < 3 ? DRAY_FLAG_CHAIN : 0;
        d->user_data = i;
    }
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_RANGE);
    assert_int_equal(c.user_data, 3);
    assert_int_equal(c.index, 2);
    assert_int_equal(c.moved, 200);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    assert_int_equal(c.result, SIZE);
    tag_check(b.dst, 200, SRC, 0);
    tag_check(b.dst + 200, SIZE - 200, DST, 200);
    struct dray_fault fault = rig_fault(rig);
    assert_int_equal(fault.descriptor, 2);
    assert_int_equal(fault.offset, SIZE);
    /* The queue goes on. */
    dray_prep_nop(rig_get(rig));
    assert_status(rig_finish(rig), DRAY_STATUS_OK);
    board_free(&b);
}

static void links_that_loop_are_ended(void **state)
{
    struct rig *rig = *state;
    struct dray_desc *loop = guard_alloc(2 * sizeof(*loop), 64);
    dray_key array = rig_map(rig, loop, 2 * sizeof(*loop), DRAY_READ);
    dray_prep_nop(&loop[0]);
    loop[0].flags = DRAY_FLAG_CHAIN;
    dray_prep_link(&loop[1], array, 0, 2);
    loop[1].flags = DRAY_FLAG_CHAIN;

    struct dray_desc *d = rig_get(rig);
    dray_prep_link(d, array, 0, 2);
    d->flags = DRAY_FLAG_CHAIN;
    dray_prep_nop(rig_get(rig));
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_LINK);
    guard_free(loop);
}

static void a_link_in_the_middle_of_an_array_is_refused(void **state)
{
    struct rig *rig = *state;
    struct dray_desc *list = guard_alloc(2 * sizeof(*list), 64);
    dray_key array = rig_map(rig, list, 2 * sizeof(*list), DRAY_READ);
    dray_prep_link(&list[0], array, 64, 1);
    dray_prep_nop(&list[1]);
    dray_prep_link(rig_get(rig), array, 0, 2);
    assert_status(rig_finish(rig), DRAY_STATUS_OK);
    assert_status(rig_wait(rig), DRAY_STATUS_LINK);
    assert_status(rig_wait(rig), DRAY_STATUS_OK);
    guard_free(list);
}

/* The array ends with CHAIN, and nothing follows in the ring: the transaction is over. */
static void a_chain_that_is_never_closed_is_ended(void **state)
{
    struct rig *rig = *state;
    struct dray_desc *list = guard_alloc(sizeof(*list), 64);
    dray_key array = rig_map(rig, list, sizeof(*list), DRAY_READ);
    dray_prep_nop(&list[0]);
    list[0].flags = DRAY_FLAG_CHAIN;
    dray_prep_link(rig_get(rig), array, 0, 1);
    assert_status(rig_finish(rig), DRAY_STATUS_OK);
    assert_status(rig_wait(rig), DRAY_STATUS_CHAIN);
    guard_free(list);
}

static void only_closed_transactions_are_published(void **state)
{
    struct rig *rig = *state;
    dray_prep_nop(rig_get(rig));
    struct dray_desc *d = rig_get(rig);
    dray_prep_nop(d);
    d->flags = DRAY_FLAG_CHAIN;
    assert_int_equal(dray_queue_submit(rig->queue), 1);
    assert_status(rig_wait(rig), DRAY_STATUS_OK);
    dray_prep_nop(rig_get(rig));
    assert_int_equal(dray_queue_submit(rig->queue), 2);
    assert_status(rig_wait(rig), DRAY_STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_malformed_descriptor_has_its_status),
        cmocka_unit_test(key_is_refused_after_unmap),
        cmocka_unit_test(a_key_of_another_domain_is_refused),
        cmocka_unit_test(compare_names_the_side_at_fault),
        cmocka_unit_test(a_chain_stops_at_its_fault),
        cmocka_unit_test(links_that_loop_are_ended),
        cmocka_unit_test(a_link_in_the_middle_of_an_array_is_refused),
        cmocka_unit_test(a_chain_that_is_never_closed_is_ended),
        cmocka_unit_test(only_closed_transactions_are_published),
    };
    return rig_run_tests("faults", tests, sizeof(tests) / sizeof(tests[0]));
}
