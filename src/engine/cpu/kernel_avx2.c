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

static inline vec vec_repeat(__m128i sixteen)
{
    return _mm256_broadcastsi128_si256(sixteen);
}

static inline uint64_t vec_differ(vec a, vec b)
{
    return (uint32_t)~_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b));
}

static inline void vec_transpose_lanes(vec v[2])
{
    const vec a = v[0], b = v[1];
    v[0] = _mm256_permute2x128_si256(a, b, 0x20);
    v[1] = _mm256_permute2x128_si256(a, b, 0x31);
}

#define UNPACK(half, bits) _mm256_unpack##half##_epi##bits
#include "engine/cpu/kernel_simd.inc"
