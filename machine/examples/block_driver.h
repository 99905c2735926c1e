/*
 * A driver of the DMA controller's block mode: one address, one count, as the oldest controllers have it.
 *
 * What is not in one piece, not aligned, or where the device does not reach, is copied by the CPU: through
 * two buffers that the device does reach.
 */
#ifndef DRAY_MACHINE_BLOCK_DRIVER_H
#define DRAY_MACHINE_BLOCK_DRIVER_H

#include "controller.h"
#include "driver.h"

enum {
    BLOCK_BOUNCE = 64 << 10, /* bytes of each of the two buffers: of one block at most */
};

struct block_options {
    struct sim_driver *driver;
    uint64_t registers; /* physical, of the channel */
    unsigned interrupt; /* number, below 64 */
    uint64_t
        alignment; /* of addresses and counts; on a computer without snooping devices: a line */
    uint64_t block_max; /* bytes of one block; 0: any */
};

struct block_driver {
    struct block_options options;
    uint64_t bounce;  /* the source's buffer, then the destination's */
    bool ended;       /* the block */
    uint64_t bounced; /* bytes that the CPU copied */
};

/* In a fiber. Returns 0; -ENOMEM. */
int block_driver_open(struct block_driver *block, struct sim_core *core,
                      const struct block_options *options);
void block_driver_close(struct block_driver *block, struct sim_core *core);
/* Virtual addresses, which do not overlap. Returns 0; -EIO. */
int block_driver_copy(struct block_driver *block, struct sim_core *core, uint64_t dst, uint64_t src,
                      uint64_t size);

#endif
