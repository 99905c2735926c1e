/* The controller: which descriptor is next, who executes it, and what its completion says. */
#include <string.h>

#include "desc/check.h"
#include "dray/io.h"
#include "engine/soft/found.h"
#include "engine/soft/soft.h"

/* Copies of plain memory that were fetched together, so that the kernels can fetch their sources
 * ahead. Two batches: while one is copied, the other's sources are on their way. */
enum {
    BATCH = 32,
    WINDOW = 2 * BATCH
};

/* Descriptors are asked for so many before they are read: their lines come from the producer's core. */
enum {
    AHEAD = 8,
};

/* Bytes from which on a descriptor takes so long that completions before it are told first. */
enum {
    LONG = 256 << 10
};

struct window {
    struct dray_found src, dst;
    struct dray_copy_item item[WINDOW];
    uint64_t user_data[WINDOW];
    uint16_t flags[WINDOW];
    uint32_t count;
    size_t fetched; /* of the first items, the sources that are fetched already */
    size_t shortest;
    /* Bytes of the destinations that follow each other without a gap, and where they end. */
    uint64_t run;
    const uint8_t *run_end;
};

/* Where members of a completion lie in its last word. */
#define BYTE_OF_LAST(member) (8 * (offsetof(struct dray_completion, member) - DRAY_COMPLETION_LAST))
enum {
    STATUS_SHIFT = BYTE_OF_LAST(status),
    ACCESS_SHIFT = BYTE_OF_LAST(access),
};
_Static_assert(BYTE_OF_LAST(index) == 0, "the index comes first");

static void finish(struct dray_soft_queue *q, uint64_t user_data)
{
    struct dray_transaction *txn = &q->txn;
    uint64_t result = txn->summed ? txn->crc : txn->compared;
    /* The last word is put together in a register: written in parts and read as a whole it would
     * wait for the store buffer, 4 ns. */
    uint64_t last =
        txn->index | (uint64_t)txn->status << STATUS_SHIFT | (uint64_t)txn->access << ACCESS_SHIFT;
    dray_count(&q->transactions, 1);
    dray_count(&q->descriptors, txn->count);
    dray_count(&q->moved, txn->moved);
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
        finish(q, user_data);
}

/* The published tail lies inside a transaction: what came of it is told, and it is over. */
static void close_chain(struct dray_soft_queue *q)
{
    if (q->txn.status == DRAY_STATUS_OK)
        dray_soft_fail(q, DRAY_STATUS_CHAIN, DRAY_ACCESS_FETCH, q->desc.src_key, q->desc.src_offset,
                       0);
    finish(q, q->desc.user_data);
}

static bool chain_may_grow(const struct dray_soft_queue *q)
{
    return q->txn.count < DRAY_CHAIN_MAX - WINDOW;
}

/* The words of a descriptor in the ring that a simple copy is made of, each read once: the producer
 * may change them meanwhile. */
struct simple {
    uint64_t head; /* opcode, version, flags, count */
    uint64_t user_data;
    dray_key src, dst;
    uint64_t src_offset, dst_offset, length;
};

/* Reads a COPY with nothing but CHAIN, FENCE and NOTIFY: what the window takes. One comparison of
 * the first word stands for opcode, version, flags and count. */
static bool read_simple(const struct dray_desc *shared, struct simple *d)
{
    const uint64_t free_flags = (uint64_t)(DRAY_FLAG_CHAIN | DRAY_FLAG_FENCE | DRAY_FLAG_NOTIFY)
                                << 16;
    const uint64_t *word = (const uint64_t *)shared;
    uint64_t keys = dray_io_load64(&word[2]);
    d->head = dray_io_load64(&word[0]);
    d->user_data = dray_io_load64(&word[1]);
    d->src.value = (uint32_t)keys;
    d->dst.value = (uint32_t)(keys >> 32);
    d->src_offset = dray_io_load64(&word[3]);
    d->dst_offset = dray_io_load64(&word[4]);
    d->length = dray_io_load64(&word[5]);
    return (d->head & ~free_flags) == (DRAY_OP_COPY | DRAY_FORMAT_VERSION << 8) &&
           (dray_io_load64(&word[6]) | dray_io_load64(&word[7])) == 0 && d->length - 1 < DRAY_SLICE;
}

/* Adds the descriptor to the window if both sides are plain memory. */
static bool take(const struct dray_soft_queue *q, const struct dray_desc *shared, struct window *w)
{
    struct simple d;
    if (!read_simple(shared, &d) || !dray_find(q->table, &w->src, d.src, DRAY_READ) ||
        !dray_find(q->table, &w->dst, d.dst, DRAY_WRITE) ||
        !dray_found_holds(&w->src, d.src_offset, d.length) ||
        !dray_found_holds(&w->dst, d.dst_offset, d.length))
        return false;
    uint32_t i = w->count++;
    w->item[i].dst = w->dst.base + d.dst_offset;
    w->item[i].src = w->src.base + d.src_offset;
    w->item[i].n = d.length;
    w->run = w->item[i].dst == w->run_end ? w->run + d.length : d.length;
    w->run_end = w->dst.base + d.dst_offset + d.length;
    w->user_data[i] = d.user_data;
    w->flags[i] = (uint16_t)(d.head >> 16);
    w->shortest = d.length < w->shortest ? d.length : w->shortest;
    return true;
}

/* Takes what lies next in the ring, as far as there is room for its completions. */
static void fill_window(struct dray_soft_queue *q, struct window *w)
{
    uint32_t most = dray_port_available(q->port), room = dray_port_room(q->port), n = 0;
    most = most < WINDOW - w->count ? most : WINDOW - w->count;
    room = room > w->count ? room - w->count : 0;
    most = most < room ? most : room;
    for (; n < most; n++) {
        if (n + AHEAD < most)
            __builtin_prefetch(dray_port_slot(q->port, n + AHEAD));
        if (!take(q, dray_port_slot(q->port, n), w))
            break;
    }
    if (n)
        dray_port_advance(q->port, n);
}

static void drop_first(struct window *w, uint32_t n)
{
    w->count -= n;
    memmove(w->item, w->item + n, w->count * sizeof(*w->item));
    memmove(w->user_data, w->user_data + n, w->count * sizeof(*w->user_data));
    memmove(w->flags, w->flags + n, w->count * sizeof(*w->flags));
}

/* Completions of single copies, the common case, are written straight away; a chain goes through
 * the transaction. */
static uint64_t retire_batch(struct dray_soft_queue *q, const struct window *w, uint32_t n)
{
    uint64_t bytes = 0, single_bytes = 0;
    uint32_t singles = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t length = w->item[i].n;
        bytes += length;
        if (q->txn.count == 0 && !(w->flags[i] & (DRAY_FLAG_CHAIN | DRAY_FLAG_NOTIFY))) {
            dray_port_put(q->port, w->user_data[i], length, 0, 0);
            singles++;
            single_bytes += length;
            continue;
        }
        q->txn.count++;
        q->txn.moved += length;
        retire(q, w->flags[i], w->user_data[i]);
    }
    if (q->txn.open) /* close_chain may need to say which was the last */
        q->desc = (struct dray_desc){ .user_data = w->user_data[n - 1] };
    dray_count(&q->transactions, singles);
    dray_count(&q->descriptors, singles);
    dray_count(&q->moved, single_bytes);
    dray_count(&q->cpu_bytes, bytes);
    return bytes;
}

/* Stores that go round the caches pay where the destination will not be found in them: pieces that
 * fill one range which has grown longer than a single copy that is streamed. A destination that is
 * written again and again stays cached. */
static bool worth_streaming(const struct dray_soft_queue *q, const struct window *w)
{
    const struct dray_copy_policy *policy = &q->soft->policy;
    return w->run >= policy->stream_min && w->shortest >= policy->batch_stream_min;
}

/* Copies the simple copies that lie next in the ring, and completes them. Returns how many
 * descriptors that were; 0: the next one needs the long way. */
static uint32_t run_window(struct dray_soft_queue *q)
{
    struct window w;
    uint32_t done = 0;
    uint64_t bytes = 0;
    w.src = w.dst = (struct dray_found){ 0 }; /* key 0 names nothing, and holds nothing */
    w.count = 0;
    w.fetched = 0;
    w.shortest = SIZE_MAX;
    w.run = q->run;
    w.run_end = q->run_end;
    fill_window(q, &w);
    while (w.count) {
        uint32_t n = w.count < BATCH ? w.count : BATCH;
        bool stream = worth_streaming(q, &w);
        w.fetched = q->soft->kernels->copy_batch(w.item, n, w.count, w.fetched, stream);
        bytes += retire_batch(q, &w, n);
        done += n;
        drop_first(&w, n);
        if (w.count == 0)
            w.shortest = SIZE_MAX;
        if (done < DRAY_SERVICE_DESCRIPTORS && bytes < DRAY_SERVICE_BYTES && chain_may_grow(q))
            fill_window(q, &w);
    }
    q->spent += bytes;
    q->run = w.run;
    q->run_end = w.run_end;
    return done;
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
        return chain_may_grow(q) && !has_rate(q) ? run_window(q) : 0;
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
