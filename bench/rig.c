#include "rig.h"

#include <string.h>

#include "clock.h"

/* Nothing here takes nearly so long; what does has hung. */
#define PATIENCE_NS UINT64_C(20000000000)

static int open_engine(struct bench_run *run, struct bench_rig *rig,
                       const struct bench_rig_options *options)
{
    struct dray_engine_options engine = {
        .size = sizeof(engine),
        .mode = options->mode,
        .workers = options->workers,
        .spin_ns = options->poll    ? UINT64_MAX
                   : options->sleep ? 1
                                    : 0,
        .bind = options->worker_cpu >= 0,
        .first_cpu = options->worker_cpu,
        .split_min = options->split_min,
    };
    const char *name = options->engine ? options->engine : "cpu";
    int rc = dray_engine_open(&rig->engine, rig->domain, name, &engine);

    return rc ? bench_fail(run, "engine %s: %s", name, strerror(-rc)) : 0;
}

static int open_queue(struct bench_run *run, struct bench_rig *rig,
                      const struct bench_rig_options *options)
{
    struct dray_queue_options queue = {
        .size = sizeof(queue),
        .depth = options->depth,
        .rate_bytes_per_s = options->rate_bytes_per_s,
        .moderation = { .count = options->notify_count,
                        .timeout_ns = options->notify_timeout_ns,
                        .adaptive = options->notify_adaptive },
    };
    int rc = dray_queue_create(&rig->queues[rig->queue_count], rig->engine, &queue);

    if (rc)
        return bench_fail(run, "queue: %s", strerror(-rc));
    rig->queue_count++;
    return 0;
}

int bench_rig_open(struct bench_run *run, struct bench_rig *rig,
                   const struct bench_rig_options *options)
{
    int rc;

    memset(rig, 0, sizeof(*rig));
    rc = dray_domain_create(&rig->domain, NULL);
    if (rc)
        return bench_fail(run, "domain: %s", strerror(-rc));
    rc = open_engine(run, rig, options);
    while (!rc && rig->queue_count < options->queues)
        rc = open_queue(run, rig, options);
    if (rc)
        bench_rig_close(rig);
    return rc;
}

int bench_rig_map(struct bench_run *run, struct bench_rig *rig, unsigned i, void *dst,
                  size_t dst_size, void *src, size_t src_size)
{
    int rc = dray_map_memory(rig->domain, dst, dst_size, DRAY_WRITE, &rig->dst[i]);

    if (!rc)
        rc = dray_map_memory(rig->domain, src, src_size, DRAY_READ, &rig->src[i]);
    return rc ? bench_fail(run, "map: %s", strerror(-rc)) : 0;
}

void bench_rig_close(struct bench_rig *rig)
{
    while (rig->queue_count)
        dray_queue_destroy(&rig->queues[--rig->queue_count]);
    if (rig->engine)
        dray_engine_close(&rig->engine);
    if (rig->domain)
        dray_domain_destroy(&rig->domain);
}

int bench_rig_refused(struct bench_run *run, const struct dray_completion *completion)
{
    return bench_fail(run, "a descriptor completed with '%s'",
                      dray_status_name(completion->status));
}

int bench_rig_finish(struct bench_run *run, struct dray_queue *queue, uint64_t count)
{
    const struct dray_completion *completion;

    for (; count; count--) {
        int rc = dray_queue_wait(queue, &completion, PATIENCE_NS);

        if (rc)
            return bench_fail(run, "a completion did not come: %s", strerror(-rc));
        if (completion->status != DRAY_STATUS_OK)
            return bench_rig_refused(run, completion);
        dray_queue_seen(queue, 1);
    }
    return 0;
}

int bench_rig_poll(struct bench_run *run, struct dray_queue *queue, uint64_t count)
{
    struct dray_completion completions[64];
    uint64_t idle = 0;

    while (count) {
        uint32_t i, max = count < 64 ? (uint32_t)count : 64;
        uint32_t reaped = dray_queue_reap(queue, completions, max);

        for (i = 0; i < reaped; i++) {
            if (completions[i].status != DRAY_STATUS_OK)
                return bench_rig_refused(run, &completions[i]);
        }
        count -= reaped;
        idle = reaped ? 0 : idle + 1;
        if (idle > UINT64_C(1) << 32)
            return bench_fail(run, "a completion did not come");
    }
    return 0;
}
