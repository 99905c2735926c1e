/* Cases of suite `sim` that run a whole transfer on a modelled machine (sim_transfer.c). */
#ifndef BENCH_SIM_TRANSFER_H
#define BENCH_SIM_TRANSFER_H

#include "harness.h"

int bench_transfer_setup(struct bench_run *run);
void bench_transfer_teardown(struct bench_run *run);
void bench_transfer_wipe(struct bench_run *run);
int bench_transfer_verify(struct bench_run *run);
/** Processor seconds of a gather of 4 KiB pieces on machine `server`. */
double bench_transfer_seconds(struct bench_run *run);
/** Mebibytes of memory that the machine came to use in it, over those of the bytes themselves. */
double bench_transfer_memory(struct bench_run *run);

/** Bytes, and what such a run may cost. */
struct bench_transfer_param {
    size_t bytes;
};
/** 2 s for each 64 MiB. */
double bench_transfer_seconds_allowed(struct bench_run *run);
/** Four times the modelled memory that is touched (source and destination), and 64 MiB. */
double bench_transfer_memory_allowed(struct bench_run *run);

#endif
