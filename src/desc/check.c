#include "desc/check.h"

#include <errno.h>

enum dray_status dray_desc_check(const struct dray_desc *d)
{
    return dray_desc_check_inline(d);
}

/* Loops that are not used have no meaning, so they are zero. */
static bool shape_spills(const struct dray_shape *shape)
{
    uint64_t set = shape->reserved;
    for (int i = 0; i < 3; i++)
        set |= shape->reserved2[i];
    for (int i = shape->loops; i < DRAY_LOOPS_MAX; i++)
        set |= shape->extent[i] | (uint64_t)shape->src_stride[i] | (uint64_t)shape->dst_stride[i];
    return set != 0;
}

enum dray_status dray_shape_check(const struct dray_shape *shape, uint64_t length)
{
    if (shape->version != DRAY_FORMAT_VERSION)
        return DRAY_STATUS_VERSION;
    if (shape->loops == 0 || shape->loops > DRAY_LOOPS_MAX)
        return DRAY_STATUS_SHAPE;
    if (shape_spills(shape))
        return DRAY_STATUS_RESERVED;
    if (shape->element == 0 || shape->element > DRAY_ELEMENT_MAX)
        return DRAY_STATUS_SHAPE;
    uint64_t bytes = shape->element;
    for (int i = 0; i < shape->loops; i++) {
        if (shape->extent[i] == 0 || __builtin_mul_overflow(bytes, shape->extent[i], &bytes) ||
            bytes > DRAY_LENGTH_MAX)
            return DRAY_STATUS_SHAPE;
    }
    return bytes == length ? DRAY_STATUS_OK : DRAY_STATUS_LENGTH;
}

int dray_shape_bounds(const struct dray_shape *shape, const int64_t *strides, int64_t *low,
                      int64_t *high)
{
    int64_t down = 0, up = shape->element;
    for (int i = 0; i < shape->loops; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(shape->extent[i] - 1, strides[i], &reach))
            return -EOVERFLOW;
        int64_t *side = reach < 0 ? &down : &up;
        if (__builtin_add_overflow(*side, reach, side))
            return -EOVERFLOW;
    }
    *low = down;
    *high = up;
    return 0;
}
