/*
 * Suite `flag`: from a SIGNAL on one queue to the WAIT it satisfies on another, both polling;
 * against two threads that throw one atomic to and fro.
 */
#include <stdint.h>
#include <stdlib.h>

#include "copiers.h"
#include "harness.h"
#include "suites.h"

struct flag_state {
    uint64_t trips;
};

static int flag_setup(struct bench_run *run)
{
    struct flag_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    run->state = state;
    state->trips = run->quick ? 1000 : 200000;
    return 0;
}

static void flag_teardown(struct bench_run *run)
{
    free(run->state);
}

static double run_atomic(struct bench_run *run)
{
    struct flag_state *state = run->state;
    double ns =
        bench_ping_pong_ns(state->trips, bench_cpu(0), bench_cpu_count() > 1 ? bench_cpu(1) : -1);

    return ns < 0 ? bench_fail(run, "no second thread") : ns;
}

static const struct bench_case cases[] = {
    { .name = "signal-wait",
      .unit = "ns",
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
