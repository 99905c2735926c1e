/* The event kernel: what runs when, and its random numbers. */
#include "kernel.h"
#include "note.h"
#include "test.h"

enum {
    PARTS = 64,
};

/* A part that writes into a common log when its event runs. */
struct part {
    struct sim_event event;
    struct sim_kernel *kernel;
    struct log *log;
    int number;
    void (*then)(struct part *part); /* may be NULL */
    struct part *other;
};

struct log {
    struct {
        int number;
        sim_time time;
    } lines[4096];
    unsigned count;
};

static void write_line(struct sim_event *event)
{
    struct part *part = SIM_OWNER(event, struct part, event);
    struct log *log = part->log;
    assert_true(log->count < 4096);
    log->lines[log->count].number = part->number;
    log->lines[log->count++].time = sim_now(part->kernel);
    if (part->then)
        part->then(part);
}

struct rig {
    struct sim_kernel *kernel;
    struct log log;
    struct part parts[PARTS];
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    for (int i = 0; i < PARTS; i++) {
        rig->parts[i] = (struct part){ .kernel = rig->kernel, .log = &rig->log, .number = i };
        sim_event_init(&rig->parts[i].event, write_line);
    }
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    sim_kernel_destroy(&rig->kernel);
    assert_null(rig->kernel);
    free(rig);
    return 0;
}

static void at(struct rig *rig, int part, sim_time when)
{
    sim_at(rig->kernel, &rig->parts[part].event, when);
}

/* "3@10 1@20 ": parts and times, in the order in which they ran. */
static void assert_log(const struct rig *rig, const char *expected)
{
    char text[1024] = "";
    size_t length = 0;
    for (unsigned i = 0; i < rig->log.count; i++)
        length += snprintf(text + length, sizeof(text) - length, "%d@%llu ",
                           rig->log.lines[i].number, (unsigned long long)rig->log.lines[i].time);
    assert_string_equal(text, expected);
}

static void events_run_in_the_order_of_time(void **state)
{
    struct rig *rig = *state;
    at(rig, 1, 30);
    at(rig, 2, 10);
    at(rig, 3, 20);
    assert_int_equal(sim_next(rig->kernel), 10);
    assert_int_equal(sim_run(rig->kernel, SIM_NEVER - 1), 0);
    assert_log(rig, "2@10 3@20 1@30 ");
    assert_int_equal(sim_now(rig->kernel), 30);
    assert_int_equal(sim_event_count(rig->kernel), 3);
    assert_int_equal(sim_next(rig->kernel), SIM_NEVER);
}

static void events_of_one_time_run_as_they_were_scheduled(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 8; i++)
        at(rig, (i * 5) % 8, 7);
    sim_run(rig->kernel, 7);
    assert_log(rig, "0@7 5@7 2@7 7@7 4@7 1@7 6@7 3@7 ");
}

static void moving_an_event_makes_it_the_last_of_its_time(void **state)
{
    struct rig *rig = *state;
    at(rig, 1, 10);
    at(rig, 2, 20);
    at(rig, 3, 20);
    at(rig, 1, 20); /* later */
    at(rig, 3, 5);  /* earlier */
    at(rig, 2, 20); /* to where it is */
    sim_run(rig->kernel, 100);
    assert_log(rig, "3@5 1@20 2@20 ");
}

static void a_cancelled_event_does_not_run(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 10; i++)
        at(rig, i, 10 + i);
    sim_cancel(rig->kernel, &rig->parts[0].event);
    sim_cancel(rig->kernel, &rig->parts[9].event);
    sim_cancel(rig->kernel, &rig->parts[4].event);
    sim_cancel(rig->kernel, &rig->parts[4].event); /* not pending: no effect */
    assert_false(sim_event_pending(&rig->parts[4].event));
    assert_true(sim_event_pending(&rig->parts[5].event));
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@11 2@12 3@13 5@15 6@16 7@17 8@18 ");
    assert_false(sim_event_pending(&rig->parts[5].event));
}

static void again(struct part *part)
{
    assert_false(sim_event_pending(&part->event));
    if (sim_now(part->kernel) < 40)
        sim_after(part->kernel, &part->event, 10);
}

static void an_event_may_schedule_itself(void **state)
{
    struct rig *rig = *state;
    rig->parts[1].then = again;
    at(rig, 1, 10);
    at(rig, 2, 20);
    at(rig, 3, 25);
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@10 2@20 1@20 3@25 1@30 1@40 ");
}

static void now(struct part *part)
{
    sim_at(part->kernel, &part->other->event, sim_now(part->kernel));
}

static void an_event_of_the_present_runs_after_those_that_wait_for_it(void **state)
{
    struct rig *rig = *state;
    rig->parts[1].then = now;
    rig->parts[1].other = &rig->parts[3];
    at(rig, 1, 10);
    at(rig, 2, 10);
    sim_run(rig->kernel, 10);
    assert_log(rig, "1@10 2@10 3@10 ");
}

static void cancel_other(struct part *part)
{
    sim_cancel(part->kernel, &part->other->event);
}

static void an_event_may_cancel_another(void **state)
{
    struct rig *rig = *state;
    rig->parts[1].then = cancel_other;
    rig->parts[1].other = &rig->parts[2];
    at(rig, 1, 10);
    at(rig, 2, 10);
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@10 ");
    /* The last of several, while the entry of the one that runs is still there. */
    at(rig, 1, 20);
    at(rig, 3, 21);
    at(rig, 2, 22);
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@10 1@20 3@21 ");
}

static void a_run_ends_at_its_time_and_the_next_goes_on(void **state)
{
    struct rig *rig = *state;
    at(rig, 1, 10);
    at(rig, 2, 20);
    at(rig, 3, 30);
    assert_int_equal(sim_run(rig->kernel, 20), 0);
    assert_log(rig, "1@10 2@20 ");
    sim_run(rig->kernel, 25);
    assert_int_equal(sim_now(rig->kernel), 25); /* an event is left */
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@10 2@20 3@30 ");
    assert_int_equal(sim_now(rig->kernel), 30); /* none is */
}

static void stop(struct part *part)
{
    sim_stop(part->kernel);
}

static void a_stop_ends_the_run_after_the_event(void **state)
{
    struct rig *rig = *state;
    rig->parts[1].then = stop;
    at(rig, 1, 10);
    at(rig, 2, 10);
    assert_int_equal(sim_run(rig->kernel, 100), 0);
    assert_log(rig, "1@10 ");
    assert_int_equal(sim_now(rig->kernel), 10);
    at(rig, 1, 11);
    unsigned steps = 0;
    while (sim_step(rig->kernel))
        steps++;
    assert_int_equal(steps, 2);
    assert_log(rig, "1@10 2@10 1@11 ");
    at(rig, 3, 12);
    assert_true(sim_step(rig->kernel)); /* the stop was heard once */
}

static void skip_ten(struct part *part)
{
    sim_time before = sim_now(part->kernel);
    bool skipped = sim_skip(part->kernel, before + 10);
    assert_int_equal(sim_now(part->kernel), skipped ? before + 10 : before);
    part->number = skipped ? 100 : -100;
}

static void time_is_skipped_where_nothing_is_pending(void **state)
{
    struct rig *rig = *state;
    for (int i = 1; i < 5; i++)
        rig->parts[i].then = skip_ten;
    at(rig, 1, 10);
    at(rig, 2, 20); /* at the very end of the first's skip: in its way */
    at(rig, 3, 31); /* just behind the second's */
    at(rig, 4, 50);
    sim_run(rig->kernel, 55); /* the run ends in the fourth's */
    assert_int_equal(rig->parts[1].number, -100);
    assert_int_equal(rig->parts[2].number, 100);
    assert_int_equal(rig->parts[3].number, 100);
    assert_int_equal(rig->parts[4].number, -100);
    assert_log(rig, "1@10 2@20 3@31 4@50 ");
}

static void schedule_then_skip(struct part *part)
{
    sim_after(part->kernel, &part->other->event, 3);
    assert_int_equal(sim_next(part->kernel), sim_now(part->kernel) + 3);
    assert_false(sim_skip(part->kernel, sim_now(part->kernel) + 3));
    assert_true(sim_skip(part->kernel, sim_now(part->kernel) + 2));
}

static void what_an_event_has_scheduled_is_in_the_way_of_its_skip(void **state)
{
    struct rig *rig = *state;
    rig->parts[1].then = schedule_then_skip;
    rig->parts[1].other = &rig->parts[2];
    at(rig, 1, 10);
    at(rig, 3, 14);
    sim_run(rig->kernel, 100);
    assert_log(rig, "1@10 2@13 3@14 ");
}

/* ---- against a list that is searched from end to end ---- */

struct reference {
    bool pending[PARTS];
    sim_time when[PARTS];
    uint64_t order[PARTS], orders;
};

static void reference_at(struct reference *r, int part, sim_time when)
{
    r->pending[part] = true;
    r->when[part] = when;
    r->order[part] = r->orders++;
}

static int reference_first(const struct reference *r)
{
    int first = -1;
    for (int i = 0; i < PARTS; i++)
        if (r->pending[i] && (first < 0 || r->when[i] < r->when[first] ||
                              (r->when[i] == r->when[first] && r->order[i] < r->order[first])))
            first = i;
    return first;
}

/* What the events of the random test do, on both sides: a few changes, the same in both. */
struct random_run {
    struct rig *rig;
    struct reference reference;
    struct test_rng rng;
};

static struct random_run *random_run;

static void change_something(struct random_run *run)
{
    struct sim_kernel *kernel = run->rig->kernel;
    int part = test_below(&run->rng, PARTS);
    if (test_below(&run->rng, 4) == 0) {
        sim_cancel(kernel, &run->rig->parts[part].event);
        run->reference.pending[part] = false;
    } else {
        sim_time when = sim_now(kernel) + test_size(&run->rng, 40); /* many ties */
        sim_at(kernel, &run->rig->parts[part].event, when);
        reference_at(&run->reference, part, when);
    }
}

static void run_and_change(struct sim_event *event)
{
    struct part *part = SIM_OWNER(event, struct part, event);
    struct random_run *run = random_run;
    assert_int_equal(part->number, reference_first(&run->reference));
    assert_int_equal(sim_now(part->kernel), run->reference.when[part->number]);
    run->reference.pending[part->number] = false;
    for (uint64_t n = test_below(&run->rng, 5); n > 0; n--)
        change_something(run);
    int first = reference_first(&run->reference);
    assert_int_equal(sim_next(part->kernel), first < 0 ? SIM_NEVER : run->reference.when[first]);
}

static void random_operations_agree_with_a_plain_list(void **state)
{
    struct rig *rig = *state;
    struct random_run run = { .rig = rig, .rng = { test_seed() } };
    random_run = &run;
    for (int i = 0; i < PARTS; i++)
        sim_event_init(&rig->parts[i].event, run_and_change);
    unsigned steps = 0;
    for (int round = 0; round < 200000 / TEST_SLOWNESS; round++) {
        for (uint64_t n = test_below(&run.rng, 4); n > 0; n--)
            change_something(&run);
        bool expected = reference_first(&run.reference) >= 0;
        assert_int_equal(sim_step(rig->kernel), expected);
        steps += expected;
    }
    assert_int_equal(sim_event_count(rig->kernel), steps);
    for (int i = 0; i < PARTS; i++)
        assert_int_equal(sim_event_pending(&rig->parts[i].event), run.reference.pending[i]);
}

static void ten_thousand_events_come_out_sorted(void **state)
{
    enum {
        COUNT = 10000
    };
    struct rig *rig = *state;
    struct test_rng rng = { test_seed() };
    struct part *many = calloc(COUNT, sizeof(*many));
    for (int i = 0; i < COUNT; i++) {
        many[i] = (struct part){ .kernel = rig->kernel, .log = &rig->log, .number = i };
        sim_event_init(&many[i].event, write_line);
        sim_at(rig->kernel, &many[i].event, test_below(&rng, 1 << 20));
    }
    sim_time last = 0;
    for (int i = 0; i < COUNT; i++) {
        sim_time next = sim_next(rig->kernel);
        assert_true(next >= last);
        rig->log.count = 0;
        assert_true(sim_step(rig->kernel));
        assert_int_equal(rig->log.lines[0].time, next);
        last = next;
    }
    assert_false(sim_step(rig->kernel));
    free(many);
}

/* ---- randomness ---- */

static void a_seed_determines_all_numbers(void **state)
{
    (void)state;
    struct sim_kernel *a, *b, *other;
    assert_int_equal(sim_kernel_create(&a, 42), 0);
    assert_int_equal(sim_kernel_create(&b, 42), 0);
    assert_int_equal(sim_kernel_create(&other, 43), 0);
    unsigned same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t x = sim_random(a);
        assert_int_equal(x, sim_random(b));
        same += x == sim_random(other);
        assert_int_equal(sim_random_exponential(a, SIM_NS), sim_random_exponential(b, SIM_NS));
        assert_int_equal(sim_random_below(a, 10), sim_random_below(b, 10));
    }
    assert_int_equal(same, 0);
    sim_kernel_destroy(&a);
    sim_kernel_destroy(&b);
    sim_kernel_destroy(&other);
}

/* From the published C code of both generators, run apart: seed 1 through splitmix64 into
 * xoshiro256**. A computer or compiler that gives others is not ours. */
static void the_numbers_are_those_of_the_published_generator(void **state)
{
    struct rig *rig = *state;
    static const uint64_t expected[] = { 0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514,
                                         0x642e1c7bc266a3a7 };
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sim_random(rig->kernel), expected[i]);
}

static void exponential_times_are_the_same_everywhere(void **state)
{
    struct rig *rig = *state;
    static const sim_time expected[] = { 1391329, 3080456, 45820, 463230, 1211941, 1010982 };
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(sim_random_exponential(rig->kernel, SIM_US), expected[i]);
}

static void below_is_uniform_and_below(void **state)
{
    struct rig *rig = *state;
    enum {
        BOUND = 7,
        DRAWS = 70000
    };
    unsigned count[BOUND] = { 0 };
    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = sim_random_below(rig->kernel, BOUND);
        assert_true(x < BOUND);
        count[x]++;
    }
    /* Standard deviation of each count: sqrt(70000 * 1/7 * 6/7) = 93; the seed is fixed. */
    for (int i = 0; i < BOUND; i++)
        assert_in_range(count[i], DRAWS / BOUND - 5 * 93, DRAWS / BOUND + 5 * 93);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sim_random_below(rig->kernel, 1), 0);
    /* A bound above half of all numbers refuses often. */
    for (int i = 0; i < 1000; i++)
        assert_true(sim_random_below(rig->kernel, (UINT64_MAX / 3) * 2) < (UINT64_MAX / 3) * 2);
}

static void exponential_times_have_their_mean_and_variance(void **state)
{
    struct rig *rig = *state;
    enum {
        DRAWS = 400000,
        DRAWS_SANITIZED = 40000
    };
    const int draws = TEST_SANITIZED ? DRAWS_SANITIZED : DRAWS;
    const double mean = 5e6;
    double sum = 0, squares = 0;
    int above[4] = { 0 }; /* 1, 2, 3 and 4 means */
    for (int i = 0; i < draws; i++) {
        double x = sim_random_exponential(rig->kernel, 5 * SIM_US) / mean;
        sum += x;
        squares += x * x;
        for (int k = 0; k < 4; k++)
            above[k] += x > k + 1;
    }
    /* Of the mean: deviation 1/sqrt(draws) = 0.0016; of the mean square (2): sqrt(20/draws) =
     * 0.0071. With a tenth of the draws three times that. Limits at 4 deviations. */
    double slack = TEST_SANITIZED ? 3.17 : 1;
    assert_true(sum / draws > 1 - 0.0064 * slack && sum / draws < 1 + 0.0064 * slack);
    assert_true(squares / draws > 2 - 0.0284 * slack && squares / draws < 2 + 0.0284 * slack);
    static const double share[] = { 0.367879, 0.135335, 0.049787, 0.018316 }; /* e^-k */
    for (int k = 0; k < 4; k++)
        assert_true(above[k] > draws * share[k] - 2000 / slack &&
                    above[k] < draws * share[k] + 2000 / slack);
}

static void exponential_of_nothing_is_nothing(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sim_random_exponential(rig->kernel, 0), 0);
        assert_true(sim_random_exponential(rig->kernel, SIM_NEVER) < SIM_NEVER);
    }
}

/* ---- watchers ---- */

struct counter {
    struct sim_watcher watcher;
    unsigned count;
};

static void count_note(struct sim_watcher *watcher, const struct sim_note *note)
{
    (void)note;
    SIM_OWNER(watcher, struct counter, watcher)->count++;
}

static void watchers_are_told_until_they_go(void **state)
{
    struct rig *rig = *state;
    struct counter a = { { count_note, NULL }, 0 }, b = a, c = a;
    const struct sim_note note = { .kind = SIM_NOTE_SPAN };
    sim_note(rig->kernel, &note);
    sim_watch(rig->kernel, &a.watcher);
    sim_watch(rig->kernel, &b.watcher);
    sim_watch(rig->kernel, &c.watcher);
    sim_note(rig->kernel, &note);
    sim_unwatch(rig->kernel, &b.watcher);
    sim_note(rig->kernel, &note);
    sim_unwatch(rig->kernel, &c.watcher);
    sim_unwatch(rig->kernel, &a.watcher);
    sim_unwatch(rig->kernel, &a.watcher);
    sim_note(rig->kernel, &note);
    assert_int_equal(a.count, 2);
    assert_int_equal(b.count, 1);
    assert_int_equal(c.count, 2);
    assert_null(sim_watchers(rig->kernel));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(events_run_in_the_order_of_time),
        CASE(events_of_one_time_run_as_they_were_scheduled),
        CASE(moving_an_event_makes_it_the_last_of_its_time),
        CASE(a_cancelled_event_does_not_run),
        CASE(an_event_may_schedule_itself),
        CASE(an_event_of_the_present_runs_after_those_that_wait_for_it),
        CASE(an_event_may_cancel_another),
        CASE(a_run_ends_at_its_time_and_the_next_goes_on),
        CASE(a_stop_ends_the_run_after_the_event),
        CASE(time_is_skipped_where_nothing_is_pending),
        CASE(what_an_event_has_scheduled_is_in_the_way_of_its_skip),
        CASE(random_operations_agree_with_a_plain_list),
        CASE(ten_thousand_events_come_out_sorted),
        CASE(a_seed_determines_all_numbers),
        CASE(the_numbers_are_those_of_the_published_generator),
        CASE(exponential_times_are_the_same_everywhere),
        CASE(below_is_uniform_and_below),
        CASE(exponential_times_have_their_mean_and_variance),
        CASE(exponential_of_nothing_is_nothing),
        CASE(watchers_are_told_until_they_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
