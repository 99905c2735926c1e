/*
 * Where streamed (non-temporal) stores pay: for one copy, for pieces of a list, and for a transposition.
 * Each point is the median of rounds in which cached and streamed stores take turns, the order changing,
 * so that what a neighbour does to one it does to the other; and a threshold follows from all points, not
 * from one.
 */
#include <math.h>
#include <stdint.h>

#include "calibration.h"
#include "clock.h"
#include "engine/cpu/kernels.h"

#define MIB ((size_t)1 << 20)

enum {
    ROUNDS = 15,
    /* Under this the kernels store pieces cached whatever they are told, being mostly partial lines. */
    PIECE_MIN = 256,
    PIECE_MAX = 64 << 10,
    WINDOW = 64, /* items known ahead, of which half are copied at a time: as the engine does */
    ITEMS = 4096,
    COPY_MIN = 64 << 10,
};
#define GATHERED (32 * MIB) /* in a round */
/* Smaller ones are faster streamed, too, from 512 KiB on, but who reads the result next wants it in the
 * second-level cache. */
#define TRANSPOSE_MIN (1 * MIB)
#define TRANSPOSE_MAX (64 * MIB)
#define HOT_MAX       (32 * MIB) /* copies up to this find their own traces in the caches */

/* What the measurements share. */
struct streams {
    const struct dray_kernels *kernels;
    char *dst;
    const char *src;
    size_t size; /* of each */
    bool quick;
    size_t at; /* where in the destination the next piece goes */
    uint64_t random;
    struct dray_copy_item items[ITEMS];
};

double calibration_cut(const struct curve *curve)
{
    double sum = 0, best = 0, cut = 0;
    unsigned i = curve->points;

    while (i--) {
        sum += log(curve->y[1][i] / curve->y[0][i]) - log(CALIBRATION_GAIN_MIN);
        if (sum > best) {
            best = sum;
            cut = curve->x[i];
        }
    }
    return cut;
}

static double median_of(double *values, unsigned count)
{
    unsigned i, k;

    for (i = 1; i < count; i++) {
        double value = values[i];

        for (k = i; k && values[k - 1] > value; k--)
            values[k] = values[k - 1];
        values[k] = value;
    }
    return values[count / 2];
}

/* Seconds, at x, with streamed stores or cached ones. */
typedef double side_fn(struct streams *s, size_t x, bool stream);

/* One point of the curve: x, where a side moves `bytes`. */
static void measure_point(struct streams *s, struct curve *curve, size_t x, size_t bytes,
                          side_fn *run)
{
    double seconds[2][ROUNDS];
    unsigned i, k, rounds = s->quick ? 1 : ROUNDS;

    for (i = 0; i < rounds; i++) {
        for (k = 0; k < 2; k++) {
            unsigned side = (i + k) % 2;

            seconds[side][i] = run(s, x, side == 1);
        }
    }
    curve->x[curve->points] = (double)x;
    for (k = 0; k < 2; k++)
        curve->y[k][curve->points] = (double)bytes / median_of(seconds[k], rounds) / 1e9;
    curve->points++;
}

/* A size from a curve: UINT64_MAX where streaming never pays. */
static uint64_t size_at(struct curve *curve)
{
    curve->mark = calibration_cut(curve);
    return curve->mark > 0 ? (uint64_t)curve->mark : UINT64_MAX;
}

/* ---- one copy ---- */

static double copy_seconds(struct streams *s, size_t bytes, bool stream)
{
    void (*copy)(void *, const void *, size_t) =
        stream ? s->kernels->copy_stream : s->kernels->copy;
    double begin;

    /* The other side has just left its own traces in the caches. */
    if (bytes <= HOT_MAX)
        copy(s->dst, s->src, bytes);
    begin = bench_seconds();
    copy(s->dst, s->src, bytes);
    return bench_seconds() - begin;
}

static void measure_copies(struct streams *s, struct calibration *out)
{
    struct curve *curve = &out->curves[CURVE_STORES];
    size_t bytes;

    *curve = (struct curve){ .title = "Stores: cached, or past the caches",
                             .x_name = "bytes",
                             .y_name = "GB/s",
                             .series = 2,
                             .series_name = { "cached", "non-temporal" },
                             .mark_name = "stream_min" };
    for (bytes = COPY_MIN; bytes <= s->size; bytes *= 2)
        measure_point(s, curve, bytes, bytes, copy_seconds);
    out->profile.stream_min = size_at(curve);
}

/* ---- pieces of a list ---- */

static uint64_t next_random(struct streams *s)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return s->random >> 33;
}

/* Pieces at random places of the source, side by side in the destination, which is gone through whole
 * before it is written again: it is in no cache then. */
static void draw_items(struct streams *s, size_t piece, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (s->at + piece > s->size)
            s->at = 0;
        s->items[i] =
            (struct dray_copy_item){ .dst = s->dst + s->at,
                                     .src = s->src + next_random(s) % (s->size / piece) * piece,
                                     .n = piece };
        s->at += piece;
    }
}

static void copy_items(const struct streams *s, size_t count, bool stream)
{
    size_t i, n, fetched = 0;

    for (i = 0; i < count; i += n) {
        size_t known = count - i < WINDOW ? count - i : WINDOW;

        n = known < WINDOW / 2 ? known : WINDOW / 2;
        fetched = s->kernels->copy_batch(s->items + i, n, known, fetched, stream);
    }
    if (stream)
        s->kernels->settle();
}

static size_t gathered(const struct streams *s)
{
    return GATHERED < s->size / 2 ? GATHERED : s->size / 2;
}

static double gather_seconds(struct streams *s, size_t piece, bool stream)
{
    size_t left = gathered(s) / piece;
    double seconds = 0;

    while (left) {
        size_t count = left < ITEMS ? left : ITEMS;
        double begin;

        draw_items(s, piece, count);
        begin = bench_seconds();
        copy_items(s, count, stream);
        seconds += bench_seconds() - begin;
        left -= count;
    }
    return seconds;
}

static void measure_pieces(struct streams *s, struct calibration *out)
{
    struct curve *curve = &out->curves[CURVE_PIECES];
    size_t piece;

    *curve = (struct curve){ .title = "Pieces of a list: stores cached, or past the caches",
                             .x_name = "bytes of a piece",
                             .y_name = "GB/s",
                             .series = 2,
                             .series_name = { "cached", "non-temporal" },
                             .mark_name = "batch_stream_min" };
    for (piece = PIECE_MIN; piece <= PIECE_MAX; piece *= 2)
        measure_point(s, curve, piece, gathered(s), gather_seconds);
    out->profile.batch_stream_min = size_at(curve);
}

/* ---- transpositions ---- */

static void transpose(const struct streams *s, size_t bytes, unsigned element, bool stream)
{
    /* Square, in whole tiles. */
    size_t side = (size_t)sqrt((double)(bytes / element)) & ~(size_t)15;
    ptrdiff_t row = (ptrdiff_t)(side * element);

    s->kernels->transpose(s->dst, row, s->src, row, side, side, element, stream);
}

static double transpose_seconds(struct streams *s, size_t bytes, bool stream)
{
    double begin, seconds = 0;
    unsigned element;

    for (element = 4; element <= 8; element *= 2) {
        if (bytes <= HOT_MAX)
            transpose(s, bytes, element, stream);
        begin = bench_seconds();
        transpose(s, bytes, element, stream);
        seconds += bench_seconds() - begin;
    }
    return seconds;
}

static void measure_transpositions(struct streams *s, struct calibration *out)
{
    struct curve *curve = &out->curves[CURVE_TRANSPOSE];
    size_t bytes;

    *curve = (struct curve){ .title = "Transpositions: stores cached, or past the caches",
                             .x_name = "bytes",
                             .y_name = "GB/s",
                             .series = 2,
                             .series_name = { "cached", "non-temporal" },
                             .mark_name = "transpose_stream_min" };
    for (bytes = TRANSPOSE_MIN; bytes <= TRANSPOSE_MAX && bytes <= s->size; bytes *= 2)
        measure_point(s, curve, bytes, 2 * bytes, transpose_seconds);
    out->profile.transpose_stream_min = size_at(curve);
}

void calibration_measure_streams(struct calibration *calibration, void *dst, const void *src,
                                 size_t size, bool quick)
{
    static struct streams streams;

    streams = (struct streams){ .kernels = dray_kernels_get(),
                                .dst = dst,
                                .src = src,
                                .size = size,
                                .quick = quick,
                                .random = 1 };
    measure_copies(&streams, calibration);
    measure_pieces(&streams, calibration);
    measure_transpositions(&streams, calibration);
}
