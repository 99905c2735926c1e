/* A queue between a user and the echo engine: what each call promises, one at a time. */
#include "test.h"

#include <errno.h>
#include <time.h>

#include "dray/queue.h"
#include "echo_engine.h"

static struct dray_queue *queue_make(uint32_t depth, uint32_t completion_depth)
{
    struct dray_queue *q = NULL;
    struct dray_queue_options o = { .size = sizeof(o),
                                    .depth = depth,
                                    .completion_depth = completion_depth };
    assert_int_equal(dray_queue_build(&q, &o), 0);
    return q;
}

static void put(struct dray_queue *q, uint64_t tag, unsigned flags)
{
    struct dray_desc *d = dray_queue_get(q);
    assert_non_null(d);
    dray_prep_nop(d);
    d->user_data = tag;
    d->length = 10;
    d->flags = (uint16_t)flags;
}

static void expect_tag(struct dray_queue *q, uint64_t tag)
{
    const struct dray_completion *c = dray_queue_peek(q);
    assert_non_null(c);
    assert_int_equal(c->user_data, tag);
    dray_queue_seen(q, 1);
}

/* ---- options ---- */

static void refuses_depths(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 1, 3, 255, 131072, UINT32_MAX };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct dray_queue *q;
        struct dray_queue_options o = { .size = sizeof(o), .depth = bad[i] };
        assert_int_equal(dray_queue_build(&q, &o), -EINVAL);
        o.depth = 0;
        o.completion_depth = bad[i];
        assert_int_equal(dray_queue_build(&q, &o), -EINVAL);
    }
}

static void refuses_other_options(void **state)
{
    (void)state;
    struct dray_queue *q;
    struct dray_queue_options o = { .size = sizeof(o) };
    o.moderation.count = DRAY_DEPTH_MAX + 1;
    assert_int_equal(dray_queue_build(&q, &o), -EINVAL);
}

static void builds_without_options(void **state)
{
    (void)state;
    struct dray_queue *q;
    assert_int_equal(dray_queue_build(&q, NULL), 0);
    assert_int_equal(dray_queue_space(q), 256);
    dray_queue_free(q);
}

static void builds_the_largest(void **state)
{
    (void)state;
    struct dray_queue *q = queue_make(DRAY_DEPTH_MAX, DRAY_DEPTH_MIN);
    assert_int_equal(dray_queue_space(q), DRAY_DEPTH_MAX);
    dray_queue_free(q);
}

/* ---- producer ---- */

static void hands_out_each_slot_once(void **state)
{
    (void)state;
    struct dray_queue *q = queue_make(4, 4);
    struct dray_desc *d[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(dray_queue_space(q), 4 - i);
        d[i] = dray_queue_get(q);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(d[i], d[j]);
        assert_ptr_equal(dray_queue_shape(q, d[i]), dray_queue_shape(q, d[0]) + i);
    }
    assert_null(dray_queue_get(q));
    dray_queue_free(q);
}

static void engine_sees_nothing_before_publish(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(4, 4);
    echo_attach_doorbell(&e, q);
    put(q, 1, 0);
    assert_int_equal(dray_port_available(e.port), 0);
    assert_int_equal(dray_queue_publish(q), 1);
    assert_int_equal(dray_queue_publish(q), 0);
    assert_int_equal(dray_port_available(e.port), 1);
    dray_queue_free(q);
    close(e.doorbell_fd);
}

static void engine_gives_slots_back_in_batches(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(4, 4);
    echo_attach_doorbell(&e, q);
    for (uint64_t i = 0; i < 4; i++)
        put(q, i, 0);
    dray_queue_submit(q);
    assert_int_equal(dray_port_available(e.port), 4);
    struct dray_desc d;
    dray_port_fetch(e.port, 2, &d);
    assert_int_equal(d.user_data, 2);
    dray_port_advance(e.port, 3);
    assert_int_equal(dray_port_available(e.port), 1);
    assert_int_equal(dray_queue_space(q), 3);
    dray_queue_free(q);
    close(e.doorbell_fd);
}

static void holds_back_open_chain(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(8, 8);
    echo_attach_inline(&e, q);
    put(q, 1, 0);
    put(q, 2, DRAY_FLAG_CHAIN);
    put(q, 3, DRAY_FLAG_CHAIN);
    assert_int_equal(dray_queue_submit(q), 1);
    expect_tag(q, 1);
    assert_null(dray_queue_peek(q));
    put(q, 4, 0);
    assert_int_equal(dray_queue_submit(q), 3);
    const struct dray_completion *c = dray_queue_peek(q);
    assert_non_null(c);
    assert_int_equal(c->user_data, 4);
    assert_int_equal(c->result, 3);
    assert_int_equal(c->moved, 30);
    dray_queue_free(q);
}

static void lets_go_of_chain_that_fills_the_ring(void **state)
{
    (void)state;
    struct dray_queue *q = queue_make(4, 4);
    for (int i = 0; i < 3; i++)
        put(q, 1, DRAY_FLAG_CHAIN);
    assert_int_equal(dray_queue_publish(q), 0);
    put(q, 1, DRAY_FLAG_CHAIN);
    assert_int_equal(dray_queue_publish(q), 4);
    dray_queue_free(q);
}

/* ---- consumer ---- */

static void peek_stays_until_seen(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(4, 4);
    echo_attach_inline(&e, q);
    put(q, 7, 0);
    put(q, 8, 0);
    dray_queue_submit(q);
    assert_ptr_equal(dray_queue_peek(q), dray_queue_peek(q));
    expect_tag(q, 7);
    expect_tag(q, 8);
    assert_null(dray_queue_peek(q));
    dray_queue_free(q);
}

static void seen_gives_back_no_more_than_there_is(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(8, 8);
    echo_attach_inline(&e, q);
    dray_queue_seen(q, 1);
    put(q, 1, 0);
    put(q, 2, 0);
    dray_queue_submit(q);
    dray_queue_seen(q, UINT32_MAX);
    put(q, 3, 0);
    dray_queue_submit(q);
    expect_tag(q, 3);
    assert_false(e.port->corrupt);
    dray_queue_free(q);
}

static void reaps_in_batches(void **state)
{
    (void)state;
    struct echo e;
    struct dray_completion c[8];
    struct dray_queue *q = queue_make(8, 8);
    echo_attach_inline(&e, q);
    for (uint64_t round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 7; i++)
            put(q, round * 7 + i, 0);
        dray_queue_submit(q);
        assert_int_equal(dray_queue_reap(q, c, 0), 0);
        assert_int_equal(dray_queue_reap(q, c, 3), 3);
        assert_int_equal(dray_queue_reap(q, c + 3, 100), 4);
        for (uint64_t i = 0; i < 7; i++)
            assert_int_equal(c[i].user_data, round * 7 + i);
        assert_int_equal(dray_queue_reap(q, c, 8), 0);
    }
    dray_queue_free(q);
}

static void full_completion_ring_holds_work_back(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(8, 2);
    echo_attach_inline(&e, q);
    for (uint64_t i = 0; i < 8; i++)
        put(q, i, 0);
    assert_null(dray_queue_get(q));
    dray_queue_submit(q);
    assert_int_equal(dray_queue_space(q), 2);
    for (uint64_t i = 0; i < 8; i++)
        expect_tag(q, i);
    assert_int_equal(dray_queue_space(q), 8);
    dray_queue_free(q);
}

static void indices_wrap(void **state)
{
    (void)state;
    struct echo e;
    struct dray_queue *q = queue_make(2, 4);
    echo_attach_inline(&e, q);
    for (uint64_t i = 0; i < 100; i++) {
        put(q, i, 0);
        dray_queue_submit(q);
        expect_tag(q, i);
    }
    struct dray_queue_stats stats;
    dray_queue_stats(q, &stats);
    assert_int_equal(stats.completions, 100);
    assert_int_equal(stats.number, 1);
    dray_queue_free(q);
}

/* ---- waiting ---- */

static void wait_times_out(void **state)
{
    (void)state;
    struct echo e;
    const struct dray_completion *c;
    struct dray_queue *q = queue_make(2, 2);
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_wait(q, &c, 0), -ETIME);
    assert_int_equal(dray_queue_wait(q, &c, 3000000), -ETIME);
    dray_queue_free(q);
    close(e.doorbell_fd);
}

static unsigned calls;

static void count_calls(struct dray_port *port)
{
    (void)port;
    calls++;
}

/* Held by a WAIT, say: it is called again and again, but not all the time - a thousand times a
 * second and some spins, where burning the CPU would be a million. */
static void wait_leaves_a_held_inline_engine_alone(void **state)
{
    (void)state;
    const struct dray_completion *c;
    struct dray_queue *q = queue_make(2, 2);
    dray_queue_bind(q,
                    &(struct dray_binding){
                        .service = count_calls, .service_on_doorbell = true, .doorbell_fd = -1 },
                    NULL, 1);
    calls = 0;
    assert_int_equal(dray_queue_wait(q, &c, 100000000), -ETIME);
    assert_in_range(calls, 10, 2000);
    dray_queue_free(q);
}

static void wait_gets_what_a_thread_completes(void **state)
{
    (void)state;
    struct echo e;
    const struct dray_completion *c;
    struct dray_queue *q = queue_make(4, 4);
    echo_start(&e, q);
    for (uint64_t i = 0; i < 1000; i++) {
        put(q, i, 0);
        dray_queue_submit(q);
        assert_int_equal(dray_queue_wait(q, &c, UINT64_MAX), 0);
        assert_int_equal(c->user_data, i);
        dray_queue_seen(q, 1);
    }
    echo_stop(&e);
    dray_queue_free(q);
}

static void arm_refuses_while_completions_wait(void **state)
{
    (void)state;
    struct echo e;
    uint64_t count;
    struct dray_queue *q = queue_make(4, 4);
    echo_attach_inline(&e, q);
    put(q, 1, 0);
    dray_queue_submit(q);
    assert_false(dray_queue_arm(q));
    expect_tag(q, 1);
    assert_true(dray_queue_arm(q));
    assert_int_equal(read(dray_queue_event_fd(q), &count, 8), -1);
    put(q, 2, 0);
    put(q, 3, 0);
    dray_queue_submit(q);
    assert_int_equal(read(dray_queue_event_fd(q), &count, 8), 8);
    assert_int_equal(count, 1);
    put(q, 4, 0);
    dray_queue_submit(q);
    assert_int_equal(read(dray_queue_event_fd(q), &count, 8), -1);
    dray_queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_depths),
        cmocka_unit_test(refuses_other_options),
        cmocka_unit_test(builds_without_options),
        cmocka_unit_test(builds_the_largest),
        cmocka_unit_test(hands_out_each_slot_once),
        cmocka_unit_test(engine_sees_nothing_before_publish),
        cmocka_unit_test(engine_gives_slots_back_in_batches),
        cmocka_unit_test(holds_back_open_chain),
        cmocka_unit_test(lets_go_of_chain_that_fills_the_ring),
        cmocka_unit_test(peek_stays_until_seen),
        cmocka_unit_test(seen_gives_back_no_more_than_there_is),
        cmocka_unit_test(reaps_in_batches),
        cmocka_unit_test(full_completion_ring_holds_work_back),
        cmocka_unit_test(indices_wrap),
        cmocka_unit_test(wait_times_out),
        cmocka_unit_test(wait_leaves_a_held_inline_engine_alone),
        cmocka_unit_test(wait_gets_what_a_thread_completes),
        cmocka_unit_test(arm_refuses_while_completions_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
