/* Row M14, and invalidation: who reaches what, and until when. */
#include "test.h"

#include "iommu_tables.h"

enum {
    MEMORY = 8 << 20,
    TABLES = 4 << 20
};

/* ---- invalidation ---- */

struct waiter {
    struct bench *b;
    sim_time at;
    unsigned calls;
};

static void waiter_done(void *argument)
{
    struct waiter *w = argument;

    w->at = sim_now(w->b->kernel);
    w->calls++;
}

static void strict_invalidation_waits_for_whoever_used_the_old_entry(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask slow, other, late;
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    for (unsigned device = 1; device <= 2; device++) {
        give_context(&b, device, false);
        map(&b, device, 0, 0x5000, RW);
        ask_now(&b, device, SIM_READ, 0, data, 64);
    }
    struct waiter w = { .b = &b }, quick = { .b = &b };
    sim_time begun = sim_now(b.kernel);
    b.host.turn = 3 * SIM_US;
    ask(&b, &slow, 1, SIM_WRITE, 0, data, 64); /* translated at 65 ns, its turn at 3065 ns */
    sim_run(b.kernel, begun + 65 * SIM_NS);
    unmap(&b, 1, 0);
    assert_true(sim_iommu_caches(b.iommu, 1, 0));
    assert_int_equal(sim_iommu_invalidate(b.iommu, 1, 0, PAGE, waiter_done, &w), 0);
    assert_false(sim_iommu_caches(b.iommu, 1, 0));
    assert_true(sim_iommu_caches(b.iommu, 2, 0));
    ask(&b, &late, 1, SIM_WRITE, 0, data, 64);
    ask(&b, &other, 2, SIM_WRITE, 0, data, 64);
    /* Of another device: not held up by them, but behind the first command. */
    assert_int_equal(sim_iommu_invalidate(b.iommu, 2, PAGE, PAGE, waiter_done, &quick), 0);
    run(&b);
    assert_int_equal(slow.request.status, SIM_OK);
    assert_int_equal(slow.granted - begun, 3065 * SIM_NS);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.at, slow.granted);
    assert_int_equal(late.request.status, SIM_FAULT);
    assert_int_equal(other.request.status, SIM_OK);
    assert_int_equal(quick.calls, 1);
    assert_int_equal(quick.at, other.granted); /* which was inside when it came */
    end(&b);
}

static void commands_take_their_time_one_after_the_other(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    struct waiter w[100];
    for (unsigned i = 0; i < 100; i++) {
        w[i] = (struct waiter){ .b = &b };
        sim_iommu_invalidate(b.iommu, 1, 0, 0, i % 2 ? NULL : waiter_done, &w[i]);
    }
    run(&b);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(w[i].calls, i % 2 == 0);
        if (i % 2 == 0)
            assert_int_equal(w[i].at, (i + 1) * 600 * SIM_NS);
    }
    assert_int_equal(stats_of(&b).invalidations, 100);
    end(&b);
}

static void a_walk_that_was_under_way_leaves_nothing_behind(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask early, late;
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0, 0x5000, RW);
    ask(&b, &early, 1, SIM_READ, 0, data, 64);
    /* The last entry is read at 65 + 5 * 197; the walk's answer comes at the same moment. */
    sim_run(b.kernel, (65 + 4 * 197) * SIM_NS);
    struct waiter w = { .b = &b };
    sim_iommu_invalidate(b.iommu, 1, 0, PAGE, waiter_done, &w);
    map(&b, 1, 0, 0x6000, RW);
    ask(&b, &late, 1, SIM_READ, 0, data, 64); /* does not join the old walk */
    run(&b);
    assert_int_equal(early.dones, 1);
    assert_int_equal(late.request.physical, 0x6000);
    assert_true(late.granted > early.granted);
    assert_true(w.at >= early.granted);
    struct ask after;
    ask(&b, &after, 1, SIM_READ, 0, data, 64);
    run(&b);
    assert_int_equal(after.request.physical, 0x6000);
    end(&b);
}

static void nor_does_it_when_nobody_asks_again(void **state)
{
    struct sim_iommu_params p = plain_params();
    uint8_t data[64] = { 0 };

    (void)state;
    for (unsigned reads = 1; reads <= 5; reads++) { /* of the walk, when the command comes */
        struct bench b;
        struct ask early;

        begin(&b, &p, MEMORY, TABLES);
        give_context(&b, 1, false);
        map(&b, 1, 0, 0x5000, RW);
        ask(&b, &early, 1, SIM_READ, 0, data, 64);
        sim_run(b.kernel, (65 + (reads - 1) * 197) * SIM_NS);
        sim_iommu_invalidate(b.iommu, 1, 0, PAGE, NULL, NULL);
        run(&b);
        assert_int_equal(early.request.status, SIM_OK);
        assert_false(sim_iommu_caches(b.iommu, 1, 0));
        /* Neither the page nor its last table is known. */
        sim_time begun = sim_now(b.kernel);
        ask(&b, &early, 1, SIM_READ, 0, data, 64);
        run(&b);
        assert_true(early.granted - begun >= (65 + 4 * 197) * SIM_NS);
        end(&b);
    }
}

static void what_the_walk_cache_knows_keeps_its_rights_and_is_dropped_with_its_pages(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    for (unsigned i = 0; i < 4; i++)
        map(&b, 1, i * PAGE, 0x5000 + i * PAGE, RW);
    uint64_t above = leaf_of(&b, 1, 0, 2), table = entry_at(&b, above) & ~0xfffull;
    set_entry(&b, above, table | SIM_IOMMU_READ);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0, data, 64), SIM_OK);
    assert_int_equal(ask_now(&b, 1, SIM_WRITE, PAGE, data, 64), SIM_READ_ONLY);
    assert_int_equal(stats_of(&b).walk_reads, 5 + 1);

    /* Another last table: it is not found before the old one is forgotten. */
    uint64_t other = new_table(&b);
    set_entry(&b, other + 2 * 8, 0x9000 | RW);
    set_entry(&b, other + 3 * 8, 0xa000 | RW);
    set_entry(&b, above, other | RW);
    struct ask a;
    ask(&b, &a, 1, SIM_READ, 2 * PAGE, data, 64);
    run(&b);
    assert_int_equal(a.request.physical, 0x7000);
    sim_iommu_invalidate(b.iommu, 1, 0, PAGE, NULL, NULL);
    ask(&b, &a, 1, SIM_WRITE, 3 * PAGE, data, 64);
    run(&b);
    assert_int_equal(a.request.status, SIM_OK);
    assert_int_equal(a.request.physical, 0xa000);
    end(&b);
}

static void a_context_changes_with_the_invalidation_of_all(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[64];

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, true);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x123000, data, 64), SIM_OK);
    give_context(&b, 1, false);
    sim_iommu_invalidate(b.iommu, 1, 0x123000, PAGE, NULL, NULL); /* of a page: not its context */
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x123000, data, 64), SIM_OK);
    sim_iommu_invalidate(b.iommu, 1, 0, 0, NULL, NULL);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x123000, data, 64), SIM_FAULT);
    end(&b);
}

static void a_range_drops_what_it_touches_and_nothing_else(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[8];

    (void)state;
    p.iotlb = 256;
    p.iotlb_ways = 256;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    for (unsigned i = 0; i < 64; i++)
        map(&b, 1, i * PAGE, i * PAGE, RW);
    map_huge(&b, 1, 3 * HUGE_PAGE, 0, RW);
    static const struct {
        uint64_t address, size;
        unsigned from, to; /* pages that are gone */
        bool large;
    } cases[] = {
        { 5 * PAGE, PAGE, 5, 6, false },
        { 5 * PAGE + 100, 1, 5, 6, false },
        { 5 * PAGE + 4095, 2, 5, 7, false },
        { 8 * PAGE, 40 * PAGE, 8, 48, false },
        { 10 * PAGE, 3 * HUGE_PAGE, 10, 64, true },
        { 3 * HUGE_PAGE + 77 * PAGE, 8, 64, 64, true },
        { 60 * PAGE, UINT64_MAX, 60, 64, true },
        { 0, 0, 0, 64, true },
    };
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        for (unsigned i = 0; i < 64; i++)
            ask_now(&b, 1, SIM_READ, i * PAGE, data, 8);
        ask_now(&b, 1, SIM_READ, 3 * HUGE_PAGE + PAGE, data, 8);
        sim_iommu_invalidate(b.iommu, 1, cases[c].address, cases[c].size, NULL, NULL);
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(sim_iommu_caches(b.iommu, 1, i * PAGE),
                             i < cases[c].from || i >= cases[c].to);
        assert_int_equal(sim_iommu_caches(b.iommu, 1, 3 * HUGE_PAGE + 99), !cases[c].large);
    }
    end(&b);
}

/* ---- row M14 ---- */

static void a_domain_stops_what_the_identity_lets_through(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t secret[64], stolen[64];

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    tag_fill(secret, 64, 14, 0);
    sim_memory_write(b.memory, 0x123000, secret, 64);

    /* A device with a domain of its own reaches its buffer, and nothing beside it. */
    give_context(&b, 1, false);
    map(&b, 1, 0x1000, 0x5000, RW);
    memset(stolen, 0, 64);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x1000, stolen, 64), SIM_OK);
    for (uint64_t address = 0x2000; address < MEMORY; address += PAGE)
        assert_int_equal(ask_now(&b, 1, SIM_READ, address, stolen, 64), SIM_FAULT);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(stolen[i], 0);
    assert_int_equal(stats_of(&b).faults, MEMORY / PAGE - 2);

    /* Nor does it reach what another device's domain maps at the same address. */
    give_context(&b, 3, false);
    map(&b, 3, 0x2000, 0x123000, RW);
    assert_int_equal(ask_now(&b, 3, SIM_READ, 0x2000, stolen, 64), SIM_OK);
    memset(stolen, 0, 64);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x2000, stolen, 64), SIM_FAULT);

    /* One with the identity reads and overwrites what it likes. */
    give_context(&b, 2, true);
    assert_int_equal(ask_now(&b, 2, SIM_READ, 0x123000, stolen, 64), SIM_OK);
    tag_check(stolen, 64, 14, 0);
    assert_int_equal(ask_now(&b, 2, SIM_WRITE, 0x123000, "gone", 4), SIM_OK);
    sim_memory_read(b.memory, 0x123000, stolen, 4);
    assert_memory_equal(stolen, "gone", 4);
    end(&b);
}

static void before_the_driver_turns_it_on_everything_is_open(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask a;
    uint8_t secret[64], stolen[64];

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    tag_fill(secret, 64, 15, 0);
    sim_memory_write(b.memory, 0x123000, secret, 64);
    sim_iommu_disable(b.iommu); /* as after power-on */
    assert_false(sim_iommu_enabled(b.iommu));
    ask(&b, &a, 1, SIM_READ, 0x123000, stolen, 64);
    run(&b);
    assert_int_equal(a.request.status, SIM_OK);
    assert_int_equal(a.request.physical, 0x123000);
    assert_int_equal(a.done, 0); /* and takes no time here */
    tag_check(stolen, 64, 15, 0);

    give_context(&b, 1, false);
    sim_iommu_enable(b.iommu, b.root);
    assert_true(sim_iommu_enabled(b.iommu));
    memset(stolen, 0, 64);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x123000, stolen, 64), SIM_FAULT);
    assert_int_equal(stolen[0], 0);
    end(&b);

    p.present = 0; /* a machine without one: for ever */
    begin(&b, &p, MEMORY, TABLES);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x123000, stolen, 64), SIM_OK);
    assert_int_equal(stats_of(&b).translations, 0);
    end(&b);
}

static void a_lazy_unmap_leaves_a_window_until_the_invalidation(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask a;
    uint8_t old[64], got[64];

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0x1000, 0x5000, RW);
    ask_now(&b, 1, SIM_READ, 0x1000, got, 64);

    /* The driver unmaps, puts the invalidation off, and somebody else gets the frame. */
    unmap(&b, 1, 0x1000);
    tag_fill(old, 64, 99, 0);
    sim_memory_write(b.memory, 0x5000, old, 64);
    assert_true(sim_iommu_caches(b.iommu, 1, 0x1000));
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x1000, got, 64), SIM_OK);
    tag_check(got, 64, 99, 0); /* the new owner's bytes */

    /* The invalidation closes it for whoever comes after; who is inside still passes. */
    struct waiter w = { .b = &b };
    sim_time begun = sim_now(b.kernel);
    ask(&b, &a, 1, SIM_READ, 0x1000, got, 64);
    b.host.turn = 2 * SIM_US;
    sim_run(b.kernel, begun + 65 * SIM_NS);
    sim_iommu_invalidate(b.iommu, 1, 0x1000, PAGE, waiter_done, &w);
    assert_false(sim_iommu_caches(b.iommu, 1, 0x1000));
    run(&b);
    assert_int_equal(a.request.status, SIM_OK);
    assert_int_equal(w.at, a.granted);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x1000, got, 64), SIM_FAULT);

    /* Strict from the start: nothing passes once `done` was called. */
    map(&b, 1, 0x1000, 0x5000, RW);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x1000, got, 64), SIM_OK);
    unmap(&b, 1, 0x1000);
    w.calls = 0;
    sim_iommu_invalidate(b.iommu, 1, 0x1000, PAGE, waiter_done, &w);
    run(&b);
    assert_int_equal(w.calls, 1);
    assert_int_equal(ask_now(&b, 1, SIM_READ, 0x1000, got, 64), SIM_FAULT);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_invalidation_waits_for_whoever_used_the_old_entry),
        cmocka_unit_test(commands_take_their_time_one_after_the_other),
        cmocka_unit_test(a_walk_that_was_under_way_leaves_nothing_behind),
        cmocka_unit_test(nor_does_it_when_nobody_asks_again),
        cmocka_unit_test(what_the_walk_cache_knows_keeps_its_rights_and_is_dropped_with_its_pages),
        cmocka_unit_test(a_context_changes_with_the_invalidation_of_all),
        cmocka_unit_test(a_range_drops_what_it_touches_and_nothing_else),
        cmocka_unit_test(a_domain_stops_what_the_identity_lets_through),
        cmocka_unit_test(before_the_driver_turns_it_on_everything_is_open),
        cmocka_unit_test(a_lazy_unmap_leaves_a_window_until_the_invalidation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
