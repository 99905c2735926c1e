/*
 * The driver in machine/examples, each time with all calls of one kind left out: the shadow state names
 * what is missing. So each of them is needed, and is found where the whole computer takes part.
 */
#include <limits.h>

#include "machine.h"
#include "machine_file.h"
#include "test.h"

static enum {
    NOTHING,
    CLEAN,
    INVALIDATE,
    BARRIER,
    UNMAP,
    WAIT,
    PIN,
    ORDER, /* among descriptors */
} left_out;

#define sim_clean(...)      (left_out == CLEAN ? (void)0 : (sim_clean)(__VA_ARGS__))
#define sim_invalidate(...) (left_out == INVALIDATE ? (void)0 : (sim_invalidate)(__VA_ARGS__))
#define sim_barrier(...)    (left_out == BARRIER ? (void)0 : (sim_barrier)(__VA_ARGS__))
#define sim_dma_unmap(...)  (left_out == UNMAP ? 0 : (sim_dma_unmap)(__VA_ARGS__))
#define sim_pin(...)        (left_out == PIN ? 0 : (sim_pin)(__VA_ARGS__))
#define sim_wait_interrupt(...) \
    if (left_out == WAIT)       \
        break;                  \
    else                        \
        (sim_wait_interrupt)(__VA_ARGS__)

#include "examples/copy_driver.c"

enum {
    SIZE = 8 * SIM_PAGE,
    SEEDS = 12,
};

struct bench {
    struct sim_machine *machine;
    struct copy_options options;
    uint64_t src, dst, third;
};

static void use(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    struct copy_driver copy;
    uint64_t value = 1;
    if (copy_driver_open(&copy, core, &b->options))
        return;
    for (int i = 0; i < 3; i++) {
        uint64_t at = (uint64_t)i * SIM_PAGE;
        sim_store(core, b->src + at, &value, 8, SIM_HERE);
        if (copy_driver_copy(&copy, core, b->dst, b->src, SIZE))
            break;
        sim_load(core, b->dst + at, &value, 8, SIM_HERE);
    }
    copy_driver_close(&copy, core);
}

/* The operating system's other core moves pages about. */
static void move_pages(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    for (uint64_t i = 0; i < 200; i++) {
        sim_move(core, b->machine->driver, b->dst + i % 8 * SIM_PAGE, SIM_HERE);
        sim_compute(core, 2000);
    }
}

static void read_params(const char *name, struct sim_machine_params *params)
{
    char path[PATH_MAX], error[SIM_FILE_ERROR] = "";
    struct sim_parts *parts;
    snprintf(path, sizeof(path), "%s/machines/%s.ini", getenv("DRAY_SOURCE_ROOT"), name);
    assert_int_equal(sim_machine_parts(&parts), 0);
    if (sim_parts_read(parts, path, error, sizeof(error)) ||
        sim_machine_params(parts, params, error, sizeof(error)))
        fail_msg("%s", error);
    sim_parts_destroy(&parts);
}

typedef void program(struct sim_core *core, void *argument);

/* How many hazards of the kind are found; SIM_HAZARDS: of any. */
static size_t find(const struct sim_machine_params *params, uint64_t seed,
                   enum sim_hazard_kind kind, program *code, bool moves)
{
    struct bench b;
    size_t found = 0;
    struct sim_machine *m;
    assert_int_equal(sim_machine_create(&m, params, seed, true), 0);
    b.machine = m;
    b.options = (struct copy_options){ .driver = m->driver,
                                       .registers = SIM_REGISTERS,
                                       .line = params->bus.line,
                                       .snooped = params->system.snooped,
                                       .translated = params->iommu.present };
    b.src = sim_alloc(m->driver, SIZE, SIM_CACHED);
    b.dst = sim_alloc(m->driver, SIZE, SIM_CACHED);
    b.third = sim_alloc(m->driver, SIZE, SIM_CACHED);
    assert_int_equal(sim_core_run(m->cores[0], 0, code, &b), 0);
    if (moves)
        assert_int_equal(sim_core_run(m->cores[1], 0, move_pages, &b), 0);
    assert_int_equal(sim_run(m->kernel, 5 * SIM_MS), 0);
    sim_shadow_finish(m->shadow);
    for (size_t i = 0; i < sim_shadow_count(m->shadow); i++)
        found += kind == SIM_HAZARDS || sim_shadow_hazard(m->shadow, i)->kind == kind;
    sim_machine_destroy(&m);
    return found;
}

static void check(const char *name, enum sim_order order, int missing, enum sim_hazard_kind kind,
                  bool moves)
{
    struct sim_machine_params params;
    size_t found = 0;
    read_params(name, &params);
    params.core.order = order;
    /* A doorbell that is heard at once: no link to wait for. */
    if (missing == BARRIER) {
        params.system.linked = params.iommu.present = 0;
        params.controller.set_up = params.controller.register_access = 0;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        left_out = NOTHING;
        assert_int_equal(find(&params, seed, SIM_HAZARDS, use, moves), 0);
        left_out = missing;
        found += find(&params, seed, kind, use, moves);
    }
    assert_true(found);
}

static void cleans_are_needed(void **state)
{
    (void)state;
    check("embedded", SIM_ORDER_WEAK, CLEAN, SIM_HAZARD_NO_CLEAN, false);
}

static void invalidates_are_needed(void **state)
{
    (void)state;
    check("embedded", SIM_ORDER_WEAK, INVALIDATE, SIM_HAZARD_NO_INVALIDATE, false);
}

static void barriers_are_needed_on_weak_cores(void **state)
{
    (void)state;
    check("desktop", SIM_ORDER_WEAK, BARRIER, SIM_HAZARD_NO_BARRIER, false);
}

static void unmaps_are_needed(void **state)
{
    (void)state;
    check("desktop", SIM_ORDER_TSO, UNMAP, SIM_HAZARD_LEAK, false);
    check("embedded", SIM_ORDER_WEAK, UNMAP, SIM_HAZARD_LEAK, false);
}

static void waiting_is_needed(void **state)
{
    (void)state;
    check("desktop", SIM_ORDER_TSO, WAIT, SIM_HAZARD_AFTER_UNMAP, false);
    check("embedded", SIM_ORDER_WEAK, WAIT, SIM_HAZARD_AFTER_UNMAP, false);
}

static void pins_are_needed(void **state)
{
    (void)state;
    check("desktop", SIM_ORDER_TSO, PIN, SIM_HAZARD_MOVED, true);
}

/* ---- an end in the middle ---- */

static void stop_in_the_middle(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    struct copy_driver copy;
    struct side dst = { .address = b->dst, .direction = SIM_FROM_DEVICE };
    struct side src = { .address = b->src, .direction = SIM_TO_DEVICE };
    assert_int_equal(copy_driver_open(&copy, core, &b->options), 0);
    assert_int_equal(map(&copy, core, &src, SIZE), 0);
    assert_int_equal(map(&copy, core, &dst, SIZE), 0);
    build(&copy, core, dst, src, SIZE);
    ring(&copy, core);
    sim_compute(core, 80000);
    set(&copy, core, SIM_REG_CONTROL, SIM_CONTROL_TERMINATE);
    status_of(&copy, core);
    while (left_out != WAIT && !(status_of(&copy, core) & SIM_STATUS_IDLE))
        sim_compute(core, 100);
    unmap(&copy, core, &dst, SIZE);
    unmap(&copy, core, &src, SIZE);
    copy_driver_close(&copy, core);
}

static void synchronising_is_needed(void **state)
{
    struct sim_machine_params params;
    size_t found = 0;
    (void)state;
    read_params("desktop", &params);
    params.controller.bandwidth = SIM_S / 500; /* 2 GB/s: 16 us */
    params.link.up = 3 * SIM_US;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        left_out = NOTHING;
        assert_int_equal(find(&params, seed, SIM_HAZARDS, stop_in_the_middle, false), 0);
        left_out = WAIT;
        found += find(&params, seed, SIM_HAZARD_NO_SYNCHRONISE, stop_in_the_middle, false);
        assert_int_equal(find(&params, seed, SIM_HAZARD_AFTER_UNMAP, stop_in_the_middle, false), 0);
    }
    assert_true(found);
}

/* ---- order among descriptors ---- */

/* The second of a transaction writes into what the first writes. */
static void write_twice(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    struct copy_driver copy;
    struct side dst = { .address = b->dst, .direction = SIM_FROM_DEVICE };
    struct side src = { .address = b->src, .direction = SIM_TO_DEVICE };
    assert_int_equal(copy_driver_open(&copy, core, &b->options), 0);
    assert_int_equal(map(&copy, core, &src, SIZE), 0);
    assert_int_equal(map(&copy, core, &dst, SIZE), 0);
    for (uint64_t i = 0; i < 2; i++) {
        struct dray_desc desc;
        uint64_t slot = RING_AT + copy.tail++ * sizeof(desc);
        dray_prep_copy(&desc, everything, dst.runs[0].physical + i * 64, everything,
                       src.runs[0].physical, i ? 64 : SIZE - SIM_PAGE);
        desc.flags = i ? (left_out == ORDER ? 0 : DRAY_FLAG_FENCE) : DRAY_FLAG_CHAIN;
        sim_store(core, copy.memory + slot, &desc, sizeof(desc), SIM_HERE);
        give(&copy, core, slot, sizeof(desc));
    }
    ring(&copy, core);
    while (copy.seen != copy.wanted)
        sim_wait_interrupt(core, "the copies", SIM_HERE);
    unmap(&copy, core, &dst, SIZE);
    unmap(&copy, core, &src, SIZE);
    copy_driver_close(&copy, core);
}

static void wait_for(struct copy_driver *copy, struct sim_core *core)
{
    while (copy->seen != copy->wanted)
        sim_wait_interrupt(core, "a channel", SIM_HERE);
}

/* One channel sends on what the other receives. */
static void pass_on(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    struct copy_driver one, two;
    struct copy_options second = b->options;
    struct side sides[4] = { { .address = b->src, .direction = SIM_TO_DEVICE },
                             { .address = b->dst, .direction = SIM_FROM_DEVICE },
                             { .address = b->dst, .direction = SIM_TO_DEVICE },
                             { .address = b->third, .direction = SIM_FROM_DEVICE } };
    second.registers += SIM_CHANNEL_SIZE;
    second.interrupt = b->machine->core_count; /* of the same core */
    assert_int_equal(copy_driver_open(&one, core, &b->options), 0);
    assert_int_equal(copy_driver_open(&two, core, &second), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(map(&one, core, &sides[i], SIZE), 0);
    build(&one, core, sides[1], sides[0], SIZE);
    build(&two, core, sides[3], sides[2], SIZE);
    ring(&one, core);
    if (left_out != ORDER)
        wait_for(&one, core);
    ring(&two, core);
    wait_for(&one, core);
    wait_for(&two, core);
    for (int i = 0; i < 4; i++)
        unmap(&one, core, &sides[i], SIZE);
    copy_driver_close(&two, core);
    copy_driver_close(&one, core);
}

static void order_is_needed(program *code)
{
    static const char *const names[] = { "desktop", "server", "embedded" };
    for (int i = 0; i < 3; i++) {
        struct sim_machine_params params;
        read_params(names[i], &params);
        left_out = NOTHING;
        assert_int_equal(find(&params, 1, SIM_HAZARDS, code, false), 0);
        left_out = ORDER;
        assert_true(find(&params, 1, SIM_HAZARD_NO_FENCE, code, false));
        assert_int_equal(find(&params, 1, SIM_HAZARDS, code, false),
                         find(&params, 1, SIM_HAZARD_NO_FENCE, code, false));
    }
}

static void fences_are_needed(void **state)
{
    (void)state;
    order_is_needed(write_twice);
}

static void channels_need_an_order_of_their_own(void **state)
{
    (void)state;
    order_is_needed(pass_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_are_needed),
        cmocka_unit_test(invalidates_are_needed),
        cmocka_unit_test(barriers_are_needed_on_weak_cores),
        cmocka_unit_test(unmaps_are_needed),
        cmocka_unit_test(waiting_is_needed),
        cmocka_unit_test(pins_are_needed),
        cmocka_unit_test(synchronising_is_needed),
        cmocka_unit_test(fences_are_needed),
        cmocka_unit_test(channels_need_an_order_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
