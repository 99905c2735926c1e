/* dray/io.h with a clock that the test sets: named by DRAY_IO_BACKEND. One thread. */
#ifndef DRAY_TESTS_CLOCK_IO_H
#define DRAY_TESTS_CLOCK_IO_H

extern uint64_t clock_now_ns;

static inline uint64_t dray_io_clock_ns(void)
{
    return clock_now_ns;
}

static inline uint32_t dray_io_load32(const uint32_t *p)
{
    return *p;
}

static inline void dray_io_store32(uint32_t *p, uint32_t value)
{
    *p = value;
}

static inline void dray_io_store64(uint64_t *p, uint64_t value)
{
    *p = value;
}

static inline uint32_t dray_io_observe32(const uint32_t *p)
{
    return *p;
}

static inline void dray_io_publish32(uint32_t *p, uint32_t value)
{
    *p = value;
}

static inline void dray_io_publish64(uint64_t *p, uint64_t value)
{
    *p = value;
}

static inline uint32_t dray_io_swap32(uint32_t *p, uint32_t value)
{
    uint32_t old = *p;
    *p = value;
    return old;
}

static inline uint32_t dray_io_load_after_swap32(const uint32_t *p)
{
    return *p;
}

static inline void dray_io_relax(void)
{
}

#endif
