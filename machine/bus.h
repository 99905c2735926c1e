/*
 * The bus between masters and memory: arbitration, occupancy, snooping.
 *
 * One request holds the bus at a time, for its overhead and its beats; memory works behind it, so the
 * next is granted while the answer of the last is still on its way. A grant is the point at which a
 * request takes effect (request.h): caches are snooped, bytes move.
 *
 * Held for overhead + size/bandwidth. The answer is back when both the bus and memory are through
 * with the burst, and one latency later:
 *
 *     memory             max(dram(grant + latency), grant + held) + latency
 *     another cache      max(grant + from_cache, grant + held)
 *     upgrade            likewise: every cache has answered
 *     registers          grant + held + their latency
 *
 * Requests of one master are granted in the order in which it submitted them. One longer than `burst`
 * is granted burst by burst, and its bytes move so; `granted` is called at the last. A line that a
 * cache asks for is one burst, whatever its size. Where nothing answers, reads find bytes of 0xff,
 * writes are lost, and the status is SIM_FAULT; such a request is done without being granted.
 */
#ifndef DRAY_MACHINE_BUS_H
#define DRAY_MACHINE_BUS_H

#include "dram.h"
#include "memory.h"
#include "note.h"

enum sim_arbiter {
    SIM_ARBITER_PRIORITY, /* the master with the lowest number first */
    SIM_ARBITER_ROUND_ROBIN,
    SIM_ARBITER_WEIGHTED, /* shares by weight of what is waiting (deficit round robin) */
    SIM_ARBITER_FIFO,     /* first come, first served */
};

struct sim_bus_params {
    uint64_t arbiter;
    uint64_t overhead;  /* ps for each burst: arbitration and address */
    uint64_t bandwidth; /* bytes a second of data */
    uint64_t burst; /* bytes; longer requests are several bursts, each arbitrated; a power of two */
    uint64_t latency;    /* ps from a grant to memory's begin, and the same back */
    uint64_t line;       /* bytes of a cache line: what is snooped; a power of two */
    uint64_t from_cache; /* ps: answer of another cache, in place of memory's */
    uint64_t ahead; /* ps of work that memory may have before it: then nothing is granted; 0: any */
};

extern const struct sim_part_kind sim_bus_kind;

/* A cache (the last level of one core's) that is asked at each grant of another master. */
struct sim_snooper {
    /* `address`: of the line. On SIM_READ and SIM_FILL: gives changed bytes to memory (the bus reads
     * them from there), and keeps at most a shared copy. On the others: likewise, and keeps none.
     * Returns what it had. */
    enum sim_had {
        SIM_HAD_NOTHING,
        SIM_HAD_CLEAN,
        SIM_HAD_CHANGED
    } (*snoop)(struct sim_snooper *snooper, uint64_t address, enum sim_op op);
    struct sim_snooper *next;
};

/* Somebody who looks at each grant that takes bytes or ownership of a line from others (SIM_WRITE,
 * SIM_FILL_OWN, SIM_UPGRADE): after caches were snooped, before bytes move, so memory holds what was
 * there till now. Weak cores remember it (core.h). */
struct sim_observer {
    void (*granting)(struct sim_observer *observer, const struct sim_request *request);
    struct sim_observer *next;
};

struct sim_bus_stats {
    uint64_t requests, bytes;
    uint64_t bursts;
    sim_time waiting;     /* of bursts, from when they could be granted till they were */
    sim_time waiting_max; /* of one burst */
    sim_time busy;        /* held for this master */
};

struct sim_bus;

/* Devices' registers: an address range above memory. Called at the grant; an answer takes `latency` to
 * come back (read) or to land (write). */
struct sim_mmio {
    uint64_t base, size;
    sim_time latency;
    uint64_t (*read)(struct sim_mmio *mmio, uint64_t offset, uint32_t size);
    void (*write)(struct sim_mmio *mmio, uint64_t offset, uint32_t size, uint64_t value);
    struct sim_mmio *next;
};

enum {
    SIM_BUS_MASTERS = 64, /* at most on one bus */
};

/* Returns 0 or -ENOMEM; parameters have been checked. Without `dram` memory itself takes no time. */
int sim_bus_create(struct sim_bus **bus, struct sim_kernel *kernel, struct sim_memory *memory,
                   struct sim_dram *dram, const struct sim_bus_params *params);
/* Its events are left in the kernel, which does not run any more. */
void sim_bus_destroy(struct sim_bus **bus);

/* Gives the master its number; `weight` counts for SIM_ARBITER_WEIGHTED. The master outlives the bus. */
void sim_bus_add_master(struct sim_bus *bus, struct sim_master *master, unsigned weight);
void sim_bus_add_snooper(struct sim_bus *bus, struct sim_snooper *snooper);
void sim_bus_add_observer(struct sim_bus *bus, struct sim_observer *observer);
void sim_bus_add_mmio(struct sim_bus *bus, struct sim_mmio *mmio);
struct sim_target *sim_bus_target(struct sim_bus *bus);
/* What it was created with. */
struct sim_memory *sim_bus_memory(struct sim_bus *bus);
const struct sim_bus_params *sim_bus_params(const struct sim_bus *bus);

void sim_bus_stats(const struct sim_bus *bus, const struct sim_master *master,
                   struct sim_bus_stats *stats);

#endif
