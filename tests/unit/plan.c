/*
 * The plan, one story a test. Costs are round: t_p 1000 ns, t_o 20 ns, B 26 GB/s, B_c 10 GB/s, so
 * that the break-even size is 1000/(0.1 - 1/26) = 16250 B and the longest gap worth moving is under
 * 26*20 = 520 B.
 */
#include <errno.h>
#include <math.h>

#include "dray/plan.h"
#include "test.h"

enum {
    SEGMENTS = 80,
    STEPS = 200,
    NOTES = 40,
    PAGE = 1, /* keys; also places in the array of regions, from 1 */
    OUT = 2,
    FILE_A = 3,
    SOCK = 4,
    HIGH = 5,
    BOUNCE = 9,
};

struct story {
    struct dray_plan_input input;
    struct dray_plan_region regions[5];
    struct dray_segment dst[SEGMENTS], src[SEGMENTS];
    struct dray_plan_step steps[STEPS];
    struct dray_plan_note notes[NOTES];
    struct dray_plan_output output;
    char text[8192];
};

static struct story story;

static struct dray_plan_region *region(dray_key key)
{
    return &story.regions[key.value - 1];
}

static dray_key key(uint32_t value)
{
    return (dray_key){ value };
}

/* An engine without limits, an engine that the CPU does not stand in for, no bounce memory. */
static int begin(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    const struct dray_plan_region regions[] = {
        { key(PAGE), DRAY_REGION_MEMORY, "page", 0x10000, 1 << 20, true, false, false },
        { key(OUT), DRAY_REGION_MEMORY, "out", 0x200000, 1 << 20, false, false, false },
        { key(FILE_A), DRAY_REGION_FILE, "file", 0, 1 << 20, true, false, false },
        { key(SOCK), DRAY_REGION_STREAM, "sock", 0, UINT64_MAX, false, false, false },
        { key(HIGH), DRAY_REGION_MEMORY, "high", 0xfffff000, 1 << 20, true, false, false },
    };
    memcpy(story.regions, regions, sizeof(regions));
    story.input = (struct dray_plan_input){
        .dst = { story.dst, 0 },
        .src = { story.src, 0 },
        .regions = story.regions,
        .region_count = 5,
        .limits = { .segment_max = 1 << 30,
                    .segments_max = 64,
                    .alignment = 1,
                    .address_bits = 64 },
        .profile = { .setup_ns = 1000,
                     .descriptor_ns = 20,
                     .bandwidth = 26e9,
                     .cpu_bandwidth = 10e9 },
    };
    return 0;
}

static void from(uint32_t name, uint64_t offset, uint64_t length)
{
    story.src[story.input.src.count++] = (struct dray_segment){ key(name), 0, offset, length };
}

static void to(uint32_t name, uint64_t offset, uint64_t length)
{
    story.dst[story.input.dst.count++] = (struct dray_segment){ key(name), 0, offset, length };
}

static void bounce(uint64_t base, uint64_t length)
{
    story.input.bounce = key(BOUNCE);
    story.input.bounce_base = base;
    story.input.bounce_length = length;
}

static int plan(void)
{
    story.output = (struct dray_plan_output){
        .steps = story.steps, .steps_max = STEPS, .notes = story.notes, .notes_max = NOTES
    };
    return dray_plan(&story.input, &story.output);
}

static const char *name_of(dray_key k)
{
    return k.value == BOUNCE ? "bounce" : region(k)->name;
}

/* The steps, a line each: "cpu out+0 <- page+0 4096", an engine's with + where the chain goes on
 * and ! where there is a fence. */
static void assert_steps(const char *want)
{
    char *at = story.text, *end = story.text + sizeof(story.text);
    *at = '\0';
    for (size_t i = 0; i < story.output.step_count; i++) {
        const struct dray_plan_step *step = &story.steps[i];
        const struct dray_desc *d = &step->desc;
        at += snprintf(at, (size_t)(end - at), "%s %s+%zu <- %s+%zu %zu%s%s\n",
                       step->by == DRAY_BY_CPU ? "cpu" : "engine", name_of(d->dst_key),
                       (size_t)d->dst_offset, name_of(d->src_key), (size_t)d->src_offset,
                       (size_t)d->length, d->flags & DRAY_FLAG_CHAIN ? " +" : "",
                       d->flags & DRAY_FLAG_FENCE ? " !" : "");
    }
    assert_string_equal(story.text, want);
}

static void assert_cost(double got, double want)
{
    if (fabs(got - want) > 1e-6 * want)
        fail_msg("costs %f ns, should be %f", got, want);
}

static bool has_note(int kind, const char *text)
{
    for (size_t i = 0; i < story.output.note_count; i++)
        if ((int)story.notes[i].kind == kind && strstr(story.notes[i].text, text))
            return true;
    return false;
}

/* ---- zip, merge, split ---- */

static void lists_are_zipped(void **state)
{
    (void)state;
    to(OUT, 0, 3000);
    to(OUT, 10000, 5000);
    from(PAGE, 0, 2000);
    from(PAGE, 4096, 4000);
    from(PAGE, 9000, 2000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+0 2000 +\n"
                 "engine out+2000 <- page+4096 1000 +\n"
                 "engine out+10000 <- page+5096 3000 +\n"
                 "engine out+13000 <- page+9000 2000\n");
    assert_int_equal(story.output.transactions, 1);
    assert_int_equal(story.output.bytes, 8000);
    assert_cost(story.output.cost_ns, 1000 + 3 * 20 + 8000 / 26.0);
    assert_cost(story.output.cost_pieces_ns, story.output.cost_ns);
}

static void neighbours_are_merged(void **state)
{
    (void)state;
    to(OUT, 0, 8192);
    for (int i = 0; i < 8; i++)
        from(PAGE, (uint64_t)i * 1024, 1024);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+0 8192\n");
    assert_true(has_note(DRAY_NOTE_MERGE, "7 neighbours joined: 8 KiB in one, saves 140 ns"));
    assert_cost(story.output.cost_pieces_ns - story.output.cost_ns, 7 * 20);
}

static void neighbours_on_one_side_only_are_not(void **state)
{
    (void)state;
    to(OUT, 0, 2048);
    from(PAGE, 1024, 1024);
    from(PAGE, 0, 1024);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+1024 1024 +\n"
                 "engine out+1024 <- page+0 1024\n");
}

static void segments_are_split_at_their_longest(void **state)
{
    (void)state;
    story.input.limits.segment_max = 4096;
    to(OUT, 0, 10000);
    from(PAGE, 100, 10000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+100 4096 +\n"
                 "engine out+4096 <- page+4196 4096 +\n"
                 "engine out+8192 <- page+8292 1808\n");
    assert_true(has_note(DRAY_NOTE_SPLIT, "10000 B in 3: segments of at most 4 KiB"));
}

/* page is at 0x10000 = 65536 = 21 * 3000 + 2536, out at 0x200000 = 2097152 = 699 * 3000 + 152. */
static void segments_are_split_at_a_boundary_of_either_side(void **state)
{
    (void)state;
    story.input.limits.boundary = 3000;
    to(OUT, 0, 4000);
    from(PAGE, 0, 4000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+0 464 +\n"
                 "engine out+464 <- page+464 2384 +\n"
                 "engine out+2848 <- page+2848 616 +\n"
                 "engine out+3464 <- page+3464 536\n");
}

static void a_long_chain_becomes_transactions(void **state)
{
    (void)state;
    story.input.limits.segments_max = 2;
    to(OUT, 0, 5000);
    for (int i = 0; i < 5; i++)
        from(PAGE, (uint64_t)i * 2000, 1000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+0 1000 +\n"
                 "engine out+1000 <- page+2000 1000\n"
                 "engine out+2000 <- page+4000 1000 +\n"
                 "engine out+3000 <- page+6000 1000\n"
                 "engine out+4000 <- page+8000 1000\n");
    assert_int_equal(story.output.transactions, 3);
    assert_cost(story.output.cost_ns, 3 * 1000 + 2 * 20 + 5000 / 26.0);
}

static void a_stream_is_kept_in_order(void **state)
{
    (void)state;
    story.input.limits.segments_max = 2;
    to(SOCK, 0, 1000);
    to(SOCK, 0, 3000);
    from(PAGE, 0, 1000);
    from(FILE_A, 5000, 2000);
    from(PAGE, 9000, 1000);
    assert_int_equal(plan(), 0);
    assert_steps("engine sock+0 <- page+0 1000 +\n"
                 "engine sock+0 <- file+5000 2000\n"
                 "engine sock+0 <- page+9000 1000 !\n");
}

/* ---- coalesce: row M9 ---- */

static void two_segments_with_gap(uint64_t gap)
{
    begin(NULL);
    region(key(OUT))->gap_writable = true;
    to(OUT, 0, 4096);
    to(OUT, 4096 + gap, 4096);
    from(PAGE, 100, 4096);
    from(PAGE, 4196 + gap, 4096);
}

static void a_gap_below_the_threshold_is_moved_along(void **state)
{
    (void)state;
    two_segments_with_gap(519);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+100 8711\n");
    assert_int_equal(story.output.gap_bytes, 519);
    assert_true(has_note(DRAY_NOTE_COALESCE, "1 gap of at most 519 B < g* 520 B"));
    two_segments_with_gap(521);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+100 4096 +\n"
                 "engine out+4617 <- page+4717 4096\n");
    assert_int_equal(story.output.gap_bytes, 0);
}

static void a_gap_is_moved_only_where_that_is_allowed(void **state)
{
    (void)state;
    two_segments_with_gap(40);
    region(key(OUT))->gap_writable = false;
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 2);
    two_segments_with_gap(40);
    region(key(PAGE))->gap_readable = false;
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 2);
}

static void gaps_that_differ_are_not_moved(void **state)
{
    (void)state;
    two_segments_with_gap(40);
    story.src[1].offset++;
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 2);
}

/* What lies in the gap belongs to a third segment: writing there would destroy it. */
static void a_gap_that_is_named_elsewhere_is_not_written(void **state)
{
    (void)state;
    region(key(OUT))->gap_writable = true;
    to(OUT, 100, 100);
    to(OUT, 0, 100);
    to(OUT, 200, 100);
    from(PAGE, 9000, 100);
    from(PAGE, 0, 100);
    from(PAGE, 200, 100);
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 3);
    assert_int_equal(story.output.gap_bytes, 0);
}

/* Sixteen records of 64 bytes with 16 between them: one read of 1264 bytes and sixteen small copies
 * cost less than sixteen reads. */
static void small_gaps_of_a_file_are_read_through_bounce_memory(void **state)
{
    (void)state;
    story.input.profile.file_setup_ns = 300;
    story.input.profile.file_bandwidth = 6e9;
    bounce(0x400000, 65536);
    to(OUT, 0, 1024);
    for (int i = 0; i < 16; i++)
        from(FILE_A, (uint64_t)i * 80, 64);
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.transactions, 1);
    assert_int_equal(story.output.step_count, 17);
    assert_int_equal(story.steps[0].desc.length, 15 * 80 + 64);
    assert_int_equal(story.output.gap_bytes, 15 * 16);
    assert_int_equal(story.output.cpu_bytes, 1024);
    assert_cost(story.output.cost_ns, 1000 + 300 + 1264 / 6.0 + 1024 / 10.0);
    assert_cost(story.output.cost_pieces_ns, 1000 + 15 * 20 + 16 * 300 + 1024 / 6.0);
}

/* ---- break-even: row M3 ---- */

static int who_moves(uint64_t length)
{
    begin(NULL);
    story.input.cpu_allowed = true;
    to(OUT, 0, length);
    from(PAGE, 0, length);
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 1);
    assert_int_equal(story.output.cpu_bytes, story.steps[0].by == DRAY_BY_CPU ? length : 0);
    return story.steps[0].by;
}

static void under_the_break_even_size_the_cpu_moves(void **state)
{
    (void)state;
    uint64_t low = 1, high = 1 << 20;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (who_moves(middle) == DRAY_BY_CPU)
            low = middle;
        else
            high = middle;
    }
    assert_in_range(high, 16250 - 1, 16250 + 1);
    who_moves(16000);
    assert_true(has_note(DRAY_NOTE_CHOICE, "chosen: 1600 ns: all by the CPU"));
}

static void the_cpu_moves_no_files(void **state)
{
    (void)state;
    story.input.cpu_allowed = true;
    to(OUT, 0, 100);
    from(FILE_A, 0, 100);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- file+0 100\n");
}

/* Of a list, the transaction that is left over is short. */
static void the_last_transaction_may_be_left_to_the_cpu(void **state)
{
    (void)state;
    story.input.cpu_allowed = true;
    story.input.limits.segments_max = 2;
    to(OUT, 0, 201000);
    from(PAGE, 0, 100000);
    from(PAGE, 200000, 100000);
    from(PAGE, 400000, 1000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+0 100000 +\n"
                 "engine out+100000 <- page+200000 100000\n"
                 "cpu out+200000 <- page+400000 1000\n");
    assert_true(has_note(DRAY_NOTE_CPU, "1000 B by the CPU 100 ns, by the engine 1038 ns"));
}

/* ---- one segment only: row M6 ---- */

static void scattered_frames(void)
{
    story.input.limits.segments_max = 1;
    to(OUT, 0, 16 * 512);
    for (int i = 0; i < 16; i++)
        from(PAGE, (uint64_t)i * 4096, 512);
}

static void an_engine_of_one_segment_bounces_scattered_frames(void **state)
{
    (void)state;
    scattered_frames();
    bounce(0x400000, 65536);
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 17);
    assert_int_equal(story.output.transactions, 1);
    assert_int_equal(story.output.cpu_bytes, 8192);
    assert_cost(story.output.cost_ns, 1000 + 8192 / 26.0 + 8192 / 10.0);
    assert_cost(story.output.cost_pieces_ns, 16 * 1000 + 8192 / 26.0);
    assert_cost(story.output.cost_bounce_ns, story.output.cost_ns);
}

static void without_bounce_memory_it_takes_many_transactions(void **state)
{
    (void)state;
    scattered_frames();
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.transactions, 16);
    assert_true(isinf(story.output.cost_bounce_ns));
    assert_true(has_note(DRAY_NOTE_CHOICE, "impossible: -: bounce all"));
}

/* ---- alignment: row M8 ---- */

/* From 32 past a block: 32 bytes of head, whole blocks, 32 of tail. */
static void misaligned(uint64_t length)
{
    begin(NULL);
    story.input.limits.alignment = 64;
    story.input.profile.descriptor_ns = 200;
    bounce(0x400000, 65536);
    to(OUT, 4096 + 32, length);
    from(FILE_A, 32, length);
}

/* Three descriptors cost 2 t_o more than one, bouncing all costs S - 64 copied bytes more: they
 * cross at S = 64 + 2 * 200 * 10 = 4064. */
static void head_and_tail_or_all_whichever_costs_less(void **state)
{
    (void)state;
    misaligned(4096);
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+0 64 +\n"
                 "engine out+4160 <- file+64 4032 +\n"
                 "engine bounce+64 <- file+4096 64\n"
                 "cpu out+4128 <- bounce+32 32\n"
                 "cpu out+8192 <- bounce+64 32\n");
    assert_cost(story.output.cost_ns, 1000 + 2 * 200 + 4160 / 26.0 + 64 / 10.0);
    assert_cost(story.output.cost_bounce_ns, 1000 + 4160 / 26.0 + 4096 / 10.0);
    misaligned(4032);
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+0 4096\n"
                 "cpu out+4128 <- bounce+32 4032\n");
    assert_true(
        has_note(DRAY_NOTE_CHOICE, ": direct, the rest through bounce memory (3 descriptors"));
}

static void sides_that_differ_modulo_the_alignment_bounce_whole(void **state)
{
    (void)state;
    misaligned(40000);
    story.src[0].offset = 33;
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+0 40064\n"
                 "cpu out+4128 <- bounce+33 40000\n");
    assert_true(has_note(DRAY_NOTE_BOUNCE, "sides differ modulo 64"));
}

static void memory_needs_no_bounce_for_head_and_tail(void **state)
{
    (void)state;
    story.input.limits.alignment = 64;
    story.input.cpu_allowed = true;
    to(OUT, 32, 100000);
    from(PAGE, 96, 100000);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+64 <- page+128 99968\n"
                 "cpu out+32 <- page+96 32\n");
}

/* A store of part of a block reads first what stands beside it. */
static void an_edge_is_rewritten_where_that_is_allowed(void **state)
{
    (void)state;
    story.input.limits.alignment = 512;
    bounce(0x400000, 4096);
    to(FILE_A, 1000, 100000);
    from(PAGE, 1000, 100000);
    assert_int_equal(plan(), -EINVAL);
    region(key(FILE_A))->rewritable = true;
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+512 512 +\n"
                 "engine bounce+512 <- file+100864 512\n"
                 "cpu bounce+488 <- page+1000 24\n"
                 "cpu bounce+512 <- page+100864 136\n"
                 "engine file+512 <- bounce+0 512 +\n"
                 "engine file+1024 <- page+1024 99840 +\n"
                 "engine file+100864 <- bounce+512 512\n");
    assert_int_equal(story.output.cpu_bytes, 160);
}

/* Two pieces in one block: each rewrite must see the one before. */
static void a_shared_block_is_rewritten_twice(void **state)
{
    (void)state;
    story.input.limits.alignment = 512;
    region(key(FILE_A))->rewritable = true;
    bounce(0x400000, 4096);
    to(FILE_A, 100, 20);
    to(FILE_A, 200, 20);
    from(PAGE, 0, 40);
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+0 512\n"
                 "cpu bounce+100 <- page+0 20\n"
                 "engine file+0 <- bounce+0 512\n"
                 "engine bounce+0 <- file+0 512 !\n"
                 "cpu bounce+200 <- page+20 20\n"
                 "engine file+0 <- bounce+0 512\n");
}

static void small_bounce_memory_is_used_in_rounds(void **state)
{
    (void)state;
    story.input.limits.alignment = 512;
    bounce(0x400000, 1500); /* two blocks */
    to(OUT, 7, 2048);
    from(FILE_A, 512, 2048);
    assert_int_equal(plan(), 0);
    assert_steps("engine bounce+0 <- file+512 1024\n"
                 "cpu out+7 <- bounce+0 1024\n"
                 "engine bounce+0 <- file+1536 1024\n"
                 "cpu out+1031 <- bounce+0 1024\n");
    bounce(0x400000, 500);
    assert_int_equal(plan(), -ENOMEM);
    bounce(0x400001, 512); /* no whole aligned block in it */
    assert_int_equal(plan(), -ENOMEM);
}

/* ---- width of addresses: row M12 ---- */

/* high begins one page under 4 GiB. */
static void what_lies_above_the_address_limit_is_bounced(void **state)
{
    (void)state;
    story.input.limits.address_bits = 32;
    bounce(0x400000, 65536);
    to(OUT, 0, 6096);
    from(HIGH, 0, 6096);
    assert_int_equal(plan(), 0);
    assert_steps("cpu bounce+0 <- high+4096 2000\n"
                 "engine out+0 <- high+0 4096 +\n"
                 "engine out+4096 <- bounce+0 2000\n");
    assert_true(has_note(DRAY_NOTE_BOUNCE, "2000 B, over 32 address bits"));
    assert_true(isinf(story.output.cost_pieces_ns));
}

static void bounce_memory_above_the_limit_is_none(void **state)
{
    (void)state;
    story.input.limits.address_bits = 32;
    to(OUT, 0, 100);
    from(HIGH, 8192, 100);
    bounce(0x100000000, 65536);
    assert_int_equal(plan(), -ENOMEM);
    bounce(0xffffff00, 65536); /* 256 bytes of it are below */
    assert_int_equal(plan(), 0);
}

static void a_file_has_no_address(void **state)
{
    (void)state;
    story.input.limits.address_bits = 16;
    region(key(PAGE))->base = 0;
    to(PAGE, 0, 100);
    from(FILE_A, 1 << 18, 100);
    assert_int_equal(plan(), 0);
    assert_steps("engine page+0 <- file+262144 100\n");
}

/* ---- the example of docs/plan-costs.md ---- */

static bool document_has(const char *text)
{
    static char document[65536];
    char path[4096];
    const char *root = getenv("DRAY_SOURCE_ROOT");
    snprintf(path, sizeof(path), "%s/docs/plan-costs.md", root ? root : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(document, 1, sizeof(document) - 1, file);
    fclose(file);
    document[length] = '\0';
    return strstr(document, text);
}

static void the_worked_example_comes_out(void **state)
{
    (void)state;
    story.input.limits.alignment = 512;
    story.input.profile.file_setup_ns = 300;
    story.input.profile.file_bandwidth = 8e9;
    bounce(0x400000, 65536);
    to(OUT, 1000, 50000);
    from(FILE_A, 1000, 50000);
    assert_int_equal(plan(), 0);
    assert_cost(story.output.cost_ns, 8309.6);
    assert_cost(story.output.cost_bounce_ns, 12636);
    dray_plan_print(&story.input, &story.output, story.text, sizeof(story.text), NULL);
    if (!document_has(story.text))
        fail_msg("docs/plan-costs.md lacks this plan:\n%.900s\n%s", story.text, story.text + 900);
}

static void the_crossing_of_the_example_is_where_it_says(void **state)
{
    (void)state;
    the_worked_example_comes_out(state);
    story.src[0].length = story.dst[0].length = 6736 - 512;
    assert_int_equal(plan(), 0);
    assert_cost(story.output.cost_ns, story.output.cost_bounce_ns);
    story.src[0].length = story.dst[0].length = 6736 + 512;
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 5);
}

/* ---- bad input, too little room ---- */

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct dray_limits bad[] = {
        { 0, 1, 1, 0, 64 },    { 4096, 0, 1, 0, 64 },   { 4096, 1, 0, 0, 64 },
        { 4096, 1, 3, 0, 64 }, { 4096, 1, 1, 0, 0 },    { 4096, 1, 1, 0, 65 },
        { 32, 1, 64, 0, 64 },  { 4096, 1, 64, 96, 64 }, { 4096, 1, 64, 0, 5 },
    };
    to(OUT, 0, 100);
    from(PAGE, 0, 100);
    assert_int_equal(plan(), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        story.input.limits = bad[i];
        assert_int_equal(plan(), -EINVAL);
    }
    begin(NULL);
    story.input.profile.bandwidth = 0;
    assert_int_equal(plan(), -EINVAL);
    begin(NULL);
    story.input.profile.setup_ns = (double)NAN;
    assert_int_equal(plan(), -EINVAL);
}

static void lists_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    to(OUT, 0, 100);
    from(PAGE, 0, 99);
    assert_int_equal(plan(), -EINVAL);
    begin(NULL);
    to(OUT, 0, 100);
    from(FILE_A, UINT64_MAX - 50, 100);
    assert_int_equal(plan(), -EINVAL);
    begin(NULL);
    to(OUT, UINT64_MAX - 0x200000 - 50, 100); /* the address wraps */
    from(PAGE, 0, 100);
    assert_int_equal(plan(), -EINVAL);
}

static void nothing_to_move_is_a_plan_without_steps(void **state)
{
    (void)state;
    to(OUT, 0, 0);
    assert_int_equal(plan(), 0);
    assert_int_equal(story.output.step_count, 0);
    assert_int_equal(story.output.transactions, 0);
}

static void too_little_room_says_how_much_is_needed(void **state)
{
    (void)state;
    scattered_frames();
    story.output.steps_max = 5;
    story.output.steps = story.steps;
    memset(&story.steps[5], 0xa5, sizeof(story.steps[5]));
    struct dray_plan_step guard = story.steps[5];
    assert_int_equal(dray_plan(&story.input, &story.output), -ENOSPC);
    assert_int_equal(story.output.step_count, 16);
    assert_memory_equal(&guard, &story.steps[5], sizeof(guard));
}

static void a_plan_without_end_is_refused(void **state)
{
    (void)state;
    story.input.limits.segment_max = 1;
    to(FILE_A, 0, (uint64_t)1 << 61);
    from(FILE_A, (uint64_t)1 << 61, (uint64_t)1 << 61);
    assert_int_equal(plan(), -E2BIG);
}

static void regions_that_nobody_described_are_memory_from_zero(void **state)
{
    (void)state;
    story.input.region_count = 0;
    to(OUT, 0, 100);
    from(PAGE, 5, 100);
    assert_int_equal(plan(), 0);
    assert_steps("engine out+0 <- page+5 100\n");
}

/* ---- on paper ---- */

static void it_prints_as_a_table(void **state)
{
    (void)state;
    misaligned(4096);
    assert_int_equal(plan(), 0);
    size_t needed;
    assert_int_equal(
        dray_plan_print(&story.input, &story.output, story.text, sizeof(story.text), &needed), 0);
    assert_int_equal(needed, strlen(story.text) + 1);
    assert_string_equal(
        story.text, "4 KiB in 5 steps, 1 transaction: 1566 ns\n"
                    "  copied by the CPU            64 B\n"
                    "  moved, not asked for         64 B\n"
                    "  a descriptor for each piece  not possible\n"
                    "  everything bounced           1570 ns\n"
                    "\n"
                    "   step  by          destination        source\n"
                    "      0  engine 1    bounce[0:64]    <- file[0:64]\n"
                    "      1         +    out[4160:4032]  <- file[64:4032]\n"
                    "      2         +    bounce[64:64]   <- file[4096:64]\n"
                    "      3  cpu         out[4128:32]    <- bounce[32:32]\n"
                    "      4  cpu         out[8192:32]    <- bounce[64:32]\n"
                    "\n"
                    "why\n"
                    "  chosen       1566 ns  direct, the rest through bounce memory (3"
                    " descriptors in 1 transaction, 64 B by the CPU)\n"
                    "  impossible         -  a descriptor for each piece: misaligned, or an"
                    " address over the engine's reach\n"
                    "  impossible         -  all by the CPU: the CPU may not move bytes in place"
                    " of the engine\n"
                    "  rejected     1570 ns  bounce all: fetch, then scatter by the CPU (1"
                    " descriptor in 1 transaction, 4 KiB by the CPU)\n"
                    "  impossible         -  bounce all: gather by the CPU, then store: the CPU"
                    " cannot reach a file or a stream\n"
                    "  impossible         -  bounce all, on both sides: the bytes beside a"
                    " misaligned range may not be touched\n"
                    "      0  bounce    32 B, head not aligned to 64: fetched into bounce memory,"
                    " the CPU copies it out\n"
                    "      0  bounce    32 B, tail not aligned to 64: fetched into bounce memory,"
                    " the CPU copies it out\n");
}

static void a_print_that_is_cut_says_how_much_is_needed(void **state)
{
    (void)state;
    misaligned(4096);
    assert_int_equal(plan(), 0);
    size_t needed, whole;
    char small[16];
    memset(small, 'x', sizeof(small));
    dray_plan_print(&story.input, &story.output, story.text, sizeof(story.text), &whole);
    assert_int_equal(dray_plan_print(&story.input, &story.output, small, 10, &needed), -ENOSPC);
    assert_int_equal(needed, whole);
    assert_int_equal(strlen(small), 9);
    assert_int_equal(small[10], 'x');
    assert_int_equal(dray_plan_print(&story.input, &story.output, NULL, 0, &needed), -ENOSPC);
    assert_int_equal(needed, whole);
}

static void notes_stop_where_their_room_ends(void **state)
{
    (void)state;
    misaligned(4096);
    struct dray_plan_note notes[3];
    memset(notes, 0xa5, sizeof(notes));
    struct dray_plan_note guard = notes[2];
    story.output = (struct dray_plan_output){
        .steps = story.steps, .steps_max = STEPS, .notes = notes, .notes_max = 2
    };
    assert_int_equal(dray_plan(&story.input, &story.output), 0);
    assert_int_equal(story.output.note_count, 2);
    assert_memory_equal(&guard, &notes[2], sizeof(guard));
}

#define STORY(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(lists_are_zipped),
        STORY(neighbours_are_merged),
        STORY(neighbours_on_one_side_only_are_not),
        STORY(segments_are_split_at_their_longest),
        STORY(segments_are_split_at_a_boundary_of_either_side),
        STORY(a_long_chain_becomes_transactions),
        STORY(a_stream_is_kept_in_order),
        STORY(a_gap_below_the_threshold_is_moved_along),
        STORY(a_gap_is_moved_only_where_that_is_allowed),
        STORY(gaps_that_differ_are_not_moved),
        STORY(a_gap_that_is_named_elsewhere_is_not_written),
        STORY(small_gaps_of_a_file_are_read_through_bounce_memory),
        STORY(under_the_break_even_size_the_cpu_moves),
        STORY(the_cpu_moves_no_files),
        STORY(the_last_transaction_may_be_left_to_the_cpu),
        STORY(an_engine_of_one_segment_bounces_scattered_frames),
        STORY(without_bounce_memory_it_takes_many_transactions),
        STORY(head_and_tail_or_all_whichever_costs_less),
        STORY(sides_that_differ_modulo_the_alignment_bounce_whole),
        STORY(memory_needs_no_bounce_for_head_and_tail),
        STORY(an_edge_is_rewritten_where_that_is_allowed),
        STORY(a_shared_block_is_rewritten_twice),
        STORY(small_bounce_memory_is_used_in_rounds),
        STORY(what_lies_above_the_address_limit_is_bounced),
        STORY(bounce_memory_above_the_limit_is_none),
        STORY(a_file_has_no_address),
        STORY(the_worked_example_comes_out),
        STORY(the_crossing_of_the_example_is_where_it_says),
        STORY(nonsense_is_refused),
        STORY(lists_that_make_no_sense_are_refused),
        STORY(nothing_to_move_is_a_plan_without_steps),
        STORY(too_little_room_says_how_much_is_needed),
        STORY(a_plan_without_end_is_refused),
        STORY(regions_that_nobody_described_are_memory_from_zero),
        STORY(it_prints_as_a_table),
        STORY(a_print_that_is_cut_says_how_much_is_needed),
        STORY(notes_stop_where_their_room_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
