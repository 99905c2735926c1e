/* Scattered memory seen as one range. One block holds the list, its index by offset and that by
 * address. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/internal.h"

const struct dray_pieces *dray_region_pieces(const struct dray_region *region)
{
    return &region->memory.pieces;
}

const struct dray_region_fd *dray_region_fd(const struct dray_region *region)
{
    return &region->fd;
}

void dray_region_free(struct dray_region *region)
{
    free(region);
}

/* Checks each piece by itself, and sums them up. */
static int pieces_measure(const struct iovec *pieces, size_t count, uint64_t *bytes, char *why,
                          size_t why_size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t base = (uintptr_t)pieces[i].iov_base;
        size_t size = pieces[i].iov_len;
        const char *wrong = size == 0                ? "has no length"
                            : base == 0              ? "has no address"
                            : base + size - 1 < base ? "wraps round the end of memory"
                            : size > INT64_MAX - sum ? "makes the whole longer than INT64_MAX"
                                                     : NULL;
        if (wrong) {
            snprintf(why, why_size, "map pieces: piece %zu (%#" PRIxPTR ", %zu bytes) %s", i, base,
                     size, wrong);
            return -EINVAL;
        }
        sum += size;
    }
    *bytes = sum;
    return 0;
}

static int by_address(const void *a, const void *b, void *pieces)
{
    uintptr_t x = (uintptr_t)((const struct iovec *)pieces)[*(const uint32_t *)a].iov_base;
    uintptr_t y = (uintptr_t)((const struct iovec *)pieces)[*(const uint32_t *)b].iov_base;
    return (x > y) - (x < y);
}

static void index_by_address(struct iovec *piece, size_t count, uint32_t *order, uintptr_t *end_max)
{
    bool sorted = true; /* the common case: sort nothing, ask for no memory */
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
        sorted &= i == 0 || piece[i - 1].iov_base <= piece[i].iov_base;
    }
    if (!sorted)
        qsort_r(order, count, sizeof(*order), by_address, piece);
    uintptr_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        const struct iovec *p = &piece[order[i]];
        uintptr_t last = (uintptr_t)p->iov_base + p->iov_len - 1;
        highest = last > highest ? last : highest;
        end_max[i] = highest;
    }
}

static int pieces_disjoint(const struct dray_region *region, char *why, size_t why_size)
{
    const struct iovec *piece = region->memory.pieces.piece;
    const uint32_t *order = region->memory.order;
    for (size_t i = 1; i < region->memory.pieces.count; i++) {
        if ((uintptr_t)piece[order[i]].iov_base > region->memory.end_max[i - 1])
            continue;
        snprintf(why, why_size,
                 "map pieces: pieces %" PRIu32 " and %" PRIu32 " of a writable region overlap",
                 order[i - 1], order[i]);
        return -EINVAL;
    }
    return 0;
}

int dray_region_from_pieces(struct dray_region **region, const struct iovec *pieces, size_t count,
                            bool writable, uint64_t *bytes, char *why, size_t why_size)
{
    int error = pieces_measure(pieces, count, bytes, why, why_size);
    if (error)
        return error;
    size_t each = sizeof(struct iovec) + sizeof(uint64_t) + sizeof(uintptr_t) + sizeof(uint32_t);
    struct dray_region *r = malloc(sizeof(*r) + count * each + sizeof(uint64_t));
    if (!r) {
        snprintf(why, why_size, "map pieces: no memory for a list of %zu", count);
        return -ENOMEM;
    }
    struct iovec *piece = (struct iovec *)(r + 1);
    uint64_t *start = (uint64_t *)(piece + count);
    uintptr_t *end_max = (uintptr_t *)(start + count + 1);
    uint32_t *order = (uint32_t *)(end_max + count);
    memcpy(piece, pieces, count * sizeof(*piece));
    start[0] = 0;
    for (size_t i = 0; i < count; i++)
        start[i + 1] = start[i] + piece[i].iov_len;
    index_by_address(piece, count, order, end_max);
    r->kind = DRAY_REGION_PIECES;
    r->memory.pieces = (struct dray_pieces){ .count = count, .piece = piece, .start = start };
    r->memory.order = order;
    r->memory.end_max = end_max;
    error = writable ? pieces_disjoint(r, why, why_size) : 0;
    if (error)
        free(r);
    else
        *region = r;
    return error;
}

size_t dray_pieces_find(const struct dray_pieces *pieces, uint64_t offset)
{
    /* start[low] <= offset < start[low + size] */
    size_t low = 0, size = pieces->count;
    while (size > 1) {
        size_t half = size / 2;
        low = pieces->start[low + half] <= offset ? low + half : low;
        size -= half;
    }
    return low;
}

/* A question about overlap: bytes [offset, end) of the region against memory [from, to). */
struct overlap {
    uint64_t offset, end;
    uintptr_t from, to;
};

/* Whether one byte of a piece lies in both. */
static bool piece_meets(const struct dray_pieces *pieces, size_t number, const struct overlap *o)
{
    uintptr_t first = (uintptr_t)pieces->piece[number].iov_base;
    uintptr_t last = first + pieces->piece[number].iov_len;
    uint64_t start = pieces->start[number];
    if (o->to <= first || last <= o->from)
        return false;
    uint64_t low = start + (o->from > first ? o->from - first : 0);
    uint64_t high = start + ((o->to < last ? o->to : last) - first);
    return low < o->end && o->offset < high;
}

/* In the order of addresses, the first piece that reaches past `from`: those before it end before.
 */
static size_t first_behind(const struct dray_region *region, uintptr_t from)
{
    size_t low = 0, high = region->memory.pieces.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (region->memory.end_max[middle] >= from)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Likewise the first piece that begins at or behind `to`. */
static size_t first_beyond(const struct dray_region *region, uintptr_t to)
{
    size_t low = 0, high = region->memory.pieces.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t number = region->memory.order[middle];
        if ((uintptr_t)region->memory.pieces.piece[number].iov_base >= to)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool dray_pieces_overlap(const struct dray_region *region, uint64_t offset, uint64_t length,
                         const void *base, uint64_t size)
{
    const struct dray_pieces *pieces = &region->memory.pieces;
    if (length == 0 || size == 0)
        return false;
    struct overlap o = { offset, offset + length, (uintptr_t)base, (uintptr_t)base + size };
    size_t low = first_behind(region, o.from), high = first_beyond(region, o.to);
    size_t first = dray_pieces_find(pieces, offset);
    size_t last = dray_pieces_find(pieces, o.end - 1);
    /* Look at the pieces of the range, or at those in that memory, whichever are fewer. */
    if (low >= high)
        return false;
    if (last - first < high - low) {
        for (size_t i = first; i <= last; i++)
            if (piece_meets(pieces, i, &o))
                return true;
        return false;
    }
    for (; low < high; low++)
        if (piece_meets(pieces, region->memory.order[low], &o))
            return true;
    return false;
}
