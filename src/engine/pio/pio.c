/*
 * The pio engine: the calling CPU moves each word with a load and a store, as programmed I/O does.
 * The baseline that DMA replaces, and the plainest kernels there are.
 *
 * Words go through volatile accesses: the compiler must not turn them into a vector loop or memcpy,
 * or this would measure something else.
 */
#include <errno.h>
#include <string.h>

#include "engine/engines.h"
#include "engine/soft/soft.h"

typedef uint64_t word __attribute__((aligned(1), may_alias));

static void pio_copy(void *dst, const void *src, size_t n)
{
    volatile word *to = dst;
    const volatile word *from = src;
    size_t words = n / sizeof(word);
    if ((uintptr_t)dst - (uintptr_t)src < n) {
        /* The destination begins inside the source: from the end. */
        for (size_t i = n; i > words * sizeof(word); i--)
            ((volatile uint8_t *)dst)[i - 1] = ((const volatile uint8_t *)src)[i - 1];
        for (size_t i = words; i > 0; i--)
            to[i - 1] = from[i - 1];
        return;
    }
    for (size_t i = 0; i < words; i++)
        to[i] = from[i];
    for (size_t i = words * sizeof(word); i < n; i++)
        ((volatile uint8_t *)dst)[i] = ((const volatile uint8_t *)src)[i];
}

static size_t pio_copy_batch(const struct dray_copy_item *items, size_t count, size_t known,
                             size_t fetched, bool stream)
{
    (void)known;
    (void)fetched;
    (void)stream;
    for (size_t i = 0; i < count; i++)
        pio_copy(items[i].dst, items[i].src, items[i].n);
    return 0;
}

/* Nothing is streamed. */
static void pio_settle(void)
{
}

static void pio_rows(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                     size_t row_bytes, size_t rows, bool stream)
{
    (void)stream;
    for (size_t r = 0; r < rows; r++)
        pio_copy((uint8_t *)dst + (ptrdiff_t)r * dst_stride,
                 (const uint8_t *)src + (ptrdiff_t)r * src_stride, row_bytes);
}

static void pio_transpose(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                          size_t rows, size_t cols, unsigned element, bool stream)
{
    (void)stream;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            pio_copy((uint8_t *)dst + (ptrdiff_t)c * dst_stride + r * element,
                     (const uint8_t *)src + (ptrdiff_t)r * src_stride + c * element, element);
}

static void pio_fill(void *dst, const void *pattern, unsigned pattern_size, size_t n, bool stream)
{
    (void)stream;
    volatile uint8_t *to = dst;
    for (size_t i = 0; i < n; i++)
        to[i] = ((const uint8_t *)pattern)[i % pattern_size];
}

static size_t pio_compare(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return i;
    return n;
}

/* CRC32C a bit at a time: the polynomial 0x1EDC6F41, reflected. */
static uint32_t pio_crc32c(uint32_t seed, const void *src, size_t n)
{
    uint32_t crc = ~seed;
    for (size_t i = 0; i < n; i++) {
        crc ^= ((const uint8_t *)src)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
    }
    return ~crc;
}

static uint32_t pio_copy_crc32c(uint32_t seed, void *dst, const void *src, size_t n, bool stream)
{
    (void)stream;
    pio_copy(dst, src, n);
    return pio_crc32c(seed, dst, n);
}

static const struct dray_kernels pio_kernels = {
    .name = "pio",
    .copy = pio_copy,
    .copy_stream = pio_copy,
    .copy_batch = pio_copy_batch,
    .settle = pio_settle,
    .rows = pio_rows,
    .transpose = pio_transpose,
    .fill = pio_fill,
    .compare = pio_compare,
    .crc32c = pio_crc32c,
    .copy_crc32c = pio_copy_crc32c,
};

static int pio_open(struct dray_engine **engine, struct dray_domain *domain,
                    const struct dray_engine_options *options)
{
    if (options->mode > DRAY_MODE_INLINE)
        return -ENOTSUP;
    return dray_soft_open(engine, domain, options, &pio_kernels, DRAY_MODE_INLINE);
}

const struct dray_engine_driver dray_pio_driver = {
    .name = "pio",
    .summary = "the calling CPU, word by word: the baseline that DMA replaces",
    .open = pio_open,
    .close = dray_soft_close,
    .capabilities = dray_soft_capabilities,
    .copies = dray_soft_can_copy,
    .attach = dray_soft_attach,
    .detach = dray_soft_detach,
    .stats = dray_soft_stats,
};
