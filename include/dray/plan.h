/*
 * The plan: two lists of segments in, descriptors that an engine accepts out.
 *
 *      source       |--a--|-----b-----|    |--c--|
 *      destination  |-----x-----|-----y-----------|
 *                   ^     ^     ^          ^
 *      zip: a piece ends where a segment of either list ends
 *      merge: pieces that are contiguous on both sides are one again
 *      coalesce: over a gap that costs less than a descriptor
 *      align: what an engine cannot reach goes through bounce memory, or by the CPU
 *      split: at the engine's limits
 *
 * Pure: no I/O, no allocation, no clock; the same answer for the same input. Several ways to do the
 * whole are costed (docs/plan-costs.md has the formulas), the cheapest is emitted, and every
 * decision can be printed with its numbers, those of the ways not taken too.
 *
 * What the caller promises: no byte of the destination is named twice, none is in the source too,
 * and regions with different keys are different bytes. (Overlap is a matter of order, and
 * descriptors have none.)
 */
#ifndef DRAY_PLAN_H
#define DRAY_PLAN_H

#include "dray/api.h"
#include "dray/desc.h"
#include "dray/engine.h"
#include "dray/profile.h"
#include "dray/sg.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What the plan must know of a region. Alignment, boundary and width of an address are those of
 * base + offset; a file has no address, so its offsets are aligned but have no width, and a stream
 * has neither. The CPU reaches memory alone: bytes of files and streams come and go through the
 * engine.
 *
 * A region may ask for more than the engine does: a file opened with O_DIRECT moves whole blocks to
 * and from aligned memory (dray_region_info says how long they are). What lies opposite must be
 * memory in one range, or another file; pieces and streams are reached through bounce memory. The
 * block that holds the end of such a file may be a part of one.
 */
struct dray_plan_region {
    dray_key key;
    enum dray_region_kind kind; /* NONE is taken as MEMORY */
    const char *name;           /* for people; may be NULL */
    uint64_t base;              /* address of byte 0 as the engine sees it; 0 for a file */
    uint64_t length;            /* bytes; of a file, as many as may be read */
    bool gap_readable;          /* bytes beside and between segments may be read and thrown away */
    bool gap_writable; /* bytes between segments may be written over with what lies between the
                          source's */
    bool rewritable; /* bytes beside a segment, up to the alignment, may be read and written back as
                      * they were: nobody else writes them meanwhile */
    uint32_t alignment; /* of offsets, lengths and what lies opposite, where that is more than the
                         * engine's; a power of two, or 0: it is not */
};

/* Who executes a step. */
enum dray_plan_by {
    DRAY_BY_ENGINE = 0,
    DRAY_BY_CPU = 1, /* the calling CPU: `pio`, or memcpy */
};

/* Steps run in order. Between neighbours where `by` changes, the earlier must be complete before
 * the later starts. */
struct dray_plan_step {
    struct dray_desc desc; /* COPY; CHAIN set where the next step is of the same transaction; FENCE
                            * where it must not overtake an earlier transaction */
    enum dray_plan_by by;
};

/* One decision, for people. `text` holds the numbers: "gap 40 B < g* 520 B: read through it, saves
 * 18 ns". */
struct dray_plan_note {
    enum {
        DRAY_NOTE_CHOICE, /* strategy for the whole */
        DRAY_NOTE_MERGE,
        DRAY_NOTE_COALESCE,
        DRAY_NOTE_SPLIT,
        DRAY_NOTE_BOUNCE,
        DRAY_NOTE_CPU,
    } kind;
    size_t step; /* the step it led to; 0 for CHOICE */
    char text[160];
};

struct dray_plan_input {
    struct dray_sg dst, src; /* equal total lengths */
    const struct dray_plan_region
        *regions; /* those the lists name; others are taken as base 0, no gaps allowed */
    size_t region_count;
    struct dray_limits limits;
    struct dray_profile profile; /* the costs */
    dray_key bounce;             /* memory for bounced bytes; zero: none */
    uint64_t bounce_base, bounce_length;
    bool cpu_allowed; /* the CPU may move bytes in place of the engine. To and from bounce memory it
                       * copies whenever there is bounce memory. */
};

struct dray_plan_output {
    struct dray_plan_step *steps; /* the caller's array */
    size_t steps_max;
    size_t step_count;            /* out */
    struct dray_plan_note *notes; /* the caller's array; may be NULL */
    size_t notes_max;
    size_t note_count;     /* out; capped at notes_max */
    uint64_t bytes;        /* out: payload */
    uint64_t cpu_bytes;    /* out: of these, moved or bounced by the CPU */
    uint64_t gap_bytes;    /* out: moved though nobody asked for them */
    size_t transactions;   /* out */
    double cost_ns;        /* out: by the profile */
    double cost_pieces_ns; /* out: one descriptor for each piece of the zip; infinity where a limit
                              forbids it */
    double
        cost_bounce_ns; /* out: everything through bounce memory; infinity where it does not fit */
};

/* Most steps of one plan. */
#define DRAY_PLAN_STEPS_MAX ((size_t)1 << 22)

/* Returns 0; -EINVAL (lengths differ, a segment wraps, limits or costs that make no sense, or
 * limits that no way of transfer can keep); -ENOSPC (steps_max is too small: step_count says how
 * many are needed); -ENOMEM (needs bounce memory that it does not have); -E2BIG (over
 * DRAY_PLAN_STEPS_MAX steps). Bounce memory that is smaller than the transfer is used in rounds;
 * four aligned blocks of it are always enough. Any thread. */
DRAY_API int dray_plan(const struct dray_plan_input *input, struct dray_plan_output *output);

/* The plan as a table for people: steps, then why. Writes at most size bytes, always terminated
 * (when size > 0), and stores in *needed (may be NULL) the bytes the whole takes with its
 * terminator. Returns 0, or -ENOSPC when it was cut. */
DRAY_API int dray_plan_print(const struct dray_plan_input *input,
                             const struct dray_plan_output *output, char *text, size_t size,
                             size_t *needed);

#ifdef __cplusplus
}
#endif

#endif
