/* A core alone: bytes, times, faults, interrupts (row M1 and what all else stands on). */
#include "computer.h"

#include <errno.h>
#include <stdio.h>

#include "statistics.h"

/* ---- bytes ---- */

/* Loads and stores of any size at any place, beside a plain array. Nobody else writes, so whatever the
 * machine's order, the program sees its own bytes. */
static void random_accesses(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    enum {
        SIZE = 1000
    };
    uint8_t expected[SIZE] = { 0 }, bytes[SIZE];
    for (int i = 0; i < 20000; i++) {
        uint64_t at = sim_random_below(c->kernel, SIZE - 80);
        bool large = sim_random_below(c->kernel, 16) == 0;
        uint32_t size = 1 + (uint32_t)sim_random_below(c->kernel, large ? 80 : 8);
        if (sim_random_below(c->kernel, 2)) {
            for (uint32_t b = 0; b < size; b++)
                bytes[b] = expected[at + b] = (uint8_t)sim_random(c->kernel);
            sim_store(core, CACHED + at, bytes, size, SIM_HERE);
        } else {
            sim_load(core, CACHED + at, bytes, size, SIM_HERE);
            assert_memory_equal(bytes, expected + at, size);
        }
        if (sim_random_below(c->kernel, 64) == 0)
            sim_barrier(core, (enum sim_barrier)sim_random_below(c->kernel, 4), SIM_HERE);
    }
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    sim_load(core, CACHED, bytes, SIZE, SIM_HERE);
    assert_memory_equal(bytes, expected, SIZE);
}

static void a_program_sees_its_own_bytes(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++)
        for (uint64_t buffer = 1; buffer <= 64; buffer *= 4) {
            struct computer c = computer_standard((enum sim_order)order, 1);
            c.core.store_buffer = buffer;
            c.cache.size[0] = 512; /* lines come and go */
            c.cache.ways[0] = 2;
            computer_once(&c, test_seed() + buffer, random_accesses);
        }
}

static void forward_some(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    store64(core, CACHED + 64, 0x8877665544332211);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);

    uint16_t two = 0xbbaa;
    sim_store(core, CACHED + 66, &two, 2, SIM_HERE);
    sim_time before = sim_now(c->kernel);
    sim_load(core, CACHED + 66, &two, 2, SIM_HERE); /* wholly in the buffer */
    assert_int_equal(two, 0xbbaa);
    assert_int_equal(sim_now(c->kernel) - before, c->cache.latency[0]);

    sim_store(core, CACHED + 67, "\xcc", 1, SIM_HERE);
    sim_store(core, CACHED + 66, "\xdd", 1, SIM_HERE);
    before = sim_now(c->kernel);
    sim_load(core, CACHED + 66, &two, 2, SIM_HERE); /* from two stores */
    assert_int_equal(two, 0xccdd);
    assert_int_equal(sim_now(c->kernel) - before, c->cache.latency[0]);

    sim_store(core, CACHED + 67, "\xee", 1, SIM_HERE);
    before = sim_now(c->kernel);
    assert_int_equal(load64(core, CACHED + 64), 0x88776655eedd2211); /* part of it: waits */
    assert_true(sim_now(c->kernel) - before > 40 * SIM_NS);
}

static void loads_take_the_newest_bytes_of_the_buffer(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        c.core.drain = 20 * SIM_NS;
        computer_once(&c, 1, forward_some);
    }
}

static void swap_some(struct sim_core *core, void *argument)
{
    (void)argument;
    store64(core, CACHED + 8, 5);
    assert_int_equal(sim_swap(core, CACHED + 8, 6, 8, SIM_HERE), 5);
    assert_int_equal(sim_swap(core, CACHED + 8, 7, 4, SIM_HERE), 6);
    assert_int_equal(sim_observe(core, CACHED + 8, 4, SIM_HERE), 7);
    sim_publish(core, CACHED + 16, 0x1234567890, 4, SIM_HERE);
    assert_int_equal(load64(core, CACHED + 16), 0x34567890);
    assert_int_equal(sim_swap(core, UNCACHED + 4096, 9, 8, SIM_HERE), 0);
    assert_int_equal(load64(core, UNCACHED + 4096), 9);
}

static void swap_observe_and_publish_move_bytes(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        computer_once(&c, 1, swap_some);
    }
}

/* ---- row M1: programmed I/O costs words * (load + store) ---- */

struct copy {
    uint64_t bytes;
    sim_time took;
};

static void warm(struct sim_core *core, uint64_t address, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += 64)
        store64(core, address + i, i);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
}

static void copy_words(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct copy *copy = c->test;
    if (copy->bytes <= c->cache.size[0] / 2) {
        warm(core, CACHED, copy->bytes);
        warm(core, CACHED + copy->bytes, copy->bytes);
    }
    sim_time before = sim_now(c->kernel);
    for (uint64_t i = 0; i < copy->bytes; i += 8)
        store64(core, CACHED + copy->bytes + i, load64(core, CACHED + i));
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    copy->took = sim_now(c->kernel) - before;
}

static double copied(struct computer *c, uint64_t bytes)
{
    struct copy copy = { .bytes = bytes };
    c->test = &copy;
    computer_once(c, 1, copy_words);
    return (double)copy.took;
}

static bool near(double measured, double formula)
{
    return fabs(measured - formula) <= 0.01 * formula;
}

/* A word is one load that hits the first level and one store, a cycle, that leaves the buffer while the
 * next word is loaded. Where the exit is slower than that, the exit alone counts. */
static double word_time(const struct computer *c)
{
    double inside = (double)c->cache.latency[0] + (double)SIM_S / (double)c->core.frequency_hz;
    return inside > (double)c->core.drain ? inside : (double)c->core.drain;
}

static void copying_by_words_costs_loads_and_stores(void **state)
{
    (void)state;
    static const uint64_t frequencies[] = { 500000000, 2000000000, 4000000000 };
    static const sim_time latencies[] = { 1000, 3000 }, drains[] = { 250, 1000, 5000 };
    for (int f = 0; f < 3; f++)
        for (int l = 0; l < 2; l++)
            for (int d = 0; d < 3; d++)
                for (uint64_t bytes = 16384; bytes <= 32768; bytes *= 2) {
                    struct computer c =
                        computer_standard((f + l + d) % 2 ? SIM_ORDER_WEAK : SIM_ORDER_TSO, 1);
                    c.cache.size[0] = 128 << 10;
                    c.core.frequency_hz = frequencies[f];
                    c.cache.latency[0] = latencies[l];
                    c.core.drain = drains[d];
                    double formula = (double)(bytes / 8) * word_time(&c);
                    assert_true(near(copied(&c, bytes), formula));
                }
}

/* Beyond the cache each line comes from memory first: the formula of hits breaks where both buffers no
 * longer fit. What is added lies between one fill and two for each line of the copy (loads of the next
 * line go on while the stores of the last wait for theirs). */
static void beyond_the_cache_lines_cost_more_than_words(void **state)
{
    (void)state;
    uint64_t bytes = 256 << 10;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    double hits = (double)(bytes / 8) * word_time(&c), measured = copied(&c, bytes);
    double lines = (double)(bytes / 64);
    double fill = 2.0 * (double)c.bus_params.latency + (double)c.dram_params.row_hit +
                  (double)c.cache.latency[0];
    double close = (double)(c.dram_params.row_miss - c.dram_params.row_hit);
    print_message("256 KiB by words: %.1f us; words alone %.1f us; with fills %.1f to %.1f us\n",
                  measured / 1e6, hits / 1e6, (hits + lines * fill) / 1e6,
                  (hits + 2 * lines * (fill + close)) / 1e6);
    assert_true(measured > 2 * hits);
    assert_true(measured > hits + lines * fill);
    assert_true(measured < hits + 2 * lines * (fill + close));
}

static void load_long(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct copy *copy = c->test;
    uint8_t bytes[4096];
    load64(core, CACHED + 8192); /* the TLB knows the page */
    sim_time before = sim_now(c->kernel);
    sim_load(core, CACHED, bytes, sizeof(bytes), SIM_HERE);
    copy->took = sim_now(c->kernel) - before;
}

/* A long load has 1 + ahead lines under way, so it takes 64 / (1 + ahead) times as long as one line,
 * as long as the bus can: 1.25 ns a line, so up to 50 of them. */
static void long_loads_have_lines_under_way(void **state)
{
    (void)state;
    double alone = 0;
    for (uint64_t ahead = 0; ahead < 16; ahead = 2 * ahead + 1) {
        struct computer c = computer_standard(SIM_ORDER_TSO, 1);
        struct copy copy = { .bytes = 0 };
        c.test = &copy;
        c.core.ahead = ahead;
        c.dram_params.row_miss = c.dram_params.row_hit;
        computer_once(&c, 1, load_long);
        if (!ahead)
            alone = (double)copy.took;
        double share = (double)copy.took * (double)(1 + ahead) / alone;
        assert_true(share > 0.95 && share < 1.1 + 0.03 * (double)ahead);
    }
}

struct port {
    struct sim_mmio mmio;
    uint64_t next;
};

static uint64_t port_read(struct sim_mmio *mmio, uint64_t offset, uint32_t size)
{
    (void)offset;
    (void)size;
    return SIM_OWNER(mmio, struct port, mmio)->next++;
}

static void read_port(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct copy *copy = c->test;
    warm(core, CACHED, copy->bytes);
    sim_time before = sim_now(c->kernel);
    for (uint64_t i = 0; i < copy->bytes; i += 8)
        store64(core, CACHED + i, sim_mmio_read(core, REGISTERS, 8, SIM_HERE));
    copy->took = sim_now(c->kernel) - before;
    for (uint64_t i = 0; i < copy->bytes; i += 8)
        assert_int_equal(load64(core, CACHED + i), i / 8);
}

static void words_from_a_register_cost_its_answer(void **state)
{
    (void)state;
    for (sim_time latency = 100 * SIM_NS; latency <= 800 * SIM_NS; latency *= 2) {
        struct computer c = computer_standard(SIM_ORDER_TSO, 1);
        struct port port = {
            .mmio = { .base = REGISTERS, .size = 64, .latency = latency, .read = port_read }
        };
        struct copy copy = { .bytes = 4096 };
        c.test = &copy;
        computer_make(&c, 1);
        sim_bus_add_mmio(c.bus, &port.mmio);
        computer_start(&c, 0, read_port);
        computer_run(&c);
        assert_true(sim_core_ended(c.at[0]));
        computer_free(&c);
        double bus = (double)c.bus_params.overhead + 8e12 / (double)c.bus_params.bandwidth;
        double store = 1e12 / (double)c.core.frequency_hz;
        assert_true(near((double)copy.took, 512 * (bus + (double)latency + store)));
    }
}

/* ---- figures ---- */

static void do_a_little(struct sim_core *core, void *argument)
{
    (void)argument;
    load64(core, CACHED);     /* a miss, and a walk */
    load64(core, CACHED + 8); /* a hit */
    store64(core, CACHED + 16, 1);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    sim_compute(core, 4000); /* 1 us */
}

static void figures_count_what_was_done(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct sim_core_stats stats;
    computer_make(&c, 1);
    computer_start(&c, 0, do_a_little);
    computer_run(&c);
    sim_core_stats(c.at[0], &stats);
    assert_int_equal(stats.loads, 2);
    assert_int_equal(stats.stores, 1);
    assert_int_equal(stats.barriers, 1);
    assert_int_equal(stats.tlb.misses, 1);
    assert_int_equal(stats.cache.misses, 1);
    assert_int_equal(stats.working, sim_now(c.kernel));
    /* What is no stall: two hits, a cycle, the barrier itself, the microsecond. The store left while
     * the barrier waited, which is one. */
    sim_time rest = 2 * c.cache.latency[0] + 250 + c.core.barrier + SIM_US;
    assert_int_equal(stats.stalled, stats.working - rest);
    computer_free(&c);
}

/* ---- faults ---- */

static void touch_nothing(struct sim_core *core, void *argument)
{
    (void)argument;
    store64(core, CACHED + 4096, 77);
    load64(core, CACHED + MEMORY - 4); /* the second half is in no page */
    fail_msg("the program went on");
}

static void write_read_only(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct sim_page page = { .virtual = 0x5000, .physical = 0x1000, .size = SIM_PAGE };
    assert_int_equal(sim_space_map(c->space, &page), 0);
    assert_int_equal(load64(core, 0x5000), 77); /* what was stored before the fault was seen */
    uint8_t byte = 1;
    sim_store(core, 0x5008, &byte, 1, &(struct sim_where){ "driver.c", 321 });
    fail_msg("the program went on");
}

struct fault_watcher {
    struct sim_watcher watcher;
    unsigned faults;
    uint64_t address;
    unsigned line;
};

static void watch_faults(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct fault_watcher *w = SIM_OWNER(watcher, struct fault_watcher, watcher);
    if (note->kind != SIM_NOTE_FAULT)
        return;
    w->faults++;
    w->address = note->address;
    w->line = note->origin->line;
}

static void a_fault_ends_the_program_and_says_where(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct sim_core_fault fault;
    struct fault_watcher watcher = { .watcher.note = watch_faults };
    computer_make(&c, 1);
    sim_watch(c.kernel, &watcher.watcher);
    computer_start(&c, 0, touch_nothing);
    assert_int_equal(sim_core_run(c.at[0], 0, touch_nothing, &c), -EBUSY);
    computer_run(&c);
    assert_true(sim_core_ended(c.at[0]));
    sim_core_fault(c.at[0], &fault);
    assert_true(fault.is && !fault.write);
    assert_int_equal(fault.address, CACHED + MEMORY);
    assert_non_null(strstr(fault.where.file, "computer.h"));

    computer_start(&c, 0, write_read_only);
    computer_run(&c);
    sim_core_fault(c.at[0], &fault);
    assert_true(fault.is && fault.write);
    assert_int_equal(fault.address, 0x5008);
    assert_string_equal(fault.where.file, "driver.c");
    assert_int_equal(fault.where.line, 321);
    assert_int_equal(watcher.faults, 2);
    assert_int_equal(watcher.address, 0x5008);
    assert_int_equal(watcher.line, 321);
    sim_unwatch(c.kernel, &watcher.watcher);
    computer_free(&c);
}

/* ---- interrupts ---- */

struct pulse {
    struct sim_event event;
    struct computer *c;
    unsigned number;
};

static void pulse_now(struct sim_event *event)
{
    struct pulse *pulse = SIM_OWNER(event, struct pulse, event);
    sim_core_interrupt(pulse->c->at[0], pulse->number);
}

static void pulse_at(struct pulse *pulse, struct computer *c, unsigned number, sim_time when)
{
    *pulse = (struct pulse){ .c = c, .number = number };
    sim_event_init(&pulse->event, pulse_now);
    sim_at(c->kernel, &pulse->event, when);
}

struct handled {
    sim_time when[8];
    unsigned number[8];
    unsigned count;
    bool inside;
    struct pulse pulses[4];
};

static void handler(struct sim_core *core, unsigned number, void *argument)
{
    struct computer *c = argument;
    struct handled *h = c->test;
    assert_false(h->inside);
    h->inside = true;
    h->number[h->count] = number;
    h->when[h->count++] = sim_now(c->kernel);
    sim_compute(core, 400); /* 100 ns */
    h->inside = false;
}

static void wait_for_three(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct handled *h = c->test;
    sim_core_handler(core, 3, handler, c);
    sim_core_handler(core, 5, handler, c);
    pulse_at(&h->pulses[0], c, 5, 10 * SIM_US);
    pulse_at(&h->pulses[1], c, 3, 10 * SIM_US + 1020 * SIM_NS); /* while the first is handled */
    pulse_at(&h->pulses[2], c, 3, 10 * SIM_US + 1040 * SIM_NS); /* once more: the same */
    sim_wait_interrupt(core, "the first", SIM_HERE);
    /* Handled one after the other; the wait ended with the last. */
    assert_int_equal(h->count, 2);
    assert_int_equal(h->number[0], 5);
    assert_int_equal(h->when[0], 10 * SIM_US + c->core.interrupt);
    assert_int_equal(h->number[1], 3);
    assert_int_equal(h->when[1], 10 * SIM_US + 1020 * SIM_NS + c->core.interrupt);
    assert_int_equal(sim_now(c->kernel), h->when[1] + 100 * SIM_NS);
    /* One that is handled before the wait ends it at once. */
    pulse_at(&h->pulses[3], c, 3, 20 * SIM_US);
    while (h->count < 3)
        load64(core, CACHED);
    sim_time before = sim_now(c->kernel);
    sim_wait_interrupt(core, "the second", SIM_HERE);
    assert_int_equal(sim_now(c->kernel), before);
}

static void interrupts_run_handlers_between_actions(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct handled h = { .count = 0 };
    struct sim_core_stats stats;
    c.test = &h;
    computer_make(&c, 1);
    computer_start(&c, 0, wait_for_three);
    computer_run(&c);
    assert_true(sim_core_ended(c.at[0]));
    sim_core_stats(c.at[0], &stats);
    assert_int_equal(stats.interrupts, 3);
    /* It waited from the start until the first had arrived. */
    assert_int_equal(stats.working, sim_now(c.kernel) - 10 * SIM_US);
    computer_free(&c);
}

static void compute_long(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct handled *h = c->test;
    sim_core_handler(core, 1, handler, c);
    pulse_at(&h->pulses[0], c, 1, 30 * SIM_US);
    sim_time before = sim_now(c->kernel);
    store64(core, CACHED, 1);  /* on its way meanwhile */
    sim_compute(core, 400000); /* 100 us */
    assert_int_equal(h->count, 1);
    assert_int_equal(h->when[0], 30 * SIM_US + c->core.interrupt);
    sim_time took = sim_now(c->kernel) - before;
    assert_true(took - 100 * SIM_US - c->core.interrupt - 100 * SIM_NS < 50 * SIM_NS);
}

static void a_computation_is_interrupted_and_goes_on(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct handled h = { .count = 0 };
    c.test = &h;
    computer_once(&c, 1, compute_long);
}

static void wait_for_nothing(struct sim_core *core, void *argument)
{
    sim_core_handler(core, 1, handler, argument);
    sim_wait_interrupt(core, "the interrupt that nobody sends", SIM_HERE);
    fail_msg("the program went on");
}

static void show_blocked(void *argument, const char *name, const char *reason, sim_time since)
{
    (void)since;
    assert_string_equal(name, "core0");
    assert_string_equal(reason, "the interrupt that nobody sends");
    ++*(unsigned *)argument;
}

static void who_waits_for_ever_is_shown(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 2);
    unsigned shown = 0;
    computer_make(&c, 1);
    computer_start(&c, 0, wait_for_nothing);
    computer_run(&c);
    assert_false(sim_core_ended(c.at[0]));
    assert_int_equal(sim_fibers_blocked(c.kernel, show_blocked, &shown), 1);
    assert_int_equal(shown, 1);
    computer_free(&c);
}

/* ---- self ---- */

static void know_itself(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    assert_ptr_equal(sim_core_self(c->kernel), core);
    sim_compute(core, 100);
    assert_ptr_equal(sim_core_self(c->kernel), core);
}

static void a_program_knows_its_core(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 2);
    computer_make(&c, 1);
    assert_null(sim_core_self(c.kernel));
    computer_start(&c, 0, know_itself);
    computer_start(&c, 1, know_itself);
    computer_run(&c);
    assert_null(sim_core_self(c.kernel));
    computer_free(&c);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(a_program_sees_its_own_bytes),
        cmocka_unit_test(loads_take_the_newest_bytes_of_the_buffer),
        cmocka_unit_test(swap_observe_and_publish_move_bytes),
        cmocka_unit_test(copying_by_words_costs_loads_and_stores),
        cmocka_unit_test(beyond_the_cache_lines_cost_more_than_words),
        cmocka_unit_test(long_loads_have_lines_under_way),
        cmocka_unit_test(words_from_a_register_cost_its_answer),
        cmocka_unit_test(figures_count_what_was_done),
        cmocka_unit_test(a_fault_ends_the_program_and_says_where),
        cmocka_unit_test(interrupts_run_handlers_between_actions),
        cmocka_unit_test(a_computation_is_interrupted_and_goes_on),
        cmocka_unit_test(who_waits_for_ever_is_shown),
        cmocka_unit_test(a_program_knows_its_core),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
