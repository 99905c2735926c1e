/* The tables that kernels.c chooses from, one a file. */
#ifndef DRAY_ENGINE_CPU_KERNEL_VARIANTS_H
#define DRAY_ENGINE_CPU_KERNEL_VARIANTS_H

#include "engine/cpu/kernels.h"

extern const struct dray_kernels dray_kernels_plain;
extern const struct dray_kernels dray_kernels_sse2;
extern const struct dray_kernels dray_kernels_avx2;
extern const struct dray_kernels dray_kernels_avx512;

#endif
