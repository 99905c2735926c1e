/*
 * What driver-side code (the queue, device drivers) says to the computer it runs on: shared memory,
 * barriers, MMIO, the clock, cache maintenance.
 *
 * Written once, compiled twice. On the host each call is a compiler intrinsic or nothing. Another
 * world (a modelled machine, an explorer of interleavings) defines DRAY_IO_BACKEND to the name of a
 * header that gives the same functions its own meaning, and compiles the same source again. No
 * function pointer on the host's path.
 *
 * Orders are those of C11. `publish` is a release store and `observe` an acquire load: they are
 * used in pairs, and each use names its partner.
 */
#ifndef DRAY_IO_H
#define DRAY_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef DRAY_IO_BACKEND
#include DRAY_IO_BACKEND
#else

#include <time.h>

/* Plain accesses that only have to be whole. */
static inline uint32_t dray_io_load32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void dray_io_store32(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline uint64_t dray_io_load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void dray_io_store64(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

/* Acquire load: what its partner wrote before publishing is visible after it. */
static inline uint32_t dray_io_observe32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline uint64_t dray_io_observe64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Release store. */
static inline void dray_io_publish32(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline void dray_io_publish64(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* Sleep and wake need more than release and acquire: each side writes its own word, then reads the
 * other's, and at least one of them must see the other (store-load order). `swap` writes and is the
 * full barrier; `load_after_swap` is the read behind it. */
static inline uint32_t dray_io_swap32(uint32_t *p, uint32_t value)
{
    return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t dray_io_load_after_swap32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* Between spins: lets the other hardware thread run. */
static inline void dray_io_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Nanoseconds, monotonic. */
static inline uint64_t dray_io_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Device registers. */
static inline uint32_t dray_io_mmio_read32(const volatile uint32_t *reg)
{
    return *reg;
}

static inline void dray_io_mmio_write32(volatile uint32_t *reg, uint32_t value)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *reg = value;
}

/* Plain accesses to shared memory, told after (stores) or before (loads) they are made: the host sees
 * them anyway, a modelled machine cannot. */
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

/* Cache maintenance, for memory that a device reads or writes without snooping. This host is
 * coherent. */
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
#endif
