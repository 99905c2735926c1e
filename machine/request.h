/*
 * How parts ask each other for bytes.
 *
 *     controller ──> link ──> iommu ──┐
 *     core ──> caches ────────────────┴──> bus ──> caches of others (snoop), dram
 *
 * A request is submitted to a target and belongs to that target until `done` is called. It reaches
 * two points on its way:
 *
 *     granted   the bus gave it its turn: here, in zero time, its bytes move and the states of caches
 *               change. The order of grants is the order in which all parts see each other's accesses.
 *     done      its answer is back at whoever asked. Time has passed; nothing else happens.
 *
 * Nothing is copied between the two: a read holds in `data` from its grant on what it will return.
 */
#ifndef DRAY_MACHINE_REQUEST_H
#define DRAY_MACHINE_REQUEST_H

#include "kernel.h"

enum sim_op {
    SIM_READ,       /* bytes, cached by nobody: a device, or an uncached access */
    SIM_WRITE,      /* likewise */
    SIM_FILL,       /* a cache reads a line */
    SIM_FILL_OWN,   /* a cache reads a line that it will write: no other keeps a copy */
    SIM_UPGRADE,    /* a cache holds a line and will write it: no bytes */
    SIM_WRITE_BACK, /* a cache gives back a changed line */
};

enum sim_status {
    SIM_OK,
    SIM_FAULT,     /* an IOMMU refused it, or nothing answers at the address */
    SIM_READ_ONLY, /* it was refused because it writes */
};

struct sim_request;

struct sim_target {
    /* Takes the request over. It may call granted and done before it returns only if no time passes
     * for the part; most do not. */
    void (*submit)(struct sim_target *target, struct sim_request *request);
};

/* Who asks: one for each port of a part. */
struct sim_master {
    const char *name; /* "core0", "controller.1", "iommu" */
    uint32_t number;  /* given by the bus it is added to */
    uint32_t device;  /* the IOMMU's device context; 0 for cores */
    bool snooped;     /* its accesses look into caches (coherent) */
    void *snooper;    /* struct sim_snooper of its own cache, which is not asked; or NULL */
};

struct sim_request {
    /* The asker's. */
    struct sim_master *master;
    enum sim_op op;
    uint64_t address; /* the device's before an IOMMU, physical behind it */
    uint64_t shift;   /* what an IOMMU has added to the address; 0 before it */
    uint32_t size; /* bytes, within one 4 KiB page; a fill, upgrade or write-back: one whole line (a
                      write-back that a snoop took while it waited: 0) */
    uint8_t *data; /* size bytes; written by reads, read by writes, at the grant */
    void (*granted)(struct sim_request *request); /* may be NULL */
    void (*done)(struct sim_request *request);
    const struct sim_origin *origin; /* for hazards and traces; may be NULL */
    /* The answer. */
    enum sim_status status;
    bool shared;       /* a fill: another cache keeps a copy */
    bool from_cache;   /* the bytes came from another cache */
    uint64_t physical; /* the address behind the IOMMU */
    /* Whoever holds it. */
    sim_time submitted;
    struct sim_request *next;
    struct sim_event event;
    void *holder;
    uint64_t held[2];
};

/* What a request is part of. */
struct sim_origin {
    const char *what; /* "descriptor", "fetch", "completion", "load", ... */
    uint64_t number;  /* of the descriptor in its ring, ... */
    uint32_t key;     /* region, 0: none */
    const char *part; /* who exactly: a channel of the master; NULL: the master */
    const char *file; /* driver code: where; NULL: not from code */
    unsigned line;
};

static inline void sim_submit(struct sim_target *target, struct sim_request *request)
{
    target->submit(target, request);
}

#endif
