/* COPY, FILL, COMPARE and CRC32C, a slice at a time. Memory is done here with the kernels; files
 * and streams are done by io.c. */
#include "engine/soft/soft.h"

/* Both sides of the descriptor at hand, looked up anew for each slice. */
struct sides {
    struct dray_view dst, src;
    uint64_t left;
};

static enum dray_status look(struct dray_soft_queue *q, dray_key key, uint64_t offset,
                             unsigned access, struct dray_view *view)
{
    enum dray_status status =
        dray_resolve(q->table, key, offset, q->desc.length, access, &view->slot);
    if (status != DRAY_STATUS_OK)
        return status;
    view->offset = offset + q->progress;
    if (view->slot->kind == DRAY_REGION_STREAM) {
        if (offset != 0)
            return DRAY_STATUS_RANGE;
        view->offset = 0;
    }
    return DRAY_STATUS_OK;
}

static bool look_src(struct dray_soft_queue *q, struct dray_view *view)
{
    enum dray_status status = look(q, q->desc.src_key, q->desc.src_offset, DRAY_READ, view);
    if (status != DRAY_STATUS_OK)
        dray_soft_fail_src(q, status);
    return status == DRAY_STATUS_OK;
}

static bool look_dst(struct dray_soft_queue *q, unsigned access, struct dray_view *view)
{
    enum dray_status status = look(q, q->desc.dst_key, q->desc.dst_offset, access, view);
    if (status != DRAY_STATUS_OK)
        dray_soft_fail_dst(q, status);
    return status == DRAY_STATUS_OK;
}

static bool is_memory(const struct dray_view *view)
{
    return dray_kind_is_memory(view->slot->kind);
}

static bool ranges_meet(const uint8_t *a, const uint8_t *b, uint64_t size_a, uint64_t size_b)
{
    return a < b + size_b && b < a + size_a;
}

/* Whether one run of destination memory meets the next `length` bytes of a source view. */
static bool run_meets(const struct dray_view *src, uint64_t length, const uint8_t *p, uint64_t size)
{
    const struct dray_slot *slot = src->slot;
    if (slot->kind == DRAY_REGION_PIECES)
        return dray_pieces_overlap(slot->region, src->offset, length, p, size);
    return ranges_meet((uint8_t *)slot->base + src->offset, p, length, size);
}

/* Scattered regions whose bytes overlap are refused: memmove order is not defined across pieces. */
static bool scattered_overlap(const struct sides *s)
{
    struct dray_view dst = s->dst;
    uint64_t left = s->left;
    while (left) {
        uint8_t *p;
        uint64_t n = dray_view_run(&dst, left, &p);
        if (run_meets(&s->src, s->left, p, n))
            return true;
        dst.offset += n;
        left -= n;
    }
    return false;
}

static void copy_run(struct dray_soft_queue *q, uint8_t *dst, const uint8_t *src, uint64_t n)
{
    const struct dray_kernels *k = q->soft->kernels;
    bool stream = q->desc.length >= q->soft->policy.stream_min;
    bool meet = ranges_meet(dst, src, n, n);
    if (q->desc.flags & DRAY_FLAG_CRC) {
        if (meet) {
            k->copy(dst, src, n);
            q->txn.crc = k->crc32c(q->txn.crc, dst, n);
        } else {
            q->txn.crc = k->copy_crc32c(q->txn.crc, dst, src, n, stream);
        }
    } else if (!meet && n >= q->soft->split_min && dray_split_copy(q->soft, dst, src, n, stream)) {
        return;
    } else if (stream) {
        k->copy_stream(dst, src, n);
    } else {
        k->copy(dst, src, n);
    }
}

static enum dray_step advance(struct dray_soft_queue *q, uint64_t n, bool by_cpu)
{
    q->progress += n;
    q->txn.moved += n;
    if (by_cpu)
        dray_count(&q->counters.cpu_bytes, n);
    dray_soft_charge(q, n);
    return q->progress == q->desc.length ? DRAY_STEP_DONE : DRAY_STEP_MORE;
}

/* Plain ranges that overlap, as memmove moves them: towards the side the bytes come from, so a
 * slice never overwrites what a later one reads. A checksum needs them in order: then all in one
 * go. */
static enum dray_step move_overlap(struct dray_soft_queue *q, uint8_t *dst, const uint8_t *src,
                                   uint64_t max)
{
    uint64_t length = q->desc.length, at = q->progress;
    if (dst > src && q->desc.flags & DRAY_FLAG_CRC)
        max = length;
    else if (dst > src)
        at = length - q->progress - max;
    copy_run(q, dst + at, src + at, max);
    return advance(q, max, true);
}

/* A slice between two ranges of memory. */
static enum dray_step copy_memory(struct dray_soft_queue *q, struct sides *s, uint64_t max)
{
    if (s->dst.slot->kind != DRAY_REGION_PIECES && s->src.slot->kind != DRAY_REGION_PIECES) {
        uint8_t *dst = (uint8_t *)s->dst.slot->base + q->desc.dst_offset;
        uint8_t *src = (uint8_t *)s->src.slot->base + q->desc.src_offset;
        if (ranges_meet(dst, src, q->desc.length, q->desc.length))
            return move_overlap(q, dst, src, max);
    } else if (q->progress == 0 && scattered_overlap(s)) {
        return dray_soft_fail_dst(q, DRAY_STATUS_OVERLAP);
    }
    uint64_t done = 0;
    while (done < max) {
        uint8_t *dst, *src;
        uint64_t n = dray_view_run(&s->dst, max - done, &dst);
        n = dray_view_run(&s->src, n, &src);
        copy_run(q, dst, src, n);
        s->dst.offset += n;
        s->src.offset += n;
        done += n;
    }
    return advance(q, done, true);
}

static void begin_sum(struct dray_soft_queue *q, uint32_t seed)
{
    if (q->progress == 0 && !q->txn.summed) {
        q->txn.crc = seed;
        q->txn.summed = true;
    }
}

static uint64_t slice_of(struct dray_soft_queue *q, uint64_t left)
{
    return dray_soft_allow(q, left < DRAY_SLICE ? left : DRAY_SLICE);
}

/* Between files and streams: what the operating system did counts, whatever the step. */
static enum dray_step transfer(struct dray_soft_queue *q, struct sides *s, uint64_t max)
{
    uint64_t done = 0;
    enum dray_step step = dray_soft_transfer(q, &s->dst, &s->src, max, &done);
    enum dray_step after = advance(q, done, false);
    return step == DRAY_STEP_MORE ? after : step;
}

enum dray_step dray_soft_copy(struct dray_soft_queue *q)
{
    struct sides s = { .left = q->desc.length - q->progress };
    if (!look_src(q, &s.src) || !look_dst(q, DRAY_WRITE, &s.dst))
        return DRAY_STEP_DONE;
    if (!dray_soft_copies(s.dst.slot->kind, s.src.slot->kind))
        return dray_soft_fail_dst(q, DRAY_STATUS_UNSUPPORTED);
    uint64_t max = slice_of(q, s.left);
    if (max == 0)
        return DRAY_STEP_PARK;
    if (q->desc.flags & DRAY_FLAG_CRC)
        begin_sum(q, q->desc.arg.copy.seed);
    if (is_memory(&s.dst) && is_memory(&s.src))
        return copy_memory(q, &s, max);
    return transfer(q, &s, max);
}

/* The bytes of a pattern from `progress` on, as a pattern of 16: a run may begin in the middle of
 * one. */
static void turn_pattern(const struct dray_desc *d, uint64_t progress, uint8_t pattern[16])
{
    for (unsigned i = 0; i < 16; i++)
        pattern[i] = d->arg.byte[(progress + i) % d->count];
}

enum dray_step dray_soft_fill(struct dray_soft_queue *q)
{
    struct dray_view dst = { 0 };
    uint8_t pattern[16];
    if (!look_dst(q, DRAY_WRITE, &dst))
        return DRAY_STEP_DONE;
    uint64_t max = slice_of(q, q->desc.length - q->progress);
    if (max == 0)
        return DRAY_STEP_PARK;
    if (!is_memory(&dst)) {
        struct dray_slot memory = { .kind = DRAY_REGION_MEMORY, .base = q->bounce };
        struct sides s = { .dst = dst, .src = { .slot = &memory } };
        turn_pattern(&q->desc, q->progress, pattern);
        if (max > DRAY_BOUNCE_SIZE)
            max = DRAY_BOUNCE_SIZE;
        q->soft->kernels->fill(q->bounce, pattern, 16, max, false);
        return transfer(q, &s, max);
    }
    bool stream = q->desc.length >= q->soft->policy.stream_min;
    uint64_t done = 0;
    while (done < max) {
        uint8_t *p;
        uint64_t n = dray_view_run(&dst, max - done, &p);
        turn_pattern(&q->desc, q->progress + done, pattern);
        q->soft->kernels->fill(p, pattern, 16, n, stream);
        dst.offset += n;
        done += n;
    }
    return advance(q, done, true);
}

/* A run of bytes to look at: memory in place, a file or stream through one half of the bounce
 * memory. 0 when the step in *step says why there is none. */
static uint64_t borrow(struct dray_soft_queue *q, struct dray_view *view, unsigned half,
                       uint64_t max, uint8_t **p, enum dray_step *step)
{
    if (is_memory(view))
        return dray_view_run(view, max, p);
    struct dray_slot memory = { .kind = DRAY_REGION_MEMORY,
                                .base = q->bounce + half * DRAY_BOUNCE_SIZE };
    struct dray_view into = { .slot = &memory };
    uint64_t done = 0;
    if (max > DRAY_BOUNCE_SIZE)
        max = DRAY_BOUNCE_SIZE;
    *step = dray_soft_transfer(q, &into, view, max, &done);
    *p = memory.base;
    return done;
}

enum dray_step dray_soft_crc32c(struct dray_soft_queue *q)
{
    struct dray_view src = { 0 };
    if (!look_src(q, &src))
        return DRAY_STEP_DONE;
    uint64_t max = slice_of(q, q->desc.length - q->progress);
    if (max == 0)
        return DRAY_STEP_PARK;
    begin_sum(q, q->desc.arg.crc32c.seed);
    enum dray_step step = DRAY_STEP_MORE;
    uint8_t *p;
    uint64_t n = borrow(q, &src, 0, max, &p, &step);
    if (n)
        q->txn.crc = q->soft->kernels->crc32c(q->txn.crc, p, n);
    q->progress += n;
    dray_soft_charge(q, n);
    if (step != DRAY_STEP_MORE)
        return step;
    return q->progress == q->desc.length ? DRAY_STEP_DONE : DRAY_STEP_MORE;
}

/* COMPARE reads both sides: turned, what is said of the source is said of the destination. */
static void turn_sides(struct dray_desc *d)
{
    dray_key key = d->src_key;
    uint64_t offset = d->src_offset;
    d->src_key = d->dst_key;
    d->src_offset = d->dst_offset;
    d->dst_key = key;
    d->dst_offset = offset;
}

static bool look_readable(struct dray_soft_queue *q, struct dray_view *view)
{
    if (!look_src(q, view))
        return false;
    if (view->slot->kind == DRAY_REGION_STREAM)
        dray_soft_fail_src(q, DRAY_STATUS_UNSUPPORTED);
    return view->slot->kind != DRAY_REGION_STREAM;
}

/* The result counts over the whole transaction: the first difference ends it, what follows is not
 * looked at. A stream cannot be read twice, so it is refused. */
enum dray_step dray_soft_compare(struct dray_soft_queue *q)
{
    struct sides s = { .left = q->desc.length - q->progress };
    if (q->txn.differs)
        return DRAY_STEP_DONE;
    if (!look_readable(q, &s.src))
        return DRAY_STEP_DONE;
    turn_sides(&q->desc);
    bool readable = look_readable(q, &s.dst);
    turn_sides(&q->desc);
    if (!readable)
        return DRAY_STEP_DONE;
    uint64_t max = slice_of(q, s.left);
    if (max == 0)
        return DRAY_STEP_PARK;
    enum dray_step step = DRAY_STEP_MORE;
    uint8_t *a, *b;
    uint64_t n = borrow(q, &s.src, 0, max, &a, &step);
    turn_sides(&q->desc);
    if (n)
        n = borrow(q, &s.dst, 1, n, &b, &step);
    turn_sides(&q->desc);
    if (n == 0)
        return step;
    uint64_t equal = q->soft->kernels->compare(a, b, n);
    q->txn.differs = equal < n;
    q->txn.compared += equal;
    q->progress += n;
    dray_soft_charge(q, n);
    return q->txn.differs || q->progress == q->desc.length ? DRAY_STEP_DONE : DRAY_STEP_MORE;
}
