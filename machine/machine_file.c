/* From a machine file to the parameters of a whole machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine_file.h"

int sim_machine_parts(struct sim_parts **parts)
{
    size_t count = sim_machine_section_count;
    const struct sim_part_kind **kinds = calloc(count, sizeof(struct sim_part_kind *));
    if (!kinds)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        kinds[i] = sim_machine_sections[i].kind;
    int error = sim_parts_create(parts, kinds, count);
    free(kinds);
    return error;
}

int sim_machine_params(const struct sim_parts *parts, struct sim_machine_params *params,
                       char *error, size_t size)
{
    int result = sim_parts_check(parts, error, size);
    for (size_t i = 0; i < sim_machine_section_count && !result; i++) {
        const struct sim_part_kind *kind = sim_machine_sections[i].kind;
        const char *name = sim_parts_name(parts, kind, 0);
        sim_parts_get(parts, kind, NULL, (char *)params + sim_machine_sections[i].offset);
        if (name) {
            const char *place = sim_parts_place(parts, kind, name);
            if (error)
                snprintf(error, size,
                         "%s%sfound part \"%s %s\", expected %s without a name: all "
                         "parts of a kind are alike in this machine",
                         place ? place : "", place ? ": " : "", kind->name, name, kind->name);
            return -EINVAL;
        }
    }
    const char *wrong = result ? NULL : sim_machine_check(params);
    if (wrong && error)
        snprintf(error, size, "machine: %s", wrong);
    return wrong ? -EINVAL : result;
}
