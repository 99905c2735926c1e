#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTROLLER_DEVICE = 1,
};

/* ---- building, part by part; whatever fails is undone by destroy ---- */

static int make_memory(struct sim_machine *m)
{
    const struct sim_machine_params *p = &m->params;
    int error = sim_memory_create(&m->memory, p->dram.size);
    if (!error)
        error = sim_dram_create(&m->dram, &p->dram);
    if (!error)
        error = sim_bus_create(&m->bus, m->kernel, m->memory, m->dram, &p->bus);
    if (!error)
        error = sim_frames_create(&m->frames, m->kernel, SIM_FIRST_FRAME,
                                  p->dram.size - SIM_FIRST_FRAME, p->system.fragmentation);
    if (!error)
        error = sim_space_create(&m->space);
    return error;
}

static int make_cores(struct sim_machine *m)
{
    const struct sim_machine_params *p = &m->params;
    int error = 0;
    while (!error && m->core_count < p->system.cores) {
        unsigned i = m->core_count;
        snprintf(m->core_names[i], sizeof(m->core_names[i]), "core%u", i);
        error = sim_core_create(&m->cores[i], m->kernel, m->core_names[i], m->bus, m->space,
                                &p->core, &p->cache, &p->tlb);
        m->core_count += !error;
    }
    return error;
}

static void deliver(void *argument, unsigned number)
{
    struct sim_machine *m = argument;
    sim_core_interrupt(m->cores[number % m->core_count], number);
}

/* From the bus outwards: IOMMU, link, controller. */
static int make_device(struct sim_machine *m)
{
    const struct sim_machine_params *p = &m->params;
    struct sim_target *port = sim_bus_target(m->bus);
    int error = 0;
    if (p->iommu.present) {
        error = sim_iommu_create(&m->iommu, m->kernel, port, m->memory, &p->iommu);
        if (error)
            return error;
        sim_bus_add_master(m->bus, sim_iommu_master(m->iommu), 1);
        port = sim_iommu_target(m->iommu);
    }
    if (p->system.linked) {
        error = sim_link_create(&m->link, m->kernel, port, &p->link);
        if (error)
            return error;
        port = sim_link_target(m->link);
    }
    m->master = (struct sim_master){ .name = "controller",
                                     .device = CONTROLLER_DEVICE,
                                     .snooped = p->system.snooped };
    sim_bus_add_master(m->bus, &m->master, 1);
    error = sim_interrupts_create(&m->interrupts, m->kernel, &p->interrupt, deliver, m);
    if (!error)
        error = sim_controller_create(&m->controller, m->kernel, port, &m->master, m->interrupts,
                                      &p->controller);
    if (error)
        return error;
    struct sim_mmio *registers = sim_controller_mmio(m->controller);
    registers->base = SIM_REGISTERS;
    if (p->system.linked)
        registers->latency += p->link.down;
    sim_bus_add_mmio(m->bus, registers);
    return 0;
}

static int make_driver(struct sim_machine *m)
{
    return sim_driver_create(
        &m->driver, &(struct sim_driver_options){ .kernel = m->kernel,
                                                  .memory = m->memory,
                                                  .frames = m->frames,
                                                  .space = m->space,
                                                  .iommu = m->iommu,
                                                  .device = CONTROLLER_DEVICE,
                                                  .address_bits = m->params.controller.address_bits,
                                                  .system = &m->params.system,
                                                  .cores = m->cores,
                                                  .core_count = m->core_count });
}

int sim_machine_create(struct sim_machine **machine, const struct sim_machine_params *params,
                       uint64_t seed, bool watch)
{
    if (sim_machine_check(params))
        return -EINVAL;
    struct sim_machine *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->params = *params;
    int error = sim_kernel_create(&m->kernel, seed);
    if (!error && watch)
        error = sim_shadow_create(&m->shadow, m->kernel, params->bus.line);
    if (!error)
        error = make_memory(m);
    if (!error)
        error = make_cores(m);
    if (!error)
        error = make_device(m);
    if (!error)
        error = make_driver(m);
    if (error)
        sim_machine_destroy(&m);
    else
        *machine = m;
    return error;
}

void sim_machine_destroy(struct sim_machine **machine)
{
    struct sim_machine *m = *machine;
    if (!m)
        return;
    if (m->driver)
        sim_driver_destroy(&m->driver);
    if (m->controller)
        sim_controller_destroy(&m->controller);
    if (m->interrupts)
        sim_interrupts_destroy(&m->interrupts);
    if (m->link)
        sim_link_destroy(&m->link);
    if (m->iommu)
        sim_iommu_destroy(&m->iommu);
    while (m->core_count)
        sim_core_destroy(&m->cores[--m->core_count]);
    if (m->space)
        sim_space_destroy(&m->space);
    if (m->frames)
        sim_frames_destroy(&m->frames);
    if (m->bus)
        sim_bus_destroy(&m->bus);
    if (m->dram)
        sim_dram_destroy(&m->dram);
    if (m->memory)
        sim_memory_destroy(&m->memory);
    if (m->shadow)
        sim_shadow_destroy(&m->shadow);
    if (m->kernel)
        sim_kernel_destroy(&m->kernel);
    free(m);
    *machine = NULL;
}
