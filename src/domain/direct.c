/* Files opened with O_DIRECT: what they ask of transfers, and how their last bytes are reached. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "domain/internal.h"

enum {
    BLOCK_MAX =
        1 << 20, /* nobody asks for more; what does not make sense is taken as the default */
    BLOCK_DEFAULT = 4096, /* no logical block of a disk is longer */
};

static bool is_block(uint32_t n)
{
    return n && n <= BLOCK_MAX && !(n & (n - 1));
}

/* Linux says it since 6.1: of memory, and of offsets and lengths. The stricter counts for both. */
uint32_t dray_direct_alignment(int folder, const char *path)
{
    uint32_t align = 0;
#ifdef STATX_DIOALIGN
    struct statx status;
    if (statx(folder, path, AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
        status.stx_mask & STATX_DIOALIGN)
        align = status.stx_dio_mem_align > status.stx_dio_offset_align
                    ? status.stx_dio_mem_align
                    : status.stx_dio_offset_align;
#else
    (void)folder;
    (void)path;
#endif
    return is_block(align) ? align : BLOCK_DEFAULT;
}

int dray_direct_open_tail(int fd, int mode)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}
