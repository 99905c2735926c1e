#include "kernel_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "note.h"

enum {
    ENTRIES_FIRST = 256,
    CHILDREN = 4,
};

/* ---- the heap ---- */

/* Node i has the children 4i - 2 to 4i + 1. */
static inline uint32_t parent_of(uint32_t place)
{
    return (place + 2) / CHILDREN;
}

static inline uint32_t first_child(uint32_t place)
{
    return CHILDREN * place - 2;
}

static inline bool before(const struct sim_entry *a, const struct sim_entry *b)
{
    /* One subtraction with borrow, no branch on equal times. */
    unsigned __int128 key_a = (unsigned __int128)a->when << 64 | a->sequence;
    unsigned __int128 key_b = (unsigned __int128)b->when << 64 | b->sequence;
    return key_a < key_b;
}

static inline void put(struct sim_kernel *kernel, uint32_t place, struct sim_entry entry)
{
    kernel->heap[place] = entry;
    entry.event->place = place;
}

static void move_up(struct sim_kernel *kernel, uint32_t place, struct sim_entry entry)
{
    while (place > 1) {
        uint32_t parent = parent_of(place);
        if (!before(&entry, &kernel->heap[parent]))
            break;
        put(kernel, place, kernel->heap[parent]);
        place = parent;
    }
    put(kernel, place, entry);
}

static inline uint32_t least_child(const struct sim_kernel *kernel, uint32_t child)
{
    const struct sim_entry *heap = kernel->heap;
    if (child + CHILDREN - 1 <= kernel->used) {
        uint32_t a = child + before(&heap[child + 1], &heap[child]);
        uint32_t b = child + 2 + before(&heap[child + 3], &heap[child + 2]);
        return before(&heap[b], &heap[a]) ? b : a;
    }
    uint32_t least = child;
    for (uint32_t i = child + 1; i <= kernel->used; i++)
        if (before(&heap[i], &heap[least]))
            least = i;
    return least;
}

static void move_down(struct sim_kernel *kernel, uint32_t place, struct sim_entry entry)
{
    for (;;) {
        uint32_t child = first_child(place);
        if (child > kernel->used)
            break;
        child = least_child(kernel, child);
        if (!before(&kernel->heap[child], &entry))
            break;
        put(kernel, place, kernel->heap[child]);
        place = child;
    }
    put(kernel, place, entry);
}

static void reposition(struct sim_kernel *kernel, uint32_t place, struct sim_entry entry)
{
    if (place > 1 && before(&entry, &kernel->heap[parent_of(place)]))
        move_up(kernel, place, entry);
    else
        move_down(kernel, place, entry);
}

static void take_out(struct sim_kernel *kernel, uint32_t place)
{
    struct sim_entry last = kernel->heap[kernel->used--];
    if (place <= kernel->used)
        reposition(kernel, place, last);
}

/* The entry of the event that runs was not used again. */
static void close_gap(struct sim_kernel *kernel)
{
    kernel->running = false;
    take_out(kernel, 1);
}

static bool make_room(struct sim_kernel *kernel)
{
    if (kernel->used + 1 < kernel->size)
        return true;
    struct sim_entry *heap = NULL;
    if (kernel->size <= UINT32_MAX / 2 / CHILDREN)
        heap = reallocarray(kernel->heap, kernel->size * (size_t)2, sizeof(*heap));
    if (!heap) {
        kernel->error = -ENOMEM;
        kernel->stopped = true;
        return false;
    }
    kernel->heap = heap;
    kernel->size *= 2;
    return true;
}

/* ---- life ---- */

int sim_kernel_create(struct sim_kernel **kernel, uint64_t seed)
{
    struct sim_kernel *k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->heap = calloc(ENTRIES_FIRST, sizeof(*k->heap));
    if (!k->heap) {
        free(k);
        return -ENOMEM;
    }
    k->size = ENTRIES_FIRST;
    k->limit = SIM_NEVER;
    sim_random_seed(k, seed);
    *kernel = k;
    return 0;
}

void sim_kernel_destroy(struct sim_kernel **kernel)
{
    if (!*kernel)
        return;
    free((*kernel)->heap);
    free(*kernel);
    *kernel = NULL;
}

/* ---- scheduling ---- */

sim_time sim_now(const struct sim_kernel *kernel)
{
    return kernel->now;
}

static _Noreturn void refuse(const struct sim_kernel *kernel, sim_time when)
{
    fprintf(stderr, "machine: an event was scheduled at %" PRIu64 " ps, %s (now: %" PRIu64 " ps)\n",
            when, when == SIM_NEVER ? "which is never" : "in the past", kernel->now);
    abort();
}

void sim_at(struct sim_kernel *kernel, struct sim_event *event, sim_time when)
{
    if (__builtin_expect(when < kernel->now || when == SIM_NEVER, 0))
        refuse(kernel, when);
    struct sim_entry entry = { .sequence = kernel->sequence++, .when = when, .event = event };
    if (event->place) {
        reposition(kernel, event->place, entry);
    } else if (kernel->running) {
        kernel->running = false;
        move_down(kernel, 1, entry);
    } else if (make_room(kernel)) {
        move_up(kernel, ++kernel->used, entry);
    }
}

void sim_cancel(struct sim_kernel *kernel, struct sim_event *event)
{
    if (!event->place)
        return;
    take_out(kernel, event->place);
    event->place = 0;
}

sim_time sim_next(const struct sim_kernel *kernel)
{
    uint32_t first = kernel->running ? first_child(1) : 1;
    if (first > kernel->used)
        return SIM_NEVER;
    return kernel->heap[kernel->running ? least_child(kernel, first) : 1].when;
}

bool sim_skip(struct sim_kernel *kernel, sim_time when)
{
    if (when < kernel->now || when == SIM_NEVER)
        refuse(kernel, when);
    if (when > kernel->limit || kernel->stopped || sim_next(kernel) <= when)
        return false;
    kernel->now = when;
    return true;
}

/* ---- running ---- */

static inline void run_first(struct sim_kernel *kernel)
{
    struct sim_event *event = kernel->heap[1].event;
    kernel->now = kernel->heap[1].when;
    kernel->count++;
    kernel->running = true;
    event->place = 0;
    event->run(event);
    if (kernel->running)
        close_gap(kernel);
}

/* A stop ends one run; the next goes on. Want of memory does not pass. */
static bool take_stop(struct sim_kernel *kernel)
{
    bool stopped = kernel->stopped;
    kernel->stopped = kernel->error != 0;
    return stopped;
}

bool sim_step(struct sim_kernel *kernel)
{
    kernel->limit = SIM_NEVER;
    if (take_stop(kernel) || !kernel->used)
        return false;
    run_first(kernel);
    return true;
}

int sim_run(struct sim_kernel *kernel, sim_time until)
{
    kernel->limit = until;
    while (!kernel->stopped && kernel->used && kernel->heap[1].when <= until)
        run_first(kernel);
    if (!take_stop(kernel) && kernel->used && kernel->now < until)
        kernel->now = until;
    kernel->limit = SIM_NEVER;
    return kernel->error;
}

void sim_stop(struct sim_kernel *kernel)
{
    kernel->stopped = true;
}

uint64_t sim_event_count(const struct sim_kernel *kernel)
{
    return kernel->count;
}

/* ---- watchers ---- */

struct sim_watcher *sim_watchers(const struct sim_kernel *kernel)
{
    return kernel->watchers;
}

void sim_watch(struct sim_kernel *kernel, struct sim_watcher *watcher)
{
    watcher->next = kernel->watchers;
    kernel->watchers = watcher;
}

void sim_unwatch(struct sim_kernel *kernel, struct sim_watcher *watcher)
{
    for (struct sim_watcher **link = &kernel->watchers; *link; link = &(*link)->next)
        if (*link == watcher) {
            *link = watcher->next;
            return;
        }
}
