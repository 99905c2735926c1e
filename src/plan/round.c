/*
 * Rounds: as many items as bounce memory has room for, in three phases.
 *
 *      load    engine: fetch into bounce memory, and what stands beside a range that will be stored
 *      copy    CPU: to, from and within bounce memory
 *      store   engine: bounce memory to the destination
 *
 * What goes directly needs no phase; it goes along in the engine's last. Items are not kept: each
 * phase goes over them again from the same beginning.
 */
#include <errno.h>

#include "plan/internal.h"

enum phase {
    PHASE_LOAD,
    PHASE_COPY,
    PHASE_STORE,
};

struct round {
    struct dray_items begin;
    size_t count;           /* items */
    uint64_t used;          /* of bounce memory */
    bool phase[3];          /* those that have work */
    enum phase direct;      /* the one that takes along what goes directly */
    unsigned ways;          /* bit n: enum dray_way n */
    enum dray_way last_way; /* of the last item */
    /* Blocks of the destination that are written in part only: their other bytes belong to others.
     */
    bool rewrites, partial;
    dray_key partial_key;
    uint64_t partial_end;
};

static bool is_fetched(const struct dray_item *item)
{
    return item->way == DRAY_WAY_FETCH || item->way == DRAY_WAY_BOTH;
}

static bool is_stored(const struct dray_item *item)
{
    return item->way == DRAY_WAY_STORE || item->way == DRAY_WAY_BOTH;
}

/* ---- what belongs in a round ---- */

static bool is_partial(const struct dray_planner *planner, const struct dray_item *item)
{
    if (item->way == DRAY_WAY_DIRECT || planner->align == 1)
        return false;
    struct dray_extent extent = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    return dray_extent_is_ragged(&extent, item);
}

/* A block that is rewritten must not be written by another item of the same round: that write would
 * be lost. Where the destination ascends, only the last block of the item before can be shared. */
static bool shares_block(const struct dray_planner *planner, const struct round *round,
                         const struct dray_item *item)
{
    if (!round->partial || !is_partial(planner, item) || !(round->rewrites || is_stored(item)))
        return false;
    if (!planner->dst_ascends)
        return true;
    struct dray_extent extent = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    return extent.place.key.value == round->partial_key.value &&
           dray_place_address(&extent.place) < round->partial_end;
}

/* The bytes of a stream must come and go in order: one way at a time. */
static bool breaks_order(const struct round *round, const struct dray_item *item)
{
    bool stream = dray_place_is_stream(&item->run->dst) || dray_place_is_stream(&item->run->src);
    return stream && item->way != round->last_way;
}

static bool belongs(const struct dray_planner *planner, const struct round *round,
                    const struct dray_item *item)
{
    return !round->count ||
           (round->used + dray_item_bounce(planner, item) <= planner->bounce.capacity &&
            !shares_block(planner, round, item) && !breaks_order(round, item));
}

static void add(const struct dray_planner *planner, struct round *round,
                const struct dray_item *item)
{
    bool partial = is_partial(planner, item);
    round->count++;
    round->used += dray_item_bounce(planner, item);
    round->last_way = item->way;
    round->ways |= 1u << item->way;
    round->phase[PHASE_LOAD] |= is_fetched(item) || (is_stored(item) && partial);
    round->phase[PHASE_COPY] |= item->way != DRAY_WAY_DIRECT;
    round->phase[PHASE_STORE] |= is_stored(item);
    if (!partial)
        return;
    struct dray_extent extent = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    round->partial = true;
    round->rewrites |= is_stored(item);
    round->partial_key = extent.place.key;
    round->partial_end = dray_place_address(&extent.place) + extent.length;
}

/* Measures the round that begins at items, and moves items past it. Returns 0 or -errno. */
static int measure(const struct dray_planner *planner, const struct dray_strategy *strategy,
                   struct dray_items *items, struct round *round)
{
    *round = (struct round){ .begin = *items };
    for (;;) {
        struct dray_items before = *items;
        struct dray_item item;
        int result = dray_items_next(planner, strategy, items, &item);
        if (result < 0)
            return result;
        if (result && belongs(planner, round, &item)) {
            add(planner, round, &item);
            continue;
        }
        if (result)
            *items = before;
        round->direct = round->phase[PHASE_STORE] ? PHASE_STORE : PHASE_LOAD;
        round->phase[round->direct] = true;
        return 0;
    }
}

/* ---- the phases ---- */

static struct dray_place bounce_at(const struct dray_planner *planner, uint64_t at)
{
    const struct dray_bounce *bounce = &planner->bounce;
    return (struct dray_place){ &bounce->region, bounce->region.key, bounce->start + at };
}

/* Reads the block `at` bytes into an extent, or what there is of it. */
static void load_block(struct dray_emit *emit, const struct dray_item *item,
                       const struct dray_extent *extent, uint64_t at, uint64_t align)
{
    struct dray_place from = dray_place_at(extent->place, at);
    uint64_t length = align;
    if (dray_place_ends_ragged(emit->planner, &from))
        length = dray_least(length, from.region->length - from.offset);
    dray_emit_engine(emit, bounce_at(emit->planner, item->out + at), from, length, 0);
}

/* Reads what stands in the blocks that will be written in part: the first, the last, or the one. */
static void load_edges(struct dray_emit *emit, const struct dray_item *item)
{
    const struct dray_planner *planner = emit->planner;
    struct dray_extent extent = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    if (!dray_extent_is_ragged(&extent, item))
        return;
    uint64_t align = dray_place_align(planner, &extent.place);
    uint64_t last = dray_align_down(extent.length - 1, align);
    bool head = extent.lead > 0, tail = extent.lead + (item->hi - item->lo) < extent.length;
    if (head || !last)
        load_block(emit, item, &extent, 0, align);
    if (tail && last)
        load_block(emit, item, &extent, last, align);
}

static void emit_load(struct dray_emit *emit, const struct dray_item *item)
{
    const struct dray_planner *planner = emit->planner;
    if (is_fetched(item)) {
        struct dray_extent extent = dray_extent_of(planner, &item->run->src, item->lo, item->hi);
        dray_emit_engine(emit, bounce_at(planner, item->in), extent.place, extent.length,
                         dray_item_payload(planner, item));
    }
    if (is_stored(item))
        load_edges(emit, item);
}

static void emit_copy(struct dray_emit *emit, const struct dray_item *item)
{
    const struct dray_planner *planner = emit->planner;
    struct dray_extent src = dray_extent_of(planner, &item->run->src, item->lo, item->hi);
    struct dray_extent dst = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    struct dray_run_pieces pieces;
    struct dray_piece piece;
    uint64_t position;
    dray_run_pieces_begin(&pieces, item->run);
    while (dray_run_pieces_next(planner, &pieces, &piece, &position) && position < item->hi) {
        uint64_t from = position > item->lo ? position : item->lo;
        uint64_t to = dray_least(position + piece.length, item->hi);
        if (from >= to)
            continue;
        struct dray_place source = dray_place_at(piece.src, from - position);
        struct dray_place target = dray_place_at(piece.dst, from - position);
        if (is_fetched(item))
            source = bounce_at(planner, item->in + src.lead + (from - item->lo));
        if (is_stored(item))
            target = bounce_at(planner, item->out + dst.lead + (from - item->lo));
        dray_emit_cpu(emit, target, source, to - from);
    }
}

static void emit_store(struct dray_emit *emit, const struct dray_item *item)
{
    const struct dray_planner *planner = emit->planner;
    struct dray_extent extent = dray_extent_of(planner, &item->run->dst, item->lo, item->hi);
    if (is_stored(item))
        dray_emit_engine(emit, extent.place, bounce_at(planner, item->out), extent.length,
                         dray_item_payload(planner, item));
}

static void emit_direct(struct dray_emit *emit, const struct dray_item *item)
{
    dray_emit_engine(emit, dray_place_at(item->run->dst, item->lo),
                     dray_place_at(item->run->src, item->lo), item->hi - item->lo,
                     dray_item_payload(emit->planner, item));
}

static void emit_phase(struct dray_emit *emit, const struct dray_strategy *strategy,
                       const struct round *round, enum phase phase)
{
    struct dray_items items = round->begin;
    struct dray_item item;
    uint64_t used = 0;
    for (size_t i = 0; i < round->count && !emit->overflow; i++) {
        dray_items_next(emit->planner, strategy, &items, &item);
        item.in = used;
        used += dray_item_bounce(emit->planner, &item);
        if (is_fetched(&item) && is_stored(&item))
            item.out =
                used - dray_align_up(
                           dray_extent_of(emit->planner, &item.run->dst, item.lo, item.hi).length,
                           emit->planner->align);
        else
            item.out = item.in;
        if (item.way == DRAY_WAY_DIRECT) {
            if (phase == round->direct)
                emit_direct(emit, &item);
        } else if (phase == PHASE_LOAD) {
            emit_load(emit, &item);
        } else if (phase == PHASE_COPY) {
            emit_copy(emit, &item);
        } else {
            emit_store(emit, &item);
        }
    }
    dray_emit_close(emit);
}

/* Why runs look as they do, and what does not go directly. */
static void explain(struct dray_emit *emit, const struct dray_strategy *strategy,
                    const struct round *round)
{
    struct dray_items items = round->begin;
    struct dray_item item;
    for (size_t i = 0; i < round->count && emit->out; i++) {
        dray_items_next(emit->planner, strategy, &items, &item);
        if (item.lo == 0)
            dray_note_run(emit, item.run);
        if (item.way != DRAY_WAY_DIRECT)
            dray_note_item(emit, &item);
    }
}

int dray_rounds_emit(const struct dray_planner *planner, const struct dray_strategy *strategy,
                     struct dray_emit *emit)
{
    struct dray_items items = { .open = false };
    dray_walk_begin(planner, &items.walk);
    for (;;) {
        struct round round;
        int result = measure(planner, strategy, &items, &round);
        emit->why = items.why;
        if (result || !round.count)
            return result;
        emit->ways |= round.ways;
        explain(emit, strategy, &round);
        emit->cpu_instead = planner->in->cpu_allowed && strategy->scope == DRAY_SCOPE_RUNS &&
                            !round.phase[PHASE_COPY];
        /* Bounce memory, and blocks that are rewritten, are used again: not before the last round
         * is done. */
        emit->fence = emit->count && emit->last_by == DRAY_BY_ENGINE;
        for (enum phase phase = PHASE_LOAD; phase <= PHASE_STORE; phase++)
            if (round.phase[phase])
                emit_phase(emit, strategy, &round, phase);
        if (emit->overflow) {
            emit->why = "too many steps";
            return -E2BIG;
        }
    }
}
