/* Each variant of the kernels: known answers, the ends of mapped memory, and how one is chosen. */
#include "engine/cpu/kernels.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum {
    PAGE = 4096,
    ROOM = 4 * PAGE
};

/* ROOM bytes of memory with a page on either side that nobody may touch. */
static unsigned char *fenced_map(void)
{
    unsigned char *map = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + PAGE, ROOM, PROT_READ | PROT_WRITE), 0);
    return map + PAGE;
}

static void fenced_unmap(unsigned char *room)
{
    assert_int_equal(munmap(room - PAGE, ROOM + 2 * PAGE), 0);
}

/* Runs a check on each variant that this processor has; says which it has not. */
static void for_each_variant(void (*check)(const struct dray_kernels *k))
{
    for (const char *const *name = dray_kernels_names(); *name; name++) {
        const struct dray_kernels *k;
        if (dray_kernels_select(*name, &k))
            print_message("skipped: this processor has no %s\n", *name);
        else
            check(k);
    }
}

static void tag(unsigned char *bytes, size_t n, unsigned salt)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 8) * 13 + salt);
}

/* ---- choosing ---- */

static void chooses_by_name(void **state)
{
    (void)state;
    const struct dray_kernels *k = NULL;
    assert_int_equal(dray_kernels_select("plain", &k), 0);
    assert_string_equal(k->name, "plain");
    assert_int_equal(dray_kernels_select("mmx", &k), -EINVAL);
    assert_string_equal(k->name, "plain");
}

static void environment_forces_one(void **state)
{
    (void)state;
    setenv("DRAY_CPU", "plain", 1);
    assert_string_equal(dray_kernels_get()->name, "plain");
    setenv("DRAY_CPU", "AVX2", 1);
    assert_null(dray_kernels_get());
    unsetenv("DRAY_CPU");
    const char *best = dray_kernels_get()->name;
    setenv("DRAY_CPU", "", 1);
    assert_string_equal(dray_kernels_get()->name, best);
    unsetenv("DRAY_CPU");
}

static void tables_are_complete(const struct dray_kernels *k)
{
    assert_true(k->copy && k->copy_stream && k->copy_batch && k->rows && k->transpose);
    assert_true(k->fill && k->compare && k->crc32c && k->copy_crc32c);
}

static void every_table_is_complete(void **state)
{
    (void)state;
    for_each_variant(tables_are_complete);
}

/* ---- CRC32C ---- */

static void check_crc(const struct dray_kernels *k)
{
    /* RFC 3720, B.4, and the check value of the catalogue. */
    unsigned char bytes[32];
    assert_int_equal(k->crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(k->crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(k->crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(k->crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
    assert_int_equal(k->crc32c(0, "", 0), 0);
    assert_int_equal(k->crc32c(k->crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

static void check_copy_crc(const struct dray_kernels *k)
{
    char copy[10] = "........!";
    assert_int_equal(k->copy_crc32c(0, copy, "123456789", 9, false), 0xe3069283u);
    assert_memory_equal(copy, "123456789", 9);
    assert_int_equal(copy[9], 0);
    assert_int_equal(k->copy_crc32c(77, copy, "", 0, true), 77);
}

static void crc_has_known_answers(void **state)
{
    (void)state;
    for_each_variant(check_crc);
    for_each_variant(check_copy_crc);
}

/* ---- fill, compare, transpose by hand ---- */

static void check_fill(const struct dray_kernels *k)
{
    char out[16];
    memset(out, '.', sizeof(out));
    k->fill(out + 1, "abcd", 4, 10, false);
    assert_memory_equal(out, ".abcdabcdab.....", 16);
    k->fill(out, "xy", 2, 0, true);
    assert_memory_equal(out, ".abcdabcdab.....", 16);
}

static void fill_repeats_and_cuts(void **state)
{
    (void)state;
    for_each_variant(check_fill);
}

static void check_compare(const struct dray_kernels *k)
{
    static unsigned char a[700], b[700];
    tag(a, sizeof(a), 0);
    memcpy(b, a, sizeof(b));
    assert_int_equal(k->compare(a, b, 0), 0);
    assert_int_equal(k->compare(a, b, sizeof(a)), sizeof(a));
    for (size_t at = 0; at < sizeof(a); at++) {
        b[at] ^= 0x80;
        assert_int_equal(k->compare(a, b, sizeof(a)), at);
        assert_int_equal(k->compare(a, b, at), at);
        b[at] ^= 0x80;
    }
    b[300] ^= 1; /* of two differences, the first */
    b[20] ^= 1;
    assert_int_equal(k->compare(a, b, sizeof(a)), 20);
}

static void compare_finds_the_first_difference(void **state)
{
    (void)state;
    for_each_variant(check_compare);
}

static void check_transpose(const struct dray_kernels *k)
{
    const uint16_t in[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
    const uint16_t want[3][2] = { { 1, 4 }, { 2, 5 }, { 3, 6 } };
    uint16_t out[3][2] = { { 0 } };
    k->transpose(out, sizeof(out[0]), in, sizeof(in[0]), 2, 3, 2, false);
    assert_memory_equal(out, want, sizeof(want));
}

static void transpose_swaps_rows_and_columns(void **state)
{
    (void)state;
    for_each_variant(check_transpose);
}

static void check_rows(const struct dray_kernels *k)
{
    const char in[] = "abc..fgh..klm";
    char out[13] = "............";
    k->rows(out + 8, -4, in, 5, 3, 3, false); /* bottom up */
    assert_string_equal(out, "klm.fgh.abc.");
}

static void rows_take_any_stride(void **state)
{
    (void)state;
    for_each_variant(check_rows);
}

/* ---- the ends of mapped memory ---- */

/* Every length up to a few vectors, once against each end of both rooms: a kernel that reads or
 * writes a byte too many dies here. */
static void check_ends(const struct dray_kernels *k)
{
    unsigned char *from = fenced_map(), *to = fenced_map();
    tag(from, ROOM, 1);
    for (size_t n = 0; n <= 1200; n++) {
        for (int side = 0; side < 4; side++) {
            unsigned char *src = side & 1 ? from + ROOM - n : from;
            unsigned char *dst = side & 2 ? to + ROOM - n : to;
            struct dray_copy_item item = { dst, src, n };
            k->copy(dst, src, n);
            assert_int_equal(k->compare(dst, src, n), n);
            memset(to, 0, ROOM);
            k->copy_stream(dst, src, n);
            assert_int_equal(k->crc32c(0, dst, n), k->crc32c(0, src, n));
            k->fill(dst, "0123456789abcdef", 16, n, side & 1);
            k->copy_batch(&item, 1, 1, 0, side & 1);
            assert_memory_equal(dst, src, n);
            k->copy_crc32c(0, dst, src, n, side & 1);
            k->rows(dst, (ptrdiff_t)(n / 2), src, (ptrdiff_t)(n / 2), n / 2, 2, side & 1);
        }
    }
    fenced_unmap(from);
    fenced_unmap(to);
}

static void nothing_outside_is_touched(void **state)
{
    (void)state;
    for_each_variant(check_ends);
}

/* A matrix of exactly one room, against its ends. */
static void check_transpose_ends(const struct dray_kernels *k)
{
    unsigned char *from = fenced_map(), *to = fenced_map();
    tag(from, ROOM, 1);
    for (unsigned size = 1; size <= 16; size *= 2)
        for (size_t rows = 1; rows <= 100; rows++)
            for (int side = 0; side < 2; side++) {
                size_t cols = rows < 50 ? 101 - rows : 7;
                size_t bytes = rows * cols * size < ROOM ? rows * cols * size : 0;
                unsigned char *src = side ? from + ROOM - bytes : from;
                unsigned char *dst = side ? to + ROOM - bytes : to;
                if (bytes)
                    k->transpose(dst, (ptrdiff_t)(rows * size), src, (ptrdiff_t)(cols * size), rows,
                                 cols, size, side);
                for (size_t i = 0; bytes && i < rows * cols; i++)
                    assert_memory_equal(dst + ((i % cols) * rows + i / cols) * size, src + i * size,
                                        size);
            }
    fenced_unmap(from);
    fenced_unmap(to);
}

static void transpose_stays_inside(void **state)
{
    (void)state;
    for_each_variant(check_transpose_ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_by_name),
        cmocka_unit_test(environment_forces_one),
        cmocka_unit_test(every_table_is_complete),
        cmocka_unit_test(crc_has_known_answers),
        cmocka_unit_test(fill_repeats_and_cuts),
        cmocka_unit_test(compare_finds_the_first_difference),
        cmocka_unit_test(transpose_swaps_rows_and_columns),
        cmocka_unit_test(rows_take_any_stride),
        cmocka_unit_test(nothing_outside_is_touched),
        cmocka_unit_test(transpose_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
