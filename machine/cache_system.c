/* What an operating system does to a cache behind a program's back, without time: see cache.h. */
#include <string.h>

#include "cache_internal.h"

/* The write-back of a line that waits for its turn and has the newest bytes; NULL: none. */
static const struct cache_write_back *newest_waiting(const struct sim_cache *cache, uint64_t line)
{
    const struct cache_write_back *newest = NULL;

    for (uint64_t set = cache->busy_write_backs; set; set &= set - 1) {
        const struct cache_write_back *w = &cache->write_backs[__builtin_ctzll(set)];

        if (w->waiting && w->request.address == line && (!newest || w->sequence > newest->sequence))
            newest = w;
    }
    return newest;
}

/* The part of [address, address + size) in the line of `address`. */
static uint32_t part_of(const struct sim_cache *cache, uint64_t address, uint64_t size)
{
    uint64_t left = cache_line(cache, address) + cache->params.line - address;

    return (uint32_t)(size < left ? size : left);
}

void sim_cache_peek(const struct sim_cache *cache, uint64_t address, void *to, uint32_t size)
{
    uint8_t *out = to;

    for (uint32_t part; size; address += part, out += part, size -= part) {
        uint64_t line = cache_line(cache, address);
        uint32_t place = cache_find(cache, line);
        const struct cache_write_back *w;

        part = part_of(cache, address, size);
        if (place != CACHE_NOWHERE && cache->states[place] == CACHE_CHANGED) {
            memcpy(out, cache->bytes + ((size_t)place << cache->line_shift) + (address - line),
                   part);
            continue;
        }
        w = newest_waiting(cache, line);
        if (w)
            memcpy(out, w->bytes + (address - line), part);
    }
}

void sim_cache_poke(struct sim_cache *cache, uint64_t address, const void *from, uint32_t size)
{
    const uint8_t *in = from;

    for (uint32_t part; size; address += part, in += part, size -= part) {
        uint64_t line = cache_line(cache, address);
        uint32_t place = cache_find(cache, line);

        part = part_of(cache, address, size);
        if (place != CACHE_NOWHERE)
            memcpy(cache_bytes(cache, place) + (address - line), in, part);
        for (uint64_t set = cache->busy_write_backs; set; set &= set - 1) {
            struct cache_write_back *w = &cache->write_backs[__builtin_ctzll(set)];

            if (w->waiting && w->request.address == line)
                memcpy(w->bytes + (address - line), in, part);
        }
    }
}

static void forget_line(struct sim_cache *cache, uint64_t line)
{
    uint32_t place = cache_find(cache, line);

    for (uint64_t set = cache->busy_write_backs; set; set &= set - 1) {
        struct cache_write_back *w = &cache->write_backs[__builtin_ctzll(set)];

        if (!w->waiting || w->request.address != line)
            continue;
        w->waiting = false;
        w->request.size = 0;
        cache->waiting_write_backs--;
    }
    if (place == CACHE_NOWHERE)
        return;
    cache_drop(cache, line, place);
    cache_note(cache, SIM_NOTE_EVICT, line, 0, NULL);
}

void sim_cache_forget(struct sim_cache *cache, uint64_t address, uint64_t size)
{
    for (uint64_t line = cache_line(cache, address); line < address + size;
         line += cache->params.line)
        forget_line(cache, line);
}
