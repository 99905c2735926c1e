/*
 * The scatter-gather DMA controller. docs/controller.md is its data sheet.
 *
 * It reads rings and descriptors from memory by itself, through its port (a link, an IOMMU, or the
 * bus), and shares no logic with the software engines: only the positions of fields, which come from
 * the one description of the format. What a key means it looks up in a region table in memory
 * (struct sim_region_entry). Kinds: memory, flags, and devices on its back side (device.h).
 */
#ifndef DRAY_MACHINE_CONTROLLER_H
#define DRAY_MACHINE_CONTROLLER_H

#include "bus.h"
#include "interrupt.h"

struct sim_controller_params {
    uint64_t channels;    /* 1 to 16 */
    uint64_t descriptors; /* executes descriptor lists; no: block mode alone */
    uint64_t prefetch;    /* descriptors fetched in one read, at most (d) */
    uint64_t cache;       /* descriptors held ahead, for each channel */
    /* Descriptors are found one through the other, as in a linked list: each is fetched when the one
     * before it is through, and nothing ahead. */
    uint64_t linked;
    /* Descriptors of a channel that take turns; 1: each sends off its last read before the next
     * begins. */
    uint64_t overlap;
    uint64_t set_up;          /* ps from doorbell or start to the first action (t_p) */
    uint64_t per_descriptor;  /* ps of the engine for each descriptor (t_o) */
    uint64_t bandwidth;       /* bytes a second through the engine (B); 0: no limit of its own */
    uint64_t reads;           /* data reads under way at once, for all channels */
    uint64_t request;         /* bytes of one read or write; a power of two */
    uint64_t alignment;       /* of addresses and lengths; 1: any */
    uint64_t address_bits;    /* 32 to 64: addresses above fault */
    uint64_t segment_max;     /* bytes of one descriptor; 0: any */
    uint64_t poll;            /* ps between two looks at the flag of a WAIT */
    uint64_t register_access; /* ps of the device itself for a register */
};

extern const struct sim_part_kind sim_controller_kind;

/* Registers of one channel, 8 bytes each, at channel * SIM_CHANNEL_SIZE. 4 or 8 bytes are accessed. */
enum {
    SIM_CHANNEL_SIZE = 0x100,
    SIM_REG_CONTROL = 0x00,    /* write: a command, SIM_CONTROL_*; reads as zero */
    SIM_REG_STATUS = 0x08,     /* read: SIM_STATUS_*; bits 8 to 15: why it halted, DRAY_STATUS_* */
    SIM_REG_RING = 0x10,       /* IO address of the descriptors; a multiple of 64 */
    SIM_REG_RING_SIZE = 0x18,  /* descriptors, a power of two up to 65536 */
    SIM_REG_TAIL = 0x20,       /* IO address of the published tail (4 bytes) */
    SIM_REG_HEAD = 0x28,       /* IO address where the consumed head is written (4 bytes) */
    SIM_REG_COMPLETION = 0x30, /* IO address of the completions; a multiple of 32 */
    SIM_REG_COMPLETION_SIZE = 0x38, /* completions, a power of two up to 65536 */
    SIM_REG_REGIONS = 0x40, /* IO address of the region table; a write drops the entries held */
    SIM_REG_REGION_COUNT = 0x48,
    SIM_REG_DOORBELL = 0x50,  /* write, any value: look at the tail */
    SIM_REG_SEEN = 0x58,      /* completions the driver has given back, free-running over 32 bits */
    SIM_REG_SHAPES = 0x60,    /* IO address of the shapes of STRIDED, one for each slot; 8 */
    SIM_REG_INTERRUPT = 0x68, /* number raised at a completion; 2^64-1: none */
    SIM_REG_SEEN_AT = 0x70,   /* IO address of SEEN in memory, where that is used; 0: nowhere */
    /* Block mode: one address, one count, as the oldest controllers. */
    SIM_REG_BLOCK_SRC = 0x80,
    SIM_REG_BLOCK_DST = 0x88,
    SIM_REG_BLOCK_COUNT = 0x90, /* bytes */
};

enum {
    SIM_CONTROL_RUN = 1 << 0,
    SIM_CONTROL_RESET = 1 << 1,
    SIM_CONTROL_TERMINATE = 1 << 2,
    SIM_CONTROL_BLOCK = 1 << 3, /* beside RUN: block mode */
};

enum {
    SIM_STATUS_RUNNING = 1 << 0,
    SIM_STATUS_IDLE = 1 << 1,   /* nothing is under way */
    SIM_STATUS_HALTED = 1 << 2, /* by an error; a reset ends it */
    SIM_STATUS_BLOCK = 1 << 3,  /* the last start was in block mode */
    SIM_STATUS_STALE = 1 << 4,  /* what began before REGIONS was last written is under way */
    SIM_STATUS_WHY_SHIFT = 8,
};

/* One region, as it lies in memory; a key's entry is that of its low 20 bits. */
struct sim_region_entry {
    uint32_t key; /* 0: none; else the whole key must match */
    uint8_t rights, kind;
    uint16_t reserved;
    uint64_t address; /* IO address of the first byte; of a device: the offset on it */
    uint64_t length;  /* bytes */
    uint64_t device;  /* its number, for those kinds */
};
_Static_assert(sizeof(struct sim_region_entry) == 32, "the entry's size is the data sheet's");

enum {
    SIM_RIGHT_READ = 1,
    SIM_RIGHT_WRITE = 2,
};
enum sim_region_kind {
    SIM_REGION_MEMORY = 1,
    SIM_REGION_DEVICE = 3, /* bytes at offsets */
    SIM_REGION_STREAM = 4, /* bytes in order; offsets are zero */
    SIM_REGION_FLAGS = 5,  /* memory */
};

enum {
    SIM_CONTROLLER_CHANNELS = 16,
    SIM_CONTROLLER_DEVICES = 64,
};

struct sim_controller_stats {
    uint64_t doorbells, descriptors, transactions, faults;
    uint64_t fetch_reads, fetch_bytes, table_reads, read_bytes, write_bytes;
    uint64_t moved; /* bytes, of what descriptors asked for */
    /* working: a descriptor moves bytes; fetching: none does, and the next is on its way; the rest is
     * waiting: for the engine, a flag, a place for a completion. */
    sim_time fetching, working, idle;
};

struct sim_controller;

/* `port`: where its requests go. `master`: whose they are (device and name are set). `interrupts` may
 * be NULL: then it raises none. The parameters have been checked. Returns 0 or -ENOMEM. */
int sim_controller_create(struct sim_controller **controller, struct sim_kernel *kernel,
                          struct sim_target *port, struct sim_master *master,
                          struct sim_interrupts *interrupts,
                          const struct sim_controller_params *params);
/* What is under way is forgotten: nothing may run in the kernel after it that would answer it. */
void sim_controller_destroy(struct sim_controller **controller);
/* Its registers, to be added to the bus: the creator sets base, and adds to the latency. */
struct sim_mmio *sim_controller_mmio(struct sim_controller *controller);
/* A device on its back side, by the number that the region table names it with; NULL takes it away.
 * See device.h. The controller must be idle. */
struct sim_device;
void sim_controller_attach(struct sim_controller *controller, unsigned number,
                           struct sim_device *device);
void sim_controller_stats(const struct sim_controller *controller, unsigned channel,
                          struct sim_controller_stats *stats);
/* True when no channel has work: for tests and the end of a run. */
bool sim_controller_idle(const struct sim_controller *controller);
/* What holds a channel: for the report of who waits for what. False: no WAIT does. */
struct sim_controller_wait {
    sim_time since;
    uint32_t key;
    uint64_t offset, value; /* of the flag; what it is compared with */
    unsigned condition;     /* DRAY_WAIT_* */
    uint64_t seen;          /* its value at the last look */
};
bool sim_controller_waits(const struct sim_controller *controller, unsigned channel,
                          struct sim_controller_wait *wait);

#endif
