/* Inside of a domain. Locks, in the order in which they are taken: lock, readers_lock; the others
 * stand alone. */
#ifndef DRAY_DOMAIN_INTERNAL_H
#define DRAY_DOMAIN_INTERNAL_H

#include <pthread.h>

#include "domain/pin.h"
#include "domain/region.h"

enum {
    /* 12 bits of generation, 1 to 4095: a key is never 0. */
    DRAY_GENERATION_MAX = 4095,
    /* A freed slot waits behind at least so many others before it is used again, so a stale key can
     * meet a new region only after 4095 * 1024 = 4.2 million maps. (Less when fewer slots than that
     * are free at all.) */
    DRAY_QUARANTINE = 1024,
    /* Open windows of lazy unmaps; one more closes them all. */
    DRAY_LAZY_MAX = 256,
    DRAY_LAZY_BATCH = 32, /* pending before map and unmap look whether windows have passed */
    DRAY_FAULTS_DEFAULT = 256,
    DRAY_FAULTS_MAX = 1 << 20,
};

#define DRAY_SLOT_NONE UINT32_MAX

struct dray_region {
    enum dray_region_kind kind;
    union {
        struct {
            struct dray_pieces pieces;
            /* For overlap: piece numbers by address, and the highest end among the first i + 1 of
             * them. */
            const uint32_t *order;
            const uintptr_t *end_max;
        } memory;
        struct dray_region_fd fd;
    };
};

/* Unmapped lazily, not yet released. */
struct dray_retired {
    uint32_t index;
    uint64_t epoch;
    uint64_t time_ns;
};

struct dray_domain {
    struct dray_table table; /* first: dray_domain_table() */

    _Alignas(64) pthread_mutex_t lock; /* of what follows: the control plane */
    uint32_t regions_max;
    uint32_t regions;              /* mapped */
    uint32_t used;                 /* slots from here on were never used */
    uint32_t free_head, free_tail; /* first in, first out; linked through slot->length */
    uint32_t free_count;
    struct dray_retired lazy[DRAY_LAZY_MAX]; /* a ring, oldest first */
    uint32_t lazy_head, lazy_count;
    uint64_t lazy_window_max_ns;
    uint64_t maps, unmaps;
    uint32_t holds;
    struct dray_pins pins;

    pthread_mutex_t readers_lock;
    struct dray_reader *readers;

    pthread_mutex_t faults_lock;
    struct dray_fault *faults; /* a ring, oldest first */
    uint32_t faults_max, faults_head, faults_count;
    uint64_t faults_total, faults_lost;

    pthread_mutex_t error_lock;
    char error[256];

    _Atomic uint32_t queues;

    _Alignas(64) _Atomic uint32_t sleepers;
    pthread_mutex_t waiters_lock;
    struct dray_waiter *waiters;
    /* Where this domain's generations begin: elsewhere than another's, so that a key of a foreign
     * domain is refused, but for one in 4095. */
    uint16_t first_generation;
};

/* Keeps the sentence for dray_domain_error and returns `error`. */
int dray_domain_fail(struct dray_domain *domain, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* slot.c: the table. The lock is held in all of these. */
uint32_t dray_slot_take(struct dray_domain *domain); /* DRAY_SLOT_NONE: no slot is free */
dray_key dray_slot_publish(struct dray_domain *domain, uint32_t index);
struct dray_slot *dray_slot_live(struct dray_domain *domain, dray_key key); /* NULL: none */
void dray_slot_retire(struct dray_domain *domain, struct dray_slot *slot);
/* No reader can hold it any more: gives back what it holds, then the slot. */
void dray_slot_release(struct dray_domain *domain, struct dray_slot *slot);

/* epoch.c. */
uint64_t dray_epoch_advance(struct dray_domain *domain);
/* Waits until no reader is inside that entered before `epoch`. */
void dray_epoch_wait(struct dray_domain *domain, uint64_t epoch);
/* The newest epoch for which such a wait would end at once; 0 when that is not known now. */
uint64_t dray_epoch_passed(struct dray_domain *domain);
/* Whether unmap can execute the readers' barriers. */
bool dray_epoch_can_fence(void);

/* unmap.c: releases lazily unmapped regions of epochs up to `epoch`. The lock is held. */
void dray_lazy_release(struct dray_domain *domain, uint64_t epoch);
void dray_lazy_collect(struct dray_domain *domain); /* many pending: those whose window passed */
void dray_lazy_finish(struct dray_domain *domain);  /* all, waiting with the lock held */

/* pieces.c: -EINVAL says in `why` what is wrong. `bytes` becomes the length of the whole. */
int dray_region_from_pieces(struct dray_region **region, const struct iovec *pieces, size_t count,
                            bool writable, uint64_t *bytes, char *why, size_t why_size);
/* map.c: of a file or stream. */
void dray_region_close(struct dray_region *region);
/* Nothing is left locked or open by it: frees it. NULL is allowed. */
void dray_region_free(struct dray_region *region);

#endif
