/*
 * For tests of the IOMMU: tables built as bytes, as a driver would, and a device that asks.
 */
#ifndef DRAY_TESTS_MACHINE_IOMMU_TABLES_H
#define DRAY_TESTS_MACHINE_IOMMU_TABLES_H

#include "iommu.h"
#include "plain.h"

enum {
    PAGE = 4096,
    HUGE_PAGE = 2 << 20,
    RW = SIM_IOMMU_READ | SIM_IOMMU_WRITE,
};

struct bench {
    struct sim_kernel *kernel;
    struct plain host;
    struct sim_memory *memory; /* the host's */
    struct sim_iommu *iommu;
    struct sim_target *port;
    struct sim_iommu_params params;
    uint64_t root, next; /* tables are taken from memory one after the other */
};

/* Memory: `size` bytes; tables from `tables` on; the IOMMU is on, no device has a context. */
static inline void begin(struct bench *b, const struct sim_iommu_params *p, uint64_t size,
                         uint64_t tables)
{
    assert_null(sim_iommu_kind.check(p));
    assert_int_equal(sim_kernel_create(&b->kernel, 1), 0);
    assert_int_equal(plain_begin(&b->host, b->kernel, size), 0);
    b->memory = b->host.memory;
    assert_int_equal(sim_iommu_create(&b->iommu, b->kernel, &b->host.target, b->memory, p), 0);
    b->port = sim_iommu_target(b->iommu);
    b->params = *p;
    b->root = tables;
    b->next = tables + PAGE;
    sim_iommu_enable(b->iommu, b->root);
}

static inline void end(struct bench *b)
{
    assert_int_equal(b->host.under_way, 0);
    sim_iommu_destroy(&b->iommu);
    assert_null(b->iommu);
    plain_end(&b->host);
    sim_kernel_destroy(&b->kernel);
}

static inline void run(struct bench *b)
{
    assert_int_equal(sim_run(b->kernel, SIM_NEVER), 0);
}

static inline uint64_t entry_at(struct bench *b, uint64_t address)
{
    uint8_t bytes[8];
    uint64_t entry = 0;

    sim_memory_read(b->memory, address, bytes, 8);
    for (unsigned i = 0; i < 8; i++)
        entry |= (uint64_t)bytes[i] << (8 * i);
    return entry;
}

static inline void set_entry(struct bench *b, uint64_t address, uint64_t entry)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(entry >> (8 * i));
    sim_memory_write(b->memory, address, bytes, 8);
}

static inline uint64_t new_table(struct bench *b)
{
    uint64_t table = b->next;

    b->next += PAGE;
    assert_true(sim_memory_holds(b->memory, table, PAGE));
    return table;
}

/* A context with empty tables, or the identity. */
static inline void give_context(struct bench *b, uint32_t device, bool identity)
{
    set_entry(b, b->root + device * 8, identity ? 3 : new_table(b) | 1);
}

/* Where the entry of an address lies in the table of `last` (1: of pages, 2: of large pages);
 * tables on the way are made. */
static inline uint64_t leaf_of(struct bench *b, uint32_t device, uint64_t address, unsigned last)
{
    uint64_t table = entry_at(b, b->root + device * 8) & ~(uint64_t)(PAGE - 1);

    for (unsigned level = (unsigned)b->params.levels; level > last; level--) {
        uint64_t place = table + (address >> (12 + 9 * (level - 1)) & 511) * 8;
        if (!entry_at(b, place))
            set_entry(b, place, new_table(b) | RW);
        table = entry_at(b, place) & ~(uint64_t)(PAGE - 1);
    }
    return table + (address >> (12 + 9 * (last - 1)) & 511) * 8;
}

static inline void map(struct bench *b, uint32_t device, uint64_t address, uint64_t physical,
                       unsigned rights)
{
    set_entry(b, leaf_of(b, device, address, 1), physical | rights);
}

static inline void map_huge(struct bench *b, uint32_t device, uint64_t address, uint64_t physical,
                            unsigned rights)
{
    set_entry(b, leaf_of(b, device, address, 2), physical | rights | SIM_IOMMU_HUGE);
}

static inline void unmap(struct bench *b, uint32_t device, uint64_t address)
{
    set_entry(b, leaf_of(b, device, address, 1), 0);
}

/* l0 65 ns, l_m 197 ns, reads beside the bus: what a walk takes is easy to add up. */
static inline struct sim_iommu_params plain_params(void)
{
    return (struct sim_iommu_params){ .present = 1,
                                      .levels = 4,
                                      .iotlb = 64,
                                      .iotlb_ways = 4,
                                      .hit = 65 * SIM_NS,
                                      .walk_read = 197 * SIM_NS,
                                      .walk_cache = 16,
                                      .walks = 4,
                                      .invalidation = 600 * SIM_NS };
}

static inline struct sim_iommu_stats stats_of(const struct bench *b)
{
    struct sim_iommu_stats stats;

    sim_iommu_stats(b->iommu, &stats);
    return stats;
}

/* ---- a device's request ---- */

struct ask {
    struct sim_request request;
    struct sim_master master;
    struct sim_kernel *kernel;
    sim_time granted, done;
    unsigned grants, dones;
};

static inline void ask_granted(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);

    ask->granted = sim_now(ask->kernel);
    ask->grants++;
}

static inline void ask_done(struct sim_request *request)
{
    struct ask *ask = SIM_OWNER(request, struct ask, request);

    ask->done = sim_now(ask->kernel);
    ask->dones++;
}

static inline void ask(struct bench *b, struct ask *ask, uint32_t device, enum sim_op op,
                       uint64_t address, void *data, uint32_t size)
{
    *ask = (struct ask){ .kernel = b->kernel };
    ask->master = (struct sim_master){ .name = "device", .device = device };
    ask->request = (struct sim_request){ .master = &ask->master,
                                         .op = op,
                                         .address = address,
                                         .size = size,
                                         .data = data,
                                         .granted = ask_granted,
                                         .done = ask_done };
    sim_submit(b->port, &ask->request);
}

/* Asks, and waits for the answer. */
static inline enum sim_status ask_now(struct bench *b, uint32_t device, enum sim_op op,
                                      uint64_t address, void *data, uint32_t size)
{
    struct ask a;

    ask(b, &a, device, op, address, data, size);
    run(b);
    assert_int_equal(a.dones, 1);
    assert_int_equal(a.grants, a.request.status == SIM_OK);
    return a.request.status;
}

#endif
