/*
 * Two cores of two fibers each and a device, at random in one page, with caches of a few lines.
 *
 * Everybody sees exactly the bytes, stale or not, that copies of lines kept from the notes alone say: so
 * who watches notes knows what each part holds. And where caches are coherent (M20) everybody sees a
 * plain array of bytes, to which each access is applied at the moment at which it says that it moved,
 * without one call of maintenance.
 */
#include "test.h"

#include "cache.h"

enum {
    CORES = 2,
    FIBERS = 2 * CORES,
    DEVICE_SLOTS = 6,
    PAGE = 4096,
    BASE = 2 * PAGE, /* the page before and the page after are guards */
    LINE = 64,
    LINES = PAGE / LINE,
    PENDING = 64,
    ACTIONS = 1500, /* of one fiber */
};

struct world;

/* An access of a core: the listener finds it by its origin. */
struct action {
    struct sim_origin origin;
    bool reads;
    uint8_t old[LINE + 2], new[LINE]; /* old: between two guards */
};

struct device_slot {
    struct sim_request request;
    struct sim_origin origin;
    struct world *world;
    uint8_t bytes[PAGE + 2];
};

/* What a core without coherence must see: made from notes. */
struct shadow {
    bool held[LINES];
    uint8_t line[LINES][LINE];
    struct {
        unsigned line;
        uint8_t bytes[LINE];
    } pending[PENDING];
    unsigned pending_count;
};

struct core {
    struct world *world;
    struct sim_cache *cache;
    struct sim_cache_listener listener;
    char name[8];
    unsigned number;
    struct shadow shadow;
};

struct world {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_watcher watcher;
    struct sim_master device;
    struct core cores[CORES];
    struct sim_fiber *fibers[FIBERS];
    struct device_slot slots[DEVICE_SLOTS];
    bool coherent;
    bool maintained;  /* by calls that the driver makes */
    unsigned running; /* fibers */
    unsigned device_busy;
    uint64_t checked; /* bytes that were read and compared */
    uint64_t digest;
    uint8_t bytes[PAGE];     /* what all see, where it is coherent */
    uint8_t in_memory[PAGE]; /* memory, as the notes say */
};

/* ---- the reference ---- */

static uint8_t *held_by(struct core *core, uint64_t address)
{
    uint64_t at = address - BASE;

    if (!core->shadow.held[at / LINE])
        fail_msg("an access to a line that no note has brought in");
    return core->shadow.line[at / LINE] + at % LINE;
}

static void compare(struct world *w, const char *who, const uint8_t *got, const uint8_t *expected,
                    uint64_t address, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (got[i] != expected[i])
            fail_msg("%s at byte %u of the page: got %02x, expected %02x, %llu checked before", who,
                     (unsigned)(address - BASE + i), got[i], expected[i],
                     (unsigned long long)w->checked);
    w->checked += size;
}

static void apply(struct core *core, struct action *a, uint64_t address, uint32_t size, bool write)
{
    struct world *w = core->world;
    uint8_t *held = held_by(core, address), *all = w->bytes + (address - BASE);

    if (a->reads)
        compare(w, core->name, a->old + 1, held, address, size);
    if (a->reads && w->coherent)
        compare(w, core->name, a->old + 1, all, address, size);
    if (write) {
        memcpy(held, a->new, size);
        memcpy(all, a->new, size);
    }
}

static void moved(struct sim_cache_listener *listener, bool write, uint64_t address, uint32_t size,
                  enum sim_level level, const struct sim_origin *origin)
{
    struct core *core = SIM_OWNER(listener, struct core, listener);

    (void)level;
    apply(core, SIM_OWNER(origin, struct action, origin), address, size, write);
}

static void hand_over(struct shadow *s, unsigned line)
{
    assert_true(s->pending_count < PENDING);
    s->pending[s->pending_count].line = line;
    memcpy(s->pending[s->pending_count++].bytes, s->line[line], LINE);
}

/* The oldest that was handed over. */
static void arrive(struct world *w, struct shadow *s, unsigned line)
{
    unsigned i = 0;

    while (i < s->pending_count && s->pending[i].line != line)
        i++;
    if (i == s->pending_count)
        fail_msg("line %u reached memory, but nothing handed it over", line);
    memcpy(w->in_memory + line * LINE, s->pending[i].bytes, LINE);
    s->pending_count--;
    memmove(&s->pending[i], &s->pending[i + 1], (s->pending_count - i) * sizeof(s->pending[0]));
}

/* All that was handed over, and the newest bytes count. */
static void take(struct world *w, struct shadow *s, unsigned line)
{
    unsigned left = 0;
    bool found = false;

    for (unsigned i = 0; i < s->pending_count; i++) {
        if (s->pending[i].line == line) {
            memcpy(w->in_memory + line * LINE, s->pending[i].bytes, LINE);
            found = true;
        } else {
            s->pending[left++] = s->pending[i];
        }
    }
    s->pending_count = left;
    if (s->held[line])
        memcpy(w->in_memory + line * LINE, s->line[line], LINE);
    else if (!found)
        fail_msg("a snoop took line %u, which was nowhere", line);
}

static void note_of_cache(struct world *w, struct core *core, const struct sim_note *note)
{
    struct shadow *s = &core->shadow;
    unsigned line = (unsigned)((note->address - BASE) / LINE);

    switch (note->kind) {
    case SIM_NOTE_FILL:
        assert_false(s->held[line]);
        s->held[line] = true;
        memcpy(s->line[line], w->in_memory + line * LINE, LINE);
        break;
    case SIM_NOTE_EVICT:
        assert_true(s->held[line]);
        if (note->value)
            hand_over(s, line);
        s->held[line] = false;
        break;
    case SIM_NOTE_CLEAN:
        if (note->value)
            hand_over(s, line);
        break;
    case SIM_NOTE_INVALIDATE:
        s->held[line] = false;
        break;
    case SIM_NOTE_WRITE_BACK:
        if (note->value)
            take(w, s, line);
        else
            arrive(w, s, line);
        break;
    default:
        fail_msg("a cache made a note of kind %d", note->kind);
    }
}

static void note_of_device(struct world *w, const struct sim_note *note)
{
    struct device_slot *slot = SIM_OWNER(note->origin, struct device_slot, origin);
    uint8_t *bytes = slot->bytes + 1 + (note->address - slot->request.address);
    uint64_t at = note->address - BASE;

    if (note->kind == SIM_NOTE_DEVICE_READ) {
        compare(w, "device", bytes, w->in_memory + at, note->address, (uint32_t)note->size);
        if (w->coherent)
            compare(w, "device", bytes, w->bytes + at, note->address, (uint32_t)note->size);
    } else if (note->kind == SIM_NOTE_DEVICE_WRITE) {
        memcpy(w->in_memory + at, bytes, note->size);
        memcpy(w->bytes + at, bytes, note->size);
    } else {
        fail_msg("a device made a note of kind %d", note->kind);
    }
}

static void mix(struct world *w, uint64_t value)
{
    w->digest = (w->digest ^ value) * 0x100000001b3;
}

static void watch(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct world *w = SIM_OWNER(watcher, struct world, watcher);

    mix(w, note->kind);
    mix(w, note->time);
    mix(w, note->address);
    mix(w, note->size);
    mix(w, note->value);
    if (note->kind == SIM_NOTE_SPAN || note->kind == SIM_NOTE_COUNT)
        return;
    if (!strcmp(note->part, "device"))
        note_of_device(w, note);
    else
        note_of_cache(w, &w->cores[note->part[4] - '0'], note);
}

/* ---- who acts ---- */

static uint64_t below(struct world *w, uint64_t bound)
{
    return sim_random_below(w->kernel, bound);
}

static void fill_random(struct world *w, uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)sim_random(w->kernel);
}

static void maintain(struct world *w, struct core *core)
{
    uint64_t at = BASE + below(w, PAGE), size = 1 + below(w, BASE + PAGE - at);

    if (size > 300)
        size = 300;
    switch (below(w, 8)) {
    case 0:
    case 1:
    case 2:
        sim_cache_clean(core->cache, at, size, NULL);
        break;
    case 3:
    case 4:
        sim_cache_flush(core->cache, at, size, NULL);
        break;
    case 5:
        sim_cache_settle(core->cache);
        break;
    default:
        if (!w->coherent) /* it loses bytes that others may have seen */
            sim_cache_invalidate(core->cache, at, size, NULL);
    }
}

static void act(struct world *w, struct core *core, struct action *a)
{
    uint32_t inside = (uint32_t)below(w, LINE), size = 1 + (uint32_t)below(w, LINE - inside);
    uint64_t at = BASE + below(w, LINES) * LINE + inside;
    unsigned what = (unsigned)below(w, 100);

    memset(a, 0x5a, sizeof(*a));
    fill_random(w, a->new, size);
    a->reads = what < 45 || (what >= 75 && what < 90);
    if (what < 35) {
        sim_cache_read(core->cache, at, a->old + 1, size, &a->origin);
    } else if (what < 45) {
        if (sim_cache_try_read(core->cache, at, a->old + 1, size))
            apply(core, a, at, size, false);
    } else if (what < 70) {
        sim_cache_write(core->cache, at, a->new, size, &a->origin);
    } else if (what < 75) {
        if (sim_cache_try_write(core->cache, at, a->new, size))
            apply(core, a, at, size, true);
    } else if (what < 90) {
        sim_cache_swap(core->cache, at, a->old + 1, a->new, size, &a->origin);
    } else if (w->maintained) {
        maintain(w, core);
    }
    if (a->old[0] != 0x5a || a->old[size + 1] != 0x5a)
        fail_msg("a guard byte has changed");
    if (!below(w, 3))
        sim_sleep(w->kernel, below(w, 100000));
}

static void core_main(void *argument)
{
    struct core *core = argument;
    struct action action;

    for (unsigned i = 0; i < ACTIONS; i++)
        act(core->world, core, &action);
    core->world->running--;
}

static void device_ask(struct device_slot *slot)
{
    struct world *w = slot->world;
    uint32_t at = (uint32_t)below(w, PAGE), size = 1 + (uint32_t)below(w, PAGE - at);

    if (below(w, 4)) /* mostly parts of a few lines */
        size = size % 200 + 1 <= PAGE - at ? size % 200 + 1 : size;
    slot->request.op = below(w, 2) ? SIM_READ : SIM_WRITE;
    slot->request.address = BASE + at;
    slot->request.size = size;
    slot->request.data = slot->bytes + 1;
    slot->bytes[0] = slot->bytes[size + 1] = 0xa5;
    if (slot->request.op == SIM_WRITE)
        fill_random(w, slot->bytes + 1, size);
    sim_submit(sim_bus_target(w->bus), &slot->request);
}

static void device_done(struct sim_request *request)
{
    struct device_slot *slot = SIM_OWNER(request, struct device_slot, request);

    if (slot->bytes[0] != 0xa5 || slot->bytes[request->size + 1] != 0xa5)
        fail_msg("a guard byte of the device has changed");
    if (slot->world->running)
        device_ask(slot);
}

/* ---- a run ---- */

static void open_core(struct world *w, unsigned i, const struct sim_cache_params *p)
{
    struct core *core = &w->cores[i];

    core->world = w;
    core->number = i;
    snprintf(core->name, sizeof(core->name), "core%u", i);
    assert_null(sim_cache_kind.check(p));
    assert_int_equal(sim_cache_create(&core->cache, w->kernel, w->bus, core->name, p), 0);
    core->listener.moved = moved;
    sim_cache_listen(core->cache, &core->listener);
}

static struct sim_cache_params caches_of(struct world *w)
{
    struct sim_cache_params p;

    sim_params_standard(&sim_cache_kind, &p);
    p.levels = 1 + below(w, 3);
    for (unsigned i = 0; i < 3; i++) {
        p.ways[i] = 1 + below(w, 3);
        p.size[i] = (p.ways[i] * LINE) << (i + below(w, 2));
        if (i && p.size[i] < p.size[i - 1]) {
            p.ways[i] = p.ways[i - 1];
            p.size[i] = p.size[i - 1];
        }
    }
    p.coherent = w->coherent;
    p.maintenance = below(w, 2) * 40000;
    p.speculative = below(w, 4) ? below(w, 1000001) : 0;
    return p;
}

static void open_world(struct world *w, bool coherent, bool maintained, uint64_t seed)
{
    struct sim_bus_params p;
    struct sim_dram_params d;
    struct sim_cache_params c;

    memset(w, 0, sizeof(*w));
    w->coherent = coherent;
    w->maintained = maintained;
    assert_int_equal(sim_kernel_create(&w->kernel, seed), 0);
    assert_int_equal(sim_memory_create(&w->memory, 16 * PAGE), 0);
    sim_params_standard(&sim_dram_kind, &d);
    assert_int_equal(sim_dram_create(&w->dram, &d), 0);
    sim_params_standard(&sim_bus_kind, &p);
    p.arbiter = below(w, 4);
    p.burst = 16u << below(w, 6);
    assert_int_equal(sim_bus_create(&w->bus, w->kernel, w->memory, w->dram, &p), 0);
    w->device = (struct sim_master){ .name = "device", .device = 1, .snooped = coherent };
    bool first = below(w, 2); /* in the arbiter's order */
    if (first)
        sim_bus_add_master(w->bus, &w->device, 3);
    c = caches_of(w);
    for (unsigned i = 0; i < CORES; i++)
        open_core(w, i, &c);
    if (!first)
        sim_bus_add_master(w->bus, &w->device, 3);
    w->watcher.note = watch;
    sim_watch(w->kernel, &w->watcher);
    tag_fill(sim_memory_at(w->memory, BASE - PAGE), 3 * PAGE, 7, 0);
    memcpy(w->bytes, sim_memory_at(w->memory, BASE), PAGE);
    memcpy(w->in_memory, w->bytes, PAGE);
}

static void read_all(void *argument)
{
    struct core *core = argument;
    struct action a;

    for (uint64_t at = BASE; at < BASE + PAGE; at += LINE) {
        memset(&a, 0, sizeof(a));
        a.reads = true;
        sim_cache_read(core->cache, at, a.old + 1, LINE, &a.origin);
    }
}

/* Everything is over: what memory holds, and the pages beside. */
static void check_end(struct world *w)
{
    struct sim_fiber *fiber;

    tag_check(sim_memory_at(w->memory, BASE - PAGE), PAGE, 7, 0);
    tag_check(sim_memory_at(w->memory, BASE + PAGE), PAGE, 7, 2 * PAGE);
    compare(w, "memory", sim_memory_at(w->memory, BASE), w->in_memory, BASE, PAGE);
    assert_int_equal(
        sim_fiber_create(&fiber, w->kernel, "end", sim_now(w->kernel), read_all, &w->cores[0]), 0);
    assert_int_equal(sim_run(w->kernel, SIM_NEVER), 0);
    assert_true(sim_fiber_ended(fiber));
    sim_fiber_destroy(&fiber);
}

static uint64_t run(bool coherent, bool maintained, uint64_t seed, struct sim_cache_stats *stats)
{
    static struct world w;
    uint64_t digest;

    open_world(&w, coherent, maintained, seed);
    w.running = FIBERS;
    for (unsigned i = 0; i < FIBERS; i++)
        assert_int_equal(
            sim_fiber_create(&w.fibers[i], w.kernel, "fiber", 0, core_main, &w.cores[i % CORES]),
            0);
    for (unsigned i = 0; i < DEVICE_SLOTS; i++) {
        w.slots[i].world = &w;
        w.slots[i].request.master = &w.device;
        w.slots[i].request.done = device_done;
        w.slots[i].request.origin = &w.slots[i].origin;
        device_ask(&w.slots[i]);
    }
    assert_int_equal(sim_run(w.kernel, SIM_NEVER), 0);
    assert_int_equal(w.running, 0);
    check_end(&w);
    sim_cache_stats(w.cores[0].cache, stats);
    digest = w.digest;
    assert_true(w.checked > 10000);
    for (unsigned i = 0; i < FIBERS; i++)
        sim_fiber_destroy(&w.fibers[i]);
    for (unsigned i = 0; i < CORES; i++)
        sim_cache_destroy(&w.cores[i].cache);
    sim_bus_destroy(&w.bus);
    sim_dram_destroy(&w.dram);
    sim_memory_destroy(&w.memory);
    sim_kernel_destroy(&w.kernel);
    return digest;
}

static void rounds(bool coherent, bool maintained)
{
    struct test_rng rng = { test_seed() };
    struct sim_cache_stats all = { .misses = 0 }, one;
    unsigned count = TEST_SANITIZED ? 8 : 40;

    for (unsigned i = 0; i < count; i++) {
        run(coherent, maintained, test_next(&rng), &one);
        all.misses += one.misses;
        all.upgrades += one.upgrades;
        all.snooped += one.snooped;
        all.write_backs += one.write_backs;
        all.speculative_fills += one.speculative_fills;
        all.maintained += one.maintained;
    }
    /* Whatever this is about did happen. */
    assert_true(all.misses && all.write_backs && all.speculative_fills);
    assert_int_equal(coherent, all.upgrades != 0);
    assert_int_equal(coherent, all.snooped != 0);
    assert_int_equal(maintained, all.maintained != 0);
}

static void coherent_caches_need_no_call(void **state)
{
    (void)state;
    rounds(true, false);
}

static void calls_that_are_not_needed_change_nothing(void **state)
{
    (void)state;
    rounds(true, true);
}

static void without_coherence_exactly_the_stale_bytes_are_seen(void **state)
{
    (void)state;
    rounds(false, true);
}

static void two_runs_make_the_same_notes(void **state)
{
    struct test_rng rng = { test_seed() };
    struct sim_cache_stats stats;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t seed = test_next(&rng), first = run(i & 1, true, seed, &stats);

        assert_int_equal(run(i & 1, true, seed, &stats), first);
        assert_int_not_equal(run(i & 1, true, seed + 1, &stats), first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coherent_caches_need_no_call),
        cmocka_unit_test(calls_that_are_not_needed_change_nothing),
        cmocka_unit_test(without_coherence_exactly_the_stale_bytes_are_seen),
        cmocka_unit_test(two_runs_make_the_same_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
