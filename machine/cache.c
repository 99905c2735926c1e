/* Look-up and replacement: where a line lies, and what a core does with it. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache_internal.h"

#define OFFSET(member) offsetof(struct sim_cache_params, member)
#define SIZE_PARAM(n, standard)                                                                  \
    {                                                                                            \
        "l" #n "_size", SIM_UNIT_BYTES, OFFSET(size[n - 1]), standard, 16, 1ull << 32, 16, NULL, \
            "bytes of level " #n                                                                 \
    }
#define WAYS_PARAM(n, standard)                                                        \
    {                                                                                  \
        "l" #n "_ways", SIM_UNIT_COUNT, OFFSET(ways[n - 1]), standard, 1, 64, 0, NULL, \
            "places that a line may have in level " #n                                 \
    }
#define LATENCY_PARAM(n, standard)                                                              \
    {                                                                                           \
        "l" #n "_latency", SIM_UNIT_TIME, OFFSET(latency[n - 1]), standard, 0, SIM_MS, 0, NULL, \
            "of a hit in level " #n ", from the core"                                           \
    }

/* Sizes and ways of an AMD Zen 5 core and its share of the last level; 4, 14 and 48 cycles at 4 GHz
 * (assumed, in the range that is published for such cores). Maintenance costs a coherent machine
 * nothing; about 40 ns a line elsewhere (assumed). */
static const struct sim_param params[] = {
    { "levels", SIM_UNIT_COUNT, OFFSET(levels), 3, 1, CACHE_LEVELS, 0, NULL,
      "of caches between the core and the bus" },
    { "line", SIM_UNIT_BYTES, OFFSET(line), 64, 16, CACHE_LINE_MAX, SIM_POWER_OF_TWO, NULL,
      "bytes of a line, as the bus has it" },
    SIZE_PARAM(1, 48 << 10),
    SIZE_PARAM(2, 1 << 20),
    SIZE_PARAM(3, 32 << 20),
    WAYS_PARAM(1, 12),
    WAYS_PARAM(2, 16),
    WAYS_PARAM(3, 16),
    LATENCY_PARAM(1, 1000),
    LATENCY_PARAM(2, 3500),
    LATENCY_PARAM(3, 12000),
    { "coherent", SIM_UNIT_BOOL, OFFSET(coherent), 1, 0, 1, 0, NULL, "snoops and is snooped" },
    { "maintenance", SIM_UNIT_TIME, OFFSET(maintenance), 0, 0, SIM_MS, 0, NULL,
      "of one line cleaned or invalidated, beside its write-back" },
    { "speculative", SIM_UNIT_SHARE, OFFSET(speculative), 0, 0, 1000000, 0, NULL,
      "how often a miss also fills the next line" },
};

static const char *check(const void *of)
{
    const struct sim_cache_params *p = of;

    for (unsigned i = 0; i < p->levels; i++) {
        uint64_t set = p->line * p->ways[i], sets = p->size[i] / set;

        if (!sets || sets * set != p->size[i] || (sets & (sets - 1)))
            return "the sets of a level (its size divided by line times ways) must be a power of "
                   "two";
        if (i && p->size[i] < p->size[i - 1])
            return "a level must not be smaller than the one before it, whose lines it holds too";
        if (i && p->latency[i] < p->latency[i - 1])
            return "a level must not be faster than the one before it";
    }
    return NULL;
}

const struct sim_part_kind sim_cache_kind = {
    .name = "cache",
    .about = "the caches of one core: write-back, inclusive, coherent by MESI or not at all",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_cache_params),
    .check = check,
};

/* ---- levels ---- */

static uint64_t name_of(const struct sim_cache *cache, uint64_t line)
{
    return (line >> cache->line_shift) + 1;
}

static uint32_t find_name(const struct cache_level *level, uint64_t name)
{
    uint32_t place = (uint32_t)((name - 1) & level->set_mask) * level->ways;

    for (uint32_t end = place + level->ways; place < end; place++)
        if (level->names[place] == name)
            return place;
    return CACHE_NOWHERE;
}

/* An empty place of the name's set, or the one whose use is longest ago. */
static uint32_t find_victim(const struct cache_level *level, uint64_t name)
{
    uint32_t place = (uint32_t)((name - 1) & level->set_mask) * level->ways, best = place;

    for (uint32_t end = place + level->ways; place < end; place++) {
        if (!level->names[place])
            return place;
        if (level->used[place] < level->used[best])
            best = place;
    }
    return best;
}

static void forget_above(struct sim_cache *cache, unsigned below, uint64_t name)
{
    for (unsigned i = 0; i < below; i++) {
        uint32_t place = find_name(&cache->levels[i], name);

        if (place != CACHE_NOWHERE)
            cache->levels[i].names[place] = 0;
    }
}

/* Levels 0 to `below` - 1 take the line's name in. Inclusive: what level 1 gives up, level 0 does. */
static void lift(struct sim_cache *cache, unsigned below, uint64_t name, uint32_t place)
{
    for (unsigned i = below; i-- > 0;) {
        struct cache_level *level = &cache->levels[i];
        uint32_t at = find_victim(level, name);

        if (i && level->names[at])
            forget_above(cache, i, level->names[at]);
        level->names[at] = name;
        level->used[at] = cache->clock;
        level->place[at] = place;
    }
}

/* The level that has the line, or -1. It is used: it comes up to the first level, and in every level that
 * has it nothing is younger. */
static int look_up(struct sim_cache *cache, uint64_t line, uint32_t *place)
{
    uint64_t name = name_of(cache, line);

    cache->clock++;
    for (unsigned i = 0; i <= cache->last; i++) {
        struct cache_level *level = &cache->levels[i];
        uint32_t at = find_name(level, name);

        if (at == CACHE_NOWHERE)
            continue;
        level->used[at] = cache->clock;
        *place = i == cache->last ? at : level->place[at];
        cache->levels[cache->last].used[*place] = cache->clock;
        lift(cache, i, name, *place);
        return (int)i;
    }
    return -1;
}

uint32_t cache_find(const struct sim_cache *cache, uint64_t line)
{
    if (!cache->held)
        return CACHE_NOWHERE;
    return find_name(&cache->levels[cache->last], name_of(cache, line));
}

void cache_drop(struct sim_cache *cache, uint64_t line, uint32_t place)
{
    forget_above(cache, cache->last, name_of(cache, line));
    cache->levels[cache->last].names[place] = 0;
    cache->held--;
}

uint32_t cache_install(struct sim_cache *cache, uint64_t line, const struct sim_origin *origin)
{
    struct cache_level *last = &cache->levels[cache->last];
    uint64_t name = name_of(cache, line);
    uint32_t place = find_victim(last, name);

    if (last->names[place]) {
        uint64_t victim = (last->names[place] - 1) << cache->line_shift;
        bool changed = cache->states[place] == CACHE_CHANGED;

        cache_drop(cache, victim, place);
        cache_note(cache, SIM_NOTE_EVICT, victim, changed, origin);
        if (changed)
            cache_write_back(cache, victim, cache_bytes(cache, place));
    }
    cache->held++;
    last->names[place] = name;
    last->used[place] = ++cache->clock;
    lift(cache, cache->last, name, place);
    return place;
}

/* ---- waiting ---- */

void cache_wait(struct sim_cache *cache, struct cache_waiters *waiters, struct cache_waiter *waiter,
                const char *reason)
{
    *waiter = (struct cache_waiter){ .fiber = sim_fiber_self(cache->kernel) };
    *waiters->last = waiter;
    waiters->last = &waiter->next;
    while (!waiter->ready)
        sim_block(cache->kernel, reason);
}

void cache_wake(struct cache_waiters *waiters, enum sim_level level)
{
    struct cache_waiter *waiter = waiters->first;

    waiters->first = NULL;
    waiters->last = &waiters->first;
    while (waiter) {
        struct cache_waiter *next = waiter->next; /* it may be gone once it is woken */

        waiter->ready = true;
        waiter->level = level;
        sim_wake(waiter->fiber);
        waiter = next;
    }
}

void cache_note_part(const struct sim_cache *cache, enum sim_note_kind kind, uint64_t address,
                     uint64_t size, uint64_t value, const struct sim_origin *origin)
{
    if (!sim_watchers(cache->kernel))
        return;
    sim_note(cache->kernel, &(struct sim_note){ .kind = kind,
                                                .time = sim_now(cache->kernel),
                                                .part = cache->part,
                                                .address = address,
                                                .size = size,
                                                .value = value,
                                                .origin = origin });
}

void cache_note(const struct sim_cache *cache, enum sim_note_kind kind, uint64_t line,
                uint64_t value, const struct sim_origin *origin)
{
    cache_note_part(cache, kind, line, cache->params.line, value, origin);
}

/* ---- accesses ---- */

static void move_bytes(struct sim_cache *cache, const struct cache_access *access, uint32_t place)
{
    uint8_t *bytes = cache_bytes(cache, place) + (access->address & (cache->params.line - 1));

    if (access->old)
        memcpy(access->old, bytes, access->size);
    if (access->new) {
        memcpy(bytes, access->new, access->size);
        cache->states[place] = CACHE_CHANGED;
    }
}

void cache_move(struct sim_cache *cache, struct cache_access *access, uint32_t place,
                enum sim_level level)
{
    move_bytes(cache, access, place);
    access->moved = true;
    access->level = level;
    if (cache->listener)
        cache->listener->moved(cache->listener, access->new != NULL, access->address, access->size,
                               level, access->origin);
}

static bool may_move(const struct sim_cache *cache, const struct cache_access *access,
                     uint32_t place)
{
    return !access->new || cache->states[place] != CACHE_SHARED;
}

/* What a line needs that is not there, or not alone. */
static enum sim_op op_of(const struct cache_access *access, bool held)
{
    if (!access->new)
        return SIM_FILL;
    return held ? SIM_UPGRADE : SIM_FILL_OWN;
}

/* From look-up to look-up, until the bytes have moved: a line can be taken away while its access waits. */
static void access_line(struct sim_cache *cache, struct cache_access *access)
{
    uint64_t line = cache_line(cache, access->address);
    bool looked = false, joined = false;
    struct cache_waiter waiter = { .level = SIM_LEVEL_MEMORY };

    for (;;) {
        uint32_t place;
        int level = look_up(cache, line, &place);
        struct cache_miss *miss;

        if (level >= 0 && may_move(cache, access, place)) {
            cache->stats.hits[level]++;
            cache_move(cache, access, place, joined ? waiter.level : SIM_LEVEL_1 + level);
            miss = cache_fill_of(cache, line);
            if (miss) /* granted, and its bytes are not here yet */
                cache_wait(cache, &miss->waiters, &waiter, "a cache line that is under way");
            else if (!joined)
                sim_sleep(cache->kernel, cache->params.latency[level]);
            return;
        }
        miss = cache_miss_of(cache, line);
        if (miss) {
            cache_wait(cache, &miss->waiters, &waiter, "a cache line that is under way");
            joined = true;
            continue;
        }
        if (!looked) { /* all levels were looked into before the bus is asked */
            looked = true;
            sim_sleep(cache->kernel, cache->params.latency[cache->last]);
            continue;
        }
        joined = false;
        miss = cache_begin_miss(cache, op_of(access, level >= 0), line, access);
        if (!miss) {
            cache_wait(cache, &cache->room, &waiter, "room for a cache miss");
            continue;
        }
        cache_wait(cache, &miss->waiters, &waiter, "a cache line");
        if (access->moved)
            return;
    }
}

enum sim_level sim_cache_read(struct sim_cache *cache, uint64_t address, void *to, uint32_t size,
                              const struct sim_origin *origin)
{
    struct cache_access access = { .address = address, .size = size, .old = to, .origin = origin };

    access_line(cache, &access);
    return access.level;
}

void sim_cache_write(struct sim_cache *cache, uint64_t address, const void *from, uint32_t size,
                     const struct sim_origin *origin)
{
    struct cache_access access = {
        .address = address, .size = size, .new = from, .origin = origin
    };

    access_line(cache, &access);
}

void sim_cache_swap(struct sim_cache *cache, uint64_t address, void *old, const void *new,
                    uint32_t size, const struct sim_origin *origin)
{
    struct cache_access access = {
        .address = address, .size = size, .old = old, .new = new, .origin = origin
    };

    access_line(cache, &access);
}

static bool try_access(struct sim_cache *cache, const struct cache_access *access)
{
    struct cache_level *first = &cache->levels[0];
    uint32_t at = find_name(first, name_of(cache, access->address)), place;

    if (at == CACHE_NOWHERE)
        return false;
    place = cache->last ? first->place[at] : at;
    if (!may_move(cache, access, place) ||
        (cache->busy_misses && cache_fill_of(cache, cache_line(cache, access->address))))
        return false;
    cache->clock++;
    first->used[at] = cache->clock;
    cache->levels[cache->last].used[place] = cache->clock;
    cache->stats.hits[0]++;
    move_bytes(cache, access, place);
    return true;
}

bool sim_cache_try_read(struct sim_cache *cache, uint64_t address, void *to, uint32_t size)
{
    return try_access(cache, &(struct cache_access){ .address = address, .size = size, .old = to });
}

bool sim_cache_try_write(struct sim_cache *cache, uint64_t address, const void *from, uint32_t size)
{
    return try_access(cache,
                      &(struct cache_access){ .address = address, .size = size, .new = from });
}

/* ---- building ---- */

static bool create_level(struct sim_cache *cache, unsigned i)
{
    const struct sim_cache_params *p = &cache->params;
    struct cache_level *level = &cache->levels[i];
    uint64_t places = p->size[i] / p->line;

    level->ways = (uint32_t)p->ways[i];
    level->set_mask = places / level->ways - 1;
    level->names = calloc(places, sizeof(level->names[0]));
    level->used = calloc(places, sizeof(level->used[0]));
    if (i < cache->last)
        level->place = calloc(places, sizeof(level->place[0]));
    return level->names && level->used && (i == cache->last || level->place);
}

static void connect(struct sim_cache *cache, struct sim_bus *bus)
{
    cache->bus = sim_bus_target(bus);
    cache->memory = sim_bus_memory(bus);
    cache->master.name = cache->part;
    cache->snooper.snoop = cache_snoop;
    if (cache->params.coherent) {
        cache->master.snooped = true;
        cache->master.snooper = &cache->snooper;
        sim_bus_add_snooper(bus, &cache->snooper);
    }
    sim_bus_add_master(bus, &cache->master, 1);
}

int sim_cache_create(struct sim_cache **cache, struct sim_kernel *kernel, struct sim_bus *bus,
                     const char *part, const struct sim_cache_params *p)
{
    struct sim_cache *c;
    bool complete = true;

    *cache = NULL;
    if (p->line != sim_bus_params(bus)->line)
        return -EINVAL;
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->kernel = kernel;
    c->part = part;
    c->params = *p;
    c->line_shift = (unsigned)__builtin_ctzll(p->line);
    c->last = (unsigned)p->levels - 1;
    c->room.last = &c->room.first;
    c->settled.last = &c->settled.first;
    for (unsigned i = 0; i <= c->last; i++)
        complete &= create_level(c, i);
    c->states = calloc(p->size[c->last] / p->line, 1);
    c->bytes = calloc(p->size[c->last], 1); /* the host gives pages as lines are touched */
    if (!complete || !c->states || !c->bytes) {
        sim_cache_destroy(&c);
        return -ENOMEM;
    }
    connect(c, bus);
    *cache = c;
    return 0;
}

void sim_cache_destroy(struct sim_cache **cache)
{
    struct sim_cache *c = *cache;

    if (!c)
        return;
    for (unsigned i = 0; i <= c->last; i++) {
        free(c->levels[i].names);
        free(c->levels[i].used);
        free(c->levels[i].place);
    }
    free(c->states);
    free(c->bytes);
    free(c);
    *cache = NULL;
}

struct sim_master *sim_cache_master(struct sim_cache *cache)
{
    return &cache->master;
}

void sim_cache_listen(struct sim_cache *cache, struct sim_cache_listener *listener)
{
    cache->listener = listener;
}

enum sim_had sim_cache_holds(const struct sim_cache *cache, uint64_t address)
{
    uint32_t place = cache_find(cache, cache_line(cache, address));

    if (place == CACHE_NOWHERE)
        return SIM_HAD_NOTHING;
    return cache->states[place] == CACHE_CHANGED ? SIM_HAD_CHANGED : SIM_HAD_CLEAN;
}

void sim_cache_stats(const struct sim_cache *cache, struct sim_cache_stats *stats)
{
    *stats = cache->stats;
}
