/* A bus with memory behind it, and DRAM where its time counts. */
#ifndef DRAY_TESTS_MACHINE_BUS_RIG_H
#define DRAY_TESTS_MACHINE_BUS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bus.h"
#include "traffic.h"

struct rig {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
};

enum {
    MEMORY = 16 << 20,
};

/* Overhead 0.25 ns, 64 GB/s, latency 2 ns; memory itself takes no time. */
static inline struct sim_bus_params quick(void)
{
    struct sim_bus_params p;

    sim_params_standard(&sim_bus_kind, &p);
    p.latency = 2000;
    return p;
}

static inline void rig_open(struct rig *rig, const struct sim_bus_params *p,
                            const struct sim_dram_params *dram)
{
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&rig->memory, MEMORY), 0);
    if (dram)
        assert_int_equal(sim_dram_create(&rig->dram, dram), 0);
    assert_int_equal(sim_bus_create(&rig->bus, rig->kernel, rig->memory, rig->dram, p), 0);
}

static inline void rig_close(struct rig *rig)
{
    sim_bus_destroy(&rig->bus);
    sim_dram_destroy(&rig->dram);
    sim_memory_destroy(&rig->memory);
    sim_kernel_destroy(&rig->kernel);
}

static inline void within_1_percent(double got, double expected)
{
    if (got < expected * 0.99 || got > expected * 1.01)
        fail_msg("got %g, the formula says %g", got, expected);
}

#endif
