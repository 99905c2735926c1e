/*
 * The software controller: what pio and cpu share. It reads the ring that a hardware controller
 * would read, and executes what it finds there with a table of kernels.
 *
 *      service ──> fetch ──> check ──> execute ──> complete ──> moderate
 *                    │                    │
 *                    └ ring or LINK       └ parked: a flag, a stream or a rate says "not yet"
 *
 * A queue is executed in order, so FENCE costs nothing. What cannot go on is parked and keeps its
 * place; the thread that serves it turns to other queues meanwhile.
 *
 * Nothing here allocates after attach.
 */
#ifndef DRAY_ENGINE_SOFT_H
#define DRAY_ENGINE_SOFT_H

#include <pthread.h>

#include "domain/region.h"
#include "engine/cpu/kernels.h"
#include "engine/driver.h"

struct dray_soft;
struct dray_worker;

/* Why a queue stands still, though it has work. */
enum dray_park {
    DRAY_PARK_NONE,   /* it does not */
    DRAY_PARK_FLAG,   /* WAIT not satisfied */
    DRAY_PARK_STREAM, /* the stream is not ready */
    DRAY_PARK_RATE,   /* its rate is used up */
};

/* A transaction under way. */
struct dray_transaction {
    bool open;    /* a descriptor with CHAIN has been fetched, its closing one has not */
    bool notify;  /* one of its descriptors has NOTIFY */
    bool summed;  /* crc is the result: one of them sums */
    bool differs; /* a COMPARE found a difference */
    uint32_t crc;
    uint64_t compared; /* bytes equal so far */
    uint32_t count;    /* descriptors fetched */
    uint32_t index;    /* of the one that failed */
    uint64_t moved;    /* bytes */
    uint64_t result;
    enum dray_status status;
    enum dray_access access;
};

/* The array that a LINK went to. */
struct dray_link {
    dray_key key;
    uint64_t offset; /* of the next descriptor */
    uint32_t left;   /* descriptors */
    uint32_t hops;   /* LINKs since the ring */
};

/* What was executed: written by the thread that serves, read by any. */
struct dray_counters {
    _Atomic uint64_t transactions, descriptors, moved, cpu_bytes;
};

struct dray_soft_queue {
    struct dray_reader reader;
    struct dray_soft *soft;
    struct dray_port *port;
    struct dray_table *table;
    struct dray_worker *worker; /* that serves it; NULL: inline */
    int doorbell_fd;            /* -1: inline; the other process of an exported queue has it too */
    bool armed;                 /* its producer was asked for a doorbell */
    bool alone;                 /* its worker serves no other queue */
    uint32_t number;
    _Atomic bool listened; /* help: the worker sleeps, and listens for what held the queue then */
    _Atomic uint32_t busy; /* help: whoever swaps in 1 serves */

    /* The descriptor at hand; valid from fetch until done, over any number of services. */
    bool fetched;
    struct dray_desc desc;
    struct dray_shape shape; /* STRIDED: a private copy of its shape */
    bool from_ring;
    uint64_t progress; /* bytes of it that are done */
    struct dray_transaction txn;
    struct dray_link link;

    enum dray_park park;
    uint64_t deadline_ns; /* when to look again; UINT64_MAX: when woken */
    uint64_t started_ns;  /* WAIT: when it began */
    int park_fd;          /* STREAM */
    short park_events;
    uint64_t moderate_ns; /* when moderation wants to be called */
    bool settle;          /* completed, and not yet said to moderation that it is idle */

    /* Copies whose destinations follow each other: how many bytes so far, and where they end. */
    uint64_t run;
    const uint8_t *run_end;
    bool stream; /* the next go round the caches */

    uint64_t spent; /* bytes moved or looked at in this service */

    /* Rate: a bucket of bytes. */
    int64_t tokens;
    uint64_t refilled_ns;
    uint32_t earned_rest; /* of a byte, in 1e-9 */

    /* Bytes on their way between two descriptors of the operating system. */
    uint8_t *bounce;
    uint32_t bounce_at, bounce_end;

    struct dray_counters counters;
};

enum {
    DRAY_BOUNCE_SIZE = 128 << 10,    /* bytes */
    DRAY_SLICE = 4 << 20,            /* bytes executed before keys are looked up again */
    DRAY_SERVICE_BYTES = 32 << 20,   /* bytes for one queue before the next has its turn */
    DRAY_SERVICE_DESCRIPTORS = 4096, /* likewise */
};

/* A copy shared by the workers. Guarded by the lock but for `next`. */
struct dray_split {
    pthread_mutex_t lock;
    _Atomic bool active;
    uint8_t *dst;
    const uint8_t *src;
    uint64_t length, chunk;
    bool stream;
    _Atomic uint64_t next; /* first byte not taken yet */
    unsigned users;        /* workers at it, but for its owner */
};

struct dray_soft {
    struct dray_engine engine;
    const struct dray_kernels *kernels;
    struct dray_copy_policy policy;
    enum dray_mode mode;
    uint64_t spin_ns, split_min;
    uint64_t wake_ns;     /* what a sleep costs */
    pthread_mutex_t lock; /* attach and detach */
    struct dray_soft_queue **queues;
    size_t queue_count, queue_room;
    struct dray_counters retired; /* of queues that are gone; under the lock */
    struct dray_split split;
    unsigned worker_count;
    struct dray_worker *workers;
    _Atomic uint64_t sleeps, wakes, splits, helped;
};

/* controller.c */
void dray_soft_service_port(struct dray_port *port); /* inline: for dray_binding.service */
/* Works on a queue until it has nothing more, is parked or has had its turn. Returns whether
 * anything was done. One thread at a time. */
bool dray_soft_service(struct dray_soft_queue *q);

/* What became of the descriptor at hand. */
enum dray_step {
    DRAY_STEP_DONE, /* executed; or failed: q->txn.status says so */
    DRAY_STEP_MORE, /* a slice of it was */
    DRAY_STEP_PARK, /* q->park says why not */
};

/* fetch.c */
bool dray_soft_fetch(struct dray_soft_queue *q);
enum dray_status dray_soft_shape(struct dray_soft_queue *q);
enum dray_step dray_soft_link(struct dray_soft_queue *q);
/* fail: the descriptor at hand, at `offset` of `key`. Records a fault where it is one. Returns
 * DRAY_STEP_DONE. */
enum dray_step dray_soft_fail(struct dray_soft_queue *q, enum dray_status status,
                              enum dray_access access, dray_key key, uint64_t offset,
                              uint64_t result);
enum dray_step dray_soft_fail_src(struct dray_soft_queue *q, enum dray_status status);
enum dray_step dray_soft_fail_dst(struct dray_soft_queue *q, enum dray_status status);

/* A region at hand: its slot, and where in it. */
struct dray_view {
    const struct dray_slot *slot;
    uint64_t offset;
    size_t piece; /* PIECES: hint */
};
/* memory.c */
/* The run of memory at the view's offset: at most `max` bytes, at *p. */
uint64_t dray_view_run(struct dray_view *view, uint64_t max, uint8_t **p);
enum dray_step dray_soft_copy(struct dray_soft_queue *q);
enum dray_step dray_soft_fill(struct dray_soft_queue *q);
enum dray_step dray_soft_compare(struct dray_soft_queue *q);
enum dray_step dray_soft_crc32c(struct dray_soft_queue *q);
/* strided.c */
enum dray_step dray_soft_strided(struct dray_soft_queue *q);
/* flag.c */
enum dray_step dray_soft_signal(struct dray_soft_queue *q);
enum dray_step dray_soft_wait(struct dray_soft_queue *q);
/* Executes the SIGNALs and WAITs without CHAIN that lie next in the ring, as far as they need no
 * more than plain memory and no patience. Returns how many; 0: the next one needs the long way. */
uint32_t dray_soft_run_flags(struct dray_soft_queue *q);
/* The same for COPY between plain memory. */
uint32_t dray_soft_run_window(struct dray_soft_queue *q);
/* The transaction is over: counts it and writes its completion. */
void dray_soft_finish(struct dray_soft_queue *q, uint64_t user_data);
/* io.c: one side at least is a file or stream. At most `max` bytes at the views; what was done in
 * *done. The step is MORE when it went on, PARK, or DONE after q was failed. */
enum dray_step dray_soft_transfer(struct dray_soft_queue *q, struct dray_view *dst,
                                  struct dray_view *src, uint64_t max, uint64_t *done);
bool dray_soft_copies(enum dray_region_kind dst, enum dray_region_kind src);
/* rate.c: how many of `want` bytes may be moved now; 0: parked. */
uint64_t dray_soft_allow(struct dray_soft_queue *q, uint64_t want);
void dray_soft_charge(struct dray_soft_queue *q, uint64_t bytes);

/* worker.c */
int dray_workers_start(struct dray_soft *soft, const struct dray_engine_options *options);
void dray_workers_stop(struct dray_soft *soft);
int dray_workers_add(struct dray_soft *soft, struct dray_soft_queue *q); /* sets q->doorbell_fd */
void dray_workers_remove(struct dray_soft_queue *q);
void dray_worker_ring(struct dray_worker *worker); /* wakes it; any thread */
/* Copies with the help of the other workers if that is worth it; false: it is not, nothing was
 * done. */
bool dray_split_copy(struct dray_soft *soft, uint8_t *dst, const uint8_t *src, uint64_t length,
                     bool stream);

/* soft.c: the hooks that a software engine's table is filled with. */
int dray_soft_open(struct dray_engine **engine, struct dray_domain *domain,
                   const struct dray_engine_options *options, const struct dray_kernels *kernels,
                   enum dray_mode mode);
void dray_soft_close(struct dray_engine *engine);
int dray_soft_attach(struct dray_engine *engine, struct dray_port *port, uint32_t number,
                     struct dray_binding *binding);
void dray_soft_detach(struct dray_engine *engine, struct dray_port *port);
void dray_soft_stats(const struct dray_engine *engine, struct dray_engine_stats *stats);
void dray_soft_capabilities(const struct dray_engine *engine, struct dray_capabilities *caps);
bool dray_soft_can_copy(const struct dray_engine *engine, enum dray_region_kind dst,
                        enum dray_region_kind src);

/* Without a locked instruction: one thread writes. */
static inline void dray_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
