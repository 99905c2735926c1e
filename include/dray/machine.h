/*
 * Modelled computers: what a program would cost on hardware that is not here, and which hazards it has
 * there.
 *
 * A machine is made from a file (docs/machines.md says what stands in it) and given to the engine
 * "model", whose queues are channels of its controller: the same descriptors, in rings in its memory,
 * filled by the same queue code on its core. Deterministic: the same machine, seed and program give
 * the same figures everywhere. One thread at a time.
 */
#ifndef DRAY_MACHINE_H
#define DRAY_MACHINE_H

#include "dray/api.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dray_machine;

struct dray_machine_options {
    size_t size;      /* sizeof this structure */
    const char *name; /* a preset, or a file where it holds a slash; NULL: standard values */
    const char *const *settings; /* "part.param=value", ended by NULL; may be NULL */
    /* "part.param=from:to:count": that parameter has the value of step `sweep_step`, from 0. */
    const char *sweep;
    unsigned sweep_step;
    uint64_t seed;   /* of what is random in it */
    bool no_hazards; /* nobody watches: faster */
    /* A file that the trace is written to while the machine runs: JSON that Perfetto and Chrome show.
     * It is made, or emptied. NULL: none. */
    const char *trace;
};

/* Returns 0; -EINVAL and in `why` where and what is wrong with the file or a setting; -ENOENT (no such
 * preset or file, in `why`); -ERANGE (a sweep has no such step); -EIO (the trace's file cannot be
 * made, in `why`); -ENOMEM. Destroy it after the engines that use it. */
DRAY_API int dray_machine_create(struct dray_machine **machine,
                                 const struct dray_machine_options *options, char *why,
                                 size_t why_size);
DRAY_API void dray_machine_destroy(struct dray_machine **machine);

/* The value that a sweep gave, with its unit; "" where there is none. */
DRAY_API const char *dray_machine_swept(const struct dray_machine *machine);

/* Ends the trace, after the engines that use the machine are closed; without this, destroying the
 * machine ends it, and nobody hears whether all of it was written. Returns 0, also where there is no
 * trace; -errno of the first thing that went wrong (-ENOSPC: the disk is full): the file is not
 * whole then. */
DRAY_API int dray_machine_trace_end(struct dray_machine *machine);

/* Picoseconds since it was switched on. */
DRAY_API uint64_t dray_machine_time_ps(const struct dray_machine *machine);

/* Hazards found so far. */
DRAY_API size_t dray_machine_hazards(const struct dray_machine *machine);

/* What happened on it so far, as a table for people or as JSON: transfers, where time and bytes went,
 * hazards. Valid until the next call or the machine's end. NULL for want of memory. */
DRAY_API const char *dray_machine_text(struct dray_machine *machine);
DRAY_API const char *dray_machine_json(struct dray_machine *machine);

#ifdef __cplusplus
}
#endif

#endif
