/* When an engine notifies, told by a clock that stands still unless the test moves it. */
#include "test.h"

#include <errno.h>

#include "dray/io.h"
#include "queue/host.h"
#include "queue/port.h"

uint64_t clock_now_ns;

enum {
    DEPTH = 16
};

static struct {
    struct dray_ring ring;
    struct dray_completion completions[DEPTH];
    struct dray_port port;
    unsigned rings;
} w;

void dray_host_ring(int fd)
{
    (void)fd;
    w.rings++;
}

static void start(uint32_t count, uint64_t timeout_ns, bool adaptive)
{
    struct dray_moderation m = { count, timeout_ns, adaptive };
    memset(&w, 0, sizeof(w));
    w.port.ring = &w.ring;
    w.port.completions = w.completions;
    w.port.completion_depth = DEPTH;
    dray_port_set_moderation(&w.port, &m);
    clock_now_ns = 1000000;
    w.ring.notify_wanted = 1;
}

static void complete(bool notify)
{
    assert_true(dray_port_room(&w.port) > 0);
    dray_port_complete(&w.port, &(struct dray_completion){ 0 }, notify);
}

/* Completes one, then has nothing to do. Returns when the engine wants to be called again. */
static uint64_t one(void)
{
    complete(false);
    return dray_port_moderate(&w.port, true);
}

/* The consumer takes all there is, and arms again. */
static void reap(void)
{
    w.ring.cq_head = w.port.complete;
    w.ring.notify_wanted = 1;
}

static void notifies_each(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 2; count++) {
        start(count, 0, false);
        assert_int_equal(one(), UINT64_MAX);
        assert_int_equal(w.rings, 1);
        assert_int_equal(w.ring.notify_wanted, 0);
    }
}

static void notifies_once_for_each_arming(void **state)
{
    (void)state;
    start(1, 0, false);
    one();
    one();
    assert_int_equal(w.rings, 1);
    reap();
    dray_port_moderate(&w.port, true);
    assert_int_equal(w.rings, 1);
    one();
    assert_int_equal(w.rings, 2);
    assert_int_equal(w.port.notifications_total, 2);
}

static void nobody_armed_nobody_notified(void **state)
{
    (void)state;
    start(1, 0, false);
    w.ring.notify_wanted = 0;
    for (int i = 0; i < DEPTH; i++)
        one();
    assert_int_equal(w.rings, 0);
}

static void counts(void **state)
{
    (void)state;
    start(3, 0, false);
    for (int i = 1; i <= 9; i++) {
        assert_int_equal(one(), UINT64_MAX);
        assert_int_equal(w.rings, i / 3);
        if (i % 3 == 0)
            reap();
    }
}

/* What an awake consumer has reaped does not count for it once it sleeps. */
static void counts_from_arming(void **state)
{
    (void)state;
    start(3, 0, false);
    w.ring.notify_wanted = 0;
    one();
    one();
    reap();
    one();
    one();
    assert_int_equal(w.rings, 0);
    one();
    assert_int_equal(w.rings, 1);
}

static void time_is_up(void **state)
{
    (void)state;
    start(100, 5000, false);
    assert_int_equal(one(), 1005000);
    clock_now_ns += 3000;
    assert_int_equal(one(), 1005000);
    clock_now_ns += 1999;
    assert_int_equal(dray_port_moderate(&w.port, true), 1005000);
    assert_int_equal(w.rings, 0);
    clock_now_ns += 1;
    assert_int_equal(dray_port_moderate(&w.port, true), UINT64_MAX);
    assert_int_equal(w.rings, 1);
}

static void count_is_first(void **state)
{
    (void)state;
    start(2, 5000, false);
    assert_int_equal(one(), 1005000);
    assert_int_equal(one(), UINT64_MAX);
    assert_int_equal(w.rings, 1);
}

static void busy_engine_looks_too(void **state)
{
    (void)state;
    start(2, 5000, false);
    complete(false);
    dray_port_moderate(&w.port, false);
    assert_int_equal(w.rings, 0);
    clock_now_ns += 5000;
    dray_port_moderate(&w.port, false);
    assert_int_equal(w.rings, 1);
}

static void notify_flag_goes_first(void **state)
{
    (void)state;
    start(100, 0, false);
    complete(false);
    complete(true);
    complete(false);
    dray_port_moderate(&w.port, false);
    assert_int_equal(w.rings, 1);
    reap();
    one();
    assert_int_equal(w.rings, 1);
}

static void no_room_notifies(void **state)
{
    (void)state;
    start(100, 0, false);
    for (int i = 1; i < DEPTH; i++)
        one();
    assert_int_equal(w.rings, 0);
    one();
    assert_int_equal(w.rings, 1);
}

static void timer_that_never_ends(void **state)
{
    (void)state;
    start(100, UINT64_MAX - 5, false);
    assert_int_equal(one(), UINT64_MAX);
    assert_int_equal(w.rings, 0);
}

static void moderation_changes(void **state)
{
    (void)state;
    start(100, 0, false);
    one();
    dray_port_set_moderation(&w.port, &(struct dray_moderation){ .count = 2 });
    assert_int_equal(w.rings, 0);
    one();
    assert_int_equal(w.rings, 1);
    assert_int_equal(dray_moderation_check(&(struct dray_moderation){ .count = DRAY_DEPTH_MAX }),
                     0);
    assert_int_equal(
        dray_moderation_check(&(struct dray_moderation){ .count = DRAY_DEPTH_MAX + 1 }), -EINVAL);
}

/* Completions for one notification, when one comes every gap_ns and the consumer is quick. */
static unsigned steady(uint64_t gap_ns, unsigned completions)
{
    unsigned before = w.rings;
    for (unsigned i = 0; i < completions; i++) {
        clock_now_ns += gap_ns;
        one();
        if (!w.ring.notify_wanted)
            reap();
    }
    return completions / (w.rings - before);
}

static void adapts_to_the_rate(void **state)
{
    (void)state;
    start(8, 10000, true);
    assert_int_equal(steady(100000, 50), 1);
    steady(100, 100);
    assert_int_equal(steady(100, 800), 8);
    steady(2500, 100);
    assert_in_range(steady(2500, 100), 3, 4);
    steady(100000, 20);
    assert_int_equal(steady(100000, 50), 1);
}

/* A burst that ends in mid-count is not left behind, though no timer was asked for. */
static void adaptive_has_a_timer(void **state)
{
    (void)state;
    start(8, 0, true);
    steady(100, 200);
    while (w.port.unnotified == 0)
        steady(100, 9);
    unsigned before = w.rings;
    uint64_t again_ns = dray_port_moderate(&w.port, true);
    assert_in_range(again_ns, clock_now_ns, clock_now_ns + 20000);
    clock_now_ns = again_ns;
    dray_port_moderate(&w.port, true);
    assert_int_equal(w.rings, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifies_each),
        cmocka_unit_test(notifies_once_for_each_arming),
        cmocka_unit_test(nobody_armed_nobody_notified),
        cmocka_unit_test(counts),
        cmocka_unit_test(counts_from_arming),
        cmocka_unit_test(time_is_up),
        cmocka_unit_test(count_is_first),
        cmocka_unit_test(busy_engine_looks_too),
        cmocka_unit_test(notify_flag_goes_first),
        cmocka_unit_test(no_room_notifies),
        cmocka_unit_test(timer_that_never_ends),
        cmocka_unit_test(moderation_changes),
        cmocka_unit_test(adapts_to_the_rate),
        cmocka_unit_test(adaptive_has_a_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
