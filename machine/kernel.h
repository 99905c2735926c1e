/*
 * The event kernel: what happens when, in integer picoseconds.
 *
 * Events of one time run in the order in which they were scheduled. There is no wall clock, no
 * global state and no randomness but the kernel's own, which a seed determines: the same inputs give
 * the same run, on every computer and compiler. Any number of kernels live side by side; one is used
 * by one thread at a time.
 *
 * An event lies inside the part that it belongs to, so scheduling allocates nothing once the heap has
 * its size:
 *
 *     struct timer { struct sim_event event; ... };
 *     static void ring(struct sim_event *event)
 *     {
 *         struct timer *timer = SIM_OWNER(event, struct timer, event);
 *         ...
 *     }
 */
#ifndef DRAY_MACHINE_KERNEL_H
#define DRAY_MACHINE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Picoseconds since the machine was switched on. 2^64 of them are 213 days. */
typedef uint64_t sim_time;

#define SIM_PS    ((sim_time)1)
#define SIM_NS    ((sim_time)1000)
#define SIM_US    ((sim_time)1000000)
#define SIM_MS    ((sim_time)1000000000)
#define SIM_S     ((sim_time)1000000000000)
#define SIM_NEVER UINT64_MAX

/* The structure that a member lies in. */
#define SIM_OWNER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct sim_kernel;

/* The owner sets `run` (sim_event_init); the rest is the kernel's. */
struct sim_event {
    void (*run)(struct sim_event *event);
    uint32_t place; /* in the heap, from 1; 0: not scheduled */
};

static inline void sim_event_init(struct sim_event *event, void (*run)(struct sim_event *event))
{
    event->run = run;
    event->place = 0;
}

static inline bool sim_event_pending(const struct sim_event *event)
{
    return event->place != 0;
}

/* Returns 0 or -ENOMEM. */
int sim_kernel_create(struct sim_kernel **kernel, uint64_t seed);
/* Events and fibers that are left are forgotten; fibers are destroyed by their owners before. */
void sim_kernel_destroy(struct sim_kernel **kernel);

sim_time sim_now(const struct sim_kernel *kernel);

/* Schedules an event at `when`, not before now (an earlier time is a mistake of the part, and so is
 * SIM_NEVER: abort with a sentence). One that is pending already is moved, and counts as scheduled
 * last. Growing the heap may fail for want of memory: then the kernel stops, and sim_run says so. */
void sim_at(struct sim_kernel *kernel, struct sim_event *event, sim_time when);
static inline void sim_after(struct sim_kernel *kernel, struct sim_event *event, sim_time delay)
{
    sim_at(kernel, event, sim_now(kernel) + delay);
}
/* No effect on one that is not pending. */
void sim_cancel(struct sim_kernel *kernel, struct sim_event *event);

/* Time of the first pending event; SIM_NEVER where there is none. */
sim_time sim_next(const struct sim_kernel *kernel);
/* If no event is pending up to and with `when`, and the run goes that far, the time moves there and
 * true is returned. For parts that would otherwise schedule an event for nobody else to see. */
bool sim_skip(struct sim_kernel *kernel, sim_time when);

/* The next two are called from outside of all events and fibers.
 *
 * Runs the first event. False: none is pending, or sim_stop was called (and has now been heard: the
 * next call goes on). */
bool sim_step(struct sim_kernel *kernel);
/* Runs events up to and with `until`; the time is then that of the last event (or `until`, where
 * events are left). Returns 0; -ENOMEM. */
int sim_run(struct sim_kernel *kernel, sim_time until);
/* From inside an event or a fiber: the run ends after it. */
void sim_stop(struct sim_kernel *kernel);

/* Events run so far. */
uint64_t sim_event_count(const struct sim_kernel *kernel);

/* Who is told what parts do (note.h): added in front, removed by its owner. */
struct sim_watcher;
struct sim_watcher *sim_watchers(const struct sim_kernel *kernel);
void sim_watch(struct sim_kernel *kernel, struct sim_watcher *watcher);
void sim_unwatch(struct sim_kernel *kernel, struct sim_watcher *watcher);

/* ---- randomness (random.c): the same numbers on every computer ---- */

uint64_t sim_random(struct sim_kernel *kernel);
/* Uniform below `bound`, which is not 0. */
uint64_t sim_random_below(struct sim_kernel *kernel, uint64_t bound);
/* Exponential, in whole picoseconds, of the given mean. */
sim_time sim_random_exponential(struct sim_kernel *kernel, sim_time mean);

#endif
