/* The measured costs of this computer: what the plan decides with. */
#ifndef DRAY_PROFILE_H
#define DRAY_PROFILE_H

#include "dray/api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Times in nanoseconds, bandwidths in bytes a second, sizes in bytes. */
struct dray_profile {
    double setup_ns;       /* t_p: a transaction, doorbell to completion, without its bytes */
    double descriptor_ns;  /* t_o: each further descriptor */
    double bandwidth;      /* B: the engine's, large transfers */
    double cpu_bandwidth;  /* B_c: the calling CPU's, word by word or memcpy */
    double wake_ns;        /* waking a sleeping worker */
    double first_touch_ns; /* a 4 KiB page, first write */
    double pin_ns;         /* mlock of a 4 KiB page */
    double file_setup_ns;  /* one file operation, without its bytes */
    double file_bandwidth; /* cached file, large reads */
    uint64_t stream_min;   /* copies from this size on use non-temporal stores */
    uint64_t split_min;    /* copies from this size on are shared between workers */
    /* Likewise non-temporal: pieces of a list that is over stream_min as a whole, from this size of a
     * piece on; and whole transpositions and rectangles. */
    uint64_t batch_stream_min, transpose_stream_min;
};

/* Built-in values, measured on one machine; their source is in src/base/profile.c. */
DRAY_API void dray_profile_default(struct dray_profile *profile);

/* Reads an INI file; what it does not name keeps its value. Returns 0; -errno of opening; -EINVAL
 * with file, line, what was found and what was expected in `error` (may be NULL). */
DRAY_API int dray_profile_read(struct dray_profile *profile, const char *path, char *error,
                               size_t error_size);

/* Writes it whole: to a temporary file, then renamed. Makes the folders that are missing. Returns 0 or -errno. */
DRAY_API int dray_profile_write(const struct dray_profile *profile, const char *path);

/* Where the profile of this user lies: $DRAY_PROFILE, or dray/profile.ini under $XDG_CONFIG_HOME or
 * ~/.config. Returns 0, -ENAMETOOLONG, -ENOENT when there is no home. */
DRAY_API int dray_profile_path(char *path, size_t size);

/* The user's profile if there is one, else the default. Never fails. */
DRAY_API void dray_profile_load(struct dray_profile *profile);

/* Break-even size S* = t_p / (1/B_c - 1/B): from here on the engine is quicker than the CPU.
 * UINT64_MAX when it never is. */
DRAY_API uint64_t dray_profile_break_even(const struct dray_profile *profile);

/* Coalescing threshold g* = B * t_o: a gap smaller than this costs less than a descriptor. */
DRAY_API uint64_t dray_profile_gap(const struct dray_profile *profile);

#ifdef __cplusplus
}
#endif

#endif
