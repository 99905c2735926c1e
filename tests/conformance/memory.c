/* What every engine does with memory: each opcode, chains, links, pieces, overlap, shapes. */
#include <sys/uio.h>

#include "rig.h"

enum {
    SIZE = 70001,
    SRC = 1,
    DST = 2
};

static void copy_moves_the_bytes_and_no_others(void **state)
{
    struct rig *rig = *state;
    uint8_t *src = guard_alloc(SIZE, 64), *dst = guard_alloc(SIZE, 64);
    tag_fill(src, SIZE, SRC, 0);
    tag_fill(dst, SIZE, DST, 0);
    dray_key in = rig_map(rig, src, SIZE, DRAY_READ), out = rig_map(rig, dst, SIZE, DRAY_WRITE);

    struct dray_desc *d = rig_get(rig);
    dray_prep_copy(d, out, 1000, in, 13, 60001);
    d->user_data = 42;
    struct dray_completion c = rig_finish(rig);

    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.user_data, 42);
    assert_int_equal(c.moved, 60001);
    tag_check(dst, 1000, DST, 0);
    tag_check(dst + 1000, 60001, SRC, 13);
    tag_check(dst + 61001, SIZE - 61001, DST, 61001);
    tag_check(src, SIZE, SRC, 0);
    guard_free(src);
    guard_free(dst);
}

static void chain_is_one_transaction(void **state)
{
    struct rig *rig = *state;
    uint8_t *src = guard_alloc(SIZE, 64), *dst = guard_alloc(3000, 1);
    tag_fill(src, SIZE, SRC, 0);
    dray_key in = rig_map(rig, src, SIZE, DRAY_READ), out = rig_map(rig, dst, 3000, DRAY_WRITE);
    const uint64_t from[] = { 50000, 7, 33333 };

    for (int i = 0; i < 3; i++) {
        struct dray_desc *d = rig_get(rig);
        dray_prep_copy(d, out, 1000u * (unsigned)i, in, from[i], 1000);
        d->flags = i < 2 ? DRAY_FLAG_CHAIN : 0;
        d->user_data = (uint64_t)i;
    }
    struct dray_completion c = rig_finish(rig);

    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.user_data, 2);
    assert_int_equal(c.moved, 3000);
    assert_null(dray_queue_peek(rig->queue));
    for (int i = 0; i < 3; i++)
        tag_check(dst + 1000 * i, 1000, SRC, from[i]);
    guard_free(src);
    guard_free(dst);
}

/* Pieces of uneven sizes, and the list of them. */
struct scattered {
    struct iovec piece[40];
    size_t count, size;
};

static void scatter(struct scattered *s, size_t size, unsigned salt)
{
    *s = (struct scattered){ 0 };
    for (size_t n = 1 + salt; s->size < size; n = (n * 37 + 11) % 5000 + 1) {
        size_t left = size - s->size;
        n = n < left && s->count < 39 ? n : left;
        void *p = guard_alloc(n, 1);
        tag_fill(p, n, salt, s->size);
        s->piece[s->count++] = (struct iovec){ p, n };
        s->size += n;
    }
}

static void scattered_check(const struct scattered *s, unsigned salt, uint64_t shift)
{
    uint64_t at = shift;
    for (size_t i = 0; i < s->count; i++) {
        tag_check(s->piece[i].iov_base, s->piece[i].iov_len, salt, at);
        at += s->piece[i].iov_len;
        guard_check(s->piece[i].iov_base);
    }
}

static void scattered_free(struct scattered *s)
{
    for (size_t i = 0; i < s->count; i++)
        guard_free(s->piece[i].iov_base);
}

static void scattered_memory_is_one_range(void **state)
{
    struct rig *rig = *state;
    struct scattered src, dst;
    scatter(&src, 30000, SRC);
    scatter(&dst, 30000, DST);
    dray_key in, out;
    assert_int_equal(dray_map_pieces(rig->domain, src.piece, src.count, DRAY_READ, &in), 0);
    assert_int_equal(dray_map_pieces(rig->domain, dst.piece, dst.count, DRAY_WRITE, &out), 0);

    dray_prep_copy(rig_get(rig), out, 0, in, 0, 30000);
    struct dray_completion c = rig_finish(rig);

    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, 30000);
    scattered_check(&dst, SRC, 0);
    scattered_check(&src, SRC, 0);
    scattered_free(&src);
    scattered_free(&dst);
}

static void overlapping_copy_is_memmove(void **state)
{
    struct rig *rig = *state;
    const int shifts[] = { -4096, -64, -1, 0, 1, 63, 4096, 30000 };
    for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        uint8_t *buffer = guard_alloc(SIZE, 64);
        tag_fill(buffer, SIZE, SRC, 0);
        dray_key key = rig_map(rig, buffer, SIZE, DRAY_READ | DRAY_WRITE);
        dray_prep_copy(rig_get(rig), key, (uint64_t)(5000 + shifts[i]), key, 5000, 35000);
        struct dray_completion c = rig_finish(rig);
        assert_status(c, DRAY_STATUS_OK);
        tag_check(buffer + 5000 + shifts[i], 35000, SRC, 5000);
        assert_int_equal(dray_unmap(rig->domain, key), 0);
        guard_free(buffer);
    }
}

static void overlapping_pieces_are_refused(void **state)
{
    struct rig *rig = *state;
    if (rig_is_model(rig)) {
        printf("left out: a machine has pieces as memory of their own, which overlaps nothing\n");
        skip();
    }
    uint8_t *buffer = guard_alloc(8192, 64);
    tag_fill(buffer, 8192, SRC, 0);
    struct iovec halves[] = { { buffer + 4096, 4096 }, { buffer, 4096 } };
    dray_key plain = rig_map(rig, buffer, 8192, DRAY_READ | DRAY_WRITE), turned;
    assert_int_equal(dray_map_pieces(rig->domain, halves, 2, DRAY_READ | DRAY_WRITE, &turned), 0);

    dray_prep_copy(rig_get(rig), turned, 0, plain, 100, 5000);
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OVERLAP);
    assert_int_equal(c.moved, 0);
    tag_check(buffer, 8192, SRC, 0);

    /* Not overlapping: the first half of one is the second of the other. */
    dray_prep_copy(rig_get(rig), turned, 0, plain, 0, 4096);
    c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    tag_check(buffer + 4096, 4096, SRC, 0);
    guard_free(buffer);
}

static void fill_repeats_its_pattern(void **state)
{
    struct rig *rig = *state;
    const uint8_t pattern[16] = { 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 7, 11, 17, 19 };
    for (unsigned size = 1; size <= 16; size *= 2) {
        struct scattered s;
        scatter(&s, 20000, DST);
        dray_key out;
        assert_int_equal(dray_map_pieces(rig->domain, s.piece, s.count, DRAY_WRITE, &out), 0);
        dray_prep_fill(rig_get(rig), out, 16, 19200, pattern, size);
        struct dray_completion c = rig_finish(rig);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.moved, 19200);
        uint64_t at = 0;
        for (size_t i = 0; i < s.count; i++)
            for (size_t b = 0; b < s.piece[i].iov_len; b++, at++) {
                uint8_t expected =
                    at < 16 || at >= 19216 ? tag_byte(DST, at) : pattern[(at - 16) % size];
                assert_int_equal(((uint8_t *)s.piece[i].iov_base)[b], expected);
            }
        assert_int_equal(dray_unmap(rig->domain, out), 0);
        scattered_free(&s);
    }
}

static void compare_finds_the_first_difference(void **state)
{
    struct rig *rig = *state;
    uint8_t *a = guard_alloc(SIZE, 64), *b = guard_alloc(SIZE, 1);
    tag_fill(a, SIZE, SRC, 0);
    tag_fill(b, SIZE, SRC, 0);
    dray_key ka = rig_map(rig, a, SIZE, DRAY_READ), kb = rig_map(rig, b, SIZE, DRAY_READ);

    dray_prep_compare(rig_get(rig), ka, 0, kb, 0, SIZE);
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.result, SIZE);
    assert_int_equal(c.moved, 0);

    b[60123] ^= 1;
    b[60200] ^= 1;
    dray_prep_compare(rig_get(rig), ka, 1, kb, 1, SIZE - 1);
    assert_int_equal(rig_finish(rig).result, 60122);

    /* In a chain the result counts from the start of the transaction. */
    struct dray_desc *d = rig_get(rig);
    dray_prep_compare(d, ka, 0, kb, 0, 100);
    d->flags = DRAY_FLAG_CHAIN;
    dray_prep_compare(rig_get(rig), ka, 60120, kb, 60120, 10);
    assert_int_equal(rig_finish(rig).result, 103);
    guard_free(a);
    guard_free(b);
}

/* The check value of CRC32C, as RFC 3720 and every catalogue of CRCs give it. */
static void crc32c_is_the_known_one(void **state)
{
    struct rig *rig = *state;
    char digits[] = "123456789", copy[9] = { 0 };
    dray_key in = rig_map(rig, digits, 9, DRAY_READ), out = rig_map(rig, copy, 9, DRAY_WRITE);

    dray_prep_crc32c(rig_get(rig), in, 0, 9, 0);
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.result, 0xE3069283u);

    /* The same in two pieces of one chain, while copying. */
    struct dray_desc *d = rig_get(rig);
    dray_prep_copy(d, out, 0, in, 0, 4);
    d->flags = DRAY_FLAG_CRC | DRAY_FLAG_CHAIN;
    d = rig_get(rig);
    dray_prep_copy(d, out, 4, in, 4, 5);
    d->flags = DRAY_FLAG_CRC;
    c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.result, 0xE3069283u);
    assert_int_equal(c.moved, 9);
    assert_memory_equal(copy, digits, 9);

    /* Seeded with what came before. */
    dray_prep_crc32c(rig_get(rig), in, 0, 4, 0);
    uint32_t seed = (uint32_t)rig_finish(rig).result;
    dray_prep_crc32c(rig_get(rig), in, 4, 5, seed);
    assert_int_equal(rig_finish(rig).result, 0xE3069283u);
}

static void link_fetches_descriptors_from_memory(void **state)
{
    struct rig *rig = *state;
    enum {
        COUNT = 300
    };
    uint8_t *src = guard_alloc(COUNT * 16, 64), *dst = guard_alloc(COUNT * 16, 64);
    struct dray_desc *list = guard_alloc(COUNT * sizeof(*list), 64);
    tag_fill(src, COUNT * 16, SRC, 0);
    dray_key in = rig_map(rig, src, COUNT * 16, DRAY_READ);
    dray_key out = rig_map(rig, dst, COUNT * 16, DRAY_WRITE);
    dray_key array = rig_map(rig, list, COUNT * sizeof(*list), DRAY_READ);
    for (unsigned i = 0; i < COUNT; i++) {
        dray_prep_copy(&list[i], out, 16 * i, in, 16 * (COUNT - 1 - i), 16);
        list[i].flags = i < COUNT - 1 ? DRAY_FLAG_CHAIN : 0;
        list[i].user_data = 7;
    }

    dray_prep_link(rig_get(rig), array, 0, COUNT);
    struct dray_desc *after = rig_get(rig);
    dray_prep_nop(after);
    after->user_data = 9;
    struct dray_completion link = rig_finish(rig), copies = rig_wait(rig), nop = rig_wait(rig);

    assert_status(link, DRAY_STATUS_OK);
    assert_status(copies, DRAY_STATUS_OK);
    assert_int_equal(copies.user_data, 7);
    assert_int_equal(copies.moved, COUNT * 16);
    assert_int_equal(nop.user_data, 9);
    for (unsigned i = 0; i < COUNT; i++)
        tag_check(dst + 16 * i, 16, SRC, 16 * (COUNT - 1 - i));
    guard_free(src);
    guard_free(dst);
    guard_free(list);
}

/* A shape done element by element: the plain reference. */
static void strided_reference(const struct dray_shape *s, uint8_t *dst, const uint8_t *src)
{
    uint64_t i[4], n[4];
    for (int l = 0; l < 4; l++)
        n[l] = l < s->loops ? s->extent[l] : 1;
    for (i[3] = 0; i[3] < n[3]; i[3]++)
        for (i[2] = 0; i[2] < n[2]; i[2]++)
            for (i[1] = 0; i[1] < n[1]; i[1]++)
                for (i[0] = 0; i[0] < n[0]; i[0]++) {
                    int64_t to = 0, from = 0;
                    for (int l = 0; l < 4; l++) {
                        to += (int64_t)i[l] * s->dst_stride[l];
                        from += (int64_t)i[l] * s->src_stride[l];
                    }
                    memcpy(dst + to, src + from, s->element);
                }
}

static void run_shape(struct rig *rig, const struct dray_shape *shape, uint64_t dst_at,
                      uint64_t src_at, size_t size)
{
    uint8_t *src = guard_alloc(size, 64), *dst = guard_alloc(size, 64), *expected = malloc(size);
    tag_fill(src, size, SRC, 0);
    tag_fill(dst, size, DST, 0);
    memcpy(expected, dst, size);
    strided_reference(shape, expected + dst_at, src + src_at);
    dray_key in = rig_map(rig, src, size, DRAY_READ), out = rig_map(rig, dst, size, DRAY_WRITE);
    uint64_t length = shape->element;
    for (int l = 0; l < shape->loops; l++)
        length *= shape->extent[l];

    struct dray_desc *d = rig_get(rig);
    dray_prep_strided(d, out, dst_at, in, src_at, length, (dray_key){ 0 }, 0);
    *dray_queue_shape(rig->queue, d) = *shape;
    struct dray_completion c = rig_finish(rig);

    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, length);
    assert_memory_equal(dst, expected, size);
    assert_int_equal(dray_unmap(rig->domain, in), 0);
    assert_int_equal(dray_unmap(rig->domain, out), 0);
    guard_free(src);
    guard_free(dst);
    free(expected);
}

static void one_descriptor_transposes_a_matrix(void **state)
{
    struct rig *rig = *state;
    for (uint32_t e = 1; e <= 16; e *= 2) {
        const uint64_t rows = 61, columns = 83;
        struct dray_shape transpose = {
            .version = DRAY_FORMAT_VERSION,
            .loops = 2,
            .element = e,
            .extent = { columns, rows },
            .src_stride = { e, (int64_t)(columns * e) },
            .dst_stride = { (int64_t)(rows * e), e },
        };
        run_shape(rig, &transpose, 0, 0, rows * columns * e);
    }
}

static void shapes_of_all_kinds(void **state)
{
    struct rig *rig = *state;
    const struct {
        struct dray_shape shape;
        uint64_t dst_at, src_at;
    } cases[] = {
        /* a rectangle of 20 rows of 100 bytes out of a pitch of 300 */
        { { 1, 2, 0, 1, { 100, 20 }, { 1, 300 }, { 1, 128 }, { 0 } }, 64, 40 },
        /* one column of 8-byte elements */
        { { 1, 1, 0, 8, { 50 }, { 400 }, { 8 }, { 0 } }, 0, 16 },
        /* backwards */
        { { 1, 1, 0, 4, { 500 }, { -4 }, { 4 }, { 0 } }, 8, 1996 },
        /* planar to interleaved, three planes */
        { { 1, 2, 0, 1, { 3, 1000 }, { 1000, 1 }, { 1, 3 }, { 0 } }, 0, 0 },
        /* a face of a cube: 10 x 10 elements of 8, two loops not adjacent */
        { { 1, 2, 0, 8, { 10, 10 }, { 80, 800 }, { 8, 80 }, { 0 } }, 0, 72 },
        /* four loops */
        { { 1, 4, 0, 2, { 3, 4, 5, 6 }, { 2, 10, 60, 500 }, { 240, 60, 12, 2 }, { 0 } }, 0, 2 },
        /* an odd element */
        { { 1, 2, 0, 3, { 7, 9 }, { 5, 50 }, { 27, 3 }, { 0 } }, 1, 1 },
        /* one element */
        { { 1, 1, 0, 16, { 1 }, { 0 }, { 0 }, { 0 } }, 5, 9 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_shape(rig, &cases[i].shape, cases[i].dst_at, cases[i].src_at, 24000);
}

/* More than one slice of work. */
static void a_large_rectangle_is_whole(void **state)
{
    struct rig *rig = *state;
    struct dray_shape shape = {
        .version = DRAY_FORMAT_VERSION,
        .loops = 2,
        .element = 4,
        .extent = { 1500, 1700 },
        .src_stride = { 4, 6000 },
        .dst_stride = { 6800, 4 },
    };
    if (!rig_is_fast(rig))
        shape.extent[1] = 40;
    run_shape(rig, &shape, 0, 0, 6000 * shape.extent[1] + 6800 * 1500);
}

/* More than an engine does for one queue in one turn: it must go on in the next. */
static void a_large_copy_is_whole(void **state)
{
    struct rig *rig = *state;
    const size_t size = rig_is_fast(rig) ? 40u << 20 : 1u << 20;
    uint8_t *src = guard_alloc(size, 64), *dst = guard_alloc(size, 64);
    tag_fill(src, size, SRC, 0);
    memset(dst, 0, size);
    dray_key in = rig_map(rig, src, size, DRAY_READ), out = rig_map(rig, dst, size, DRAY_WRITE);
    dray_prep_copy(rig_get(rig), out, 0, in, 0, size);
    struct dray_completion c = rig_finish(rig);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, size);
    assert_memory_equal(dst, src, size);
    struct dray_engine_stats stats;
    dray_engine_stats(rig->engine, &stats);
    if (rig->config->workers > 1)
        assert_true(stats.splits > 0);
    else
        assert_int_equal(stats.splits, 0);
    guard_free(src);
    guard_free(dst);
}

/* Shared between workers whatever its length, where the options say so. */
static void a_copy_of_few_bytes_may_be_shared(void **state)
{
    struct rig *rig = *state;
    struct dray_engine_options options = {
        .size = sizeof(options), .mode = rig->config->mode, .workers = 3, .split_min = 1
    };
    if (rig->config->mode != DRAY_MODE_WORKER)
        return;
    struct dray_engine *engine;
    struct dray_queue *queue;
    assert_int_equal(dray_engine_open(&engine, rig->domain, "cpu", &options), 0);
    assert_int_equal(dray_queue_create(&queue, engine, NULL), 0);
    uint8_t src[4] = { 1, 2, 3, 4 }, dst[4] = { 0 };
    struct iovec piece = { dst, 4 };
    dray_key in = rig_map(rig, src, 4, DRAY_READ), out;
    assert_int_equal(dray_map_pieces(rig->domain, &piece, 1, DRAY_WRITE, &out), 0);
    dray_prep_copy(dray_queue_get(queue), out, 0, in, 0, 4);
    dray_queue_submit(queue);
    const struct dray_completion *c;
    assert_int_equal(dray_queue_wait(queue, &c, 20000000000u), 0);
    assert_status(*c, DRAY_STATUS_OK);
    assert_memory_equal(dst, src, 4);
    dray_queue_destroy(&queue);
    dray_engine_close(&engine);
}

/* Help: whoever waits works on its own queue. Which of the two takes up one copy is chance; that the worker
 * takes up all of thousands is not. */
static void a_waiting_caller_helps(void **state)
{
    struct rig *rig = *state;
    struct dray_engine_stats stats = { 0 };
    uint8_t bytes[128] = { 0 };
    dray_key key = rig_map(rig, bytes, sizeof(bytes), DRAY_READ | DRAY_WRITE);
    bool helps = rig->config->mode == DRAY_MODE_HELP;
    for (int i = 0; i < 20000 && stats.helped == 0; i++) {
        dray_prep_copy(rig_get(rig), key, 0, key, 64, 64);
        assert_status(rig_finish(rig), DRAY_STATUS_OK);
        dray_engine_stats(rig->engine, &stats);
        if (!helps && i == 10)
            break;
    }
    assert_int_equal(stats.helped > 0, helps);
}

static void ten_thousand_copies_go_round_the_ring(void **state)
{
    struct rig *rig = *state;
    enum {
        COUNT = 10000,
        PIECE = 24
    };
    uint8_t *src = guard_alloc(COUNT * PIECE, 64), *dst = guard_alloc(COUNT * PIECE, 64);
    tag_fill(src, COUNT * PIECE, SRC, 0);
    memset(dst, 0, COUNT * PIECE);
    dray_key in = rig_map(rig, src, COUNT * PIECE, DRAY_READ);
    dray_key out = rig_map(rig, dst, COUNT * PIECE, DRAY_WRITE);
    unsigned submitted = 0, done = 0;
    while (done < COUNT) {
        struct dray_desc *d;
        while (submitted < COUNT && (d = dray_queue_get(rig->queue))) {
            dray_prep_copy(d, out, (uint64_t)submitted * PIECE, in, (uint64_t)submitted * PIECE,
                           PIECE);
            d->user_data = submitted++;
        }
        dray_queue_submit(rig->queue);
        struct dray_completion c = rig_wait(rig);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.user_data, done);
        done++;
    }
    tag_check(dst, COUNT * PIECE, SRC, 0);
    guard_free(src);
    guard_free(dst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_moves_the_bytes_and_no_others),
        cmocka_unit_test(chain_is_one_transaction),
        cmocka_unit_test(scattered_memory_is_one_range),
        cmocka_unit_test(overlapping_copy_is_memmove),
        cmocka_unit_test(overlapping_pieces_are_refused),
        cmocka_unit_test(fill_repeats_its_pattern),
        cmocka_unit_test(compare_finds_the_first_difference),
        cmocka_unit_test(crc32c_is_the_known_one),
        cmocka_unit_test(link_fetches_descriptors_from_memory),
        cmocka_unit_test(one_descriptor_transposes_a_matrix),
        cmocka_unit_test(shapes_of_all_kinds),
        cmocka_unit_test(a_large_rectangle_is_whole),
        cmocka_unit_test(a_large_copy_is_whole),
        cmocka_unit_test(a_copy_of_few_bytes_may_be_shared),
        cmocka_unit_test(a_waiting_caller_helps),
        cmocka_unit_test(ten_thousand_copies_go_round_the_ring),
    };
    return rig_run_tests("memory", tests, sizeof(tests) / sizeof(tests[0]));
}
