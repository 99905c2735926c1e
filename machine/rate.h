/* Bytes at a rate, as a time. */
#ifndef DRAY_MACHINE_RATE_H
#define DRAY_MACHINE_RATE_H

#include "kernel.h"

/* Picoseconds that `bytes` take at `rate` bytes a second, rounded up; a rate of 0 is no limit. */
static inline sim_time sim_rate_time(uint64_t bytes, uint64_t rate)
{
    if (!rate || !bytes)
        return 0;
    /* 10^12 times a size below 2^24 fits 64 bits, whose division is several times faster. */
    if (bytes < (1u << 24))
        return (bytes * SIM_S - 1) / rate + 1;
    return (sim_time)(((unsigned __int128)bytes * SIM_S - 1) / rate) + 1;
}

#endif
