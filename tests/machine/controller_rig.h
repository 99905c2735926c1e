/*
 * A controller between a target and an interrupt controller, and what a driver does with it, in the
 * fewest words.
 *
 * The target is bytes in an array: a request is granted at once and done `latency` later, so that
 * every time in a test can be worked out on paper. What lies outside of the array, or in the range
 * that is forbidden, is refused.
 */
#ifndef DRAY_TESTS_MACHINE_CONTROLLER_RIG_H
#define DRAY_TESTS_MACHINE_CONTROLLER_RIG_H

#include "controller.h"
#include "device.h"
#include "dray/desc.h"
#include "test.h"

enum {
    RIG_SIZE = 8 << 20,
    RIG_CHANNEL = 256 << 10, /* bytes for the rings of each channel, from 0 on */
    RIG_RING = 0x1000,
    RIG_COMPLETION = 0x12000,
    RIG_SHAPES = 0x18000,
    RIG_TAIL = 0x38000,
    RIG_HEAD = 0x38040,
    RIG_SEEN = 0x38080,
    RIG_REGIONS = RIG_SIZE - (64 << 10), /* 256 entries, of all channels */
    RIG_DATA = 1 << 20,                  /* from here on, with 4 channels */
    RIG_CHANNELS = 4,
    RIG_REGION_COUNT = 256,
};

struct rig {
    struct sim_target target;
    struct sim_kernel *kernel;
    struct sim_interrupts *interrupts;
    struct sim_controller *controller;
    struct sim_master master;
    struct sim_mmio *mmio;
    uint8_t *bytes;
    sim_time latency;
    sim_time late; /* writes are granted so long after they are done, as behind a link */
    uint64_t forbidden_from, forbidden_to;
    uint32_t ring_size, completion_size;
    uint32_t filled[RIG_CHANNELS], reaped[RIG_CHANNELS];
    uint64_t under_way, under_way_max; /* reads */
    uint64_t size_max;
    unsigned delivered[SIM_INTERRUPTS];
    sim_time delivered_at;
};

static inline bool rig_refuses(const struct rig *rig, const struct sim_request *r)
{
    bool outside = r->address >= RIG_SIZE || r->size > RIG_SIZE - r->address;
    return outside ||
           (r->address < rig->forbidden_to && r->address + r->size > rig->forbidden_from);
}

static inline void rig_grant(struct rig *rig, struct sim_request *r)
{
    r->status = rig_refuses(rig, r) ? SIM_FAULT : SIM_OK;
    if (r->status == SIM_OK && r->op == SIM_READ)
        memcpy(r->data, rig->bytes + r->address, r->size);
    else if (r->status == SIM_OK)
        memcpy(rig->bytes + r->address, r->data, r->size);
    if (r->granted && (r->status == SIM_OK || rig->late))
        r->granted(r);
}

static inline void rig_grant_late(struct sim_event *event)
{
    struct sim_request *request = SIM_OWNER(event, struct sim_request, event);
    rig_grant(request->holder, request);
}

static inline void rig_done(struct sim_event *event)
{
    struct sim_request *request = SIM_OWNER(event, struct sim_request, event);
    struct rig *rig = request->holder;
    rig->under_way -= request->op == SIM_READ;
    if (request->op == SIM_WRITE && rig->late) {
        sim_event_init(&request->event, rig_grant_late);
        sim_after(rig->kernel, &request->event, rig->late);
    }
    request->done(request);
}

static inline void rig_submit(struct sim_target *target, struct sim_request *r)
{
    struct rig *rig = SIM_OWNER(target, struct rig, target);
    assert_true(r->size > 0);
    assert_true((r->address & 4095) + r->size <= 4096);
    if (r->size > rig->size_max)
        rig->size_max = r->size;
    r->holder = rig;
    if (r->op == SIM_READ && ++rig->under_way > rig->under_way_max)
        rig->under_way_max = rig->under_way;
    if (r->op == SIM_READ || !rig->late)
        rig_grant(rig, r);
    sim_event_init(&r->event, rig_done);
    if (rig->latency)
        sim_after(rig->kernel, &r->event, rig->latency);
    else
        rig_done(&r->event); /* no time passes: it may be done before it is back */
}

static inline void rig_deliver(void *argument, unsigned number)
{
    struct rig *rig = argument;
    rig->delivered[number]++;
    rig->delivered_at = sim_now(rig->kernel);
}

/* No time of its own but what a test gives it; a request is 256 bytes. */
static inline struct sim_controller_params rig_params(void)
{
    struct sim_controller_params p;
    sim_params_standard(&sim_controller_kind, &p);
    p.channels = RIG_CHANNELS;
    p.set_up = p.per_descriptor = p.bandwidth = 0;
    p.request = 256;
    p.prefetch = 4;
    p.cache = 16;
    return p;
}

static inline uint64_t rig_base(unsigned channel)
{
    return (uint64_t)channel * RIG_CHANNEL;
}

static inline void rig_write(struct rig *rig, unsigned channel, unsigned reg, uint64_t value)
{
    rig->mmio->write(rig->mmio, channel * SIM_CHANNEL_SIZE + reg, 8, value);
}

static inline uint64_t rig_read(struct rig *rig, unsigned channel, unsigned reg)
{
    return rig->mmio->read(rig->mmio, channel * SIM_CHANNEL_SIZE + reg, 8);
}

static inline void rig_registers(struct rig *rig, unsigned channel)
{
    uint64_t base = rig_base(channel);
    memset(rig->bytes + base, 0, RIG_CHANNEL);
    rig->filled[channel] = rig->reaped[channel] = 0;
    rig_write(rig, channel, SIM_REG_RING, base + RIG_RING);
    rig_write(rig, channel, SIM_REG_RING_SIZE, rig->ring_size);
    rig_write(rig, channel, SIM_REG_TAIL, base + RIG_TAIL);
    rig_write(rig, channel, SIM_REG_HEAD, base + RIG_HEAD);
    rig_write(rig, channel, SIM_REG_COMPLETION, base + RIG_COMPLETION);
    rig_write(rig, channel, SIM_REG_COMPLETION_SIZE, rig->completion_size);
    rig_write(rig, channel, SIM_REG_REGIONS, RIG_REGIONS);
    rig_write(rig, channel, SIM_REG_REGION_COUNT, RIG_REGION_COUNT);
    rig_write(rig, channel, SIM_REG_SHAPES, base + RIG_SHAPES);
    rig_write(rig, channel, SIM_REG_INTERRUPT, channel);
}

static inline void rig_make(struct rig *rig, const struct sim_controller_params *p,
                            sim_time latency)
{
    const struct sim_interrupt_params each = { .count = 1 };
    *rig = (struct rig){ .target = { rig_submit },
                         .latency = latency,
                         .ring_size = 1024,
                         .completion_size = 512,
                         .master = { .name = "controller", .device = 1 } };
    rig->bytes = calloc(1, RIG_SIZE);
    assert_non_null(rig->bytes);
    assert_null(sim_controller_kind.check(p));
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    assert_int_equal(sim_interrupts_create(&rig->interrupts, rig->kernel, &each, rig_deliver, rig),
                     0);
    assert_int_equal(sim_controller_create(&rig->controller, rig->kernel, &rig->target,
                                           &rig->master, rig->interrupts, p),
                     0);
    rig->mmio = sim_controller_mmio(rig->controller);
    for (unsigned channel = 0; channel < p->channels && channel < RIG_CHANNELS; channel++)
        rig_registers(rig, channel);
}

static inline void rig_free(struct rig *rig)
{
    sim_controller_destroy(&rig->controller);
    sim_interrupts_destroy(&rig->interrupts);
    sim_kernel_destroy(&rig->kernel);
    free(rig->bytes);
}

static inline void rig_start(struct rig *rig, unsigned channel)
{
    rig_write(rig, channel, SIM_REG_CONTROL, SIM_CONTROL_RUN);
}

/* Entry `index` of the region table; the generation is 1. */
static inline dray_key rig_map(struct rig *rig, uint32_t index, uint64_t address, uint64_t length,
                               unsigned rights, unsigned kind, uint64_t device)
{
    struct sim_region_entry entry = { .key = 1u << 20 | index,
                                      .rights = (uint8_t)rights,
                                      .kind = (uint8_t)kind,
                                      .address = address,
                                      .length = length,
                                      .device = device };
    memcpy(rig->bytes + RIG_REGIONS + index * sizeof(entry), &entry, sizeof(entry));
    return (dray_key){ entry.key };
}

static inline dray_key rig_memory(struct rig *rig, uint32_t index, uint64_t address,
                                  uint64_t length)
{
    return rig_map(rig, index, address, length, SIM_RIGHT_READ | SIM_RIGHT_WRITE, SIM_REGION_MEMORY,
                   0);
}

static inline struct dray_desc *rig_desc_at(struct rig *rig, unsigned channel, uint32_t slot)
{
    return (struct dray_desc *)(rig->bytes + rig_base(channel) + RIG_RING +
                                (uint64_t)(slot & (rig->ring_size - 1)) * 64);
}

static inline struct dray_desc *rig_get(struct rig *rig, unsigned channel)
{
    return rig_desc_at(rig, channel, rig->filled[channel]++);
}

/* Of the descriptor that was got last. */
static inline struct dray_shape *rig_shape(struct rig *rig, unsigned channel)
{
    uint64_t slot = (rig->filled[channel] - 1) & (rig->ring_size - 1);
    return (struct dray_shape *)(rig->bytes + rig_base(channel) + RIG_SHAPES + slot * 128);
}

static inline void rig_publish(struct rig *rig, unsigned channel)
{
    memcpy(rig->bytes + rig_base(channel) + RIG_TAIL, &rig->filled[channel], 4);
    rig_write(rig, channel, SIM_REG_DOORBELL, 1);
}

static inline void rig_run(struct rig *rig)
{
    assert_int_equal(sim_run(rig->kernel, SIM_NEVER), 0);
}

static inline void rig_run_for(struct rig *rig, sim_time time)
{
    assert_int_equal(sim_run(rig->kernel, sim_now(rig->kernel) + time), 0);
}

/* The next completion; false: it is not written. */
static inline bool rig_reap(struct rig *rig, unsigned channel, struct dray_completion *c)
{
    uint32_t i = rig->reaped[channel];
    memcpy(c,
           rig->bytes + rig_base(channel) + RIG_COMPLETION +
               (uint64_t)(i & (rig->completion_size - 1)) * sizeof(*c),
           sizeof(*c));
    if ((c->flags & 1) != ((i & rig->completion_size) == 0))
        return false;
    rig->reaped[channel]++;
    return true;
}

static inline struct dray_completion rig_wait(struct rig *rig, unsigned channel)
{
    struct dray_completion c;
    while (!rig_reap(rig, channel, &c))
        if (!sim_step(rig->kernel))
            fail_msg("no completion comes");
    return c;
}

static inline struct dray_completion rig_finish(struct rig *rig, unsigned channel)
{
    rig_publish(rig, channel);
    return rig_wait(rig, channel);
}

static inline void rig_seen(struct rig *rig, unsigned channel)
{
    rig_write(rig, channel, SIM_REG_SEEN, rig->reaped[channel]);
}

#define assert_status(completion, expected)                                            \
    do {                                                                               \
        struct dray_completion is_ = (completion);                                     \
        if (is_.status != (expected))                                                  \
            fail_msg("status %u, expected %u (result %llu, index %u)", is_.status,     \
                     (unsigned)(expected), (unsigned long long)is_.result, is_.index); \
    } while (0)

#endif
