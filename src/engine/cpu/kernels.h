/*
 * The kernels of the cpu engine: straight-line loops that move, fill, compare and sum bytes,
 * written once for each width of vector register and chosen when the engine opens.
 *
 *     plain    C and libc alone, on any processor; what the tests compare the others with
 *     sse2     16-byte vectors (every x86-64)
 *     avx2     32-byte vectors
 *     avx512   64-byte vectors (F, BW, VL)
 *
 * A kernel takes any address, any alignment and any length, 0 included, and never touches a byte
 * outside what it was given. It checks nothing else: bounds, rights and overlap are the engine's
 * business. The tables are constant, so any number of threads may use one at once.
 *
 * Cached or streamed. A cached store reads the line that it is about to overwrite, and throws other
 * lines out of the cache; a streamed (non-temporal) store does neither, but the reader of the
 * result finds it in memory. Who decides is the caller, by struct dray_copy_policy. A kernel that
 * streams ends with the barrier (but for copy_batch) that makes its stores globally visible in order
 * with those after it, so its caller may signal completion by an ordinary release store.
 */
#ifndef DRAY_ENGINE_CPU_KERNELS_H
#define DRAY_ENGINE_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One piece of a batch. The source and the destination of one item may overlap. */
struct dray_copy_item {
    void *dst;
    const void *src;
    size_t n;
};

struct dray_kernels {
    const char *name;

    /* Copies n bytes with cached stores; overlapping ranges behave as in memmove. */
    void (*copy)(void *dst, const void *src, size_t n);

    /* The same with streamed stores, for copies over the size of the caches. Overlapping ranges
     * are copied with cached ones, and behave as in memmove. */
    void (*copy_stream)(void *dst, const void *src, size_t n);

    /*
     * Copies items[0..count) in order, fetching the sources ahead of their turn.
     * items[count..known) are not copied: the next call will be asked for them, so their sources
     * are fetched too; known >= count. fetched says how many of the first items an earlier call has
     * fetched already: 0, or what that call returned. Unlike the others it leaves the barrier of
     * streamed stores to the caller, who needs one for many batches: settle.
     */
    size_t (*copy_batch)(const struct dray_copy_item *items, size_t count, size_t known,
                         size_t fetched, bool stream);

    /* The barrier that a kernel which streams ends with; after copy_batch. */
    void (*settle)(void);

    /*
     * Copies a rectangle: rows runs of row_bytes contiguous bytes, strides in bytes, of any sign.
     * Rows of 1, 2, 4, 8 and 16 bytes are elements and cost about one load and one store each. No
     * source byte may be a destination byte too, and stream is a wish: rows too short for it are
     * stored cached.
     */
    void (*rows)(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                 size_t row_bytes, size_t rows, bool stream);

    /*
     * Transposes: element (r, c) of a source of rows x cols goes to (c, r) of the destination,
     * which has cols rows of rows elements. Elements are 1, 2, 4, 8 or 16 bytes, contiguous within
     * a row; strides are between rows, in bytes, of any sign. No source byte may be a destination
     * byte too.
     */
    void (*transpose)(void *dst, ptrdiff_t dst_stride, const void *src, ptrdiff_t src_stride,
                      size_t rows, size_t cols, unsigned element, bool stream);

    /* Repeats a pattern of 1, 2, 4, 8 or 16 bytes over n bytes; the last repetition may be cut. */
    void (*fill)(void *dst, const void *pattern, unsigned pattern_size, size_t n, bool stream);

    /* The offset of the first byte that differs, n where none does. */
    size_t (*compare)(const void *a, const void *b, size_t n);

    /* CRC32C (Castagnoli) as everyone prints it: seed 0 starts, and
     * crc32c(crc32c(0, a), b) is the CRC of a followed by b. */
    uint32_t (*crc32c)(uint32_t seed, const void *src, size_t n);

    /* Copies (cached or streamed; no overlap) and returns crc32c(seed, src, n), reading the source
     * from memory once. */
    uint32_t (*copy_crc32c)(uint32_t seed, void *dst, const void *src, size_t n, bool stream);
};

/*
 * From which size, in bytes, streamed stores win on this computer. What is read again soon is
 * better left in the cache: a batch should be streamed only where its pieces are this long and what
 * they fill, all together, is over stream_min. From the profile.
 */
struct dray_copy_policy {
    size_t stream_min;           /* one contiguous copy, fill, or copy with CRC */
    size_t batch_stream_min;     /* pieces of a batch */
    size_t transpose_stream_min; /* a whole transposition, or rectangle: the same strided stores */
};

/*
 * Finds kernels by name. NULL is the choice of the environment (DRAY_CPU), or where that is unset
 * or empty the best that this processor and its operating system support. Returns 0; -EINVAL where
 * no kernels have that name; -ENOTSUP where they exist and this processor cannot run them.
 */
int dray_kernels_select(const char *name, const struct dray_kernels **out);

/* dray_kernels_select(NULL), or NULL where DRAY_CPU asks for what cannot be had. */
const struct dray_kernels *dray_kernels_get(void);

/* The names in the order of preference, worst first, ended by NULL: those that exist in this build,
 * whether or not this processor can run them. */
const char *const *dray_kernels_names(void);

#endif
