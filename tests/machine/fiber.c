/* Fibers: C functions that wait in the middle. */
#include "fiber.h"
#include "test.h"

struct rig {
    struct sim_kernel *kernel;
    struct sim_fiber *fibers[8];
    char log[1024];
    size_t length;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 8; i++)
        sim_fiber_destroy(&rig->fibers[i]);
    sim_kernel_destroy(&rig->kernel);
    free(rig);
    return 0;
}

/* "what@time " */
static void note(struct rig *rig, const char *what)
{
    rig->length += snprintf(rig->log + rig->length, sizeof(rig->log) - rig->length, "%s@%llu ",
                            what, (unsigned long long)sim_now(rig->kernel));
}

static void start(struct rig *rig, int number, const char *name, sim_time begin,
                  void (*main)(void *argument))
{
    assert_int_equal(sim_fiber_create(&rig->fibers[number], rig->kernel, name, begin, main, rig),
                     0);
}

static void run(struct rig *rig)
{
    assert_int_equal(sim_run(rig->kernel, SIM_NEVER - 1), 0);
    assert_null(sim_fiber_self(rig->kernel));
}

static void sleep_ten_three_times(void *argument)
{
    struct rig *rig = argument;
    const char *name = sim_fiber_name(sim_fiber_self(rig->kernel));
    for (int i = 0; i < 3; i++) {
        note(rig, name);
        sim_sleep(rig->kernel, 10);
    }
    note(rig, name);
}

static void fibers_take_turns_in_the_order_of_time(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 0, sleep_ten_three_times);
    start(rig, 1, "b", 5, sleep_ten_three_times);
    start(rig, 2, "c", 5, sleep_ten_three_times);
    run(rig);
    assert_string_equal(rig->log, "a@0 b@5 c@5 a@10 b@15 c@15 a@20 b@25 c@25 a@30 b@35 c@35 ");
    for (int i = 0; i < 3; i++)
        assert_true(sim_fiber_ended(rig->fibers[i]));
}

static void a_fiber_alone_sleeps_without_an_event(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 0, sleep_ten_three_times);
    run(rig);
    assert_string_equal(rig->log, "a@0 a@10 a@20 a@30 ");
    assert_int_equal(sim_event_count(rig->kernel), 1);
}

static void a_sleep_ends_with_the_run(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 0, sleep_ten_three_times);
    assert_int_equal(sim_run(rig->kernel, 15), 0);
    assert_string_equal(rig->log, "a@0 a@10 ");
    assert_int_equal(sim_now(rig->kernel), 15);
    assert_false(sim_fiber_ended(rig->fibers[0]));
    run(rig);
    assert_string_equal(rig->log, "a@0 a@10 a@20 a@30 ");
}

static void block_twice(void *argument)
{
    struct rig *rig = argument;
    note(rig, "first");
    sim_block(rig->kernel, "one");
    note(rig, "second");
    sim_block(rig->kernel, "two");
    note(rig, "third");
}

static void wake_at_seven(void *argument)
{
    struct rig *rig = argument;
    sim_sleep(rig->kernel, 7);
    sim_wake(rig->fibers[0]);
    note(rig, "woke");
}

static void a_blocked_fiber_goes_on_when_it_is_woken(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "waiter", 0, block_twice);
    start(rig, 1, "waker", 0, wake_at_seven);
    start(rig, 2, "waker", 1, wake_at_seven);
    run(rig);
    assert_string_equal(rig->log, "first@0 woke@7 second@7 woke@8 third@8 ");
}

static void sleep_then_block(void *argument)
{
    struct rig *rig = argument;
    sim_sleep(rig->kernel, 20);
    sim_block(rig->kernel, "what has come already");
    note(rig, "once");
    sim_block(rig->kernel, "what never comes");
    note(rig, "twice");
}

static void a_wake_that_came_first_is_not_lost(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "waiter", 0, sleep_then_block);
    start(rig, 1, "waker", 0, wake_at_seven);
    run(rig);
    assert_string_equal(rig->log, "woke@7 once@20 "); /* and it counts once */
    assert_false(sim_fiber_ended(rig->fibers[0]));
}

static void block_for_its_name(void *argument)
{
    struct rig *rig = argument;
    sim_block(rig->kernel, sim_fiber_name(sim_fiber_self(rig->kernel)));
    note(rig, "on");
}

static void show(void *argument, const char *name, const char *reason, sim_time since)
{
    struct rig *rig = argument;
    assert_ptr_equal(name, reason);
    rig->length += snprintf(rig->log + rig->length, sizeof(rig->log) - rig->length, "%s %llu, ",
                            name, (unsigned long long)since);
}

static void who_is_blocked_is_told_oldest_first(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "late", 30, block_for_its_name);
    start(rig, 1, "early", 10, block_for_its_name);
    start(rig, 2, "middle", 20, block_for_its_name);
    start(rig, 3, "never ran", 100, block_for_its_name);
    assert_int_equal(sim_run(rig->kernel, 50), 0);
    assert_int_equal(sim_fibers_blocked(rig->kernel, show, rig), 3);
    assert_string_equal(rig->log, "early 10, middle 20, late 30, ");
    sim_wake(rig->fibers[2]);
    rig->length = 0;
    assert_int_equal(sim_fibers_blocked(rig->kernel, show, rig), 2);
    assert_string_equal(rig->log, "early 10, late 30, ");
    sim_fiber_destroy(&rig->fibers[1]);
    assert_int_equal(sim_fibers_blocked(rig->kernel, NULL, NULL), 1);
}

static void count_down(void *argument)
{
    struct rig *rig = argument;
    /* A stack of some depth, alive across the switches, each byte of which is looked at again. */
    volatile uint8_t bytes[4096];
    for (int i = 0; i < 4096; i++)
        bytes[i] = i * 7;
    double third = 1.0 / 3;
    for (int i = 0; i < 5; i++)
        sim_sleep(rig->kernel, 10);
    assert_true(third == 1.0 / 3);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(bytes[i], (uint8_t)(i * 7));
    rig->length++;
}

static void thousands_of_fibers_live_side_by_side(void **state)
{
    enum {
        COUNT = 4000
    };
    struct rig *rig = *state;
    int count = TEST_SANITIZED ? COUNT / 10 : COUNT;
    struct sim_fiber **fibers = calloc(count, sizeof(struct sim_fiber *));
    for (int i = 0; i < count; i++)
        assert_int_equal(
            sim_fiber_create(&fibers[i], rig->kernel, "one of many", i % 10, count_down, rig), 0);
    run(rig);
    assert_int_equal(rig->length, count);
    for (int i = 0; i < count; i++) {
        assert_true(sim_fiber_ended(fibers[i]));
        sim_fiber_destroy(&fibers[i]);
    }
    free(fibers);
}

static void nothing(void *argument)
{
    (void)argument;
}

static void a_fiber_that_never_ran_is_destroyed(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 10, sleep_ten_three_times);
    sim_fiber_destroy(&rig->fibers[0]);
    assert_null(rig->fibers[0]);
    run(rig);
    assert_string_equal(rig->log, "");
}

static void abandoned_fibers_leave_clean_places_behind(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 50; i++) {
        start(rig, 0, "a", sim_now(rig->kernel), block_twice);
        sim_run(rig->kernel, sim_now(rig->kernel));
        assert_false(sim_fiber_ended(rig->fibers[0]));
        sim_fiber_destroy(&rig->fibers[0]);
        start(rig, 1, "b", sim_now(rig->kernel), count_down);
        run(rig);
        sim_fiber_destroy(&rig->fibers[1]);
    }
    assert_int_equal(sim_fibers_blocked(rig->kernel, NULL, NULL), 0);
}

static void recognise(void *argument)
{
    struct rig *rig = argument;
    struct sim_fiber *self = sim_fiber_self(rig->kernel);
    assert_ptr_equal(self, rig->fibers[0]);
    assert_ptr_equal(sim_fiber_argument(self, recognise), rig);
    assert_null(sim_fiber_argument(self, nothing));
    note(rig, "seen");
}

static void a_part_recognises_its_own_fibers(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 3, recognise);
    run(rig);
    assert_null(sim_fiber_argument(NULL, recognise));
    assert_string_equal(rig->log, "seen@3 ");
}

static void stop_in_the_middle(void *argument)
{
    struct rig *rig = argument;
    sim_stop(rig->kernel);
    sim_sleep(rig->kernel, 10);
    note(rig, "after");
}

static void a_fiber_that_stops_the_run_goes_no_further(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 3, stop_in_the_middle);
    run(rig);
    assert_int_equal(sim_now(rig->kernel), 3);
    run(rig);
    assert_string_equal(rig->log, "after@13 ");
}

/* Two machines in one thread, a fiber of one of which runs the other. */
static void run_inner(void *argument)
{
    struct rig *rig = argument;
    struct sim_kernel *inner;
    struct sim_fiber *fiber;
    assert_int_equal(sim_kernel_create(&inner, 2), 0);
    rig->length = 0;
    struct rig inside = { .kernel = inner };
    assert_int_equal(sim_fiber_create(&fiber, inner, "inner", 0, sleep_ten_three_times, &inside),
                     0);
    sim_run(inner, SIM_NEVER - 1);
    assert_string_equal(inside.log, "inner@0 inner@10 inner@20 inner@30 ");
    sim_fiber_destroy(&fiber);
    sim_kernel_destroy(&inner);
    note(rig, "outer");
}

static void a_machine_may_run_inside_another(void **state)
{
    struct rig *rig = *state;
    start(rig, 0, "a", 1, run_inner);
    run(rig);
    assert_string_equal(rig->log, "outer@1 ");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fibers_take_turns_in_the_order_of_time),
        CASE(a_fiber_alone_sleeps_without_an_event),
        CASE(a_sleep_ends_with_the_run),
        CASE(a_blocked_fiber_goes_on_when_it_is_woken),
        CASE(a_wake_that_came_first_is_not_lost),
        CASE(who_is_blocked_is_told_oldest_first),
        CASE(thousands_of_fibers_live_side_by_side),
        CASE(a_fiber_that_never_ran_is_destroyed),
        CASE(abandoned_fibers_leave_clean_places_behind),
        CASE(a_part_recognises_its_own_fibers),
        CASE(a_fiber_that_stops_the_run_goes_no_further),
        CASE(a_machine_may_run_inside_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
