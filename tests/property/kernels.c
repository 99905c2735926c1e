/*
 * Random operations, done twice: by a kernel on one arena, and byte by byte on a twin of it. The
 * arenas must then be the same from end to end, so a byte that is wrong, missing or stray is seen
 * wherever it lies; bytes are unique to their position, so it also says where it came from.
 *
 * DRAY_SEED=n replays a failure.
 */
#include "engine/cpu/kernels.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test.h"

enum {
    ROUNDS = 3000 / TEST_SLOWNESS
};

static uint64_t seed;

struct random {
    uint64_t state;
};

/* splitmix64 */
static uint64_t next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. limit-1 */
static size_t below(struct random *random, size_t limit)
{
    return next(random) % limit;
}

/* A length up to limit, the short ones as likely as the long. */
static size_t length(struct random *random, size_t limit)
{
    unsigned most = limit ? 64 - (unsigned)__builtin_clzll(limit) : 0; /* bits of limit */
    unsigned bits = (unsigned)below(random, most + 1);
    size_t n = below(random, ((size_t)1 << bits) + 1);
    return n < limit ? n : limit;
}

/* Where an operation may work: the first half is read, the second written, unless it overlaps. */
struct arena {
    unsigned char *real, *twin;
    size_t size;
};

static void arena_create(struct arena *arena, size_t size)
{
    arena->size = size;
    arena->real = aligned_alloc(4096, size);
    arena->twin = aligned_alloc(4096, size);
    assert_non_null(arena->real);
    assert_non_null(arena->twin);
}

static void arena_destroy(struct arena *arena)
{
    free(arena->twin);
    free(arena->real);
}

static void arena_tag(struct arena *arena, uint64_t salt)
{
    for (size_t i = 0; i < arena->size; i += 8) {
        uint64_t unique = (i + salt) * 0x9e3779b97f4a7c15u;
        memcpy(arena->real + i, &unique, 8);
    }
    memcpy(arena->twin, arena->real, arena->size);
}

static void arena_check(const struct arena *arena, const char *what, const char *variant,
                        unsigned round)
{
    if (!memcmp(arena->real, arena->twin, arena->size))
        return;
    size_t at = 0;
    while (arena->real[at] == arena->twin[at])
        at++;
    fail_msg("%s, %s: byte %zu of %zu is wrong in round %u; DRAY_SEED=%" PRIu64, variant, what, at,
             arena->size, round, seed);
}

/* One operation on both arenas, with parameters from random. */
typedef void operation(const struct dray_kernels *k, struct arena *arena, struct random *random);

/* ---- the operations ---- */

static void copy_apart(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    size_t half = arena->size / 2, n = length(random, half);
    size_t from = below(random, half - n + 1), to = half + below(random, half - n + 1);
    if (next(random) & 1)
        k->copy(arena->real + to, arena->real + from, n);
    else
        k->copy_stream(arena->real + to, arena->real + from, n);
    memcpy(arena->twin + to, arena->twin + from, n);
}

static void copy_overlapping(const struct dray_kernels *k, struct arena *arena,
                             struct random *random)
{
    size_t n = length(random, arena->size / 2), distance = length(random, arena->size - n);
    size_t low = below(random, arena->size - n - distance + 1), high = low + distance;
    size_t from = next(random) & 1 ? low : high, to = from == low ? high : low;
    if (next(random) & 1)
        k->copy(arena->real + to, arena->real + from, n);
    else
        k->copy_stream(arena->real + to, arena->real + from, n);
    memmove(arena->twin + to, arena->twin + from, n);
}

/* Pieces from anywhere into a buffer that fills up in order, or in any order. */
static void copy_batch(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    struct dray_copy_item items[40];
    size_t count = below(random, 33), known = count + below(random, 8);
    size_t half = arena->size / 2, to = half, limit = length(random, half / 40);
    bool stream = next(random) & 1, same = next(random) & 1, gaps = next(random) & 1;
    for (size_t i = 0; i < known; i++) {
        size_t n = same ? limit : length(random, limit);
        size_t from = below(random, half - n + 1);
        to += gaps ? below(random, half / 40 - n + 1) : 0;
        items[i] = (struct dray_copy_item){ arena->real + to, arena->real + from, n };
        if (i < count)
            memcpy(arena->twin + to, arena->twin + from, n);
        to += n;
        assert_true(to <= arena->size);
    }
    size_t first = below(random, count + 1);
    size_t fetched = k->copy_batch(items, first, known, 0, stream);
    assert_true(fetched <= known - first);
    k->copy_batch(items + first, count - first, known - first, fetched, stream);
}

/* Neighbours that overlap each other and themselves: in order, each like memmove. */
static void copy_batch_tangled(const struct dray_kernels *k, struct arena *arena,
                               struct random *random)
{
    struct dray_copy_item items[32];
    size_t count = below(random, 33), room = 1 + length(random, arena->size - 1);
    for (size_t i = 0; i < count; i++) {
        size_t n = length(random, room);
        size_t from = below(random, room - n + 1), to = below(random, room - n + 1);
        items[i] = (struct dray_copy_item){ arena->real + to, arena->real + from, n };
        memmove(arena->twin + to, arena->twin + from, n);
    }
    k->copy_batch(items, count, count, 0, next(random) & 1);
}

/* A stride of at least row bytes whose rows all fit into room, either way up; the offset of row 0.
 */
static ptrdiff_t any_stride(struct random *random, size_t row, size_t rows, size_t room,
                            size_t *start)
{
    size_t most = rows > 1 ? (room - row) / (rows - 1) : row;
    size_t stride = row + below(random, most - row + 1);
    if (next(random) % 4 == 0)
        stride = row;
    else if (next(random) % 3 == 0 && stride / 64 * 64 >= row)
        stride = stride / 64 * 64;
    bool down = rows && next(random) & 1;
    *start = down ? stride * (rows - 1) : 0;
    return down ? -(ptrdiff_t)stride : (ptrdiff_t)stride;
}

static void copy_rows(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    size_t half = arena->size / 2;
    size_t row = next(random) & 1 ? (size_t)1 << below(random, 10) : length(random, half);
    size_t rows = row ? length(random, half / row) : below(random, 10), from, to;
    ptrdiff_t from_stride = any_stride(random, row, rows, half, &from);
    ptrdiff_t to_stride = any_stride(random, row, rows, half, &to);
    to += half;
    k->rows(arena->real + to, to_stride, arena->real + from, from_stride, row, rows,
            next(random) & 1);
    for (size_t r = 0; r < rows; r++)
        memcpy(arena->twin + to + (ptrdiff_t)r * to_stride,
               arena->twin + from + (ptrdiff_t)r * from_stride, row);
}

static void transpose(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    unsigned element = 1u << below(random, 5);
    size_t half = arena->size / 2 - 64, skew = next(random) & 1 ? 0 : below(random, 64);
    size_t rows = 1 + length(random, half / element - 1);
    size_t cols = 1 + length(random, half / element / rows - 1), from, to;
    ptrdiff_t from_stride = any_stride(random, cols * element, rows, half, &from);
    ptrdiff_t to_stride = any_stride(random, rows * element, cols, half, &to);
    from += next(random) & 1 ? 0 : below(random, 64);
    to += arena->size / 2 + skew;
    k->transpose(arena->real + to, to_stride, arena->real + from, from_stride, rows, cols, element,
                 next(random) & 1);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy(arena->twin + to + (ptrdiff_t)c * to_stride + r * element,
                   arena->twin + from + (ptrdiff_t)r * from_stride + c * element, element);
}

static void fill(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    unsigned char pattern[16];
    unsigned size = 1u << below(random, 5);
    size_t n = length(random, arena->size), to = below(random, arena->size - n + 1);
    for (unsigned i = 0; i < sizeof(pattern); i++)
        pattern[i] = (unsigned char)next(random);
    k->fill(arena->real + to, pattern, size, n, next(random) & 1);
    for (size_t i = 0; i < n; i++)
        arena->twin[to + i] = pattern[i % size];
}

/* CRC32C a bit at a time, from the polynomial. */
static uint32_t crc_reference(uint32_t crc, const unsigned char *bytes, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void copy_crc32c(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    size_t half = arena->size / 2, n = length(random, half < 20000 ? half : 20000);
    size_t from = below(random, half - n + 1), to = half + below(random, half - n + 1);
    uint32_t start = (uint32_t)next(random);
    uint32_t want = crc_reference(start, arena->twin + from, n);
    assert_int_equal(k->crc32c(start, arena->real + from, n), want);
    assert_int_equal(
        k->copy_crc32c(start, arena->real + to, arena->real + from, n, next(random) & 1), want);
    memcpy(arena->twin + to, arena->twin + from, n);
}

/* Equal but for up to two bytes; the answer must be the first of them. */
static void compare(const struct dray_kernels *k, struct arena *arena, struct random *random)
{
    size_t half = arena->size / 2, n = length(random, half);
    size_t a = below(random, half - n + 1), b = half + below(random, half - n + 1), want = n;
    memcpy(arena->real + b, arena->real + a, n);
    for (unsigned differences = n ? (unsigned)below(random, 3) : 0; differences; differences--) {
        size_t at = below(random, n);
        arena->real[b + at] = (unsigned char)(arena->real[a + at] ^ 1u << below(random, 8));
        want = at < want ? at : want;
    }
    memcpy(arena->twin, arena->real, arena->size);
    assert_int_equal(k->compare(arena->real + a, arena->real + b, n), want);
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {
    { "copy", copy_apart },  { "copy, overlapping", copy_overlapping },
    { "batch", copy_batch }, { "batch, overlapping", copy_batch_tangled },
    { "rows", copy_rows },   { "transpose", transpose },
    { "fill", fill },        { "copy and CRC", copy_crc32c },
    { "compare", compare },
};

/* ---- the runs ---- */

static void run_variant(const struct dray_kernels *k, size_t size, unsigned rounds)
{
    struct arena arena;
    arena_create(&arena, size);
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        struct random random = { seed + size + i };
        for (unsigned round = 0; round < rounds; round++) {
            arena_tag(&arena, next(&random));
            operations[i].run(k, &arena, &random);
            arena_check(&arena, operations[i].name, k->name, round);
        }
    }
    arena_destroy(&arena);
}

static void run_all(size_t size, unsigned rounds)
{
    for (const char *const *name = dray_kernels_names(); *name; name++) {
        const struct dray_kernels *k;
        if (dray_kernels_select(*name, &k))
            print_message("skipped: this processor has no %s\n", *name);
        else
            run_variant(k, size, rounds);
    }
}

static void small_operations_do_what_the_reference_does(void **state)
{
    (void)state;
    run_all(8 << 10, 4 * ROUNDS);
}

static void large_operations_do_what_the_reference_does(void **state)
{
    (void)state;
    run_all(512 << 10, ROUNDS / 6);
}

int main(void)
{
    const char *given = getenv("DRAY_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("DRAY_SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_operations_do_what_the_reference_does),
        cmocka_unit_test(large_operations_do_what_the_reference_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
