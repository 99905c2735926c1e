/*
 * Suite `domain`: what it costs to look a key up, hot, in a domain of few regions and in one of 2^20; one
 * look-up after the other (dependent: the next key is known when the last one's region is), and as many at
 * a time as the processor likes. The peer is a plain index into an array of slots as large, with no check
 * at all: what a program does that trusts all its numbers.
 *
 * And what it costs to map a region and unmap it, strictly, while a worker polls; beside the same entry
 * made and cleared in an array under a mutex, which waits for nobody.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "copiers.h"
#include "domain/region.h"
#include "rig.h"
#include "suites.h"

enum {
    HOT = 64, /* keys that are looked up, a power of two; their slots lie all over the table */
    FEW = HOT,
    MANY = DRAY_REGIONS_MAX,
    MANY_QUICK = 4096,
    LOOKUPS = 1 << 20,
    PAIRS = 1 << 16,
    BYTES = 2 * HOT, /* of memory that all regions name */
    SLOT_WORDS = sizeof(struct dray_slot) / sizeof(uint64_t),
};

struct domain_param {
    uint32_t regions;
    bool dependent;
};

/* What the peer indexes: as large as a slot of the domain's table. */
struct plain_slot {
    uint64_t word[SLOT_WORDS];
};

struct domain_state {
    uint32_t regions;
    size_t count; /* look-ups, or pairs, in a round */
    struct dray_domain *domain;
    dray_key keys[HOT];
    uint32_t indices[HOT];
    struct plain_slot *slots;
    uint64_t sum, expected; /* of the lengths that were found */
    struct bench_rig rig;
    pthread_mutex_t mutex;
    unsigned char bytes[BYTES];
};

/* The hot key that follows number i: all of them in turn, in no order that a prefetcher knows. */
static unsigned next_of(unsigned i)
{
    return (i * 5 + 1) % HOT;
}

/* A region's length leads to the next one. */
static uint64_t length_of(unsigned i)
{
    return HOT + next_of(i);
}

/* Where number i of the hot ones lies among all; an odd factor keeps them apart. */
static uint32_t place_of(uint32_t i, uint32_t regions)
{
    return i * UINT32_C(0x9e3779b1) % regions;
}

static int map_all(struct bench_run *run, struct domain_state *state)
{
    uint32_t i, hot[HOT];
    dray_key key;
    int rc = dray_domain_create(&state->domain, NULL);

    for (i = 0; i < HOT; i++)
        hot[i] = place_of(i, state->regions);
    for (i = 0; i < state->regions && !rc; i++) {
        unsigned k = 0;

        while (k < HOT && hot[k] != i)
            k++;
        rc = dray_map_memory(state->domain, state->bytes, k < HOT ? length_of(k) : 1, DRAY_READ,
                             &key);
        if (k == HOT)
            continue;
        state->keys[k] = key;
        state->indices[k] = i;
        state->slots[i].word[1] = length_of(k);
    }
    return rc ? bench_fail(run, "map: %s", strerror(-rc)) : 0;
}

static void domain_teardown(struct bench_run *run)
{
    struct domain_state *state = run->state;

    dray_domain_destroy(&state->domain);
    pthread_mutex_destroy(&state->mutex);
    free(state->slots);
    free(state);
}

static int new_state(struct bench_run *run, uint32_t regions, size_t count)
{
    struct domain_state *state = calloc(1, sizeof(*state));

    if (!state)
        return bench_fail(run, "no memory");
    pthread_mutex_init(&state->mutex, NULL);
    state->regions = regions;
    state->count = run->quick ? count / 64 : count;
    state->slots = calloc(regions, sizeof(*state->slots));
    run->state = state;
    if (state->slots)
        return 0;
    domain_teardown(run);
    return bench_fail(run, "no memory");
}

static int setup_lookups(struct bench_run *run)
{
    const struct domain_param *param = run->spec->param;
    uint32_t regions = run->quick && param->regions == MANY ? MANY_QUICK : param->regions;
    struct domain_state *state;
    unsigned i;

    if (new_state(run, regions, LOOKUPS))
        return -1;
    state = run->state;
    for (i = 0; i < HOT; i++)
        state->expected += length_of(i) * (state->count / HOT);
    if (!map_all(run, state))
        return 0;
    domain_teardown(run);
    return -1;
}

static void wipe_sum(struct bench_run *run)
{
    ((struct domain_state *)run->state)->sum = 0;
}

static int verify_sum(struct bench_run *run)
{
    const struct domain_state *state = run->state;

    return state->sum == state->expected ? 0 : bench_fail(run, "a look-up found another region");
}

/* Nothing that was read may be kept for the next turn. */
static void forget(void)
{
    __asm__ volatile("" ::: "memory");
}

static double run_lookups(struct bench_run *run)
{
    struct domain_state *state = run->state;
    const struct dray_table *table = dray_domain_table(state->domain);
    bool dependent = ((const struct domain_param *)run->spec->param)->dependent;
    const struct dray_slot *slot;
    uint64_t sum = 0;
    unsigned at = 0;
    size_t i;
    double begin = bench_seconds();

    for (i = 0; i < state->count; i++) {
        forget();
        if (dray_resolve(table, state->keys[at], 0, 1, DRAY_READ, &slot) != DRAY_STATUS_OK)
            return bench_fail(run, "a key was refused");
        sum += slot->length;
        at = dependent ? slot->length % HOT : next_of(at);
    }
    state->sum = sum;
    return (bench_seconds() - begin) * 1e9 / (double)state->count;
}

static double run_array(struct bench_run *run)
{
    struct domain_state *state = run->state;
    const struct plain_slot *slots = state->slots;
    bool dependent = ((const struct domain_param *)run->spec->param)->dependent;
    uint64_t sum = 0;
    unsigned at = 0;
    size_t i;
    double begin = bench_seconds();

    for (i = 0; i < state->count; i++) {
        uint64_t length;

        forget();
        length = slots[state->indices[at]].word[1];
        sum += length;
        at = dependent ? length % HOT : next_of(at);
    }
    state->sum = sum;
    return (bench_seconds() - begin) * 1e9 / (double)state->count;
}

/* ---- map and unmap ---- */

static int setup_pairs(struct bench_run *run)
{
    return new_state(run, FEW, PAIRS);
}

/* A worker that polls, with a queue that has nothing to do. */
static int open_worker(struct bench_run *run)
{
    struct bench_rig_options options = {
        .mode = DRAY_MODE_WORKER,
        .workers = 1,
        .worker_cpu = bench_cpu_count() > 1 ? bench_cpu(1) : -1,
        .poll = true,
        .queues = 1,
        .depth = 2,
    };

    return bench_rig_open(run, &((struct domain_state *)run->state)->rig, &options);
}

static double run_pairs(struct bench_run *run)
{
    struct domain_state *state = run->state;
    double begin, seconds;
    dray_key key;
    size_t i;
    int rc = open_worker(run);

    if (rc)
        return -1;
    begin = bench_seconds();
    for (i = 0; i < state->count && !rc; i++) {
        rc = dray_map_memory(state->rig.domain, state->bytes, BYTES, DRAY_READ, &key);
        if (!rc)
            rc = dray_unmap(state->rig.domain, key);
    }
    seconds = bench_seconds() - begin;
    bench_rig_close(&state->rig);
    return rc ? bench_fail(run, "map or unmap: %s", strerror(-rc))
              : seconds * 1e9 / (double)state->count;
}

static double run_plain_pairs(struct bench_run *run)
{
    struct domain_state *state = run->state;
    double begin = bench_seconds();
    size_t i;

    for (i = 0; i < state->count; i++) {
        struct plain_slot *slot = &state->slots[i % FEW];

        pthread_mutex_lock(&state->mutex);
        *slot = (struct plain_slot){ { i, BYTES, (uintptr_t)state->bytes } };
        pthread_mutex_unlock(&state->mutex);
        pthread_mutex_lock(&state->mutex);
        *slot = (struct plain_slot){ { 0 } };
        pthread_mutex_unlock(&state->mutex);
    }
    return (bench_seconds() - begin) * 1e9 / (double)state->count;
}

#define LOOKUP(label, count, one_by_one)                                                         \
    {                                                                                            \
        .name = label, .unit = "ns", .param = &(const struct domain_param){ count, one_by_one }, \
        .setup = setup_lookups, .dray = { .name = "dray", .run = run_lookups },                  \
        .peers = { { .name = "array index, no check", .run = run_array } }, .wipe = wipe_sum,    \
        .verify = verify_sum, .teardown = domain_teardown, .seconds = 2, .rounds_min = 21        \
    }

static const struct bench_case cases[] = {
    LOOKUP("lookup", FEW, false),
    LOOKUP("lookup/dependent", FEW, true),
    LOOKUP("lookup-1Mi", MANY, false),
    LOOKUP("lookup-1Mi/dependent", MANY, true),
    { .name = "map-unmap",
      .unit = "ns",
      .setup = setup_pairs,
      .dray = { .name = "dray", .run = run_pairs },
      .peers = { { .name = "array entry under a mutex", .run = run_plain_pairs } },
      .teardown = domain_teardown,
      .seconds = 3,
      .rounds_min = 9 },
};

const struct bench_suite bench_suite_domain = {
    .name = "domain",
    .about = "look-ups of keys, map and unmap",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
