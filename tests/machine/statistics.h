/* Means of batches with their 99 % interval, and the seed of a test. */
#ifndef DRAY_TESTS_MACHINE_STATISTICS_H
#define DRAY_TESTS_MACHINE_STATISTICS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct interval {
    double mean, half; /* the 99 % interval is mean - half to mean + half */
};

/* Of at least 20 independent batches. Student's t is 2.861 at 19 degrees of freedom and falls to 2.576;
 * 2.576 + 5.6 / degrees is not below it. */
static inline struct interval interval_99(const double *batch, int count)
{
    double mean = 0, square = 0;
    for (int i = 0; i < count; i++)
        mean += batch[i] / count;
    for (int i = 0; i < count; i++)
        square += (batch[i] - mean) * (batch[i] - mean);
    double t = 2.576 + 5.6 / (count - 1);
    return (struct interval){ mean, t * sqrt(square / (count - 1) / count) };
}

/* Whether a formula lies in the interval, widened by `share` of the formula. */
static inline bool within(struct interval i, double formula, double share)
{
    return fabs(i.mean - formula) <= i.half + share * fabs(formula);
}

/* DRAY_SEED, or 1. */
static inline uint64_t test_seed(void)
{
    const char *text = getenv("DRAY_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

#endif
