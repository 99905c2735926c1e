/* The engine: what the host's side of a queue sees. */
#include "engine/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain/region.h"
#include "dray/io.h"
#include "engine/engines.h"

/* How far the machine runs at a time when nothing completes: long for hardware, short for a time-out. */
#define TURN (100 * SIM_US)

struct model_engine {
    struct dray_engine engine;
    struct dray_machine *machine;
    bool own; /* made by open */
};

static int model_open(struct dray_engine **engine, struct dray_domain *domain,
                      const struct dray_engine_options *options)
{
    if (options->mode > DRAY_MODE_INLINE)
        return -ENOTSUP;
    struct model_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->machine = options->machine;
    e->own = !options->machine;
    char why[160];
    int error = e->own ? dray_machine_create(&e->machine, NULL, why, sizeof(why)) : 0;
    if (!error && e->machine->engines && e->machine->domain != domain)
        error = -EBUSY; /* one table of regions, one domain */
    if (error) {
        if (e->own)
            dray_machine_destroy(&e->machine);
        free(e);
        return error;
    }
    if (e->machine->engines++ == 0)
        dray_reader_register(domain, &e->machine->reader);
    e->machine->domain = domain;
    *engine = &e->engine;
    return 0;
}

static void model_close(struct dray_engine *engine)
{
    struct model_engine *e = (struct model_engine *)engine;
    if (--e->machine->engines == 0)
        dray_reader_unregister(e->machine->domain, &e->machine->reader);
    if (e->own)
        dray_machine_destroy(&e->machine);
    free(e);
}

static void model_capabilities(const struct dray_engine *engine, struct dray_capabilities *caps)
{
    const struct model_engine *e = (const struct model_engine *)engine;
    const struct sim_machine_params *p = &e->machine->sim->params;
    *caps = (struct dray_capabilities){
        .name = engine->driver->name,
        .summary = engine->driver->summary,
        .opcodes = 1u << DRAY_OP_NOP | 1u << DRAY_OP_COPY | 1u << DRAY_OP_STRIDED |
                   1u << DRAY_OP_FILL | 1u << DRAY_OP_COMPARE | 1u << DRAY_OP_CRC32C |
                   1u << DRAY_OP_FENCE | 1u << DRAY_OP_SIGNAL | 1u << DRAY_OP_WAIT |
                   1u << DRAY_OP_LINK,
        .limits = { .segment_max =
                        p->controller.segment_max ? p->controller.segment_max : DRAY_LENGTH_MAX,
                    .segments_max = DRAY_CHAIN_MAX,
                    .alignment = (uint32_t)p->controller.alignment,
                    .address_bits = 64 },
        .coherent = p->system.snooped,
        .moves = true,
        .mode = DRAY_MODE_INLINE,
    };
}

static bool model_copies(const struct dray_engine *engine, enum dray_region_kind dst,
                         enum dray_region_kind src)
{
    (void)engine;
    return dray_kind_is_memory(dst) && dray_kind_is_memory(src);
}

/* ---- serving ---- */

/* As many as the machine's ring may hold are taken ahead of it; the rest waits in the host's. */
static uint32_t room_for(const struct model_channel *ch)
{
    size_t taken = model_list_left(&ch->pending) + model_list_left(&ch->flight);
    return taken < ch->port->depth ? ch->port->depth - (uint32_t)taken : 0;
}

/* Descriptors leave the host's ring at once. Returns 0; -ENOMEM. */
static int take(struct model_channel *ch)
{
    struct dray_port *port = ch->port;
    uint32_t n = dray_port_available(port), room = room_for(ch);
    for (n = n < room ? n : room; n; n--) {
        struct model_entry *entry = model_list_push(&ch->pending, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        dray_port_fetch(port, 0, &entry->desc);
        dray_port_copy(&entry->shape, dray_port_shape(port, 0), sizeof(entry->shape));
        dray_port_advance(port, 1);
        if (model_regions_want(ch->machine, &entry->desc))
            return -ENOMEM;
    }
    ch->machine->quiet = 0;
    ch->machine->fresh = true;
    return 0;
}

/* Which side of a descriptor was refused: asked of the host's table, for the completion does not say. */
static bool is_source(const struct model_channel *ch, const struct dray_desc *d)
{
    const struct dray_slot *slot;
    return dray_resolve(dray_domain_table(ch->machine->domain), d->src_key, d->src_offset,
                        d->length, DRAY_READ, &slot) != DRAY_STATUS_OK;
}

static void tell_fault(struct model_channel *ch, const struct model_result *result)
{
    const struct dray_completion *c = &result->completion;
    const struct dray_desc *d = &result->failed;
    if (!dray_status_is_fault((enum dray_status)c->status))
        return;
    bool source = c->access == DRAY_ACCESS_FETCH || is_source(ch, d);
    dray_domain_fault(ch->machine->domain,
                      &(struct dray_fault){ .queue = ch->queue_number,
                                            .descriptor = c->index,
                                            .user_data = c->user_data,
                                            .key = source ? d->src_key : d->dst_key,
                                            .offset = source ? d->src_offset : d->dst_offset,
                                            .length = d->length,
                                            .access = (enum dray_access)c->access,
                                            .reason = (enum dray_status)c->status });
}

/* Completions to the host's ring, as far as there is room. */
static void deliver(struct model_channel *ch)
{
    for (; model_list_left(&ch->done) && dray_port_room(ch->port); ch->done.first++) {
        const struct model_result *result =
            &((struct model_result *)ch->done.items)[ch->done.first];
        tell_fault(ch, result);
        dray_port_complete(ch->port, &result->completion, result->notify);
    }
}

/* Driver code begins, or hears that there is something for it. */
static int rouse(struct dray_machine *m)
{
    for (unsigned i = 0; i < m->sim->core_count; i++) {
        if (m->running[i]) {
            sim_core_interrupt(m->sim->cores[i], SIM_INTERRUPTS - 1);
            continue;
        }
        int error = sim_core_run(m->sim->cores[i], sim_now(m->sim->kernel), model_channel_main, m);
        if (error)
            return error;
        m->running[i] = true;
    }
    return 0;
}

/* When nothing is under way, no region's bytes are the machine's business. */
static void want_none(struct dray_machine *m)
{
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++)
        if (model_list_left(&m->channels[i].pending) || model_list_left(&m->channels[i].flight))
            return;
    memset(m->wanted, false, sizeof(m->wanted));
    memset(m->stale, false, sizeof(m->stale));
}

/* What the host has. Inside a reader: an unmap waits until nothing of a region is looked at any more. */
static int bring_in(struct dray_machine *m)
{
    int error = 0;
    dray_reader_enter(dray_domain_table(m->domain), &m->reader);
    if (m->fresh)
        error = model_regions_update(m);
    if (m->fresh && !error)
        model_regions_in(m);
    model_flags_in(m);
    dray_reader_leave(&m->reader);
    return error;
}

static void bring_out(struct dray_machine *m)
{
    bool told = model_flags_changed(m);
    dray_reader_enter(dray_domain_table(m->domain), &m->reader);
    if (told || model_list_left(&m->outs))
        model_regions_out(m, told);
    dray_reader_leave(&m->reader);
}

static int run(struct dray_machine *m)
{
    struct sim_kernel *kernel = m->sim->kernel;
    int error = bring_in(m);
    if (error)
        return error;
    if (m->fresh)
        error = rouse(m);
    m->fresh = false;
    sim_time next = sim_next(kernel), until = sim_now(kernel) + TURN;
    if (!error && next != SIM_NEVER)
        error = sim_run(kernel, next > until ? next : until);
    bring_out(m);
    want_none(m);
    return error ? error : m->broken;
}

/* Nothing more will come: who waits learns it. */
static void give_up(struct dray_machine *m, int error)
{
    if (error)
        model_break(m, error,
                    error == -ENOMEM ? "the machine has not memory enough for the regions"
                                     : "the machine cannot go on");
    for (unsigned i = 0; m->broken && i < SIM_CONTROLLER_CHANNELS; i++)
        if (m->channels[i].port)
            dray_port_break(m->channels[i].port);
}

static void serve(struct model_channel *ch)
{
    struct dray_machine *m = ch->machine;
    if (m->broken)
        return;
    if (dray_port_available(ch->port) && room_for(ch))
        give_up(m, take(ch));
    else if (!model_list_left(&ch->done) && ++m->quiet > m->channel_count)
        give_up(m, run(m));
    if (!m->broken)
        deliver(ch);
}

static void model_service(struct dray_port *port)
{
    struct model_channel *ch = port->engine_data;
    serve(ch);
    dray_port_moderate(port, true);
    port->again_ns = dray_io_clock_ns(); /* who waits shall go on calling: the machine runs so */
}

static int model_attach(struct dray_engine *engine, struct dray_port *port, uint32_t number,
                        struct dray_binding *binding)
{
    struct dray_machine *m = ((struct model_engine *)engine)->machine;
    unsigned i = 0;
    if (!m->sim->params.controller.descriptors)
        return -ENOTSUP; /* block mode alone: there is no ring to be filled */
    while (i < m->sim->params.controller.channels && m->channels[i].port)
        i++;
    if (i == m->sim->params.controller.channels)
        return -EBUSY;
    struct model_channel *ch = &m->channels[i];
    *ch = (struct model_channel){ .machine = m, .port = port, .number = i, .queue_number = number };
    int error = model_channel_create(ch, port->depth, port->completion_depth);
    if (error) {
        ch->port = NULL;
        return error;
    }
    m->channel_count++;
    port->engine_data = ch;
    *binding = (struct dray_binding){ .service = model_service,
                                      .service_on_doorbell = true,
                                      .doorbell_fd = -1 };
    return 0;
}

/* The driver resets the channel and says when it is out of it: only then its lists may go. */
static void model_detach(struct dray_engine *engine, struct dray_port *port)
{
    (void)engine;
    struct model_channel *ch = port->engine_data;
    struct dray_machine *m = ch->machine;
    struct sim_kernel *kernel = m->sim->kernel;
    ch->port = NULL;
    m->channel_count--;
    ch->stopping = true;
    bool runs = m->running[ch->number % m->sim->core_count];
    int error = runs ? rouse(m) : 0;
    while (runs && !error && !ch->stopped && sim_next(kernel) != SIM_NEVER)
        error = sim_run(kernel, sim_next(kernel) + TURN);
    model_list_free(&ch->pending);
    model_list_free(&ch->done);
    model_list_free(&ch->flight);
    model_list_free(&ch->open);
    ch->stopping = false;
    want_none(m);
}

static void model_stats(const struct dray_engine *engine, struct dray_engine_stats *stats)
{
    const struct dray_machine *m = ((const struct model_engine *)engine)->machine;
    for (unsigned i = 0; i < m->sim->params.controller.channels; i++) {
        struct sim_controller_stats s;
        sim_controller_stats(m->sim->controller, i, &s);
        stats->transactions += s.transactions;
        stats->descriptors += s.descriptors;
        stats->moved_bytes += s.moved;
    }
}

const struct dray_engine_driver dray_model_driver = {
    .name = "model",
    .summary = "a controller of a modelled computer: what it would cost, and its hazards",
    .open = model_open,
    .close = model_close,
    .capabilities = model_capabilities,
    .copies = model_copies,
    .attach = model_attach,
    .detach = model_detach,
    .stats = model_stats,
};
