/* Row M13: what a device receives through walks, beside the formula, and where that ends. */
#include "test.h"

#include "iommu_tables.h"

enum {
    MEMORY = 8 << 20,
    TABLES = 4 << 20
};

/* ---- row M13 ---- */

enum {
    LEVELS = 5,
    REGIONS = 64,
    PAGES_RECEIVED = 2000
};

/* A NIC receives page after page, and waits until each has its turn. How many reads of tables a
 * page costs is set by where the next lies: the page before once more (0), a new one beside it (1:
 * its last table is known), or one of a region that was not used for long (all 5). */
struct receive {
    struct bench b;
    struct sim_master master;
    struct sim_request request;
    uint64_t region, page[REGIONS];
    double reads_per_page, owed;
    unsigned left;
    uint8_t data[PAGE];
};

static uint64_t receive_next_address(struct receive *r)
{
    r->owed += r->reads_per_page;
    if (r->reads_per_page > 1 ? r->owed >= LEVELS : false) {
        r->owed -= LEVELS;
        r->region = (r->region + 1) % REGIONS;
        r->page[r->region]++;
    } else if (r->owed >= 1) {
        r->owed -= 1;
        r->page[r->region]++;
    }
    return r->region * HUGE_PAGE + r->page[r->region] % 512 * PAGE;
}

static void receive_page(struct receive *r)
{
    if (!r->left)
        return;
    r->left--;
    r->request.address = receive_next_address(r);
    sim_submit(r->b.port, &r->request);
}

static void received(struct sim_request *request)
{
    receive_page(SIM_OWNER(request, struct receive, request));
}

static void receive_begin(struct receive *r, const struct sim_iommu_params *p)
{
    memset(r, 0, sizeof(*r));
    begin(&r->b, p, MEMORY, TABLES);
    give_context(&r->b, 1, false);
    for (uint64_t i = 0; i < REGIONS * 512; i++)
        map(&r->b, 1, i * PAGE, i % 16 * PAGE, RW);
    r->master = (struct sim_master){ .name = "nic", .device = 1 };
    r->request = (struct sim_request){
        .master = &r->master, .op = SIM_WRITE, .size = PAGE, .data = r->data, .done = received
    };
}

static double receive_rate(struct receive *r, double reads_per_page, double *measured_reads)
{
    uint64_t reads = stats_of(&r->b).walk_reads;
    sim_time begun = sim_now(r->b.kernel);

    r->reads_per_page = reads_per_page;
    r->owed = 0;
    r->left = PAGES_RECEIVED;
    receive_page(r);
    run(&r->b);
    *measured_reads = (double)(stats_of(&r->b).walk_reads - reads) / PAGES_RECEIVED;
    return PAGES_RECEIVED * (double)PAGE * 8 / ((double)(sim_now(r->b.kernel) - begun) * 1e-12) *
           1e-9;
}

static double formula(double reads_per_page)
{
    return PAGE * 8 / (65e-9 + reads_per_page * 197e-9) * 1e-9;
}

static void receiving_through_walks_follows_the_formula(void **state)
{
    static struct receive r;
    struct sim_iommu_params p = plain_params();
    double reads;

    (void)state;
    p.levels = LEVELS;
    receive_begin(&r, &p);
    receive_rate(&r, 3, &reads); /* the context is known, every region was used */
    for (unsigned quarter = 0; quarter <= 4 * LEVELS; quarter++) {
        double wanted = quarter / 4.0, rate = receive_rate(&r, wanted, &reads);
        print_message("M13 %.2f reads a page (%.3f): %.1f Gb/s, formula %.1f\n", wanted, reads,
                      rate, formula(wanted));
        assert_true(reads > wanted - 0.01 && reads < wanted + 0.01);
        assert_true(rate > 0.99 * formula(wanted) && rate < 1.01 * formula(wanted));
    }
    static const double golden[][2] = { { 1.76, 79.6 }, { 4.36, 35.5 } };
    for (unsigned i = 0; i < 2; i++) {
        double rate = receive_rate(&r, golden[i][0], &reads);
        print_message("M13 golden, %.2f reads a page: %.1f Gb/s, published %.1f\n", golden[i][0],
                      rate, golden[i][1]);
        assert_true(rate > 0.9 * golden[i][1] && rate < 1.1 * golden[i][1]);
        assert_true(rate > 0.99 * formula(golden[i][0]) && rate < 1.01 * formula(golden[i][0]));
    }
    end(&r.b);
}

/* Where it breaks: it says that nothing overlaps. With several pages under way hits overlap even
 * where walks do not, and with several walks those do as well. */
static void the_formula_ends_where_walks_overlap(void **state)
{
    (void)state;
    for (unsigned walks = 1; walks <= 4; walks *= 2) {
        struct sim_iommu_params p = plain_params();
        struct bench b;
        static struct ask asks[512];
        static uint8_t data[PAGE];

        p.walks = walks;
        begin(&b, &p, MEMORY, TABLES);
        give_context(&b, 1, false);
        for (unsigned i = 0; i < 512; i++)
            map(&b, 1, i * PAGE, i % 16 * PAGE, RW);
        ask_now(&b, 1, SIM_WRITE, 511 * PAGE, data, PAGE);
        sim_time begun = sim_now(b.kernel);
        for (unsigned i = 0; i < 500; i++)
            ask(&b, &asks[i], 1, SIM_WRITE, i * PAGE, data, PAGE);
        run(&b);
        double rate = 500 * PAGE * 8 / ((double)(sim_now(b.kernel) - begun) * 1e-12) * 1e-9;
        double overlapping = PAGE * 8 / (197e-9 / walks) * 1e-9; /* one read a page */
        assert_true(rate > 0.99 * overlapping && rate < 1.01 * overlapping);
        assert_true(rate > 1.3 * formula(1));
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receiving_through_walks_follows_the_formula),
        cmocka_unit_test(the_formula_ends_where_walks_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
