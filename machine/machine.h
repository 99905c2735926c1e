/*
 * A whole computer: the parts, wired as a machine file says.
 *
 *     core0.. ──> bus ──> dram        registers of the controller at SIM_REGISTERS on the bus
 *     controller ──> [link] ──> [iommu] ──> bus
 *     controller ──> interrupts ──> core number % cores
 *
 * The members are for whoever builds on it: driver code, tests, reports.
 */
#ifndef DRAY_MACHINE_MACHINE_H
#define DRAY_MACHINE_MACHINE_H

#include "controller.h"
#include "driver.h"
#include "link.h"
#include "shadow.h"

enum {
    SIM_CORES_MAX = 16,
    SIM_FIRST_FRAME = 1 << 20, /* what lies below is left to firmware, as on real machines */
};

/* Physical address of the controller's registers, above any memory. */
#define SIM_REGISTERS ((uint64_t)1 << 46)

struct sim_machine_params {
    struct sim_dram_params dram;
    struct sim_bus_params bus;
    struct sim_core_params core;
    struct sim_cache_params cache;
    struct sim_tlb_params tlb;
    struct sim_link_params link;
    struct sim_iommu_params iommu;
    struct sim_interrupt_params interrupt;
    struct sim_controller_params controller;
    struct sim_system_params system;
};

/* The kinds of its parts, and where their parameters lie: sections of a machine file. */
struct sim_machine_section {
    const struct sim_part_kind *kind;
    size_t offset; /* in struct sim_machine_params */
};
extern const struct sim_machine_section sim_machine_sections[];
extern const size_t sim_machine_section_count;

void sim_machine_standard(struct sim_machine_params *params);
/* Combinations across parts that cannot be. NULL, or a sentence. */
const char *sim_machine_check(const struct sim_machine_params *params);

struct sim_machine {
    struct sim_machine_params params;
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_frames *frames;
    struct sim_space *space;
    struct sim_core *cores[SIM_CORES_MAX];
    unsigned core_count;
    char core_names[SIM_CORES_MAX][8];
    struct sim_iommu *iommu; /* NULL: none */
    struct sim_link *link;   /* NULL: the controller sits on the bus */
    struct sim_interrupts *interrupts;
    struct sim_master master; /* the controller's */
    struct sim_controller *controller;
    struct sim_driver *driver; /* the operating system's side of the controller */
    struct sim_shadow *shadow; /* NULL: nobody watches */
};

/* Parameters have been checked. Returns 0; -ENOMEM; -EINVAL. */
int sim_machine_create(struct sim_machine **machine, const struct sim_machine_params *params,
                       uint64_t seed, bool watch);
void sim_machine_destroy(struct sim_machine **machine);

#endif
