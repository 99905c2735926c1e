/*
 * CRC32C by ISA-L, in the convention that everybody prints. ISA-L neither inverts its start value
 * nor its result, and takes its length as an int.
 */
#ifndef DRAY_ENGINE_CPU_KERNEL_CRC_H
#define DRAY_ENGINE_CPU_KERNEL_CRC_H

#include <isa-l/crc.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned int kernel_crc_fn(unsigned char *buffer, int len, unsigned int init_crc);

static inline uint32_t kernel_crc(kernel_crc_fn *function, uint32_t seed, const void *src, size_t n)
{
    enum {
        CHUNK = 1 << 30
    }; /* fits an int, and a multiple of every block that ISA-L folds */
    unsigned char *bytes = (unsigned char *)(uintptr_t)src;
    uint32_t crc = ~seed;
    for (; n > CHUNK; n -= CHUNK, bytes += CHUNK)
        crc = function(bytes, CHUNK, crc);
    return ~function(bytes, (int)n, crc);
}

#endif
