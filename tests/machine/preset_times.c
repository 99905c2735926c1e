/* What the machines that come with Dray take for a device's accesses, beside the figures that they are
 * made from: the link, the IOMMU, the bus and the DRAM of each, wired as in a whole machine. */
#include <limits.h>

#include "bus.h"
#include "iommu.h"
#include "link.h"
#include "machine_file.h"
#include "test.h"

enum {
    MEMORY = 16 << 20,
    ROOT = 8 << 20,
    PAGE = 4096,
    DEVICE = 1,
    STREAM = 1 << 20, /* bytes, for rates */
};

struct bench {
    struct sim_machine_params params;
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_iommu *iommu;
    struct sim_link *link;
    struct sim_target *port;
    struct sim_master master;
};

static void read_params(const char *name, struct sim_machine_params *params)
{
    char path[PATH_MAX], error[SIM_FILE_ERROR] = "";
    struct sim_parts *parts;
    snprintf(path, sizeof(path), "%s/machines/%s.ini", getenv("DRAY_SOURCE_ROOT"), name);
    assert_int_equal(sim_machine_parts(&parts), 0);
    if (sim_parts_read(parts, path, error, sizeof(error)) ||
        sim_machine_params(parts, params, error, sizeof(error)))
        fail_msg("%s", error);
    sim_parts_destroy(&parts);
}

static void begin(struct bench *b, const char *name)
{
    memset(b, 0, sizeof(*b));
    read_params(name, &b->params);
    assert_int_equal(sim_kernel_create(&b->kernel, 1), 0);
    assert_int_equal(sim_memory_create(&b->memory, MEMORY), 0);
    assert_int_equal(sim_dram_create(&b->dram, &b->params.dram), 0);
    assert_int_equal(sim_bus_create(&b->bus, b->kernel, b->memory, b->dram, &b->params.bus), 0);
    b->port = sim_bus_target(b->bus);
    b->master = (struct sim_master){ .name = "device", .device = DEVICE };
    sim_bus_add_master(b->bus, &b->master, 1);
    if (b->params.iommu.present) {
        assert_int_equal(
            sim_iommu_create(&b->iommu, b->kernel, b->port, b->memory, &b->params.iommu), 0);
        sim_bus_add_master(b->bus, sim_iommu_master(b->iommu), 1);
        b->port = sim_iommu_target(b->iommu);
    }
    if (b->params.system.linked) {
        assert_int_equal(sim_link_create(&b->link, b->kernel, b->port, &b->params.link), 0);
        b->port = sim_link_target(b->link);
    }
}

static void end(struct bench *b)
{
    if (b->link)
        sim_link_destroy(&b->link);
    if (b->iommu)
        sim_iommu_destroy(&b->iommu);
    sim_bus_destroy(&b->bus);
    sim_dram_destroy(&b->dram);
    sim_memory_destroy(&b->memory);
    sim_kernel_destroy(&b->kernel);
}

/* ---- one request ---- */

struct ask {
    struct sim_request request;
    struct sim_kernel *kernel;
    sim_time granted, done;
};

static void ask_granted(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);
    ask->granted = sim_now(ask->kernel);
}

static void ask_done(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);
    assert_int_equal(request->status, SIM_OK);
    ask->done = sim_now(ask->kernel);
}

static void submit(struct bench *b, struct ask *ask, enum sim_op op, uint64_t address, void *data,
                   uint32_t size)
{
    *ask = (struct ask){ .kernel = b->kernel };
    ask->request = (struct sim_request){ .master = &b->master,
                                         .op = op,
                                         .address = address,
                                         .size = size,
                                         .data = data,
                                         .granted = ask_granted,
                                         .done = ask_done };
    sim_submit(b->port, &ask->request);
}

static sim_time read_line(struct bench *b, uint64_t address)
{
    struct ask ask;
    uint8_t data[64];
    sim_time begun = sim_now(b->kernel);
    submit(b, &ask, SIM_READ, address, data, sizeof(data));
    assert_int_equal(sim_run(b->kernel, SIM_NEVER), 0);
    return ask.done - begun;
}

static void within(const char *name, const char *what, double is, double expected, double share)
{
    print_message("%s: %s %.1f, published %.1f\n", name, what, is, expected);
    assert_true(is > expected * (1 - share) && is < expected * (1 + share));
}

/* 64 bytes from a row that is not open, no translation. */
static void a_line_is_read_in_its_time(void **state)
{
    static const struct {
        const char *name;
        double least, most;
    } of[] = { { "desktop", 520, 573 }, { "server", 520, 573 }, { "embedded", 150, 300 } };
    (void)state;
    for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        struct bench b;
        begin(&b, of[i].name);
        double ns = (double)read_line(&b, 0x1000) / SIM_NS;
        print_message("%s: a read of 64 bytes takes %.1f ns\n", of[i].name, ns);
        assert_true(ns > of[i].least && ns < of[i].most);
        end(&b);
    }
}

/* ---- rates ---- */

static double write_rate(const char *name, uint32_t size)
{
    static struct ask asks[STREAM / 64];
    static uint8_t data[STREAM];
    struct bench b;
    sim_time last = 0;
    unsigned count = STREAM / size;
    begin(&b, name);
    for (unsigned i = 0; i < count; i++)
        submit(&b, &asks[i], SIM_WRITE, (uint64_t)i * size, data + (size_t)i * size, size);
    assert_int_equal(sim_run(b.kernel, SIM_NEVER), 0);
    for (unsigned i = 0; i < count; i++)
        last = asks[i].granted > last ? asks[i].granted : last;
    /* The first is there after the way alone. */
    sim_time took = last - asks[0].granted;
    end(&b);
    return (double)(STREAM - size) * 8000 / (double)took; /* Gb/s */
}

static void the_link_carries_what_is_published(void **state)
{
    (void)state;
    within("desktop", "Gb/s in packets of 256 bytes", write_rate("desktop", 256), 53, 0.05);
    within("desktop", "Gb/s in packets of 64 bytes", write_rate("desktop", 64), 42, 0.05);
    within("server", "Gb/s in packets of 256 bytes", write_rate("server", 256), 208, 0.05);
    within("server", "Gb/s in packets of 64 bytes", write_rate("server", 64), 165, 0.05);
}

/* A bus of 33 MHz and 32 bits gives 133 MB/s to bursts without end, and less to real ones. */
static void the_legacy_bus_gives_what_a_bus_of_its_time_gave(void **state)
{
    double gbit = write_rate("legacy", 128);
    (void)state;
    print_message("legacy: %.1f MB/s\n", gbit * 125);
    assert_true(gbit * 125 > 100 && gbit * 125 < 133);
}

/* ---- translation ---- */

static void set_entry(struct bench *b, uint64_t address, uint64_t entry)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(entry >> (8 * i));
    sim_memory_write(b->memory, address, bytes, 8);
}

/* Four levels, of which the last maps the first 2 MiB to themselves. */
static void build_tables(struct bench *b)
{
    assert_int_equal(b->params.iommu.levels, 4);
    set_entry(b, ROOT + DEVICE * 8, (ROOT + 0x1000) | 1);
    for (unsigned level = 1; level <= 3; level++)
        set_entry(b, ROOT + level * 0x1000, (ROOT + (level + 1) * 0x1000) | 3);
    for (unsigned i = 0; i < 512; i++)
        set_entry(b, ROOT + 0x4000 + i * 8, (uint64_t)i * PAGE | 3);
    sim_iommu_enable(b->iommu, ROOT);
}

static void a_miss_takes_what_is_published(void **state)
{
    static const struct {
        const char *name;
        double ns;
    } of[] = { { "desktop", 330 }, { "server", 197 } };
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bench b;
        begin(&b, of[i].name);
        build_tables(&b);
        read_line(&b, 0); /* now all levels but the last are known */
        sim_time miss = read_line(&b, PAGE), hit = read_line(&b, PAGE + 64);
        within(of[i].name, "ns a miss", (double)(miss - hit) / SIM_NS, of[i].ns, 0.1);
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_in_its_time),
        cmocka_unit_test(the_link_carries_what_is_published),
        cmocka_unit_test(the_legacy_bus_gives_what_a_bus_of_its_time_gave),
        cmocka_unit_test(a_miss_takes_what_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
