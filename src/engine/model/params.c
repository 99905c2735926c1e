/* What a machine's file and settings say. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "engine/model/model.h"
#include "machine_file.h"

static int apply_sweep(struct sim_parts *parts, const char *text, unsigned step, char *swept,
                       size_t swept_size, char *why, size_t why_size)
{
    struct sim_sweep sweep;
    char value[SIM_PARAM_TEXT];
    int error = sim_sweep_parse(&sweep, parts, text, why, why_size);
    if (error)
        return error;
    if (step >= sweep.count)
        return -ERANGE;
    sim_sweep_apply(&sweep, parts, step);
    snprintf(swept, swept_size, "%s",
             sim_param_print(sweep.param, sim_sweep_value(&sweep, step), value, sizeof(value)));
    return 0;
}

static int apply(struct sim_parts *parts, const struct dray_machine_options *o, char *swept,
                 size_t swept_size, char *why, size_t why_size)
{
    char path[PATH_MAX];
    int error = o->name ? sim_machine_find(o->name, path, sizeof(path), why, why_size) : 0;
    if (!error && o->name)
        error = sim_parts_read(parts, path, why, why_size);
    for (size_t i = 0; !error && o->settings && o->settings[i]; i++)
        error = sim_parts_set(parts, o->settings[i], why, why_size);
    if (!error && o->sweep)
        error = apply_sweep(parts, o->sweep, o->sweep_step, swept, swept_size, why, why_size);
    return error;
}

int model_read_params(struct sim_machine_params *params, const struct dray_machine_options *o,
                      char *swept, size_t swept_size, char *why, size_t why_size)
{
    struct sim_parts *parts;
    swept[0] = '\0';
    int error = sim_machine_parts(&parts);
    if (error)
        return error;
    error = apply(parts, o, swept, swept_size, why, why_size);
    if (!error)
        error = sim_machine_params(parts, params, why, why_size);
    sim_parts_destroy(&parts);
    return error;
}
