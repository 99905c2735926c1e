/*
 * Queues: how descriptors reach an engine and completions come back.
 *
 *     producer (one thread)                         engine
 *     get, fill      -->  [ submission ring ]
 *     publish (tail) -------------------------->    fetch, execute
 *     doorbell       -------------------------->    wake
 *     peek, reap     <--  [ completion ring ]  <--  complete, notify
 *     seen (head)    -------------------------->    room again
 *
 * Fill, publish, doorbell and reap are four separate steps. Both rings lie in memory that two
 * processes can share (dray_queue_export). Single producer, single consumer: get, publish and
 * doorbell belong to one thread at a time; peek, wait and seen to one thread at a time, which may
 * be another - except with an inline engine, where all are calls of one thread at a time. A full
 * ring pushes back: get returns NULL; the engine starts no transaction that has no room for its
 * completion. Nothing is ever lost.
 *
 * Without a FENCE no order is promised between transactions.
 */
#ifndef DRAY_QUEUE_H
#define DRAY_QUEUE_H

#include "dray/api.h"
#include "dray/desc.h"
#include "dray/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dray_queue;

enum {
    DRAY_DEPTH_MIN = 2,
    DRAY_DEPTH_MAX = 65536,
};

/* When the engine notifies (makes the event of a consumer that has armed it readable). */
struct dray_moderation {
    uint32_t count;      /* after so many completions, at most DRAY_DEPTH_MAX; 0 or 1: each */
    uint64_t timeout_ns; /* or so long after the first not notified yet; 0: no timer */
    bool adaptive;       /* count follows the rate: 1 when idle, up to `count` when so many are
                            expected within timeout_ns (0: 20 us) */
};

struct dray_queue_options {
    size_t size;                       /* sizeof this structure */
    uint32_t depth;                    /* descriptors, a power of two, 2 to 65,536; 0: 256 */
    uint32_t completion_depth;         /* completions, likewise; 0: depth */
    uint64_t rate_bytes_per_s;         /* 0: no limit */
    struct dray_moderation moderation; /* zero: notify each completion */
};

/* Returns 0, -EINVAL (size, depth), -ENOMEM, -EMFILE. Options may be NULL. */
DRAY_API int dray_queue_create(struct dray_queue **queue, struct dray_engine *engine,
                               const struct dray_queue_options *options);

/* Stops the queue, then frees it; sets *queue to NULL, so that a second call does nothing. Work in
 * flight: the slice the engine is at is finished, nothing after it is started, nothing is touched
 * once this has returned; completions that were not reaped are lost. Returns 0. */
DRAY_API int dray_queue_destroy(struct dray_queue **queue);

/* The next free descriptor, to be filled in place; NULL when the ring is full (reap, then try
 * again). The pointer is valid until it is published. */
DRAY_API struct dray_desc *dray_queue_get(struct dray_queue *queue);

/* The ring's own shape slot of a descriptor that get returned; for STRIDED with shape_key zero. */
DRAY_API struct dray_shape *dray_queue_shape(struct dray_queue *queue, const struct dray_desc *d);

/* Free descriptors now. */
DRAY_API uint32_t dray_queue_space(struct dray_queue *queue);

/* Makes what was filled visible to the engine, up to the last transaction that is closed:
 * descriptors that end in an open CHAIN stay behind until it is closed. An open CHAIN that fills
 * the whole ring could never be closed: it is published, and completes with CHAIN. Returns how many
 * descriptors were published. */
DRAY_API uint32_t dray_queue_publish(struct dray_queue *queue);

/* Tells the engine. Inline engines do their work here. */
DRAY_API void dray_queue_doorbell(struct dray_queue *queue);

/* Publish and doorbell. */
DRAY_API uint32_t dray_queue_submit(struct dray_queue *queue);

/* The oldest completion not yet seen, or NULL. Valid until seen. With an inline engine also does
 * pending work. */
DRAY_API const struct dray_completion *dray_queue_peek(struct dray_queue *queue);

/* Copies up to max completions into `completions` and marks them seen; returns how many. */
DRAY_API uint32_t dray_queue_reap(struct dray_queue *queue, struct dray_completion *completions,
                                  uint32_t max);

/* Peek; if there is none, polls a little, then sleeps, under the moderation of the queue.
 * *completion stays valid until seen. Returns 0; -ETIME after timeout_ns (UINT64_MAX: never); and,
 * when all that was completed has been delivered, -EBADMSG if the ring was found corrupt (a hostile
 * producer or engine) and the queue stands still, or -ESHUTDOWN if its owner has destroyed an
 * imported queue. */
DRAY_API int dray_queue_wait(struct dray_queue *queue, const struct dray_completion **completion,
                             uint64_t timeout_ns);

/* Gives `count` completions back to the engine, oldest first; not more than there are. */
DRAY_API void dray_queue_seen(struct dray_queue *queue, uint32_t count);

/* For an event loop: a descriptor that becomes readable when the engine notifies, or when the ring was
 * found corrupt (wait with timeout 0 tells). It notifies only once for each arming: read it (8 bytes
 * for each notification), reap until peek is NULL, then arm again. It may become readable without need. */
DRAY_API int dray_queue_event_fd(const struct dray_queue *queue);

/* Arms the notification. Returns false if completions are waiting already: then reap, do not sleep.
 */
DRAY_API bool dray_queue_arm(struct dray_queue *queue);

/* Changes the moderation; takes effect with the next completion. Any thread. Returns 0, -EINVAL,
 * -ENOTSUP (an imported queue: it is its owner's). */
DRAY_API int dray_queue_moderate(struct dray_queue *queue,
                                 const struct dray_moderation *moderation);

/* Changes the rate limit, bytes a second; 0: none. Any thread. No effect on an imported queue. */
DRAY_API void dray_queue_limit_rate(struct dray_queue *queue, uint64_t rate_bytes_per_s);

struct dray_queue_stats {
    uint64_t completions;   /* written by the engine; imported: seen here */
    uint64_t notifications; /* of a consumer that had armed; imported: 0 */
    uint32_t number;        /* as in fault records */
};

DRAY_API void dray_queue_stats(const struct dray_queue *queue, struct dray_queue_stats *stats);

/* What another process needs to be producer and consumer of this queue: pass the three descriptors
 * over a Unix socket, or by fork. They stay the queue's. Not for inline engines (-ENOTSUP). */
struct dray_queue_handle {
    int memory_fd;
    int doorbell_fd;
    int event_fd;
};

DRAY_API int dray_queue_export(const struct dray_queue *queue, struct dray_queue_handle *handle);

/* The other side. Duplicates the descriptors. The memory is checked before use: -EPROTO if it is no
 * queue of this version. Destroy with dray_queue_destroy, which leaves the exporter's queue alone.
 */
DRAY_API int dray_queue_import(struct dray_queue **queue, const struct dray_queue_handle *handle);

#ifdef __cplusplus
}
#endif

#endif
