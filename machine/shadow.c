/* The shadow state: life, who is who, and the list of what was found. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shadow_internal.h"

/* ---- pages ---- */

static size_t place_of(struct shadow_page *const *pages, size_t room, uint64_t number)
{
    size_t at = (number * 0x9e3779b97f4a7c15u) >> 32 & (room - 1);
    while (pages[at] && pages[at]->number != number)
        at = (at + 1) & (room - 1);
    return at;
}

static int grow_pages(struct sim_shadow *shadow)
{
    size_t room = shadow->page_room * 2;
    struct shadow_page **pages = calloc(room, sizeof(*pages));
    if (!pages)
        return -ENOMEM;
    for (size_t i = 0; i < shadow->page_room; i++)
        if (shadow->pages[i])
            pages[place_of(pages, room, shadow->pages[i]->number)] = shadow->pages[i];
    free(shadow->pages);
    shadow->pages = pages;
    shadow->page_room = room;
    return 0;
}

struct shadow_page *shadow_page(struct sim_shadow *shadow, uint64_t address, bool make)
{
    uint64_t number = address / SIM_PAGE;
    if (shadow->last_page && shadow->last_page->number == number)
        return shadow->last_page;
    size_t at = place_of(shadow->pages, shadow->page_room, number);
    if (!shadow->pages[at]) {
        if (!make)
            return NULL;
        if ((shadow->page_count + 1) * 2 > shadow->page_room) {
            if (grow_pages(shadow))
                return NULL;
            at = place_of(shadow->pages, shadow->page_room, number);
        }
        struct shadow_page *page = calloc(1, sizeof(*page));
        if (!page)
            return NULL;
        page->number = number;
        shadow->pages[at] = page;
        shadow->page_count++;
    }
    shadow->last_page = shadow->pages[at];
    return shadow->last_page;
}

struct grain *shadow_grain(struct sim_shadow *shadow, uint64_t address, bool make)
{
    struct shadow_page *page = shadow_page(shadow, address, make);
    if (!page)
        return NULL;
    if (!page->grains && make)
        page->grains = calloc(GRAINS, sizeof(*page->grains));
    return page->grains ? &page->grains[address / GRAIN % GRAINS] : NULL;
}

/* ---- who is who ---- */

unsigned shadow_core(struct sim_shadow *shadow, const char *name)
{
    if (shadow->core_count && shadow->cores[shadow->last_core].name == name)
        return shadow->last_core;
    for (unsigned i = 0; i < shadow->core_count; i++) {
        if (shadow->cores[i].name == name || !strcmp(shadow->cores[i].name, name)) {
            shadow->last_core = i;
            return i;
        }
    }
    if (shadow->core_count == SHADOW_CORES)
        return NOBODY;
    shadow->last_core = shadow->core_count++;
    shadow->cores[shadow->last_core].name = name;
    return shadow->last_core;
}

struct shadow_device *shadow_device(struct sim_shadow *shadow, uint32_t number)
{
    for (unsigned i = 0; i < shadow->device_count; i++)
        if (shadow->devices[i].number == number)
            return &shadow->devices[i];
    if (shadow->device_count == SHADOW_DEVICES)
        return NULL;
    struct shadow_device *device = &shadow->devices[shadow->device_count++];
    device->number = number;
    return device;
}

/* Strings of notes live as long as the note; these as long as the shadow. The same few come again and
 * again, mostly from the same addresses. */
const char *shadow_keep(struct sim_shadow *shadow, const char *name)
{
    if (!name)
        return NULL;
    size_t slot = ((uintptr_t)name >> 2 ^ (uintptr_t)name >> 11) & (NAMES - 1);
    if (shadow->names[slot].from == name && !strcmp(shadow->names[slot].kept, name))
        return shadow->names[slot].kept;
    char *kept = NULL;
    for (size_t i = 0; i < shadow->kept_count && !kept; i++)
        if (!strcmp(shadow->kept[i], name))
            kept = shadow->kept[i];
    if (!kept) {
        if (shadow_grow(&shadow->kept, &shadow->kept_room, shadow->kept_count, sizeof(char *)))
            return "?";
        kept = strdup(name);
        if (!kept)
            return "?";
        shadow->kept[shadow->kept_count++] = kept;
    }
    shadow->names[slot].from = name;
    shadow->names[slot].kept = kept;
    return kept;
}

struct sim_access shadow_access(struct sim_shadow *shadow, const struct sim_note *note,
                                const char *what)
{
    struct sim_access access = { .part = shadow_keep(shadow, note->part),
                                 .what = what,
                                 .time = note->time };
    if (!note->origin)
        return access;
    if (!what)
        access.what = shadow_keep(shadow, note->origin->what);
    access.file = shadow_keep(shadow, note->origin->file);
    access.line = note->origin->line;
    access.number = note->origin->number;
    return access;
}

int shadow_grow(void *array, size_t *room, size_t count, size_t size)
{
    void *old, *grown;
    if (count < *room)
        return 0;
    size_t wanted = *room ? *room * 2 : 16;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, wanted * size);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    *room = wanted;
    return 0;
}

/* ---- hazards ---- */

static bool same_place(const struct sim_access *a, const struct sim_access *b)
{
    return a->part == b->part && a->what == b->what && a->file == b->file && a->line == b->line;
}

/* Each time, also where it is only counted below. */
static void note_hazard(const struct sim_shadow *shadow, enum sim_hazard_kind kind,
                        uint64_t address, uint64_t size, const struct sim_access *access)
{
    struct sim_origin origin = { .what = access->what, .file = access->file, .line = access->line };
    sim_note(shadow->kernel, &(struct sim_note){ .kind = SIM_NOTE_HAZARD,
                                                 .time = sim_now(shadow->kernel),
                                                 .part = access->part ? access->part : "system",
                                                 .address = address,
                                                 .size = size,
                                                 .value = kind,
                                                 .text = sim_hazard_name(kind),
                                                 .origin = &origin });
}

void shadow_tell(struct sim_shadow *shadow, enum sim_hazard_kind kind, uint64_t address,
                 uint64_t size, const struct use *use, const struct sim_access *first,
                 const struct sim_access *second)
{
    const struct shadow_mapping *mapping = use ? use->mapping : NULL;
    if (mapping && mapping->mismatch && kind != SIM_HAZARD_COHERENCE)
        return;
    note_hazard(shadow, kind, address, size, second);
    for (size_t i = 0; i < shadow->hazard_count; i++) {
        struct sim_hazard *h = &shadow->hazards[i];
        if (h->kind == kind && same_place(&h->first, first) && same_place(&h->second, second)) {
            h->count++;
            return;
        }
    }
    if (shadow_grow(&shadow->hazards, &shadow->hazard_room, shadow->hazard_count,
                    sizeof(*shadow->hazards)))
        return;
    struct sim_hazard *h = &shadow->hazards[shadow->hazard_count++];
    *h = (struct sim_hazard){ .kind = kind,
                              .address = address,
                              .virtual = SIM_NEVER,
                              .size = size,
                              .mapping = mapping ? mapping->io : SIM_NEVER,
                              .time = second->time,
                              .first = *first,
                              .second = *second,
                              .count = 1 };
    if (mapping && address % SIM_PAGE >= use->begin && address % SIM_PAGE < use->end)
        h->virtual = mapping->virtual + (use->io - mapping->io) + (address % SIM_PAGE - use->begin);
}

size_t sim_shadow_count(const struct sim_shadow *shadow)
{
    return shadow->hazard_count;
}

const struct sim_hazard *sim_shadow_hazard(const struct sim_shadow *shadow, size_t index)
{
    return &shadow->hazards[index];
}

/* ---- interrupts ---- */

static void raised(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_line_of_interrupt *line = &shadow->interrupts[note->value % 64];
    line->last = note->time;
    line->access = shadow_access(shadow, note, "interrupt");
    if (!line->raised)
        line->raised = note->time;
}

/* Which of several it answers is not known: the oldest at least. */
static void handled(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_line_of_interrupt *line = &shadow->interrupts[note->value % 64];
    unsigned core = shadow_core(shadow, note->part);
    if (core != NOBODY && line->raised > shadow->cores[core].seen)
        shadow->cores[core].seen = line->raised;
    line->raised = line->last > line->raised ? line->last : 0;
}

struct who_waits {
    struct sim_shadow *shadow;
    const struct shadow_line_of_interrupt *line;
};

static void tell_waiting(void *argument, const char *name, const char *reason, sim_time since)
{
    struct who_waits *who = argument;
    struct sim_access second = { .part = shadow_keep(who->shadow, name),
                                 .what = shadow_keep(who->shadow, reason),
                                 .time = since };
    shadow_tell(who->shadow, SIM_HAZARD_LOST_INTERRUPT, 0, 0, NULL, &who->line->access, &second);
}

void sim_shadow_finish(struct sim_shadow *shadow)
{
    owner_finish(shadow);
    for (int i = 0; i < 64; i++) {
        struct who_waits who = { shadow, &shadow->interrupts[i] };
        if (shadow->interrupts[i].raised)
            sim_fibers_blocked(shadow->kernel, tell_waiting, &who);
    }
}

/* ---- channels ---- */

static void stopping(struct sim_shadow *shadow, const struct sim_note *note)
{
    struct shadow_device *device = shadow_device(shadow, note->device);
    if (device && note->kind == SIM_NOTE_STOP)
        device->stopping++;
    else if (device && device->stopping)
        device->stopping--;
}

/* ---- notes ---- */

static void watch(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct sim_shadow *shadow = SIM_OWNER(watcher, struct sim_shadow, watcher);
    switch (note->kind) {
    case SIM_NOTE_STORE:
        bytes_store(shadow, note);
        break;
    case SIM_NOTE_DRAIN:
        bytes_drain(shadow, note);
        break;
    case SIM_NOTE_LOAD:
        bytes_load(shadow, note);
        break;
    case SIM_NOTE_MMIO_WRITE:
        bytes_register(shadow, note);
        break;
    case SIM_NOTE_FILL:
    case SIM_NOTE_EVICT:
    case SIM_NOTE_CLEAN:
    case SIM_NOTE_INVALIDATE:
    case SIM_NOTE_WRITE_BACK:
        bytes_cache(shadow, note);
        break;
    case SIM_NOTE_DEVICE_READ:
    case SIM_NOTE_DEVICE_WRITE:
        device_note(shadow, note);
        break;
    case SIM_NOTE_FAULT:
        device_fault(shadow, note);
        break;
    case SIM_NOTE_RAISE:
        raised(shadow, note);
        break;
    case SIM_NOTE_HANDLE:
        handled(shadow, note);
        break;
    case SIM_NOTE_BEGIN:
    case SIM_NOTE_END:
        channel_job(shadow, note);
        break;
    case SIM_NOTE_STOP:
    case SIM_NOTE_REST:
        stopping(shadow, note);
        break;
    case SIM_NOTE_BARRIER:
    case SIM_NOTE_MMIO_READ:
    case SIM_NOTE_SPAN:
    case SIM_NOTE_COUNT:
    case SIM_NOTE_HAZARD:
        break;
    default:
        owner_note(shadow, note);
        break;
    }
}

/* ---- life ---- */

int sim_shadow_create(struct sim_shadow **shadow, struct sim_kernel *kernel, uint64_t line)
{
    struct sim_shadow *s = calloc(1, sizeof(*s));
    *shadow = NULL;
    if (!s)
        return -ENOMEM;
    s->page_room = 1024;
    s->pages = calloc(s->page_room, sizeof(*s->pages));
    if (!s->pages) {
        free(s);
        return -ENOMEM;
    }
    s->kernel = kernel;
    s->line = line;
    s->watcher.note = watch;
    sim_watch(kernel, &s->watcher);
    *shadow = s;
    return 0;
}

static void free_page(struct shadow_page *page)
{
    if (!page)
        return;
    for (int i = 0; page->grains && i < GRAINS; i++)
        bytes_forget(&page->grains[i]);
    free(page->grains);
    free(page->touches);
    free(page->uses);
    free(page);
}

void sim_shadow_destroy(struct sim_shadow **shadow)
{
    struct sim_shadow *s = *shadow;
    if (!s)
        return;
    sim_unwatch(s->kernel, &s->watcher);
    for (size_t i = 0; i < s->page_room; i++)
        free_page(s->pages[i]);
    free(s->pages);
    for (unsigned i = 0; i < s->core_count; i++)
        free(s->cores[i].pending);
    owner_destroy(s);
    channel_destroy(s);
    for (size_t i = 0; i < s->kept_count; i++)
        free(s->kept[i]);
    free(s->kept);
    free(s->hazards);
    free(s);
    *shadow = NULL;
}
