/*
 * Fibers: C functions that run on modelled cores, one at a time, and can wait in the middle.
 *
 * A fiber runs until it sleeps or blocks; then the kernel goes on with its events. Functions marked
 * "in a fiber" are called from the fiber that runs, no other.
 */
#ifndef DRAY_MACHINE_FIBER_H
#define DRAY_MACHINE_FIBER_H

#include "kernel.h"

struct sim_fiber;

enum {
    SIM_FIBER_STACK = 256 << 10, /* bytes; a guard page lies below */
};

/* Makes a fiber that begins at `begin`. `name` is kept by reference. Returns 0; -ENOMEM. */
int sim_fiber_create(struct sim_fiber **fiber, struct sim_kernel *kernel, const char *name,
                     sim_time begin, void (*main)(void *argument), void *argument);
/* One that has not ended is abandoned where it stands: what it holds is lost. Not from itself. */
void sim_fiber_destroy(struct sim_fiber **fiber);

/* The one that runs now; NULL in an event. */
struct sim_fiber *sim_fiber_self(const struct sim_kernel *kernel);
const char *sim_fiber_name(const struct sim_fiber *fiber);
bool sim_fiber_ended(const struct sim_fiber *fiber);
/* What it was created with, if it runs `main`; else, and for NULL, NULL. So a part recognises its own
 * fibers: sim_fiber_argument(sim_fiber_self(kernel), core_main). */
void *sim_fiber_argument(const struct sim_fiber *fiber, void (*main)(void *argument));

/* In a fiber: goes on `delay` later. No switch happens where nothing else is pending till then. */
void sim_sleep(struct sim_kernel *kernel, sim_time delay);
/* In a fiber: until sim_wake. `reason` ("the interrupt of channel 0") is kept by reference and shown
 * by sim_fibers_blocked; NULL: a servant that waits for work, whom nobody misses and nothing shows. A
 * wake that came first is not lost: it ends the next block at once; so a caller looks in a loop at
 * what it waits for. */
void sim_block(struct sim_kernel *kernel, const char *reason);
/* From an event or another fiber: it goes on at the present time, after the events that are scheduled
 * for it already. */
void sim_wake(struct sim_fiber *fiber);

/* Calls `show` for each fiber that is blocked, oldest first: who waits for what. Returns how many. */
unsigned sim_fibers_blocked(const struct sim_kernel *kernel,
                            void (*show)(void *argument, const char *name, const char *reason,
                                         sim_time since),
                            void *argument);

#endif
