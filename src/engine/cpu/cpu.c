/* The cpu engine: the software controller with SIMD kernels, by the caller, by threads, or by both.
 */
#include <stdio.h>

#include "engine/cpu/kernels.h"
#include "engine/engines.h"
#include "engine/soft/soft.h"

static int cpu_probe(char *why, size_t size)
{
    const struct dray_kernels *kernels;
    int error = dray_kernels_select(NULL, &kernels);
    if (error)
        snprintf(why, size, "the kernels that DRAY_CPU names are not to be had on this processor");
    return error;
}

static int cpu_open(struct dray_engine **engine, struct dray_domain *domain,
                    const struct dray_engine_options *options)
{
    const struct dray_kernels *kernels;
    int error = dray_kernels_select(options->kernels, &kernels);
    if (error)
        return error;
    enum dray_mode mode = options->mode ? options->mode : DRAY_MODE_WORKER;
    return dray_soft_open(engine, domain, options, kernels, mode);
}

const struct dray_engine_driver dray_cpu_driver = {
    .name = "cpu",
    .summary = "SIMD copies by the caller, by worker threads, or by both",
    .probe = cpu_probe,
    .open = cpu_open,
    .close = dray_soft_close,
    .capabilities = dray_soft_capabilities,
    .copies = dray_soft_can_copy,
    .attach = dray_soft_attach,
    .detach = dray_soft_detach,
    .stats = dray_soft_stats,
};
