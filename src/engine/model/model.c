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
    e->machine->engines++;
    e->machine->domain = domain;
    *engine = &e->engine;
    return 0;
}

static void model_close(struct dray_engine *engine)
{
    struct model_engine *e = (struct model_engine *)engine;
    e->machine->engines--;
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

static bool is_memory(enum dray_region_kind kind)
{
    return kind == DRAY_REGION_MEMORY || kind == DRAY_REGION_PIECES || kind == DRAY_REGION_FLAGS;
}

static bool model_copies(const struct dray_engine *engine, enum dray_region_kind dst,
                         enum dray_region_kind src)
{
    (void)engine;
    return is_memory(dst) && is_memory(src);
}

/* ---- serving ---- */

/* Descriptors leave the host's ring at once. Returns 0; -ENOMEM. */
static int take(struct model_channel *ch)
{
    struct dray_port *port = ch->port;
    for (uint32_t n = dray_port_available(port); n; n--) {
        struct model_entry *entry = model_list_push(&ch->pending, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        dray_port_fetch(port, 0, &entry->desc);
        dray_port_copy(&entry->shape, dray_port_shape(port, 0), sizeof(entry->shape));
        dray_port_advance(port, 1);
        model_regions_want(ch->machine, &entry->desc);
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

static bool is_fault(unsigned status)
{
    return status != DRAY_STATUS_OK && status != DRAY_STATUS_TIMEOUT && status != DRAY_STATUS_END &&
           status != DRAY_STATUS_FULL && status != DRAY_STATUS_CLOSED && status != DRAY_STATUS_IO;
}

static void tell_fault(struct model_channel *ch, const struct model_result *result)
{
    const struct dray_completion *c = &result->completion;
    const struct dray_desc *d = &result->failed;
    bool source = c->access == DRAY_ACCESS_FETCH || is_source(ch, d);
    if (is_fault(c->status))
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
static bool deliver(struct model_channel *ch)
{
    bool any = false;
    for (; model_list_left(&ch->done) && dray_port_room(ch->port); ch->done.first++) {
        const struct model_result *result =
            &((struct model_result *)ch->done.items)[ch->done.first];
        tell_fault(ch, result);
        dray_port_complete(ch->port, &result->completion, true);
        any = true;
    }
    return any;
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

/* What the machine has written since the last time goes to the host. */
static void bring_out(struct dray_machine *m)
{
    if (m->ran)
        model_regions_out(m);
    m->ran = m->completed = false;
}

/* When nothing is under way, no region's bytes are the machine's business. */
static void want_none(struct dray_machine *m)
{
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++)
        if (model_list_left(&m->channels[i].pending) || model_list_left(&m->channels[i].flight))
            return;
    memset(m->wanted, false, sizeof(m->wanted));
}

static int run(struct dray_machine *m)
{
    struct sim_kernel *kernel = m->sim->kernel;
    int error = 0;
    if (m->fresh) {
        bring_out(m); /* so that what goes in is not older than what is there */
        error = model_regions_update(m);
        if (!error) {
            model_regions_in(m);
            error = rouse(m);
        }
        m->fresh = false;
    }
    model_flags_in(m);
    sim_time next = sim_next(kernel), until = sim_now(kernel) + TURN;
    if (!error && next != SIM_NEVER) {
        m->ran = true;
        error = sim_run(kernel, next > until ? next : until);
    }
    if (m->completed || model_flags_changed(m))
        bring_out(m);
    want_none(m);
    return error ? error : m->broken;
}

static void serve(struct model_channel *ch)
{
    struct dray_machine *m = ch->machine;
    if (dray_port_available(ch->port)) {
        m->broken = m->broken ? m->broken : take(ch);
    } else if (!model_list_left(&ch->done) && ++m->quiet > m->channel_count && !m->broken) {
        m->broken = run(m);
    }
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
    while (i < m->sim->params.controller.channels &&
           (m->channels[i].port || m->channels[i].stopping))
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

/* The channel is reset before its memory can be another's. */
static void model_detach(struct dray_engine *engine, struct dray_port *port)
{
    (void)engine;
    struct model_channel *ch = port->engine_data;
    struct dray_machine *m = ch->machine;
    ch->port = NULL;
    ch->stopping = ch->started;
    m->channel_count--;
    if (ch->stopping && !m->broken && rouse(m) == 0)
        sim_run(m->sim->kernel, sim_now(m->sim->kernel) + TURN);
    model_list_free(&ch->pending);
    model_list_free(&ch->done);
    model_list_free(&ch->flight);
    model_list_free(&ch->open);
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
