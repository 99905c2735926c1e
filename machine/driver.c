/* The operating system's side of a device: memory of driver code, and what becomes of its pages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_internal.h"

#define AT(member) offsetof(struct sim_system_params, member)

/* Map and unmap of 4 KiB as on a desktop x86 (0.7 and 0.5 us for a mapping of one page; its
 * invalidation, 2130 cycles, is a parameter of the IOMMU), pinning 67 ns a page. How the first figure
 * is divided between the call and the page is assumed. */
static const struct sim_param params[] = {
    { "cores", SIM_UNIT_COUNT, AT(cores), 1, 1, 16, 0, NULL, "that run programs" },
    { "fragmentation", SIM_UNIT_SHARE, AT(fragmentation), 0, 0, 1000000, 0, NULL,
      "of memory: how often the next frame is not the neighbour" },
    { "huge", SIM_UNIT_BOOL, AT(huge), 0, 0, 1, 0, NULL,
      "memory is mapped in pages of 2 MiB where it can be" },
    { "map", SIM_UNIT_TIME, AT(map), 600 * SIM_NS, 0, SIM_S, 0, NULL,
      "of each page mapped for a device" },
    { "unmap", SIM_UNIT_TIME, AT(unmap), 400 * SIM_NS, 0, SIM_S, 0, NULL,
      "of each page unmapped, beside the invalidation" },
    { "pin", SIM_UNIT_TIME, AT(pin), 67 * SIM_NS, 0, SIM_S, 0, NULL, "of each page pinned" },
    { "call", SIM_UNIT_TIME, AT(call), 100 * SIM_NS, 0, SIM_S, 0, NULL,
      "of each call of the operating system" },
    { "snooped", SIM_UNIT_BOOL, AT(snooped), 1, 0, 1, 0, NULL, "devices look into caches" },
    { "linked", SIM_UNIT_BOOL, AT(linked), 1, 0, 1, 0, NULL,
      "the controller sits behind the link, not on the bus" },
};

const struct sim_part_kind sim_system_kind = {
    .name = "system",
    .about = "how many cores, and what the operating system does and costs",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_system_params),
};

enum {
    FIRST_ROOM = 16,
};

/* ---- life ---- */

int sim_driver_create(struct sim_driver **driver, const struct sim_driver_options *options)
{
    struct sim_driver *d = calloc(1, sizeof(*d));
    *driver = NULL;
    if (!d)
        return -ENOMEM;
    d->options = *options;
    d->next_virtual = SIM_VIRTUAL_FIRST;
    int error = options->iommu ? table_create(d) : 0;
    if (error) {
        sim_driver_destroy(&d);
        return error;
    }
    *driver = d;
    return 0;
}

void sim_driver_destroy(struct sim_driver **driver)
{
    struct sim_driver *d = *driver;
    if (!d)
        return;
    if (d->options.iommu)
        table_destroy(d);
    free(d->mappings);
    free(d->allocations);
    free(d);
    *driver = NULL;
}

int driver_grow(void *array, size_t *room, size_t count, size_t size)
{
    void *old, *grown;
    if (count < *room)
        return 0;
    size_t wanted = *room ? *room * 2 : FIRST_ROOM;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, wanted * size);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    *room = wanted;
    return 0;
}

void driver_tell(const struct sim_driver *driver, const struct sim_note *note, const char *what,
                 const struct sim_where *where)
{
    const struct sim_kernel *kernel = driver->options.kernel;
    if (!sim_watchers(kernel))
        return;
    struct sim_origin origin = { .what = what,
                                 .file = where ? where->file : NULL,
                                 .line = where ? where->line : 0 };
    struct sim_note told = *note;
    struct sim_fiber *fiber = sim_fiber_self(kernel);
    told.time = sim_now(kernel);
    told.part = fiber ? sim_fiber_name(fiber) : "system";
    told.device = driver->options.device;
    told.origin = &origin;
    sim_note(kernel, &told);
}

/* ---- bytes ---- */

void driver_put(struct sim_driver *driver, uint64_t physical, const void *from, size_t size)
{
    sim_memory_write(driver->options.memory, physical, from, size);
    for (size_t i = 0; i < driver->options.core_count; i++)
        sim_core_poke(driver->options.cores[i], physical, from, (uint32_t)size);
}

static void get(struct sim_driver *driver, uint64_t physical, void *to, size_t size)
{
    sim_memory_read(driver->options.memory, physical, to, size);
    for (size_t i = 0; i < driver->options.core_count; i++)
        sim_core_peek(driver->options.cores[i], physical, to, (uint32_t)size);
}

/* The physical address, and how many bytes of `size` lie behind it in the same 4 KiB. */
static uint64_t piece_at(struct sim_driver *driver, uint64_t address, uint64_t size, size_t *piece)
{
    const struct sim_page *page = sim_space_find(driver->options.space, address);
    if (!page) {
        fprintf(stderr, "machine: nothing is mapped at %#llx, whose bytes are asked for\n",
                (unsigned long long)address);
        abort();
    }
    uint64_t left = SIM_PAGE - address % SIM_PAGE;
    *piece = size < left ? size : left;
    return page->physical + (address - page->virtual);
}

void sim_poke(struct sim_driver *driver, uint64_t address, const void *from, uint64_t size)
{
    const uint8_t *in = from;
    for (size_t piece; size; address += piece, in += piece, size -= piece) {
        uint64_t physical = piece_at(driver, address, size, &piece);
        driver_put(driver, physical, in, piece);
    }
}

void sim_peek(struct sim_driver *driver, uint64_t address, void *to, uint64_t size)
{
    uint8_t *out = to;
    for (size_t piece; size; address += piece, out += piece, size -= piece) {
        uint64_t physical = piece_at(driver, address, size, &piece);
        get(driver, physical, out, piece);
    }
}

/* ---- memory ---- */

static void forget(struct sim_driver *driver, uint64_t virtual, uint64_t physical, uint64_t size)
{
    for (size_t i = 0; i < driver->options.core_count; i++) {
        sim_core_forget(driver->options.cores[i], physical, size);
        sim_core_forget_page(driver->options.cores[i], virtual, size);
    }
}

static void clear(struct sim_driver *driver, uint64_t physical, uint64_t size)
{
    static const uint8_t zero[SIM_PAGE];
    for (uint64_t at = 0; at < size; at += SIM_PAGE)
        driver_put(driver, physical + at, zero, SIM_PAGE);
}

/* A page below `limit`; 0: anywhere. */
static int add_page(struct sim_driver *driver, uint64_t virtual, uint64_t size, uint64_t limit,
                    enum sim_mapping mapping)
{
    uint64_t frame = sim_frames_take(driver->options.frames, size, limit);
    if (frame == SIM_NEVER)
        return -ENOMEM;
    struct sim_page page = {
        .virtual = virtual, .physical = frame, .size = size, .mapping = mapping, .writable = true
    };
    int error = sim_space_map(driver->options.space, &page);
    if (error) {
        sim_frames_give(driver->options.frames, frame, size);
        return error;
    }
    if (driver->recycles)
        clear(driver, frame, size);
    return 0;
}

/* Takes away what there is of [virtual, end). */
static void remove_pages(struct sim_driver *driver, uint64_t virtual, uint64_t end)
{
    while (virtual < end) {
        const struct sim_page *found = sim_space_find(driver->options.space, virtual);
        if (!found)
            return;
        struct sim_page page = *found;
        forget(driver, page.virtual, page.physical, page.size);
        if (!sim_space_unmap(driver->options.space, page.virtual))
            sim_frames_give(driver->options.frames, page.physical, page.size);
        virtual = page.virtual + page.size;
    }
    driver->recycles = true;
}

static uint64_t keep(struct sim_driver *driver, uint64_t virtual, uint64_t size, uint64_t end)
{
    driver->allocations[driver->allocation_count++] =
        (struct allocation){ .virtual = virtual, .size = size };
    driver->next_virtual = end + SIM_PAGE; /* running past the end is a fault */
    return virtual;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

uint64_t sim_alloc(struct sim_driver *driver, uint64_t size, enum sim_mapping mapping)
{
    if (!size || driver_grow(&driver->allocations, &driver->allocation_room,
                             driver->allocation_count, sizeof(*driver->allocations)))
        return SIM_NEVER;
    uint64_t unit =
        driver->options.system->huge && size >= SIM_HUGE_PAGE ? SIM_HUGE_PAGE : SIM_PAGE;
    uint64_t virtual = round_up(driver->next_virtual, unit);
    uint64_t end = round_up(virtual + size, SIM_PAGE);
    for (uint64_t at = virtual; at < end;) {
        /* Huge ones as long as there are any and they fit. */
        uint64_t page = unit == SIM_HUGE_PAGE && end - at >= unit ? unit : SIM_PAGE;
        int error = add_page(driver, at, page, 0, mapping);
        if (error && page == SIM_HUGE_PAGE) {
            unit = SIM_PAGE;
            continue;
        }
        if (error) {
            remove_pages(driver, virtual, at);
            return SIM_NEVER;
        }
        at += page;
    }
    return keep(driver, virtual, size, end);
}

uint64_t sim_alloc_device(struct sim_driver *driver, uint64_t size, enum sim_mapping mapping)
{
    uint64_t bits = driver->options.address_bits;
    if (driver->options.iommu)
        return sim_alloc(driver, size, mapping);
    if (!size || size > SIM_HUGE_PAGE ||
        driver_grow(&driver->allocations, &driver->allocation_room, driver->allocation_count,
                    sizeof(*driver->allocations)))
        return SIM_NEVER;
    uint64_t page = size > SIM_PAGE ? SIM_HUGE_PAGE : SIM_PAGE;
    uint64_t virtual = round_up(driver->next_virtual, page);
    if (add_page(driver, virtual, page, bits < 64 ? (uint64_t)1 << bits : 0, mapping))
        return SIM_NEVER;
    return keep(driver, virtual, size, virtual + page);
}

void sim_free(struct sim_driver *driver, uint64_t address, const struct sim_where *where)
{
    size_t i = 0;
    while (i < driver->allocation_count && driver->allocations[i].virtual != address)
        i++;
    if (i == driver->allocation_count) {
        driver_tell(driver, &(struct sim_note){ .kind = SIM_NOTE_FAULT, .address = address },
                    "free", where);
        return;
    }
    struct allocation freed = driver->allocations[i];
    driver->allocations[i] = driver->allocations[--driver->allocation_count];
    uint64_t end = freed.virtual + freed.size;
    for (uint64_t at = freed.virtual; at < end;) {
        struct sim_run run = driver_run(driver, at, end - at);
        driver_tell(
            driver,
            &(struct sim_note){ .kind = SIM_NOTE_FREE, .address = run.physical, .size = run.size },
            "free", where);
        at += run.size;
    }
    remove_pages(driver, freed.virtual, end);
}

struct sim_run driver_run(const struct sim_driver *driver, uint64_t address, uint64_t size)
{
    struct sim_run run = { 0 };
    while (run.size < size) {
        const struct sim_page *page = sim_space_find(driver->options.space, address);
        if (!page)
            break;
        uint64_t physical = page->physical + (address - page->virtual);
        uint64_t piece = page->virtual + page->size - address;
        if (run.size && physical != run.physical + run.size)
            break;
        if (!run.size)
            run.physical = physical;
        run.size += piece < size - run.size ? piece : size - run.size;
        address += piece;
    }
    return run;
}

size_t sim_runs(const struct sim_driver *driver, uint64_t address, uint64_t size,
                struct sim_run *runs, size_t max)
{
    size_t count = 0;
    while (size) {
        struct sim_run run = driver_run(driver, address, size);
        if (!run.size)
            return count;
        if (count < max)
            runs[count] = run;
        count++;
        address += run.size;
        size -= run.size;
    }
    return count;
}

/* ---- pages ---- */

/* Calls `change` for each page of the range. Returns its first error; *end: where it stopped. */
static int each_page(struct sim_driver *driver, uint64_t address, uint64_t size,
                     int (*change)(struct sim_space *space, uint64_t virtual), uint64_t *end,
                     uint64_t *count)
{
    *end = address;
    *count = 0;
    while (*end < address + size) {
        const struct sim_page *page = sim_space_find(driver->options.space, *end);
        int error = page ? change(driver->options.space, *end) : -ENOENT;
        if (error)
            return error;
        *end = page->virtual + page->size;
        ++*count;
    }
    return 0;
}

int sim_pin(struct sim_core *core, struct sim_driver *driver, uint64_t address, uint64_t size,
            const struct sim_where *where)
{
    uint64_t end, count;
    (void)where;
    int error = each_page(driver, address, size, sim_space_pin, &end, &count);
    if (error && end > address)
        each_page(driver, address, end - address, sim_space_unpin, &end, &count);
    sim_pass(core, driver->options.system->call + count * driver->options.system->pin);
    return error;
}

int sim_unpin(struct sim_core *core, struct sim_driver *driver, uint64_t address, uint64_t size,
              const struct sim_where *where)
{
    uint64_t end, count;
    (void)where;
    sim_pass(core, driver->options.system->call);
    return each_page(driver, address, size, sim_space_unpin, &end, &count);
}

int sim_move(struct sim_core *core, struct sim_driver *driver, uint64_t address,
             const struct sim_where *where)
{
    sim_pass(core, driver->options.system->call);
    const struct sim_page *found = sim_space_find(driver->options.space, address);
    if (!found)
        return -ENOENT;
    if (found->pins)
        return -EBUSY;
    struct sim_page page = *found;
    uint64_t frame = sim_frames_take(driver->options.frames, page.size, 0);
    if (frame == SIM_NEVER)
        return -ENOMEM;
    for (uint64_t at = 0; at < page.size; at += SIM_PAGE) {
        uint8_t bytes[SIM_PAGE];
        get(driver, page.physical + at, bytes, SIM_PAGE);
        driver_put(driver, frame + at, bytes, SIM_PAGE);
    }
    forget(driver, page.virtual, page.physical, page.size);
    sim_space_move(driver->options.space, page.virtual, frame);
    sim_frames_give(driver->options.frames, page.physical, page.size);
    driver->recycles = true;
    driver_tell(
        driver,
        &(struct sim_note){
            .kind = SIM_NOTE_MOVE, .address = page.physical, .size = page.size, .value = frame },
        "move", where);
    return 0;
}
