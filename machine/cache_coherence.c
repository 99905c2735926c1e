/* What a cache and the bus want of each other: fills and upgrades, write-backs, snoops. */
#include <string.h>

#include "cache_internal.h"

/* ---- misses ---- */

struct cache_miss *cache_miss_of(struct sim_cache *cache, uint64_t line)
{
    for (uint64_t set = cache->busy_misses; set; set &= set - 1) {
        struct cache_miss *miss = &cache->misses[__builtin_ctzll(set)];

        if (miss->request.address == line)
            return miss;
    }
    return NULL;
}

static bool fills(const struct cache_miss *miss)
{
    return miss->request.op != SIM_UPGRADE;
}

static void filled(struct cache_miss *miss)
{
    struct sim_cache *cache = miss->cache;
    const struct sim_request *request = &miss->request;
    uint32_t place;

    cache->kept--; /* for the victim, now or not at all */
    miss->level = request->from_cache ? SIM_LEVEL_OTHER : SIM_LEVEL_MEMORY;
    place = cache_install(cache, request->address, request->origin);
    memcpy(cache_bytes(cache, place), miss->bytes, cache->params.line);
    cache->states[place] = request->shared ? CACHE_SHARED : CACHE_EXCLUSIVE;
    cache->stats.fills++;
    cache_note(cache, SIM_NOTE_FILL, request->address, miss->speculative, request->origin);
    if (miss->access)
        cache_move(cache, miss->access, place, miss->level);
}

/* The line may have been taken away while the upgrade waited: then nothing moves, and the access looks
 * again, to find that it needs the whole line. */
static void upgraded(struct cache_miss *miss)
{
    struct sim_cache *cache = miss->cache;
    uint32_t place = cache_find(cache, miss->request.address);

    cache->stats.upgrades++;
    miss->level = SIM_LEVEL_1 + cache->last;
    if (place == CACHE_NOWHERE)
        return;
    cache->states[place] = CACHE_EXCLUSIVE;
    cache_move(cache, miss->access, place, miss->level);
}

static void granted(struct sim_request *request)
{
    struct cache_miss *miss = SIM_OWNER(request, struct cache_miss, request);

    if (fills(miss))
        filled(miss);
    else
        upgraded(miss);
}

/* Nothing answers at the address: the core reads 0xff, and what it writes is lost. */
static void refused(struct cache_miss *miss)
{
    struct cache_access *access = miss->access;

    if (fills(miss))
        miss->cache->kept--;
    miss->level = SIM_LEVEL_MEMORY;
    if (!access)
        return;
    if (access->old)
        memset(access->old, 0xff, access->size);
    access->moved = true;
    access->level = SIM_LEVEL_MEMORY;
}

static void done(struct sim_request *request)
{
    struct cache_miss *miss = SIM_OWNER(request, struct cache_miss, request);
    struct sim_cache *cache = miss->cache;

    if (request->status != SIM_OK)
        refused(miss);
    cache->busy_misses &= ~(1ull << (miss - cache->misses));
    cache_wake(&miss->waiters, miss->level);
    cache_wake(&cache->room, miss->level);
}

static struct cache_miss *submit_miss(struct sim_cache *cache, enum sim_op op, uint64_t line,
                                      struct cache_access *access)
{
    unsigned free_one = (unsigned)__builtin_ctzll(~cache->busy_misses);
    struct cache_miss *miss = &cache->misses[free_one];

    if (free_one >= CACHE_MISSES || (op != SIM_UPGRADE && !cache_may_write_back(cache)))
        return NULL;
    cache->busy_misses |= 1ull << free_one;
    if (op != SIM_UPGRADE)
        cache->kept++;
    miss->cache = cache;
    miss->speculative = !access;
    miss->access = access;
    miss->waiters.first = NULL;
    miss->waiters.last = &miss->waiters.first;
    miss->request = (struct sim_request){ .master = &cache->master,
                                          .op = op,
                                          .address = line,
                                          .size = (uint32_t)cache->params.line,
                                          .data = miss->bytes,
                                          .granted = granted,
                                          .done = done,
                                          .origin = access ? access->origin : NULL };
    sim_submit(cache->bus, &miss->request);
    return miss;
}

/* The line after a miss may follow, as the kernel's seed decides. Not over the end of a page: what lies behind it need not be the same program's. Not if there is no
 * room either; a guess is not worth waiting. */
static void speculate(struct sim_cache *cache, uint64_t line)
{
    uint64_t next = line + cache->params.line;

    if (sim_random_below(cache->kernel, 1000000) >= cache->params.speculative)
        return;
    if (next % 4096 == 0 || !sim_memory_holds(cache->memory, next, cache->params.line))
        return;
    if (cache_find(cache, next) != CACHE_NOWHERE || cache_miss_of(cache, next))
        return;
    if (submit_miss(cache, SIM_FILL, next, NULL))
        cache->stats.speculative_fills++;
}

struct cache_miss *cache_begin_miss(struct sim_cache *cache, enum sim_op op, uint64_t line,
                                    struct cache_access *access)
{
    struct cache_miss *miss = submit_miss(cache, op, line, access);

    if (!miss)
        return NULL;
    if (op != SIM_UPGRADE) {
        cache->stats.misses++;
        if (cache->params.speculative)
            speculate(cache, line);
    }
    return miss;
}

bool sim_cache_prefetch(struct sim_cache *cache, uint64_t address, bool write)
{
    uint64_t line = cache_line(cache, address);
    struct cache_miss *miss;

    if (cache_find(cache, line) != CACHE_NOWHERE || cache_miss_of(cache, line) ||
        !sim_memory_holds(cache->memory, line, cache->params.line))
        return true;
    miss = submit_miss(cache, write ? SIM_FILL_OWN : SIM_FILL, line, NULL);
    if (!miss)
        return false;
    miss->speculative = false; /* somebody will access it */
    cache->stats.misses++;
    return true;
}

struct cache_miss *cache_fill_of(struct sim_cache *cache, uint64_t line)
{
    struct cache_miss *miss = cache_miss_of(cache, line);

    return miss && fills(miss) ? miss : NULL;
}

/* ---- write-backs ---- */

bool cache_may_write_back(const struct sim_cache *cache)
{
    unsigned busy = (unsigned)__builtin_popcountll(cache->busy_write_backs);

    return busy + cache->kept < CACHE_WRITE_BACKS;
}

static void handed_over(struct sim_request *request)
{
    struct cache_write_back *w = SIM_OWNER(request, struct cache_write_back, request);

    if (!w->waiting)
        return; /* a snoop was first */
    w->waiting = false;
    w->cache->waiting_write_backs--;
    cache_note(w->cache, SIM_NOTE_WRITE_BACK, request->address, 0, NULL);
}

static void written(struct sim_request *request)
{
    struct cache_write_back *w = SIM_OWNER(request, struct cache_write_back, request);
    struct sim_cache *cache = w->cache;

    if (w->waiting) { /* it was refused */
        w->waiting = false;
        cache->waiting_write_backs--;
    }
    cache->busy_write_backs &= ~(1ull << (w - cache->write_backs));
    cache_wake(&cache->room, SIM_LEVEL_MEMORY);
    if (!cache->busy_write_backs)
        cache_wake(&cache->settled, SIM_LEVEL_MEMORY);
}

void cache_write_back(struct sim_cache *cache, uint64_t line, const uint8_t *bytes)
{
    unsigned free_one = (unsigned)__builtin_ctzll(~cache->busy_write_backs);
    struct cache_write_back *w = &cache->write_backs[free_one];

    cache->busy_write_backs |= 1ull << free_one;
    cache->waiting_write_backs++;
    cache->stats.write_backs++;
    w->cache = cache;
    w->waiting = true;
    w->sequence = cache->sequence++;
    memcpy(w->bytes, bytes, cache->params.line);
    w->request = (struct sim_request){ .master = &cache->master,
                                       .op = SIM_WRITE_BACK,
                                       .address = line,
                                       .size = (uint32_t)cache->params.line,
                                       .data = w->bytes,
                                       .granted = handed_over,
                                       .done = written };
    sim_submit(cache->bus, &w->request);
}

/* ---- snoops ---- */

/* Write-backs of a line that wait for their turn have lost it: what they hold is given to memory now, or
 * is older than what is. Returns the one with the newest bytes, or NULL. */
static struct cache_write_back *overtake(struct sim_cache *cache, uint64_t line)
{
    struct cache_write_back *newest = NULL;

    for (uint64_t set = cache->busy_write_backs; set; set &= set - 1) {
        struct cache_write_back *w = &cache->write_backs[__builtin_ctzll(set)];

        if (!w->waiting || w->request.address != line)
            continue;
        if (!newest || w->sequence > newest->sequence)
            newest = w;
        w->waiting = false;
        w->request.size = 0;
        cache->waiting_write_backs--;
    }
    return newest;
}

static void give_to_memory(struct sim_cache *cache, uint64_t line, const uint8_t *bytes)
{
    memcpy(sim_memory_at(cache->memory, line), bytes, cache->params.line);
    cache_note(cache, SIM_NOTE_WRITE_BACK, line, 1, NULL);
}

/* The state of a line that is held, and its end where another takes it. */
static enum sim_had ask_place(struct sim_cache *cache, uint64_t line, uint32_t place, bool taken)
{
    bool changed = cache->states[place] == CACHE_CHANGED;

    if (taken) {
        cache_drop(cache, line, place);
        cache_note(cache, SIM_NOTE_EVICT, line, changed, NULL);
    } else {
        cache->states[place] = CACHE_SHARED;
    }
    return changed ? SIM_HAD_CHANGED : SIM_HAD_CLEAN;
}

enum sim_had cache_snoop(struct sim_snooper *snooper, uint64_t line, enum sim_op op)
{
    struct sim_cache *cache = SIM_OWNER(snooper, struct sim_cache, snooper);
    uint32_t place = cache_find(cache, line);
    struct cache_write_back *w = cache->waiting_write_backs ? overtake(cache, line) : NULL;
    enum sim_had had = SIM_HAD_NOTHING;

    if (place == CACHE_NOWHERE && !w)
        return SIM_HAD_NOTHING;
    cache->stats.snooped++;
    if (place != CACHE_NOWHERE)
        had = ask_place(cache, line, place, op != SIM_READ && op != SIM_FILL);
    if (had == SIM_HAD_CHANGED) /* its bytes lie there still */
        give_to_memory(cache, line, cache_bytes(cache, place));
    else if (w)
        give_to_memory(cache, line, w->bytes);
    return w ? SIM_HAD_CHANGED : had;
}
