/* The choice of kernels: which exist in this build, which this processor can run, which is asked
 * for. */
#include "engine/cpu/kernels.h"

#include "engine/cpu/kernel_variants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct variant {
    const struct dray_kernels *kernels;
    bool (*supported)(void);
};

static bool always(void)
{
    return true;
}

#ifdef __x86_64__
/* __builtin_cpu_supports asks CPUID, and XCR0 for whether the kernel saves the registers. */
static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool have_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* Worst first. */
static const struct variant variants[] = {
    { &dray_kernels_plain, always },
#ifdef __x86_64__
    { &dray_kernels_sse2, always },
    { &dray_kernels_avx2, have_avx2 },
    { &dray_kernels_avx512, have_avx512 },
#endif
};

static const char *const names[] = {
    "plain",
#ifdef __x86_64__
    "sse2",  "avx2", "avx512",
#endif
    NULL,
};

enum {
    VARIANT_COUNT = sizeof(variants) / sizeof(variants[0])
};
_Static_assert(sizeof(names) / sizeof(names[0]) == VARIANT_COUNT + 1, "one name a variant");

static const struct dray_kernels *best(void)
{
    size_t i = VARIANT_COUNT - 1;
    while (!variants[i].supported())
        i--;
    return variants[i].kernels;
}

int dray_kernels_select(const char *name, const struct dray_kernels **out)
{
    if (!name)
        name = getenv("DRAY_CPU");
    if (!name || !*name) {
        *out = best();
        return 0;
    }
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        if (strcmp(name, variants[i].kernels->name))
            continue;
        if (!variants[i].supported())
            return -ENOTSUP;
        *out = variants[i].kernels;
        return 0;
    }
    return -EINVAL;
}

const struct dray_kernels *dray_kernels_get(void)
{
    const struct dray_kernels *kernels = NULL;
    return dray_kernels_select(NULL, &kernels) ? NULL : kernels;
}

const char *const *dray_kernels_names(void)
{
    return names;
}
