/* Regions of the host's domain, mirrored in the machine's memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain/region.h"
#include "engine/model/model.h"

/* The controller's entry of a key lies at the index that the key has in the domain. */
void model_table_write(struct dray_machine *m, uint32_t index)
{
    const struct model_region *r = &m->regions[index];
    struct sim_region_entry entry = { 0 };
    if (r->key && r->mapped)
        entry = (struct sim_region_entry){ .key = r->key,
                                           .rights = r->rights,
                                           .kind = r->kind == DRAY_REGION_FLAGS ? SIM_REGION_FLAGS
                                                                                : SIM_REGION_MEMORY,
                                           .address = r->io,
                                           .length = r->length };
    sim_poke(m->sim->driver, m->table + index * sizeof(entry), &entry, sizeof(entry));
}

/* Gone from the domain, or another lies there now. The driver unmaps it when it next runs; its memory
 * stays: another mirror may be a part of it. */
static int forget(struct dray_machine *m, uint32_t index)
{
    struct model_region *r = &m->regions[index];
    if (r->mapped) {
        uint64_t *io = model_list_push(&m->gone, sizeof(*io));
        if (!io)
            return -ENOMEM;
        *io = r->io;
    }
    free(r->words);
    *r = (struct model_region){ 0 };
    model_table_write(m, index);
    m->regions_changed |= m->gone.count > m->gone.first;
    return 0;
}

/* Two regions over the same bytes of the host are one stretch of the machine's memory. */
static uint64_t find_alias(const struct dray_machine *m, const struct dray_slot *slot)
{
    const struct dray_table *table = dray_domain_table(m->domain);
    for (uint32_t i = 0; i < MODEL_REGIONS && i < table->size; i++) {
        const struct dray_slot *other = &table->slots[i];
        if (!m->regions[i].address || other == slot || other->kind == DRAY_REGION_PIECES)
            continue;
        uint64_t offset = (uintptr_t)slot->base - (uintptr_t)other->base;
        if (offset < other->length && slot->length <= other->length - offset)
            return m->regions[i].address + offset;
    }
    return SIM_NEVER;
}

static int mirror(struct dray_machine *m, uint32_t index, const struct dray_slot *slot,
                  uint32_t key)
{
    struct model_region *r = &m->regions[index];
    uint64_t address = slot->kind == DRAY_REGION_PIECES ? SIM_NEVER : find_alias(m, slot);
    if (address == SIM_NEVER)
        address = sim_alloc(m->sim->driver, slot->length, SIM_CACHED);
    if (address == SIM_NEVER)
        return -ENOMEM;
    uint64_t *words = slot->kind == DRAY_REGION_FLAGS ? calloc(1, slot->length) : NULL;
    if (slot->kind == DRAY_REGION_FLAGS && !words)
        return -ENOMEM;
    *r = (struct model_region){ .key = key,
                                .kind = slot->kind,
                                .rights = slot->access & (DRAY_READ | DRAY_WRITE),
                                .length = slot->length,
                                .address = address,
                                .words = words };
    m->regions_changed = true;
    return 0;
}

/* First what is gone, then what is new: an alias is looked for among what is there. */
int model_regions_update(struct dray_machine *m)
{
    struct dray_table *table = dray_domain_table(m->domain);
    uint32_t count = table->size < MODEL_REGIONS ? table->size : MODEL_REGIONS;
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++)
        if (m->regions[i].key &&
            m->regions[i].key != atomic_load_explicit(&table->slots[i].key, memory_order_seq_cst))
            error = forget(m, i);
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct dray_slot *slot = &table->slots[i];
        uint32_t key = atomic_load_explicit(&slot->key, memory_order_seq_cst);
        if (!key || m->regions[i].key)
            continue;
        if (dray_kind_is_memory(slot->kind))
            error = mirror(m, i, slot, key);
        else
            m->regions[i] = (struct model_region){ .key = key }; /* no bytes of ours */
    }
    return error;
}

typedef void move_fn(struct sim_driver *driver, uint64_t address, void *host, uint64_t size);

static void move_in(struct sim_driver *driver, uint64_t address, void *host, uint64_t size)
{
    sim_poke(driver, address, host, size);
}

static void move_out(struct sim_driver *driver, uint64_t address, void *host, uint64_t size)
{
    sim_peek(driver, address, host, size);
}

/* Bytes [offset, offset + length) of a region, as far as it has them. */
static void move_bytes(struct dray_machine *m, const struct model_region *r,
                       const struct dray_slot *slot, uint64_t offset, uint64_t length,
                       move_fn *move)
{
    struct sim_driver *driver = m->sim->driver;
    if (offset >= r->length)
        return;
    uint64_t end = length < r->length - offset ? offset + length : r->length;
    if (slot->kind != DRAY_REGION_PIECES) {
        move(driver, r->address + offset, (char *)slot->base + offset, end - offset);
        return;
    }
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    for (size_t i = dray_pieces_find(pieces, offset); offset < end; i++) {
        uint64_t stop = pieces->start[i + 1] < end ? pieces->start[i + 1] : end;
        move(driver, r->address + offset,
             (char *)pieces->piece[i].iov_base + (offset - pieces->start[i]), stop - offset);
        offset = stop;
    }
}

/* The slot of a mirrored region; NULL where it has changed since. */
static const struct dray_slot *slot_of(const struct dray_machine *m, uint32_t index)
{
    const struct dray_table *table = dray_domain_table(m->domain);
    const struct model_region *r = &m->regions[index];
    if (!r->key || index >= table->size)
        return NULL;
    const struct dray_slot *slot = &table->slots[index];
    return atomic_load_explicit(&slot->key, memory_order_seq_cst) == r->key ? slot : NULL;
}

static void move_range(struct dray_machine *m, const struct model_range *range, unsigned rights,
                       move_fn *move)
{
    uint32_t index = range->key.value & DRAY_KEY_INDEX_MASK;
    if (index >= MODEL_REGIONS || m->regions[index].key != range->key.value)
        return;
    const struct model_region *r = &m->regions[index];
    const struct dray_slot *slot = (r->rights & rights) && !r->words ? slot_of(m, index) : NULL;
    if (slot)
        move_bytes(m, r, slot, range->offset, range->length, move);
}

/* ---- which bytes ---- */

static int add_range(struct model_list *list, dray_key key, uint64_t offset, uint64_t length)
{
    struct model_range *range = key.value ? model_list_push(list, sizeof(*range)) : NULL;
    if (range)
        *range = (struct model_range){ key, offset, length };
    return range || !key.value ? 0 : -ENOMEM;
}

static int want(struct dray_machine *m, dray_key key, uint64_t offset, uint64_t length)
{
    uint32_t index = key.value & DRAY_KEY_INDEX_MASK;
    if (index >= MODEL_REGIONS || key.value == 0)
        return 0;
    m->stale[index] |= !m->wanted[index];
    m->wanted[index] = true;
    return m->stale[index] ? 0 : add_range(&m->ins, key, offset, length);
}

static int want_all(struct dray_machine *m)
{
    const struct dray_table *table = dray_domain_table(m->domain);
    int error = 0;
    for (uint32_t i = 0; i < MODEL_REGIONS && i < table->size && !error; i++) {
        uint32_t key = atomic_load_explicit(&table->slots[i].key, memory_order_seq_cst);
        error = want(m, (dray_key){ key }, 0, UINT64_MAX);
    }
    return error;
}

/* Whether the bytes that an operand names are one plain range of `length`. */
static bool is_plain(const struct dray_desc *d)
{
    return d->opcode == DRAY_OP_COPY || d->opcode == DRAY_OP_FILL || d->opcode == DRAY_OP_COMPARE ||
           d->opcode == DRAY_OP_CRC32C;
}

int model_regions_want(struct dray_machine *m, const struct dray_desc *d)
{
    bool plain = is_plain(d);
    if (d->opcode == DRAY_OP_LINK) /* what it leads to names others */
        return want_all(m);
    int error = want(m, d->src_key, plain ? d->src_offset : 0, plain ? d->length : UINT64_MAX);
    if (!error && d->opcode == DRAY_OP_COMPARE)
        error = want(m, d->dst_key, d->dst_offset, d->length);
    else if (!error)
        error = want(m, d->dst_key, 0, 0); /* of what is not written all is there already */
    if (!error && d->opcode == DRAY_OP_STRIDED)
        error = want(m, d->arg.strided.shape_key, 0, UINT64_MAX);
    return error;
}

int model_regions_done(struct dray_machine *m, const struct dray_desc *d)
{
    bool plain = is_plain(d);
    return add_range(&m->outs, d->dst_key, plain ? d->dst_offset : 0,
                     plain ? d->length : UINT64_MAX);
}

int model_regions_all_done(struct dray_machine *m)
{
    int error = 0;
    for (uint32_t i = 0; i < MODEL_REGIONS && !error; i++)
        if (m->wanted[i])
            error = add_range(&m->outs, (dray_key){ m->regions[i].key }, 0, UINT64_MAX);
    return error;
}

/* ---- moving them ---- */

/* Whether something under way writes bytes of a range: then the machine's are the newer ones. */
static bool is_written(const struct dray_machine *m, const struct model_range *range)
{
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++) {
        const struct model_list *flight = &m->channels[i].flight;
        for (size_t k = flight->first; k < flight->count; k++) {
            const struct dray_desc *d = &((const struct dray_desc *)flight->items)[k];
            if (d->opcode == DRAY_OP_LINK)
                return true;
            if (d->dst_key.value != range->key.value)
                continue;
            if (!is_plain(d) || range->length == UINT64_MAX ||
                (d->dst_offset < range->offset + range->length &&
                 range->offset < d->dst_offset + d->length))
                return true;
        }
    }
    return false;
}

static const struct dray_slot *flags_of(const struct dray_machine *m, uint32_t index,
                                        unsigned rights)
{
    const struct model_region *r = &m->regions[index];
    return r->words && m->wanted[index] && (r->rights & rights) ? slot_of(m, index) : NULL;
}

/* The first time: all words, as they are now. */
static void flags_begin(struct dray_machine *m)
{
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        struct model_region *r = &m->regions[i];
        const struct dray_slot *slot = m->stale[i] ? flags_of(m, i, DRAY_READ | DRAY_WRITE) : NULL;
        for (uint64_t k = 0; slot && k < r->length / sizeof(uint64_t); k++)
            r->words[k] = __atomic_load_n((uint64_t *)slot->base + k, __ATOMIC_ACQUIRE);
        if (slot)
            sim_poke(m->sim->driver, r->address, r->words, r->length);
    }
}

/* What the machine has signalled: word by word, and only where nobody has stored here meanwhile, which
 * goes in instead. */
static void flags_out(struct dray_machine *m)
{
    bool any = false;
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        struct model_region *r = &m->regions[i];
        const struct dray_slot *slot = flags_of(m, i, DRAY_WRITE);
        for (uint64_t k = 0; slot && k < r->length / sizeof(uint64_t); k++) {
            uint64_t word, before = r->words[k];
            sim_peek(m->sim->driver, r->address + k * sizeof(word), &word, sizeof(word));
            if (word == before)
                continue;
            if (__atomic_compare_exchange_n((uint64_t *)slot->base + k, &before, word, false,
                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
                r->words[k] = word;
            any = true;
        }
    }
    if (any)
        dray_domain_wake(m->domain);
}

void model_regions_in(struct dray_machine *m)
{
    for (; model_list_left(&m->ins); m->ins.first++) {
        const struct model_range *range = &((struct model_range *)m->ins.items)[m->ins.first];
        if (range->length && !is_written(m, range))
            move_range(m, range, DRAY_READ | DRAY_WRITE, move_in);
    }
    flags_begin(m);
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        struct model_range whole = { { m->regions[i].key }, 0, UINT64_MAX };
        if (m->stale[i] && m->regions[i].key)
            move_range(m, &whole, DRAY_READ | DRAY_WRITE, move_in);
        m->stale[i] = false;
    }
}

static void flight_out(struct dray_machine *m)
{
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++) {
        const struct model_list *flight = &m->channels[i].flight;
        for (size_t k = flight->first; k < flight->count; k++)
            if (model_regions_done(m, &((const struct dray_desc *)flight->items)[k]))
                model_break(m, -ENOMEM, "no memory");
    }
}

/* Flags last: who sees one sees what was written before it. */
void model_regions_out(struct dray_machine *m, bool flight)
{
    if (flight)
        flight_out(m);
    for (; model_list_left(&m->outs); m->outs.first++)
        move_range(m, &((struct model_range *)m->outs.items)[m->outs.first], DRAY_WRITE, move_out);
    flags_out(m);
}

bool model_flags_changed(struct dray_machine *m)
{
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        const struct model_region *r = &m->regions[i];
        for (uint64_t k = 0; r->words && k < r->length / sizeof(uint64_t); k++) {
            uint64_t word;
            sim_peek(m->sim->driver, r->address + k * sizeof(word), &word, sizeof(word));
            if (word != r->words[k])
                return true;
        }
    }
    return false;
}

/* A WAIT in the machine must see what another thread of the host stores; and what the machine has
 * signalled meanwhile must not be undone by it. So words go in one by one, where they have changed. */
void model_flags_in(struct dray_machine *m)
{
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        struct model_region *r = &m->regions[i];
        const struct dray_slot *slot = r->words && m->wanted[i] ? slot_of(m, i) : NULL;
        for (uint64_t k = 0; slot && k < r->length / sizeof(uint64_t); k++) {
            uint64_t word = __atomic_load_n((uint64_t *)slot->base + k, __ATOMIC_ACQUIRE);
            if (word == r->words[k])
                continue;
            r->words[k] = word;
            sim_poke(m->sim->driver, r->address + k * sizeof(word), &word, sizeof(word));
        }
    }
}

void model_regions_free(struct dray_machine *m)
{
    for (uint32_t i = 0; m->regions && i < MODEL_REGIONS; i++)
        free(m->regions[i].words);
    free(m->regions);
    m->regions = NULL;
}
