/*
 * The smallest host for a part under test: it gives each request its turn `turn` after it came,
 * moves its bytes to and from an array, and is done `latency` after that. What the array does not
 * hold is refused. It remembers the order of turns.
 */
#ifndef DRAY_TESTS_MACHINE_PLAIN_H
#define DRAY_TESTS_MACHINE_PLAIN_H

#include "memory.h"
#include "request.h"

enum {
    PLAIN_TURNS = 4096
};

struct plain {
    struct sim_target target;
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    sim_time turn, latency;
    uint64_t reads, writes, refused; /* requests */
    uint64_t under_way, under_way_max;
    uint64_t untaken, untaken_max; /* bytes of writes that came and had no turn yet */
    struct {
        sim_time time;
        uint64_t address, shift;
        uint32_t size, device;
        bool write;
    } turns[PLAIN_TURNS]; /* the first of them */
};

static inline void plain_done(struct sim_event *event)
{
    struct sim_request *request = SIM_OWNER(event, struct sim_request, event);
    struct plain *plain = request->holder;

    plain->under_way--;
    request->done(request);
}

static inline void plain_take_turn(struct sim_event *event)
{
    struct sim_request *request = SIM_OWNER(event, struct sim_request, event);
    struct plain *plain = request->holder;
    uint64_t turn = plain->reads + plain->writes;
    bool write = request->op != SIM_READ;

    if (turn < PLAIN_TURNS) {
        plain->turns[turn].time = sim_now(plain->kernel);
        plain->turns[turn].address = request->address;
        plain->turns[turn].shift = request->shift;
        plain->turns[turn].size = request->size;
        plain->turns[turn].device = request->master ? request->master->device : 0;
        plain->turns[turn].write = write;
    }
    plain->reads += !write;
    plain->writes += write;
    plain->untaken -= write ? request->size : 0;
    request->physical = request->address;
    request->status = SIM_OK;
    if (!sim_memory_holds(plain->memory, request->address, request->size)) {
        plain->refused++;
        request->status = SIM_FAULT;
    } else if (write) {
        sim_memory_write(plain->memory, request->address, request->data, request->size);
    } else {
        sim_memory_read(plain->memory, request->address, request->data, request->size);
    }
    if (request->status == SIM_OK && request->granted)
        request->granted(request);
    sim_event_init(&request->event, plain_done);
    sim_after(plain->kernel, &request->event, plain->latency);
}

static inline void plain_submit(struct sim_target *target, struct sim_request *request)
{
    struct plain *plain = SIM_OWNER(target, struct plain, target);

    request->holder = plain;
    if (++plain->under_way > plain->under_way_max)
        plain->under_way_max = plain->under_way;
    plain->untaken += request->op != SIM_READ ? request->size : 0;
    if (plain->untaken > plain->untaken_max)
        plain->untaken_max = plain->untaken;
    sim_event_init(&request->event, plain_take_turn);
    if (plain->turn)
        sim_after(plain->kernel, &request->event, plain->turn);
    else
        plain_take_turn(&request->event);
}

/* A host of `size` bytes of memory. Returns 0; -ENOMEM. */
static inline int plain_begin(struct plain *plain, struct sim_kernel *kernel, uint64_t size)
{
    memset(plain, 0, sizeof(*plain));
    plain->target.submit = plain_submit;
    plain->kernel = kernel;
    return sim_memory_create(&plain->memory, size);
}

static inline void plain_end(struct plain *plain)
{
    sim_memory_destroy(&plain->memory);
}

#endif
