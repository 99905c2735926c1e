/*
 * Suite `moderation`: notifications per completion, of a consumer that sleeps until it is notified
 * and then takes all there is. Copies of 4 KiB through a worker, under moderation by count, by
 * time and adaptively, beside a notification for each.
 */
#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "pair.h"
#include "suites.h"

enum {
    PIECE = 4096,
    DEPTH = 64,
    COPIES = 512,
    COPIES_QUICK = 64,
    PATIENCE_MS = 20000,
};

/* A completion every half millisecond: long enough to wake a sleeper for. */
#define RATE ((uint64_t)PIECE * 2000)

struct mode {
    uint32_t count;
    uint64_t timeout_ns;
    bool adaptive;
};

static int setup(struct bench_run *run)
{
    return bench_pair_setup(run, (size_t)PIECE * DEPTH);
}

static int sleep_for(struct bench_run *run, struct dray_queue *queue)
{
    struct pollfd event = { .fd = dray_queue_event_fd(queue), .events = POLLIN };
    uint64_t notifications;

    if (!dray_queue_arm(queue))
        return 0;
    if (poll(&event, 1, PATIENCE_MS) != 1)
        return bench_fail(run, "no notification came");
    if (read(event.fd, &notifications, sizeof(notifications)) < 0)
        return bench_fail(run, "the event cannot be read");
    return 0;
}

/* The ring is kept full; returns nonzero with run->why set. */
static int stream(struct bench_run *run)
{
    struct bench_pair *pair = run->state;
    struct dray_queue *queue = pair->rig.queues[0];
    uint32_t sent = 0, done = 0, copies = run->quick ? COPIES_QUICK : COPIES;
    int rc = 0;

    while (done < copies && !rc) {
        struct dray_completion completions[DEPTH];
        uint32_t i, n;

        for (; sent < copies && dray_queue_space(queue); sent++)
            bench_pair_copy(pair, (size_t)sent % DEPTH * PIECE, PIECE);
        dray_queue_submit(queue);
        rc = sleep_for(run, queue);
        n = rc ? 0 : dray_queue_reap(queue, completions, DEPTH);
        for (i = 0; i < n && !rc; i++) {
            if (completions[i].status != DRAY_STATUS_OK)
                rc = bench_rig_refused(run, &completions[i]);
        }
        done += n;
    }
    return rc;
}

static double share(struct bench_run *run, const struct mode *mode)
{
    struct bench_pair *pair = run->state;
    struct bench_rig_options options = { .mode = DRAY_MODE_WORKER,
                                         .workers = 1,
                                         .worker_cpu = -1,
                                         .queues = 1,
                                         .depth = DEPTH,
                                         .rate_bytes_per_s = RATE,
                                         .notify_count = mode->count,
                                         .notify_timeout_ns = mode->timeout_ns,
                                         .notify_adaptive = mode->adaptive };
    struct dray_queue_stats stats;
    int rc = bench_pair_open(run, &options);

    if (rc)
        return -1;
    rc = stream(run);
    dray_queue_stats(pair->rig.queues[0], &stats);
    bench_rig_close(&pair->rig);
    /* None at all: the worker was never behind. A figure must be above zero. */
    return rc ? -1 : ((double)stats.notifications + 1e-3) / (double)stats.completions;
}

static double run_moderated(struct bench_run *run)
{
    return share(run, run->spec->param);
}

static double run_each(struct bench_run *run)
{
    return share(run, &(const struct mode){ .count = 1 });
}

#define CASE(label, ...)                                                                       \
    {                                                                                          \
        .name = label, .unit = "notifications/completion",                                     \
        .param = &(const struct mode){ __VA_ARGS__ },                                          \
        .dray = { .name = "moderated", .run = run_moderated },                                 \
        .peers = { { .name = "each completion notifies", .run = run_each } }, .setup = setup,  \
        .wipe = bench_pair_wipe, .verify = bench_pair_verify, .teardown = bench_pair_teardown, \
        .seconds = 2, .rounds_min = 3                                                          \
    }

static const struct bench_case cases[] = {
    CASE("count-16", .count = 16, .timeout_ns = 20000000),
    CASE("time-2ms", .count = DRAY_DEPTH_MAX, .timeout_ns = 2000000),
    CASE("adaptive-16", .count = 16, .timeout_ns = 2000000, .adaptive = true),
};

const struct bench_suite bench_suite_moderation = {
    .name = "moderation",
    .about = "notifications per completion, by count, by time, adaptive",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
