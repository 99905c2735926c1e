/*
 * Changing stacks, as the processor has it (x86-64), or through ucontext where Dray has no code for it.
 */
#ifndef DRAY_MACHINE_FIBER_SWITCH_H
#define DRAY_MACHINE_FIBER_SWITCH_H

#include <stddef.h>

/* Prepares an unused stack so that the first switch to it calls entry(argument), which never
 * returns. Returns the pointer to switch to. */
void *sim_stack_prepare(void *bottom, size_t size, void (*entry)(void *argument), void *argument);
/* Goes on at `to`; comes back when somebody switches to what was put into `*from`. */
void sim_stack_switch(void **from, void *to);

#endif
