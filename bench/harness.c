#include "harness.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    SIDES_MAX = 1 + BENCH_PEERS_MAX,
    ROUNDS_LEAST = 3, /* however slow they are */
};
#define PATIENCE_LEAST 0.1 /* seconds */

/* The sides of a case that is running, Dray's first, and their figures. */
struct sides {
    struct side {
        const struct bench_side *spec;
        char *why; /* where to say what went wrong */
        double figures[BENCH_ROUNDS_MAX];
    } all[SIDES_MAX];
    unsigned count, rounds;
};

int bench_fail(struct bench_run *run, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(run->why, sizeof(run->why), format, arguments);
    va_end(arguments);
    return -1;
}

int bench_nothing_to_verify(struct bench_run *run)
{
    (void)run;
    return 0;
}

static int compare_figures(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *figures, unsigned count)
{
    double sorted[BENCH_ROUNDS_MAX];

    memcpy(sorted, figures, count * sizeof(*figures));
    qsort(sorted, count, sizeof(*sorted), compare_figures);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static bool better(const struct bench_case *spec, double a, double b)
{
    return spec->higher_is_better ? a > b : a < b;
}

static void open_side(struct bench_run *run, struct sides *sides, const struct bench_side *spec,
                      char *why)
{
    if (!spec->run)
        return;
    if (spec->open && spec->open(run))
        snprintf(why, BENCH_WHY_SIZE, "%s", run->why);
    else
        sides->all[sides->count++] = (struct side){ .spec = spec, .why = why };
}

/* Dray's side first. A side that is not here leaves its reason in the result. */
static void open_sides(struct bench_run *run, struct sides *sides, struct bench_result *result)
{
    int i;

    open_side(run, sides, &run->spec->dray, result->dray_why);
    for (i = 0; i < BENCH_PEERS_MAX; i++)
        open_side(run, sides, &run->spec->peers[i], result->peer_why);
}

static void close_sides(struct bench_run *run, struct sides *sides)
{
    while (sides->count) {
        const struct bench_side *side = sides->all[--sides->count].spec;

        if (side->close)
            side->close(run);
    }
}

/* One side, once: wipe, run, verify. Sets *figure; nonzero with the reason in result. */
static int run_side(struct bench_run *run, const struct side *side, struct bench_result *result,
                    double *figure)
{
    int (*verify)(struct bench_run *) = side->spec->verify ? side->spec->verify : run->spec->verify;

    run->why[0] = '\0';
    if (run->spec->wipe)
        run->spec->wipe(run);
    *figure = side->spec->run(run);
    if (*figure < 0) {
        snprintf(side->why, BENCH_WHY_SIZE, "%s", run->why[0] ? run->why : "the run failed");
        return -1;
    }
    if (verify && verify(run)) {
        snprintf(side->why, BENCH_WHY_SIZE, "wrong bytes: %.200s", run->why);
        result->wrong = true;
        return -1;
    }
    return 0;
}

/* A round; the order rotates, so that no side always profits from what another left behind. */
static int run_round(struct bench_run *run, struct sides *sides, unsigned turn,
                     struct bench_result *result, double *figures)
{
    unsigned k;

    for (k = 0; k < sides->count; k++) {
        unsigned i = (k + turn) % sides->count;

        if (run_side(run, &sides->all[i], result, &figures[i]))
            return -1;
    }
    return 0;
}

/* Whether the rounds so far will do. `begun`: when the case began. */
static bool is_enough(const struct bench_run *run, unsigned rounds, double first, double begun)
{
    double now = bench_seconds();

    if (run->quick)
        return rounds >= 1;
    if (run->patience > 0 && rounds >= ROUNDS_LEAST && now - begun > run->patience)
        return true;
    return rounds >= run->spec->rounds_min && now - first > run->spec->seconds;
}

static int run_rounds(struct bench_run *run, struct sides *sides, double begun,
                      struct bench_result *result)
{
    double figures[SIDES_MAX] = { 0 }, first;
    unsigned i;

    /* The first round warms caches, threads and page tables, and does not count. */
    if (run_round(run, sides, 0, result, figures))
        return -1;
    first = bench_seconds();
    for (sides->rounds = 0; sides->rounds < BENCH_ROUNDS_MAX; sides->rounds++) {
        if (is_enough(run, sides->rounds, first, begun))
            break;
        if (run_round(run, sides, sides->rounds, result, figures))
            return -1;
        for (i = 0; i < sides->count; i++)
            sides->all[i].figures[sides->rounds] = figures[i];
    }
    return 0;
}

static void conclude(const struct sides *sides, struct bench_result *result)
{
    const struct bench_case *spec = result->spec;
    unsigned i;

    result->rounds = sides->rounds;
    for (i = 0; i < sides->count; i++) {
        double figure = median(sides->all[i].figures, sides->rounds);

        if (sides->all[i].spec == &spec->dray) {
            result->dray = figure;
        } else if (result->peer < 0 || better(spec, figure, result->peer)) {
            result->peer = figure;
            result->peer_name = sides->all[i].spec->name;
        }
    }
    if (result->dray > 0 && result->peer > 0)
        result->ratio =
            spec->higher_is_better ? result->dray / result->peer : result->peer / result->dray;
}

void bench_case_run(const struct bench_case *spec, const struct bench_options *options,
                    struct bench_result *result)
{
    struct bench_run run = { .spec = spec, .quick = options->quick, .patience = options->patience };
    struct sides sides = { 0 };
    double begun = bench_seconds();

    *result = (struct bench_result){
        .spec = spec, .peer_name = spec->peers[0].name, .dray = -1, .peer = -1, .ratio = -1
    };
    if (spec->setup && spec->setup(&run)) {
        snprintf(result->dray_why, sizeof(result->dray_why), "%s", run.why);
        snprintf(result->peer_why, sizeof(result->peer_why), "%s", run.why);
        return;
    }
    open_sides(&run, &sides, result);
    if (!run_rounds(&run, &sides, begun, result))
        conclude(&sides, result);
    close_sides(&run, &sides);
    if (spec->teardown)
        spec->teardown(&run);
}

static bool is_failure(const struct bench_result *result)
{
    return result->wrong || result->dray < 0;
}

static int complain(const struct bench_suite *suite, const struct bench_result *result)
{
    const char *why = result->dray_why[0] ? result->dray_why : result->peer_why;

    fprintf(stderr, "dray bench: %s/%s: %s\n", suite->name, result->spec->name, why);
    return 1;
}

static void show_progress(const struct bench_options *options, const struct bench_suite *suite,
                          size_t i)
{
    if (!options->progress)
        return;
    if (i == suite->case_count)
        fprintf(stderr, "\r\033[K");
    else
        fprintf(stderr, "\r\033[K%s %zu/%zu %s", suite->name, i + 1, suite->case_count,
                suite->cases[i].name);
    fflush(stderr);
}

int bench_suite_run(const struct bench_suite *suite, const struct bench_options *options, FILE *out)
{
    struct bench_result *results = calloc(suite->case_count, sizeof(*results));
    struct bench_options each = *options;
    double begin = bench_seconds();
    size_t i, count = 0;
    int status = 0;

    if (!results) {
        fprintf(stderr, "dray bench: no memory for the results\n");
        return 1;
    }
    for (i = 0; i < suite->case_count; i++) {
        if (options->only && strcmp(options->only, suite->cases[i].name))
            continue;
        show_progress(options, suite, i);
        each.patience = (begin + BENCH_SUITE_SECONDS - bench_seconds()) / (suite->case_count - i);
        each.patience = fmax(each.patience, PATIENCE_LEAST);
        bench_case_run(&suite->cases[i], &each, &results[count++]);
    }
    show_progress(options, suite, suite->case_count);
    if (options->json)
        status = bench_report_json(suite, results, count, out) ? 1 : 0;
    else
        bench_report_text(suite, results, count, out);
    for (i = 0; i < count; i++) {
        if (is_failure(&results[i]))
            status = complain(suite, &results[i]);
    }
    free(results);
    return status;
}
