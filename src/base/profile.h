/* Inside of profiles: reading from memory, for the fuzzer. */
#ifndef DRAY_BASE_PROFILE_H
#define DRAY_BASE_PROFILE_H

#include "dray/profile.h"

/* As dray_profile_read, of `length` bytes of text; `name` stands in messages. Nothing changes
 * unless it returns 0. */
int dray_profile_parse(struct dray_profile *profile, const char *text, size_t length,
                       const char *name, char *error, size_t error_size);

#endif
