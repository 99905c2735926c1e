/* The benchmark harness: which side is better, what a wrong byte does, what a missing peer does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "harness.h"
#include "memory.h"

static const struct bench_options quick = { .quick = true };

static double four(struct bench_run *run)
{
    (void)run;
    return 4;
}

static double two(struct bench_run *run)
{
    (void)run;
    return 2;
}

static double one(struct bench_run *run)
{
    (void)run;
    return 1;
}

static double broken(struct bench_run *run)
{
    return bench_fail(run, "the wire is cut");
}

static int absent(struct bench_run *run)
{
    return bench_fail(run, "not installed");
}

static int find_wrong_byte(struct bench_run *run)
{
    return bench_fail(run, "byte 17 differs");
}

static struct bench_case plain_case(void)
{
    return (struct bench_case){ .name = "plain",
                                .unit = "GB/s",
                                .higher_is_better = true,
                                .dray = { .name = "dray", .run = four },
                                .peers = { { .name = "peer", .run = two } },
                                .rounds_min = 1 };
}

static struct bench_result run_case(const struct bench_case *spec)
{
    struct bench_result result;

    bench_case_run(spec, &quick, &result);
    return result;
}

static void ratio_over_one_means_dray_is_better(void **state)
{
    struct bench_case spec = plain_case();

    (void)state;
    assert_true(run_case(&spec).ratio == 2.0);
    spec.higher_is_better = false; /* 4 ns against 2 ns */
    assert_true(run_case(&spec).ratio == 0.5);
}

static void best_peer_counts(void **state)
{
    struct bench_case spec = plain_case();
    struct bench_result result;

    (void)state;
    spec.peers[1] = (struct bench_side){ .name = "slow", .run = one };
    result = run_case(&spec);
    assert_string_equal(result.peer_name, "peer");
    assert_true(result.peer == 2.0);
    spec.higher_is_better = false;
    result = run_case(&spec);
    assert_string_equal(result.peer_name, "slow");
    assert_true(result.peer == 1.0);
}

static void missing_peer_says_why(void **state)
{
    struct bench_case spec = plain_case();
    struct bench_result result;

    (void)state;
    spec.peers[0].open = absent;
    result = run_case(&spec);
    assert_true(result.dray == 4.0);
    assert_true(result.peer < 0 && result.ratio < 0);
    assert_string_equal(result.peer_why, "not installed");
}

static void wrong_bytes_are_no_figure(void **state)
{
    struct bench_case spec = plain_case();
    struct bench_result result;

    (void)state;
    spec.verify = find_wrong_byte;
    result = run_case(&spec);
    assert_true(result.wrong);
    assert_true(result.dray < 0 && result.ratio < 0);
    assert_non_null(strstr(result.dray_why, "byte 17 differs"));
}

static void failed_run_says_why(void **state)
{
    struct bench_case spec = plain_case();
    struct bench_result result;

    (void)state;
    spec.dray.run = broken;
    result = run_case(&spec);
    assert_true(result.dray < 0);
    assert_string_equal(result.dray_why, "the wire is cut");
}

static json_t *suite_as_json(const struct bench_suite *suite, int *status)
{
    struct bench_options options = { .quick = true, .json = true };
    FILE *out = tmpfile();
    json_t *object;

    assert_non_null(out);
    *status = bench_suite_run(suite, &options, out);
    rewind(out);
    object = json_loadf(out, 0, NULL);
    fclose(out);
    assert_non_null(object);
    return object;
}

static void json_has_the_promised_shape(void **state)
{
    struct bench_case cases[2] = { plain_case(), plain_case() };
    struct bench_suite suite = { .name = "s", .about = "", .cases = cases, .case_count = 2 };
    const char *name, *unit, *peer_name;
    double dray, peer, ratio;
    json_t *object, *result;
    int status;

    (void)state;
    cases[1].peers[0].open = absent;
    object = suite_as_json(&suite, &status);
    assert_int_equal(status, 0);
    assert_string_equal(json_string_value(json_object_get(object, "suite")), "s");
    result = json_array_get(json_object_get(object, "results"), 0);
    assert_int_equal(json_unpack(result, "{s:s, s:s, s:F, s:s, s:F, s:F !}", "case", &name, "unit",
                                 &unit, "dray", &dray, "peer_name", &peer_name, "peer", &peer,
                                 "ratio", &ratio),
                     0);
    assert_string_equal(name, "plain");
    assert_true(dray == 4 && peer == 2 && ratio == 2);
    result = json_array_get(json_object_get(object, "results"), 1);
    assert_true(json_is_null(json_object_get(result, "peer")));
    assert_string_equal(json_string_value(json_object_get(result, "peer_why")), "not installed");
    json_decref(object);
}

static void wrong_bytes_make_the_suite_fail(void **state)
{
    struct bench_case spec = plain_case();
    struct bench_suite suite = { .name = "s", .about = "", .cases = &spec, .case_count = 1 };
    int status;

    (void)state;
    spec.verify = find_wrong_byte;
    json_decref(suite_as_json(&suite, &status));
    assert_int_equal(status, 1);
}

static void check_finds_each_wrong_byte(void **state)
{
    enum {
        WORDS = 200
    };
    uint64_t words[WORDS];
    size_t i;

    (void)state;
    bench_fill(words, sizeof(words), 5);
    assert_true(bench_check(words, sizeof(words), 5, 0) == BENCH_ALL_GOOD);
    for (i = 0; i < WORDS; i++) {
        words[i] ^= UINT64_C(1) << (i % 64);
        assert_int_equal(bench_check(words, sizeof(words), 5, 0), i * 8);
        words[i] ^= UINT64_C(1) << (i % 64);
    }
    assert_true(bench_check(words + 3, 64, 5, 24) == BENCH_ALL_GOOD);
    assert_int_equal(bench_check(words + 3, 64, 5, 32), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratio_over_one_means_dray_is_better),
        cmocka_unit_test(best_peer_counts),
        cmocka_unit_test(missing_peer_says_why),
        cmocka_unit_test(wrong_bytes_are_no_figure),
        cmocka_unit_test(failed_run_says_why),
        cmocka_unit_test(json_has_the_promised_shape),
        cmocka_unit_test(wrong_bytes_make_the_suite_fail),
        cmocka_unit_test(check_finds_each_wrong_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
