/* The interrupt controller: message-signalled interrupts with moderation, one line for each number. */
#ifndef DRAY_MACHINE_INTERRUPT_H
#define DRAY_MACHINE_INTERRUPT_H

#include "note.h"
#include "param.h"

struct sim_interrupt_params {
    uint64_t latency;  /* ps from the device to the core */
    uint64_t count;    /* causes for one interrupt; 1: each */
    uint64_t time;     /* ps from the first cause to the interrupt at the latest; 0: no timer */
    uint64_t adaptive; /* the count follows the rate of causes, so that `time` holds */
};

extern const struct sim_part_kind sim_interrupt_kind;

enum {
    SIM_INTERRUPTS = 64
};

struct sim_interrupt_stats {
    uint64_t causes, raised, urgent;
};

struct sim_interrupts;

int sim_interrupts_create(struct sim_interrupts **interrupts, struct sim_kernel *kernel,
                          const struct sim_interrupt_params *params,
                          void (*deliver)(void *argument, unsigned number), void *argument);
void sim_interrupts_destroy(struct sim_interrupts **interrupts);
/* A cause for interrupt `number`; `urgent`: now, whatever moderation says. */
void sim_interrupts_cause(struct sim_interrupts *interrupts, unsigned number, bool urgent);
/* A masked one remembers its causes until it is unmasked. */
void sim_interrupts_mask(struct sim_interrupts *interrupts, unsigned number, bool masked);
void sim_interrupts_set(struct sim_interrupts *interrupts, unsigned number,
                        const struct sim_interrupt_params *params);
void sim_interrupts_stats(const struct sim_interrupts *interrupts, unsigned number,
                          struct sim_interrupt_stats *stats);

#endif
