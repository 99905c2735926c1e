/* Fetching descriptors, from the ring or from the array that a LINK went to; and failing them. */
#include <string.h>

#include "desc/check.h"
#include "engine/soft/soft.h"

uint64_t dray_view_run(struct dray_view *view, uint64_t max, uint8_t **p)
{
    const struct dray_slot *slot = view->slot;
    if (slot->kind != DRAY_REGION_PIECES) {
        *p = (uint8_t *)slot->base + view->offset;
        return max;
    }
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    size_t i = view->piece;
    if (view->offset < pieces->start[i] || view->offset >= pieces->start[i + 1])
        i = view->piece = dray_pieces_find(pieces, view->offset);
    uint64_t within = view->offset - pieces->start[i];
    uint64_t left = pieces->piece[i].iov_len - within;
    *p = (uint8_t *)pieces->piece[i].iov_base + within;
    return left < max ? left : max;
}

/* Copies bytes out of a view: descriptors and shapes may lie across pieces. */
static void view_read(struct dray_view *view, void *to, size_t size)
{
    uint8_t *out = to;
    while (size) {
        uint8_t *p;
        size_t n = dray_view_run(view, size, &p);
        dray_port_copy(out, p, n);
        out += n;
        view->offset += n;
        size -= n;
    }
}

static enum dray_status read_region(struct dray_soft_queue *q, dray_key key, uint64_t offset,
                                    void *to, size_t size)
{
    struct dray_view view = { .offset = offset };
    enum dray_status status = dray_resolve(q->table, key, offset, size, DRAY_READ, &view.slot);
    if (status == DRAY_STATUS_OK && !dray_kind_is_memory(view.slot->kind))
        status = DRAY_STATUS_UNSUPPORTED;
    if (status == DRAY_STATUS_OK)
        view_read(&view, to, size);
    return status;
}

enum dray_step dray_soft_fail(struct dray_soft_queue *q, enum dray_status status,
                              enum dray_access access, dray_key key, uint64_t offset,
                              uint64_t result)
{
    struct dray_transaction *txn = &q->txn;
    txn->status = status;
    txn->access = access;
    txn->index = txn->count - 1;
    txn->result = result;
    if (dray_status_is_fault(status)) {
        struct dray_fault fault = { .queue = q->number,
                                    .descriptor = txn->index,
                                    .user_data = q->desc.user_data,
                                    .key = key,
                                    .offset = offset,
                                    .length = q->desc.length,
                                    .access = access,
                                    .reason = status };
        dray_domain_fault(q->soft->engine.domain, &fault);
    }
    return DRAY_STEP_DONE;
}

enum dray_step dray_soft_fail_src(struct dray_soft_queue *q, enum dray_status status)
{
    return dray_soft_fail(q, status, DRAY_ACCESS_READ, q->desc.src_key, q->desc.src_offset,
                          q->desc.src_offset);
}

enum dray_step dray_soft_fail_dst(struct dray_soft_queue *q, enum dray_status status)
{
    return dray_soft_fail(q, status, DRAY_ACCESS_WRITE, q->desc.dst_key, q->desc.dst_offset,
                          q->desc.dst_offset);
}

static bool fetch_ring(struct dray_soft_queue *q)
{
    struct dray_port *port = q->port;
    if (dray_port_available(port) == 0)
        return false;
    dray_port_fetch(port, 0, &q->desc);
    if (q->desc.opcode == DRAY_OP_STRIDED && q->desc.arg.strided.shape_key.value == 0)
        dray_port_copy(&q->shape, dray_port_shape(port, 0), sizeof(q->shape));
    dray_port_advance(port, 1);
    q->link.hops = 0;
    q->from_ring = true;
    return true;
}

static void fetch_link(struct dray_soft_queue *q)
{
    struct dray_link *link = &q->link;
    enum dray_status status = read_region(q, link->key, link->offset, &q->desc, sizeof(q->desc));
    q->from_ring = false;
    link->left--;
    link->offset += sizeof(q->desc);
    if (status == DRAY_STATUS_OK)
        return;
    /* The array was unmapped under us: the transaction ends here, with what it was reading. */
    dray_prep_nop(&q->desc);
    link->left = 0;
    if (q->txn.status != DRAY_STATUS_OK)
        return; /* it had failed before, and that is what it tells */
    q->txn.count++;
    dray_soft_fail(q, status, DRAY_ACCESS_FETCH, link->key, link->offset - sizeof(q->desc),
                   link->offset - sizeof(q->desc));
    q->txn.count--;
}

/* The next descriptor into q->desc, copied before it is looked at. False when there is none. */
bool dray_soft_fetch(struct dray_soft_queue *q)
{
    if (q->link.left)
        fetch_link(q);
    else if (!fetch_ring(q))
        return false;
    q->fetched = true;
    q->progress = 0;
    q->bounce_at = q->bounce_end = 0;
    q->started_ns = 0;
    q->txn.count++;
    return true;
}

/* A LINK inside an array must be its last descriptor: it jumps, and only the ring is returned to.
 */
enum dray_step dray_soft_link(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    const struct dray_slot *slot;
    uint64_t size = (uint64_t)d->count * sizeof(struct dray_desc);
    if (q->link.left || ++q->link.hops > DRAY_LINK_MAX)
        return dray_soft_fail(q, DRAY_STATUS_LINK, DRAY_ACCESS_FETCH, d->src_key, d->src_offset,
                              d->src_offset);
    enum dray_status status =
        dray_resolve(q->table, d->src_key, d->src_offset, size, DRAY_READ, &slot);
    if (status == DRAY_STATUS_OK && !dray_kind_is_memory(slot->kind))
        status = DRAY_STATUS_UNSUPPORTED;
    if (status != DRAY_STATUS_OK)
        return dray_soft_fail(q, status, DRAY_ACCESS_FETCH, d->src_key, d->src_offset,
                              d->src_offset);
    q->link.key = d->src_key;
    q->link.offset = d->src_offset;
    q->link.left = d->count;
    return DRAY_STEP_DONE;
}

/* STRIDED: the shape into q->shape, where fetch has put that of a ring slot already. */
enum dray_status dray_soft_shape(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    if (d->arg.strided.shape_key.value == 0)
        return q->from_ring ? DRAY_STATUS_OK : DRAY_STATUS_KEY;
    return read_region(q, d->arg.strided.shape_key, d->arg.strided.shape_offset, &q->shape,
                       sizeof(q->shape));
}
