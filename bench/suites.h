/* The suites, each in its own file. */
#ifndef BENCH_SUITES_H
#define BENCH_SUITES_H

#include "harness.h"

extern const struct bench_suite bench_suite_copy;
extern const struct bench_suite bench_suite_sg;
extern const struct bench_suite bench_suite_queue;
extern const struct bench_suite bench_suite_strided;
extern const struct bench_suite bench_suite_flag;
extern const struct bench_suite bench_suite_offload;
extern const struct bench_suite bench_suite_domain;
extern const struct bench_suite bench_suite_sim;
extern const struct bench_suite bench_suite_pio;
extern const struct bench_suite bench_suite_layout;
extern const struct bench_suite bench_suite_contention;
extern const struct bench_suite bench_suite_jitter;
extern const struct bench_suite bench_suite_moderation;
extern const struct bench_suite bench_suite_pages;

#endif
