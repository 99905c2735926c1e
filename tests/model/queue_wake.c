/*
 * No wake-up is lost: the queue's own source (wake.h, queue.c, wait.c, port.c, moderation.c) with
 * small loads, through every interleaving on a machine with store buffers. And the exploration can
 * tell: each barrier, each look after arming and each ring, taken away, is missed.
 */
#include "explorer.h"
#include "test.h"

#include <errno.h>

#include "echo_engine.h"
#include "queue/state.h"

enum {
    RING = 4, /* slots there are; scenarios use fewer */
    EVENT_NOTIFY = 1,
    EVENT_DOORBELL = 2,
};

static struct {
    struct dray_queue q;
    struct echo e;
    struct {
        struct dray_ring ring;
        struct dray_desc descs[RING];
        struct dray_completion completions[RING];
    } shared;
} w;

static uint64_t transactions; /* of the scenario */
static struct dray_moderation moderation;
static uint32_t depth, completion_depth;

static void reset(void)
{
    memset(&w, 0, sizeof(w));
    struct dray_queue *q = &w.q;
    q->map.ring = &w.shared.ring;
    q->map.descs = w.shared.descs;
    q->map.completions = w.shared.completions;
    q->map.depth = depth;
    q->map.completion_depth = completion_depth;
    q->event_fd = EVENT_NOTIFY;
    q->binding.doorbell_fd = EVENT_DOORBELL;
    q->port.descs = q->map.descs;
    q->port.completions = q->map.completions;
    q->port.ring = q->map.ring;
    q->port.depth = depth;
    q->port.completion_depth = completion_depth;
    q->port.event_fd = EVENT_NOTIFY;
    q->port.engine_data = &w.e;
    dray_port_set_moderation(&q->port, &moderation);
    w.e.port = &q->port;
    w.e.doorbell_fd = EVENT_DOORBELL;
}

/* ---- threads ---- */

static void engine(void)
{
    for (;;) {
        w.q.port.notifications_total = 0;
        atomic_store_explicit(&w.e.sleeps, 0, memory_order_relaxed);
        explorer_forget(1, NULL, 0);
        if (echo_work(&w.e, 2))
            dray_port_moderate(w.e.port, false);
        else
            echo_sleep(&w.e);
    }
}

static void submit(uint64_t tag, unsigned flags)
{
    struct dray_desc *d;
    while (!(d = dray_queue_get(&w.q)))
        explorer_pause();
    dray_prep_nop(d);
    d->user_data = tag;
    d->flags = (uint16_t)flags;
    dray_queue_submit(&w.q);
}

static void take(const struct dray_completion *c, uint64_t tag)
{
    explorer_check(c->user_data == tag && c->result == 1, "lost, twice or out of order");
    dray_queue_seen(&w.q, 1);
}

static void expect(uint64_t tag)
{
    const struct dray_completion *c;
    explorer_check(dray_queue_wait(&w.q, &c, UINT64_MAX) == 0, "wait failed");
    take(c, tag);
}

static void producer(void)
{
    for (uint64_t i = 0; i < transactions; i++) {
        explorer_forget(2, &i, sizeof(i));
        submit(i, 0);
    }
}

static void consumer(void)
{
    for (uint64_t i = 0; i < transactions; i++) {
        explorer_forget(3, &i, sizeof(i));
        expect(i);
    }
}

/* Submits one and waits for it. */
static void user(void)
{
    for (uint64_t i = 0; i < transactions; i++) {
        explorer_forget(4, &i, sizeof(i));
        submit(i, 0);
        expect(i);
    }
}

/* Submits all, then waits for all. */
static void batch_user(void)
{
    producer();
    consumer();
}

/* Its first wait may give up. */
static void impatient_consumer(void)
{
    const struct dray_completion *c;
    uint64_t i = 0;
    if (dray_queue_wait(&w.q, &c, 1000) == 0)
        take(c, i++);
    for (; i < transactions; i++) {
        explorer_forget(5, &i, sizeof(i));
        expect(i);
    }
}

/* As an event loop does it. */
static void event_loop(void)
{
    const struct dray_completion *c;
    uint64_t i = 0;
    while (i < transactions) {
        explorer_forget(6, &i, sizeof(i));
        if (dray_queue_arm(&w.q)) {
            dray_host_sleep(EVENT_NOTIFY, UINT64_MAX);
            dray_host_drain(EVENT_NOTIFY);
        }
        while ((c = dray_queue_peek(&w.q)))
            take(c, i++);
    }
}

/* The last one asks for a notification: without it, moderation would never send one. */
static void notify_producer(void)
{
    for (uint64_t i = 0; i < transactions; i++) {
        explorer_forget(9, &i, sizeof(i));
        submit(i, i + 1 == transactions ? DRAY_FLAG_NOTIFY : 0);
    }
}

/* One transaction, then an impossible tail. */
static void hostile_producer(void)
{
    submit(0, 0);
    dray_io_publish32(&w.shared.ring.sq_tail, 1000);
    dray_queue_doorbell(&w.q);
    w.q.tail = 1000;
    dray_queue_doorbell(&w.q);
}

static void consumer_of_broken(void)
{
    const struct dray_completion *c;
    explorer_forget(7, NULL, 0);
    int r = dray_queue_wait(&w.q, &c, UINT64_MAX);
    if (r == 0) {
        take(c, 0);
        explorer_forget(8, NULL, 0);
        r = dray_queue_wait(&w.q, &c, UINT64_MAX);
    }
    explorer_check(r == -EBADMSG, "the consumer is not told");
}

/* ---- scenarios ---- */

struct scenario {
    const char *name;
    void (*threads[3])(void);
    uint64_t transactions;
    uint32_t depth, completion_depth;
    struct dray_moderation moderation;
    unsigned early;
};

enum scenario_number {
    ONE_BY_ONE,
    BATCH,
    TWO_THREADS,
    NO_ROOM,
    TIME_OUT,
    EVENT_LOOP,
    BY_TIME,
    COUNT_ABOVE_ROOM,
    NOTIFY,
    CORRUPT,
    SCENARIOS,
};

static const struct scenario scenarios[SCENARIOS] = {
    [ONE_BY_ONE] = { "one by one", { engine, user }, 3, 2, 2, { 0 }, 0 },
    [BATCH] = { "batch, no room for completions", { engine, batch_user }, 3, 4, 2, { 0 }, 0 },
    [TWO_THREADS] = { "two user threads", { engine, producer, consumer }, 2, 2, 2, { 0 }, 0 },
    [NO_ROOM] = { "no room", { engine, producer, consumer }, 2, 2, 1, { 0 }, 0 },
    [TIME_OUT] = { "time-out", { engine, producer, impatient_consumer }, 1, 2, 2, { 0 }, 1 },
    [EVENT_LOOP] = { "event loop", { engine, producer, event_loop }, 2, 2, 2, { 0 }, 0 },
    [BY_TIME] = { "by time", { engine, producer, consumer }, 2, 2, 2, { 2, 1000, false }, 1 },
    [COUNT_ABOVE_ROOM] = { "by a count above the room",
                           { engine, producer, consumer },
                           2,
                           2,
                           1,
                           { .count = 3 },
                           0 },
    [NOTIFY] = { "NOTIFY", { engine, notify_producer, consumer }, 2, 2, 2, { .count = 100 }, 0 },
    [CORRUPT] = { "corrupt", { engine, hostile_producer, consumer_of_broken }, 1, 2, 2, { 0 }, 0 },
};

static void explore(const struct scenario *s, const struct explorer_mutant *mutant, bool verbose,
                    struct explorer_result *result)
{
    struct explorer_setup setup = {
        .reset = reset,
        .threads = { s->threads[0], s->threads[1], s->threads[2] },
        .count = s->threads[2] ? 3 : 2,
        .must_finish = s->threads[2] ? 6 : 2,
        .memory = &w,
        .memory_size = sizeof(w),
        .shared = &w.shared,
        .shared_size = sizeof(w.shared),
        /* A consumer that arms reads it for the sake of C11 (wait.c); on TSO that orders nothing.
         */
        .unused = s->threads[2] ? &w.shared.ring.sq_head : NULL,
        .early = s->early,
    };
    if (mutant)
        setup.mutant = *mutant;
    transactions = s->transactions;
    depth = s->depth;
    completion_depth = s->completion_depth;
    moderation = s->moderation;
    explorer_run(&setup, result, verbose);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    struct explorer_result r, sum = { 0 };
    const char *only = getenv("DRAY_SCENARIO");
    for (unsigned i = 0; i < SCENARIOS; i++) {
        if (only && !strstr(scenarios[i].name, only))
            continue;
        explore(&scenarios[i], NULL, true, &r);
        print_message("%-32s %8llu states %9llu steps %9.3g schedules%s%s\n", scenarios[i].name,
                      (unsigned long long)r.states, (unsigned long long)r.transitions, r.schedules,
                      r.failure[0] ? ": " : "", r.failure);
        assert_string_equal(r.failure, "");
        sum.states += r.states;
        sum.schedules += r.schedules;
    }
    print_message("all: %llu states, %.3g schedules\n", (unsigned long long)sum.states,
                  sum.schedules);
}

#define AT(member) ((uintptr_t)&w.shared.ring.member)
#define LAST_WORD  ((uintptr_t)&w.shared.completions[0].index)

/* Each with a scenario that it does not survive. */
static const struct {
    struct explorer_mutant mutant;
    enum scenario_number scenario;
} mutants[] = {
    { { "no barrier in doorbell", MUTATION_WEAK_SWAP, AT(sq_tail), 0 }, ONE_BY_ONE },
    { { "no barrier in seen", MUTATION_WEAK_SWAP, AT(cq_head), 0 }, BATCH },
    { { "no barrier behind completions", MUTATION_WEAK_SWAP, AT(sq_head), 0 }, ONE_BY_ONE },
    { { "no barrier when the engine arms", MUTATION_WEAK_SWAP, AT(doorbell_wanted), 0 },
      ONE_BY_ONE },
    { { "no barrier when the consumer arms", MUTATION_WEAK_SWAP, AT(notify_wanted), 0 },
      ONE_BY_ONE },
    { { "no barrier when the ring breaks", MUTATION_WEAK_SWAP, AT(state), 0 }, CORRUPT },
    { { "doorbell_wanted read before the tail is out", MUTATION_EARLY_LOAD, AT(doorbell_wanted),
        0 },
      ONE_BY_ONE },
    { { "notify_wanted read before completions are out", MUTATION_EARLY_LOAD, AT(notify_wanted),
        0 },
      ONE_BY_ONE },
    { { "tail read before the engine arms", MUTATION_EARLY_LOAD, AT(sq_tail), 0 }, ONE_BY_ONE },
    { { "completion head read before the engine arms", MUTATION_EARLY_LOAD, AT(cq_head), 0 },
      BATCH },
    { { "engine does not look for work after arming", MUTATION_STALE_LOAD, AT(sq_tail), 0 },
      ONE_BY_ONE },
    { { "engine does not look for room after arming", MUTATION_STALE_LOAD, AT(cq_head), 0 },
      BATCH },
    { { "consumer does not look after arming", MUTATION_STALE_LOAD, LAST_WORD, 0 }, ONE_BY_ONE },
    { { "consumer does not look at the state", MUTATION_STALE_LOAD, AT(state), 0 }, CORRUPT },
    { { "no notification", MUTATION_NO_RING, EVENT_NOTIFY, 0 }, ONE_BY_ONE },
    { { "no doorbell", MUTATION_NO_RING, EVENT_DOORBELL, 0 }, ONE_BY_ONE },
    { { "doorbell before its word is cleared", MUTATION_RING_FIRST, AT(doorbell_wanted),
        EVENT_DOORBELL },
      ONE_BY_ONE },
    { { "notification before its word is cleared", MUTATION_RING_FIRST, AT(notify_wanted),
        EVENT_NOTIFY },
      ONE_BY_ONE },
    { { "doorbell drained late", MUTATION_LATE_DRAIN, EVENT_DOORBELL, 0 }, ONE_BY_ONE },
    { { "notification drained late", MUTATION_LATE_DRAIN, EVENT_NOTIFY, 0 }, ONE_BY_ONE },
};

static void each_mutant_is_found(void **state)
{
    (void)state;
    unsigned missed = 0;
    for (unsigned m = 0; m < sizeof(mutants) / sizeof(*mutants); m++) {
        struct explorer_result r;
        explore(&scenarios[mutants[m].scenario], &mutants[m].mutant, false, &r);
        print_message("%-46s %-31s %7llu states: %s\n", mutants[m].mutant.name,
                      scenarios[mutants[m].scenario].name, (unsigned long long)r.states,
                      r.failure[0] ? r.failure : "NOT FOUND");
        missed += !r.failure[0];
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(each_mutant_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
