/*
 * Each hazard has a driver that runs into it, and into nothing else, and a twin, the same but for the one
 * call that is missing, that runs into none.
 */
#include <errno.h>

#include "rig.h"

enum {
    SIZE = 1024,
    SEEDS = 40, /* of those that only some schedules show */
};

/* What a driver of this file works with. */
struct scene {
    bool right;        /* the twin */
    uint64_t buffer;   /* of SIZE bytes, at a page's beginning */
    uint64_t other;    /* likewise */
    uint64_t flag;     /* a line of its own */
    uint64_t gathered; /* write-combining */
};

typedef void driver(struct sim_core *core, void *argument);

static struct scene *scene_of(void *argument)
{
    return ((struct rig *)argument)->test;
}

/* ---- pieces of drivers ---- */

static void go(struct sim_core *core, uint64_t from, uint64_t to, uint64_t count, uint64_t times,
               const struct sim_where *where)
{
    mover_set(core, MOVER_FROM, from, where);
    mover_set(core, MOVER_TO, to, where);
    mover_set(core, MOVER_COUNT, count, where);
    mover_set(core, MOVER_GO, times, where);
}

static void fill(struct sim_core *core, uint64_t at, uint64_t size, const struct sim_where *where)
{
    uint64_t value = 0x0123456789abcdef;
    for (uint64_t i = 0; i < size; i += 8)
        sim_store(core, at + i, &value, 8, where);
}

static void read_all(struct sim_core *core, uint64_t at, uint64_t size,
                     const struct sim_where *where)
{
    uint8_t bytes[SIZE];
    sim_load(core, at, bytes, (uint32_t)size, where);
}

static uint64_t map(struct sim_core *core, struct rig *r, uint64_t at, enum sim_direction direction,
                    unsigned flags)
{
    return sim_dma_map(core, r->driver, at, SIZE, direction, flags, SIM_HERE);
}

static void unmap(struct sim_core *core, struct rig *r, uint64_t io)
{
    assert_int_equal(sim_dma_unmap(core, r->driver, io, SIM_HERE), 0);
}

static void wait(struct sim_core *core)
{
    sim_wait_interrupt(core, "the mover", SIM_HERE);
}

/* ---- running them ---- */

struct play {
    enum sim_hazard_kind kind;
    driver *code;
    bool embedded, weak, speculative, no_iommu;
    bool sometimes; /* in some schedules */
    bool hangs;     /* the wrong one never ends */
};

static void set_up(struct rig *r, const struct play *play, struct scene *scene, uint64_t seed)
{
    *r = rig_standard();
    if (play->embedded)
        rig_embedded(r);
    if (play->weak)
        r->core.order = SIM_ORDER_WEAK;
    if (play->speculative)
        r->cache.speculative = 1000000;
    if (play->no_iommu)
        r->iommu_params.present = 0;
    if (play->kind == SIM_HAZARD_COHERENCE)
        r->device_snoops = scene->right;
    r->watch = true;
    r->seed = seed;
    rig_make(r);
    r->test = scene;
    scene->buffer = sim_alloc(r->driver, SIM_PAGE, SIM_CACHED);
    scene->other = sim_alloc(r->driver, SIM_PAGE, SIM_CACHED);
    scene->flag = sim_alloc(r->driver, 64, SIM_CACHED);
    scene->gathered = sim_alloc(r->driver, 4096, SIM_WRITE_COMBINING);
}

static void show(const struct sim_shadow *shadow)
{
    char text[1024];
    for (size_t i = 0; i < sim_shadow_count(shadow); i++) {
        sim_hazard_print(sim_shadow_hazard(shadow, i), text, sizeof(text));
        print_message("%s", text);
    }
}

/* Returns how many of the kind were found; of others there is none. */
static size_t run(const struct play *play, bool right, uint64_t seed)
{
    struct rig r;
    struct scene scene = { .right = right };
    size_t count, others = 0;
    set_up(&r, play, &scene, seed);
    assert_int_equal(sim_core_run(r.cores[0], 0, play->code, &r), 0);
    assert_int_equal(sim_run(r.kernel, SIM_NEVER - 1), 0);
    assert_int_equal(sim_core_ended(r.cores[0]), right || !play->hangs);
    sim_shadow_finish(r.shadow);
    count = sim_shadow_count(r.shadow);
    for (size_t i = 0; i < count; i++)
        others += sim_shadow_hazard(r.shadow, i)->kind != play->kind;
    if (others || (right && count)) {
        print_message("seed %llu, %s:\n", (unsigned long long)seed, right ? "right" : "wrong");
        show(r.shadow);
    }
    assert_int_equal(others, 0);
    rig_end(&r);
    return count;
}

static void play_both(const struct play *play)
{
    size_t found = 0;
    for (uint64_t seed = 0; seed < (play->sometimes ? SEEDS : 3); seed++) {
        size_t count = run(play, false, seed);
        assert_true(count || play->sometimes);
        found += count;
        assert_int_equal(run(play, true, seed), 0);
    }
    assert_true(found);
}

#define PLAY(...)                                 \
    do {                                          \
        static const struct play p = __VA_ARGS__; \
        (void)state;                              \
        play_both(&p);                            \
    } while (0)

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

/* ---- what a report says ---- */

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
        cmocka_unit_test(a_report_names_places_and_the_missing_call),
        cmocka_unit_test(every_kind_has_a_name_and_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
