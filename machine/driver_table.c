/*
 * The tables of an IOMMU, as iommu.h describes them: bytes in memory.
 *
 * Tables are kept until the driver ends, so that no walk under way ever reads one that became
 * something else. IO addresses are given out upwards and come round, with a page left free after each
 * mapping: an address that was unmapped does not mean other bytes soon, and one past the end means
 * none.
 */
#include <errno.h>
#include <stdlib.h>

#include "driver_internal.h"

enum {
    ENTRIES = 512,
    ENTRY = 8,
};

#define ADDRESS   0x000ffffffffff000ull
#define BOTH      (SIM_IOMMU_READ | SIM_IOMMU_WRITE)
#define FIRST_IO  ((uint64_t)16 << 20)
#define VALID     1u
#define HUGE_MASK ((uint64_t)SIM_HUGE_PAGE - 1)

static uint64_t entry_at(const struct sim_driver *driver, uint64_t place)
{
    uint64_t entry;
    sim_memory_read(driver->options.memory, place, &entry, sizeof(entry));
    return entry;
}

static void set_entry(struct sim_driver *driver, uint64_t place, uint64_t entry)
{
    driver_put(driver, place, &entry, sizeof(entry));
}

static uint64_t take_table(struct sim_driver *driver)
{
    static const uint8_t zero[SIM_PAGE];
    if (driver_grow(&driver->tables, &driver->table_room, driver->table_count,
                    sizeof(*driver->tables)))
        return SIM_NEVER;
    uint64_t frame = sim_frames_take(driver->options.frames, SIM_PAGE, 0);
    if (frame == SIM_NEVER)
        return SIM_NEVER;
    driver_put(driver, frame, zero, SIM_PAGE);
    driver->tables[driver->table_count++] = frame;
    return frame;
}

/* ---- life ---- */

int table_create(struct sim_driver *driver)
{
    struct sim_iommu *iommu = driver->options.iommu;
    unsigned bits = 12 + 9 * (unsigned)sim_iommu_params(iommu)->levels;
    if (bits > driver->options.address_bits)
        bits = (unsigned)driver->options.address_bits;
    driver->next_io = FIRST_IO;
    driver->end_io = bits < 48 ? (uint64_t)1 << bits : (uint64_t)1 << 48;
    driver->owns_root = !sim_iommu_enabled(iommu);
    driver->root = driver->owns_root ? take_table(driver) : sim_iommu_root(iommu);
    if (driver->root == SIM_NEVER)
        return -ENOMEM;
    driver->top = take_table(driver);
    if (driver->top == SIM_NEVER)
        return -ENOMEM;
    set_entry(driver, driver->root + (uint64_t)driver->options.device * ENTRY, driver->top | VALID);
    sim_iommu_invalidate(iommu, driver->options.device, 0, 0, NULL, NULL);
    if (driver->owns_root)
        sim_iommu_enable(iommu, driver->root);
    return 0;
}

/* Whoever made the root table is destroyed last. */
void table_destroy(struct sim_driver *driver)
{
    if (driver->root && driver->root != SIM_NEVER) {
        if (driver->owns_root)
            sim_iommu_disable(driver->options.iommu);
        else
            set_entry(driver, driver->root + (uint64_t)driver->options.device * ENTRY, 0);
        sim_iommu_invalidate(driver->options.iommu, driver->options.device, 0, 0, NULL, NULL);
    }
    for (size_t i = 0; i < driver->table_count; i++)
        sim_frames_give(driver->options.frames, driver->tables[i], SIM_PAGE);
    free(driver->tables);
}

/* ---- IO addresses ---- */

/* The end of the first mapping that [begin, end) touches; 0: none does. */
static uint64_t taken_until(const struct sim_driver *driver, uint64_t begin, uint64_t end)
{
    size_t low = 0, high = driver->mapping_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (driver->mappings[middle].io + driver->mappings[middle].size <= begin)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == driver->mapping_count || driver->mappings[low].io >= end)
        return 0;
    return driver->mappings[low].io + driver->mappings[low].size;
}

uint64_t table_find_io(struct sim_driver *driver, uint64_t address, uint64_t size)
{
    /* Huge pages keep their place in 2 MiB, so that they can be entered as such. */
    uint64_t unit = size >= SIM_HUGE_PAGE ? SIM_HUGE_PAGE : SIM_PAGE;
    uint64_t within = address & (unit - 1);
    bool came_round = false;
    for (uint64_t at = driver->next_io;;) {
        uint64_t io = ((at + unit - 1) & ~(unit - 1)) + within;
        uint64_t end = ((io + size + SIM_PAGE - 1) & ~(uint64_t)(SIM_PAGE - 1)) + SIM_PAGE;
        if (end > driver->end_io) {
            if (came_round)
                return SIM_NEVER;
            came_round = true;
            at = FIRST_IO;
            continue;
        }
        uint64_t until = taken_until(driver, io & ~(uint64_t)(SIM_PAGE - 1), end);
        if (!until) {
            driver->next_io = end;
            return io;
        }
        at = ((until + SIM_PAGE - 1) & ~(uint64_t)(SIM_PAGE - 1)) + SIM_PAGE;
    }
}

/* ---- entries ---- */

/* Where the entry of `io` lies: in the table of `level` (1: the last), or above it where a page of
 * 2 MiB is met. Tables that are missing are made, or SIM_NEVER. */
static uint64_t place_of(struct sim_driver *driver, uint64_t io, unsigned level, bool make,
                         uint64_t *page_size)
{
    uint64_t table = driver->top;
    for (unsigned at = (unsigned)sim_iommu_params(driver->options.iommu)->levels;; at--) {
        unsigned shift = 12 + 9 * (at - 1);
        uint64_t place = table + (io >> shift & (ENTRIES - 1)) * ENTRY;
        uint64_t entry = entry_at(driver, place);
        *page_size = (uint64_t)1 << shift;
        if (at == level || (entry & BOTH && entry & SIM_IOMMU_HUGE))
            return place;
        if (entry & BOTH) {
            table = entry & ADDRESS;
            continue;
        }
        if (!make)
            return SIM_NEVER;
        table = take_table(driver);
        if (table == SIM_NEVER)
            return SIM_NEVER;
        set_entry(driver, place, table | BOTH);
    }
}

static unsigned rights_of(enum sim_direction direction)
{
    return (direction & SIM_TO_DEVICE ? SIM_IOMMU_READ : 0) |
           (direction & SIM_FROM_DEVICE ? SIM_IOMMU_WRITE : 0);
}

int table_enter(struct sim_driver *driver, const struct mapping *mapping, uint64_t *entries)
{
    uint64_t io = mapping->io & ~(uint64_t)(SIM_PAGE - 1), end = mapping->io + mapping->size;
    uint64_t virtual = mapping->virtual & ~(uint64_t)(SIM_PAGE - 1);
    *entries = 0;
    while (io < end) {
        const struct sim_page *page = sim_space_find(driver->options.space, virtual);
        if (!page)
            return -ENOENT;
        uint64_t physical = page->physical + (virtual - page->virtual);
        bool huge = !((io | physical) & HUGE_MASK) && page->size == SIM_HUGE_PAGE &&
                    end - io >= SIM_HUGE_PAGE;
        uint64_t size;
        uint64_t place = place_of(driver, io, huge ? 2 : 1, true, &size);
        if (place == SIM_NEVER)
            return -ENOMEM;
        /* Where a table of small pages lies already, 2 MiB are entered one by one. */
        if (huge && entry_at(driver, place) & BOTH) {
            size = SIM_PAGE;
            huge = false;
            place = place_of(driver, io, 1, true, &size);
        }
        set_entry(driver, place,
                  physical | rights_of(mapping->direction) | (huge ? SIM_IOMMU_HUGE : 0));
        io += size;
        virtual += size;
        ++*entries;
    }
    return 0;
}

uint64_t table_clear(struct sim_driver *driver, const struct mapping *mapping)
{
    uint64_t io = mapping->io & ~(uint64_t)(SIM_PAGE - 1), end = mapping->io + mapping->size;
    uint64_t cleared = 0;
    while (io < end) {
        uint64_t size;
        uint64_t place = place_of(driver, io, 1, false, &size);
        if (place != SIM_NEVER) {
            set_entry(driver, place, 0);
            cleared++;
        } else {
            size = SIM_PAGE;
        }
        io += size;
    }
    return cleared;
}

/* ---- invalidation ---- */

struct answer {
    struct sim_fiber *fiber;
    bool here;
};

static void answered(void *argument)
{
    struct answer *answer = argument;
    answer->here = true;
    sim_wake(answer->fiber);
}

void table_invalidate(struct sim_core *core, struct sim_driver *driver, uint64_t io, uint64_t size)
{
    struct answer answer = { .fiber = sim_fiber_self(driver->options.kernel) };
    if (sim_iommu_invalidate(driver->options.iommu, driver->options.device, io, size, answered,
                             &answer))
        return; /* no memory to wait; it is dropped all the same */
    while (!answer.here)
        sim_core_block(core, "the IOMMU to forget");
}
