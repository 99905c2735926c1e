/* The other side lies: impossible indices, states, completions and words. Only the liar's queue
 * stops. */
#include "test.h"

#include <errno.h>

#include "echo_engine.h"

static struct dray_queue *q;
static struct echo e;

static int setup(void **state)
{
    (void)state;
    struct dray_queue_options o = { .size = sizeof(o), .depth = 4 };
    assert_int_equal(dray_queue_build(&q, &o), 0);
    echo_attach_doorbell(&e, q);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dray_queue_free(q);
    close(e.doorbell_fd);
    return 0;
}

static void submit(uint64_t tag)
{
    struct dray_desc *d = dray_queue_get(q);
    assert_non_null(d);
    dray_prep_nop(d);
    d->user_data = tag;
    dray_queue_submit(q);
}

static void expect_broken(void)
{
    const struct dray_completion *c;
    assert_true(e.port->corrupt);
    assert_int_equal(e.port->ring->state, DRAY_RING_CORRUPT);
    assert_int_equal(dray_port_available(e.port), 0);
    assert_int_equal(dray_port_room(e.port), 0);
    assert_true(dray_port_sleep(e.port, false));
    assert_true(dray_port_sleep(e.port, true));
    assert_int_equal(dray_queue_wait(q, &c, UINT64_MAX), -EBADMSG);
}

static void tail_beyond_the_ring(void **state)
{
    (void)state;
    e.port->ring->sq_tail = 5;
    assert_int_equal(dray_port_available(e.port), 0);
    expect_broken();
}

static void tail_goes_back(void **state)
{
    (void)state;
    submit(1);
    assert_int_equal(echo_work(&e, 1), 1);
    e.port->ring->sq_tail = 0;
    assert_int_equal(dray_port_available(e.port), 0);
    dray_queue_seen(q, 1);
    expect_broken();
}

/* It still lies ahead of what was fetched, but behind what was published. */
static void tail_takes_back_what_was_published(void **state)
{
    (void)state;
    submit(1);
    submit(2);
    assert_int_equal(dray_port_available(e.port), 2);
    e.port->ring->sq_tail = 1;
    assert_true(dray_port_sleep(e.port, false));
    expect_broken();
}

static void tail_found_impossible_before_sleep(void **state)
{
    (void)state;
    e.port->ring->sq_tail = 0x80000000;
    assert_true(dray_port_sleep(e.port, false));
    expect_broken();
}

static void head_of_completions_that_were_not_made(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        submit(i);
    assert_int_equal(echo_work(&e, 100), 4);
    e.port->ring->cq_head = 5;
    assert_int_equal(dray_port_room(e.port), 0);
    assert_true(e.port->corrupt);
    /* What was completed before is delivered. */
    for (uint64_t i = 0; i < 4; i++) {
        const struct dray_completion *c;
        assert_int_equal(dray_queue_wait(q, &c, UINT64_MAX), 0);
        assert_int_equal(c->user_data, i);
        dray_queue_seen(q, 1);
    }
    expect_broken();
}

static void head_goes_back(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 8; i++) {
        submit(i);
        assert_int_equal(echo_work(&e, 100), 1);
        dray_queue_seen(q, 1);
    }
    for (uint64_t i = 0; i < 4; i++) {
        submit(i);
        assert_int_equal(echo_work(&e, 100), 1);
    }
    assert_true(e.port->seen > 0);
    e.port->ring->cq_head = e.port->seen - 1;
    assert_true(dray_port_sleep(e.port, true));
    assert_true(e.port->corrupt);
}

static void engine_does_not_read_its_words_back(void **state)
{
    (void)state;
    struct dray_ring *ring = e.port->ring;
    submit(7);
    ring->magic = ring->version = 0;
    ring->depth = ring->completion_depth = UINT32_MAX;
    ring->sq_head = 1000;
    memset(e.port->completions, 0xff, 4 * sizeof(struct dray_completion));
    assert_int_equal(echo_work(&e, 100), 1);
    assert_int_equal(e.port->head, 1);
    assert_int_equal(e.port->complete, 1);
    assert_false(e.port->corrupt);
}

/* Words that only ask for a wake-up cost a wake-up at most. */
static void wanted_words_are_only_hints(void **state)
{
    (void)state;
    e.port->ring->doorbell_wanted = UINT32_MAX;
    e.port->ring->notify_wanted = UINT32_MAX;
    submit(1);
    assert_int_equal(e.port->ring->doorbell_wanted, 0);
    assert_int_equal(echo_work(&e, 100), 1);
    dray_port_moderate(e.port, true);
    assert_int_equal(e.port->ring->notify_wanted, 0);
    assert_false(e.port->corrupt);
}

/* ---- the engine lies to an importer ---- */

static void engine_head_beyond_the_tail(void **state)
{
    (void)state;
    const struct dray_completion *c;
    struct dray_queue *import;
    struct dray_queue_handle handle;
    assert_int_equal(dray_queue_export(q, &handle), 0);
    assert_int_equal(dray_queue_import(&import, &handle), 0);
    e.port->ring->sq_head = 3;
    assert_int_equal(dray_queue_space(import), 0);
    assert_int_equal(dray_queue_wait(import, &c, UINT64_MAX), -EBADMSG);
    for (int i = 0; i < 4; i++)
        dray_queue_get(import);
    assert_null(dray_queue_get(import));
    dray_queue_free(import);
}

static void completions_that_nobody_wrote(void **state)
{
    (void)state;
    struct dray_completion c[16];
    memset(e.port->completions, 0xff, 4 * sizeof(struct dray_completion));
    /* One round of them looks new; each is delivered once, and is data only. */
    assert_int_equal(dray_queue_reap(q, c, 16), 4);
    assert_int_equal(dray_queue_reap(q, c, 16), 0);
    dray_queue_seen(q, 100);
    assert_null(dray_queue_peek(q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tail_beyond_the_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(tail_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(tail_takes_back_what_was_published, setup, teardown),
        cmocka_unit_test_setup_teardown(tail_found_impossible_before_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(head_of_completions_that_were_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(head_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(engine_does_not_read_its_words_back, setup, teardown),
        cmocka_unit_test_setup_teardown(wanted_words_are_only_hints, setup, teardown),
        cmocka_unit_test_setup_teardown(engine_head_beyond_the_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(completions_that_nobody_wrote, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
