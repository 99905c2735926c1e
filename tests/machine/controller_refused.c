/* What the controller refuses, what it says of it, and that nothing of it is moved. */
#include "controller_area.h"

struct refused {
    const char *what;
    void (*make)(struct area *a, struct dray_desc *d);
    uint8_t status, access;
    uint64_t result;
};

static dray_key key_of(uint32_t value)
{
    return (dray_key){ value };
}

#define REFUSED(name) static void name(struct area *a, struct dray_desc *d)

REFUSED(other_version)
{
    dray_prep_copy(d, a->all, 0, a->all, 64, 8);
    d->version = 2;
}
REFUSED(opcode_zero)
{
    (void)a;
    d->opcode = 0;
}
REFUSED(opcode_unknown)
{
    (void)a;
    d->opcode = 77;
}
REFUSED(opcode_of_later)
{
    (void)a;
    d->opcode = DRAY_OP_DELTA;
}
REFUSED(flag_unknown)
{
    dray_prep_copy(d, a->all, 0, a->all, 64, 8);
    d->flags = 1 << 4;
}
REFUSED(crc_of_a_fill)
{
    dray_prep_fill(d, a->all, 0, 8, "x", 1);
    d->flags = DRAY_FLAG_CRC;
}
REFUSED(field_of_another)
{
    (void)a;
    d->length = 1;
}
REFUSED(seed_without_crc)
{
    dray_prep_copy(d, a->all, 0, a->all, 64, 8);
    d->arg.copy.seed = 1;
}
REFUSED(pattern_spills)
{
    dray_prep_fill(d, a->all, 0, 8, "xxxx", 4);
    d->arg.byte[4] = 1;
}
REFUSED(pattern_of_three)
{
    dray_prep_fill(d, a->all, 0, 9, "xxx", 3);
}
REFUSED(fill_not_whole)
{
    dray_prep_fill(d, a->all, 0, 9, "xx", 2);
}
REFUSED(length_zero)
{
    dray_prep_copy(d, a->all, 0, a->all, 64, 0);
}
REFUSED(length_huge)
{
    dray_prep_crc32c(d, a->all, 0, ((uint64_t)1 << 62) + 1, 0);
}
REFUSED(key_zero)
{
    dray_prep_copy(d, a->all, 0, key_of(0), 64, 8);
}
REFUSED(key_old)
{
    dray_prep_copy(d, key_of(2u << 20 | 1), 300, a->all, 64, 8);
}
REFUSED(key_outside)
{
    dray_prep_copy(d, key_of(1u << 20 | 999), 300, a->all, 64, 8);
}
REFUSED(not_readable)
{
    dray_prep_copy(d, a->all, 0, key_of(1u << 20 | 3), 8, 8);
}
REFUSED(not_writable)
{
    (void)a;
    dray_prep_fill(d, key_of(1u << 20 | 2), 16, 8, "x", 1);
}
REFUSED(compare_not_readable)
{
    dray_prep_compare(d, a->all, 0, key_of(1u << 20 | 3), 24, 8);
}
REFUSED(src_past_end)
{
    dray_prep_copy(d, a->all, 0, a->all, DATA_SIZE - 7, 8);
}
REFUSED(dst_past_end)
{
    dray_prep_copy(d, a->all, UINT64_MAX, a->all, 0, 8);
}
REFUSED(flag_odd)
{
    dray_prep_signal(d, a->all, 4, 1, false);
}
REFUSED(flag_past_end)
{
    dray_prep_wait(d, a->all, DATA_SIZE, DRAY_WAIT_EQ, 0, 0);
}
REFUSED(flag_of_odd_memory)
{
    (void)a;
    dray_prep_signal(d, key_of(1u << 20 | 4), 8, 1, false);
}
REFUSED(signal_count)
{
    dray_prep_signal(d, a->all, 0, 1, false);
    d->count = 2;
}
REFUSED(wait_count)
{
    dray_prep_wait(d, a->all, 0, DRAY_WAIT_EQ, 0, 0);
    d->count = 6;
}
REFUSED(link_count)
{
    dray_prep_link(d, a->all, 0, 0);
}
REFUSED(link_past_end)
{
    dray_prep_link(d, a->all, DATA_SIZE - 64, 2);
}
REFUSED(shape_offset_alone)
{
    dray_prep_strided(d, a->all, 0, a->all, 0, 8, key_of(0), 8);
}
REFUSED(shape_odd)
{
    dray_prep_strided(d, a->all, 0, a->all, 0, 8, a->all, 12);
}
REFUSED(shape_past_end)
{
    dray_prep_strided(d, a->all, 0, a->all, 0, 8, a->all, DATA_SIZE - 120);
}
REFUSED(shape_empty)
{
    dray_prep_strided(d, a->all, 0, a->all, 0, 8, a->all, 8192);
}
REFUSED(shape_other_length)
{
    dray_prep_strided(d, a->all, 0, a->all, 0, 8, a->all, 8192 + 128);
}
REFUSED(strided_below_region)
{
    dray_prep_strided(d, a->all, 100, a->all, 9000, 128, a->all, 8192 + 256);
}
REFUSED(kind_unknown)
{
    dray_prep_copy(d, key_of(1u << 20 | 5), 0, a->all, 0, 8);
}
REFUSED(no_such_device)
{
    dray_prep_copy(d, a->all, 0, key_of(1u << 20 | 6), 0, 8);
}

static const struct refused refused[] = {
    { "version", other_version, DRAY_STATUS_VERSION, DRAY_ACCESS_FETCH, 0 },
    { "opcode 0", opcode_zero, DRAY_STATUS_OPCODE, DRAY_ACCESS_FETCH, 0 },
    { "opcode 77", opcode_unknown, DRAY_STATUS_OPCODE, DRAY_ACCESS_FETCH, 0 },
    { "DELTA", opcode_of_later, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_FETCH, 0 },
    { "flag", flag_unknown, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "crc of fill", crc_of_a_fill, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "length of nop", field_of_another, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "seed", seed_without_crc, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "pattern spills", pattern_spills, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "pattern of 3", pattern_of_three, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH, 0 },
    { "fill not whole", fill_not_whole, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH, 0 },
    { "length 0", length_zero, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH, 0 },
    { "length huge", length_huge, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH, 0 },
    { "key 0", key_zero, DRAY_STATUS_KEY, DRAY_ACCESS_READ, 64 },
    { "key old", key_old, DRAY_STATUS_KEY, DRAY_ACCESS_WRITE, 300 },
    { "key outside", key_outside, DRAY_STATUS_KEY, DRAY_ACCESS_WRITE, 300 },
    { "not readable", not_readable, DRAY_STATUS_RIGHT, DRAY_ACCESS_READ, 8 },
    { "not writable", not_writable, DRAY_STATUS_RIGHT, DRAY_ACCESS_WRITE, 16 },
    { "compare", compare_not_readable, DRAY_STATUS_RIGHT, DRAY_ACCESS_READ, 24 },
    { "src past end", src_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_READ, DATA_SIZE - 7 },
    { "dst past end", dst_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE, UINT64_MAX },
    { "flag odd", flag_odd, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_FETCH, 0 },
    { "flag past end", flag_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_READ, DATA_SIZE },
    { "odd memory", flag_of_odd_memory, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_WRITE, 8 },
    { "signal count", signal_count, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH, 0 },
    { "wait count", wait_count, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH, 0 },
    { "link count", link_count, DRAY_STATUS_COUNT, DRAY_ACCESS_FETCH, 0 },
    { "link past end", link_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_FETCH, DATA_SIZE - 64 },
    { "shape offset", shape_offset_alone, DRAY_STATUS_RESERVED, DRAY_ACCESS_FETCH, 0 },
    { "shape odd", shape_odd, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_FETCH, 0 },
    { "shape past end", shape_past_end, DRAY_STATUS_RANGE, DRAY_ACCESS_FETCH, DATA_SIZE - 120 },
    { "shape empty", shape_empty, DRAY_STATUS_VERSION, DRAY_ACCESS_FETCH, 8192 },
    { "shape length", shape_other_length, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH, 8192 + 128 },
    { "strided below", strided_below_region, DRAY_STATUS_RANGE, DRAY_ACCESS_WRITE, 100 },
    { "kind", kind_unknown, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_WRITE, 0 },
    { "device", no_such_device, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_READ, 0 },
};

static void map_refused(struct area *a)
{
    static const struct dray_shape odd[] = {
        { 0 },
        { 1, 1, 0, 4, { 3 }, { 4 }, { 4 }, { 0 } },
        { 1, 1, 0, 16, { 8 }, { 16 }, { -16 }, { 0 } },
    };
    rig_map(&a->rig, 2, RIG_DATA, DATA_SIZE, SIM_RIGHT_READ, SIM_REGION_MEMORY, 0);
    rig_map(&a->rig, 3, RIG_DATA, DATA_SIZE, SIM_RIGHT_WRITE, SIM_REGION_MEMORY, 0);
    rig_map(&a->rig, 4, RIG_DATA + 1, 4096, 3, SIM_REGION_FLAGS, 0);
    rig_map(&a->rig, 5, RIG_DATA, DATA_SIZE, 3, 99, 0);
    rig_map(&a->rig, 6, 0, DATA_SIZE, 3, SIM_REGION_DEVICE, 5);
    memcpy(a->rig.bytes + RIG_DATA + 8192, odd, sizeof(odd));
    memcpy(a->expected + 8192, odd, sizeof(odd));
}

/* Each alone; and in the middle of a transaction, which tells what was before it and skips the rest. */
static void what_is_refused_moves_nothing(void **state)
{
    struct area *a = *state;
    map_refused(a);
    for (unsigned i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        for (unsigned chained = 0; chained < 2; chained++) {
            const struct refused *r = &refused[i];
            struct dray_desc *d;
            if (chained) {
                d = rig_get(&a->rig, 0);
                dray_prep_copy(d, a->all, 200000, a->all, 0, 64);
                d->flags = DRAY_FLAG_CHAIN;
            }
            d = rig_get(&a->rig, 0);
            dray_prep_nop(d);
            r->make(a, d);
            d->user_data = 40;
            if (chained) {
                d->flags |= DRAY_FLAG_CHAIN;
                d = rig_get(&a->rig, 0);
                dray_prep_fill(d, a->all, 0, 4096, "!", 1);
                d->user_data = 41;
                memcpy(a->expected + 200000, a->expected, 64);
            }
            struct dray_completion c = rig_finish(&a->rig, 0);
            if (c.status != r->status || c.access != r->access || c.result != r->result)
                fail_msg("%s: status %u access %u result %llu", r->what, c.status, c.access,
                         (unsigned long long)c.result);
            assert_int_equal(c.index, chained);
            assert_int_equal(c.user_data, 40 + chained);
            assert_int_equal(c.moved, chained ? 64 : 0);
            area_check(a);
        }
}

/* A memory that refuses in the middle: what was moved is counted exactly. */
static void the_bus_refuses(void **state)
{
    struct area *a = *state;
    a->rig.forbidden_from = RIG_DATA + 150000 + 1024;
    a->rig.forbidden_to = RIG_DATA + 150000 + 1025;
    dray_prep_copy(rig_get(&a->rig, 0), a->all, 150000, a->all, 0, 8192);
    struct dray_completion c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_IO);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    assert_int_equal(c.result, 14);
    uint64_t moved = 0;
    for (uint64_t i = 0; i < 8192; i++)
        moved += a->rig.bytes[RIG_DATA + 150000 + i] == a->rig.bytes[RIG_DATA + i];
    assert_true(c.moved > 0 && c.moved < 8192);
    assert_true(moved >= c.moved && moved < c.moved + 128); /* some are equal by chance */
    memcpy(a->expected + 150000, a->rig.bytes + RIG_DATA + 150000, 8192);
    dray_prep_copy(rig_get(&a->rig, 0), a->all, 180000, a->all, 150000, 8192);
    c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_IO);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    memcpy(a->expected + 180000, a->rig.bytes + RIG_DATA + 180000, 8192);
}

/* The tail lies inside a transaction: it is closed there, and told. */
static void a_transaction_that_is_not_closed(void **state)
{
    struct area *a = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct dray_desc *d = rig_get(&a->rig, 0);
        dray_prep_copy(d, a->all, 150000 + i * 64, a->all, i * 64, 64);
        d->flags = DRAY_FLAG_CHAIN;
        d->user_data = i;
    }
    struct dray_completion c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_CHAIN);
    assert_int_equal(c.access, DRAY_ACCESS_FETCH);
    assert_int_equal(c.index, 2);
    assert_int_equal(c.user_data, 2);
    assert_int_equal(c.moved, 192);
    memcpy(a->expected + 150000, a->expected, 192);
}

/* ---- what only hardware refuses ---- */

static void a_device_of_32_bits(void **state)
{
    (void)state;
    struct area a;
    struct sim_controller_params p = rig_params();
    p.address_bits = 32;
    area_make(&a, &p);
    uint64_t high = (uint64_t)1 << 32;
    dray_key across = rig_memory(&a.rig, 7, high - 4096, 8192);
    for (uint64_t offset = 0; offset < 8192; offset += 1024) {
        dray_prep_copy(rig_get(&a.rig, 0), across, offset, a.all, 0, 64);
        struct dray_completion c = rig_finish(&a.rig, 0);
        /* Below, the target refuses: there is no memory. Above, it is not even asked. */
        assert_status(c, offset < 4096 ? DRAY_STATUS_IO : DRAY_STATUS_RANGE);
        assert_int_equal(c.result, offset < 4096 ? 14 : offset);
        assert_int_equal(c.access, DRAY_ACCESS_WRITE);
        assert_int_equal(c.moved, 0);
    }
    dray_prep_copy(rig_get(&a.rig, 0), a.all, 0, across, 4096 - 63, 64); /* the last byte alone */
    assert_status(rig_finish(&a.rig, 0), DRAY_STATUS_RANGE);
    area_free(&a);
}

static void a_device_that_wants_64_bytes_aligned(void **state)
{
    (void)state;
    struct area a;
    struct sim_controller_params p = rig_params();
    p.alignment = 64;
    p.segment_max = 4096;
    area_make(&a, &p);
    static const struct {
        uint64_t src, dst, length;
        uint8_t status, access;
    } c[] = {
        { 64, 128000, 640, DRAY_STATUS_OK, 0 },
        { 65, 128000, 640, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_READ },
        { 64, 128032, 640, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_WRITE },
        { 64, 128000, 641, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_READ },
        { 64, 128000, 4096, DRAY_STATUS_OK, 0 },
        { 64, 128000, 4096 + 64, DRAY_STATUS_LENGTH, DRAY_ACCESS_FETCH },
    };
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        dray_prep_copy(rig_get(&a.rig, 0), a.all, c[i].dst, a.all, c[i].src, c[i].length);
        struct dray_completion is = rig_finish(&a.rig, 0);
        assert_status(is, c[i].status);
        assert_int_equal(is.access, c[i].access);
        if (c[i].status == DRAY_STATUS_OK)
            memcpy(a.expected + c[i].dst, a.expected + c[i].src, c[i].length);
        area_check(&a);
    }
    area_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AREA_TEST(what_is_refused_moves_nothing),
        AREA_TEST(the_bus_refuses),
        AREA_TEST(a_transaction_that_is_not_closed),
        cmocka_unit_test(a_device_of_32_bits),
        cmocka_unit_test(a_device_that_wants_64_bytes_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
