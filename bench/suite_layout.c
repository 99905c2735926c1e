/*
 * Suite `layout`: where descriptors lie. The same copies of 64 bytes, inline, from the ring; from an
 * array that one LINK leads to; and from a list, where each descriptor is followed by a LINK to the
 * next, at random places. And a transposition as one STRIDED descriptor, beside a chain of as many
 * as the matrix has columns, each of which reads one.
 */
#include <stdlib.h>

#include "clock.h"
#include "pair.h"
#include "suites.h"

enum {
    COPY_BYTES = 64,
    ROUNDS = 200,
    LIST_COPIES = 60, /* an engine follows 64 LINKs at most */
    ARRAY_COPIES = 256,
    SLOTS = 4096, /* places of the list's nodes */
    SIDE = 512,   /* of the matrix, in floats */
    ELEMENT = 4,
};

static int setup_copies(struct bench_run *run)
{
    struct bench_pair *pair;
    size_t size = (size_t)COPY_BYTES * ARRAY_COPIES;

    if (bench_pair_setup(run, size))
        return -1;
    pair = run->state;
    pair->extra = calloc(SLOTS, sizeof(struct dray_desc));
    if (pair->extra)
        return 0;
    bench_pair_teardown(run);
    return bench_fail(run, "no memory");
}

static int open_inline(struct bench_run *run, uint32_t depth)
{
    struct bench_rig_options options = {
        .mode = DRAY_MODE_INLINE, .worker_cpu = -1, .queues = 1, .depth = depth
    };

    return bench_pair_open(run, &options);
}

static void prep_copy(const struct bench_pair *pair, struct dray_desc *d, size_t i)
{
    dray_prep_copy(d, pair->rig.dst[0], i * COPY_BYTES, pair->rig.src[0], i * COPY_BYTES,
                   COPY_BYTES);
}

/* Copies go round the buffers, so that all of them are written however few a round has. */
static double timed(struct bench_run *run, size_t copies, size_t completions,
                    void (*fill)(struct bench_pair *pair, dray_key key, size_t from))
{
    struct bench_pair *pair = run->state;
    double begin, spent = 0;
    unsigned i, rounds = run->quick ? 20 : ROUNDS;
    dray_key key;
    int rc = open_inline(run, 1024);

    if (rc)
        return -1;
    rc = dray_map_memory(pair->rig.domain, pair->extra, SLOTS * sizeof(struct dray_desc), DRAY_READ,
                         &key);
    for (i = 0; i < rounds && !rc; i++) {
        fill(pair, key, i * copies);
        begin = bench_seconds();
        dray_queue_submit(pair->rig.queues[0]);
        rc = bench_rig_poll(run, pair->rig.queues[0], completions);
        spent += bench_seconds() - begin;
    }
    bench_rig_close(&pair->rig);
    return rc ? -1 : spent * 1e9 / ((double)rounds * (double)copies);
}

static void fill_ring(struct bench_pair *pair, dray_key key, size_t from)
{
    size_t i;

    (void)key;
    for (i = 0; i < ARRAY_COPIES; i++)
        prep_copy(pair, dray_queue_get(pair->rig.queues[0]), (from + i) % ARRAY_COPIES);
}

static void fill_array(struct bench_pair *pair, dray_key key, size_t from)
{
    struct dray_desc *slots = pair->extra;
    size_t i;

    for (i = 0; i < ARRAY_COPIES; i++)
        prep_copy(pair, &slots[i], (from + i) % ARRAY_COPIES);
    dray_prep_link(dray_queue_get(pair->rig.queues[0]), key, 0, ARRAY_COPIES);
}

/* Node i of the list: 1031 is prime, so nodes lie apart and none twice. */
static size_t node(size_t i)
{
    return i * 1031 % (SLOTS / 2) * 2;
}

static void fill_list(struct bench_pair *pair, dray_key key, size_t from)
{
    struct dray_desc *slots = pair->extra;
    size_t i;

    for (i = 0; i < LIST_COPIES; i++) {
        prep_copy(pair, &slots[node(i)], (from + i) % ARRAY_COPIES);
        dray_prep_link(&slots[node(i) + 1], key, node(i + 1) * sizeof(*slots),
                       i + 2 < LIST_COPIES ? 2 : 1);
    }
    dray_prep_link(dray_queue_get(pair->rig.queues[0]), key, node(0) * sizeof(*slots), 2);
}

static double run_ring(struct bench_run *run)
{
    return timed(run, ARRAY_COPIES, ARRAY_COPIES, fill_ring);
}

static double run_array(struct bench_run *run)
{
    return timed(run, ARRAY_COPIES, ARRAY_COPIES + 1, fill_array);
}

static double run_list(struct bench_run *run)
{
    return timed(run, LIST_COPIES, 2 * LIST_COPIES, fill_list);
}

/* ---- transposition ---- */

static int setup_matrix(struct bench_run *run)
{
    return bench_pair_setup(run, (size_t)SIDE * SIDE * ELEMENT);
}

/* `count` columns of the source from `first` on become rows of the destination. */
static struct dray_desc *prep_columns(struct bench_pair *pair, uint64_t first, uint64_t count)
{
    struct dray_queue *queue = pair->rig.queues[0];
    struct dray_desc *d = dray_queue_get(queue);

    dray_prep_strided(d, pair->rig.dst[0], first * SIDE * ELEMENT, pair->rig.src[0],
                      first * ELEMENT, count * SIDE * ELEMENT, (dray_key){ 0 }, 0);
    *dray_queue_shape(queue, d) = (struct dray_shape){
        .version = DRAY_FORMAT_VERSION,
        .loops = count > 1 ? 2 : 1,
        .element = ELEMENT,
        .extent = { SIDE, count > 1 ? count : 0 },
        .src_stride = { SIDE * ELEMENT, count > 1 ? ELEMENT : 0 },
        .dst_stride = { ELEMENT, count > 1 ? SIDE * ELEMENT : 0 },
    };
    return d;
}

static double transpose(struct bench_run *run, uint64_t columns)
{
    struct bench_pair *pair = run->state;
    double begin, end;
    uint64_t at;
    int rc = open_inline(run, 1024);

    if (rc)
        return -1;
    begin = bench_seconds();
    for (at = 0; at < SIDE; at += columns)
        prep_columns(pair, at, columns)->flags = at + columns < SIDE ? DRAY_FLAG_CHAIN : 0;
    dray_queue_submit(pair->rig.queues[0]);
    rc = bench_rig_poll(run, pair->rig.queues[0], 1);
    end = bench_seconds();
    bench_rig_close(&pair->rig);
    return rc ? -1 : (double)pair->size / 1e9 / (end - begin);
}

static double run_whole(struct bench_run *run)
{
    return transpose(run, SIDE);
}

static double run_columns(struct bench_run *run)
{
    return transpose(run, 1);
}

/* Words of the source's tags: element (row, column) stands in the destination at (column, row). */
static int verify_matrix(struct bench_run *run)
{
    struct bench_pair *pair = run->state;
    const uint32_t *src = pair->src, *dst = pair->dst;
    size_t row, column;

    for (row = 0; row < SIDE; row++) {
        for (column = 0; column < SIDE; column++) {
            if (dst[column * SIDE + row] != src[row * SIDE + column])
                return bench_fail(run, "element %zu, %zu differs", row, column);
        }
    }
    return 0;
}

static const struct bench_case cases[] = {
    { .name = "array",
      .unit = "ns",
      .dray = { .name = "ring", .run = run_ring },
      .peers = { { .name = "an array behind one LINK", .run = run_array } },
      .setup = setup_copies,
      .wipe = bench_pair_wipe,
      .verify = bench_pair_verify,
      .teardown = bench_pair_teardown,
      .seconds = 3,
      .rounds_min = 9 },
    { .name = "list",
      .unit = "ns",
      .dray = { .name = "ring", .run = run_ring },
      .peers = { { .name = "a list, each node linked to the next", .run = run_list } },
      .setup = setup_copies,
      .wipe = bench_pair_wipe,
      .verify = bench_pair_verify,
      .teardown = bench_pair_teardown,
      .seconds = 3,
      .rounds_min = 9 },
    { .name = "transpose",
      .unit = "GB/s",
      .higher_is_better = true,
      .dray = { .name = "one STRIDED descriptor", .run = run_whole },
      .peers = { { .name = "a chain of column reads", .run = run_columns } },
      .setup = setup_matrix,
      .wipe = bench_pair_wipe,
      .verify = verify_matrix,
      .teardown = bench_pair_teardown,
      .seconds = 3,
      .rounds_min = 9 },
};

const struct bench_suite bench_suite_layout = {
    .name = "layout",
    .about = "descriptors in a ring, an array or a list; a transposition in one or in many",
    .cases = cases,
    .case_count = sizeof(cases) / sizeof(cases[0]),
};
