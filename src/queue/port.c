/* The engine's end: fetch and complete; sleep. When to notify is in moderation.c. */
#include "queue/port.h"

#include "dray/io.h"
#include "queue/host.h"
#include "queue/wake.h"

/* Whoever broke the ring only hurts itself: the queue stands still, and its consumer learns why. */
void dray_port_break(struct dray_port *port)
{
    struct dray_ring *ring = port->ring;
    port->corrupt = true;
    dray_wake_publish(&ring->state, DRAY_RING_CORRUPT);
    if (dray_wake_take(&ring->notify_wanted, 1))
        dray_host_ring(port->event_fd);
}

/* A tail moves forward, to at most one ring ahead of our head. */
static void port_take_tail(struct dray_port *port, uint32_t tail)
{
    uint32_t known = port->tail - port->head;
    uint32_t now = tail - port->head;
    if (now < known || now > port->depth)
        dray_port_break(port);
    else
        port->tail = tail;
}

/* The consumer's head moves forward, to at most what was completed. */
static void port_take_seen(struct dray_port *port, uint32_t seen)
{
    if (seen - port->seen > port->complete - port->seen)
        dray_port_break(port);
    else
        port->seen = seen;
}

uint32_t dray_port_look_tail(struct dray_port *port)
{
    /* Partner: dray_queue_publish; the descriptors before the tail are visible. */
    if (port->tail == port->head && !port->corrupt)
        port_take_tail(port, dray_io_observe32(&port->ring->sq_tail));
    return port->corrupt ? 0 : port->tail - port->head;
}

void dray_port_advance(struct dray_port *port, uint32_t count)
{
    port->head += count;
    dray_io_publish32(&port->ring->sq_head, port->head); /* partner: dray_queue_get */
}

static uint32_t port_free(const struct dray_port *port)
{
    return port->completion_depth - (port->complete - port->seen);
}

uint32_t dray_port_look_seen(struct dray_port *port)
{
    /* Partner: dray_queue_seen; it has read the slots before its head. */
    if (port_free(port) == 0 && !port->corrupt)
        port_take_seen(port, dray_io_observe32(&port->ring->cq_head));
    return port->corrupt ? 0 : port_free(port);
}

void dray_port_start_timer(struct dray_port *port)
{
    port->first_ns = dray_io_clock_ns();
}

void dray_port_complete(struct dray_port *port, const struct dray_completion *completion,
                        bool notify)
{
    uint64_t last;
    memcpy(&last, (const char *)completion + DRAY_COMPLETION_LAST, sizeof(last));
    port->urgent |= notify;
    dray_port_put(port, completion->user_data, completion->moved, completion->result,
                  last & ~DRAY_RING_PHASE_BIT);
}

bool dray_port_sleep(struct dray_port *port, bool stalled)
{
    struct dray_ring *ring = port->ring;
    if (port->corrupt)
        return true;
    dray_wake_arm(&ring->doorbell_wanted, stalled ? DRAY_WANT_ROOM : DRAY_WANT_WORK);
    if (stalled)
        port_take_seen(port, dray_io_load_after_swap32(&ring->cq_head));
    else
        port_take_tail(port, dray_io_load_after_swap32(&ring->sq_tail));
    if (port->corrupt || (stalled ? port_free(port) == 0 : port->tail == port->head))
        return true;
    dray_port_awake(port);
    return false;
}

void dray_port_awake(struct dray_port *port)
{
    dray_wake_disarm(&port->ring->doorbell_wanted);
}
