/* Segments and lists of them: where scattered bytes lie. */
#ifndef DRAY_SG_H
#define DRAY_SG_H

#include "dray/api.h"
#include "dray/format.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Consecutive bytes of one region. */
struct dray_segment {
    dray_key key;
    uint32_t reserved; /* zero */
    uint64_t offset;   /* bytes from the start of the region */
    uint64_t length;   /* bytes */
};

/* A list of segments, read one after the other as if they were contiguous. Owns nothing. */
struct dray_sg {
    const struct dray_segment *segments;
    size_t count;
};

/* A place in a list. Zero-initialise `index` and `offset` to begin at the start. */
struct dray_sg_cursor {
    const struct dray_sg *list;
    size_t index;    /* the current segment */
    uint64_t offset; /* bytes of it already passed */
};

/* Sum of the lengths in *total. Returns 0, or -EOVERFLOW. */
DRAY_API int dray_sg_length(const struct dray_sg *list, uint64_t *total);

/* The next run of at most `max` bytes that lies in one segment; moves the cursor past it. Empty
 * segments are skipped. Returns false at the end of the list, or when max is 0; then *run is not
 * set. */
DRAY_API bool dray_sg_next(struct dray_sg_cursor *cursor, uint64_t max, struct dray_segment *run);

/* The next run that is contiguous in both lists, at most `max` bytes: the step of a zip. Moves both
 * cursors. Returns false when either list is at its end, or max is 0; then the runs are not set. */
DRAY_API bool dray_sg_zip(struct dray_sg_cursor *dst, struct dray_sg_cursor *src, uint64_t max,
                          struct dray_segment *dst_run, struct dray_segment *src_run);

#ifdef __cplusplus
}
#endif

#endif
