/* DRAM's times beside their formulas, over sweeps. All of them are exact: times are integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dram.h"
#include "rate.h"

static void within_1_percent(double got, double expected)
{
    if (got < expected * 0.99 || got > expected * 1.01)
        fail_msg("got %g, the formula says %g", got, expected);
}

static struct sim_dram *dram_of(const struct sim_dram_params *p)
{
    struct sim_dram *dram;

    assert_null(sim_dram_kind.check(p));
    assert_int_equal(sim_dram_create(&dram, p), 0);
    return dram;
}

static struct sim_dram_params standard(void)
{
    struct sim_dram_params p;

    sim_params_standard(&sim_dram_kind, &p);
    return p;
}

static void the_first_access_opens_the_row_and_the_next_finds_it_open(void **state)
{
    struct sim_dram_params p = standard();
    struct sim_dram *dram = dram_of(&p);
    struct sim_dram_stats stats;

    (void)state;
    /* 64 bytes at 51.2 GB/s: 1.25 ns */
    assert_int_equal(sim_dram_access(dram, 1000, 0, 64, false), 1000 + 41250 + 1250);
    assert_int_equal(sim_dram_access(dram, SIM_US, 64, 64, true), SIM_US + 13750 + 1250);
    /* The next row of bank 0 is 32 banks of 8 KiB away. */
    assert_int_equal(sim_dram_access(dram, 2 * SIM_US, 32 * 8192, 64, false),
                     2 * SIM_US + 41250 + 1250);
    sim_dram_stats(dram, &stats);
    assert_int_equal(stats.row_hits, 1);
    assert_int_equal(stats.row_misses, 2);
    assert_int_equal(stats.reads, 2);
    assert_int_equal(stats.writes, 1);
    assert_int_equal(stats.read_bytes, 128);
    assert_int_equal(stats.write_bytes, 64);
    assert_int_equal(stats.busy, 3 * 1250);
    sim_dram_destroy(&dram);
    assert_null(dram);
}

static void an_access_over_two_units_opens_both_banks_at_once(void **state)
{
    struct sim_dram_params p = standard();
    struct sim_dram *dram = dram_of(&p);
    struct sim_dram_stats stats;

    (void)state;
    /* Their misses overlap; only the bytes share the data bus. */
    assert_int_equal(sim_dram_access(dram, 0, 192, 128, false), 41250 + 2500);
    sim_dram_stats(dram, &stats);
    assert_int_equal(stats.row_misses, 2);
    assert_int_equal(stats.reads, 1);
    sim_dram_destroy(&dram);
}

/* `count` accesses of `size`, `step` apart in address, asked for as early as may be: bytes a second. */
static double stream(const struct sim_dram_params *p, uint64_t step, uint32_t size, unsigned count)
{
    struct sim_dram *dram = dram_of(p);
    sim_time end = 0;

    for (unsigned i = 0; i < count; i++)
        end = sim_dram_access(dram, 0, i * step, size, false);
    sim_dram_destroy(&dram);
    return (double)size * count * 1e12 / (double)end;
}

static void hits_stream_at_the_bandwidth(void **state)
{
    (void)state;
    for (uint32_t size = 16; size <= 4096; size *= 2) {
        struct sim_dram_params p = standard();
        for (p.bandwidth = 1000000000; p.bandwidth <= 64000000000; p.bandwidth *= 4)
            within_1_percent(stream(&p, size, size, (32 << 20) / size), (double)p.bandwidth);
    }
}

/* Each row is opened when the last byte of the one before is out. */
static void misses_of_one_bank_follow_size_over_miss_plus_transfer(void **state)
{
    (void)state;
    for (uint32_t size = 16; size <= 256; size *= 2) {
        struct sim_dram_params p = standard();
        for (p.row_miss = 20000; p.row_miss <= 160000; p.row_miss *= 2) {
            double seconds = p.row_miss * 1e-12 + size / (double)p.bandwidth;
            within_1_percent(stream(&p, p.banks * p.row_bytes, size, 1000), size / seconds);
        }
    }
}

/* Misses spread over k banks: k at once, until the data bus is full. */
static void misses_of_several_banks_overlap_up_to_the_bandwidth(void **state)
{
    (void)state;
    for (uint64_t banks = 1; banks <= 64; banks *= 2) {
        struct sim_dram_params p = standard();
        double each, expected;

        p.banks = banks;
        p.interleave = 64;
        p.row_bytes = 64; /* every access is to another row */
        each = 64 / (p.row_miss * 1e-12 + 64 / (double)p.bandwidth);
        expected = each * (double)banks;
        if (expected > (double)p.bandwidth)
            expected = (double)p.bandwidth;
        within_1_percent(stream(&p, 64, 64, 20000), expected);
    }
}

/* With a share h of hits on one bank, one access takes h·t + (1 - h)(row_miss + t) on the average: a
 * hit after a miss waits for nothing but the data bus. */
static void a_mixture_of_hits_and_misses_is_their_average(void **state)
{
    (void)state;
    for (unsigned run = 1; run <= 64; run *= 2) {
        struct sim_dram_params p = standard();
        struct sim_dram *dram;
        struct sim_dram_stats stats;
        sim_time end = 0;
        double transfer;

        p.banks = 1;
        p.interleave = p.row_bytes;
        transfer = 64e12 / (double)p.bandwidth;
        dram = dram_of(&p);
        for (unsigned row = 0; row < 200; row++)
            for (unsigned i = 0; i < run; i++)
                end = sim_dram_access(dram, 0, row * p.row_bytes + i * 64, 64, i & 1);
        sim_dram_stats(dram, &stats);
        assert_int_equal(stats.row_misses, 200);
        assert_int_equal(stats.row_hits, 200 * (run - 1));
        within_1_percent((double)end, 200 * ((double)p.row_miss + run * transfer));
        sim_dram_destroy(&dram);
    }
}

static void impossible_combinations_are_refused(void **state)
{
    struct sim_dram_params p = standard();

    (void)state;
    p.row_miss = p.row_hit - 1;
    assert_non_null(sim_dram_kind.check(&p));
    p = standard();
    p.interleave = 2 * p.row_bytes;
    assert_non_null(sim_dram_kind.check(&p));
}

static void bytes_at_a_rate_are_rounded_up_and_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(sim_rate_time(0, 1), 0);
    assert_int_equal(sim_rate_time(1, 0), 0);
    assert_int_equal(sim_rate_time(1, 3 * SIM_S), 1);
    assert_int_equal(sim_rate_time(3, 2 * SIM_S), 2);
    assert_int_equal(sim_rate_time(64, 51200000000), 1250);
    assert_int_equal(sim_rate_time((1 << 24) - 1, 1000), ((1 << 24) - 1) * SIM_MS);
    assert_int_equal(sim_rate_time(1ull << 40, 1ull << 40), SIM_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_access_opens_the_row_and_the_next_finds_it_open),
        cmocka_unit_test(an_access_over_two_units_opens_both_banks_at_once),
        cmocka_unit_test(hits_stream_at_the_bandwidth),
        cmocka_unit_test(misses_of_one_bank_follow_size_over_miss_plus_transfer),
        cmocka_unit_test(misses_of_several_banks_overlap_up_to_the_bandwidth),
        cmocka_unit_test(a_mixture_of_hits_and_misses_is_their_average),
        cmocka_unit_test(impossible_combinations_are_refused),
        cmocka_unit_test(bytes_at_a_rate_are_rounded_up_and_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
