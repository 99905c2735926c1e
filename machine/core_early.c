/*
 * Loads that a weak core executed early (docs/decisions/080-old-bytes.md).
 *
 * A core that reorders loads executes some before their place in the program, at a moment when memory
 * held other bytes. This one runs its program in order, so it does the same from the other side: it
 * remembers what lines held till others took them, and a load may be given those bytes, as if it had
 * been executed just before that moment. It may not
 *
 *   - go back before the last load barrier, acquire, full barrier or change of context,
 *   - nor further than `early` allows,
 *   - nor behind what the core itself has read from or written to the line: loads and stores of one
 *     address keep their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

static void remember(struct sim_core *core, uint64_t line)
{
    struct early *early = &core->early;
    struct remembered *r = &early->lines[early->place++ % CORE_REMEMBERED];
    r->line = line;
    r->number = early->place;
    r->time = early->newest = sim_now(core->kernel);
    sim_memory_read(sim_bus_memory(core->bus), line, r->bytes, core->line);
}

static void granting(struct sim_observer *observer, const struct sim_request *request)
{
    struct sim_core *core = SIM_OWNER(observer, struct sim_core, early.observer);
    if (request->master == sim_cache_master(core->cache))
        return;
    uint64_t line = request->address & ~(uint64_t)(core->line - 1);
    for (; line < request->address + request->size; line += core->line)
        remember(core, line);
}

int early_make(struct sim_core *core)
{
    if (!core->weak)
        return 0;
    core->early.lines = calloc(CORE_REMEMBERED, sizeof(*core->early.lines));
    if (!core->early.lines)
        return -ENOMEM;
    core->early.observer.granting = granting;
    sim_bus_add_observer(core->bus, &core->early.observer);
    return 0;
}

void early_free(struct sim_core *core)
{
    free(core->early.lines);
}

void early_forget_line(struct sim_core *core, uint64_t address)
{
    uint64_t line = address & ~(uint64_t)(core->line - 1);
    for (int i = 0; i < CORE_REMEMBERED; i++)
        if (core->early.lines[i].line == line)
            core->early.lines[i].time = 0;
}

/* What may be given; of several moments any. */
static struct remembered *choose(struct sim_core *core, uint64_t line)
{
    struct early *early = &core->early;
    struct remembered *found[CORE_REMEMBERED];
    uint32_t count = 0;
    sim_time now = sim_now(core->kernel);
    for (int i = 0; i < CORE_REMEMBERED; i++) {
        struct remembered *r = &early->lines[i];
        if (r->line == line && r->time > early->ordered && now - r->time <= core->params.early)
            found[count++] = r;
    }
    if (!count)
        return NULL;
    /* As often as not it was executed in its place. */
    uint64_t choice = sim_random_below(core->kernel, 2 * (uint64_t)count);
    return choice < count ? found[choice] : NULL;
}

sim_time early_load(struct sim_core *core, uint64_t address, void *to, uint32_t size)
{
    struct early *early = &core->early;
    sim_time now = sim_now(core->kernel);
    if (early->newest <= early->ordered || now - early->newest > core->params.early)
        return 0;
    uint64_t line = address & ~(uint64_t)(core->line - 1);
    if (!core->coherent && sim_cache_holds(core->cache, line) != SIM_HAD_NOTHING)
        return 0; /* the cache answers, at whatever moment */
    struct remembered *chosen = choose(core, line);
    if (!chosen)
        return 0;
    memcpy(to, chosen->bytes + (address - line), size);
    /* What is older than these bytes is gone; later ones, and these again, may still be seen. */
    for (int i = 0; i < CORE_REMEMBERED; i++)
        if (early->lines[i].line == line && early->lines[i].number < chosen->number)
            early->lines[i].time = 0;
    return chosen->time;
}
