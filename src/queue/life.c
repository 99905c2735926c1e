/* How a queue begins and ends: built next to its engine, or imported from another process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "queue/host.h"
#include "queue/state.h"
#include "queue/wake.h"

enum {
    DEPTH_DEFAULT = 256,
    SPIN_START_NS = 2000, /* twice what a polled 64-byte copy takes, with room to spare */
};

static int options_take(struct dray_queue_options *o, const struct dray_queue_options *options)
{
    int r = dray_options_copy(o, sizeof(*o), options);
    if (r)
        return r;
    if (o->depth == 0)
        o->depth = DEPTH_DEFAULT;
    if (o->completion_depth == 0)
        o->completion_depth = o->depth;
    return dray_moderation_check(&o->moderation);
}

static struct dray_queue *queue_allocate(void)
{
    struct dray_queue *q = aligned_alloc(_Alignof(struct dray_queue), sizeof(*q));
    if (!q)
        return NULL;
    memset(q, 0, sizeof(*q));
    /* With one CPU, whoever polls keeps the other side from running. */
    q->spin_ns = dray_host_cpus() > 1 ? SPIN_START_NS : 0;
    q->binding.doorbell_fd = -1;
    return q;
}

static void port_make(struct dray_queue *q, const struct dray_queue_options *o)
{
    struct dray_port *port = &q->port;
    port->descs = q->map.descs;
    port->completions = q->map.completions;
    port->shapes = q->map.shapes;
    port->ring = q->map.ring;
    port->depth = q->map.depth;
    port->completion_depth = q->map.completion_depth;
    port->event_fd = q->notify_fd;
    dray_port_set_moderation(port, &o->moderation);
    port->rate_bytes_per_s = o->rate_bytes_per_s;
}

int dray_queue_build(struct dray_queue **queue, const struct dray_queue_options *options)
{
    struct dray_queue_options o;
    int r = options_take(&o, options);
    if (r)
        return r;
    struct dray_queue *q = queue_allocate();
    if (!q)
        return -ENOMEM;
    r = dray_ring_create(&q->map, o.depth, o.completion_depth);
    if (r)
        goto free_queue;
    r = dray_host_notice_create(&q->event_fd, &q->notify_fd);
    if (r)
        goto close_ring;
    port_make(q, &o);
    *queue = q;
    return 0;
close_ring:
    dray_ring_close(&q->map);
free_queue:
    free(q);
    return r;
}

void dray_queue_bind(struct dray_queue *q, const struct dray_binding *binding,
                     struct dray_engine *engine, uint32_t number)
{
    q->binding = *binding;
    q->engine = engine;
    q->number = number;
}

struct dray_port *dray_queue_port(struct dray_queue *q)
{
    return &q->port;
}

struct dray_engine *dray_queue_engine(struct dray_queue *q)
{
    return q->engine;
}

/* A peer that imported the queue learns that nothing more will come. */
static void queue_stop(struct dray_queue *q)
{
    struct dray_ring *ring = q->map.ring;
    dray_wake_publish(&ring->state, DRAY_RING_STOPPED);
    if (dray_wake_take(&ring->notify_wanted, 1))
        dray_host_ring(q->notify_fd);
}

void dray_queue_free(struct dray_queue *q)
{
    if (!q)
        return;
    if (q->imported) {
        dray_host_event_close(q->binding.doorbell_fd);
    } else {
        queue_stop(q);
        dray_host_event_close(q->notify_fd);
    }
    dray_host_event_close(q->event_fd);
    dray_ring_close(&q->map);
    free(q);
}

int dray_queue_export(const struct dray_queue *q, struct dray_queue_handle *handle)
{
    if (q->binding.doorbell_fd < 0)
        return -ENOTSUP;
    handle->memory_fd = q->map.fd;
    handle->doorbell_fd = q->binding.doorbell_fd;
    handle->event_fd = q->event_fd;
    return 0;
}

/* Goes on where the ring stands. The engine checks what we then write, so that a lie in here harms
 * only this queue. */
static int import_indices(struct dray_queue *q)
{
    struct dray_ring *ring = q->map.ring;
    q->head = dray_io_observe32(&ring->sq_head);
    q->tail = q->fill = dray_io_observe32(&ring->sq_tail);
    q->next = dray_io_observe32(&ring->cq_head);
    return q->tail - q->head > q->map.depth ? -EPROTO : 0;
}

int dray_queue_import(struct dray_queue **queue, const struct dray_queue_handle *handle)
{
    struct dray_queue *q = queue_allocate();
    if (!q)
        return -ENOMEM;
    q->imported = true;
    q->notify_fd = -1;
    int r = dray_ring_open(&q->map, handle->memory_fd);
    if (r)
        goto free_queue;
    r = import_indices(q);
    if (r)
        goto close_ring;
    r = dray_host_event_open(handle->event_fd, &q->event_fd);
    if (r)
        goto close_ring;
    r = dray_host_event_open(handle->doorbell_fd, &q->binding.doorbell_fd);
    if (r)
        goto close_event;
    *queue = q;
    return 0;
close_event:
    dray_host_event_close(q->event_fd);
close_ring:
    dray_ring_close(&q->map);
free_queue:
    free(q);
    return r;
}

int dray_queue_moderate(struct dray_queue *q, const struct dray_moderation *moderation)
{
    if (q->imported)
        return -ENOTSUP;
    int r = dray_moderation_check(moderation);
    if (r == 0)
        dray_port_set_moderation(&q->port, moderation);
    return r;
}

void dray_queue_limit_rate(struct dray_queue *q, uint64_t rate_bytes_per_s)
{
    dray_io_store64(&q->port.rate_bytes_per_s, rate_bytes_per_s);
}

void dray_queue_stats(const struct dray_queue *q, struct dray_queue_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->number = q->number;
    if (q->imported) {
        stats->completions = dray_io_load64(&q->seen_total);
        return;
    }
    stats->completions = dray_io_load64(&q->port.completions_total);
    stats->notifications = dray_io_load64(&q->port.notifications_total);
}
