/*
 * The IOMMU: requests on their way through it.
 *
 * Looking an address up takes `hit`, and many requests may be in that at once; a miss waits for a
 * walk besides. So requests get their answers out of order, and leave in the order that a PCIe host
 * keeps: a write behind the writes of its device that came before it, a read behind those as well.
 *
 *     device's request ──> hit time ──> IOTLB ──────────────> order ──> host
 *                                        └─ miss ──> walk ──────┘
 */
#include "iommu_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAM(member, unit_, standard_, least_, most_, about_)                      \
    {                                                                               \
        .name = #member, .unit = SIM_UNIT_##unit_,                                  \
        .offset = offsetof(struct sim_iommu_params, member), .standard = standard_, \
        .least = least_, .most = most_, .about = about_                             \
    }

static const struct sim_param params[] = {
    PARAM(present, BOOL, 1, 0, 1, "no: requests pass untouched"),
    PARAM(levels, COUNT, 4, 2, IOMMU_LEVELS_MAX, "of tables; 4 translate 48 bits"),
    /* 64 entries, 330 ns a miss in all: assumed for a desktop */
    PARAM(iotlb, COUNT, 64, 1, 1 << 16, "entries, of 4 KiB or 2 MiB"),
    PARAM(iotlb_ways, COUNT, 4, 1, 1 << 16, "ways of each set"),
    PARAM(hit, TIME, 10 * SIM_NS, 0, SIM_S, "of each translation (l0)"), /* assumed */
    PARAM(walk_read, TIME, 250 * SIM_NS, 0, SIM_S,
          "of each read of a walk, beside what the bus takes (l_m)"), /* 330 less memory's 80 */
    PARAM(walk_bus, BOOL, 1, 0, 1, "walks read over the bus: they compete there, and see caches"),
    PARAM(walk_cache, COUNT, 32, 0, 4096,
          "regions of 2 MiB whose last table is known"), /* assumed */
    PARAM(walks, COUNT, 4, 1, 256, "walks at once"),     /* assumed */
    /* 2,130 cycles of 3.5 GHz */
    PARAM(invalidation, TIME, 609 * SIM_NS, 0, SIM_S, "of one invalidation, for who waits for it"),
};

static const char *check(const void *given)
{
    const struct sim_iommu_params *p = given;
    uint64_t sets = p->iotlb / p->iotlb_ways;

    if (!sets || p->iotlb % p->iotlb_ways || sets & (sets - 1))
        return "iotlb divided by iotlb_ways must be a power of two: the number of sets";
    return NULL;
}

const struct sim_part_kind sim_iommu_kind = {
    .name = "iommu",
    .about = "what a device may reach, and where that lies",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_iommu_params),
    .check = check,
};

/* ---- a device's live trips ---- */

static void join_live(struct iommu_trip *trip)
{
    struct iommu_device *device = trip->device;

    trip->live = true;
    trip->live_next = NULL;
    trip->live_before = device->live_last;
    if (device->live_last)
        device->live_last->live_next = trip;
    else
        device->live = trip;
    device->live_last = trip;
}

/* Its bytes have moved, or never will. */
static void leave_live(struct iommu_trip *trip)
{
    struct iommu_device *device = trip->device;

    if (!trip->live)
        return;
    trip->live = false;
    if (trip->live_before)
        trip->live_before->live_next = trip->live_next;
    else
        device->live = trip->live_next;
    if (trip->live_next)
        trip->live_next->live_before = trip->live_before;
    else
        device->live_last = trip->live_before;
    if (trip->iommu->commands)
        iommu_command_settle(trip->iommu, device);
}

/* ---- the end ---- */

static void begin(struct sim_iommu *iommu, struct sim_request *request);

static void end(struct iommu_trip *trip, enum sim_status status)
{
    struct sim_iommu *iommu = trip->iommu;
    struct sim_request *parent = trip->parent, *waiting = iommu->waiting;

    parent->status = status;
    leave_live(trip);
    trip->next = iommu->trip_pool;
    iommu->trip_pool = trip;
    if (waiting) {
        iommu->waiting = waiting->next;
        if (!iommu->waiting)
            iommu->waiting_end = &iommu->waiting;
        begin(iommu, waiting);
    }
    parent->done(parent);
}

static void granted(struct sim_request *request)
{
    struct iommu_trip *trip = SIM_OWNER(request, struct iommu_trip, request);
    struct sim_request *parent = trip->parent;

    parent->status = SIM_OK;
    parent->shared = request->shared;
    parent->from_cache = request->from_cache;
    parent->physical = request->address;
    if (parent->granted)
        parent->granted(parent);
    leave_live(trip);
}

static void done(struct sim_request *request)
{
    struct iommu_trip *trip = SIM_OWNER(request, struct iommu_trip, request);

    end(trip, request->status);
}

static void refused(struct sim_event *event)
{
    struct iommu_trip *trip = SIM_OWNER(event, struct iommu_trip, event);
    bool readable = trip->answer.rights & SIM_IOMMU_READ;

    end(trip, trip->parent->op == SIM_WRITE && readable ? SIM_READ_ONLY : SIM_FAULT);
}

/* ---- order ---- */

/* Its turn among its device's: to the host, or back. */
static void go(struct iommu_trip *trip)
{
    struct sim_iommu *iommu = trip->iommu;
    const struct sim_request *parent = trip->parent;

    if (trip->answer.refused) {
        iommu_fault(iommu, trip);
        sim_event_init(&trip->event, refused);
        sim_after(iommu->kernel, &trip->event, 0);
        return;
    }
    trip->request.master = parent->master;
    trip->request.op = parent->op;
    trip->request.address = trip->answer.base + (parent->address & (trip->answer.size - 1));
    trip->request.shift = trip->request.address - parent->address;
    trip->request.size = parent->size;
    trip->request.data = parent->data;
    trip->request.origin = parent->origin;
    trip->request.status = SIM_OK;
    trip->request.shared = false;
    trip->request.from_cache = false;
    sim_submit(iommu->host, &trip->request);
}

/* The oldest write leaves, and what waited for it alone. */
static void release_write(struct iommu_device *device)
{
    struct iommu_trip *write = device->write, *read = write->behind;

    device->write = write->write_next;
    if (!device->write)
        device->write_last = NULL;
    go(write);
    while (read) {
        struct iommu_trip *next = read->behind_next;
        read->after = NULL;
        if (read->answered)
            go(read);
        read = next;
    }
}

static void leave(struct iommu_trip *trip)
{
    struct iommu_device *device = trip->device;

    trip->answered = true;
    if (trip->parent->op == SIM_READ) {
        if (!trip->after)
            go(trip);
        return;
    }
    while (device->write && device->write->answered)
        release_write(device);
}

static void join_order(struct iommu_trip *trip)
{
    struct iommu_device *device = trip->device;
    struct iommu_trip *last = device->write_last;

    trip->after = NULL;
    trip->behind = NULL;
    trip->behind_end = &trip->behind;
    trip->write_next = NULL;
    if (trip->parent->op == SIM_READ) {
        trip->after = last;
        trip->behind_next = NULL;
        if (last) {
            *last->behind_end = trip;
            last->behind_end = &trip->behind_next;
        }
        return;
    }
    if (last)
        last->write_next = trip;
    else
        device->write = trip;
    device->write_last = trip;
}

/* ---- translation ---- */

bool iommu_look(struct sim_iommu *iommu, struct iommu_trip *trip, struct iommu_answer *answer)
{
    uint64_t address = trip->parent->address;
    struct iommu_entry *entry;

    if (!trip->device->known)
        return false;
    if (trip->device->identity) {
        *answer = (struct iommu_answer){ .base = address & ~(uint64_t)(IOMMU_PAGE - 1),
                                         .size = IOMMU_PAGE,
                                         .rights = IOMMU_READWRITE };
        return true;
    }
    entry = iommu_cache_find(iommu, trip->parent->master->device, address);
    if (!entry)
        return false;
    entry->used = ++iommu->tick;
    *answer = (struct iommu_answer){ .base = entry->physical,
                                     .size = entry->size,
                                     .rights = entry->rights };
    return true;
}

void iommu_answer(struct iommu_trip *trip, const struct iommu_answer *answer)
{
    unsigned wanted = trip->parent->op == SIM_WRITE ? SIM_IOMMU_WRITE : SIM_IOMMU_READ;

    trip->answer = *answer;
    if (!answer->refused && !(answer->rights & wanted)) {
        trip->answer.refused = true;
        trip->answer.reason = SIM_IOMMU_NOT_ALLOWED;
    }
    leave(trip);
}

static void look(struct sim_event *event)
{
    struct iommu_trip *trip = SIM_OWNER(event, struct iommu_trip, event);
    struct sim_iommu *iommu = trip->iommu;
    struct iommu_answer answer;

    if (iommu_look(iommu, trip, &answer)) {
        iommu->stats.hits++;
        iommu_answer(trip, &answer);
    } else {
        iommu->stats.misses++;
        iommu_walk(iommu, trip);
    }
}

static void begin(struct sim_iommu *iommu, struct sim_request *request)
{
    struct iommu_trip *trip = iommu->trip_pool;
    uint32_t number = request->master->device;

    iommu->trip_pool = trip->next;
    trip->parent = request;
    trip->device = &iommu->devices[number < SIM_IOMMU_DEVICES ? number : SIM_IOMMU_DEVICES];
    trip->number = iommu->trip_number++;
    trip->answered = false;
    iommu->stats.translations++;
    join_live(trip);
    join_order(trip);
    sim_event_init(&trip->event, look);
    if (iommu->params.hit)
        sim_after(iommu->kernel, &trip->event, iommu->params.hit);
    else
        look(&trip->event);
}

static void submit(struct sim_target *target, struct sim_request *request)
{
    struct sim_iommu *iommu = SIM_OWNER(target, struct sim_iommu, target);

    if (!iommu->params.present || !iommu->enabled) {
        request->physical = request->address;
        sim_submit(iommu->host, request);
        return;
    }
    if ((request->op != SIM_READ && request->op != SIM_WRITE) || !request->size ||
        request->address % IOMMU_PAGE + request->size > IOMMU_PAGE) {
        fprintf(stderr, "iommu: a device reads or writes bytes of one page\n");
        abort();
    }
    if (iommu->trip_pool) {
        begin(iommu, request);
        return;
    }
    request->next = NULL;
    *iommu->waiting_end = request;
    iommu->waiting_end = &request->next;
}

void sim_iommu_stats(const struct sim_iommu *iommu, struct sim_iommu_stats *stats)
{
    *stats = iommu->stats;
}

/* ---- life ---- */

static int create_trips(struct sim_iommu *iommu)
{
    iommu->trips = calloc(IOMMU_TRIPS, sizeof(*iommu->trips));
    if (!iommu->trips)
        return -ENOMEM;
    for (unsigned i = 0; i < IOMMU_TRIPS; i++) {
        struct iommu_trip *trip = &iommu->trips[i];
        trip->iommu = iommu;
        trip->request.granted = granted;
        trip->request.done = done;
        trip->next = iommu->trip_pool;
        iommu->trip_pool = trip;
    }
    iommu->waiting_end = &iommu->waiting;
    return 0;
}

int sim_iommu_create(struct sim_iommu **iommu, struct sim_kernel *kernel, struct sim_target *host,
                     struct sim_memory *memory, const struct sim_iommu_params *given)
{
    struct sim_iommu *i = calloc(1, sizeof(*i));

    if (!i)
        return -ENOMEM;
    i->target.submit = submit;
    i->kernel = kernel;
    i->host = host;
    i->memory = memory;
    i->params = *given;
    i->master = (struct sim_master){ .name = "iommu", .snooped = true };
    if (create_trips(i) || iommu_cache_create(i) || iommu_walk_create(i)) {
        sim_iommu_destroy(&i);
        return -ENOMEM;
    }
    *iommu = i;
    return 0;
}

void sim_iommu_destroy(struct sim_iommu **iommu)
{
    struct sim_iommu *i = *iommu;

    if (!i)
        return;
    iommu_command_destroy(i);
    free(i->walks);
    iommu_cache_destroy(i);
    free(i->trips);
    free(i);
    *iommu = NULL;
}

struct sim_target *sim_iommu_target(struct sim_iommu *iommu)
{
    return &iommu->target;
}

struct sim_master *sim_iommu_master(struct sim_iommu *iommu)
{
    return &iommu->master;
}
