/* `dray bench`: the suites of bench/. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "harness.h"

static void print_suites(FILE *out)
{
    size_t i;

    fprintf(out, "suites:\n");
    for (i = 0; bench_suites[i]; i++)
        fprintf(out, "  %-10s %s\n", bench_suites[i]->name, bench_suites[i]->about);
    fprintf(out, "  %-10s every one of them\n", "all");
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: dray bench [SUITE...] [--json] [--case NAME]\n"
                 "\n"
                 "Measures Dray side by side with what a program would use instead, in one run:\n"
                 "interleaved rounds, medians, every byte verified outside the timed part.\n"
                 "A ratio over 1 means that Dray is better.\n"
                 "\n"
                 "      --json        one JSON object a suite, one line each\n"
                 "      --case NAME   only this case of each suite\n"
                 "  -h, --help        this text\n"
                 "\n");
    print_suites(out);
}

static const struct bench_suite *find_suite(const char *name)
{
    size_t i;

    for (i = 0; bench_suites[i]; i++) {
        if (!strcmp(bench_suites[i]->name, name))
            return bench_suites[i];
    }
    return NULL;
}

/* A case that only some suites have is not looked for in the others. */
static bool has_case(const struct bench_suite *suite, const char *name)
{
    size_t i;

    for (i = 0; name && i < suite->case_count; i++) {
        if (!strcmp(suite->cases[i].name, name))
            return true;
    }
    return !name;
}

static int run_suite(const struct bench_suite *suite, const struct bench_options *options)
{
    return has_case(suite, options->only) ? bench_suite_run(suite, options, stdout) : 0;
}

static int run_named(const char *name, const struct bench_options *options)
{
    int status = 0;
    size_t i;

    if (strcmp(name, "all"))
        return run_suite(find_suite(name), options);
    for (i = 0; bench_suites[i]; i++)
        status |= run_suite(bench_suites[i], options);
    return status;
}

/* The names first, all of them: nobody wants to wait a minute to hear of a misspelt one. */
static int check_names(char **names, int count, const char *only)
{
    int i;

    for (i = 0; i < count; i++) {
        if (strcmp(names[i], "all") && !find_suite(names[i]))
            return cli_usage("bench", "\"%s\" is no suite", names[i]);
    }
    for (i = 0; bench_suites[i]; i++) {
        if (has_case(bench_suites[i], only))
            return CLI_OK;
    }
    return cli_usage("bench", "no suite has a case \"%s\"", only);
}

static int run_all_named(char **names, int count, const struct bench_options *options)
{
    int i, status = check_names(names, count, options->only);

    if (status) {
        print_suites(stderr);
        return status;
    }
    if (!count)
        return run_named("all", options);
    for (i = 0; i < count; i++)
        status |= run_named(names[i], options);
    return status;
}

int cli_bench(int argc, char **argv)
{
    static const struct option long_options[] = { { "json", no_argument, NULL, 'j' },
                                                  { "case", required_argument, NULL, 'c' },
                                                  { "help", no_argument, NULL, 'h' },
                                                  { NULL, 0, NULL, 0 } };
    const char *quick = getenv("DRAY_BENCH_QUICK");
    struct bench_options options = { .progress = isatty(STDERR_FILENO),
                                     .quick = quick && !strcmp(quick, "1") };
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (c) {
        case 'j':
            options.json = true;
            break;
        case 'c':
            options.only = optarg;
            break;
        case 'h':
            print_help(stdout);
            return CLI_OK;
        default:
            return cli_bad_option(argv);
        }
    }
    return run_all_named(argv + optind, argc - optind, &options);
}
