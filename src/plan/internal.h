/*
 * Inside of the plan. A strategy is a way to do the whole transfer; each is tried without emitting,
 * and the cheapest is emitted:
 *
 *      walk     pieces: contiguous in both lists                                  place.c
 *      run      pieces merged and coalesced                                       zip.c
 *      item     what is done in one way: a head, a body, a tail, or all of a run  align.c
 *      round    as many items as fit in bounce memory: load, copy, store          round.c
 *      emit     transactions and descriptors within the limits; what they cost    emit.c, cost.c
 *      choose   the strategies, side by side                                      choose.c
 *
 * Nothing is stored on the way: a stage that must see its input twice keeps a copy of the walk,
 * which is two cursors, and goes over it again.
 */
#ifndef DRAY_PLAN_INTERNAL_H
#define DRAY_PLAN_INTERNAL_H

#include "dray/plan.h"

/* ---- places: place.c ---- */

/* A byte of a region. */
struct dray_place {
    const struct dray_plan_region *region;
    dray_key key; /* the region's own, unless the region was not listed */
    uint64_t offset;
};

/* Bytes that are contiguous on both sides. */
struct dray_piece {
    struct dray_place dst, src;
    uint64_t length;
};

struct dray_walk {
    struct dray_sg_cursor dst, src;
    const struct dray_plan_region *dst_hint, *src_hint; /* found last */
};

/* The usable part of bounce memory: aligned, and where the engine's addresses reach. */
struct dray_bounce {
    struct dray_plan_region region;
    uint64_t start;    /* offset */
    uint64_t capacity; /* bytes, a multiple of the alignment; 0: none */
};

struct dray_costs {
    double setup, further;          /* a transaction's first descriptor, any other */
    double file;                    /* what a descriptor of a file or stream costs on top */
    double byte, file_byte, copied; /* a byte by the engine, to or from a file, by the CPU */
};

struct dray_planner {
    const struct dray_plan_input *in;
    struct dray_costs costs;
    struct dray_bounce bounce;
    uint64_t total;        /* bytes */
    uint64_t align;        /* a power of two: the strictest, of the engine and of the regions */
    uint64_t segment_max;  /* a multiple of it */
    uint64_t address_last; /* the highest address the engine reaches */
    bool streams;          /* there is one in the lists */
    bool regions_sorted;   /* by key */
    bool dst_ascends;      /* no region is left and come back to; offsets rise */
    bool gaps_apart;       /* that, and no source lies in a region of the destination */
};

/* Checks the input, fills in the planner. Returns 0, -EINVAL. */
int dray_planner_prepare(struct dray_planner *planner, const struct dray_plan_input *input);

void dray_walk_begin(const struct dray_planner *planner, struct dray_walk *walk);
/* The next piece of at most max bytes, cut where an address leaves the engine's reach. */
bool dray_walk_next(const struct dray_planner *planner, struct dray_walk *walk, uint64_t max,
                    struct dray_piece *piece);

static inline bool dray_place_is_stream(const struct dray_place *place)
{
    return place->region->kind == DRAY_REGION_STREAM;
}

static inline bool dray_place_is_memory(const struct dray_place *place)
{
    return place->region->kind != DRAY_REGION_FILE && place->region->kind != DRAY_REGION_STREAM;
}

static inline uint64_t dray_place_address(const struct dray_place *place)
{
    return place->region->base + place->offset;
}

/* What its blocks are aligned to. */
static inline uint64_t dray_place_align(const struct dray_planner *planner,
                                        const struct dray_place *place)
{
    uint32_t own = place->region->alignment, engine = planner->in->limits.alignment;
    return own > engine ? own : engine;
}

/* The last block of a file may be a part of one, if it is the file that asks for blocks. */
static inline bool dray_place_ends_ragged(const struct dray_planner *planner,
                                          const struct dray_place *place)
{
    return place->region->kind == DRAY_REGION_FILE && place->region->alignment > 1 &&
           planner->in->limits.alignment == 1;
}

/* The place some bytes on; a stream has but one. */
static inline struct dray_place dray_place_at(struct dray_place place, uint64_t bytes)
{
    if (!dray_place_is_stream(&place))
        place.offset += bytes;
    return place;
}

/* Whether the engine's addresses reach it; by its first byte, since pieces never straddle the
 * limit. */
static inline bool dray_place_is_reached(const struct dray_planner *planner,
                                         const struct dray_place *place)
{
    return !dray_place_is_memory(place) || dray_place_address(place) <= planner->address_last;
}

static inline uint64_t dray_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t dray_align_down(uint64_t n, uint64_t align)
{
    return n & ~(align - 1);
}

static inline uint64_t dray_align_up(uint64_t n, uint64_t align)
{
    return dray_align_down(n + align - 1, align);
}

/* ---- strategies ---- */

/* How bytes get across. */
enum dray_way {
    DRAY_WAY_DIRECT, /* engine: source to destination */
    DRAY_WAY_CPU,    /* CPU: source to destination */
    DRAY_WAY_FETCH,  /* engine: source to bounce; CPU: bounce to destination */
    DRAY_WAY_STORE,  /* CPU: source to bounce; engine: bounce to destination */
    DRAY_WAY_BOTH,   /* engine, CPU, engine, through bounce memory on each side */
};

enum dray_scope {
    DRAY_SCOPE_RUNS,   /* merge, coalesce; direct where possible, `way` for the rest */
    DRAY_SCOPE_PIECES, /* a descriptor for each piece */
    DRAY_SCOPE_WHOLE,  /* everything by `way` */
};

struct dray_strategy {
    enum dray_scope scope;
    enum dray_way way;
};

/* ---- runs: zip.c ---- */

struct dray_run {
    struct dray_walk start;
    struct dray_place dst,
        src; /* of the first byte; the side that is not contiguous means nothing further on */
    uint64_t length; /* from first to last byte, gaps too */
    uint64_t payload;
    size_t merged;           /* pieces joined that were neighbours */
    size_t gaps;             /* pieces joined over a gap */
    uint64_t gap_max;        /* the longest gap */
    uint64_t align;          /* of both sides, the stricter */
    bool reached, congruent; /* so its body can go directly */
    bool keyed_dst;          /* positions count on the destination's side, else on the source's */
};

/* The next run; `way` is how it will go, for what goes through bounce memory is cut to what has
 * room there. */
bool dray_run_next(const struct dray_planner *planner, const struct dray_strategy *strategy,
                   enum dray_way way, struct dray_walk *walk, struct dray_run *run);

/* The pieces of a run once more, with their position in it. */
struct dray_run_pieces {
    const struct dray_run *run;
    struct dray_walk walk;
    uint64_t passed;
};
void dray_run_pieces_begin(struct dray_run_pieces *pieces, const struct dray_run *run);
bool dray_run_pieces_next(const struct dray_planner *planner, struct dray_run_pieces *pieces,
                          struct dray_piece *piece, uint64_t *position);

/* ---- items: align.c ---- */

/* The bytes of a run from lo up to hi, gaps too. */
struct dray_item {
    enum dray_way way;
    const struct dray_run *run;
    uint64_t lo, hi;
    uint64_t in, out; /* offsets in bounce memory: of what is fetched, of what is stored */
};

struct dray_items {
    struct dray_walk walk;
    struct dray_run run; /* items refer to it, until the next is asked for */
    uint64_t at;         /* how far the run is used up */
    bool open;
    enum dray_way way; /* of a run that cannot go directly: of all the parts that it is cut into */
    uint64_t left;     /* bytes of it after this part */
    const char *why;   /* it failed; a clause without a full stop */
};

/* The next item. Returns 1; 0 at the end; -EINVAL when there is no way to do it, -ENOMEM when
 * bounce memory is too small. */
int dray_items_next(const struct dray_planner *planner, const struct dray_strategy *strategy,
                    struct dray_items *items, struct dray_item *item);

/* The aligned blocks round a range on one side. */
struct dray_extent {
    struct dray_place place;
    uint64_t lead;   /* bytes before the range */
    uint64_t length; /* of all */
};
struct dray_extent dray_extent_of(const struct dray_planner *planner,
                                  const struct dray_place *place, uint64_t lo, uint64_t hi);
/* Whether a store of it must read first what stands there. */
static inline bool dray_extent_is_ragged(const struct dray_extent *extent,
                                         const struct dray_item *item)
{
    return extent->length != item->hi - item->lo;
}

/* Bytes of bounce memory that it needs at once. */
uint64_t dray_item_bounce(const struct dray_planner *planner, const struct dray_item *item);
/* Bytes of it that are payload. */
uint64_t dray_item_payload(const struct dray_planner *planner, const struct dray_item *item);

/* ---- steps: emit.c ---- */

struct dray_emit {
    const struct dray_planner *planner;
    struct dray_plan_output *out; /* NULL: count only */
    size_t count;                 /* steps */
    size_t transactions, engine_steps;
    uint64_t cpu_bytes, gap_bytes;
    double cost;
    unsigned ways;   /* taken: bit n is enum dray_way n */
    const char *why; /* it failed */
    /* The last step. */
    struct dray_desc last;
    enum dray_plan_by last_by;
    /* The transaction that is open. */
    struct {
        size_t first, count;
        uint64_t payload, length;
        double cost;
        bool movable; /* the CPU could do it in place of the engine */
    } open;
    bool cpu_instead; /* it may */
    bool fence;       /* the next transaction must not overtake those before */
    bool overflow;    /* over DRAY_PLAN_STEPS_MAX */
};

/* One engine transfer, all of it aligned and reached: cut at the limits, in the open transaction.
 * `payload`: bytes of it that were asked for. */
void dray_emit_engine(struct dray_emit *emit, struct dray_place dst, struct dray_place src,
                      uint64_t length, uint64_t payload);
/* The open transaction is complete. */
void dray_emit_close(struct dray_emit *emit);
void dray_emit_cpu(struct dray_emit *emit, struct dray_place dst, struct dray_place src,
                   uint64_t length);

/* ---- rounds: round.c ---- */

/* Emits the whole by one strategy. Returns 0, -EINVAL, -ENOMEM, -E2BIG. */
int dray_rounds_emit(const struct dray_planner *planner, const struct dray_strategy *strategy,
                     struct dray_emit *emit);

/* ---- costs: cost.c; all in nanoseconds ---- */

void dray_costs_prepare(struct dray_costs *costs, const struct dray_profile *profile);
bool dray_costs_is_file(const struct dray_place *dst, const struct dray_place *src);
double dray_cost_descriptor(const struct dray_costs *costs, bool first, bool file, uint64_t length);
double dray_cost_cpu(const struct dray_costs *costs, uint64_t length);
/* What a gap saves by being read through; under zero where it does not pay. */
double dray_cost_gap_saves(const struct dray_costs *costs, bool file, uint64_t gap);
/* Under this a gap pays (g*), in bytes. */
double dray_cost_gap_limit(const struct dray_costs *costs, bool file);
/* Break-even S*, in bytes; infinity where the CPU always wins. */
double dray_cost_break_even(const struct dray_costs *costs);

/* ---- words: note.c ---- */

struct dray_text {
    char text[32];
};
struct dray_text dray_text_bytes(uint64_t bytes); /* "4096 B", "64 KiB" */
struct dray_text dray_text_ns(double ns);         /* "412 ns", "12.3 us" */

/* These write nothing when the output takes no notes. */
void dray_note(struct dray_emit *emit, int kind, size_t step, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void dray_note_run(struct dray_emit *emit, const struct dray_run *run);
void dray_note_item(struct dray_emit *emit, const struct dray_item *item);
void dray_note_cpu(struct dray_emit *emit, double cpu);
void dray_note_split(struct dray_emit *emit, uint64_t length, size_t parts, size_t step);

#endif
