/*
 * Suite `pages`: pressure on the translation of addresses. Pieces of 4 KiB at random places, each on
 * a page of its own, beside as many bytes in one piece; and the same pieces from pages of 2 MiB
 * beside those of the base size.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"
#include "memory.h"
#include "rig.h"
#include "suites.h"

#define MIB ((size_t)1 << 20)

enum {
    PIECE = 4096,
    CHAIN = 64,
    SEED = 0x21,
    HUGE = 2 << 20,
};

struct pages {
    size_t src_size, dst_size;
    void *src, *dst, *huge_src;
    size_t *offsets; /* of the pieces */
    struct bench_rig rig;
};

static void teardown(struct bench_run *run)
{
    struct pages *pages = run->state;

    bench_unmap(pages->src, pages->src_size);
    bench_unmap(pages->dst, pages->dst_size);
    free(pages->huge_src);
    free(pages->offsets);
    free(pages);
}

/* The kernel may refuse, and give base pages: then both sides are alike. */
static void *map_huge(size_t size)
{
    void *memory = aligned_alloc(HUGE, size);

    if (memory)
        madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

/* A permutation of the pages, its first ones: no piece is read twice. */
static void draw_offsets(struct pages *pages)
{
    size_t i, count = pages->src_size / PIECE;
    uint64_t state = 21;

    for (i = 0; i < count; i++)
        pages->offsets[i] = i * PIECE;
    for (i = 0; i + 1 < count; i++) {
        size_t other, keep = pages->offsets[i];

        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        other = i + (size_t)(state >> 33) % (count - i);
        pages->offsets[i] = pages->offsets[other];
        pages->offsets[other] = keep;
    }
}

static int setup(struct bench_run *run)
{
    struct pages *pages = calloc(1, sizeof(*pages));

    if (!pages)
        return bench_fail(run, "no memory");
    run->state = pages;
    pages->src_size = run->quick ? 4 * MIB : 256 * MIB;
    pages->dst_size = pages->src_size / 8;
    pages->src = bench_map(pages->src_size);
    pages->dst = bench_map(pages->dst_size);
    pages->huge_src = map_huge(pages->src_size);
    pages->offsets = malloc(pages->src_size / PIECE * sizeof(*pages->offsets));
    if (!pages->src || !pages->dst || !pages->huge_src || !pages->offsets) {
        teardown(run);
        return bench_fail(run, "no memory");
    }
    bench_fill(pages->src, pages->src_size, SEED);
    bench_fill(pages->huge_src, pages->src_size, SEED);
    draw_offsets(pages);
    return 0;
}

static void wipe(struct bench_run *run)
{
    struct pages *pages = run->state;

    bench_wipe(pages->dst, pages->dst_size);
}

static int verify_pieces(struct bench_run *run)
{
    struct pages *pages = run->state;
    size_t at;

    for (at = 0; at < pages->dst_size; at += PIECE) {
        size_t wrong =
            bench_check((const char *)pages->dst + at, PIECE, SEED, pages->offsets[at / PIECE]);

        if (wrong != BENCH_ALL_GOOD)
            return bench_fail(run, "byte %zu differs", at + wrong);
    }
    return 0;
}

static int verify_one(struct bench_run *run)
{
    struct pages *pages = run->state;
    size_t wrong = bench_check(pages->dst, pages->dst_size, SEED, 0);

    return wrong == BENCH_ALL_GOOD ? 0 : bench_fail(run, "byte %zu differs", wrong);
}

static int open_rig(struct bench_run *run, void *src)
{
    struct pages *pages = run->state;
    struct bench_rig_options options = {
        .mode = DRAY_MODE_INLINE, .worker_cpu = -1, .queues = 1, .depth = CHAIN
    };
    int rc = bench_rig_open(run, &pages->rig, &options);

    if (rc)
        return rc;
    rc = bench_rig_map(run, &pages->rig, 0, pages->dst, pages->dst_size, src, pages->src_size);
    if (rc)
        bench_rig_close(&pages->rig);
    return rc;
}

static int gather(struct bench_run *run)
{
    struct pages *pages = run->state;
    struct bench_rig *rig = &pages->rig;
    size_t i, count = pages->dst_size / PIECE;
    int rc = 0;

    for (i = 0; i < count && !rc; i++) {
        struct dray_desc *d = dray_queue_get(rig->queues[0]);
        bool last = i % CHAIN == CHAIN - 1 || i + 1 == count;

        dray_prep_copy(d, rig->dst[0], i * PIECE, rig->src[0], pages->offsets[i], PIECE);
        d->flags = last ? 0 : DRAY_FLAG_CHAIN;
        if (!last)
            continue;
        dray_queue_submit(rig->queues[0]);
        rc = bench_rig_poll(run, rig->queues[0], 1);
    }
    return rc;
}

static int copy_one(struct bench_run *run)
{
    struct pages *pages = run->state;
    struct bench_rig *rig = &pages->rig;

    dray_prep_copy(dray_queue_get(rig->queues[0]), rig->dst[0], 0, rig->src[0], 0, pages->dst_size);
    dray_queue_submit(rig->queues[0]);
    return bench_rig_poll(run, rig->queues[0], 1);
}

static double timed(struct bench_run *run, void *src, int (*work)(struct bench_run *run))
{
    struct pages *pages = run->state;
    double begin, end;
    int rc = open_rig(run, src);

    if (rc)
        return -1;
    begin = bench_seconds();
    rc = work(run);
    end = bench_seconds();
    bench_rig_close(&pages->rig);
    return rc ? -1 : (double)pages->dst_size / 1e9 / (end - begin);
}

static double run_pieces(struct bench_run *run)
{
    return timed(run, ((struct pages *)run->state)->src, gather);
}

static double run_huge(struct bench_run *run)
{
    return timed(run, ((struct pages *)run->state)->huge_src, gather);
}

static double run_one(struct bench_run *run)
{
    return timed(run, ((struct pages *)run->state)->src, copy_one);
}

static const struct bench_case cases[] = {
    { .name = "scattered",
      .unit = "GB/s",
      .higher_is_better = true,
      .dray = { .name = "pieces of 4 KiB at random", .run = run_pieces },
      .peers = { { .name = "one piece", .run = run_one, .verify = verify_one } },
      .setup = setup,
      .wipe = wipe,
      .verify = verify_pieces,
      .teardown = teardown,
      .seconds = 4,
      .rounds_min = 7 },
    { .name = "2MiB-pages",
      .unit = "GB/s",
      .higher_is_better = true,
      .dray = { .name = "pieces from pages of 2 MiB", .run = run_huge },
      .peers = { { .name = "pieces from base pages", .run = run_pieces } },
      .setup = setup,
      .wipe = wipe,
      .verify = verify_pieces,
      .teardown = teardown,
      .seconds = 4,
      .rounds_min = 7 },
};

const struct bench_suite bench_suite_pages = {
    .name = "pages",
    .about = "scattered pages beside one piece; 2 MiB pages beside base pages",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
