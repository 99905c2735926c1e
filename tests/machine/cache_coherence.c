/* Two coherent caches and a device: MESI, case by case (M20). */
#include "cache_rig.h"

static struct rig rig;

enum {
    LINE = 4096, /* an address */
    AFTER = SIM_US,
};

static void expect(struct rig *r, enum sim_had core0, enum sim_had core1)
{
    assert_int_equal(sim_cache_holds(r->cache[0], LINE), core0);
    assert_int_equal(sim_cache_holds(r->cache[1], LINE), core1);
}

static struct sim_cache_stats stats_of(struct rig *r, unsigned core)
{
    struct sim_cache_stats stats;

    sim_cache_stats(r->cache[core], &stats);
    return stats;
}

static void run_coherent(void (*code)(struct rig *rig))
{
    struct sim_cache_params p = rig_caches(true);

    rig_open(&rig, &p);
    memset(sim_memory_at(rig.memory, LINE), 0x11, 64);
    rig_do(&rig, code);
    rig_close(&rig);
}

static void share_then_write(struct rig *r)
{
    uint8_t byte;

    assert_int_equal(rig_load(r, 0, LINE), 0x11);
    rig_store(r, 0, LINE, 0x22); /* it held the line alone: no word to the bus */
    assert_int_equal(stats_of(r, 0).upgrades, 0);
    expect(r, SIM_HAD_CHANGED, SIM_HAD_NOTHING);

    /* The other reads: bytes from cache to cache, both share them, memory has them too. */
    assert_int_equal(sim_cache_read(r->cache[1], LINE, &byte, 1, NULL), SIM_LEVEL_OTHER);
    assert_int_equal(byte, 0x22);
    expect(r, SIM_HAD_CLEAN, SIM_HAD_CLEAN);
    assert_int_equal(rig_memory(r, LINE), 0x22);

    /* It writes: an upgrade, which takes the line from the first. */
    rig_store(r, 1, LINE + 1, 0x33);
    expect(r, SIM_HAD_NOTHING, SIM_HAD_CHANGED);
    assert_int_equal(stats_of(r, 1).upgrades, 1);
    assert_int_equal(stats_of(r, 1).fills, 1);
    assert_int_equal(stats_of(r, 0).snooped, 2);

    /* The first writes: the whole line with the other's bytes, alone. */
    rig_store(r, 0, LINE + 2, 0x44);
    expect(r, SIM_HAD_CHANGED, SIM_HAD_NOTHING);
    assert_int_equal(rig_load(r, 0, LINE), 0x22);
    assert_int_equal(rig_load(r, 0, LINE + 1), 0x33);
    assert_int_equal(rig_load(r, 0, LINE + 3), 0x11);
}

static void a_line_is_shared_by_readers_and_alone_with_a_writer(void **state)
{
    (void)state;
    run_coherent(share_then_write);
}

static sim_time time_of_load(struct rig *r, unsigned core, uint64_t address)
{
    sim_time before = sim_now(r->kernel);

    rig_load(r, core, address);
    return sim_now(r->kernel) - before;
}

static void times(struct rig *r)
{
    sim_time before;

    assert_int_equal(time_of_load(r, 0, LINE), 12000 + 82500);
    assert_int_equal(time_of_load(r, 1, LINE), 12000 + 12500); /* the other cache answers */
    before = sim_now(r->kernel);
    rig_store(r, 1, LINE, 1);
    assert_int_equal(sim_now(r->kernel) - before, 12000 + 12500); /* an upgrade likewise */
    before = sim_now(r->kernel);
    rig_store(r, 1, LINE, 1);
    assert_int_equal(sim_now(r->kernel) - before, 1000);
}

static void another_cache_answers_sooner_than_memory(void **state)
{
    (void)state;
    run_coherent(times);
}

static void device_reads_changed(struct rig *r)
{
    struct rig_request *read;
    sim_time before;

    rig_store(r, 0, LINE + 5, 0x55);
    before = sim_now(r->kernel);
    read = rig_device(r, SIM_READ, LINE, 64, 0);
    sim_sleep(r->kernel, AFTER);
    assert_int_equal(read->bytes[5], 0x55);
    assert_int_equal(read->bytes[6], 0x11);
    assert_int_equal(read->done - before, 12500); /* 70 ns less than from memory */
    assert_true(read->request.from_cache);
    expect(r, SIM_HAD_CLEAN, SIM_HAD_NOTHING);
    /* It is shared now, so a write needs the bus again. */
    rig_store(r, 0, LINE + 5, 0x56);
    assert_int_equal(stats_of(r, 0).upgrades, 1);
}

static void a_device_reads_what_a_cache_has_changed(void **state)
{
    (void)state;
    run_coherent(device_reads_changed);
}

static void device_writes_part(struct rig *r)
{
    rig_store(r, 0, LINE + 5, 0x55);
    rig_device(r, SIM_WRITE, LINE + 8, 8, 0x88);
    sim_sleep(r->kernel, AFTER);
    expect(r, SIM_HAD_NOTHING, SIM_HAD_NOTHING);
    assert_int_equal(rig_memory(r, LINE + 4), 0x11); /* memory's */
    assert_int_equal(rig_memory(r, LINE + 5), 0x55); /* the core's */
    assert_int_equal(rig_memory(r, LINE + 7), 0x11);
    assert_int_equal(rig_memory(r, LINE + 8), 0x88); /* the device's */
    assert_int_equal(rig_memory(r, LINE + 15), 0x88);
    assert_int_equal(rig_memory(r, LINE + 16), 0x11);
    assert_int_equal(rig_load(r, 0, LINE + 8), 0x88);
}

static void a_device_that_writes_part_of_a_changed_line_loses_nothing(void **state)
{
    (void)state;
    run_coherent(device_writes_part);
}

/* A changed line that a device overwrites whole need not be written to DRAM before; a part must. */
static uint64_t dram_writes(uint32_t size)
{
    struct sim_dram_stats stats;
    struct sim_cache_params p = rig_caches(true);
    uint64_t writes;

    rig_open(&rig, &p);
    memset(sim_memory_at(rig.memory, LINE), 0x11, 64);
    rig_do(&rig, device_reads_changed);
    sim_dram_stats(rig.dram, &stats);
    writes = stats.writes;
    assert_int_equal(writes, 1); /* for the read that shares */
    rig_device(&rig, SIM_WRITE, LINE, size, 0x77);
    rig_run(&rig);
    sim_dram_stats(rig.dram, &stats);
    rig_close(&rig);
    return stats.writes - writes;
}

static void memory_is_written_no_more_than_needed(void **state)
{
    (void)state;
    assert_int_equal(dram_writes(64), 1);
    assert_int_equal(dram_writes(63), 2);
}

static void without_the_attribute(struct rig *r)
{
    struct rig_request *read;

    r->device.snooped = false;
    rig_store(r, 0, LINE, 0x99);
    read = rig_device(r, SIM_READ, LINE, 64, 0);
    sim_sleep(r->kernel, AFTER);
    assert_int_equal(read->bytes[0], 0x11);
    expect(r, SIM_HAD_CHANGED, SIM_HAD_NOTHING);
}

static void a_device_that_is_not_snooped_reads_what_memory_has(void **state)
{
    (void)state;
    run_coherent(without_the_attribute);
}

struct witness {
    struct sim_observer observer;
    unsigned seen;
    enum sim_op ops[8];
    uint64_t addresses[8];
    uint8_t before[8]; /* what memory held at LINE + 5 */
};

static void witness_grant(struct sim_observer *observer, const struct sim_request *request)
{
    struct witness *w = SIM_OWNER(observer, struct witness, observer);

    assert_true(w->seen < 8);
    w->ops[w->seen] = request->op;
    w->addresses[w->seen] = request->address;
    w->before[w->seen++] = rig_memory(&rig, LINE + 5);
}

static struct witness witness;

static void take_and_take_again(struct rig *r)
{
    rig_load(r, 1, LINE);
    rig_load(r, 0, LINE);
    rig_store(r, 0, LINE + 5, 0x55);               /* upgrade */
    rig_store(r, 1, LINE + 5, 0x66);               /* fill */
    rig_device(r, SIM_READ, LINE, 64, 0);          /* takes nothing */
    rig_device(r, SIM_WRITE, LINE - 4, 300, 0x77); /* two bursts */
    sim_sleep(r->kernel, AFTER);
}

static void who_takes_a_line_is_observed_while_memory_has_the_old_bytes(void **state)
{
    struct sim_cache_params p = rig_caches(true);

    (void)state;
    witness = (struct witness){ .observer = { .granting = witness_grant } };
    rig_open(&rig, &p);
    sim_bus_add_observer(rig.bus, &witness.observer);
    memset(sim_memory_at(rig.memory, LINE), 0x11, 64);
    rig_do(&rig, take_and_take_again);
    assert_int_equal(witness.seen, 4);
    assert_int_equal(witness.ops[0], SIM_UPGRADE);
    assert_int_equal(witness.before[0], 0x11);
    assert_int_equal(witness.ops[1], SIM_FILL_OWN);
    assert_int_equal(witness.before[1], 0x55);
    assert_int_equal(witness.ops[2], SIM_WRITE);
    assert_int_equal(witness.before[2], 0x66);
    assert_int_equal(witness.addresses[3], LINE - 4 + 256);
    assert_int_equal(witness.before[3], 0x77);
    rig_close(&rig);
}

/* ---- races ---- */

static void write_own_byte(struct rig *r, unsigned core)
{
    rig_load(r, core, LINE);
    sim_sleep(r->kernel, AFTER - sim_now(r->kernel)); /* both share it; both write at one moment */
    rig_store(r, core, LINE + core, (uint8_t)(0xa0 + core));
}

static void writer0(struct rig *r)
{
    write_own_byte(r, 0);
}

static void writer1(struct rig *r)
{
    write_own_byte(r, 1);
}

static void load_both(struct rig *r)
{
    assert_int_equal(rig_load(r, 0, LINE), 0xa0);
    assert_int_equal(rig_load(r, 0, LINE + 1), 0xa1);
}

/* The second upgrade finds its line gone, and becomes a fill. */
static void of_two_upgrades_the_second_takes_the_whole_line(void **state)
{
    struct sim_cache_params p = rig_caches(true);

    (void)state;
    rig_open(&rig, &p);
    rig_begin(&rig, 0, writer0);
    rig_begin(&rig, 0, writer1);
    rig_run(&rig);
    assert_int_equal(stats_of(&rig, 0).upgrades, 1);
    assert_int_equal(stats_of(&rig, 1).upgrades, 1);
    assert_int_equal(stats_of(&rig, 0).fills + stats_of(&rig, 1).fills, 3);
    rig_do(&rig, load_both);
    rig_close(&rig);
}

/* Changes a line, hands it over, changes it again and pushes it out with three more, so that two
 * write-backs of it stand in a queue that a device before them fills. */
static void hand_over_twice(struct rig *r)
{
    struct rig_request *read;

    rig_store(r, 0, LINE, 0x01);
    for (unsigned i = 0; i < 8; i++)
        rig_device(r, SIM_READ, 0, 4096, 0);
    read = rig_device(r, SIM_READ, LINE, 64, 0);
    sim_cache_clean(r->cache[0], LINE, 64, NULL);
    rig_store(r, 0, LINE, 0x02);
    sim_cache_flush(r->cache[0], LINE, 64, NULL);
    assert_int_equal(rig_memory(r, LINE), 0x11); /* nothing has arrived */
    assert_int_equal(sim_cache_holds(r->cache[0], LINE), SIM_HAD_NOTHING);
    sim_sleep(r->kernel, AFTER);
    assert_int_equal(read->bytes[0], 0x02);
    rig_device(r, SIM_WRITE, LINE, 1, 0x03);
    sim_cache_settle(r->cache[0]);
    sim_sleep(r->kernel, AFTER);
    assert_int_equal(rig_memory(r, LINE), 0x03); /* the old ones did not come after it */
}

static void waiting_write_backs_are_snooped_and_the_newest_counts(void **state)
{
    struct sim_cache_params p = rig_caches(true);
    struct sim_dram_params d;
    struct sim_bus_params b;
    unsigned write_backs = 0;

    (void)state;
    rig_open(&rig, &p);
    /* the same, with the device before the cores and by priority */
    sim_cache_destroy(&rig.cache[1]);
    sim_cache_destroy(&rig.cache[0]);
    sim_bus_destroy(&rig.bus);
    sim_params_standard(&sim_bus_kind, &b);
    sim_params_standard(&sim_dram_kind, &d);
    b.arbiter = SIM_ARBITER_PRIORITY;
    assert_int_equal(sim_bus_create(&rig.bus, rig.kernel, rig.memory, rig.dram, &b), 0);
    sim_bus_add_master(rig.bus, &rig.device, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sim_cache_create(&rig.cache[i], rig.kernel, rig.bus, "core0", &p), 0);
    memset(sim_memory_at(rig.memory, LINE), 0x11, 64);
    rig_do(&rig, hand_over_twice);
    for (unsigned i = 0; i < rig.note_count; i++)
        write_backs += rig.notes[i].kind == SIM_NOTE_WRITE_BACK;
    assert_int_equal(write_backs, 1);
    rig_close(&rig);
}

/* ---- tokens: what a swap takes out, nobody else has ---- */

enum {
    SWAPS = 500,
};

static uint64_t tokens_seen[2 * SWAPS + 2];

static void swap_tokens(struct rig *r, unsigned core)
{
    for (uint64_t i = 0; i < SWAPS; i++) {
        uint64_t mine = 1 + core * SWAPS + i, old = 0;

        sim_cache_swap(r->cache[core], LINE, &old, &mine, 8, NULL);
        assert_in_range(old, 0, 2 * SWAPS);
        tokens_seen[old]++;
        if (i % 3 == 0)
            sim_sleep(r->kernel, sim_random_below(r->kernel, 50000));
    }
}

static void swapper0(struct rig *r)
{
    swap_tokens(r, 0);
}

static void swapper1(struct rig *r)
{
    swap_tokens(r, 1);
}

static void take_last(struct rig *r)
{
    uint64_t last;

    sim_cache_read(r->cache[0], LINE, &last, 8, NULL);
    tokens_seen[last]++;
}

static void a_swap_is_one_moment(void **state)
{
    struct sim_cache_params p = rig_caches(true);

    (void)state;
    memset(tokens_seen, 0, sizeof(tokens_seen));
    rig_open(&rig, &p);
    rig_begin(&rig, 0, swapper0);
    rig_begin(&rig, 0, swapper1);
    rig_run(&rig);
    rig_do(&rig, take_last);
    for (unsigned i = 0; i <= 2 * SWAPS; i++)
        assert_int_equal(tokens_seen[i], 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_shared_by_readers_and_alone_with_a_writer),
        cmocka_unit_test(another_cache_answers_sooner_than_memory),
        cmocka_unit_test(a_device_reads_what_a_cache_has_changed),
        cmocka_unit_test(a_device_that_writes_part_of_a_changed_line_loses_nothing),
        cmocka_unit_test(memory_is_written_no_more_than_needed),
        cmocka_unit_test(a_device_that_is_not_snooped_reads_what_memory_has),
        cmocka_unit_test(who_takes_a_line_is_observed_while_memory_has_the_old_bytes),
        cmocka_unit_test(of_two_upgrades_the_second_takes_the_whole_line),
        cmocka_unit_test(waiting_write_backs_are_snooped_and_the_newest_counts),
        cmocka_unit_test(a_swap_is_one_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
