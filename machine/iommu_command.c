/*
 * The IOMMU's registers: on and off, invalidation, and what was refused.
 *
 * An invalidation drops what is cached at once. Who waits for it waits for two things: for the
 * command's time, behind the commands before it, and for the requests of the device that were
 * inside when it came, any of which may have been translated with what it dropped. So when it is
 * done nothing reaches the old page any more; a driver that does not wait for it has the window
 * open until then.
 */
#include "iommu_state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- on and off ---- */

static void drop_everything(struct sim_iommu *iommu)
{
    iommu_cache_drop(iommu, SIM_IOMMU_DEVICES, 0, 0);
    iommu_walk_outdate(iommu, SIM_IOMMU_DEVICES, 0, 0);
    for (unsigned i = 0; i < SIM_IOMMU_DEVICES; i++)
        iommu->devices[i].known = false;
}

void sim_iommu_enable(struct sim_iommu *iommu, uint64_t root)
{
    drop_everything(iommu);
    iommu->root = root & ~(uint64_t)(IOMMU_PAGE - 1);
    iommu->enabled = true;
}

void sim_iommu_disable(struct sim_iommu *iommu)
{
    drop_everything(iommu);
    iommu->enabled = false;
}

bool sim_iommu_enabled(const struct sim_iommu *iommu)
{
    return iommu->enabled;
}

uint64_t sim_iommu_root(const struct sim_iommu *iommu)
{
    return iommu->root;
}

const struct sim_iommu_params *sim_iommu_params(const struct sim_iommu *iommu)
{
    return &iommu->params;
}

/* ---- invalidation ---- */

static bool settled(const struct iommu_command *command)
{
    const struct iommu_trip *oldest = command->device->live;

    return !oldest || oldest->number >= command->before;
}

static void complete(struct iommu_command *command)
{
    struct sim_iommu *iommu = command->iommu;
    void (*done)(void *) = command->done;
    void *argument = command->argument;

    command->next = iommu->command_pool;
    iommu->command_pool = command;
    done(argument);
}

static void time_is_over(struct sim_event *event)
{
    struct iommu_command *command = SIM_OWNER(event, struct iommu_command, event);
    struct sim_iommu *iommu = command->iommu;

    if (settled(command)) {
        complete(command);
        return;
    }
    command->next = iommu->commands;
    iommu->commands = command;
}

/* Begins anew after each that is done: whom it calls may have commands of his own. */
void iommu_command_settle(struct sim_iommu *iommu, const struct iommu_device *device)
{
    struct iommu_command **place = &iommu->commands;

    while (*place) {
        struct iommu_command *command = *place;
        if (command->device == device && settled(command)) {
            *place = command->next;
            complete(command);
            place = &iommu->commands;
        } else {
            place = &command->next;
        }
    }
}

static struct iommu_command *take_command(struct sim_iommu *iommu)
{
    struct iommu_command *command = iommu->command_pool;

    if (command) {
        iommu->command_pool = command->next;
        return command;
    }
    command = calloc(1, sizeof(*command));
    if (!command)
        return NULL;
    command->iommu = iommu;
    command->made = iommu->commands_made;
    iommu->commands_made = command;
    sim_event_init(&command->event, time_is_over);
    return command;
}

/* When the command's own time is over. */
static sim_time command_end(struct sim_iommu *iommu)
{
    sim_time now = sim_now(iommu->kernel);

    if (iommu->commands_free < now)
        iommu->commands_free = now;
    return iommu->commands_free += iommu->params.invalidation;
}

int sim_iommu_invalidate(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size,
                         void (*done)(void *argument), void *argument)
{
    uint32_t number = device < SIM_IOMMU_DEVICES ? device : SIM_IOMMU_DEVICES;
    sim_time end = command_end(iommu);
    struct iommu_command *command;

    if (size && address + (size - 1) < address)
        size = 0 - address; /* to the end */
    iommu->stats.invalidations++;
    if (number != SIM_IOMMU_DEVICES) { /* of others nothing is known */
        iommu_cache_drop(iommu, number, address, size);
        iommu_walk_outdate(iommu, number, address, size);
        if (!size)
            iommu->devices[number].known = false;
    }
    if (!done)
        return 0;
    command = take_command(iommu);
    if (!command)
        return -ENOMEM;
    command->device = &iommu->devices[number];
    command->before = iommu->trip_number;
    command->done = done;
    command->argument = argument;
    sim_at(iommu->kernel, &command->event, end);
    return 0;
}

void iommu_command_destroy(struct sim_iommu *iommu)
{
    while (iommu->commands_made) {
        struct iommu_command *command = iommu->commands_made;
        iommu->commands_made = command->made;
        sim_cancel(iommu->kernel, &command->event);
        free(command);
    }
}

bool sim_iommu_caches(const struct sim_iommu *iommu, uint32_t device, uint64_t address)
{
    return iommu_cache_find(iommu, device, address);
}

/* ---- faults ---- */

static const char *const reasons[] = {
    [SIM_IOMMU_NO_CONTEXT] = "no context",
    [SIM_IOMMU_NOT_MAPPED] = "not mapped",
    [SIM_IOMMU_NOT_ALLOWED] = "not allowed",
    [SIM_IOMMU_BAD_TABLE] = "bad table",
};

void iommu_fault(struct sim_iommu *iommu, const struct iommu_trip *trip)
{
    const struct sim_request *request = trip->parent;
    unsigned place = (iommu->fault_first + iommu->fault_count) % SIM_IOMMU_FAULTS;

    iommu->stats.faults++;
    if (iommu->fault_count < SIM_IOMMU_FAULTS) {
        iommu->fault_count++;
        iommu->faults[place] = (struct sim_iommu_fault){ .time = sim_now(iommu->kernel),
                                                         .device = request->master->device,
                                                         .address = request->address,
                                                         .write = request->op == SIM_WRITE,
                                                         .reason = trip->answer.reason };
    }
    if (sim_watchers(iommu->kernel))
        sim_note(iommu->kernel, &(struct sim_note){ .kind = SIM_NOTE_FAULT,
                                                    .time = sim_now(iommu->kernel),
                                                    .part = request->origin && request->origin->part
                                                                ? request->origin->part
                                                                : request->master->name,
                                                    .address = SIM_NEVER, /* it has none */
                                                    .size = request->size,
                                                    .value = request->op == SIM_WRITE,
                                                    .extra = request->address,
                                                    .device = request->master->device,
                                                    .text = reasons[trip->answer.reason],
                                                    .origin = request->origin });
}

bool sim_iommu_take_fault(struct sim_iommu *iommu, struct sim_iommu_fault *fault)
{
    if (!iommu->fault_count)
        return false;
    *fault = iommu->faults[iommu->fault_first];
    iommu->fault_first = (iommu->fault_first + 1) % SIM_IOMMU_FAULTS;
    iommu->fault_count--;
    return true;
}
