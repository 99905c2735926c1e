/*
 * Accesses that no cache serves: uncached and write-combining mappings, and registers.
 *
 * A read waits for its answer. It never passes the core's own writes to devices; on TSO machines it
 * passes no store at all. A write goes through the store buffer and is posted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

struct read {
    struct sim_request request;
    struct sim_core *core;
    enum sim_note_kind note;
};

static void read_granted(struct sim_request *request)
{
    struct read *r = SIM_OWNER(request, struct read, request);
    core_note(r->core, r->note, request->address, request->size, SIM_LEVEL_MEMORY, request->origin);
}

static void read_done(struct sim_request *request)
{
    struct read *r = SIM_OWNER(request, struct read, request);
    r->core->answered = true;
    core_changed(r->core);
}

static void bus_read(struct sim_core *core, enum sim_note_kind note, uint64_t physical, void *to,
                     uint32_t size, const struct sim_origin *origin)
{
    struct read r = {
        .request = { .master = sim_cache_master(core->cache),
                     .op = SIM_READ,
                     .address = physical,
                     .size = size,
                     .data = to,
                     .granted = read_granted,
                     .done = read_done,
                     .origin = origin },
        .core = core,
        .note = note,
    };
    core->answered = false;
    sim_submit(sim_bus_target(core->bus), &r.request);
    while (!core->answered)
        core_wait(core, note == SIM_NOTE_MMIO_READ ? "the answer of a register"
                                                   : "the answer of uncached memory");
}

static void wait_for_older(struct sim_core *core)
{
    if (core->weak)
        buffer_wait_devices(core);
    else
        buffer_wait_empty(core);
}

void uncached_load(struct sim_core *core, const struct sim_page *page, uint64_t physical, void *to,
                   uint32_t size, const struct sim_where *where)
{
    struct sim_origin origin = core_origin("load", where);
    bool combining = page->mapping == SIM_WRITE_COMBINING;
    wait_for_older(core);
    buffer_wait_range(core, physical, size);
    if (combining)
        combining_flush(core); /* it must see what it stored itself */
    bus_read(core, SIM_NOTE_LOAD, physical, to, size, &origin);
}

static void check_register(uint64_t physical, uint32_t size)
{
    if (size && size <= 8 && physical % 8 + size <= 8)
        return;
    fprintf(stderr, "machine: an access of %u bytes to registers at %#llx crosses 8 bytes\n", size,
            (unsigned long long)physical);
    abort();
}

uint64_t sim_mmio_read(struct sim_core *core, uint64_t physical, uint32_t size,
                       const struct sim_where *where)
{
    struct sim_origin origin = core_origin("mmio_read", where);
    uint64_t value = 0;
    check_register(physical, size);
    core_enter(core);
    core->stats.mmio_reads++;
    wait_for_older(core);
    bus_read(core, SIM_NOTE_MMIO_READ, physical, &value, size, &origin);
    return value;
}

void sim_mmio_write(struct sim_core *core, uint64_t physical, uint64_t value, uint32_t size,
                    const struct sim_where *where)
{
    struct sim_origin origin = core_origin("mmio_write", where);
    check_register(physical, size);
    core_enter(core);
    core->stats.mmio_writes++;
    buffer_put(core, STORED_REGISTER, physical, &value, size, false, &origin);
    core_pass(core, core->params.mmio_write);
}
