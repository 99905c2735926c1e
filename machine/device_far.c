/* Memory at the far side of a link. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "rate.h"

#define AT(member) offsetof(struct sim_far_params, member)

static const struct sim_param params[] = {
    { "size", SIM_UNIT_BYTES, AT(size), 16 << 20, 1, (uint64_t)1 << 40, 0, NULL, "of the memory" },
    { "latency", SIM_UNIT_TIME, AT(latency), 1 * SIM_US, 0, SIM_S, 0, NULL,
      "of each way over the link (assumed)" },
    { "bandwidth", SIM_UNIT_RATE, AT(bandwidth), 12500000000, 0, 1000000000000000, 0, NULL,
      "of each way; 0: no limit (100 Gb/s)" },
};

const struct sim_part_kind sim_far_kind = {
    .name = "far",
    .about = "memory at the far side of a link",
    .params = params,
    .param_count = sizeof(params) / sizeof(*params),
    .params_size = sizeof(struct sim_far_params),
};

struct far_memory {
    struct sim_device device;
    struct sim_kernel *kernel;
    struct sim_far_params params;
    sim_time there_free, back_free; /* when each way is free again */
    uint8_t *bytes;
};

/* The wire is taken for so many bytes from `begin` on, or from when it is free. Returns until when. */
static sim_time take_wire(const struct far_memory *far, sim_time *wire_free, sim_time begin,
                          uint64_t bytes)
{
    if (*wire_free < begin)
        *wire_free = begin;
    *wire_free += sim_rate_time(bytes, far->params.bandwidth);
    return *wire_free;
}

static void answer(struct sim_event *event)
{
    struct sim_transfer *transfer = SIM_OWNER(event, struct sim_transfer, event);
    transfer->done(transfer);
}

/* At the far side: a write lands, a read is sent back. */
static void arrive(struct sim_event *event)
{
    struct sim_transfer *transfer = SIM_OWNER(event, struct sim_transfer, event);
    struct far_memory *far = transfer->holder;
    transfer->moved = transfer->size;
    if (transfer->write) {
        memcpy(far->bytes + transfer->offset, transfer->data, transfer->size);
        transfer->done(transfer);
        return;
    }
    memcpy(transfer->data, far->bytes + transfer->offset, transfer->size);
    sim_time sent = take_wire(far, &far->back_free, sim_now(far->kernel), transfer->size);
    sim_event_init(&transfer->event, answer);
    sim_at(far->kernel, &transfer->event, sent + far->params.latency);
}

static void submit(struct sim_device *device, struct sim_transfer *transfer)
{
    struct far_memory *far = SIM_OWNER(device, struct far_memory, device);
    sim_time now = sim_now(far->kernel);
    bool inside = transfer->offset <= far->params.size &&
                  transfer->size <= far->params.size - transfer->offset;
    transfer->holder = far;
    transfer->moved = 0;
    transfer->error = inside ? 0 : -EINVAL;
    sim_time sent =
        take_wire(far, &far->there_free, now, inside && transfer->write ? transfer->size : 0);
    sim_event_init(&transfer->event, inside ? arrive : answer);
    sim_at(far->kernel, &transfer->event, sent + far->params.latency);
}

static void destroy(struct sim_device **device)
{
    struct far_memory *far = SIM_OWNER(*device, struct far_memory, device);
    free(far->bytes);
    free(far);
    *device = NULL;
}

int sim_far_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                   const struct sim_far_params *given)
{
    struct far_memory *far = calloc(1, sizeof(*far));
    uint8_t *bytes = calloc(1, given->size);
    if (!far || !bytes) {
        free(far);
        free(bytes);
        return -ENOMEM;
    }
    far->device = (struct sim_device){ .name = name, .submit = submit, .destroy = destroy };
    far->kernel = kernel;
    far->params = *given;
    far->bytes = bytes;
    *device = &far->device;
    return 0;
}

uint8_t *sim_far_bytes(struct sim_device *device)
{
    return SIM_OWNER(device, struct far_memory, device)->bytes;
}
