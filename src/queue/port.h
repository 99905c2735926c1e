/*
 * The engine's end of a queue. It trusts nothing that lies in shared memory: addresses, depths and
 * its own indices are private copies; the other side's indices are checked each time; descriptors
 * are copied before they are looked at.
 *
 * One thread at a time serves a port.
 */
#ifndef DRAY_QUEUE_PORT_H
#define DRAY_QUEUE_PORT_H

#include <string.h>

#include "dray/io.h"
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
    _Alignas(64) uint32_t head; /* next descriptor to fetch, free-running */
    uint32_t tail;              /* published tail as last observed */
    uint32_t complete;          /* next completion to write, free-running */
    uint32_t seen;              /* consumer's head as last observed */
    bool corrupt;               /* an index was impossible: nothing more is fetched */
    /* Moderation: see moderation.c. */
    bool urgent;                       /* one of those not notified had NOTIFY */
    uint32_t unnotified;               /* completions since the last notification */
    uint32_t settled;                  /* `complete` at the last full barrier */
    uint32_t rated;                    /* `complete` when the rate was last measured */
    uint32_t moderation_version;       /* of `moderation` */
    struct dray_moderation moderation; /* the engine's copy */
    uint64_t first_ns;                 /* when the first that is not notified was written */
    uint64_t last_ns, gap_ns;          /* adaptive: last measured, mean distance of completions */
    uint64_t completions_total, notifications_total; /* written here, read by anyone */
    /* The engine that serves it. */
    void *engine_data;
    uint64_t again_ns; /* service: when it wants to be called again (monotonic); 0: does not know */
    /* Any thread of the user writes; through dray/io.h. */
    _Alignas(64) uint64_t rate_bytes_per_s;
    struct dray_moderation moderation_next; /* under the lock */
    uint32_t moderation_next_version;
    uint32_t moderation_lock;
};

/* Descriptors published and not yet fetched; 0 also when the ring is corrupt. Looks at the shared
 * tail only when all that it knew of are fetched. Inline, as dray_port_room: an engine asks several
 * times for each doorbell, and mostly knows. */
uint32_t dray_port_look_tail(struct dray_port *port);
static inline uint32_t dray_port_available(struct dray_port *port)
{
    uint32_t known = port->tail - port->head;
    return known && !port->corrupt ? known : dray_port_look_tail(port);
}

/* The slot `ahead` descriptors after the next: to be prefetched or copied, never used in place. */
static inline const struct dray_desc *dray_port_slot(const struct dray_port *port, uint32_t ahead)
{
    return &port->descs[(port->head + ahead) & (port->depth - 1)];
}
static inline const struct dray_shape *dray_port_shape(const struct dray_port *port, uint32_t ahead)
{
    return &port->shapes[(port->head + ahead) & (port->depth - 1)];
}

/* Copies bytes that their writer may change meanwhile. The barrier makes it a real copy: without it
 * the compiler may read the source again later, after the copy was checked. */
static inline void dray_port_copy(void *to, const void *shared, size_t size)
{
    memcpy(to, shared, size);
    __asm__ volatile("" : : "r"(to) : "memory");
}
static inline void dray_port_fetch(const struct dray_port *port, uint32_t ahead,
                                   struct dray_desc *desc)
{
    dray_port_copy(desc, dray_port_slot(port, ahead), sizeof(*desc));
}

/* `count` descriptors (and their shapes) have been copied: their slots are the producer's again. */
void dray_port_advance(struct dray_port *port, uint32_t count);

/* Completions that can be written now. 0 also when the ring is corrupt. Looks at the shared head
 * only when all the room it knew of is used. */
uint32_t dray_port_look_seen(struct dray_port *port);
static inline uint32_t dray_port_room(struct dray_port *port)
{
    uint32_t known = port->completion_depth - (port->complete - port->seen);
    return known && !port->corrupt ? known : dray_port_look_seen(port);
}

/* When the first completion of a notification is written, its timer starts. */
void dray_port_start_timer(struct dray_port *port);

/* Writes one completion (there must be room), as words; `last` is that of DRAY_COMPLETION_LAST,
 * with no phase. Inline, because a worker that copies 64 bytes has no time for more than these
 * stores. */
static inline void dray_port_put(struct dray_port *port, uint64_t user_data, uint64_t moved,
                                 uint64_t result, uint64_t last)
{
    uint64_t *slot = (uint64_t *)&port->completions[port->complete & (port->completion_depth - 1)];
    slot[0] = user_data;
    slot[1] = moved;
    slot[2] = result;
    /* Partner: dray_queue_written. */
    dray_io_publish64(&slot[3], last | dray_ring_phase(port->complete, port->completion_depth));
    port->complete++;
    dray_io_store64(&port->completions_total, port->completions_total + 1);
    if (port->unnotified++ == 0 && port->moderation.timeout_ns)
        dray_port_start_timer(port);
}

/* Writes one completion (there must be room); `notify`: the transaction had NOTIFY. Fills in the
 * phase. */
void dray_port_complete(struct dray_port *port, const struct dray_completion *completion,
                        bool notify);

/* After a batch: notify if moderation says so. `idle`: the engine will do nothing more for this
 * queue now - it has no work, is held by a WAIT, or has no room; it must say so before it sleeps or
 * turns to long work elsewhere, and it may say so again and again (only the first after a
 * completion costs a barrier). Returns when it wants to be called again (monotonic ns), UINT64_MAX:
 * no need. */
uint64_t dray_port_moderate(struct dray_port *port, bool idle);

/* Before the engine sleeps: asks the producer for a doorbell, then looks again. False: there is
 * work (or room), do not sleep (already undone). `stalled`: the queue stands still for want of
 * completion room, so that seen() must ring and a doorbell need not. True also when the ring is
 * corrupt. */
bool dray_port_sleep(struct dray_port *port, bool stalled);
/* Once awake, for each port that was put to sleep. */
void dray_port_awake(struct dray_port *port);

/* The shared memory was found impossible: nothing more is fetched or completed, and the consumer's
 * wait says -EBADMSG. Called by the functions above; for engines that find more. */
void dray_port_break(struct dray_port *port);

/* Returns 0 or -EINVAL. */
int dray_moderation_check(const struct dray_moderation *moderation);
/* From any thread; the engine takes it over at its next dray_port_moderate. */
void dray_port_set_moderation(struct dray_port *port, const struct dray_moderation *moderation);

#endif
