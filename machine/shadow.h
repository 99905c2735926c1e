/*
 * The shadow state: why a byte was stale, and what would have made it right.
 *
 * It watches notes and keeps, beside the bytes, who last wrote each of them and where that write is
 * now (store buffer, a cache, memory), who owns them (CPU or device, by the driver's mappings), and what
 * has happened since. Whatever is wrong in the order that ran is a hazard, even where the bytes came
 * out right.
 */
#ifndef DRAY_MACHINE_SHADOW_H
#define DRAY_MACHINE_SHADOW_H

#include "driver.h"

enum sim_hazard_kind {
    SIM_HAZARD_NO_CLEAN,      /* the device read memory while newer bytes lay in a cache */
    SIM_HAZARD_NO_INVALIDATE, /* the CPU read its cache's old bytes after the device had written */
    SIM_HAZARD_REFILL,        /* the line came back by speculation during the transfer */
    SIM_HAZARD_SHARED_LINE,   /* a line at a buffer's edge holds other bytes that were written */
    SIM_HAZARD_NO_BARRIER,    /* the doorbell, or a published index, overtook stores before it */
    SIM_HAZARD_EARLY_PAYLOAD, /* a payload was read before the completion that tells of it */
    SIM_HAZARD_CPU_READ,      /* of bytes that the device is writing */
    SIM_HAZARD_CPU_WRITE,     /* of bytes that the device owns */
    SIM_HAZARD_AFTER_UNMAP,   /* the device reached bytes after unmap */
    SIM_HAZARD_LAZY_WINDOW,   /* the same, in the window of a lazy unmap */
    SIM_HAZARD_FREE_MAPPED,
    SIM_HAZARD_DIRECTION,   /* the device wrote what was mapped to it for reading, or the reverse */
    SIM_HAZARD_PAST_END,    /* inside the page, outside the mapping */
    SIM_HAZARD_MAP_IGNORED, /* a failed map's address was used */
    SIM_HAZARD_CHANGED_AFTER_CHECK, /* the device wrote again what the CPU had read and acts on */
    SIM_HAZARD_LOST_INTERRUPT,
    SIM_HAZARD_DUPLICATE_INTERRUPT,
    SIM_HAZARD_NO_FENCE,       /* two channels touched the same bytes, one writing, unordered */
    SIM_HAZARD_COHERENCE,      /* the mapping says snooped, the hardware does not, or the reverse */
    SIM_HAZARD_NO_SYNCHRONISE, /* terminated, and the buffer reused before the channel was idle */
    SIM_HAZARD_LEAK,           /* still mapped at the end */
    SIM_HAZARD_MOVED,          /* the device reached a frame that belongs to another by now */
    SIM_HAZARDS,
};

struct sim_access {
    const char *part; /* "core0", "controller.1" */
    const char *what; /* "store", "device read", ... */
    sim_time time;
    uint64_t number;  /* of the descriptor, where a device tells it */
    const char *file; /* NULL: none */
    unsigned line;
};

struct sim_hazard {
    enum sim_hazard_kind kind;
    uint64_t address; /* physical, of the first byte */
    uint64_t virtual; /* where it is known; else SIM_NEVER */
    uint64_t size;
    uint64_t mapping; /* IO address of the mapping it lies in; SIM_NEVER: none */
    sim_time time;
    struct sim_access first, second;
    uint64_t count; /* the same kind at the same two places is counted, not repeated */
};

struct sim_shadow;

enum {
    SIM_SHADOW_CORES = 16, /* watched at most */
};

/* Watches from now on. `line`: bytes of a cache line. Returns 0; -ENOMEM. */
int sim_shadow_create(struct sim_shadow **shadow, struct sim_kernel *kernel, uint64_t line);
void sim_shadow_destroy(struct sim_shadow **shadow);

/* At the end of a run: what can only be known then (leaks, lost interrupts). */
void sim_shadow_finish(struct sim_shadow *shadow);
size_t sim_shadow_count(const struct sim_shadow *shadow);
const struct sim_hazard *sim_shadow_hazard(const struct sim_shadow *shadow, size_t index);

/* One word ("no-clean"), one sentence that says what happened, and the call that is missing. */
const char *sim_hazard_name(enum sim_hazard_kind kind);
const char *sim_hazard_missing(enum sim_hazard_kind kind);
/* The whole report of one, several lines; returns its length, as snprintf. */
int sim_hazard_print(const struct sim_hazard *hazard, char *text, size_t size);

#endif
