/*
 * What things cost. A transaction of n descriptors takes
 *
 *      T = t_p + (n - 1) t_o + bytes / B
 *
 * where descriptors of files and streams cost one file operation more each, and have a bandwidth of
 * their own. The CPU takes bytes / B_c. docs/plan-costs.md works an example.
 */
#include <math.h>

#include "plan/internal.h"

void dray_costs_prepare(struct dray_costs *costs, const struct dray_profile *profile)
{
    bool files = profile->file_bandwidth > 0;
    costs->setup = profile->setup_ns;
    costs->further = profile->descriptor_ns;
    costs->byte = 1e9 / profile->bandwidth;
    costs->copied = 1e9 / profile->cpu_bandwidth;
    costs->file = files ? profile->file_setup_ns : 0;
    costs->file_byte = files ? 1e9 / profile->file_bandwidth : costs->byte;
}

bool dray_costs_is_file(const struct dray_place *dst, const struct dray_place *src)
{
    return !dray_place_is_memory(dst) || !dray_place_is_memory(src);
}

double dray_cost_descriptor(const struct dray_costs *costs, bool first, bool file, uint64_t length)
{
    double fixed = first ? costs->setup : costs->further;
    return file ? fixed + costs->file + (double)length * costs->file_byte
                : fixed + (double)length * costs->byte;
}

double dray_cost_cpu(const struct dray_costs *costs, uint64_t length)
{
    return (double)length * costs->copied;
}

double dray_cost_gap_saves(const struct dray_costs *costs, bool file, uint64_t gap)
{
    return costs->further + (file ? costs->file : 0) -
           (double)gap * (file ? costs->file_byte : costs->byte);
}

double dray_cost_gap_limit(const struct dray_costs *costs, bool file)
{
    return file ? (costs->further + costs->file) / costs->file_byte : costs->further / costs->byte;
}

double dray_cost_break_even(const struct dray_costs *costs)
{
    double gain = costs->copied - costs->byte;
    return gain > 0 ? costs->setup / gain : (double)INFINITY;
}
