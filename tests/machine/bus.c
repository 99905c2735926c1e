/* The bus: when answers come, what moves at a grant, what is noted. */
#include "bus_rig.h"

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
    if (note->kind == SIM_NOTE_COUNT)
        return;
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
        cmocka_unit_test(two_runs_make_the_same_notes_and_watching_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
