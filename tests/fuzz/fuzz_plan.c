/*
 * Plans of lists, limits, costs and regions drawn from the input, two bytes a choice. What must hold of every plan is
 * in tests/support/plan_case.c.
 */
#include <stdio.h>

#include "fuzz.h"
#include "plan_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plan_case c;
    c.draw = (struct plan_draw){ .bytes = data, .size = size };
    plan_case_make(&c);
    if (!plan_case_check(&c)) {
        fprintf(stderr, "%s\n", c.message);
        FUZZ_ASSERT(false);
    }
    return 0;
}
