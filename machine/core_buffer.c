/*
 * The store buffer: stores on their way from the program to where others see them.
 *
 * `drain` after one store left, the next leaves: into the first level of the cache where that can be
 * written at once, else by the second fiber, which waits for the line; to devices as a posted write,
 * which has left when the bus granted it; write-combining ones into their gathering line.
 *
 * On TSO machines the oldest leaves first. On weak ones the kernel's seed chooses among the oldest
 * CORE_WINDOW, and stores leave while others are still under way, but a store never passes
 *
 *   - an older one of the same aligned 8 bytes,
 *   - a store barrier,
 *   - an older one to a device, if it is one itself,
 *   - anything, if it is a release.
 *
 * While the program's fiber runs, it does what is due itself (core_pass) and the event stays idle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

/* ---- entries ---- */

static struct stored *entry_at(struct sim_core *core, uint32_t place)
{
    return &core->buffer.slots[core->buffer.order[place]];
}

static bool to_device(const struct stored *entry)
{
    return entry->kind == STORED_UNCACHED || entry->kind == STORED_REGISTER;
}

static void note_entry(const struct sim_core *core, enum sim_note_kind kind,
                       const struct stored *entry)
{
    enum sim_level taker = entry->kind == STORED_CACHED ? SIM_LEVEL_1 : SIM_LEVEL_MEMORY;
    core_note(core, kind, entry->word + entry->first, entry->size,
              kind == SIM_NOTE_DRAIN ? taker : 0, &entry->origin);
}

static void count_entry(struct store_buffer *buffer, const struct stored *entry, int by)
{
    buffer->filter[entry->word / 8 % CORE_FILTER] += by;
    buffer->devices += to_device(entry) ? by : 0;
    buffer->combining += entry->kind == STORED_COMBINING ? by : 0;
}

static void remove_entry(struct sim_core *core, struct stored *entry)
{
    struct store_buffer *buffer = &core->buffer;
    uint32_t place = 0;
    while (entry_at(core, place) != entry)
        place++;
    count_entry(buffer, entry, -1);
    uint16_t slot = buffer->order[place];
    buffer->count--;
    memmove(&buffer->order[place], &buffer->order[place + 1],
            (buffer->count - place) * sizeof(buffer->order[0]));
    buffer->order[buffer->count] = slot;
}

/* Others see it from now on. */
static void landed(struct sim_core *core, struct stored *entry)
{
    note_entry(core, entry->kind == STORED_REGISTER ? SIM_NOTE_MMIO_WRITE : SIM_NOTE_DRAIN, entry);
    early_forget(core, entry->word);
    remove_entry(core, entry);
    core_changed(core);
}

/* ---- leaving ---- */

static void release_exit(struct sim_core *core)
{
    core->buffer.ready = sim_now(core->kernel) + core->params.drain;
}

static bool leave_cached(struct sim_core *core, struct stored *entry)
{
    struct store_buffer *buffer = &core->buffer;
    uint32_t first = entry->first;
    if (sim_cache_try_write(core->cache, entry->word + first, entry->bytes + first, entry->size)) {
        landed(core, entry);
        return true;
    }
    if (buffer->slow) {
        sim_cache_prefetch(core->cache, entry->word, true);
        return false;
    }
    entry->leaving = true;
    buffer->slow = entry;
    buffer->slow_landed = false;
    buffer->slow_origin = entry->origin;
    sim_wake(buffer->fiber);
    return true;
}

static void carry_slow(void *argument)
{
    struct sim_core *core = argument;
    struct store_buffer *buffer = &core->buffer;
    for (;;) {
        while (!buffer->slow)
            sim_block(core->kernel, NULL);
        struct stored entry = *buffer->slow; /* the slot is free from the moment it lands */
        uint32_t first = entry.first;
        sim_cache_write(core->cache, entry.word + first, entry.bytes + first, entry.size,
                        &buffer->slow_origin);
        if (!buffer->slow_landed) /* nothing answers at the address: it is lost */
            landed(core, buffer->slow);
        buffer->slow = NULL;
        release_exit(core);
        buffer_go_on(core);
    }
}

void buffer_landed_slow(struct sim_core *core)
{
    core->buffer.slow_landed = true;
    landed(core, core->buffer.slow);
}

static void posted_granted(struct sim_request *request)
{
    struct posted *p = SIM_OWNER(request, struct posted, request);
    struct stored *entry = p->entry;
    p->entry = NULL;
    landed(p->core, entry);
    release_exit(p->core);
    buffer_go_on(p->core);
}

static void posted_done(struct sim_request *request)
{
    struct posted *p = SIM_OWNER(request, struct posted, request);
    if (p->entry) /* refused: nothing answers there, and the write is lost */
        posted_granted(request);
    p->busy = false;
    buffer_go_on(p->core);
}

static bool leave_posted(struct sim_core *core, struct stored *entry)
{
    struct posted *p = core->buffer.posted;
    while (p < core->buffer.posted + CORE_POSTED && p->busy)
        p++;
    if (p == core->buffer.posted + CORE_POSTED)
        return false;
    p->busy = entry->leaving = true;
    p->entry = entry;
    p->origin = entry->origin;
    memcpy(p->data, entry->bytes + entry->first, entry->size);
    p->request = (struct sim_request){
        .master = sim_cache_master(core->cache),
        .op = SIM_WRITE,
        .address = entry->word + entry->first,
        .size = entry->size,
        .data = p->data,
        .granted = posted_granted,
        .done = posted_done,
        .origin = &p->origin,
    };
    sim_submit(sim_bus_target(core->bus), &p->request);
    return true;
}

/* False: it cannot leave now, and buffer_go_on will be called. */
static bool leave(struct sim_core *core, struct stored *entry)
{
    switch (entry->kind) {
    case STORED_CACHED:
        return leave_cached(core, entry);
    case STORED_COMBINING:
        if (!combining_take(core, entry))
            return false;
        early_forget(core, entry->word);
        remove_entry(core, entry);
        core_changed(core);
        return true;
    default:
        return leave_posted(core, entry);
    }
}

/* ---- order ---- */

static bool may_leave(struct sim_core *core, uint32_t place)
{
    const struct stored *entry = entry_at(core, place);
    if (entry->leaving)
        return false;
    for (uint32_t i = 0; i < place; i++) {
        const struct stored *older = entry_at(core, i);
        if (entry->release || older->word == entry->word || older->epoch != entry->epoch ||
            (to_device(entry) && to_device(older)))
            return false;
    }
    return true;
}

static struct stored *choose_weak(struct sim_core *core)
{
    uint32_t count = core->buffer.count < CORE_WINDOW ? core->buffer.count : CORE_WINDOW;
    uint32_t from = count > 1 ? (uint32_t)sim_random_below(core->kernel, count) : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = (from + count - i) % count;
        if (may_leave(core, place))
            return entry_at(core, place);
    }
    return NULL;
}

static struct stored *choose(struct sim_core *core)
{
    if (core->weak)
        return choose_weak(core);
    struct stored *oldest = entry_at(core, 0);
    return oldest->leaving ? NULL : oldest;
}

void buffer_step(struct sim_core *core)
{
    struct store_buffer *buffer = &core->buffer;
    buffer->next = SIM_NEVER;
    struct stored *entry = buffer->count ? choose(core) : NULL;
    if (!entry || !leave(core, entry))
        return;
    release_exit(core);
    if (buffer->count)
        buffer->next = buffer->ready;
}

void buffer_go_on(struct sim_core *core)
{
    struct store_buffer *buffer = &core->buffer;
    if (!buffer->count || buffer->next != SIM_NEVER)
        return;
    sim_time now = sim_now(core->kernel);
    buffer->next = buffer->ready > now ? buffer->ready : now;
    sim_at(core->kernel, &buffer->event, buffer->next);
}

static void by_event(struct sim_event *event)
{
    struct sim_core *core = SIM_OWNER(event, struct sim_core, buffer.event);
    buffer_step(core);
    if (core->buffer.next != SIM_NEVER)
        sim_at(core->kernel, event, core->buffer.next);
}

/* ---- the program's side ---- */

/* Stores that must leave in order ask for their lines when they execute, so that those of several lines
 * wait together. A weak core's pass each other instead, until so many of them wait that the program
 * may come to wait, too. */
static void want_line(struct sim_core *core, const struct stored *entry)
{
    struct store_buffer *buffer = &core->buffer;
    uint64_t line = entry->word & ~(uint64_t)(core->line - 1);
    if (entry->kind != STORED_CACHED || line == buffer->wanted || !core->params.ahead ||
        (core->weak && buffer->count <= buffer->capacity / 2))
        return;
    buffer->wanted = line;
    sim_cache_prefetch(core->cache, line, true);
}

/* When a store that found the exit idle leaves. A weak core's lingers for some cycles, as the seed
 * decides, so that others may come and pass it. */
static sim_time first_exit(struct sim_core *core)
{
    sim_time soonest = sim_now(core->kernel) + core->params.drain;
    if (core->weak && core->buffer.count == 1)
        soonest += core->cycle * sim_random_below(core->kernel, CORE_WINDOW);
    return core->buffer.ready > soonest ? core->buffer.ready : soonest;
}

void buffer_put(struct sim_core *core, enum stored_kind kind, uint64_t address, const void *from,
                uint32_t size, bool release, const struct sim_origin *origin)
{
    struct store_buffer *buffer = &core->buffer;
    while (buffer->count == buffer->capacity)
        core_wait(core, "room in the store buffer");
    struct stored *entry = entry_at(core, buffer->count++);
    uint32_t first = address % 8;
    entry->word = address - first;
    entry->first = (uint8_t)first;
    entry->size = (uint8_t)size;
    entry->mask = (uint8_t)(((1u << size) - 1) << first);
    entry->kind = kind;
    entry->release = release;
    entry->leaving = false;
    entry->epoch = buffer->epoch;
    entry->origin = *origin;
    memcpy(entry->bytes + first, from, size);
    count_entry(buffer, entry, 1);
    note_entry(core, SIM_NOTE_STORE, entry);
    want_line(core, entry);
    if (buffer->next == SIM_NEVER)
        buffer->next = first_exit(core);
}

/* The newest bytes of one word, of those that `wanted` says: which of them are here. */
static uint8_t newest_of_word(const struct sim_core *core, uint64_t word, uint8_t wanted,
                              uint8_t *bytes)
{
    const struct store_buffer *buffer = &core->buffer;
    uint8_t found = 0;
    for (uint32_t i = buffer->count; i-- > 0 && found != wanted;) {
        const struct stored *entry = &buffer->slots[buffer->order[i]];
        if (entry->word != word)
            continue;
        for (uint32_t b = 0; b < 8; b++)
            if (entry->mask & wanted & ~found & 1u << b)
                bytes[b] = entry->bytes[b];
        found |= entry->mask & wanted;
    }
    return found;
}

uint32_t buffer_forward(const struct sim_core *core, uint64_t address, uint8_t *to, uint32_t size)
{
    uint32_t found = 0;
    if (!core->buffer.count)
        return 0;
    for (uint64_t at = address, end = address + size, next; at < end; at = next) {
        uint64_t word = at & ~(uint64_t)7;
        next = word + 8 < end ? word + 8 : end;
        if (!buffer_may_hold(core, word))
            continue;
        uint8_t bytes[8];
        uint8_t wanted = (uint8_t)(((1u << (next - at)) - 1) << (at - word));
        uint8_t mask = newest_of_word(core, word, wanted, bytes);
        for (uint32_t b = 0; b < 8; b++)
            if (mask & 1u << b)
                to[word + b - address] = bytes[b];
        found += __builtin_popcount(mask);
    }
    return found;
}

static bool touches(struct sim_core *core, uint64_t address, uint64_t size)
{
    for (uint32_t i = 0; i < core->buffer.count; i++) {
        const struct stored *entry = entry_at(core, i);
        if (entry->word < address + size && address < entry->word + 8)
            return true;
    }
    return false;
}

void buffer_wait_range(struct sim_core *core, uint64_t address, uint64_t size)
{
    while (touches(core, address, size))
        core_wait(core, "its own stores to reach the cache");
}

void buffer_wait_devices(struct sim_core *core)
{
    while (core->buffer.devices)
        core_wait(core, "its own writes to reach the device");
}

void buffer_wait_empty(struct sim_core *core)
{
    while (core->buffer.count)
        core_wait(core, "the store buffer to be empty");
}

/* ---- life ---- */

int buffer_make(struct sim_core *core)
{
    struct store_buffer *buffer = &core->buffer;
    buffer->capacity = (uint32_t)core->params.store_buffer;
    buffer->next = SIM_NEVER;
    for (uint16_t i = 0; i < CORE_BUFFER; i++)
        buffer->order[i] = i;
    for (int i = 0; i < CORE_POSTED; i++)
        buffer->posted[i].core = core;
    sim_event_init(&buffer->event, by_event);
    return sim_fiber_create(&buffer->fiber, core->kernel, core->name, sim_now(core->kernel),
                            carry_slow, core);
}

void buffer_free(struct sim_core *core)
{
    sim_cancel(core->kernel, &core->buffer.event);
    sim_fiber_destroy(&core->buffer.fiber);
}
