/* Registers, start and stop, room for completions, interrupts, and regions that change. */
#include "controller_rig.h"

enum {
    HALTED = SIM_STATUS_HALTED | SIM_STATUS_IDLE,
};

static int setup(void **state)
{
    struct rig *rig = malloc(sizeof(*rig));
    struct sim_controller_params p = rig_params();
    p.bandwidth = 1000000000;
    rig_make(rig, &p, 100 * SIM_NS);
    tag_fill(rig->bytes + RIG_DATA, 1 << 20, 5, 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

static uint64_t status_of(struct rig *rig)
{
    return rig_read(rig, 0, SIM_REG_STATUS);
}

static unsigned why(struct rig *rig)
{
    return (unsigned)(status_of(rig) >> SIM_STATUS_WHY_SHIFT & 0xff);
}

static void nops(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct dray_desc *d = rig_get(rig, 0);
        dray_prep_nop(d);
        d->user_data = rig->filled[0] - 1;
    }
    rig_publish(rig, 0);
}

/* ---- registers ---- */

static void registers_are_read_and_written(void **state)
{
    struct rig *rig = *state;
    struct sim_mmio *m = rig->mmio;
    uint64_t at = 2 * SIM_CHANNEL_SIZE + SIM_REG_RING;
    m->write(m, at, 8, 0x1122334455667740);
    assert_int_equal(m->read(m, at, 4), 0x55667740);
    assert_int_equal(m->read(m, at + 4, 4), 0x11223344);
    m->write(m, at + 4, 4, 0x99);
    assert_int_equal(m->read(m, at, 8), 0x9955667740);
    m->write(m, at, 4, 0xffffffffff);
    assert_int_equal(m->read(m, at, 8), 0x99ffffffff);
    /* Odd accesses, and channels that are not there. */
    m->write(m, at + 1, 4, 0);
    m->write(m, at, 2, 0);
    m->write(m, RIG_CHANNELS * SIM_CHANNEL_SIZE + SIM_REG_CONTROL, 8, 1);
    assert_int_equal(m->read(m, at, 8), 0x99ffffffff);
    assert_int_equal(m->read(m, at + 1, 4), UINT64_MAX);
    assert_int_equal(m->read(m, RIG_CHANNELS * SIM_CHANNEL_SIZE, 8), UINT64_MAX);
    rig_write(rig, 0, SIM_REG_STATUS, UINT64_MAX);
    assert_int_equal(status_of(rig), SIM_STATUS_IDLE);
    /* Where the rings are stays while they are used. */
    uint64_t ring = rig_read(rig, 0, SIM_REG_RING);
    rig_start(rig, 0);
    rig_write(rig, 0, SIM_REG_RING, 0);
    rig_write(rig, 0, SIM_REG_INTERRUPT, 9);
    assert_int_equal(rig_read(rig, 0, SIM_REG_RING), ring);
    assert_int_equal(rig_read(rig, 0, SIM_REG_INTERRUPT), 9);
    assert_int_equal(rig_read(rig, 0, SIM_REG_CONTROL), 0);
}

static void impossible_rings_halt_at_the_start(void **state)
{
    struct rig *rig = *state;
    static const struct {
        unsigned reg;
        uint64_t value;
        uint8_t why;
    } c[] = {
        { SIM_REG_RING, 0x1020, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_RING_SIZE, 0, DRAY_STATUS_LENGTH },
        { SIM_REG_RING_SIZE, 3, DRAY_STATUS_LENGTH },
        { SIM_REG_RING_SIZE, 131072, DRAY_STATUS_LENGTH },
        { SIM_REG_COMPLETION, 0x12010, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_COMPLETION_SIZE, 12, DRAY_STATUS_LENGTH },
        { SIM_REG_TAIL, 0x1001, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_HEAD, 0x1002, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_SEEN_AT, 0x1002, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_REGIONS, 0x1010, DRAY_STATUS_ALIGNMENT },
        { SIM_REG_SHAPES, 0x1004, DRAY_STATUS_ALIGNMENT },
    };
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        rig_write(rig, 0, c[i].reg, c[i].value);
        rig_start(rig, 0);
        assert_int_equal(status_of(rig) & 0xff, HALTED);
        assert_int_equal(why(rig), c[i].why);
        rig_start(rig, 0); /* no effect before the reset */
        assert_int_equal(status_of(rig) & 0xff, HALTED);
        rig_run(rig);
        assert_int_equal(rig->delivered[0], i + 1);
        rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
        assert_int_equal(status_of(rig), SIM_STATUS_IDLE);
        assert_int_equal(rig_read(rig, 0, SIM_REG_TAIL), 0);
        rig_registers(rig, 0);
    }
}

static void set_tail(struct rig *rig, uint32_t tail)
{
    rig->filled[0] = tail;
    rig_publish(rig, 0);
    rig_run(rig);
}

static void impossible_tails_halt(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, 0);
    nops(rig, 5);
    rig_run(rig);
    set_tail(rig, 5 + rig->ring_size + 1);
    assert_int_equal(why(rig), DRAY_STATUS_RANGE);
    assert_int_equal(status_of(rig) & 0xff, HALTED);
    rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    rig_registers(rig, 0);
    rig_start(rig, 0);
    nops(rig, 5);
    rig_run(rig);
    set_tail(rig, 4);
    assert_int_equal(why(rig), DRAY_STATUS_RANGE);
}

/* Rings that the bus refuses: the channel halts, and says why by its interrupt. */
static void rings_that_cannot_be_reached_halt(void **state)
{
    struct rig *rig = *state;
    static const unsigned at[] = { RIG_RING, RIG_TAIL, RIG_HEAD, RIG_COMPLETION, RIG_SHAPES };
    for (unsigned i = 0; i < 5; i++) {
        rig->forbidden_from = at[i];
        rig->forbidden_to = at[i] + 4;
        rig_start(rig, 0);
        struct dray_desc *d = rig_get(rig, 0);
        dray_prep_strided(d, (dray_key){ 0 }, 0, (dray_key){ 0 }, 0, 8, (dray_key){ 0 }, 0);
        rig_publish(rig, 0);
        rig_run(rig);
        assert_int_equal(status_of(rig) & 0xff, HALTED);
        assert_int_equal(why(rig), DRAY_STATUS_IO);
        assert_true(rig->delivered[0] > i);
        rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
        rig_registers(rig, 0);
    }
}

/* ---- stop ---- */

/* After IDLE nothing moves any more, whatever was under way: that is what a driver may rely on. */
static void nothing_moves_once_idle(struct rig *rig, uint64_t command, sim_time after, bool waits)
{
    dray_key all = rig_memory(rig, 1, RIG_DATA, 2 << 20);
    memset(rig->bytes + RIG_DATA + (1 << 20), 0, 1 << 20);
    rig_start(rig, 0);
    for (unsigned i = 0; i < 6; i++)
        dray_prep_copy(rig_get(rig, 0), all, (1 << 20) + i * 20000, all, i * 20000, 20000);
    if (waits)
        dray_prep_wait(rig_get(rig, 0), all, 0, DRAY_WAIT_EQ, 0x12345, 0);
    dray_prep_copy(rig_get(rig, 0), all, (1 << 20) + 200000, all, 0, 20000);
    rig_publish(rig, 0);
    rig_run_for(rig, after);
    rig_write(rig, 0, SIM_REG_CONTROL, command);
    rig_publish(rig, 0); /* not heard any more */
    while (!(status_of(rig) & SIM_STATUS_IDLE))
        assert_true(sim_step(rig->kernel));
    uint8_t *then = malloc(RIG_SIZE);
    memcpy(then, rig->bytes, RIG_SIZE);
    rig_run(rig);
    assert_memory_equal(then, rig->bytes, RIG_SIZE);
    free(then);
    assert_false(status_of(rig) & (SIM_STATUS_RUNNING | SIM_STATUS_HALTED));
}

static void terminated_transactions_say_what_they_moved(void **state)
{
    struct rig *rig = *state;
    unsigned cancelled = 0, done = 0;
    for (sim_time after = 0; after < 130 * SIM_US; after += 7 * SIM_US + 77) {
        struct dray_completion c;
        nothing_moves_once_idle(rig, SIM_CONTROL_TERMINATE, after, true);
        uint64_t moved = 0;
        while (rig_reap(rig, 0, &c)) {
            assert_true(c.status == DRAY_STATUS_OK || c.status == DRAY_STATUS_CANCELLED);
            cancelled += c.status == DRAY_STATUS_CANCELLED;
            done += c.status == DRAY_STATUS_OK;
            moved += c.moved;
        }
        uint64_t is = 0; /* tags are hardly ever zero */
        for (unsigned i = 0; i < 1 << 20; i++)
            is += rig->bytes[RIG_DATA + (1 << 20) + i] != 0;
        assert_true(is <= moved && is >= moved - moved / 50);
        rig_registers(rig, 0);
    }
    assert_true(cancelled > 20 && done > 20);
}

static void a_reset_forgets_everything(void **state)
{
    struct rig *rig = *state;
    for (sim_time after = 0; after < 130 * SIM_US; after += 11 * SIM_US + 77) {
        nothing_moves_once_idle(rig, SIM_CONTROL_RESET, after, false);
        for (unsigned reg = 0; reg < SIM_CHANNEL_SIZE; reg += 8)
            if (reg != SIM_REG_STATUS)
                assert_int_equal(rig_read(rig, 0, reg), 0);
        rig_registers(rig, 0);
    }
    /* And then it works. */
    rig_start(rig, 0);
    nops(rig, 1);
    assert_status(rig_wait(rig, 0), DRAY_STATUS_OK);
}

/* ---- rings go round; room for completions ---- */

static void rings_go_round(void **state)
{
    struct rig *rig = *state;
    uint64_t posted = 0, done = 0;
    rig->ring_size = 8;
    rig->completion_size = 4;
    rig_registers(rig, 0);
    rig_start(rig, 0);
    while (done < 1000) {
        struct dray_completion c;
        uint32_t head;
        memcpy(&head, rig->bytes + RIG_HEAD, 4);
        if (posted < 1000 && posted - head < rig->ring_size) {
            nops(rig, 1);
            posted++;
        }
        while (rig_reap(rig, 0, &c)) {
            assert_status(c, DRAY_STATUS_OK);
            assert_int_equal(c.user_data, done++);
            rig_seen(rig, 0);
        }
        sim_step(rig->kernel);
    }
}

/* No completion is written over one that was not given back; the channel waits, and says so. */
static void a_full_completion_ring_waits(struct rig *rig, bool in_memory)
{
    struct dray_completion c;
    rig->completion_size = 8;
    rig_registers(rig, 0);
    if (in_memory)
        rig_write(rig, 0, SIM_REG_SEEN_AT, RIG_SEEN);
    rig_start(rig, 0);
    nops(rig, 30);
    for (unsigned done = 0; done < 30;) {
        unsigned n = 0;
        rig_run_for(rig, 100 * SIM_US);
        assert_int_equal((status_of(rig) & SIM_STATUS_IDLE) != 0, done >= 24);
        while (rig_reap(rig, 0, &c)) {
            assert_int_equal(c.user_data, done++);
            n++;
        }
        assert_int_equal(n, done == 30 ? 6 : 8);
        if (in_memory)
            memcpy(rig->bytes + RIG_SEEN, &rig->reaped[0], 4);
        else
            rig_seen(rig, 0);
    }
}

static void completions_wait_for_room(void **state)
{
    struct rig *rig = *state;
    a_full_completion_ring_waits(rig, false);
    rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
    a_full_completion_ring_waits(rig, true);
}

static void more_seen_than_written_halts(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, 0);
    nops(rig, 3);
    rig_run(rig);
    rig_write(rig, 0, SIM_REG_SEEN, 3);
    assert_false(status_of(rig) & SIM_STATUS_HALTED);
    rig_write(rig, 0, SIM_REG_SEEN, 4);
    assert_true(status_of(rig) & SIM_STATUS_HALTED);
    assert_int_equal(why(rig), DRAY_STATUS_RANGE);
}

/* ---- interrupts ---- */

/* Behind a link a write is done before it lands: the interrupt comes when it has landed. */
static void the_interrupt_comes_after_the_completion(void **state)
{
    struct rig *rig = *state;
    rig->late = 3 * SIM_US;
    dray_key all = rig_memory(rig, 1, RIG_DATA, 2 << 20);
    rig_start(rig, 0);
    for (unsigned i = 0; i < 20; i++) {
        struct dray_completion c;
        unsigned before = rig->delivered[0];
        dray_prep_copy(rig_get(rig, 0), all, 1 << 20, all, i * 1000, 1000);
        rig_publish(rig, 0);
        while (rig->delivered[0] == before)
            assert_true(sim_step(rig->kernel));
        assert_true(rig_reap(rig, 0, &c));
        assert_status(c, DRAY_STATUS_OK);
        assert_memory_equal(rig->bytes + RIG_DATA + (1 << 20), rig->bytes + RIG_DATA + i * 1000,
                            1000);
    }
}

static void each_completion_is_a_cause(void **state)
{
    struct rig *rig = *state;
    struct sim_interrupt_stats s;
    rig_start(rig, 0);
    for (unsigned i = 0; i < 30; i++) {
        dray_prep_nop(rig_get(rig, 0));
        if (i % 3 == 0)
            rig_desc_at(rig, 0, i)->flags = DRAY_FLAG_NOTIFY;
    }
    rig_publish(rig, 0);
    rig_run(rig);
    sim_interrupts_stats(rig->interrupts, 0, &s);
    assert_int_equal(s.causes, 30);
    assert_int_equal(s.urgent, 10);
    /* None, when none is asked for. */
    rig_write(rig, 0, SIM_REG_INTERRUPT, UINT64_MAX);
    nops(rig, 5);
    rig_run(rig);
    sim_interrupts_stats(rig->interrupts, 0, &s);
    assert_int_equal(s.causes, 30);
}

/* ---- regions ---- */

static uint64_t table_reads(struct rig *rig)
{
    struct sim_controller_stats s;
    sim_controller_stats(rig->controller, 0, &s);
    return s.table_reads;
}

/* Eight entries are held: the table is read once for each, and an entry that changes is noticed when
 * REGIONS is written. */
static void entries_are_held_until_they_are_dropped(void **state)
{
    struct rig *rig = *state;
    dray_key in = rig_memory(rig, 1, RIG_DATA, 65536),
             out = rig_memory(rig, 2, RIG_DATA + 65536, 65536);
    rig_start(rig, 0);
    for (unsigned i = 0; i < 10; i++) {
        dray_prep_copy(rig_get(rig, 0), out, 0, in, 0, 100);
        assert_status(rig_finish(rig, 0), DRAY_STATUS_OK);
    }
    assert_int_equal(table_reads(rig), 2);
    memset(rig->bytes + RIG_REGIONS + 2 * 32, 0, 32); /* unmapped, and the controller not told */
    dray_prep_copy(rig_get(rig, 0), out, 0, in, 0, 100);
    assert_status(rig_finish(rig, 0), DRAY_STATUS_OK);
    rig_write(rig, 0, SIM_REG_REGIONS, RIG_REGIONS);
    dray_prep_copy(rig_get(rig, 0), out, 0, in, 0, 100);
    assert_status(rig_finish(rig, 0), DRAY_STATUS_KEY);
    /* What did not exist is not remembered: a new region needs no word to the controller. */
    out = rig_memory(rig, 2, RIG_DATA + 65536, 65536);
    dray_prep_copy(rig_get(rig, 0), out, 0, in, 0, 100);
    assert_status(rig_finish(rig, 0), DRAY_STATUS_OK);
}

/* STALE says how long what began before is under way; then the bytes may go. */
static void stale_work_is_told(void **state)
{
    struct rig *rig = *state;
    dray_key in = rig_memory(rig, 1, RIG_DATA, 1 << 20);
    dray_key out = rig_memory(rig, 2, RIG_DATA + (1 << 20), 1 << 20);
    rig_start(rig, 0);
    dray_prep_copy(rig_get(rig, 0), out, 0, in, 0, 500000);
    dray_prep_copy(rig_get(rig, 0), out, 600000, in, 0, 1000);
    rig_desc_at(rig, 0, 1)->flags = DRAY_FLAG_FENCE;
    rig_publish(rig, 0);
    rig_run_for(rig, 20 * SIM_US);
    assert_false(status_of(rig) & SIM_STATUS_STALE);
    memset(rig->bytes + RIG_REGIONS + 2 * 32, 0, 32);
    rig_write(rig, 0, SIM_REG_REGIONS, RIG_REGIONS);
    assert_true(status_of(rig) & SIM_STATUS_STALE);
    while (status_of(rig) & SIM_STATUS_STALE)
        assert_true(sim_step(rig->kernel));
    uint8_t *then = malloc(1 << 20);
    memcpy(then, rig->bytes + RIG_DATA + (1 << 20), 1 << 20);
    assert_status(rig_wait(rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(rig, 0), DRAY_STATUS_KEY);
    assert_memory_equal(then, rig->bytes + RIG_DATA + (1 << 20), 1 << 20);
    free(then);
}

static void a_wait_ends_when_its_flag_is_unmapped(void **state)
{
    struct rig *rig = *state;
    dray_key flag = rig_map(rig, 1, RIG_DATA, 64, 3, SIM_REGION_FLAGS, 0);
    rig_start(rig, 0);
    dray_prep_wait(rig_get(rig, 0), flag, 0, DRAY_WAIT_EQ, 1, 0);
    rig_publish(rig, 0);
    rig_run_for(rig, 50 * SIM_US);
    rig_write(rig, 0, SIM_REG_REGIONS, RIG_REGIONS); /* another went: it waits on */
    rig_run_for(rig, 50 * SIM_US);
    struct dray_completion c;
    assert_false(rig_reap(rig, 0, &c));
    memset(rig->bytes + RIG_REGIONS + 32, 0, 32);
    rig_write(rig, 0, SIM_REG_REGIONS, RIG_REGIONS);
    c = rig_wait(rig, 0);
    assert_status(c, DRAY_STATUS_KEY);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
}

/* ---- block mode ---- */

static void blocks_that_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct sim_controller_params p = rig_params();
    p.alignment = 16;
    p.address_bits = 32;
    p.segment_max = 65536;
    p.descriptors = 0;
    rig_make(&rig, &p, 100 * SIM_NS);
    uint64_t high = (uint64_t)1 << 32;
    const struct {
        uint64_t src, dst, count;
        uint8_t why;
    } c[] = {
        { RIG_DATA, RIG_DATA + 65536, 0, DRAY_STATUS_LENGTH },
        { RIG_DATA, RIG_DATA + 65536, 65537, DRAY_STATUS_LENGTH },
        { RIG_DATA + 8, RIG_DATA + 65536, 64, DRAY_STATUS_ALIGNMENT },
        { RIG_DATA, RIG_DATA + 65536 + 8, 64, DRAY_STATUS_ALIGNMENT },
        { RIG_DATA, RIG_DATA + 65536, 72, DRAY_STATUS_ALIGNMENT },
        { high, RIG_DATA, 64, DRAY_STATUS_RANGE },
        { RIG_DATA, high - 16, 64, DRAY_STATUS_RANGE },
        { RIG_DATA, RIG_SIZE - 4096, 8192, DRAY_STATUS_IO },
        { RIG_SIZE, RIG_DATA, 64, DRAY_STATUS_IO },
    };
    for (unsigned i = 0; i < sizeof(c) / sizeof(*c); i++) {
        rig_write(&rig, 0, SIM_REG_BLOCK_SRC, c[i].src);
        rig_write(&rig, 0, SIM_REG_BLOCK_DST, c[i].dst);
        rig_write(&rig, 0, SIM_REG_BLOCK_COUNT, c[i].count);
        rig_write(&rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RUN | SIM_CONTROL_BLOCK);
        rig_run(&rig);
        assert_int_equal(rig.delivered[0], i + 1);
        assert_int_equal(status_of(&rig) & 0xff, HALTED | SIM_STATUS_BLOCK);
        assert_int_equal(why(&rig), c[i].why);
        rig_write(&rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RESET);
        rig_registers(&rig, 0);
    }
    rig_start(&rig, 0); /* it has no descriptors */
    assert_int_equal(why(&rig), DRAY_STATUS_UNSUPPORTED);
    rig_free(&rig);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers_are_read_and_written),
        TEST(impossible_rings_halt_at_the_start),
        TEST(impossible_tails_halt),
        TEST(rings_that_cannot_be_reached_halt),
        TEST(terminated_transactions_say_what_they_moved),
        TEST(a_reset_forgets_everything),
        TEST(rings_go_round),
        TEST(completions_wait_for_room),
        TEST(more_seen_than_written_halts),
        TEST(the_interrupt_comes_after_the_completion),
        TEST(each_completion_is_a_cause),
        TEST(entries_are_held_until_they_are_dropped),
        TEST(stale_work_is_told),
        TEST(a_wait_ends_when_its_flag_is_unmapped),
        cmocka_unit_test(blocks_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
