/*
 * Random plans: the steps move exactly what a plain reference moves, whatever order the engine
 * takes; each descriptor keeps every limit; the costs are those of the formulas, and the least.
 *
 * DRAY_SEED=n replays a run, DRAY_CASES=n runs more.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "plan_case.h"

enum {
    CASES = 20000,
};

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void every_plan_does_what_the_reference_does(void **state)
{
    (void)state;
    static struct plan_case c;
    uint64_t seed = number_from("DRAY_SEED", (uint64_t)time(NULL) << 20);
    uint64_t cases = number_from("DRAY_CASES", CASES), planned = 0;
    for (uint64_t i = 0; i < cases; i++) {
        c.draw = (struct plan_draw){ .state = (seed + i) * 0x2545f4914f6cdd1du };
        plan_case_make(&c);
        planned += c.result == 0;
        if (plan_case_check(&c))
            continue;
        char text[16384];
        dray_plan_print(&c.input, &c.output, text, sizeof(text), NULL);
        print_message("%s\n", c.result ? "" : text);
        fail_msg("%s; DRAY_SEED=%" PRIu64 " DRAY_CASES=1", c.message, seed + i);
    }
    print_message("%" PRIu64 " cases, %" PRIu64 " of them possible; DRAY_SEED=%" PRIu64 "\n", cases,
                  planned, seed);
    assert_true(planned > cases / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_does_what_the_reference_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
