/* Looking a key up once for many descriptors in a row that name it. */
#ifndef DRAY_ENGINE_SOFT_FOUND_H
#define DRAY_ENGINE_SOFT_FOUND_H

#include "domain/region.h"

/* The plain memory that a key was found to name. All zero: nothing yet (key 0 names nothing, and
 * holds no byte). */
struct dray_found {
    uint32_t key;
    uint8_t *base;
    uint64_t length;
};

/* Looks a key up, or remembers what it found for the same key before: within one reader it cannot
 * have gone. */
static inline bool dray_find(const struct dray_table *table, struct dray_found *found, dray_key key,
                             unsigned access)
{
    const struct dray_slot *slot;
    if (found->key == key.value)
        return true;
    if (dray_resolve(table, key, 0, 0, access, &slot))
        return false;
    if (slot->kind != DRAY_REGION_MEMORY && slot->kind != DRAY_REGION_FLAGS)
        return false;
    *found = (struct dray_found){ key.value, (uint8_t *)slot->base, slot->length };
    return true;
}

static inline bool dray_found_holds(const struct dray_found *found, uint64_t offset,
                                    uint64_t length)
{
    return offset <= found->length && length <= found->length - offset;
}

#endif
