/*
 * Options structures carry their own size, so that they can grow and a program compiled against an
 * older header goes on working.
 */
#ifndef DRAY_BASE_OPTIONS_H
#define DRAY_BASE_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Copies the caller's options (NULL: all zero) into `options`, `size` bytes of it, of which the
 * first version had `size_min`. Members that the caller's version lacks are zero; members that this
 * version lacks must be zero. The first member is size_t size. Returns 0 or -EINVAL. */
static inline int dray_options_copy(void *options, size_t size, size_t size_min, const void *from)
{
    memset(options, 0, size);
    if (!from)
        return 0;
    size_t given;
    memcpy(&given, from, sizeof(given));
    if (given < size_min || given > 4096)
        return -EINVAL;
    for (size_t i = size; i < given; i++)
        if (((const unsigned char *)from)[i] != 0)
            return -EINVAL;
    memcpy(options, from, given < size ? given : size);
    return 0;
}

#endif
