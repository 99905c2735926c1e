/* Runs: pieces that are neighbours are one again, and so are pieces with a gap that is cheaper than
 * a descriptor. */
#include "plan/internal.h"

enum {
    APART = -1, /* not one after the other in one region */
};

/* Bytes from the end of a run to a piece on one side, or APART. Signed: gaps over 2^62 are none. */
static int64_t gap_between(const struct dray_place *from, uint64_t length,
                           const struct dray_place *to)
{
    if (from->key.value != to->key.value)
        return APART;
    if (dray_place_is_stream(from))
        return 0;
    uint64_t end = from->offset + length;
    if (to->offset < end || to->offset - end > DRAY_LENGTH_MAX)
        return APART;
    return (int64_t)(to->offset - end);
}

static bool is_reached(const struct dray_planner *planner, const struct dray_piece *piece)
{
    return dray_place_is_reached(planner, &piece->dst) &&
           dray_place_is_reached(planner, &piece->src);
}

/* Whether blocks of the one can come from, or go to, the other: a stream takes and gives what it
 * likes, and the pieces of scattered memory have addresses of their own. */
static bool is_steady(const struct dray_place *place, const struct dray_place *other)
{
    enum dray_region_kind kind = other->region->kind;
    return place->region->alignment <= 1 ||
           (kind != DRAY_REGION_STREAM && kind != DRAY_REGION_PIECES);
}

/* Both sides are misaligned by the same, so that one head aligns both. A stream has no address: it
 * takes no head of its own, so the other must not need one. */
static bool is_congruent(const struct dray_piece *piece, uint64_t align)
{
    uint64_t mask = align - 1;
    if (!is_steady(&piece->dst, &piece->src) || !is_steady(&piece->src, &piece->dst))
        return false;
    uint64_t dst = dray_place_address(&piece->dst), src = dray_place_address(&piece->src);
    if (dray_place_is_stream(&piece->dst))
        dst = 0;
    if (dray_place_is_stream(&piece->src))
        src = 0;
    if (dray_place_is_stream(&piece->dst) || dray_place_is_stream(&piece->src))
        return ((dst | src) & mask) == 0;
    return ((dst ^ src) & mask) == 0;
}

static bool is_alike_side(const struct dray_planner *planner, const struct dray_place *first,
                          const struct dray_place *next, bool reach)
{
    return dray_place_is_memory(first) == dray_place_is_memory(next) &&
           (!reach ||
            dray_place_is_reached(planner, first) == dray_place_is_reached(planner, next));
}

/* What holds of the first piece of a run must hold of all; the engine's reach only on a side where
 * it works. */
static bool is_alike(const struct dray_planner *planner, const struct dray_strategy *strategy,
                     const struct dray_run *run, const struct dray_piece *piece)
{
    bool whole = strategy->scope == DRAY_SCOPE_WHOLE;
    return is_alike_side(planner, &run->dst, &piece->dst,
                         !whole || strategy->way != DRAY_WAY_FETCH) &&
           is_alike_side(planner, &run->src, &piece->src,
                         !whole || strategy->way != DRAY_WAY_STORE);
}

/* A gap that is moved along pays. */
static bool gap_pays(const struct dray_planner *planner, bool file, int64_t gap)
{
    return dray_cost_gap_saves(&planner->costs, file, (uint64_t)gap) > 0;
}

/* The gap that joins the piece to a run of which only one side is contiguous, or APART. Only a
 * source's gap can be moved along: it ends in bounce memory. */
static int64_t join_whole(const struct dray_planner *planner, enum dray_way way,
                          const struct dray_piece *piece, int64_t dst, int64_t src)
{
    if (way == DRAY_WAY_STORE)
        return dst == 0 ? 0 : APART;
    if (src > 0 && piece->src.region->gap_readable &&
        gap_pays(planner, !dray_place_is_memory(&piece->src), src))
        return src;
    return src == 0 ? 0 : APART;
}

/* The same where both sides are. */
static int64_t join_both(const struct dray_planner *planner, const struct dray_run *run,
                         const struct dray_piece *piece, int64_t dst, int64_t src)
{
    if (dst == src && src > 0 && run->reached && run->congruent && planner->gaps_apart &&
        piece->src.region->gap_readable && piece->dst.region->gap_writable &&
        gap_pays(planner, dray_costs_is_file(&piece->dst, &piece->src), src))
        return src;
    return dst == 0 && src == 0 ? 0 : APART;
}

static int64_t join_gap(const struct dray_planner *planner, const struct dray_strategy *strategy,
                        const struct dray_run *run, const struct dray_piece *piece)
{
    int64_t src = gap_between(&run->src, run->length, &piece->src);
    int64_t dst = gap_between(&run->dst, run->length, &piece->dst);
    if (strategy->scope == DRAY_SCOPE_PIECES || !is_alike(planner, strategy, run, piece))
        return APART;
    if (strategy->scope == DRAY_SCOPE_RUNS)
        return join_both(planner, run, piece, dst, src);
    if (strategy->way == DRAY_WAY_FETCH || strategy->way == DRAY_WAY_STORE)
        return join_whole(planner, strategy->way, piece, dst, src);
    return dst == 0 && src == 0 ? 0 : APART;
}

/* What of bounce memory one run may take, in bytes. On both sides: k blocks to store, and k + 1 to
 * fetch, for a range that is aligned on one side lies across one block more on the other. */
static uint64_t bounce_share(const struct dray_planner *planner, enum dray_way way)
{
    uint64_t capacity = planner->bounce.capacity, blocks = capacity / planner->align;
    if (way != DRAY_WAY_BOTH)
        return capacity;
    return (blocks > 2 ? (blocks - 1) / 2 : 1) * planner->align;
}

/* Longest run on its way through bounce memory: it must fit, and is cut where the next begins
 * aligned on the side where that matters most. On both: the destination's, so that no block is
 * rewritten for the cut, unless only there the bytes beside it may be touched. A stream has no
 * bytes beside, but it has no address to be misaligned either. */
static uint64_t length_max(const struct dray_planner *planner, enum dray_way way,
                           const struct dray_run *run)
{
    if (way == DRAY_WAY_DIRECT || way == DRAY_WAY_CPU || !planner->bounce.capacity)
        return UINT64_MAX;
    bool by_dst =
        way == DRAY_WAY_STORE ||
        (way == DRAY_WAY_BOTH && (run->src.region->gap_readable || !run->dst.region->rewritable));
    const struct dray_place *side = by_dst ? &run->dst : &run->src;
    bool stream = dray_place_is_stream(&run->dst) || dray_place_is_stream(&run->src);
    uint64_t lead = stream ? 0 : dray_place_address(side) & (dray_place_align(planner, side) - 1);
    return bounce_share(planner, way) - lead;
}

static void run_begin(const struct dray_planner *planner, const struct dray_strategy *strategy,
                      const struct dray_walk *walk, const struct dray_piece *piece,
                      struct dray_run *run)
{
    uint64_t dst = dray_place_align(planner, &piece->dst),
             src = dray_place_align(planner, &piece->src), align = dst > src ? dst : src;
    *run = (struct dray_run){
        .align = align,
        .start = *walk,
        .dst = piece->dst,
        .src = piece->src,
        .reached = is_reached(planner, piece),
        .congruent = is_congruent(piece, align),
        .keyed_dst = strategy->scope == DRAY_SCOPE_WHOLE && strategy->way == DRAY_WAY_STORE,
    };
}

static void run_add(struct dray_run *run, uint64_t gap, uint64_t length)
{
    if (run->length) {
        run->merged += !gap;
        run->gaps += gap > 0;
    }
    if (gap > run->gap_max)
        run->gap_max = gap;
    run->length += gap + length;
    run->payload += length;
}

bool dray_run_next(const struct dray_planner *planner, const struct dray_strategy *strategy,
                   enum dray_way way, struct dray_walk *walk, struct dray_run *run)
{
    struct dray_walk ahead = *walk;
    struct dray_piece piece;
    if (!dray_walk_next(planner, &ahead, UINT64_MAX, &piece))
        return false;
    run_begin(planner, strategy, walk, &piece, run);
    uint64_t max = length_max(planner, way, run);
    int64_t gap = 0;
    do {
        uint64_t room = max - run->length;
        if ((uint64_t)gap >= room)
            break;
        room -= (uint64_t)gap;
        if (piece.length > room) {
            dray_walk_next(planner, walk, room, &piece);
            run_add(run, (uint64_t)gap, room);
            break;
        }
        *walk = ahead;
        run_add(run, (uint64_t)gap, piece.length);
    } while (dray_walk_next(planner, &ahead, UINT64_MAX, &piece) &&
             (gap = join_gap(planner, strategy, run, &piece)) != APART);
    return true;
}

/* ---- the pieces of a run once more ---- */

void dray_run_pieces_begin(struct dray_run_pieces *pieces, const struct dray_run *run)
{
    *pieces = (struct dray_run_pieces){ .run = run, .walk = run->start };
}

bool dray_run_pieces_next(const struct dray_planner *planner, struct dray_run_pieces *pieces,
                          struct dray_piece *piece, uint64_t *position)
{
    const struct dray_run *run = pieces->run;
    if (!dray_walk_next(planner, &pieces->walk, run->payload - pieces->passed, piece))
        return false;
    const struct dray_place *first = run->keyed_dst ? &run->dst : &run->src;
    const struct dray_place *here = run->keyed_dst ? &piece->dst : &piece->src;
    *position = dray_place_is_stream(first) ? pieces->passed : here->offset - first->offset;
    pieces->passed += piece->length;
    return true;
}
