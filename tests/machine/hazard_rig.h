/* Drivers that run into one hazard, and their twins: what plays them, and pieces that they are made of. */
#ifndef DRAY_TESTS_MACHINE_HAZARD_RIG_H
#define DRAY_TESTS_MACHINE_HAZARD_RIG_H

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

static inline struct scene *scene_of(void *argument)
{
    return ((struct rig *)argument)->test;
}

/* ---- pieces of drivers ---- */

static inline void go(struct sim_core *core, uint64_t from, uint64_t to, uint64_t count,
                      uint64_t times, const struct sim_where *where)
{
    mover_set(core, MOVER_FROM, from, where);
    mover_set(core, MOVER_TO, to, where);
    mover_set(core, MOVER_COUNT, count, where);
    mover_set(core, MOVER_GO, times, where);
}

static inline void fill(struct sim_core *core, uint64_t at, uint64_t size,
                        const struct sim_where *where)
{
    uint64_t value = 0x0123456789abcdef;
    for (uint64_t i = 0; i < size; i += 8)
        sim_store(core, at + i, &value, 8, where);
}

static inline void read_all(struct sim_core *core, uint64_t at, uint64_t size,
                            const struct sim_where *where)
{
    uint8_t bytes[SIZE];
    sim_load(core, at, bytes, (uint32_t)size, where);
}

static inline uint64_t map(struct sim_core *core, struct rig *r, uint64_t at,
                           enum sim_direction direction, unsigned flags)
{
    return sim_dma_map(core, r->driver, at, SIZE, direction, flags, SIM_HERE);
}

static inline void unmap(struct sim_core *core, struct rig *r, uint64_t io)
{
    assert_int_equal(sim_dma_unmap(core, r->driver, io, SIM_HERE), 0);
}

static inline void wait(struct sim_core *core)
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

static inline void set_up(struct rig *r, const struct play *play, struct scene *scene,
                          uint64_t seed)
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

static inline void show(const struct sim_shadow *shadow)
{
    char text[1024];
    for (size_t i = 0; i < sim_shadow_count(shadow); i++) {
        sim_hazard_print(sim_shadow_hazard(shadow, i), text, sizeof(text));
        print_message("%s", text);
    }
}

/* Returns how many of the kind were found; of others there is none. */
static inline size_t run(const struct play *play, bool right, uint64_t seed)
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

static inline void play_both(const struct play *play)
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

#endif
