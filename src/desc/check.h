/*
 * The check of a descriptor, for those who make it for each one they fetch.
 *
 * `d` must be a private copy: a hostile producer could change a slot of the ring between two reads.
 */
#ifndef DRAY_DESC_CHECK_H
#define DRAY_DESC_CHECK_H

#include "desc/format_tables.h"
#include "dray/desc.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire format is little-endian, and so are the words of dray_opcode_zero"
#endif

/* The bytes of a pattern past its size are zero like everything else without a meaning. */
static inline bool dray_desc_pattern_spills(const struct dray_desc *d)
{
    if (d->count > 8)
        return false;
    uint64_t low = d->count < 8 ? d->arg.word[0] >> (8 * d->count) : 0;
    return (low | d->arg.word[1]) != 0;
}

static inline enum dray_status dray_desc_check_length(uint64_t length)
{
    /* One comparison for both ends: zero wraps round to the largest. */
    return length - 1 < DRAY_LENGTH_MAX ? DRAY_STATUS_OK : DRAY_STATUS_LENGTH;
}

static inline enum dray_status dray_desc_check_fill(const struct dray_desc *d)
{
    uint32_t size = d->count;
    if (size - 1 >= 16 || (size & (size - 1)))
        return DRAY_STATUS_COUNT;
    if (dray_desc_pattern_spills(d))
        return DRAY_STATUS_RESERVED;
    if (d->length & (size - 1))
        return DRAY_STATUS_LENGTH;
    return dray_desc_check_length(d->length);
}

static inline enum dray_status dray_desc_check_strided(const struct dray_desc *d)
{
    if (d->arg.strided.shape_key.value == 0 && d->arg.strided.shape_offset)
        return DRAY_STATUS_RESERVED;
    if (dray_desc_check_length(d->length))
        return DRAY_STATUS_LENGTH;
    return d->arg.strided.shape_offset & 7 ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
}

static inline enum dray_status dray_desc_check_opcode(const struct dray_desc *d)
{
    switch (d->opcode) {
    case DRAY_OP_COPY:
        if (d->arg.copy.seed && !(d->flags & DRAY_FLAG_CRC))
            return DRAY_STATUS_RESERVED;
        return dray_desc_check_length(d->length);
    case DRAY_OP_COMPARE:
    case DRAY_OP_CRC32C:
        return dray_desc_check_length(d->length);
    case DRAY_OP_STRIDED:
        return dray_desc_check_strided(d);
    case DRAY_OP_FILL:
        return dray_desc_check_fill(d);
    case DRAY_OP_SIGNAL:
        if (d->count > 1)
            return DRAY_STATUS_COUNT;
        return d->dst_offset & 7 ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
    case DRAY_OP_WAIT:
        if (d->count > DRAY_WAIT_GE)
            return DRAY_STATUS_COUNT;
        return d->src_offset & 7 ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
    case DRAY_OP_LINK:
        return d->count - 1 < DRAY_LINK_COUNT_MAX ? DRAY_STATUS_OK : DRAY_STATUS_COUNT;
    default: /* NOP, FENCE */
        return DRAY_STATUS_OK;
    }
}

/* Two words of a descriptor as they lie in memory. */
typedef uint64_t dray_desc_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* True if a bit is set that must be zero. Written out in vectors: from a loop over eight words gcc
 * 12 makes a copy of the descriptor on the stack and reads it again: 18 ns in place of 2. */
static inline bool dray_desc_reserved(const struct dray_desc *d)
{
    const dray_desc_pair *word = (const dray_desc_pair *)d;
    const dray_desc_pair *zero = (const dray_desc_pair *)dray_opcode_zero[d->opcode];
    dray_desc_pair set =
        (word[0] & zero[0]) | (word[1] & zero[1]) | (word[2] & zero[2]) | (word[3] & zero[3]);
    return (set[0] | set[1]) != 0;
}

/* dray_desc_check, inline. */
static inline enum dray_status dray_desc_check_inline(const struct dray_desc *d)
{
    enum {
        RESERVED = 1 << DRAY_OP_DELTA | 1 << DRAY_OP_APPLY | 1 << DRAY_OP_PLACE,
    };
    if (__builtin_expect(d->version != DRAY_FORMAT_VERSION, 0))
        return DRAY_STATUS_VERSION;
    if (__builtin_expect(d->opcode == 0 || d->opcode >= DRAY_OPCODE_COUNT, 0))
        return DRAY_STATUS_OPCODE;
    if (__builtin_expect(RESERVED >> d->opcode & 1, 0))
        return DRAY_STATUS_UNSUPPORTED;
    if (__builtin_expect(dray_desc_reserved(d), 0))
        return DRAY_STATUS_RESERVED;
    return dray_desc_check_opcode(d);
}

/* Which bytes a checked shape touches on the side whose strides are given (shape->src_stride or
 * shape->dst_stride): [*low, *high), relative to the first byte of the element at index zero in
 * every loop; low is not above zero, high is not below the element's size. Returns 0, or -EOVERFLOW
 * when they do not fit (then no region holds them). */
int dray_shape_bounds(const struct dray_shape *shape, const int64_t *strides, int64_t *low,
                      int64_t *high);

#endif
