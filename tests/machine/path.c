/* A device's whole way: link, IOMMU, bus, DRAM. What they promise each other, and their time. */
#include "test.h"

#include "bus.h"
#include "iommu.h"
#include "link.h"

enum {
    MEMORY = 16 << 20,
    ROOT = 8 << 20,
    PAGE = 4096,
    DEVICE = 3
};

struct bench {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_iommu *iommu;
    struct sim_link *link;
    struct sim_master master;
};

static void begin(struct bench *b, bool translated)
{
    struct sim_dram_params dram;
    struct sim_bus_params bus;
    struct sim_iommu_params iommu;
    struct sim_link_params link;

    sim_params_standard(&sim_dram_kind, &dram);
    sim_params_standard(&sim_bus_kind, &bus);
    sim_params_standard(&sim_iommu_kind, &iommu);
    sim_params_standard(&sim_link_kind, &link);
    assert_int_equal(sim_kernel_create(&b->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&b->memory, MEMORY), 0);
    assert_int_equal(sim_dram_create(&b->dram, &dram), 0);
    assert_int_equal(sim_bus_create(&b->bus, b->kernel, b->memory, b->dram, &bus), 0);
    assert_int_equal(
        sim_iommu_create(&b->iommu, b->kernel, sim_bus_target(b->bus), b->memory, &iommu), 0);
    assert_int_equal(sim_link_create(&b->link, b->kernel, sim_iommu_target(b->iommu), &link), 0);
    b->master = (struct sim_master){ .name = "device", .device = DEVICE, .snooped = true };
    sim_bus_add_master(b->bus, &b->master, 1);
    sim_bus_add_master(b->bus, sim_iommu_master(b->iommu), 1);
    if (translated)
        sim_iommu_enable(b->iommu, ROOT);
}

static void end(struct bench *b)
{
    sim_link_destroy(&b->link);
    sim_iommu_destroy(&b->iommu);
    sim_bus_destroy(&b->bus);
    sim_dram_destroy(&b->dram);
    sim_memory_destroy(&b->memory);
    sim_kernel_destroy(&b->kernel);
}

static void set_entry(struct bench *b, uint64_t address, uint64_t entry)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(entry >> (8 * i));
    sim_memory_write(b->memory, address, bytes, 8);
}

/* Four levels, of which the last has `pages` from IO address 0 on, each somewhere else. */
static uint64_t frame_of(unsigned page, unsigned pages)
{
    return (page * 7 + 3) % pages * (uint64_t)PAGE;
}

static void build_tables(struct bench *b, unsigned pages)
{
    set_entry(b, ROOT + DEVICE * 8, (ROOT + 0x1000) | 1);
    for (unsigned level = 1; level <= 3; level++)
        set_entry(b, ROOT + level * 0x1000, (ROOT + (level + 1) * 0x1000) | 3);
    for (unsigned i = 0; i < pages; i++)
        set_entry(b, ROOT + 0x4000 + i * 8, frame_of(i, pages) | 3);
}

struct ask {
    struct sim_request request;
    struct bench *b;
    sim_time granted, done;
    unsigned grants, dones;
};

static void ask_granted(struct sim_request *request)
{
    struct ask *a = SIM_OWNER(request, struct ask, request);

    a->granted = sim_now(a->b->kernel);
    a->grants++;
}

static void ask_done(struct sim_request *request)
{
    struct ask *a = SIM_OWNER(request, struct ask, request);

    a->done = sim_now(a->b->kernel);
    a->dones++;
}

static void ask(struct bench *b, struct ask *a, enum sim_op op, uint64_t address, void *data,
                uint32_t size)
{
    *a = (struct ask){ .b = b };
    a->request = (struct sim_request){ .master = &b->master,
                                       .op = op,
                                       .address = address,
                                       .size = size,
                                       .data = data,
                                       .granted = ask_granted,
                                       .done = ask_done };
    sim_submit(sim_link_target(b->link), &a->request);
}

static void a_line_is_read_in_547_ns(void **state)
{
    struct bench b;
    struct ask a;
    uint8_t data[64];

    (void)state;
    begin(&b, false);
    ask(&b, &a, SIM_READ, 0x1000, data, 64);
    assert_int_equal(sim_run(b.kernel, SIM_NEVER), 0);
    print_message("a read of 64 bytes: %.1f ns, published 547\n", (double)a.done / 1000);
    assert_in_range(a.done, 545 * SIM_NS, 549 * SIM_NS);
    ask(&b, &a, SIM_WRITE, 0x1000, data, 64);
    sim_time begun = sim_now(b.kernel);
    assert_int_equal(sim_run(b.kernel, SIM_NEVER), 0);
    print_message("a posted write lands after %.1f ns, published 100 to 300\n",
                  (double)(a.granted - begun) / 1000);
    assert_in_range(a.granted - begun, 100 * SIM_NS, 300 * SIM_NS);
    end(&b);
}

/* One miss whose tables are known down to the last costs one read over the bus: 330 ns assumed. */
static void a_miss_costs_one_read_of_the_last_table(void **state)
{
    struct bench b;
    struct ask a;
    uint8_t data[64];
    sim_time took[3];

    (void)state;
    begin(&b, true);
    build_tables(&b, 512);
    for (unsigned i = 0; i < 3; i++) { /* all of the walk, the last read, none */
        sim_time begun = sim_now(b.kernel);
        ask(&b, &a, SIM_READ, (i > 0) * PAGE + i * 64, data, 64);
        assert_int_equal(sim_run(b.kernel, SIM_NEVER), 0);
        took[i] = a.done - begun;
    }
    print_message("reads with a whole walk %.0f ns, one read %.0f ns, none %.0f ns\n",
                  (double)took[0] / 1000, (double)took[1] / 1000, (double)took[2] / 1000);
    assert_in_range(took[1] - took[2], 300 * SIM_NS, 360 * SIM_NS);
    assert_in_range(took[0] - took[2], 1400 * SIM_NS, 1750 * SIM_NS);
    end(&b);
}

/* Payloads, then what announces them, through pages that miss and pages that hit: whoever sees the
 * announcement sees the payload. */
static void announcements_never_pass_their_payload(void **state)
{
    enum {
        PAGES = 512,
        ROUNDS = 400
    };
    static struct ask asks[ROUNDS][2];
    static uint8_t payloads[ROUNDS][1024], counts[ROUNDS][8];
    struct test_rng rng = { test_seed() };
    struct bench b;
    uint8_t seen[1024];

    (void)state;
    begin(&b, true);
    build_tables(&b, PAGES);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t page = 1 + test_below(&rng, PAGES - 1);
        memset(payloads[i], 0, sizeof(payloads[i]));
        tag_fill(payloads[i], 1024, 5, i * 1024);
        counts[i][0] = (uint8_t)(i + 1);
        counts[i][1] = (uint8_t)((i + 1) >> 8);
        ask(&b, &asks[i][0], SIM_WRITE, page * PAGE + test_below(&rng, 4) * 1024, payloads[i],
            1024);
        ask(&b, &asks[i][1], SIM_WRITE, 0, counts[i], 8); /* always the same page */
    }
    unsigned last = 0;
    while (sim_step(b.kernel)) {
        sim_memory_read(b.memory, frame_of(0, PAGES), seen, 2);
        unsigned count = seen[0] + 256u * seen[1];
        for (; last < count; last++)
            assert_int_equal(asks[last][0].grants, 1);
    }
    assert_int_equal(last, ROUNDS);
    for (unsigned i = 0; i < ROUNDS; i++) { /* every place holds the last that was written there */
        const struct sim_request *payload = &asks[i][0].request;
        bool later = false;
        assert_int_equal(payload->status, SIM_OK);
        assert_int_equal(payload->physical, frame_of((unsigned)(payload->address / PAGE), PAGES) +
                                                payload->address % PAGE);
        for (unsigned k = i + 1; k < ROUNDS; k++)
            later |= asks[k][0].request.address == payload->address;
        sim_memory_read(b.memory, payload->physical, seen, 1024);
        if (!later)
            tag_check(seen, 1024, 5, i * 1024);
    }
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_in_547_ns),
        cmocka_unit_test(a_miss_costs_one_read_of_the_last_table),
        cmocka_unit_test(announcements_never_pass_their_payload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
