/* A bus with up to two cores' caches and a device, and code that runs on fibers. */
#ifndef DRAY_TESTS_MACHINE_CACHE_RIG_H
#define DRAY_TESTS_MACHINE_CACHE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache.h"

enum {
    RIG_MEMORY = 64 << 20,
    RIG_FIBERS = 8,
    RIG_NOTES = 256,
    RIG_REQUESTS = 16,
};

struct rig;

struct rig_fiber {
    struct rig *rig;
    void (*code)(struct rig *rig);
    struct sim_fiber *fiber;
};

struct rig_request {
    struct sim_request request;
    struct rig *rig;
    sim_time granted, done;
    uint8_t bytes[4096];
};

struct rig {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_cache *cache[2];
    struct sim_master device;
    struct sim_watcher watcher;
    struct sim_note notes[RIG_NOTES];
    unsigned note_count;
    struct rig_fiber fibers[RIG_FIBERS];
    unsigned fiber_count;
    struct rig_request requests[RIG_REQUESTS];
    unsigned request_count;
};

static inline struct sim_cache_params rig_caches(bool coherent)
{
    struct sim_cache_params p;

    sim_params_standard(&sim_cache_kind, &p);
    p.coherent = coherent;
    if (!coherent)
        p.maintenance = 40000;
    return p;
}

/* Notes of caches and devices; spans and counts are left out. */
static inline void rig_note(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct rig *rig = SIM_OWNER(watcher, struct rig, watcher);

    if (note->kind == SIM_NOTE_SPAN || note->kind == SIM_NOTE_COUNT)
        return;
    if (rig->note_count < RIG_NOTES)
        rig->notes[rig->note_count] = *note;
    rig->note_count++;
}

static inline void rig_open(struct rig *rig, const struct sim_cache_params *caches)
{
    struct sim_dram_params d;
    struct sim_bus_params p;
    static const char *const names[] = { "core0", "core1" };

    memset(rig, 0, sizeof(*rig));
    assert_null(sim_cache_kind.check(caches));
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&rig->memory, RIG_MEMORY), 0);
    sim_params_standard(&sim_dram_kind, &d);
    assert_int_equal(sim_dram_create(&rig->dram, &d), 0);
    sim_params_standard(&sim_bus_kind, &p);
    p.line = caches->line;
    assert_int_equal(sim_bus_create(&rig->bus, rig->kernel, rig->memory, rig->dram, &p), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sim_cache_create(&rig->cache[i], rig->kernel, rig->bus, names[i], caches),
                         0);
    rig->device = (struct sim_master){ .name = "device", .device = 1 };
    rig->device.snooped = caches->coherent;
    sim_bus_add_master(rig->bus, &rig->device, 1);
    rig->watcher.note = rig_note;
    sim_watch(rig->kernel, &rig->watcher);
}

static inline void rig_close(struct rig *rig)
{
    for (unsigned i = 0; i < rig->fiber_count; i++)
        sim_fiber_destroy(&rig->fibers[i].fiber);
    sim_cache_destroy(&rig->cache[1]);
    sim_cache_destroy(&rig->cache[0]);
    sim_bus_destroy(&rig->bus);
    sim_dram_destroy(&rig->dram);
    sim_memory_destroy(&rig->memory);
    sim_kernel_destroy(&rig->kernel);
}

static inline void rig_main(void *argument)
{
    struct rig_fiber *fiber = argument;
    fiber->code(fiber->rig);
}

static inline void rig_begin(struct rig *rig, sim_time begin, void (*code)(struct rig *rig))
{
    struct rig_fiber *fiber = &rig->fibers[rig->fiber_count++];

    assert_true(rig->fiber_count <= RIG_FIBERS);
    fiber->rig = rig;
    fiber->code = code;
    assert_int_equal(sim_fiber_create(&fiber->fiber, rig->kernel, "code", begin, rig_main, fiber),
                     0);
}

/* Until nothing is left to do; all fibers have come to their end. */
static inline void rig_run(struct rig *rig)
{
    assert_int_equal(sim_run(rig->kernel, SIM_NEVER), 0);
    for (unsigned i = 0; i < rig->fiber_count; i++)
        assert_true(sim_fiber_ended(rig->fibers[i].fiber));
}

/* One piece of code alone, from now on. */
static inline void rig_do(struct rig *rig, void (*code)(struct rig *rig))
{
    rig_begin(rig, sim_now(rig->kernel), code);
    rig_run(rig);
    sim_fiber_destroy(&rig->fibers[--rig->fiber_count].fiber);
}

static inline void rig_granted(struct sim_request *request)
{
    struct rig_request *r = SIM_OWNER(request, struct rig_request, request);
    r->granted = sim_now(r->rig->kernel);
}

static inline void rig_done(struct sim_request *request)
{
    struct rig_request *r = SIM_OWNER(request, struct rig_request, request);
    r->done = sim_now(r->rig->kernel);
}

/* The device asks now; from inside a fiber or before rig_run. `fill`: every byte that it writes. */
static inline struct rig_request *rig_device(struct rig *rig, enum sim_op op, uint64_t address,
                                             uint32_t size, uint8_t fill)
{
    struct rig_request *r = &rig->requests[rig->request_count++ % RIG_REQUESTS];

    memset(r->bytes, fill, sizeof(r->bytes));
    r->rig = rig;
    r->done = SIM_NEVER;
    r->request = (struct sim_request){ .master = &rig->device,
                                       .op = op,
                                       .address = address,
                                       .size = size,
                                       .data = r->bytes,
                                       .granted = rig_granted,
                                       .done = rig_done };
    sim_submit(sim_bus_target(rig->bus), &r->request);
    return r;
}

static inline uint8_t rig_load(struct rig *rig, unsigned core, uint64_t address)
{
    uint8_t byte;

    sim_cache_read(rig->cache[core], address, &byte, 1, NULL);
    return byte;
}

static inline void rig_store(struct rig *rig, unsigned core, uint64_t address, uint8_t byte)
{
    sim_cache_write(rig->cache[core], address, &byte, 1, NULL);
}

static inline uint8_t rig_memory(struct rig *rig, uint64_t address)
{
    return *sim_memory_at(rig->memory, address);
}

#endif
