/*
 * A random case for the plan: regions, lists, limits and costs drawn from bytes (a fuzzer's, or a
 * random number generator's), and everything that must hold of the plan of it. The bytes of a
 * region are cells of 32 bits, each with a tag of its own, so that a stray one says where it came
 * from.
 */
#ifndef PLAN_CASE_H
#define PLAN_CASE_H

#include "dray/plan.h"

enum {
    CASE_REGIONS = 6, /* region 0 is the bounce memory */
    CASE_CELLS = 1024,
    CASE_SEGMENTS = 48,
    CASE_STEPS = 8192,
    CASE_NOTES = 64,
};

/* Where choices come from: the bytes, and when they are used up, the generator. */
struct plan_draw {
    const uint8_t *bytes;
    size_t size;
    uint64_t state;
};

struct plan_world {
    uint32_t cell[CASE_REGIONS][2 * CASE_CELLS];
    uint64_t read[CASE_REGIONS], written[CASE_REGIONS]; /* positions in a stream */
};

struct plan_case {
    struct plan_draw draw;
    struct dray_plan_input input;
    struct dray_plan_region regions[CASE_REGIONS];
    struct dray_segment dst[CASE_SEGMENTS], src[CASE_SEGMENTS];
    bool is_dst[CASE_REGIONS][CASE_CELLS], is_src[CASE_REGIONS][CASE_CELLS];
    uint64_t dst_first[CASE_REGIONS],
        dst_last[CASE_REGIONS]; /* of the cells that are; first > last: none */
    uint64_t src_first[CASE_REGIONS], src_last[CASE_REGIONS];
    struct plan_world before, expected, actual;
    struct dray_plan_step steps[CASE_STEPS + 1];
    struct dray_plan_note notes[CASE_NOTES];
    struct dray_plan_output output;
    int result;
    char message[256]; /* what did not hold */
};

/* Draws a case and plans it. */
void plan_case_make(struct plan_case *c);
/* True if everything holds; else c->message says what does not. */
bool plan_case_check(struct plan_case *c);

#endif
