/* Real threads and real processes, for a second or two: what goes in comes out once, in order, and nobody
 * sleeps for ever. */
#include "test.h"

#include <sched.h>
#include <sys/wait.h>

#include "echo_engine.h"

enum {
    TRANSACTIONS = 60000,
    DEPTH = 8, /* small, so that both sides often have to sleep */
};

struct stress {
    struct dray_queue *q;
    uint64_t seed;
    bool good;
    _Atomic bool ended;
};

static void produce(struct dray_queue *q, uint64_t seed)
{
    struct test_rng rng = { seed };
    uint64_t tag = 0;
    while (tag < TRANSACTIONS) {
        uint64_t batch = 1 + test_below(&rng, 6);
        struct dray_desc *d = NULL;
        for (; batch && tag < TRANSACTIONS && (d = dray_queue_get(q)); batch--) {
            dray_prep_nop(d);
            d->user_data = tag++;
            if (test_below(&rng, 16) == 0)
                d->flags = DRAY_FLAG_NOTIFY;
        }
        dray_queue_submit(q);
        if (!d)
            sched_yield();
    }
}

/* An event loop's way to sleep. */
static void sleep_armed(struct dray_queue *q)
{
    if (dray_queue_arm(q)) {
        dray_host_sleep(dray_queue_event_fd(q), UINT64_MAX);
        dray_host_drain(dray_queue_event_fd(q));
    }
}

/* By turns waits for ever, waits a little, sleeps as an event loop, and polls. */
static bool consume(struct dray_queue *q, uint64_t seed)
{
    struct test_rng rng = { seed };
    struct dray_completion c[DEPTH];
    const struct dray_completion *first;
    uint64_t tag = 0;
    while (tag < TRANSACTIONS) {
        switch (test_below(&rng, 4)) {
        case 0:
            if (dray_queue_wait(q, &first, UINT64_MAX) || first->user_data != tag)
                return false;
            break;
        case 1:
            dray_queue_wait(q, &first, test_below(&rng, 20000));
            break;
        case 2:
            sleep_armed(q);
            break;
        default:
            break;
        }
        uint32_t n = dray_queue_reap(q, c, 1 + (uint32_t)test_below(&rng, DEPTH));
        for (uint32_t i = 0; i < n; i++)
            if (c[i].user_data != tag++)
                return false;
    }
    return true;
}

static void *producer_thread(void *arg)
{
    struct stress *s = arg;
    produce(s->q, s->seed);
    return NULL;
}

static void *consumer_thread(void *arg)
{
    struct stress *s = arg;
    s->good = consume(s->q, s->seed + 1);
    return NULL;
}

/* Changes the moderation all the while; each of these ends by itself, so that nobody is left behind. */
static void *moderator_thread(void *arg)
{
    struct stress *s = arg;
    struct test_rng rng = { s->seed + 2 };
    while (!atomic_load_explicit(&s->ended, memory_order_acquire)) {
        struct dray_moderation m = { .count = (uint32_t)test_below(&rng, 6),
                                     .timeout_ns = 1000 + test_below(&rng, 50000),
                                     .adaptive = test_below(&rng, 2) };
        dray_queue_moderate(s->q, &m);
        sched_yield();
    }
    return NULL;
}

static struct dray_queue *queue_make(uint32_t completion_depth)
{
    struct dray_queue *q = NULL;
    struct dray_queue_options o = { .size = sizeof(o),
                                    .depth = DEPTH,
                                    .completion_depth = completion_depth };
    assert_int_equal(dray_queue_build(&q, &o), 0);
    return q;
}

static void threads_run(uint32_t completion_depth, bool moderated)
{
    struct stress s = { .q = queue_make(completion_depth), .seed = test_seed() };
    struct echo e;
    pthread_t producer, consumer, moderator;
    echo_start(&e, s.q);
    assert_int_equal(pthread_create(&consumer, NULL, consumer_thread, &s), 0);
    assert_int_equal(pthread_create(&producer, NULL, producer_thread, &s), 0);
    if (moderated)
        assert_int_equal(pthread_create(&moderator, NULL, moderator_thread, &s), 0);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    atomic_store_explicit(&s.ended, true, memory_order_release);
    if (moderated)
        pthread_join(moderator, NULL);
    echo_stop(&e);
    assert_true(s.good);
    dray_queue_free(s.q);
}

static void threads(void **state)
{
    (void)state;
    threads_run(DEPTH, false);
}

static void threads_without_room(void **state)
{
    (void)state;
    threads_run(2, false);
}

static void threads_moderated(void **state)
{
    (void)state;
    threads_run(4, true);
}

/* One thread of the child is producer and consumer in turn: never more in flight than the rings hold. */
static int child(const struct dray_queue_handle *handle)
{
    struct dray_queue *q;
    const struct dray_completion *c;
    if (dray_queue_import(&q, handle))
        return 2;
    uint64_t in = 0, out = 0;
    while (out < TRANSACTIONS / 2) {
        struct dray_desc *d;
        while (in < TRANSACTIONS / 2 && (d = dray_queue_get(q))) {
            dray_prep_nop(d);
            d->user_data = in++;
        }
        dray_queue_submit(q);
        if (dray_queue_wait(q, &c, UINT64_MAX) || c->user_data != out++)
            return 1;
        dray_queue_seen(q, 1);
    }
    dray_queue_free(q);
    return 0;
}

static void processes(void **state)
{
    (void)state;
    struct dray_queue *q = queue_make(2);
    struct echo e;
    struct dray_queue_handle handle;
    int status;
    echo_attach_doorbell(&e, q);
    assert_int_equal(dray_queue_export(q, &handle), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(&handle));
    assert_int_equal(pthread_create(&e.thread, NULL, echo_thread, &e), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    echo_stop(&e);
    dray_queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes), /* forks: before there is any thread */
        cmocka_unit_test(threads),
        cmocka_unit_test(threads_without_room),
        cmocka_unit_test(threads_moderated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
