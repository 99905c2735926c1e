/* Page tables: mapping, pins, moves; and the TLB's copies of them. */
#include "mmu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sim_page page(uint64_t virtual, uint64_t physical, uint64_t size)
{
    return (struct sim_page){
        .virtual = virtual, .physical = physical, .size = size, .writable = true
    };
}

static int make(void **state)
{
    return sim_space_create((struct sim_space **)state);
}

static int unmake(void **state)
{
    sim_space_destroy((struct sim_space **)state);
    return 0;
}

static void a_page_is_found_by_each_of_its_addresses(void **state)
{
    struct sim_space *space = *state;
    struct sim_page small = page(0x7000, 0x3000, SIM_PAGE),
                    huge = page(0x40000000, 0x200000, SIM_HUGE_PAGE);
    assert_int_equal(sim_space_map(space, &small), 0);
    assert_int_equal(sim_space_map(space, &huge), 0);
    assert_int_equal(sim_space_find(space, 0x7000)->physical, 0x3000);
    assert_int_equal(sim_space_find(space, 0x7fff)->physical, 0x3000);
    assert_null(sim_space_find(space, 0x6fff));
    assert_null(sim_space_find(space, 0x8000));
    assert_int_equal(sim_space_find(space, 0x40000000 + SIM_HUGE_PAGE - 1)->physical, 0x200000);
    assert_null(sim_space_find(space, 0x40000000 + SIM_HUGE_PAGE));
    assert_null(sim_space_find(space, 0x3fffffff));
}

static void what_overlaps_is_refused(void **state)
{
    struct sim_space *space = *state;
    struct sim_page small = page(0x7000, 0x3000, SIM_PAGE), huge = page(0, 0, SIM_HUGE_PAGE);
    assert_int_equal(sim_space_map(space, &small), 0);
    assert_int_equal(sim_space_map(space, &small), -EEXIST);
    assert_int_equal(sim_space_map(space, &huge), -EEXIST);
    assert_int_equal(sim_space_unmap(space, 0x7123), 0);
    assert_int_equal(sim_space_unmap(space, 0x7123), -ENOENT);
    assert_int_equal(sim_space_map(space, &huge), 0);
    assert_int_equal(sim_space_map(space, &small), -EEXIST);
    assert_int_equal(sim_space_unmap(space, 0x7123), 0);
    assert_null(sim_space_find(space, 0));
}

static void what_is_not_aligned_is_refused(void **state)
{
    struct sim_space *space = *state;
    struct sim_page bad[] = {
        page(0x7100, 0x3000, SIM_PAGE),        page(0x7000, 0x3100, SIM_PAGE),
        page(0x7000, 0x3000, 2 * SIM_PAGE),    page(0x7000, 0x3000, 0),
        page(0x1000, 0x200000, SIM_HUGE_PAGE), page(0x200000, 0x1000, SIM_HUGE_PAGE),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sim_space_map(space, &bad[i]), -EINVAL);
}

static void pins_count_and_a_pinned_page_stays(void **state)
{
    struct sim_space *space = *state;
    struct sim_page small = page(0x7000, 0x3000, SIM_PAGE);
    assert_int_equal(sim_space_map(space, &small), 0);
    assert_int_equal(sim_space_pin(space, 0x7000), 0);
    assert_int_equal(sim_space_pin(space, 0x7abc), 0);
    assert_int_equal(sim_space_unpin(space, 0x7000), 0);
    assert_int_equal(sim_space_move(space, 0x7000, 0x9000), -EBUSY);
    assert_int_equal(sim_space_unmap(space, 0x7000), -EBUSY);
    assert_int_equal(sim_space_find(space, 0x7000)->physical, 0x3000);
    assert_int_equal(sim_space_unpin(space, 0x7000), 0);
    assert_int_equal(sim_space_unpin(space, 0x7000), -EINVAL);
    assert_int_equal(sim_space_move(space, 0x7000, 0x9800), -EINVAL);
    assert_int_equal(sim_space_move(space, 0x7010, 0x9000), 0);
    assert_int_equal(sim_space_find(space, 0x7000)->physical, 0x9000);
    assert_int_equal(sim_space_pin(space, 0x6000), -ENOENT);
    assert_int_equal(sim_space_unpin(space, 0x6000), -ENOENT);
    assert_int_equal(sim_space_move(space, 0x6000, 0), -ENOENT);
}

/* Far more stretches than the table begins with, at addresses that differ in high bits alone. */
static void many_pages_far_apart(void **state)
{
    struct sim_space *space = *state;
    for (uint64_t i = 0; i < 3000; i++) {
        struct sim_page small = page(i << 40 | (i & 1) << 21, i * SIM_PAGE, SIM_PAGE);
        assert_int_equal(sim_space_map(space, &small), 0);
    }
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(sim_space_find(space, i << 40 | (i & 1) << 21)->physical, i * SIM_PAGE);
    assert_null(sim_space_find(space, (uint64_t)1 << 40));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(a_page_is_found_by_each_of_its_addresses),
        TEST(what_overlaps_is_refused),
        TEST(what_is_not_aligned_is_refused),
        TEST(pins_count_and_a_pinned_page_stays),
        TEST(many_pages_far_apart),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
