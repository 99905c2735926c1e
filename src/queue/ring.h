/*
 * The memory that producer, consumer and engine share. Its layout is a wire format of its own: version
 * and depths in the first line, then one cache line for each index, so that no line is written by two
 * sides; then the rings.
 *
 *      0     identity: written once, before the memory is shared
 *      64    sq_tail        producer writes, engine observes
 *      128   sq_head        engine writes, producer observes
 *      192   cq_head        consumer writes, engine observes
 *      256   doorbell_wanted   engine swaps in 1 before it sleeps, whoever rings swaps in 0
 *      320   notify_wanted  consumer swaps in 1 before it sleeps, engine swaps in 0 and notifies
 *      384   state          engine writes: the ring was found corrupt
 *      4096  descriptors, then completions, then shapes
 *
 * A completion needs no tail: the phase bit in its last word says whether it is new.
 */
#ifndef DRAY_QUEUE_RING_H
#define DRAY_QUEUE_RING_H

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

enum { DRAY_RING_HEADER_SIZE = 4096 };

#endif
