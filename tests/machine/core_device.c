/*
 * Cores and devices: registers, uncached and write-combining memory, doorbells that overtake, payloads
 * that come after their completion (row M19), cache maintenance and the barriers that wait for it.
 */
#include "computer.h"

#include <stdio.h>

#include "statistics.h"

/* ---- a device with one register, which reads a word when it is rung ---- */

struct device {
    struct sim_mmio mmio;
    struct sim_master master;
    struct computer *c;
    struct sim_request request;
    uint64_t word; /* what it reads at a ring */
    uint64_t rings, value;
    uint64_t found[1000];
    sim_time rung; /* the last time */
    bool busy;
};

static void read_done(struct sim_request *request)
{
    struct device *d = SIM_OWNER(request, struct device, request);
    d->found[d->rings++] = d->value;
    d->busy = false;
}

static void ring(struct sim_mmio *mmio, uint64_t offset, uint32_t size, uint64_t value)
{
    struct device *d = SIM_OWNER(mmio, struct device, mmio);
    (void)offset;
    (void)size;
    assert_false(d->busy);
    d->busy = true;
    d->rung = sim_now(d->c->kernel);
    d->request = (struct sim_request){ .master = &d->master,
                                       .op = SIM_READ,
                                       .address = d->word + value * 64,
                                       .size = 8,
                                       .data = (uint8_t *)&d->value,
                                       .done = read_done };
    sim_submit(sim_bus_target(d->c->bus), &d->request);
}

static uint64_t rings(struct sim_mmio *mmio, uint64_t offset, uint32_t size)
{
    struct device *d = SIM_OWNER(mmio, struct device, mmio);
    return size == 8 ? d->rings * 0x100000001 + offset : d->rings;
}

static void device_add(struct device *d, struct computer *c)
{
    *d = (struct device){ .mmio = { .base = REGISTERS,
                                    .size = 64,
                                    .latency = 100 * SIM_NS,
                                    .write = ring,
                                    .read = rings },
                          .master = { .name = "device", .device = 1, .snooped = true },
                          .c = c };
    c->test = d;
    sim_bus_add_mmio(c->bus, &d->mmio);
    sim_bus_add_master(c->bus, &d->master, 1);
}

static void with_device(struct computer *c, struct device *d, uint64_t seed,
                        void (*code)(struct sim_core *core, void *argument))
{
    computer_make(c, seed);
    device_add(d, c);
    computer_start(c, 0, code);
    computer_run(c);
    assert_true(sim_core_ended(c->at[0]));
    computer_free(c);
}

/* ---- registers ---- */

static void use_registers(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct device *d = c->test;
    sim_time before = sim_now(c->kernel);
    assert_int_equal(sim_mmio_read(core, REGISTERS, 4, SIM_HERE), 0);
    sim_time read = sim_now(c->kernel) - before;
    assert_true(read >= d->mmio.latency && read < d->mmio.latency + SIM_NS);
    before = sim_now(c->kernel);
    sim_mmio_write(core, REGISTERS, 0, 4, SIM_HERE);
    assert_int_equal(sim_now(c->kernel) - before, c->core.mmio_write); /* posted */
    /* A read comes after the write before it. */
    assert_int_equal(d->rings, 0);
    sim_mmio_read(core, REGISTERS, 4, SIM_HERE);
    assert_int_equal(d->rings, 1);
    assert_int_equal(sim_mmio_read(core, REGISTERS + 8, 8, SIM_HERE), 0x100000009);
    /* Nothing answers there: all ones, and a write is lost. */
    assert_int_equal(sim_mmio_read(core, REGISTERS + 4096, 2, SIM_HERE), 0xffff);
    sim_mmio_write(core, REGISTERS + 4096, 1, 8, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
}

static void registers_are_read_and_written(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        struct device d;
        with_device(&c, &d, 1, use_registers);
    }
}

/* ---- doorbells ---- */

static uint64_t window;      /* where the data are mapped */
static int doorbell_barrier; /* -1: none */

enum {
    DOORBELLS = 300
};

static void ring_often(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    for (uint64_t i = 0; i < DOORBELLS; i++) {
        if (sim_random_below(c->kernel, 2))
            load64(core, CACHED + i * 64); /* it has the line, or not */
        sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
        store64(core, window + i * 64, i + 1);
        if (doorbell_barrier >= 0)
            sim_barrier(core, (enum sim_barrier)doorbell_barrier, SIM_HERE);
        sim_mmio_write(core, REGISTERS, i, 4, SIM_HERE);
        sim_mmio_read(core, REGISTERS, 4, SIM_HERE);
        sim_compute(core, 4000);
    }
}

static unsigned stale_doorbells(enum sim_order order, uint64_t at, int barrier)
{
    struct computer c = computer_standard(order, 1);
    struct device d;
    unsigned stale = 0;
    window = at;
    doorbell_barrier = barrier;
    with_device(&c, &d, test_seed(), ring_often);
    assert_int_equal(d.rings, DOORBELLS);
    for (unsigned i = 0; i < DOORBELLS; i++)
        stale += d.found[i] != i + 1;
    return stale;
}

static void a_doorbell_overtakes_stores_on_weak_machines_alone(void **state)
{
    (void)state;
    assert_int_equal(stale_doorbells(SIM_ORDER_TSO, CACHED, -1), 0);
    unsigned weak = stale_doorbells(SIM_ORDER_WEAK, CACHED, -1);
    print_message("%u of %d doorbells came before the data\n", weak, DOORBELLS);
    assert_true(weak > DOORBELLS / 20 && weak < DOORBELLS);
    assert_int_equal(stale_doorbells(SIM_ORDER_WEAK, CACHED, SIM_BARRIER_STORE), 0);
    assert_int_equal(stale_doorbells(SIM_ORDER_WEAK, CACHED, SIM_BARRIER_FULL), 0);
    assert_true(stale_doorbells(SIM_ORDER_WEAK, CACHED, SIM_BARRIER_LOAD) > 0);
    /* Writes to devices keep their order, uncached memory among them. */
    assert_int_equal(stale_doorbells(SIM_ORDER_WEAK, UNCACHED, -1), 0);
    assert_int_equal(stale_doorbells(SIM_ORDER_TSO, UNCACHED, -1), 0);
}

static void gathered_stores_wait_for_a_barrier(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        assert_int_equal(stale_doorbells((enum sim_order)order, COMBINING, -1), DOORBELLS);
        assert_int_equal(stale_doorbells((enum sim_order)order, COMBINING, SIM_BARRIER_STORE), 0);
        assert_int_equal(stale_doorbells((enum sim_order)order, COMBINING, SIM_BARRIER_FULL), 0);
    }
}

/* ---- write combining ---- */

struct drains {
    struct sim_watcher watcher;
    unsigned count;
    uint64_t address[64], size[64];
};

static void watch_drains(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct drains *d = SIM_OWNER(watcher, struct drains, watcher);
    if (note->kind != SIM_NOTE_DRAIN || d->count == 64)
        return;
    d->address[d->count] = note->address;
    d->size[d->count++] = note->size;
}

static void combine(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct drains *d = c->test;
    for (uint64_t i = 0; i < 8; i++)
        store64(core, COMBINING + 4096 + i * 8, i);
    sim_compute(core, 4000);
    assert_int_equal(d->count, 1); /* a whole line leaves by itself, at once */
    assert_int_equal(d->address[0], 4096);
    assert_int_equal(d->size[0], 64);
    assert_int_equal(memory_word(c, 4096 + 56), 7);

    sim_store(core, COMBINING + 8192, "abc", 3, SIM_HERE);
    sim_store(core, COMBINING + 8192 + 40, "de", 2, SIM_HERE);
    sim_store(core, COMBINING + 8192 + 1, "BC", 2, SIM_HERE);
    sim_compute(core, 40000);
    assert_int_equal(d->count, 1); /* a part of one does not */
    assert_int_equal(memory_word(c, 8192), 0);
    sim_barrier(core, SIM_BARRIER_STORE, SIM_HERE);
    assert_int_equal(d->count, 3);
    assert_int_equal(d->address[1], 8192);
    assert_int_equal(d->size[1], 3);
    assert_int_equal(d->address[2], 8192 + 40);
    assert_int_equal(d->size[2], 2);
    assert_int_equal(memory_word(c, 8192), 0x434261);

    /* The program's own loads see what gathers. */
    store64(core, COMBINING + 12288, 55);
    assert_int_equal(load64(core, COMBINING + 12288), 55);
    assert_int_equal(d->count, 4);

    /* One line more than gather at once: the first goes. */
    for (uint64_t i = 0; i < 9; i++)
        store64(core, COMBINING + 16384 + i * 64, i + 1);
    sim_compute(core, 4000);
    assert_int_equal(d->count, 5);
    assert_int_equal(d->address[4], 16384);
    assert_int_equal(memory_word(c, 16384), 1);
    assert_int_equal(memory_word(c, 16384 + 64), 0);
}

static void write_combining_gathers_lines(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct drains d = { .watcher.note = watch_drains };
    c.test = &d;
    computer_make(&c, 1);
    sim_watch(c.kernel, &d.watcher);
    computer_start(&c, 0, combine);
    computer_run(&c);
    assert_true(sim_core_ended(c.at[0]));
    for (uint64_t i = 0; i < 9; i++) /* the end of the program sends the rest */
        assert_int_equal(memory_word(&c, 16384 + i * 64), i + 1);
    sim_unwatch(c.kernel, &d.watcher);
    computer_free(&c);
}

/* Many lines in turn, more than can be under way at once: nothing is lost, mixed up or torn. */
static void combine_many(struct sim_core *core, void *argument)
{
    (void)argument;
    for (uint64_t word = 0; word < 8; word++)
        for (uint64_t line = 0; line < 40; line++)
            store64(core, COMBINING + line * 64 + word * 8, line << 8 | word);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    for (uint64_t word = 0; word < 320; word++)
        assert_int_equal(load64(core, UNCACHED + word * 8), (word / 8) << 8 | word % 8);
}

static void many_lines_gather_in_turn(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        computer_once(&c, 1, combine_many);
    }
}

/* ---- uncached ---- */

static void use_uncached(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    for (uint64_t i = 0; i < 100; i++)
        store64(core, UNCACHED + i * 8, i * i);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(load64(core, UNCACHED + i * 8), i * i); /* behind its own stores */
    assert_int_equal(memory_word(c, 99 * 8), 99 * 99);
    sim_time before = sim_now(c->kernel);
    load64(core, UNCACHED);
    load64(core, UNCACHED);
    assert_true(sim_now(c->kernel) - before > 4 * c->bus_params.latency); /* every time */
    assert_int_equal(sim_cache_holds(sim_core_cache(core), 0), SIM_HAD_NOTHING);
}

static void uncached_memory_is_asked_every_time(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        computer_once(&c, 1, use_uncached);
    }
}

/* ---- row M19: a completion that is read before its payload ---- */

enum {
    PAYLOADS = 300,
    PAYLOAD = 1 << 20,
    COMPLETION = 2 << 20,
};

enum reader {
    PLAIN,
    WITH_BARRIER,
    ACQUIRE,
    INTERRUPT, /* the handler reads it, with nothing between */
};

/* Writes payload i, then completion i, over and over. */
struct producer {
    struct sim_master master;
    struct computer *c;
    struct sim_request payload, completion;
    struct sim_event event;
    uint64_t number, value;
    enum reader reader;
    bool touched; /* the core looks at the payload beforehand */
    unsigned stale;
    uint64_t handled;
};

static void payload_written(struct sim_request *request)
{
    struct producer *p = SIM_OWNER(request, struct producer, payload);
    if (p->reader == INTERRUPT)
        sim_core_interrupt(p->c->at[0], 1);
}

static void written(struct sim_request *request)
{
    struct producer *p = SIM_OWNER(request, struct producer, completion);
    if (++p->number < PAYLOADS)
        sim_after(p->c->kernel, &p->event, 2 * SIM_US);
}

static void produce(struct sim_event *event)
{
    struct producer *p = SIM_OWNER(event, struct producer, event);
    p->value = p->number + 1;
    p->payload.address = PAYLOAD + p->number * 64;
    p->completion.address = COMPLETION + p->number * 64;
    sim_submit(sim_bus_target(p->c->bus), &p->payload);
    sim_submit(sim_bus_target(p->c->bus), &p->completion);
}

static void producer_add(struct producer *p, struct computer *c)
{
    p->master = (struct sim_master){ .name = "device", .device = 1, .snooped = true };
    p->c = c;
    p->payload = (struct sim_request){ .master = &p->master,
                                       .op = SIM_WRITE,
                                       .size = 8,
                                       .data = (uint8_t *)&p->value,
                                       .done = payload_written };
    p->completion = p->payload;
    p->completion.done = written;
    sim_event_init(&p->event, produce);
    sim_bus_add_master(c->bus, &p->master, 1);
    sim_at(c->kernel, &p->event, SIM_US);
    c->test = p;
}

static void handle_payload(struct sim_core *core, unsigned number, void *argument)
{
    struct producer *p = argument;
    (void)number;
    p->stale += load64(core, CACHED + PAYLOAD + p->handled * 64) != p->handled + 1;
    p->handled++;
}

static void consume_by_interrupt(struct sim_core *core, struct producer *p)
{
    sim_core_handler(core, 1, handle_payload, p);
    while (p->handled < PAYLOADS) {
        if (p->touched)
            load64(core, CACHED + PAYLOAD + p->handled * 64);
        sim_wait_interrupt(core, "the payload", SIM_HERE);
    }
}

static void consume(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct producer *p = c->test;
    if (p->reader == INTERRUPT) {
        consume_by_interrupt(core, p);
        return;
    }
    for (uint64_t i = 0; i < PAYLOADS; i++) {
        uint64_t completion = CACHED + COMPLETION + i * 64, payload = CACHED + PAYLOAD + i * 64;
        if (p->touched)
            load64(core, payload);
        if (p->reader == ACQUIRE)
            while (!sim_observe(core, completion, 8, SIM_HERE))
                ;
        else
            while (!load64(core, completion))
                ;
        if (p->reader == WITH_BARRIER)
            sim_barrier(core, SIM_BARRIER_LOAD, SIM_HERE);
        p->stale += load64(core, payload) != i + 1;
    }
}

static unsigned stale_payloads(enum sim_order order, enum reader reader, bool touched)
{
    struct computer c = computer_standard(order, 1);
    struct producer p = { .reader = reader, .touched = touched };
    c.core.interrupt = 50 * SIM_NS; /* what was there shortly before could still be found */
    computer_make(&c, test_seed());
    producer_add(&p, &c);
    computer_start(&c, 0, consume);
    computer_run(&c);
    assert_true(sim_core_ended(c.at[0]));
    assert_int_equal(p.number, PAYLOADS);
    computer_free(&c);
    return p.stale;
}

static void a_payload_read_before_its_completion_is_old(void **state)
{
    (void)state;
    for (int touched = 0; touched < 2; touched++) {
        unsigned weak = stale_payloads(SIM_ORDER_WEAK, PLAIN, touched);
        print_message("%u of %d payloads were old\n", weak, PAYLOADS);
        assert_true(weak > PAYLOADS / 20);
        assert_int_equal(stale_payloads(SIM_ORDER_TSO, PLAIN, touched), 0);
        for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
            assert_int_equal(stale_payloads((enum sim_order)order, WITH_BARRIER, touched), 0);
            assert_int_equal(stale_payloads((enum sim_order)order, ACQUIRE, touched), 0);
            assert_int_equal(stale_payloads((enum sim_order)order, INTERRUPT, touched), 0);
        }
    }
}

/* ---- cache maintenance ---- */

static enum sim_barrier after_clean;
static uint64_t after_barrier;

static void clean_then(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    for (uint64_t i = 0; i < 16; i++)
        store64(core, CACHED + i * 64, 7);
    sim_clean(core, CACHED, 1024, SIM_HERE); /* after the stores that are still in the buffer */
    sim_barrier(core, after_clean, SIM_HERE);
    after_barrier = 0;
    for (uint64_t i = 0; i < 16; i++)
        after_barrier += memory_word(c, i * 64) == 7;
}

static void one_barrier_alone_waits_for_maintenance(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++)
        for (int barrier = SIM_BARRIER_STORE; barrier <= SIM_BARRIER_MAINTENANCE; barrier++) {
            struct computer c = computer_standard((enum sim_order)order, 1);
            c.cache.coherent = 0;
            c.bus_params.overhead = 50 * SIM_NS;
            after_clean = (enum sim_barrier)barrier;
            computer_make(&c, 1);
            computer_start(&c, 0, clean_then);
            computer_run(&c);
            if (barrier == SIM_BARRIER_MAINTENANCE)
                assert_int_equal(after_barrier, 16);
            else
                assert_true(after_barrier < 16);
            for (uint64_t i = 0; i < 16; i++) /* in the end all are there */
                assert_int_equal(memory_word(&c, i * 64), 7);
            computer_free(&c);
        }
}

static void invalidate_some(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    uint64_t theirs = 9;
    store64(core, CACHED, 1);
    sim_flush(core, CACHED, 8, SIM_HERE);
    sim_barrier(core, SIM_BARRIER_MAINTENANCE, SIM_HERE);
    assert_int_equal(load64(core, CACHED), 1);
    sim_memory_write(c->memory, 0, &theirs, 8); /* a device that nobody snoops */
    assert_int_equal(load64(core, CACHED), 1);  /* stale */
    sim_invalidate(core, CACHED, 8, SIM_HERE);
    assert_int_equal(load64(core, CACHED), 9);
    /* What is changed and not cleaned is lost, still in the buffer or not. */
    store64(core, CACHED, 2);
    sim_invalidate(core, CACHED, 8, SIM_HERE);
    assert_int_equal(load64(core, CACHED), 9);
}

static void maintenance_makes_devices_bytes_visible(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        c.cache.coherent = 0;
        computer_once(&c, 1, invalidate_some);
    }
}

/* ---- notes, and fibers ---- */

struct log {
    struct sim_watcher watcher;
    char text[64];
    unsigned count;
    sim_time last;
};

static void watch_all(struct sim_watcher *watcher, const struct sim_note *note)
{
    static const char letters[] = {
        [SIM_NOTE_STORE] = 's',   [SIM_NOTE_DRAIN] = 'd',      [SIM_NOTE_LOAD] = 'l',
        [SIM_NOTE_BARRIER] = 'b', [SIM_NOTE_MMIO_WRITE] = 'W', [SIM_NOTE_MMIO_READ] = 'R',
        [SIM_NOTE_HANDLE] = 'h',
    };
    struct log *log = SIM_OWNER(watcher, struct log, watcher);
    assert_true(note->time >= log->last);
    log->last = note->time;
    if (note->kind < sizeof(letters) && letters[note->kind] && strcmp(note->part, "core0") == 0)
        log->text[log->count++] = letters[note->kind];
    if (note->kind == SIM_NOTE_DRAIN) {
        assert_int_equal(note->address, 64);
        assert_int_equal(note->size, 8);
        assert_non_null(note->origin->file);
        assert_true(note->origin->line > 0);
    }
}

static void note_some(struct sim_core *core, void *argument)
{
    (void)argument;
    load64(core, CACHED + 64);
    store64(core, CACHED + 64, 1);
    load64(core, CACHED + 64);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    sim_mmio_write(core, REGISTERS, 1, 8, SIM_HERE);
    sim_mmio_read(core, REGISTERS, 8, SIM_HERE);
    sim_swap(core, CACHED + 64, 1, 8, SIM_HERE);
}

static void notes_tell_what_happened_in_its_order(void **state)
{
    (void)state;
    struct computer c = computer_standard(SIM_ORDER_TSO, 1);
    struct log log = { .watcher.note = watch_all };
    struct device d;
    c.core.drain = 10 * SIM_NS;
    computer_make(&c, 1);
    device_add(&d, &c);
    sim_watch(c.kernel, &log.watcher);
    computer_start(&c, 0, note_some);
    computer_run(&c);
    assert_string_equal(log.text, "lsldbsWRlsd");
    sim_unwatch(c.kernel, &log.watcher);
    computer_free(&c);
}

static void read_behind_a_store(struct sim_core *core, void *argument)
{
    (void)argument;
    store64(core, CACHED + 64, 1);
    sim_mmio_read(core, REGISTERS, 8, SIM_HERE);
}

static void reads_of_devices_pass_no_store_on_tso(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        struct log log = { .watcher.note = watch_all };
        struct device d;
        c.core.drain = 10 * SIM_NS;
        computer_make(&c, 1);
        device_add(&d, &c);
        sim_watch(c.kernel, &log.watcher);
        computer_start(&c, 0, read_behind_a_store);
        computer_run(&c);
        assert_string_equal(log.text, order == SIM_ORDER_TSO ? "sdR" : "sRd");
        sim_unwatch(c.kernel, &log.watcher);
        computer_free(&c);
    }
}

static void hit_often(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    store64(core, CACHED, 1);
    load64(core, CACHED + 64);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    uint64_t events = sim_event_count(c->kernel);
    for (uint64_t i = 0; i < 1000; i++) {
        store64(core, CACHED, i);
        load64(core, CACHED + 64);
        load64(core, CACHED);
    }
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
    assert_int_equal(sim_event_count(c->kernel), events);
}

static void hits_do_not_leave_the_fiber(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 1);
        computer_once(&c, 1, hit_often);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(registers_are_read_and_written),
        cmocka_unit_test(a_doorbell_overtakes_stores_on_weak_machines_alone),
        cmocka_unit_test(gathered_stores_wait_for_a_barrier),
        cmocka_unit_test(write_combining_gathers_lines),
        cmocka_unit_test(many_lines_gather_in_turn),
        cmocka_unit_test(uncached_memory_is_asked_every_time),
        cmocka_unit_test(a_payload_read_before_its_completion_is_old),
        cmocka_unit_test(one_barrier_alone_waits_for_maintenance),
        cmocka_unit_test(maintenance_makes_devices_bytes_visible),
        cmocka_unit_test(notes_tell_what_happened_in_its_order),
        cmocka_unit_test(reads_of_devices_pass_no_store_on_tso),
        cmocka_unit_test(hits_do_not_leave_the_fiber),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
