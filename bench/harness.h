/*
 * The harness of `dray bench`.
 *
 *   suite ── case ──┬── Dray's side      each round runs every side once, the order rotating;
 *                   ├── a peer           before a side runs its destination is wiped, and after
 *                   └── another peer     it ran every byte is checked, both outside the timed part
 *
 * A side returns one figure in the case's unit (GB/s, ns, ...); the case's figure for that side is
 * the median over the rounds. Where a case has several peers, the best of them counts. A ratio over
 * 1 means that Dray is better, whatever the unit.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    BENCH_PEERS_MAX = 2,
    BENCH_ROUNDS_MAX = 101,
    BENCH_SUITE_SECONDS = 45, /* so that every suite ends within a minute, on a busy machine too */
    BENCH_WHY_SIZE = 256,
};

struct bench_case;

/** One run of one case. The hooks of the case own `state`. */
struct bench_run {
    const struct bench_case *spec;
    void *state;
    double patience;          /* see bench_options */
    bool quick;               /* sizes for a smoke test: nobody reads the figures */
    char why[BENCH_WHY_SIZE]; /* what a failed hook has to say */
};

/** Runs one side once and returns its figure; negative after a failure, with run->why set. */
typedef double bench_side_fn(struct bench_run *run);

/** Dray, or a peer. */
struct bench_side {
    const char *name;
    bench_side_fn *run;
    /* Optional. Nonzero, with run->why set: this side is not here, the case goes on without. */
    int (*open)(struct bench_run *run);
    void (*close)(struct bench_run *run);
    /* Optional, in place of the case's: this side is meant to leave other bytes. */
    int (*verify)(struct bench_run *run);
};

struct bench_case {
    const char *name;
    const char *unit;
    bool higher_is_better;
    const void *param; /* what distinguishes cases that share their hooks */

    /* 0 or nonzero with run->why set; a failed setup has undone what it did. */
    int (*setup)(struct bench_run *run);
    struct bench_side dray;
    struct bench_side peers[BENCH_PEERS_MAX];
    void (*wipe)(struct bench_run *run);
    /* 0, or nonzero with run->why saying which byte is wrong. */
    int (*verify)(struct bench_run *run);
    void (*teardown)(struct bench_run *run);

    double seconds; /* how long its rounds may go on */
    unsigned rounds_min;
};

struct bench_suite {
    const char *name;
    const char *about;
    const struct bench_case *cases;
    size_t case_count;
};

/** What came out of a case. A side's figure is negative when there is none. */
struct bench_result {
    const struct bench_case *spec;
    const char *peer_name;
    double dray, peer, ratio;
    unsigned rounds;
    bool wrong;                    /* bytes differed */
    char dray_why[BENCH_WHY_SIZE]; /* why there is no figure */
    char peer_why[BENCH_WHY_SIZE];
};

struct bench_options {
    bool json;
    bool quick;
    bool progress;    /* a line on standard error that says what runs */
    const char *only; /* run this case only; NULL for all */
    double patience;  /* seconds a case may take with all it does; 0: as long as it likes */
};

/** The verify hook of a side that moves no bytes: a figure to compare with, and nothing else. */
int bench_nothing_to_verify(struct bench_run *run);

/** Writes the reason of a failure into run->why; returns -1, for the hook to return. */
int bench_fail(struct bench_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Runs a case to its end and fills result. */
void bench_case_run(const struct bench_case *spec, const struct bench_options *options,
                    struct bench_result *result);

/**
 * Runs a suite, prints it on out, table or JSON. Returns 0 when every case ran on Dray's side and
 * all bytes were right, 1 otherwise; what is wrong is said on standard error, too.
 */
int bench_suite_run(const struct bench_suite *suite, const struct bench_options *options,
                    FILE *out);

/** Prints results (report.c). */
void bench_report_text(const struct bench_suite *suite, const struct bench_result *results,
                       size_t count, FILE *out);
int bench_report_json(const struct bench_suite *suite, const struct bench_result *results,
                      size_t count, FILE *out);

/** All suites, ended by NULL (suites.c). */
extern const struct bench_suite *const bench_suites[];

#endif
