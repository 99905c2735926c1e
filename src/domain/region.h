/*
 * The hot side of a domain: how an engine looks a key up, and how unmap knows that it no longer
 * does.
 *
 * A reader (one for each queue that an engine serves) enters before it looks keys up and leaves
 * when it no longer holds what it found. Unmap clears the slot's key, then waits until every reader
 * has left or entered again since:
 *
 *      reader                               unmap
 *      epoch := domain's epoch              slot.key := 0
 *      ---- barrier ----                    ---- barrier ----
 *      key := slot.key                      for each reader: wait while epoch is old and not 0
 *
 * Each side writes, then reads the other's word, with a full barrier between, so at least one sees
 * the other: either the reader finds the key gone, or unmap finds the reader inside. Unmap pays for
 * both barriers, where the kernel lets it: membarrier(2) makes every thread of the process that runs
 * at the moment execute one.
 */
#ifndef DRAY_DOMAIN_REGION_H
#define DRAY_DOMAIN_REGION_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dray/domain.h"

enum {
    DRAY_KEY_INDEX_BITS = 20,
    DRAY_KEY_INDEX_MASK = (1 << DRAY_KEY_INDEX_BITS) - 1,
};

/* What map keeps of a region beyond its slot: pieces, descriptors of files. */
struct dray_region;

/* One region as engines see it. 32 bytes: two to a cache line, none across two. Written by map
 * before the key is published, and not again before unmap has waited for the readers. */
struct dray_slot {
    _Atomic uint32_t key; /* 0: not mapped */
    uint8_t kind;         /* enum dray_region_kind */
    uint8_t access;       /* DRAY_READ | DRAY_WRITE | DRAY_PIN */
    uint16_t generation;  /* of the last key; map's own, outlives the region */
    uint64_t length;
    void *base;                 /* MEMORY, FLAGS: the first byte */
    struct dray_region *region; /* PIECES, FILE, STREAM; else NULL */
};
_Static_assert(sizeof(struct dray_slot) == 32, "two slots to a cache line");

/* Pieces of a scattered region; `start` has count + 1 entries, the last is the length of the whole.
 */
struct dray_pieces {
    size_t count;
    const struct iovec *piece;
    const uint64_t *start; /* offset of each piece in the region */
};

const struct dray_pieces *dray_region_pieces(const struct dray_region *region);
/* The piece that holds `offset` (< length), by binary search. */
size_t dray_pieces_find(const struct dray_pieces *pieces, uint64_t offset);
/* Whether a byte of the region's range [offset, offset + length), which is inside it, lies in
 * memory [base, base + size). O(log count), and beyond that looks at the pieces of the one or at
 * those of the other, whichever are fewer. */
bool dray_pieces_overlap(const struct dray_region *region, uint64_t offset, uint64_t length,
                         const void *base, uint64_t size);

/* FILE and STREAM. */
struct dray_region_fd {
    int fd;
    uint64_t device, inode; /* two regions of one file are recognised by these */
    bool socket, pipe;
    /* Opened with O_DIRECT: transfers are whole blocks of this many bytes, but for the last bytes
     * of the file, which go through tail_fd. Otherwise 1 and -1. */
    uint32_t block;
    int tail_fd; /* the same file without O_DIRECT; -1: it could not be had */
};

/* What direct transfers of a file ask for, in bytes; an empty path: of the open file `folder`. */
uint32_t dray_direct_alignment(int folder, const char *path);
/* The file of `fd`, opened once more without O_DIRECT; -1 if that cannot be. */
int dray_direct_open_tail(int fd, int mode);
const struct dray_region_fd *dray_region_fd(const struct dray_region *region);

/* A reader; lives in the engine, registered with the domain. */
struct dray_reader {
    _Alignas(64) _Atomic uint64_t epoch; /* 0: outside */
    struct dray_reader *next;            /* the domain's */
};

/* What engines keep of a domain for their hot path. */
struct dray_table {
    struct dray_slot *slots;
    uint32_t size;     /* slots */
    bool unmap_fences; /* unmap executes the readers' barriers for them */
    _Atomic uint64_t epoch;
};

/* The domain begins with it. */
static inline struct dray_table *dray_domain_table(struct dray_domain *domain)
{
    return (struct dray_table *)domain;
}

void dray_reader_register(struct dray_domain *domain, struct dray_reader *reader);
void dray_reader_unregister(struct dray_domain *domain, struct dray_reader *reader);

static inline void dray_reader_enter(struct dray_table *table, struct dray_reader *reader)
{
    /* Acquire: who takes the number of an unmap must also find its key gone. */
    uint64_t epoch = atomic_load_explicit(&table->epoch, memory_order_acquire);
    if (__builtin_expect(!table->unmap_fences, 0)) {
        atomic_exchange_explicit(&reader->epoch, epoch, memory_order_seq_cst);
        return;
    }
    atomic_store_explicit(&reader->epoch, epoch, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the compiler's half */
}

static inline void dray_reader_leave(struct dray_reader *reader)
{
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

/* Looks a key up and checks right and bounds. Inside a reader; *slot is valid until it leaves. Hot:
 * at most 5 ns. On a fault *slot is not set. */
static inline enum dray_status dray_resolve(const struct dray_table *table, dray_key key,
                                            uint64_t offset, uint64_t length, unsigned access,
                                            const struct dray_slot **slot)
{
    uint32_t index = key.value & DRAY_KEY_INDEX_MASK;
    if (__builtin_expect(index >= table->size || key.value == 0, 0))
        return DRAY_STATUS_KEY;
    const struct dray_slot *s = &table->slots[index];
    if (__builtin_expect(atomic_load_explicit(&s->key, memory_order_seq_cst) != key.value, 0))
        return DRAY_STATUS_KEY;
    if (__builtin_expect((s->access & access) != access, 0))
        return DRAY_STATUS_RIGHT;
    if (__builtin_expect(offset > s->length || length > s->length - offset, 0))
        return DRAY_STATUS_RANGE;
    *slot = s;
    return DRAY_STATUS_OK;
}

static inline bool dray_kind_is_memory(unsigned kind)
{
    return kind == DRAY_REGION_MEMORY || kind == DRAY_REGION_PIECES || kind == DRAY_REGION_FLAGS;
}

/* Whether a status is a fault, to be recorded: not success, and not what the other side of a transfer
 * or the operating system brought about. */
static inline bool dray_status_is_fault(enum dray_status status)
{
    return status != DRAY_STATUS_OK && status != DRAY_STATUS_TIMEOUT && status != DRAY_STATUS_END &&
           status != DRAY_STATUS_FULL && status != DRAY_STATUS_CLOSED && status != DRAY_STATUS_IO;
}

/* Records a fault. Any thread. `fault->time_ns` is filled in. */
void dray_domain_fault(struct dray_domain *domain, const struct dray_fault *fault);

/* An engine is attached: the domain cannot be destroyed. */
void dray_domain_hold(struct dray_domain *domain);
void dray_domain_release(struct dray_domain *domain);
/* A number for a new queue, from 1. */
uint32_t dray_domain_queue_number(struct dray_domain *domain);

/* Those that may sleep in a WAIT: woken by SIGNAL and dray_flag_store. `wake` is called from any
 * thread, under the list's lock: it must not block or call back. */
struct dray_waiter {
    struct dray_waiter *next;
    void (*wake)(struct dray_waiter *waiter);
};
void dray_domain_add_waiter(struct dray_domain *domain, struct dray_waiter *waiter);
void dray_domain_remove_waiter(struct dray_domain *domain, struct dray_waiter *waiter);
/* Cheap when nobody sleeps: a sequentially consistent load of the count of sleepers, after the flag
 * was written with a sequentially consistent operation. */
void dray_domain_wake(struct dray_domain *domain);
/* Around a sleep: count the sleepers (swap), look at the flag again, sleep. */
void dray_domain_sleep_begin(struct dray_domain *domain);
void dray_domain_sleep_end(struct dray_domain *domain);

#endif
