/*
 * Suite `sim`: events a second of the machine's kernel, against SystemC's scheduler with the same work
 * (sim_work.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "harness.h"
#include "kernel.h"
#include "load.h"
#include "peer.h"
#include "sim_transfer.h"
#include "sim_work.h"
#include "suites.h"

enum {
    EVENTS = 4000000,
    EVENTS_QUICK = 10000,
    RING_NS = 3000, /* about a thousand events each */
    RING_NS_QUICK = 20,
};

struct part {
    struct sim_event event;
    struct sim_state *state;
    struct bench_ring_part *work;
    struct part *neighbour;
};

struct sim_state {
    const struct bench_sim_peer *peer;
    struct sim_kernel *kernel;
    uint64_t events; /* asked for, pingpong */
    uint64_t left;
    uint64_t counts[2]; /* done */
    uint64_t ps;        /* asked for, ring */
    struct part parts[BENCH_RING_PARTS];
    struct bench_ring_part work[BENCH_RING_PARTS]; /* done */
    struct bench_ring_part right[BENCH_RING_PARTS];
};

/* ---- what must come out ---- */

/* Without a scheduler: token k leaves part i at
 *
 *     left(i, k) = max(left(i, k - 1), left(i - 1, k - 16)) + delay(i, k)
 *
 * with 16 tokens a part at the beginning: all k of one number need only smaller ones. */
static void work_out_ring(struct bench_ring_part *parts, uint64_t ps)
{
    static const uint64_t at_first[BENCH_RING_TOKENS];
    uint64_t(*left)[BENCH_RING_TOKENS] = calloc(BENCH_RING_PARTS, sizeof(at_first));
    bool more = left != NULL;

    bench_ring_reset(parts);
    for (uint64_t k = 0; more; k++) {
        uint64_t place = k % BENCH_RING_TOKENS;
        uint64_t last = (k + BENCH_RING_TOKENS - 1) % BENCH_RING_TOKENS;
        uint64_t from_last_part = left[BENCH_RING_PARTS - 1][place];

        more = false;
        for (uint64_t i = 0; i < BENCH_RING_PARTS; i++) {
            uint64_t arrived = from_last_part;
            uint64_t begin = arrived > left[i][last] ? arrived : left[i][last];

            from_last_part = left[i][place];
            left[i][place] = begin + bench_ring_delay(&parts[i]);
            parts[i].passed += left[i][place] <= ps;
            more |= left[i][place] <= ps;
        }
    }
    for (uint64_t i = 0; i < BENCH_RING_PARTS; i++)
        parts[i].tokens = BENCH_RING_TOKENS - parts[i].passed +
                          parts[(i + BENCH_RING_PARTS - 1) % BENCH_RING_PARTS].passed;
    free(left);
}

static uint64_t ring_events(const struct sim_state *state)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < BENCH_RING_PARTS; i++)
        sum += state->right[i].passed;
    return sum;
}

static int verify_pingpong(struct bench_run *run)
{
    const struct sim_state *state = run->state;

    if (state->counts[0] == (state->events + 1) / 2 && state->counts[1] == state->events / 2)
        return 0;
    return bench_fail(run, "the parts had %llu and %llu events of %llu",
                      (unsigned long long)state->counts[0], (unsigned long long)state->counts[1],
                      (unsigned long long)state->events);
}

static int verify_ring(struct bench_run *run)
{
    const struct sim_state *state = run->state;

    for (unsigned i = 0; i < BENCH_RING_PARTS; i++) {
        const struct bench_ring_part *is = &state->work[i], *right = &state->right[i];

        if (is->passed != right->passed || is->tokens != right->tokens)
            return bench_fail(run, "part %u passed %llu tokens and not %llu", i,
                              (unsigned long long)is->passed, (unsigned long long)right->passed);
    }
    return 0;
}

/* ---- hooks ---- */

static void sim_teardown(struct bench_run *run)
{
    struct sim_state *state = run->state;

    sim_kernel_destroy(&state->kernel);
    free(state);
}

static int sim_setup(struct bench_run *run)
{
    struct sim_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->events = run->quick ? EVENTS_QUICK : EVENTS;
    state->ps = (run->quick ? RING_NS_QUICK : RING_NS) * SIM_NS;
    for (unsigned i = 0; i < BENCH_RING_PARTS; i++) {
        state->parts[i].state = state;
        state->parts[i].work = &state->work[i];
        state->parts[i].neighbour = &state->parts[(i + 1) % BENCH_RING_PARTS];
    }
    work_out_ring(state->right, state->ps);
    if (!sim_kernel_create(&state->kernel, 1))
        return 0;
    sim_teardown(run);
    return bench_fail(run, "no memory");
}

static void sim_wipe(struct bench_run *run)
{
    struct sim_state *state = run->state;

    memset(state->counts, 0, sizeof(state->counts));
    bench_ring_reset(state->work);
}

static int open_systemc(struct bench_run *run)
{
    struct sim_state *state = run->state;

    state->peer = bench_load_peer("peer_systemc.so", BENCH_SIM_SYMBOL, run->why, sizeof(run->why));
    return state->peer ? state->peer->open(run->why, sizeof(run->why)) : -1;
}

static double figure(struct bench_run *run, uint64_t events, double seconds)
{
    return seconds > 0 ? (double)events / seconds / 1e6
                       : bench_fail(run, "the scheduler did not run");
}

/* ---- the sides ---- */

static void hit(struct sim_event *event)
{
    struct part *part = SIM_OWNER(event, struct part, event);
    struct sim_state *state = part->state;

    state->counts[part - state->parts]++;
    if (--state->left)
        sim_after(state->kernel, &state->parts[part == state->parts].event, BENCH_PINGPONG_PS);
}

static double pingpong_dray(struct bench_run *run)
{
    struct sim_state *state = run->state;
    double begin;

    state->left = state->events;
    sim_event_init(&state->parts[0].event, hit);
    sim_event_init(&state->parts[1].event, hit);
    begin = bench_seconds();
    sim_after(state->kernel, &state->parts[0].event, BENCH_PINGPONG_PS);
    sim_run(state->kernel, SIM_NEVER);
    return figure(run, state->events, bench_seconds() - begin);
}

static double pingpong_systemc(struct bench_run *run)
{
    struct sim_state *state = run->state;

    return figure(run, state->events, state->peer->pingpong(state->events, state->counts));
}

static void start(struct part *part)
{
    sim_after(part->state->kernel, &part->event, bench_ring_delay(part->work));
}

static void pass(struct sim_event *event)
{
    struct part *part = SIM_OWNER(event, struct part, event);

    part->work->passed++;
    if (--part->work->tokens)
        start(part);
    if (part->neighbour->work->tokens++ == 0)
        start(part->neighbour);
}

static double ring_dray(struct bench_run *run)
{
    struct sim_state *state = run->state;
    double begin, seconds;

    for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
        sim_event_init(&state->parts[i].event, pass);
    begin = bench_seconds();
    for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
        start(&state->parts[i]);
    sim_run(state->kernel, sim_now(state->kernel) + state->ps);
    seconds = bench_seconds() - begin;
    for (unsigned i = 0; i < BENCH_RING_PARTS; i++)
        sim_cancel(state->kernel, &state->parts[i].event);
    return figure(run, ring_events(state), seconds);
}

static double ring_systemc(struct bench_run *run)
{
    struct sim_state *state = run->state;

    return figure(run, ring_events(state), state->peer->ring(state->ps, state->work));
}

#define SIM_CASE(label, dray_run, peer_run, check)                                                 \
    {                                                                                              \
        .name = label, .unit = "Mevents/s", .higher_is_better = true, .setup = sim_setup,          \
        .dray = { .name = "dray", .run = dray_run },                                               \
        .peers = { { .name = "SystemC", .run = peer_run, .open = open_systemc } },                 \
        .wipe = sim_wipe, .verify = check, .teardown = sim_teardown, .seconds = 8, .rounds_min = 5 \
    }

#define TRANSFER_CASE(label, what, size, ours, allowed)                                     \
    {                                                                                       \
        .name = label, .unit = what, .param = &(const struct bench_transfer_param){ size }, \
        .setup = bench_transfer_setup, .dray = { .name = "dray", .run = ours },             \
        .peers = { { .name = "what it may take",                                            \
                     .run = allowed,                                                        \
                     .verify = bench_nothing_to_verify } },                                 \
        .wipe = bench_transfer_wipe, .verify = bench_transfer_verify,                       \
        .teardown = bench_transfer_teardown, .seconds = 6, .rounds_min = 3                  \
    }

#define MIB ((size_t)1 << 20)

static const struct bench_case cases[] = {
    TRANSFER_CASE("sg-16MiB", "s", 16 * MIB, bench_transfer_seconds,
                  bench_transfer_seconds_allowed),
    TRANSFER_CASE("sg-64MiB", "s", 64 * MIB, bench_transfer_seconds,
                  bench_transfer_seconds_allowed),
    TRANSFER_CASE("sg-64MiB/memory", "MiB", 64 * MIB, bench_transfer_memory,
                  bench_transfer_memory_allowed),
    SIM_CASE("pingpong", pingpong_dray, pingpong_systemc, verify_pingpong),
    SIM_CASE("ring-1000", ring_dray, ring_systemc, verify_ring),
};

const struct bench_suite bench_suite_sim = {
    .name = "sim",
    .about = "events a second of the machine's kernel, and a whole transfer",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
