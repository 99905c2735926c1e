/* Hazards, as in hazards.c: those of who owns bytes, and of mappings. */
#include <errno.h>

#include "hazard_rig.h"

/* ---- ownership ---- */

static void read_while_it_writes(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    if (s->right) {
        wait(core);
        assert_int_equal(sim_dma_sync_for_cpu(core, r->driver, io, 0, SIZE, SIM_HERE), 0);
    }
    read_all(core, s->buffer, 64, SIM_HERE);
    if (!s->right)
        wait(core);
    unmap(core, r, io);
}

static void a_cpu_that_reads_what_the_device_owns(void **state)
{
    PLAY({ .kind = SIM_HAZARD_CPU_READ, .code = read_while_it_writes });
    PLAY({ .kind = SIM_HAZARD_CPU_READ, .code = read_while_it_writes, .embedded = true });
}

static void read_what_was_not_synced(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    /* Piece by piece, out of order; and a piece in the middle is given back. */
    sim_dma_sync_for_cpu(core, r->driver, io, 512, 256, SIM_HERE);
    sim_dma_sync_for_cpu(core, r->driver, io, 0, 256, SIM_HERE);
    sim_dma_sync_for_cpu(core, r->driver, io, 256, 256, SIM_HERE);
    read_all(core, s->buffer, 768, SIM_HERE);
    sim_dma_sync_for_device(core, r->driver, io, 128, 64, SIM_HERE);
    read_all(core, s->buffer, 128, SIM_HERE);
    read_all(core, s->buffer + 192, 576, SIM_HERE);
    read_all(core, s->buffer + (s->right ? 64 : 128), 64, SIM_HERE);
    unmap(core, r, io);
}

static void a_cpu_that_reads_beside_what_was_synced(void **state)
{
    PLAY({ .kind = SIM_HAZARD_CPU_READ, .code = read_what_was_not_synced });
    PLAY({ .kind = SIM_HAZARD_CPU_READ, .code = read_what_was_not_synced, .embedded = true });
}

static void write_while_it_reads(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_TO_DEVICE, 0);
    go(core, io, SIM_NEVER, SIZE, 1, SIM_HERE);
    if (s->right) {
        wait(core);
        unmap(core, r, io);
    }
    fill(core, s->buffer + 128, 8, SIM_HERE);
    if (!s->right) {
        wait(core);
        unmap(core, r, io);
    }
}

static void a_cpu_that_changes_what_the_device_owns(void **state)
{
    PLAY({ .kind = SIM_HAZARD_CPU_WRITE, .code = write_while_it_reads });
    PLAY({ .kind = SIM_HAZARD_CPU_WRITE, .code = write_while_it_reads, .embedded = true });
}

static void check_and_go_on(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    assert_int_equal(sim_dma_sync_for_cpu(core, r->driver, io, 0, SIZE, SIM_HERE), 0);
    read_all(core, s->buffer, 64, SIM_HERE);
    if (s->right)
        assert_int_equal(sim_dma_sync_for_device(core, r->driver, io, 0, SIZE, SIM_HERE), 0);
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_device_that_changes_what_was_checked(void **state)
{
    PLAY({ .kind = SIM_HAZARD_CHANGED_AFTER_CHECK, .code = check_and_go_on });
}

/* ---- mappings ---- */

static void unmap_under_it(struct sim_core *core, void *argument, unsigned flags)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, flags);
    go(core, SIM_NEVER, io, SIZE, 30, SIM_HERE);
    sim_compute(core, 20000);
    if (s->right)
        wait(core);
    unmap(core, r, io);
    if (!s->right)
        wait(core);
    sim_dma_flush(core, r->driver, SIM_HERE);
}

static void unmap_strictly(struct sim_core *core, void *argument)
{
    unmap_under_it(core, argument, 0);
}

static void unmap_lazily(struct sim_core *core, void *argument)
{
    unmap_under_it(core, argument, SIM_MAP_LAZY);
}

static void a_device_that_comes_after_unmap(void **state)
{
    PLAY({ .kind = SIM_HAZARD_AFTER_UNMAP, .code = unmap_strictly });
    PLAY({ .kind = SIM_HAZARD_AFTER_UNMAP, .code = unmap_strictly, .no_iommu = true });
}

static void a_device_in_the_window_of_a_lazy_unmap(void **state)
{
    PLAY({ .kind = SIM_HAZARD_LAZY_WINDOW, .code = unmap_lazily });
}

static void free_first(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    if (s->right)
        unmap(core, r, io);
    sim_free(r->driver, s->buffer, SIM_HERE);
    if (!s->right)
        unmap(core, r, io);
}

static void a_buffer_freed_while_mapped(void **state)
{
    PLAY({ .kind = SIM_HAZARD_FREE_MAPPED, .code = free_first });
}

static void wrong_way(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, s->right ? SIM_FROM_DEVICE : SIM_TO_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_mapping_of_the_wrong_direction(void **state)
{
    PLAY({ .kind = SIM_HAZARD_DIRECTION, .code = wrong_way });
    PLAY({ .kind = SIM_HAZARD_DIRECTION, .code = wrong_way, .no_iommu = true });
}

static void too_far(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, s->right ? SIZE : SIZE + 8, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_device_that_runs_past_the_end(void **state)
{
    PLAY({ .kind = SIM_HAZARD_PAST_END, .code = too_far });
    PLAY({ .kind = SIM_HAZARD_PAST_END, .code = too_far, .no_iommu = true });
}

static void into_the_next_page(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t at = s->buffer + SIM_PAGE - SIZE;
    uint64_t io = map(core, r, at, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, s->right ? SIZE : SIZE + 8, 1, SIM_HERE);
    wait(core);
    unmap(core, r, io);
}

static void a_device_that_runs_into_the_next_page(void **state)
{
    PLAY({ .kind = SIM_HAZARD_PAST_END, .code = into_the_next_page });
}

static void forget_to_unmap(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 1, SIM_HERE);
    wait(core);
    if (s->right)
        unmap(core, r, io);
}

static void a_mapping_left_at_the_end(void **state)
{
    PLAY({ .kind = SIM_HAZARD_LEAK, .code = forget_to_unmap });
}

static void use_a_failed_map(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    uint64_t io = sim_dma_map(core, r->driver, 12345, 64, SIM_FROM_DEVICE, 0, SIM_HERE);
    assert_true(io == SIM_NEVER);
    if (scene_of(argument)->right)
        return;
    go(core, SIM_NEVER, io - 1023, 64, 1, SIM_HERE);
    wait(core);
}

static void a_failed_map_that_is_used(void **state)
{
    PLAY({ .kind = SIM_HAZARD_MAP_IGNORED, .code = use_a_failed_map });
    PLAY({ .kind = SIM_HAZARD_MAP_IGNORED, .code = use_a_failed_map, .no_iommu = true });
}

static void move_under_it(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    if (s->right)
        assert_int_equal(sim_pin(core, r->driver, s->buffer, SIZE, SIM_HERE), 0);
    uint64_t io = map(core, r, s->buffer, SIM_FROM_DEVICE, 0);
    go(core, SIM_NEVER, io, SIZE, 30, SIM_HERE);
    sim_compute(core, 20000);
    assert_int_equal(sim_move(core, r->driver, s->buffer, SIM_HERE), s->right ? -EBUSY : 0);
    wait(core);
    unmap(core, r, io);
    if (s->right)
        assert_int_equal(sim_unpin(core, r->driver, s->buffer, SIZE, SIM_HERE), 0);
}

static void a_page_moved_under_the_device(void **state)
{
    PLAY({ .kind = SIM_HAZARD_MOVED, .code = move_under_it });
}

static void send_and_receive(struct sim_core *core, void *argument)
{
    struct rig *r = argument;
    struct scene *s = scene_of(argument);
    read_all(core, s->other, SIZE, SIM_HERE);
    fill(core, s->buffer, SIZE, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    uint64_t from = map(core, r, s->buffer, SIM_TO_DEVICE, 0);
    uint64_t to = map(core, r, s->other, SIM_FROM_DEVICE, 0);
    go(core, from, to, SIZE, 1, SIM_HERE);
    wait(core);
    unmap(core, r, from);
    unmap(core, r, to);
    read_all(core, s->other, SIZE, SIM_HERE);
}

static void a_system_that_believes_in_snooping(void **state)
{
    PLAY({ .kind = SIM_HAZARD_COHERENCE, .code = send_and_receive });
}

static void wait_without_a_handler(struct sim_core *core, void *argument)
{
    if (!scene_of(argument)->right)
        sim_core_handler(core, 0, NULL, NULL);
    mover_set(core, MOVER_COUNT, 0, SIM_HERE); /* nothing to move: at once it is done */
    mover_set(core, MOVER_GO, 1, SIM_HERE);
    wait(core);
}

static void an_interrupt_that_nobody_handles(void **state)
{
    PLAY({ .kind = SIM_HAZARD_LOST_INTERRUPT, .code = wait_without_a_handler, .hangs = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_that_reads_what_the_device_owns),
        cmocka_unit_test(a_cpu_that_reads_beside_what_was_synced),
        cmocka_unit_test(a_cpu_that_changes_what_the_device_owns),
        cmocka_unit_test(a_device_that_changes_what_was_checked),
        cmocka_unit_test(a_device_that_comes_after_unmap),
        cmocka_unit_test(a_device_in_the_window_of_a_lazy_unmap),
        cmocka_unit_test(a_buffer_freed_while_mapped),
        cmocka_unit_test(a_mapping_of_the_wrong_direction),
        cmocka_unit_test(a_device_that_runs_past_the_end),
        cmocka_unit_test(a_device_that_runs_into_the_next_page),
        cmocka_unit_test(a_mapping_left_at_the_end),
        cmocka_unit_test(a_failed_map_that_is_used),
        cmocka_unit_test(a_page_moved_under_the_device),
        cmocka_unit_test(a_system_that_believes_in_snooping),
        cmocka_unit_test(an_interrupt_that_nobody_handles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
