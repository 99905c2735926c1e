#include "suites.h"

const struct bench_suite *const bench_suites[] = {
    &bench_suite_copy,       &bench_suite_sg,         &bench_suite_queue,
    &bench_suite_strided,    &bench_suite_flag,       &bench_suite_offload,
    &bench_suite_domain,     &bench_suite_sim,        &bench_suite_pio,
    &bench_suite_layout,     &bench_suite_contention, &bench_suite_jitter,
    &bench_suite_moderation, &bench_suite_pages,      NULL,
};
