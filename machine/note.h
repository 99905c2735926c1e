/*
 * What parts tell whoever watches: the shadow state that finds hazards, the trace, the report.
 *
 * A part calls sim_note where something happens; it costs a test of a pointer where nobody watches.
 * Notes come in the order of time.
 */
#ifndef DRAY_MACHINE_NOTE_H
#define DRAY_MACHINE_NOTE_H

#include "request.h"

enum sim_note_kind {
    /* A core; addresses are physical, of bytes in one line. */
    SIM_NOTE_STORE,      /* it executed: the bytes are in its store buffer */
    SIM_NOTE_DRAIN,      /* the oldest possible moment others see them: `value` says who took them
                            (enum sim_level: the core's own cache, or memory) */
    SIM_NOTE_LOAD,       /* its value is fixed now; `value` says from where (enum sim_level); of an
                            early one `extra` is the time that its bytes are of */
    SIM_NOTE_BARRIER,    /* `value`: enum sim_barrier */
    SIM_NOTE_MMIO_WRITE, /* reached the device */
    SIM_NOTE_MMIO_READ,
    /* A cache. */
    SIM_NOTE_FILL,  /* a line came in; `value` is 1 where it was speculative */
    SIM_NOTE_EVICT, /* a line went; `value` is 1 where it was written back */
    SIM_NOTE_CLEAN, /* maintenance by line; `value` is 1 where changed bytes are on their way now;
                       `address` and `size`: what was asked for of the line */
    SIM_NOTE_INVALIDATE, /* likewise; `value` is 1 where changed bytes were lost */
    SIM_NOTE_WRITE_BACK, /* changed bytes of a line reached memory: the oldest that were cleaned or
                            evicted; or (`value` 1) a snoop took them with all that was on its way */
    /* A device's access at its grant, burst by burst: of masters whose `device` is not 0. `extra` is
     * the address that the device used, `value` is 1 where caches were asked. */
    SIM_NOTE_DEVICE_READ,
    SIM_NOTE_DEVICE_WRITE,
    SIM_NOTE_FAULT, /* refused: `extra` is the address that the device used, `value` 1 for a write;
                       `address` is SIM_NEVER where an IOMMU found none */
    /* A driver, through the machine's driver interface. `extra` is the IO address. */
    SIM_NOTE_MAP, /* `address` virtual, `value`: enum sim_direction and 256 * flags; `extra` SIM_NEVER:
                     it failed */
    SIM_NOTE_MAP_RUN,  /* after it, for each physical run of it: `address`, `extra`, `size` */
    SIM_NOTE_UNMAP,    /* `value` 1: lazily */
    SIM_NOTE_UNMAPPED, /* nothing is cached of lazy ones any more */
    SIM_NOTE_SYNC_DEVICE,
    SIM_NOTE_SYNC_CPU,
    SIM_NOTE_FREE,  /* `address` physical */
    SIM_NOTE_MOVE,  /* a page: from `address` to `value`, both physical */
    SIM_NOTE_RAISE, /* interrupt; `value` its number */
    SIM_NOTE_HANDLE,
    SIM_NOTE_BEGIN, /* a descriptor (`value`: its number in its channel) has what it waited for */
    SIM_NOTE_END,   /* it is done: what it wrote is visible */
    SIM_NOTE_STOP,  /* a device's channel is told to stop, and something of it may be under way */
    SIM_NOTE_REST,  /* nothing is any more */
    /* A stretch of time: from `time` - `value` to `time`. For traces. */
    SIM_NOTE_SPAN,
    SIM_NOTE_COUNT, /* of `text` there are `value` from now on; a part has one such count. For traces. */
    SIM_NOTE_HAZARD, /* the shadow state found one: `value` its kind, `text` its name, `origin` the
                        access that made it certain */
};

/* Where the bytes of a load came from. */
enum sim_level {
    SIM_LEVEL_BUFFER, /* the core's own store buffer */
    SIM_LEVEL_1,
    SIM_LEVEL_2,
    SIM_LEVEL_3,
    SIM_LEVEL_OTHER, /* another core's cache */
    SIM_LEVEL_MEMORY,
    SIM_LEVEL_EARLY, /* a weak core executed the load earlier than its place in the program */
};

struct sim_note {
    enum sim_note_kind kind;
    sim_time time;
    const char *part; /* "core0", "bus", "controller.0" */
    uint64_t address;
    uint64_t size; /* bytes */
    uint64_t value;
    uint64_t extra;
    uint32_t device;                 /* whose access or mapping; 0: none */
    const char *text;                /* SPAN, COUNT, HAZARD: what; FAULT of an IOMMU: why */
    const struct sim_origin *origin; /* may be NULL; valid during the call */
};

struct sim_watcher {
    void (*note)(struct sim_watcher *watcher, const struct sim_note *note);
    struct sim_watcher *next;
};

/* Tells everyone who watches. Ask sim_watchers first where putting a note together costs. */
static inline void sim_note(const struct sim_kernel *kernel, const struct sim_note *note)
{
    for (struct sim_watcher *w = sim_watchers(kernel); w; w = w->next)
        w->note(w, note);
}

#endif
