#include "copy_driver.h"

#include <errno.h>
#include <stddef.h>

#include "dray/desc.h"

/* Where things lie in the driver's memory. What the device writes shares no line with what the driver
 * writes: else cleaning the one would overwrite the other. Lines have 256 bytes at most. */
enum {
    RING_AT = 0, /* written by the driver */
    TAIL_AT = RING_AT + COPY_RING * (int)sizeof(struct dray_desc),
    REGIONS_AT = TAIL_AT + 256,
    COMPLETION_AT = REGIONS_AT + 256, /* written by the device */
    HEAD_AT = COMPLETION_AT + COPY_RING * (int)sizeof(struct dray_completion),
    MEMORY_SIZE = HEAD_AT + 256,
    REGION = 1, /* the one region: all that the device can reach */
};

static const dray_key everything = { 1u << 20 | REGION };

/* ---- what a computer without snooping devices needs ---- */

/* The bytes are in memory when it returns. */
static void give(const struct copy_driver *copy, struct sim_core *core, uint64_t offset,
                 uint64_t size)
{
    if (!copy->options.snooped)
        sim_clean(core, copy->memory + offset, size, SIM_HERE);
    sim_barrier(core, copy->options.snooped ? SIM_BARRIER_STORE : SIM_BARRIER_MAINTENANCE,
                SIM_HERE);
}

/* The next load sees what the device wrote. */
static void take(const struct copy_driver *copy, struct sim_core *core, uint64_t offset,
                 uint64_t size)
{
    if (!copy->options.snooped)
        sim_invalidate(core, copy->memory + offset, size, SIM_HERE);
}

/* ---- registers ---- */

static void set(const struct copy_driver *copy, struct sim_core *core, unsigned offset,
                uint64_t value)
{
    sim_mmio_write(core, copy->options.registers + offset, value, 8, SIM_HERE);
}

static uint64_t status_of(const struct copy_driver *copy, struct sim_core *core)
{
    return sim_mmio_read(core, copy->options.registers + SIM_REG_STATUS, 8, SIM_HERE);
}

/* ---- the interrupt ---- */

static uint64_t completion_at(uint32_t index)
{
    return COMPLETION_AT + (index % COPY_RING) * sizeof(struct dray_completion);
}

/* Whether the next completion is there: its phase is that of this round of the ring. */
static bool is_there(struct copy_driver *copy, struct sim_core *core)
{
    uint64_t place = completion_at(copy->seen);
    unsigned expected = copy->seen / COPY_RING % 2 ? 0 : 1;
    take(copy, core, place, sizeof(struct dray_completion));
    /* Acquire: index, status and flags are 8 bytes; what else it tells of is read after them. */
    uint64_t last = sim_observe(
        core, copy->memory + place + offsetof(struct dray_completion, index), 8, SIM_HERE);
    unsigned flags = (unsigned)(last >> 48), status = (unsigned)(last >> 32) & 0xff;
    if ((flags & 1) != expected)
        return false;
    if (status != DRAY_STATUS_OK)
        copy->status = (uint8_t)status;
    return true;
}

static void handle(struct sim_core *core, unsigned number, void *argument)
{
    struct copy_driver *copy = argument;
    uint32_t before = copy->seen;
    (void)number;
    while (copy->seen != copy->wanted && is_there(copy, core))
        copy->seen++;
    if (copy->seen != before)
        set(copy, core, SIM_REG_SEEN, copy->seen);
}

/* ---- open and close ---- */

static void write_registers(const struct copy_driver *copy, struct sim_core *core)
{
    set(copy, core, SIM_REG_RING, copy->io + RING_AT);
    set(copy, core, SIM_REG_RING_SIZE, COPY_RING);
    set(copy, core, SIM_REG_TAIL, copy->io + TAIL_AT);
    set(copy, core, SIM_REG_HEAD, copy->io + HEAD_AT);
    set(copy, core, SIM_REG_COMPLETION, copy->io + COMPLETION_AT);
    set(copy, core, SIM_REG_COMPLETION_SIZE, COPY_RING);
    set(copy, core, SIM_REG_REGIONS, copy->io + REGIONS_AT);
    set(copy, core, SIM_REG_REGION_COUNT, REGION + 1);
    set(copy, core, SIM_REG_INTERRUPT, copy->options.interrupt);
}

/* Descriptors hold IO addresses as offsets: what the device may reach is the IOMMU's business here. */
static void write_region(const struct copy_driver *copy, struct sim_core *core)
{
    struct sim_region_entry entry = { .key = everything.value,
                                      .rights = SIM_RIGHT_READ | SIM_RIGHT_WRITE,
                                      .kind = SIM_REGION_MEMORY,
                                      .length = (uint64_t)1 << 62 };
    uint64_t offset = REGIONS_AT + REGION * sizeof(entry);
    sim_store(core, copy->memory + offset, &entry, sizeof(entry), SIM_HERE);
    give(copy, core, offset, sizeof(entry));
}

int copy_driver_open(struct copy_driver *copy, struct sim_core *core,
                     const struct copy_options *options)
{
    *copy = (struct copy_driver){ .options = *options, .size = MEMORY_SIZE };
    copy->memory = sim_alloc_device(options->driver, MEMORY_SIZE, SIM_CACHED);
    if (copy->memory == SIM_NEVER)
        return -ENOMEM;
    /* Its own maintenance: both sides use it all the time. */
    copy->io = sim_dma_map(core, options->driver, copy->memory, MEMORY_SIZE, SIM_BOTH_WAYS,
                           SIM_MAP_SHARED, SIM_HERE);
    if (copy->io == SIM_NEVER) {
        sim_free(options->driver, copy->memory, SIM_HERE);
        return -EFAULT;
    }
    sim_core_handler(core, options->interrupt, handle, copy);
    write_region(copy, core);
    write_registers(copy, core);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    set(copy, core, SIM_REG_CONTROL, SIM_CONTROL_RUN);
    if (status_of(copy, core) & SIM_STATUS_HALTED) {
        copy_driver_close(copy, core);
        return -EIO;
    }
    return 0;
}

void copy_driver_close(struct copy_driver *copy, struct sim_core *core)
{
    set(copy, core, SIM_REG_CONTROL, SIM_CONTROL_TERMINATE);
    while (!(status_of(copy, core) & SIM_STATUS_IDLE))
        sim_compute(core, 100);
    set(copy, core, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    status_of(copy, core); /* the reset has arrived */
    sim_core_handler(core, copy->options.interrupt, NULL, NULL);
    sim_dma_unmap(core, copy->options.driver, copy->io, SIM_HERE);
    sim_free(copy->options.driver, copy->memory, SIM_HERE);
}

/* ---- one transaction ---- */

/* One side of it, mapped piece by piece: behind an IOMMU there is only one. */
struct side {
    uint64_t address;
    enum sim_direction direction;
    struct sim_run runs[COPY_RUNS_MAX]; /* of IO addresses */
    size_t count;
};

static void unmap(const struct copy_driver *copy, struct sim_core *core, struct side *side,
                  uint64_t size)
{
    for (size_t i = 0; i < side->count; i++)
        sim_dma_unmap(core, copy->options.driver, side->runs[i].physical, SIM_HERE);
    sim_unpin(core, copy->options.driver, side->address, size, SIM_HERE);
}

static int map(const struct copy_driver *copy, struct sim_core *core, struct side *side,
               uint64_t size)
{
    struct sim_driver *driver = copy->options.driver;
    struct sim_run pieces[COPY_RUNS_MAX] = { { .size = size } };
    size_t count = 1;
    uint64_t at = side->address;
    if (sim_pin(core, driver, side->address, size, SIM_HERE))
        return -EFAULT;
    if (!copy->options.translated)
        count = sim_runs(driver, side->address, size, pieces, COPY_RUNS_MAX);
    for (side->count = 0; side->count < count; side->count++) {
        struct sim_run *run = &side->runs[side->count];
        run->size = pieces[side->count].size;
        run->physical = sim_dma_map(core, driver, at, run->size, side->direction, 0, SIM_HERE);
        if (run->physical == SIM_NEVER) {
            unmap(copy, core, side, size);
            return -EFAULT;
        }
        at += run->size;
    }
    return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Descriptors for where the two sides' pieces meet. All but the last are chained. */
static void build(struct copy_driver *copy, struct sim_core *core, struct side dst, struct side src,
                  uint64_t size)
{
    struct sim_run *to = dst.runs, *from = src.runs;
    while (size) {
        struct dray_desc desc;
        uint64_t length = least(to->size, from->size);
        dray_prep_copy(&desc, everything, to->physical, everything, from->physical, length);
        size -= length;
        desc.flags = size ? DRAY_FLAG_CHAIN : DRAY_FLAG_NOTIFY;
        uint64_t slot = RING_AT + copy->tail++ % COPY_RING * sizeof(desc);
        sim_store(core, copy->memory + slot, &desc, sizeof(desc), SIM_HERE);
        give(copy, core, slot, sizeof(desc));
        *to = (struct sim_run){ to->physical + length, to->size - length };
        *from = (struct sim_run){ from->physical + length, from->size - length };
        to += !to->size;
        from += !from->size;
    }
}

static void ring(struct copy_driver *copy, struct sim_core *core)
{
    copy->wanted++;
    sim_publish(core, copy->memory + TAIL_AT, copy->tail, 4, SIM_HERE);
    give(copy, core, TAIL_AT, 4);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE); /* the tail is there before the doorbell is */
    set(copy, core, SIM_REG_DOORBELL, 1);
}

static int transfer(struct copy_driver *copy, struct sim_core *core, uint64_t to, uint64_t from,
                    uint64_t size)
{
    struct side dst = { .address = to, .direction = SIM_FROM_DEVICE };
    struct side src = { .address = from, .direction = SIM_TO_DEVICE };
    if (map(copy, core, &src, size))
        return -EFAULT;
    if (map(copy, core, &dst, size)) {
        unmap(copy, core, &src, size);
        return -EFAULT;
    }
    copy->status = DRAY_STATUS_OK;
    build(copy, core, dst, src, size);
    ring(copy, core);
    while (copy->seen != copy->wanted)
        sim_wait_interrupt(core, "the controller's interrupt", SIM_HERE);
    unmap(copy, core, &dst, size);
    unmap(copy, core, &src, size);
    return copy->status == DRAY_STATUS_OK ? 0 : -EIO;
}

/* As much as the ring holds whatever the pieces: each page of either side may begin a new one. */
static uint64_t portion_max(const struct copy_driver *copy)
{
    uint64_t pages = COPY_RUNS_MAX - 1;
    uint64_t bytes = copy->options.translated ? SIM_NEVER : pages * SIM_PAGE;
    if (copy->options.piece_max)
        bytes = least(bytes, copy->options.piece_max);
    return bytes;
}

int copy_driver_copy(struct copy_driver *copy, struct sim_core *core, uint64_t dst, uint64_t src,
                     uint64_t size)
{
    while (size) {
        uint64_t portion = least(size, portion_max(copy));
        int error = transfer(copy, core, dst, src, portion);
        if (error)
            return error;
        dst += portion;
        src += portion;
        size -= portion;
    }
    return 0;
}
