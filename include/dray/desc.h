/*
 * Descriptors: filling them, checking them, and their text form.
 *
 * The layout comes from src/desc/format.toml through dray/format.h; docs/format.md is the same as a
 * table. A dray_prep_* function writes all 64 bytes, so that no bit of an earlier use survives in a
 * ring slot; set flags and user_data after it.
 */
#ifndef DRAY_DESC_H
#define DRAY_DESC_H

#include "dray/api.h"
#include "dray/format.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits that every engine of this version keeps. */
enum {
    DRAY_CHAIN_MAX = 65536,      /* descriptors in one transaction */
    DRAY_LINK_MAX = 64,          /* LINKs followed before the ring goes on */
    DRAY_LINK_COUNT_MAX = 65536, /* descriptors in the array of one LINK */
    DRAY_LOOPS_MAX = 4,          /* loops of a shape */
};
#define DRAY_LENGTH_MAX  ((uint64_t)1 << 62) /* bytes of one descriptor */
#define DRAY_ELEMENT_MAX ((uint32_t)1 << 30) /* bytes of one element of a shape */

static inline void dray_prep(struct dray_desc *d, enum dray_opcode opcode)
{
    __builtin_memset(d, 0, sizeof(*d));
    d->opcode = (uint8_t)opcode;
    d->version = DRAY_FORMAT_VERSION;
}

static inline void dray_prep_nop(struct dray_desc *d)
{
    dray_prep(d, DRAY_OP_NOP);
}

static inline void dray_prep_copy(struct dray_desc *d, dray_key dst, uint64_t dst_offset,
                                  dray_key src, uint64_t src_offset, uint64_t length)
{
    dray_prep(d, DRAY_OP_COPY);
    d->src_key = src;
    d->dst_key = dst;
    d->src_offset = src_offset;
    d->dst_offset = dst_offset;
    d->length = length;
}

/* The shape lies in the ring's slot (shape_key zero; see dray_queue_shape) or in a region. */
static inline void dray_prep_strided(struct dray_desc *d, dray_key dst, uint64_t dst_offset,
                                     dray_key src, uint64_t src_offset, uint64_t length,
                                     dray_key shape_key, uint64_t shape_offset)
{
    dray_prep_copy(d, dst, dst_offset, src, src_offset, length);
    d->opcode = DRAY_OP_STRIDED;
    d->arg.strided.shape_key = shape_key;
    d->arg.strided.shape_offset = shape_offset;
}

/* `pattern`: pattern_size bytes, 1, 2, 4, 8 or 16. */
static inline void dray_prep_fill(struct dray_desc *d, dray_key dst, uint64_t dst_offset,
                                  uint64_t length, const void *pattern, uint32_t pattern_size)
{
    dray_prep(d, DRAY_OP_FILL);
    d->dst_key = dst;
    d->dst_offset = dst_offset;
    d->length = length;
    d->count = pattern_size;
    if (pattern_size <= sizeof(d->arg.byte))
        __builtin_memcpy(d->arg.byte, pattern, pattern_size);
}

static inline void dray_prep_compare(struct dray_desc *d, dray_key a, uint64_t a_offset, dray_key b,
                                     uint64_t b_offset, uint64_t length)
{
    dray_prep_copy(d, b, b_offset, a, a_offset, length);
    d->opcode = DRAY_OP_COMPARE;
}

static inline void dray_prep_crc32c(struct dray_desc *d, dray_key src, uint64_t src_offset,
                                    uint64_t length, uint32_t seed)
{
    dray_prep(d, DRAY_OP_CRC32C);
    d->src_key = src;
    d->src_offset = src_offset;
    d->length = length;
    d->arg.crc32c.seed = seed;
}

static inline void dray_prep_fence(struct dray_desc *d)
{
    dray_prep(d, DRAY_OP_FENCE);
}

static inline void dray_prep_signal(struct dray_desc *d, dray_key flag, uint64_t offset,
                                    uint64_t value, bool add)
{
    dray_prep(d, DRAY_OP_SIGNAL);
    d->dst_key = flag;
    d->dst_offset = offset;
    d->count = add ? 1 : 0;
    d->arg.signal.value = value;
}

/* timeout_ns 0: wait for ever. */
static inline void dray_prep_wait(struct dray_desc *d, dray_key flag, uint64_t offset,
                                  enum dray_wait condition, uint64_t value, uint64_t timeout_ns)
{
    dray_prep(d, DRAY_OP_WAIT);
    d->src_key = flag;
    d->src_offset = offset;
    d->count = (uint32_t)condition;
    d->arg.wait.value = value;
    d->arg.wait.timeout_ns = timeout_ns;
}

static inline void dray_prep_link(struct dray_desc *d, dray_key array, uint64_t offset,
                                  uint32_t count)
{
    dray_prep(d, DRAY_OP_LINK);
    d->src_key = array;
    d->src_offset = offset;
    d->count = count;
}

/* What can be said of a descriptor without looking at regions: version, opcode, bits that must be
 * zero, counts, lengths, alignment of flags. Returns DRAY_STATUS_OK or the status it would complete
 * with; where several things are wrong, the first in the order of that list. Any thread. */
DRAY_API enum dray_status dray_desc_check(const struct dray_desc *d);

/* The same for a shape; `length` is the descriptor's: LENGTH when it is not element times all
 * extents. */
DRAY_API enum dray_status dray_shape_check(const struct dray_shape *shape, uint64_t length);

/* Text form, one line, no newline: "copy src_key=0x100001 dst_key=0x200002 length=4096
 * flags=chain,crc". Fields that are zero are left out. What that form cannot say (another version,
 * an unknown opcode, bits that the opcode gives no meaning to) is written as the 64 bytes: "raw
 * 0e01...". Nothing is lost either way: dray_desc_parse gives the same bytes again. Writes at most
 * size bytes, always terminated (when size > 0), and stores in *needed the bytes a whole line takes
 * with its terminator (needed may be NULL; DRAY_TEXT_MAX is always enough). Returns 0, or -ENOSPC
 * when it was cut. Any thread. */
#define DRAY_TEXT_MAX 320
DRAY_API int dray_desc_print(const struct dray_desc *d, char *text, size_t size, size_t *needed);

/* Where a text form went wrong. */
struct dray_text_error {
    unsigned line;      /* from 1 */
    unsigned column;    /* from 1 */
    char found[64];     /* what stood there */
    char expected[160]; /* what could have stood there */
};

/* The inverse of dray_desc_print. Fields in any order, each at most once; numbers in base 10 or,
 * after 0x, 16; blanks around. Whether the descriptor makes sense is dray_desc_check's business.
 * Returns 0; -EINVAL and *error (may be NULL) when the line is not one, and then *d is not touched.
 * Any thread. */
DRAY_API int dray_desc_parse(const char *line, struct dray_desc *d, struct dray_text_error *error);

/* Names as in the text form; "?" for numbers that have none. Static storage. */
DRAY_API const char *dray_opcode_name(unsigned opcode);
DRAY_API const char *dray_status_name(unsigned status);
/* A sentence. */
DRAY_API const char *dray_status_text(unsigned status);
DRAY_API const char *dray_access_name(unsigned access);

#ifdef __cplusplus
}
#endif

#endif
