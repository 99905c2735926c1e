/* Kernels of 16-byte vectors. */
#include "engine/cpu/kernel_variants.h"

#include <emmintrin.h>

#define VEC          16
#define KERNEL(name) sse2_##name
#define KERNEL_TABLE dray_kernels_sse2
#define KERNEL_NAME  "sse2"
typedef __m128i vec;

static inline vec vec_load(const void *p)
{
    return _mm_loadu_si128(p);
}

static inline void vec_store(void *p, vec v)
{
    _mm_storeu_si128(p, v);
}

static inline void vec_stream(void *p, vec v)
{
    _mm_stream_si128(p, v);
}

static inline vec vec_repeat(__m128i sixteen)
{
    return sixteen;
}

static inline uint64_t vec_differ(vec a, vec b)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) ^ 0xffffu;
}

static inline void vec_transpose_lanes(vec v[1])
{
    (void)v;
}

#define UNPACK(half, bits) _mm_unpack##half##_epi##bits
#include "engine/cpu/kernel_simd.inc"
