#include "block_driver.h"

#include <errno.h>

static void set(const struct block_driver *block, struct sim_core *core, unsigned offset,
                uint64_t value)
{
    sim_mmio_write(core, block->options.registers + offset, value, 8, SIM_HERE);
}

static uint64_t status_of(const struct block_driver *block, struct sim_core *core)
{
    return sim_mmio_read(core, block->options.registers + SIM_REG_STATUS, 8, SIM_HERE);
}

static void handle(struct sim_core *core, unsigned number, void *argument)
{
    struct block_driver *block = argument;
    (void)core;
    (void)number;
    block->ended = true;
}

int block_driver_open(struct block_driver *block, struct sim_core *core,
                      const struct block_options *options)
{
    *block = (struct block_driver){ .options = *options };
    block->bounce = sim_alloc_device(options->driver, (uint64_t)2 * BLOCK_BOUNCE, SIM_CACHED);
    if (block->bounce == SIM_NEVER)
        return -ENOMEM;
    sim_core_handler(core, options->interrupt, handle, block);
    set(block, core, SIM_REG_INTERRUPT, options->interrupt);
    return 0;
}

void block_driver_close(struct block_driver *block, struct sim_core *core)
{
    sim_core_handler(core, block->options.interrupt, NULL, NULL);
    sim_free(block->options.driver, block->bounce, SIM_HERE);
}

/* ---- the CPU's part ---- */

static void copy_by_cpu(struct block_driver *block, struct sim_core *core, uint64_t dst,
                        uint64_t src, uint64_t size)
{
    uint8_t bytes[64];
    block->bounced += size;
    for (uint64_t piece; size; dst += piece, src += piece, size -= piece) {
        piece = size < sizeof(bytes) ? size : sizeof(bytes);
        sim_load(core, src, bytes, (uint32_t)piece, SIM_HERE);
        sim_store(core, dst, bytes, (uint32_t)piece, SIM_HERE);
    }
}

/* ---- one block ---- */

/* One side of it. */
struct side {
    uint64_t address; /* what is asked for */
    uint64_t used;    /* that, or the buffer in its place */
    uint64_t io;
};

/* Maps the side's own bytes if the device can have them. */
static bool map_own(const struct block_driver *block, struct sim_core *core, struct side *side,
                    uint64_t size, enum sim_direction direction)
{
    side->used = side->address;
    side->io = SIM_NEVER;
    if (!(side->address % block->options.alignment))
        side->io =
            sim_dma_map(core, block->options.driver, side->address, size, direction, 0, SIM_HERE);
    return side->io != SIM_NEVER;
}

static void map_buffer(const struct block_driver *block, struct sim_core *core, struct side *side,
                       uint64_t buffer, uint64_t size, enum sim_direction direction)
{
    side->used = buffer;
    side->io = sim_dma_map(core, block->options.driver, buffer, size, direction, 0, SIM_HERE);
}

static bool run(struct block_driver *block, struct sim_core *core, uint64_t dst, uint64_t src,
                uint64_t size)
{
    block->ended = false;
    set(block, core, SIM_REG_BLOCK_SRC, src);
    set(block, core, SIM_REG_BLOCK_DST, dst);
    set(block, core, SIM_REG_BLOCK_COUNT, size);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE); /* what is sent is in memory, or in a cache */
    set(block, core, SIM_REG_CONTROL, SIM_CONTROL_RUN | SIM_CONTROL_BLOCK);
    while (!block->ended)
        sim_wait_interrupt(core, "the end of the block", SIM_HERE);
    if (!(status_of(block, core) & SIM_STATUS_HALTED))
        return true;
    set(block, core, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    set(block, core, SIM_REG_INTERRUPT, block->options.interrupt);
    return false;
}

static bool transfer(struct block_driver *block, struct sim_core *core, uint64_t to, uint64_t from,
                     uint64_t size)
{
    struct sim_driver *driver = block->options.driver;
    struct side dst = { .address = to }, src = { .address = from };
    bool done = false;
    sim_pin(core, driver, from, size, SIM_HERE);
    sim_pin(core, driver, to, size, SIM_HERE);
    if (!map_own(block, core, &src, size, SIM_TO_DEVICE)) {
        copy_by_cpu(block, core, block->bounce, from, size);
        map_buffer(block, core, &src, block->bounce, size, SIM_TO_DEVICE);
    }
    if (!map_own(block, core, &dst, size, SIM_FROM_DEVICE))
        map_buffer(block, core, &dst, block->bounce + BLOCK_BOUNCE, size, SIM_FROM_DEVICE);
    if (src.io != SIM_NEVER && dst.io != SIM_NEVER)
        done = run(block, core, dst.io, src.io, size);
    if (dst.io != SIM_NEVER)
        sim_dma_unmap(core, driver, dst.io, SIM_HERE);
    if (src.io != SIM_NEVER)
        sim_dma_unmap(core, driver, src.io, SIM_HERE);
    if (done && dst.used != to)
        copy_by_cpu(block, core, to, dst.used, size);
    sim_unpin(core, driver, to, size, SIM_HERE);
    sim_unpin(core, driver, from, size, SIM_HERE);
    return done;
}

int block_driver_copy(struct block_driver *block, struct sim_core *core, uint64_t dst, uint64_t src,
                      uint64_t size)
{
    uint64_t max = block->options.block_max ? block->options.block_max : BLOCK_BOUNCE;
    uint64_t rest = size % block->options.alignment;
    max = max < BLOCK_BOUNCE ? max : BLOCK_BOUNCE;
    for (uint64_t left = size - rest, piece; left; left -= piece) {
        piece = left < max ? left : max;
        if (!transfer(block, core, dst, src, piece))
            return -EIO;
        dst += piece;
        src += piece;
    }
    copy_by_cpu(block, core, dst, src, rest);
    return 0;
}
