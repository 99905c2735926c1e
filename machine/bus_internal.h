/* What bus.c (turns) and bus_access.c (what a turn does) share. */
#ifndef DRAY_MACHINE_BUS_INTERNAL_H
#define DRAY_MACHINE_BUS_INTERNAL_H

#include "bus.h"
#include "rate.h"

struct bus_port {
    struct sim_master *master;
    struct sim_request *first, *last; /* as submitted */
    sim_time since;                   /* the first's next burst could have been granted from here */
    sim_time answer;                  /* of the first's bursts so far, the latest */
    sim_time quantum, credit;         /* WEIGHTED: what a round adds, and what is left of it */
    struct sim_bus_stats stats;
};

/* In a request that the bus holds. */
enum {
    BUS_MOVED = 0, /* held[]: bytes of bursts granted so far */
    BUS_ORDER = 1, /* submissions before it */
};

struct sim_bus {
    struct sim_target target;
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus_params params;
    sim_time held_line; /* for one line: most bursts are one */
    struct sim_snooper *snoopers;
    struct sim_observer *observers;
    struct sim_mmio *mmios;
    struct sim_event turn;
    sim_time turn_at;  /* if it is pending */
    sim_time free;     /* from here on */
    uint64_t waiting;  /* masters with requests, by number */
    unsigned granted;  /* master of the last grant */
    uint64_t requests; /* submitted so far */
    uint64_t served;   /* and granted to the end */
    unsigned count;    /* of masters */
    struct bus_port ports[SIM_BUS_MASTERS];
    /* Kept while somebody watches: grants of one master without a gap are one span. */
    bool span_open;
    struct sim_event span_end;
    struct sim_note span;
};

/* One burst, granted now: snoops, moves bytes, notes. Returns when its answer is back. */
sim_time bus_access(struct sim_bus *bus, struct sim_request *request, uint32_t offset,
                    uint32_t size, sim_time held);

static inline sim_time bus_later(sim_time a, sim_time b)
{
    return a > b ? a : b;
}

#endif
