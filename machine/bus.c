/* Whose turn it is, and for how long. */
#include "bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus_internal.h"

#define OFFSET(member) offsetof(struct sim_bus_params, member)

static const char *const arbiters[] = { "priority", "round-robin", "weighted", "fifo", NULL };

/* A line of 64 bytes holds the bus for 1.25 ns: 51.2 GB/s, what two channels of DDR4-3200 give. With
 * the DRAM's standard an access takes 82.5 ns where a row must be opened, and a device finds it 70 ns
 * sooner in a cache (pcie-bench, SIGCOMM 2018). The split between the parts is assumed. */
static const struct sim_param params[] = {
    { "arbiter", SIM_UNIT_CHOICE, OFFSET(arbiter), SIM_ARBITER_ROUND_ROBIN, 0, SIM_ARBITER_FIFO, 0,
      arbiters, "who is granted of those who wait" },
    { "overhead", SIM_UNIT_TIME, OFFSET(overhead), 250, 0, SIM_MS, 0, NULL,
      "of each burst, for arbitration and address" },
    { "bandwidth", SIM_UNIT_RATE, OFFSET(bandwidth), 64000000000, 1000, 100 * SIM_S, 0, NULL,
      "of data while a burst is moved" },
    { "burst", SIM_UNIT_BYTES, OFFSET(burst), 256, 1, 4096, SIM_POWER_OF_TWO, NULL,
      "at most for one grant; longer requests are several bursts" },
    { "latency", SIM_UNIT_TIME, OFFSET(latency), 20000, 0, SIM_MS, 0, NULL,
      "from a grant to memory, and the same back" },
    { "line", SIM_UNIT_BYTES, OFFSET(line), 64, 16, 256, SIM_POWER_OF_TWO, NULL,
      "of a cache: what is snooped" },
    { "from_cache", SIM_UNIT_TIME, OFFSET(from_cache), 12500, 0, SIM_MS, 0, NULL,
      "until another cache has answered" },
    /* 80 lines at 51.2 GB/s: the queue of a memory controller (assumed). */
    { "ahead", SIM_UNIT_TIME, OFFSET(ahead), 100000, 0, SIM_S, 0, NULL,
      "work that memory may have before it; more, and nothing is granted (0: any)" },
};

const struct sim_part_kind sim_bus_kind = {
    .name = "bus",
    .about = "joins cores, devices and memory; one burst at a time, snooped by coherent caches",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_bus_params),
};

/* ---- arbiters: the port that is granted, of those in bus->waiting, which is not 0 ---- */

static unsigned lowest(uint64_t set)
{
    return (unsigned)__builtin_ctzll(set);
}

/* The first of a set after `from`, round the end. */
static unsigned next_after(uint64_t set, unsigned from)
{
    uint64_t above = from < 63 ? set & (UINT64_MAX << (from + 1)) : 0;

    return lowest(above ? above : set);
}

/* A line that a cache asks for is not divided: its bytes move at one grant. */
static uint32_t burst_size(const struct sim_bus *bus, const struct sim_request *request)
{
    uint32_t left = request->size - (uint32_t)request->held[BUS_MOVED];

    if (request->op != SIM_READ && request->op != SIM_WRITE)
        return request->op == SIM_UPGRADE ? 0 : left;
    return left < bus->params.burst ? left : (uint32_t)bus->params.burst;
}

static sim_time hold_time(const struct sim_bus *bus, uint32_t size)
{
    if (size == bus->params.line)
        return bus->held_line;
    return bus->params.overhead + sim_rate_time(size, bus->params.bandwidth);
}

static unsigned pick_weighted(struct sim_bus *bus)
{
    unsigned i = bus->granted;

    /* One round adds more than the longest burst costs, so this ends within a round. */
    for (;;) {
        struct bus_port *port = &bus->ports[i];

        if (port->first) {
            sim_time cost = hold_time(bus, burst_size(bus, port->first));

            if (port->credit >= cost) {
                port->credit -= cost;
                return i;
            }
        }
        i = next_after(bus->waiting, i);
        bus->ports[i].credit += bus->ports[i].quantum;
    }
}

static unsigned pick_fifo(const struct sim_bus *bus)
{
    unsigned best = lowest(bus->waiting);

    for (uint64_t set = bus->waiting; set; set &= set - 1) {
        unsigned i = lowest(set);

        if (bus->ports[i].first->held[BUS_ORDER] < bus->ports[best].first->held[BUS_ORDER])
            best = i;
    }
    return best;
}

static unsigned pick(struct sim_bus *bus)
{
    switch (bus->params.arbiter) {
    case SIM_ARBITER_PRIORITY:
        return lowest(bus->waiting);
    case SIM_ARBITER_WEIGHTED:
        return pick_weighted(bus);
    case SIM_ARBITER_FIFO:
        return pick_fifo(bus);
    default:
        return next_after(bus->waiting, bus->granted);
    }
}

/* ---- spans ---- */

static void end_span(struct sim_event *event)
{
    struct sim_bus *bus = SIM_OWNER(event, struct sim_bus, span_end);

    /* A turn that comes now continues the span or ends it. */
    if (sim_event_pending(&bus->turn) && bus->turn_at == bus->span.time)
        return;
    bus->span_open = false;
    sim_note(bus->kernel, &bus->span);
}

/* An event of its own ends a span, so that whether somebody watches changes nothing for others. */
static void add_span(struct sim_bus *bus, const struct sim_request *request, uint32_t size,
                     sim_time held)
{
    struct sim_note *span = &bus->span;
    sim_time now = sim_now(bus->kernel);

    if (bus->span_open && span->text == request->master->name && now == span->time) {
        span->value += held;
        span->size += size;
    } else {
        if (bus->span_open)
            sim_note(bus->kernel, span);
        *span = (struct sim_note){ .kind = SIM_NOTE_SPAN,
                                   .part = "bus",
                                   .address = request->address,
                                   .size = size,
                                   .value = held,
                                   .text = request->master->name };
    }
    bus->span_open = true;
    span->time = now + held;
    sim_at(bus->kernel, &bus->span_end, span->time);
}

static void note_queue(const struct sim_bus *bus)
{
    if (sim_watchers(bus->kernel))
        sim_note(bus->kernel, &(struct sim_note){ .kind = SIM_NOTE_COUNT,
                                                  .time = sim_now(bus->kernel),
                                                  .part = "bus",
                                                  .value = bus->requests - bus->served,
                                                  .text = "requests waiting" });
}

/* ---- turns ---- */

static void finish(struct sim_event *event)
{
    struct sim_request *request = SIM_OWNER(event, struct sim_request, event);

    request->done(request);
}

static void remove_first(struct sim_bus *bus, unsigned number)
{
    struct bus_port *port = &bus->ports[number];

    port->first = port->first->next;
    if (port->first)
        return;
    bus->waiting &= ~(1ull << number);
    port->credit = 0; /* who wants nothing saves nothing */
}

static void count_burst(struct bus_port *port, const struct sim_request *request, uint32_t size,
                        sim_time now, sim_time held)
{
    sim_time from = request->held[BUS_MOVED] ? port->since : request->submitted;

    port->stats.bursts++;
    port->stats.bytes += size;
    port->stats.busy += held;
    port->stats.waiting += now - from;
    port->stats.waiting_max = bus_later(port->stats.waiting_max, now - from);
}

static void grant(struct sim_bus *bus, unsigned number)
{
    struct bus_port *port = &bus->ports[number];
    struct sim_request *request = port->first;
    uint32_t offset = (uint32_t)request->held[BUS_MOVED];
    uint32_t size = burst_size(bus, request);
    sim_time now = sim_now(bus->kernel), held = hold_time(bus, size);

    bus->granted = number;
    count_burst(port, request, size, now, held);
    if (sim_watchers(bus->kernel))
        add_span(bus, request, size, held);
    bus->free = now + held;
    port->answer =
        bus_later(offset ? port->answer : 0, bus_access(bus, request, offset, size, bus->free));
    request->held[BUS_MOVED] += size;
    if (request->op != SIM_UPGRADE && request->status == SIM_OK &&
        request->held[BUS_MOVED] < request->size) {
        port->since = bus->free;
        return;
    }
    port->stats.requests++;
    remove_first(bus, number);
    bus->served++;
    note_queue(bus);
    sim_event_init(&request->event, finish);
    sim_at(bus->kernel, &request->event, port->answer);
    if (request->granted && request->status == SIM_OK)
        request->granted(request);
}

/* A memory that is slower than the bus holds it up: else requests would queue behind the arbiter, where
 * its order is lost on them. Returns from when on memory takes more. */
static sim_time memory_ready(const struct sim_bus *bus)
{
    sim_time lead = bus->params.latency + bus->params.ahead, busy;

    if (!bus->dram || !bus->params.ahead)
        return 0;
    busy = sim_dram_free(bus->dram);
    return busy > lead ? busy - lead : 0;
}

/* Only a grant changes from when on the next may come, so the turn can be fixed now. */
static void schedule_turn(struct sim_bus *bus)
{
    if (sim_event_pending(&bus->turn))
        return;
    bus->turn_at = bus_later(sim_now(bus->kernel), bus_later(bus->free, memory_ready(bus)));
    sim_at(bus->kernel, &bus->turn, bus->turn_at);
}

static void take_turn(struct sim_event *event)
{
    struct sim_bus *bus = SIM_OWNER(event, struct sim_bus, turn);

    grant(bus, pick(bus));
    if (bus->waiting)
        schedule_turn(bus);
}

static void submit(struct sim_target *target, struct sim_request *request)
{
    struct sim_bus *bus = SIM_OWNER(target, struct sim_bus, target);
    unsigned number = request->master->number;
    struct bus_port *port = &bus->ports[number];

    request->status = SIM_OK;
    request->shared = request->from_cache = false;
    request->physical = request->address;
    request->submitted = sim_now(bus->kernel);
    request->held[BUS_MOVED] = 0;
    request->held[BUS_ORDER] = bus->requests++;
    request->holder = bus;
    request->next = NULL;
    if (port->first)
        port->last->next = request;
    else
        port->first = request;
    port->last = request;
    bus->waiting |= 1ull << number;
    note_queue(bus);
    /* Not at once even if the bus is free: all who ask at this moment take part. */
    schedule_turn(bus);
}

/* ---- building ---- */

int sim_bus_create(struct sim_bus **bus, struct sim_kernel *kernel, struct sim_memory *memory,
                   struct sim_dram *dram, const struct sim_bus_params *p)
{
    struct sim_bus *b = calloc(1, sizeof(*b));

    *bus = b;
    if (!b)
        return -ENOMEM;
    b->target.submit = submit;
    b->kernel = kernel;
    b->memory = memory;
    b->dram = dram;
    b->params = *p;
    b->held_line = p->overhead + sim_rate_time(p->line, p->bandwidth);
    sim_event_init(&b->turn, take_turn);
    sim_event_init(&b->span_end, end_span);
    return 0;
}

void sim_bus_destroy(struct sim_bus **bus)
{
    free(*bus);
    *bus = NULL;
}

void sim_bus_add_master(struct sim_bus *bus, struct sim_master *master, unsigned weight)
{
    struct bus_port *port = &bus->ports[bus->count];
    uint64_t longest = bus_later(bus->params.burst, bus->params.line);

    if (bus->count == SIM_BUS_MASTERS) {
        fprintf(stderr, "bus: %s is one master more than %d\n", master->name, SIM_BUS_MASTERS);
        abort();
    }
    master->number = bus->count++;
    port->master = master;
    port->quantum = (weight ? weight : 1) * hold_time(bus, (uint32_t)longest);
}

void sim_bus_add_snooper(struct sim_bus *bus, struct sim_snooper *snooper)
{
    snooper->next = bus->snoopers;
    bus->snoopers = snooper;
}

void sim_bus_add_observer(struct sim_bus *bus, struct sim_observer *observer)
{
    observer->next = bus->observers;
    bus->observers = observer;
}

void sim_bus_add_mmio(struct sim_bus *bus, struct sim_mmio *mmio)
{
    mmio->next = bus->mmios;
    bus->mmios = mmio;
}

struct sim_target *sim_bus_target(struct sim_bus *bus)
{
    return &bus->target;
}

struct sim_memory *sim_bus_memory(struct sim_bus *bus)
{
    return bus->memory;
}

const struct sim_bus_params *sim_bus_params(const struct sim_bus *bus)
{
    return &bus->params;
}

void sim_bus_stats(const struct sim_bus *bus, const struct sim_master *master,
                   struct sim_bus_stats *stats)
{
    *stats = bus->ports[master->number].stats;
}
