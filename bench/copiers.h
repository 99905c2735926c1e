/* What a program would use instead of Dray to copy memory: the peers that need libc only. */
#ifndef BENCH_COPIERS_H
#define BENCH_COPIERS_H

#include <stddef.h>
#include <stdint.h>

/** Copies length bytes; ranges do not overlap. */
typedef void bench_copy_fn(void *dst, const void *src, size_t length);

/** libc's memcpy, called out of line so that its length stays unknown to the compiler. */
bench_copy_fn bench_copy_libc;

/** The string instruction; NULL where the processor has none. */
bench_copy_fn *bench_copy_movsb(void);

/**
 * A plain sequential loop of loads and non-temporal stores of the widest kind this processor has
 * (64, 32 or 16 bytes); NULL where there are none. Its name goes to *name.
 */
bench_copy_fn *bench_copy_stream(const char **name);

/** libc's memcpy for each of count pieces of `length` bytes at src + offsets[i], into one buffer.
 */
void bench_gather_libc(void *dst, const void *src, const uint64_t *offsets, size_t count,
                       size_t length);

/**
 * The best that is known for it on this processor, by a loop with nothing else to do: sources fetched
 * some pieces ahead, whole lines, cached or non-temporal stores. Pieces are multiples of 64 bytes and
 * dst is aligned to 64.
 */
void bench_gather_ahead(void *dst, const void *src, const uint64_t *offsets, size_t count,
                        size_t length);
void bench_gather_ahead_stream(void *dst, const void *src, const uint64_t *offsets, size_t count,
                               size_t length);

/** libc's memcpy for each of `rows` rows of `width` bytes. */
void bench_rows_libc(void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t rows,
                     size_t width);

/**
 * Two threads, thread i copying src[i] to dst[i] `times` times with memcpy, bound to cpus[i] (none
 * when negative). Seconds from the first start to the last end; negative when a thread could not
 * be made.
 */
double bench_copy_pair(void *const dst[2], const void *const src[2], size_t length, unsigned times,
                       const int cpus[2]);

/**
 * Two threads on one atomic: the caller writes a number, the other answers with the next, `trips`
 * times. Nanoseconds of one way, negative when the thread could not be made.
 */
double bench_ping_pong_ns(uint64_t trips, int cpu_caller, int cpu_other);

/**
 * What two threads cannot do without to copy 64 bytes for each other: the caller writes 64 bytes that
 * say what to copy and a tail, the other copies and writes 32 bytes that say so, in rings. Nanoseconds
 * of one round trip, negative when the thread could not be made.
 */
double bench_handshake_ns(uint64_t trips, int cpu_caller, int cpu_other);

/** Binds the calling thread to a processor; a negative number does nothing. */
void bench_bind(int cpu);

/** The n-th processor this process may use (counted modulo how many there are). */
int bench_cpu(unsigned n);

/** How many processors this process may use. */
unsigned bench_cpu_count(void);

#endif
