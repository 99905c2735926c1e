/*
 * How long the controller takes, against closed forms. Every time in the rig is known: a request is
 * done `latency` (t_m) after it was submitted, whatever comes beside it.
 */
#include "controller_rig.h"

#include "rate.h"

/* Within 1 %. */
#define assert_near(is, expected)                                                \
    do {                                                                         \
        double is_ = (double)(is), expected_ = (double)(expected);               \
        if (is_ > expected_ * 1.01 || is_ < expected_ * 0.99)                    \
            fail_msg("%s: %.0f ps, the formula says %.0f", #is, is_, expected_); \
    } while (0)

enum {
    DST = RIG_DATA + (3 << 20), /* 3 MiB behind the source */
    SPACE = 3 << 20,
};

/* ---- M2: a block ---- */

static sim_time block_time(struct rig *rig, uint64_t size)
{
    unsigned before = rig->delivered[0];
    sim_time begun = sim_now(rig->kernel);
    rig_write(rig, 0, SIM_REG_BLOCK_SRC, RIG_DATA);
    rig_write(rig, 0, SIM_REG_BLOCK_DST, DST);
    rig_write(rig, 0, SIM_REG_BLOCK_COUNT, size);
    rig_write(rig, 0, SIM_REG_CONTROL, SIM_CONTROL_RUN | SIM_CONTROL_BLOCK);
    rig_run(rig);
    assert_int_equal(rig->delivered[0], before + 1);
    assert_int_equal(rig_read(rig, 0, SIM_REG_STATUS), SIM_STATUS_IDLE | SIM_STATUS_BLOCK);
    assert_memory_equal(rig->bytes + RIG_DATA, rig->bytes + DST, size);
    return rig->delivered_at - begun;
}

/*
 * T = t_p + S/B + 2 t_m: the engine lets go the last byte at t_p + S/B; then it is read, then written.
 *
 * That holds as long as the engine is what limits. It has `reads` requests under way, each for its own
 * time at the engine (c) and t_m, so no more than reads * request / (c + t_m) bytes a second come,
 * whatever B is: beyond that the formula breaks, and it is rounds of `reads` requests that count.
 */
enum {
    READS = 32
};

static sim_time m2_formula(uint64_t size, sim_time c, sim_time t_m)
{
    uint64_t requests = size / 256, rounds = (requests - 1) / READS;
    if (c * READS >= t_m + c)
        return requests * c + 2 * t_m;
    return rounds * (t_m + c) + (requests - rounds * READS) * c + 2 * t_m;
}

static void m2_a_block(void **state)
{
    (void)state;
    static const uint64_t bandwidths[] = { 100000000, 1000000000, 10000000000, 100000000000, 0 };
    static const sim_time latencies[] = { 50 * SIM_NS, 500 * SIM_NS, 2 * SIM_US };
    static const uint64_t sizes[] = { 256, 4096, 65536, 1 << 20, SPACE };
    for (unsigned b = 0; b < 5; b++)
        for (unsigned l = 0; l < 3; l++)
            for (unsigned s = 0; s < 5; s++) {
                struct rig rig;
                struct sim_controller_params p = rig_params();
                p.descriptors = 0;
                p.set_up = 300 * SIM_NS;
                p.bandwidth = bandwidths[b];
                p.reads = READS;
                rig_make(&rig, &p, latencies[l]);
                tag_fill(rig.bytes + RIG_DATA, SPACE, s + 1, 0);
                sim_time took = block_time(&rig, sizes[s]);
                sim_time c = sim_rate_time(256, bandwidths[b]);
                assert_near(took, p.set_up + m2_formula(sizes[s], c, latencies[l]));
                rig_free(&rig);
            }
}

/* ---- M7: a list ---- */

struct list {
    uint64_t count, size; /* descriptors, bytes of each */
    uint64_t apart;       /* from one source to the next */
};

/* One transaction of so many copies, from the doorbell to its completion's interrupt. */
static sim_time list_time(struct rig *rig, const struct list *list)
{
    dray_key src = rig_memory(rig, 1, RIG_DATA, SPACE), dst = rig_memory(rig, 2, DST, SPACE);
    rig_start(rig, 0);
    rig_run(rig); /* the look at the ring that a start makes */
    for (uint64_t i = 0; i < list->count; i++) {
        struct dray_desc *d = rig_get(rig, 0);
        dray_prep_copy(d, dst, i * list->size, src, i * list->apart, list->size);
        d->flags = i + 1 < list->count ? DRAY_FLAG_CHAIN : 0;
    }
    sim_time begun = sim_now(rig->kernel);
    rig_publish(rig, 0);
    rig_run(rig);
    struct dray_completion c;
    assert_true(rig_reap(rig, 0, &c));
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.moved, list->count * list->size);
    for (uint64_t i = 0; i < list->count; i++)
        assert_memory_equal(rig->bytes + DST + i * list->size,
                            rig->bytes + RIG_DATA + i * list->apart, list->size);
    return rig->delivered_at - begun;
}

/*
 * total = sum of descriptor costs + S/B. A descriptor costs t_o of the engine; where it is found
 * through the one before it, a read of memory too. Beside them, once: the doorbell, the tail, the two
 * regions, the first fetch, and the last bytes' way: read, write, completion.
 *
 * A ring's fetches are hidden behind the data, but where descriptors are so short that t_o + s/B is
 * less than t_m/d: there the formula breaks, and it is fetching that takes the time.
 */
static void m7_a_list(void **state)
{
    (void)state;
    static const struct list lists[] = {
        { 64, 4096, 8192 }, { 200, 1024, 1024 }, { 512, 512, 4096 }, { 1000, 2048, 2304 }
    };
    static const sim_time costs[] = { 0, 20 * SIM_NS, 200 * SIM_NS };
    static const uint64_t bandwidths[] = { 1000000000, 5000000000, 26000000000 };
    for (unsigned i = 0; i < 4 * 3 * 3 * 2; i++) {
        const struct list *list = &lists[i % 4];
        sim_time t_o = costs[i / 4 % 3], t_m = 400 * SIM_NS;
        uint64_t bandwidth = bandwidths[i / 12 % 3];
        struct rig rig;
        struct sim_controller_params p = rig_params();
        p.request = 512;
        p.prefetch = 8;
        p.cache = 32;
        p.set_up = 300 * SIM_NS;
        p.per_descriptor = t_o;
        p.bandwidth = bandwidth;
        p.linked = i / 36;
        rig_make(&rig, &p, t_m);
        tag_fill(rig.bytes + RIG_DATA, SPACE, i + 1, 0);
        sim_time each = t_o + sim_rate_time(list->size, bandwidth) + (p.linked ? t_m : 0);
        sim_time first = p.linked ? 0 : t_m, begins = p.set_up + t_m, ends = 3 * t_m;
        sim_time data = begins + first + 2 * t_m + list->count * each + ends;
        sim_time fetch = begins + list->count / p.prefetch * t_m + p.prefetch * each + ends;
        assert_near(list_time(&rig, list), p.linked || data > fetch ? data : fetch);
        rig_free(&rig);
    }
}

/* ---- M9: gaps ---- */

/*
 * Pieces with gaps of g bytes between them, one descriptor for each beside one for all of it: the one
 * saves t_o for each piece and moves g bytes more. So the threshold is g* = B t_o: 520 bytes for 26 GB/s
 * and 20 ns. It holds where the engine is what limits; t_m/d in place of t_o where fetching does.
 */
static void m9_gaps(void **state)
{
    (void)state;
    enum {
        PIECES = 256,
        PIECE = 4096
    };
    static const sim_time costs[] = { 20 * SIM_NS, 100 * SIM_NS };
    for (unsigned k = 0; k < 2; k++)
        for (uint64_t percent = 20; percent <= 200; percent += 18) {
            struct sim_controller_params p = rig_params();
            p.bandwidth = k ? 5000000000 : 26000000000;
            p.per_descriptor = costs[k];
            p.request = 512;
            p.prefetch = 8;
            uint64_t threshold = p.bandwidth / 1000000 * costs[k] / 1000000;
            assert_int_equal(threshold, k ? 500 : 520);
            uint64_t gap = threshold * percent / 100;
            const struct list pieces = { PIECES, PIECE, PIECE + gap };
            const struct list whole = { 1, PIECES * (PIECE + gap), 0 };
            struct rig rig;
            rig_make(&rig, &p, 100 * SIM_NS);
            sim_time apart = list_time(&rig, &pieces);
            rig_free(&rig);
            rig_make(&rig, &p, 100 * SIM_NS);
            sim_time together = list_time(&rig, &whole);
            rig_free(&rig);
            assert_int_equal(together < apart, percent < 100);
            double saved = ((double)apart - (double)together) / PIECES;
            double formula = (double)costs[k] - (double)sim_rate_time(gap, p.bandwidth);
            assert_true(saved - formula < (double)costs[k] / 50);
            assert_true(formula - saved < (double)costs[k] / 50);
        }
}

/* ---- M10: a ring beside a list ---- */

/* For each of many descriptors that cost nothing but their fetch: ps. */
static sim_time fetch_time(const struct sim_controller_params *p, sim_time t_m)
{
    sim_time took[2];
    static const uint32_t counts[] = { 256, 768 };
    for (unsigned k = 0; k < 2; k++) {
        struct rig rig;
        rig_make(&rig, p, t_m);
        rig_start(&rig, 0);
        for (uint32_t i = 0; i < counts[k]; i++) {
            struct dray_desc *d = rig_get(&rig, 0);
            dray_prep_nop(d);
            d->flags = i + 1 < counts[k] ? DRAY_FLAG_CHAIN : 0;
        }
        assert_status(rig_finish(&rig, 0), DRAY_STATUS_OK);
        took[k] = sim_now(rig.kernel);
        rig_free(&rig);
    }
    return (took[1] - took[0]) / (counts[1] - counts[0]);
}

/*
 * A list waits t_m for each descriptor, a ring of which d are fetched at once t_m/d: the difference is
 * t_m (1 - 1/d).
 *
 * It breaks in two places. Where d descriptors do not fit into one request, another request is made
 * after the first has come back, so the wait stays at t_m * 64 / request whatever d is. And where there
 * is room for twice as many, the next are fetched while the last are executed: then the wait is what
 * execution leaves of it, t_m/d - t_o, or nothing.
 */
static void m10_ring_and_list(void **state)
{
    (void)state;
    static const sim_time latencies[] = { 100 * SIM_NS, 547 * SIM_NS, 2 * SIM_US };
    for (unsigned l = 0; l < 3; l++) {
        sim_time t_m = latencies[l];
        struct sim_controller_params p = rig_params();
        p.request = 4096;
        p.linked = 1;
        sim_time list = fetch_time(&p, t_m);
        assert_near(list, t_m);
        p.linked = 0;
        for (uint64_t d = 1; d <= 64; d *= 2) {
            p.prefetch = p.cache = d;
            p.request = 4096;
            sim_time ring = fetch_time(&p, t_m);
            assert_near(ring, t_m / d);
            if (d > 1)
                assert_near(list - ring, t_m - t_m / d);
            p.request = 512; /* eight descriptors */
            assert_near(fetch_time(&p, t_m), t_m / (d < 8 ? d : 8));
        }
    }
}

static void m10_what_execution_hides(void **state)
{
    (void)state;
    sim_time t_m = 800 * SIM_NS;
    for (sim_time t_o = 10 * SIM_NS; t_o < 400 * SIM_NS; t_o *= 2)
        for (uint64_t d = 2; d <= 16; d *= 2) {
            struct sim_controller_params p = rig_params();
            p.request = 4096;
            p.prefetch = d;
            p.per_descriptor = t_o;
            p.cache = 2 * d;
            sim_time wait = t_m / d > t_o ? t_m / d - t_o : 0;
            assert_near(fetch_time(&p, t_m), t_o + wait);
            /* No room ahead: the fetch begins when the last is taken, and only that one is hidden. */
            p.cache = d;
            sim_time hidden = t_o < t_m ? t_o : t_m;
            assert_near(fetch_time(&p, t_m), t_o + (t_m - hidden) / d);
        }
}

/* ---- M22: strided ---- */

static sim_time strided_time(const struct sim_controller_params *p, sim_time t_m, uint64_t rows,
                             uint32_t element)
{
    struct rig rig;
    rig_make(&rig, p, t_m);
    dray_key src = rig_memory(&rig, 1, RIG_DATA, SPACE), dst = rig_memory(&rig, 2, DST, SPACE);
    tag_fill(rig.bytes + RIG_DATA, SPACE, 1, 0);
    rig_start(&rig, 0);
    dray_prep_strided(rig_get(&rig, 0), dst, 0, src, 0, rows * element, (dray_key){ 0 }, 0);
    *rig_shape(&rig, 0) = (struct dray_shape){ .version = 1,
                                               .loops = 1,
                                               .element = element,
                                               .extent = { rows },
                                               .src_stride = { 1024 },
                                               .dst_stride = { element } };
    assert_status(rig_finish(&rig, 0), DRAY_STATUS_OK);
    for (uint64_t i = 0; i < rows; i++)
        assert_memory_equal(rig.bytes + DST + i * element, rig.bytes + RIG_DATA + i * 1024,
                            element);
    sim_time took = sim_now(rig.kernel);
    rig_free(&rig);
    return took;
}

/*
 * For each element the larger of c = element/B and (t_m + c)/reads: an element is a request, and
 * `reads` of them are under way. So a matrix is moved at B when its elements are long, and at the pace
 * of memory when they are shorter than about B * t_m / reads.
 */
static void m22_strided(void **state)
{
    (void)state;
    static const uint32_t elements[] = { 1, 8, 64, 128, 256 };
    static const uint64_t bandwidths[] = { 500000000, 4000000000, 26000000000 };
    for (unsigned e = 0; e < 5; e++)
        for (unsigned b = 0; b < 3; b++)
            for (uint64_t reads = 4; reads <= 64; reads *= 4) {
                sim_time t_m = 400 * SIM_NS;
                struct sim_controller_params p = rig_params();
                p.bandwidth = bandwidths[b];
                p.reads = reads;
                sim_time some = strided_time(&p, t_m, 512, elements[e]);
                sim_time more = strided_time(&p, t_m, 2048, elements[e]);
                sim_time engine = sim_rate_time(elements[e], p.bandwidth);
                sim_time memory = (t_m + engine) / reads;
                assert_near((more - some) / 1536, engine > memory ? engine : memory);
            }
}

/* ---- several channels ---- */

/* Two that copy as much as they can have half of the engine each; a third that wants little waits for
 * no more than its turn. */
static void channels_have_their_turns(void **state)
{
    (void)state;
    struct rig rig;
    struct sim_controller_params p = rig_params();
    p.bandwidth = 1000000000;
    rig_make(&rig, &p, 100 * SIM_NS);
    dray_key src = rig_memory(&rig, 1, RIG_DATA, SPACE), dst = rig_memory(&rig, 2, DST, SPACE);
    for (unsigned channel = 0; channel < 3; channel++) {
        rig_start(&rig, channel);
        dray_prep_copy(rig_get(&rig, channel), dst, channel * 262144, src, 0,
                       channel == 2 ? 64 : 262144);
    }
    rig_publish(&rig, 0);
    rig_publish(&rig, 1);
    rig_run_for(&rig, 10 * SIM_US);
    sim_time begun = sim_now(rig.kernel);
    rig_publish(&rig, 2);
    rig_wait(&rig, 2);
    /* Tail, fetch, two regions, read, write, completion; and three requests of 256 ns in front. */
    assert_true(sim_now(rig.kernel) - begun < 700 * SIM_NS + 2 * 3 * 256 * SIM_NS);
    rig_wait(&rig, 0);
    sim_time first = sim_now(rig.kernel);
    rig_wait(&rig, 1);
    sim_time whole = sim_rate_time(2 * 262144 + 64, p.bandwidth);
    assert_near(first, whole + 700 * SIM_NS);
    assert_near(sim_now(rig.kernel), whole + 700 * SIM_NS);
    rig_free(&rig);
}

/* As many reads as `reads` says, of the size that `request` says, and no more. */
static void no_more_than_its_reads(void **state)
{
    (void)state;
    for (uint64_t reads = 1; reads <= 64; reads *= 2) {
        struct rig rig;
        struct sim_controller_params p = rig_params();
        p.reads = reads;
        p.prefetch = p.cache = 1;
        rig_make(&rig, &p, 100 * SIM_NS);
        struct list list = { 1, 65536, 65536 };
        list_time(&rig, &list);
        assert_int_equal(rig.under_way_max, reads);
        assert_int_equal(rig.size_max, 256);
        rig_free(&rig);
    }
}

/* ---- statistics ---- */

static void times_add_up(void **state)
{
    (void)state;
    struct rig rig;
    struct sim_controller_params p = rig_params();
    struct sim_controller_stats s;
    p.bandwidth = 1000000000;
    rig_make(&rig, &p, 100 * SIM_NS);
    struct list list = { 100, 1000, 1000 };
    sim_time took = list_time(&rig, &list);
    rig_run_for(&rig, 0);
    sim_controller_stats(rig.controller, 0, &s);
    assert_int_equal(s.descriptors, 100);
    assert_int_equal(s.transactions, 1);
    assert_int_equal(s.faults, 0);
    assert_int_equal(s.doorbells, 1);
    assert_int_equal(s.moved, 100000);
    assert_int_equal(s.read_bytes, 100000);
    assert_int_equal(s.write_bytes, 100000);
    assert_int_equal(s.fetch_bytes, 6400);
    assert_int_equal(s.fetch_reads, 25);
    assert_int_equal(s.table_reads, 2);
    assert_near(s.working, sim_rate_time(100000, p.bandwidth));
    assert_true(s.fetching + s.working + s.idle <= sim_now(rig.kernel));
    assert_true(s.working + s.fetching <= took + 200 * SIM_NS);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m2_a_block),
        cmocka_unit_test(m7_a_list),
        cmocka_unit_test(m9_gaps),
        cmocka_unit_test(m10_ring_and_list),
        cmocka_unit_test(m10_what_execution_hides),
        cmocka_unit_test(m22_strided),
        cmocka_unit_test(channels_have_their_turns),
        cmocka_unit_test(no_more_than_its_reads),
        cmocka_unit_test(times_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
