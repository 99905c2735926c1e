/* Mappings for a device, and the cache maintenance that belongs to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver_internal.h"

/* ---- who is mapped: sorted by IO address ---- */

/* The first mapping from `io` on. */
static size_t first_from(const struct sim_driver *driver, uint64_t io)
{
    size_t low = 0, high = driver->mapping_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (driver->mappings[middle].io < io)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mapping *find(struct sim_driver *driver, uint64_t io)
{
    for (size_t i = first_from(driver, io);
         i < driver->mapping_count && driver->mappings[i].io == io; i++)
        if (!driver->mappings[i].gone)
            return &driver->mappings[i];
    return NULL;
}

static int insert(struct sim_driver *driver, const struct mapping *mapping)
{
    if (driver_grow(&driver->mappings, &driver->mapping_room, driver->mapping_count,
                    sizeof(*driver->mappings)))
        return -ENOMEM;
    size_t at = first_from(driver, mapping->io);
    memmove(&driver->mappings[at + 1], &driver->mappings[at],
            (driver->mapping_count - at) * sizeof(*driver->mappings));
    driver->mappings[at] = *mapping;
    driver->mapping_count++;
    return 0;
}

static void drop(struct sim_driver *driver, struct mapping *mapping)
{
    size_t at = (size_t)(mapping - driver->mappings);
    driver->mapping_count--;
    memmove(mapping, mapping + 1, (driver->mapping_count - at) * sizeof(*mapping));
}

size_t sim_driver_mappings(const struct sim_driver *driver)
{
    return driver->mapping_count - driver->gone_count;
}

/* ---- maintenance ---- */

static bool maintained(const struct sim_driver *driver, const struct mapping *mapping)
{
    if (driver->options.system->snooped || mapping->flags & SIM_MAP_RAW)
        return false;
    const struct sim_page *page = sim_space_find(driver->options.space, mapping->virtual);
    return page && page->mapping == SIM_CACHED;
}

/* Nothing changed is left in caches, and (where the device will write) nothing at all: neither an
 * old copy to be read nor a changed one to be written back over the device's bytes. */
static void give_to_device(struct sim_core *core, const struct sim_driver *driver,
                           const struct mapping *mapping, uint64_t offset, uint64_t size,
                           const struct sim_where *where)
{
    if (!maintained(driver, mapping))
        return;
    if (mapping->direction & SIM_FROM_DEVICE)
        sim_flush(core, mapping->virtual + offset, size, where);
    else
        sim_clean(core, mapping->virtual + offset, size, where);
    sim_barrier(core, SIM_BARRIER_MAINTENANCE, where);
}

/* What came back by speculation goes. */
static void take_from_device(struct sim_core *core, const struct sim_driver *driver,
                             const struct mapping *mapping, uint64_t offset, uint64_t size,
                             const struct sim_where *where)
{
    if (!maintained(driver, mapping) || !(mapping->direction & SIM_FROM_DEVICE))
        return;
    sim_invalidate(core, mapping->virtual + offset, size, where);
    sim_barrier(core, SIM_BARRIER_MAINTENANCE, where);
}

/* ---- map ---- */

/* Without an IOMMU the device's addresses are physical. */
static uint64_t physical_io(const struct sim_driver *driver, uint64_t address, uint64_t size)
{
    struct sim_run run = driver_run(driver, address, size);
    uint64_t bits = driver->options.address_bits;
    if (run.size != size)
        return SIM_NEVER;
    if (bits < 64 && (run.physical + size - 1) >> bits)
        return SIM_NEVER;
    return run.physical;
}

/* The mapping has its addresses to itself from here on: before time passes. */
static int make(struct sim_driver *driver, struct mapping *mapping, uint64_t *entries)
{
    *entries = 0;
    if (!mapping->size)
        return -EINVAL;
    mapping->io = driver->options.iommu ? table_find_io(driver, mapping->virtual, mapping->size)
                                        : physical_io(driver, mapping->virtual, mapping->size);
    if (mapping->io == SIM_NEVER)
        return -ENOSPC;
    int error = insert(driver, mapping);
    if (error || !driver->options.iommu)
        return error;
    error = table_enter(driver, mapping, entries);
    if (error) {
        table_clear(driver, mapping);
        drop(driver, find(driver, mapping->io));
    }
    return error;
}

static void tell_mapped(const struct sim_driver *driver, const struct mapping *mapping,
                        const struct sim_where *where)
{
    if (!sim_watchers(driver->options.kernel))
        return;
    unsigned snooped = driver->options.system->snooped ? SIM_MAP_SNOOPED : 0;
    driver_tell(
        driver,
        &(struct sim_note){ .kind = SIM_NOTE_MAP,
                            .address = mapping->virtual,
                            .size = mapping->size,
                            .value = mapping->direction | (uint64_t)(mapping->flags | snooped) << 8,
                            .extra = mapping->io },
        "map", where);
    if (mapping->io == SIM_NEVER)
        return;
    for (uint64_t at = 0; at < mapping->size;) {
        struct sim_run run = driver_run(driver, mapping->virtual + at, mapping->size - at);
        driver_tell(driver,
                    &(struct sim_note){ .kind = SIM_NOTE_MAP_RUN,
                                        .address = run.physical,
                                        .size = run.size,
                                        .extra = mapping->io + at },
                    "map", where);
        at += run.size;
    }
}

uint64_t sim_dma_map(struct sim_core *core, struct sim_driver *driver, uint64_t address,
                     uint64_t size, enum sim_direction direction, unsigned flags,
                     const struct sim_where *where)
{
    struct mapping mapping = {
        .virtual = address, .size = size, .direction = direction, .flags = flags
    };
    uint64_t entries;
    int error = make(driver, &mapping, &entries);
    if (error)
        mapping.io = SIM_NEVER;
    /* At once: a page that moves while time passes moves under the mapping. */
    tell_mapped(driver, &mapping, where);
    sim_pass(core, driver->options.system->call + entries * driver->options.system->map);
    if (!error)
        give_to_device(core, driver, &mapping, 0, size, where);
    return mapping.io;
}

/* ---- unmap and sync ---- */

static void tell(const struct sim_driver *driver, enum sim_note_kind kind, uint64_t io,
                 uint64_t size, uint64_t value, const char *what, const struct sim_where *where)
{
    driver_tell(driver,
                &(struct sim_note){ .kind = kind, .size = size, .value = value, .extra = io }, what,
                where);
}

int sim_dma_unmap(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                  const struct sim_where *where)
{
    sim_pass(core, driver->options.system->call);
    struct mapping *found = find(driver, io);
    if (!found)
        return -ENOENT;
    struct mapping mapping = *found;
    bool lazy = mapping.flags & SIM_MAP_LAZY && driver->options.iommu;
    tell(driver, SIM_NOTE_UNMAP, io, mapping.size, lazy, "unmap", where);
    if (lazy) {
        found->gone = true;
        driver->gone_count++;
    } else {
        drop(driver, found);
    }
    if (driver->options.iommu) {
        sim_pass(core, table_clear(driver, &mapping) * driver->options.system->unmap);
        if (!lazy)
            table_invalidate(core, driver, io, mapping.size);
    }
    take_from_device(core, driver, &mapping, 0, mapping.size, where);
    return 0;
}

/* The mapping, if the range lies in it. */
static int find_range(struct sim_driver *driver, uint64_t io, uint64_t offset, uint64_t size,
                      struct mapping *mapping)
{
    const struct mapping *found = find(driver, io);
    if (!found)
        return -ENOENT;
    *mapping = *found;
    return offset > mapping->size || size > mapping->size - offset ? -EINVAL : 0;
}

int sim_dma_sync_for_device(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                            uint64_t offset, uint64_t size, const struct sim_where *where)
{
    struct mapping mapping;
    sim_pass(core, driver->options.system->call);
    int error = find_range(driver, io, offset, size, &mapping);
    if (error)
        return error;
    give_to_device(core, driver, &mapping, offset, size, where);
    tell(driver, SIM_NOTE_SYNC_DEVICE, io + offset, size, 0, "sync for device", where);
    return 0;
}

int sim_dma_sync_for_cpu(struct sim_core *core, struct sim_driver *driver, uint64_t io,
                         uint64_t offset, uint64_t size, const struct sim_where *where)
{
    struct mapping mapping;
    sim_pass(core, driver->options.system->call);
    int error = find_range(driver, io, offset, size, &mapping);
    if (error)
        return error;
    tell(driver, SIM_NOTE_SYNC_CPU, io + offset, size, 0, "sync for cpu", where);
    take_from_device(core, driver, &mapping, offset, size, where);
    return 0;
}

void sim_dma_flush(struct sim_core *core, struct sim_driver *driver, const struct sim_where *where)
{
    sim_pass(core, driver->options.system->call);
    if (!driver->options.iommu || !driver->gone_count)
        return;
    /* Those that go while it waits are for the next flush. */
    for (size_t i = 0; i < driver->mapping_count; i++)
        driver->mappings[i].forgotten = driver->mappings[i].gone;
    table_invalidate(core, driver, 0, 0);
    size_t kept = 0;
    for (size_t i = 0; i < driver->mapping_count; i++)
        if (!driver->mappings[i].forgotten)
            driver->mappings[kept++] = driver->mappings[i];
    driver->gone_count -= driver->mapping_count - kept;
    driver->mapping_count = kept;
    tell(driver, SIM_NOTE_UNMAPPED, 0, 0, 0, "flush", where);
}
