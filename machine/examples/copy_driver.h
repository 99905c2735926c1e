/*
 * A driver of the DMA controller, as firmware has one: docs/controller.md is its data sheet.
 *
 *     open      rings in memory, their addresses in registers, RUN
 *     copy      map, build the list, clean, barrier, doorbell, wait; unmap
 *     handler   invalidate, look at completions, give them back
 *     close     terminate, wait until idle, unmap the rings
 *
 * The rings lie in ordinary cached memory. On a computer whose device does not look into caches the driver
 * cleans what it wrote and invalidates what it will read; each side writes lines of its own. Buffers are
 * mapped for each transfer, and the mapping does the same for them.
 *
 * One copy at a time, called in a core's fiber. The interrupt belongs to the same core.
 */
#ifndef DRAY_MACHINE_COPY_DRIVER_H
#define DRAY_MACHINE_COPY_DRIVER_H

#include "controller.h"
#include "dray/format.h"
#include "driver.h"

enum {
    COPY_RING = 64,     /* descriptors */
    COPY_RUNS_MAX = 31, /* pieces of one side in one transaction */
};

struct copy_options {
    struct sim_driver *driver;
    uint64_t registers; /* physical, of the channel */
    unsigned interrupt; /* number, below 64 */
    uint64_t line;      /* bytes of a cache line */
    bool snooped;       /* the device looks into caches */
    bool translated;    /* an IOMMU makes every buffer one piece */
    uint64_t piece_max; /* bytes of one descriptor; 0: any */
};

struct copy_driver {
    struct copy_options options;
    uint64_t memory, io; /* of everything below; virtual, and as the device sees it */
    uint64_t size;
    uint32_t tail;   /* descriptors published */
    uint32_t seen;   /* completions taken */
    uint32_t wanted; /* transactions published */
    uint8_t status;  /* DRAY_STATUS_* of the last that failed */
};

/* In a fiber. Returns 0; -ENOMEM; -EFAULT (the rings cannot be mapped); -EIO (the channel halts). */
int copy_driver_open(struct copy_driver *copy, struct sim_core *core,
                     const struct copy_options *options);
void copy_driver_close(struct copy_driver *copy, struct sim_core *core);
/* Virtual addresses, which do not overlap. Returns 0; -EFAULT (cannot be mapped); -EIO (`status` says
 * why). */
int copy_driver_copy(struct copy_driver *copy, struct sim_core *core, uint64_t dst, uint64_t src,
                     uint64_t size);

#endif
