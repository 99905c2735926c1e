/* The public face of a modelled computer. */
#include "dray/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "engine/model/model.h"

static int make_table(struct dray_machine *m)
{
    m->table =
        sim_alloc(m->sim->driver, MODEL_REGIONS * sizeof(struct sim_region_entry), SIM_CACHED);
    m->regions = calloc(MODEL_REGIONS, sizeof(*m->regions));
    return m->table == SIM_NEVER || !m->regions ? -ENOMEM : 0;
}

static void no_work(struct sim_core *core, unsigned number, void *argument)
{
    (void)core;
    (void)number;
    (void)argument; /* what waits for an interrupt looks for itself what it was for */
}

static void set_handlers(struct dray_machine *m)
{
    for (unsigned i = 0; i < m->sim->core_count; i++) {
        for (unsigned n = 0; n < SIM_CONTROLLER_CHANNELS; n++)
            sim_core_handler(m->sim->cores[i], n, no_work, NULL);
        sim_core_handler(m->sim->cores[i], SIM_INTERRUPTS - 1, no_work, NULL);
    }
}

static int make_trace(struct dray_machine *m, const char *path, char *why, size_t why_size)
{
    int error = sim_trace_create(&m->trace, m->sim->kernel, path);
    if (!error || error == -ENOMEM)
        return error;
    snprintf(why, why_size, "the trace %s: %s", path, strerror(-error));
    return -EIO;
}

/* For people and for JSON: what is not plain ASCII is a question mark. */
static void name_it(struct dray_machine *m, const char *name)
{
    snprintf(m->name, sizeof(m->name), "%s", name);
    for (char *c = m->name; *c; c++)
        if (*c < 32 || *c > 126)
            *c = '?';
}

int dray_machine_create(struct dray_machine **machine, const struct dray_machine_options *options,
                        char *why, size_t why_size)
{
    struct dray_machine_options o;
    struct sim_machine_params params;
    *machine = NULL;
    if (why_size)
        why[0] = '\0';
    int error = dray_options_copy(&o, sizeof(o), options);
    if (error) {
        snprintf(why, why_size, "the options' size is wrong");
        return error;
    }
    struct dray_machine *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    error = model_read_params(&params, &o, m->swept, sizeof(m->swept), why, why_size);
    if (error) {
        free(m);
        return error;
    }
    name_it(m, o.name ? o.name : "standard");
    error = sim_machine_create(&m->sim, &params, o.seed, !o.no_hazards);
    if (!error)
        error = make_table(m);
    if (!error && !(m->window = dray_window_create(m->sim)))
        error = -ENOMEM;
    if (!error && o.trace)
        error = make_trace(m, o.trace, why, why_size);
    if (error) {
        dray_machine_destroy(&m);
        return error;
    }
    set_handlers(m);
    *machine = m;
    return 0;
}

void dray_machine_destroy(struct dray_machine **machine)
{
    struct dray_machine *m = *machine;
    if (!m)
        return;
    model_trace_end(m);
    sim_machine_destroy(&m->sim);
    dray_window_destroy(m->window);
    model_list_free(&m->records);
    model_list_free(&m->gone);
    model_list_free(&m->ins);
    model_list_free(&m->outs);
    model_regions_free(m);
    free(m->text);
    free(m);
    *machine = NULL;
}

int dray_machine_trace_end(struct dray_machine *machine)
{
    return model_trace_end(machine);
}

const char *dray_machine_swept(const struct dray_machine *machine)
{
    return machine->swept;
}

uint64_t dray_machine_time_ps(const struct dray_machine *machine)
{
    return sim_now(machine->sim->kernel);
}

size_t dray_machine_hazards(const struct dray_machine *machine)
{
    return machine->sim->shadow ? sim_shadow_count(machine->sim->shadow) : 0;
}

const char *dray_machine_text(struct dray_machine *machine)
{
    return model_report_text(machine);
}

const char *dray_machine_json(struct dray_machine *machine)
{
    return model_report_json(machine);
}

void model_break(struct dray_machine *m, int error, const char *why)
{
    if (m->broken)
        return;
    m->broken = error;
    snprintf(m->why, sizeof(m->why), "%s", why);
}
