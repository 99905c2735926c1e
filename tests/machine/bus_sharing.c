/* Who gets how much of the bus and of memory: cycle stealing (M15), weights, bursts, requests under way. */
#include "bus_rig.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_core_keeps_what_the_device_leaves),
        cmocka_unit_test(the_core_keeps_what_the_device_leaves_of_memory),
        cmocka_unit_test(more_than_its_arbiter_grants_a_device_does_not_get),
        cmocka_unit_test(shares_are_those_of_the_weights),
        cmocka_unit_test(round_robin_is_even_and_priority_is_not),
        cmocka_unit_test(bandwidth_is_burst_over_overhead_and_burst),
        cmocka_unit_test(bandwidth_is_the_least_of_bus_memory_and_requests_under_way),
        cmocka_unit_test(a_hundred_lines_of_400_ns_are_128_gigabits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
