/*
 * The scatter-gather DMA controller. docs/controller.md is its data sheet.
 *
 * It reads rings and descriptors from memory by itself, through its port (a link, an IOMMU, or the
 * bus), and shares no logic with the software engines: only the positions of fields, which come from
 * the one description of the format. What a key means it looks up in a region table in memory:
 *
 *     entry of 32 bytes:  key (4), rights and kind (4), IO address (8), length (8), device (8)
 *
 * Kinds: memory, flags, and streams of devices on its back side (device.h).
 */
#ifndef DRAY_MACHINE_CONTROLLER_H
#define DRAY_MACHINE_CONTROLLER_H

#include "bus.h"
#include "interrupt.h"

struct sim_controller_params {
    uint64_t channels;    /* 1 to 16 */
    uint64_t descriptors; /* executes descriptor lists; no: block mode alone */
    uint64_t prefetch; /* descriptors fetched at once (d), each at its own address or in one read */
    uint64_t cache;    /* descriptors held ahead for each channel */
    uint64_t linked;   /* the ring is a linked list: the next address comes with the descriptor, so
                               nothing is fetched ahead */
    uint64_t set_up;   /* ps from doorbell or start to the first action (t_p) */
    uint64_t per_descriptor;  /* ps of the engine for each descriptor (t_o) */
    uint64_t bandwidth;       /* bytes a second through the engine (B); 0: no limit of its own */
    uint64_t reads;           /* data reads under way at once, for all channels */
    uint64_t request;         /* bytes of one read or write; a power of two */
    uint64_t alignment;       /* of addresses and lengths; 1: any */
    uint64_t address_bits;    /* 32 or 64: addresses above fault */
    uint64_t segment_max;     /* bytes of one descriptor; 0: any */
    uint64_t register_access; /* ps of the device itself for a register */
};

extern const struct sim_part_kind sim_controller_kind;

/* Registers of one channel, 8 bytes each, at channel * SIM_CHANNEL_SIZE. */
enum {
    SIM_CHANNEL_SIZE = 0x100,
    SIM_REG_CONTROL = 0x00, /* bit 0 run, bit 1 reset, bit 2 terminate, bit 3 block mode */
    SIM_REG_STATUS = 0x08,  /* bit 0 running, bit 1 idle, bit 2 halted by an error, 8..15 status */
    SIM_REG_RING = 0x10,    /* IO address of the descriptors; aligned to 64 */
    SIM_REG_RING_SIZE = 0x18,  /* descriptors, a power of two */
    SIM_REG_TAIL = 0x20,       /* IO address of the published tail (4 bytes) */
    SIM_REG_HEAD = 0x28,       /* IO address where the consumed head is written (4 bytes) */
    SIM_REG_COMPLETION = 0x30, /* IO address of the completions */
    SIM_REG_COMPLETION_SIZE = 0x38,
    SIM_REG_REGIONS = 0x40, /* IO address of the region table */
    SIM_REG_REGION_COUNT = 0x48,
    SIM_REG_DOORBELL = 0x50,  /* any write: look at the tail */
    SIM_REG_SEEN = 0x58,      /* write: completions the driver has given back, free-running */
    SIM_REG_SHAPES = 0x60,    /* IO address of the shapes of STRIDED, one for each slot */
    SIM_REG_INTERRUPT = 0x68, /* number raised at a completion; 2^64-1: none */
    /* Block mode: one address, one count, as the oldest controllers. */
    SIM_REG_BLOCK_SRC = 0x80,
    SIM_REG_BLOCK_DST = 0x88,
    SIM_REG_BLOCK_COUNT = 0x90, /* bytes; writing CONTROL.run starts it */
};

struct sim_controller_stats {
    uint64_t doorbells, descriptors, transactions, faults;
    uint64_t fetch_reads, fetch_bytes, table_reads, read_bytes, write_bytes;
    uint64_t moved;                   /* bytes, of what descriptors asked for */
    sim_time fetching, working, idle; /* of all channels together; working: data under way */
};

struct sim_controller;

/* `port`: where its requests go. `master`: whose they are (device and name are set). */
int sim_controller_create(struct sim_controller **controller, struct sim_kernel *kernel,
                          struct sim_target *port, struct sim_master *master,
                          struct sim_interrupts *interrupts,
                          const struct sim_controller_params *params);
void sim_controller_destroy(struct sim_controller **controller);
/* Its registers, to be added to the bus: the creator sets base and latency. */
struct sim_mmio *sim_controller_mmio(struct sim_controller *controller);
/* A device on its back side: `kind` and number as the region table names it. See device.h. */
struct sim_device;
void sim_controller_attach(struct sim_controller *controller, unsigned number,
                           struct sim_device *device);
void sim_controller_stats(const struct sim_controller *controller, unsigned channel,
                          struct sim_controller_stats *stats);
/* True when no channel has work: for tests and the end of a run. */
bool sim_controller_idle(const struct sim_controller *controller);

#endif
