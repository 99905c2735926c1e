/* The controller's rig with an area of data that is compared whole. */
#ifndef DRAY_TESTS_MACHINE_CONTROLLER_AREA_H
#define DRAY_TESTS_MACHINE_CONTROLLER_AREA_H

#include "controller_rig.h"

enum {
    DATA_SIZE = 256 << 10,
    SALT = 7,
};

/* The data area holds tags; `expected` is what it must hold at the end, every byte of it. */
struct area {
    struct rig rig;
    uint8_t *expected;
    dray_key all;
};

static inline void area_make(struct area *a, const struct sim_controller_params *p)
{
    rig_make(&a->rig, p, 100 * SIM_NS);
    tag_fill(a->rig.bytes + RIG_DATA, DATA_SIZE, SALT, 0);
    a->expected = malloc(DATA_SIZE);
    tag_fill(a->expected, DATA_SIZE, SALT, 0);
    a->all = rig_memory(&a->rig, 1, RIG_DATA, DATA_SIZE);
    rig_start(&a->rig, 0);
}

static inline void area_check(const struct area *a)
{
    const uint8_t *is = a->rig.bytes + RIG_DATA;
    for (size_t i = 0; i < DATA_SIZE; i++)
        if (is[i] != a->expected[i])
            fail_msg("byte %zu is %02x, expected %02x", i, is[i], a->expected[i]);
}

static inline void area_free(struct area *a)
{
    area_check(a);
    free(a->expected);
    rig_free(&a->rig);
}

static inline int area_setup(void **state)
{
    struct area *a = calloc(1, sizeof(*a));
    struct sim_controller_params p = rig_params();
    area_make(a, &p);
    *state = a;
    return 0;
}

static inline int area_teardown(void **state)
{
    struct area *a = *state;
    area_free(a);
    free(a);
    return 0;
}

#define AREA_TEST(name) cmocka_unit_test_setup_teardown(name, area_setup, area_teardown)

#endif
