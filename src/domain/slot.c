/*
 * The table: taking slots, giving them keys, giving them back.
 *
 *      never used --take--> filled --publish--> live --retire--> dead --release--> free (at the
 * tail)
 *                                                                                   |
 *      filled <--take-- (from the head, once DRAY_QUARANTINE others are behind it) -+
 *
 * While a slot is free its length links it to the next. Readers may look at its key at any time, at
 * the rest only while the key is theirs.
 */
#include <stdlib.h>
#include <unistd.h>

#include "domain/internal.h"

static uint32_t free_pop(struct dray_domain *domain)
{
    uint32_t index = domain->free_head;
    domain->free_head = (uint32_t)domain->table.slots[index].length;
    domain->free_count--;
    return index;
}

static void free_push(struct dray_domain *domain, uint32_t index)
{
    if (domain->free_count++ == 0)
        domain->free_head = index;
    else
        domain->table.slots[domain->free_tail].length = index;
    domain->free_tail = index;
}

/* Old slots first, so that a program that maps and unmaps for ever does not touch the whole table;
 * but fresh ones while the quarantine fills. */
uint32_t dray_slot_take(struct dray_domain *domain)
{
    if (domain->regions >= domain->regions_max)
        return DRAY_SLOT_NONE;
    if (domain->free_count > DRAY_QUARANTINE)
        return free_pop(domain);
    if (domain->used < domain->table.size)
        return domain->used++;
    if (domain->free_count > 0)
        return free_pop(domain);
    return DRAY_SLOT_NONE;
}

dray_key dray_slot_publish(struct dray_domain *domain, uint32_t index)
{
    struct dray_slot *slot = &domain->table.slots[index];
    if (slot->generation == 0)
        slot->generation = domain->first_generation;
    slot->generation = slot->generation < DRAY_GENERATION_MAX ? slot->generation + 1 : 1;
    dray_key key = { (uint32_t)slot->generation << DRAY_KEY_INDEX_BITS | index };
    atomic_store_explicit(&slot->key, key.value, memory_order_release); /* partner: dray_resolve */
    domain->regions++;
    domain->maps++;
    return key;
}

struct dray_slot *dray_slot_live(struct dray_domain *domain, dray_key key)
{
    uint32_t index = key.value & DRAY_KEY_INDEX_MASK;
    if (key.value == 0 || index >= domain->used)
        return NULL;
    struct dray_slot *slot = &domain->table.slots[index];
    return atomic_load_explicit(&slot->key, memory_order_relaxed) == key.value ? slot : NULL;
}

void dray_slot_retire(struct dray_domain *domain, struct dray_slot *slot)
{
    atomic_store_explicit(&slot->key, 0, memory_order_seq_cst); /* partner: dray_resolve */
    domain->regions--;
    domain->unmaps++;
}

static void slot_unpin(struct dray_domain *domain, struct dray_slot *slot)
{
    if (slot->kind != DRAY_REGION_PIECES) {
        dray_unpin(&domain->pins, slot->base, slot->length);
        return;
    }
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    for (size_t i = 0; i < pieces->count; i++)
        dray_unpin(&domain->pins, pieces->piece[i].iov_base, pieces->piece[i].iov_len);
}

void dray_slot_release(struct dray_domain *domain, struct dray_slot *slot)
{
    if (slot->access & DRAY_PIN)
        slot_unpin(domain, slot);
    if (slot->kind == DRAY_REGION_FILE || slot->kind == DRAY_REGION_STREAM)
        dray_region_close(slot->region);
    dray_region_free(slot->region);
    slot->region = NULL;
    free_push(domain, (uint32_t)(slot - domain->table.slots));
}
