/*
 * Engines: who executes descriptors.
 *
 *   null   completes at once and moves nothing: the cost of the queue alone
 *   pio    the calling CPU, word by word: the baseline that DMA replaces
 *   cpu    SIMD copies, by the caller, by worker threads, or by both
 *   model  the controller of a modelled computer (dray/machine.h)
 *
 * An engine is opened on one domain and serves any number of queues. Threads: open, close and the
 * questions are for any thread; close after the queues are destroyed.
 */
#ifndef DRAY_ENGINE_H
#define DRAY_ENGINE_H

#include "dray/api.h"
#include "dray/domain.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dray_engine;

/* Who does the work of a queue. */
enum dray_mode {
    DRAY_MODE_DEFAULT = 0, /* the engine chooses: worker for cpu, inline for the others */
    DRAY_MODE_INLINE = 1,  /* the caller, in its doorbell, poll and wait */
    DRAY_MODE_WORKER = 2,  /* threads of the engine, which sleep when idle */
    DRAY_MODE_HELP = 3,    /* threads, and a caller that waits works on its own queue */
};

struct dray_engine_options {
    size_t size;         /* sizeof this structure */
    enum dray_mode mode; /* who works; 0: the engine chooses */
    unsigned workers;    /* threads, 1 to 64; 0: one */
    /* How long an idle worker polls before it sleeps; 0: 50 us; UINT64_MAX: always. */
    uint64_t spin_ns;
    const char *kernels; /* plain, sse2, avx2, avx512; NULL: DRAY_CPU, or the best this CPU has */
    int first_cpu;       /* with bind: workers are bound to this CPU and those after it */
    bool bind;           /* false: workers run where the system puts them */
    /* Copies of at least so many bytes are split over the workers; 0: the profile's. */
    uint64_t split_min;
    struct dray_machine *machine; /* model: whose controller it is; NULL: a desktop of its own */
};

/* Opens the engine `name` on a domain; "auto" is the best that can be had here. Options may be
 * NULL. Returns 0; -ENOENT no such engine; -ENOTSUP not on this computer (dray_engine_probe says
 * why); -EINVAL; -ENOMEM; -EAGAIN when threads cannot be made. */
DRAY_API int dray_engine_open(struct dray_engine **engine, struct dray_domain *domain,
                              const char *name, const struct dray_engine_options *options);

/* Ends its threads and detaches from the domain; sets *engine to NULL, so that a second call does
 * nothing. Returns 0, or -EBUSY while it has queues (then nothing was done). */
DRAY_API int dray_engine_close(struct dray_engine **engine);

/* What an engine can do and what it costs to ask it. The plan's input. */
struct dray_limits {
    uint64_t segment_max;  /* bytes in one descriptor */
    uint32_t segments_max; /* descriptors in one transaction */
    uint32_t alignment;    /* of addresses and lengths, bytes, a power of two; 1: any */
    uint64_t boundary;     /* a segment must not cross a multiple of this; 0: none */
    uint32_t address_bits; /* 64: any */
};

struct dray_capabilities {
    const char *name;
    const char *summary;
    uint32_t opcodes; /* bit n: executes opcode n */
    struct dray_limits limits;
    bool coherent;    /* no cache maintenance needed round its transfers */
    bool moves;       /* false for null */
    unsigned workers; /* threads now */
    enum dray_mode mode;
    const char *kernels; /* SIMD variant in use; NULL where that means nothing */
};

DRAY_API void dray_engine_capabilities(const struct dray_engine *engine,
                                       struct dray_capabilities *capabilities);

/* True if this engine copies between two kinds of region. */
DRAY_API bool dray_engine_copies(const struct dray_engine *engine, enum dray_region_kind dst,
                                 enum dray_region_kind src);

/* Names of all engines this library knows, best first; NULL past the end. */
DRAY_API const char *dray_engine_name(unsigned index);

/* 0 if the engine can be opened here, else -errno and the reason as a sentence. */
DRAY_API int dray_engine_probe(const char *name, char *why, size_t size);

struct dray_engine_stats {
    uint64_t transactions, descriptors; /* executed */
    uint64_t moved_bytes;               /* by any means */
    uint64_t cpu_bytes;                 /* of these, copied by a CPU in user space */
    uint64_t sleeps, wakes;             /* of workers */
    uint64_t splits;                    /* copies shared between workers */
    uint64_t helped; /* help: turns of work that a waiting caller did on its own queue */
};

DRAY_API void dray_engine_stats(const struct dray_engine *engine, struct dray_engine_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
