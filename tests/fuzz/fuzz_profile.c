/* Any bytes as a profile: refused with a message, or read into values the plan can divide by. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dray_profile profile;
    char error[64] = "";
    dray_profile_default(&profile);
    int result =
        dray_profile_parse(&profile, (const char *)data, size, "fuzz", error, sizeof(error));
    if (result != 0 && strncmp(error, "fuzz:", 5) != 0)
        abort();
    if (!isfinite(profile.setup_ns) || !(profile.bandwidth >= 1) || !(profile.cpu_bandwidth >= 1))
        abort();
    (void)dray_profile_break_even(&profile);
    (void)dray_profile_gap(&profile);
    return 0;
}
