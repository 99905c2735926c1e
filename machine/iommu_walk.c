/*
 * The walker: reads a device's context and its tables, entry by entry.
 *
 * Each read is of the 8 bytes that memory holds at that moment, over the bus or (walk_bus off)
 * beside it, and decides what is read next. Nothing in a table is trusted: a table or a page
 * outside memory ends the walk, and so does a table that is met twice; the depth bounds the rest.
 */
#include "iommu_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one walk ---- */

static void read_entry(struct iommu_walk *walk, uint64_t address)
{
    struct sim_iommu *iommu = walk->iommu;

    iommu->stats.walk_reads++;
    walk->request.address = address;
    if (iommu->params.walk_bus)
        sim_submit(iommu->host, &walk->request);
    else
        sim_after(iommu->kernel, &walk->event, iommu->params.walk_read);
}

/* Its answer is given by an event, so that nobody is called from inside his own request. */
static void finish(struct iommu_walk *walk, const struct iommu_answer *answer)
{
    walk->answer = *answer;
    walk->ended = true;
    sim_after(walk->iommu->kernel, &walk->event, 0);
}

static void refuse(struct iommu_walk *walk, enum sim_iommu_reason reason)
{
    finish(walk, &(struct iommu_answer){ .refused = true, .reason = reason });
}

/* A page was found; `size` says of which kind. */
static void found(struct iommu_walk *walk, uint64_t base, uint64_t size)
{
    struct sim_iommu *iommu = walk->iommu;
    struct iommu_answer answer = { .base = base, .size = size, .rights = walk->rights };

    if (base % size || !sim_memory_holds(iommu->memory, base, size)) {
        refuse(walk, SIM_IOMMU_BAD_TABLE);
        return;
    }
    if (!walk->stale)
        iommu_cache_add(iommu, walk->device_number, walk->page, &answer);
    finish(walk, &answer);
}

static bool table_is_good(const struct iommu_walk *walk, uint64_t table)
{
    for (unsigned i = 0; i < walk->depth; i++)
        if (walk->tables[i] == table)
            return false;
    return sim_memory_holds(walk->iommu->memory, table, IOMMU_PAGE);
}

static void read_table(struct iommu_walk *walk, uint64_t table)
{
    struct sim_iommu *iommu = walk->iommu;

    if (!table_is_good(walk, table)) {
        refuse(walk, SIM_IOMMU_BAD_TABLE);
        return;
    }
    /* Whoever came here with one read has it from there. */
    if (walk->level == 1 && walk->depth && !walk->stale)
        iommu_region_add(iommu, walk->device_number, walk->page, table, walk->rights);
    walk->tables[walk->depth++] = table;
    read_entry(walk, table + (walk->page >> (12 + 9 * (walk->level - 1)) & 511) * 8);
}

/* The context is known: from the top table, or from the last one where the walk cache has it. */
static void begin_tables(struct iommu_walk *walk)
{
    struct sim_iommu *iommu = walk->iommu;
    struct iommu_region *region;

    walk->rights = IOMMU_READWRITE;
    if (walk->identity) {
        finish(walk, &(struct iommu_answer){
                         .base = walk->page, .size = IOMMU_PAGE, .rights = IOMMU_READWRITE });
        return;
    }
    if (walk->page >> (12 + 9 * iommu->params.levels)) {
        refuse(walk, SIM_IOMMU_NOT_MAPPED);
        return;
    }
    region = iommu_region_find(iommu, walk->device_number, walk->page);
    walk->level = region ? 1 : (unsigned)iommu->params.levels;
    if (region)
        walk->rights = region->rights;
    read_table(walk, region ? region->table : walk->top);
}

static void take_context(struct iommu_walk *walk, uint64_t entry)
{
    if (!(entry & IOMMU_VALID)) {
        refuse(walk, SIM_IOMMU_NO_CONTEXT);
        return;
    }
    walk->context = false;
    walk->identity = entry & IOMMU_IDENTITY;
    walk->top = entry & IOMMU_ADDRESS;
    if (!walk->stale) {
        walk->device->known = true;
        walk->device->identity = walk->identity;
        walk->device->top = walk->top;
    }
    begin_tables(walk);
}

static void take_entry(struct iommu_walk *walk, uint64_t entry)
{
    uint64_t base = entry & IOMMU_ADDRESS;

    if (!(entry & IOMMU_READWRITE)) {
        refuse(walk, SIM_IOMMU_NOT_MAPPED);
        return;
    }
    walk->rights &= entry & IOMMU_READWRITE;
    if (walk->level == 1) {
        found(walk, base, IOMMU_PAGE);
    } else if (!(entry & SIM_IOMMU_HUGE)) {
        walk->level--;
        read_table(walk, base);
    } else if (walk->level == 2) {
        found(walk, base, IOMMU_HUGE_PAGE);
    } else {
        refuse(walk, SIM_IOMMU_BAD_TABLE); /* no larger pages are known */
    }
}

static void begin(struct iommu_walk *walk)
{
    struct sim_iommu *iommu = walk->iommu;
    const struct iommu_device *device = walk->device;

    walk->depth = 0;
    walk->ended = false;
    walk->context = !device->known;
    if (device->known) {
        walk->identity = device->identity;
        walk->top = device->top;
        begin_tables(walk);
    } else if (walk->device_number >= SIM_IOMMU_DEVICES) {
        refuse(walk, SIM_IOMMU_NO_CONTEXT);
    } else if (!sim_memory_holds(iommu->memory, iommu->root, IOMMU_PAGE)) {
        refuse(walk, SIM_IOMMU_BAD_TABLE);
    } else {
        read_entry(walk, iommu->root + walk->device_number * 8);
    }
}

/* ---- who waits ---- */

/* A walk of the same page is joined, or a free one taken, or one is waited for. */
static void find_walk(struct sim_iommu *iommu, struct iommu_trip *trip)
{
    uint64_t page = trip->parent->address & ~(uint64_t)(IOMMU_PAGE - 1);
    struct iommu_walk *unused = NULL, *walk = NULL;

    for (uint64_t i = 0; i < iommu->params.walks && !walk; i++) {
        struct iommu_walk *w = &iommu->walks[i];
        if (!w->active)
            unused = w;
        else if (!w->stale && w->device == trip->device && w->page == page &&
                 w->device_number == trip->parent->master->device)
            walk = w;
    }
    trip->next = NULL;
    if (!walk && !unused) {
        *iommu->missing_end = trip;
        iommu->missing_end = &trip->next;
        return;
    }
    if (!walk) {
        walk = unused;
        walk->active = true;
        walk->stale = false;
        walk->device = trip->device;
        walk->device_number = trip->parent->master->device;
        walk->page = page;
        walk->begun = sim_now(iommu->kernel);
        walk->end = &walk->first;
        iommu->walking++;
        begin(walk);
    }
    *walk->end = trip;
    walk->end = &trip->next;
}

void iommu_walk(struct sim_iommu *iommu, struct iommu_trip *trip)
{
    trip->missed = sim_now(iommu->kernel);
    find_walk(iommu, trip);
}

static void answer_missed(struct sim_iommu *iommu, struct iommu_trip *trip,
                          const struct iommu_answer *answer)
{
    iommu->stats.waiting += sim_now(iommu->kernel) - trip->missed;
    iommu_answer(trip, answer);
}

/* Walks are free again: for who waited longest, unless a walk that ended knew his page. */
static void begin_missing(struct sim_iommu *iommu)
{
    while (iommu->missing && iommu->walking < iommu->params.walks) {
        struct iommu_trip *trip = iommu->missing;
        struct iommu_answer answer;

        iommu->missing = trip->next;
        if (!iommu->missing)
            iommu->missing_end = &iommu->missing;
        if (iommu_look(iommu, trip, &answer))
            answer_missed(iommu, trip, &answer);
        else
            find_walk(iommu, trip);
    }
}

/* For traces. */
static void note_walk(const struct iommu_walk *walk)
{
    struct sim_kernel *kernel = walk->iommu->kernel;

    if (sim_watchers(kernel))
        sim_note(kernel,
                 &(struct sim_note){ .kind = SIM_NOTE_SPAN,
                                     .time = sim_now(kernel),
                                     .part = "iommu",
                                     .address = walk->page,
                                     .size = walk->answer.size,
                                     .value = sim_now(kernel) - walk->begun,
                                     .device = walk->device_number,
                                     .text = walk->answer.refused ? "walk, refused" : "walk" });
}

static void end_walk(struct iommu_walk *walk)
{
    struct sim_iommu *iommu = walk->iommu;
    struct iommu_answer answer = walk->answer;
    struct iommu_trip *trip = walk->first;

    note_walk(walk);
    *walk->end = NULL;
    walk->active = false;
    iommu->walking--;
    while (trip) {
        struct iommu_trip *next = trip->next;
        answer_missed(iommu, trip, &answer);
        trip = next;
    }
    begin_missing(iommu);
}

static void step(struct sim_event *event)
{
    struct iommu_walk *walk = SIM_OWNER(event, struct iommu_walk, event);
    struct sim_iommu *iommu = walk->iommu;
    uint64_t entry = 0;

    if (walk->ended) {
        end_walk(walk);
        return;
    }
    if (!iommu->params.walk_bus)
        sim_memory_read(iommu->memory, walk->request.address, walk->entry, sizeof(walk->entry));
    for (unsigned i = 0; i < sizeof(walk->entry); i++)
        entry |= (uint64_t)walk->entry[i] << (8 * i);
    if (walk->context)
        take_context(walk, entry);
    else
        take_entry(walk, entry);
}

static void read_done(struct sim_request *request)
{
    struct iommu_walk *walk = SIM_OWNER(request, struct iommu_walk, request);

    if (request->status != SIM_OK)
        refuse(walk, SIM_IOMMU_BAD_TABLE);
    else
        sim_after(walk->iommu->kernel, &walk->event, walk->iommu->params.walk_read);
}

/* By regions of 2 MiB, for the page may be as large. */
void iommu_walk_outdate(struct sim_iommu *iommu, uint32_t device, uint64_t address, uint64_t size)
{
    for (uint64_t i = 0; i < iommu->params.walks; i++) {
        struct iommu_walk *walk = &iommu->walks[i];
        uint64_t region = walk->page & ~(uint64_t)(IOMMU_HUGE_PAGE - 1);
        if (walk->active && iommu_concerns(device, walk->device_number) &&
            iommu_touches(region, IOMMU_HUGE_PAGE, address, size))
            walk->stale = true;
    }
}

int iommu_walk_create(struct sim_iommu *iommu)
{
    iommu->walks = calloc(iommu->params.walks, sizeof(*iommu->walks));
    if (!iommu->walks)
        return -ENOMEM;
    for (uint64_t i = 0; i < iommu->params.walks; i++) {
        struct iommu_walk *walk = &iommu->walks[i];
        walk->iommu = iommu;
        walk->request.master = &iommu->master;
        walk->request.op = SIM_READ;
        walk->request.size = sizeof(walk->entry);
        walk->request.data = walk->entry;
        walk->request.done = read_done;
        sim_event_init(&walk->event, step);
    }
    iommu->missing_end = &iommu->missing;
    return 0;
}
