/*
 * STRIDED: N-dimensional copies of memory.
 *
 * The loops may run in any order, since source and destination do not overlap. So they are first
 * simplified (loops of one dropped, neighbours that continue each other joined, a contiguous
 * innermost loop made part of the element), then matched: a loop that is contiguous in the source
 * beside one that is contiguous in the destination is a transposition; anything else is rows. What
 * is left are outer loops.
 */
#include <stdlib.h>

#include "desc/check.h"
#include "engine/soft/soft.h"

struct loop {
    uint64_t extent;
    int64_t src, dst; /* strides, bytes */
};

struct nest {
    uint64_t element; /* bytes */
    unsigned count;
    struct loop loop[4];
    uint8_t *dst;
    const uint8_t *src;
    /* Loops 0 and 1 are a transposition: one is contiguous in the source, the other in the
     * destination. `turned`: loop 0 is the one that is in the destination. */
    bool transpose, turned;
    bool stream;
};

/* Where in the nest the next byte is. */
struct walk {
    uint64_t within; /* bytes into the element */
    uint64_t i[4];
    uint8_t *dst; /* of the element */
    const uint8_t *src;
};

static void drop(struct nest *n, unsigned i)
{
    n->count--;
    for (; i < n->count; i++)
        n->loop[i] = n->loop[i + 1];
}

static void swap(struct nest *n, unsigned i, unsigned j)
{
    struct loop t = n->loop[i];
    n->loop[i] = n->loop[j];
    n->loop[j] = t;
}

/* Loop j continues loop i: one step of j is all of i. */
static bool continues(const struct loop *i, const struct loop *j)
{
    int64_t src, dst;
    return !__builtin_mul_overflow(i->src, (int64_t)i->extent, &src) && j->src == src &&
           !__builtin_mul_overflow(i->dst, (int64_t)i->extent, &dst) && j->dst == dst;
}

static bool join_one(struct nest *n)
{
    for (unsigned i = 0; i < n->count; i++) {
        struct loop *l = &n->loop[i];
        if (l->extent == 1) {
            drop(n, i);
            return true;
        }
        if (l->src == (int64_t)n->element && l->dst == (int64_t)n->element) {
            n->element *= l->extent;
            drop(n, i);
            return true;
        }
        for (unsigned j = 0; j < n->count; j++)
            if (j != i && continues(l, &n->loop[j])) {
                l->extent *= n->loop[j].extent;
                drop(n, j);
                return true;
            }
    }
    return false;
}

static bool is_tile_element(uint64_t e)
{
    return e == 1 || e == 2 || e == 4 || e == 8 || e == 16;
}

/* Puts the transposed pair first, if there is one. */
static void match_transpose(struct nest *n)
{
    if (!is_tile_element(n->element))
        return;
    for (unsigned i = 0; i < n->count; i++)
        for (unsigned j = 0; j < n->count; j++)
            if (i != j && n->loop[i].src == (int64_t)n->element &&
                n->loop[j].dst == (int64_t)n->element) {
                swap(n, 0, i);
                swap(n, 1, j == 0 ? i : j);
                n->transpose = true;
                return;
            }
}

/* Slices are cut along loop 1, each with all of loop 0: where that is long (planes that become
 * interleaved) the other way round, if that is shorter. */
static void turn_transpose(struct nest *n)
{
    if (n->transpose && n->loop[0].extent > DRAY_SLICE / n->element &&
        n->loop[1].extent < n->loop[0].extent) {
        swap(n, 0, 1);
        n->turned = true;
    }
}

/* Nearest destinations innermost: stores are what a cache misses dearest. */
static void sort_by_destination(struct nest *n)
{
    for (unsigned i = 1; i < n->count; i++)
        for (unsigned j = i; j && llabs(n->loop[j].dst) < llabs(n->loop[j - 1].dst); j--)
            swap(n, j, j - 1);
}

static void simplify(struct nest *n, const struct dray_shape *shape)
{
    n->element = shape->element;
    n->count = shape->loops;
    for (unsigned i = 0; i < n->count; i++)
        n->loop[i] = (struct loop){ shape->extent[i], shape->src_stride[i], shape->dst_stride[i] };
    while (join_one(n))
        ;
    sort_by_destination(n);
    match_transpose(n);
    turn_transpose(n);
    if (n->count == 0) {
        n->count = 1;
        n->loop[0] = (struct loop){ .extent = 1 };
    }
}

static struct walk walk_to(const struct nest *n, uint64_t progress)
{
    struct walk w = { .within = progress % n->element, .dst = n->dst, .src = n->src };
    uint64_t at = progress / n->element;
    for (unsigned l = 0; l < n->count; l++) {
        w.i[l] = at % n->loop[l].extent;
        at /= n->loop[l].extent;
        w.dst += (int64_t)w.i[l] * n->loop[l].dst;
        w.src += (int64_t)w.i[l] * n->loop[l].src;
    }
    return w;
}

/* The next step of the loops from `level` on; those below stand at their beginning. */
static void walk_next(const struct nest *n, struct walk *w, unsigned level)
{
    for (; level < n->count; level++) {
        const struct loop *l = &n->loop[level];
        if (++w->i[level] < l->extent) {
            w->dst += l->dst;
            w->src += l->src;
            return;
        }
        w->dst -= (int64_t)(l->extent - 1) * l->dst;
        w->src -= (int64_t)(l->extent - 1) * l->src;
        w->i[level] = 0;
    }
}

/* An element that is too long for one go. */
static uint64_t run_element(const struct dray_kernels *k, const struct nest *n,
                            const struct walk *w, uint64_t budget)
{
    uint64_t bytes = n->element - w->within;
    if (bytes > budget)
        bytes = budget;
    void (*copy)(void *, const void *, size_t) = n->stream ? k->copy_stream : k->copy;
    copy(w->dst + w->within, w->src + w->within, bytes);
    return bytes;
}

/* Elements of loop 0. */
static uint64_t run_rows(const struct dray_kernels *k, const struct nest *n, const struct walk *w,
                         uint64_t budget)
{
    const struct loop *l = &n->loop[0];
    uint64_t count = l->extent - w->i[0];
    if (count > budget / n->element)
        count = budget / n->element;
    k->rows(w->dst, l->dst, w->src, l->src, n->element, count, n->stream);
    return count * n->element;
}

/* All of loop 0 by some of loop 1: by multiples of 64, so that slices begin at whole lines. */
static uint64_t run_transpose(const struct dray_kernels *k, const struct nest *n,
                              const struct walk *w, uint64_t budget)
{
    const struct loop *unit = &n->loop[0], *sliced = &n->loop[1];
    uint64_t bytes = unit->extent * n->element;
    uint64_t count = sliced->extent - w->i[1];
    if (count > budget / bytes)
        count = budget / bytes > 64 ? budget / bytes & ~(uint64_t)63 : budget / bytes;
    if (n->turned)
        k->transpose(w->dst, sliced->dst, w->src, unit->src, unit->extent, count,
                     (unsigned)n->element, n->stream);
    else
        k->transpose(w->dst, unit->dst, w->src, sliced->src, count, unit->extent,
                     (unsigned)n->element, n->stream);
    return count * bytes;
}

/* One call of a kernel, for at most `budget` bytes, which is an element of a transposition at
 * least. */
static uint64_t run_kernel(const struct dray_kernels *k, const struct nest *n, const struct walk *w,
                           uint64_t budget)
{
    if (w->within || n->element > budget)
        return run_element(k, n, w, budget);
    if (n->transpose && w->i[0] == 0 && n->loop[0].extent <= budget / n->element)
        return run_transpose(k, n, w, budget);
    return run_rows(k, n, w, budget);
}

/* About `budget` bytes from `progress` on, at most twice that. Returns how many. A descriptor may
 * ask for 2^62 bytes in loops of any length: no kernel is called for more than the budget. */
static uint64_t run_slice(const struct dray_kernels *k, const struct nest *n, uint64_t progress,
                          uint64_t length, uint64_t budget)
{
    unsigned inner = n->transpose ? 2 : 1;
    uint64_t whole = n->element * n->loop[0].extent * (n->transpose ? n->loop[1].extent : 1);
    struct walk w = walk_to(n, progress);
    uint64_t done = 0;
    while (done < budget && progress + done < length) {
        uint64_t bytes = run_kernel(k, n, &w, budget);
        done += bytes;
        if (bytes == whole)
            walk_next(n, &w, inner);
        else
            w = walk_to(n, progress + done);
    }
    return done;
}

/* Two sides that share a pitch, as rectangles of one image do: row i of one meets row j of the
 * other only where they are less than a row apart. */
static bool rows_meet(const struct nest *n)
{
    if (n->count != 1 || n->loop[0].src != n->loop[0].dst)
        return true;
    int64_t pitch = n->loop[0].src < 0 ? -n->loop[0].src : n->loop[0].src;
    int64_t width = (int64_t)n->element, rows = (int64_t)n->loop[0].extent;
    if (pitch < width)
        return true;
    int64_t apart = n->dst - n->src;
    int64_t k = apart / pitch; /* rows apart, and the next either way */
    for (int64_t i = k - 1; i <= k + 1; i++) {
        int64_t gap = apart - i * pitch;
        if (i > -rows && i < rows && gap < width && gap > -width)
            return true;
    }
    return false;
}

/* The memory of one side; NULL after q was failed. */
static uint8_t *side(struct dray_soft_queue *q, bool write, uint64_t *low_address, uint64_t *size)
{
    const struct dray_desc *d = &q->desc;
    const struct dray_shape *shape = &q->shape;
    uint64_t offset = write ? d->dst_offset : d->src_offset;
    int64_t low, high;
    struct dray_view view = { 0 };
    enum dray_status status = DRAY_STATUS_OK;
    if (dray_shape_bounds(shape, write ? shape->dst_stride : shape->src_stride, &low, &high) ||
        offset > INT64_MAX || (int64_t)offset + low < 0)
        status = DRAY_STATUS_RANGE;
    if (status == DRAY_STATUS_OK) {
        view.offset = (uint64_t)((int64_t)offset + low);
        *size = (uint64_t)high - (uint64_t)low;
        status = dray_resolve(q->table, write ? d->dst_key : d->src_key, view.offset, *size,
                              write ? DRAY_WRITE : DRAY_READ, &view.slot);
    }
    if (status == DRAY_STATUS_OK && !dray_kind_is_memory(view.slot->kind))
        status = DRAY_STATUS_UNSUPPORTED;
    uint8_t *p = NULL;
    if (status == DRAY_STATUS_OK && dray_view_run(&view, *size, &p) < *size)
        status = DRAY_STATUS_UNSUPPORTED; /* across pieces */
    if (status != DRAY_STATUS_OK) {
        if (write)
            dray_soft_fail_dst(q, status);
        else
            dray_soft_fail_src(q, status);
        return NULL;
    }
    *low_address = (uint64_t)(uintptr_t)p;
    return p - low;
}

static bool prepare(struct dray_soft_queue *q, struct nest *n)
{
    enum dray_status status = q->progress ? DRAY_STATUS_OK : dray_soft_shape(q);
    if (status == DRAY_STATUS_OK)
        status = dray_shape_check(&q->shape, q->desc.length);
    if (status != DRAY_STATUS_OK) {
        dray_soft_fail(q, status, DRAY_ACCESS_FETCH, q->desc.arg.strided.shape_key,
                       q->desc.arg.strided.shape_offset, q->desc.arg.strided.shape_offset);
        return false;
    }
    uint64_t src_at, src_size, dst_at, dst_size;
    n->src = side(q, false, &src_at, &src_size);
    if (!n->src)
        return false;
    n->dst = side(q, true, &dst_at, &dst_size);
    if (!n->dst)
        return false;
    if (q->desc.length > dst_size) {
        /* More bytes than there is room for: some would be written twice, and a shape of strides
         * zero for ever. */
        dray_soft_fail_dst(q, DRAY_STATUS_OVERLAP);
        return false;
    }
    simplify(n, &q->shape);
    n->stream = q->desc.length >= q->soft->policy.transpose_stream_min;
    if (src_at < dst_at + dst_size && dst_at < src_at + src_size && rows_meet(n)) {
        dray_soft_fail_dst(q, DRAY_STATUS_OVERLAP);
        return false;
    }
    return true;
}

/* Regions are looked up anew for each slice, since their keys may have gone; the shape was read
 * once. */
enum dray_step dray_soft_strided(struct dray_soft_queue *q)
{
    struct nest n = { 0 };
    if (!prepare(q, &n))
        return DRAY_STEP_DONE;
    uint64_t left = q->desc.length - q->progress, most = 4 * DRAY_SLICE;
    uint64_t budget = dray_soft_allow(q, left < most ? left : most);
    if (budget == 0)
        return DRAY_STEP_PARK;
    uint64_t moved = run_slice(q->soft->kernels, &n, q->progress, q->desc.length, budget);
    q->progress += moved;
    q->txn.moved += moved;
    dray_count(&q->counters.cpu_bytes, moved);
    dray_soft_charge(q, moved);
    return q->progress == q->desc.length ? DRAY_STEP_DONE : DRAY_STEP_MORE;
}
