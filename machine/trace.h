/*
 * The trace: what parts told in the course of a run, as a file that Perfetto and Chrome show.
 *
 * Its format is the JSON of "Trace Event Format": times in microseconds with six digits behind the
 * point, so exact. A part has a track; what overlaps on it goes to a second one, a third, ..., so that
 * on each track one thing follows the other. The file is written while the machine runs, and what is
 * kept does not grow with the run: it depends on how many parts there are, and on how many things
 * one does at once.
 */
#ifndef DRAY_MACHINE_TRACE_H
#define DRAY_MACHINE_TRACE_H

#include "note.h"

struct sim_trace;

/* Watches from now on. The file is made, or emptied. Returns 0; -errno of opening; -ENOMEM. */
int sim_trace_create(struct sim_trace **trace, struct sim_kernel *kernel, const char *path);
/* Ends the file and watches no more: before the kernel is destroyed. Returns 0, or -errno of the first
 * thing that failed; nothing was written behind it. *trace may be NULL, and is afterwards. */
int sim_trace_close(struct sim_trace **trace);

/* A transaction of a driver's, from submission to the completion found. Only the driver knows it, so
 * it has no note. */
struct sim_trace_transaction {
    unsigned channel;
    uint64_t id; /* another for each transaction of the trace */
    const char *opcode, *status;
    uint64_t operation; /* the user's name for it */
    uint64_t descriptors, bytes;
    sim_time submitted;
    sim_time done; /* SIM_NEVER: it is not */
};
void sim_trace_transaction(struct sim_trace *trace,
                           const struct sim_trace_transaction *transaction);

#endif
