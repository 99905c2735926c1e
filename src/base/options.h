/*
 * Options structures carry their own size, so that they can grow and a program compiled against another
 * version of the header goes on working. The rule stands in dray/api.h; this is all there is of it.
 */
#ifndef DRAY_BASE_OPTIONS_H
#define DRAY_BASE_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
    DRAY_OPTIONS_MAX = 4096 /* bytes; a larger size is no size */
};

/* Copies the caller's options (NULL: all zero) into `options`, which has `size` bytes; the first member
 * of both is size_t size, and says `size` afterwards. Returns 0 or -EINVAL. */
static inline int dray_options_copy(void *options, size_t size, const void *from)
{
    size_t given = 0;
    memset(options, 0, size);
    if (from) {
        memcpy(&given, from, sizeof(given));
        if (given < sizeof(given) || given > DRAY_OPTIONS_MAX)
            return -EINVAL;
    }
    for (size_t i = size; i < given; i++)
        if (((const unsigned char *)from)[i] != 0)
            return -EINVAL;
    if (from)
        memcpy(options, from, given < size ? given : size);
    memcpy(options, &size, sizeof(size));
    return 0;
}

#endif
