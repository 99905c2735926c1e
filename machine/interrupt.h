/*
 * The interrupt controller: message-signalled interrupts with moderation, one line for each number.
 *
 * Causes are gathered until there are `count` of them, or `time` has gone by since the first; then
 * one interrupt stands for all. It is raised (a message leaves) and reaches the core `latency`
 * later.
 */
#ifndef DRAY_MACHINE_INTERRUPT_H
#define DRAY_MACHINE_INTERRUPT_H

#include "note.h"
#include "param.h"

struct sim_interrupt_params {
    uint64_t latency;  /* ps from the device to the core */
    uint64_t count;    /* causes for one interrupt; 1: each */
    uint64_t time;     /* ps from the first cause to the interrupt at the latest; 0: no timer */
    uint64_t adaptive; /* the count is what comes within `time` lately, from 1 to `count` */
};

extern const struct sim_part_kind sim_interrupt_kind;

enum {
    SIM_INTERRUPTS = 64
};

struct sim_interrupt_stats {
    uint64_t causes, raised, urgent;
};

struct sim_interrupts;

/* All lines begin with `params`. `deliver` is called when an interrupt reaches the core. Returns 0;
 * -ENOMEM. */
int sim_interrupts_create(struct sim_interrupts **interrupts, struct sim_kernel *kernel,
                          const struct sim_interrupt_params *params,
                          void (*deliver)(void *argument, unsigned number), void *argument);
void sim_interrupts_destroy(struct sim_interrupts **interrupts);
/* A cause for interrupt `number`; `urgent`: now, whatever moderation says. */
void sim_interrupts_cause(struct sim_interrupts *interrupts, unsigned number, bool urgent);
/* A masked one remembers its causes until it is unmasked; what was due is raised then. */
void sim_interrupts_mask(struct sim_interrupts *interrupts, unsigned number, bool masked);
/* Moderation of one line from now on; causes that are gathered count. */
void sim_interrupts_set(struct sim_interrupts *interrupts, unsigned number,
                        const struct sim_interrupt_params *params);
void sim_interrupts_stats(const struct sim_interrupts *interrupts, unsigned number,
                          struct sim_interrupt_stats *stats);

#endif
