/*
 * The measurements. Each is a median of several runs, so that one interruption does not become
 * part of a profile.
 */
#include "calibration.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "copiers.h"
#include "engine/cpu/kernels.h"
#include "memory.h"
#include "rig.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum {
    RUNS_MAX = 64,
    DEPTH = 512,
    PIECE = 64,      /* a copy whose bytes cost next to nothing */
    GAP_PIECE = 256, /* pieces between which gaps are left */
    GAP_PIECES = 64,
    CHAIN_MAX = 256,
    SPLIT_ROUNDS = 7,
};

/* Everything the steps share. */
struct session {
    struct calibration *out;
    bool quick;
    double tick_ns;
    size_t size; /* of each buffer */
    void *src, *dst;
    struct bench_run run; /* carries the reason of a failure */
    struct bench_rig rig; /* one worker that polls, one queue, both buffers mapped */
};

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

/* Runs of something so short must be many; of something long, few. */
static unsigned runs_for(const struct session *session, size_t bytes)
{
    if (session->quick)
        return 1;
    if (bytes >= 16 * MIB)
        return 5;
    return bytes >= MIB ? 15 : RUNS_MAX - 1;
}

static int open_rig(struct session *session, struct bench_rig *rig,
                    const struct bench_rig_options *options)
{
    if (bench_rig_open(&session->run, rig, options))
        return -1;
    if (!bench_rig_map(&session->run, rig, 0, session->dst, session->size, session->src,
                       session->size))
        return 0;
    bench_rig_close(rig);
    return -1;
}

/* One worker, on a processor of its own where there are two. */
static int open_worker(struct session *session, struct bench_rig *rig, bool poll)
{
    return open_rig(session, rig,
                    &(struct bench_rig_options){
                        .mode = DRAY_MODE_WORKER,
                        .workers = 1,
                        .worker_cpu = bench_cpu_count() > 1 ? bench_cpu(1) : -1,
                        .poll = poll,
                        .queues = 1,
                        .depth = DEPTH,
                    });
}

/* Nanoseconds of one transaction of `count` copies of `length` bytes, `pitch` apart. */
static double transaction_ns(struct session *session, unsigned count, size_t length, size_t pitch)
{
    const struct bench_rig *rig = &session->rig;
    uint64_t begin = bench_ticks();
    unsigned i;

    for (i = 0; i < count; i++) {
        struct dray_desc *d = dray_queue_get(rig->queues[0]);

        dray_prep_copy(d, rig->dst[0], i * length, rig->src[0], i * pitch, length);
        d->flags = i + 1 < count ? DRAY_FLAG_CHAIN : 0;
    }
    dray_queue_submit(rig->queues[0]);
    if (bench_rig_poll(&session->run, rig->queues[0], 1))
        return -1;
    return (double)(bench_ticks() - begin) * session->tick_ns;
}

static double median_transaction_ns(struct session *session, unsigned count, size_t length,
                                    size_t pitch)
{
    double values[RUNS_MAX];
    unsigned i, runs = runs_for(session, count * length);

    for (i = 0; i < runs; i++) {
        values[i] = transaction_ns(session, count, length, pitch);
        if (values[i] < 0)
            return -1;
    }
    return median_of(values, runs);
}

/* Slope of a line through the points, by least squares. */
static double slope(const double *x, const double *y, unsigned count)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    unsigned i;

    for (i = 0; i < count; i++) {
        sx += x[i];
        sy += y[i];
        sxx += x[i] * x[i];
        sxy += x[i] * y[i];
    }
    return (count * sxy - sx * sy) / (count * sxx - sx * sx);
}

/* t_p and t_o: the time of a transaction against its number of descriptors. */
static int measure_descriptors(struct session *session)
{
    struct curve *curve = &session->out->curves[CURVE_DESCRIPTORS];
    struct dray_profile *profile = &session->out->profile;
    unsigned count;

    *curve = (struct curve){ .title = "Descriptors in a transaction",
                             .x_name = "descriptors of 64 bytes",
                             .y_name = "ns",
                             .series = 1,
                             .series_name = { "transaction" } };
    for (count = 1; count <= CHAIN_MAX; count *= 2) {
        double ns = median_transaction_ns(session, count, PIECE, PIECE);

        if (ns < 0)
            return -1;
        curve->x[curve->points] = count;
        curve->y[0][curve->points++] = ns;
    }
    profile->setup_ns = curve->y[0][0];
    profile->descriptor_ns = fmax(slope(curve->x, curve->y[0], curve->points), 0.1);
    return 0;
}

/* What the caller pays for the same copy. */
static double memcpy_ns(struct session *session, size_t bytes)
{
    double values[RUNS_MAX];
    unsigned i, runs = runs_for(session, bytes);

    for (i = 0; i < runs; i++) {
        uint64_t begin = bench_ticks();

        bench_copy_libc(session->dst, session->src, bytes);
        values[i] = (double)(bench_ticks() - begin) * session->tick_ns;
    }
    return median_of(values, runs);
}

/* B, B_c and S*: engine against caller, over the sizes. */
static int measure_break_even(struct session *session)
{
    struct curve *curve = &session->out->curves[CURVE_BREAK_EVEN];
    struct dray_profile *profile = &session->out->profile;
    size_t bytes;

    *curve = (struct curve){ .title = "One copy: the engine, or the calling CPU",
                             .x_name = "bytes",
                             .y_name = "ns",
                             .series = 2,
                             .series_name = { "engine, one worker", "memcpy by the caller" } };
    for (bytes = PIECE; bytes <= session->size; bytes *= 2) {
        double engine = median_transaction_ns(session, 1, bytes, bytes);
        double caller = memcpy_ns(session, bytes);

        if (engine < 0)
            return -1;
        curve->x[curve->points] = (double)bytes;
        curve->y[0][curve->points] = engine;
        curve->y[1][curve->points++] = caller;
        profile->bandwidth = (double)bytes / engine * 1e9;
        profile->cpu_bandwidth = (double)bytes / caller * 1e9;
    }
    return 0;
}

/* g*: two pieces with a gap between, as one descriptor that takes the gap along, or as two. */
static int measure_gap(struct session *session)
{
    struct curve *curve = &session->out->curves[CURVE_GAP];
    size_t gap;

    *curve = (struct curve){ .title = "Pieces of 256 bytes with gaps: take the gap along, or not",
                             .x_name = "bytes of a gap",
                             .y_name = "ns a piece",
                             .series = 2,
                             .series_name = { "a descriptor each", "one, gaps copied too" } };
    for (gap = 16; gap <= 16 * KIB; gap *= 2) {
        size_t pitch = GAP_PIECE + gap;
        double each = median_transaction_ns(session, GAP_PIECES, GAP_PIECE, pitch);
        double whole = median_transaction_ns(session, 1, GAP_PIECES * pitch, 0);

        if (each < 0 || whole < 0)
            return -1;
        curve->x[curve->points] = (double)gap;
        curve->y[0][curve->points] = each / GAP_PIECES;
        curve->y[1][curve->points++] = whole / GAP_PIECES;
    }
    return 0;
}

static int measure_streams(struct session *session)
{
    calibration_measure_streams(session->out, session->dst, session->src, session->size,
                                session->quick);
    return 0;
}

/* The caller sleeps: the workers may need every processor there is. */
static double worker_copy_ns(struct session *session, struct bench_rig *rig, size_t bytes)
{
    uint64_t begin = bench_ticks();

    dray_prep_copy(dray_queue_get(rig->queues[0]), rig->dst[0], 0, rig->src[0], 0, bytes);
    dray_queue_submit(rig->queues[0]);
    if (bench_rig_finish(&session->run, rig->queues[0], 1))
        return -1;
    return (double)(bench_ticks() - begin) * session->tick_ns;
}

/* Two workers that exist for this alone, so that no others poll beside them; the first copy wakes them
 * and warms the caches. */
static double split_ns(struct session *session, size_t bytes, uint64_t split_min)
{
    struct bench_rig_options options = { .mode = DRAY_MODE_WORKER,
                                         .workers = 2,
                                         .worker_cpu = -1,
                                         .split_min = split_min,
                                         .queues = 1,
                                         .depth = DEPTH };
    double values[RUNS_MAX], ns;
    unsigned i, runs = (runs_for(session, bytes) + 3) / 4;
    struct bench_rig rig;

    if (open_rig(session, &rig, &options))
        return -1;
    ns = worker_copy_ns(session, &rig, bytes);
    for (i = 0; i < runs && ns >= 0; i++)
        values[i] = ns = worker_copy_ns(session, &rig, bytes);
    bench_rig_close(&rig);
    return ns < 0 ? -1 : median_of(values, runs);
}

/* One point: every copy split between two workers, or none, in turns. */
static int measure_split_point(struct session *session, struct curve *curve, size_t bytes)
{
    double values[2][SPLIT_ROUNDS];
    unsigned i, k, rounds = session->quick ? 1 : SPLIT_ROUNDS;

    for (i = 0; i < rounds; i++) {
        for (k = 0; k < 2; k++) {
            unsigned side = (i + k) % 2;

            values[side][i] = split_ns(session, bytes, side ? 1 : UINT64_MAX);
            if (values[side][i] < 0)
                return -1;
        }
    }
    curve->x[curve->points] = (double)bytes;
    for (k = 0; k < 2; k++)
        curve->y[k][curve->points] = (double)bytes / median_of(values[k], rounds);
    curve->points++;
    return 0;
}

static int measure_split(struct session *session)
{
    struct curve *curve = &session->out->curves[CURVE_SPLIT];
    size_t bytes;

    if (bench_cpu_count() < 2) {
        calibration_skip(session->out, "split_min", "there is one processor");
        return 0;
    }
    *curve = (struct curve){ .title = "One copy: one worker, or split between two",
                             .x_name = "bytes",
                             .y_name = "GB/s",
                             .series = 2,
                             .series_name = { "one worker", "two workers" },
                             .mark_name = "split_min" };
    for (bytes = 64 * KIB; bytes <= session->size; bytes *= 2) {
        if (measure_split_point(session, curve, bytes))
            return -1;
    }
    curve->mark = calibration_cut(curve);
    session->out->profile.split_min = curve->mark > 0 ? (uint64_t)curve->mark : UINT64_MAX;
    return 0;
}

/* A worker that sleeps, woken by the doorbell: what that adds to a small copy. */
static int measure_wake(struct session *session)
{
    struct timespec nap = { .tv_nsec = 2000000 };
    double values[RUNS_MAX];
    unsigned i, runs = session->quick ? 1 : 31;
    int rc = open_worker(session, &session->rig, false);

    for (i = 0; i < runs && !rc; i++) {
        nanosleep(&nap, NULL);
        values[i] = transaction_ns(session, 1, PIECE, PIECE);
        rc = values[i] < 0 ? -1 : 0;
    }
    bench_rig_close(&session->rig);
    if (rc)
        return rc;
    session->out->profile.wake_ns =
        fmax(median_of(values, runs) - session->out->profile.setup_ns, 1);
    return 0;
}

static int measure_pages(struct session *session)
{
    calibration_measure_pages(session->out);
    return 0;
}

static int measure_file(struct session *session)
{
    calibration_measure_file(session->out, session->src, session->quick ? MIB : 64 * MIB);
    return 0;
}

static int open_session(struct session *session, struct calibration *out, bool quick)
{
    session->out = out;
    session->quick = quick;
    session->size = quick ? 2 * MIB : 128 * MIB;
    session->tick_ns = bench_tick_ns();
    if (!dray_kernels_get())
        return bench_fail(&session->run, "DRAY_CPU names kernels that this processor cannot run");
    session->src = bench_map(session->size);
    session->dst = bench_map(session->size);
    if (!session->src || !session->dst)
        return bench_fail(&session->run, "no memory for two buffers of %zu MiB",
                          session->size / MIB);
    bench_fill(session->src, session->size, 1);
    return open_worker(session, &session->rig, true);
}

static void close_session(struct session *session)
{
    bench_rig_close(&session->rig);
    bench_unmap(session->src, session->size);
    bench_unmap(session->dst, session->size);
}

/* The worker of the session polls until the steps that need no such worker: these come last. */
int calibration_measure(struct calibration *calibration, bool quick,
                        calibration_progress_fn *progress, char *why)
{
    static const struct {
        const char *what;
        int (*measure)(struct session *session);
        bool quiet; /* no worker may poll beside it */
    } steps[] = {
        { "descriptors", measure_descriptors, false },
        { "engine and caller", measure_break_even, false },
        { "gaps", measure_gap, false },
        { "waking", measure_wake, true },
        { "stores", measure_streams, true },
        { "splitting", measure_split, true },
        { "pages", measure_pages, true },
        { "files", measure_file, true },
    };
    const unsigned count = sizeof(steps) / sizeof(steps[0]);
    struct session session = { 0 };
    struct calibration_load from, to;
    bool told = calibration_load_now(&from);
    unsigned i;
    int rc = open_session(&session, calibration, quick);

    for (i = 0; i < count && !rc; i++) {
        progress(i, count, steps[i].what);
        if (steps[i].quiet)
            bench_rig_close(&session.rig);
        rc = steps[i].measure(&session);
    }
    progress(count, count, "");
    if (told && calibration_load_now(&to))
        calibration->others = calibration_others(&from, &to);
    if (rc)
        snprintf(why, CALIBRATION_WHY_SIZE, "%s", session.run.why);
    close_session(&session);
    return rc;
}
