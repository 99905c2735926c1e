/* Masters that ask a bus for bytes, for tests of what is behind them. */
#ifndef DRAY_TESTS_MACHINE_TRAFFIC_H
#define DRAY_TESTS_MACHINE_TRAFFIC_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

enum {
    TRAFFIC_REQUESTS = 256, /* of one master under way */
};

struct traffic;

struct traffic_slot {
    struct sim_request request;
    struct traffic *owner;
    bool busy;
    uint8_t bytes[4096];
};

/* Reads or writes `size` bytes after `size` bytes, round and round in [base, base + span): `deep`
 * requests at once, always, or one each `period` whatever happens to it. */
struct traffic {
    struct sim_kernel *kernel;
    struct sim_target *target;
    struct sim_master master;
    enum sim_op op;
    uint32_t size;
    uint64_t base, span, position;
    sim_time period;
    struct sim_event tick;
    struct traffic_slot *slots;
    uint64_t asked, done, refused; /* refused: no slot was free */
    sim_time last;                 /* was done */
};

static inline struct traffic_slot *traffic_slot_take(struct traffic *t)
{
    for (unsigned i = 0; i < TRAFFIC_REQUESTS; i++) {
        if (!t->slots[i].busy) {
            t->slots[i].busy = true;
            return &t->slots[i];
        }
    }
    return NULL;
}

static inline void traffic_ask(struct traffic *t, struct traffic_slot *slot)
{
    slot->request.address = t->base + t->position;
    t->position = (t->position + t->size) % t->span;
    t->asked++;
    sim_submit(t->target, &slot->request);
}

static inline void traffic_done(struct sim_request *request)
{
    struct traffic_slot *slot = SIM_OWNER(request, struct traffic_slot, request);
    struct traffic *t = slot->owner;

    t->done++;
    t->last = sim_now(t->kernel);
    if (t->period)
        slot->busy = false;
    else
        traffic_ask(t, slot);
}

static inline void traffic_tick(struct sim_event *event)
{
    struct traffic *t = SIM_OWNER(event, struct traffic, tick);
    struct traffic_slot *slot = traffic_slot_take(t);

    if (slot)
        traffic_ask(t, slot);
    else
        t->refused++;
    sim_after(t->kernel, &t->tick, t->period);
}

/* Fill in what is asked for (op, size, base, span) before, then start it with one of the two below. */
static inline void traffic_init(struct traffic *t, struct sim_kernel *kernel, struct sim_bus *bus,
                                const char *name, unsigned weight)
{
    t->kernel = kernel;
    t->target = sim_bus_target(bus);
    t->master.name = name;
    sim_bus_add_master(bus, &t->master, weight);
    t->slots = calloc(TRAFFIC_REQUESTS, sizeof(t->slots[0]));
    for (unsigned i = 0; i < TRAFFIC_REQUESTS; i++) {
        struct traffic_slot *slot = &t->slots[i];

        slot->owner = t;
        slot->request.master = &t->master;
        slot->request.op = t->op;
        slot->request.size = t->size;
        slot->request.data = slot->bytes;
        slot->request.done = traffic_done;
    }
}

static inline void traffic_start_deep(struct traffic *t, unsigned deep)
{
    for (unsigned i = 0; i < deep; i++)
        traffic_ask(t, traffic_slot_take(t));
}

static inline void traffic_start_periodic(struct traffic *t, sim_time period)
{
    t->period = period;
    sim_event_init(&t->tick, traffic_tick);
    sim_after(t->kernel, &t->tick, period);
}

static inline void traffic_end(struct traffic *t)
{
    free(t->slots);
}

#endif
