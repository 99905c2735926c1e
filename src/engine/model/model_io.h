/*
 * dray/io.h on a modelled machine: named by DRAY_IO_BACKEND. Each call is an action of the core whose
 * driver code runs, and carries the line that made it.
 */
#ifndef DRAY_ENGINE_MODEL_IO_H
#define DRAY_ENGINE_MODEL_IO_H

#include "engine/model/window.h"

static inline uint64_t model_load(const volatile void *p, uint32_t size,
                                  const struct sim_where *where)
{
    uint64_t value = 0;
    sim_load(dray_window_core(p), dray_window_address(p), &value, size, where);
    return value;
}

static inline void model_store(volatile void *p, uint64_t value, uint32_t size,
                               const struct sim_where *where)
{
    sim_store(dray_window_core(p), dray_window_address(p), &value, size, where);
}

static inline uint64_t model_observe(const volatile void *p, uint32_t size,
                                     const struct sim_where *where)
{
    return sim_observe(dray_window_core(p), dray_window_address(p), size, where);
}

static inline void model_publish(volatile void *p, uint64_t value, uint32_t size,
                                 const struct sim_where *where)
{
    sim_publish(dray_window_core(p), dray_window_address(p), value, size, where);
}

static inline uint32_t model_swap32(volatile void *p, uint32_t value, const struct sim_where *where)
{
    return (uint32_t)sim_swap(dray_window_core(p), dray_window_address(p), value, 4, where);
}

static inline void model_stored(const void *p, size_t size, const struct sim_where *where)
{
    sim_store(dray_window_core(p), dray_window_address(p), p, (uint32_t)size, where);
}

static inline void model_loads(const void *p, size_t size, const struct sim_where *where)
{
    sim_load(dray_window_core(p), dray_window_address(p), (void *)(uintptr_t)p, (uint32_t)size,
             where);
}

static inline void model_clean(const void *p, size_t size, const struct sim_where *where)
{
    if (!dray_window_of(p)->snooped)
        sim_clean(dray_window_core(p), dray_window_address(p), size, where);
}

static inline void model_invalidate(const void *p, size_t size, const struct sim_where *where)
{
    if (!dray_window_of(p)->snooped)
        sim_invalidate(dray_window_core(p), dray_window_address(p), size, where);
}

/* What was stored and cleaned before it has reached memory when it arrives. */
static inline void model_mmio_write(volatile void *reg, uint64_t value, uint32_t size,
                                    const struct sim_where *where)
{
    struct sim_core *core = dray_window_core(reg);
    sim_barrier(core, dray_window_of(reg)->snooped ? SIM_BARRIER_STORE : SIM_BARRIER_MAINTENANCE,
                where);
    sim_mmio_write(core, SIM_REGISTERS + (dray_window_address(reg) - DRAY_WINDOW_REGISTERS), value,
                   size, where);
}

static inline uint64_t model_mmio_read(const volatile void *reg, uint32_t size,
                                       const struct sim_where *where)
{
    return sim_mmio_read(dray_window_core(reg),
                         SIM_REGISTERS + (dray_window_address(reg) - DRAY_WINDOW_REGISTERS), size,
                         where);
}

#define dray_io_load32(p)                (uint32_t) model_load((p), 4, SIM_HERE)
#define dray_io_store32(p, value)        model_store((p), (value), 4, SIM_HERE)
#define dray_io_load64(p)                model_load((p), 8, SIM_HERE)
#define dray_io_store64(p, value)        model_store((p), (value), 8, SIM_HERE)
#define dray_io_observe32(p)             (uint32_t) model_observe((p), 4, SIM_HERE)
#define dray_io_observe64(p)             model_observe((p), 8, SIM_HERE)
#define dray_io_publish32(p, value)      model_publish((p), (value), 4, SIM_HERE)
#define dray_io_publish64(p, value)      model_publish((p), (value), 8, SIM_HERE)
#define dray_io_swap32(p, value)         model_swap32((p), (value), SIM_HERE)
#define dray_io_load_after_swap32(p)     (uint32_t) model_observe((p), 4, SIM_HERE)
#define dray_io_stored(p, size)          model_stored((p), (size), SIM_HERE)
#define dray_io_loads(p, size)           model_loads((p), (size), SIM_HERE)
#define dray_io_clean(p, size)           model_clean((p), (size), SIM_HERE)
#define dray_io_invalidate(p, size)      model_invalidate((p), (size), SIM_HERE)
#define dray_io_mmio_read32(reg)         (uint32_t) model_mmio_read((reg), 4, SIM_HERE)
#define dray_io_mmio_write32(reg, value) model_mmio_write((reg), (value), 4, SIM_HERE)

/* Nobody spins here, and time is the machine's. */
static inline void dray_io_relax(void)
{
}

#endif
