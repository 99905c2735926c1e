/* Jitter on the bus (M16): a queue with Poisson arrivals, first come, first served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bus.h"
#include "statistics.h"

enum {
    SLOTS = 4096,
    BATCHES = 40,
    BATCH = 20000,   /* requests */
    WARM_UP = 20000, /* requests before the first batch: the bus begins empty */
    MEAN_SIZE = 200, /* bytes: at 1 GB/s 200 ns */
};

struct queue {
    struct sim_kernel *kernel;
    struct sim_target *target;
    struct sim_master master;
    struct sim_event arrival;
    sim_time between; /* arrivals, mean */
    bool exponential; /* sizes; else all are MEAN_SIZE */
    uint64_t arrived, done;
    struct sim_request requests[SLOTS];
    uint8_t bytes[4096];
    double expected;      /* mean sojourn, seconds */
    double mean[BATCHES]; /* sojourn */
    double spread[BATCHES];
};

static void finished(struct sim_request *request)
{
    struct queue *q = SIM_OWNER(request->master, struct queue, master);
    double sojourn = (double)(sim_now(q->kernel) - request->submitted) * 1e-12;
    int64_t batch = ((int64_t)q->done++ - WARM_UP) / BATCH;

    if (q->done <= WARM_UP || batch >= BATCHES)
        return;
    q->mean[batch] += sojourn / BATCH;
    q->spread[batch] += (sojourn - q->expected) * (sojourn - q->expected) / BATCH;
}

/* Whole bytes, rounded from thousandths, so that the mean is kept. Above 4 KiB is one of 8e8. */
static uint32_t draw_size(struct queue *q)
{
    uint64_t size;

    if (!q->exponential)
        return MEAN_SIZE;
    size = (sim_random_exponential(q->kernel, MEAN_SIZE * 1000) + 500) / 1000;
    return size < 1 ? 1 : size > 4096 ? 4096 : (uint32_t)size;
}

static void arrive(struct sim_event *event)
{
    struct queue *q = SIM_OWNER(event, struct queue, arrival);
    struct sim_request *request = &q->requests[q->arrived % SLOTS];

    assert_true(q->arrived - q->done < SLOTS);
    *request = (struct sim_request){ .master = &q->master,
                                     .op = SIM_READ,
                                     .size = draw_size(q),
                                     .data = q->bytes,
                                     .done = finished };
    sim_submit(q->target, request);
    if (++q->arrived < WARM_UP + BATCHES * BATCH)
        sim_after(q->kernel, &q->arrival, sim_random_exponential(q->kernel, q->between));
}

/* The bus of the formula: no overhead, no latency, memory without time, one burst a request. */
static void run(struct queue *q, double load, uint64_t arbiter)
{
    struct sim_bus_params p = {
        .arbiter = arbiter, .bandwidth = 1000000000, .burst = 4096, .line = 64
    };
    struct sim_memory *memory;
    struct sim_bus *bus;

    assert_int_equal(sim_kernel_create(&q->kernel, test_seed()), 0);
    assert_int_equal(sim_memory_create(&memory, 4096), 0);
    assert_int_equal(sim_bus_create(&bus, q->kernel, memory, NULL, &p), 0);
    q->target = sim_bus_target(bus);
    q->master = (struct sim_master){ .name = "crowd" };
    sim_bus_add_master(bus, &q->master, 1);
    q->between = (sim_time)(MEAN_SIZE * 1000 / load);
    sim_event_init(&q->arrival, arrive);
    sim_after(q->kernel, &q->arrival, 1);
    assert_int_equal(sim_run(q->kernel, SIM_NEVER), 0);
    assert_int_equal(q->done, WARM_UP + BATCHES * BATCH);
    sim_bus_destroy(&bus);
    sim_memory_destroy(&memory);
    sim_kernel_destroy(&q->kernel);
}

static void check(const char *what, double load, const double *batches, double formula)
{
    struct interval i = interval_99(batches, BATCHES);

    print_message("load %.2f, %s: %.4g +- %.2g, formula %.4g\n", load, what, i.mean, i.half,
                  formula);
    if (!within(i, formula, 0))
        fail_msg("outside");
    /* An interval that holds anything would show nothing. */
    assert_true(i.half < 0.12 * formula);
}

static void sojourn_has_mean_and_variance_of_an_exponential(void **state)
{
    static struct queue q;
    const double mu = 1 / (MEAN_SIZE * 1e-9);

    (void)state;
    for (double load = 0.1; load < 0.85; load += 0.1) {
        double mean = 1 / (mu - load * mu);

        q = (struct queue){ .exponential = true, .expected = mean };
        run(&q, load, SIM_ARBITER_FIFO);
        check("mean", load, q.mean, mean);
        check("variance", load, q.spread, mean * mean);
    }
}

/* Real bursts have few sizes. With one size the formula above is wrong by up to two: the wait is half
 * of it (Pollaczek and Khinchin), so the jitter that M/M/1 predicts is an upper bound for such a bus. */
static void with_one_size_the_wait_is_half(void **state)
{
    static struct queue q;
    const double service = MEAN_SIZE * 1e-9;

    (void)state;
    for (double load = 0.2; load < 0.85; load += 0.2) {
        double wait = load * service / (2 * (1 - load));
        /* E[W^2] = 2 E[W]^2 + load E[S^3] / (3 (1 - load) E[S]) */
        double variance = wait * wait + load * service * service / (3 * (1 - load));

        q = (struct queue){ .expected = service + wait };
        run(&q, load, SIM_ARBITER_FIFO);
        check("mean, one size", load, q.mean, service + wait);
        check("variance, one size", load, q.spread, variance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sojourn_has_mean_and_variance_of_an_exponential),
        cmocka_unit_test(with_one_size_the_wait_is_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
