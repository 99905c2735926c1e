/* The user's side while it is awake: get, publish, doorbell, peek, seen. Sleeping is in wait.c. */
#include <string.h>

#include "queue/host.h"
#include "queue/state.h"
#include "queue/wake.h"

/* The engine's head moves from what was last observed to at most what was published. Another value
 * is a hostile engine's (or memory's): what it says counts no more. */
static uint32_t queue_room(struct dray_queue *q)
{
    dray_io_invalidate(&q->map.ring->sq_head, sizeof(uint32_t));
    uint32_t head = dray_io_observe32(&q->map.ring->sq_head); /* partner: dray_port_advance */
    if (head - q->head > q->tail - q->head)
        dray_io_store32(&q->broken, 1);
    if (dray_io_load32(&q->broken))
        return 0;
    q->head = head;
    return q->map.depth - (q->fill - q->head);
}

struct dray_desc *dray_queue_get(struct dray_queue *q)
{
    if (q->fill - q->head == q->map.depth && queue_room(q) == 0)
        return NULL;
    return &q->map.descs[q->fill++ & (q->map.depth - 1)];
}

struct dray_shape *dray_queue_shape(struct dray_queue *q, const struct dray_desc *d)
{
    return &q->map.shapes[(size_t)(d - q->map.descs) & (q->map.depth - 1)];
}

uint32_t dray_queue_space(struct dray_queue *q)
{
    return queue_room(q);
}

/* Where the last closed transaction ends. Looks back from the newest descriptor: one step, unless a
 * transaction is open. One that is open and fills the whole ring could never be closed: it goes out
 * as it is, and comes back with DRAY_STATUS_CHAIN. */
static uint32_t queue_closed(const struct dray_queue *q)
{
    for (uint32_t end = q->fill; end != q->tail; end--)
        if (!(q->map.descs[(end - 1) & (q->map.depth - 1)].flags & DRAY_FLAG_CHAIN))
            return end;
    return q->fill - q->tail == q->map.depth ? q->fill : q->tail;
}

static void queue_clean(const struct dray_queue *q, uint32_t from, uint32_t end)
{
    for (uint32_t i = from; i != end; i++) {
        const struct dray_desc *d = &q->map.descs[i & (q->map.depth - 1)];
        dray_io_stored(d, sizeof(*d));
        dray_io_clean(d, sizeof(*d));
    }
}

/* Moves our tail to the last closed transaction. Returns how many descriptors that takes in. */
static uint32_t queue_take(struct dray_queue *q)
{
    uint32_t end = queue_closed(q);
    uint32_t count = end - q->tail;
    if (count)
        queue_clean(q, q->tail, end);
    q->tail = end;
    return count;
}

uint32_t dray_queue_publish(struct dray_queue *q)
{
    uint32_t count = queue_take(q);
    if (count) {
        dray_io_publish32(&q->map.ring->sq_tail, q->tail); /* partner: dray_port_available */
        dray_io_clean(&q->map.ring->sq_tail, sizeof(q->tail));
    }
    return count;
}

void dray_queue_doorbell(struct dray_queue *q)
{
    struct dray_ring *ring = q->map.ring;
    if (q->binding.service_on_doorbell) {
        q->binding.service(&q->port);
        return;
    }
    if (q->binding.doorbell) {
        dray_io_mmio_write32(q->binding.doorbell, q->tail);
        return;
    }
    /* The tail once more, as the full barrier: its line is still here. */
    dray_wake_publish(&ring->sq_tail, q->tail);
    if (dray_wake_take(&ring->doorbell_wanted, DRAY_WANT_WORK))
        dray_host_ring(q->binding.doorbell_fd);
}

/* The swap in the doorbell publishes by itself. A store before it would send the line to the engine,
 * and the swap would have to fetch it back: one transfer between cores more. */
uint32_t dray_queue_submit(struct dray_queue *q)
{
    if (q->binding.service_on_doorbell || q->binding.doorbell) {
        uint32_t published = dray_queue_publish(q);
        dray_queue_doorbell(q);
        return published;
    }
    uint32_t count = queue_take(q);
    dray_queue_doorbell(q);
    return count;
}

const struct dray_completion *dray_queue_peek(struct dray_queue *q)
{
    const struct dray_completion *c = dray_queue_look(q);
    if (!c && q->binding.service_on_doorbell) {
        q->binding.service(&q->port);
        c = dray_queue_look(q);
    }
    return c;
}

/* How many of `count` completions are there: completions come in order, so if the last of them is,
 * all are. Giving back one that is not there would stop the queue. */
static uint32_t queue_clamp(const struct dray_queue *q, uint32_t count)
{
    if (count > q->map.completion_depth)
        count = q->map.completion_depth;
    while (count > 0 && !dray_queue_written(q, q->next + count - 1))
        count--;
    return count;
}

static void queue_give_back(struct dray_queue *q, uint32_t count)
{
    struct dray_ring *ring = q->map.ring;
    q->next += count;
    dray_io_store64(&q->seen_total, q->seen_total + count);
    if (q->binding.service_on_doorbell) {
        dray_io_publish32(&ring->cq_head, q->next);
        return;
    }
    if (q->binding.seen) {
        dray_io_mmio_write32(q->binding.seen, q->next);
        return;
    }
    /* Partner: dray_port_room, and dray_port_sleep of an engine that waits for room. */
    dray_wake_publish(&ring->cq_head, q->next);
    if (dray_wake_take(&ring->doorbell_wanted, DRAY_WANT_ROOM))
        dray_host_ring(q->binding.doorbell_fd);
}

void dray_queue_seen(struct dray_queue *q, uint32_t count)
{
    count = queue_clamp(q, count);
    if (count)
        queue_give_back(q, count);
}

static uint32_t queue_copy(struct dray_queue *q, struct dray_completion *completions, uint32_t max)
{
    uint32_t mask = q->map.completion_depth - 1;
    uint32_t n = 0;
    if (max > q->map.completion_depth)
        max = q->map.completion_depth;
    while (n < max && dray_queue_written(q, q->next + n)) {
        const struct dray_completion *c = &q->map.completions[(q->next + n) & mask];
        dray_io_loads(c, sizeof(*c));
        memcpy(&completions[n], c, sizeof(*c));
        n++;
    }
    return n;
}

uint32_t dray_queue_reap(struct dray_queue *q, struct dray_completion *completions, uint32_t max)
{
    uint32_t n = queue_copy(q, completions, max);
    if (n == 0 && max > 0 && q->binding.service_on_doorbell) {
        q->binding.service(&q->port);
        n = queue_copy(q, completions, max);
    }
    if (n)
        queue_give_back(q, n);
    return n;
}
