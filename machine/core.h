/*
 * A core: runs driver code on a fiber; has a store buffer, a TLB, caches.
 *
 * Stores go into the buffer and from there into the cache (or to the bus, uncached) by themselves: in
 * order on a machine like x86, in any order on a weak one, where the kernel's seed decides. A load
 * takes the newest bytes of the core's own buffer first (forwarding).
 *
 * All functions are called in the core's fiber. Addresses are virtual. `where` is the line of driver
 * code, for reports.
 */
#ifndef DRAY_MACHINE_CORE_H
#define DRAY_MACHINE_CORE_H

#include "cache.h"
#include "mmu.h"

enum sim_order {
    SIM_ORDER_TSO, /* stores drain in order; loads pass older stores to other addresses */
    SIM_ORDER_WEAK, /* stores drain in any order; loads that nothing orders may see old bytes: see core_early.c */
};

struct sim_core_params {
    uint64_t order;
    uint64_t frequency_hz;
    uint64_t store_buffer; /* entries of up to 8 bytes, at most 128 */
    uint64_t drain;        /* ps between two stores that leave the buffer */
    uint64_t barrier;      /* ps of a full barrier, beside what it waits for */
    uint64_t mmio_write;   /* ps the core itself is busy with a posted write */
    uint64_t
        interrupt; /* ps from the interrupt's arrival to the first instruction of the handler */
    uint64_t
        ahead; /* lines: how far before its turn a line of a long load is asked for; stores ask for
                     theirs when they execute. 0: each line when its turn comes */
    uint64_t early; /* ps, weak: how long before its place a load may have been executed */
};

extern const struct sim_part_kind sim_core_kind;

enum sim_barrier {
    SIM_BARRIER_STORE, /* stores before it are seen before stores after it */
    SIM_BARRIER_LOAD,  /* loads likewise */
    SIM_BARRIER_FULL,
    SIM_BARRIER_MAINTENANCE, /* full, and cache maintenance before it has reached memory */
};

struct sim_where {
    const char *file;
    unsigned line;
};

#define SIM_HERE (&(const struct sim_where){ __FILE__, __LINE__ })

struct sim_core;

int sim_core_create(struct sim_core **core, struct sim_kernel *kernel, const char *name,
                    struct sim_bus *bus, struct sim_space *space,
                    const struct sim_core_params *params, const struct sim_cache_params *caches,
                    const struct sim_tlb_params *tlb);
void sim_core_destroy(struct sim_core **core);

/* Its caches and TLB: for watchers, tests, and who moves a page (sim_tlb_invalidate). */
struct sim_cache *sim_core_cache(struct sim_core *core);
struct sim_tlb *sim_core_tlb(struct sim_core *core);

/* Begins to run code at `begin`. One program at a time. Returns 0; -EBUSY; -ENOMEM. */
int sim_core_run(struct sim_core *core, sim_time begin,
                 void (*code)(struct sim_core *core, void *argument), void *argument);
/* The core whose fiber runs now; NULL in an event. */
struct sim_core *sim_core_self(const struct sim_kernel *kernel);

/* Up to any size; split at lines. An address that is not mapped, or not writable, is a fault: it is
 * noted (SIM_NOTE_FAULT with `where`), the program ends there, and sim_core_fault says so. */
void sim_load(struct sim_core *core, uint64_t address, void *to, uint32_t size,
              const struct sim_where *where);
void sim_store(struct sim_core *core, uint64_t address, const void *from, uint32_t size,
               const struct sim_where *where);
/* 4 or 8 bytes; release and acquire order. */
uint64_t sim_observe(struct sim_core *core, uint64_t address, uint32_t size,
                     const struct sim_where *where);
void sim_publish(struct sim_core *core, uint64_t address, uint64_t value, uint32_t size,
                 const struct sim_where *where);
/* Atomic exchange, a full barrier. */
uint64_t sim_swap(struct sim_core *core, uint64_t address, uint64_t value, uint32_t size,
                  const struct sim_where *where);
void sim_barrier(struct sim_core *core, enum sim_barrier barrier, const struct sim_where *where);
void sim_clean(struct sim_core *core, uint64_t address, uint64_t size,
               const struct sim_where *where);
void sim_invalidate(struct sim_core *core, uint64_t address, uint64_t size,
                    const struct sim_where *where);
void sim_flush(struct sim_core *core, uint64_t address, uint64_t size,
               const struct sim_where *where);
/* Physical addresses of registers. A write is posted: it leaves after the stores before it only where
 * a barrier says so, and on TSO machines always. */
uint64_t sim_mmio_read(struct sim_core *core, uint64_t physical, uint32_t size,
                       const struct sim_where *where);
void sim_mmio_write(struct sim_core *core, uint64_t physical, uint64_t value, uint32_t size,
                    const struct sim_where *where);
void sim_compute(struct sim_core *core, uint64_t cycles);

/* Interrupts: a handler runs on the core's fiber between two of its actions; while a handler runs
 * others wait. `number` below 64. */
void sim_core_handler(struct sim_core *core, unsigned number,
                      void (*handler)(struct sim_core *core, unsigned number, void *argument),
                      void *argument);
/* From an event: the interrupt arrives now. */
void sim_core_interrupt(struct sim_core *core, unsigned number);
/* Until a handler has run since the last such wait; `reason` for the report of who waits. */
void sim_wait_interrupt(struct sim_core *core, const char *reason, const struct sim_where *where);

struct sim_core_fault {
    bool is; /* the program ended with it */
    uint64_t address;
    bool write;
    struct sim_where where;
};
void sim_core_fault(const struct sim_core *core, struct sim_core_fault *fault);
bool sim_core_ended(const struct sim_core *core);

struct sim_core_stats {
    uint64_t loads, stores, barriers, mmio_reads, mmio_writes, interrupts;
    sim_time working; /* not waiting for an interrupt */
    sim_time stalled; /* of that: for memory, the buffer, barriers */
    struct sim_cache_stats cache;
    struct sim_tlb_stats tlb;
};
void sim_core_stats(const struct sim_core *core, struct sim_core_stats *stats);

/* ---- for an operating system's calls (driver.h), core_system.c ---- */

/* In the core's fiber: time goes by, with interrupts off. */
void sim_pass(struct sim_core *core, sim_time time);
/* In the core's fiber: as sim_block, while its stores go on leaving. */
void sim_core_block(struct sim_core *core, const char *reason);

/* Without time, from anywhere; physical ranges within one page. */

/* Puts into `to` what the core has newer than memory, in its store buffer or changed in its caches. */
void sim_core_peek(struct sim_core *core, uint64_t physical, void *to, uint32_t size);
/* Changes the copies that its caches hold, and nothing else; memory is the caller's to change. */
void sim_core_poke(struct sim_core *core, uint64_t physical, const void *from, uint32_t size);
/* Its caches drop the lines of a range of any length, changed or not: the frame belongs to nobody. */
void sim_core_forget(struct sim_core *core, uint64_t physical, uint64_t size);
/* Its TLB drops the pages of a virtual range. */
void sim_core_forget_page(struct sim_core *core, uint64_t virtual, uint64_t size);

#endif
