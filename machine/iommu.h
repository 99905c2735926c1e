/*
 * The IOMMU: what a device may reach, and where that lies.
 *
 * Its tables are bytes in physical memory, as a driver builds them and as its walker reads them
 * over the bus: levels of 512 entries of 8 bytes, 4 KiB each, little-endian.
 *
 *     bit 0      readable         bits 12 to 51   address of the next table or of the page
 *     bit 1      writable         bit 7           a page of 2 MiB (in the level above the last)
 *
 * An entry with neither right is empty. Rights hold where every level gives them. The root table
 * has SIM_IOMMU_DEVICES entries of 8 bytes, one device context each: bit 0 valid, bit 1 identity
 * (no translation: wide open), bits 12 to 51 its top table. With `enabled` off every device reaches
 * everything, as between power-on and the driver (early boot).
 *
 * A request that is refused moves nothing and is not granted: it is done with SIM_FAULT, or with
 * SIM_READ_ONLY where the page may be read and it writes. Writes of one device keep their order,
 * and no read passes a write that came before it, however long their translations take.
 */
#ifndef DRAY_MACHINE_IOMMU_H
#define DRAY_MACHINE_IOMMU_H

#include "memory.h"
#include "note.h"
#include "param.h"

struct sim_iommu_params {
    uint64_t present; /* no: requests pass untouched */
    uint64_t levels;  /* 2 to 5 */
    uint64_t iotlb;   /* entries, of 4 KiB or 2 MiB */
    uint64_t iotlb_ways;
    uint64_t hit;          /* ps of a translation that is cached (l0) */
    uint64_t walk_read;    /* ps of each read of a walk, beside what the bus takes (l_m) */
    uint64_t walk_bus;     /* whether walks read over the bus: they compete there, and see caches */
    uint64_t walk_cache;   /* entries that save all reads but the last */
    uint64_t walks;        /* at once; further misses wait */
    uint64_t invalidation; /* ps of one invalidation command, seen by who waits for it */
};

extern const struct sim_part_kind sim_iommu_kind;

enum {
    SIM_IOMMU_DEVICES = 512, /* contexts; devices with higher numbers have none */
    SIM_IOMMU_FAULTS = 256,  /* kept */
};

enum sim_iommu_right {
    SIM_IOMMU_READ = 1,
    SIM_IOMMU_WRITE = 2,
    SIM_IOMMU_HUGE = 1 << 7,
};

struct sim_iommu_fault {
    sim_time time;
    uint32_t device;
    uint64_t address;
    bool write;
    enum sim_iommu_reason {
        SIM_IOMMU_NO_CONTEXT,
        SIM_IOMMU_NOT_MAPPED,
        SIM_IOMMU_NOT_ALLOWED,
        SIM_IOMMU_BAD_TABLE, /* an entry points outside memory */
    } reason;
};

struct sim_iommu_stats {
    uint64_t translations, hits, misses, walk_reads, faults, invalidations;
    sim_time waiting; /* of requests, for walks */
};

struct sim_iommu;

/* What passes is given to `host` (a bus), and so are the reads of walks. Returns 0; -ENOMEM. */
int sim_iommu_create(struct sim_iommu **iommu, struct sim_kernel *kernel, struct sim_target *host,
                     struct sim_memory *memory, const struct sim_iommu_params *params);
/* Nothing of it is under way. */
void sim_iommu_destroy(struct sim_iommu **iommu);
struct sim_target *sim_iommu_target(struct sim_iommu *iommu);
/* Whose the reads of walks are: the creator adds it to the bus. */
struct sim_master *sim_iommu_master(struct sim_iommu *iommu);

/* Registers, without time: who drives them pays by MMIO and sim_iommu_invalidate. */
void sim_iommu_enable(struct sim_iommu *iommu, uint64_t root); /* physical, of the root table */
void sim_iommu_disable(struct sim_iommu *iommu);
bool sim_iommu_enabled(const struct sim_iommu *iommu);
uint64_t sim_iommu_root(const struct sim_iommu *iommu); /* of the last enable */
/* What it was created with. */
const struct sim_iommu_params *sim_iommu_params(const struct sim_iommu *iommu);
/* Drops at once what is cached of [address, address + size) of a device; size 0: all of it, and its
 * context. `done` (may be NULL) is called after the time of the command, when no walk or request
 * that used the old entries is under way; commands take their time one after the other. Returns 0;
 * -ENOMEM (nothing will be called; it is dropped all the same). */
int sim_iommu_invalidate(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size,
                         void (*done)(void *argument), void *argument);
/* Without time: whether an entry is cached (the window of a lazy unmap). */
bool sim_iommu_caches(const struct sim_iommu *iommu, uint32_t device, uint64_t address);
/* The oldest fault that was not taken yet. False: none. While SIM_IOMMU_FAULTS wait no more are
 * kept; the count goes on. */
bool sim_iommu_take_fault(struct sim_iommu *iommu, struct sim_iommu_fault *fault);
void sim_iommu_stats(const struct sim_iommu *iommu, struct sim_iommu_stats *stats);

#endif
