/* What a program does to memory: loads, stores, swaps, cache maintenance, barriers. */
#include <string.h>

#include "core_state.h"

static uint32_t up_to(uint64_t address, uint64_t size, uint64_t unit)
{
    uint64_t left = unit - (address & (unit - 1));
    return (uint32_t)(size < left ? size : left);
}

static uint64_t physical_of(const struct sim_page *page, uint64_t address)
{
    return page->physical + (address - page->virtual);
}

/* ---- loads ---- */

/* `as_of`: the time that the bytes are of. */
static void note_load(const struct sim_core *core, uint64_t physical, uint32_t size,
                      enum sim_level level, sim_time as_of, const struct sim_where *where)
{
    struct sim_origin origin = core_origin("load", where);
    sim_note(core->kernel, &(struct sim_note){ .kind = SIM_NOTE_LOAD,
                                               .time = sim_now(core->kernel),
                                               .part = core->name,
                                               .address = physical,
                                               .size = size,
                                               .value = level,
                                               .extra = as_of,
                                               .origin = &origin });
}

static void loaded(struct sim_core *core, uint64_t physical, uint32_t size, enum sim_level level,
                   sim_time as_of, const struct sim_where *where)
{
    if (sim_watchers(core->kernel))
        note_load(core, physical, size, level, as_of, where);
    core_pass(core, core->hit);
}

static void load_missing(struct sim_core *core, uint64_t physical, void *to, uint32_t size,
                         const struct sim_where *where)
{
    struct sim_origin origin = core_origin("load", where);
    sim_time since = sim_now(core->kernel);
    core_leave_alone(core);
    sim_cache_read(core->cache, physical, to, size, &origin);
    sim_time took = sim_now(core->kernel) - since;
    core->stats.stalled += took > core->hit ? took - core->hit : 0;
}

/* Within one line. `in_place`: not executed early, whatever the machine. */
static void load_cached(struct sim_core *core, uint64_t physical, void *to, uint32_t size,
                        bool in_place, const struct sim_where *where)
{
    uint32_t forwarded = buffer_forward(core, physical, to, size);
    if (forwarded == size) {
        loaded(core, physical, size, SIM_LEVEL_BUFFER, 0, where);
        return;
    }
    /* Some bytes here and some there: a load is one moment, so the stores come out first. */
    if (forwarded)
        buffer_wait_range(core, physical, size);
    sim_time as_of = core->weak && !in_place ? early_load(core, physical, to, size) : 0;
    if (as_of) {
        loaded(core, physical, size, SIM_LEVEL_EARLY, as_of, where);
        return;
    }
    if (!sim_cache_try_read(core->cache, physical, to, size)) {
        load_missing(core, physical, to, size, where);
        return;
    }
    early_forget(core, physical);
    loaded(core, physical, size, SIM_LEVEL_1, 0, where);
}

/* A long load asks for lines before their turn, as far as its page goes. `asked`: up to where it has. */
static void look_ahead(struct sim_core *core, const struct sim_page *page, uint64_t physical,
                       uint32_t size, uint64_t *asked)
{
    uint64_t line = physical & ~(uint64_t)(core->line - 1);
    uint64_t end = physical + size, page_end = page->physical + page->size;
    uint64_t far = line + (core->params.ahead + 1) * core->line;
    end = end < page_end ? end : page_end;
    end = end < far ? end : far;
    if (*asked < line || *asked > far)
        *asked = line;
    while (*asked < end && sim_cache_prefetch(core->cache, *asked, false))
        *asked += core->line;
}

static void load(struct sim_core *core, uint64_t address, void *to, uint32_t size, bool in_place,
                 const struct sim_where *where)
{
    uint64_t asked = 0;
    uint8_t *out = to;
    core->stats.loads++;
    while (size) {
        uint32_t piece = up_to(address, size, core->line);
        core_enter(core);
        const struct sim_page *page = core_translate(core, address, false, where);
        uint64_t physical = physical_of(page, address);
        if (piece < size && page->mapping == SIM_CACHED && core->params.ahead)
            look_ahead(core, page, physical, size, &asked);
        if (page->mapping == SIM_CACHED)
            load_cached(core, physical, out, piece, in_place, where);
        else
            uncached_load(core, page, physical, out, piece, where);
        address += piece;
        out += piece;
        size -= piece;
    }
}

void sim_load(struct sim_core *core, uint64_t address, void *to, uint32_t size,
              const struct sim_where *where)
{
    load(core, address, to, size, false, where);
}

uint64_t sim_observe(struct sim_core *core, uint64_t address, uint32_t size,
                     const struct sim_where *where)
{
    uint64_t value = 0;
    load(core, address, &value, size, true, where);
    early_order(core);
    return value;
}

/* ---- stores ---- */

static enum stored_kind kind_of(const struct sim_page *page)
{
    switch (page->mapping) {
    case SIM_UNCACHED:
        return STORED_UNCACHED;
    case SIM_WRITE_COMBINING:
        return STORED_COMBINING;
    default:
        return STORED_CACHED;
    }
}

static void store(struct sim_core *core, uint64_t address, const void *from, uint32_t size,
                  bool release, const struct sim_where *where)
{
    const uint8_t *in = from;
    struct sim_origin origin = core_origin(release ? "publish" : "store", where);
    core->stats.stores++;
    while (size) {
        uint32_t piece = up_to(address, size, 8);
        core_enter(core);
        const struct sim_page *page = core_translate(core, address, true, where);
        buffer_put(core, kind_of(page), physical_of(page, address), in, piece, release, &origin);
        core_pass(core, core->cycle);
        address += piece;
        in += piece;
        size -= piece;
    }
}

void sim_store(struct sim_core *core, uint64_t address, const void *from, uint32_t size,
               const struct sim_where *where)
{
    store(core, address, from, size, false, where);
}

static bool combines(const struct sim_core *core)
{
    return core->combining_used || core->buffer.combining;
}

/* All write-combining stores so far are in memory. */
static void settle_combining(struct sim_core *core)
{
    while (core->buffer.combining)
        core_wait(core, "its own stores to be gathered");
    combining_flush(core);
}

void sim_publish(struct sim_core *core, uint64_t address, uint64_t value, uint32_t size,
                 const struct sim_where *where)
{
    core_enter(core);
    if (core->weak && combines(core))
        settle_combining(core);
    store(core, address, &value, size, core->weak, where);
}

/* ---- both at once ---- */

static void swap_cached(struct sim_core *core, uint64_t physical, uint64_t *old, uint64_t value,
                        uint32_t size, const struct sim_where *where)
{
    struct sim_origin origin = core_origin("swap", where);
    sim_time since = sim_now(core->kernel);
    core_leave_alone(core);
    core->swaps = true; /* the buffer is empty, so what moves now is the swap's */
    sim_cache_swap(core->cache, physical, old, &value, size, &origin);
    core->swaps = false;
    core->stats.stalled += sim_now(core->kernel) - since;
}

static void full_barrier(struct sim_core *core)
{
    buffer_wait_empty(core);
    combining_flush(core);
    core_pass(core, core->params.barrier);
    early_order(core);
}

uint64_t sim_swap(struct sim_core *core, uint64_t address, uint64_t value, uint32_t size,
                  const struct sim_where *where)
{
    uint64_t old = 0;
    core_enter(core);
    full_barrier(core);
    core->stats.loads++;
    core->stats.stores++;
    const struct sim_page *page = core_translate(core, address, true, where);
    uint64_t physical = physical_of(page, address);
    if (page->mapping == SIM_CACHED) {
        swap_cached(core, physical, &old, value, size, where);
    } else {
        /* Two accesses of the bus: another master may come between. */
        struct sim_origin origin = core_origin("swap", where);
        uncached_load(core, page, physical, &old, size, where);
        buffer_put(core, STORED_UNCACHED, physical, &value, size, false, &origin);
        buffer_wait_empty(core);
    }
    early_order(core);
    return old;
}

/* ---- barriers ---- */

/* In order anyway on TSO machines, but for what gathers. */
static void store_barrier(struct sim_core *core)
{
    if (combines(core))
        settle_combining(core);
    if (core->buffer.count)
        core->buffer.epoch++;
    core_pass(core, core->cycle);
}

static void load_barrier(struct sim_core *core)
{
    early_order(core);
    core_pass(core, core->cycle);
}

static void maintenance_barrier(struct sim_core *core)
{
    buffer_wait_empty(core);
    combining_flush(core);
    sim_time since = sim_now(core->kernel);
    sim_cache_settle(core->cache);
    core->stats.stalled += sim_now(core->kernel) - since;
    core_pass(core, core->params.barrier);
    early_order(core);
}

void sim_barrier(struct sim_core *core, enum sim_barrier barrier, const struct sim_where *where)
{
    static void (*const run[])(struct sim_core *) = {
        [SIM_BARRIER_STORE] = store_barrier,
        [SIM_BARRIER_LOAD] = load_barrier,
        [SIM_BARRIER_FULL] = full_barrier,
        [SIM_BARRIER_MAINTENANCE] = maintenance_barrier,
    };
    core_enter(core);
    core->stats.barriers++;
    run[barrier](core);
    struct sim_origin origin = core_origin("barrier", where);
    core_note(core, SIM_NOTE_BARRIER, 0, 0, barrier, &origin);
}

/* ---- cache maintenance ---- */

typedef void maintain(struct sim_cache *cache, uint64_t address, uint64_t size,
                      const struct sim_origin *origin);

/* Page by page. It comes after the core's own stores to the lines, and loads of them after it. */
static void maintain_range(struct sim_core *core, maintain *run, const char *what, uint64_t address,
                           uint64_t size, const struct sim_where *where)
{
    struct sim_origin origin = core_origin(what, where);
    uint64_t line_mask = core->line - 1;
    while (size) {
        core_enter(core);
        uint32_t piece = up_to(address, size, SIM_PAGE);
        const struct sim_page *page = core_translate(core, address, false, where);
        uint64_t physical = physical_of(page, address);
        uint64_t begin = physical & ~line_mask, end = (physical + piece + line_mask) & ~line_mask;
        buffer_wait_range(core, begin, end - begin);
        for (uint64_t line = begin; line < end; line += core->line)
            early_forget(core, line);
        core_leave_alone(core);
        run(core->cache, physical, piece, &origin);
        address += piece;
        size -= piece;
    }
}

void sim_clean(struct sim_core *core, uint64_t address, uint64_t size,
               const struct sim_where *where)
{
    maintain_range(core, sim_cache_clean, "clean", address, size, where);
}

void sim_invalidate(struct sim_core *core, uint64_t address, uint64_t size,
                    const struct sim_where *where)
{
    maintain_range(core, sim_cache_invalidate, "invalidate", address, size, where);
}

void sim_flush(struct sim_core *core, uint64_t address, uint64_t size,
               const struct sim_where *where)
{
    maintain_range(core, sim_cache_flush, "flush", address, size, where);
}
