/*
 * The work of the suite `sim`, told once for both schedulers (C and C++).
 *
 *   pingpong    two parts; each schedules the other one nanosecond later: one event pending
 *   ring-1000   a ring of parts that hold tokens. A part that has one passes it to its neighbour after
 *               a time of its own, from 0.5 to 1.5 ns at random; the others wait for their turn. With
 *               16 tokens a part nearly every part has its event pending.
 *
 * What comes out does not depend on the order of events of one time: a part's times are its own, and
 * a token that arrives in the moment in which the last one leaves begins its time in that moment
 * either way.
 */
#ifndef BENCH_SIM_WORK_H
#define BENCH_SIM_WORK_H

#include <stdint.h>

#define BENCH_RING_PARTS    1000
#define BENCH_RING_TOKENS   16   /* a part, at the beginning */
#define BENCH_PINGPONG_PS   1000 /* from one event to the next */
#define BENCH_RING_PS_LEAST 500

struct bench_ring_part {
    uint64_t random;
    uint64_t passed;
    uint64_t tokens; /* held; its event is pending where it is not 0 */
};

static inline void bench_ring_reset(struct bench_ring_part *parts)
{
    for (uint64_t i = 0; i < BENCH_RING_PARTS; i++) {
        parts[i].random = (i + 1) * 0x9e3779b97f4a7c15u;
        parts[i].passed = 0;
        parts[i].tokens = BENCH_RING_TOKENS;
    }
}

/* Picoseconds until the part passes its next token on. */
static inline uint64_t bench_ring_delay(struct bench_ring_part *part)
{
    part->random = part->random * 6364136223846793005u + 1442695040888963407u;
    return BENCH_RING_PS_LEAST + (part->random >> 54);
}

#endif
