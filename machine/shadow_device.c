/* What devices read, write, and are refused. */
#include <stdlib.h>

#include "shadow_internal.h"

/* What happens at one access. */
struct access {
    struct sim_shadow *shadow;
    const struct sim_note *note;
    struct shadow_device *device;
    struct sim_access what;
    bool write;
    const struct use *use; /* of its first byte; NULL: nobody mapped it */
};

static void tell(struct access *a, enum sim_hazard_kind kind, const struct sim_access *first)
{
    shadow_tell(a->shadow, kind, a->note->address, a->note->size, a->use, first, &a->what);
}

/* ---- what it may touch ---- */

static bool allowed(const struct shadow_mapping *mapping, bool write)
{
    return mapping->direction & (write ? SIM_FROM_DEVICE : SIM_TO_DEVICE);
}

/* The bytes were synced to the CPU, which has read them. */
static bool changes_checked(const struct access *a)
{
    const struct shadow_mapping *m = a->use->mapping;
    uint64_t offset = a->note->extra - m->io;
    return a->write && m->cpu_count && offset < m->checked_end &&
           offset + a->note->size > m->checked_begin;
}

/* What it is to come to bytes that were unmapped. */
static enum sim_hazard_kind late(const struct shadow_device *device,
                                 const struct shadow_mapping *mapping)
{
    if (device->stopping)
        return SIM_HAZARD_NO_SYNCHRONISE;
    return mapping->state == MAPPING_WINDOW ? SIM_HAZARD_LAZY_WINDOW : SIM_HAZARD_AFTER_UNMAP;
}

/* True: it was told of something. */
static bool check_owner(struct access *a)
{
    struct shadow_mapping *m = a->use->mapping;
    uint64_t within = a->note->extra - a->use->io, size = a->use->end - a->use->begin;
    bool snooped = a->note->value;
    if (a->use->moved) {
        tell(a, SIM_HAZARD_MOVED, &m->synced);
    } else if (m->state != MAPPING_LIVE) {
        tell(a, late(a->device, m), &m->unmapped);
    } else if (within >= size || a->note->size > size - within) {
        tell(a, SIM_HAZARD_PAST_END, &m->mapped);
    } else if (!allowed(m, a->write)) {
        tell(a, SIM_HAZARD_DIRECTION, &m->mapped);
    } else if (!m->mismatch && snooped != !!(m->flags & SIM_MAP_SNOOPED)) {
        tell(a, SIM_HAZARD_COHERENCE, &m->mapped);
        m->mismatch = true;
        return false;
    } else if (changes_checked(a)) {
        tell(a, SIM_HAZARD_CHANGED_AFTER_CHECK, &m->checked);
    } else {
        return false;
    }
    return true;
}

/* ---- reads ---- */

/* The last of the core's stores that the device can rely on. */
static uint64_t known(const struct access *a, unsigned core)
{
    uint64_t rung = a->shadow->cores[core].rung, seen = a->device->seen[core];
    return rung > seen ? rung : seen;
}

static bool relies_on(const struct access *a, const struct grain *grain, const struct copy *copy,
                      uint64_t mask)
{
    for (int i = 0; grain->words && i < WORDS; i++)
        if (mask >> 8 * i & 0xff && grain->words[i].core == copy->core &&
            grain->words[i].sequence <= known(a, copy->core))
            return true;
    return false;
}

/* Bytes that are newer in a cache, or between there and memory. Returns those. */
static uint64_t check_copies(struct access *a, struct grain *grain, uint64_t address, uint64_t mask)
{
    uint64_t newer = 0;
    for (const struct copy *c = grain->copies; c; c = c->next) {
        uint64_t here = (c->dirty | c->flight) & mask;
        newer |= here;
        if (!(here & ~grain->told) || !relies_on(a, grain, c, here & ~grain->told))
            continue;
        uint64_t at = (address & ~(uint64_t)(GRAIN - 1)) + (unsigned)__builtin_ctzll(here);
        shadow_tell(a->shadow, c->dirty & here ? SIM_HAZARD_NO_CLEAN : SIM_HAZARD_NO_BARRIER, at,
                    (unsigned)__builtin_popcountll(here), a->use, &grain->stored, &a->what);
        grain->told |= here;
    }
    return newer;
}

static void read_grain(struct access *a, uint64_t address, uint64_t mask)
{
    struct grain *grain = shadow_grain(a->shadow, address, false);
    if (!grain || !grain->words)
        return;
    uint64_t newer = grain->copies ? check_copies(a, grain, address, mask) : 0;
    for (int i = 0; i < WORDS; i++) {
        const struct word *word = &grain->words[i];
        if (!(mask >> 8 * i & 0xff) || newer >> 8 * i & 0xff || word->core == NOBODY)
            continue;
        if (word->sequence > a->device->seen[word->core])
            a->device->seen[word->core] = word->sequence;
    }
}

/* Stores that nobody but their core has seen. */
static void check_buffers(struct access *a)
{
    uint64_t begin = a->note->address, end = begin + a->note->size;
    for (unsigned i = 0; i < a->shadow->core_count; i++) {
        const struct shadow_core *core = &a->shadow->cores[i];
        for (size_t j = 0; j < core->pending_count; j++) {
            const struct pending *p = &core->pending[j];
            if (p->address >= end || p->address + p->size <= begin || p->sequence > known(a, i))
                continue;
            shadow_tell(a->shadow, SIM_HAZARD_NO_BARRIER, p->address, p->size, a->use, &p->access,
                        &a->what);
        }
    }
}

/* ---- writes ---- */

/* A line in a cache has other bytes of this grain that were changed: with the device's in memory they
 * cannot be brought together. */
static void check_shared(struct access *a, struct grain *grain, const struct copy *copy,
                         uint64_t address, uint64_t mask)
{
    uint64_t lines = shadow_lines(a->shadow, mask);
    uint64_t others = (copy->dirty | copy->flight) & lines & ~mask & ~grain->told;
    if (!others || !a->use)
        return;
    uint64_t at = (address & ~(uint64_t)(GRAIN - 1)) + (unsigned)__builtin_ctzll(others);
    const struct use *theirs = owner_of(a->shadow, at);
    if (theirs && theirs->mapping == a->use->mapping && !(theirs->mapping->flags & SIM_MAP_SHARED))
        return; /* it changed what it had given away, and is told of that */
    shadow_tell(a->shadow, SIM_HAZARD_SHARED_LINE, at, (unsigned)__builtin_popcountll(others),
                a->use, &grain->stored, &a->what);
    grain->told = UINT64_MAX;
}

static void write_grain(struct access *a, uint64_t address, uint64_t mask, bool told)
{
    struct grain *grain = shadow_grain(a->shadow, address, true);
    if (!grain)
        return;
    struct word *words = mask != UINT64_MAX ? bytes_words(grain) : grain->words;
    for (int i = 0; words && i < WORDS; i++)
        if (mask >> 8 * i & 0xff)
            words[i].written = a->note->time;
    grain->written = a->what;
    if (told)
        grain->told |= mask;
    for (struct copy *c = grain->copies; c; c = c->next) {
        c->stale |= mask & c->held;
        if (c->flights)
            c->flight_stale |= mask;
        check_shared(a, grain, c, address, mask);
    }
}

/* ---- both ---- */

void device_note(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct access a = { .shadow = shadow,
                        .note = note,
                        .device = shadow_device(shadow, note->device),
                        .what = shadow_access(shadow, note, NULL),
                        .write = note->kind == SIM_NOTE_DEVICE_WRITE };
    struct shadow_page *page = shadow_page(shadow, note->address, false);
    uint64_t end = note->address + note->size;
    if (!a.device)
        return;
    a.use = page ? owner_by_io(page, note->device, note->extra) : NULL;
    bool told = a.use && check_owner(&a);
    struct touching by = {
        .job = channel_job_of(shadow, note), .writes = a.write, .use = a.use, .access = &a.what
    };
    if (!a.write && !told)
        check_buffers(&a);
    for (uint64_t at = note->address, next; at < end; at = next) {
        uint64_t mask = shadow_part(at, end, &next);
        if (by.job)
            channel_touch(shadow, at, mask, &by);
        if (a.write)
            write_grain(&a, at, mask, told);
        else if (!told)
            read_grain(&a, at, mask);
    }
}

/* ---- refused ---- */

static struct shadow_mapping *mapping_with(struct shadow_mapping *list, const struct sim_note *note)
{
    for (struct shadow_mapping *m = list; m; m = m->next)
        if (m->device == note->device && note->extra - m->io < m->size)
            return m;
    return NULL;
}

/* A live one that ends in the page of the address, or in the one before. */
static struct shadow_mapping *mapping_before(struct shadow_mapping *list,
                                             const struct sim_note *note)
{
    for (struct shadow_mapping *m = list; m; m = m->next)
        if (m->device == note->device && note->extra >= m->io &&
            note->extra / SIM_PAGE <= (m->io + m->size - 1) / SIM_PAGE + 1)
            return m;
    return NULL;
}

/* The mapping that the address belongs to, or belonged to; else the one that it runs out of. */
static struct shadow_mapping *mapping_near(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_mapping *m = mapping_with(shadow->live, note);
    if (!m)
        m = mapping_with(shadow->window, note);
    if (!m)
        m = mapping_with(shadow->dead, note);
    return m ? m : mapping_before(shadow->live, note);
}

void device_fault(struct sim_shadow *shadow, const struct sim_note *note)
{
    const struct shadow_device *device = note->device ? shadow_device(shadow, note->device) : NULL;
    if (!device)
        return;
    struct sim_access what = shadow_access(shadow, note, NULL);
    if (shadow->failed && note->extra >= SIM_NEVER - UINT32_MAX) {
        shadow_tell(shadow, SIM_HAZARD_MAP_IGNORED, note->extra, note->size, NULL,
                    &shadow->failed->mapped, &what);
        return;
    }
    struct shadow_mapping *m = mapping_near(shadow, note);
    if (!m)
        return;
    struct use use = { .mapping = m, .io = m->io };
    if (note->extra - m->io >= m->size)
        shadow_tell(shadow, SIM_HAZARD_PAST_END, note->extra, note->size, &use, &m->mapped, &what);
    else if (m->state != MAPPING_LIVE)
        shadow_tell(shadow, device->stopping ? SIM_HAZARD_NO_SYNCHRONISE : SIM_HAZARD_AFTER_UNMAP,
                    note->extra, note->size, &use, &m->unmapped, &what);
    else if (!allowed(m, note->value))
        shadow_tell(shadow, SIM_HAZARD_DIRECTION, note->extra, note->size, &use, &m->mapped, &what);
}
