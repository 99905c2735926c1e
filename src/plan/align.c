/*
 * Items: a run whose sides are misaligned alike is a head, an aligned body and a tail. The body
 * goes directly; what is left, and whatever the engine cannot reach, takes one of the other ways:
 *
 *      cpu     source ------------------CPU-----------------> destination
 *      fetch   source --engine--> bounce --CPU--------------> destination
 *      store   source --CPU--> bounce --engine--------------> destination
 *      both    source --engine--> bounce --CPU--> bounce --engine--> destination
 *
 * The engine fetches and stores whole aligned blocks. Bytes beside the range are fetched where that
 * is allowed, and stored again as they were fetched just before, where that is.
 */
#include <errno.h>

#include "plan/internal.h"

struct dray_extent dray_extent_of(const struct dray_planner *planner,
                                  const struct dray_place *place, uint64_t lo, uint64_t hi)
{
    struct dray_extent extent = { dray_place_at(*place, lo), 0, hi - lo };
    if (dray_place_is_stream(place))
        return extent;
    uint64_t align = dray_place_align(planner, place), base = dray_place_address(place);
    uint64_t from = base + lo, to = base + hi, end = dray_align_up(to, align);
    extent.lead = from & (align - 1);
    /* A file's base is 0, so its end is its length. */
    if (dray_place_ends_ragged(planner, place) && end > place->region->length)
        end = to > place->region->length ? to : place->region->length;
    extent.length = end - (from - extent.lead);
    extent.place.offset -= extent.lead; /* may wrap: see is_inside */
    return extent;
}

static bool is_inside(const struct dray_extent *extent)
{
    const struct dray_place *place = &extent->place;
    return place->offset <= place->region->length &&
           extent->length <= place->region->length - place->offset;
}

/* Why the engine cannot move it, or NULL: as it is, or with the bytes beside it, if these may be
 * touched. */
static const char *engine_refuses(const struct dray_planner *planner,
                                  const struct dray_place *place, const struct dray_item *item,
                                  bool beside)
{
    struct dray_extent extent = dray_extent_of(planner, place, item->lo, item->hi);
    if (!dray_place_is_reached(planner, place))
        return "an address over the engine's reach";
    if (dray_place_is_stream(place) && extent.length & (dray_place_align(planner, place) - 1))
        return "a stream has no bytes to round its length up with";
    if (!dray_extent_is_ragged(&extent, item))
        return NULL;
    if (!is_inside(&extent))
        return "an aligned block lies across the end of a region";
    return beside ? NULL : "the bytes beside a misaligned range may not be touched";
}

static const char *fetch_refused(const struct dray_planner *planner, const struct dray_item *item)
{
    const struct dray_place *src = &item->run->src;
    return engine_refuses(planner, src, item, src->region->gap_readable);
}

static const char *store_refused(const struct dray_planner *planner, const struct dray_item *item)
{
    const struct dray_place *dst = &item->run->dst;
    return engine_refuses(planner, dst, item, dst->region->rewritable);
}

/* Why it cannot go this way, or NULL. */
static const char *way_refused(const struct dray_planner *planner, const struct dray_item *item,
                               enum dray_way way)
{
    bool loads = dray_place_is_memory(&item->run->src);
    bool stores = dray_place_is_memory(&item->run->dst);
    const char *why = NULL;
    if (way == DRAY_WAY_DIRECT)
        return "misaligned, or an address over the engine's reach";
    if (way == DRAY_WAY_CPU && !planner->in->cpu_allowed)
        return "the CPU may not move bytes in place of the engine";
    if ((!loads && (way == DRAY_WAY_CPU || way == DRAY_WAY_STORE)) ||
        (!stores && (way == DRAY_WAY_CPU || way == DRAY_WAY_FETCH)))
        return "the CPU cannot reach a file or a stream";
    if (way == DRAY_WAY_FETCH || way == DRAY_WAY_BOTH)
        why = fetch_refused(planner, item);
    if (!why && (way == DRAY_WAY_STORE || way == DRAY_WAY_BOTH))
        why = store_refused(planner, item);
    return why;
}

uint64_t dray_item_bounce(const struct dray_planner *planner, const struct dray_item *item)
{
    uint64_t bytes = 0;
    if (item->way == DRAY_WAY_FETCH || item->way == DRAY_WAY_BOTH)
        bytes += dray_align_up(dray_extent_of(planner, &item->run->src, item->lo, item->hi).length,
                               planner->align);
    if (item->way == DRAY_WAY_STORE || item->way == DRAY_WAY_BOTH)
        bytes += dray_align_up(dray_extent_of(planner, &item->run->dst, item->lo, item->hi).length,
                               planner->align);
    return bytes;
}

/* The way for an item that cannot go directly: the strategy's, or else, where the strategy is
 * not to do everything in one way, the first that works. */
static int choose_way(const struct dray_planner *planner, const struct dray_strategy *strategy,
                      struct dray_item *item, const char **why)
{
    item->way = strategy->way;
    *why = way_refused(planner, item, item->way);
    for (enum dray_way way = DRAY_WAY_CPU;
         *why && strategy->scope == DRAY_SCOPE_RUNS && way <= DRAY_WAY_BOTH; way++) {
        const char *refused = way_refused(planner, item, way);
        if (!refused) {
            item->way = way;
            *why = NULL;
        }
    }
    return *why ? -EINVAL : 0;
}

static int check_room(const struct dray_planner *planner, const struct dray_item *item,
                      const char **why)
{
    if (dray_item_bounce(planner, item) <= planner->bounce.capacity)
        return 0;
    *why = planner->bounce.capacity ? "not enough bounce memory" : "no bounce memory";
    return -ENOMEM;
}

static bool has_body(const struct dray_strategy *strategy, const struct dray_run *run)
{
    return strategy->scope != DRAY_SCOPE_WHOLE && run->reached && run->congruent;
}

/* Ends of head and body: 0 <= head <= body <= length; head == body where nothing goes directly. */
static void divide(const struct dray_strategy *strategy, const struct dray_run *run, uint64_t *head,
                   uint64_t *body)
{
    *head = *body = 0;
    if (!has_body(strategy, run))
        return;
    const struct dray_place *side = dray_place_is_stream(&run->src) ? &run->dst : &run->src;
    uint64_t lead = dray_place_is_stream(side) ? 0 : -dray_place_address(side) & (run->align - 1);
    if (lead > run->length)
        return;
    uint64_t middle = dray_align_down(run->length - lead, run->align);
    if (middle) {
        *head = lead;
        *body = lead + middle;
    }
}

/* The next run. One that cannot go directly is looked at as a whole first, so that all its parts
 * go the same way: where it is cut depends on that. Returns 1, 0 at the end, -EINVAL. */
static int next_run(const struct dray_planner *planner, const struct dray_strategy *strategy,
                    struct dray_items *items)
{
    struct dray_walk begin = items->walk;
    struct dray_run *run = &items->run;
    bool whole = strategy->scope == DRAY_SCOPE_WHOLE;
    enum dray_way way = whole ? strategy->way : items->left ? items->way : DRAY_WAY_DIRECT;
    if (!dray_run_next(planner, strategy, way, &items->walk, run))
        return 0;
    if (!whole && !items->left && !has_body(strategy, run)) {
        struct dray_item all = { .run = run, .hi = run->length };
        if (choose_way(planner, strategy, &all, &items->why))
            return -EINVAL;
        items->way = all.way;
        items->left = run->length;
        items->walk = begin;
        dray_run_next(planner, strategy, all.way, &items->walk, run);
    }
    items->left -= items->left ? run->length : 0;
    return 1;
}

int dray_items_next(const struct dray_planner *planner, const struct dray_strategy *strategy,
                    struct dray_items *items, struct dray_item *item)
{
    const struct dray_run *run = &items->run;
    uint64_t head, body;
    if (!items->open) {
        int result = next_run(planner, strategy, items);
        if (result <= 0)
            return result;
        items->at = 0;
    }
    divide(strategy, run, &head, &body);
    bool direct = items->at == head && head < body;
    *item = (struct dray_item){ .run = run, .lo = items->at };
    item->hi = direct ? body : (items->at < head ? head : run->length);
    item->way = direct ? DRAY_WAY_DIRECT : items->way;
    items->at = item->hi;
    items->open = item->hi < run->length;
    bool decided = direct || !(has_body(strategy, run) || strategy->scope == DRAY_SCOPE_WHOLE);
    if (!decided && choose_way(planner, strategy, item, &items->why))
        return -EINVAL;
    int result = check_room(planner, item, &items->why);
    return result ? result : 1;
}

uint64_t dray_item_payload(const struct dray_planner *planner, const struct dray_item *item)
{
    if (!item->run->gaps)
        return item->hi - item->lo;
    struct dray_run_pieces pieces;
    struct dray_piece piece;
    uint64_t position, payload = 0;
    dray_run_pieces_begin(&pieces, item->run);
    while (dray_run_pieces_next(planner, &pieces, &piece, &position) && position < item->hi) {
        uint64_t end = dray_least(position + piece.length, item->hi);
        uint64_t from = position > item->lo ? position : item->lo;
        payload += end > from ? end - from : 0;
    }
    return payload;
}
