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
    if (r->key && r->mapped) {
        uint64_t *io = model_list_push(&m->gone, sizeof(*io));
        if (!io)
            return -ENOMEM;
        *io = r->io;
    }
    free(r->words);
    *r = (struct model_region){ 0 };
    model_table_write(m, index);
    m->regions_changed = true;
    return 0;
}

/* Two regions over the same bytes of the host are one stretch of the machine's memory. */
static uint64_t find_alias(const struct dray_machine *m, const struct dray_slot *slot)
{
    const struct dray_table *table = dray_domain_table(m->domain);
    for (uint32_t i = 0; i < MODEL_REGIONS && i < table->size; i++) {
        const struct dray_slot *other = &table->slots[i];
        if (!m->regions[i].key || other == slot || other->kind == DRAY_REGION_PIECES)
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

static bool is_mirrored(unsigned kind)
{
    return kind == DRAY_REGION_MEMORY || kind == DRAY_REGION_PIECES || kind == DRAY_REGION_FLAGS;
}

int model_regions_update(struct dray_machine *m)
{
    struct dray_table *table = dray_domain_table(m->domain);
    uint32_t count = table->size < MODEL_REGIONS ? table->size : MODEL_REGIONS;
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct dray_slot *slot = &table->slots[i];
        uint32_t key = atomic_load_explicit(&slot->key, memory_order_seq_cst);
        if (key == m->regions[i].key)
            continue;
        error = forget(m, i);
        if (!error && key && is_mirrored(slot->kind))
            error = mirror(m, i, slot, key);
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

static void move_region(struct dray_machine *m, const struct model_region *r,
                        const struct dray_slot *slot, move_fn *move)
{
    if (slot->kind != DRAY_REGION_PIECES) {
        move(m->sim->driver, r->address, slot->base, r->length);
        return;
    }
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    for (size_t i = 0; i < pieces->count; i++)
        move(m->sim->driver, r->address + pieces->start[i], pieces->piece[i].iov_base,
             pieces->piece[i].iov_len);
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

static void move_all(struct dray_machine *m, unsigned rights, bool flags, move_fn *move)
{
    for (uint32_t i = 0; i < MODEL_REGIONS; i++) {
        const struct model_region *r = &m->regions[i];
        const struct dray_slot *slot =
            m->wanted[i] && (r->rights & rights) && flags == (r->words != NULL) ? slot_of(m, i)
                                                                                : NULL;
        if (!slot)
            continue;
        move_region(m, r, slot, move);
        if (r->words)
            memcpy(r->words, slot->base, r->length);
    }
}

static void want(struct dray_machine *m, dray_key key)
{
    uint32_t index = key.value & DRAY_KEY_INDEX_MASK;
    if (index < MODEL_REGIONS)
        m->wanted[index] = true;
}

void model_regions_want(struct dray_machine *m, const struct dray_desc *d)
{
    want(m, d->src_key);
    want(m, d->dst_key);
    if (d->opcode == DRAY_OP_STRIDED)
        want(m, d->arg.strided.shape_key);
    if (d->opcode == DRAY_OP_LINK) /* what it leads to names others */
        memset(m->wanted, true, sizeof(m->wanted));
}

void model_regions_in(struct dray_machine *m)
{
    move_all(m, DRAY_READ | DRAY_WRITE, false, move_in);
    move_all(m, DRAY_READ | DRAY_WRITE, true, move_in);
}

/* Flags last: who sees one sees what was written before it. */
void model_regions_out(struct dray_machine *m)
{
    move_all(m, DRAY_WRITE, false, move_out);
    atomic_thread_fence(memory_order_release);
    move_all(m, DRAY_WRITE, true, move_out);
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
