/* Percentiles of the histogram against those of the sorted samples. */
#include "histogram.h"
#include "test.h"

enum {
    SAMPLES = 20000
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles_are_those_of_the_samples(void **state)
{
    (void)state;
    static struct bench_histogram histogram;
    static uint64_t samples[SAMPLES];
    static const double shares[] = { 0, 0.5, 0.9, 0.99, 0.999 };
    struct test_rng rng = { .state = test_seed() };
    for (unsigned i = 0; i < SAMPLES; i++) {
        samples[i] = test_size(&rng, UINT64_MAX);
        bench_histogram_add(&histogram, samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), by_value);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t want = samples[(size_t)(shares[i] * SAMPLES)];
        uint64_t got = bench_histogram_at(&histogram, shares[i]);
        assert_true(got >= want && got - want <= want / 64);
    }
    assert_int_equal(bench_histogram_at(&histogram, 1), samples[SAMPLES - 1]);
}

static void short_ones_are_exact_and_none_is_zero(void **state)
{
    (void)state;
    static struct bench_histogram histogram;
    assert_int_equal(bench_histogram_at(&histogram, 0.5), 0);
    for (uint64_t i = 0; i < 64; i++)
        bench_histogram_add(&histogram, i);
    assert_int_equal(bench_histogram_at(&histogram, 0.25), 16);
    bench_histogram_add(&histogram, UINT64_MAX);
    assert_true(bench_histogram_at(&histogram, 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_samples),
        cmocka_unit_test(short_ones_are_exact_and_none_is_zero),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
