/* The descriptor: its bytes by hand, each way to be wrong, its text form, its shape. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "desc/check.h"
#include "dray/desc.h"

static const dray_key SRC = { 0x00100001 }, DST = { 0x00200002 };

/* ---- known bytes: written by hand from docs/format.md, not by way of the structure ---- */

static void assert_bytes(const struct dray_desc *d, const char *hex)
{
    char text[2 * sizeof(*d) + 1];
    const unsigned char *byte = (const unsigned char *)d;
    for (size_t i = 0; i < sizeof(*d); i++)
        snprintf(text + 2 * i, 3, "%02x", byte[i]);
    assert_string_equal(text, hex);
    assert_int_equal(dray_desc_check(d), DRAY_STATUS_OK);
}

#define ZERO8 "0000000000000000"

static void nop_and_fence_are_empty(void **state)
{
    (void)state;
    struct dray_desc d;
    memset(&d, 0xee, sizeof(d));
    dray_prep_nop(&d);
    assert_bytes(&d, "0101000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8);
    dray_prep_fence(&d);
    d.user_data = 0x1122334455667788;
    d.flags = DRAY_FLAG_NOTIFY;
    assert_bytes(&d, "0901040000000000"
                     "8877665544332211" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8);
}

static void copy_has_known_bytes(void **state)
{
    (void)state;
    struct dray_desc d;
    dray_prep_copy(&d, DST, 0x0102030405060708, SRC, 0x1112131415161718, 0x2122232425262728);
    d.flags = DRAY_FLAG_CHAIN | DRAY_FLAG_CRC;
    d.arg.copy.seed = 0xe3069283;
    assert_bytes(&d, "0201090000000000" ZERO8 "0100100002002000"
                     "1817161514131211"
                     "0807060504030201"
                     "2827262524232221"
                     "839206e300000000" ZERO8);
}

static void strided_has_known_bytes(void **state)
{
    (void)state;
    struct dray_desc d;
    dray_prep_strided(&d, DST, 16, SRC, 32, 4096, (dray_key){ 0x00300003 }, 128);
    d.flags = DRAY_FLAG_FENCE;
    assert_bytes(&d, "0301020000000000" ZERO8 "0100100002002000"
                     "2000000000000000"
                     "1000000000000000"
                     "0010000000000000"
                     "0300300000000000"
                     "8000000000000000");
}

static void fill_has_known_bytes(void **state)
{
    (void)state;
    struct dray_desc d;
    dray_prep_fill(&d, DST, 3, 32, "0123456789abcdef", 16);
    assert_bytes(&d, "0401000010000000" ZERO8 "0000000002002000" ZERO8 "0300000000000000"
                     "2000000000000000"
                     "3031323334353637"
                     "3839616263646566");
    dray_prep_fill(&d, DST, 0, 6, "AB", 2);
    assert_bytes(&d, "0401000002000000" ZERO8 "0000000002002000" ZERO8 ZERO8 "0600000000000000"
                     "4142000000000000" ZERO8);
}

static void compare_and_crc_have_known_bytes(void **state)
{
    (void)state;
    struct dray_desc d;
    dray_prep_compare(&d, SRC, 1, DST, 2, 3);
    assert_bytes(&d, "0501000000000000" ZERO8 "0100100002002000"
                     "0100000000000000"
                     "0200000000000000"
                     "0300000000000000" ZERO8 ZERO8);
    dray_prep_crc32c(&d, SRC, 5, 9, 0x01020304);
    assert_bytes(&d, "0601000000000000" ZERO8 "0100100000000000"
                     "0500000000000000" ZERO8 "0900000000000000"
                     "0403020100000000" ZERO8);
}

static void flags_and_links_have_known_bytes(void **state)
{
    (void)state;
    struct dray_desc d;
    dray_prep_signal(&d, DST, 8, 7, true);
    assert_bytes(&d, "0a01000001000000" ZERO8 "0000000002002000" ZERO8 "0800000000000000" ZERO8
                     "0700000000000000" ZERO8);
    dray_prep_wait(&d, SRC, 16, DRAY_WAIT_GE, 7, 1000000000);
    assert_bytes(&d, "0b01000005000000" ZERO8 "0100100000000000"
                     "1000000000000000" ZERO8 ZERO8 "0700000000000000"
                     "00ca9a3b00000000");
    dray_prep_link(&d, SRC, 64, 65536);
    assert_bytes(&d, "0c01000000000100" ZERO8 "0100100000000000"
                     "4000000000000000" ZERO8 ZERO8 ZERO8 ZERO8);
}

/* ---- each way to be wrong ---- */

static struct dray_desc good_copy(void)
{
    struct dray_desc d;
    dray_prep_copy(&d, DST, 0, SRC, 0, 4096);
    return d;
}

static void version_and_opcode_are_checked_first(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 256; number++) {
        struct dray_desc d = good_copy();
        d.version = (uint8_t)number;
        assert_int_equal(dray_desc_check(&d), number == 1 ? DRAY_STATUS_OK : DRAY_STATUS_VERSION);
        memset(&d, 0xff, sizeof(d));
        d.version = 1;
        d.opcode = (uint8_t)number;
        enum dray_status want = number == 0 || number > 13 ? DRAY_STATUS_OPCODE
                                : number == 7 || number == 8 || number == 13
                                    ? DRAY_STATUS_UNSUPPORTED
                                    : DRAY_STATUS_RESERVED;
        assert_int_equal(dray_desc_check(&d), want);
    }
}

static void meaningless_fields_are_refused(void **state)
{
    (void)state;
    struct dray_desc d = good_copy();
    d.flags = 0x10;
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
    d = good_copy();
    d.count = 1;
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
    d = good_copy();
    d.arg.copy.seed = 1; /* without CRC */
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
    dray_prep_strided(&d, DST, 0, SRC, 0, 8, (dray_key){ 0 }, 8); /* the slot has no offset */
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
    dray_prep_compare(&d, SRC, 0, DST, 0, 1);
    d.flags = DRAY_FLAG_CRC;
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
}

static void bytes_past_the_pattern_are_refused(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 16; size *= 2) {
        struct dray_desc d;
        dray_prep_fill(&d, DST, 0, 16,
                       "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", size);
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_OK);
        for (unsigned at = size; at < 16; at++) {
            d.arg.byte[at] = 1;
            assert_int_equal(dray_desc_check(&d), DRAY_STATUS_RESERVED);
            d.arg.byte[at] = 0;
        }
    }
}

static void counts_are_checked(void **state)
{
    (void)state;
    struct dray_desc d;
    const uint32_t bad_fill[] = { 0, 3, 5, 6, 7, 9, 15, 17, 32, 0x80000000, UINT32_MAX };
    for (size_t i = 0; i < sizeof(bad_fill) / sizeof(*bad_fill); i++) {
        dray_prep_fill(&d, DST, 0, 0, "", 0);
        d.count = bad_fill[i];
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_COUNT);
    }
    dray_prep_signal(&d, DST, 0, 1, false);
    d.count = 2;
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_COUNT);
    dray_prep_wait(&d, SRC, 0, (enum dray_wait)6, 1, 0);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_COUNT);
    dray_prep_link(&d, SRC, 0, 0);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_COUNT);
    dray_prep_link(&d, SRC, 0, 65537);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_COUNT);
}

static void lengths_are_checked(void **state)
{
    (void)state;
    const uint64_t most = (uint64_t)1 << 62;
    struct dray_desc d = good_copy();
    const uint8_t opcodes[] = { DRAY_OP_COPY, DRAY_OP_STRIDED, DRAY_OP_COMPARE };
    for (size_t i = 0; i < sizeof(opcodes); i++) {
        d.opcode = opcodes[i];
        d.length = 0;
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
        d.length = most;
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_OK);
        d.length = most + 1;
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
        d.length = UINT64_MAX;
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
    }
    dray_prep_crc32c(&d, SRC, 0, 0, 0);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
    dray_prep_fill(&d, DST, 0, 0, "abcd", 4);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
    dray_prep_fill(&d, DST, 0, 6, "abcd", 4);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
    dray_prep_fill(&d, DST, 0, most + 4, "abcd", 4);
    assert_int_equal(dray_desc_check(&d), DRAY_STATUS_LENGTH);
}

static void flags_and_shapes_are_aligned(void **state)
{
    (void)state;
    for (uint64_t offset = 1; offset < 8; offset++) {
        struct dray_desc d;
        dray_prep_signal(&d, DST, offset, 1, false);
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_ALIGNMENT);
        dray_prep_wait(&d, SRC, offset, DRAY_WAIT_EQ, 1, 0);
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_ALIGNMENT);
        dray_prep_strided(&d, DST, 1, SRC, 1, 8, SRC, offset);
        assert_int_equal(dray_desc_check(&d), DRAY_STATUS_ALIGNMENT);
    }
}

/* ---- the text form ---- */

static const struct {
    const char *text;
    const char *hex;
} examples[] = {
    { "nop", "0101000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 },
    { "copy src_key=0x100001 src_offset=512 dst_key=0x200002 length=4096 seed=0xabc user_data=42 "
      "flags=chain,crc",
      "0201090000000000"
      "2a00000000000000"
      "0100100002002000"
      "0002000000000000" ZERO8 "0010000000000000"
      "bc0a000000000000" ZERO8 },
    { "fill dst_key=0x200002 length=8 count=4 pattern0=0x64636261",
      "0401000004000000" ZERO8 "0000000002002000" ZERO8 ZERO8 "0800000000000000"
      "6162636400000000" ZERO8 },
    { "wait src_key=0x100001 src_offset=8 count=eq value=18446744073709551615",
      "0b01000000000000" ZERO8 "0100100000000000"
      "0800000000000000" ZERO8 ZERO8 "ffffffffffffffff" ZERO8 },
    { "wait src_key=0x100001 count=ge value=1 timeout_ns=1000 flags=fence,notify",
      "0b01060005000000" ZERO8 "0100100000000000" ZERO8 ZERO8 ZERO8 "0100000000000000"
      "e803000000000000" },
    { "delta", "0701000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 },
    /* What has no meaning is shown as it is. */
    { "raw 0e01000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8,
      "0e01000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 },
    { "raw 0200000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8,
      "0200000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 },
    { "raw 01010000000000ff" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8,
      "01010000000000ff" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 },
};

static void bytes_of(struct dray_desc *d, const char *hex)
{
    unsigned char *byte = (unsigned char *)d;
    for (size_t i = 0; i < sizeof(*d); i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        byte[i] = (unsigned char)value;
    }
}

static void text_and_bytes_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        struct dray_desc want, got;
        struct dray_text_error error = { 0 };
        char text[DRAY_TEXT_MAX];
        bytes_of(&want, examples[i].hex);
        assert_int_equal(dray_desc_print(&want, text, sizeof(text), NULL), 0);
        assert_string_equal(text, examples[i].text);
        if (dray_desc_parse(examples[i].text, &got, &error))
            fail_msg("column %u: %s, expected %s", error.column, error.found, error.expected);
        assert_memory_equal(&got, &want, sizeof(want));
    }
}

static void fields_come_in_any_order_and_base(void **state)
{
    (void)state;
    struct dray_desc a, b;
    assert_int_equal(
        dray_desc_parse("copy src_key=1 dst_key=2 length=4096 flags=crc,chain", &a, NULL), 0);
    assert_int_equal(
        dray_desc_parse(" copy\tflags=chain,crc  length=0X1000 src_key=0x1 dst_key=2\r\n", &b,
                        NULL),
        0);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(dray_desc_parse("wait count=5", &a, NULL), 0);
    assert_int_equal(dray_desc_parse("wait count=ge", &b, NULL), 0);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void a_short_buffer_is_not_overrun(void **state)
{
    (void)state;
    struct dray_desc d = good_copy();
    char whole[DRAY_TEXT_MAX], cut[DRAY_TEXT_MAX];
    size_t needed = 0;
    assert_int_equal(dray_desc_print(&d, whole, sizeof(whole), &needed), 0);
    assert_int_equal(needed, strlen(whole) + 1);
    for (size_t size = 0; size <= needed; size++) {
        size_t asked = 0;
        memset(cut, '#', sizeof(cut));
        assert_int_equal(dray_desc_print(&d, cut, size, &asked), size < needed ? -ENOSPC : 0);
        assert_int_equal(asked, needed);
        assert_int_equal(cut[size], '#');
        if (size) {
            assert_int_equal(strlen(cut), size - 1);
            assert_memory_equal(cut, whole, size - 1);
        }
    }
}

static void the_longest_line_fits(void **state)
{
    (void)state;
    for (unsigned opcode = 1; opcode <= 13; opcode++) {
        struct dray_desc d;
        memset(&d, 0xff, sizeof(d));
        d.opcode = (uint8_t)opcode;
        d.version = 1;
        uint64_t word[8];
        memcpy(word, &d, sizeof(word));
        for (int i = 0; i < 8; i++)
            word[i] &= ~dray_opcode_zero[opcode][i];
        memcpy(&d, word, sizeof(d));
        d.opcode = (uint8_t)opcode;
        d.version = 1;
        char text[DRAY_TEXT_MAX];
        assert_int_equal(dray_desc_print(&d, text, sizeof(text), NULL), 0);
        assert_memory_not_equal(text, "raw", 3);
    }
}

static const struct {
    const char *line;
    unsigned column;
    const char *found, *expected;
} refused[] = {
    { "", 1, "end of line",
      "nop, copy, strided, fill, compare, crc32c, delta, apply, fence, signal, wait, link, place, "
      "raw" },
    { "  move", 3, "move",
      "nop, copy, strided, fill, compare, crc32c, delta, apply, fence, signal, wait, link, place, "
      "raw" },
    { "nop length=1", 5, "length", "user_data, flags" },
    { "nop user_data=1 user_data=2", 17, "user_data", "flags" },
    { "nop user_data=1 flags=chain x", 29, "x", "end of line" },
    { "nop,flags=chain", 4, ",", "a blank" },
    { "nop flags chain", 10, " ", "=" },
    { "nop flags", 10, "end of line", "=" },
    { "nop flags=crc", 11, "crc", "chain, fence, notify" },
    { "nop flags=chain,", 17, "end of line", "chain, fence, notify" },
    { "crc32c src_key=0x100000000", 16, "0x100000000", "a number up to 2^32 - 1" },
    { "crc32c length=18446744073709551616", 15, "18446744073709551616", "a number up to 2^64 - 1" },
    { "crc32c length=0x", 15, "0x", "a number up to 2^64 - 1" },
    { "crc32c length=-1", 15, "-1", "a number up to 2^64 - 1" },
    { "crc32c length=", 15, "end of line", "a number up to 2^64 - 1" },
    { "wait count=above", 12, "above", "eq, ne, lt, le, gt, ge, a number up to 2^32 - 1" },
    { "nop \x1b[2J", 5, "?[2J", "user_data, flags" },
    { "raw 01", 7, "end of line", "128 hexadecimal digits" },
    { "raw 0101000000000000" ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 ZERO8 "00", 133, "00",
      "end of line" },
};

static void errors_say_where_and_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct dray_text_error error;
        struct dray_desc d = good_copy(), before = d;
        memset(&error, 0xee, sizeof(error));
        assert_int_equal(dray_desc_parse(refused[i].line, &d, &error), -EINVAL);
        assert_string_equal(error.found, refused[i].found);
        assert_string_equal(error.expected, refused[i].expected);
        assert_int_equal(error.column, refused[i].column);
        assert_int_equal(error.line, 1);
        assert_memory_equal(&d, &before, sizeof(d));
        assert_int_equal(dray_desc_parse(refused[i].line, &d, NULL), -EINVAL);
    }
}

static void numbers_have_names(void **state)
{
    (void)state;
    assert_string_equal(dray_opcode_name(DRAY_OP_STRIDED), "strided");
    assert_string_equal(dray_opcode_name(0), "?");
    assert_string_equal(dray_opcode_name(14), "?");
    assert_string_equal(dray_opcode_name(UINT_MAX), "?");
    assert_string_equal(dray_status_name(DRAY_STATUS_OK), "ok");
    assert_string_equal(dray_status_name(DRAY_STATUS_CANCELLED), "cancelled");
    assert_string_equal(dray_status_name(21), "?");
    assert_string_equal(dray_status_text(DRAY_STATUS_OPCODE), "unknown opcode");
    assert_string_equal(dray_status_text(255), "?");
    assert_string_equal(dray_access_name(DRAY_ACCESS_FETCH), "fetch");
    assert_string_equal(dray_access_name(4), "?");
}

/* ---- shapes ---- */

/* 3 rows of 5 elements of 4 bytes. */
static struct dray_shape good_shape(void)
{
    return (struct dray_shape){
        .version = 1,
        .loops = 2,
        .element = 4,
        .extent = { 5, 3 },
        .src_stride = { 4, 100 },
        .dst_stride = { 12, -4 },
    };
}

static void shapes_are_checked(void **state)
{
    (void)state;
    struct dray_shape s = good_shape();
    assert_int_equal(dray_shape_check(&s, 60), DRAY_STATUS_OK);
    assert_int_equal(dray_shape_check(&s, 59), DRAY_STATUS_LENGTH);
    s.version = 2;
    assert_int_equal(dray_shape_check(&s, 60), DRAY_STATUS_VERSION);
    for (unsigned loops = 0; loops < 256; loops++) {
        s = good_shape();
        s.loops = (uint8_t)loops;
        enum dray_status want = loops == 2   ? DRAY_STATUS_OK
                                : loops == 1 ? DRAY_STATUS_RESERVED /* a second loop is described */
                                             : DRAY_STATUS_SHAPE;   /* 3 and 4: extent zero */
        assert_int_equal(dray_shape_check(&s, 60), want);
    }
    s = good_shape();
    s.element = 0;
    assert_int_equal(dray_shape_check(&s, 0), DRAY_STATUS_SHAPE);
    s.element = (1u << 30) + 1;
    assert_int_equal(dray_shape_check(&s, 15ull * ((1u << 30) + 1)), DRAY_STATUS_SHAPE);
    s.element = 1u << 30;
    assert_int_equal(dray_shape_check(&s, 15ull << 30), DRAY_STATUS_OK);
}

static void unused_loops_are_zero(void **state)
{
    (void)state;
    for (int field = 0; field < 8; field++) {
        struct dray_shape s = good_shape();
        int64_t *strides = field & 1 ? s.src_stride : s.dst_stride;
        if (field < 4)
            strides[2 + field / 2] = INT64_MIN;
        else if (field < 6)
            s.extent[field - 2] = 1;
        else if (field == 6)
            s.reserved = 0x8000;
        else
            s.reserved2[2] = 1;
        assert_int_equal(dray_shape_check(&s, 60), DRAY_STATUS_RESERVED);
    }
}

static void extents_that_overflow_are_refused(void **state)
{
    (void)state;
    struct dray_shape s = good_shape();
    s.loops = 4;
    for (int i = 0; i < 4; i++)
        s.extent[i] = 1u << 15; /* 4 << 60 = 2^62 bytes: the most */
    assert_int_equal(dray_shape_check(&s, (uint64_t)1 << 62), DRAY_STATUS_OK);
    s.extent[3] *= 2;
    assert_int_equal(dray_shape_check(&s, (uint64_t)1 << 63), DRAY_STATUS_SHAPE);
    s.extent[3] *= 2; /* 2^64: zero when it wraps */
    assert_int_equal(dray_shape_check(&s, 0), DRAY_STATUS_SHAPE);
    s.extent[3] = 0;
    assert_int_equal(dray_shape_check(&s, 0), DRAY_STATUS_SHAPE);
}

static void bounds_follow_the_strides(void **state)
{
    (void)state;
    struct dray_shape s = good_shape();
    int64_t low, high;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, 4 * 4 + 2 * 100 + 4);
    assert_int_equal(dray_shape_bounds(&s, s.dst_stride, &low, &high), 0);
    assert_int_equal(low, -8);
    assert_int_equal(high, 4 * 12 + 4);
}

static void bounds_never_wrap(void **state)
{
    (void)state;
    struct dray_shape s = { .version = 1, .loops = 2, .element = 1, .extent = { 2, 2 } };
    int64_t low, high;
    s.src_stride[0] = INT64_MIN;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), 0);
    assert_true(low == INT64_MIN && high == 1);
    s.src_stride[1] = -1;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), -EOVERFLOW);
    s.src_stride[0] = INT64_MAX - 1;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), 0);
    assert_true(low == -1 && high == INT64_MAX);
    s.src_stride[0] = INT64_MAX;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), -EOVERFLOW);
    s.src_stride[0] = 4;
    s.extent[0] = (uint64_t)1 << 62;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), -EOVERFLOW);
    s.extent[0] = 1; /* one element: the stride is never taken */
    s.src_stride[0] = INT64_MIN;
    assert_int_equal(dray_shape_bounds(&s, s.src_stride, &low, &high), 0);
    assert_true(low == -1 && high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nop_and_fence_are_empty),
        cmocka_unit_test(copy_has_known_bytes),
        cmocka_unit_test(strided_has_known_bytes),
        cmocka_unit_test(fill_has_known_bytes),
        cmocka_unit_test(compare_and_crc_have_known_bytes),
        cmocka_unit_test(flags_and_links_have_known_bytes),
        cmocka_unit_test(version_and_opcode_are_checked_first),
        cmocka_unit_test(meaningless_fields_are_refused),
        cmocka_unit_test(bytes_past_the_pattern_are_refused),
        cmocka_unit_test(counts_are_checked),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(flags_and_shapes_are_aligned),
        cmocka_unit_test(text_and_bytes_are_the_same),
        cmocka_unit_test(fields_come_in_any_order_and_base),
        cmocka_unit_test(a_short_buffer_is_not_overrun),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(errors_say_where_and_what),
        cmocka_unit_test(numbers_have_names),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(unused_loops_are_zero),
        cmocka_unit_test(extents_that_overflow_are_refused),
        cmocka_unit_test(bounds_follow_the_strides),
        cmocka_unit_test(bounds_never_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
