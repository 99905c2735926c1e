/* Interrupts: when one is raised, and when it arrives; row M17. */
#include "test.h"

#include "interrupt.h"

enum {
    LINE = 3,
    MOST = 4096
};

struct bench {
    struct sim_kernel *kernel;
    struct sim_interrupts *interrupts;
    sim_time at[MOST]; /* arrivals */
    unsigned count;
};

static void note_arrival(void *argument, unsigned number)
{
    struct bench *b = argument;

    assert_int_equal(number, LINE);
    assert_true(b->count < MOST);
    b->at[b->count++] = sim_now(b->kernel);
}

static void begin(struct bench *b, const struct sim_interrupt_params *p, uint64_t seed)
{
    b->count = 0;
    assert_null(sim_interrupt_kind.check(p));
    assert_int_equal(sim_kernel_create(&b->kernel, seed), 0);
    assert_int_equal(sim_interrupts_create(&b->interrupts, b->kernel, p, note_arrival, b), 0);
}

static void end(struct bench *b)
{
    sim_interrupts_destroy(&b->interrupts);
    assert_null(b->interrupts);
    sim_kernel_destroy(&b->kernel);
}

/* Runs what is due up to `when`, and moves the time there. */
static void run_to(struct bench *b, sim_time when)
{
    assert_int_equal(sim_run(b->kernel, when), 0);
    sim_skip(b->kernel, when);
    assert_int_equal(sim_now(b->kernel), when);
}

static void cause_at(struct bench *b, sim_time when, bool urgent)
{
    run_to(b, when);
    sim_interrupts_cause(b->interrupts, LINE, urgent);
}

static struct sim_interrupt_params plain(void)
{
    struct sim_interrupt_params p;

    sim_params_standard(&sim_interrupt_kind, &p);
    p.latency = 500 * SIM_NS;
    return p;
}

static void each_cause_arrives_after_the_latency_even_while_others_are_on_their_way(void **state)
{
    struct sim_interrupt_params p = plain();
    struct sim_interrupt_stats stats;
    struct bench b;

    (void)state;
    begin(&b, &p, 1);
    for (unsigned i = 0; i < 8; i++)
        cause_at(&b, i * 100 * SIM_NS, false);
    run_to(&b, SIM_MS);
    assert_int_equal(b.count, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(b.at[i], 500 * SIM_NS + i * 100 * SIM_NS);
    sim_interrupts_stats(b.interrupts, LINE, &stats);
    assert_int_equal(stats.causes, 8);
    assert_int_equal(stats.raised, 8);
    assert_int_equal(stats.urgent, 0);
    sim_interrupts_stats(b.interrupts, LINE + 1, &stats);
    assert_int_equal(stats.causes, 0);
    end(&b);
}

static void a_flood_of_messages_ends_with_one_that_arrives_after_the_last_cause(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    begin(&b, &p, 1);
    for (unsigned i = 0; i < 1000; i++)
        cause_at(&b, i * 10 * SIM_NS, false); /* 50 within the latency */
    run_to(&b, SIM_MS);
    assert_in_range(b.count, 500, 999); /* some had nothing to add */
    assert_in_range(b.at[b.count - 1], 9990 * SIM_NS + 1, 10490 * SIM_NS);
    end(&b);
}

static void the_count_raises_and_the_timer_bounds_the_wait(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    p.latency = 0;
    p.count = 4;
    p.time = 10 * SIM_US;
    begin(&b, &p, 1);
    for (unsigned i = 0; i < 4; i++)
        cause_at(&b, i * SIM_US, false); /* the fourth raises, at 3 us */
    cause_at(&b, 5 * SIM_US, false);     /* alone: the timer, at 15 us */
    cause_at(&b, 14 * SIM_US, false);
    cause_at(&b, 16 * SIM_US, false); /* begins anew: 26 us */
    run_to(&b, SIM_MS);
    assert_int_equal(b.count, 3);
    assert_int_equal(b.at[0], 3 * SIM_US);
    assert_int_equal(b.at[1], 15 * SIM_US);
    assert_int_equal(b.at[2], 26 * SIM_US);
    end(&b);
}

static void an_urgent_cause_takes_the_waiting_ones_with_it(void **state)
{
    struct sim_interrupt_params p = plain();
    struct sim_interrupt_stats stats;
    struct bench b;

    (void)state;
    p.latency = 0;
    p.count = 100;
    p.time = SIM_MS;
    begin(&b, &p, 1);
    cause_at(&b, SIM_US, false);
    cause_at(&b, 2 * SIM_US, false);
    cause_at(&b, 3 * SIM_US, true);
    run_to(&b, 10 * SIM_MS); /* the timer of the first has gone: nothing more comes */
    assert_int_equal(b.count, 1);
    assert_int_equal(b.at[0], 3 * SIM_US);
    sim_interrupts_stats(b.interrupts, LINE, &stats);
    assert_int_equal(stats.causes, 3);
    assert_int_equal(stats.raised, 1);
    assert_int_equal(stats.urgent, 1);
    end(&b);
}

static void a_masked_line_keeps_its_causes_and_raises_what_was_due_when_unmasked(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    p.latency = 0;
    p.count = 2;
    begin(&b, &p, 1);
    sim_interrupts_mask(b.interrupts, LINE, true);
    for (unsigned i = 0; i < 5; i++)
        cause_at(&b, i * SIM_US, i == 3);
    run_to(&b, 20 * SIM_US);
    assert_int_equal(b.count, 0);
    sim_interrupts_mask(b.interrupts, LINE, false);
    run_to(&b, 30 * SIM_US);
    assert_int_equal(b.count, 1); /* one for all five */
    assert_int_equal(b.at[0], 20 * SIM_US);
    /* What is not due by itself stays where it is. */
    cause_at(&b, 40 * SIM_US, false);
    sim_interrupts_mask(b.interrupts, LINE, true);
    sim_interrupts_mask(b.interrupts, LINE, false);
    run_to(&b, 50 * SIM_US);
    assert_int_equal(b.count, 1);
    cause_at(&b, 60 * SIM_US, false);
    run_to(&b, 70 * SIM_US);
    assert_int_equal(b.count, 2);
    end(&b);
}

static void a_timer_that_rang_behind_a_mask_is_heard_when_it_goes(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    p.latency = 0;
    p.count = 100;
    p.time = 10 * SIM_US;
    begin(&b, &p, 1);
    cause_at(&b, SIM_US, false);
    sim_interrupts_mask(b.interrupts, LINE, true);
    run_to(&b, 40 * SIM_US);
    assert_int_equal(b.count, 0);
    sim_interrupts_mask(b.interrupts, LINE, false);
    run_to(&b, SIM_MS);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.at[0], 40 * SIM_US);
    end(&b);
}

static void new_moderation_counts_what_was_gathered(void **state)
{
    struct sim_interrupt_params p = plain(), q = plain();
    struct bench b;

    (void)state;
    p.latency = q.latency = 0;
    p.count = 100;
    q.count = 3;
    begin(&b, &p, 1);
    for (unsigned i = 0; i < 5; i++)
        cause_at(&b, i * SIM_US, false);
    sim_interrupts_set(b.interrupts, LINE, &q);
    run_to(&b, 10 * SIM_US);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.at[0], 4 * SIM_US);
    q.count = 100;
    q.time = 5 * SIM_US;
    cause_at(&b, 20 * SIM_US, false);
    sim_interrupts_set(b.interrupts, LINE, &q);
    run_to(&b, SIM_MS);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.at[1], 25 * SIM_US);
    end(&b);
}

/* With a cause every `gap`, as many are gathered as come within `time`: interrupts are `time` apart
 * (whole gaps of it), and an idle line raises each at once. */
static void adaptive_moderation_follows_the_rate(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    p.latency = 0;
    p.count = 64;
    p.time = 50 * SIM_US;
    p.adaptive = 1;
    begin(&b, &p, 1);
    sim_time now = 0;
    static const unsigned gaps_us[] = { 200, 50, 24, 10, 5, 1, 1000 };
    static const unsigned expected[] = { 1, 1, 2, 5, 10, 50, 1 };
    for (unsigned g = 0; g < sizeof(gaps_us) / sizeof(gaps_us[0]); g++) {
        for (unsigned i = 0; i < 200; i++) /* till it has learnt the rate */
            cause_at(&b, now += gaps_us[g] * SIM_US, false);
        b.count = 0;
        for (unsigned i = 0; i < 40 * expected[g]; i++)
            cause_at(&b, now += gaps_us[g] * SIM_US, false);
        assert_in_range(b.count, 39, 41);
        for (unsigned i = 2; i < b.count; i++)
            assert_int_equal(b.at[i] - b.at[i - 1], expected[g] * gaps_us[g] * SIM_US);
    }
    end(&b);
}

/* ---- row M17 ---- */

static double square_root(double x)
{
    double r = x > 1 ? x : 1;

    for (unsigned i = 0; i < 60; i++)
        r = (r + x / r) / 2;
    return r;
}

enum {
    BATCHES = 30,
    INTERVALS = 1000
};

struct poisson {
    struct sim_event event;
    struct bench *bench;
    sim_time mean;
};

static void poisson_cause(struct sim_event *event)
{
    struct poisson *p = SIM_OWNER(event, struct poisson, event);

    sim_interrupts_cause(p->bench->interrupts, LINE, false);
    sim_after(p->bench->kernel, event, sim_random_exponential(p->bench->kernel, p->mean));
}

/* The coefficient of variation of the next INTERVALS intervals. */
static double variation_of_a_batch(struct bench *b)
{
    double sum = 0, squares = 0;

    b->count = 0;
    while (b->count < INTERVALS + 1)
        assert_true(sim_step(b->kernel));
    for (unsigned i = 1; i <= INTERVALS; i++)
        sum += (double)(b->at[i] - b->at[i - 1]);
    double mean = sum / INTERVALS;
    for (unsigned i = 1; i <= INTERVALS; i++) {
        double off = (double)(b->at[i] - b->at[i - 1]) - mean;
        squares += off * off;
    }
    return square_root(squares / (INTERVALS - 1)) / mean;
}

/* An interval is the sum of N exponential ones: mean N/lambda, variance N/lambda^2, so 1/sqrt(N).
 * It ends with the sum: a timer, or causes that come in bursts, give other figures. */
static void intervals_under_moderation_by_count_vary_by_one_over_the_root_of_it(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 128; n *= 2) {
        struct sim_interrupt_params p = plain();
        struct bench b;
        double sum = 0, squares = 0;

        p.count = n;
        begin(&b, &p, 17);
        struct poisson poisson = { .bench = &b, .mean = SIM_US };
        sim_event_init(&poisson.event, poisson_cause);
        sim_after(b.kernel, &poisson.event, 0);
        for (unsigned i = 0; i < BATCHES; i++) {
            double cv = variation_of_a_batch(&b);
            sum += cv;
            squares += cv * cv;
        }
        double mean = sum / BATCHES;
        double deviation = square_root((squares - sum * mean) / (BATCHES - 1));
        double half = 2.756 * deviation / square_root(BATCHES); /* t, 29 degrees, 99 % */
        double expected = 1 / square_root((double)n);
        print_message("M17 N %3u: CV %.4f +- %.4f, formula %.4f\n", (unsigned)n, mean, half,
                      expected);
        assert_true(half < expected * 0.03);
        assert_true(mean - half <= expected && expected <= mean + half);
        end(&b);
    }
}

/* Where the formula breaks: a timer cuts the long intervals off. */
static void a_timer_makes_them_vary_less(void **state)
{
    struct sim_interrupt_params p = plain();
    struct bench b;

    (void)state;
    p.count = 64;
    p.time = 32 * SIM_US; /* half of what 64 causes need */
    begin(&b, &p, 17);
    struct poisson poisson = { .bench = &b, .mean = SIM_US };
    sim_event_init(&poisson.event, poisson_cause);
    sim_after(b.kernel, &poisson.event, 0);
    /* What is left is the wait for the first cause: 1 us of 33. */
    double cv = variation_of_a_batch(&b);
    assert_true(cv > 0.9 / 33 && cv < 1.1 / 33);
    end(&b);
}

static void impossible_combinations_are_refused(void **state)
{
    struct sim_interrupt_params p = plain();

    (void)state;
    assert_null(sim_interrupt_kind.check(&p));
    p.adaptive = 1;
    assert_non_null(sim_interrupt_kind.check(&p));
    p.time = SIM_US;
    assert_non_null(sim_interrupt_kind.check(&p));
    p.count = 2;
    assert_null(sim_interrupt_kind.check(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_arrives_after_the_latency_even_while_others_are_on_their_way),
        cmocka_unit_test(a_flood_of_messages_ends_with_one_that_arrives_after_the_last_cause),
        cmocka_unit_test(the_count_raises_and_the_timer_bounds_the_wait),
        cmocka_unit_test(an_urgent_cause_takes_the_waiting_ones_with_it),
        cmocka_unit_test(a_masked_line_keeps_its_causes_and_raises_what_was_due_when_unmasked),
        cmocka_unit_test(a_timer_that_rang_behind_a_mask_is_heard_when_it_goes),
        cmocka_unit_test(new_moderation_counts_what_was_gathered),
        cmocka_unit_test(adaptive_moderation_follows_the_rate),
        cmocka_unit_test(intervals_under_moderation_by_count_vary_by_one_over_the_root_of_it),
        cmocka_unit_test(a_timer_makes_them_vary_less),
        cmocka_unit_test(impossible_combinations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
