/*
 * A computer with one small device on its bus, for tests of drivers and of what watches them.
 *
 *     cores ──> bus <── [iommu] <── mover
 *
 * The mover reads `count` bytes at `from` (where that is not SIM_NEVER) and writes them to `to` (likewise)
 * in steps of `step` bytes, then writes 1 to the word at `flag` (likewise), and raises interrupt 0. Its
 * registers are written by MMIO; GO begins.
 */
#ifndef DRAY_TESTS_MACHINE_RIG_H
#define DRAY_TESTS_MACHINE_RIG_H

#include "driver.h"
#include "interrupt.h"
#include "shadow.h"
#include "test.h"

enum {
    MOVER_FROM = 0,
    MOVER_TO = 8,
    MOVER_COUNT = 16,
    MOVER_FLAG = 24,
    MOVER_GO = 32,
    MOVER_DEVICE = 3,
    MOVER_MAX = 1 << 16,
    RIG_CORES = 2,
};

#define MOVER_REGISTERS ((uint64_t)1 << 46)

struct mover {
    struct sim_master master;
    struct sim_mmio mmio;
    struct sim_target *port;
    struct sim_interrupts *interrupts;
    struct sim_request request;
    struct sim_origin origin;
    uint64_t registers[5];
    uint32_t step, at, last;
    uint32_t times; /* the transfer is done so often */
    enum {
        MOVER_IDLE,
        MOVER_READS,
        MOVER_WRITES,
        MOVER_FLAGS,
    } state;
    uint32_t faults, finished;
    bool silent; /* no interrupt */
    uint8_t bytes[MOVER_MAX];
    uint8_t one[4];
};

struct rig {
    /* Set by rig_standard, changed by the test, used by rig_make. */
    struct sim_core_params core;
    struct sim_cache_params cache;
    struct sim_tlb_params tlb;
    struct sim_bus_params bus_params;
    struct sim_dram_params dram_params;
    struct sim_iommu_params iommu_params;
    struct sim_interrupt_params interrupt;
    struct sim_system_params system;
    uint64_t address_bits;
    uint64_t seed;
    bool watch;
    bool device_snoops; /* the hardware; system.snooped is what the driver believes */
    /* The parts. */
    struct sim_kernel *kernel;
    struct sim_memory *memory;
    struct sim_dram *dram;
    struct sim_bus *bus;
    struct sim_frames *frames;
    struct sim_space *space;
    struct sim_iommu *iommu;
    struct sim_interrupts *interrupts;
    struct sim_core *cores[RIG_CORES];
    struct sim_driver *driver;
    struct sim_shadow *shadow;
    struct mover mover;
    uint32_t interrupted; /* handlers run */
    void *test;           /* the test's own */
};

/* ---- the mover ---- */

static inline void mover_next(struct mover *m);

static inline void mover_done(struct sim_request *request)
{
    struct mover *m = SIM_OWNER(request, struct mover, request);
    m->faults += request->status != SIM_OK;
    mover_next(m);
}

static inline void mover_ask(struct mover *m, enum sim_op op, const char *what, uint64_t address,
                             uint32_t size, uint8_t *data)
{
    m->origin = (struct sim_origin){ .what = what };
    m->request = (struct sim_request){ .master = &m->master,
                                       .op = op,
                                       .address = address,
                                       .size = size,
                                       .data = data,
                                       .done = mover_done,
                                       .origin = &m->origin };
    sim_submit(m->port, &m->request);
}

/* Reads or writes the next piece, which crosses no page. False: there is none. */
static inline bool mover_piece(struct mover *m, enum sim_op op, const char *what, uint64_t address)
{
    uint32_t left = (uint32_t)m->registers[MOVER_COUNT / 8] - m->at;
    uint64_t in_page = SIM_PAGE - (address + m->at) % SIM_PAGE;
    uint32_t size = left < m->step ? left : m->step;
    if (address == SIM_NEVER || !left)
        return false;
    size = size < in_page ? size : (uint32_t)in_page;
    m->at += size;
    mover_ask(m, op, what, address + m->at - size, size, m->bytes + m->at - size);
    return true;
}

static inline void mover_next(struct mover *m)
{
    if (m->state == MOVER_READS) {
        if (mover_piece(m, SIM_READ, "fetch", m->registers[MOVER_FROM / 8]))
            return;
        m->state = MOVER_WRITES;
        m->at = 0;
    }
    if (m->state == MOVER_WRITES) {
        if (mover_piece(m, SIM_WRITE, "data", m->registers[MOVER_TO / 8]))
            return;
        m->state = MOVER_FLAGS;
        m->at = 0;
        if (m->registers[MOVER_FLAG / 8] != SIM_NEVER) {
            mover_ask(m, SIM_WRITE, "completion", m->registers[MOVER_FLAG / 8], 4, m->one);
            return;
        }
    }
    if (--m->times) {
        m->state = MOVER_READS;
        mover_next(m);
        return;
    }
    m->state = MOVER_IDLE;
    m->finished++;
    if (!m->silent)
        sim_interrupts_cause(m->interrupts, 0, true);
}

static inline void mover_write(struct sim_mmio *mmio, uint64_t offset, uint32_t size,
                               uint64_t value)
{
    struct mover *m = SIM_OWNER(mmio, struct mover, mmio);
    (void)size;
    if (offset != MOVER_GO) {
        m->registers[offset / 8] = value;
        return;
    }
    if (m->state != MOVER_IDLE)
        return;
    m->times = value ? (uint32_t)value : 1;
    m->at = 0;
    m->state = MOVER_READS;
    mover_next(m);
}

static inline uint64_t mover_read(struct sim_mmio *mmio, uint64_t offset, uint32_t size)
{
    struct mover *m = SIM_OWNER(mmio, struct mover, mmio);
    (void)offset;
    (void)size;
    return m->finished;
}

/* ---- the computer ---- */

static inline struct rig rig_standard(void)
{
    struct rig r = { .address_bits = 64, .device_snoops = true };
    sim_params_standard(&sim_core_kind, &r.core);
    sim_params_standard(&sim_cache_kind, &r.cache);
    sim_params_standard(&sim_tlb_kind, &r.tlb);
    sim_params_standard(&sim_bus_kind, &r.bus_params);
    sim_params_standard(&sim_dram_kind, &r.dram_params);
    sim_params_standard(&sim_iommu_kind, &r.iommu_params);
    sim_params_standard(&sim_interrupt_kind, &r.interrupt);
    sim_params_standard(&sim_system_kind, &r.system);
    r.cache.levels = 1;
    r.cache.size[0] = 32 << 10;
    r.cache.ways[0] = 8;
    r.dram_params.size = (uint64_t)64 << 20;
    return r;
}

/* Neither device nor caches look at each other; stores and loads in any order. */
static inline void rig_embedded(struct rig *r)
{
    r->core.order = SIM_ORDER_WEAK;
    r->cache.coherent = 0;
    r->cache.maintenance = 40 * SIM_NS;
    r->system.snooped = 0;
    r->device_snoops = false;
}

static inline void rig_deliver(void *argument, unsigned number)
{
    struct rig *r = argument;
    sim_core_interrupt(r->cores[0], number);
}

static inline void rig_handle(struct sim_core *core, unsigned number, void *argument)
{
    struct rig *r = argument;
    (void)core;
    (void)number;
    r->interrupted++;
}

static inline void rig_make_device(struct rig *r)
{
    struct mover *m = &r->mover;
    memset(m, 0, sizeof(*m));
    m->master =
        (struct sim_master){ .name = "mover", .device = MOVER_DEVICE, .snooped = r->device_snoops };
    sim_bus_add_master(r->bus, &m->master, 1);
    m->mmio = (struct sim_mmio){ .base = MOVER_REGISTERS,
                                 .size = 64,
                                 .latency = 100 * SIM_NS,
                                 .read = mover_read,
                                 .write = mover_write };
    sim_bus_add_mmio(r->bus, &m->mmio);
    m->step = 64;
    m->port = r->iommu ? sim_iommu_target(r->iommu) : sim_bus_target(r->bus);
    m->interrupts = r->interrupts;
    m->one[0] = 1;
    for (int i = 0; i < 4; i++)
        m->registers[i] = SIM_NEVER;
}

static inline void rig_make(struct rig *r)
{
    static const char *const names[] = { "core0", "core1" };
    assert_int_equal(sim_kernel_create(&r->kernel, r->seed), 0);
    if (r->watch)
        assert_int_equal(sim_shadow_create(&r->shadow, r->kernel, r->bus_params.line), 0);
    assert_int_equal(sim_memory_create(&r->memory, r->dram_params.size), 0);
    assert_int_equal(sim_dram_create(&r->dram, &r->dram_params), 0);
    assert_int_equal(sim_bus_create(&r->bus, r->kernel, r->memory, r->dram, &r->bus_params), 0);
    assert_int_equal(sim_frames_create(&r->frames, r->kernel, 1 << 20,
                                       r->dram_params.size - (1 << 20), r->system.fragmentation),
                     0);
    assert_int_equal(sim_space_create(&r->space), 0);
    for (int i = 0; i < RIG_CORES; i++)
        assert_int_equal(sim_core_create(&r->cores[i], r->kernel, names[i], r->bus, r->space,
                                         &r->core, &r->cache, &r->tlb),
                         0);
    if (r->iommu_params.present) {
        assert_int_equal(sim_iommu_create(&r->iommu, r->kernel, sim_bus_target(r->bus), r->memory,
                                          &r->iommu_params),
                         0);
        sim_bus_add_master(r->bus, sim_iommu_master(r->iommu), 1);
    }
    assert_int_equal(
        sim_interrupts_create(&r->interrupts, r->kernel, &r->interrupt, rig_deliver, r), 0);
    rig_make_device(r);
    sim_core_handler(r->cores[0], 0, rig_handle, r);
    struct sim_driver_options options = { .kernel = r->kernel,
                                          .memory = r->memory,
                                          .frames = r->frames,
                                          .space = r->space,
                                          .iommu = r->iommu,
                                          .device = MOVER_DEVICE,
                                          .address_bits = r->address_bits,
                                          .system = &r->system,
                                          .cores = r->cores,
                                          .core_count = RIG_CORES };
    assert_int_equal(sim_driver_create(&r->driver, &options), 0);
}

static inline void rig_end(struct rig *r)
{
    sim_driver_destroy(&r->driver);
    sim_interrupts_destroy(&r->interrupts);
    sim_iommu_destroy(&r->iommu);
    for (int i = 0; i < RIG_CORES; i++)
        sim_core_destroy(&r->cores[i]);
    sim_space_destroy(&r->space);
    sim_frames_destroy(&r->frames);
    sim_bus_destroy(&r->bus);
    sim_dram_destroy(&r->dram);
    sim_memory_destroy(&r->memory);
    if (r->shadow)
        sim_shadow_destroy(&r->shadow);
    sim_kernel_destroy(&r->kernel);
}

/* Runs code on the first core to its end. */
static inline void rig_run(struct rig *r, void (*code)(struct sim_core *core, void *argument))
{
    assert_int_equal(sim_core_run(r->cores[0], sim_now(r->kernel), code, r), 0);
    assert_int_equal(sim_run(r->kernel, SIM_NEVER - 1), 0);
    assert_true(sim_core_ended(r->cores[0]));
}

/* ---- for driver code ---- */

static inline void mover_set(struct sim_core *core, unsigned offset, uint64_t value,
                             const struct sim_where *where)
{
    sim_mmio_write(core, MOVER_REGISTERS + offset, value, 8, where);
}

#endif
