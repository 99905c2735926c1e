#include "copiers.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

__attribute__((noinline)) void bench_copy_libc(void *dst, const void *src, size_t length)
{
    memcpy(dst, src, length);
}

#if defined(__x86_64__)
static void copy_movsb(void *dst, const void *src, size_t length)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(length) : : "memory");
}

/* Four vectors a turn; what is left over (none, in the cases here) goes by memcpy. */
#define STREAM_LOOP(vector, load, store)                         \
    const size_t step = 4 * sizeof(vector);                      \
    char *to = dst;                                              \
    const char *from = src, *end = from + length / step * step;  \
                                                                 \
    for (; from < end; from += step, to += step) {               \
        vector a = load((const vector *)(const void *)from);     \
        vector b = load((const vector *)(const void *)from + 1); \
        vector c = load((const vector *)(const void *)from + 2); \
        vector d = load((const vector *)(const void *)from + 3); \
        store((vector *)(void *)to, a);                          \
        store((vector *)(void *)to + 1, b);                      \
        store((vector *)(void *)to + 2, c);                      \
        store((vector *)(void *)to + 3, d);                      \
    }                                                            \
    memcpy(to, from, length % step);                             \
    _mm_sfence()

static void copy_stream_sse2(void *dst, const void *src, size_t length)
{
    STREAM_LOOP(__m128i, _mm_loadu_si128, _mm_stream_si128);
}

__attribute__((target("avx2"))) static void copy_stream_avx2(void *dst, const void *src,
                                                             size_t length)
{
    STREAM_LOOP(__m256i, _mm256_loadu_si256, _mm256_stream_si256);
}

__attribute__((target("avx512f"))) static void copy_stream_avx512(void *dst, const void *src,
                                                                  size_t length)
{
    STREAM_LOOP(__m512i, _mm512_loadu_si512, _mm512_stream_si512);
}

bench_copy_fn *bench_copy_movsb(void)
{
    return copy_movsb;
}

bench_copy_fn *bench_copy_stream(const char **name)
{
    if (__builtin_cpu_supports("avx512f")) {
        *name = "non-temporal stores, AVX-512";
        return copy_stream_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        *name = "non-temporal stores, AVX2";
        return copy_stream_avx2;
    }
    *name = "non-temporal stores, SSE2";
    return copy_stream_sse2;
}
#else
bench_copy_fn *bench_copy_movsb(void)
{
    return NULL;
}

bench_copy_fn *bench_copy_stream(const char **name)
{
    *name = "non-temporal stores";
    return NULL;
}
#endif

void bench_gather_libc(void *dst, const void *src, const uint64_t *offsets, size_t count,
                       size_t length)
{
    char *to = dst;
    size_t i;

    for (i = 0; i < count; i++, to += length)
        memcpy(to, (const char *)src + offsets[i], length);
}

void bench_rows_libc(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t rows,
                     size_t width)
{
    size_t i;

    for (i = 0; i < rows; i++)
        memcpy((char *)dst + i * dst_pitch, (const char *)src + i * src_pitch, width);
}

unsigned bench_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

int bench_cpu(unsigned n)
{
    cpu_set_t set;
    int cpu;

    if (sched_getaffinity(0, sizeof(set), &set) || !CPU_COUNT(&set))
        return -1;
    n %= (unsigned)CPU_COUNT(&set);
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set) && n-- == 0)
            return cpu;
    }
    return -1;
}

void bench_bind(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* Spins, but gives the processor away now and then: there may be one for both threads. */
static void spin(unsigned *turns)
{
    if (++*turns % 4096 == 0)
        sched_yield();
    else
        bench_pause();
}

struct pair_half {
    atomic_uint *ready;
    void *dst;
    const void *src;
    size_t length;
    unsigned times;
    int cpu;
    double begin, end;
};

static void *pair_main(void *argument)
{
    struct pair_half *half = argument;
    unsigned turns = 0, i;

    bench_bind(half->cpu);
    atomic_fetch_add(half->ready, 1);
    while (atomic_load(half->ready) < 2)
        spin(&turns);
    half->begin = bench_seconds();
    for (i = 0; i < half->times; i++)
        bench_copy_libc(half->dst, half->src, half->length);
    half->end = bench_seconds();
    return NULL;
}

double bench_copy_pair(void *const dst[2], const void *const src[2], size_t length, unsigned times,
                       const int cpus[2])
{
    struct pair_half halves[2];
    pthread_t threads[2];
    atomic_uint ready = 0;
    int i, made;

    for (made = 0; made < 2; made++) {
        halves[made] = (struct pair_half){ .ready = &ready,
                                           .dst = dst[made],
                                           .src = src[made],
                                           .length = length,
                                           .times = times,
                                           .cpu = cpus[made] };
        if (pthread_create(&threads[made], NULL, pair_main, &halves[made]))
            break;
    }
    if (made < 2)
        atomic_store(&ready, 2);
    for (i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    if (made < 2)
        return -1;
    return fmax(halves[0].end, halves[1].end) - fmin(halves[0].begin, halves[1].begin);
}

struct ping_pong {
    _Alignas(128) _Atomic uint64_t ball;
    _Alignas(128) uint64_t trips;
    int cpu;
};

static void *ping_pong_main(void *argument)
{
    struct ping_pong *game = argument;
    unsigned turns = 0;
    uint64_t i;

    bench_bind(game->cpu);
    for (i = 0; i < game->trips; i++) {
        while (atomic_load_explicit(&game->ball, memory_order_acquire) != 2 * i + 1)
            spin(&turns);
        atomic_store_explicit(&game->ball, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

double bench_ping_pong_ns(uint64_t trips, int cpu_caller, int cpu_other)
{
    struct ping_pong game = { .trips = trips, .cpu = cpu_other };
    pthread_t other;
    unsigned turns = 0;
    cpu_set_t before;
    double begin = 0;
    uint64_t i, warm = trips / 8;

    if (pthread_create(&other, NULL, ping_pong_main, &game))
        return -1;
    sched_getaffinity(0, sizeof(before), &before);
    bench_bind(cpu_caller);
    for (i = 0; i < trips; i++) {
        if (i == warm)
            begin = bench_seconds();
        atomic_store_explicit(&game.ball, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&game.ball, memory_order_acquire) != 2 * i + 2)
            spin(&turns);
    }
    begin = bench_seconds() - begin;
    pthread_join(other, NULL);
    sched_setaffinity(0, sizeof(before), &before);
    return begin * 1e9 / (2.0 * (double)(trips - warm));
}
