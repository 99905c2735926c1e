/* The controller: which descriptor is next, who executes it, and what its completion says. */
#include <string.h>

#include "desc/check.h"
#include "dray/io.h"
#include "engine/soft/soft.h"

/* Bytes from which on a descriptor takes so long that completions before it are told first. */
enum {
    LONG = 256 << 10
};

/* Where members of a completion lie in its last word. */
#define BYTE_OF_LAST(member) (8 * (offsetof(struct dray_completion, member) - DRAY_COMPLETION_LAST))
enum {
    STATUS_SHIFT = BYTE_OF_LAST(status),
    ACCESS_SHIFT = BYTE_OF_LAST(access),
};
_Static_assert(BYTE_OF_LAST(index) == 0, "the index comes first");

void dray_soft_finish(struct dray_soft_queue *q, uint64_t user_data)
{
    struct dray_transaction *txn = &q->txn;
    uint64_t result = txn->summed ? txn->crc : txn->compared;
    /* The last word is put together in a register: written in parts and read as a whole it would
     * wait for the store buffer, 4 ns. */
    uint64_t last =
        txn->index | (uint64_t)txn->status << STATUS_SHIFT | (uint64_t)txn->access << ACCESS_SHIFT;
    dray_count(&q->counters.transactions, 1);
    dray_count(&q->counters.descriptors, txn->count);
    dray_count(&q->counters.moved, txn->moved);
    q->port->urgent |= txn->notify;
    dray_port_put(q->port, user_data, txn->moved,
                  txn->status == DRAY_STATUS_OK ? result : txn->result, last);
    *txn = (struct dray_transaction){ 0 };
}

static enum dray_step execute(struct dray_soft_queue *q)
{
    switch (q->desc.opcode) {
    case DRAY_OP_COPY:
        return dray_soft_copy(q);
    case DRAY_OP_STRIDED:
        return dray_soft_strided(q);
    case DRAY_OP_FILL:
        return dray_soft_fill(q);
    case DRAY_OP_COMPARE:
        return dray_soft_compare(q);
    case DRAY_OP_CRC32C:
        return dray_soft_crc32c(q);
    case DRAY_OP_SIGNAL:
        return dray_soft_signal(q);
    case DRAY_OP_WAIT:
        return dray_soft_wait(q);
    case DRAY_OP_LINK:
        return dray_soft_link(q);
    default: /* NOP; and FENCE, since a queue is executed in order */
        return DRAY_STEP_DONE;
    }
}

static enum dray_step check_and_execute(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    if (q->txn.status != DRAY_STATUS_OK)
        return DRAY_STEP_DONE; /* the transaction has failed: skip to its end */
    if (d->length >= LONG)
        dray_port_moderate(q->port, true);
    if (q->progress == 0) {
        enum dray_status status = dray_desc_check_inline(d);
        if (status == DRAY_STATUS_OK && q->txn.count > DRAY_CHAIN_MAX)
            status = DRAY_STATUS_CHAIN;
        if (status != DRAY_STATUS_OK)
            return dray_soft_fail(q, status, DRAY_ACCESS_FETCH, d->src_key, d->src_offset, 0);
    }
    return execute(q);
}

/* The descriptor at hand is done: the transaction goes on, or ends. */
static void retire(struct dray_soft_queue *q, uint16_t flags, uint64_t user_data)
{
    q->txn.notify |= (flags & DRAY_FLAG_NOTIFY) != 0;
    q->txn.open = (flags & DRAY_FLAG_CHAIN) != 0;
    if (!q->txn.open)
        dray_soft_finish(q, user_data);
}

/* The published tail lies inside a transaction: what came of it is told, and it is over. */
static void close_chain(struct dray_soft_queue *q)
{
    if (q->txn.status == DRAY_STATUS_OK)
        dray_soft_fail(q, DRAY_STATUS_CHAIN, DRAY_ACCESS_FETCH, q->desc.src_key, q->desc.src_offset,
                       0);
    dray_soft_finish(q, q->desc.user_data);
}

/* Descriptors may be taken from the ring the short way when nothing is under way that they would
 * have to wait for. */
static bool may_take(const struct dray_soft_queue *q)
{
    return !q->fetched && q->link.left == 0 && q->txn.status == DRAY_STATUS_OK;
}

static bool has_rate(const struct dray_soft_queue *q)
{
    return __atomic_load_n(&q->port->rate_bytes_per_s, __ATOMIC_RELAXED) != 0;
}

/* The opcode at the head of the ring, where one is published: a hint, for a hostile producer may
 * change it still. */
static unsigned next_opcode(const struct dray_soft_queue *q)
{
    return dray_io_load64((const uint64_t *)dray_port_slot(q->port, 0)) & 0xff;
}

/* Simple descriptors of the two kinds that have a short way. Returns how many were executed. */
static uint32_t take_simple(struct dray_soft_queue *q)
{
    if (!may_take(q) || dray_port_available(q->port) == 0)
        return 0;
    switch (next_opcode(q)) {
    case DRAY_OP_COPY:
        return has_rate(q) ? 0 : dray_soft_run_window(q);
    case DRAY_OP_SIGNAL:
    case DRAY_OP_WAIT:
        return q->txn.count == 0 ? dray_soft_run_flags(q) : 0;
    default:
        return 0;
    }
}

/* One descriptor, or a slice of one, the long way. False: nothing to do, or parked. */
static bool step(struct dray_soft_queue *q)
{
    if (!q->fetched && !dray_soft_fetch(q)) {
        if (!q->txn.open)
            return false;
        close_chain(q);
        return true;
    }
    q->park = DRAY_PARK_NONE;
    enum dray_step step = check_and_execute(q);
    if (step == DRAY_STEP_PARK)
        return false;
    if (step == DRAY_STEP_DONE) {
        q->fetched = false;
        retire(q, q->desc.flags, q->desc.user_data);
    }
    return true;
}

/* Whether there is anything to look at: cheap, because an idle worker asks all the time. */
static bool has_work(struct dray_soft_queue *q)
{
    return q->fetched || q->link.left || q->txn.open || dray_port_available(q->port);
}

static bool serve(struct dray_soft_queue *q)
{
    uint32_t done = 0;
    q->spent = 0;
    while (dray_port_room(q->port) && done < DRAY_SERVICE_DESCRIPTORS &&
           q->spent < DRAY_SERVICE_BYTES) {
        uint32_t n = take_simple(q);
        if (n == 0 && !step(q))
            break;
        done += n ? n : 1;
    }
    return done != 0;
}

bool dray_soft_service(struct dray_soft_queue *q)
{
    if (!has_work(q)) {
        if (q->settle || q->moderate_ns != UINT64_MAX)
            q->moderate_ns = dray_port_moderate(q->port, true);
        q->settle = false;
        return false;
    }
    dray_reader_enter(q->table, &q->reader);
    bool any = serve(q);
    dray_reader_leave(&q->reader);
    q->moderate_ns = dray_port_moderate(q->port, !any);
    q->settle = any;
    return any;
}

void dray_soft_service_port(struct dray_port *port)
{
    struct dray_soft_queue *q = port->engine_data;
    bool shared = q->soft->mode == DRAY_MODE_HELP;
    if (shared && atomic_exchange_explicit(&q->busy, 1, memory_order_acquire))
        return;
    uint64_t turns = 0;
    enum dray_park before = q->park;
    while (dray_soft_service(q))
        turns++;
    /* The worker may sleep, listening for what held this queue when it fell asleep. */
    if (shared && (turns || q->park != before) &&
        atomic_exchange_explicit(&q->listened, false, memory_order_relaxed))
        dray_worker_ring(q->worker);
    if (shared && turns)
        atomic_fetch_add_explicit(&q->soft->helped, turns, memory_order_relaxed);
    uint64_t again_ns = q->moderate_ns < q->deadline_ns ? q->moderate_ns : q->deadline_ns;
    port->again_ns = q->park == DRAY_PARK_NONE ? q->moderate_ns : again_ns;
    if (shared)
        atomic_store_explicit(&q->busy, 0, memory_order_release);
}
