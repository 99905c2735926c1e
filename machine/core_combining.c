/*
 * Write combining: stores gather in lines until a line is full, a barrier sends all of them, or
 * another line needs the place. Nothing else makes them leave: code that forgets the barrier finds the
 * device with half of its bytes.
 *
 * A whole line leaves as one write, another as one write for each run of bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

static void send_run(struct combining_line *c);

static void run_granted(struct sim_request *request)
{
    struct combining_line *c = SIM_OWNER(request, struct combining_line, request);
    core_note(c->core, SIM_NOTE_DRAIN, request->address, request->size, SIM_LEVEL_MEMORY,
              &c->origin);
    early_forget(c->core, c->line);
}

static void run_done(struct sim_request *request)
{
    struct combining_line *c = SIM_OWNER(request, struct combining_line, request);
    c->at += c->run;
    send_run(c);
}

/* The next run of written bytes, from `at` on; with the last one the place is free again. */
static void send_run(struct combining_line *c)
{
    struct sim_core *core = c->core;
    while (c->at < core->line && !c->mask[c->at])
        c->at++;
    if (c->at == core->line) {
        c->state = COMBINING_FREE;
        core->combining_used--;
        core_changed(core);
        buffer_go_on(core);
        return;
    }
    c->run = 0;
    while (c->at + c->run < core->line && c->mask[c->at + c->run])
        c->run++;
    c->request = (struct sim_request){
        .master = sim_cache_master(core->cache),
        .op = SIM_WRITE,
        .address = c->line + c->at,
        .size = c->run,
        .data = c->bytes + c->at,
        .granted = run_granted,
        .done = run_done,
        .origin = &c->origin,
    };
    sim_submit(sim_bus_target(core->bus), &c->request);
}

static void send(struct combining_line *c)
{
    c->state = COMBINING_LEAVING;
    c->at = 0;
    send_run(c);
}

/* The line that gathers there; else a free one; else the one opened first is sent, and NULL. */
static struct combining_line *place_for(struct sim_core *core, uint64_t line)
{
    struct combining_line *unused = NULL, *oldest = NULL;
    for (int i = 0; i < CORE_COMBINING; i++) {
        struct combining_line *c = &core->combining[i];
        if (c->state == COMBINING_OPEN && c->line == line)
            return c;
        if (c->state == COMBINING_LEAVING && c->line == line)
            return NULL; /* what is newer comes after it */
        if (c->state == COMBINING_FREE)
            unused = c;
        if (c->state == COMBINING_OPEN && (!oldest || c->opened < oldest->opened))
            oldest = c;
    }
    if (!unused && oldest)
        send(oldest);
    return unused;
}

bool combining_take(struct sim_core *core, const struct stored *entry)
{
    uint64_t line = entry->word & ~(uint64_t)(core->line - 1);
    struct combining_line *c = place_for(core, line);
    if (!c)
        return false;
    if (c->state == COMBINING_FREE) {
        c->state = COMBINING_OPEN;
        c->line = line;
        c->opened = core->combining_opened++;
        c->written = 0;
        memset(c->mask, 0, core->line);
        core->combining_used++;
    }
    c->origin = entry->origin;
    for (uint32_t b = 0; b < 8; b++) {
        uint32_t at = (uint32_t)(entry->word - line) + b;
        if (!(entry->mask & 1u << b))
            continue;
        c->bytes[at] = entry->bytes[b];
        c->written += !c->mask[at];
        c->mask[at] = 1;
    }
    if (c->written == core->line)
        send(c);
    return true;
}

void combining_flush(struct sim_core *core)
{
    for (int i = 0; i < CORE_COMBINING; i++)
        if (core->combining[i].state == COMBINING_OPEN)
            send(&core->combining[i]);
    while (core->combining_used)
        core_wait(core, "its gathered stores to reach memory");
}

int combining_make(struct sim_core *core)
{
    core->combining = calloc(CORE_COMBINING, sizeof(*core->combining));
    if (!core->combining)
        return -ENOMEM;
    for (int i = 0; i < CORE_COMBINING; i++)
        core->combining[i].core = core;
    return 0;
}

void combining_free(struct sim_core *core)
{
    free(core->combining);
}
