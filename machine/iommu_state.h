/*
 * What the files of the IOMMU share.
 *
 *     iommu.c          requests on their way: order, turns, life
 *     iommu_cache.c    what was translated: IOTLB and walk cache
 *     iommu_walk.c     reading tables
 *     iommu_command.c  registers: on and off, invalidation, faults
 */
#ifndef DRAY_MACHINE_IOMMU_STATE_H
#define DRAY_MACHINE_IOMMU_STATE_H

#include "iommu.h"

enum {
    IOMMU_PAGE = 4096,
    IOMMU_HUGE_PAGE = 2 << 20,
    IOMMU_LEVELS_MAX = 5,
    IOMMU_TRIPS = 1024, /* requests inside at once; further ones wait in front */
};

#define IOMMU_ADDRESS   0x000ffffffffff000ull /* of an entry */
#define IOMMU_VALID     1u                    /* of a context */
#define IOMMU_IDENTITY  2u
#define IOMMU_READWRITE (SIM_IOMMU_READ | SIM_IOMMU_WRITE)

/* What a walk or a cache says about an address. */
struct iommu_answer {
    bool refused;
    enum sim_iommu_reason reason;
    uint64_t base; /* physical, of the page */
    uint64_t size; /* of the page */
    unsigned rights;
};

/*
 * A request on its way through. Its life:
 *
 *     looking    its hit time passes, or it waits for a walk
 *     answered   it has its address or its refusal, but writes before it have not left yet
 *     gone       the host has it, or it was refused
 *
 * Until it is granted (or refused) it is among its device's live ones, oldest first: an
 * invalidation waits for those that were there before it.
 */
struct iommu_trip {
    struct sim_request request; /* the host's */
    struct sim_event event;
    struct sim_iommu *iommu;
    struct sim_request *parent;
    struct iommu_device *device;
    uint64_t number;
    bool answered, live;
    struct iommu_answer answer;
    sim_time missed;
    struct iommu_trip *live_next, *live_before;
    struct iommu_trip *write_next;           /* the device's next write that has not left */
    struct iommu_trip *after;                /* a read: the write it may not pass */
    struct iommu_trip *behind, **behind_end; /* a write: the reads that wait for it */
    struct iommu_trip *behind_next;
    struct iommu_trip *next; /* free; or waits for the same walk, or for any */
};

struct iommu_device {
    bool known; /* its context was read */
    bool identity;
    uint64_t top;
    struct iommu_trip *live, *live_last;
    struct iommu_trip *write, *write_last;
};

struct iommu_entry {
    bool valid;
    uint32_t device;
    uint64_t base, size; /* of the page, as the device sees it */
    uint64_t physical;
    unsigned rights;
    uint64_t used;
};

/* The last table of a region of 2 MiB. */
struct iommu_region {
    bool valid;
    uint32_t device;
    uint64_t base;
    uint64_t table;
    unsigned rights;
    uint64_t used;
};

struct iommu_walk {
    struct sim_request request;
    struct sim_event event;
    struct sim_iommu *iommu;
    struct iommu_device *device;
    uint32_t device_number;
    uint64_t page;
    sim_time begun;
    bool active;
    bool stale;   /* what it reads may be old by now: not for later requests */
    bool context; /* it reads the root table */
    bool ended;
    bool identity;
    uint64_t top;
    unsigned level; /* of the table it reads; the last is 1 */
    unsigned depth;
    uint64_t tables[IOMMU_LEVELS_MAX]; /* read so far */
    unsigned rights;
    uint8_t entry[8];
    struct iommu_answer answer;
    struct iommu_trip *first, **end; /* who waits for it */
};

/* An invalidation that somebody waits for. */
struct iommu_command {
    struct sim_event event;
    struct sim_iommu *iommu;
    struct iommu_device *device;
    uint64_t before; /* trips with lower numbers may have used what was dropped */
    void (*done)(void *argument);
    void *argument;
    struct iommu_command *next; /* free; or its time is over, but not those trips */
    struct iommu_command *made; /* all there are */
};

struct sim_iommu {
    struct sim_target target;
    struct sim_kernel *kernel;
    struct sim_target *host;
    struct sim_memory *memory;
    struct sim_iommu_params params;
    struct sim_iommu_stats stats;
    struct sim_master master; /* of walks */
    bool enabled;
    uint64_t root;
    uint64_t tick; /* of use, for replacement */

    struct iommu_entry *entries;
    uint64_t sets, huge_entries;
    struct iommu_region *regions;

    struct iommu_walk *walks;
    uint64_t walking;
    struct iommu_trip *missing, **missing_end; /* for a free walk */

    struct iommu_trip *trips, *trip_pool;
    uint64_t trip_number;
    struct sim_request *waiting, **waiting_end; /* for a free trip */

    /* The last is of all that have no context. */
    struct iommu_device devices[SIM_IOMMU_DEVICES + 1];

    sim_time commands_free;
    struct iommu_command *commands, *command_pool, *commands_made;

    struct sim_iommu_fault faults[SIM_IOMMU_FAULTS];
    unsigned fault_first, fault_count;
};

/* Whether [base, base + extent) and [address, address + size) touch; size 0 is everything. */
static inline bool iommu_touches(uint64_t base, uint64_t extent, uint64_t address, uint64_t size)
{
    return !size || (base <= address + (size - 1) && base + (extent - 1) >= address);
}

/* Whether an invalidation for a device, or for all (SIM_IOMMU_DEVICES), is for this one. */
static inline bool iommu_concerns(uint32_t device, uint32_t owner)
{
    return device == SIM_IOMMU_DEVICES || device == owner;
}

/* ---- iommu.c ---- */

void iommu_answer(struct iommu_trip *trip, const struct iommu_answer *answer);
/* What the caches know about its address. False: nothing. */
bool iommu_look(struct sim_iommu *iommu, struct iommu_trip *trip, struct iommu_answer *answer);

/* ---- iommu_cache.c ---- */

struct iommu_entry *iommu_cache_find(const struct sim_iommu *iommu, uint32_t device,
                                     uint64_t address);
void iommu_cache_add(struct sim_iommu *iommu, uint32_t device, uint64_t address,
                     const struct iommu_answer *answer);
struct iommu_region *iommu_region_find(struct sim_iommu *iommu, uint32_t device, uint64_t address);
void iommu_region_add(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t table,
                      unsigned rights);
/* Of a device, or of all (SIM_IOMMU_DEVICES); size 0: everything. */
void iommu_cache_drop(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size);
int iommu_cache_create(struct sim_iommu *iommu);
void iommu_cache_destroy(struct sim_iommu *iommu);

/* ---- iommu_walk.c ---- */

/* The trip gets its answer later. */
void iommu_walk(struct sim_iommu *iommu, struct iommu_trip *trip);
/* Walks of the device (SIM_IOMMU_DEVICES: all) that touch the range give their answer to those who
 * wait, and to nobody else. */
void iommu_walk_outdate(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size);
int iommu_walk_create(struct sim_iommu *iommu);

/* ---- iommu_command.c ---- */

void iommu_fault(struct sim_iommu *iommu, const struct iommu_trip *trip);
/* A trip of the device is no longer live. */
void iommu_command_settle(struct sim_iommu *iommu, const struct iommu_device *device);
void iommu_command_destroy(struct sim_iommu *iommu);

#endif
