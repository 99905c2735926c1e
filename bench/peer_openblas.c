/*
 * Peer of the suite `strided`: OpenBLAS's out-of-place matrix copy with transposition, on one
 * thread.
 */
#include "peer.h"

#include <cblas.h>

static void transpose_float(size_t rows, size_t cols, const float *a, float *b)
{
    openblas_set_num_threads(1);
    cblas_somatcopy(CblasRowMajor, CblasTrans, (blasint)rows, (blasint)cols, 1.0f, a, (blasint)cols,
                    b, (blasint)rows);
}

static void transpose_double(size_t rows, size_t cols, const double *a, double *b)
{
    openblas_set_num_threads(1);
    cblas_domatcopy(CblasRowMajor, CblasTrans, (blasint)rows, (blasint)cols, 1.0, a, (blasint)cols,
                    b, (blasint)rows);
}

extern const struct bench_transpose_peer bench_transpose_peer;
BENCH_PEER_EXPORT const struct bench_transpose_peer bench_transpose_peer = {
    .version = BENCH_PEER_VERSION,
    .transpose_float = transpose_float,
    .transpose_double = transpose_double,
};
