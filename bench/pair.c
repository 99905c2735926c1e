#include "pair.h"

#include <stdlib.h>

#include "memory.h"

enum {
    SEED = 0x9a
};

int bench_pair_setup(struct bench_run *run, size_t size)
{
    struct bench_pair *pair = calloc(1, sizeof(*pair));

    if (!pair)
        return bench_fail(run, "no memory");
    run->state = pair;
    pair->size = pair->copied = size;
    pair->src = bench_map(size);
    pair->dst = bench_map(size);
    if (!pair->src || !pair->dst) {
        bench_pair_teardown(run);
        return bench_fail(run, "no memory for two buffers of %zu bytes", size);
    }
    bench_fill(pair->src, size, SEED);
    return 0;
}

void bench_pair_wipe(struct bench_run *run)
{
    struct bench_pair *pair = run->state;

    bench_wipe(pair->dst, pair->size);
}

int bench_pair_verify(struct bench_run *run)
{
    struct bench_pair *pair = run->state;
    size_t wrong = bench_check(pair->dst, pair->copied, SEED, 0);

    return wrong == BENCH_ALL_GOOD ? 0 : bench_fail(run, "byte %zu differs", wrong);
}

void bench_pair_teardown(struct bench_run *run)
{
    struct bench_pair *pair = run->state;

    bench_unmap(pair->src, pair->size);
    bench_unmap(pair->dst, pair->size);
    free(pair->extra);
    free(pair);
}

int bench_pair_open(struct bench_run *run, const struct bench_rig_options *options)
{
    struct bench_pair *pair = run->state;
    int rc = bench_rig_open(run, &pair->rig, options);

    if (rc)
        return rc;
    rc = bench_rig_map(run, &pair->rig, 0, pair->dst, pair->size, pair->src, pair->size);
    if (rc)
        bench_rig_close(&pair->rig);
    return rc;
}

struct dray_desc *bench_pair_copy(struct bench_pair *pair, size_t at, size_t length)
{
    struct dray_desc *d = dray_queue_get(pair->rig.queues[0]);

    dray_prep_copy(d, pair->rig.dst[0], at, pair->rig.src[0], at, length);
    return d;
}
