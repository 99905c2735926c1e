/* Maintenance by line: what the driver of a non-coherent machine calls. */
#include "cache_internal.h"

enum maintain {
    CLEAN = 1,
    INVALIDATE = 2,
};

/* Its line's bytes on their way to memory, if they have changed. Others may use the cache while it waits
 * for room, so the place is looked for after that. */
static void clean_line(struct sim_cache *cache, uint64_t line, const struct sim_origin *origin)
{
    struct cache_waiter waiter;
    uint32_t place = cache_find(cache, line);
    bool changed;

    while (place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED &&
           !cache_may_write_back(cache)) {
        cache_wait(cache, &cache->room, &waiter, "room for a write-back");
        place = cache_find(cache, line);
    }
    changed = place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED;
    cache_note(cache, SIM_NOTE_CLEAN, line, changed, origin);
    if (!changed)
        return;
    cache->states[place] = CACHE_EXCLUSIVE;
    cache_write_back(cache, line, cache_bytes(cache, place));
}

static void invalidate_line(struct sim_cache *cache, uint64_t line, const struct sim_origin *origin)
{
    uint32_t place = cache_find(cache, line);
    bool lost = place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED;

    if (place != CACHE_NOWHERE)
        cache_drop(cache, line, place);
    cache_note(cache, SIM_NOTE_INVALIDATE, line, lost, origin);
}

static void maintain(struct sim_cache *cache, uint64_t address, uint64_t size, enum maintain what,
                     const struct sim_origin *origin)
{
    uint64_t line = cache_line(cache, address);

    if (!size)
        return;
    for (uint64_t lines = (address + size - 1 - line) / cache->params.line + 1; lines; lines--) {
        sim_sleep(cache->kernel, cache->params.maintenance);
        cache->stats.maintained++;
        if (what & CLEAN)
            clean_line(cache, line, origin);
        if (what & INVALIDATE)
            invalidate_line(cache, line, origin);
        line += cache->params.line;
    }
}

void sim_cache_clean(struct sim_cache *cache, uint64_t address, uint64_t size,
                     const struct sim_origin *origin)
{
    maintain(cache, address, size, CLEAN, origin);
}

void sim_cache_invalidate(struct sim_cache *cache, uint64_t address, uint64_t size,
                          const struct sim_origin *origin)
{
    maintain(cache, address, size, INVALIDATE, origin);
}

void sim_cache_flush(struct sim_cache *cache, uint64_t address, uint64_t size,
                     const struct sim_origin *origin)
{
    maintain(cache, address, size, CLEAN | INVALIDATE, origin);
}

void sim_cache_settle(struct sim_cache *cache)
{
    struct cache_waiter waiter;

    while (cache->busy_write_backs)
        cache_wait(cache, &cache->settled, &waiter, "write-backs to reach memory");
}
