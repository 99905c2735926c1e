/*
 * Each hazard has a driver that runs into it, and into nothing else, and a twin, the same but for the one
 * call that is missing, that runs into none. Here those of caches and of order, and what a report says.
 */
#include "hazard_rig.h"

/* ---- caches ---- */

static void send_without_clean(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    fill(core, s->buffer, SIZE, SIM_HERE);
    if (s->right)
        sim_clean(core, s->buffer, SIZE, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_MAINTENANCE, SIM_HERE);
    uint64_t io = map(core, r, s->buffer, SIM_TO_DEVICE, SIM_MAP_RAW);
    go(core, io, SIM_NEVER, SIZE, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_missing_clean(void **state)
{
    PLAY({ .kind = SIM_HAZARD_NO_CLEAN, .code = send_without_clean, .embedded = true });
}

static void receive_without_invalidate(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    read_all(core, s->buffer, SIZE, SIM_HERE);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, SIM_MAP_RAW);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
    if (s->right)
        sim_invalidate(core, s->buffer, SIZE, SIM_HERE);
    read_all(core, s->buffer, SIZE, SIM_HERE);
}

static void a_missing_invalidate(void **state)
{
    PLAY(
        { .kind = SIM_HAZARD_NO_INVALIDATE, .code = receive_without_invalidate, .embedded = true });
}

/* Changed lines that are there when the transfer begins are written back over its bytes. */
static void receive_into_changed_lines(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    fill(core, s->buffer, SIZE, SIM_HERE);
    if (s->right)
        sim_flush(core, s->buffer, SIZE, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_MAINTENANCE, SIM_HERE);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, SIM_MAP_RAW);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    sim_clean(core, s->buffer, SIZE, SIM_HERE);
    unmap(core, r, io);
}

static void a_missing_invalidate_before_the_transfer(void **state)
{
    PLAY(
        { .kind = SIM_HAZARD_NO_INVALIDATE, .code = receive_into_changed_lines, .embedded = true });
}

static void receive_with_a_refill(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t buffer = s->buffer + 64;
    sim_invalidate(core, buffer, 512, SIM_HERE);
    uint64_t io = sim_dma_map(core, r->driver, buffer, 512, SIM_FROM_DEVICE, SIM_MAP_RAW, SIM_HERE);
    go(core, SIM_NEVER, io, 512, 10, SIM_HERE);
    read_all(core, s->buffer, 64, SIM_HERE); /* the line before: the next comes with it */
    wait(core);
    unmap(core, r, io);
    if (s->right)
        sim_invalidate(core, buffer, 512, SIM_HERE);
    read_all(core, buffer, 512, SIM_HERE);
}

static void a_speculative_refill(void **state)
{
    PLAY({ .kind = SIM_HAZARD_REFILL,
           .code = receive_with_a_refill,
           .embedded = true,
           .speculative = true });
}

static void change_the_neighbour(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t buffer = s->buffer + (s->right ? 64 : 32);
    uint64_t io = sim_dma_map(core, r->driver, buffer, 256, SIM_FROM_DEVICE, 0, SIM_HERE);
    fill(core, s->buffer, 32, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    go(core, SIM_NEVER, io, 256, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
    read_all(core, s->buffer, 32, SIM_HERE);
    read_all(core, buffer, 256, SIM_HERE);
}

static void a_line_at_the_edge_changed_before_the_device_writes(void **state)
{
    PLAY({ .kind = SIM_HAZARD_SHARED_LINE, .code = change_the_neighbour, .embedded = true });
}

static void change_the_neighbour_late(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t buffer = s->buffer + (s->right ? 64 : 32);
    uint64_t io = sim_dma_map(core, r->driver, buffer, 256, SIM_FROM_DEVICE, 0, SIM_HERE);
    read_all(core, s->buffer, 32, SIM_HERE);
    go(core, SIM_NEVER, io, 256, 1, SIM_HERE);
    wait(core);
    fill(core, s->buffer, 32, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    unmap(core, r, io);
    read_all(core, s->buffer, 32, SIM_HERE);
}

static void a_line_at_the_edge_changed_after_the_device_wrote(void **state)
{
    PLAY({ .kind = SIM_HAZARD_SHARED_LINE, .code = change_the_neighbour_late, .embedded = true });
}

/* Indices of the two sides in one line of a ring. */
static void keep_both_indices_in_a_line(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_BOTH_WAYS, SIM_MAP_SHARED);
    mover_set(core, MOVER_FLAG, io + (s->right ? 64 : 8), SIM_HERE);
    mover_set(core, MOVER_COUNT, 0, SIM_HERE);
    fill(core, s->buffer, 8, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_line_that_both_sides_write(void **state)
{
    PLAY({ .kind = SIM_HAZARD_SHARED_LINE, .code = keep_both_indices_in_a_line, .embedded = true });
}

static void invalidate_the_neighbour(struct sim_core *core, void *argument)
{
    struct scene *s = scene_of(argument);
    fill(core, s->buffer, 32, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    sim_invalidate(core, s->buffer + (s->right ? 64 : 32), 256, SIM_HERE);
}

static void a_line_at_the_edge_whose_changes_are_lost(void **state)
{
    PLAY({ .kind = SIM_HAZARD_SHARED_LINE, .code = invalidate_the_neighbour, .embedded = true });
}

/* ---- order ---- */

static void ring_without_barrier(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_TO_DEVICE, SIM_MAP_SHARED);
    mover_set(core, MOVER_FROM, io, SIM_HERE);
    mover_set(core, MOVER_COUNT, 64, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    fill(core, s->buffer, 64, SIM_HERE);
    if (s->right)
        sim_barrier(core, SIM_BARRIER_STORE, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_doorbell_that_overtakes(void **state)
{
    PLAY({ .kind = SIM_HAZARD_NO_BARRIER,
           .code = ring_without_barrier,
           .no_iommu = true,
           .weak = true,
           .sometimes = true });
}

/* Half a line gathers for ever, also on a core that keeps stores in order. */
static void ring_before_stores_are_gathered(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->gathered, SIM_TO_DEVICE, SIM_MAP_SHARED);
    mover_set(core, MOVER_FROM, io, SIM_HERE);
    mover_set(core, MOVER_COUNT, 32, SIM_HERE);
    fill(core, s->gathered, 32, SIM_HERE);
    if (s->right)
        sim_barrier(core, SIM_BARRIER_STORE, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_doorbell_before_gathered_stores(void **state)
{
    PLAY({ .kind = SIM_HAZARD_NO_BARRIER, .code = ring_before_stores_are_gathered });
}

static void look_early(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t payload, flag = 0;
    uint64_t io = map(core, r, s->buffer, SIM_BOTH_WAYS, SIM_MAP_SHARED);
    uint64_t done =
        sim_dma_map(core, r->driver, s->flag, 64, SIM_BOTH_WAYS, SIM_MAP_SHARED, SIM_HERE);
    mover_set(core, MOVER_FLAG, done, SIM_HERE);
    go(core, SIM_NEVER, io, 64, 1, SIM_HERE);
    while (!flag) {
        if (s->right)
            flag = sim_observe(core, s->flag, 4, SIM_HERE);
        else
            sim_load(core, s->flag, &flag, 4, SIM_HERE);
    }
    sim_load(core, s->buffer, &payload, 8, SIM_HERE);
    wait(core);
    unmap(core, r, done);
    unmap(core, r, io);
}

static void a_payload_read_before_its_completion(void **state)
{
    PLAY({ .kind = SIM_HAZARD_EARLY_PAYLOAD, .code = look_early, .weak = true, .sometimes = true });
}

/* ---- what is no mistake ---- */

#define QUIET(...)                                    \
    do {                                              \
        static const struct play p = __VA_ARGS__;     \
        (void)state;                                  \
        for (uint64_t seed = 0; seed < 5; seed++)     \
            assert_int_equal(run(&p, true, seed), 0); \
    } while (0)

/* The device reads a word again and again while the core changes it, and is told of nothing. */
static void change_what_it_looks_at(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_TO_DEVICE, SIM_MAP_SHARED);
    go(core, io, SIM_NEVER, 8, 200, SIM_HERE);
    sim_compute(core, 10000);
    for (uint64_t i = 0; i < 100; i++) {
        sim_store(core, s->buffer, &i, 8, SIM_HERE);
        sim_compute(core, i * 3);
    }
    wait(core);
    unmap(core, r, io);
}

static void a_device_that_looks_too_early(void **state)
{
    QUIET({ .code = change_what_it_looks_at, .weak = true });
    QUIET({ .code = change_what_it_looks_at, .embedded = true });
}

/* The core looks at its old copy of a flag until it thinks of invalidating it. */
static void look_at_an_old_flag(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t done =
        sim_dma_map(core, r->driver, s->flag, 64, SIM_BOTH_WAYS, SIM_MAP_SHARED, SIM_HERE);
    sim_observe(core, s->flag, 4, SIM_HERE);
    r->mover.silent = true;
    mover_set(core, MOVER_FLAG, done, SIM_HERE);
    mover_set(core, MOVER_COUNT, 0, SIM_HERE);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    for (int i = 0; i < 20; i++) {
        sim_compute(core, 1000);
        assert_int_equal(sim_observe(core, s->flag, 4, SIM_HERE), 0);
    }
    sim_invalidate(core, s->flag, 64, SIM_HERE);
    assert_int_equal(sim_observe(core, s->flag, 4, SIM_HERE), 1);
    unmap(core, r, done);
}

static void a_core_that_looks_too_late(void **state)
{
    QUIET({ .code = look_at_an_old_flag, .embedded = true });
}

/* What is overwritten need not be invalidated. */
static void overwrite_old_copies(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    read_all(core, s->buffer, SIZE, SIM_HERE);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, SIM_MAP_RAW);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
    fill(core, s->buffer, SIZE, SIM_HERE);
    read_all(core, s->buffer, SIZE, SIM_HERE);
}

static void old_bytes_that_are_overwritten(void **state)
{
    QUIET({ .code = overwrite_old_copies, .embedded = true });
}

/* ---- what a report says ---- */

static void send_wrongly_twice(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    for (int i = 0; i < 2; i++) {
        if (i)
            fill(core, s->buffer, SIZE, SIM_HERE);
        else
            fill(core, s->buffer, SIZE, SIM_HERE);
        sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
        uint64_t io = map(core, r, s->buffer, SIM_TO_DEVICE, SIM_MAP_RAW);
        go(core, io, SIM_NEVER, SIZE, 1, SIM_HERE);
        wait(core);
        unmap(core, r, io);
    }
}

static void the_same_mistake_at_two_places_is_told_twice(void **state)
{
    struct play p = { .kind = SIM_HAZARD_NO_CLEAN, .code = send_wrongly_twice, .embedded = true };
    (void)state;
    assert_int_equal(run(&p, false, 0), 2);
}

static void a_report_names_places_and_the_missing_call(void **state)
{
    struct play p = { .kind = SIM_HAZARD_NO_CLEAN, .code = send_without_clean, .embedded = true };
    struct scene scene = { 0 };
    struct rig r;
    char text[2048], cut[100];

    (void)state;
    set_up(&r, &p, &scene, 0);
    rig_run(&r, p.code);
    sim_shadow_finish(r.shadow);
    assert_int_equal(sim_shadow_count(r.shadow), 1);
    const struct sim_hazard *h = sim_shadow_hazard(r.shadow, 0);
    assert_true(h->virtual >= scene.buffer && h->virtual < scene.buffer + SIZE);
    assert_string_equal(h->first.part, "core0");
    assert_string_equal(h->first.what, "store");
    assert_non_null(strstr(h->first.file, "hazards.c"));
    assert_true(h->first.line > 0);
    assert_string_equal(h->second.part, "mover");
    assert_string_equal(h->second.what, "fetch");
    assert_true(h->first.time < h->second.time && h->time == h->second.time);
    assert_int_equal(h->count, SIZE / 64);
    int length = sim_hazard_print(h, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "no-clean"));
    assert_non_null(strstr(text, "sim_clean"));
    assert_int_equal(sim_hazard_print(h, cut, sizeof(cut)), length);
    assert_int_equal(strlen(cut), sizeof(cut) - 1);
    assert_int_equal(sim_hazard_print(h, NULL, 0), length);
    rig_end(&r);
}

static void every_kind_has_a_name_and_an_answer(void **state)
{
    (void)state;
    for (int i = 0; i < SIM_HAZARDS; i++) {
        assert_non_null(sim_hazard_name(i));
        assert_non_null(sim_hazard_missing(i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sim_hazard_name(i), sim_hazard_name(j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_clean),
        cmocka_unit_test(a_missing_invalidate),
        cmocka_unit_test(a_missing_invalidate_before_the_transfer),
        cmocka_unit_test(a_speculative_refill),
        cmocka_unit_test(a_line_at_the_edge_changed_before_the_device_writes),
        cmocka_unit_test(a_line_at_the_edge_changed_after_the_device_wrote),
        cmocka_unit_test(a_line_at_the_edge_whose_changes_are_lost),
        cmocka_unit_test(a_line_that_both_sides_write),
        cmocka_unit_test(a_doorbell_that_overtakes),
        cmocka_unit_test(a_doorbell_before_gathered_stores),
        cmocka_unit_test(a_payload_read_before_its_completion),
        cmocka_unit_test(a_device_that_looks_too_early),
        cmocka_unit_test(a_core_that_looks_too_late),
        cmocka_unit_test(old_bytes_that_are_overwritten),
        cmocka_unit_test(the_same_mistake_at_two_places_is_told_twice),
        cmocka_unit_test(a_report_names_places_and_the_missing_call),
        cmocka_unit_test(every_kind_has_a_name_and_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
