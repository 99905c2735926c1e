/*
 * Suite `strided`: whole matrices transposed by one descriptor on one thread, and a rectangle cut
 * out of a large image.
 */
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "copiers.h"
#include "harness.h"
#include "load.h"
#include "memory.h"
#include "peer.h"
#include "rig.h"
#include "suites.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

enum {
    SEED = 0x57,
    TILE = 64
};

struct strided_param {
    size_t n;       /* of the square matrix; rows of the rectangle */
    size_t element; /* bytes; width of the rectangle's rows */
    size_t pitch;   /* bytes from a row of the source to the next; 0: a dense matrix */
};

struct strided_state {
    struct strided_param shape;
    size_t src_size, dst_size;
    void *src, *dst;
    const struct bench_transpose_peer *peer;
    struct bench_rig rig;
};

/*
 * Element i of a matrix, as bits. A BLAS multiplies by one, which would make a signalling NaN
 * another NaN, and denormals can be slow: all of these are normal numbers, and no two alike.
 */
static uint32_t float_tag(size_t i)
{
    return UINT32_C(0x20000000) + (uint32_t)i;
}

static uint64_t double_tag(size_t i)
{
    return UINT64_C(0x2000000000000000) + (uint64_t)i * UINT64_C(0x100000001);
}

static void fill_matrix(const struct strided_param *shape, void *matrix)
{
    size_t i, count = shape->n * shape->n;

    for (i = 0; i < count && shape->element == 4; i++)
        ((uint32_t *)matrix)[i] = float_tag(i);
    for (i = 0; i < count && shape->element == 8; i++)
        ((uint64_t *)matrix)[i] = double_tag(i);
}

static void strided_teardown(struct bench_run *run)
{
    struct strided_state *state = run->state;

    bench_unmap(state->src, state->src_size);
    bench_unmap(state->dst, state->dst_size);
    free(state);
}

static int strided_setup(struct bench_run *run)
{
    struct strided_state *state = calloc(1, sizeof(*state));
    struct strided_param *shape;

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    shape = &state->shape;
    *shape = *(const struct strided_param *)run->spec->param;
    if (run->quick)
        shape->n = 256;
    state->src_size = shape->n * (shape->pitch ? shape->pitch : shape->n * shape->element);
    state->dst_size = shape->n * shape->element * (shape->pitch ? 1 : shape->n);
    state->src = bench_map(state->src_size);
    state->dst = bench_map(state->dst_size);
    if (!state->src || !state->dst) {
        strided_teardown(run);
        return bench_fail(run, "no memory for a matrix of %zu MiB", state->src_size / MIB);
    }
    if (shape->pitch)
        bench_fill(state->src, state->src_size, SEED);
    else
        fill_matrix(shape, state->src);
    return 0;
}

static void strided_wipe(struct bench_run *run)
{
    struct strided_state *state = run->state;

    bench_wipe(state->dst, state->dst_size);
}

/* Whether element i of the destination is what element `expected` of the source was. */
static bool is_element(const struct strided_state *state, size_t i, size_t expected)
{
    if (state->shape.element == 8)
        return ((const uint64_t *)state->dst)[i] == double_tag(expected);
    return ((const uint32_t *)state->dst)[i] == float_tag(expected);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Tile by tile, for the cache's sake. */
static int verify_transpose(struct bench_run *run)
{
    struct strided_state *state = run->state;
    size_t n = state->shape.n, top, left, row, col;

    for (top = 0; top < n; top += TILE) {
        for (left = 0; left < n; left += TILE) {
            for (row = top; row < smaller(top + TILE, n); row++) {
                for (col = left; col < smaller(left + TILE, n); col++) {
                    if (!is_element(state, row * n + col, col * n + row))
                        return bench_fail(run, "element %zu, %zu differs", row, col);
                }
            }
        }
    }
    return 0;
}

static int verify_rows(struct bench_run *run)
{
    struct strided_state *state = run->state;
    const struct strided_param *shape = &state->shape;
    size_t row;

    for (row = 0; row < shape->n; row++) {
        const char *at = (const char *)state->dst + row * shape->element;
        size_t wrong = bench_check(at, shape->element, SEED, row * shape->pitch);

        if (wrong != BENCH_ALL_GOOD)
            return bench_fail(run, "row %zu differs at byte %zu", row, wrong);
    }
    return 0;
}

/* A copy of the same bytes is no transposition. */
static int verify_memcpy(struct bench_run *run)
{
    struct strided_state *state = run->state;
    size_t i, count = state->shape.n * state->shape.n;

    for (i = 0; i < count; i++) {
        if (!is_element(state, i, i))
            return bench_fail(run, "element %zu differs", i);
    }
    return 0;
}

static double strided_figure(const struct strided_state *state, double seconds)
{
    return (double)state->dst_size / seconds / 1e9;
}

static int open_dray(struct bench_run *run)
{
    struct strided_state *state = run->state;
    struct bench_rig_options options = {
        .mode = DRAY_MODE_INLINE, .worker_cpu = -1, .queues = 1, .depth = 2
    };
    int rc = bench_rig_open(run, &state->rig, &options);

    if (rc)
        return rc;
    rc = bench_rig_map(run, &state->rig, 0, state->dst, state->dst_size, state->src,
                       state->src_size);
    if (rc)
        bench_rig_close(&state->rig);
    return rc;
}

static void close_dray(struct bench_run *run)
{
    bench_rig_close(&((struct strided_state *)run->state)->rig);
}

static void shape_transpose(struct dray_shape *shape, const struct strided_param *matrix)
{
    int64_t element = (int64_t)matrix->element, row = (int64_t)matrix->n * element;

    *shape = (struct dray_shape){
        .version = DRAY_FORMAT_VERSION,
        .loops = 2,
        .element = (uint32_t)matrix->element,
        .extent = { matrix->n, matrix->n },
        .src_stride = { element, row },
        .dst_stride = { row, element },
    };
}

static void shape_rows(struct dray_shape *shape, const struct strided_param *rectangle)
{
    *shape = (struct dray_shape){
        .version = DRAY_FORMAT_VERSION,
        .loops = 1,
        .element = (uint32_t)rectangle->element,
        .extent = { rectangle->n },
        .src_stride = { (int64_t)rectangle->pitch },
        .dst_stride = { (int64_t)rectangle->element },
    };
}

static double run_dray(struct bench_run *run)
{
    struct strided_state *state = run->state;
    struct dray_queue *queue = state->rig.queues[0];
    double begin = bench_seconds();
    struct dray_desc *d = dray_queue_get(queue);

    dray_prep_strided(d, state->rig.dst[0], 0, state->rig.src[0], 0, state->dst_size,
                      (dray_key){ 0 }, 0);
    if (state->shape.pitch)
        shape_rows(dray_queue_shape(queue, d), &state->shape);
    else
        shape_transpose(dray_queue_shape(queue, d), &state->shape);
    dray_queue_submit(queue);
    return bench_rig_poll(run, queue, 1) ? -1 : strided_figure(state, bench_seconds() - begin);
}

static int open_openblas(struct bench_run *run)
{
    struct strided_state *state = run->state;

    /* Read when the library is loaded: no pool of threads that nobody uses. */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    state->peer =
        bench_load_peer("peer_openblas.so", BENCH_TRANSPOSE_SYMBOL, run->why, sizeof(run->why));
    return state->peer ? 0 : -1;
}

static double run_openblas(struct bench_run *run)
{
    struct strided_state *state = run->state;
    size_t n = state->shape.n;
    double begin = bench_seconds();

    if (state->shape.element == 8)
        state->peer->transpose_double(n, n, state->src, state->dst);
    else
        state->peer->transpose_float(n, n, state->src, state->dst);
    return strided_figure(state, bench_seconds() - begin);
}

static double run_memcpy(struct bench_run *run)
{
    struct strided_state *state = run->state;
    double begin = bench_seconds();

    bench_copy_libc(state->dst, state->src, state->dst_size);
    return strided_figure(state, bench_seconds() - begin);
}

static double run_rows(struct bench_run *run)
{
    struct strided_state *state = run->state;
    const struct strided_param *shape = &state->shape;
    double begin = bench_seconds();

    bench_rows_libc(state->dst, shape->element, state->src, shape->pitch, shape->n, shape->element);
    return strided_figure(state, bench_seconds() - begin);
}

#define STRIDED_HOOKS                                                                       \
    .unit = "GB/s", .higher_is_better = true, .setup = strided_setup, .wipe = strided_wipe, \
    .teardown = strided_teardown,                                                           \
    .dray = { .name = "dray", .run = run_dray, .open = open_dray, .close = close_dray },    \
    .seconds = 3, .rounds_min = 7

#define TRANSPOSE(label, side, bytes)                                                           \
    { .name = label,                                                                            \
      .param = &(const struct strided_param){ side, bytes, 0 },                                 \
      .peers = { { .name = "OpenBLAS omatcopy", .run = run_openblas, .open = open_openblas } }, \
      .verify = verify_transpose,                                                               \
      STRIDED_HOOKS },                                                                          \
    {                                                                                           \
        .name = label "/memcpy", .param = &(const struct strided_param){ side, bytes, 0 },      \
        .peers = { { .name = "memcpy", .run = run_memcpy, .verify = verify_memcpy } },          \
        .verify = verify_transpose, STRIDED_HOOKS                                               \
    }

static const struct bench_case cases[] = {
    TRANSPOSE("float-4096", 4096, 4),
    TRANSPOSE("float-8192", 8192, 4),
    TRANSPOSE("double-4096", 4096, 8),
    TRANSPOSE("double-8192", 8192, 8),
    { .name = "rect-256B",
      .param = &(const struct strided_param){ 131072, 256, 8192 },
      .peers = { { .name = "memcpy of each row", .run = run_rows } },
      .verify = verify_rows,
      STRIDED_HOOKS },
};

const struct bench_suite bench_suite_strided = {
    .name = "strided",
    .about = "matrices transposed, a rectangle cut out of 1 GiB",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
