/* What a grant does: caches are asked, bytes move, the answer gets its time. */
#include <string.h>

#include "bus_internal.h"

/* ---- notes ---- */

static const char *part_of(const struct sim_request *request)
{
    bool exact = request->origin && request->origin->part;
    return exact ? request->origin->part : request->master->name;
}

static void note(const struct sim_bus *bus, enum sim_note_kind kind,
                 const struct sim_request *request, uint64_t address, uint32_t size, uint64_t value)
{
    if (!sim_watchers(bus->kernel))
        return;
    sim_note(bus->kernel, &(struct sim_note){ .kind = kind,
                                              .time = sim_now(bus->kernel),
                                              .part = part_of(request),
                                              .address = address,
                                              .size = size,
                                              .value = value,
                                              .extra = address - request->shift,
                                              .device = request->master->device,
                                              .origin = request->origin });
}

static bool writes(const struct sim_request *request)
{
    return request->op == SIM_WRITE || request->op == SIM_WRITE_BACK;
}

static sim_time refuse(struct sim_bus *bus, struct sim_request *request, uint32_t offset,
                       uint32_t size, sim_time held)
{
    request->status = SIM_FAULT;
    if (!writes(request) && size)
        memset(request->data + offset, 0xff, size);
    note(bus, SIM_NOTE_FAULT, request, request->address + offset, request->size - offset,
         writes(request));
    return held + bus->params.latency;
}

/* ---- registers ---- */

static struct sim_mmio *find_mmio(const struct sim_bus *bus, uint64_t address, uint32_t size)
{
    for (struct sim_mmio *m = bus->mmios; m; m = m->next)
        if (address >= m->base && size <= m->size && address - m->base <= m->size - size)
            return m;
    return NULL;
}

static sim_time access_mmio(struct sim_mmio *mmio, struct sim_request *request, sim_time held)
{
    uint64_t offset = request->address - mmio->base, value = 0;

    if (request->op == SIM_WRITE) {
        for (uint32_t i = request->size; i-- > 0;)
            value = value << 8 | request->data[i];
        mmio->write(mmio, offset, request->size, value);
    } else {
        value = mmio->read(mmio, offset, request->size);
        for (uint32_t i = 0; i < request->size; i++)
            request->data[i] = (uint8_t)(value >> 8 * i);
    }
    return held + mmio->latency; /* read after the call, which may have set it */
}

/* ---- memory ---- */

static sim_time dram_access(struct sim_bus *bus, uint64_t address, uint32_t size, bool write)
{
    sim_time now = sim_now(bus->kernel);

    if (!bus->dram || !size)
        return now;
    return sim_dram_access(bus->dram, now + bus->params.latency, address, size, write);
}

/* Asks all caches but the request's own for one line. Whoever had it changed gives its bytes to memory
 * now, which DRAM feels, but where the asker has taken over the only valid copy. */
static enum sim_had snoop_line(struct sim_bus *bus, const struct sim_request *request,
                               uint64_t line, bool taken_over)
{
    enum sim_had most = SIM_HAD_NOTHING;

    for (struct sim_snooper *s = bus->snoopers; s; s = s->next) {
        enum sim_had had;

        if (s == request->master->snooper)
            continue;
        had = s->snoop(s, line, request->op);
        if (had > most)
            most = had;
    }
    if (most == SIM_HAD_CHANGED && !taken_over)
        dram_access(bus, line, (uint32_t)bus->params.line, true);
    return most;
}

/* Who takes bytes or a line from others, and is looked at for it. */
static void show_observers(struct sim_bus *bus, const struct sim_request *request, uint64_t address,
                           uint32_t size)
{
    struct sim_request burst = *request;

    burst.address = address;
    burst.size = size;
    for (struct sim_observer *o = bus->observers; o; o = o->next)
        o->granting(o, &burst);
}

static sim_time from_memory(struct sim_bus *bus, uint64_t address, uint32_t size, sim_time held)
{
    return bus_later(dram_access(bus, address, size, false), held) + bus->params.latency;
}

/* Snoops the lines of [address, address + size) and lets DRAM read those that no cache answers for.
 * Returns when the last of the bytes is back. */
static sim_time read_lines(struct sim_bus *bus, struct sim_request *request, uint64_t address,
                           uint32_t size, sim_time held)
{
    uint64_t line_mask = bus->params.line - 1, end = address + size;
    sim_time back = held;

    for (uint64_t at = address, next; at < end; at = next) {
        enum sim_had had = snoop_line(bus, request, at & ~line_mask, request->op == SIM_FILL_OWN);

        next = (at | line_mask) + 1;
        if (next > end)
            next = end;
        if (had == SIM_HAD_NOTHING) {
            back = bus_later(back, from_memory(bus, at, (uint32_t)(next - at), held));
            continue;
        }
        request->from_cache = true;
        request->shared = request->op == SIM_FILL;
        back = bus_later(back, sim_now(bus->kernel) + bus->params.from_cache);
    }
    return back;
}

static void snoop_written(struct sim_bus *bus, struct sim_request *request, uint64_t address,
                          uint32_t size)
{
    uint64_t line_mask = bus->params.line - 1, end = address + size;

    for (uint64_t line = address & ~line_mask; line < end; line += line_mask + 1)
        snoop_line(bus, request, line, address <= line && end > (line | line_mask));
}

static sim_time read_memory(struct sim_bus *bus, struct sim_request *request, uint64_t address,
                            uint8_t *data, uint32_t size, sim_time held)
{
    sim_time back;

    if (bus->snoopers && request->master->snooped)
        back = read_lines(bus, request, address, size, held);
    else
        back = from_memory(bus, address, size, held);
    if (bus->observers && request->op == SIM_FILL_OWN)
        show_observers(bus, request, address, size);
    memcpy(data, sim_memory_at(bus->memory, address), size);
    if (request->op == SIM_READ && request->master->device)
        note(bus, SIM_NOTE_DEVICE_READ, request, address, size, request->master->snooped);
    return back;
}

static sim_time write_memory(struct sim_bus *bus, struct sim_request *request, uint64_t address,
                             const uint8_t *data, uint32_t size, sim_time held)
{
    if (!size) /* a write-back that a snoop took */
        return held;
    if (request->op == SIM_WRITE && bus->snoopers && request->master->snooped)
        snoop_written(bus, request, address, size);
    if (bus->observers && request->op == SIM_WRITE)
        show_observers(bus, request, address, size);
    memcpy(sim_memory_at(bus->memory, address), data, size);
    if (request->op == SIM_WRITE && request->master->device)
        note(bus, SIM_NOTE_DEVICE_WRITE, request, address, size, request->master->snooped);
    return bus_later(dram_access(bus, address, size, true), held) + bus->params.latency;
}

static sim_time upgrade(struct sim_bus *bus, struct sim_request *request, sim_time held)
{
    if (bus->snoopers && request->master->snooped)
        snoop_line(bus, request, request->address, true);
    if (bus->observers)
        show_observers(bus, request, request->address, request->size);
    return bus_later(sim_now(bus->kernel) + bus->params.from_cache, held);
}

sim_time bus_access(struct sim_bus *bus, struct sim_request *request, uint32_t offset,
                    uint32_t size, sim_time held)
{
    uint64_t address = request->address + offset;
    struct sim_mmio *mmio;

    if (sim_memory_holds(bus->memory, address, request->op == SIM_UPGRADE ? request->size : size)) {
        if (request->op == SIM_UPGRADE)
            return upgrade(bus, request, held);
        if (writes(request))
            return write_memory(bus, request, address, request->data + offset, size, held);
        return read_memory(bus, request, address, request->data + offset, size, held);
    }
    mmio = find_mmio(bus, address, size);
    if (mmio && !offset && size == request->size && size <= 8 &&
        (request->op == SIM_READ || request->op == SIM_WRITE))
        return access_mmio(mmio, request, held);
    return refuse(bus, request, offset, size, held);
}
