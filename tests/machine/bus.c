/* The bus: when answers come, whose turn it is, what moves at a grant; and its closed forms (M15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bus.h"
#include "traffic.h"

struct rig {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
};

enum {
    MEMORY = 16 << 20,
};

/* Overhead 0.25 ns, 64 GB/s, latency 2 ns; memory itself takes no time. */
static struct sim_bus_params quick(void)
{
    struct sim_bus_params p;

    sim_params_standard(&sim_bus_kind, &p);
    p.latency = 2000;
    return p;
}

static void rig_open(struct rig *rig, const struct sim_bus_params *p,
                     const struct sim_dram_params *dram)
{
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(sim_kernel_create(&rig->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&rig->memory, MEMORY), 0);
    if (dram)
        assert_int_equal(sim_dram_create(&rig->dram, dram), 0);
    assert_int_equal(sim_bus_create(&rig->bus, rig->kernel, rig->memory, rig->dram, p), 0);
}

static void rig_close(struct rig *rig)
{
    sim_bus_destroy(&rig->bus);
    sim_dram_destroy(&rig->dram);
    sim_memory_destroy(&rig->memory);
    sim_kernel_destroy(&rig->kernel);
}

static void within_1_percent(double got, double expected)
{
    if (got < expected * 0.99 || got > expected * 1.01)
        fail_msg("got %g, the formula says %g", got, expected);
}

/* ---- one request ---- */

struct probe {
    struct sim_request request;
    struct sim_kernel *kernel;
    sim_time granted, done;
    uint8_t bytes[4096];
};

static void probe_granted(struct sim_request *request)
{
    struct probe *probe = SIM_OWNER(request, struct probe, request);
    probe->granted = sim_now(probe->kernel);
}

static void probe_done(struct sim_request *request)
{
    struct probe *probe = SIM_OWNER(request, struct probe, request);
    probe->done = sim_now(probe->kernel);
}

static void probe_ask(struct probe *probe, struct rig *rig, struct sim_master *master,
                      enum sim_op op, uint64_t address, uint32_t size)
{
    probe->kernel = rig->kernel;
    probe->granted = probe->done = SIM_NEVER;
    probe->request = (struct sim_request){ .master = master,
                                           .op = op,
                                           .address = address,
                                           .size = size,
                                           .data = probe->bytes,
                                           .granted = probe_granted,
                                           .done = probe_done };
    sim_submit(sim_bus_target(rig->bus), &probe->request);
}

static void a_read_is_granted_at_once_and_back_after_bus_memory_and_latency(void **state)
{
    struct sim_bus_params p;
    struct sim_dram_params d;
    struct sim_master master = { .name = "device" };
    static struct probe probe;
    struct rig rig;

    (void)state;
    sim_params_standard(&sim_bus_kind, &p);
    sim_params_standard(&sim_dram_kind, &d);
    rig_open(&rig, &p, &d);
    sim_bus_add_master(rig.bus, &master, 1);
    sim_memory_write(rig.memory, 4096, "scatter", 8);
    probe_ask(&probe, &rig, &master, SIM_READ, 4096, 64);
    assert_int_equal(probe.granted, SIM_NEVER); /* not before submit returns */
    assert_int_equal(sim_run(rig.kernel, SIM_NEVER), 0);
    assert_int_equal(probe.granted, 0);
    /* there, row opened, 64 bytes out, back */
    assert_int_equal(probe.done, 20000 + 41250 + 1250 + 20000);
    assert_string_equal((char *)probe.bytes, "scatter");
    assert_int_equal(probe.request.status, SIM_OK);
    assert_int_equal(probe.request.physical, 4096);
    rig_close(&rig);
}

static void a_slow_bus_ends_later_than_memory(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_dram_params d;
    struct sim_master master = { .name = "device" };
    static struct probe probe;
    struct rig rig;

    (void)state;
    sim_params_standard(&sim_dram_kind, &d);
    p.bandwidth = 100000000; /* 64 bytes: 640 ns */
    rig_open(&rig, &p, &d);
    sim_bus_add_master(rig.bus, &master, 1);
    probe_ask(&probe, &rig, &master, SIM_READ, 0, 64);
    sim_run(rig.kernel, SIM_NEVER);
    assert_int_equal(probe.done, 250 + 640000 + 2000);
    rig_close(&rig);
}

static void bytes_move_at_the_grant_and_nothing_beside_them(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master master = { .name = "device" };
    static struct probe write, read, after;
    struct rig rig;
    uint8_t around[66];

    (void)state;
    rig_open(&rig, &p, NULL);
    sim_bus_add_master(rig.bus, &master, 1);
    memset(sim_memory_at(rig.memory, 0), 0x11, 4096);
    for (unsigned i = 0; i < 64; i++)
        write.bytes[i] = (uint8_t)(0x80 + i);
    memset(read.bytes, 0xee, sizeof(read.bytes));
    probe_ask(&read, &rig, &master, SIM_READ, 99, 66);
    probe_ask(&write, &rig, &master, SIM_WRITE, 100, 64);
    probe_ask(&after, &rig, &master, SIM_READ, 99, 66);
    sim_run(rig.kernel, SIM_NEVER);
    assert_true(read.granted < write.granted && write.granted < after.granted);
    memset(around, 0x11, sizeof(around));
    assert_memory_equal(read.bytes, around, 66); /* granted before, though done later */
    assert_true(read.done > write.granted);
    assert_int_equal(read.bytes[66], 0xee);
    memcpy(around + 1, write.bytes, 64);
    assert_memory_equal(after.bytes, around, 66);
    rig_close(&rig);
}

static void a_long_request_moves_burst_by_burst_between_those_of_others(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master device = { .name = "device" }, other = { .name = "core" };
    static struct probe read;
    struct rig rig;
    struct sim_bus_stats stats;
    static struct probe write[4];

    (void)state;
    p.burst = 256;
    rig_open(&rig, &p, NULL);
    sim_bus_add_master(rig.bus, &device, 1);
    sim_bus_add_master(rig.bus, &other, 1);
    probe_ask(&read, &rig, &device, SIM_READ, 0, 1024);
    /* Round robin: between its four bursts the other writes into its last byte of each. */
    for (unsigned i = 0; i < 4; i++) {
        write[i].bytes[0] = (uint8_t)(i + 1);
        probe_ask(&write[i], &rig, &other, SIM_WRITE, 256 * i + 255, 1);
    }
    sim_run(rig.kernel, SIM_NEVER);
    /* The other goes first, as the last grant was to number 0 by default: write i, burst i, ... */
    assert_true(write[0].granted < write[1].granted);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(read.bytes[256 * i + 255], i + 1);
    /* 4 bursts of 256 and 4 of 1 byte (16 ps at 64 GB/s), the last of them the read's */
    assert_int_equal(read.granted, 3 * (250 + 4000) + 4 * (250 + 16));
    assert_int_equal(read.done, 4 * (250 + 4000) + 4 * (250 + 16) + 2000);
    sim_bus_stats(rig.bus, &device, &stats);
    assert_int_equal(stats.requests, 1);
    assert_int_equal(stats.bursts, 4);
    assert_int_equal(stats.bytes, 1024);
    assert_int_equal(stats.busy, 4 * 4250);
    assert_int_equal(stats.waiting, 4 * 266);
    assert_int_equal(stats.waiting_max, 266);
    rig_close(&rig);
}

static void requests_of_one_master_keep_their_order(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master master = { .name = "device" };
    static struct probe probes[8];
    struct rig rig;

    (void)state;
    for (p.arbiter = 0; p.arbiter <= SIM_ARBITER_FIFO; p.arbiter++) {
        rig_open(&rig, &p, NULL);
        sim_bus_add_master(rig.bus, &master, 1);
        for (unsigned i = 0; i < 8; i++)
            probe_ask(&probes[i], &rig, &master, i % 3 ? SIM_READ : SIM_WRITE, 64 * i, 64 * i + 1);
        sim_run(rig.kernel, SIM_NEVER);
        for (unsigned i = 1; i < 8; i++)
            assert_true(probes[i].granted > probes[i - 1].granted);
        rig_close(&rig);
    }
}

/* ---- addresses above memory ---- */

struct registers {
    struct sim_mmio mmio;
    uint64_t value, offset;
    uint32_t size;
};

static uint64_t register_read(struct sim_mmio *mmio, uint64_t offset, uint32_t size)
{
    struct registers *r = SIM_OWNER(mmio, struct registers, mmio);
    r->offset = offset;
    r->size = size;
    return r->value;
}

static void register_write(struct sim_mmio *mmio, uint64_t offset, uint32_t size, uint64_t value)
{
    struct registers *r = SIM_OWNER(mmio, struct registers, mmio);
    r->offset = offset;
    r->size = size;
    r->value = value;
}

static void registers_are_read_and_written_at_the_grant(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master master = { .name = "core" };
    struct registers r = { .mmio = { .base = 1ull << 40,
                                     .size = 256,
                                     .latency = 700000,
                                     .read = register_read,
                                     .write = register_write } };
    static struct probe write, read, beside, wide;
    struct rig rig;

    (void)state;
    rig_open(&rig, &p, NULL);
    sim_bus_add_master(rig.bus, &master, 1);
    sim_bus_add_mmio(rig.bus, &r.mmio);
    memcpy(write.bytes, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    probe_ask(&write, &rig, &master, SIM_WRITE, (1ull << 40) + 0x50, 8);
    sim_run(rig.kernel, 1000);
    assert_int_equal(r.value, 0x0102030405060708);
    assert_int_equal(r.offset, 0x50);
    assert_int_equal(r.size, 8);
    sim_run(rig.kernel, SIM_NEVER);
    assert_int_equal(write.done, 250 + 125 + 700000);

    probe_ask(&read, &rig, &master, SIM_READ, (1ull << 40) + 252, 4);
    probe_ask(&beside, &rig, &master, SIM_READ, (1ull << 40) + 253, 4); /* over the end */
    probe_ask(&wide, &rig, &master, SIM_READ, 1ull << 40, 16);
    sim_run(rig.kernel, SIM_NEVER);
    assert_memory_equal(read.bytes, "\x08\x07\x06\x05", 4);
    assert_int_equal(read.request.status, SIM_OK);
    assert_int_equal(beside.request.status, SIM_FAULT);
    assert_int_equal(wide.request.status, SIM_FAULT);
    rig_close(&rig);
}

struct log {
    struct sim_watcher watcher;
    struct sim_note notes[64];
    unsigned count;
};

static void log_note(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct log *log = SIM_OWNER(watcher, struct log, watcher);
    assert_true(log->count < 64);
    if (log->count)
        assert_true(note->time >= log->notes[log->count - 1].time);
    log->notes[log->count++] = *note;
}

static void where_nothing_answers_it_is_a_fault(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master master = { .name = "device", .device = 3 };
    struct log log = { .watcher = { .note = log_note } };
    static struct probe read, write;
    struct rig rig;

    (void)state;
    rig_open(&rig, &p, NULL);
    sim_bus_add_master(rig.bus, &master, 1);
    sim_watch(rig.kernel, &log.watcher);
    probe_ask(&read, &rig, &master, SIM_READ, MEMORY, 1024);
    probe_ask(&write, &rig, &master, SIM_WRITE, UINT64_MAX - 63, 64);
    sim_run(rig.kernel, SIM_NEVER);
    assert_int_equal(read.request.status, SIM_FAULT);
    assert_int_equal(write.request.status, SIM_FAULT);
    assert_int_equal(read.bytes[0], 0xff);
    assert_int_equal(read.granted, SIM_NEVER);
    assert_int_not_equal(read.done, SIM_NEVER);
    assert_int_equal(log.count, 3); /* and the span of both */
    assert_int_equal(log.notes[0].kind, SIM_NOTE_FAULT);
    assert_int_equal(log.notes[0].address, MEMORY);
    assert_int_equal(log.notes[0].size, 1024);
    assert_int_equal(log.notes[1].value, 1); /* it writes */
    rig_close(&rig);
}

static void devices_and_the_bus_are_noted(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_master device = { .name = "device", .device = 3 }, core = { .name = "core" };
    struct sim_origin origin = { .what = "descriptor", .number = 7 };
    struct log log = { .watcher = { .note = log_note } };
    static struct probe long_read, uncached, write;
    struct rig rig;

    (void)state;
    rig_open(&rig, &p, NULL);
    sim_bus_add_master(rig.bus, &device, 1);
    sim_bus_add_master(rig.bus, &core, 1);
    sim_watch(rig.kernel, &log.watcher);
    probe_ask(&long_read, &rig, &device, SIM_READ, 4096, 512);
    long_read.request.origin = &origin;
    sim_run(rig.kernel, SIM_NEVER);
    probe_ask(&uncached, &rig, &core, SIM_READ, 0, 8);
    sim_run(rig.kernel, SIM_NEVER);
    probe_ask(&write, &rig, &device, SIM_WRITE, 100, 30);
    sim_run(rig.kernel, SIM_NEVER);

    /* two bursts, their one span; the core's span alone; the write and its span */
    assert_int_equal(log.count, 6);
    assert_int_equal(log.notes[0].kind, SIM_NOTE_DEVICE_READ);
    assert_int_equal(log.notes[0].address, 4096);
    assert_int_equal(log.notes[0].size, 256);
    assert_ptr_equal(log.notes[0].origin, &origin);
    assert_string_equal(log.notes[0].part, "device");
    assert_int_equal(log.notes[1].address, 4096 + 256);
    assert_int_equal(log.notes[1].time, 4250);
    assert_int_equal(log.notes[2].kind, SIM_NOTE_SPAN);
    assert_string_equal(log.notes[2].part, "bus");
    assert_string_equal(log.notes[2].text, "device");
    assert_int_equal(log.notes[2].time, 8500);
    assert_int_equal(log.notes[2].value, 8500);
    assert_int_equal(log.notes[2].size, 512);
    assert_int_equal(log.notes[3].kind, SIM_NOTE_SPAN);
    assert_string_equal(log.notes[3].text, "core");
    assert_int_equal(log.notes[4].kind, SIM_NOTE_DEVICE_WRITE);
    assert_int_equal(log.notes[4].address, 100);
    assert_int_equal(log.notes[4].size, 30);
    assert_int_equal(log.notes[5].kind, SIM_NOTE_SPAN);
    rig_close(&rig);
}

/* ---- M15: cycle stealing ---- */

/* A core that always wants lines, and a device whose requests of 256 bytes come with a period that
 * asks for a share of the bus's time. Returns the share of its own bandwidth that the core keeps;
 * *taken: the share of the time that the device got. */
static double core_keeps(uint64_t arbiter, double asked, unsigned device_weight, bool device_first,
                         double *taken)
{
    struct sim_bus_params p = quick();
    struct traffic core = { .op = SIM_FILL, .size = 64, .span = 1 << 20 };
    struct traffic device = { .op = SIM_WRITE, .size = 256, .base = 4 << 20, .span = 1 << 20 };
    const sim_time all = 200 * SIM_US, core_held = 1250, device_held = 4250;
    struct sim_bus_stats stats;
    struct rig rig;
    double keeps;

    p.arbiter = arbiter;
    rig_open(&rig, &p, NULL);
    if (device_first)
        traffic_init(&device, rig.kernel, rig.bus, "device", device_weight);
    traffic_init(&core, rig.kernel, rig.bus, "core", 1);
    if (!device_first)
        traffic_init(&device, rig.kernel, rig.bus, "device", device_weight);
    traffic_start_deep(&core, 16);
    if (asked > 0)
        traffic_start_periodic(&device, (sim_time)(device_held / asked + 0.5));
    sim_run(rig.kernel, all);
    sim_bus_stats(rig.bus, &core.master, &stats);
    keeps = (double)stats.bursts * core_held / all;
    sim_bus_stats(rig.bus, &device.master, &stats);
    *taken = (double)stats.busy / all;
    traffic_end(&core);
    traffic_end(&device);
    rig_close(&rig);
    return keeps;
}

static void the_core_keeps_what_the_device_leaves(void **state)
{
    double taken;

    (void)state;
    for (unsigned arbiter = 0; arbiter <= SIM_ARBITER_FIFO; arbiter++) {
        for (unsigned percent = 0; percent <= 70; percent += 7) {
            double keeps = core_keeps(arbiter, percent / 100., 9, true, &taken);

            within_1_percent(keeps, 1 - percent / 100.);
            within_1_percent(taken, percent / 100.);
        }
    }
}

/* The same where memory is the limit, and the bus waits for it: 4 GB/s. The device asks for its share of
 * memory's time, in the core's bank or in the next. */
static double core_keeps_of_memory(uint64_t arbiter, double asked, bool one_bank)
{
    struct sim_bus_params p;
    struct sim_dram_params d;
    struct traffic core = { .op = SIM_FILL, .size = 64, .span = 64 };
    struct traffic device = { .op = SIM_READ, .size = 256, .base = 8 << 20, .span = 256 };
    const sim_time all = 2 * SIM_MS;
    struct rig rig;
    double keeps;

    sim_params_standard(&sim_bus_kind, &p);
    sim_params_standard(&sim_dram_kind, &d);
    p.arbiter = arbiter;
    d.bandwidth = 4000000000;
    device.base += one_bank ? 0 : d.interleave;
    rig_open(&rig, &p, &d);
    traffic_init(&device, rig.kernel, rig.bus, "device", 9);
    traffic_init(&core, rig.kernel, rig.bus, "core", 1);
    traffic_start_deep(&core, 64);
    if (asked > 0)
        traffic_start_periodic(&device, (sim_time)(64000 / asked + 0.5));
    sim_run(rig.kernel, all);
    keeps = (double)core.done * 16000 / all;
    traffic_end(&core);
    traffic_end(&device);
    rig_close(&rig);
    return keeps;
}

static void the_core_keeps_what_the_device_leaves_of_memory(void **state)
{
    (void)state;
    for (unsigned arbiter = 0; arbiter <= SIM_ARBITER_FIFO; arbiter++) {
        for (unsigned percent = 0; percent <= 70; percent += 10)
            within_1_percent(core_keeps_of_memory(arbiter, percent / 100., false),
                             1 - percent / 100.);
        /* Where it ends: both in one bank. Each access of the device costs two rows, its own and the
         * core's again, so it takes more than its bytes. */
        assert_in_range(1000 * core_keeps_of_memory(arbiter, 0.4, true), 0, 500);
    }
}

/* Where the formula ends. Round robin gives a device that always waits one burst for one of the core's:
 * 4.25 of 5.5. By weight it is 2 of 3. By priority a device behind a core that wants everything gets
 * nothing, and one before it everything. First come, first served gives what is asked for up to all. */
static void more_than_its_arbiter_grants_a_device_does_not_get(void **state)
{
    double taken;

    (void)state;
    for (unsigned percent = 80; percent <= 200; percent += 20) {
        within_1_percent(core_keeps(SIM_ARBITER_ROUND_ROBIN, percent / 100., 1, true, &taken),
                         1.25 / 5.5);
        within_1_percent(taken, 4.25 / 5.5);
        within_1_percent(core_keeps(SIM_ARBITER_WEIGHTED, percent / 100., 2, true, &taken), 1 / 3.);
        within_1_percent(taken, 2 / 3.);
        within_1_percent(core_keeps(SIM_ARBITER_PRIORITY, percent / 100., 1, false, &taken), 1);
        assert_true(taken == 0);
    }
    assert_true(core_keeps(SIM_ARBITER_PRIORITY, 2, 1, true, &taken) < 0.001);
    within_1_percent(taken, 1);
}

/* Three masters that always want more: the share of all bytes that each is given. */
static void shares_of(uint64_t arbiter, const unsigned weights[3], const uint32_t sizes[3],
                      const struct sim_dram_params *dram, double shares[3])
{
    struct sim_bus_params p = quick();
    struct traffic t[3];
    struct rig rig;
    double all = 0;

    p.arbiter = arbiter;
    rig_open(&rig, &p, dram);
    for (unsigned i = 0; i < 3; i++) {
        t[i] = (struct traffic){ .op = SIM_READ, .size = sizes[i] };
        t[i].base = i * 256;
        t[i].span = sizes[i];
        traffic_init(&t[i], rig.kernel, rig.bus, "device", weights[i]);
        traffic_start_deep(&t[i], 128);
    }
    sim_run(rig.kernel, 500 * SIM_US);
    for (unsigned i = 0; i < 3; i++) {
        struct sim_bus_stats stats;

        sim_bus_stats(rig.bus, &t[i].master, &stats);
        shares[i] = dram ? (double)t[i].done * sizes[i] : (double)stats.busy;
        all += shares[i];
        traffic_end(&t[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        shares[i] /= all;
    rig_close(&rig);
}

/* Of the bus's time whatever the sizes; and of memory's bytes, where memory is slower and the bus waits
 * for it. */
static void shares_are_those_of_the_weights(void **state)
{
    static const unsigned weights[][3] = { { 1, 1, 1 }, { 1, 2, 3 }, { 5, 1, 2 }, { 1, 1, 14 } };
    static const uint32_t sizes[3] = { 64, 256, 128 }, lines[3] = { 64, 64, 64 };
    struct sim_dram_params slow;
    double shares[3];

    (void)state;
    sim_params_standard(&sim_dram_kind, &slow);
    slow.bandwidth = 8000000000;
    for (unsigned w = 0; w < 4; w++) {
        double sum = weights[w][0] + weights[w][1] + weights[w][2];

        shares_of(SIM_ARBITER_WEIGHTED, weights[w], sizes, NULL, shares);
        for (unsigned i = 0; i < 3; i++)
            within_1_percent(shares[i], weights[w][i] / sum);
        shares_of(SIM_ARBITER_WEIGHTED, weights[w], lines, &slow, shares);
        for (unsigned i = 0; i < 3; i++)
            within_1_percent(shares[i], weights[w][i] / sum);
    }
}

static void round_robin_is_even_and_priority_is_not(void **state)
{
    (void)state;
    for (unsigned arbiter = SIM_ARBITER_PRIORITY; arbiter <= SIM_ARBITER_ROUND_ROBIN; arbiter++) {
        struct sim_bus_params p = quick();
        struct traffic t[3];
        struct rig rig;

        p.arbiter = arbiter;
        rig_open(&rig, &p, NULL);
        for (unsigned i = 0; i < 3; i++) {
            t[i] = (struct traffic){ .op = SIM_READ, .size = 64, .span = 1 << 20 };
            traffic_init(&t[i], rig.kernel, rig.bus, "device", 1);
            traffic_start_deep(&t[i], 64);
        }
        sim_run(rig.kernel, 100 * SIM_US);
        for (unsigned i = 0; i < 3; i++) {
            double share = t[i].done * 1250. / (100 * SIM_US);

            if (arbiter == SIM_ARBITER_ROUND_ROBIN)
                within_1_percent(share, 1 / 3.);
            else if (i)
                assert_true(share == 0);
            else
                within_1_percent(share, 1);
            traffic_end(&t[i]);
        }
        rig_close(&rig);
    }
}

/* Bytes a second of a device that always has requests of 4 KiB under way. */
static double streams(const struct sim_bus_params *p, const struct sim_dram_params *dram,
                      uint32_t size, unsigned deep)
{
    struct traffic device = { .op = SIM_READ, .size = size, .span = 1 << 20 };
    struct rig rig;

    rig_open(&rig, p, dram);
    traffic_init(&device, rig.kernel, rig.bus, "device", 1);
    traffic_start_deep(&device, deep);
    sim_run(rig.kernel, 500 * SIM_US);
    traffic_end(&device);
    rig_close(&rig);
    return (double)device.done * size / ((double)device.last * 1e-12);
}

static void bandwidth_is_burst_over_overhead_and_burst(void **state)
{
    (void)state;
    for (sim_time overhead = 0; overhead <= 64000; overhead = overhead ? overhead * 4 : 1000) {
        struct sim_bus_params p = quick();

        p.overhead = overhead;
        p.bandwidth = 8500000000; /* an embedded bus: 128 bits at 533 MHz */
        for (p.burst = 16; p.burst <= 4096; p.burst *= 2)
            within_1_percent(streams(&p, NULL, 4096, 8),
                             p.burst / (overhead * 1e-12 + p.burst / 8.5e9));
    }
}

/* The formula ends where something else is the limit: memory slower than the bus, or too few requests
 * under way for the time that one takes. */
static void bandwidth_is_the_least_of_bus_memory_and_requests_under_way(void **state)
{
    struct sim_bus_params p = quick();
    struct sim_dram_params d;

    (void)state;
    sim_params_standard(&sim_dram_kind, &d);
    for (d.bandwidth = 4000000000; d.bandwidth <= 256000000000; d.bandwidth *= 4) {
        double bus = 256 / (250e-12 + 256 / 64e9);
        double least = bus < (double)d.bandwidth ? bus : (double)d.bandwidth;

        within_1_percent(streams(&p, &d, 4096, 64), least);
    }
    p.latency = 50000;
    for (unsigned deep = 1; deep <= 128; deep *= 2) {
        double bus = 64 / 1250e-12, few = deep * 64 / (1250e-12 + 50e-9);

        within_1_percent(streams(&p, NULL, 64, deep), few < bus ? few : bus);
    }
}

/* Golden: 100 lines under way, 400 ns each, are 128 Gb/s (SOSP 2024, Fast & Safe). */
static void a_hundred_lines_of_400_ns_are_128_gigabits(void **state)
{
    struct sim_bus_params p = quick();

    (void)state;
    p.latency = 400000 - 1250;
    within_1_percent(streams(&p, NULL, 64, 100) * 8, 128e9);
}

/* ---- determinism ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001b3;
}

struct digest {
    struct sim_watcher watcher;
    uint64_t hash;
};

static void digest_note(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct digest *d = SIM_OWNER(watcher, struct digest, watcher);

    d->hash = mix(mix(mix(mix(mix(d->hash, note->kind), note->time), note->address), note->size),
                  note->value);
    for (const char *c = note->part; *c; c++)
        d->hash = mix(d->hash, (uint64_t)*c);
}

static uint64_t notes_of_a_run(uint64_t arbiter, bool watched, uint64_t *done)
{
    struct sim_bus_params p = quick();
    struct sim_dram_params d;
    struct digest digest = { .watcher = { .note = digest_note } };
    struct traffic t[4];
    struct rig rig;

    sim_params_standard(&sim_dram_kind, &d);
    p.arbiter = arbiter;
    rig_open(&rig, &p, &d);
    if (watched)
        sim_watch(rig.kernel, &digest.watcher);
    *done = 0;
    for (unsigned i = 0; i < 4; i++) {
        t[i] = (struct traffic){ .op = i & 1 ? SIM_READ : SIM_WRITE, .size = 64u << i };
        t[i].span = 1 << 20;
        t[i].master.device = i + 1;
        traffic_init(&t[i], rig.kernel, rig.bus, "device", i + 1);
        if (i < 2)
            traffic_start_deep(&t[i], 3 + i);
        else
            traffic_start_periodic(&t[i], 10000 * i);
    }
    sim_run(rig.kernel, 20 * SIM_US);
    for (unsigned i = 0; i < 4; i++) {
        *done = mix(mix(*done, t[i].done), t[i].last);
        traffic_end(&t[i]);
    }
    rig_close(&rig);
    return digest.hash;
}

static void two_runs_make_the_same_notes_and_watching_changes_nothing(void **state)
{
    uint64_t done[3];

    (void)state;
    for (unsigned arbiter = 0; arbiter <= SIM_ARBITER_FIFO; arbiter++) {
        uint64_t notes = notes_of_a_run(arbiter, true, &done[0]);

        assert_int_equal(notes_of_a_run(arbiter, true, &done[1]), notes);
        notes_of_a_run(arbiter, false, &done[2]);
        assert_int_equal(done[1], done[0]);
        assert_int_equal(done[2], done[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_is_granted_at_once_and_back_after_bus_memory_and_latency),
        cmocka_unit_test(a_slow_bus_ends_later_than_memory),
        cmocka_unit_test(bytes_move_at_the_grant_and_nothing_beside_them),
        cmocka_unit_test(a_long_request_moves_burst_by_burst_between_those_of_others),
        cmocka_unit_test(requests_of_one_master_keep_their_order),
        cmocka_unit_test(registers_are_read_and_written_at_the_grant),
        cmocka_unit_test(where_nothing_answers_it_is_a_fault),
        cmocka_unit_test(devices_and_the_bus_are_noted),
        cmocka_unit_test(the_core_keeps_what_the_device_leaves),
        cmocka_unit_test(the_core_keeps_what_the_device_leaves_of_memory),
        cmocka_unit_test(more_than_its_arbiter_grants_a_device_does_not_get),
        cmocka_unit_test(shares_are_those_of_the_weights),
        cmocka_unit_test(round_robin_is_even_and_priority_is_not),
        cmocka_unit_test(bandwidth_is_burst_over_overhead_and_burst),
        cmocka_unit_test(bandwidth_is_the_least_of_bus_memory_and_requests_under_way),
        cmocka_unit_test(a_hundred_lines_of_400_ns_are_128_gigabits),
        cmocka_unit_test(two_runs_make_the_same_notes_and_watching_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
