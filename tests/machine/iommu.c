/* The IOMMU: translation and its time, several requests at once, order, refusals. */
#include "test.h"

#include "iommu_tables.h"

enum {
    MEMORY = 8 << 20,
    TABLES = 4 << 20
};

/* ---- translation ---- */

static void bytes_go_where_the_tables_say(void **state)
{
    (void)state;
    for (unsigned levels = 2; levels <= 5; levels++) {
        struct sim_iommu_params p = plain_params();
        struct bench b;
        uint8_t data[256], back[256];
        /* The highest page that so many levels reach, and the large page below. */
        uint64_t top = ((uint64_t)1 << (12 + 9 * levels)) - PAGE;
        uint64_t large = (top & ~(uint64_t)(HUGE_PAGE - 1)) - HUGE_PAGE;

        p.levels = levels;
        begin(&b, &p, MEMORY, TABLES);
        give_context(&b, 7, false);
        map(&b, 7, top, 0x5000, RW);
        map_huge(&b, 7, large, HUGE_PAGE, RW);
        tag_fill(data, sizeof(data), levels, 0);
        for (unsigned again = 0; again < 2; again++) { /* walked, then cached */
            assert_int_equal(ask_now(&b, 7, SIM_WRITE, top + 0xf00, data, 256), SIM_OK);
            assert_int_equal(ask_now(&b, 7, SIM_WRITE, large + 0x123456, data, 256), SIM_OK);
            sim_memory_read(b.memory, 0x5f00, back, 256);
            tag_check(back, 256, levels, 0);
            sim_memory_read(b.memory, HUGE_PAGE + 0x123456, back, 256);
            tag_check(back, 256, levels, 0);
        }
        struct ask a;
        ask(&b, &a, 7, SIM_READ, top + 0xf00, back, 16);
        run(&b);
        tag_check(back, 16, levels, 0);
        assert_int_equal(a.request.physical, 0x5f00);
        assert_int_equal(b.host.turns[4].address - b.host.turns[4].shift, top + 0xf00);
        assert_int_equal(a.request.address, top + 0xf00); /* the device's still */
        /* Past what the levels reach nothing is mapped, not even by what lies at the same bits. */
        assert_int_equal(ask_now(&b, 7, SIM_READ, top + ((uint64_t)PAGE << (9 * levels)), back, 16),
                         SIM_FAULT);
        end(&b);
    }
}

static void a_translation_takes_its_hit_and_the_reads_of_its_walk(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[64] = { 0 };
    static const struct {
        uint64_t address;
        unsigned reads;
    } steps[] = {
        { 0x40000000, 5 },                 /* the context, and 4 levels */
        { 0x40000800, 0 },                 /* cached */
        { 0x40001000, 1 },                 /* its last table is known */
        { 0x40200000, 3 },                 /* a large page: one level less */
        { 0x40200000 + HUGE_PAGE / 2, 0 }, /* which is one entry */
        { 0x40400000, 4 },                 /* another table */
    };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    b.host.latency = 10 * SIM_NS;
    give_context(&b, 1, false);
    map(&b, 1, 0x40000000, 0, RW);
    map(&b, 1, 0x40001000, 0x1000, RW);
    map(&b, 1, 0x40400000, 0x2000, RW);
    map_huge(&b, 1, 0x40200000, 0, RW);
    uint64_t reads = 0;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sim_time begun = sim_now(b.kernel);
        struct ask a;
        ask(&b, &a, 1, SIM_WRITE, steps[i].address, data, 64);
        run(&b);
        reads += steps[i].reads;
        assert_int_equal(a.granted - begun, (65 + 197 * steps[i].reads) * SIM_NS);
        assert_int_equal(a.done - a.granted, 10 * SIM_NS);
        assert_int_equal(stats_of(&b).walk_reads, reads);
    }
    assert_int_equal(stats_of(&b).translations, 6);
    assert_int_equal(stats_of(&b).hits, 2);
    assert_int_equal(stats_of(&b).misses, 4);
    assert_int_equal(stats_of(&b).waiting, reads * 197 * SIM_NS);
    end(&b);
}

static void walks_over_the_bus_are_reads_of_the_iommu_there(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask a;
    uint8_t data[64] = { 0 };

    (void)state;
    p.walk_bus = 1;
    begin(&b, &p, MEMORY, TABLES);
    b.host.turn = 20 * SIM_NS;
    b.host.latency = 80 * SIM_NS;
    give_context(&b, 1, false);
    map(&b, 1, 0x40000000, 0x3000, RW);
    ask(&b, &a, 1, SIM_WRITE, 0x40000000, data, 64);
    run(&b);
    assert_int_equal(a.granted, (65 + 5 * (20 + 80 + 197) + 20) * SIM_NS);
    assert_int_equal(b.host.reads, 5);
    assert_int_equal(b.host.turns[0].address, b.root + 8);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(b.host.turns[i].size, 8);
        assert_int_equal(b.host.turns[i].device, 0);
    }
    assert_string_equal(sim_iommu_master(b.iommu)->name, "iommu");
    end(&b);
}

/* ---- several at once ---- */

static void requests_to_one_page_wait_for_one_walk(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask asks[32];
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0, 0x3000, RW);
    for (unsigned i = 0; i < 32; i++)
        ask(&b, &asks[i], 1, i % 2 ? SIM_READ : SIM_WRITE, i * 64, data, 64);
    run(&b);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(asks[i].granted, (65 + 5 * 197) * SIM_NS);
    assert_int_equal(stats_of(&b).walk_reads, 5);
    assert_int_equal(stats_of(&b).misses, 32);
    end(&b);
}

static void misses_share_the_walks_there_are(void **state)
{
    (void)state;
    for (unsigned walks = 1; walks <= 16; walks *= 2) {
        struct sim_iommu_params p = plain_params();
        struct bench b;
        struct ask asks[32];
        uint8_t data[64] = { 0 };

        p.walks = walks;
        p.iotlb = 1024;
        begin(&b, &p, MEMORY, TABLES);
        give_context(&b, 1, false);
        for (unsigned i = 0; i < 33; i++)
            map(&b, 1, i * PAGE, i * PAGE, RW);
        ask_now(&b, 1, SIM_READ, 32 * PAGE, data, 64); /* the tables are known now */
        sim_time begun = sim_now(b.kernel);
        for (unsigned i = 0; i < 32; i++)
            ask(&b, &asks[i], 1, SIM_READ, i * PAGE, data, 64);
        run(&b);
        for (unsigned i = 0; i < 32; i++)
            assert_int_equal(asks[i].granted - begun, (65 + (i / walks + 1) * 197) * SIM_NS);
        end(&b);
    }
}

static void who_waits_for_a_free_walk_needs_none_if_another_found_his_page(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask asks[9];
    uint8_t data[64] = { 0 };

    (void)state;
    p.walks = 1;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0, 0, RW);
    map(&b, 1, PAGE, 0, RW);
    for (unsigned i = 0; i < 9; i++)
        ask(&b, &asks[i], 1, SIM_READ, i ? PAGE : 0, data, 64);
    run(&b);
    for (unsigned i = 1; i < 9; i++)
        assert_int_equal(asks[i].granted, (65 + 6 * 197) * SIM_NS);
    assert_int_equal(stats_of(&b).walk_reads, 6);
    end(&b);
}

static void more_requests_than_places_wait_in_front(void **state)
{
    enum {
        MANY = 3000
    };
    struct sim_iommu_params p = plain_params();
    static struct ask asks[MANY];
    struct bench b;
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    b.host.latency = SIM_US;
    give_context(&b, 1, false);
    for (unsigned i = 0; i < 8; i++)
        map(&b, 1, i * PAGE, i * PAGE, RW);
    for (unsigned i = 0; i < MANY; i++)
        ask(&b, &asks[i], 1, SIM_WRITE, i % 10 * PAGE, data, 64);
    run(&b);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asks[i].dones, 1);
        assert_int_equal(asks[i].request.status, i % 10 < 8 ? SIM_OK : SIM_FAULT);
    }
    for (unsigned t = 0, i = 0; t < b.host.writes; t++, i++) { /* in order, without the refused */
        while (i % 10 >= 8)
            i++;
        assert_int_equal(b.host.turns[t].address, i % 10 * PAGE);
    }
    end(&b);
}

static void writes_keep_their_order_and_reads_stay_behind_them(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask asks[6];
    uint8_t data[64] = { 0 };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    for (unsigned device = 1; device <= 2; device++) {
        give_context(&b, device, false);
        for (unsigned i = 0; i < 4; i++)
            map(&b, device, i * PAGE, device * 0x10000 + i * PAGE, RW);
        ask_now(&b, device, SIM_READ, 0, data, 64); /* page 0 is cached, the others are not */
    }
    ask(&b, &asks[0], 1, SIM_READ, 1 * PAGE, data, 64);  /* a miss: what comes after may pass */
    ask(&b, &asks[1], 1, SIM_READ, 0 * PAGE, data, 64);  /* passes the read */
    ask(&b, &asks[2], 1, SIM_WRITE, 2 * PAGE, data, 64); /* a miss */
    ask(&b, &asks[3], 1, SIM_WRITE, 0 * PAGE, data, 64); /* a hit, but behind that write */
    ask(&b, &asks[4], 1, SIM_READ, 0 * PAGE, data, 64);  /* and this read behind both */
    ask(&b, &asks[5], 2, SIM_WRITE, 0 * PAGE, data, 64); /* another device's: not held up */
    run(&b);
    static const uint64_t order[] = { 0x10000, 0x20000, 0x11000, 0x12000, 0x10000, 0x10000 };
    static const bool writes[] = { false, true, false, true, true, false };
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(b.host.turns[2 + i].address, order[i]);
        assert_int_equal(b.host.turns[2 + i].write, writes[i]);
    }
    assert_int_equal(asks[1].granted, asks[5].granted);
    assert_int_equal(asks[3].granted, asks[2].granted);
    end(&b);
}

/* ---- the IOTLB's shape ---- */

static void the_iotlb_has_sets_and_ways_and_forgets_what_was_used_longest_ago(void **state)
{
    static const struct {
        unsigned entries, ways, pages, stride;
        bool hits;
    } cases[] = {
        { 64, 64, 64, 1, true }, { 64, 64, 65, 1, false },   { 64, 4, 64, 1, true },
        { 64, 4, 4, 16, true },  { 64, 4, 5, 16, false },    { 64, 1, 2, 64, false },
        { 64, 1, 64, 1, true },  { 2048, 8, 2048, 1, true }, { 1, 1, 1, 1, true },
        { 1, 1, 2, 1, false },   { 48, 3, 48, 1, true },
    };
    uint8_t data[64] = { 0 };

    (void)state;
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct sim_iommu_params p = plain_params();
        struct bench b;

        p.iotlb = cases[c].entries;
        p.iotlb_ways = cases[c].ways;
        begin(&b, &p, MEMORY, TABLES);
        give_context(&b, 1, false);
        for (unsigned i = 0; i < cases[c].pages; i++)
            map(&b, 1, (uint64_t)i * cases[c].stride * PAGE, 0, RW);
        for (unsigned round = 0; round < 3; round++)
            for (unsigned i = 0; i < cases[c].pages; i++)
                ask_now(&b, 1, SIM_READ, (uint64_t)i * cases[c].stride * PAGE, data, 64);
        assert_int_equal(stats_of(&b).hits, cases[c].hits ? 2 * cases[c].pages : 0);
        end(&b);
    }
}

static void what_is_used_stays(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[64] = { 0 };

    (void)state;
    p.iotlb = 2;
    p.iotlb_ways = 2;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    for (unsigned i = 0; i < 3; i++)
        map(&b, 1, i * PAGE, 0, RW);
    static const unsigned pages[] = { 0, 1, 0, 2 };
    for (unsigned i = 0; i < 4; i++)
        ask_now(&b, 1, SIM_READ, pages[i] * PAGE, data, 64);
    assert_true(sim_iommu_caches(b.iommu, 1, 0));
    assert_false(sim_iommu_caches(b.iommu, 1, PAGE));
    assert_true(sim_iommu_caches(b.iommu, 1, 2 * PAGE));
    end(&b);
}

static void a_large_page_that_two_walks_found_takes_one_entry(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    struct ask asks[2];
    uint8_t data[64] = { 0 };

    (void)state;
    p.iotlb = 2;
    p.iotlb_ways = 2;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0, 0, RW);
    map_huge(&b, 1, HUGE_PAGE, 0, RW);
    ask_now(&b, 1, SIM_READ, 0, data, 64);
    for (unsigned i = 0; i < 2; i++)
        ask(&b, &asks[i], 1, SIM_READ, HUGE_PAGE + i * PAGE, data, 64);
    run(&b);
    assert_true(sim_iommu_caches(b.iommu, 1, 0));
    assert_true(sim_iommu_caches(b.iommu, 1, HUGE_PAGE + 0x12345));
    end(&b);
}

/* ---- refusals ---- */

static void what_is_not_allowed_moves_nothing_and_is_recorded(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct bench b;
    uint8_t data[64];
    static const struct {
        uint32_t device;
        enum sim_op op;
        uint64_t address;
        enum sim_status status;
        enum sim_iommu_reason reason;
    } cases[] = {
        { 1, SIM_WRITE, 0x0000, SIM_READ_ONLY, SIM_IOMMU_NOT_ALLOWED },
        { 1, SIM_READ, 0x1000, SIM_FAULT, SIM_IOMMU_NOT_ALLOWED },
        { 1, SIM_READ, 0x2000, SIM_FAULT, SIM_IOMMU_NOT_MAPPED },
        { 1, SIM_WRITE, 0x2000, SIM_FAULT, SIM_IOMMU_NOT_MAPPED },
        { 1, SIM_WRITE, 0x40000000, SIM_READ_ONLY, SIM_IOMMU_NOT_ALLOWED }, /* a level above */
        { 1, SIM_READ, 0x3000, SIM_FAULT, SIM_IOMMU_BAD_TABLE },            /* page outside */
        { 1, SIM_READ, 0x8000000000, SIM_FAULT, SIM_IOMMU_BAD_TABLE },      /* table outside */
        { 1, SIM_READ, 0x10000000000, SIM_FAULT, SIM_IOMMU_BAD_TABLE },     /* a loop */
        { 1, SIM_READ, 0x18000000000, SIM_FAULT, SIM_IOMMU_BAD_TABLE },     /* 512 GiB at once */
        { 1, SIM_READ, 0x200000, SIM_FAULT, SIM_IOMMU_BAD_TABLE }, /* a crooked large page */
        { 1, SIM_READ, 0xffff000000000000, SIM_FAULT, SIM_IOMMU_NOT_MAPPED },
        { 2, SIM_READ, 0x0000, SIM_FAULT, SIM_IOMMU_NO_CONTEXT },
        { 100000, SIM_WRITE, 0x0000, SIM_FAULT, SIM_IOMMU_NO_CONTEXT },
    };

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    give_context(&b, 1, false);
    map(&b, 1, 0x0000, 0x10000, SIM_IOMMU_READ);
    map(&b, 1, 0x1000, 0x11000, SIM_IOMMU_WRITE);
    map(&b, 1, 0x3000, MEMORY, RW);
    map(&b, 1, 0x40000000, 0x12000, RW);
    map_huge(&b, 1, 0x200000, 0x1000, RW);
    uint64_t top = entry_at(&b, b.root + 8) & ~0xfffull;
    uint64_t second = entry_at(&b, top) & ~0xfffull;
    set_entry(&b, second + 8, (entry_at(&b, second + 8) & ~(uint64_t)RW) | SIM_IOMMU_READ);
    set_entry(&b, top + 8, MEMORY | RW);
    set_entry(&b, top + 16, top | RW);
    set_entry(&b, top + 24, 0 | RW | SIM_IOMMU_HUGE);
    for (unsigned again = 0; again < 2; again++) {
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct sim_iommu_fault fault;
            memset(data, 0xaa, sizeof(data));
            assert_int_equal(ask_now(&b, cases[i].device, cases[i].op, cases[i].address, data, 64),
                             cases[i].status);
            for (unsigned k = 0; k < 64; k++)
                assert_int_equal(data[k], 0xaa);
            assert_true(sim_iommu_take_fault(b.iommu, &fault));
            assert_int_equal(fault.reason, cases[i].reason);
            assert_int_equal(fault.device, cases[i].device);
            assert_int_equal(fault.address, cases[i].address);
            assert_int_equal(fault.write, cases[i].op == SIM_WRITE);
            assert_int_equal(fault.time, sim_now(b.kernel));
            assert_false(sim_iommu_take_fault(b.iommu, &fault));
        }
    }
    assert_int_equal(b.host.reads + b.host.writes, 0);
    end(&b);
}

struct listener {
    struct sim_watcher watcher;
    unsigned faults, walks;
    struct sim_note last, walk;
};

static void listen(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct listener *l = SIM_OWNER(watcher, struct listener, watcher);

    if (note->kind == SIM_NOTE_FAULT) {
        l->faults++;
        l->last = *note;
    } else if (note->kind == SIM_NOTE_SPAN) {
        l->walks++;
        l->walk = *note;
    }
}

static void faults_are_kept_up_to_a_limit_counted_and_noted(void **state)
{
    struct sim_iommu_params p = plain_params();
    struct listener l = { .watcher.note = listen };
    struct bench b;
    struct sim_iommu_fault fault;
    uint8_t data[8];

    (void)state;
    begin(&b, &p, MEMORY, TABLES);
    sim_watch(b.kernel, &l.watcher);
    for (unsigned i = 0; i < 300; i++)
        ask_now(&b, 1, SIM_READ, i * 8, data, 8);
    assert_int_equal(stats_of(&b).faults, 300);
    assert_int_equal(l.walks, 300);
    assert_string_equal(l.walk.part, "iommu");
    assert_int_equal(l.walk.value, 197 * SIM_NS); /* its context was asked for */
    assert_int_equal(l.faults, 300);
    assert_int_equal(l.last.extra, 299 * 8);
    assert_int_equal(l.last.device, 1);
    assert_int_equal(l.last.value, 0);
    assert_string_equal(l.last.text, "no context");
    assert_int_equal(l.last.size, 8);
    assert_string_equal(l.last.part, "device");
    for (unsigned i = 0; i < SIM_IOMMU_FAULTS; i++) {
        assert_true(sim_iommu_take_fault(b.iommu, &fault));
        assert_int_equal(fault.address, i * 8); /* the first ones: they say how it began */
    }
    assert_false(sim_iommu_take_fault(b.iommu, &fault));
    ask_now(&b, 1, SIM_READ, 0x7000, data, 8);
    assert_true(sim_iommu_take_fault(b.iommu, &fault));
    assert_int_equal(fault.address, 0x7000);
    sim_unwatch(b.kernel, &l.watcher);
    end(&b);
}

static void impossible_combinations_are_refused(void **state)
{
    struct sim_iommu_params p;

    (void)state;
    sim_params_standard(&sim_iommu_kind, &p);
    assert_null(sim_iommu_kind.check(&p));
    p.iotlb_ways = 5;
    assert_non_null(sim_iommu_kind.check(&p));
    p.iotlb = 60; /* 12 sets */
    assert_non_null(sim_iommu_kind.check(&p));
    p.iotlb = 80;
    assert_null(sim_iommu_kind.check(&p));
    p.iotlb = 4;
    assert_non_null(sim_iommu_kind.check(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_where_the_tables_say),
        cmocka_unit_test(a_translation_takes_its_hit_and_the_reads_of_its_walk),
        cmocka_unit_test(walks_over_the_bus_are_reads_of_the_iommu_there),
        cmocka_unit_test(requests_to_one_page_wait_for_one_walk),
        cmocka_unit_test(misses_share_the_walks_there_are),
        cmocka_unit_test(who_waits_for_a_free_walk_needs_none_if_another_found_his_page),
        cmocka_unit_test(more_requests_than_places_wait_in_front),
        cmocka_unit_test(writes_keep_their_order_and_reads_stay_behind_them),
        cmocka_unit_test(the_iotlb_has_sets_and_ways_and_forgets_what_was_used_longest_ago),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(a_large_page_that_two_walks_found_takes_one_entry),
        cmocka_unit_test(what_is_not_allowed_moves_nothing_and_is_recorded),
        cmocka_unit_test(faults_are_kept_up_to_a_limit_counted_and_noted),
        cmocka_unit_test(impossible_combinations_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
