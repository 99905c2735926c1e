/*
 * Threads map and unmap, strictly and lazily, while readers look up and read. What is unmapped is
 * overwritten and freed at once: a reader that finds a key must find the bytes that belong to it,
 * as long as it stays inside. Under the sanitizers it must also be neither a race nor a use after
 * free.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "domain/region.h"
#include "dray/io.h"

enum {
    PLACES = 64, /* regions at a time */
    MAPPERS = 2,
    READERS = 2,
    CHANGES = 1000, /* of each mapper, at least */
    WORDS = 24
};

#define POISON 0xdeaddeaddeaddeadu

/* One region: its key, and the memory behind it. */
struct place {
    _Atomic uint64_t posted; /* key, and above it 32 bits of serial: what readers expect to find */
    pthread_mutex_t lock;    /* between mappers */
    uint64_t *words;
    dray_key key;
    uint32_t serial;
};

struct stress {
    struct dray_domain *domain;
    struct place places[PLACES];
    _Atomic uint32_t mappers_left;
    _Atomic uint64_t hits, stale;
};

struct worker {
    struct stress *stress;
    struct test_rng rng;
    struct dray_reader reader;
    pthread_t thread;
};

static void require(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* ---- mappers ---- */

static void words_free(uint64_t *words)
{
    for (size_t i = 0; i < WORDS; i++)
        words[i] = POISON;
    free(words);
}

static void place_map(struct stress *stress, struct place *place, struct test_rng *rng)
{
    place->serial++;
    place->words = malloc(WORDS * sizeof(*place->words));
    require(place->words, "no memory");
    for (size_t i = 0; i < WORDS; i++)
        place->words[i] = place->serial;
    size_t half = WORDS / 2 * sizeof(*place->words);
    struct iovec pieces[2] = { { place->words + WORDS / 2, half }, { place->words, half } };
    int error =
        test_below(rng, 2)
            ? dray_map_pieces(stress->domain, pieces, 2, DRAY_READ, &place->key)
            : dray_map_memory(stress->domain, place->words, 2 * half, DRAY_READ, &place->key);
    require(error == 0, "map");
    atomic_store(&place->posted, (uint64_t)place->serial << 32 | place->key.value);
}

/* The key is still posted while it dies: readers look up dead keys too. */
static void place_unmap(struct stress *stress, struct place *place, struct test_rng *rng)
{
    if (test_below(rng, 4) == 0) {
        require(dray_unmap_lazy(stress->domain, place->key) == 0, "lazy unmap");
        dray_domain_flush(stress->domain);
    } else {
        require(dray_unmap(stress->domain, place->key) == 0, "unmap");
    }
    words_free(place->words);
    place->words = NULL;
}

/* Whether readers have met both the living and the dead: the test goes on until they have. */
static bool all_seen(struct stress *stress)
{
    return atomic_load(&stress->hits) > 1000 && atomic_load(&stress->stale) > 1000;
}

static void *mapper_run(void *argument)
{
    struct worker *worker = argument;
    struct stress *stress = worker->stress;
    for (int i = 0; i < CHANGES || !all_seen(stress); i++) {
        struct place *place = &stress->places[test_below(&worker->rng, PLACES)];
        pthread_mutex_lock(&place->lock);
        if (place->words)
            place_unmap(stress, place, &worker->rng);
        else
            place_map(stress, place, &worker->rng);
        pthread_mutex_unlock(&place->lock);
    }
    atomic_fetch_sub(&stress->mappers_left, 1);
    return NULL;
}

/* ---- readers ---- */

static void words_expect(const uint64_t *words, size_t count, uint64_t serial)
{
    for (size_t i = 0; i < count; i++)
        require(words[i] == serial, "a reader saw bytes of another life");
}

static void slot_expect(const struct dray_slot *slot, uint64_t serial)
{
    if (slot->kind == DRAY_REGION_MEMORY) {
        words_expect(slot->base, WORDS, serial);
        return;
    }
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    for (size_t i = 0; i < pieces->count; i++)
        words_expect(pieces->piece[i].iov_base, WORDS / 2, serial);
}

static void *reader_run(void *argument)
{
    struct worker *worker = argument;
    struct stress *stress = worker->stress;
    struct dray_table *table = dray_domain_table(stress->domain);
    dray_reader_register(stress->domain, &worker->reader);
    while (atomic_load(&stress->mappers_left) > 0) {
        dray_reader_enter(table, &worker->reader);
        uint64_t slice = 1 + test_below(&worker->rng, 8);
        while (slice-- > 0) {
            uint64_t posted = atomic_load(&stress->places[test_below(&worker->rng, PLACES)].posted);
            const struct dray_slot *slot;
            enum dray_status status = dray_resolve(table, (dray_key){ (uint32_t)posted }, 0,
                                                   WORDS * sizeof(uint64_t), DRAY_READ, &slot);
            require(status == DRAY_STATUS_OK || status == DRAY_STATUS_KEY, "status");
            if (status == DRAY_STATUS_OK)
                slot_expect(slot, posted >> 32);
            atomic_fetch_add(status == DRAY_STATUS_OK ? &stress->hits : &stress->stale, 1);
        }
        dray_reader_leave(&worker->reader);
        sched_yield(); /* here rather than inside, where unmap would wait for our next turn */
    }
    dray_reader_unregister(stress->domain, &worker->reader);
    return NULL;
}

static void readers_never_see_what_was_freed(void **state)
{
    (void)state;
    static struct stress stress;
    struct worker workers[MAPPERS + READERS];
    assert_int_equal(dray_domain_create(&stress.domain, NULL), 0);
    atomic_store(&stress.mappers_left, MAPPERS);
    for (int i = 0; i < PLACES; i++)
        pthread_mutex_init(&stress.places[i].lock, NULL);
    for (int i = 0; i < MAPPERS + READERS; i++) {
        workers[i] = (struct worker){ .stress = &stress, .rng = { test_seed() + (uint64_t)i } };
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < MAPPERS ? mapper_run : reader_run, &workers[i]),
                         0);
    }
    for (int i = 0; i < MAPPERS + READERS; i++)
        pthread_join(workers[i].thread, NULL);
    print_message("%llu found, %llu stale\n", (unsigned long long)stress.hits,
                  (unsigned long long)stress.stale);
    struct dray_domain_stats stats;
    dray_domain_stats(stress.domain, &stats);
    assert_true(stats.maps + stats.unmaps >= MAPPERS * CHANGES);
    assert_int_equal(stats.maps - stats.unmaps, stats.regions);
    assert_int_equal(dray_domain_destroy(&stress.domain), 0);
    for (int i = 0; i < PLACES; i++)
        free(stress.places[i].words);
}

/* ---- a flag, and a sleeper that must not oversleep ---- */

struct nap {
    struct dray_waiter waiter;
    struct dray_domain *domain;
    uint64_t flag;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool rung;
};

static void nap_wake(struct dray_waiter *waiter)
{
    struct nap *nap = (struct nap *)waiter;
    pthread_mutex_lock(&nap->lock);
    nap->rung = true;
    pthread_cond_signal(&nap->changed);
    pthread_mutex_unlock(&nap->lock);
}

enum {
    NAPS = 4000
};

/* The two sides meet at a moment that wanders from round to round. */
static void wander(struct test_rng *rng)
{
    for (uint64_t n = test_below(rng, 64); n > 0; n--)
        dray_io_relax();
}

/* No time-out: a wake-up that is lost hangs the test. */
static void *nap_run(void *argument)
{
    struct nap *nap = argument;
    struct test_rng rng = { test_seed() };
    for (uint64_t round = 1; round <= NAPS; round++) {
        wander(&rng);
        dray_domain_sleep_begin(nap->domain);
        while (__atomic_load_n(&nap->flag, __ATOMIC_SEQ_CST) < 2 * round - 1) {
            pthread_mutex_lock(&nap->lock);
            while (!nap->rung)
                pthread_cond_wait(&nap->changed, &nap->lock);
            nap->rung = false;
            pthread_mutex_unlock(&nap->lock);
        }
        dray_domain_sleep_end(nap->domain);
        dray_flag_add(nap->domain, &nap->flag, 1);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    struct nap nap = { .waiter.wake = nap_wake,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER };
    pthread_t thread;
    struct test_rng rng = { ~test_seed() };
    assert_int_equal(dray_domain_create(&nap.domain, NULL), 0);
    dray_domain_add_waiter(nap.domain, &nap.waiter);
    assert_int_equal(pthread_create(&thread, NULL, nap_run, &nap), 0);
    for (uint64_t round = 1; round <= NAPS; round++) {
        wander(&rng);
        dray_flag_store(nap.domain, &nap.flag, 2 * round - 1);
        for (unsigned spins = 0; dray_flag_load(&nap.flag) != 2 * round; spins++)
            if (spins % 1000 == 999)
                sched_yield();
    }
    pthread_join(thread, NULL);
    dray_domain_remove_waiter(nap.domain, &nap.waiter);
    dray_domain_destroy(&nap.domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_what_was_freed),
        cmocka_unit_test(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
