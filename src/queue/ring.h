/*
 * The memory that producer, consumer and engine share. Its layout is a wire format of its own:
 * version and depths in the first line, then one cache line for each index, so that no line is
 * written by two sides; then the rings.
 *
 *      0     identity         written once, before the memory is shared
 *      64    sq_tail          producer writes, engine observes
 *      128   sq_head          engine writes, producer observes
 *      192   cq_head          consumer writes, engine observes
 *      256   doorbell_wanted  engine swaps in DRAY_WANT_* before it sleeps; who rings swaps in 0
 *      320   notify_wanted    consumer swaps in 1 before it sleeps; engine swaps in 0 and notifies
 *      384   state            engine or owner writes: why nothing more will come
 *      4096  descriptors, then completions, then shapes
 *
 * A completion needs no tail: the phase bit in its last word says whether it is new. All indices
 * run freely over 32 bits; depths are powers of two, so that the slot is the low bits of the index.
 */
#ifndef DRAY_QUEUE_RING_H
#define DRAY_QUEUE_RING_H

#include "dray/api.h"
#include "dray/format.h"

#define DRAY_RING_MAGIC 0x59415244u /* "DRAY" */

struct dray_ring {
    uint32_t magic;
    uint32_t version;
    uint32_t depth;
    uint32_t completion_depth;
    uint8_t pad0[48];
    uint32_t sq_tail;
    uint8_t pad1[60];
    uint32_t sq_head;
    uint8_t pad2[60];
    uint32_t cq_head;
    uint8_t pad3[60];
    uint32_t doorbell_wanted;
    uint8_t pad4[60];
    uint32_t notify_wanted;
    uint8_t pad5[60];
    uint32_t state; /* DRAY_RING_* */
    uint8_t pad6[60];
};

enum {
    DRAY_RING_RUNS = 0,
    DRAY_RING_CORRUPT = 1,
    DRAY_RING_STOPPED = 2, /* the queue was destroyed by its owner */
};

_Static_assert(offsetof(struct dray_ring, sq_tail) == 64, "one line for each side");
_Static_assert(offsetof(struct dray_ring, sq_head) == 128, "one line for each side");
_Static_assert(offsetof(struct dray_ring, cq_head) == 192, "one line for each side");
_Static_assert(offsetof(struct dray_ring, doorbell_wanted) == 256, "one line for each side");
_Static_assert(offsetof(struct dray_ring, notify_wanted) == 320, "one line for each side");
_Static_assert(offsetof(struct dray_ring, state) == 384, "one line for each side");

/* What a sleeping engine wants to be rung for. */
enum {
    DRAY_WANT_WORK = 1, /* a new tail */
    DRAY_WANT_ROOM = 2, /* a new head of the completion ring: it stands still for want of room */
};

enum {
    DRAY_RING_VERSION = 1,
    DRAY_RING_HEADER_SIZE = 4096,
};

/* Where the last eight bytes of a completion begin: index, status, access and flags, which become
 * visible together and last. */
enum {
    DRAY_COMPLETION_LAST = offsetof(struct dray_completion, index)
};
_Static_assert(DRAY_COMPLETION_LAST == 24 && sizeof(struct dray_completion) == 32,
               "the last eight bytes hold the phase");

/* The bit of that word which says whether the completion with this index has been written: 1 in the
 * first round (the memory begins as zeroes), 0 in the second, and so on. */
static inline uint64_t dray_ring_phase(uint32_t index, uint32_t completion_depth)
{
    return (uint64_t)((index & completion_depth) == 0) << 48;
}
#define DRAY_RING_PHASE_BIT ((uint64_t)1 << 48)

/* One mapping of such memory. Depths and addresses are private copies: what lies in the memory may
 * change at any time. */
struct dray_ring_map {
    struct dray_ring *ring; /* the start of the mapping */
    struct dray_desc *descs;
    struct dray_completion *completions;
    struct dray_shape *shapes;
    uint32_t depth, completion_depth;
    uint64_t size;
    int fd; /* owned */
};

/* Makes the memory. Returns 0, -EINVAL (depths), -ENOMEM, -EMFILE, -ENFILE. */
int dray_ring_create(struct dray_ring_map *map, uint32_t depth, uint32_t completion_depth);
/* Maps memory that somebody else made; duplicates fd. Returns 0; -EPROTO if it is no ring of this
 * version, could be truncated under us, or its size does not fit its depths; -errno of the system.
 */
int dray_ring_open(struct dray_ring_map *map, int fd);
void dray_ring_close(struct dray_ring_map *map);

#endif
