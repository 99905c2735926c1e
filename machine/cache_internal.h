/* What cache.c (look-up and replacement), cache_coherence.c (fills, write-backs, snoops) and
 * cache_maintain.c share.
 *
 *     fiber ──> access ──hit──> bytes move, latency passes
 *                 └────miss──> miss ──granted──> line installed, bytes move ──done──> fiber goes on
 *                                        └──> victim ──> write_back
 *
 * Only the last level holds bytes and states; the levels above hold names of lines that it has, and so
 * decide how long a hit takes. What the last level drops, they drop.
 */
#ifndef DRAY_MACHINE_CACHE_INTERNAL_H
#define DRAY_MACHINE_CACHE_INTERNAL_H

#include "cache.h"

enum {
    CACHE_LEVELS = 3,
    CACHE_LINE_MAX = 256,
    CACHE_MISSES = 16,      /* fills and upgrades under way, speculative ones included */
    CACHE_WRITE_BACKS = 32, /* under way; each fill keeps one free for its victim */
    CACHE_NOWHERE = UINT32_MAX,
};

enum cache_state {
    CACHE_SHARED, /* others may hold it */
    CACHE_EXCLUSIVE,
    CACHE_CHANGED,
};

struct cache_level {
    uint64_t set_mask;
    uint32_t ways;
    uint64_t *names; /* number of the line + 1; 0: empty */
    uint64_t *used;  /* cache->clock at the last use */
    uint32_t *place; /* in the last level; not kept there */
};

/* Fibers that wait for the same thing. */
struct cache_waiter {
    struct sim_fiber *fiber;
    bool ready;
    enum sim_level level; /* a miss: where the line came from */
    struct cache_waiter *next;
};

struct cache_waiters {
    struct cache_waiter *first, **last;
};

/* One call of a core, on its fiber's stack. */
struct cache_access {
    uint64_t address;
    uint32_t size;
    void *old;       /* NULL: writes only */
    const void *new; /* NULL: reads only */
    const struct sim_origin *origin;
    bool moved;
    enum sim_level level;
};

struct cache_miss {
    struct sim_request request;
    struct sim_cache *cache;
    bool busy, speculative;
    enum sim_level level;
    struct cache_access *access; /* NULL: speculative */
    struct cache_waiters waiters;
    uint8_t bytes[CACHE_LINE_MAX];
};

struct cache_write_back {
    struct sim_request request;
    struct sim_cache *cache;
    bool busy;         /* until done */
    bool waiting;      /* for its grant: the only place where its bytes are */
    uint64_t sequence; /* of two for one line the later has the newer bytes */
    uint8_t bytes[CACHE_LINE_MAX];
};

struct sim_cache {
    struct sim_kernel *kernel;
    struct sim_target *bus;
    struct sim_memory *memory;
    const char *part;
    struct sim_cache_params params;
    struct sim_master master;
    struct sim_snooper snooper;
    struct sim_cache_listener *listener;
    unsigned line_shift, last;
    uint64_t clock;
    uint64_t held; /* lines; a core that does nothing costs snoops nothing */
    struct cache_level levels[CACHE_LEVELS];
    uint8_t *states; /* of the last level's places */
    uint8_t *bytes;
    struct cache_miss misses[CACHE_MISSES];
    struct cache_write_back write_backs[CACHE_WRITE_BACKS];
    uint64_t busy_misses; /* by index, as bits */
    uint64_t busy_write_backs;
    unsigned waiting_write_backs;
    unsigned kept; /* free write-backs that fills have been promised */
    uint64_t sequence;
    struct cache_waiters room, settled;
    struct sim_cache_stats stats;
};

/* ---- cache.c ---- */

static inline uint8_t *cache_bytes(struct sim_cache *cache, uint32_t place)
{
    return cache->bytes + ((size_t)place << cache->line_shift);
}

static inline uint64_t cache_line(const struct sim_cache *cache, uint64_t address)
{
    return address & ~(cache->params.line - 1);
}

/* The last level's place of a line, or CACHE_NOWHERE. Counts as no use. */
uint32_t cache_find(const struct sim_cache *cache, uint64_t line);
/* A place for a line that is nowhere, in all levels; its bytes and state are the caller's to set. Hands
 * over what lay there. */
uint32_t cache_install(struct sim_cache *cache, uint64_t line, const struct sim_origin *origin);
/* All levels forget it. */
void cache_drop(struct sim_cache *cache, uint64_t line, uint32_t place);
/* The bytes of an access move: `place` holds its line, alone if it writes. */
void cache_move(struct sim_cache *cache, struct cache_access *access, uint32_t place,
                enum sim_level level);

void cache_wait(struct sim_cache *cache, struct cache_waiters *waiters, struct cache_waiter *waiter,
                const char *reason);
void cache_wake(struct cache_waiters *waiters, enum sim_level level);
/* Of a whole line, and of a part of one. */
void cache_note(const struct sim_cache *cache, enum sim_note_kind kind, uint64_t line,
                uint64_t value, const struct sim_origin *origin);
void cache_note_part(const struct sim_cache *cache, enum sim_note_kind kind, uint64_t address,
                     uint64_t size, uint64_t value, const struct sim_origin *origin);

/* ---- cache_coherence.c ---- */

/* The miss of a line that is under way, or NULL. */
struct cache_miss *cache_miss_of(struct sim_cache *cache, uint64_t line);
/* Likewise, of fills alone. */
struct cache_miss *cache_fill_of(struct sim_cache *cache, uint64_t line);
/* Begins one if there is room. */
struct cache_miss *cache_begin_miss(struct sim_cache *cache, enum sim_op op, uint64_t line,
                                    struct cache_access *access);
/* Whether one more may be begun: fills have theirs kept. */
bool cache_may_write_back(const struct sim_cache *cache);
/* Takes a copy of the bytes and submits it. There is room (kept, or asked for). */
void cache_write_back(struct sim_cache *cache, uint64_t line, const uint8_t *bytes);
enum sim_had cache_snoop(struct sim_snooper *snooper, uint64_t address, enum sim_op op);

#endif
