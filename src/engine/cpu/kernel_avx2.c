/* Kernels of 32-byte vectors. */
#include "engine/cpu/kernel_variants.h"

#include <immintrin.h>

#define VEC          32
#define KERNEL(name) avx2_##name
#define KERNEL_TABLE dray_kernels_avx2
#define KERNEL_NAME  "avx2"
typedef __m256i vec;

static inline vec vec_load(const void *p)
{
    return _mm256_loadu_si256(p);
}

static inline void vec_store(void *p, vec v)
{
    _mm256_storeu_si256(p, v);
}

static inline void vec_stream(void *p, vec v)
{
    _mm256_stream_si256(p, v);
}

static inline vec vec_repeat(const void *sixteen)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(sixteen));
}

static inline uint64_t vec_differ(vec a, vec b)
{
    return (uint32_t)~_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b));
}

static inline vec vec_lanes(const char *p, ptrdiff_t stride)
{
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const void *)p));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const void *)(p + stride)), 1);
}

#define UNPACK(half, bits) _mm256_unpack##half##_epi##bits
#include "engine/cpu/kernel_simd.inc"
