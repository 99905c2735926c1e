/*
 * Random descriptors. What a descriptor may hold is written here a second time, by hand from the
 * documentation, so that the tables and this list check each other.
 *
 * DRAY_SEED=n replays a failure.
 */
#include <errno.h>
#include <inttypes.h>

#include "desc/check.h"
#include "dray/desc.h"
#include "test.h"

enum {
    ROUNDS = 200000 / TEST_SLOWNESS,
};

static struct test_rng rng;

static uint64_t any64(void)
{
    return test_next(&rng);
}

static dray_key any_key(void)
{
    return (dray_key){ (uint32_t)any64() };
}

static uint64_t any_length(void)
{
    return 1 + test_size(&rng, DRAY_LENGTH_MAX - 1);
}

static void random_copy(struct dray_desc *d)
{
    dray_prep_copy(d, any_key(), any64(), any_key(), any64(), any_length());
    if (any64() & 1) {
        d->flags = DRAY_FLAG_CRC;
        d->arg.copy.seed = (uint32_t)any64();
    }
}

static void random_strided(struct dray_desc *d)
{
    uint32_t shape = any64() & 1 ? 1 + (uint32_t)test_below(&rng, UINT32_MAX) : 0;
    dray_prep_strided(d, any_key(), any64(), any_key(), any64(), any_length(), (dray_key){ shape },
                      shape ? any64() & ~(uint64_t)7 : 0);
}

static void random_fill(struct dray_desc *d)
{
    uint64_t pattern[2] = { any64(), any64() };
    uint32_t size = 1u << test_below(&rng, 5);
    uint64_t length = size * (1 + test_size(&rng, DRAY_LENGTH_MAX / 16 - 1));
    dray_prep_fill(d, any_key(), any64(), length, pattern, size);
}

static void random_flag(struct dray_desc *d)
{
    uint64_t offset = any64() & ~(uint64_t)7;
    if (any64() & 1)
        dray_prep_signal(d, any_key(), offset, any64(), any64() & 1);
    else
        dray_prep_wait(d, any_key(), offset, (enum dray_wait)test_below(&rng, 6), any64(), any64());
}

static void random_other(struct dray_desc *d)
{
    switch (test_below(&rng, 5)) {
    case 0:
        dray_prep_compare(d, any_key(), any64(), any_key(), any64(), any_length());
        break;
    case 1:
        dray_prep_crc32c(d, any_key(), any64(), any_length(), (uint32_t)any64());
        break;
    case 2:
        dray_prep_link(d, any_key(), any64(), 1 + (uint32_t)test_below(&rng, 65536));
        break;
    case 3:
        dray_prep_fence(d);
        break;
    default:
        dray_prep_nop(d);
    }
}

/* Any descriptor that an engine would take. */
static struct dray_desc random_desc(void)
{
    void (*const kinds[])(struct dray_desc *) = { random_copy, random_strided, random_fill,
                                                  random_flag, random_other };
    struct dray_desc d;
    kinds[test_below(&rng, sizeof(kinds) / sizeof(*kinds))](&d);
    d.user_data = any64() & 1 ? any64() : 0;
    d.flags |= any64() & (DRAY_FLAG_CHAIN | DRAY_FLAG_FENCE | DRAY_FLAG_NOTIFY);
    return d;
}

static struct dray_desc random_bytes(void)
{
    struct dray_desc d;
    uint64_t word[8];
    for (int i = 0; i < 8; i++)
        word[i] = any64() & any64();
    memcpy(&d, word, sizeof(d));
    if (any64() % 4) { /* else only one in 18,000 gets past version and opcode */
        d.version = 1;
        d.opcode = (uint8_t)test_below(&rng, 15);
    }
    return d;
}

static void assert_round_trip(const struct dray_desc *d)
{
    char text[DRAY_TEXT_MAX];
    struct dray_desc again;
    struct dray_text_error error;
    assert_int_equal(dray_desc_print(d, text, sizeof(text), NULL), 0);
    if (dray_desc_parse(text, &again, &error))
        fail_msg("%s: column %u: %s, expected %s", text, error.column, error.found, error.expected);
    if (memcmp(d, &again, sizeof(again)))
        fail_msg("%s: other bytes came back", text);
}

static void what_may_be_is_accepted_and_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct dray_desc d = random_desc();
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_OK);
        assert_round_trip(&d);
    }
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct dray_desc d = random_bytes();
        assert_string_not_equal(dray_status_name(dray_desc_check(&d)), "?");
        assert_round_trip(&d);
    }
}

/* The bytes of a descriptor that its opcode gives a meaning to, as in docs/format.md. */
static bool has_meaning(unsigned opcode, unsigned byte)
{
    /* first byte, one past the last */
    static const unsigned char used[14][4][2] = {
        [DRAY_OP_COPY] = { { 16, 52 } },
        [DRAY_OP_STRIDED] = { { 16, 52 }, { 56, 64 } },
        [DRAY_OP_FILL] = { { 4, 8 }, { 20, 24 }, { 32, 64 } },
        [DRAY_OP_COMPARE] = { { 16, 48 } },
        [DRAY_OP_CRC32C] = { { 16, 20 }, { 24, 32 }, { 40, 52 } },
        [DRAY_OP_SIGNAL] = { { 4, 8 }, { 20, 24 }, { 32, 40 }, { 48, 56 } },
        [DRAY_OP_WAIT] = { { 4, 8 }, { 16, 20 }, { 24, 32 }, { 48, 64 } },
        [DRAY_OP_LINK] = { { 4, 8 }, { 16, 20 }, { 24, 32 } },
    };
    if (byte < 2 || (byte >= 8 && byte < 16)) /* opcode, version, user_data */
        return true;
    for (int i = 0; i < 4; i++)
        if (byte >= used[opcode][i][0] && byte < used[opcode][i][1])
            return true;
    return false;
}

static bool bit_has_meaning(unsigned opcode, unsigned bit)
{
    if (bit >= 16 && bit < 32) /* flags */
        return bit < 19 || (bit == 19 && opcode == DRAY_OP_COPY);
    return has_meaning(opcode, bit / 8);
}

static void each_bit_without_meaning_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 512; i++) {
        struct dray_desc good = random_desc();
        for (unsigned bit = 0; bit < 512; bit++) {
            struct dray_desc d = good;
            ((unsigned char *)&d)[bit / 8] ^= (unsigned char)(1u << bit % 8);
            if (bit_has_meaning(good.opcode, bit))
                continue;
            if (dray_desc_check(&d) != DRAY_STATUS_RESERVED)
                fail_msg("%s: bit %u is not refused", dray_opcode_name(good.opcode), bit);
        }
    }
}

static void user_data_may_be_anything(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 64; i++) {
        struct dray_desc d = random_desc();
        for (unsigned bit = 0; bit < 64; bit++) {
            d.user_data ^= (uint64_t)1 << bit;
            assert_int_equal(dray_desc_check(&d), DRAY_STATUS_OK);
        }
    }
}

/* Broken lines: a printed one with a few characters changed must be read or refused, never more. */
static void broken_lines_are_read_or_refused(void **state)
{
    (void)state;
    static const char some[] = " =,x0f\n\tZ";
    for (int i = 0; i < ROUNDS; i++) {
        struct dray_desc d = random_desc(), again;
        struct dray_text_error error;
        char text[DRAY_TEXT_MAX];
        assert_int_equal(dray_desc_print(&d, text, sizeof(text), NULL), 0);
        size_t length = strlen(text);
        for (int n = 0; n < 3; n++)
            text[test_below(&rng, length)] = some[test_below(&rng, sizeof(some))];
        if (dray_desc_parse(text, &again, &error) == 0)
            assert_round_trip(&again);
        else
            assert_in_range(error.column, 1, strlen(text) + 1);
    }
}

/* ---- shapes: small ones, walked element by element ---- */

static struct dray_shape random_shape(uint64_t *length)
{
    struct dray_shape s = { .version = 1, .loops = (uint8_t)(1 + test_below(&rng, 4)) };
    s.element = 1 + (uint32_t)test_below(&rng, 16);
    *length = s.element;
    for (int i = 0; i < s.loops; i++) {
        s.extent[i] = 1 + test_below(&rng, 5);
        s.src_stride[i] = (int64_t)test_below(&rng, 200) - 100;
        s.dst_stride[i] = (int64_t)test_below(&rng, 200) - 100;
        *length *= s.extent[i];
    }
    return s;
}

static void walk(const struct dray_shape *s, const int64_t *strides, int loop, int64_t at,
                 int64_t *low, int64_t *high)
{
    if (loop == s->loops) {
        *low = at < *low ? at : *low;
        *high = at + s->element > *high ? at + s->element : *high;
        return;
    }
    for (uint64_t i = 0; i < s->extent[loop]; i++)
        walk(s, strides, loop + 1, at + (int64_t)i * strides[loop], low, high);
}

static void bounds_are_those_of_a_walk(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 100; i++) {
        uint64_t length;
        struct dray_shape s = random_shape(&length);
        assert_int_equal(dray_shape_check(&s, length), DRAY_STATUS_OK);
        assert_int_equal(dray_shape_check(&s, length + 1), DRAY_STATUS_LENGTH);
        for (int side = 0; side < 2; side++) {
            const int64_t *strides = side ? s.src_stride : s.dst_stride;
            int64_t low, high, want_low = INT64_MAX, want_high = INT64_MIN;
            walk(&s, strides, 0, 0, &want_low, &want_high);
            assert_int_equal(dray_shape_bounds(&s, strides, &low, &high), 0);
            assert_int_equal(low, want_low);
            assert_int_equal(high, want_high);
        }
    }
}

static void random_shapes_are_checked_without_harm(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct dray_shape s;
        uint64_t word[16], length;
        for (int n = 0; n < 16; n++)
            word[n] = any64() >> test_below(&rng, 64);
        memcpy(&s, word, sizeof(s));
        s.version = 1;
        s.loops = 4;
        s.reserved = 0;
        memset(s.reserved2, 0, sizeof(s.reserved2));
        length = any64();
        if (dray_shape_check(&s, length) == DRAY_STATUS_LENGTH) {
            int64_t low, high;
            int err = dray_shape_bounds(&s, s.src_stride, &low, &high);
            assert_true(err == -EOVERFLOW || (err == 0 && low <= 0 && high >= s.element));
        }
    }
}

int main(void)
{
    rng.state = test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_is_accepted_and_comes_back),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(each_bit_without_meaning_is_refused),
        cmocka_unit_test(user_data_may_be_anything),
        cmocka_unit_test(broken_lines_are_read_or_refused),
        cmocka_unit_test(bounds_are_those_of_a_walk),
        cmocka_unit_test(random_shapes_are_checked_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
