/* Beginnings and ends: what is destroyed, closed or unmapped while it is at work, and threads that
 * somebody wants dead. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/soft/worker.h"
#include "rig.h"

static uint8_t *pages(size_t size)
{
    uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    return p;
}

static bool in_callers_thread(const struct rig *rig)
{
    return rig->config->mode == DRAY_MODE_INLINE;
}

/* ---- a queue destroyed with work in flight ---- */

enum {
    BIG = 16 << 20
};

/* All of it becomes untouchable as soon as the queue is gone. */
struct workload {
    uint8_t *src, *dst;
    dray_key in, out, flag, stream;
    int ends[2];
    struct dray_queue *queue;
};

typedef void (*post)(struct workload *w);

static void post_copies(struct workload *w)
{
    for (unsigned i = 0; i < 8; i++)
        dray_prep_copy(dray_queue_get(w->queue), w->out, 0, w->in, 0, BIG);
}

static void post_pieces(struct workload *w)
{
    for (unsigned i = 0; i < 200; i++)
        dray_prep_copy(dray_queue_get(w->queue), w->out, i * 4096, w->in, i * 4096, 4096);
}

static void post_wait(struct workload *w)
{
    dray_prep_wait(dray_queue_get(w->queue), w->flag, 0, DRAY_WAIT_NE, 0, 0);
    post_copies(w);
}

static void post_stream(struct workload *w)
{
    dray_prep_copy(dray_queue_get(w->queue), w->out, 0, w->stream, 0, BIG);
    post_copies(w);
}

static void post_rate(struct workload *w)
{
    dray_queue_limit_rate(w->queue, 10000000);
    post_copies(w);
}

static void post_transpose(struct workload *w)
{
    struct dray_desc *d = dray_queue_get(w->queue);
    dray_prep_strided(d, w->out, 0, w->in, 0, BIG, (dray_key){ 0 }, 0);
    *dray_queue_shape(w->queue, d) = (struct dray_shape){ .version = DRAY_FORMAT_VERSION,
                                                          .loops = 2,
                                                          .element = 4,
                                                          .extent = { 2048, 2048 },
                                                          .src_stride = { 4, 8192 },
                                                          .dst_stride = { 8192, 4 } };
}

static const post posts[] = { post_copies, post_pieces, post_wait,
                              post_stream, post_rate,   post_transpose };

static void workload_make(struct rig *rig, struct workload *w)
{
    const struct dray_queue_options options = { .size = sizeof(options), .depth = 256 };
    w->src = pages(BIG);
    w->dst = pages(BIG);
    w->in = rig_map(rig, w->src, BIG, DRAY_READ);
    w->out = rig_map(rig, w->dst, BIG, DRAY_WRITE);
    assert_int_equal(pipe(w->ends), 0);
    assert_int_equal(dray_map_stream(rig->domain, w->ends[0], DRAY_READ, &w->stream), 0);
    w->flag = w->in; /* zero for ever */
    assert_int_equal(dray_queue_create(&w->queue, rig->engine, &options), 0);
}

static void workload_end(struct rig *rig, struct workload *w)
{
    assert_int_equal(dray_unmap(rig->domain, w->in), 0);
    assert_int_equal(dray_unmap(rig->domain, w->out), 0);
    assert_int_equal(dray_unmap(rig->domain, w->stream), 0);
    munmap(w->src, BIG);
    munmap(w->dst, BIG);
    close(w->ends[0]);
    close(w->ends[1]);
}

static void nothing_is_touched_after_destroy(void **state)
{
    struct rig *rig = *state;
    struct test_rng rng = { test_seed() };
    unsigned rounds = strcmp(rig->config->engine, "pio") ? 24 : 6;
    for (unsigned round = 0; round < rounds; round++) {
        struct workload w;
        workload_make(rig, &w);
        posts[round % 6](&w);
        if (in_callers_thread(rig))
            dray_queue_publish(w.queue); /* the doorbell would do it all */
        else
            dray_queue_submit(w.queue);
        for (uint64_t spins = test_size(&rng, 300000); spins; spins--)
            __asm__ volatile("" : : : "memory");

        assert_int_equal(dray_queue_destroy(&w.queue), 0);

        assert_int_equal(mprotect(w.src, BIG, PROT_NONE), 0);
        assert_int_equal(mprotect(w.dst, BIG, PROT_NONE), 0);
        assert_null(w.queue);
        assert_int_equal(dray_queue_destroy(&w.queue), 0); /* does nothing */
        dray_prep_nop(rig_get(rig));                       /* the engine lives on */
        assert_status(rig_finish(rig), DRAY_STATUS_OK);
        workload_end(rig, &w);
    }
}

/* ---- in the wrong order, and twice ---- */

static void what_is_in_use_is_busy(void **state)
{
    struct rig *rig = *state;
    struct dray_engine *engine = rig->engine;
    struct dray_domain *domain = rig->domain;
    assert_int_equal(dray_engine_close(&rig->engine), -EBUSY);
    assert_ptr_equal(rig->engine, engine);
    assert_int_equal(dray_domain_destroy(&rig->domain), -EBUSY);
    assert_ptr_equal(rig->domain, domain);
    dray_prep_nop(rig_get(rig)); /* nothing was done */
    assert_status(rig_finish(rig), DRAY_STATUS_OK);
}

static void closing_twice_does_nothing(void **state)
{
    struct rig *rig = *state;
    struct rig other;
    rig_open(&other, rig->config, 8);
    rig_close(&other);
    assert_null(other.queue);
    assert_null(other.engine);
    assert_null(other.domain);
    rig_close(&other);
}

/* ---- unmap while it is used ---- */

struct unmapper {
    struct rig *rig;
    pthread_t thread;
    _Atomic uint32_t key; /* what the producer is to use; 0: wait */
    _Atomic bool done;
    bool lazy;
    unsigned rounds;
};

enum {
    LAZY_BATCH = 8
};

static void brief_pause(struct test_rng *rng)
{
    if (test_below(rng, 4) == 0)
        sched_yield();
    for (uint64_t spins = test_size(rng, 20000); spins; spins--)
        __asm__ volatile("" : : : "memory");
}

static uint8_t *offer(struct unmapper *u, size_t size, dray_key *key, struct test_rng *rng)
{
    uint8_t *memory = pages(size);
    int error = dray_map_memory(u->rig->domain, memory, size, DRAY_READ | DRAY_WRITE, key);
    if (error)
        abort();
    atomic_store(&u->key, key->value);
    brief_pause(rng);
    return memory;
}

static void *unmap_run(void *argument)
{
    struct unmapper *u = argument;
    struct test_rng rng = { test_seed() + 1 };
    for (unsigned round = 0; round < u->rounds; round++) {
        dray_key key[LAZY_BATCH];
        uint8_t *memory[LAZY_BATCH];
        size_t size = round % 16 ? 8192 : 4 << 20;
        unsigned n = u->lazy ? LAZY_BATCH : 1;
        for (unsigned i = 0; i < n; i++) {
            memory[i] = offer(u, size, &key[i], &rng);
            if (u->lazy ? dray_unmap_lazy(u->rig->domain, key[i])
                        : dray_unmap(u->rig->domain, key[i]))
                abort();
        }
        if (u->lazy)
            dray_domain_flush(u->rig->domain);
        for (unsigned i = 0; i < n; i++)
            munmap(memory[i], size);
    }
    atomic_store(&u->done, true);
    return NULL;
}

/* Copies within the region, whole or in small pieces; what is asked for may be gone by then. */
static void use_key(struct rig *rig, dray_key key, struct test_rng *rng)
{
    struct dray_region_info info;
    if (key.value == 0 || dray_region_info(rig->domain, key, &info))
        return;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t half = info.length / 2, n = i % 4 ? 1 + test_below(rng, 4096) : half;
        dray_prep_copy(rig_get(rig), key, half, key, 0, n < half ? n : half);
    }
    dray_queue_submit(rig->queue);
    for (unsigned i = 0; i < 8; i++) {
        struct dray_completion c = rig_wait(rig);
        if (c.status != DRAY_STATUS_KEY)
            assert_status(c, DRAY_STATUS_OK);
    }
}

static void unmap_during_transfers(struct rig *rig, bool lazy, unsigned rounds)
{
    struct unmapper u = { .rig = rig, .lazy = lazy, .rounds = rounds / TEST_SLOWNESS };
    struct test_rng rng = { test_seed() };
    assert_int_equal(pthread_create(&u.thread, NULL, unmap_run, &u), 0);
    while (!atomic_load(&u.done))
        use_key(rig, (dray_key){ atomic_load(&u.key) }, &rng);
    pthread_join(u.thread, NULL);
}

static void memory_can_be_given_back_once_unmapped(void **state)
{
    unmap_during_transfers(*state, false, 3000);
}

static void or_once_flushed(void **state)
{
    unmap_during_transfers(*state, true, 400);
}

static void a_transfer_ends_when_its_stream_is_unmapped(void **state)
{
    struct rig *rig = *state;
    int ends[2];
    uint8_t bytes[64];
    dray_key stream, out = rig_map(rig, bytes, sizeof(bytes), DRAY_WRITE);
    for (unsigned lazy = 0; lazy < 2; lazy++) {
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(dray_map_stream(rig->domain, ends[0], DRAY_READ, &stream), 0);
        dray_prep_copy(rig_get(rig), out, 0, stream, 0, 64);
        dray_queue_submit(rig->queue);
        assert_null(dray_queue_peek(rig->queue));
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); /* workers fall asleep */
        assert_int_equal(
            lazy ? dray_unmap_lazy(rig->domain, stream) : dray_unmap(rig->domain, stream), 0);
        struct dray_completion c = rig_wait(rig);
        assert_status(c, DRAY_STATUS_KEY);
        assert_int_equal(c.moved, 0);
        close(ends[0]);
        close(ends[1]);
    }
}

/* ---- threads ---- */

static unsigned workers_of(struct rig *rig, struct dray_worker **workers)
{
    struct dray_soft *soft = (struct dray_soft *)rig->engine;
    *workers = soft->workers;
    return soft->worker_count;
}

static void some_copies(struct rig *rig)
{
    static uint8_t src[4096], dst[4096];
    tag_fill(src, sizeof(src), 1, 0);
    dray_key in = rig_map(rig, src, sizeof(src), DRAY_READ);
    dray_key out = rig_map(rig, dst, sizeof(dst), DRAY_WRITE);
    for (unsigned i = 0; i < 50; i++) {
        memset(dst, 0, sizeof(dst));
        dray_prep_copy(rig_get(rig), out, 0, in, 0, sizeof(src));
        assert_status(rig_finish(rig), DRAY_STATUS_OK);
        tag_check(dst, sizeof(dst), 1, 0);
    }
    dray_unmap(rig->domain, in);
    dray_unmap(rig->domain, out);
}

static void a_worker_cannot_be_cancelled(void **state)
{
    struct rig *rig = *state;
    struct dray_worker *workers;
    unsigned count = workers_of(rig, &workers);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_cancel(workers[i].thread), 0);
    some_copies(rig);
    /* Nor one whose engine has just been opened. */
    for (unsigned round = 0; round < 20; round++) {
        struct rig other;
        rig_open(&other, rig->config, 8);
        count = workers_of(&other, &workers);
        for (unsigned i = 0; i < count; i++)
            pthread_cancel(workers[i].thread);
        dray_prep_nop(rig_get(&other));
        assert_status(rig_finish(&other), DRAY_STATUS_OK);
        rig_close(&other);
    }
}

static _Atomic unsigned handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

static void workers_take_no_signals(void **state)
{
    struct rig *rig = *state;
    struct sigaction action = { .sa_handler = handle }, old;
    sigset_t one, mask;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigaction(SIGUSR1, &action, &old);
    pthread_sigmask(SIG_BLOCK, &one, &mask);
    kill(getpid(), SIGUSR1); /* whichever thread does not block it */
    some_copies(rig);
    assert_int_equal(handled, 0);
    sigset_t pending;
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGUSR1));
    assert_int_equal(sigtimedwait(&one, NULL, &(struct timespec){ 0 }), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGUSR1, &old, NULL);
}

/* The child has the memory of all this and none of the threads. */
static void a_child_process_may_exit(void **state)
{
    struct rig *rig = *state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (TEST_SANITIZED)
            _exit(0);
        exit(0);
    }
    int status;
    some_copies(rig);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    some_copies(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_touched_after_destroy),
        cmocka_unit_test(what_is_in_use_is_busy),
        cmocka_unit_test(closing_twice_does_nothing),
        cmocka_unit_test(memory_can_be_given_back_once_unmapped),
        cmocka_unit_test(or_once_flushed),
        cmocka_unit_test(a_transfer_ends_when_its_stream_is_unmapped),
        cmocka_unit_test(a_worker_cannot_be_cancelled),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(a_child_process_may_exit),
    };
    return rig_run_tests_by_mode("life", tests, sizeof(tests) / sizeof(tests[0]));
}
