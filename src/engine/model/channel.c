/*
 * The driver of the controller: what runs on a modelled core. Compiled against model_io.h, as the queue
 * is that it calls; so each access is an action of the core.
 */
#include <errno.h>
#include <string.h>

#include "domain/region.h"
#include "dray/io.h"
#include "engine/model/model.h"
#include "queue/state.h"

enum {
    SPIN_CYCLES = 100
};

/* ---- setting up: without time ---- */

static uint64_t align_up(uint64_t n)
{
    return (n + SIM_PAGE - 1) & ~(uint64_t)(SIM_PAGE - 1);
}

/* The queue's structure, then the ring with its header, descriptors, completions and shapes: one
 * stretch, so that one mapping shows it to the device. */
int model_channel_create(struct model_channel *ch, uint32_t depth, uint32_t completion_depth)
{
    struct dray_machine *m = ch->machine;
    uint64_t descs = DRAY_RING_HEADER_SIZE;
    uint64_t completions = descs + depth * sizeof(struct dray_desc);
    uint64_t shapes = completions + completion_depth * sizeof(struct dray_completion);
    uint64_t size = align_up(shapes + depth * sizeof(struct dray_shape));
    uint64_t own = sim_alloc(m->sim->driver, sizeof(struct dray_queue), SIM_CACHED);
    ch->memory = sim_alloc(m->sim->driver, size, SIM_CACHED);
    if (own == SIM_NEVER || ch->memory == SIM_NEVER)
        return -ENOMEM;
    char *ring = dray_window_at(m->window, ch->memory);
    memset(ring, 0, size);
    ch->registers =
        dray_window_at(m->window, DRAY_WINDOW_REGISTERS + ch->number * SIM_CHANNEL_SIZE);
    ch->queue = dray_window_at(m->window, own);
    *ch->queue = (struct dray_queue){
        .map = { .ring = (struct dray_ring *)ring,
                 .descs = (struct dray_desc *)(ring + descs),
                 .completions = (struct dray_completion *)(ring + completions),
                 .shapes = (struct dray_shape *)(ring + shapes),
                 .depth = depth,
                 .completion_depth = completion_depth,
                 .size = size,
                 .fd = -1 },
        .binding = { .doorbell_fd = -1,
                     .doorbell = ch->registers + SIM_REG_DOORBELL / 4,
                     .seen = ch->registers + SIM_REG_SEEN / 4 },
    };
    return 0;
}

/* ---- in a core's fiber ---- */

static void write_register(struct model_channel *ch, unsigned reg, uint64_t value)
{
    dray_io_mmio_write32(ch->registers + reg / 4, (uint32_t)value);
    if (value >> 32)
        dray_io_mmio_write32(ch->registers + reg / 4 + 1, (uint32_t)(value >> 32));
}

static uint64_t io_of(const struct model_channel *ch, const void *p)
{
    return ch->memory_io + (dray_window_address(p) - ch->memory);
}

static void start_channel(struct sim_core *core, struct model_channel *ch)
{
    struct dray_machine *m = ch->machine;
    const struct dray_ring_map *map = &ch->queue->map;
    if (!m->table_io)
        m->table_io = sim_dma_map(core, m->sim->driver, m->table,
                                  MODEL_REGIONS * sizeof(struct sim_region_entry), SIM_TO_DEVICE,
                                  SIM_MAP_SHARED, SIM_HERE);
    ch->memory_io = sim_dma_map(core, m->sim->driver, ch->memory, map->size, SIM_BOTH_WAYS,
                                SIM_MAP_RAW | SIM_MAP_SHARED, SIM_HERE);
    if (m->table_io == SIM_NEVER || ch->memory_io == SIM_NEVER) {
        model_break(
            m, -EIO,
            "the rings cannot be mapped for the device: without an IOMMU they lie scattered");
        return;
    }
    write_register(ch, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    write_register(ch, SIM_REG_RING, io_of(ch, map->descs));
    write_register(ch, SIM_REG_RING_SIZE, map->depth);
    write_register(ch, SIM_REG_TAIL, io_of(ch, &map->ring->sq_tail));
    write_register(ch, SIM_REG_HEAD, io_of(ch, &map->ring->sq_head));
    write_register(ch, SIM_REG_COMPLETION, io_of(ch, map->completions));
    write_register(ch, SIM_REG_COMPLETION_SIZE, map->completion_depth);
    write_register(ch, SIM_REG_SHAPES, io_of(ch, map->shapes));
    write_register(ch, SIM_REG_REGIONS, m->table_io);
    write_register(ch, SIM_REG_REGION_COUNT, MODEL_REGIONS);
    write_register(ch, SIM_REG_INTERRUPT, ch->number);
    write_register(ch, SIM_REG_CONTROL, SIM_CONTROL_RUN);
    ch->started = true;
}

static void stop_channel(struct sim_core *core, struct model_channel *ch)
{
    if (ch->started) {
        write_register(ch, SIM_REG_CONTROL, SIM_CONTROL_TERMINATE);
        while (!(dray_io_mmio_read32(ch->registers + SIM_REG_STATUS / 4) & SIM_STATUS_IDLE))
            sim_compute(core, SPIN_CYCLES);
        write_register(ch, SIM_REG_CONTROL, SIM_CONTROL_RESET);
        sim_dma_unmap(core, ch->machine->sim->driver, ch->memory_io, SIM_HERE);
    }
    ch->stopped = true;
    sim_stop(ch->machine->sim->kernel); /* the host's thread waits for it */
}

static bool in_flight(const struct dray_machine *m)
{
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++)
        if (model_list_left(&m->channels[i].flight))
            return true;
    return false;
}

/* What the domain has mapped and unmapped since the last time. What a transfer may still be using is
 * unmapped at a later one. */
static void follow_regions(struct sim_core *core, struct dray_machine *m)
{
    while (m->mapping) /* another core is at it: what it maps may be named next */
        sim_compute(core, SPIN_CYCLES);
    if (!m->regions_changed)
        return;
    m->regions_changed = false;
    m->mapping = true;
    for (; model_list_left(&m->gone) && !in_flight(m); m->gone.first++)
        sim_dma_unmap(core, m->sim->driver, ((uint64_t *)m->gone.items)[m->gone.first], SIM_HERE);
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        struct model_region *r = &m->regions[i];
        if (!r->address || r->mapped)
            continue;
        r->io = sim_dma_map(core, m->sim->driver, r->address, r->length,
                            r->rights & DRAY_WRITE ? SIM_BOTH_WAYS : SIM_TO_DEVICE,
                            r->kind == DRAY_REGION_FLAGS ? SIM_MAP_SHARED : 0, SIM_HERE);
        if (r->io == SIM_NEVER) {
            model_break(
                m, -EIO,
                "a region cannot be mapped for the device: without an IOMMU it lies scattered");
            break;
        }
        r->mapped = true;
        model_table_write(m, i);
    }
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++)
        if (m->channels[i].started) /* entries that it holds are old */
            write_register(&m->channels[i], SIM_REG_REGIONS, m->table_io);
    m->mapping = false;
}

/* On a machine whose device does not look into caches: hands the bytes of a region to the device, and
 * back. All of it, where what a descriptor touches is not a plain range. */
static void sync_key(struct sim_core *core, struct dray_machine *m, dray_key key, uint64_t offset,
                     uint64_t length, bool whole, bool for_device)
{
    uint32_t index = key.value & DRAY_KEY_INDEX_MASK;
    if (m->sim->params.system.snooped || key.value == 0 || index >= MODEL_REGIONS)
        return;
    const struct model_region *r = &m->regions[index];
    if (r->key != key.value)
        return;
    if (whole || offset > r->length || length > r->length - offset) {
        offset = 0;
        length = r->length;
    }
    if (for_device)
        sim_dma_sync_for_device(core, m->sim->driver, r->io, offset, length, SIM_HERE);
    else
        sim_dma_sync_for_cpu(core, m->sim->driver, r->io, offset, length, SIM_HERE);
}

static void sync_desc(struct sim_core *core, struct dray_machine *m, const struct dray_desc *d,
                      bool for_device)
{
    bool whole = d->opcode == DRAY_OP_STRIDED || d->opcode == DRAY_OP_SIGNAL ||
                 d->opcode == DRAY_OP_WAIT || d->opcode == DRAY_OP_LINK;
    sync_key(core, m, d->src_key, d->src_offset, d->length, whole, for_device);
    sync_key(core, m, d->dst_key, d->dst_offset, d->length, whole, for_device);
}

static bool open_record(struct model_channel *ch)
{
    struct dray_machine *m = ch->machine;
    size_t *index = model_list_push(&ch->open, sizeof(*index));
    struct model_record *record = model_list_push(&m->records, sizeof(*record));
    if (!index || !record) {
        model_break(m, -ENOMEM, "no memory");
        return false;
    }
    *index = ch->chain_record = m->records.count - 1;
    *record = (struct model_record){ .channel = ch->number, .submitted = sim_now(m->sim->kernel) };
    return true;
}

static void note_submitted(struct model_channel *ch, const struct dray_desc *d)
{
    struct dray_machine *m = ch->machine;
    if (!ch->chain_open && !open_record(ch))
        return;
    struct model_record *record = model_record_at(m, ch->chain_record);
    record->descriptors++;
    record->opcode = d->opcode;
    record->user_data = d->user_data;
    ch->chain_open = (d->flags & DRAY_FLAG_CHAIN) != 0;
}

static bool keep_flight(struct model_channel *ch, const struct dray_desc *d)
{
    struct dray_desc *kept = model_list_push(&ch->flight, sizeof(*kept));
    if (kept)
        *kept = *d;
    else
        model_break(ch->machine, -ENOMEM, "no memory");
    return kept != NULL;
}

/* As many of the pending as there is room for. */
static bool submit(struct sim_core *core, struct model_channel *ch)
{
    struct dray_machine *m = ch->machine;
    bool any = false;
    struct dray_desc *slot;
    while (model_list_left(&ch->pending) && (slot = dray_queue_get(ch->queue))) {
        const struct model_entry entry =
            ((struct model_entry *)ch->pending.items)[ch->pending.first];
        if (!keep_flight(ch, &entry.desc))
            break;
        ch->pending.first++;
        sync_desc(core, m, &entry.desc, true);
        *slot = entry.desc;
        if (entry.desc.opcode == DRAY_OP_STRIDED) {
            struct dray_shape *shape = dray_queue_shape(ch->queue, slot);
            *shape = entry.shape;
            dray_io_stored(shape, sizeof(*shape));
            dray_io_clean(shape, sizeof(*shape));
        }
        note_submitted(ch, &entry.desc);
        any = true;
    }
    if (any)
        dray_queue_submit(ch->queue);
    return any;
}

/* The record of the oldest transaction under way, if the completion is its; another's is made: what a
 * LINK led to completes too, and was never submitted by itself. False: no memory. */
static bool close_record(struct model_channel *ch, uint64_t user_data, size_t *index)
{
    struct dray_machine *m = ch->machine;
    if (model_list_left(&ch->open)) {
        *index = ((size_t *)ch->open.items)[ch->open.first];
        if (model_record_at(m, *index)->user_data == user_data) {
            ch->open.first++;
            return true;
        }
    }
    struct model_record *record = model_list_push(&m->records, sizeof(*record));
    if (!record)
        return false;
    *record = (struct model_record){ .channel = ch->number, .user_data = user_data };
    *index = m->records.count - 1;
    return true;
}

/* The bytes of a transaction are the CPU's again: those that it moved, where it failed. Its descriptors
 * stay in flight meanwhile: it takes time. */
static void take_back(struct sim_core *core, struct model_channel *ch, uint32_t descriptors,
                      uint64_t moved)
{
    for (uint32_t i = 0; i < descriptors; i++) {
        struct dray_desc d = ((struct dray_desc *)ch->flight.items)[ch->flight.first + i];
        sync_desc(core, ch->machine, &d, false);
        if (d.opcode == DRAY_OP_COPY && d.length > moved)
            d.length = moved;
        moved -= d.length < moved ? d.length : moved;
        if (model_regions_done(ch->machine, &d))
            model_break(ch->machine, -ENOMEM, "no memory");
    }
}

/* Nobody knows which bytes it touched. */
static void take_all_back(struct sim_core *core, struct dray_machine *m)
{
    for (uint32_t i = 0; i < MODEL_REGIONS; i++)
        if (m->regions[i].rights & DRAY_WRITE)
            sync_key(core, m, (dray_key){ m->regions[i].key }, 0, 0, true, false);
    if (model_regions_all_done(m))
        model_break(m, -ENOMEM, "no memory");
}

/* Other cores may make records while this one waits: they are named by index. */
static void finish_one(struct sim_core *core, struct model_channel *ch,
                       const struct dray_completion *c)
{
    struct dray_machine *m = ch->machine;
    size_t index;
    if (!close_record(ch, c->user_data, &index)) {
        model_break(m, -ENOMEM, "no memory");
        return;
    }
    struct dray_desc failed = { 0 };
    uint32_t landed = model_record_at(m, index)->descriptors;
    bool notify = false;
    for (uint32_t i = 0; i < landed; i++)
        notify |= (((struct dray_desc *)ch->flight.items)[ch->flight.first + i].flags &
                   DRAY_FLAG_NOTIFY) != 0;
    if (c->status != DRAY_STATUS_OK && c->index < landed)
        failed = ((struct dray_desc *)ch->flight.items)[ch->flight.first + c->index];
    if (landed)
        take_back(core, ch, landed, c->moved);
    else
        take_all_back(core, m);
    struct model_result *result = model_list_push(&ch->done, sizeof(*result));
    if (!result) {
        model_break(m, -ENOMEM, "no memory");
        return;
    }
    result->completion = *c;
    result->failed = failed;
    result->notify = notify;
    ch->flight.first += landed;
    struct model_record *record = model_record_at(m, index);
    record->status = c->status;
    record->moved = c->moved;
    record->done = sim_now(m->sim->kernel);
    model_trace_record(m, index);
}

static bool reap(struct sim_core *core, struct model_channel *ch)
{
    struct dray_completion completions[32];
    uint32_t n = dray_queue_reap(ch->queue, completions, 32);
    for (uint32_t i = 0; i < n; i++)
        finish_one(core, ch, &completions[i]);
    if (n)
        sim_stop(ch->machine->sim->kernel); /* the host's thread wants to know */
    return n != 0;
}

static bool is_mine(const struct dray_machine *m, const struct sim_core *core,
                    const struct model_channel *ch)
{
    return ch->machine && m->sim->cores[ch->number % m->sim->core_count] == core;
}

/* Serves the channels of this core for ever. */
void model_channel_main(struct sim_core *core, void *machine)
{
    struct dray_machine *m = machine;
    for (;;) {
        bool any = false;
        follow_regions(core, m);
        for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS && !m->broken; i++) {
            struct model_channel *ch = &m->channels[i];
            if (!is_mine(m, core, ch))
                continue;
            if (ch->stopping && !ch->stopped)
                stop_channel(core, ch);
            if (!ch->port)
                continue;
            if (!ch->started && model_list_left(&ch->pending))
                start_channel(core, ch);
            if (!ch->started || m->broken)
                continue;
            any |= submit(core, ch);
            any |= reap(core, ch);
        }
        if (!any)
            sim_wait_interrupt(core, "a completion, or something to submit", SIM_HERE);
    }
}
