/* Dray's side of a case: a domain, an engine, its queues and the keys of their buffers. */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "dray/dray.h"
#include "harness.h"

enum {
    BENCH_RIG_QUEUES_MAX = 2
};

struct bench_rig {
    struct dray_domain *domain;
    struct dray_engine *engine;
    unsigned queue_count;
    struct dray_queue *queues[BENCH_RIG_QUEUES_MAX];
    dray_key src[BENCH_RIG_QUEUES_MAX], dst[BENCH_RIG_QUEUES_MAX]; /* set by bench_rig_map */
};

struct bench_rig_options {
    const char *engine; /* NULL: cpu */
    enum dray_mode mode;
    unsigned workers;
    int worker_cpu;     /* the workers are bound to it and those after; negative: not bound */
    bool poll;          /* workers never sleep */
    bool sleep;         /* workers sleep at once */
    uint64_t split_min; /* 0: the profile's */
    unsigned queues;
    uint32_t depth;
    uint32_t notify_count;      /* completions for a notification; 0: each */
    uint64_t notify_timeout_ns; /* or so long after the first; 0: only by count */
    bool notify_adaptive;
    uint64_t rate_bytes_per_s; /* 0: no limit */
};

/** Opens the engine; 0, or nonzero with run->why set and nothing left open. */
int bench_rig_open(struct bench_run *run, struct bench_rig *rig,
                   const struct bench_rig_options *options);

/** Maps the buffers of queue i. Nonzero: run->why is set; the rig stays open. */
int bench_rig_map(struct bench_run *run, struct bench_rig *rig, unsigned i, void *dst,
                  size_t dst_size, void *src, size_t src_size);

/** Closes whatever is open; a zeroed rig is closed already. */
void bench_rig_close(struct bench_rig *rig);

/** Takes `count` completions of a queue, sleeping for them; nonzero with run->why set. */
int bench_rig_finish(struct bench_run *run, struct dray_queue *queue, uint64_t count);

/** As bench_rig_finish, for completions that are there already or come while polling. */
int bench_rig_poll(struct bench_run *run, struct dray_queue *queue, uint64_t count);

/** Complains of a completion that is not good. */
int bench_rig_refused(struct bench_run *run, const struct dray_completion *completion);

#endif
