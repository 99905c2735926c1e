/* DRAM: how long an access takes. Banks with open rows, one data bus. */
#ifndef DRAY_MACHINE_DRAM_H
#define DRAY_MACHINE_DRAM_H

#include "kernel.h"
#include "param.h"

struct sim_dram_params {
    uint64_t size;       /* bytes of memory */
    uint64_t banks;      /* a power of two */
    uint64_t row_bytes;  /* of one bank's row; a power of two */
    uint64_t row_hit;    /* ps: first byte, the row is open */
    uint64_t row_miss;   /* ps: another row must be closed first */
    uint64_t bandwidth;  /* bytes a second on the data bus */
    uint64_t interleave; /* bytes in one bank before the next; a power of two */
};

extern const struct sim_part_kind sim_dram_kind;

struct sim_dram_stats {
    uint64_t reads, writes; /* accesses */
    uint64_t read_bytes, write_bytes;
    uint64_t row_hits, row_misses;
    sim_time busy; /* of the data bus */
};

struct sim_dram;

/* Returns 0 or -ENOMEM; parameters have been checked. */
int sim_dram_create(struct sim_dram **dram, const struct sim_dram_params *params);
void sim_dram_destroy(struct sim_dram **dram);

/* An access that begins at `begin`, not before the one asked for last; within one row's interleave
 * unit or not. Returns when its last byte is there. */
sim_time sim_dram_access(struct sim_dram *dram, sim_time begin, uint64_t address, uint32_t size,
                         bool write);
/* When the last byte asked for so far is out. */
sim_time sim_dram_free(const struct sim_dram *dram);
void sim_dram_stats(const struct sim_dram *dram, struct sim_dram_stats *stats);

#endif
