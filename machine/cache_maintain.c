/* Maintenance by line: what the driver of a non-coherent machine calls. */
#include "cache_internal.h"

enum maintain {
    CLEAN = 1,
    INVALIDATE = 2,
};

/* What was asked for of one line. */
struct part {
    uint64_t line, address, size;
    const struct sim_origin *origin;
};

/* The line's bytes on their way to memory, if they have changed. Others may use the cache while it waits
 * for room, so the place is looked for after that. */
static void clean_line(struct sim_cache *cache, const struct part *part)
{
    struct cache_waiter waiter;
    uint32_t place = cache_find(cache, part->line);
    bool changed;

    while (place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED &&
           !cache_may_write_back(cache)) {
        cache_wait(cache, &cache->room, &waiter, "room for a write-back");
        place = cache_find(cache, part->line);
    }
    changed = place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED;
    cache_note_part(cache, SIM_NOTE_CLEAN, part->address, part->size, changed, part->origin);
    if (!changed)
        return;
    cache->states[place] = CACHE_EXCLUSIVE;
    cache_write_back(cache, part->line, cache_bytes(cache, place));
}

static void invalidate_line(struct sim_cache *cache, const struct part *part)
{
    uint32_t place = cache_find(cache, part->line);
    bool lost = place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED;

    if (place != CACHE_NOWHERE)
        cache_drop(cache, part->line, place);
    cache_note_part(cache, SIM_NOTE_INVALIDATE, part->address, part->size, lost, part->origin);
}

static void maintain(struct sim_cache *cache, uint64_t address, uint64_t size, enum maintain what,
                     const struct sim_origin *origin)
{
    while (size) {
        struct part part = { cache_line(cache, address), address, size, origin };
        uint64_t left = part.line + cache->params.line - address;

        if (part.size > left)
            part.size = left;
        sim_sleep(cache->kernel, cache->params.maintenance);
        cache->stats.maintained++;
        if (what & CLEAN)
            clean_line(cache, &part);
        if (what & INVALIDATE)
            invalidate_line(cache, &part);
        address += part.size;
        size -= part.size;
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
