/* Lists of segments, walked alone and in step. */
#include <errno.h>

#include "dray/sg.h"
#include "test.h"

#define SG(...)                                                                                \
    {                                                                                          \
        (const struct dray_segment[]){ __VA_ARGS__ },                                          \
            sizeof((const struct dray_segment[]){ __VA_ARGS__ }) / sizeof(struct dray_segment) \
    }

static const dray_key a = { 1 }, b = { 2 };

static void assert_run(const struct dray_segment *run, dray_key key, uint64_t offset,
                       uint64_t length)
{
    assert_int_equal(run->key.value, key.value);
    assert_int_equal(run->offset, offset);
    assert_int_equal(run->length, length);
}

static void length_is_the_sum(void **state)
{
    (void)state;
    struct dray_sg list = SG({ a, 0, 100, 7 }, { b, 0, 0, 0 }, { a, 0, 0, 13 });
    struct dray_sg empty = { NULL, 0 };
    uint64_t total = 99;
    assert_int_equal(dray_sg_length(&list, &total), 0);
    assert_int_equal(total, 20);
    assert_int_equal(dray_sg_length(&empty, &total), 0);
    assert_int_equal(total, 0);
}

static void length_that_overflows_is_an_error(void **state)
{
    (void)state;
    struct dray_sg list = SG({ a, 0, 0, UINT64_MAX }, { b, 0, 0, 1 });
    uint64_t total = 99;
    assert_int_equal(dray_sg_length(&list, &total), -EOVERFLOW);
    assert_int_equal(total, 99);
}

static void next_walks_segment_by_segment(void **state)
{
    (void)state;
    struct dray_sg list = SG({ a, 0, 100, 7 }, { b, 0, 3, 13 });
    struct dray_sg_cursor cursor = { .list = &list };
    struct dray_segment run;
    assert_true(dray_sg_next(&cursor, 5, &run));
    assert_run(&run, a, 100, 5);
    assert_true(dray_sg_next(&cursor, 5, &run)); /* the rest of the segment, not of the next */
    assert_run(&run, a, 105, 2);
    assert_true(dray_sg_next(&cursor, UINT64_MAX, &run));
    assert_run(&run, b, 3, 13);
    assert_false(dray_sg_next(&cursor, UINT64_MAX, &run));
    assert_false(dray_sg_next(&cursor, UINT64_MAX, &run));
}

static void next_skips_empty_segments(void **state)
{
    (void)state;
    struct dray_sg list = SG({ a, 0, 9, 0 }, { a, 0, 10, 1 }, { b, 0, 0, 0 }, { b, 0, 0, 0 });
    struct dray_sg_cursor cursor = { .list = &list };
    struct dray_segment run;
    assert_true(dray_sg_next(&cursor, 8, &run));
    assert_run(&run, a, 10, 1);
    assert_false(dray_sg_next(&cursor, 8, &run));
}

static void next_of_nothing_stays_where_it_is(void **state)
{
    (void)state;
    struct dray_sg list = SG({ a, 0, 10, 4 });
    struct dray_sg_cursor cursor = { .list = &list };
    struct dray_segment run;
    assert_false(dray_sg_next(&cursor, 0, &run));
    assert_true(dray_sg_next(&cursor, 4, &run));
    assert_run(&run, a, 10, 4);
}

/*      destination  |--3--|----5----|
 *      source       |-2-|--4--|-2-|       pieces of 2, 1, 3, 2 */
static void zip_stops_at_each_boundary_of_either(void **state)
{
    (void)state;
    struct dray_sg to = SG({ a, 0, 0, 3 }, { a, 0, 50, 5 });
    struct dray_sg from = SG({ b, 0, 100, 2 }, { b, 0, 200, 4 }, { b, 0, 300, 2 });
    static const uint64_t want[][3] = {
        { 0, 100, 2 }, { 2, 200, 1 }, { 50, 201, 3 }, { 53, 300, 2 }
    };
    struct dray_sg_cursor dst = { .list = &to }, src = { .list = &from };
    struct dray_segment d, s;
    for (size_t i = 0; i < 4; i++) {
        assert_true(dray_sg_zip(&dst, &src, UINT64_MAX, &d, &s));
        assert_run(&d, a, want[i][0], want[i][2]);
        assert_run(&s, b, want[i][1], want[i][2]);
    }
    assert_false(dray_sg_zip(&dst, &src, UINT64_MAX, &d, &s));
}

static void zip_ends_with_the_shorter_list(void **state)
{
    (void)state;
    struct dray_sg to = SG({ a, 0, 0, 3 }), from = SG({ b, 0, 0, 10 });
    struct dray_sg_cursor dst = { .list = &to }, src = { .list = &from };
    struct dray_segment d, s;
    assert_true(dray_sg_zip(&dst, &src, UINT64_MAX, &d, &s));
    assert_false(dray_sg_zip(&dst, &src, UINT64_MAX, &d, &s));
    assert_true(dray_sg_next(&src, UINT64_MAX, &s)); /* what was not zipped is still there */
    assert_run(&s, b, 3, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(length_is_the_sum),
        cmocka_unit_test(length_that_overflows_is_an_error),
        cmocka_unit_test(next_walks_segment_by_segment),
        cmocka_unit_test(next_skips_empty_segments),
        cmocka_unit_test(next_of_nothing_stays_where_it_is),
        cmocka_unit_test(zip_stops_at_each_boundary_of_either),
        cmocka_unit_test(zip_ends_with_the_shorter_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
