/*
 * What the files of the shadow state share:
 *
 *     shadow.c         life, who is who, the list of hazards
 *     shadow_bytes.c   where the newest bytes are: stores, caches, memory
 *     shadow_device.c  a device's accesses
 *     shadow_owner.c   whose bytes are: mappings
 *     shadow_report.c  names and sentences
 *
 * Bytes are kept by grain of 64, each with masks of one bit a byte, whatever the line; a page of 4 KiB
 * has its 64 grains once something touches it.
 */
#ifndef DRAY_MACHINE_SHADOW_INTERNAL_H
#define DRAY_MACHINE_SHADOW_INTERNAL_H

#include "shadow.h"

enum {
    GRAIN = 64,
    GRAINS = SIM_PAGE / GRAIN,
    WORDS = GRAIN / 8,
    SHADOW_CORES = SIM_SHADOW_CORES,
    SHADOW_DEVICES = 16,
    SHADOW_CHANNELS = 64,
    JOBS = 1024, /* a power of two */
    JOB_CHANNEL = 48,
    NOBODY = 0xff,
    NAMES = 256, /* slots of the cache of names; a power of two */
};

/* A grain in one core's caches, and on its way from there to memory. */
struct copy {
    struct copy *next;
    uint64_t held;
    uint64_t dirty;        /* stored by the core, not on its way */
    uint64_t stale;        /* memory has something newer */
    uint64_t flight;       /* on its way to memory */
    uint64_t flight_stale; /* what will be older than memory when it comes there */
    sim_time filled;
    uint32_t flights;
    uint8_t core;
    bool speculative; /* nobody asked for it */
};

/* Of 8 bytes. */
struct word {
    uint64_t sequence; /* of the store that cache or memory took last */
    sim_time written;  /* by a device; 0: never */
    uint8_t core;      /* whose store */
};

/* Which of a grain's bytes a descriptor touched. */
struct touch {
    uint64_t mask; /* 0: nobody */
    uint64_t job;  /* its number in its channel, and above JOB_CHANNEL the channel */
};

/* By descriptors, last. */
struct touches {
    struct touch wrote, looked;
};

struct grain {
    struct copy *copies;
    struct word *words;        /* NULL: no part of it was written alone */
    struct sim_access stored;  /* by a CPU, last */
    struct sim_access written; /* by a device, last */
    uint64_t told;             /* bytes that were wrong before: one hazard, not all that follows */
};

struct shadow_mapping {
    struct shadow_mapping *next, **here; /* of a list, newest first; here: what points to it */
    uint32_t uses;
    uint64_t virtual, io, size;
    enum sim_direction direction;
    unsigned flags;
    uint32_t device;
    enum {
        MAPPING_LIVE,
        MAPPING_WINDOW, /* unmapped lazily, and perhaps still known to the IOMMU */
        MAPPING_DEAD,
    } state;
    bool mismatch; /* its coherence is not the hardware's: nothing else is told of it */
    struct sim_access mapped, unmapped, synced, checked;
    struct interval {
        uint64_t begin, end; /* offsets */
    } * cpu;                 /* what the CPU owns meanwhile, in order */
    size_t cpu_count, cpu_room;
    uint64_t checked_begin, checked_end; /* of that, what it has read */
};

/* A mapping's bytes in one physical page. */
struct use {
    struct shadow_mapping *mapping;
    uint64_t io; /* of the first */
    uint32_t begin, end;
    bool moved; /* the page lies elsewhere by now */
};

struct shadow_page {
    uint64_t number;
    struct grain *grains;    /* GRAINS of them; NULL: none is needed yet */
    struct touches *touches; /* likewise */
    struct use *uses;        /* oldest first */
    uint32_t use_count, use_room;
};

/* A store that nobody else has seen. */
struct pending {
    uint64_t address, sequence;
    uint32_t size;
    struct sim_access access;
};

struct shadow_core {
    const char *name;
    uint64_t sequence; /* of its last store */
    uint64_t rung;     /* of its last store to a register that arrived */
    sim_time seen;     /* it knows that what devices wrote up to here is written */
    struct pending *pending;
    size_t pending_count, pending_room;
};

struct shadow_device {
    uint32_t number;
    uint32_t stopping;           /* channels that were told to stop, and are not at rest */
    uint64_t seen[SHADOW_CORES]; /* the last store of each core that it has read */
};

/* Descriptors of one channel, the last JOBS of them. */
struct shadow_channel {
    const char *name;
    struct job {
        uint64_t number;       /* from 1; 0: none */
        sim_time begun, ended; /* ended: SIM_NEVER as long as it runs */
    } jobs[JOBS];
};

struct shadow_line_of_interrupt {
    sim_time raised; /* the oldest that no handler answered; 0: none */
    sim_time last;
    struct sim_access access;
};

struct sim_shadow {
    struct sim_watcher watcher;
    struct sim_kernel *kernel;
    uint64_t line;
    struct shadow_page **pages; /* open addressing, by number */
    size_t page_count, page_room;
    struct shadow_page *last_page;
    struct shadow_core cores[SHADOW_CORES];
    unsigned core_count, last_core;
    struct shadow_device devices[SHADOW_DEVICES];
    unsigned device_count;
    struct shadow_channel *channels[SHADOW_CHANNELS];
    unsigned channel_count;
    struct shadow_mapping *live, *window, *dead;
    struct shadow_mapping *failed; /* maps that did not succeed */
    struct shadow_line_of_interrupt interrupts[64];
    struct sim_hazard *hazards;
    size_t hazard_count, hazard_room;
    struct {
        const char *from;
        char *kept;
    } names[NAMES];
    char **kept;
    size_t kept_count, kept_room;
};

/* ---- shadow.c ---- */

/* NULL where there is none and `make` is not set, or no memory. */
struct shadow_page *shadow_page(struct sim_shadow *shadow, uint64_t address, bool make);
struct grain *shadow_grain(struct sim_shadow *shadow, uint64_t address, bool make);
/* NOBODY: more cores than are kept, or a part that is none. */
unsigned shadow_core(struct sim_shadow *shadow, const char *name);
struct shadow_device *shadow_device(struct sim_shadow *shadow, uint32_t number);
struct sim_access shadow_access(struct sim_shadow *shadow, const struct sim_note *note,
                                const char *what);
/* A copy of a string that lives as long as the shadow. */
const char *shadow_keep(struct sim_shadow *shadow, const char *name);
int shadow_grow(void *array, size_t *room, size_t count, size_t size);
/* Tells of one. `mapping` may be NULL. */
void shadow_tell(struct sim_shadow *shadow, enum sim_hazard_kind kind, uint64_t address,
                 uint64_t size, const struct use *use, const struct sim_access *first,
                 const struct sim_access *second);

/* Bits [from, to) of a grain. */
static inline uint64_t shadow_mask(uint64_t from, uint64_t to)
{
    return to - from == GRAIN ? UINT64_MAX : (((uint64_t)1 << (to - from)) - 1) << from;
}

/* The lines that bytes of a grain lie in: all of it, unless lines are shorter. Where they are longer, the
 * grains of one are looked at one by one. */
static inline uint64_t shadow_lines(const struct sim_shadow *shadow, uint64_t mask)
{
    uint64_t lines = 0;
    for (uint64_t from = 0; from < GRAIN; from += shadow->line) {
        uint64_t line = shadow_mask(from, shadow->line < GRAIN ? from + shadow->line : GRAIN);
        if (mask & line)
            lines |= line;
    }
    return lines;
}

/* The part of [address, end) in the grain of `address`: its mask; *next: where the next begins. */
static inline uint64_t shadow_part(uint64_t address, uint64_t end, uint64_t *next)
{
    uint64_t base = address & ~(uint64_t)(GRAIN - 1);
    *next = base + GRAIN < end ? base + GRAIN : end;
    return shadow_mask(address - base, *next - base);
}

/* ---- shadow_bytes.c: notes of cores and caches ---- */

void bytes_store(struct sim_shadow *shadow, const struct sim_note *note);
void bytes_drain(struct sim_shadow *shadow, const struct sim_note *note);
void bytes_load(struct sim_shadow *shadow, const struct sim_note *note);
void bytes_register(struct sim_shadow *shadow, const struct sim_note *note);
void bytes_cache(struct sim_shadow *shadow, const struct sim_note *note);
void bytes_forget(struct grain *grain);
struct word *bytes_words(struct grain *grain);

/* ---- shadow_channel.c: descriptors, and what orders them ---- */

void channel_job(struct sim_shadow *shadow, const struct sim_note *note);
/* The descriptor that an access is part of; 0: of none that is known. */
uint64_t channel_job_of(struct sim_shadow *shadow, const struct sim_note *note);
struct touching {
    uint64_t job;
    bool writes;
    const struct use *use;
    const struct sim_access *access;
};
/* Bytes of a grain are touched by a descriptor. */
void channel_touch(struct sim_shadow *shadow, uint64_t address, uint64_t mask,
                   const struct touching *by);
void channel_destroy(struct sim_shadow *shadow);

/* ---- shadow_device.c ---- */

void device_note(struct sim_shadow *shadow, const struct sim_note *note);
void device_fault(struct sim_shadow *shadow, const struct sim_note *note);

/* ---- shadow_owner.c: notes of drivers ---- */

void owner_note(struct sim_shadow *shadow, const struct sim_note *note);
/* The mapping that a byte belongs to for a CPU: a live one, else the latest; NULL: none. */
const struct use *owner_of(struct sim_shadow *shadow, uint64_t address);
/* Whether the device owns a byte of the use now, so that the CPU may not touch it. */
bool owner_is_device(const struct use *use, uint64_t address);
/* The part of a page that a device means by an IO address. */
struct use *owner_by_io(struct shadow_page *page, uint32_t device, uint64_t io);
/* The CPU has read bytes that were synced to it. */
void owner_checked(const struct use *use, uint64_t address, uint64_t size,
                   const struct sim_access *access);
void owner_finish(struct sim_shadow *shadow);
void owner_destroy(struct sim_shadow *shadow);

#endif
