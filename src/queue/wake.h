/*
 * How one side sleeps and the other wakes it, without a wake-up that gets lost. Written once for
 * both directions:
 *
 *      sleeper   who is woken for     its word           what the waker changed
 *      engine    new descriptors      doorbell_wanted    sq_tail
 *      engine    completion room      doorbell_wanted    cq_head
 *      consumer  completions          notify_wanted      completion ring; state
 *
 * Each side writes its own word, passes a full barrier, then reads the other's:
 *
 *      sleeper                              waker
 *      wanted := reasons   (swap)           index := new   (swap)
 *      look at the index again              if wanted & reason:
 *      nothing new: sleep in poll()             if (wanted := 0) (swap) was not 0: ring
 *
 * Both pairs are sequentially consistent, so at least one side sees the other: either the sleeper
 * finds the new index and stays awake, or the waker finds the word set and rings. The event keeps a
 * ring that comes before the sleep. A ring for a sleeper that has woken by itself is a spurious
 * wake-up: it looks, and sleeps again.
 *
 * tests/model/queue_wake.c runs this source through every interleaving, store buffers included.
 */
#ifndef DRAY_QUEUE_WAKE_H
#define DRAY_QUEUE_WAKE_H

#include "dray/io.h"

/* Sleeper: then look again, with dray_io_load_after_swap32 where it looks at an index. */
static inline void dray_wake_arm(uint32_t *wanted, uint32_t reasons)
{
    dray_io_swap32(wanted, reasons);
}

/* Sleeper, awake again: saves the waker a ring. No order needed: whoever is awake looks before it
 * sleeps. The load keeps the line where it is when the waker has cleared the word already. */
static inline void dray_wake_disarm(uint32_t *wanted)
{
    if (dray_io_load32(wanted))
        dray_io_store32(wanted, 0);
}

/* Waker: publishes an index so that the look at `wanted` behind it is a later one. */
static inline void dray_wake_publish(uint32_t *index, uint32_t value)
{
    dray_io_swap32(index, value);
}

/* Waker, after dray_wake_publish: true if it must ring. Clearing the word makes it ring once for
 * each arming; whatever was in it by then has to be served, even if the reason has changed. */
static inline bool dray_wake_take(uint32_t *wanted, uint32_t reason)
{
    return (dray_io_load_after_swap32(wanted) & reason) && dray_io_swap32(wanted, 0) != 0;
}

#endif
