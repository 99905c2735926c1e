/*
 * What was translated: the IOTLB, and the walk cache.
 *
 * The IOTLB has sets and ways; a page of 2 MiB lies in the set of its own number, so an address has
 * two sets to be looked for in. The walk cache remembers the last table of regions of 2 MiB and has
 * no sets: it is asked after a miss alone. Both replace what was used longest ago.
 */
#include "iommu_state.h"

#include <errno.h>
#include <stdlib.h>

static struct iommu_entry *set_of(const struct sim_iommu *iommu, uint64_t address,
                                  uint64_t page_size)
{
    return &iommu->entries[(address / page_size & (iommu->sets - 1)) * iommu->params.iotlb_ways];
}

static struct iommu_entry *find_in(const struct sim_iommu *iommu, uint32_t device, uint64_t address,
                                   uint64_t page_size)
{
    struct iommu_entry *set = set_of(iommu, address, page_size);
    uint64_t base = address & ~(page_size - 1);

    for (uint64_t i = 0; i < iommu->params.iotlb_ways; i++)
        if (set[i].valid && set[i].base == base && set[i].device == device &&
            set[i].size == page_size)
            return &set[i];
    return NULL;
}

struct iommu_entry *iommu_cache_find(const struct sim_iommu *iommu, uint32_t device,
                                     uint64_t address)
{
    struct iommu_entry *entry = find_in(iommu, device, address, IOMMU_PAGE);

    if (!entry && iommu->huge_entries)
        entry = find_in(iommu, device, address, IOMMU_HUGE_PAGE);
    return entry;
}

static void forget(struct sim_iommu *iommu, struct iommu_entry *entry)
{
    iommu->huge_entries -= entry->valid && entry->size == IOMMU_HUGE_PAGE;
    entry->valid = false;
}

void iommu_cache_add(struct sim_iommu *iommu, uint32_t device, uint64_t address,
                     const struct iommu_answer *answer)
{
    struct iommu_entry *set = set_of(iommu, address, answer->size);
    /* Walks of two addresses in one large page may end one after the other. */
    struct iommu_entry *victim = find_in(iommu, device, address, answer->size);

    if (!victim) {
        victim = set;
        for (uint64_t i = 0; i < iommu->params.iotlb_ways && victim->valid; i++)
            if (!set[i].valid || set[i].used < victim->used)
                victim = &set[i];
    }
    forget(iommu, victim);
    *victim = (struct iommu_entry){ .valid = true,
                                    .device = device,
                                    .base = address & ~(answer->size - 1),
                                    .size = answer->size,
                                    .physical = answer->base,
                                    .rights = answer->rights,
                                    .used = ++iommu->tick };
    iommu->huge_entries += answer->size == IOMMU_HUGE_PAGE;
}

struct iommu_region *iommu_region_find(struct sim_iommu *iommu, uint32_t device, uint64_t address)
{
    uint64_t base = address & ~(uint64_t)(IOMMU_HUGE_PAGE - 1);

    for (uint64_t i = 0; i < iommu->params.walk_cache; i++) {
        struct iommu_region *region = &iommu->regions[i];
        if (region->valid && region->base == base && region->device == device) {
            region->used = ++iommu->tick;
            return region;
        }
    }
    return NULL;
}

void iommu_region_add(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t table,
                      unsigned rights)
{
    struct iommu_region *victim = iommu_region_find(iommu, device, address);

    if (!iommu->params.walk_cache)
        return;
    if (!victim) {
        victim = iommu->regions;
        for (uint64_t i = 0; i < iommu->params.walk_cache && victim->valid; i++)
            if (!iommu->regions[i].valid || iommu->regions[i].used < victim->used)
                victim = &iommu->regions[i];
    }
    *victim = (struct iommu_region){ .valid = true,
                                     .device = device,
                                     .base = address & ~(uint64_t)(IOMMU_HUGE_PAGE - 1),
                                     .table = table,
                                     .rights = rights,
                                     .used = ++iommu->tick };
}

/* ---- forgetting ---- */

static void drop_all(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size)
{
    for (uint64_t i = 0; i < iommu->params.iotlb; i++) {
        struct iommu_entry *entry = &iommu->entries[i];
        if (iommu_concerns(device, entry->device) &&
            iommu_touches(entry->base, entry->size, address, size))
            forget(iommu, entry);
    }
}

/* Of a few pages: their sets alone are looked at. */
static void drop_pages(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size)
{
    uint64_t last = address + (size - 1);

    for (uint64_t page = address / IOMMU_PAGE; page <= last / IOMMU_PAGE; page++) {
        struct iommu_entry *entry;
        while ((entry = iommu_cache_find(iommu, device, page * IOMMU_PAGE)))
            forget(iommu, entry);
    }
}

/* The last table may itself be given back once its pages are unmapped, so the walk cache forgets it
 * with any of them. A driver pays for that with a whole walk after each strict unmap, as on real
 * systems. */
static void drop_regions(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size)
{
    for (uint64_t i = 0; i < iommu->params.walk_cache; i++) {
        struct iommu_region *region = &iommu->regions[i];
        if (iommu_concerns(device, region->device) &&
            iommu_touches(region->base, IOMMU_HUGE_PAGE, address, size))
            region->valid = false;
    }
}

void iommu_cache_drop(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size)
{
    if (size && size <= 16 * IOMMU_PAGE && device != SIM_IOMMU_DEVICES)
        drop_pages(iommu, device, address, size);
    else
        drop_all(iommu, device, address, size);
    drop_regions(iommu, device, address, size);
}

/* ---- life ---- */

int iommu_cache_create(struct sim_iommu *iommu)
{
    iommu->sets = iommu->params.iotlb / iommu->params.iotlb_ways;
    iommu->entries = calloc(iommu->params.iotlb, sizeof(*iommu->entries));
    iommu->regions = calloc(iommu->params.walk_cache + 1, sizeof(*iommu->regions));
    return iommu->entries && iommu->regions ? 0 : -ENOMEM;
}

void iommu_cache_destroy(struct sim_iommu *iommu)
{
    free(iommu->regions);
    free(iommu->entries);
}
