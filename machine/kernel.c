#include "kernel_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "note.h"

enum {
    /* Where the root stands, so that brothers begin at multiples of four. */
    FIRST = 3,
    CHILDREN = 4,
    SIZE_FIRST = 256,
};

/* ---- the heap ---- */

static inline uint32_t parent_of(uint32_t place)
{
    return place / CHILDREN + 2;
}

static inline uint32_t first_child(uint32_t place)
{
    return CHILDREN * (place - 2);
}

static inline sim_key key_of(sim_time when, uint64_t sequence)
{
    return (sim_key)when << 64 | sequence;
}

static inline sim_time when_of(sim_key key)
{
    return key >> 64;
}

static inline void put(struct sim_kernel *kernel, uint32_t place, sim_key key,
                       struct sim_event *event)
{
    kernel->keys[place] = key;
    kernel->events[place] = event;
    event->place = place;
}

static void move_up(struct sim_kernel *kernel, uint32_t place, sim_key key, struct sim_event *event)
{
    while (place > FIRST) {
        uint32_t parent = parent_of(place);
        if (key >= kernel->keys[parent])
            break;
        put(kernel, place, kernel->keys[parent], kernel->events[parent]);
        place = parent;
    }
    put(kernel, place, key, event);
}

/* The least of the four from `child` on, the first of which is used. A branch would be mispredicted
 * half of the time, and gcc makes one of every form of this but sums and masks. */
static inline uint32_t least_of(const sim_key *keys, uint32_t child)
{
    uint32_t a = child + (keys[child + 1] < keys[child]);
    uint32_t b = child + 2 + (keys[child + 3] < keys[child + 2]);
    return a ^ ((a ^ b) & -(uint32_t)(keys[b] < keys[a]));
}

static void move_down(struct sim_kernel *kernel, uint32_t place, sim_key key,
                      struct sim_event *event)
{
    sim_key *keys = kernel->keys;
    struct sim_event **events = kernel->events;
    uint32_t last = kernel->last;
    for (uint32_t child; (child = first_child(place)) <= last;) {
        child = least_of(keys, child);
        if (keys[child] >= key)
            break;
        keys[place] = keys[child];
        (events[place] = events[child])->place = place;
        place = child;
    }
    put(kernel, place, key, event);
}

static void reposition(struct sim_kernel *kernel, uint32_t place, sim_key key,
                       struct sim_event *event)
{
    if (place > FIRST && key < kernel->keys[parent_of(place)])
        move_up(kernel, place, key, event);
    else
        move_down(kernel, place, key, event);
}

static void take_out(struct sim_kernel *kernel, uint32_t place)
{
    uint32_t last = kernel->last--;
    sim_key key = kernel->keys[last];
    kernel->keys[last] = ~(sim_key)0;
    if (place < last)
        reposition(kernel, place, key, kernel->events[last]);
}

/* The entry of the event that ran was not used again. */
static void close_gap(struct sim_kernel *kernel)
{
    kernel->running = false;
    take_out(kernel, FIRST);
}

static bool set_size(struct sim_kernel *kernel, uint32_t size)
{
    sim_key *keys = aligned_alloc(64, size * sizeof(*keys));
    struct sim_event **events = reallocarray(kernel->events, size, sizeof(struct sim_event *));
    if (events)
        kernel->events = events;
    if (!keys || !events) {
        free(keys);
        return false;
    }
    for (uint32_t i = 0; i < size; i++)
        keys[i] = i < kernel->size ? kernel->keys[i] : ~(sim_key)0;
    free(kernel->keys);
    kernel->keys = keys;
    kernel->size = size;
    return true;
}

/* For one more entry and the three brothers behind it. */
static inline bool make_room(struct sim_kernel *kernel)
{
    if (__builtin_expect(kernel->last + CHILDREN < kernel->size, 1))
        return true;
    /* The children of the last place are a number of 32 bits, too. */
    if (kernel->size < UINT32_MAX / CHILDREN / 2 && set_size(kernel, kernel->size * 2))
        return true;
    kernel->error = -ENOMEM;
    kernel->stopped = true;
    return false;
}

/* ---- life ---- */

int sim_kernel_create(struct sim_kernel **kernel, uint64_t seed)
{
    struct sim_kernel *k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->last = FIRST - 1;
    k->limit = SIM_NEVER;
    sim_random_seed(k, seed);
    if (!set_size(k, SIZE_FIRST)) {
        sim_kernel_destroy(&k);
        return -ENOMEM;
    }
    *kernel = k;
    return 0;
}

void sim_kernel_destroy(struct sim_kernel **kernel)
{
    if (!*kernel)
        return;
    free((*kernel)->keys);
    free((*kernel)->events);
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
    sim_key key = key_of(when, kernel->sequence++);
    if (event->place) {
        reposition(kernel, event->place, key, event);
    } else if (kernel->running) {
        kernel->running = false;
        move_down(kernel, FIRST, key, event);
    } else if (make_room(kernel)) {
        move_up(kernel, ++kernel->last, key, event);
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
    if (!kernel->running)
        return when_of(kernel->keys[FIRST]);
    return when_of(kernel->keys[least_of(kernel->keys, first_child(FIRST))]);
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
    struct sim_event *event = kernel->events[FIRST];
    kernel->now = when_of(kernel->keys[FIRST]);
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
    if (take_stop(kernel) || kernel->last < FIRST)
        return false;
    run_first(kernel);
    return true;
}

int sim_run(struct sim_kernel *kernel, sim_time until)
{
    kernel->limit = until;
    while (!kernel->stopped && kernel->last >= FIRST && when_of(kernel->keys[FIRST]) <= until)
        run_first(kernel);
    if (!take_stop(kernel) && kernel->last >= FIRST && kernel->now < until)
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
