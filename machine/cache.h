/*
 * The caches of one core: set-associative, write-back, one to three levels, inclusive.
 *
 * A coherent cache follows MESI: it snoops, and asks for a line before it writes it. A non-coherent
 * one does neither; its owner maintains it line by line. Bytes are real: a line holds its own copy.
 *
 * Reads and writes are called in a fiber and take the time they take. The state of a line changes at
 * the grant of its fill, in zero time, as request.h demands; a fill that is under way and whose line
 * is taken away by a snoop before it is done has been used at its grant all the same.
 */
#ifndef DRAY_MACHINE_CACHE_H
#define DRAY_MACHINE_CACHE_H

#include "bus.h"
#include "fiber.h"

struct sim_cache_params {
    uint64_t levels;  /* 1 to 3 */
    uint64_t line;    /* bytes, as the bus has it */
    uint64_t size[3]; /* bytes of each level; sets are a power of two */
    uint64_t ways[3];
    uint64_t latency[3];  /* ps of a hit, from the core */
    uint64_t coherent;    /* snoops and is snooped */
    uint64_t maintenance; /* ps for one line cleaned or invalidated, beside the write-back */
    uint64_t speculative; /* millionths: how often a miss also fills the next line */
};

extern const struct sim_part_kind sim_cache_kind;

struct sim_cache_stats {
    uint64_t hits[3], misses; /* a line that another access waits for already is a hit */
    uint64_t write_backs, fills, speculative_fills, upgrades; /* fills: speculative ones too */
    uint64_t snooped;    /* asked by others, and had the line */
    uint64_t maintained; /* lines */
};

struct sim_cache;

/* `bus` receives fills and write-backs; `part` names the core in notes. Adds its master, and where it is
 * coherent its snooper, to the bus. Returns 0; -ENOMEM; -EINVAL (the bus has another line). */
int sim_cache_create(struct sim_cache **cache, struct sim_kernel *kernel, struct sim_bus *bus,
                     const char *part, const struct sim_cache_params *params);
void sim_cache_destroy(struct sim_cache **cache);
/* Told when the bytes of sim_cache_read, write and swap move: at once on a hit, else at the grant of the
 * fill, before the call returns. That is the moment of which a note about the access speaks. Not called
 * for sim_cache_try_read and try_write, whose moment is the call. */
struct sim_cache_listener {
    void (*moved)(struct sim_cache_listener *listener, bool write, uint64_t address, uint32_t size,
                  enum sim_level level, const struct sim_origin *origin);
};
/* One at most; NULL: none. */
void sim_cache_listen(struct sim_cache *cache, struct sim_cache_listener *listener);
/* The cache's side of the bus: the core's uncached accesses are of this master too. */
struct sim_master *sim_cache_master(struct sim_cache *cache);

/* In a fiber; within one line. Two fibers of one core may be inside at once: that of its program and
 * that which empties its store buffer. Returns where the bytes came from; a line that was under way
 * already counts as where it comes from. */
enum sim_level sim_cache_read(struct sim_cache *cache, uint64_t address, void *to, uint32_t size,
                              const struct sim_origin *origin);
void sim_cache_write(struct sim_cache *cache, uint64_t address, const void *from, uint32_t size,
                     const struct sim_origin *origin);

/* In a fiber; within one line: reads the old bytes and writes the new ones at one moment. */
void sim_cache_swap(struct sim_cache *cache, uint64_t address, void *old, const void *new,
                    uint32_t size, const struct sim_origin *origin);
/* From anywhere, without time: if the first level holds the line (and, to write, alone), and not only since
 * the grant of a fill that is under way, the bytes move
 * now, a hit is counted, and true is returned; the caller lets latency[0] pass. Else nothing happens. */
bool sim_cache_try_read(struct sim_cache *cache, uint64_t address, void *to, uint32_t size);
bool sim_cache_try_write(struct sim_cache *cache, uint64_t address, const void *from,
                         uint32_t size);

/* From anywhere, without time: the line of the address will be read, or written, soon. Its fill begins
 * where it is missing. False: there is no room for one more fill now. */
bool sim_cache_prefetch(struct sim_cache *cache, uint64_t address, bool write);

/* In a fiber; all lines that the range touches. Clean writes changed lines back and keeps them;
 * invalidate drops them, changed bytes included; flush does the first, then the second. They return
 * when the line is handed over; sim_cache_settle waits until all write-backs are done. */
void sim_cache_clean(struct sim_cache *cache, uint64_t address, uint64_t size,
                     const struct sim_origin *origin);
void sim_cache_invalidate(struct sim_cache *cache, uint64_t address, uint64_t size,
                          const struct sim_origin *origin);
void sim_cache_flush(struct sim_cache *cache, uint64_t address, uint64_t size,
                     const struct sim_origin *origin);
void sim_cache_settle(struct sim_cache *cache);

/* Without time, from anywhere: for operating systems, who see and change bytes wherever they are. Ranges
 * within one page; forget: of any length.
 *
 * Puts into `to` the bytes of lines that are changed here, or on their way to memory. */
void sim_cache_peek(const struct sim_cache *cache, uint64_t address, void *to, uint32_t size);
/* Changes the bytes of lines that are held, in whatever state, or on their way. */
void sim_cache_poke(struct sim_cache *cache, uint64_t address, const void *from, uint32_t size);
/* Drops lines and write-backs, whose bytes are lost. */
void sim_cache_forget(struct sim_cache *cache, uint64_t address, uint64_t size);

/* Without time, for watchers and tests: whether the line is held, and changed. */
enum sim_had sim_cache_holds(const struct sim_cache *cache, uint64_t address);
void sim_cache_stats(const struct sim_cache *cache, struct sim_cache_stats *stats);

#endif
