/* Any bytes as a machine file, as --set and as --sweep: refused with a message, or values within limits. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "dram.h"
#include "file.h"
#include "fuzz.h"
#include "interrupt.h"
#include "link.h"
#include "mmu.h"

static const struct sim_part_kind *const kinds[] = {
    &sim_bus_kind, &sim_dram_kind, &sim_interrupt_kind, &sim_link_kind, &sim_tlb_kind,
};

enum {
    KINDS = sizeof(kinds) / sizeof(kinds[0]),
    ARGUMENT_MAX = 300,
};

static void check_part(const struct sim_parts *parts, const struct sim_part_kind *kind,
                       const char *name)
{
    uint64_t params[64];
    char text[SIM_PARAM_TEXT], expected[SIM_PARAM_EXPECTED];
    FUZZ_ASSERT(kind->params_size <= sizeof(params));
    sim_parts_get(parts, kind, name, params);
    for (size_t i = 0; i < kind->param_count; i++) {
        uint64_t value = sim_param_get(&kind->params[i], params), again = ~value;
        sim_param_print(&kind->params[i], value, text, sizeof(text));
        FUZZ_ASSERT(!sim_param_parse(&kind->params[i], text, &again, expected, sizeof(expected)));
        FUZZ_ASSERT(again == value);
    }
}

static void check_parts(const struct sim_parts *parts)
{
    char error[SIM_FILE_ERROR] = "";
    if (sim_parts_check(parts, error, sizeof(error)))
        FUZZ_ASSERT(error[0]);
    for (size_t k = 0; k < KINDS; k++) {
        const char *name;
        check_part(parts, kinds[k], NULL);
        for (size_t i = 0; (name = sim_parts_name(parts, kinds[k], i)); i++)
            check_part(parts, kinds[k], name);
    }
}

static void try_argument(struct sim_parts *parts, const uint8_t *data, size_t size)
{
    char text[ARGUMENT_MAX + 1], error[64] = "";
    struct sim_sweep sweep;
    memcpy(text, data, size);
    text[size] = 0;
    if (sim_parts_set(parts, text, error, sizeof(error)))
        FUZZ_ASSERT(strncmp(error, "--set ", 6) == 0);
    if (sim_sweep_parse(&sweep, parts, text, error, sizeof(error))) {
        FUZZ_ASSERT(strncmp(error, "--sweep ", 8) == 0);
        return;
    }
    for (unsigned i = 0; i < sweep.count; i += sweep.count / 7 + 1) {
        sim_sweep_apply(&sweep, parts, i);
        check_parts(parts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_parts *parts;
    char error[64] = "";
    if (sim_parts_create(&parts, kinds, KINDS))
        abort();
    if (sim_parts_parse(parts, (const char *)data, size, "fuzz", error, sizeof(error)))
        FUZZ_ASSERT(strncmp(error, "fuzz:", 5) == 0);
    check_parts(parts);
    if (size <= ARGUMENT_MAX)
        try_argument(parts, data, size);
    check_parts(parts);
    sim_parts_destroy(&parts);
    return 0;
}
