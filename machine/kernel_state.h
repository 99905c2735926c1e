/*
 * What the files of the kernel share (kernel.c, random.c, fiber.c); parts see none of it.
 */
#ifndef DRAY_MACHINE_KERNEL_STATE_H
#define DRAY_MACHINE_KERNEL_STATE_H

#include "kernel.h"

/* When an event runs: the time, and below it its sequence. One number, so that comparing is one
 * subtraction with borrow and no branch. */
typedef unsigned __int128 sim_key;

struct sim_fiber;

/* The stack that a fiber returns to: that of sim_run's caller. */
struct sim_stack {
    void *pointer;      /* saved while another stack is in use */
    const void *bottom; /* what AddressSanitizer wants to know */
    size_t size;
    void *fake;
    void *thread; /* what ThreadSanitizer calls it */
};

struct sim_kernel {
    sim_time now;
    sim_time limit; /* sim_skip goes no further: the end of the run */
    uint64_t sequence;
    uint64_t count;
    /* A heap with four children a node; keys apart from events, so that the four keys of brothers fill
     * one cache line. Entries FIRST to `last` are used; keys behind them are the greatest that there
     * are, so that the least of four brothers is found without looking how many there are.
     *
     * `running`: the event of the first entry runs at this moment, and the entry is kept for the first
     * event that is scheduled meanwhile, which is then moved down once, in place of one up and one
     * down. Its key is the least, so the heap is in order. */
    sim_key *keys;
    struct sim_event **events;
    uint32_t last, size;
    bool running;
    bool stopped;
    int error;
    struct sim_watcher *watchers;
    uint64_t random[4];
    /* fiber.c */
    struct sim_fiber *fiber; /* that runs */
    struct sim_fiber *blocked_first, *blocked_last;
    struct sim_stack scheduler;
};

void sim_random_seed(struct sim_kernel *kernel, uint64_t seed);

#endif
