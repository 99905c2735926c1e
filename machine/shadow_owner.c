/*
 * Whose bytes are: what drivers map, sync, unmap, free, move.
 *
 * A mapping leaves in each physical page that it touches a use of it; unmapped ones stay there for a
 * while, so that a device that comes late is recognised.
 */
#include <stdlib.h>
#include <string.h>

#include "shadow_internal.h"

enum {
    OLD_USES = 8, /* of a page, beside the live ones that need more */
};

/* ---- intervals of offsets, in order, apart from each other ---- */

static void interval_add(struct shadow_mapping *mapping, uint64_t begin, uint64_t end)
{
    size_t i = 0, j;
    if (shadow_grow(&mapping->cpu, &mapping->cpu_room, mapping->cpu_count, sizeof(*mapping->cpu)))
        return;
    while (i < mapping->cpu_count && mapping->cpu[i].end < begin)
        i++;
    for (j = i; j < mapping->cpu_count && mapping->cpu[j].begin <= end; j++) {
        begin = mapping->cpu[j].begin < begin ? mapping->cpu[j].begin : begin;
        end = mapping->cpu[j].end > end ? mapping->cpu[j].end : end;
    }
    memmove(&mapping->cpu[i + 1], &mapping->cpu[j],
            (mapping->cpu_count - j) * sizeof(*mapping->cpu));
    mapping->cpu_count += 1 - (j - i);
    mapping->cpu[i] = (struct interval){ begin, end };
}

static void interval_remove(struct shadow_mapping *mapping, uint64_t begin, uint64_t end)
{
    for (size_t i = 0; i < mapping->cpu_count; i++) {
        struct interval *at = &mapping->cpu[i];
        if (at->end <= begin || at->begin >= end)
            continue;
        uint64_t tail = at->end;
        if (at->begin < begin) {
            at->end = begin;
            if (tail > end)
                interval_add(mapping, end, tail);
            continue;
        }
        if (tail > end) {
            at->begin = end;
            continue;
        }
        mapping->cpu_count--;
        memmove(at, at + 1, (mapping->cpu_count - i) * sizeof(*at));
        i--;
    }
}

static bool interval_has(const struct shadow_mapping *mapping, uint64_t offset)
{
    for (size_t i = 0; i < mapping->cpu_count; i++)
        if (offset >= mapping->cpu[i].begin && offset < mapping->cpu[i].end)
            return true;
    return false;
}

/* ---- who owns ---- */

const struct use *owner_of(struct sim_shadow *shadow, uint64_t address)
{
    const struct shadow_page *page = shadow_page(shadow, address, false);
    const struct use *latest = NULL;
    uint32_t offset = address % SIM_PAGE;
    for (uint32_t i = page ? page->use_count : 0; i-- > 0;) {
        const struct use *use = &page->uses[i];
        if (offset < use->begin || offset >= use->end || use->moved)
            continue;
        if (use->mapping->state == MAPPING_LIVE)
            return use;
        if (!latest)
            latest = use;
    }
    return latest;
}

static uint64_t offset_of(const struct use *use, uint64_t address)
{
    return use->io - use->mapping->io + (address % SIM_PAGE - use->begin);
}

bool owner_is_device(const struct use *use, uint64_t address)
{
    const struct shadow_mapping *mapping = use->mapping;
    return mapping->state == MAPPING_LIVE && !(mapping->flags & SIM_MAP_SHARED) &&
           !interval_has(mapping, offset_of(use, address));
}

struct use *owner_by_io(struct shadow_page *page, uint32_t device, uint64_t io)
{
    struct use *best = NULL;
    int best_rank = -1;
    for (uint32_t i = page->use_count; i-- > 0;) {
        struct use *use = &page->uses[i];
        if (use->mapping->device != device || (use->io ^ io) >= SIM_PAGE)
            continue;
        /* Inside a live one, inside one that was; then in the page of a live one, of one that was. */
        bool inside = io >= use->io && io - use->io < use->end - use->begin;
        int rank = (use->mapping->state == MAPPING_LIVE) + (inside ? 2 : 0);
        if (rank > best_rank) {
            best = use;
            best_rank = rank;
        }
    }
    return best;
}

void owner_checked(const struct use *use, uint64_t address, uint64_t size,
                   const struct sim_access *access)
{
    struct shadow_mapping *mapping = use->mapping;
    uint64_t offset = offset_of(use, address);
    if (mapping->state != MAPPING_LIVE || !interval_has(mapping, offset))
        return;
    if (mapping->checked_begin == mapping->checked_end) {
        mapping->checked_begin = offset;
        mapping->checked_end = offset + size;
    }
    if (offset < mapping->checked_begin)
        mapping->checked_begin = offset;
    if (offset + size > mapping->checked_end)
        mapping->checked_end = offset + size;
    mapping->checked = *access;
}

/* ---- mappings ---- */

static void join(struct shadow_mapping **list, struct shadow_mapping *mapping)
{
    mapping->next = *list;
    mapping->here = list;
    if (mapping->next)
        mapping->next->here = &mapping->next;
    *list = mapping;
}

static void part(struct shadow_mapping *mapping)
{
    *mapping->here = mapping->next;
    if (mapping->next)
        mapping->next->here = mapping->here;
}

static void forget_mapping(struct shadow_mapping *mapping)
{
    part(mapping);
    free(mapping->cpu);
    free(mapping);
}

static struct shadow_mapping *mapping_at(struct sim_shadow *shadow, const struct sim_note *note)
{
    for (struct shadow_mapping *m = shadow->live; m; m = m->next)
        if (m->device == note->device && note->extra - m->io < m->size)
            return m;
    return NULL;
}

static void map(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_mapping *m = calloc(1, sizeof(*m));
    if (!m)
        return;
    *m = (struct shadow_mapping){ .virtual = note->address,
                                  .io = note->extra,
                                  .size = note->size,
                                  .direction = note->value & 0xff,
                                  .flags = (unsigned)(note->value >> 8),
                                  .device = note->device,
                                  .mapped = shadow_access(shadow, note, NULL) };
    join(note->extra == SIM_NEVER ? &shadow->failed : &shadow->live, m);
}

/* Room for one more: the oldest that is unmapped goes, where there are many; and with its last use the
 * mapping. */
static struct use *add_use(struct shadow_page *page)
{
    uint32_t i = 0;
    if (page->use_count >= OLD_USES) {
        while (i < page->use_count && page->uses[i].mapping->state != MAPPING_DEAD)
            i++;
        if (i < page->use_count) {
            struct shadow_mapping *mapping = page->uses[i].mapping;
            page->use_count--;
            memmove(&page->uses[i], &page->uses[i + 1],
                    (page->use_count - i) * sizeof(*page->uses));
            if (!--mapping->uses)
                forget_mapping(mapping);
        }
    }
    size_t room = page->use_room;
    if (shadow_grow(&page->uses, &room, page->use_count, sizeof(*page->uses)))
        return NULL;
    page->use_room = (uint32_t)room;
    return &page->uses[page->use_count++];
}

/* What was wrong before is past: the bytes begin anew. */
static void begin_anew(struct shadow_page *page, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin, next; page->grains && at < end; at = next) {
        uint64_t mask = shadow_part(at, end, &next);
        page->grains[at / GRAIN].told &= ~mask;
    }
}

static void map_run(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_mapping *mapping = mapping_at(shadow, note);
    uint64_t at = note->address, end = note->address + note->size;
    while (mapping && at < end) {
        uint64_t next = (at / SIM_PAGE + 1) * SIM_PAGE;
        next = next < end ? next : end;
        struct shadow_page *page = shadow_page(shadow, at, true);
        struct use *use = page ? add_use(page) : NULL;
        if (!use)
            return;
        *use = (struct use){ .mapping = mapping,
                             .io = note->extra + (at - note->address),
                             .begin = at % SIM_PAGE,
                             .end = (uint32_t)(at % SIM_PAGE + (next - at)) };
        mapping->uses++;
        begin_anew(page, use->begin, use->end);
        at = next;
    }
}

static void unmap(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_mapping *mapping = mapping_at(shadow, note);
    if (!mapping)
        return;
    mapping->state = note->value ? MAPPING_WINDOW : MAPPING_DEAD;
    mapping->unmapped = shadow_access(shadow, note, NULL);
    part(mapping);
    join(note->value ? &shadow->window : &shadow->dead, mapping);
    free(mapping->cpu);
    mapping->cpu = NULL;
    mapping->cpu_count = mapping->cpu_room = 0;
}

static void close_windows(struct sim_shadow *shadow, const struct sim_note *note)
{
    for (struct shadow_mapping *m = shadow->window, *next; m; m = next) {
        next = m->next;
        if (m->device != note->device)
            continue;
        m->state = MAPPING_DEAD;
        part(m);
        join(&shadow->dead, m);
    }
}

static void sync(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_mapping *mapping = mapping_at(shadow, note);
    if (!mapping)
        return;
    uint64_t begin = note->extra - mapping->io, end = begin + note->size;
    mapping->synced = shadow_access(shadow, note, NULL);
    mapping->checked_begin = mapping->checked_end = 0;
    if (note->kind == SIM_NOTE_SYNC_CPU)
        interval_add(mapping, begin, end);
    else
        interval_remove(mapping, begin, end);
}

static void freed(struct sim_shadow *shadow, const struct sim_note *note)
{
    for (uint64_t at = note->address, end = at + note->size; at < end;
         at = (at / SIM_PAGE + 1) * SIM_PAGE) {
        const struct shadow_page *page = shadow_page(shadow, at, false);
        uint64_t stop = end - at < SIM_PAGE - at % SIM_PAGE ? at % SIM_PAGE + (end - at) : SIM_PAGE;
        for (uint32_t i = 0; page && i < page->use_count; i++) {
            const struct use *use = &page->uses[i];
            if (use->mapping->state != MAPPING_LIVE || use->moved || use->end <= at % SIM_PAGE ||
                use->begin >= stop)
                continue;
            struct sim_access second = shadow_access(shadow, note, NULL);
            shadow_tell(shadow, SIM_HAZARD_FREE_MAPPED, page->number * SIM_PAGE + use->begin,
                        use->end - use->begin, use, &use->mapping->mapped, &second);
        }
    }
}

static void moved(struct sim_shadow *shadow, const struct sim_note *note)
{
    for (uint64_t at = note->address; at < note->address + note->size; at += SIM_PAGE) {
        struct shadow_page *page = shadow_page(shadow, at, false);
        for (uint32_t i = 0; page && i < page->use_count; i++) {
            struct shadow_mapping *mapping = page->uses[i].mapping;
            page->uses[i].moved = true;
            if (mapping->state == MAPPING_LIVE)
                mapping->synced = shadow_access(shadow, note, NULL);
        }
    }
}

void owner_note(struct sim_shadow *shadow, const struct sim_note *note)
{
    switch (note->kind) {
    case SIM_NOTE_MAP:
        map(shadow, note);
        break;
    case SIM_NOTE_MAP_RUN:
        map_run(shadow, note);
        break;
    case SIM_NOTE_UNMAP:
        unmap(shadow, note);
        break;
    case SIM_NOTE_UNMAPPED:
        close_windows(shadow, note);
        break;
    case SIM_NOTE_SYNC_CPU:
    case SIM_NOTE_SYNC_DEVICE:
        sync(shadow, note);
        break;
    case SIM_NOTE_FREE:
        freed(shadow, note);
        break;
    case SIM_NOTE_MOVE:
        moved(shadow, note);
        break;
    default:
        break;
    }
}

/* ---- the end ---- */

void owner_finish(struct sim_shadow *shadow)
{
    struct sim_access end = { .what = "the end of the run", .time = sim_now(shadow->kernel) };
    for (struct shadow_mapping *m = shadow->live; m; m = m->next) {
        struct use use = { .mapping = m, .io = m->io, .begin = 0, .end = 1 };
        shadow_tell(shadow, SIM_HAZARD_LEAK, 0, m->size, &use, &m->mapped, &end);
    }
}

void owner_destroy(struct sim_shadow *shadow)
{
    struct shadow_mapping **lists[] = { &shadow->live, &shadow->window, &shadow->dead,
                                        &shadow->failed };
    for (int i = 0; i < 4; i++)
        while (*lists[i])
            forget_mapping(*lists[i]);
}
