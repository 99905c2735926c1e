/*
 * What the files of the kernel share (kernel.c, random.c, fiber.c); parts see none of it.
 */
#ifndef DRAY_MACHINE_KERNEL_STATE_H
#define DRAY_MACHINE_KERNEL_STATE_H

#include "kernel.h"

/* One scheduled event. The sequence stands first so that on a little-endian computer the pair is one
 * number of 128 bits with the time on top. */
struct sim_entry {
    uint64_t sequence;
    sim_time when;
    struct sim_event *event;
};

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
    /* A heap with four children a node, from index 1. `running`: the event of entry 1 runs at this
     * moment and the entry is kept for the first that is scheduled meanwhile, which is then moved
     * down once, in place of one up and one down. Its key is the least, so the heap is in order. */
    struct sim_entry *heap;
    uint32_t used, size;
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
