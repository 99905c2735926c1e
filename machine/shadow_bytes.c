/*
 * Where the newest bytes are.
 *
 *     store ──> store buffer ──drain──> cache (dirty) ──clean, evict──> on its way (flight) ──> memory
 *
 * A store has a number in its core. A device that was told of a later store (a doorbell that arrived, or
 * a word that it read) may rely on an earlier one, and only then is it wrong that it does not see it: so
 * a device that looks at an index which is just being written is no hazard.
 */
#include <stdlib.h>
#include <string.h>

#include "shadow_internal.h"

/* ---- copies and words ---- */

static struct copy *copy_of(struct grain *grain, unsigned core)
{
    for (struct copy *c = grain->copies; c; c = c->next)
        if (c->core == core)
            return c;
    return NULL;
}

static struct copy *copy_make(struct grain *grain, unsigned core)
{
    struct copy *copy = copy_of(grain, core);
    if (copy)
        return copy;
    copy = calloc(1, sizeof(*copy));
    if (!copy)
        return NULL;
    copy->core = (uint8_t)core;
    copy->next = grain->copies;
    grain->copies = copy;
    return copy;
}

void bytes_forget(struct grain *grain)
{
    while (grain->copies) {
        struct copy *copy = grain->copies;
        grain->copies = copy->next;
        free(copy);
    }
    free(grain->words);
    grain->words = NULL;
}

struct word *bytes_words(struct grain *grain)
{
    if (grain->words)
        return grain->words;
    grain->words = calloc(WORDS, sizeof(*grain->words));
    for (int i = 0; grain->words && i < WORDS; i++)
        grain->words[i] = (struct word){ .written = grain->written.time, .core = NOBODY };
    return grain->words;
}

/* ---- stores ---- */

/* CPUs do not touch what a device owns. */
static void check_owner(struct sim_shadow *shadow, const struct sim_note *note,
                        const struct sim_access *access)
{
    const struct use *use = owner_of(shadow, note->address);
    if (!use || !owner_is_device(use, note->address))
        return;
    struct grain *grain = shadow_grain(shadow, note->address, true);
    shadow_tell(shadow, SIM_HAZARD_CPU_WRITE, note->address, note->size, use, &use->mapping->mapped,
                access);
    if (grain) /* whatever becomes of the line now comes from this */
        grain->told = UINT64_MAX;
}

void bytes_store(struct sim_shadow *shadow, const struct sim_note *note)
{
    unsigned number = shadow_core(shadow, note->part);
    if (number == NOBODY)
        return;
    struct shadow_core *core = &shadow->cores[number];
    struct sim_access access = shadow_access(shadow, note, NULL);
    core->sequence++;
    check_owner(shadow, note, &access);
    if (shadow_grow(&core->pending, &core->pending_room, core->pending_count,
                    sizeof(*core->pending)))
        return;
    core->pending[core->pending_count++] = (struct pending){ .address = note->address,
                                                             .size = (uint32_t)note->size,
                                                             .sequence = core->sequence,
                                                             .access = access };
}

static void remove_pending(struct shadow_core *core, size_t at)
{
    core->pending_count--;
    memmove(&core->pending[at], &core->pending[at + 1],
            (core->pending_count - at) * sizeof(*core->pending));
}

static void take(struct sim_shadow *shadow, const struct pending *store, unsigned core);

/* The oldest store of exactly these bytes; else those that were gathered to them. */
static void take_pending(struct sim_shadow *shadow, unsigned number, const struct sim_note *note,
                         uint64_t *sequence)
{
    struct shadow_core *core = &shadow->cores[number];
    *sequence = 0;
    for (size_t i = 0; i < core->pending_count; i++) {
        struct pending *p = &core->pending[i];
        if (p->address != note->address || p->size != note->size)
            continue;
        *sequence = p->sequence;
        take(shadow, p, number);
        remove_pending(core, i);
        return;
    }
    for (size_t i = 0; i < core->pending_count;) {
        struct pending *p = &core->pending[i];
        if (p->address < note->address || p->address + p->size > note->address + note->size) {
            i++;
            continue;
        }
        *sequence = p->sequence;
        take(shadow, p, number);
        remove_pending(core, i);
    }
}

/* It is in the cache, or in memory. */
static void take(struct sim_shadow *shadow, const struct pending *store, unsigned core)
{
    struct grain *grain = shadow_grain(shadow, store->address, true);
    struct word *words = grain ? bytes_words(grain) : NULL;
    if (!words)
        return;
    grain->stored = store->access;
    for (uint64_t at = store->address & ~(uint64_t)7; at < store->address + store->size; at += 8) {
        words[at / 8 % WORDS].sequence = store->sequence;
        words[at / 8 % WORDS].core = (uint8_t)core;
    }
}

/* The line holds other bytes that a device wrote since it came in: no clean or invalidate of the line
 * keeps both. */
static void check_shared(struct sim_shadow *shadow, struct grain *grain, const struct copy *copy,
                         uint64_t address, uint64_t mask)
{
    uint64_t others = copy->stale & shadow_lines(shadow, mask) & ~mask & ~grain->told;
    if (!others)
        return;
    uint64_t base = address & ~(uint64_t)(GRAIN - 1);
    uint64_t at = base + (unsigned)__builtin_ctzll(others);
    const struct use *theirs = owner_of(shadow, at), *ours = owner_of(shadow, address);
    if (!theirs || (ours && ours->mapping == theirs->mapping))
        return;
    shadow_tell(shadow, SIM_HAZARD_SHARED_LINE, at, (unsigned)__builtin_popcountll(others), theirs,
                &grain->written, &grain->stored);
    grain->told = UINT64_MAX;
}

void bytes_drain(struct sim_shadow *shadow, const struct sim_note *note)
{
    unsigned core = shadow_core(shadow, note->part);
    uint64_t sequence, end = note->address + note->size;
    if (core == NOBODY)
        return;
    take_pending(shadow, core, note, &sequence);
    for (uint64_t at = note->address, next; at < end; at = next) {
        uint64_t mask = shadow_part(at, end, &next);
        struct grain *grain = shadow_grain(shadow, at, true);
        if (!grain)
            return;
        if (note->value == SIM_LEVEL_MEMORY) {
            for (struct copy *c = grain->copies; c; c = c->next)
                c->stale |= mask & c->held;
            continue;
        }
        struct copy *copy = copy_make(grain, core);
        if (!copy)
            return;
        copy->held |= mask;
        copy->dirty |= mask;
        copy->stale &= ~mask;
        check_shared(shadow, grain, copy, at, mask);
    }
}

void bytes_register(struct sim_shadow *shadow, const struct sim_note *note)
{
    unsigned core = shadow_core(shadow, note->part);
    if (core == NOBODY)
        return;
    struct shadow_core *c = &shadow->cores[core];
    for (size_t i = 0; i < c->pending_count; i++) {
        if (c->pending[i].address != note->address || c->pending[i].size != note->size)
            continue;
        if (c->pending[i].sequence > c->rung)
            c->rung = c->pending[i].sequence;
        remove_pending(c, i);
        return;
    }
}

/* ---- loads ---- */

/* The latest that a device wrote of these bytes. */
static sim_time written_of(const struct grain *grain, uint64_t mask)
{
    sim_time latest = 0;
    if (!grain->words)
        return grain->written.time;
    for (int i = 0; i < WORDS; i++)
        if (mask >> 8 * i & 0xff && grain->words[i].written > latest)
            latest = grain->words[i].written;
    return latest;
}

static void told_load(struct sim_shadow *shadow, struct grain *grain, enum sim_hazard_kind kind,
                      uint64_t address, uint64_t mask, const struct use *use,
                      const struct sim_note *note)
{
    struct sim_access second = shadow_access(shadow, note, NULL);
    shadow_tell(shadow, kind, address, (unsigned)__builtin_popcountll(mask), use,
                kind == SIM_HAZARD_CPU_READ ? &use->mapping->mapped : &grain->written, &second);
    grain->told |= mask;
}

/* Old bytes of the core's own cache. Where both sides use the memory by turns of their own, looking is
 * no mistake: only what was known to be there must be seen. */
static void check_stale(struct sim_shadow *shadow, struct grain *grain, const struct copy *copy,
                        uint64_t address, uint64_t stale, const struct use *use,
                        const struct sim_note *note)
{
    bool shared =
        !use || (use->mapping->state == MAPPING_LIVE && use->mapping->flags & SIM_MAP_SHARED);
    if (shared && written_of(grain, stale) > shadow->cores[copy->core].seen)
        return;
    bool refill = copy->speculative && use && copy->filled >= use->mapping->mapped.time;
    told_load(shadow, grain, refill ? SIM_HAZARD_REFILL : SIM_HAZARD_NO_INVALIDATE, address, stale,
              use, note);
}

static void load_grain(struct sim_shadow *shadow, unsigned core, uint64_t address, uint64_t mask,
                       const struct sim_note *note)
{
    const struct use *use = owner_of(shadow, address);
    bool owned = use && owner_is_device(use, address) && use->mapping->direction & SIM_FROM_DEVICE;
    struct grain *grain = shadow_grain(shadow, address, owned);
    if (!grain)
        return;
    uint64_t fresh = mask & ~grain->told;
    if (owned) {
        if (fresh)
            told_load(shadow, grain, SIM_HAZARD_CPU_READ, address, fresh, use, note);
        return;
    }
    if (use && use->mapping->cpu_count) {
        struct sim_access access = shadow_access(shadow, note, NULL);
        owner_checked(use, address, (unsigned)__builtin_popcountll(mask), &access);
    }
    sim_time written = written_of(grain, mask);
    if (!written || note->value == SIM_LEVEL_BUFFER)
        return;
    struct shadow_core *reader = &shadow->cores[core];
    if (note->value == SIM_LEVEL_EARLY) {
        if (fresh && written >= note->extra && written <= reader->seen)
            told_load(shadow, grain, SIM_HAZARD_EARLY_PAYLOAD, address, fresh, use, note);
        return;
    }
    const struct copy *copy = note->value == SIM_LEVEL_MEMORY ? NULL : copy_of(grain, core);
    uint64_t stale = copy ? copy->stale & mask : 0;
    if (stale) {
        if (stale & fresh)
            check_stale(shadow, grain, copy, address, stale & fresh, use, note);
    } else if ((!copy || !(copy->dirty & mask)) && written > reader->seen) {
        reader->seen = written;
    }
}

void bytes_load(struct sim_shadow *shadow, const struct sim_note *note)
{
    unsigned core = shadow_core(shadow, note->part);
    uint64_t end = note->address + note->size;
    if (core == NOBODY)
        return;
    for (uint64_t at = note->address, next; at < end; at = next) {
        uint64_t mask = shadow_part(at, end, &next);
        load_grain(shadow, core, at, mask, note);
    }
}

/* ---- caches ---- */

/* The line's bytes leave for memory; what is stale among them will be older than what is there. */
static void fly(struct copy *copy, uint64_t mask)
{
    copy->flight |= copy->dirty & mask;
    copy->flight_stale |= copy->stale & mask;
    copy->dirty &= ~mask;
    copy->flights++;
}

/* Changed bytes that nobody asked to lose. */
static void lost(struct sim_shadow *shadow, struct grain *grain, const struct copy *copy,
                 uint64_t base, uint64_t mask, const struct sim_note *note)
{
    uint64_t asked = 0, next;
    uint64_t begin = note->address > base ? note->address : base;
    uint64_t end =
        note->address + note->size < base + GRAIN ? note->address + note->size : base + GRAIN;
    if (begin < end)
        asked = shadow_part(begin, end, &next);
    uint64_t others = copy->dirty & mask & ~asked & ~grain->told;
    if (!others)
        return;
    struct sim_access second = shadow_access(shadow, note, NULL);
    uint64_t at = base + (unsigned)__builtin_ctzll(others);
    shadow_tell(shadow, SIM_HAZARD_SHARED_LINE, at, (unsigned)__builtin_popcountll(others),
                owner_of(shadow, begin), &grain->stored, &second);
    grain->told = UINT64_MAX;
}

/* A line came to memory that is older than what the device wrote there. */
static void overwritten(struct sim_shadow *shadow, struct grain *grain, const struct copy *copy,
                        uint64_t base, uint64_t mask, const struct sim_note *note)
{
    uint64_t old = copy->flight_stale & mask & ~grain->told;
    if (!old)
        return;
    uint64_t at = base + (unsigned)__builtin_ctzll(old);
    const struct use *use = owner_of(shadow, at);
    if (!use || !owner_is_device(use, at) || !(use->mapping->direction & SIM_FROM_DEVICE))
        return;
    struct sim_access second = shadow_access(shadow, note, "write-back");
    const struct use *changed =
        copy->flight & mask
            ? owner_of(shadow, base + (unsigned)__builtin_ctzll(copy->flight & mask))
            : use;
    bool same = changed && changed->mapping == use->mapping;
    shadow_tell(shadow, same ? SIM_HAZARD_NO_INVALIDATE : SIM_HAZARD_SHARED_LINE, at,
                (unsigned)__builtin_popcountll(old), use, &grain->written, &second);
    grain->told = UINT64_MAX;
}

static void cache_grain(struct sim_shadow *shadow, unsigned core, uint64_t base, uint64_t mask,
                        const struct sim_note *note)
{
    struct grain *grain = shadow_grain(shadow, base, note->kind == SIM_NOTE_FILL);
    struct copy *copy = !grain                        ? NULL
                        : note->kind == SIM_NOTE_FILL ? copy_make(grain, core)
                                                      : copy_of(grain, core);
    if (!copy)
        return;
    switch (note->kind) {
    case SIM_NOTE_FILL:
        copy->held |= mask;
        copy->dirty &= ~mask;
        copy->stale &= ~mask;
        copy->filled = note->time;
        copy->speculative = note->value;
        return;
    case SIM_NOTE_CLEAN:
        if (note->value)
            fly(copy, mask);
        return;
    case SIM_NOTE_WRITE_BACK:
        if (!note->value && copy->flights) {
            overwritten(shadow, grain, copy, base, mask, note);
            copy->flights--;
        }
        if (note->value) { /* a snoop has all of it */
            copy->dirty = 0;
            copy->flights = 0;
        }
        if (!copy->flights)
            copy->flight = copy->flight_stale = 0;
        return;
    case SIM_NOTE_INVALIDATE:
        if (note->value)
            lost(shadow, grain, copy, base, mask, note);
        break;
    default: /* EVICT */
        if (note->value)
            fly(copy, mask);
        break;
    }
    copy->held &= ~mask;
    copy->dirty &= ~mask;
    copy->stale &= ~mask;
}

void bytes_cache(struct sim_shadow *shadow, const struct sim_note *note)
{
    unsigned core = shadow_core(shadow, note->part);
    uint64_t begin = note->address & ~(shadow->line - 1);
    uint64_t end = begin + shadow->line;
    if (core == NOBODY)
        return;
    for (uint64_t at = begin, next; at < end; at = next) {
        uint64_t mask = shadow_part(at, end, &next);
        cache_grain(shadow, core, at & ~(uint64_t)(GRAIN - 1), mask, note);
    }
}
