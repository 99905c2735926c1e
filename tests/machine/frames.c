/* The frame allocator: who has which frame, where runs break, what lies below a limit. */
#include "mmu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

struct rig {
    struct sim_kernel *kernel;
    struct sim_frames *frames;
};

static struct rig rig_make(uint64_t seed, uint64_t base, uint64_t size, uint64_t fragmentation)
{
    struct rig rig;
    assert_int_equal(sim_kernel_create(&rig.kernel, seed), 0);
    assert_int_equal(sim_frames_create(&rig.frames, rig.kernel, base, size, fragmentation), 0);
    return rig;
}

static void rig_free(struct rig *rig)
{
    sim_frames_destroy(&rig->frames);
    sim_kernel_destroy(&rig->kernel);
}

static void without_fragmentation_frames_follow_each_other(void **state)
{
    (void)state;
    struct rig rig = rig_make(1, 5 * SIM_PAGE, 1000 * SIM_PAGE, 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(sim_frames_take(rig.frames, SIM_PAGE, 0), (5 + i) * SIM_PAGE);
    assert_int_equal(sim_frames_take(rig.frames, SIM_PAGE, 0), SIM_NEVER);
    assert_int_equal(sim_frames_free(rig.frames), 0);
    rig_free(&rig);
}

/* The last frame, wherever it is, is found; and none is handed out twice. */
static void every_frame_is_handed_out_once(void **state)
{
    (void)state;
    enum {
        COUNT = 2000
    };
    for (uint64_t share = 0; share <= 1000000; share += 250000) {
        struct rig rig = rig_make(7 + share, SIM_PAGE, COUNT * SIM_PAGE, share);
        bool taken[COUNT] = { false };
        for (int i = 0; i < COUNT; i++) {
            uint64_t number = sim_frames_take(rig.frames, SIM_PAGE, 0) / SIM_PAGE - 1;
            assert_true(number < COUNT);
            assert_false(taken[number]);
            taken[number] = true;
        }
        assert_int_equal(sim_frames_take(rig.frames, SIM_PAGE, 0), SIM_NEVER);
        sim_frames_give(rig.frames, 1234 * SIM_PAGE, SIM_PAGE);
        assert_int_equal(sim_frames_free(rig.frames), SIM_PAGE);
        assert_int_equal(sim_frames_take(rig.frames, SIM_PAGE, 0), 1234 * SIM_PAGE);
        rig_free(&rig);
    }
}

/* n frames break their run n * share times: a binomial count, here within 3.3 of its deviations. */
static void runs_break_as_often_as_the_parameter_says(void **state)
{
    (void)state;
    enum {
        COUNT = 20000
    };
    for (uint64_t share = 50000; share <= 1000000; share += 190000) {
        struct rig rig = rig_make(share, 0, 4 * GIB, share);
        uint64_t last = sim_frames_take(rig.frames, SIM_PAGE, 0);
        double breaks = 0, p = (double)share / 1e6, expected = COUNT * p;
        for (int i = 0; i < COUNT; i++) {
            uint64_t frame = sim_frames_take(rig.frames, SIM_PAGE, 0);
            breaks += frame != last + SIM_PAGE;
            last = frame;
        }
        /* A run that meets frames taken already breaks too: 20,000 of a million, so up to 2 % more. */
        double variance = COUNT * p * (1 - p), off = breaks - expected;
        if (off > 0.02 * COUNT * (1 - p))
            off -= 0.02 * COUNT * (1 - p);
        else if (off > 0)
            off = 0;
        assert_true(off * off <= 3.3 * 3.3 * variance + 1e-9);
        rig_free(&rig);
    }
}

static void the_seed_alone_decides(void **state)
{
    (void)state;
    struct rig a = rig_make(5, 0, GIB, 500000), b = rig_make(5, 0, GIB, 500000),
               c = rig_make(6, 0, GIB, 500000);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t frame = sim_frames_take(a.frames, SIM_PAGE, 0);
        assert_int_equal(frame, sim_frames_take(b.frames, SIM_PAGE, 0));
        same += frame == sim_frames_take(c.frames, SIM_PAGE, 0);
    }
    assert_true(same < 50);
    rig_free(&a);
    rig_free(&b);
    rig_free(&c);
}

static void frames_below_a_limit_and_others_above_it(void **state)
{
    (void)state;
    struct rig rig = rig_make(3, 0, 8 * GIB, 300000);
    for (int i = 0; i < 1000; i++) {
        assert_true(sim_frames_take(rig.frames, SIM_PAGE, 4 * GIB) < 4 * GIB);
        assert_true(sim_frames_take(rig.frames, SIM_PAGE, 0) >= 4 * GIB);
        assert_true(sim_frames_take(rig.frames, SIM_PAGE, 16 * MIB) < 16 * MIB);
    }
    /* A limit in the middle of the frames that are left: all below it, then none. */
    uint64_t limit = 4 * GIB + 10 * SIM_PAGE, got = 0;
    while (sim_frames_take(rig.frames, SIM_PAGE, 16 * MIB) != SIM_NEVER)
        got++;
    assert_true(got <= 4096 - 1000 && got > 0);
    assert_true(sim_frames_take(rig.frames, SIM_PAGE, limit) < limit);
    rig_free(&rig);
}

static void high_frames_gone_low_ones_serve(void **state)
{
    (void)state;
    struct rig rig = rig_make(3, 4 * GIB - MIB, 2 * MIB, 0);
    for (int i = 0; i < 256; i++)
        assert_true(sim_frames_take(rig.frames, SIM_PAGE, 0) >= 4 * GIB);
    for (int i = 0; i < 256; i++)
        assert_true(sim_frames_take(rig.frames, SIM_PAGE, 0) < 4 * GIB);
    assert_int_equal(sim_frames_take(rig.frames, SIM_PAGE, 0), SIM_NEVER);
    rig_free(&rig);
}

static void huge_frames_are_aligned_and_whole(void **state)
{
    (void)state;
    /* From 1 MiB to 9 MiB: three whole blocks, and a half at each end. */
    struct rig rig = rig_make(3, MIB, 8 * MIB, 0);
    uint64_t small = sim_frames_take(rig.frames, SIM_PAGE, 0);
    assert_int_equal(small, MIB);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(sim_frames_take(rig.frames, SIM_HUGE_PAGE, 0), i * SIM_HUGE_PAGE);
    assert_int_equal(sim_frames_take(rig.frames, SIM_HUGE_PAGE, 0), SIM_NEVER);
    assert_int_equal(sim_frames_free(rig.frames), 2 * MIB - SIM_PAGE);

    /* One small frame in a block, and it is no huge frame any more. */
    sim_frames_give(rig.frames, 2 * SIM_HUGE_PAGE, SIM_HUGE_PAGE);
    while ((small = sim_frames_take(rig.frames, SIM_PAGE, 0)) < 2 * SIM_HUGE_PAGE)
        ;
    assert_int_equal(small, 2 * SIM_HUGE_PAGE);
    assert_int_equal(sim_frames_take(rig.frames, SIM_HUGE_PAGE, 0), SIM_NEVER);
    sim_frames_give(rig.frames, small, SIM_PAGE);
    assert_int_equal(sim_frames_take(rig.frames, SIM_HUGE_PAGE, 0), 2 * SIM_HUGE_PAGE);
    rig_free(&rig);
}

static void huge_frames_below_a_limit_scatter_too(void **state)
{
    (void)state;
    struct rig rig = rig_make(9, 0, 8 * GIB, 1000000);
    uint64_t last = 0, neighbours = 0;
    for (int i = 0; i < 500; i++) {
        uint64_t frame = sim_frames_take(rig.frames, SIM_HUGE_PAGE, 2 * GIB);
        assert_int_equal(frame % SIM_HUGE_PAGE, 0);
        assert_true(frame < 2 * GIB);
        neighbours += frame == last + SIM_HUGE_PAGE;
        last = frame;
    }
    assert_true(neighbours < 100);
    rig_free(&rig);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct sim_frames *frames = NULL;
    assert_int_equal(sim_frames_create(&frames, NULL, 0, 0, 0), -EINVAL);
    assert_int_equal(sim_frames_create(&frames, NULL, 1, SIM_PAGE, 0), -EINVAL);
    assert_int_equal(sim_frames_create(&frames, NULL, 0, SIM_PAGE + 1, 0), -EINVAL);
    assert_int_equal(sim_frames_create(&frames, NULL, 0, SIM_PAGE, 1000001), -EINVAL);
    assert_null(frames);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(without_fragmentation_frames_follow_each_other),
        cmocka_unit_test(every_frame_is_handed_out_once),
        cmocka_unit_test(runs_break_as_often_as_the_parameter_says),
        cmocka_unit_test(the_seed_alone_decides),
        cmocka_unit_test(frames_below_a_limit_and_others_above_it),
        cmocka_unit_test(high_frames_gone_low_ones_serve),
        cmocka_unit_test(huge_frames_are_aligned_and_whole),
        cmocka_unit_test(huge_frames_below_a_limit_scatter_too),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
