/* The controller as a whole: its parameters, what it is made of, and how a channel goes on. */
#include "controller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_internal.h"
#include "note.h"

/* ---- parameters ---- */

#define AT(member) offsetof(struct sim_controller_params, member)

/* Of a PCIe device in a desktop x86. What doorbell and fetch take together is 1 to 3 us there, of
 * which two reads of memory are 1.1; t_o and B are those of the coalescing reference (g* 520 B). */
static const struct sim_param params[] = {
    { "channels", SIM_UNIT_COUNT, AT(channels), 16, 1, SIM_CONTROLLER_CHANNELS, 0, NULL,
      "channels, each with rings of its own" },
    { "descriptors", SIM_UNIT_BOOL, AT(descriptors), 1, 0, 1, 0, NULL,
      "executes lists of descriptors; no: block mode alone" },
    { "prefetch", SIM_UNIT_COUNT, AT(prefetch), 8, 1, 64, 0, NULL,
      "descriptors fetched in one read, at most (assumed)" },
    { "cache", SIM_UNIT_COUNT, AT(cache), 32, 1, 1024, 0, NULL,
      "descriptors held ahead, for each channel (assumed)" },
    { "linked", SIM_UNIT_BOOL, AT(linked), 0, 0, 1, 0, NULL,
      "finds descriptors one through the other, and fetches nothing ahead" },
    { "overlap", SIM_UNIT_COUNT, AT(overlap), 4, 1, 64, 0, NULL,
      "descriptors of one channel that take turns (assumed)" },
    { "set_up", SIM_UNIT_TIME, AT(set_up), 300 * SIM_NS, 0, SIM_S, 0, NULL,
      "from the doorbell to the first action (t_p) (assumed)" },
    { "per_descriptor", SIM_UNIT_TIME, AT(per_descriptor), 20 * SIM_NS, 0, SIM_S, 0, NULL,
      "of the engine, for each descriptor (t_o)" },
    { "bandwidth", SIM_UNIT_RATE, AT(bandwidth), 26000000000, 0, 1000000000000000, 0, NULL,
      "of the engine (B); 0: no limit of its own" },
    { "reads", SIM_UNIT_COUNT, AT(reads), 64, 1, 1024, 0, NULL,
      "data reads under way at once, of all channels (assumed)" },
    { "request", SIM_UNIT_BYTES, AT(request), 512, 64, PAGE, SIM_POWER_OF_TWO, NULL,
      "of one read or write, at most" },
    { "alignment", SIM_UNIT_BYTES, AT(alignment), 1, 1, PAGE, SIM_POWER_OF_TWO, NULL,
      "that addresses and lengths must have; 1: any" },
    { "address_bits", SIM_UNIT_COUNT, AT(address_bits), 64, 32, 64, 0, NULL,
      "of addresses; what lies higher cannot be reached" },
    { "segment_max", SIM_UNIT_BYTES, AT(segment_max), 0, 0, UINT64_MAX, 0, NULL,
      "of one descriptor, at most; 0: any" },
    { "poll", SIM_UNIT_TIME, AT(poll), 500 * SIM_NS, SIM_NS, SIM_S, 0, NULL,
      "between two looks at the flag of a WAIT (assumed)" },
    { "register_access", SIM_UNIT_TIME, AT(register_access), 50 * SIM_NS, 0, SIM_S, 0, NULL,
      "of the device itself, for a register (assumed)" },
};

static const char *check(const void *given)
{
    const struct sim_controller_params *p = given;
    if (p->cache < p->prefetch)
        return "cache is less than prefetch: what is fetched at once must have a place";
    if (p->alignment > p->request)
        return "alignment is more than request: no request would be aligned";
    return NULL;
}

const struct sim_part_kind sim_controller_kind = {
    .name = "controller",
    .about = "the scatter-gather DMA controller",
    .params = params,
    .param_count = sizeof(params) / sizeof(*params),
    .params_size = sizeof(struct sim_controller_params),
    .check = check,
};

/* ---- requests ---- */

bool controller_reaches(const struct sim_controller *c, uint64_t address, uint64_t size)
{
    return address <= c->address_max && size - 1 <= c->address_max - address;
}

void channel_submit(struct channel *ch, struct sim_request *request)
{
    request->master = ch->controller->master;
    request->status = SIM_OK;
    ch->outstanding++;
    sim_submit(ch->controller->port, request);
}

void channel_returned(struct channel *ch)
{
    ch->outstanding--;
}

static void posted_granted(struct sim_request *request)
{
    struct posted *out = SIM_OWNER(request, struct posted, request);
    out->granted = true;
    if (out->done)
        out->landed(out);
}

static void posted_done(struct sim_request *request)
{
    struct posted *out = SIM_OWNER(request, struct posted, request);
    out->done = true;
    if (out->granted || request->status != SIM_OK)
        out->landed(out);
}

void channel_post(struct channel *ch, struct posted *out)
{
    out->granted = out->done = false;
    out->request.op = SIM_WRITE;
    out->request.granted = posted_granted;
    out->request.done = posted_done;
    channel_submit(ch, &out->request);
}

/* ---- going on ---- */

static bool at_rest(const struct channel *ch)
{
    return ch->outstanding == 0 && ch->jobs == 0 && front_resting(ch) &&
           ch->txn_first == ch->txn_next && ch->controller->engine.setting_up != ch;
}

bool channel_idle(const struct channel *ch)
{
    if (!ch->running)
        return true;
    return !ch->stopping && at_rest(ch) && fetch_empty(ch) && !sim_event_pending(&ch->look);
}

/* Time since the last change, to where it belongs. */
static void count_time(struct channel *ch)
{
    sim_time now = sim_now(ch->controller->kernel);
    if (ch->counted_as)
        *ch->counted_as += now - ch->counted;
    ch->counted = now;
}

static sim_time *time_of(struct channel *ch)
{
    if (ch->jobs)
        return &ch->stats.working;
    if (ch->fetching || ch->tail_reader.busy)
        return &ch->stats.fetching;
    return channel_idle(ch) ? &ch->stats.idle : NULL;
}

static void go_on(struct channel *ch)
{
    uint32_t completed = ch->txn_first;
    front_go(ch);
    if (ch->running && !ch->stopping && !ch->block)
        fetch_go(ch);
    complete_go(ch);
    if (completed != ch->txn_first)
        ch->again = true; /* there is room for other transactions */
    if (ch->stopping && at_rest(ch))
        channel_settle(ch);
}

/* Called again from what it sets going, it only notes that. */
void channel_kick(struct channel *ch)
{
    ch->again = true;
    if (ch->kicking)
        return;
    ch->kicking = true;
    count_time(ch);
    while (ch->again) {
        ch->again = false;
        go_on(ch);
    }
    ch->counted_as = time_of(ch);
    ch->kicking = false;
    engine_kick(ch->controller);
}

void channel_note(const struct channel *ch, enum sim_note_kind kind, uint64_t number)
{
    const struct sim_controller *c = ch->controller;
    if (sim_watchers(c->kernel))
        sim_note(c->kernel, &(struct sim_note){ .kind = kind,
                                                .time = sim_now(c->kernel),
                                                .part = ch->name,
                                                .value = number,
                                                .device = c->master->device });
}

void channel_span(const struct channel *ch, const char *what, sim_time begun, uint64_t bytes,
                  const struct sim_origin *origin)
{
    const struct sim_kernel *kernel = ch->controller->kernel;
    if (!sim_watchers(kernel))
        return;
    sim_note(kernel, &(struct sim_note){ .kind = SIM_NOTE_SPAN,
                                         .time = sim_now(kernel),
                                         .part = ch->name,
                                         .size = bytes,
                                         .value = sim_now(kernel) - begun,
                                         .text = what,
                                         .origin = origin });
}

/* ---- life ---- */

static struct chunk *make_chunks(struct chunk *chunk, uint64_t count, uint8_t *data, size_t size,
                                 bool of_device)
{
    for (uint64_t i = 0; i < count; i++) {
        chunk_init(&chunk[i], data + i * size, of_device);
        chunk[i].next = i + 1 < count ? &chunk[i + 1] : NULL;
    }
    return chunk;
}

static bool channel_allocate(struct channel *ch, const struct sim_controller_params *p)
{
    ch->job_count = 2 * p->reads + p->overlap + 2;
    ch->jobs_memory = calloc(ch->job_count, sizeof(*ch->jobs_memory));
    ch->device_chunks = calloc(DEVICE_CHUNKS, sizeof(*ch->device_chunks));
    ch->device_data = calloc(DEVICE_CHUNKS, 2 * PAGE);
    ch->ring_held.size = ch->link_held.size = (uint32_t)p->cache;
    ch->ring_held.slot = calloc(p->cache, sizeof(*ch->ring_held.slot));
    ch->link_held.slot = calloc(p->cache, sizeof(*ch->link_held.slot));
    ch->fetch_data = calloc(1 + COMPLETION_WRITES, p->request);
    return ch->jobs_memory && ch->device_chunks && ch->device_data && ch->ring_held.slot &&
           ch->link_held.slot && ch->fetch_data;
}

static int channel_create(struct sim_controller *c, struct channel *ch, unsigned number)
{
    ch->controller = c;
    snprintf(ch->name, sizeof(ch->name), "%s.%u", c->master->name, number);
    if (!channel_allocate(ch, &c->params))
        return -ENOMEM;
    for (uint64_t i = ch->job_count; i-- > 0;) {
        ch->jobs_memory[i].channel = ch;
        job_give(&ch->jobs_memory[i]);
    }
    ch->free_device_chunks =
        make_chunks(ch->device_chunks, DEVICE_CHUNKS, ch->device_data, 2 * PAGE, true);
    fetch_init(ch);
    region_init(ch);
    front_init(ch);
    flag_init(ch);
    complete_init(ch);
    for (unsigned i = 0; i < COMPLETION_WRITES; i++)
        ch->writes[i].data = ch->fetch_data + (i + 1) * c->params.request;
    ch->counted_as = &ch->stats.idle;
    ch->counted = sim_now(c->kernel);
    return 0;
}

/* Whoever holds a request may have an event in it, which goes with it. */
static void forget_chunks(struct sim_kernel *kernel, struct chunk *chunk, uint64_t count)
{
    for (uint64_t i = 0; chunk && i < count; i++) {
        sim_cancel(kernel, &chunk[i].out.request.event);
        sim_cancel(kernel, &chunk[i].transfer.event);
    }
}

static void forget_requests(struct sim_kernel *kernel, struct channel *ch)
{
    struct reader *readers[] = { &ch->tail_reader, &ch->fetcher,      &ch->shaper,
                                 &ch->seen_reader, &ch->shape_reader, &ch->region_reader };
    for (unsigned i = 0; i < sizeof(readers) / sizeof(*readers); i++)
        sim_cancel(kernel, &readers[i]->request.event);
    for (unsigned i = 0; i < COMPLETION_WRITES; i++)
        sim_cancel(kernel, &ch->writes[i].out.request.event);
    sim_cancel(kernel, &ch->head_out.request.event);
    sim_cancel(kernel, &ch->flag_out.request.event);
    sim_cancel(kernel, &ch->look);
    sim_cancel(kernel, &ch->flag_event);
    sim_cancel(kernel, &ch->seen_event);
    forget_chunks(kernel, ch->device_chunks, DEVICE_CHUNKS);
}

static void channel_destroy(struct channel *ch)
{
    forget_requests(ch->controller->kernel, ch);
    free(ch->jobs_memory);
    free(ch->device_chunks);
    free(ch->device_data);
    free(ch->ring_held.slot);
    free(ch->link_held.slot);
    free(ch->fetch_data);
}

static int controller_build(struct sim_controller *c)
{
    uint64_t chunks = 2 * c->params.reads; /* as many again are on their way out */
    c->channels = calloc(c->params.channels, sizeof(*c->channels));
    c->chunks_memory = calloc(chunks, sizeof(*c->chunks_memory));
    c->chunk_data = calloc(chunks, 2 * c->params.request);
    if (!c->channels || !c->chunks_memory || !c->chunk_data)
        return -ENOMEM;
    c->free_chunks =
        make_chunks(c->chunks_memory, chunks, c->chunk_data, 2 * c->params.request, false);
    for (unsigned i = 0; i < c->params.channels; i++)
        if (channel_create(c, &c->channels[i], i))
            return -ENOMEM;
    return 0;
}

int sim_controller_create(struct sim_controller **controller, struct sim_kernel *kernel,
                          struct sim_target *port, struct sim_master *master,
                          struct sim_interrupts *interrupts,
                          const struct sim_controller_params *given)
{
    struct sim_controller *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->kernel = kernel;
    c->port = port;
    c->master = master;
    c->interrupts = interrupts;
    c->params = *given;
    c->address_max = UINT64_MAX >> (64 - given->address_bits);
    c->mmio = (struct sim_mmio){ .size = given->channels * SIM_CHANNEL_SIZE,
                                 .latency = given->register_access,
                                 .read = controller_register_read,
                                 .write = controller_register_write };
    crc32c_table(c->crc_table);
    engine_init(c);
    *controller = c;
    if (controller_build(c))
        sim_controller_destroy(controller);
    return *controller ? 0 : -ENOMEM;
}

void sim_controller_destroy(struct sim_controller **controller)
{
    struct sim_controller *c = *controller;
    if (!c)
        return;
    sim_cancel(c->kernel, &c->engine.event);
    for (unsigned i = 0; c->channels && i < c->params.channels && c->channels[i].controller; i++)
        channel_destroy(&c->channels[i]);
    forget_chunks(c->kernel, c->chunks_memory, 2 * c->params.reads);
    free(c->channels);
    free(c->chunks_memory);
    free(c->chunk_data);
    free(c);
    *controller = NULL;
}

struct sim_mmio *sim_controller_mmio(struct sim_controller *c)
{
    return &c->mmio;
}

void sim_controller_attach(struct sim_controller *c, unsigned number, struct sim_device *device)
{
    c->device[number] = device;
    for (unsigned i = 0; i < c->params.channels; i++)
        region_drop(&c->channels[i]);
}

/* ---- what it tells ---- */

void sim_controller_stats(const struct sim_controller *c, unsigned channel,
                          struct sim_controller_stats *stats)
{
    const struct channel *ch = &c->channels[channel];
    *stats = ch->stats;
    if (ch->counted_as) {
        size_t member = (size_t)((const char *)ch->counted_as - (const char *)&ch->stats);
        *(sim_time *)((char *)stats + member) += sim_now(c->kernel) - ch->counted;
    }
}

bool sim_controller_idle(const struct sim_controller *c)
{
    for (unsigned i = 0; i < c->params.channels; i++)
        if (!channel_idle(&c->channels[i]))
            return false;
    return true;
}

bool sim_controller_waits(const struct sim_controller *c, unsigned channel,
                          struct sim_controller_wait *wait)
{
    const struct channel *ch = &c->channels[channel];
    const struct dray_desc *d = &ch->now.desc;
    if (ch->front != FRONT_WAIT)
        return false;
    *wait = (struct sim_controller_wait){ .since = ch->wait_begun,
                                          .key = d->src_key.value,
                                          .offset = d->src_offset,
                                          .value = d->arg.wait.value,
                                          .condition = d->count,
                                          .seen = ch->flag_word };
    return true;
}
