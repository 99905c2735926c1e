/* Kernels in C alone: for processors that have no others, and the reference for those that do. */
#include "engine/cpu/kernel_crc.h"
#include "engine/cpu/kernel_variants.h"

#include <string.h>

static void plain_copy(void *dst, const void *src, size_t n)
{
    if (n)
        memmove(dst, src, n);
}

static size_t plain_copy_batch(const struct dray_copy_item *items, size_t count, size_t known,
                               size_t fetched, bool stream)
{
    (void)known;
    (void)fetched;
    (void)stream;
    for (size_t i = 0; i < count; i++)
        plain_copy(items[i].dst, items[i].src, items[i].n);
    return 0;
}

/* Nothing is streamed. */
static void plain_settle(void)
{
}

static void plain_rows(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                       size_t row_bytes, size_t rows, bool stream)
{
    char *to = dst;
    const char *from = src;
    (void)stream;
    for (size_t r = 0; r < rows; r++)
        plain_copy(to + (ptrdiff_t)r * dst_stride, from + (ptrdiff_t)r * src_stride, row_bytes);
}

static void plain_transpose(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                            size_t rows, size_t cols, unsigned element, bool stream)
{
    char *to = dst;
    const char *from = src;
    (void)stream;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy(to + (ptrdiff_t)c * dst_stride + r * element,
                   from + (ptrdiff_t)r * src_stride + c * element, element);
}

static void plain_fill(void *dst, const void *pattern, unsigned pattern_size, size_t n, bool stream)
{
    char *to = dst;
    (void)stream;
    for (; n >= pattern_size; n -= pattern_size, to += pattern_size)
        memcpy(to, pattern, pattern_size);
    memcpy(to, pattern, n);
}

static size_t plain_compare(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    size_t i = 0;
    while (i < n && x[i] == y[i])
        i++;
    return i;
}

static uint32_t plain_crc32c(uint32_t seed, const void *src, size_t n)
{
    return kernel_crc(crc32_iscsi_base, seed, src, n);
}

static uint32_t plain_copy_crc32c(uint32_t seed, void *dst, const void *src, size_t n, bool stream)
{
    (void)stream;
    plain_copy(dst, src, n);
    return plain_crc32c(seed, src, n);
}

const struct dray_kernels dray_kernels_plain = {
    .name = "plain",
    .copy = plain_copy,
    .copy_stream = plain_copy,
    .copy_batch = plain_copy_batch,
    .settle = plain_settle,
    .rows = plain_rows,
    .transpose = plain_transpose,
    .fill = plain_fill,
    .compare = plain_compare,
    .crc32c = plain_crc32c,
    .copy_crc32c = plain_copy_crc32c,
};
