/* The loops of a STRIDED copy: made few, and walked element by element. */
#include "controller_internal.h"

bool nest_bounds(const struct dray_shape *shape, const int64_t *strides, int64_t *low,
                 int64_t *high)
{
    *low = 0;
    *high = shape->element;
    for (unsigned i = 0; i < shape->loops; i++) {
        int64_t last;
        if (__builtin_mul_overflow(shape->extent[i] - 1, strides[i], &last) ||
            (last < 0 ? __builtin_add_overflow(*low, last, low)
                      : __builtin_add_overflow(*high, last, high)))
            return false;
    }
    return true;
}

static void remove_loop(struct nest *nest, unsigned i)
{
    for (nest->count--; i < nest->count; i++)
        nest->loop[i] = nest->loop[i + 1];
}

/* Whether a step of `outer` goes exactly as far as all of `inner`, on both sides. */
static bool is_continued(const struct loop *inner, const struct loop *outer)
{
    int64_t src, dst;
    if (__builtin_mul_overflow(inner->extent, inner->src, &src) ||
        __builtin_mul_overflow(inner->extent, inner->dst, &dst))
        return false;
    return outer->src == src && outer->dst == dst;
}

/* Drops loop i, or makes it part of the element or of another loop. The order of loops does not
 * matter: the sides do not overlap. */
static bool fold_loop(struct nest *nest, unsigned i)
{
    struct loop *loop = &nest->loop[i];
    if (loop->extent == 1) {
        remove_loop(nest, i);
        return true;
    }
    if (loop->src == loop->dst && loop->src > 0 && (uint64_t)loop->src == nest->element) {
        nest->element *= loop->extent;
        remove_loop(nest, i);
        return true;
    }
    for (unsigned j = 0; j < nest->count; j++)
        if (i != j && is_continued(loop, &nest->loop[j])) {
            loop->extent *= nest->loop[j].extent;
            remove_loop(nest, j);
            return true;
        }
    return false;
}

void nest_make(struct nest *nest, const struct dray_shape *shape)
{
    *nest = (struct nest){ .element = shape->element, .count = shape->loops };
    for (unsigned i = 0; i < nest->count; i++)
        nest->loop[i] =
            (struct loop){ shape->extent[i], shape->src_stride[i], shape->dst_stride[i] };
    for (unsigned i = 0; i < nest->count;)
        i = fold_loop(nest, i) ? 0 : i + 1;
}

/* Rows of one pitch, as rectangles within one image have them, are told apart; everything else
 * whose bounds meet counts as meeting. */
bool nest_meets(const struct nest *nest, int64_t apart)
{
    const struct loop *row = &nest->loop[0];
    if (nest->count != 1 || row->src != row->dst)
        return true;
    int64_t pitch = row->src < 0 ? -row->src : row->src;
    int64_t width = (int64_t)nest->element, rows = (int64_t)row->extent;
    if (pitch < width)
        return true;
    for (int64_t i = apart / pitch - 1; i <= apart / pitch + 1; i++) {
        int64_t gap = apart - i * pitch;
        if (i > -rows && i < rows && gap > -width && gap < width)
            return true;
    }
    return false;
}

void nest_advance(struct nest *nest, uint64_t bytes)
{
    nest->within += bytes;
    if (nest->within < nest->element)
        return;
    nest->within = 0;
    for (unsigned i = 0; i < nest->count; i++) {
        const struct loop *loop = &nest->loop[i];
        if (++nest->at[i] < loop->extent) {
            nest->src += (uint64_t)loop->src;
            nest->dst += (uint64_t)loop->dst;
            return;
        }
        nest->src -= (loop->extent - 1) * (uint64_t)loop->src;
        nest->dst -= (loop->extent - 1) * (uint64_t)loop->dst;
        nest->at[i] = 0;
    }
}
