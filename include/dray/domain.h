/*
 * Domains and regions: who may reach which bytes.
 *
 * A domain is a table of regions. Mapping a region gives a key; an engine attached to the domain
 * reaches a region's bytes through its key, inside its bounds, with its rights, and nothing else.
 * Whatever else a descriptor asks for is a fault: it completes with a status, is recorded here, and
 * has moved no byte outside.
 *
 *      map ---> live ---unmap---> dead ---no engine still reads it---> released
 *                                 (key refused from here on)
 *
 * Threads: any thread may map, unmap and ask, at the same time as engines work.
 */
#ifndef DRAY_DOMAIN_H
#define DRAY_DOMAIN_H

#include <sys/uio.h>

#include "dray/api.h"
#include "dray/format.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dray_domain;

/* Limits. */
enum {
    DRAY_REGIONS_MAX = 1 << 20, /* regions in a domain */
    DRAY_PIECES_MAX = 65536,    /* pieces of one scattered region */
};

/* Rights and options of a mapping, or-ed. */
enum {
    DRAY_READ = 1,  /* engines may read it */
    DRAY_WRITE = 2, /* engines may write it */
    DRAY_PIN = 4,   /* memory, pieces, flags: locked in RAM (mlock) until unmapped */
};

enum dray_region_kind {
    DRAY_REGION_NONE = 0,
    DRAY_REGION_MEMORY = 1, /* one range of this process's memory */
    DRAY_REGION_PIECES = 2, /* several, seen as one range */
    DRAY_REGION_FILE = 3,   /* regular file or block device */
    DRAY_REGION_STREAM = 4, /* pipe, socket, character device: no offsets */
    DRAY_REGION_FLAGS = 5,  /* 64-bit words for SIGNAL and WAIT; also plain memory */
};

struct dray_domain_options {
    size_t size;          /* sizeof this structure */
    uint32_t regions_max; /* 0: DRAY_REGIONS_MAX */
    uint32_t faults_max;  /* fault records kept; 0: 256 */
};

/* Options may be NULL. Returns 0, -EINVAL, -ENOMEM. */
DRAY_API int dray_domain_create(struct dray_domain **domain,
                                const struct dray_domain_options *options);

/* Unmaps what is left and frees the domain; sets *domain to NULL, so that a second call does
 * nothing. Returns 0, or -EBUSY while an engine is attached (then nothing was done). */
DRAY_API int dray_domain_destroy(struct dray_domain **domain);

/* The bytes stay the caller's: they must stay valid until unmap has returned. Returns 0; -EINVAL
 * (no length, no right, unknown bits, range that wraps); -ENOSPC (no free region); with DRAY_PIN
 * -EPERM or -ENOMEM when RLIMIT_MEMLOCK forbids it (dray_domain_error says the numbers), -EFAULT
 * when part is not mapped. Pins of one page nest within a domain; not with the program's own mlock,
 * nor across domains. */
DRAY_API int dray_map_memory(struct dray_domain *domain, void *base, size_t length, unsigned access,
                             dray_key *key);

/* Up to DRAY_PIECES_MAX pieces of memory, seen as one range in the order of the list. The list is
 * copied. Pieces of a writable region must not overlap each other (-EINVAL). Otherwise as
 * dray_map_memory. */
DRAY_API int dray_map_pieces(struct dray_domain *domain, const struct iovec *pieces, size_t count,
                             unsigned access, dray_key *key);

/* A regular file or block device, by offset. The descriptor is duplicated: closing fd afterwards is
 * safe. Opened with O_DIRECT, it takes whole blocks at block offsets, to and from memory
 * that is aligned likewise (ALIGNMENT otherwise; dray_region_info says how long a block is, and
 * dray_plan keeps to it), but for the last bytes of the file, which the page cache carries. Returns
 * 0; -EBADF; -EACCES when its open mode does not allow the rights; -EINVAL for
 * another kind of file, or one to be written that was opened with O_APPEND (writes would not land
 * at their offsets); -EMFILE, -ENOMEM, -ENOSPC. Reading past the end of the file completes with
 * END; writing past it extends it. */
DRAY_API int dray_map_file(struct dray_domain *domain, int fd, unsigned access, dray_key *key);

/* A pipe, socket or character device: offsets are zero, bytes come and go in order. Duplicated
 * likewise; same errors, and -EPROTONOSUPPORT for a socket that is no SOCK_STREAM: there a transfer
 * that goes on in pieces would be several packets. */
DRAY_API int dray_map_stream(struct dray_domain *domain, int fd, unsigned access, dray_key *key);

/* `count` 64-bit words, aligned to 8 (-EINVAL). */
DRAY_API int dray_map_flags(struct dray_domain *domain, uint64_t *words, size_t count,
                            unsigned access, dray_key *key);

/* Strict: when it returns, no engine can still touch the region; what it pinned or duplicated is
 * released. Waits for transfers in flight on it, at most one slice of work of each engine. Returns
 * 0, or -ENOENT for a key that is not mapped. Not from within an engine's callback. */
DRAY_API int dray_unmap(struct dray_domain *domain, dray_key key);

/* Lazy: the key is refused from now on, but a transfer that had already looked it up may still
 * touch the bytes until dray_domain_flush returns. Release happens at a later flush, map or unmap; the
 * last two look only when many (32) are pending. */
DRAY_API int dray_unmap_lazy(struct dray_domain *domain, dray_key key);

/* Ends every open window of lazy unmaps. */
DRAY_API void dray_domain_flush(struct dray_domain *domain);

struct dray_region_info {
    enum dray_region_kind kind;
    unsigned access;    /* DRAY_READ | DRAY_WRITE | DRAY_PIN */
    uint64_t length;    /* bytes; of a file INT64_MAX, of a stream UINT64_MAX */
    size_t pieces;      /* 1 unless scattered */
    uint32_t alignment; /* of offsets, lengths and the memory opposite; 1: any */
};

/* Returns 0 or -ENOENT. */
DRAY_API int dray_region_info(struct dray_domain *domain, dray_key key,
                              struct dray_region_info *info);

/* A flag of a FLAGS region, from the program's side: store or add with release order, then wake
 * engines that sleep in a WAIT on it. A plain store by the program works too, but a sleeping engine
 * sees it only at its next look, within DRAY_FLAG_POLL_NS. */
DRAY_API void dray_flag_store(struct dray_domain *domain, uint64_t *word, uint64_t value);
DRAY_API void dray_flag_add(struct dray_domain *domain, uint64_t *word, uint64_t value);
static inline uint64_t dray_flag_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
#define DRAY_FLAG_POLL_NS 1000000u

/* What a descriptor asked for and did not get. */
struct dray_fault {
    uint64_t time_ns;        /* CLOCK_MONOTONIC */
    uint32_t queue;          /* number of the queue in its engine's domain, from 1 */
    uint32_t descriptor;     /* index in its transaction, from 0 */
    uint64_t user_data;      /* of that descriptor */
    dray_key key;            /* that was asked for */
    uint64_t offset, length; /* likewise */
    enum dray_access access; /* the side at fault */
    enum dray_status reason;
};

/* Moves the oldest records into `faults`, at most max, their number into *count. Returns 0;
 * -EOVERFLOW when records were lost since the last call because the log was full (what is returned
 * is valid). */
DRAY_API int dray_domain_faults(struct dray_domain *domain, struct dray_fault *faults, size_t max,
                                size_t *count);

struct dray_domain_stats {
    uint64_t regions;            /* mapped now */
    uint64_t pinned_bytes;       /* now */
    uint64_t maps, unmaps;       /* so far */
    uint64_t faults;             /* so far, lost ones too */
    uint64_t lazy_pending;       /* unmapped, window still open */
    uint64_t lazy_window_max_ns; /* the longest window so far */
};

DRAY_API void dray_domain_stats(struct dray_domain *domain, struct dray_domain_stats *stats);

/* The sentence behind the last call on this domain that failed ("pin 8192 KiB: RLIMIT_MEMLOCK is 64
 * KiB, …"); empty if none. Copied into text, terminated. */
DRAY_API void dray_domain_error(struct dray_domain *domain, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
