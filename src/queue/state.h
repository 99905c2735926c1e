/* The user's side of a queue. */
#ifndef DRAY_QUEUE_STATE_H
#define DRAY_QUEUE_STATE_H

#include "dray/io.h"
#include "queue/internal.h"

/* One cache line for each thread that writes; what nobody writes comes first. */
struct dray_queue {
    /* Set when the queue is made. */
    struct dray_ring_map map;
    struct dray_binding binding;
    struct dray_engine *engine; /* NULL: imported */
    uint32_t number;
    int event_fd;  /* the consumer waits at it, here or in another process; owned */
    int notify_fd; /* the engine's end of it, which nobody else ever has; owned; imported: -1 */
    bool imported;
    /* The producer's own. Free-running. */
    _Alignas(64) uint32_t fill; /* next descriptor to hand out */
    uint32_t tail;              /* published */
    uint32_t head;              /* the engine's, as last observed */
    uint32_t broken;            /* the engine's head was impossible; the consumer reads it too */
    /* The consumer's own. */
    _Alignas(64) uint32_t next; /* oldest completion not yet seen */
    uint32_t spin_ns;           /* how long a wait polls before it sleeps; 0: never polls */
    uint64_t seen_total;
    /* The engine's end; unused if imported. */
    _Alignas(64) struct dray_port port;
};

/* The word that holds the phase of the completion with this index. */
static inline uint64_t *dray_queue_last(const struct dray_queue *q, uint32_t index)
{
    struct dray_completion *c = &q->map.completions[index & (q->map.completion_depth - 1)];
    return (uint64_t *)((char *)c + DRAY_COMPLETION_LAST);
}

/* Whether the completion with this index has been written. Acquire, partner of dray_port_complete:
 * the rest of it is visible then. */
static inline bool dray_queue_written(const struct dray_queue *q, uint32_t index)
{
    uint64_t *last = dray_queue_last(q, index);
    dray_io_invalidate(last, sizeof(*last));
    return (dray_io_observe64(last) & DRAY_RING_PHASE_BIT) ==
           dray_ring_phase(index, q->map.completion_depth);
}

/* The oldest completion, if there is one. Does not call the engine. */
static inline const struct dray_completion *dray_queue_look(const struct dray_queue *q)
{
    const struct dray_completion *c = &q->map.completions[q->next & (q->map.completion_depth - 1)];
    if (!dray_queue_written(q, q->next))
        return NULL;
    dray_io_loads(c, sizeof(*c));
    return c;
}

#endif
