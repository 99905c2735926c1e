/*
 * What an operating system gives a driver: memory, mappings for devices, maintenance round transfers.
 *
 * Called by driver code in a core's fiber, with `where` (SIM_HERE) for reports. Each call takes the time
 * that its parameters say, and tells watchers what it did (note.h): the shadow state knows from that
 * who owns which bytes.
 *
 *     map      the device may reach the bytes; they are the device's until unmapped or synced back
 *     sync     hands bytes to and fro while they stay mapped
 *     unmap    the device may not reach them any more; they are the CPU's
 *
 * On a machine whose device does not snoop, mapping and syncing for the device cleans, and unmapping
 * and syncing for the CPU invalidates, by direction: unless `SIM_MAP_RAW` says that the driver does so
 * itself. Nothing of this is needed for uncached memory.
 *
 * Mapping does not pin: what may be moved under the device is pinned before.
 */
#ifndef DRAY_MACHINE_DRIVER_H
#define DRAY_MACHINE_DRIVER_H

#include "core.h"
#include "iommu.h"

enum sim_direction {
    SIM_TO_DEVICE = 1,
    SIM_FROM_DEVICE = 2,
    SIM_BOTH_WAYS = 3,
};

enum sim_map_flags {
    SIM_MAP_RAW = 1,  /* no cache maintenance: the driver's own business */
    SIM_MAP_LAZY = 2, /* unmap leaves the IOTLB alone until the next flush */
    SIM_MAP_SHARED =
        4, /* rings and flags: both sides use it while it is mapped, in an order of their
                           own */
    SIM_MAP_SNOOPED = 8, /* in notes alone: the system says that the device looks into caches */
};

struct sim_system_params {
    uint64_t cores;         /* 1 to 16 */
    uint64_t fragmentation; /* millionths, see sim_frames_create */
    uint64_t huge;          /* memory is mapped in 2 MiB pages where it can be */
    uint64_t map;           /* ps for each 4 KiB page mapped for a device (IOMMU entry) */
    uint64_t unmap;         /* ps likewise, beside the invalidation */
    uint64_t pin;           /* ps for each page pinned */
    uint64_t call;          /* ps of each call of this interface */
    uint64_t snooped;       /* devices look into caches */
    uint64_t linked; /* the controller sits behind the link (and pays for it), or on the bus */
};

extern const struct sim_part_kind sim_system_kind;

/* Virtual addresses of sim_alloc lie between these, growing from the first: below 4 GiB, so that a host
 * can show them in a window of its own memory. */
#define SIM_VIRTUAL_FIRST ((uint64_t)1 << 20)
#define SIM_VIRTUAL_END   ((uint64_t)0xf0000000)

struct sim_driver; /* the operating system's side of one device */

struct sim_driver_options {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_frames *frames;
    struct sim_space *space; /* of all driver code */
    struct sim_iommu *iommu; /* NULL: IO addresses are physical */
    uint32_t device;         /* the device's number, for its context */
    uint64_t address_bits;   /* of the device */
    const struct sim_system_params *system;
    struct sim_core *const *cores; /* of the machine: kept by reference */
    size_t core_count;
};

/* Builds the device's IOMMU tables (in memory) and enables the IOMMU; several drivers share one root
 * table. All that options point to outlives the driver. Returns 0; -ENOMEM. */
int sim_driver_create(struct sim_driver **driver, const struct sim_driver_options *options);
void sim_driver_destroy(struct sim_driver **driver);

/* Memory of driver code. No time passes; not in a fiber. Returns a virtual address, or SIM_NEVER. */
uint64_t sim_alloc(struct sim_driver *driver, uint64_t size, enum sim_mapping mapping);
/* Likewise, in one piece that the device can reach, for rings: any size behind an IOMMU, else up to
 * 2 MiB. */
uint64_t sim_alloc_device(struct sim_driver *driver, uint64_t size, enum sim_mapping mapping);
/* What these returned. Freeing what is mapped for the device is a hazard that is told, and done all
 * the same; a pinned page keeps its frame. No time passes. */
void sim_free(struct sim_driver *driver, uint64_t address, const struct sim_where *where);
/* In a fiber: pages of the range stay in their frames until unpinned. Pins count. Returns 0; -ENOENT
 * (not mapped for the CPU; nothing is pinned); unpin also -EINVAL (not pinned). */
int sim_pin(struct sim_core *core, struct sim_driver *driver, uint64_t address, uint64_t size,
            const struct sim_where *where);
int sim_unpin(struct sim_core *core, struct sim_driver *driver, uint64_t address, uint64_t size,
              const struct sim_where *where);
/* In a fiber: the operating system moves a page to another frame, as it does to make room or to bring
 * memory near. Returns 0; -ENOENT; -EBUSY (pinned); -ENOMEM. */
int sim_move(struct sim_core *core, struct sim_driver *driver, uint64_t address,
             const struct sim_where *where);
/* Bytes as the CPU last left them, wherever they are (buffer, caches, memory), and back: for loading a
 * program's data and looking at the result, without time. */
void sim_poke(struct sim_driver *driver, uint64_t address, const void *from, uint64_t size);
void sim_peek(struct sim_driver *driver, uint64_t address, void *to, uint64_t size);

/* In a fiber. An IO address through which the device reaches [address, address + size): contiguous
 * behind an IOMMU; without one the range must be so physically. Returns SIM_NEVER where it cannot be
 * (not mapped for the CPU, not contiguous, above the device's address bits). */
uint64_t sim_dma_map(struct sim_core *core, struct sim_driver *driver, uint64_t address,
                     uint64_t size, enum sim_direction direction, unsigned flags,
                     const struct sim_where *where);
/* Returns 0; -ENOENT where no such mapping is. */
int sim_dma_unmap(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                  const struct sim_where *where);
/* Of a mapping's bytes from `offset` on. Return 0; -ENOENT; -EINVAL (not within it). */
int sim_dma_sync_for_device(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                            uint64_t offset, uint64_t size, const struct sim_where *where);
int sim_dma_sync_for_cpu(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                         uint64_t offset, uint64_t size, const struct sim_where *where);
/* Ends the windows of lazy unmaps. */
void sim_dma_flush(struct sim_core *core, struct sim_driver *driver, const struct sim_where *where);

/* The physical runs behind a range, in order: what a driver without an IOMMU builds its list from.
 * Returns how many; at most `max` are written. */
struct sim_run {
    uint64_t physical, size;
};
size_t sim_runs(const struct sim_driver *driver, uint64_t address, uint64_t size,
                struct sim_run *runs, size_t max);

/* How many mappings are left. */
size_t sim_driver_mappings(const struct sim_driver *driver);

#endif
