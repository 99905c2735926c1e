/*
 * The plan: two lists of segments in, descriptors that an engine accepts out.
 *
 * Pure: no I/O, no allocation, no clock; the same answer for the same input. It zips lists with
 * different boundaries, merges neighbours, coalesces across a gap that costs less than a
 * descriptor, splits at limits, bounces what is misaligned (head and tail, or all, whichever costs
 * less), and leaves transfers under the break-even size to the CPU. Every decision can be printed
 * with its numbers.
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

/* What the plan must know of a region: alignment and width of an address are those of base +
 * offset. */
struct dray_plan_region {
    dray_key key;
    uint32_t reserved;
    uint64_t base;     /* address of byte 0 as the engine sees it; 0 for a file */
    uint64_t length;   /* bytes */
    bool gap_readable; /* bytes between segments may be read and thrown away */
    bool gap_writable; /* bytes between segments may be written over with what lies between the
                          source's */
};

/* Who executes a step. */
enum dray_plan_by {
    DRAY_BY_ENGINE = 0,
    DRAY_BY_CPU = 1, /* the calling CPU: `pio`, or memcpy */
};

/* Steps run in order. Between neighbours where `by` changes, the earlier must be complete before
 * the later starts. */
struct dray_plan_step {
    struct dray_desc desc; /* COPY; CHAIN set where the next step is of the same transaction */
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
    size_t step; /* the step it led to */
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
    bool cpu_allowed; /* false: everything goes through the engine */
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

/* Returns 0; -EINVAL (lengths differ, limits that no transfer can keep); -ENOSPC (steps_max is too
 * small: step_count says how many are needed); -ENOMEM (needs bounce memory that it does not have).
 * Any thread. */
DRAY_API int dray_plan(const struct dray_plan_input *input, struct dray_plan_output *output);

#ifdef __cplusplus
}
#endif

#endif
