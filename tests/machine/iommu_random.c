/*
 * The IOMMU under tables that nobody would build, and under tables that change all the time.
 *
 * What it says must be what a plain walk of the same bytes says, without caches; and where tables
 * change, what they said at some moment since the last invalidation.
 */
#include "test.h"

#include "iommu_tables.h"

/* ---- a plain walk ---- */

struct verdict {
    bool refused;
    enum sim_iommu_reason reason;
    unsigned rights;
    uint64_t physical;
};

static struct verdict refuse(enum sim_iommu_reason reason)
{
    return (struct verdict){ .refused = true, .reason = reason };
}

static struct verdict plain_walk(struct bench *b, uint32_t device, uint64_t address, bool write)
{
    uint64_t visited[8], table, context;
    unsigned rights = RW, levels = (unsigned)b->params.levels;

    if (device >= 512)
        return refuse(SIM_IOMMU_NO_CONTEXT);
    context = entry_at(b, b->root + device * 8);
    if (!(context & 1))
        return refuse(SIM_IOMMU_NO_CONTEXT);
    if (context & 2)
        return (struct verdict){ .rights = RW, .physical = address };
    if (address >> (12 + 9 * levels))
        return refuse(SIM_IOMMU_NOT_MAPPED);
    table = context & 0x000ffffffffff000;
    for (unsigned level = levels, depth = 0;; level--) {
        for (unsigned i = 0; i < depth; i++)
            if (visited[i] == table)
                return refuse(SIM_IOMMU_BAD_TABLE);
        if (!sim_memory_holds(b->memory, table, PAGE))
            return refuse(SIM_IOMMU_BAD_TABLE);
        visited[depth++] = table;
        uint64_t entry = entry_at(b, table + (address >> (12 + 9 * (level - 1))) % 512 * 8);
        uint64_t size = level == 1 ? PAGE : HUGE_PAGE;
        if (!(entry & RW))
            return refuse(SIM_IOMMU_NOT_MAPPED);
        rights &= entry & RW;
        table = entry & 0x000ffffffffff000;
        if (level > 2 && entry & SIM_IOMMU_HUGE)
            return refuse(SIM_IOMMU_BAD_TABLE);
        if (level > 1 && !(level == 2 && entry & SIM_IOMMU_HUGE))
            continue;
        if (table % size || !sim_memory_holds(b->memory, table, size))
            return refuse(SIM_IOMMU_BAD_TABLE);
        struct verdict v = { .rights = rights, .physical = table + address % size };
        v.refused = !(rights & (write ? SIM_IOMMU_WRITE : SIM_IOMMU_READ));
        v.reason = SIM_IOMMU_NOT_ALLOWED;
        return v;
    }
}

static struct sim_iommu_params random_params(struct test_rng *rng)
{
    struct sim_iommu_params p = { .present = 1, .iotlb_ways = 1 + test_below(rng, 4) };

    p.levels = 2 + test_below(rng, 4);
    p.iotlb = p.iotlb_ways << test_below(rng, 5);
    p.hit = test_below(rng, 2) * 20 * SIM_NS;
    p.walk_read = test_below(rng, 2) * 100 * SIM_NS;
    p.walk_bus = test_below(rng, 2);
    p.walk_cache = test_below(rng, 5);
    p.walks = 1 + test_below(rng, 4);
    p.invalidation = test_below(rng, 2) * 300 * SIM_NS;
    return p;
}

/* ---- tables of random bytes ---- */

enum {
    CHAOS_MEMORY = 4 << 20,
    CHAOS_TABLES = 48,
    CHAOS_REQUESTS = 64
};

/* Most point at other tables, or at themselves; some anywhere. */
static uint64_t random_entry(struct test_rng *rng)
{
    uint64_t entry = test_below(rng, CHAOS_TABLES) * PAGE | test_below(rng, 4);

    switch (test_below(rng, 16)) {
    case 0:
        return 0;
    case 1:
        return test_next(rng);
    case 2:
        return entry | SIM_IOMMU_HUGE;
    case 3:
        return test_below(rng, 4) * HUGE_PAGE | SIM_IOMMU_HUGE | RW;
    case 4:
        return CHAOS_MEMORY | RW;
    default:
        return entry | (test_below(rng, 3) ? RW : 0);
    }
}

struct chaos {
    struct ask ask;
    struct verdict expected;
    uint8_t data[64], before[64];
};

static void chaos_ask(struct bench *b, struct test_rng *rng, struct chaos *c)
{
    uint32_t device = (uint32_t)(test_below(rng, 20) ? test_below(rng, 8) : test_below(rng, 1000));
    enum sim_op op = test_below(rng, 2) ? SIM_READ : SIM_WRITE;
    uint64_t address = test_below(rng, 20) ? 0 : test_next(rng);
    uint32_t size = 1 + (uint32_t)test_below(rng, 64);

    if (!address) /* few pages, so that caches matter */
        for (unsigned level = 0; level < b->params.levels; level++)
            address |= test_below(rng, 3) << (12 + 9 * level);
    address = (address & ~(uint64_t)(PAGE - 1)) + test_below(rng, PAGE - 64);
    memset(c->data, 0xaa, sizeof(c->data));
    c->expected = plain_walk(b, device, address, op == SIM_WRITE);
    /* Nothing changes: a write writes what is there. */
    if (!c->expected.refused && sim_memory_holds(b->memory, c->expected.physical, size))
        sim_memory_read(b->memory, c->expected.physical, c->before, size);
    if (op == SIM_WRITE)
        memcpy(c->data, c->before, size);
    ask(b, &c->ask, device, op, address, c->data, size);
}

static void chaos_check(struct bench *b, const struct chaos *c)
{
    const struct sim_request *r = &c->ask.request;
    const struct verdict *v = &c->expected;

    assert_int_equal(c->ask.dones, 1);
    assert_int_equal(c->ask.grants, r->status == SIM_OK);
    if (v->refused) {
        bool read_only =
            v->reason == SIM_IOMMU_NOT_ALLOWED && r->op == SIM_WRITE && v->rights & SIM_IOMMU_READ;
        assert_int_equal(r->status, read_only ? SIM_READ_ONLY : SIM_FAULT);
    } else if (!sim_memory_holds(b->memory, v->physical, r->size)) {
        assert_int_equal(r->status, SIM_FAULT); /* identity, and nothing there */
    } else {
        assert_int_equal(r->status, SIM_OK);
        assert_int_equal(r->physical, v->physical);
        assert_memory_equal(c->data, c->before, r->size);
    }
    for (unsigned i = r->op == SIM_READ && r->status != SIM_OK ? 0 : r->size; i < 64; i++)
        if (r->op == SIM_READ)
            assert_int_equal(c->data[i], 0xaa);
}

static void tables_of_random_bytes_fault_or_translate_as_a_plain_walk_says(void **state)
{
    struct test_rng rng = { test_seed() };
    unsigned passed = 0, refused = 0;

    (void)state;
    for (unsigned round = 0; round < 1200 / TEST_SLOWNESS; round++) {
        static struct chaos asks[CHAOS_REQUESTS];
        struct sim_iommu_params p = random_params(&rng);
        struct sim_iommu_fault fault;
        struct bench b;

        begin(&b, &p, CHAOS_MEMORY, test_below(&rng, CHAOS_TABLES) * PAGE);
        for (uint64_t at = 0; at < CHAOS_TABLES * PAGE; at += 8)
            set_entry(&b, at, random_entry(&rng));
        if (test_below(&rng, 50) == 0) {
            sim_iommu_enable(b.iommu, test_next(&rng)); /* no root table either */
            b.root = CHAOS_MEMORY - PAGE;               /* where all is zero */
        }
        b.host.latency = test_below(&rng, 2) * 100 * SIM_NS;
        b.host.turn = test_below(&rng, 2) * 30 * SIM_NS;
        for (unsigned batch = 0; batch < 4; batch++) {
            for (unsigned i = 0; i < CHAOS_REQUESTS; i++)
                chaos_ask(&b, &rng, &asks[i]);
            run(&b);
            if (b.root == CHAOS_MEMORY - PAGE)
                break; /* that nothing crashed is all there is to see */
            for (unsigned i = 0; i < CHAOS_REQUESTS; i++) {
                chaos_check(&b, &asks[i]);
                passed += asks[i].ask.request.status == SIM_OK;
                refused += asks[i].ask.request.status != SIM_OK;
            }
            while (sim_iommu_take_fault(b.iommu, &fault))
                assert_int_equal(plain_walk(&b, fault.device, fault.address, fault.write).reason,
                                 fault.reason);
        }
        end(&b);
    }
    print_message("%u passed, %u were refused\n", passed, refused);
    assert_true(passed > refused / 20 && refused > passed / 20);
}

/* ---- tables that change ---- */

enum {
    PAGES = 24,    /* of each device, in three regions */
    VERSIONS = 64, /* of each page */
    ASKS = 48,
    LIVE_MEMORY = 32 << 20,
    LIVE_TABLES = 16 << 20,
};

/* What a page was mapped to, one after the other. Each version has a frame of its own. */
struct page {
    unsigned rights[VERSIONS];
    unsigned last;  /* what the tables say */
    unsigned floor; /* no request that begins now sees less: it was dropped from the caches */
};

struct live {
    struct bench b;
    struct test_rng rng;
    struct page pages[2][PAGES];
    struct live_ask {
        struct ask ask;
        struct live *live;
        bool busy;
        unsigned device, page, least;
        uint64_t number;
        uint8_t data[8];
    } asks[ASKS];
    uint64_t number;
    unsigned waiting;
};

static uint64_t live_address(unsigned page)
{
    return page % 3 * (uint64_t)HUGE_PAGE + page / 3 * (uint64_t)PAGE;
}

static uint64_t live_frame(unsigned device, unsigned page, unsigned version)
{
    return ((device * PAGES + page) * VERSIONS + version + 1ull) * PAGE;
}

static void live_done(struct sim_request *request)
{
    struct live_ask *a = SIM_OWNER(request, struct live_ask, ask.request);
    struct page *page = &a->live->pages[a->device][a->page];
    unsigned wanted = request->op == SIM_WRITE ? SIM_IOMMU_WRITE : SIM_IOMMU_READ;
    bool explained = false;

    a->busy = false;
    for (unsigned v = a->least; v <= page->last; v++) {
        bool allowed = page->rights[v] & wanted;
        if (request->status != SIM_OK)
            explained |= !allowed;
        else
            explained |= allowed && request->physical == live_frame(a->device, a->page, v);
    }
    if (!explained)
        fail_msg("device %u, page %u: status %d, physical %llx, versions %u to %u", a->device,
                 a->page, (int)request->status, (unsigned long long)request->physical, a->least,
                 page->last);
}

static void live_ask(struct live *l)
{
    struct live_ask *a = &l->asks[test_below(&l->rng, ASKS)];

    if (a->busy)
        return;
    a->live = l;
    a->busy = true;
    a->device = (unsigned)test_below(&l->rng, 2);
    a->page = (unsigned)test_below(&l->rng, PAGES);
    a->least = l->pages[a->device][a->page].floor;
    a->number = l->number++;
    a->ask = (struct ask){ .kernel = l->b.kernel };
    a->ask.master = (struct sim_master){ .name = "device", .device = a->device + 1 };
    a->ask.request = (struct sim_request){ .master = &a->ask.master,
                                           .op = test_below(&l->rng, 2) ? SIM_READ : SIM_WRITE,
                                           .address = live_address(a->page),
                                           .size = 8,
                                           .data = a->data,
                                           .granted = ask_granted,
                                           .done = live_done };
    sim_submit(l->b.port, &a->ask.request);
}

static void live_invalidate(struct live *l, unsigned device, uint64_t address, uint64_t size,
                            uint64_t old_table);

/* Half of them strict, as an unmap is. */
static void live_change(struct live *l)
{
    unsigned device = (unsigned)test_below(&l->rng, 2);
    unsigned number = (unsigned)test_below(&l->rng, PAGES);
    struct page *page = &l->pages[device][number];

    if (page->last + 1 == VERSIONS)
        return;
    page->last++;
    page->rights[page->last] = (unsigned)test_below(&l->rng, 4);
    map(&l->b, device + 1, live_address(number), live_frame(device, number, page->last),
        page->rights[page->last]);
    if (test_below(&l->rng, 2))
        live_invalidate(l, device, live_address(number), PAGE, 0);
}

struct live_wait {
    struct live *live;
    unsigned device;
    uint64_t before, old_table;
};

/* Nothing that was inside when the command came is under way: the table is the driver's again. */
static void live_invalidated(void *argument)
{
    struct live_wait *w = argument;
    struct live *l = w->live;

    for (unsigned i = 0; i < ASKS; i++)
        if (l->asks[i].busy && l->asks[i].device == w->device && l->asks[i].number < w->before)
            assert_true(l->asks[i].ask.grants || l->asks[i].ask.request.status != SIM_OK);
    for (unsigned i = 0; w->old_table && i < 512; i++)
        set_entry(&l->b, w->old_table + i * 8, (LIVE_TABLES - PAGE) | RW);
    l->waiting--;
    free(w);
}

static void live_invalidate(struct live *l, unsigned device, uint64_t address, uint64_t size,
                            uint64_t old_table)
{
    struct live_wait *w = malloc(sizeof(*w));

    *w = (struct live_wait){ l, device, l->number, old_table };
    for (unsigned i = 0; i < PAGES; i++)
        if (!size || (live_address(i) >= address && live_address(i) < address + size))
            l->pages[device][i].floor = l->pages[device][i].last;
    l->waiting++;
    assert_int_equal(
        sim_iommu_invalidate(l->b.iommu, device + 1, address, size, live_invalidated, w), 0);
}

/* A region's last table moves elsewhere; the old one is filled with nonsense once it may be. */
static void live_move_table(struct live *l)
{
    unsigned device = (unsigned)test_below(&l->rng, 2);
    uint64_t region = test_below(&l->rng, 3) * HUGE_PAGE;
    uint64_t above = leaf_of(&l->b, device + 1, region, 2);
    uint64_t old = entry_at(&l->b, above) & ~(uint64_t)(PAGE - 1);
    uint64_t new = new_table(&l->b);

    for (unsigned i = 0; i < 512; i++)
        set_entry(&l->b, new + i * 8, entry_at(&l->b, old + i * 8));
    set_entry(&l->b, above, new | RW);
    live_invalidate(l, device, region, HUGE_PAGE, old);
}

static void live_act(struct live *l)
{
    uint64_t action = test_below(&l->rng, 100);
    unsigned device = (unsigned)test_below(&l->rng, 2);

    if (action < 70)
        live_ask(l);
    else if (action < 85)
        live_change(l);
    else if (action < 92)
        live_invalidate(l, device, live_address((unsigned)test_below(&l->rng, PAGES)), PAGE, 0);
    else if (action < 94)
        live_invalidate(l, device, 0, action == 92 ? 0 : 3 * HUGE_PAGE, 0);
    else if (action < 96)
        live_move_table(l);
    else
        assert_int_equal(sim_run(l->b.kernel, sim_now(l->b.kernel) + test_below(&l->rng, SIM_US)),
                         0);
}

static void answers_are_those_of_tables_since_the_last_invalidation(void **state)
{
    struct test_rng rng = { test_seed() };

    (void)state;
    for (unsigned round = 0; round < 60 / TEST_SLOWNESS; round++) {
        static struct live l;
        struct sim_iommu_params p = random_params(&rng);

        memset(&l, 0, sizeof(l));
        l.rng.state = test_next(&rng);
        begin(&l.b, &p, LIVE_MEMORY, LIVE_TABLES);
        l.b.host.turn = test_below(&rng, 3) * 200 * SIM_NS;
        l.b.host.latency = test_below(&rng, 2) * 100 * SIM_NS;
        set_entry(&l.b, LIVE_TABLES - PAGE, 0);
        for (unsigned device = 0; device < 2; device++) {
            give_context(&l.b, device + 1, false);
            for (unsigned i = 0; i < PAGES; i++) {
                l.pages[device][i].rights[0] = RW;
                map(&l.b, device + 1, live_address(i), live_frame(device, i, 0), RW);
            }
        }
        for (unsigned i = 0; i < 6000; i++)
            live_act(&l);
        run(&l.b);
        assert_int_equal(l.waiting, 0);
        for (unsigned i = 0; i < ASKS; i++)
            assert_false(l.asks[i].busy);
        end(&l.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_random_bytes_fault_or_translate_as_a_plain_walk_says),
        cmocka_unit_test(answers_are_those_of_tables_since_the_last_invalidation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
