/* Lists of segments: their length, one walked alone, two walked in step. */
#include <errno.h>

#include "dray/sg.h"

int dray_sg_length(const struct dray_sg *list, uint64_t *total)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < list->count; i++)
        if (__builtin_add_overflow(sum, list->segments[i].length, &sum))
            return -EOVERFLOW;
    *total = sum;
    return 0;
}

/* Moves past what is used up and what is empty; the bytes left in the current segment, 0 at the
 * end. */
static uint64_t settle(struct dray_sg_cursor *cursor)
{
    const struct dray_sg *list = cursor->list;
    while (cursor->index < list->count) {
        uint64_t length = list->segments[cursor->index].length;
        if (cursor->offset < length)
            return length - cursor->offset;
        cursor->index++;
        cursor->offset = 0;
    }
    return 0;
}

static void take(struct dray_sg_cursor *cursor, uint64_t length, struct dray_segment *run)
{
    *run = cursor->list->segments[cursor->index];
    run->offset += cursor->offset;
    run->length = length;
    cursor->offset += length;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool dray_sg_next(struct dray_sg_cursor *cursor, uint64_t max, struct dray_segment *run)
{
    uint64_t length = least(settle(cursor), max);
    if (!length)
        return false;
    take(cursor, length, run);
    return true;
}

bool dray_sg_zip(struct dray_sg_cursor *dst, struct dray_sg_cursor *src, uint64_t max,
                 struct dray_segment *dst_run, struct dray_segment *src_run)
{
    uint64_t length = least(least(settle(dst), settle(src)), max);
    if (!length)
        return false;
    take(dst, length, dst_run);
    take(src, length, src_run);
    return true;
}
