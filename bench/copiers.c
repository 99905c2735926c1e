#include "copiers.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
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

/* A line goes in one vector where there are vectors of a line: the compiler's choice. */
typedef uint64_t line __attribute__((vector_size(64), aligned(64), may_alias));

enum {
    LINE = 64,
    AHEAD = 32, /* pieces */
};

static inline void fetch_piece(const char *from, size_t length)
{
    for (size_t i = 0; i < length; i += LINE)
        __builtin_prefetch(from + i);
}

void bench_gather_ahead(void *dst, const void *src, const uint64_t *offsets, size_t count,
                        size_t length)
{
    const char *base = src;
    char *to = dst;

    for (size_t i = 0; i < count; i++, to += length) {
        const char *from = base + offsets[i];

        if (i + AHEAD < count)
            fetch_piece(base + offsets[i + AHEAD], length);
        for (size_t k = 0; k < length; k += LINE)
            *(line *)(void *)(to + k) = *(const line *)(const void *)(from + k);
    }
}

void bench_gather_ahead_stream(void *dst, const void *src, const uint64_t *offsets, size_t count,
                               size_t length)
{
#if defined(__x86_64__)
    const char *base = src;
    char *to = dst;

    for (size_t i = 0; i < count; i++, to += length) {
        const char *from = base + offsets[i];

        if (i + AHEAD < count)
            fetch_piece(base + offsets[i + AHEAD], length);
        for (size_t k = 0; k < length; k += 16)
            _mm_stream_si128((__m128i *)(void *)(to + k),
                             _mm_load_si128((const __m128i *)(const void *)(from + k)));
    }
    _mm_sfence();
#else
    bench_gather_ahead(dst, src, offsets, count, length);
#endif
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

struct handshake {
    _Alignas(128) _Atomic uint64_t tail;
    _Alignas(128) uint64_t request[256][8];
    _Alignas(128) struct {
        uint64_t word[3];
        _Atomic uint64_t last;
    } answer[512];
    _Alignas(64) char src[64][64], dst[64][64];
    uint64_t trips;
    int cpu;
};

static void *handshake_main(void *argument)
{
    struct handshake *h = argument;
    unsigned turns = 0;

    bench_bind(h->cpu);
    for (uint64_t i = 1; i <= h->trips; i++) {
        while (atomic_load_explicit(&h->tail, memory_order_acquire) != i)
            spin(&turns);
        const uint64_t *request = h->request[i % 256];
        memcpy(h->dst[request[4]], h->src[request[3]], 64);
        h->answer[i % 512].word[0] = request[1];
        h->answer[i % 512].word[1] = request[5];
        atomic_store_explicit(&h->answer[i % 512].last, i, memory_order_release);
    }
    return NULL;
}

static void handshake_once(struct handshake *h, uint64_t i, unsigned *turns)
{
    uint64_t *request = h->request[i % 256];

    request[0] = 1;
    request[1] = i;
    request[2] = 7;
    request[3] = i % 64;
    request[4] = i % 64;
    request[5] = 64;
    request[6] = request[7] = 0;
    atomic_store_explicit(&h->tail, i, memory_order_release);
    while (atomic_load_explicit(&h->answer[i % 512].last, memory_order_acquire) != i)
        spin(turns);
}

double bench_handshake_ns(uint64_t trips, int cpu_caller, int cpu_other)
{
    struct handshake *h = aligned_alloc(128, sizeof(*h));
    uint64_t i, warm = trips / 8;
    unsigned turns = 0;
    double begin = 0;
    cpu_set_t before;
    pthread_t other;

    if (!h)
        return -1;
    memset(h, 0, sizeof(*h));
    h->trips = trips;
    h->cpu = cpu_other;
    if (pthread_create(&other, NULL, handshake_main, h)) {
        free(h);
        return -1;
    }
    sched_getaffinity(0, sizeof(before), &before);
    bench_bind(cpu_caller);
    for (i = 1; i <= trips; i++) {
        if (i == warm + 1)
            begin = bench_seconds();
        handshake_once(h, i, &turns);
    }
    begin = bench_seconds() - begin;
    pthread_join(other, NULL);
    sched_setaffinity(0, sizeof(before), &before);
    free(h);
    return begin * 1e9 / (double)(trips - warm);
}
