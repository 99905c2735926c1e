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
    bool transpose; /* loop 0 is contiguous in the source, loop 1 in the destination */
    bool stream;
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
    if (n->count == 0) {
        n->count = 1;
        n->loop[0] = (struct loop){ .extent = 1 };
    }
}

/* One kernel call; `first` and `count` are a range of the innermost nest's slicing loop. */
static void run_inner(const struct dray_kernels *k, const struct nest *n, uint8_t *dst,
                      const uint8_t *src, uint64_t first, uint64_t count)
{
    const struct loop *a = &n->loop[0], *b = &n->loop[1];
    const struct loop *sliced = n->transpose ? b : a;
    src += (int64_t)first * sliced->src;
    dst += (int64_t)first * sliced->dst;
    if (n->transpose)
        k->transpose(dst, a->dst, src, b->src, count, a->extent, (unsigned)n->element, n->stream);
    else
        k->rows(dst, a->dst, src, a->src, n->element, count, n->stream);
}

static void run_outer(const struct dray_kernels *k, const struct nest *n, unsigned level,
                      uint8_t *dst, const uint8_t *src)
{
    unsigned inner = n->transpose ? 2 : 1;
    if (level < inner) {
        run_inner(k, n, dst, src, 0, n->loop[inner - 1].extent);
        return;
    }
    for (uint64_t i = 0; i < n->loop[level].extent; i++)
        run_outer(k, n, level - 1, dst + (int64_t)i * n->loop[level].dst,
                  src + (int64_t)i * n->loop[level].src);
}

/* Steps [first, first + count) of the outermost loop. */
static void run_slice(const struct dray_kernels *k, const struct nest *n, uint64_t first,
                      uint64_t count)
{
    unsigned inner = n->transpose ? 2 : 1, top = n->count - 1;
    if (top < inner) {
        run_inner(k, n, n->dst, n->src, first, count);
        return;
    }
    for (uint64_t i = first; i < first + count; i++)
        run_outer(k, n, top - 1, n->dst + (int64_t)i * n->loop[top].dst,
                  n->src + (int64_t)i * n->loop[top].src);
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
        offset > INT64_MAX || (int64_t)offset < -low)
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
    const struct loop *sliced = &n.loop[n.count - 1];
    uint64_t unit = q->desc.length / sliced->extent;
    uint64_t left = sliced->extent - q->progress / unit;
    uint64_t count = 4 * DRAY_SLICE / unit & ~(uint64_t)63;
    if (count < 64)
        count = unit < DRAY_SLICE / 16 ? 64 : 1;
    if (count > left)
        count = left;
    uint64_t bytes = dray_soft_allow(q, count * unit);
    if (bytes == 0)
        return DRAY_STEP_PARK;
    if (bytes < count * unit)
        count = bytes / unit ? bytes / unit : 1;
    run_slice(q->soft->kernels, &n, q->progress / unit, count);
    uint64_t moved = count * unit;
    q->progress += moved;
    q->txn.moved += moved;
    dray_count(&q->cpu_bytes, moved);
    dray_soft_charge(q, moved);
    return q->progress >= q->desc.length ? DRAY_STEP_DONE : DRAY_STEP_MORE;
}
