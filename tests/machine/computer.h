/*
 * A small computer for tests of cores: memory of 16 MiB, one bus, up to four cores, one address space.
 *
 * Each byte of memory is mapped three times: cached at CACHED + its address, uncached at UNCACHED +
 * its address, write-combining at COMBINING + its address. Above memory are the registers of a device.
 */
#ifndef DRAY_TESTS_MACHINE_COMPUTER_H
#define DRAY_TESTS_MACHINE_COMPUTER_H

#include "core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CACHED    ((uint64_t)1 << 32)
#define UNCACHED  ((uint64_t)2 << 32)
#define COMBINING ((uint64_t)3 << 32)
#define MEMORY    ((uint64_t)16 << 20)
#define REGISTERS ((uint64_t)1 << 40)

enum {
    CORES = 4,
};

struct computer {
    /* Set by computer_standard, changed by the test, used by computer_make. */
    struct sim_core_params core;
    struct sim_cache_params cache;
    struct sim_tlb_params tlb;
    struct sim_bus_params bus_params;
    struct sim_dram_params dram_params;
    unsigned cores;
    /* The parts. */
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_space *space;
    struct sim_core *at[CORES];
    void *test; /* the test's own */
};

static inline struct computer computer_standard(enum sim_order order, unsigned cores)
{
    struct computer c = { .cores = cores };
    sim_params_standard(&sim_core_kind, &c.core);
    sim_params_standard(&sim_cache_kind, &c.cache);
    sim_params_standard(&sim_tlb_kind, &c.tlb);
    sim_params_standard(&sim_bus_kind, &c.bus_params);
    sim_params_standard(&sim_dram_kind, &c.dram_params);
    c.core.order = order;
    c.cache.levels = 1;
    c.cache.size[0] = 32 << 10;
    c.cache.ways[0] = 8;
    c.dram_params.size = MEMORY;
    return c;
}

static inline void computer_map(struct computer *c, uint64_t base, enum sim_mapping mapping)
{
    for (uint64_t at = 0; at < MEMORY; at += SIM_HUGE_PAGE) {
        struct sim_page page = { .virtual = base + at,
                                 .physical = at,
                                 .size = SIM_HUGE_PAGE,
                                 .mapping = mapping,
                                 .writable = true };
        assert_int_equal(sim_space_map(c->space, &page), 0);
    }
}

static inline void computer_make(struct computer *c, uint64_t seed)
{
    static const char *const names[CORES] = { "core0", "core1", "core2", "core3" };
    assert_int_equal(sim_kernel_create(&c->kernel, seed), 0);
    assert_int_equal(sim_memory_create(&c->memory, MEMORY), 0);
    assert_int_equal(sim_dram_create(&c->dram, &c->dram_params), 0);
    assert_int_equal(sim_bus_create(&c->bus, c->kernel, c->memory, c->dram, &c->bus_params), 0);
    assert_int_equal(sim_space_create(&c->space), 0);
    computer_map(c, CACHED, SIM_CACHED);
    computer_map(c, UNCACHED, SIM_UNCACHED);
    computer_map(c, COMBINING, SIM_WRITE_COMBINING);
    for (unsigned i = 0; i < c->cores; i++)
        assert_int_equal(sim_core_create(&c->at[i], c->kernel, names[i], c->bus, c->space, &c->core,
                                         &c->cache, &c->tlb),
                         0);
}

static inline void computer_free(struct computer *c)
{
    for (unsigned i = c->cores; i-- > 0;)
        sim_core_destroy(&c->at[i]);
    sim_space_destroy(&c->space);
    sim_bus_destroy(&c->bus);
    sim_dram_destroy(&c->dram);
    sim_memory_destroy(&c->memory);
    sim_kernel_destroy(&c->kernel);
}

/* Starts one core; the argument of its program is the computer. */
static inline void computer_start(struct computer *c, unsigned core,
                                  void (*code)(struct sim_core *core, void *argument))
{
    assert_int_equal(sim_core_run(c->at[core], sim_now(c->kernel), code, c), 0);
}

/* Until nothing is left to happen. */
static inline void computer_run(struct computer *c)
{
    assert_int_equal(sim_run(c->kernel, SIM_NEVER), 0);
}

/* Makes a computer with one core, runs one program on it to its end, and takes it apart. */
static inline void computer_once(struct computer *c, uint64_t seed,
                                 void (*code)(struct sim_core *core, void *argument))
{
    computer_make(c, seed);
    computer_start(c, 0, code);
    computer_run(c);
    assert_true(sim_core_ended(c->at[0]));
    computer_free(c);
}

/* Bytes as memory has them now, caches and buffers left aside. */
static inline uint64_t memory_word(struct computer *c, uint64_t physical)
{
    uint64_t value;
    sim_memory_read(c->memory, physical, &value, sizeof(value));
    return value;
}

static inline uint64_t load64(struct sim_core *core, uint64_t address)
{
    uint64_t value;
    sim_load(core, address, &value, sizeof(value), SIM_HERE);
    return value;
}

static inline void store64(struct sim_core *core, uint64_t address, uint64_t value)
{
    sim_store(core, address, &value, sizeof(value), SIM_HERE);
}

#endif
