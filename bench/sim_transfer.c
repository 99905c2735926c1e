/*
 * A scatter-gather transfer of 4 KiB pieces, picked in random order out of as many, through a modelled
 * server's queue, caches, controller, link, IOMMU, bus and DRAM, with the shadow state watching.
 */
#include "sim_transfer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "dray/dray.h"
#include "memory.h"

enum {
    SEED = 0x64,
    PIECE = 4096,
    DEPTH = 256,
    GATHER = 16, /* pieces of one transaction */
};

struct transfer {
    size_t bytes, count;
    void *src, *dst;
    uint32_t *order; /* piece of the source, for each of the destination */
};

struct world {
    struct dray_machine *machine;
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
    dray_key src, dst;
};

void bench_transfer_teardown(struct bench_run *run)
{
    struct transfer *t = run->state;

    bench_unmap(t->src, t->bytes);
    bench_unmap(t->dst, t->bytes);
    free(t->order);
    free(t);
}

static void shuffle(uint32_t *order, size_t count)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count - 1; i > 0; i--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        size_t k = x % (i + 1);
        uint32_t other = order[k];
        order[k] = order[i];
        order[i] = other;
    }
}

int bench_transfer_setup(struct bench_run *run)
{
    const struct bench_transfer_param *param = run->spec->param;
    struct transfer *t = calloc(1, sizeof(*t));

    if (!t)
        return bench_fail(run, "no memory");
    run->state = t;
    t->bytes = run->quick ? 256 << 10 : param->bytes;
    t->count = t->bytes / PIECE;
    t->src = bench_map(t->bytes);
    t->dst = bench_map(t->bytes);
    t->order = malloc(t->count * sizeof(*t->order));
    if (!t->src || !t->dst || !t->order) {
        bench_transfer_teardown(run);
        return bench_fail(run, "no memory");
    }
    bench_fill(t->src, t->bytes, SEED);
    shuffle(t->order, t->count);
    return 0;
}

void bench_transfer_wipe(struct bench_run *run)
{
    struct transfer *t = run->state;

    bench_wipe(t->dst, t->bytes);
}

int bench_transfer_verify(struct bench_run *run)
{
    struct transfer *t = run->state;

    for (size_t i = 0; i < t->count; i++) {
        size_t wrong =
            bench_check((char *)t->dst + i * PIECE, PIECE, SEED, (size_t)t->order[i] * PIECE);
        if (wrong != BENCH_ALL_GOOD)
            return bench_fail(run, "piece %zu differs at byte %zu", i, wrong);
    }
    return 0;
}

static void world_close(struct world *w)
{
    dray_queue_destroy(&w->queue);
    dray_engine_close(&w->engine);
    dray_domain_destroy(&w->domain);
    dray_machine_destroy(&w->machine);
}

static int world_open(struct bench_run *run, struct world *w)
{
    struct transfer *t = run->state;
    struct dray_machine_options machine = { .size = sizeof(machine), .name = "server" };
    struct dray_engine_options engine = { .size = sizeof(engine) };
    struct dray_queue_options queue = { .size = sizeof(queue), .depth = DEPTH };
    char why[256];

    *w = (struct world){ 0 };
    if (dray_machine_create(&w->machine, &machine, why, sizeof(why)))
        return bench_fail(run, "%s", why);
    engine.machine = w->machine;
    if (dray_domain_create(&w->domain, NULL) ||
        dray_engine_open(&w->engine, w->domain, "model", &engine) ||
        dray_queue_create(&w->queue, w->engine, &queue) ||
        dray_map_memory(w->domain, t->src, t->bytes, DRAY_READ, &w->src) ||
        dray_map_memory(w->domain, t->dst, t->bytes, DRAY_WRITE, &w->dst)) {
        world_close(w);
        return bench_fail(run, "no engine, queue or region");
    }
    return 0;
}

/* Fills what fits, whole transactions. Returns how many pieces. */
static size_t fill(const struct transfer *t, struct world *w, size_t first)
{
    size_t i = first;

    while (i < t->count && dray_queue_space(w->queue) >= GATHER) {
        for (size_t k = 0; k < GATHER && i < t->count; k++, i++) {
            struct dray_desc *d = dray_queue_get(w->queue);

            dray_prep_copy(d, w->dst, i * PIECE, w->src, (uint64_t)t->order[i] * PIECE, PIECE);
            d->flags = k + 1 < GATHER && i + 1 < t->count ? DRAY_FLAG_CHAIN : 0;
        }
    }
    if (i > first)
        dray_queue_submit(w->queue);
    return i - first;
}

static int transfer(struct bench_run *run, struct world *w)
{
    struct transfer *t = run->state;
    struct dray_completion done[64];
    size_t filled = 0, open = 0;

    while (filled < t->count || open) {
        size_t n = fill(t, w, filled);

        filled += n;
        open += (n + GATHER - 1) / GATHER;
        uint32_t reaped = dray_queue_reap(w->queue, done, 64);
        for (uint32_t i = 0; i < reaped; i++)
            if (done[i].status != DRAY_STATUS_OK)
                return bench_fail(run, "status %s", dray_status_name(done[i].status));
        open -= reaped;
    }
    return dray_machine_hazards(w->machine) ? bench_fail(run, "there were hazards") : 0;
}

double bench_transfer_seconds(struct bench_run *run)
{
    struct world w;
    double begin = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID), end;

    if (world_open(run, &w))
        return -1;
    int failed = transfer(run, &w);
    end = bench_seconds_of(CLOCK_THREAD_CPUTIME_ID);
    world_close(&w);
    return failed ? -1 : end - begin;
}

static double resident_mib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *in = fopen("/proc/self/statm", "re");

    if (!in || fscanf(in, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (in)
        fclose(in);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

double bench_transfer_memory(struct bench_run *run)
{
    struct world w;
    double before = resident_mib(), grown;

    if (world_open(run, &w))
        return -1;
    int failed = transfer(run, &w);
    grown = resident_mib() - before;
    world_close(&w);
    return failed ? -1 : grown;
}

double bench_transfer_seconds_allowed(struct bench_run *run)
{
    const struct transfer *t = run->state;

    return 2.0 * (double)t->bytes / (64 << 20);
}

double bench_transfer_memory_allowed(struct bench_run *run)
{
    const struct transfer *t = run->state;

    return 4 * 2 * (double)t->bytes / 1048576 + 64;
}
