/* Where calibration changes over from one way to another, by points of which some are disturbed. */
#include "calibration.h"

#include "test.h"

enum {
    POINTS = 8
};

/* Sizes 1, 2, 4 ...; the first way always does 10. */
static double cut_of(const double *second)
{
    struct curve curve = { .points = POINTS };
    for (unsigned i = 0; i < POINTS; i++) {
        curve.x[i] = 1 << i;
        curve.y[0][i] = 10;
        curve.y[1][i] = second[i];
    }
    return calibration_cut(&curve);
}

static void a_clean_crossing_is_found(void **state)
{
    (void)state;
    assert_true(cut_of((double[]){ 2, 4, 6, 8, 12, 14, 16, 16 }) == 16);
    assert_true(cut_of((double[]){ 12, 12, 12, 12, 12, 12, 12, 12 }) == 1);
    assert_true(cut_of((double[]){ 9, 9, 9, 9, 9, 9, 9, 12 }) == 128);
}

static void what_is_no_better_is_not_taken(void **state)
{
    (void)state;
    assert_true(cut_of((double[]){ 2, 4, 6, 8, 9, 9, 9, 9 }) == 0);
    assert_true(cut_of((double[]){ 10, 10.2, 10.1, 10, 10.4, 10.2, 10.3, 10.1 }) == 0);
}

/* By the last crossing the first two would be 128 and never. */
static void a_disturbed_point_moves_nothing(void **state)
{
    (void)state;
    assert_true(cut_of((double[]){ 2, 4, 6, 8, 14, 15, 7, 16 }) == 16);
    assert_true(cut_of((double[]){ 2, 4, 6, 8, 14, 15, 16, 8 }) == 16);
    assert_true(cut_of((double[]){ 2, 14, 6, 8, 14, 15, 16, 16 }) == 16);
}

static void others_are_what_this_program_did_not_take(void **state)
{
    (void)state;
    const struct calibration_load from = { .all = 100, .own = 10, .wall = 1000 };
    struct calibration_load to = { .all = 107, .own = 13, .wall = 1008 };
    assert_true(calibration_others(&from, &to) == 0.5);
    to.all = 102; /* counted later than its own */
    assert_true(calibration_others(&from, &to) == 0);
    to = (struct calibration_load){ .all = 101, .own = 10, .wall = 1000.25 };
    assert_true(calibration_others(&from, &to) == 0); /* too short to tell */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_crossing_is_found),
        cmocka_unit_test(what_is_no_better_is_not_taken),
        cmocka_unit_test(others_are_what_this_program_did_not_take),
        cmocka_unit_test(a_disturbed_point_moves_nothing),
    };
    return cmocka_run_group_tests_name("calibration", tests, NULL, NULL);
}
