#include "plan_case.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- drawing ---- */

/* splitmix64 */
static uint64_t draw(struct plan_case *c)
{
    struct plan_draw *d = &c->draw;
    if (d->size >= 2) {
        uint64_t n = (uint64_t)d->bytes[0] | (uint64_t)d->bytes[1] << 8;
        d->bytes += 2;
        d->size -= 2;
        return n;
    }
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. limit-1 */
static uint64_t below(struct plan_case *c, uint64_t limit)
{
    return draw(c) % limit;
}

static bool one_in(struct plan_case *c, uint64_t n)
{
    return below(c, n) == 0;
}

static void draw_limits(struct plan_case *c)
{
    static const uint32_t aligns[] = { 1, 1, 4, 8, 16, 64 };
    struct dray_limits *limits = &c->input.limits;
    limits->alignment = aligns[below(c, 6)];
    limits->segment_max = one_in(c, 2) ? UINT64_MAX : limits->alignment + below(c, 200);
    limits->segments_max = one_in(c, 2) ? 65536 : 1 + (uint32_t)below(c, 5);
    limits->boundary = one_in(c, 2) ? 0 : limits->alignment * (1 + below(c, 40));
    limits->address_bits = one_in(c, 3) ? 14 : 64;
}

static void draw_costs(struct plan_case *c)
{
    static const double rates[] = { 1e8, 1e9, 10e9, 26e9 };
    struct dray_profile *profile = &c->input.profile;
    *profile = (struct dray_profile){
        .setup_ns = (double)below(c, 3) * (double)below(c, 500),
        .descriptor_ns = (double)below(c, 2) * (double)below(c, 200),
        .bandwidth = rates[below(c, 4)],
        .cpu_bandwidth = rates[below(c, 4)],
        .file_setup_ns = (double)below(c, 300),
        .file_bandwidth = one_in(c, 4) ? 0 : rates[below(c, 4)],
    };
}

/* Addresses of regions do not overlap; some lie on both sides of the limit of 14 bits, 16384. */
static void draw_regions(struct plan_case *c)
{
    uint64_t base = below(c, 64) * 4;
    bool easy = one_in(c, 2);
    for (uint32_t i = 0; i < CASE_REGIONS; i++) {
        struct dray_plan_region *region = &c->regions[i];
        uint64_t length = CASE_CELLS - below(c, 100);
        *region = (struct dray_plan_region){
            .key = { 0x100000 * (1 + (uint32_t)below(c, 3)) + i },
            .kind = DRAY_REGION_MEMORY,
            .base = base,
            .length = length,
            .gap_readable = easy || one_in(c, 2),
            .gap_writable = one_in(c, 2),
            .rewritable = easy || one_in(c, 2),
        };
        base += length + below(c, 200) + (one_in(c, 3) ? 15000 : 0);
        if (i && one_in(c, 4)) {
            region->kind = one_in(c, 4) ? DRAY_REGION_STREAM : DRAY_REGION_FILE;
            region->base = 0;
            if (region->kind == DRAY_REGION_FILE && one_in(c, 2))
                region->alignment = 1u << below(c, 7);
        }
    }
}

static void draw_bounce(struct plan_case *c)
{
    struct dray_plan_region *bounce = &c->regions[0];
    if (one_in(c, 4)) /* across the limit of 14 bits */
        bounce->base = 16384 - below(c, 700);
    c->input.bounce_base = bounce->base;
    c->input.bounce_length = one_in(c, 3) ? below(c, 200) : bounce->length;
    if (!one_in(c, 4))
        c->input.bounce = bounce->key;
}

static bool range_is_free(const struct plan_case *c, size_t region, uint64_t offset,
                          uint64_t length)
{
    for (uint64_t i = offset; i < offset + length; i++)
        if (c->is_dst[region][i] || c->is_src[region][i])
            return false;
    return true;
}

/* Where the next segment could lie: a little behind the last one, or anywhere. */
static bool draw_place(struct plan_case *c, size_t *region, uint64_t *end, uint64_t length,
                       uint64_t *offset)
{
    static const uint64_t gaps[] = { 0, 0, 0, 4, 8, 16, 64, 3 };
    for (int tries = 0; tries < 4; tries++) {
        if (tries || one_in(c, 8)) {
            *region = 1 + below(c, CASE_REGIONS - 1);
            *end = one_in(c, 2) ? 0 : below(c, CASE_CELLS);
            if (one_in(c, 2))
                *end &= ~(uint64_t)63;
        }
        *offset = *end + gaps[below(c, 8)];
        if (c->regions[*region].kind == DRAY_REGION_STREAM)
            *offset = *end = 0;
        if (*offset + length <= c->regions[*region].length &&
            (c->regions[*region].kind == DRAY_REGION_STREAM ||
             range_is_free(c, *region, *offset, length)))
            return true;
    }
    return false;
}

static uint64_t draw_length(struct plan_case *c)
{
    uint64_t align = c->input.limits.alignment;
    switch (below(c, 4)) {
    case 0:
        return below(c, 10);
    case 1:
        return align * below(c, 4);
    case 2:
        return 64 * below(c, 3);
    default:
        return below(c, 150);
    }
}

/* A list of at most `total` bytes, exactly if they find room; the total. A stream is on one side
 * only, for its bytes come in the order of the list. */
static uint64_t draw_list(struct plan_case *c, struct dray_segment *list, size_t *count,
                          uint64_t total, bool is_dst)
{
    size_t max = 1 + below(c, CASE_SEGMENTS), region = 1 + below(c, CASE_REGIONS - 1);
    uint64_t end = one_in(c, 2) ? 0 : below(c, 500), sum = 0, offset;
    bool long_ones = one_in(c, 3);
    for (*count = 0; *count < max && (*count == 0 || sum < total); ++*count) {
        uint64_t length = draw_length(c) * (long_ones ? 4 : 1);
        if (length > total - sum)
            length = total - sum;
        if (!draw_place(c, &region, &end, length, &offset))
            break;
        list[*count] = (struct dray_segment){ c->regions[region].key, 0, offset, length };
        for (uint64_t i = offset; i < offset + length; i++)
            *(is_dst ? &c->is_dst[region][i] : &c->is_src[region][i]) = true;
        end = offset + length;
        sum += length;
    }
    return sum;
}

static size_t region_of(const struct plan_case *c, dray_key key)
{
    for (size_t i = 0; i < CASE_REGIONS; i++)
        if (c->regions[i].key.value == key.value)
            return i;
    return SIZE_MAX;
}

/* The same layout elsewhere: so that both sides have the same gaps. */
static void draw_alike(struct plan_case *c)
{
    size_t from = 1 + below(c, CASE_REGIONS - 1),
           to = 1 + (from + below(c, 4)) % (CASE_REGIONS - 1);
    uint64_t shift = one_in(c, 2) ? 0 : below(c, 64), offset = below(c, 64);
    size_t count = 1 + below(c, 12);
    uint64_t every = one_in(c, 2) ? 1 + below(c, 40) : 0; /* the same length for all */
    if (c->regions[from].kind == DRAY_REGION_STREAM || c->regions[to].kind == DRAY_REGION_STREAM)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = every ? every : draw_length(c), gap = below(c, 3) * below(c, 40);
        if (offset + shift + length > c->regions[from].length ||
            offset + shift + length > c->regions[to].length)
            break;
        c->src[i] = (struct dray_segment){ c->regions[from].key, 0, offset, length };
        c->dst[i] = (struct dray_segment){ c->regions[to].key, 0, offset + shift, length };
        c->input.src.count = c->input.dst.count = i + 1;
        for (uint64_t j = 0; j < length; j++) {
            c->is_src[from][offset + j] = true;
            c->is_dst[to][offset + shift + j] = true;
        }
        offset += length + gap;
    }
}

/* Source and destination by turns in one region: the gaps of one are the bytes of the other. */
static void draw_interleaved(struct plan_case *c)
{
    size_t region = 1 + below(c, CASE_REGIONS - 1), count = 1 + below(c, 8);
    uint64_t half = 16 + 16 * below(c, 3), length = 1 + below(c, half);
    if (c->regions[region].kind == DRAY_REGION_STREAM)
        return;
    for (size_t i = 0; i < count; i++) {
        dray_key key = c->regions[region].key;
        c->src[i] = (struct dray_segment){ key, 0, 2 * i * half, length };
        c->dst[i] = (struct dray_segment){ key, 0, (2 * i + 1) * half, length };
        for (uint64_t j = 0; j < length; j++) {
            c->is_src[region][2 * i * half + j] = true;
            c->is_dst[region][(2 * i + 1) * half + j] = true;
        }
    }
    c->input.src.count = c->input.dst.count = count;
}

/* Two segments change places, in both lists alike, or in the destination's only. */
static void shuffle(struct plan_case *c)
{
    size_t dst = c->input.dst.count, src = c->input.src.count, swaps = below(c, 4);
    for (size_t i = 0; i < swaps && dst > 1; i++) {
        size_t a = below(c, dst), b = below(c, dst);
        bool alike = dst == src && one_in(c, 2);
        struct dray_segment kept = c->dst[a];
        c->dst[a] = c->dst[b];
        c->dst[b] = kept;
        kept = c->src[a];
        if (alike) {
            c->src[a] = c->src[b];
            c->src[b] = kept;
        }
    }
}

/* Cuts a list to `total` bytes, and takes the marks off. */
static void cut(struct plan_case *c, struct dray_segment *list, size_t count, uint64_t total)
{
    for (size_t i = 0; i < count; i++) {
        size_t region = region_of(c, list[i].key);
        uint64_t keep = list[i].length < total ? list[i].length : total;
        for (uint64_t j = keep; j < list[i].length; j++)
            c->is_src[region][list[i].offset + j] = false;
        list[i].length = keep;
        total -= keep;
    }
}

static void draw_lists(struct plan_case *c)
{
    c->input.src.segments = c->src;
    c->input.dst.segments = c->dst;
    uint64_t form = below(c, 9);
    if (form < 4) {
        if (form == 0)
            draw_interleaved(c);
        else
            draw_alike(c);
        if (one_in(c, 3))
            shuffle(c);
        return;
    }
    size_t src_count, dst_count;
    uint64_t total = draw_list(c, c->src, &src_count, CASE_CELLS, false);
    uint64_t got = draw_list(c, c->dst, &dst_count, total, true);
    cut(c, c->src, src_count, got);
    c->input.src.count = src_count;
    c->input.dst.count = dst_count;
    if (one_in(c, 3))
        shuffle(c);
}

static void ends_of(const bool *named, uint64_t *first, uint64_t *last)
{
    *first = CASE_CELLS;
    *last = 0;
    for (uint64_t i = 0; i < CASE_CELLS; i++) {
        if (named[i] && *first == CASE_CELLS)
            *first = i;
        if (named[i])
            *last = i;
    }
}

static void make_world(struct plan_case *c)
{
    for (uint32_t i = 0; i < CASE_REGIONS; i++) {
        ends_of(c->is_dst[i], &c->dst_first[i], &c->dst_last[i]);
        ends_of(c->is_src[i], &c->src_first[i], &c->src_last[i]);
    }
    for (uint32_t i = 0; i < CASE_REGIONS; i++)
        for (uint32_t j = 0; j < 2 * CASE_CELLS; j++)
            c->before.cell[i][j] = (i + 1) << 16 | j;
}

void plan_case_make(struct plan_case *c)
{
    struct plan_draw from = c->draw;
    memset(c, 0, sizeof(*c));
    c->draw = from;
    draw_limits(c);
    draw_costs(c);
    draw_regions(c);
    draw_bounce(c);
    draw_lists(c);
    make_world(c);
    c->input.cpu_allowed = one_in(c, 2);
    c->input.regions = c->regions;
    c->input.region_count = CASE_REGIONS;
    c->output = (struct dray_plan_output){
        .steps = c->steps, .steps_max = CASE_STEPS, .notes = c->notes, .notes_max = CASE_NOTES
    };
    memset(&c->steps[CASE_STEPS], 0xa5, sizeof(c->steps[0]));
    c->result = dray_plan(&c->input, &c->output);
}

/* ---- the reference: cell by cell ---- */

static uint32_t take(struct plan_case *c, struct plan_world *world, size_t region, uint64_t offset)
{
    if (c->regions[region].kind == DRAY_REGION_STREAM)
        offset = world->read[region]++;
    return world->cell[region][offset % (2 * CASE_CELLS)];
}

/* A stream remembers what was written as cells from the middle on; reading starts at the beginning.
 */
static void give(struct plan_case *c, struct plan_world *world, size_t region, uint64_t offset,
                 uint32_t cell)
{
    if (c->regions[region].kind == DRAY_REGION_STREAM)
        offset = CASE_CELLS + world->written[region]++;
    world->cell[region][offset % (2 * CASE_CELLS)] = cell;
}

static void reference(struct plan_case *c, struct plan_world *world)
{
    size_t s = 0, d = 0;
    uint64_t at_s = 0, at_d = 0;
    for (;;) {
        for (; s < c->input.src.count && at_s == c->src[s].length; s++)
            at_s = 0;
        for (; d < c->input.dst.count && at_d == c->dst[d].length; d++)
            at_d = 0;
        if (s == c->input.src.count || d == c->input.dst.count)
            return;
        uint32_t cell = take(c, world, region_of(c, c->src[s].key), c->src[s].offset + at_s++);
        give(c, world, region_of(c, c->dst[d].key), c->dst[d].offset + at_d++, cell);
    }
}

/* ---- the interpreter ---- */

static bool fail(struct plan_case *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(c->message, sizeof(c->message), format, list);
    va_end(list);
    return false;
}

static void load(struct plan_case *c, const struct dray_desc *desc, uint32_t *cells)
{
    for (uint64_t i = 0; i < desc->length; i++)
        cells[i] = take(c, &c->actual, region_of(c, desc->src_key), desc->src_offset + i);
}

static void store(struct plan_case *c, const struct dray_desc *desc, const uint32_t *cells)
{
    for (uint64_t i = 0; i < desc->length; i++)
        give(c, &c->actual, region_of(c, desc->dst_key), desc->dst_offset + i, cells[i]);
}

static bool has_stream(const struct plan_case *c, const struct dray_desc *desc)
{
    return c->regions[region_of(c, desc->src_key)].kind == DRAY_REGION_STREAM ||
           c->regions[region_of(c, desc->dst_key)].kind == DRAY_REGION_STREAM;
}

static uint32_t cells[CASE_STEPS * 4];

static void run_each(struct plan_case *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        load(c, &c->steps[i].desc, cells);
        store(c, &c->steps[i].desc, cells);
    }
}

/* Transactions from the last to the first; the descriptors of one too, unless a stream gives
 * them an order. */
static void run_backwards(struct plan_case *c, size_t from, size_t to)
{
    while (to > from) {
        size_t first = to - 1;
        bool stream = has_stream(c, &c->steps[first].desc);
        for (; first > from && (c->steps[first - 1].desc.flags & DRAY_FLAG_CHAIN); first--)
            stream |= has_stream(c, &c->steps[first - 1].desc);
        if (stream)
            run_each(c, first, to);
        else
            for (size_t i = to; i-- > first;)
                run_each(c, i, i + 1);
        to = first;
    }
}

static bool run_reads_first(struct plan_case *c, size_t from, size_t to)
{
    uint64_t all = 0, used = 0;
    for (size_t i = from; i < to; i++)
        all += c->steps[i].desc.length;
    if (all > sizeof(cells) / sizeof(cells[0]))
        return false;
    for (size_t i = from; i < to; used += c->steps[i++].desc.length)
        load(c, &c->steps[i].desc, cells + used);
    used = 0;
    for (size_t i = from; i < to; used += c->steps[i++].desc.length)
        store(c, &c->steps[i].desc, cells + used);
    return true;
}

/* Steps that have no order among them: in order, backwards, or all reads before all writes. */
static void run_unordered(struct plan_case *c, size_t from, size_t to, uint64_t order)
{
    if (order == 1)
        run_backwards(c, from, to);
    else if (order == 0 || !run_reads_first(c, from, to))
        run_each(c, from, to);
}

static void run_steps(struct plan_case *c, uint64_t order)
{
    size_t begin = 0;
    memcpy(&c->actual, &c->before, sizeof(c->before));
    for (size_t i = 1; i <= c->output.step_count; i++) {
        bool ordered = i == c->output.step_count || c->steps[i].by != c->steps[begin].by ||
                       c->steps[i].by == DRAY_BY_CPU || (c->steps[i].desc.flags & DRAY_FLAG_FENCE);
        if (ordered) {
            run_unordered(c, begin, i, order);
            begin = i;
        }
    }
}

/* ---- what must hold ---- */

/* Whether a cell may be touched though the list does not name it: it lies between two that are
 * (gap), or in the aligned block of one (edge). */
static bool is_between(uint64_t first, uint64_t last, uint64_t at)
{
    return first < at && at < last;
}

static uint32_t stricter(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static bool is_beside(const struct plan_case *c, size_t region, const bool *named, uint64_t at)
{
    uint64_t align = stricter(c->input.limits.alignment, c->regions[region].alignment),
             base = c->regions[region].base;
    uint64_t block = (base + at) / align;
    for (uint64_t i = at > align ? at - align : 0; i < CASE_CELLS && i <= at + align; i++)
        if (named[i] && (base + i) / align == block)
            return true;
    return false;
}

static bool may_read(const struct plan_case *c, size_t region, uint64_t at)
{
    const struct dray_plan_region *r = &c->regions[region];
    const bool *src = c->is_src[region], *dst = c->is_dst[region];
    if (region == 0 || r->kind == DRAY_REGION_STREAM || src[at])
        return true;
    if (r->gap_readable && (is_between(c->src_first[region], c->src_last[region], at) ||
                            is_beside(c, region, src, at)))
        return true;
    return r->rewritable && is_beside(c, region, dst, at);
}

static bool may_write(const struct plan_case *c, size_t region, uint64_t at)
{
    const struct dray_plan_region *r = &c->regions[region];
    const bool *dst = c->is_dst[region];
    if (region == 0 || r->kind == DRAY_REGION_STREAM || dst[at])
        return true;
    return (r->gap_writable && is_between(c->dst_first[region], c->dst_last[region], at)) ||
           (r->rewritable && is_beside(c, region, dst, at));
}

static bool check_rights(struct plan_case *c, size_t i)
{
    const struct dray_desc *desc = &c->steps[i].desc;
    size_t src = region_of(c, desc->src_key), dst = region_of(c, desc->dst_key);
    if (src == SIZE_MAX || dst == SIZE_MAX)
        return fail(c, "step %zu: a key that nobody named", i);
    uint64_t src_end = c->regions[src].length, dst_end = c->regions[dst].length;
    if (src == 0)
        src_end = c->input.bounce_length;
    if (dst == 0)
        dst_end = c->input.bounce_length;
    if ((c->regions[src].kind != DRAY_REGION_STREAM && desc->src_offset + desc->length > src_end) ||
        (c->regions[dst].kind != DRAY_REGION_STREAM && desc->dst_offset + desc->length > dst_end))
        return fail(c, "step %zu: past the end of a region", i);
    if (c->steps[i].by == DRAY_BY_CPU && !c->input.cpu_allowed && src && dst)
        return fail(c, "step %zu: the CPU was not allowed", i);
    for (uint64_t j = 0; j < desc->length; j++) {
        if (!may_read(c, src, desc->src_offset + j))
            return fail(c, "step %zu reads cell %" PRIu64, i, desc->src_offset + j);
        if (!may_write(c, dst, desc->dst_offset + j))
            return fail(c, "step %zu writes cell %" PRIu64, i, desc->dst_offset + j);
    }
    return true;
}

/* What both sides of a step, or of a piece, ask for. */
static uint32_t align_of(const struct plan_case *c, dray_key dst, dray_key src)
{
    return stricter(c->input.limits.alignment, stricter(c->regions[region_of(c, dst)].alignment,
                                                        c->regions[region_of(c, src)].alignment));
}

/* That of all regions that the lists name. */
static uint32_t align_of_all(const struct plan_case *c)
{
    uint32_t align = c->input.limits.alignment;
    for (size_t i = 0; i < c->input.dst.count; i++)
        align = stricter(align, align_of(c, c->dst[i].key, c->dst[i].key));
    for (size_t i = 0; i < c->input.src.count; i++)
        align = stricter(align, align_of(c, c->src[i].key, c->src[i].key));
    return align;
}

/* The last part of a file may be less than a block; a stream has no blocks. */
static bool check_length(struct plan_case *c, size_t i)
{
    const struct dray_desc *desc = &c->steps[i].desc;
    const struct dray_plan_region *dst = &c->regions[region_of(c, desc->dst_key)];
    const struct dray_plan_region *src = &c->regions[region_of(c, desc->src_key)];
    uint32_t align = align_of(c, desc->dst_key, desc->src_key);
    bool ends = (dst->alignment > 1 && desc->dst_offset + desc->length == dst->length) ||
                (src->alignment > 1 && desc->src_offset + desc->length == src->length);
    if (desc->length > c->input.limits.segment_max || desc->length % c->input.limits.alignment ||
        (desc->length % align && !ends))
        return fail(c, "step %zu: %" PRIu64 " bytes", i, desc->length);
    if ((dst->alignment > 1 && src->kind == DRAY_REGION_STREAM) ||
        (src->alignment > 1 && dst->kind == DRAY_REGION_STREAM))
        return fail(c, "step %zu: blocks of a stream", i);
    return true;
}

static bool check_side(struct plan_case *c, size_t i, dray_key key, uint64_t offset,
                       uint64_t length)
{
    uint32_t align = align_of(c, c->steps[i].desc.dst_key, c->steps[i].desc.src_key);
    const struct dray_limits *limits = &c->input.limits;
    const struct dray_plan_region *region = &c->regions[region_of(c, key)];
    uint64_t address = region->base + offset;
    if (region->kind == DRAY_REGION_STREAM)
        return offset == 0 || fail(c, "step %zu: a stream has no offset", i);
    if (address % align)
        return fail(c, "step %zu: address not aligned", i);
    if (limits->boundary && address / limits->boundary != (address + length - 1) / limits->boundary)
        return fail(c, "step %zu: crosses a boundary", i);
    if (region->kind == DRAY_REGION_MEMORY && limits->address_bits < 64 &&
        (address + length - 1) >> limits->address_bits)
        return fail(c, "step %zu: address too wide", i);
    return true;
}

static bool is_memory(const struct plan_case *c, dray_key key)
{
    return c->regions[region_of(c, key)].kind == DRAY_REGION_MEMORY;
}

static bool check_step(struct plan_case *c, size_t i)
{
    const struct dray_plan_step *step = &c->steps[i];
    const struct dray_desc *desc = &step->desc;
    struct dray_desc want;
    if (!check_rights(c, i))
        return false;
    dray_prep_copy(&want, desc->dst_key, desc->dst_offset, desc->src_key, desc->src_offset,
                   desc->length);
    want.flags = desc->flags & (DRAY_FLAG_CHAIN | DRAY_FLAG_FENCE);
    if (memcmp(&want, desc, sizeof(want)) || !desc->length)
        return fail(c, "step %zu is no plain COPY", i);
    if (step->by == DRAY_BY_CPU)
        return (!desc->flags && is_memory(c, desc->src_key) && is_memory(c, desc->dst_key)) ||
               fail(c, "step %zu is not for the CPU", i);
    return check_length(c, i) && check_side(c, i, desc->src_key, desc->src_offset, desc->length) &&
           check_side(c, i, desc->dst_key, desc->dst_offset, desc->length);
}

static double desc_cost(const struct plan_case *c, bool first, bool file, uint64_t length)
{
    const struct dray_profile *p = &c->input.profile;
    double cost = first ? p->setup_ns : p->descriptor_ns;
    if (file && p->file_bandwidth > 0)
        return cost + p->file_setup_ns + (double)length * 1e9 / p->file_bandwidth;
    return cost + (double)length * 1e9 / p->bandwidth;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b)) + 1e-9;
}

/* Chains and costs, counted anew from the steps. */
static bool check_sums(struct plan_case *c)
{
    size_t chain = 0, transactions = 0;
    uint64_t cpu = 0, engine = 0;
    double cost = 0;
    for (size_t i = 0; i < c->output.step_count; i++) {
        const struct dray_desc *desc = &c->steps[i].desc;
        if (c->steps[i].by == DRAY_BY_CPU) {
            if (chain)
                return fail(c, "step %zu: in a chain of the engine", i);
            cpu += desc->length;
            cost += (double)desc->length * 1e9 / c->input.profile.cpu_bandwidth;
            continue;
        }
        bool file = !is_memory(c, desc->src_key) || !is_memory(c, desc->dst_key);
        engine += desc->length;
        transactions += !chain;
        cost += desc_cost(c, !chain, file, desc->length);
        if (++chain > c->input.limits.segments_max)
            return fail(c, "step %zu: a chain of %zu", i, chain);
        if (!(desc->flags & DRAY_FLAG_CHAIN))
            chain = 0;
    }
    const struct dray_plan_output *out = &c->output;
    if (chain || transactions != out->transactions)
        return fail(c, "%zu transactions, said %zu", transactions, out->transactions);
    if (!is_near(cost, out->cost_ns))
        return fail(c, "costs %f, said %f", cost, out->cost_ns);
    if (out->cpu_bytes > cpu || out->cpu_bytes + out->gap_bytes < cpu ||
        out->bytes + out->gap_bytes > cpu + engine)
        return fail(c, "%" PRIu64 " bytes by CPU, said %" PRIu64, cpu, out->cpu_bytes);
    return true;
}

/* One descriptor for each piece of the zip, cut at the limits: its cost, or infinity. */
static double pieces_cost(struct plan_case *c)
{
    const struct dray_limits *l = &c->input.limits;
    struct dray_sg_cursor dst = { .list = &c->input.dst }, src = { .list = &c->input.src };
    struct dray_segment d, s;
    double cost = 0;
    size_t chain = 0;
    uint64_t max = l->segment_max - l->segment_max % align_of_all(c);
    while (dray_sg_zip(&dst, &src, UINT64_MAX, &d, &s)) {
        const struct dray_plan_region *rd = &c->regions[region_of(c, d.key)];
        const struct dray_plan_region *rs = &c->regions[region_of(c, s.key)];
        bool file = rd->kind != DRAY_REGION_MEMORY || rs->kind != DRAY_REGION_MEMORY;
        const struct dray_plan_region *both[] = { rd, rs };
        const uint64_t offsets[] = { d.offset, s.offset };
        uint64_t length = d.length, done = 0;
        for (int i = 0; i < 2; i++) {
            uint64_t at = both[i]->kind == DRAY_REGION_STREAM ? 0 : both[i]->base + offsets[i];
            uint32_t align = align_of(c, d.key, s.key);
            if (at % align || length % align ||
                (both[i]->alignment > 1 && both[1 - i]->kind == DRAY_REGION_STREAM))
                return (double)INFINITY;
            if (both[i]->kind == DRAY_REGION_MEMORY && l->address_bits < 64 &&
                (at + length - 1) >> l->address_bits)
                return (double)INFINITY;
        }
        while (done < length) {
            uint64_t part = length - done < max ? length - done : max;
            for (int i = 0; i < 2 && l->boundary; i++) {
                uint64_t room = l->boundary - (both[i]->base + offsets[i] + done) % l->boundary;
                if (both[i]->kind != DRAY_REGION_STREAM && part > room)
                    part = room;
            }
            cost += desc_cost(c, chain == 0, file, part);
            chain = (chain + 1) % l->segments_max;
            done += part;
        }
    }
    return cost;
}

static bool check_guarantees(struct plan_case *c)
{
    const struct dray_plan_output *out = &c->output;
    double pieces = pieces_cost(c);
    if (isinf(pieces) ? !isinf(out->cost_pieces_ns) : !is_near(pieces, out->cost_pieces_ns))
        return fail(c, "pieces cost %f, said %f", pieces, out->cost_pieces_ns);
    if (out->cost_ns > out->cost_pieces_ns || out->cost_ns > out->cost_bounce_ns)
        return fail(c, "costs %f, pieces %f, bounce %f", out->cost_ns, out->cost_pieces_ns,
                    out->cost_bounce_ns);
    return true;
}

static bool check_bytes(struct plan_case *c, uint64_t order)
{
    memcpy(&c->expected, &c->before, sizeof(c->before));
    reference(c, &c->expected);
    run_steps(c, order);
    for (size_t i = 1; i < CASE_REGIONS; i++)
        for (uint64_t j = 0; j < 2 * CASE_CELLS; j++) {
            bool gap = j < CASE_CELLS && c->regions[i].gap_writable && !c->is_dst[i][j] &&
                       c->regions[i].kind != DRAY_REGION_STREAM &&
                       is_between(c->dst_first[i], c->dst_last[i], j) && !c->is_src[i][j];
            if (!gap && c->actual.cell[i][j] != c->expected.cell[i][j])
                return fail(c,
                            "region %zu cell %" PRIu64 " is %x, should be %x (order %" PRIu64 ")",
                            i, j, c->actual.cell[i][j], c->expected.cell[i][j], order);
        }
    return true;
}

/* The same input again, with one step too little room. */
static bool check_again(struct plan_case *c)
{
    static struct dray_plan_step steps[CASE_STEPS];
    struct dray_plan_output again = { .steps = steps, .steps_max = CASE_STEPS };
    size_t count = c->output.step_count;
    if (dray_plan(&c->input, &again) || again.step_count != count)
        return fail(c, "another answer the second time");
    for (size_t i = 0; i < count; i++)
        if (memcmp(&steps[i].desc, &c->steps[i].desc, sizeof(steps[i].desc)) ||
            steps[i].by != c->steps[i].by)
            return fail(c, "another step %zu the second time", i);
    if (!count)
        return true;
    memset(&steps[count - 1], 0xa5, sizeof(steps[0]));
    struct dray_plan_step guard = steps[count - 1];
    again.steps_max = count - 1;
    if (dray_plan(&c->input, &again) != -ENOSPC || again.step_count != count ||
        memcmp(&guard, &steps[count - 1], sizeof(guard)))
        return fail(c, "too little room: %zu steps of %zu", again.step_count, count);
    return true;
}

/* With all the bounce memory in the world below the limit: 0, or -EINVAL because no way is allowed.
 */
static int with_room(struct plan_case *c)
{
    static struct dray_plan_step steps[CASE_STEPS];
    struct dray_plan_input input = c->input;
    struct dray_plan_output out = { .steps = steps, .steps_max = CASE_STEPS };
    input.bounce = (dray_key){ 77 };
    input.bounce_base = 0;
    input.bounce_length = 1 << 14;
    return dray_plan(&input, &out);
}

/* Whole aligned blocks of bounce memory that the engine's addresses reach. */
static uint64_t bounce_blocks(const struct plan_case *c)
{
    const struct dray_limits *limits = &c->input.limits;
    uint64_t begin = c->input.bounce_base, end = begin + c->input.bounce_length;
    if (limits->address_bits < 64 && end > (uint64_t)1 << limits->address_bits)
        end = (uint64_t)1 << limits->address_bits;
    uint64_t align = align_of_all(c), first = (begin + align - 1) / align, last = end / align;
    return c->input.bounce.value && last > first ? last - first : 0;
}

static bool check_refusal(struct plan_case *c)
{
    int with = with_room(c);
    if (c->result == -ENOMEM && bounce_blocks(c) >= 4)
        return fail(c, "four blocks of bounce memory were not enough");
    if (c->result == -ENOMEM)
        return with == 0 || fail(c, "no memory, and with memory %d", with);
    if (c->result != -EINVAL || with != -EINVAL)
        return fail(c, "refused with %d, with bounce memory %d", c->result, with);
    return (align_of_all(c) > 1 || c->input.limits.address_bits < 64) ||
           fail(c, "refused for no reason");
}

bool plan_case_check(struct plan_case *c)
{
    uint8_t guard[sizeof(c->steps[0])];
    memset(guard, 0xa5, sizeof(guard));
    if (memcmp(&c->steps[CASE_STEPS], guard, sizeof(guard)))
        return fail(c, "wrote past the steps");
    if (c->result)
        return check_refusal(c);
    for (size_t i = 0; i < c->output.step_count; i++)
        if (!check_step(c, i))
            return false;
    return check_sums(c) && check_guarantees(c) && check_bytes(c, 0) && check_bytes(c, 1) &&
           check_bytes(c, 2) && check_again(c);
}
