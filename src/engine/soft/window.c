/* The short way of long lists: simple copies between plain memory, taken from the ring many at a time. */
#include <string.h>

#include "dray/io.h"
#include "engine/soft/found.h"
#include "engine/soft/soft.h"

/*
 * Copies of plain memory that are known ahead, so that the kernels can fetch their sources. They are
 * copied in small batches, and as many taken from the ring in between: so the work of taking goes on
 * while the sources of the next are on their way.
 */
enum {
    BATCH = 32,
    WINDOW = 64, /* known ahead, at most (a bit each in a word); the kernels fetch 32 ahead */
    ITEMS = 4 * WINDOW,
};
_Static_assert(BATCH < 64 && WINDOW <= 64, "each has a bit in a word");

/* Descriptors are asked for so many before they are read: their lines come from the producer's core. */
enum {
    AHEAD = 8,
};

/* Two regions of plain memory that one descriptor after the other names, looked up once. */
struct sides {
    uint64_t keys; /* src low, dst high, as in the descriptor */
    struct dray_found src, dst;
};

struct window {
    struct sides sides;
    /* Those from `first` on are known and not yet copied. */
    struct dray_copy_item item[ITEMS];
    uint64_t user_data[ITEMS];
    uint64_t end[ITEMS]; /* bytes of this one and of all that were taken before it */
    uint32_t first, count;
    uint64_t closing, notify; /* a bit for each, the first lowest: no CHAIN; NOTIFY */
    uint64_t taken, copied;   /* bytes, of all */
    size_t fetched;           /* of them, those whose sources are fetched already */
    /* Bytes of the destinations that follow each other without a gap, and where they end. */
    uint64_t run;
    const uint8_t *run_end;
    bool stream;    /* the next batch */
    bool unsettled; /* streamed, and the barrier is still to come */
};

static bool chain_may_grow(const struct dray_soft_queue *q)
{
    return q->txn.count < DRAY_CHAIN_MAX - WINDOW;
}

/* What a COPY with nothing but CHAIN, FENCE and NOTIFY has in its first word, but for those flags:
 * one comparison stands for opcode, version, flags and count. */
enum {
    SIMPLE_HEAD = DRAY_OP_COPY | DRAY_FORMAT_VERSION << 8,
    SIMPLE_FLAGS = (DRAY_FLAG_CHAIN | DRAY_FLAG_FENCE | DRAY_FLAG_NOTIFY) << 16,
};

/*
 * Adds simple copies between two sides to the window, up to `most` of those that lie at `word` in
 * the ring; returns how many. Each word is read once: the producer may change it meanwhile. Of a long
 * list this, the copy and the caller's filling of the slot are all that is done for each descriptor.
 */
static uint32_t take_run(const uint64_t *word, uint32_t most, const struct sides *sides,
                         struct window *w)
{
    uint32_t n = 0, at = w->first + w->count;
    uint64_t taken = w->taken, bit = 1ull << w->count, closing = 0, notify = 0;
    for (; n < most; n++, at++, word += sizeof(struct dray_desc) / sizeof(*word), bit <<= 1) {
        uint64_t head = dray_io_load64(&word[0]), length = dray_io_load64(&word[5]);
        uint64_t from = dray_io_load64(&word[3]), to = dray_io_load64(&word[4]);
        __builtin_prefetch(word + AHEAD * sizeof(struct dray_desc) / sizeof(*word));
        if ((head & ~(uint64_t)SIMPLE_FLAGS) != SIMPLE_HEAD ||
            dray_io_load64(&word[2]) != sides->keys ||
            (dray_io_load64(&word[6]) | dray_io_load64(&word[7])) != 0 ||
            length - 1 >= DRAY_SLICE || !dray_found_holds(&sides->src, from, length) ||
            !dray_found_holds(&sides->dst, to, length))
            break;
        w->item[at].dst = sides->dst.base + to;
        w->item[at].src = sides->src.base + from;
        w->item[at].n = length;
        w->user_data[at] = dray_io_load64(&word[1]);
        w->end[at] = taken += length;
        closing |= head & (uint64_t)DRAY_FLAG_CHAIN << 16 ? 0 : bit;
        notify |= head & (uint64_t)DRAY_FLAG_NOTIFY << 16 ? bit : 0;
    }
    w->closing |= closing;
    w->notify |= notify;
    w->taken = taken;
    w->count += n;
    return n;
}

static bool find_sides(const struct dray_table *table, uint64_t keys, struct sides *sides)
{
    dray_key src = { (uint32_t)keys }, dst = { (uint32_t)(keys >> 32) };
    if (keys == 0)
        return false;
    if (sides->keys == keys)
        return true;
    sides->keys = 0; /* key 0 names nothing */
    if (!dray_find(table, &sides->src, src, DRAY_READ) ||
        !dray_find(table, &sides->dst, dst, DRAY_WRITE))
        return false;
    sides->keys = keys;
    return true;
}

/* Adds the next `most` descriptors to the window, as far as they are simple. Returns how many. */
static uint32_t take(const struct dray_soft_queue *q, uint32_t most, struct window *w)
{
    const struct dray_port *port = q->port;
    uint32_t n = 0, more = 1;
    for (; n < most && more; n += more) {
        const uint64_t *word = (const uint64_t *)dray_port_slot(port, n);
        uint32_t to_end = port->depth - ((port->head + n) & (port->depth - 1));
        if (!find_sides(q->table, dray_io_load64(&word[2]), &w->sides))
            break;
        more = take_run(word, most - n < to_end ? most - n : to_end, &w->sides, w);
    }
    return n;
}

/* Takes what lies next in the ring, as far as there is room for its completions. */
static void fill_window(struct dray_soft_queue *q, struct window *w)
{
    uint32_t most = dray_port_available(q->port), room = dray_port_room(q->port);
    most = most < WINDOW - w->count ? most : WINDOW - w->count;
    room = room > w->count ? room - w->count : 0;
    most = most < room ? most : room;
    uint32_t n = take(q, most, w);
    if (n)
        dray_port_advance(q->port, n);
}

static uint64_t first_bits(uint32_t n)
{
    return (1ull << n) - 1;
}

/* The first n are done. Now and then the others are moved to the front. */
static void drop_first(struct window *w, uint32_t n)
{
    w->first += n;
    w->count -= n;
    w->closing >>= n;
    w->notify >>= n;
    if (w->first <= ITEMS - WINDOW)
        return;
    memcpy(w->item, w->item + w->first, w->count * sizeof(*w->item));
    memcpy(w->user_data, w->user_data + w->first, w->count * sizeof(*w->user_data));
    memcpy(w->end, w->end + w->first, w->count * sizeof(*w->end));
    w->first = 0;
}

/* The next `count` copies belong to the transaction that is under way, and moved so many bytes. */
static void add_to_transaction(struct dray_soft_queue *q, uint32_t count, uint64_t moved,
                               bool notify)
{
    q->txn.count += count;
    q->txn.moved += moved;
    q->txn.notify |= notify;
}

/*
 * The first n are copied: completes the transactions that end among them. One that also began among
 * them is completed straight away; one that began before goes through q->txn. Returns the bytes.
 */
static uint64_t retire_batch(struct dray_soft_queue *q, struct window *w, uint32_t n)
{
    const uint64_t *end = w->end + w->first;
    uint64_t closing = w->closing & first_bits(n), notify = w->notify & first_bits(n);
    uint64_t begin = w->copied, moved = 0;
    uint32_t i = 0, transactions = 0, descriptors = 0;
    while (closing) {
        uint32_t last = (uint32_t)__builtin_ctzll(closing), count = last + 1 - i;
        uint64_t its = closing ^ (closing - 1); /* the bits up to and with the last */
        uint64_t size = end[last] - w->copied, user_data = w->user_data[w->first + last];
        if (q->txn.count) {
            add_to_transaction(q, count, size, notify & its);
            dray_soft_finish(q, user_data);
        } else {
            q->port->urgent |= (notify & its) != 0;
            dray_port_put(q->port, user_data, size, 0, 0);
            transactions++;
            descriptors += count;
            moved += size;
        }
        w->copied = end[last];
        closing &= ~its;
        notify &= ~its;
        i = last + 1;
    }
    if (i < n) {
        add_to_transaction(q, n - i, end[n - 1] - w->copied, notify);
        w->copied = end[n - 1];
        /* close_chain may need to say which was the last. */
        q->desc = (struct dray_desc){ .user_data = w->user_data[w->first + n - 1] };
    }
    q->txn.open = q->txn.count != 0;
    dray_count(&q->counters.transactions, transactions);
    dray_count(&q->counters.descriptors, descriptors);
    dray_count(&q->counters.moved, moved);
    dray_count(&q->counters.cpu_bytes, w->copied - begin);
    return w->copied - begin;
}

/*
 * Stores that go round the caches pay where the destination will not be found in them: pieces that
 * fill one range which has grown longer than a single copy that is streamed. A destination that is
 * written again and again stays cached. The batch that was copied stands for the next.
 */
static void note_run(const struct dray_soft_queue *q, struct window *w, uint32_t n, uint64_t bytes)
{
    const struct dray_copy_policy *policy = &q->soft->policy;
    const struct dray_copy_item *first = &w->item[w->first], *last = first + n - 1;
    const uint8_t *end = (const uint8_t *)last->dst + last->n;
    bool gapless = end - (const uint8_t *)first->dst == (ptrdiff_t)bytes;
    w->run = gapless ? (first->dst == w->run_end ? w->run : 0) + bytes : 0;
    w->run_end = end;
    w->stream = w->run >= policy->stream_min && bytes >= policy->batch_stream_min * n;
}

static void settle(const struct dray_soft_queue *q, struct window *w)
{
    if (w->unsettled)
        q->soft->kernels->settle();
    w->unsettled = false;
}

/* Copies the first n. The barrier of streamed stores waits for a completion that tells of them: one
 * for each 32 copies took a tenth of the time. */
static void copy_batch(const struct dray_soft_queue *q, struct window *w, uint32_t n)
{
    w->fetched =
        q->soft->kernels->copy_batch(w->item + w->first, n, w->count, w->fetched, w->stream);
    w->unsettled |= w->stream;
    if (w->closing & first_bits(n))
        settle(q, w);
}

/* Copies the simple copies that lie next in the ring, and completes them. Returns how many
 * descriptors that were; 0: the next one needs the long way. */
uint32_t dray_soft_run_window(struct dray_soft_queue *q)
{
    struct window w;
    uint32_t done = 0;
    uint64_t bytes = 0;
    w.sides = (struct sides){ 0 };
    w.first = w.count = 0;
    w.closing = w.notify = 0;
    w.taken = w.copied = 0;
    w.fetched = 0;
    w.unsettled = false;
    w.run = q->run;
    w.run_end = q->run_end;
    w.stream = q->stream;
    if (chain_may_grow(q))
        fill_window(q, &w);
    while (w.count) {
        uint32_t n = w.count < BATCH ? w.count : BATCH;
        copy_batch(q, &w, n);
        uint64_t batch_bytes = retire_batch(q, &w, n);
        note_run(q, &w, n, batch_bytes);
        drop_first(&w, n);
        bytes += batch_bytes;
        done += n;
        if (done < DRAY_SERVICE_DESCRIPTORS && bytes < DRAY_SERVICE_BYTES && chain_may_grow(q))
            fill_window(q, &w);
    }
    settle(q, &w);
    q->spent += bytes;
    q->run = w.run;
    q->run_end = w.run_end;
    q->stream = w.stream;
    return done;
}
