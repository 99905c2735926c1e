/* dray/io.h for the explorer: named by DRAY_IO_BACKEND. */
#ifndef DRAY_TESTS_EXPLORER_IO_H
#define DRAY_TESTS_EXPLORER_IO_H

#include "explorer.h"

static inline uint32_t dray_io_load32(const uint32_t *p)
{
    return (uint32_t)explorer_load(p, 4);
}

static inline uint64_t dray_io_load64(const uint64_t *p)
{
    return explorer_load(p, 8);
}

static inline void dray_io_store32(uint32_t *p, uint32_t value)
{
    explorer_store(p, 4, value);
}

static inline void dray_io_store64(uint64_t *p, uint64_t value)
{
    explorer_store(p, 8, value);
}

static inline uint32_t dray_io_observe32(const uint32_t *p)
{
    return (uint32_t)explorer_load(p, 4);
}

static inline uint64_t dray_io_observe64(const uint64_t *p)
{
    return explorer_load(p, 8);
}

static inline void dray_io_publish32(uint32_t *p, uint32_t value)
{
    explorer_store(p, 4, value);
}

static inline void dray_io_publish64(uint64_t *p, uint64_t value)
{
    explorer_store(p, 8, value);
}

static inline uint32_t dray_io_swap32(uint32_t *p, uint32_t value)
{
    return (uint32_t)explorer_swap(p, 4, value);
}

static inline uint32_t dray_io_load_after_swap32(const uint32_t *p)
{
    return (uint32_t)explorer_load_after_swap(p, 4);
}

static inline void dray_io_relax(void)
{
}

static inline uint64_t dray_io_clock_ns(void)
{
    return explorer_clock_ns();
}

/* No device in here. */
static inline void dray_io_mmio_write32(volatile uint32_t *reg, uint32_t value)
{
    *reg = value;
}

static inline void dray_io_stored(const void *p, size_t size)
{
    (void)p;
    (void)size;
}

static inline void dray_io_loads(const void *p, size_t size)
{
    (void)p;
    (void)size;
}

static inline void dray_io_clean(const void *p, size_t size)
{
    (void)p;
    (void)size;
}

static inline void dray_io_invalidate(const void *p, size_t size)
{
    (void)p;
    (void)size;
}

#endif
