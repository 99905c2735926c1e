/* A queued block device, as a flash drive: many units that are slow, and one fast way to all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "rate.h"

#define AT(member) offsetof(struct sim_block_params, member)

static const struct sim_param params[] = {
    { "size", SIM_UNIT_BYTES, AT(size), 64 << 20, 512, (uint64_t)1 << 40, 512, NULL,
      "of the device" },
    { "block", SIM_UNIT_BYTES, AT(block), 4096, 512, 1 << 20, SIM_POWER_OF_TWO, NULL,
      "that a unit works on" },
    { "units", SIM_UNIT_COUNT, AT(units), 32, 1, 4096, 0, NULL, "at work at once (assumed)" },
    { "latency", SIM_UNIT_TIME, AT(latency), 60 * SIM_US, 0, SIM_S, 0, NULL,
      "of a unit, for a block (assumed)" },
    { "bandwidth", SIM_UNIT_RATE, AT(bandwidth), 6600000000, 0, 1000000000000000, 0, NULL,
      "of all units together; 0: no limit (Gen4 x4)" },
    { "depth", SIM_UNIT_COUNT, AT(depth), 128, 1, 65536, 0, NULL,
      "transfers accepted at once; others wait" },
};

static const char *check(const void *given)
{
    const struct sim_block_params *p = given;
    return p->size % p->block ? "size is not a multiple of block" : NULL;
}

const struct sim_part_kind sim_block_kind = {
    .name = "block",
    .about = "a queued block device",
    .params = params,
    .param_count = sizeof(params) / sizeof(*params),
    .params_size = sizeof(struct sim_block_params),
    .check = check,
};

struct block_device {
    struct sim_device device;
    struct sim_kernel *kernel;
    struct sim_block_params params;
    uint64_t accepted;
    struct sim_transfer *first, *last; /* not accepted yet */
    sim_time way_free;
    sim_time *unit_free;
    uint8_t *bytes;
};

static void accept_next(struct block_device *block);

static void answer(struct sim_event *event)
{
    struct sim_transfer *transfer = SIM_OWNER(event, struct sim_transfer, event);
    struct block_device *block = transfer->holder;
    uint8_t *bytes = block->bytes + transfer->offset;
    if (transfer->error == 0) {
        transfer->moved = transfer->size;
        if (transfer->write)
            memcpy(bytes, transfer->data, transfer->size);
        else
            memcpy(transfer->data, bytes, transfer->size);
    }
    block->accepted--;
    accept_next(block);
    transfer->done(transfer);
}

/* The units are through: what they worked on takes the way that all share. */
static void units_done(struct sim_event *event)
{
    struct sim_transfer *transfer = SIM_OWNER(event, struct sim_transfer, event);
    struct block_device *block = transfer->holder;
    sim_time now = sim_now(block->kernel);
    if (block->way_free < now)
        block->way_free = now;
    block->way_free += sim_rate_time(transfer->size, block->params.bandwidth);
    sim_event_init(&transfer->event, answer);
    sim_at(block->kernel, &transfer->event, block->way_free);
}

/* When the last of the units that the transfer touches is through with it. */
static sim_time take_units(struct block_device *block, const struct sim_transfer *transfer)
{
    const struct sim_block_params *p = &block->params;
    sim_time now = sim_now(block->kernel), last = now;
    uint64_t end = (transfer->offset + transfer->size + p->block - 1) / p->block;
    for (uint64_t number = transfer->offset / p->block; number < end; number++) {
        sim_time *unit_free = &block->unit_free[number % p->units];
        *unit_free = (*unit_free < now ? now : *unit_free) + p->latency;
        if (last < *unit_free)
            last = *unit_free;
    }
    return last;
}

static void accept_next(struct block_device *block)
{
    while (block->first && block->accepted < block->params.depth) {
        struct sim_transfer *transfer = block->first;
        block->first = transfer->next;
        if (!block->first)
            block->last = NULL;
        block->accepted++;
        bool inside = transfer->error == 0;
        sim_event_init(&transfer->event, inside ? units_done : answer);
        sim_at(block->kernel, &transfer->event,
               inside ? take_units(block, transfer) : sim_now(block->kernel));
    }
}

static void submit(struct sim_device *device, struct sim_transfer *transfer)
{
    struct block_device *block = SIM_OWNER(device, struct block_device, device);
    bool inside = transfer->offset <= block->params.size &&
                  transfer->size <= block->params.size - transfer->offset;
    transfer->holder = block;
    transfer->next = NULL;
    transfer->moved = 0;
    transfer->error = inside ? 0 : -EINVAL;
    if (block->last)
        block->last->next = transfer;
    else
        block->first = transfer;
    block->last = transfer;
    accept_next(block);
}

static void destroy(struct sim_device **device)
{
    struct block_device *block = SIM_OWNER(*device, struct block_device, device);
    free(block->unit_free);
    free(block->bytes);
    free(block);
    *device = NULL;
}

int sim_block_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                     const struct sim_block_params *given)
{
    struct block_device *block = calloc(1, sizeof(*block));
    uint8_t *bytes = calloc(1, given->size);
    sim_time *unit_free = calloc(given->units, sizeof(*unit_free));
    if (!block || !bytes || !unit_free) {
        free(block);
        free(bytes);
        free(unit_free);
        return -ENOMEM;
    }
    block->device = (struct sim_device){ .name = name, .submit = submit, .destroy = destroy };
    block->kernel = kernel;
    block->params = *given;
    block->bytes = bytes;
    block->unit_free = unit_free;
    *device = &block->device;
    return 0;
}

uint8_t *sim_block_bytes(struct sim_device *device)
{
    return SIM_OWNER(device, struct block_device, device)->bytes;
}
