/* Order and flags: what FENCE, SIGNAL and WAIT promise, within a queue, between queues and between
 * engines; and what a queue that is held does to others. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "rig.h"

/* Where a header is written by a copy, its reader races with plain stores: that is the point, and
 * what ThreadSanitizer reports. There only flags are used. */
#if defined(__SANITIZE_THREAD__)
#define RACES_REPORTED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RACES_REPORTED 1
#endif
#endif
#ifndef RACES_REPORTED
#define RACES_REPORTED 0
#endif

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static dray_key map_flags(struct rig *rig, uint64_t *words, size_t count)
{
    dray_key key;
    assert_int_equal(dray_map_flags(rig->domain, words, count, DRAY_READ | DRAY_WRITE, &key), 0);
    return key;
}

static struct dray_completion queue_wait(struct dray_queue *queue)
{
    const struct dray_completion *c;
    assert_int_equal(dray_queue_wait(queue, &c, 20000000000u), 0);
    struct dray_completion copy = *c;
    dray_queue_seen(queue, 1);
    return copy;
}

/* ---- the header comes last ---- */

enum {
    SLOTS = 8,
    SLOT_WORDS = 4096,
    ROUNDS = 2000,
};

struct mailbox {
    _Alignas(64) uint64_t header; /* rounds written */
    _Alignas(64) _Atomic uint64_t read;
    uint64_t *payload; /* SLOTS of SLOT_WORDS */
    uint64_t torn;     /* the round in which a stale word was seen */
};

static uint64_t round_words(uint64_t round)
{
    static const uint64_t words[] = { 1, 8, 64, 500, SLOT_WORDS };
    return words[round % 5];
}

static void *mailbox_read(void *argument)
{
    struct mailbox *m = argument;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        while (dray_flag_load(&m->header) < round)
            sched_yield();
        const uint64_t *words = m->payload + round % SLOTS * SLOT_WORDS;
        for (uint64_t i = 0; i < round_words(round); i++)
            if (words[i] != round && !m->torn)
                m->torn = round;
        atomic_store_explicit(&m->read, round, memory_order_release);
    }
    return NULL;
}

/* The header of one round, behind its payload, in each of the ways there are. */
static unsigned header_prep(struct rig *rig, dray_key box, dray_key numbers, uint64_t round)
{
    struct dray_desc *d = rig_get(rig);
    switch (RACES_REPORTED ? 2 : round % 3) {
    case 0: /* a flag of the copy */
        dray_prep_copy(d, box, 0, numbers, round * 8, 8);
        d->flags = DRAY_FLAG_FENCE;
        return 1;
    case 1: /* a descriptor before it */
        dray_prep_fence(d);
        dray_prep_copy(rig_get(rig), box, 0, numbers, round * 8, 8);
        return 2;
    default: /* release order of its own */
        dray_prep_signal(d, box, 0, round, false);
        return 1;
    }
}

static void who_sees_the_header_sees_the_payload(void **state)
{
    struct rig *rig = *state;
    static uint64_t numbers[ROUNDS + 1];
    struct mailbox m = { .payload = guard_alloc(SLOTS * SLOT_WORDS * 8, 64) };
    memset(m.payload, 0, SLOTS * SLOT_WORDS * 8);
    for (uint64_t i = 0; i <= ROUNDS; i++)
        numbers[i] = i;
    dray_key in = rig_map(rig, numbers, sizeof(numbers), DRAY_READ),
             box = map_flags(rig, &m.header, 1);
    dray_key out = rig_map(rig, m.payload, SLOTS * SLOT_WORDS * 8, DRAY_WRITE);
    pthread_t reader;
    pthread_create(&reader, NULL, mailbox_read, &m);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        while (atomic_load_explicit(&m.read, memory_order_acquire) + SLOTS - 1 < round)
            sched_yield();
        dray_prep_fill(rig_get(rig), out, round % SLOTS * SLOT_WORDS * 8, round_words(round) * 8,
                       &round, 8);
        unsigned count = 1 + header_prep(rig, box, in, round);
        dray_queue_submit(rig->queue);
        while (count--)
            assert_status(rig_wait(rig), DRAY_STATUS_OK);
    }
    pthread_join(reader, NULL);
    assert_int_equal(m.torn, 0);
    guard_free(m.payload);
}

/* ---- WAIT ---- */

static void each_condition_of_a_wait(void **state)
{
    struct rig *rig = *state;
    /* With a flag of 5: whether "flag condition value" holds for the values 4, 5 and 6. */
    static const bool holds[][3] = {
        [DRAY_WAIT_EQ] = { 0, 1, 0 }, [DRAY_WAIT_NE] = { 1, 0, 1 }, [DRAY_WAIT_LT] = { 0, 0, 1 },
        [DRAY_WAIT_LE] = { 0, 1, 1 }, [DRAY_WAIT_GT] = { 1, 0, 0 }, [DRAY_WAIT_GE] = { 1, 1, 0 },
    };
    uint64_t flag = 5;
    dray_key key = map_flags(rig, &flag, 1);
    for (unsigned condition = 0; condition <= DRAY_WAIT_GE; condition++)
        for (unsigned i = 0; i < 3; i++) {
            dray_prep_wait(rig_get(rig), key, 0, condition, 4 + i, 2000);
            struct dray_completion c = rig_finish(rig);
            assert_status(c, holds[condition][i] ? DRAY_STATUS_OK : DRAY_STATUS_TIMEOUT);
        }
    /* Unsigned: the largest number is not below zero. */
    flag = UINT64_MAX;
    dray_prep_wait(rig_get(rig), key, 0, DRAY_WAIT_GT, 0, 2000);
    assert_status(rig_finish(rig), DRAY_STATUS_OK);
}

static void a_wait_that_ends_by_time_says_so(void **state)
{
    struct rig *rig = *state;
    uint64_t flag = 77, out = 0;
    dray_key key = map_flags(rig, &flag, 1), target = map_flags(rig, &out, 1);
    struct dray_desc *d = rig_get(rig);
    dray_prep_wait(d, key, 0, DRAY_WAIT_EQ, 1, 3000000);
    d->user_data = 11;
    d->flags = DRAY_FLAG_CHAIN;
    dray_prep_signal(rig_get(rig), target, 0, 1, false); /* not reached */
    dray_prep_signal(rig_get(rig), target, 0, 2, true);  /* a transaction of its own */
    uint64_t start = now_ns();
    struct dray_completion c = rig_finish(rig);
    assert_true(now_ns() - start >= 3000000);
    assert_status(c, DRAY_STATUS_TIMEOUT);
    assert_int_equal(c.result, 77);
    assert_int_equal(c.index, 0);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
    assert_int_equal(c.moved, 0);
    assert_status(rig_wait(rig), DRAY_STATUS_OK);
    assert_int_equal(dray_flag_load(&out), 2);
    /* Not satisfied in time is no fault. */
    struct dray_fault fault;
    size_t count;
    assert_int_equal(dray_domain_faults(rig->domain, &fault, 1, &count), 0);
    assert_int_equal(count, 0);
}

static void a_wait_is_ended_by_any_store(void **state)
{
    struct rig *rig = *state;
    uint64_t flag = 0;
    dray_key key = map_flags(rig, &flag, 1);
    for (uint64_t round = 1; round <= 60; round++) {
        dray_prep_wait(rig_get(rig), key, 0, DRAY_WAIT_EQ, round, 0);
        dray_queue_submit(rig->queue);
        assert_null(dray_queue_peek(rig->queue));
        if (round % 10 == 0) /* long enough for workers to fall asleep */
            nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
        if (round % 3 == 0)
            __atomic_store_n(&flag, round, __ATOMIC_RELEASE);
        else if (round % 3 == 1)
            dray_flag_store(rig->domain, &flag, round);
        else
            dray_flag_add(rig->domain, &flag, 1);
        assert_status(rig_wait(rig), DRAY_STATUS_OK);
    }
}

/* The key of a flag that is waited for goes: the wait ends with a fault, and soon. */
static void a_wait_ends_when_its_flag_is_unmapped(void **state)
{
    struct rig *rig = *state;
    uint64_t flag = 0;
    dray_key key = map_flags(rig, &flag, 1);
    dray_prep_wait(rig_get(rig), key, 0, DRAY_WAIT_EQ, 1, 0);
    dray_queue_submit(rig->queue);
    assert_null(dray_queue_peek(rig->queue));
    assert_int_equal(dray_unmap(rig->domain, key), 0);
    assert_status(rig_wait(rig), DRAY_STATUS_KEY);
}

static void a_queue_that_is_held_holds_no_other(void **state)
{
    struct rig *rig = *state;
    uint64_t flag = 0;
    uint8_t bytes[256] = { 0 };
    dray_key key = map_flags(rig, &flag, 1);
    dray_key memory = rig_map(rig, bytes, sizeof(bytes), DRAY_READ | DRAY_WRITE);
    struct dray_queue *other[3];
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(dray_queue_create(&other[i], rig->engine, NULL), 0);
    dray_prep_wait(rig_get(rig), key, 0, DRAY_WAIT_NE, 0, 0);
    dray_queue_submit(rig->queue);
    for (unsigned round = 0; round < 200; round++)
        for (unsigned i = 0; i < 3; i++) {
            dray_prep_copy(dray_queue_get(other[i]), memory, 0, memory, 128, 128);
            dray_queue_submit(other[i]);
            assert_status(queue_wait(other[i]), DRAY_STATUS_OK);
        }
    assert_null(dray_queue_peek(rig->queue));
    dray_flag_store(rig->domain, &flag, 1);
    assert_status(rig_wait(rig), DRAY_STATUS_OK);
    for (unsigned i = 0; i < 3; i++)
        dray_queue_destroy(&other[i]);
}

static void sums_of_several_queues(void **state)
{
    struct rig *rig = *state;
    enum {
        QUEUES = 4,
        ADDS = 1500
    };
    uint64_t flag = 1000;
    dray_key key = map_flags(rig, &flag, 1);
    struct dray_queue *queue[QUEUES];
    const struct dray_queue_options deep = { .size = sizeof(deep), .depth = 2048 };
    for (unsigned i = 0; i < QUEUES; i++)
        assert_int_equal(dray_queue_create(&queue[i], rig->engine, &deep), 0);
    for (unsigned done = 0; done < ADDS; done += 100)
        for (unsigned i = 0; i < QUEUES; i++) {
            for (unsigned n = 0; n < 100; n++) {
                struct dray_desc *d = dray_queue_get(queue[i]);
                dray_prep_signal(d, key, 0, i + 1, true);
                d->flags = n < 99 ? DRAY_FLAG_CHAIN : 0;
            }
            dray_queue_submit(queue[i]);
        }
    for (unsigned i = 0; i < QUEUES; i++)
        for (unsigned done = 0; done < ADDS; done += 100)
            assert_status(queue_wait(queue[i]), DRAY_STATUS_OK);
    assert_int_equal(dray_flag_load(&flag), 1000 + ADDS * (1 + 2 + 3 + 4));
    for (unsigned i = 0; i < QUEUES; i++)
        dray_queue_destroy(&queue[i]);
}

/* ---- two queues, two engines, one domain ---- */

/*
 *      first    copy in[i] -> middle    signal there = i    wait back == i
 *      second   wait there == i    copy middle -> out[i]    signal back = i
 */
struct relay {
    struct rig *rig;
    struct dray_queue *queue[2];
    dray_key in, middle, out, flags;
    uint64_t posted[2], done[2];
};

enum {
    RELAYS = 3000
};

static void relay_post(struct relay *r, unsigned side, uint64_t round)
{
    struct dray_queue *q = r->queue[side];
    if (side == 0) {
        dray_prep_copy(dray_queue_get(q), r->middle, 0, r->in, round * 16, 16);
        dray_prep_signal(dray_queue_get(q), r->flags, 0, round + 1, false);
        dray_prep_wait(dray_queue_get(q), r->flags, 8, DRAY_WAIT_EQ, round + 1, 0);
    } else {
        dray_prep_wait(dray_queue_get(q), r->flags, 0, DRAY_WAIT_EQ, round + 1, 0);
        dray_prep_copy(dray_queue_get(q), r->out, round * 16, r->middle, 0, 16);
        dray_prep_signal(dray_queue_get(q), r->flags, 8, round + 1, false);
    }
}

static void relay_turn(struct relay *r, unsigned side)
{
    struct dray_queue *q = r->queue[side];
    struct dray_completion c[64];
    while (r->posted[side] < RELAYS && dray_queue_space(q) >= 3)
        relay_post(r, side, r->posted[side]++);
    dray_queue_submit(q);
    uint32_t n = dray_queue_reap(q, c, 64);
    for (uint32_t i = 0; i < n; i++)
        assert_status(c[i], DRAY_STATUS_OK);
    r->done[side] += n;
}

static void relay_run(struct rig *rig, struct dray_engine *second)
{
    static uint8_t in[RELAYS * 16], out[RELAYS * 16], middle[16];
    _Alignas(64) uint64_t flags[2] = { 0 };
    struct relay r = { .rig = rig, .queue = { rig->queue } };
    tag_fill(in, sizeof(in), 1, 0);
    memset(out, 0, sizeof(out));
    r.in = rig_map(rig, in, sizeof(in), DRAY_READ);
    r.out = rig_map(rig, out, sizeof(out), DRAY_WRITE);
    r.middle = rig_map(rig, middle, sizeof(middle), DRAY_READ | DRAY_WRITE);
    r.flags = map_flags(rig, flags, 2);
    assert_int_equal(dray_queue_create(&r.queue[1], second, NULL), 0);
    while (r.done[0] < 3 * RELAYS || r.done[1] < 3 * RELAYS)
        for (unsigned side = 0; side < 2; side++)
            relay_turn(&r, side);
    tag_check(out, sizeof(out), 1, 0);
    dray_queue_destroy(&r.queue[1]);
}

static void two_queues_of_one_engine_build_one_thing(void **state)
{
    struct rig *rig = *state;
    relay_run(rig, rig->engine);
}

static void two_engines_build_one_thing(void **state)
{
    struct rig *rig = *state;
    const struct dray_engine_options worker = { .size = sizeof(worker),
                                                .mode = DRAY_MODE_WORKER,
                                                .spin_ns = 5000 };
    struct dray_engine *second;
    assert_int_equal(dray_engine_open(&second, rig->domain, "pio", NULL), 0);
    relay_run(rig, second);
    assert_int_equal(dray_engine_close(&second), 0);
    assert_int_equal(dray_engine_open(&second, rig->domain, "cpu", &worker), 0);
    relay_run(rig, second);
    assert_int_equal(dray_engine_close(&second), 0);
}

/* ---- sleep ---- */

/* A worker that sleeps in a WAIT is rung, not left to its poll. That it happens to be awake by its
 * poll just then is possible, but not each time. */
static void a_sleeping_worker_is_rung_for_a_flag(void **state)
{
    struct rig *rig = *state;
    if (rig->config->mode != DRAY_MODE_WORKER)
        return;
    enum {
        TIMES = 100
    };
    const struct dray_engine_options drowsy = { .size = sizeof(drowsy),
                                                .mode = DRAY_MODE_WORKER,
                                                .spin_ns = 1 };
    struct dray_engine *engine;
    struct dray_queue *queue;
    uint64_t flag = 0;
    dray_key key = map_flags(rig, &flag, 1);
    assert_int_equal(dray_engine_open(&engine, rig->domain, "cpu", &drowsy), 0);
    assert_int_equal(dray_queue_create(&queue, engine, NULL), 0);
    uint64_t rung = 0;
    for (uint64_t i = 1; i <= TIMES; i++) {
        struct dray_engine_stats before, after;
        dray_prep_wait(dray_queue_get(queue), key, 0, DRAY_WAIT_EQ, i, 0);
        dray_queue_submit(queue);
        dray_engine_stats(engine, &before);
        do { /* it has seen the WAIT, and slept again since */
            sched_yield();
            dray_engine_stats(engine, &after);
        } while (after.sleeps < before.sleeps + 3);
        if (i % 2) {
            dray_flag_store(rig->domain, &flag, i);
        } else {
            dray_prep_signal(rig_get(rig), key, 0, i, false);
            assert_status(rig_finish(rig), DRAY_STATUS_OK);
        }
        assert_status(queue_wait(queue), DRAY_STATUS_OK);
        dray_engine_stats(engine, &before);
        rung += before.wakes > after.wakes;
    }
    assert_true(rung >= TIMES / 5);
    dray_queue_destroy(&queue);
    dray_engine_close(&engine);
}

/* ---- rate ---- */

static void never_more_bytes_than_the_rate_allows(struct rig *rig, uint64_t rate, uint64_t total)
{
    enum {
        PIECE = 100000
    };
    uint8_t *bytes = guard_alloc(PIECE, 64);
    dray_key out = rig_map(rig, bytes, PIECE, DRAY_WRITE);
    /* A full bucket, and the slice that may overdraw it, as rate.c has them. */
    uint64_t burst = rate / 200 + 1 + (64 << 10) + PIECE, moved = 0;
    dray_queue_limit_rate(rig->queue, rate);
    uint64_t start = now_ns();
    for (uint64_t posted = 0; posted < total; posted += PIECE) {
        dray_prep_fill(rig_get(rig), out, 0, PIECE, "!", 1);
        dray_queue_submit(rig->queue);
        /* Asked often: to look at the queue must not earn it anything. */
        while (!dray_queue_peek(rig->queue))
            ;
        moved += rig_wait(rig).moved;
        uint64_t allowed = (uint64_t)((double)(now_ns() - start) * 1e-9 * (double)rate) + burst;
        assert_true(moved <= allowed);
    }
    dray_queue_limit_rate(rig->queue, 0);
    assert_int_equal(dray_unmap(rig->domain, out), 0);
    guard_free(bytes);
}

static void a_rate_is_an_upper_bound(void **state)
{
    struct rig *rig = *state;
    never_more_bytes_than_the_rate_allows(rig, 4000000, 500000);
    never_more_bytes_than_the_rate_allows(rig, 50000000, 5000000);
    never_more_bytes_than_the_rate_allows(rig, UINT64_MAX, 5000000);
}

/* The same by an engine that never sleeps, which asks all the time. */
static void a_rate_binds_an_engine_that_polls(void **state)
{
    struct rig *rig = *state;
    if (rig->config->mode != DRAY_MODE_WORKER || rig->config->workers > 1)
        return;
    const struct dray_engine_options polls = { .size = sizeof(polls),
                                               .mode = DRAY_MODE_WORKER,
                                               .spin_ns = UINT64_MAX };
    struct rig other = { .config = rig->config, .domain = rig->domain };
    assert_int_equal(dray_engine_open(&other.engine, rig->domain, "cpu", &polls), 0);
    assert_int_equal(dray_queue_create(&other.queue, other.engine, NULL), 0);
    never_more_bytes_than_the_rate_allows(&other, 1000000, 300000);
    dray_queue_destroy(&other.queue);
    dray_engine_close(&other.engine);
}

static void a_rate_that_is_lifted_lets_go(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[64];
    dray_key out = rig_map(rig, bytes, sizeof(bytes), DRAY_WRITE);
    dray_queue_limit_rate(rig->queue, 1); /* a byte a second */
    for (unsigned i = 0; i < 8; i++)
        dray_prep_fill(rig_get(rig), out, 0, sizeof(bytes), "!", 1);
    dray_queue_submit(rig->queue);
    assert_int_equal(rig_wait(rig).moved, 64); /* overdraws: 63 seconds of debt */
    dray_queue_limit_rate(rig->queue, 0);
    for (unsigned i = 1; i < 8; i++)
        assert_int_equal(rig_wait(rig).moved, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_sees_the_header_sees_the_payload),
        cmocka_unit_test(each_condition_of_a_wait),
        cmocka_unit_test(a_wait_that_ends_by_time_says_so),
        cmocka_unit_test(a_wait_is_ended_by_any_store),
        cmocka_unit_test(a_wait_ends_when_its_flag_is_unmapped),
        cmocka_unit_test(a_queue_that_is_held_holds_no_other),
        cmocka_unit_test(sums_of_several_queues),
        cmocka_unit_test(two_queues_of_one_engine_build_one_thing),
        cmocka_unit_test(two_engines_build_one_thing),
        cmocka_unit_test(a_sleeping_worker_is_rung_for_a_flag),
        cmocka_unit_test(a_rate_is_an_upper_bound),
        cmocka_unit_test(a_rate_binds_an_engine_that_polls),
        cmocka_unit_test(a_rate_that_is_lifted_lets_go),
    };
    return rig_run_tests_by_mode("order", tests, sizeof(tests) / sizeof(tests[0]));
}
