/* What memory holds, without time. */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "memory.h"

static void what_was_never_written_is_zero(void **state)
{
    struct sim_memory *memory;
    uint8_t bytes[10000];

    (void)state;
    assert_int_equal(sim_memory_create(&memory, 1 << 20), 0);
    memset(bytes, 0xaa, sizeof(bytes));
    sim_memory_read(memory, 4000, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
    sim_memory_destroy(&memory);
    assert_null(memory);
}

static void a_range_over_pages_is_kept_and_nothing_beside_it_changes(void **state)
{
    struct sim_memory *memory;
    uint8_t out[9000], back[9002];

    (void)state;
    assert_int_equal(sim_memory_create(&memory, 1 << 16), 0);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(1 + i * 7 % 255);
    sim_memory_write(memory, 4090, out, sizeof(out));
    sim_memory_read(memory, 4089, back, sizeof(back));
    assert_int_equal(back[0], 0);
    assert_memory_equal(back + 1, out, sizeof(out));
    assert_int_equal(back[9001], 0);
    assert_int_equal(*sim_memory_at(memory, 4090), out[0]);
    assert_int_equal(sim_memory_at(memory, 8192)[4095], out[8192 + 4095 - 4090]);
    sim_memory_destroy(&memory);
}

static void a_range_is_held_only_as_a_whole(void **state)
{
    struct sim_memory *memory;

    (void)state;
    assert_int_equal(sim_memory_create(&memory, 8192), 0);
    assert_int_equal(sim_memory_size(memory), 8192);
    assert_true(sim_memory_holds(memory, 0, 8192));
    assert_true(sim_memory_holds(memory, 8191, 1));
    assert_false(sim_memory_holds(memory, 8191, 2));
    assert_false(sim_memory_holds(memory, 8192, 1));
    assert_false(sim_memory_holds(memory, UINT64_MAX, 2));
    assert_false(sim_memory_holds(memory, 2, UINT64_MAX));
    sim_memory_destroy(&memory);
}

static void sizes_that_are_not_pages_are_refused(void **state)
{
    struct sim_memory *memory;

    (void)state;
    assert_int_equal(sim_memory_create(&memory, 0), -EINVAL);
    assert_int_equal(sim_memory_create(&memory, 4095), -EINVAL);
    assert_null(memory);
    assert_int_equal(sim_memory_create(&memory, UINT64_MAX & ~4095ull), -ENOMEM);
    assert_null(memory);
}

static uint64_t resident(void)
{
    unsigned long all, pages;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void a_machine_of_64_GiB_that_uses_10_MiB_costs_10_MiB(void **state)
{
    struct sim_memory *memory;
    uint64_t before, after;

    (void)state;
    if (TEST_SANITIZED) {
        print_message("skipped: resident memory counts the sanitizer's shadow\n");
        skip();
    }
    if (sim_memory_create(&memory, 64ull << 30)) {
        print_message("skipped: this computer does not give 64 GiB of addresses\n");
        skip();
    }
    before = resident();
    for (uint64_t i = 0; i < 2560; i++) /* pages, spread over all of it */
        *sim_memory_at(memory, i * (25ull << 20)) = 1;
    after = resident();
    assert_in_range(after - before, 10 << 20, 14 << 20);
    sim_memory_destroy(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_written_is_zero),
        cmocka_unit_test(a_range_over_pages_is_kept_and_nothing_beside_it_changes),
        cmocka_unit_test(a_range_is_held_only_as_a_whole),
        cmocka_unit_test(sizes_that_are_not_pages_are_refused),
        cmocka_unit_test(a_machine_of_64_GiB_that_uses_10_MiB_costs_10_MiB),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
