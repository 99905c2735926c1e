/* What a machine is made of, as machine files name it, and what cannot go together. */
#include "machine.h"

#define SECTION(name)                                                 \
    {                                                                 \
        &sim_##name##_kind, offsetof(struct sim_machine_params, name) \
    }

const struct sim_machine_section sim_machine_sections[] = {
    SECTION(system), SECTION(core),      SECTION(cache), SECTION(tlb),   SECTION(bus),
    SECTION(dram),   SECTION(interrupt), SECTION(link),  SECTION(iommu), SECTION(controller),
};
const size_t sim_machine_section_count =
    sizeof(sim_machine_sections) / sizeof(sim_machine_sections[0]);

void sim_machine_standard(struct sim_machine_params *params)
{
    for (size_t i = 0; i < sim_machine_section_count; i++)
        sim_params_standard(sim_machine_sections[i].kind,
                            (char *)params + sim_machine_sections[i].offset);
}

const char *sim_machine_check(const struct sim_machine_params *p)
{
    if (p->cache.line != p->bus.line)
        return "cache.line and bus.line differ: a line is a line for all";
    if (p->dram.size <= SIM_FIRST_FRAME)
        return "dram.size is too small: over 1 MiB, please";
    if (p->system.cores > SIM_CORES_MAX)
        return "system.cores is over 16";
    return NULL;
}
