/* The driver interface: memory, mappings, and what they cost. */
#include <errno.h>

#include "rig.h"

enum {
    LONG = 5 * SIM_PAGE + 123,
};

/* What the programs of this file find out. */
struct seen {
    uint64_t buffer, other, io;
    sim_time began, ended;
};

static struct seen *seen_of(void *argument)
{
    return ((struct rig *)argument)->test;
}

/* ---- memory ---- */

static void what_is_poked_is_peeked_over_scattered_pages(void **state)
{
    struct rig r = rig_standard();
    uint8_t in[LONG], out[LONG];
    struct sim_run runs[8];

    (void)state;
    r.system.fragmentation = 1000000;
    rig_make(&r);
    uint64_t buffer = sim_alloc(r.driver, LONG, SIM_CACHED);
    tag_fill(in, LONG, 1, 0);
    sim_poke(r.driver, buffer, in, LONG);
    sim_peek(r.driver, buffer, out, LONG);
    tag_check(out, LONG, 1, 0);
    assert_int_equal(sim_runs(r.driver, buffer, LONG, runs, 8), 6);
    for (int i = 0; i < 6; i++) {
        sim_memory_read(r.memory, runs[i].physical, out, runs[i].size);
        tag_check(out, runs[i].size, 1, (uint64_t)i * SIM_PAGE);
    }
    assert_int_equal(runs[5].size, 123);
    rig_end(&r);
}

static void store_twice(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    uint64_t value = 0x1111, read;
    sim_load(core, seen->buffer, &read, 8, SIM_HERE);
    sim_store(core, seen->buffer, &value, 8, SIM_HERE);
    sim_peek(r->driver, seen->buffer, &read, 8); /* in the store buffer */
    assert_int_equal(read, 0x1111);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    sim_peek(r->driver, seen->buffer, &read, 8); /* in the cache */
    assert_int_equal(read, 0x1111);
    value = 0x2222;
    sim_poke(r->driver, seen->buffer, &value, 8);
    sim_load(core, seen->buffer, &read, 8, SIM_HERE);
    assert_int_equal(read, 0x2222);
}

static void bytes_are_seen_and_changed_wherever_they_are(void **state)
{
    (void)state;
    for (int embedded = 0; embedded < 2; embedded++) {
        struct rig r = rig_standard();
        struct seen seen = { 0 };
        if (embedded)
            rig_embedded(&r);
        rig_make(&r);
        r.test = &seen;
        seen.buffer = sim_alloc(r.driver, 64, SIM_CACHED);
        rig_run(&r, store_twice);
        rig_end(&r);
    }
}

static void dirty(struct sim_core *core, void *argument)
{
    uint64_t value = UINT64_MAX;
    for (int i = 0; i < SIM_PAGE; i += 8)
        sim_store(core, seen_of(argument)->buffer + (uint64_t)i, &value, 8, SIM_HERE);
}

static void freed_memory_comes_back_empty_and_is_not_written_back_into(void **state)
{
    struct rig r = rig_standard();
    struct seen seen = { 0 };
    uint8_t out[SIM_PAGE];

    (void)state;
    r.dram_params.size = (1 << 20) + 8 * SIM_PAGE; /* frames must come round */
    r.iommu_params.present = 0;
    rig_make(&r);
    r.test = &seen;
    uint64_t left = sim_frames_free(r.frames);
    for (int round = 0; round < 20; round++) {
        seen.buffer = sim_alloc(r.driver, SIM_PAGE, SIM_CACHED);
        assert_true(seen.buffer != SIM_NEVER);
        sim_peek(r.driver, seen.buffer, out, SIM_PAGE);
        for (int i = 0; i < SIM_PAGE; i++)
            assert_int_equal(out[i], 0);
        rig_run(&r, dirty);
        sim_free(r.driver, seen.buffer, SIM_HERE);
        assert_int_equal(sim_frames_free(r.frames), left);
    }
    assert_true(sim_alloc(r.driver, 9 * SIM_PAGE, SIM_CACHED) == SIM_NEVER);
    assert_int_equal(sim_frames_free(r.frames), left);
    rig_end(&r);
}

/* ---- mappings ---- */

static void map_move_unmap(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    seen->began = sim_now(r->kernel);
    uint64_t from = sim_dma_map(core, r->driver, seen->buffer, LONG, SIM_TO_DEVICE, 0, SIM_HERE);
    seen->ended = sim_now(r->kernel);
    uint64_t to = sim_dma_map(core, r->driver, seen->other, LONG, SIM_FROM_DEVICE, 0, SIM_HERE);
    assert_int_equal(sim_driver_mappings(r->driver), 2);
    mover_set(core, MOVER_FROM, from, SIM_HERE);
    mover_set(core, MOVER_TO, to, SIM_HERE);
    mover_set(core, MOVER_COUNT, LONG, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    sim_wait_interrupt(core, "the mover", SIM_HERE);
    assert_int_equal(sim_dma_unmap(core, r->driver, from, SIM_HERE), 0);
    assert_int_equal(sim_dma_unmap(core, r->driver, to, SIM_HERE), 0);
    assert_int_equal(sim_dma_unmap(core, r->driver, to, SIM_HERE), -ENOENT);
    assert_int_equal(sim_driver_mappings(r->driver), 0);
    /* Now it is refused. */
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    sim_wait_interrupt(core, "the mover", SIM_HERE);
}

static void a_device_moves_what_is_mapped_and_nothing_after_unmap(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct rig r = rig_standard();
        struct seen seen = { 0 };
        uint8_t bytes[LONG];
        if (kind & 1)
            rig_embedded(&r);
        r.system.fragmentation = kind & 2 ? 1000000 : 0;
        rig_make(&r);
        r.test = &seen;
        seen.buffer = sim_alloc(r.driver, LONG + 8, SIM_CACHED) + 8;
        seen.other = sim_alloc(r.driver, LONG + 100, SIM_CACHED) + 100;
        tag_fill(bytes, LONG, 7, 0);
        sim_poke(r.driver, seen.buffer, bytes, LONG);
        rig_run(&r, map_move_unmap);
        sim_peek(r.driver, seen.other, bytes, LONG);
        tag_check(bytes, LONG, 7, 0);
        assert_int_equal(r.mover.finished, 2);
        assert_true(r.mover.faults >= 2 * LONG / 64);
        if (!(kind & 1))
            assert_int_equal(seen.ended - seen.began, r.system.call + 6 * r.system.map);
        rig_end(&r);
    }
}

static void map_huge(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    seen->began = sim_now(r->kernel);
    seen->io = sim_dma_map(core, r->driver, seen->buffer, 2 * SIM_HUGE_PAGE + 5, SIM_BOTH_WAYS, 0,
                           SIM_HERE);
    seen->ended = sim_now(r->kernel);
    mover_set(core, MOVER_TO, seen->io + SIM_HUGE_PAGE - 64, SIM_HERE);
    mover_set(core, MOVER_COUNT, 128, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    sim_wait_interrupt(core, "the mover", SIM_HERE);
    sim_dma_unmap(core, r->driver, seen->io, SIM_HERE);
}

static void huge_pages_are_one_entry(void **state)
{
    struct rig r = rig_standard();
    struct seen seen = { 0 };
    uint8_t bytes[128];

    (void)state;
    r.system.huge = 1;
    rig_make(&r);
    r.test = &seen;
    tag_fill(r.mover.bytes, 128, 9, 0);
    seen.buffer = sim_alloc(r.driver, 2 * SIM_HUGE_PAGE + 5, SIM_CACHED);
    rig_run(&r, map_huge);
    assert_int_equal(seen.ended - seen.began, r.system.call + 3 * r.system.map);
    sim_peek(r.driver, seen.buffer + SIM_HUGE_PAGE - 64, bytes, 128);
    tag_check(bytes, 128, 9, 0);
    assert_int_equal(r.mover.faults, 0);
    rig_end(&r);
}

static void map_many(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    uint64_t io[64];
    /* 25 bits of addresses, from 16 MiB on: room for 40 of them. */
    for (int round = 0; round < 200; round++) {
        unsigned count = 1 + (unsigned)sim_random_below(r->kernel, 63);
        for (unsigned i = 0; i < count; i++) {
            io[i] = sim_dma_map(core, r->driver, seen->buffer, 100 * SIM_PAGE, SIM_TO_DEVICE,
                                round & 1 ? SIM_MAP_LAZY : 0, SIM_HERE);
            if (io[i] == SIM_NEVER) {
                sim_dma_flush(core, r->driver, SIM_HERE);
                count = i;
                break;
            }
            assert_true(io[i] + 100 * SIM_PAGE <= (uint64_t)1 << 25);
            for (unsigned j = 0; j < i; j++)
                assert_true(io[i] + 100 * SIM_PAGE <= io[j] || io[j] + 100 * SIM_PAGE <= io[i]);
        }
        while (count)
            assert_int_equal(sim_dma_unmap(core, r->driver, io[--count], SIM_HERE), 0);
    }
    sim_dma_flush(core, r->driver, SIM_HERE);
}

static void io_addresses_do_not_overlap_and_come_round(void **state)
{
    struct rig r = rig_standard();
    struct seen seen = { 0 };

    (void)state;
    r.address_bits = 25;
    rig_make(&r);
    r.test = &seen;
    seen.buffer = sim_alloc(r.driver, 100 * SIM_PAGE, SIM_CACHED);
    rig_run(&r, map_many);
    assert_int_equal(sim_driver_mappings(r.driver), 0);
    rig_end(&r);
}

static void map_without_iommu(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    struct sim_run run;
    seen->io = sim_dma_map(core, r->driver, seen->buffer, 100, SIM_TO_DEVICE, 0, SIM_HERE);
    assert_int_equal(sim_runs(r->driver, seen->buffer, 100, &run, 1), 1);
    assert_int_equal(seen->io, run.physical);
    assert_int_equal(sim_dma_unmap(core, r->driver, seen->io, SIM_HERE), 0);
    seen->io = sim_dma_map(core, r->driver, seen->other, 2 * SIM_PAGE, SIM_TO_DEVICE, 0, SIM_HERE);
    assert_int_equal(sim_dma_map(core, r->driver, 12345, 1, SIM_TO_DEVICE, 0, SIM_HERE), SIM_NEVER);
}

static void without_an_iommu_only_what_is_contiguous_and_low_is_mapped(void **state)
{
    struct rig r = rig_standard();
    struct seen seen = { 0 };

    (void)state;
    r.iommu_params.present = 0;
    r.system.fragmentation = 1000000;
    rig_make(&r);
    r.test = &seen;
    seen.buffer = sim_alloc(r.driver, 100, SIM_CACHED);
    seen.other = sim_alloc(r.driver, 2 * SIM_PAGE, SIM_CACHED);
    rig_run(&r, map_without_iommu);
    assert_true(seen.io == SIM_NEVER);
    rig_end(&r);
}

/* ---- pages ---- */

static void pin_and_move(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct seen *seen = seen_of(argument);
    struct sim_run before, after;
    uint64_t value = 42, read = 0;
    sim_store(core, seen->buffer + SIM_PAGE, &value, 8, SIM_HERE);
    sim_runs(r->driver, seen->buffer + SIM_PAGE, 8, &before, 1);
    assert_int_equal(sim_pin(core, r->driver, seen->buffer, 2 * SIM_PAGE, SIM_HERE), 0);
    assert_int_equal(sim_move(core, r->driver, seen->buffer + SIM_PAGE, SIM_HERE), -EBUSY);
    /* What lies behind it is not mapped: nothing is pinned. */
    assert_int_equal(sim_pin(core, r->driver, seen->buffer, 3 * SIM_PAGE, SIM_HERE), -ENOENT);
    assert_int_equal(sim_unpin(core, r->driver, seen->buffer, 2 * SIM_PAGE, SIM_HERE), 0);
    assert_int_equal(sim_move(core, r->driver, seen->buffer + SIM_PAGE, SIM_HERE), 0);
    sim_runs(r->driver, seen->buffer + SIM_PAGE, 8, &after, 1);
    assert_true(before.physical != after.physical);
    sim_load(core, seen->buffer + SIM_PAGE, &read, 8, SIM_HERE);
    assert_int_equal(read, 42);
}

static void a_pinned_page_stays_and_another_takes_its_bytes_along(void **state)
{
    (void)state;
    for (int embedded = 0; embedded < 2; embedded++) {
        struct rig r = rig_standard();
        struct seen seen = { 0 };
        if (embedded)
            rig_embedded(&r);
        rig_make(&r);
        r.test = &seen;
        seen.buffer = sim_alloc(r.driver, 2 * SIM_PAGE, SIM_CACHED);
        rig_run(&r, pin_and_move);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_poked_is_peeked_over_scattered_pages),
        cmocka_unit_test(bytes_are_seen_and_changed_wherever_they_are),
        cmocka_unit_test(freed_memory_comes_back_empty_and_is_not_written_back_into),
        cmocka_unit_test(a_device_moves_what_is_mapped_and_nothing_after_unmap),
        cmocka_unit_test(huge_pages_are_one_entry),
        cmocka_unit_test(io_addresses_do_not_overlap_and_come_round),
        cmocka_unit_test(without_an_iommu_only_what_is_contiguous_and_low_is_mapped),
        cmocka_unit_test(a_pinned_page_stays_and_another_takes_its_bytes_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
