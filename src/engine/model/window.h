/*
 * The window: host memory through which driver code sees the memory of a modelled machine.
 *
 * A pointer into it stands for a virtual address of the machine: its low 32 bits. The first page holds
 * this header, so that a pointer leads to its machine without anything global. Plain stores of driver
 * code land in the window, and reach the machine when they are told (dray_io_stored); what it is about
 * to read is fetched into the window first (dray_io_loads).
 */
#ifndef DRAY_ENGINE_MODEL_WINDOW_H
#define DRAY_ENGINE_MODEL_WINDOW_H

#include "machine.h"

#define DRAY_WINDOW_SIZE      ((uintptr_t)1 << 32)
#define DRAY_WINDOW_REGISTERS ((uintptr_t)0xf8000000) /* stand for those at SIM_REGISTERS */

struct dray_window {
    struct sim_kernel *kernel;
    bool snooped; /* devices see caches: maintenance is nothing */
    void *map;
    size_t map_size;
};

/* Returns NULL for want of address space. */
struct dray_window *dray_window_create(const struct sim_machine *machine);
void dray_window_destroy(struct dray_window *window);

static inline struct dray_window *dray_window_of(const volatile void *p)
{
    return (struct dray_window *)((uintptr_t)p & ~(DRAY_WINDOW_SIZE - 1));
}

static inline uint64_t dray_window_address(const volatile void *p)
{
    return (uintptr_t)p & (DRAY_WINDOW_SIZE - 1);
}

static inline void *dray_window_at(struct dray_window *window, uint64_t address)
{
    return (char *)window + address;
}

static inline struct sim_core *dray_window_core(const volatile void *p)
{
    return sim_core_self(dray_window_of(p)->kernel);
}

#endif
