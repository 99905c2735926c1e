/*
 * Suite `flag`: from a SIGNAL on one queue to the WAIT it satisfies on another, both polling;
 * against two threads that throw one atomic to and fro.
 *
 *      queue 0 (worker 0)             queue 1 (worker 1)
 *      WAIT go
 *      SIGNAL ping = 1     ------>    WAIT ping == 1
 *      WAIT pong == 1      <------    SIGNAL pong = 1
 *      SIGNAL ping = 2     ------>    WAIT ping == 2     ...
 *
 * Everything is submitted before `go`; then the caller sleeps, for the two workers have the two
 * processors.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "copiers.h"
#include "harness.h"
#include "rig.h"
#include "suites.h"

enum {
    DEPTH = 65536,
    TRIPS = DEPTH / 2 - 1,
    PATIENCE_MS = 20000,
};

/* Each flag has a cache line of its own, as a user would place them. */
struct flag_words {
    _Alignas(128) uint64_t go;
    _Alignas(128) uint64_t ping;
    _Alignas(128) uint64_t pong;
    _Alignas(128) uint64_t end[0];
};

struct flag_state {
    uint64_t trips;
    struct flag_words *words;
    dray_key key;
    struct bench_rig rig;
};

static int flag_setup(struct bench_run *run)
{
    struct flag_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->trips = run->quick ? 100 : TRIPS;
    state->words = aligned_alloc(128, sizeof(*state->words));
    if (!state->words) {
        free(state);
        return bench_fail(run, "no memory");
    }
    return 0;
}

static void flag_teardown(struct bench_run *run)
{
    struct flag_state *state = run->state;

    free(state->words);
    free(state);
}

static int start_dray(struct bench_run *run)
{
    struct flag_state *state = run->state;
    struct bench_rig_options options = {
        .mode = DRAY_MODE_WORKER,
        .workers = 2,
        .worker_cpu = bench_cpu_count() > 1 ? bench_cpu(0) : -1,
        .poll = true,
        .queues = 2,
        .depth = DEPTH,
        .notify_count = DEPTH,
    };
    int rc = bench_rig_open(run, &state->rig, &options);

    if (rc)
        return rc;
    memset(state->words, 0, sizeof(*state->words));
    rc = dray_map_flags(state->rig.domain, (uint64_t *)state->words,
                        sizeof(*state->words) / sizeof(uint64_t), DRAY_READ | DRAY_WRITE,
                        &state->key);
    return rc ? bench_fail(run, "map: %s", strerror(-rc)) : 0;
}

/* The last descriptor of a queue notifies: nothing else would, before the count is reached. */
static void fill_wait(const struct flag_state *state, unsigned queue, size_t offset, uint64_t value)
{
    struct dray_desc *d = dray_queue_get(state->rig.queues[queue]);

    dray_prep_wait(d, state->key, offset, DRAY_WAIT_EQ, value, 0);
    if (queue == 0 && value == state->trips)
        d->flags = DRAY_FLAG_NOTIFY;
}

static void fill_signal(const struct flag_state *state, unsigned queue, size_t offset,
                        uint64_t value)
{
    struct dray_desc *d = dray_queue_get(state->rig.queues[queue]);

    dray_prep_signal(d, state->key, offset, value, false);
    if (queue == 1 && value == state->trips)
        d->flags = DRAY_FLAG_NOTIFY;
}

static void fill_game(const struct flag_state *state)
{
    const size_t ping = offsetof(struct flag_words, ping), pong = offsetof(struct flag_words, pong);
    uint64_t i;

    fill_wait(state, 0, offsetof(struct flag_words, go), 1);
    for (i = 1; i <= state->trips; i++) {
        fill_signal(state, 0, ping, i);
        fill_wait(state, 0, pong, i);
        fill_wait(state, 1, ping, i);
        fill_signal(state, 1, pong, i);
    }
    dray_queue_submit(state->rig.queues[0]);
    dray_queue_submit(state->rig.queues[1]);
}

/* Sleeps until the queue's engine notifies: reaping meanwhile would take a worker's processor. */
static int await_notification(struct bench_run *run, struct dray_queue *queue)
{
    struct pollfd event = { .fd = dray_queue_event_fd(queue), .events = POLLIN };

    return poll(&event, 1, PATIENCE_MS) == 1 ? 0 : bench_fail(run, "no notification came");
}

static double play(struct bench_run *run)
{
    struct flag_state *state = run->state;
    struct dray_queue *last = state->rig.queues[1];
    struct timespec nap = { .tv_nsec = 1000000 };
    double begin, end;

    fill_game(state);
    nanosleep(&nap, NULL);
    if (!dray_queue_arm(last))
        return bench_fail(run, "a wait was over before its signal");
    begin = bench_seconds();
    dray_flag_store(state->rig.domain, &state->words->go, 1);
    if (await_notification(run, last))
        return -1;
    end = bench_seconds();
    if (bench_rig_finish(run, last, 2 * state->trips) ||
        bench_rig_finish(run, state->rig.queues[0], 2 * state->trips + 1))
        return -1;
    if (dray_flag_load(&state->words->pong) != state->trips)
        return bench_fail(run, "the flag is not what the last signal wrote");
    return (end - begin) * 1e9 / (2.0 * (double)state->trips);
}

/* The workers poll, and so live in their own rounds only. */
static double run_dray(struct bench_run *run)
{
    struct flag_state *state = run->state;
    double figure = start_dray(run) ? -1 : play(run);

    bench_rig_close(&state->rig);
    return figure;
}

static double run_atomic(struct bench_run *run)
{
    struct flag_state *state = run->state;
    double ns = bench_ping_pong_ns(8 * state->trips, bench_cpu(0),
                                   bench_cpu_count() > 1 ? bench_cpu(1) : -1);

    return ns < 0 ? bench_fail(run, "no second thread") : ns;
}

static const struct bench_case cases[] = {
    { .name = "signal-wait",
      .unit = "ns",
      .dray = { .name = "dray", .run = run_dray },
      .peers = { { .name = "two threads, one atomic", .run = run_atomic } },
      .setup = flag_setup,
      .teardown = flag_teardown,
      .seconds = 4,
      .rounds_min = 9 },
};

const struct bench_suite bench_suite_flag = {
    .name = "flag",
    .about = "from a signal to the wait it satisfies, one way",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
