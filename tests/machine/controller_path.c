/* The controller before the real way to memory: link, IOMMU, bus, DRAM. */
#include "test.h"

#include "bus.h"
#include "controller.h"
#include "dray/desc.h"
#include "iommu.h"
#include "link.h"
#include "rate.h"

enum {
    MEMORY = 32 << 20,
    ROOT = 24 << 20, /* page tables, above all frames */
    PAGE = 4096,
    PAGES = 2048, /* IO pages from 0 on, each in a frame somewhere else: 8 MiB */
    DEVICE = 1,
    /* IO addresses. */
    RING = 0x10000,
    COMPLETION = 0x50000,
    TAIL = 0x60000,
    HEAD = 0x60040,
    REGIONS = 0x61000,
    DATA = 1 << 20,
    COPY = 4 << 20,
    SIZE = 2 << 20,
};

struct bench {
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_iommu *iommu;
    struct sim_link *link;
    struct sim_interrupts *interrupts;
    struct sim_controller *controller;
    struct sim_master master;
    struct sim_link_params link_params;
    uint32_t filled, reaped;
    unsigned delivered;
    unsigned late; /* interrupts whose completion was not there */
};

static uint64_t frame_of(uint64_t page)
{
    return (page * 7 + 3) % PAGES * PAGE;
}

static void set_word(struct bench *b, uint64_t address, uint64_t word)
{
    sim_memory_write(b->memory, address, &word, 8);
}

static void set_page(struct bench *b, uint64_t page, unsigned rights)
{
    set_word(b, ROOT + 0x10000 + page * 8, frame_of(page) | rights);
}

/* Four levels; the last is four tables of 512 pages. */
static void build_tables(struct bench *b)
{
    set_word(b, ROOT + DEVICE * 8, (ROOT + 0x1000) | 1);
    set_word(b, ROOT + 0x1000, (ROOT + 0x2000) | 3);
    set_word(b, ROOT + 0x2000, (ROOT + 0x3000) | 3);
    for (unsigned i = 0; i < PAGES / 512; i++)
        set_word(b, ROOT + 0x3000 + i * 8, (ROOT + 0x10000 + i * 0x1000) | 3);
    for (uint64_t page = 0; page < PAGES; page++)
        set_page(b, page, SIM_IOMMU_READ | SIM_IOMMU_WRITE);
}

static void io_bytes(struct bench *b, uint64_t io, void *data, size_t size, bool write)
{
    for (uint8_t *p = data; size;) {
        size_t n = PAGE - io % PAGE < size ? PAGE - io % PAGE : size;
        uint64_t physical = frame_of(io / PAGE) + io % PAGE;
        if (write)
            sim_memory_write(b->memory, physical, p, n);
        else
            sim_memory_read(b->memory, physical, p, n);
        p += n;
        io += n;
        size -= n;
    }
}

static void reg(struct bench *b, unsigned number, uint64_t value)
{
    struct sim_mmio *mmio = sim_controller_mmio(b->controller);
    mmio->write(mmio, number, 8, value);
}

static bool reap(struct bench *b, struct dray_completion *c)
{
    io_bytes(b, COMPLETION + b->reaped % 64 * sizeof(*c), c, sizeof(*c), false);
    if ((c->flags & 1) != ((b->reaped & 64) == 0))
        return false;
    b->reaped++;
    reg(b, SIM_REG_SEEN, b->reaped);
    return true;
}

static struct dray_completion last;

static void deliver(void *argument, unsigned number)
{
    struct bench *b = argument;
    (void)number;
    b->delivered++;
    if (!reap(b, &last))
        b->late++;
}

static void start(struct bench *b)
{
    reg(b, SIM_REG_RING, RING);
    reg(b, SIM_REG_RING_SIZE, 1024);
    reg(b, SIM_REG_TAIL, TAIL);
    reg(b, SIM_REG_HEAD, HEAD);
    reg(b, SIM_REG_COMPLETION, COMPLETION);
    reg(b, SIM_REG_COMPLETION_SIZE, 64);
    reg(b, SIM_REG_REGIONS, REGIONS);
    reg(b, SIM_REG_REGION_COUNT, 2);
    reg(b, SIM_REG_CONTROL, SIM_CONTROL_RUN);
}

static void begin(struct bench *b)
{
    struct sim_dram_params dram;
    struct sim_bus_params bus;
    struct sim_iommu_params iommu;
    struct sim_controller_params controller;
    const struct sim_interrupt_params at_once = { .count = 1 };
    *b = (struct bench){ .master = { .name = "controller", .device = DEVICE, .snooped = true } };
    sim_params_standard(&sim_dram_kind, &dram);
    sim_params_standard(&sim_bus_kind, &bus);
    sim_params_standard(&sim_iommu_kind, &iommu);
    sim_params_standard(&sim_link_kind, &b->link_params);
    sim_params_standard(&sim_controller_kind, &controller);
    assert_int_equal(sim_kernel_create(&b->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&b->memory, MEMORY), 0);
    assert_int_equal(sim_dram_create(&b->dram, &dram), 0);
    assert_int_equal(sim_bus_create(&b->bus, b->kernel, b->memory, b->dram, &bus), 0);
    assert_int_equal(
        sim_iommu_create(&b->iommu, b->kernel, sim_bus_target(b->bus), b->memory, &iommu), 0);
    assert_int_equal(
        sim_link_create(&b->link, b->kernel, sim_iommu_target(b->iommu), &b->link_params), 0);
    sim_bus_add_master(b->bus, &b->master, 1);
    sim_bus_add_master(b->bus, sim_iommu_master(b->iommu), 1);
    assert_int_equal(sim_interrupts_create(&b->interrupts, b->kernel, &at_once, deliver, b), 0);
    assert_int_equal(sim_controller_create(&b->controller, b->kernel, sim_link_target(b->link),
                                           &b->master, b->interrupts, &controller),
                     0);
    build_tables(b);
    sim_iommu_enable(b->iommu, ROOT);
    struct sim_region_entry entries[] = { { 1u << 20, 3, SIM_REGION_MEMORY, 0, DATA, SIZE, 0 },
                                          { 1u << 20 | 1, 3, SIM_REGION_MEMORY, 0, COPY, SIZE,
                                            0 } };
    io_bytes(b, REGIONS, entries, sizeof(entries), true);
    uint8_t *bytes = malloc(SIZE);
    tag_fill(bytes, SIZE, 3, 0);
    io_bytes(b, DATA, bytes, SIZE, true);
    free(bytes);
    start(b);
}

static void end(struct bench *b)
{
    sim_controller_destroy(&b->controller);
    sim_interrupts_destroy(&b->interrupts);
    sim_link_destroy(&b->link);
    sim_iommu_destroy(&b->iommu);
    sim_bus_destroy(&b->bus);
    sim_dram_destroy(&b->dram);
    sim_memory_destroy(&b->memory);
    sim_kernel_destroy(&b->kernel);
}

static void put_copy(struct bench *b, uint64_t dst, uint64_t src, uint64_t length, unsigned flags)
{
    struct dray_desc d;
    dray_prep_copy(&d, (dray_key){ 1u << 20 | 1 }, dst, (dray_key){ 1u << 20 }, src, length);
    d.flags = (uint16_t)flags;
    io_bytes(b, RING + b->filled++ % 1024 * sizeof(d), &d, sizeof(d), true);
}

static void ring(struct bench *b)
{
    io_bytes(b, TAIL, &b->filled, 4, true);
    reg(b, SIM_REG_DOORBELL, 1);
    assert_int_equal(sim_run(b->kernel, SIM_NEVER), 0);
}

static void check_copy(struct bench *b, uint64_t dst, uint64_t src, uint64_t length)
{
    uint8_t *bytes = malloc(length);
    io_bytes(b, COPY + dst, bytes, length, false);
    tag_check(bytes, length, 3, src);
    free(bytes);
}

/* Pieces of any alignment, one transaction for every ten, through pages that lie anywhere. Each
 * interrupt finds its completion. */
static void lists_through_all_of_it(void **state)
{
    struct bench b;
    uint64_t at = 0;
    (void)state;
    begin(&b);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t length = 1 + i * 977 % 6007;
        put_copy(&b, at, (i * 30011) % (SIZE - 8192), length, i % 10 < 9 ? DRAY_FLAG_CHAIN : 0);
        at += length;
    }
    ring(&b);
    assert_int_equal(b.delivered, 50);
    assert_int_equal(b.late, 0);
    at = 0;
    for (unsigned i = 0; i < 500; i++) {
        uint64_t length = 1 + i * 977 % 6007;
        check_copy(&b, at, (i * 30011) % (SIZE - 8192), length);
        at += length;
    }
    end(&b);
}

/* A page that is not mapped, and one that may not be written: the descriptor says so, though behind the
 * link its writes were done long before they were refused. What else it wrote is there, and counted. */
static void the_iommu_refuses_a_page(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++) {
        struct bench b;
        struct sim_iommu_fault fault;
        uint64_t page = (which == 2 ? DATA : COPY) / PAGE + 5;
        begin(&b);
        set_page(&b, page, which == 0 ? 0 : which == 1 ? SIM_IOMMU_READ : SIM_IOMMU_WRITE);
        put_copy(&b, 3 * PAGE, 3 * PAGE, 4096, 0);
        put_copy(&b, 4 * PAGE, 4 * PAGE, 16384, 0);
        put_copy(&b, 9 * PAGE, 9 * PAGE, 4096, 0);
        ring(&b);
        struct dray_completion c[3];
        b.reaped = 0;
        for (unsigned i = 0; i < 3; i++)
            assert_true(reap(&b, &c[i]));
        assert_int_equal(c[0].status, DRAY_STATUS_OK);
        assert_int_equal(c[1].status, DRAY_STATUS_IO);
        assert_int_equal(c[1].result, 14);
        assert_int_equal(c[1].access, which == 2 ? DRAY_ACCESS_READ : DRAY_ACCESS_WRITE);
        assert_true(c[1].moved >= PAGE && c[1].moved <= 3 * PAGE);
        assert_int_equal(c[2].status, DRAY_STATUS_OK);
        check_copy(&b, 4 * PAGE, 4 * PAGE, PAGE);
        check_copy(&b, 9 * PAGE, 9 * PAGE, PAGE);
        assert_true(sim_iommu_take_fault(b.iommu, &fault));
        assert_int_equal(fault.address / PAGE, page);
        assert_int_equal(fault.write, which != 2);
        end(&b);
    }
}

/* The up direction of the link carries what is written, and asks for what is read: that is what limits
 * a long copy. S ((MPS + header)/MPS + header/MRRS) / B; within 3 %, for it also has a beginning. */
static void a_long_copy_fills_the_link(void **state)
{
    struct bench b;
    (void)state;
    begin(&b);
    for (unsigned i = 0; i < SIZE / 65536; i++)
        put_copy(&b, i * 65536, i * 65536, 65536, i + 1 < SIZE / 65536 ? DRAY_FLAG_CHAIN : 0);
    sim_time begun = sim_now(b.kernel);
    ring(&b);
    check_copy(&b, 0, 0, SIZE);
    const struct sim_link_params *l = &b.link_params;
    uint64_t wire = SIZE / l->mps * (l->mps + l->write_header) + SIZE / l->mrrs * l->read_header;
    double took = (double)(sim_now(b.kernel) - begun),
           formula = (double)sim_rate_time(wire, l->bandwidth);
    print_message("%.1f us, the link's %.1f us\n", took / 1e6, formula / 1e6);
    assert_true(took > formula && took < formula * 1.03);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_through_all_of_it),
        cmocka_unit_test(the_iommu_refuses_a_page),
        cmocka_unit_test(a_long_copy_fills_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
