/*
 * The engine's end of a queue. It trusts nothing that lies in shared memory: addresses, depths and its own
 * indices are private copies; the other side's indices are checked each time; descriptors are copied
 * before they are looked at.
 *
 * One thread at a time serves a port.
 */
#ifndef DRAY_QUEUE_PORT_H
#define DRAY_QUEUE_PORT_H

#include "dray/queue.h"
#include "queue/ring.h"

struct dray_port {
    /* Set when the queue is made. */
    const struct dray_desc *descs; /* shared: the producer writes them */
    struct dray_completion *completions;
    const struct dray_shape *shapes;
    struct dray_ring *ring; /* shared: the indices */
    uint32_t depth, completion_depth;
    int event_fd;
    /* The engine's own. */
    uint32_t head;      /* next descriptor to fetch, free-running */
    uint32_t tail;      /* published tail as last observed */
    uint32_t complete;  /* next completion to write, free-running */
    uint32_t seen;      /* consumer's head as last observed */
    bool corrupt;       /* an index was impossible: nothing more is fetched */
    /* Moderation: see moderation.c. */
    struct dray_moderation moderation;
    _Atomic uint32_t moderation_lock; /* moderate() against the engine */
    uint32_t unnotified;       /* completions since the last notification */
    uint64_t first_ns;         /* when the first of these was written */
    uint64_t last_ns, gap_ns;  /* adaptive: last completion, mean distance */
    _Atomic uint64_t completions_total, notifications_total;
    /* The engine that serves it. */
    void *engine_data;
    uint64_t rate_bytes_per_s; /* atomic (relaxed) */
};

/* Descriptors published and not yet fetched; 0 also when the ring is corrupt. */
uint32_t dray_port_available(struct dray_port *port);
/* The slot `ahead` descriptors after the next: to be copied, never used in place. */
static inline const struct dray_desc *dray_port_slot(const struct dray_port *port, uint32_t ahead)
{
    return &port->descs[(port->head + ahead) & (port->depth - 1)];
}
static inline const struct dray_shape *dray_port_shape(const struct dray_port *port, uint32_t ahead)
{
    return &port->shapes[(port->head + ahead) & (port->depth - 1)];
}
/* `count` descriptors (and their shapes) have been copied: their slots are the producer's again. */
void dray_port_advance(struct dray_port *port, uint32_t count);
/* Completions that can be written now. 0 also when the ring is corrupt. */
uint32_t dray_port_room(struct dray_port *port);
/* Writes one completion (there must be room); `notify`: the transaction had NOTIFY. Fills in the phase. */
void dray_port_complete(struct dray_port *port, const struct dray_completion *completion,
                        bool notify);
/* After a batch: notify if moderation says so. `idle`: the engine has nothing more to do for this queue now. Returns when it wants
 * to be called again (monotonic ns), UINT64_MAX: no need. */
uint64_t dray_port_moderate(struct dray_port *port, bool idle);
/* Before the engine sleeps: asks the producer for a doorbell, then looks again. False: there is work (or room), do not
 * sleep (already undone). `stalled`: the queue stands still for want of completion room, so that seen() must ring too. */
bool dray_port_sleep(struct dray_port *port, bool stalled);
void dray_port_awake(struct dray_port *port);

#endif
