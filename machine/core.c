/*
 * Cores: the life of one, its programs, its interrupts. core_state.h says which file does what.
 *
 * A core executes one action after the other, each with its time: a load that hits the first level
 * takes that level's latency, whatever its size up to a line; a store one cycle for each aligned 8
 * bytes that it touches, as long as the store buffer has room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

#define AT(member) offsetof(struct sim_core_params, member)

static const char *const order_words[] = { "tso", "weak", NULL };

/* A desktop x86 (tso, 56 entries: assumed). The times of barriers and of writes to devices are about
 * those of measured fences, 30 cycles: assumed. Ten lines ahead: the fill buffers of such cores. */
static const struct sim_param core_params[] = {
    { "order", SIM_UNIT_CHOICE, AT(order), SIM_ORDER_TSO, 0, SIM_ORDER_WEAK, 0, order_words,
      "the order in which others see its stores, and it sees theirs" },
    { "frequency_hz", SIM_UNIT_COUNT, AT(frequency_hz), 4000000000, 1000000, 100000000000, 0, NULL,
      "cycles a second" },
    { "store_buffer", SIM_UNIT_COUNT, AT(store_buffer), 56, 1, CORE_BUFFER, 0, NULL,
      "stores of up to 8 bytes that wait to be seen" },
    { "drain", SIM_UNIT_TIME, AT(drain), 250, 1, SIM_MS, 0, NULL,
      "time between two stores that leave the buffer" },
    { "barrier", SIM_UNIT_TIME, AT(barrier), 8 * SIM_NS, 0, SIM_MS, 0, NULL,
      "time of a full barrier beside what it waits for" },
    { "mmio_write", SIM_UNIT_TIME, AT(mmio_write), 5 * SIM_NS, 0, SIM_MS, 0, NULL,
      "time that a posted write to a register takes of the core itself" },
    { "interrupt", SIM_UNIT_TIME, AT(interrupt), SIM_US, 0, SIM_S, 0, NULL,
      "time from an interrupt's arrival to the first action of its handler" },
    { "ahead", SIM_UNIT_COUNT, AT(ahead), 10, 0, 16, 0, NULL,
      "lines that a long load or store asks for before their turn" },
    { "early", SIM_UNIT_TIME, AT(early), 500 * SIM_NS, 0, SIM_MS, 0, NULL,
      "weak: how long before its place a load may have been executed" },
};

const struct sim_part_kind sim_core_kind = {
    .name = "core",
    .about = "a core that runs driver code",
    .params = core_params,
    .param_count = sizeof(core_params) / sizeof(core_params[0]),
    .params_size = sizeof(struct sim_core_params),
};

/* ---- notes ---- */

struct sim_origin core_origin(const char *what, const struct sim_where *where)
{
    return (struct sim_origin){ .what = what,
                                .file = where ? where->file : NULL,
                                .line = where ? where->line : 0 };
}

void core_note(const struct sim_core *core, enum sim_note_kind kind, uint64_t address,
               uint64_t size, uint64_t value, const struct sim_origin *origin)
{
    if (!sim_watchers(core->kernel))
        return;
    sim_note(core->kernel, &(struct sim_note){ .kind = kind,
                                               .time = sim_now(core->kernel),
                                               .part = core->name,
                                               .address = address,
                                               .size = size,
                                               .value = value,
                                               .origin = origin });
}

static void note_span(const struct sim_core *core, const char *text, sim_time since)
{
    if (!sim_watchers(core->kernel))
        return;
    sim_time now = sim_now(core->kernel);
    sim_note(core->kernel, &(struct sim_note){ .kind = SIM_NOTE_SPAN,
                                               .time = now,
                                               .part = core->name,
                                               .value = now - since,
                                               .text = text });
}

/* Between waits and handlers, so that no span of a core's begins inside another but `program`. */
static void note_work(struct sim_core *core)
{
    if (sim_now(core->kernel) > core->noted)
        note_span(core, "working", core->noted);
}

/* The moment at which the cache's bytes moved. */
static void moved(struct sim_cache_listener *listener, bool write, uint64_t address, uint32_t size,
                  enum sim_level level, const struct sim_origin *origin)
{
    struct sim_core *core = SIM_OWNER(listener, struct sim_core, listener);
    if (write && !core->swaps) {
        buffer_landed_slow(core);
        return;
    }
    early_forget(core, address);
    core_note(core, SIM_NOTE_LOAD, address, size, level, origin);
    if (write) { /* a swap */
        core_note(core, SIM_NOTE_STORE, address, size, 0, origin);
        core_note(core, SIM_NOTE_DRAIN, address, size, SIM_LEVEL_1, origin);
    }
}

/* ---- time ---- */

void core_leave_alone(struct sim_core *core)
{
    struct store_buffer *buffer = &core->buffer;
    if (buffer->next == SIM_NEVER || sim_event_pending(&buffer->event))
        return;
    sim_time now = sim_now(core->kernel);
    sim_at(core->kernel, &buffer->event, buffer->next > now ? buffer->next : now);
}

void core_pass(struct sim_core *core, sim_time delay)
{
    struct sim_kernel *kernel = core->kernel;
    sim_time end = sim_now(kernel) + delay;
    sim_cancel(kernel, &core->buffer.event);
    while (core->buffer.next <= end && sim_skip(kernel, core->buffer.next))
        buffer_step(core);
    if (sim_skip(kernel, end))
        return;
    core_leave_alone(core);
    sim_sleep(kernel, end - sim_now(kernel));
}

void core_wait(struct sim_core *core, const char *reason)
{
    struct sim_kernel *kernel = core->kernel;
    sim_time since = sim_now(kernel);
    sim_cancel(kernel, &core->buffer.event);
    if (core->buffer.next != SIM_NEVER && sim_skip(kernel, core->buffer.next)) {
        buffer_step(core);
    } else {
        core_leave_alone(core);
        core->waits = true;
        sim_block(kernel, reason);
        core->waits = false;
    }
    core->stats.stalled += sim_now(kernel) - since;
}

void core_changed(struct sim_core *core)
{
    if (!core->waits)
        return;
    core->waits = false;
    sim_wake(core->fiber);
}

/* ---- programs ---- */

_Noreturn void core_fail(struct sim_core *core, uint64_t address, bool write,
                         const struct sim_where *where)
{
    struct sim_origin origin = core_origin(write ? "store" : "load", where);
    core_note(core, SIM_NOTE_FAULT, address, 1, write, &origin);
    core->fault = (struct sim_core_fault){ .is = true, .address = address, .write = write };
    if (where)
        core->fault.where = *where;
    longjmp(core->fault_exit, 1);
}

const struct sim_page *core_translate(struct sim_core *core, uint64_t address, bool write,
                                      const struct sim_where *where)
{
    const struct sim_page *page = sim_tlb_peek(core->tlb, address);
    if (!page) {
        sim_time since = sim_now(core->kernel);
        core_leave_alone(core);
        page = sim_tlb_find(core->tlb, address);
        core->stats.stalled += sim_now(core->kernel) - since;
    }
    if (!page || (write && !page->writable))
        core_fail(core, address, write, where);
    return page;
}

static sim_time working(const struct sim_core *core)
{
    sim_time now = sim_now(core->kernel);
    return now > core->began ? now - core->began - core->waited : 0;
}

static void run_program(void *argument)
{
    struct sim_core *core = argument;
    core->began = core->noted = sim_now(core->kernel);
    early_order(core);
    if (!setjmp(core->fault_exit))
        core->code(core, core->argument);
    core->in_handler = false;
    /* What it stored is seen all the same. */
    buffer_wait_empty(core);
    combining_flush(core);
    note_work(core);
    note_span(core, "program", core->began);
    core->stats.working += working(core);
    core->busy = false;
}

int sim_core_run(struct sim_core *core, sim_time begin,
                 void (*code)(struct sim_core *core, void *argument), void *argument)
{
    if (core->busy)
        return -EBUSY;
    sim_fiber_destroy(&core->fiber);
    int error = sim_fiber_create(&core->fiber, core->kernel, core->name, begin, run_program, core);
    if (error)
        return error;
    core->busy = true;
    core->code = code;
    core->argument = argument;
    core->fault = (struct sim_core_fault){ .is = false };
    core->began = begin;
    core->waited = 0;
    core->has_handled = false;
    return 0;
}

struct sim_core *sim_core_self(const struct sim_kernel *kernel)
{
    return sim_fiber_argument(sim_fiber_self(kernel), run_program);
}

void sim_core_fault(const struct sim_core *core, struct sim_core_fault *fault)
{
    *fault = core->fault;
}

bool sim_core_ended(const struct sim_core *core)
{
    return core->fiber && !core->busy;
}

/* ---- interrupts ---- */

void sim_core_handler(struct sim_core *core, unsigned number,
                      void (*handler)(struct sim_core *core, unsigned number, void *argument),
                      void *argument)
{
    uint64_t bit = (uint64_t)1 << number;
    core->handlers[number].run = handler;
    core->handlers[number].argument = argument;
    core->handled = handler ? core->handled | bit : core->handled & ~bit;
}

/* The program's fiber waits for an interrupt, or for the end of a computation. */
static void wake_interruptible(struct sim_core *core)
{
    if (!core->interruptible)
        return;
    core->interruptible = false;
    sim_wake(core->fiber);
}

void sim_core_interrupt(struct sim_core *core, unsigned number)
{
    uint64_t bit = (uint64_t)1 << number;
    if (!(core->pending & bit))
        core->arrived[number] = sim_now(core->kernel);
    core->pending |= bit;
    if (core->handled & bit)
        wake_interruptible(core);
}

static void handle(struct sim_core *core, unsigned number)
{
    sim_time first = core->arrived[number] + core->params.interrupt, now = sim_now(core->kernel);
    core->pending &= ~((uint64_t)1 << number);
    if (first > now)
        core_pass(core, first - now);
    early_order(core); /* a change of context: nothing of the handler was executed before */
    core->stats.interrupts++;
    core_note(core, SIM_NOTE_HANDLE, 0, 0, number, NULL);
    sim_time since = sim_now(core->kernel);
    note_work(core);
    core->handlers[number].run(core, number, core->handlers[number].argument);
    note_span(core, "handler", since);
    core->noted = sim_now(core->kernel);
    early_order(core);
    core->has_handled = true;
}

void core_deliver(struct sim_core *core)
{
    core->in_handler = true;
    while (core->pending & core->handled)
        handle(core, __builtin_ctzll(core->pending & core->handled));
    core->in_handler = false;
}

void sim_wait_interrupt(struct sim_core *core, const char *reason, const struct sim_where *where)
{
    (void)where;
    core_enter(core);
    while (!core->has_handled) {
        sim_time since = sim_now(core->kernel);
        note_work(core);
        core_leave_alone(core);
        core->interruptible = true;
        sim_block(core->kernel, reason);
        core->interruptible = false;
        core->noted = sim_now(core->kernel);
        core->waited += sim_now(core->kernel) - since;
        note_span(core, reason, since);
        core_enter(core);
    }
    core->has_handled = false;
}

/* ---- computing ---- */

static void computed(struct sim_event *event)
{
    wake_interruptible(SIM_OWNER(event, struct sim_core, timer));
}

/* Until `end` or an interrupt. */
static void compute_until(struct sim_core *core, sim_time end)
{
    struct sim_kernel *kernel = core->kernel;
    core_leave_alone(core);
    sim_at(kernel, &core->timer, end);
    core->interruptible = true;
    sim_block(kernel, "the end of a computation");
    core->interruptible = false;
    sim_cancel(kernel, &core->timer);
}

void sim_compute(struct sim_core *core, uint64_t cycles)
{
    struct sim_kernel *kernel = core->kernel;
    core_enter(core);
    unsigned __int128 picoseconds = (unsigned __int128)cycles * SIM_S;
    sim_time left =
        (sim_time)((picoseconds + core->params.frequency_hz - 1) / core->params.frequency_hz);
    while (left) {
        sim_time now = sim_now(kernel);
        bool alone = !core->buffer.count && sim_next(kernel) > now + left;
        if (alone || !core->handled || core->in_handler) {
            core_pass(core, left);
            return;
        }
        compute_until(core, now + left);
        left -= sim_now(kernel) - now;
        core_enter(core);
    }
}

/* ---- life ---- */

static int make_parts(struct sim_core *core, struct sim_space *space,
                      const struct sim_cache_params *caches, const struct sim_tlb_params *tlb)
{
    int error = sim_cache_create(&core->cache, core->kernel, core->bus, core->name, caches);
    if (!error)
        error = sim_tlb_create(&core->tlb, core->kernel, space, tlb);
    if (!error)
        error = combining_make(core);
    if (!error)
        error = early_make(core);
    return error ? error : buffer_make(core);
}

int sim_core_create(struct sim_core **core, struct sim_kernel *kernel, const char *name,
                    struct sim_bus *bus, struct sim_space *space,
                    const struct sim_core_params *params, const struct sim_cache_params *caches,
                    const struct sim_tlb_params *tlb)
{
    if (caches->line > CORE_LINE || params->store_buffer > CORE_BUFFER || !params->frequency_hz)
        return -EINVAL;
    struct sim_core *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->kernel = kernel;
    c->name = name;
    c->bus = bus;
    c->params = *params;
    c->cycle = (SIM_S + params->frequency_hz - 1) / params->frequency_hz;
    c->hit = caches->latency[0];
    c->line = (uint32_t)caches->line;
    c->weak = params->order == SIM_ORDER_WEAK;
    c->coherent = caches->coherent;
    sim_event_init(&c->timer, computed);
    int error = make_parts(c, space, caches, tlb);
    if (error) {
        sim_core_destroy(&c);
        return error;
    }
    c->listener.moved = moved;
    sim_cache_listen(c->cache, &c->listener);
    *core = c;
    return 0;
}

void sim_core_destroy(struct sim_core **core)
{
    struct sim_core *c = *core;
    if (!c)
        return;
    sim_fiber_destroy(&c->fiber);
    sim_cancel(c->kernel, &c->timer);
    buffer_free(c);
    early_free(c);
    combining_free(c);
    sim_tlb_destroy(&c->tlb);
    sim_cache_destroy(&c->cache);
    free(c);
    *core = NULL;
}

struct sim_cache *sim_core_cache(struct sim_core *core)
{
    return core->cache;
}

struct sim_tlb *sim_core_tlb(struct sim_core *core)
{
    return core->tlb;
}

void sim_core_stats(const struct sim_core *core, struct sim_core_stats *stats)
{
    *stats = core->stats;
    if (core->busy)
        stats->working += working(core);
    sim_cache_stats(core->cache, &stats->cache);
    sim_tlb_stats(core->tlb, &stats->tlb);
}
