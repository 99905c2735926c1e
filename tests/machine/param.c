/* Values with units: what is read, what is refused and why, what is printed. */
#include <errno.h>

#include "param.h"
#include "test.h"

static const char *const words[] = { "priority", "round-robin", "fifo", NULL };

static const struct sim_param count = { .name = "count",
                                        .unit = SIM_UNIT_COUNT,
                                        .most = UINT64_MAX };
static const struct sim_param bytes = { .name = "bytes",
                                        .unit = SIM_UNIT_BYTES,
                                        .most = UINT64_MAX };
static const struct sim_param duration = { .name = "time",
                                           .unit = SIM_UNIT_TIME,
                                           .most = UINT64_MAX };
static const struct sim_param rate = { .name = "rate", .unit = SIM_UNIT_RATE, .most = UINT64_MAX };
static const struct sim_param share = { .name = "share", .unit = SIM_UNIT_SHARE, .most = 1000000 };
static const struct sim_param yes_no = { .name = "yes_no", .unit = SIM_UNIT_BOOL, .most = 1 };
static const struct sim_param choice = {
    .name = "choice", .unit = SIM_UNIT_CHOICE, .most = 2, .words = words
};

static uint64_t read(const struct sim_param *param, const char *text)
{
    uint64_t value = 0xdead;
    char expected[SIM_PARAM_EXPECTED] = "";
    if (sim_param_parse(param, text, &value, expected, sizeof(expected)))
        fail_msg("\"%s\" was refused: %s", text, expected);
    return value;
}

static void refused(const struct sim_param *param, const char *text, const char *why)
{
    uint64_t value = 0xdead;
    char expected[SIM_PARAM_EXPECTED] = "";
    assert_int_equal(sim_param_parse(param, text, &value, expected, sizeof(expected)), -EINVAL);
    assert_string_equal(expected, why);
    assert_int_equal(value, 0xdead);
}

static void numbers_are_read_with_their_units(void **state)
{
    (void)state;
    assert_int_equal(read(&count, "8"), 8);
    assert_int_equal(read(&count, "18446744073709551615"), UINT64_MAX);
    assert_int_equal(read(&count, "4G"), 4000000000);
    assert_int_equal(read(&count, "1.5k"), 1500);
    assert_int_equal(read(&bytes, "64"), 64);
    assert_int_equal(read(&bytes, "64B"), 64);
    assert_int_equal(read(&bytes, "32KiB"), 32 << 10);
    assert_int_equal(read(&bytes, "1 MiB"), 1 << 20);
    assert_int_equal(read(&bytes, "0.5GiB"), 512 << 20);
    assert_int_equal(read(&duration, "10ps"), 10);
    assert_int_equal(read(&duration, "547ns"), 547000);
    assert_int_equal(read(&duration, "13.75ns"), 13750);
    assert_int_equal(read(&duration, "1.5us"), 1500000);
    assert_int_equal(read(&duration, "2ms"), 2000000000);
    assert_int_equal(read(&duration, "1s"), 1000000000000);
    assert_int_equal(read(&duration, "0"), 0);
    assert_int_equal(read(&rate, "26GB/s"), 26000000000);
    assert_int_equal(read(&rate, "53Gb/s"), 6625000000);
    assert_int_equal(read(&rate, "8Mb/s"), 1000000);
    assert_int_equal(read(&rate, "3KB/s"), 3000);
    assert_int_equal(read(&rate, "1MB/s"), 1000000);
    assert_int_equal(read(&rate, "7B/s"), 7);
    assert_int_equal(read(&share, "0.25"), 250000);
    assert_int_equal(read(&share, "1"), 1000000);
    assert_int_equal(read(&share, "0.000001"), 1);
    assert_int_equal(read(&share, "2.5%"), 25000);
    assert_int_equal(read(&yes_no, "yes"), 1);
    assert_int_equal(read(&yes_no, "no"), 0);
    assert_int_equal(read(&choice, "round-robin"), 1);
}

static void what_is_no_value_of_the_unit_is_refused(void **state)
{
    (void)state;
    static const char size[] = "a size in B, KiB, MiB or GiB",
                      time[] = "a time in ps, ns, us, ms or s", whole[] = "a whole number",
                      speed[] = "a rate in B/s, KB/s, MB/s, GB/s, Mb/s or Gb/s",
                      part[] = "a share from 0 to 1, to the sixth decimal";
    refused(&duration, "547", time);
    refused(&duration, "547 NS", time);
    refused(&duration, "1.5ps", time); /* not whole */
    refused(&duration, "1.", time);
    refused(&duration, ".5ns", time);
    refused(&duration, "1.2.3ns", time);
    refused(&duration, "-1ns", time);
    refused(&duration, "", time);
    refused(&duration, "ns", time);
    refused(&duration, "1e3ns", time);
    refused(&duration, "18446744073709551616ps", time);
    refused(&duration, "20000000s", time); /* over 2^64 ps */
    refused(&duration, "0.00000000000000000000001s", time);
    refused(&duration, "64KiB", time);
    refused(&bytes, "64KB", size);
    refused(&bytes, "0x40", size);
    refused(&count, "5ns", whole);
    refused(&count, "0.5", whole);
    refused(&count, "two", whole);
    refused(&rate, "26", speed);
    refused(&rate, "26GB", speed);
    refused(&share, "0.0000001", part);
    refused(&share, "1.5", "0 to 1");
    refused(&yes_no, "1", "yes or no");
    refused(&yes_no, "", "yes or no");
    refused(&choice, "lifo", "one of priority, round-robin, fifo");
}

static void limits_are_told_in_the_unit(void **state)
{
    (void)state;
    struct sim_param p = duration;
    p.least = 10 * 1000;
    p.most = 1000000000;
    refused(&p, "9.999ns", "10ns to 1ms");
    refused(&p, "1.001ms", "10ns to 1ms");
    assert_int_equal(read(&p, "10ns"), 10000);
    assert_int_equal(read(&p, "1ms"), 1000000000);
    struct sim_param b = bytes;
    b.least = 64;
    b.most = 4096;
    b.multiple = SIM_POWER_OF_TWO;
    refused(&b, "96", "a power of two");
    refused(&b, "32", "64B to 4KiB");
    assert_int_equal(read(&b, "2KiB"), 2048);
    b.least = 0;
    assert_int_equal(read(&b, "0"), 0);
    b.multiple = 24;
    refused(&b, "25", "a multiple of 24B");
    assert_int_equal(read(&b, "48"), 48);
}

static void prints(const struct sim_param *param, uint64_t value, const char *expected)
{
    char text[SIM_PARAM_TEXT];
    assert_string_equal(sim_param_print(param, value, text, sizeof(text)), expected);
}

static void values_are_printed_in_the_largest_exact_unit(void **state)
{
    (void)state;
    prints(&count, 1536, "1536");
    prints(&bytes, 0, "0");
    prints(&bytes, 48 << 10, "48KiB");
    prints(&bytes, 1536, "1536B");
    prints(&bytes, 16ull << 30, "16GiB");
    prints(&duration, 547000, "547ns");
    prints(&duration, 13750, "13.75ns");
    prints(&duration, 82500, "82.5ns");
    prints(&duration, 250, "250ps");
    prints(&duration, 1000001, "1000.001ns");
    prints(&duration, 1000000000, "1ms");
    prints(&rate, 51200000000, "51.2GB/s");
    prints(&rate, 7267500000, "7267.5MB/s");
    prints(&share, 250000, "0.25");
    prints(&share, 1, "0.000001");
    prints(&share, 1000000, "1");
    prints(&yes_no, 1, "yes");
    prints(&choice, 2, "fifo");
}

static void what_is_printed_is_read_back(void **state)
{
    (void)state;
    struct test_rng rng = { test_seed() };
    const struct sim_param *all[] = { &count, &bytes, &duration, &rate };
    for (int round = 0; round < 100000 / TEST_SLOWNESS; round++) {
        char text[SIM_PARAM_TEXT];
        uint64_t value = test_size(&rng, UINT64_MAX);
        for (int zeros = test_below(&rng, 12); zeros > 0 && value < UINT64_MAX / 10; zeros--)
            value *= 10;
        for (int i = 0; i < 4; i++)
            assert_int_equal(read(all[i], sim_param_print(all[i], value, text, sizeof(text))),
                             value);
        value = test_below(&rng, 1000001);
        assert_int_equal(read(&share, sim_param_print(&share, value, text, sizeof(text))), value);
    }
}

static void nothing_is_written_behind_the_buffers(void **state)
{
    (void)state;
    for (size_t size = 1; size < 40; size++) {
        char *small = guard_alloc(size, 1);
        uint64_t value;
        assert_int_equal(sim_param_parse(&choice, "lifo", &value, small, size), -EINVAL);
        assert_true(strlen(small) < size);
        sim_param_print(&duration, UINT64_MAX, small, size);
        guard_free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_with_their_units),
        cmocka_unit_test(what_is_no_value_of_the_unit_is_refused),
        cmocka_unit_test(limits_are_told_in_the_unit),
        cmocka_unit_test(values_are_printed_in_the_largest_exact_unit),
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(nothing_is_written_behind_the_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
