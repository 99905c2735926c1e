/* `dray bench SUITE... [--json]` */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    fprintf(out, "usage: dray bench SUITE... [--json] [--case NAME]\n"
                 "\n"
                 "Measures Dray side by side with what a program would use instead, in one run:\n"
                 "interleaved rounds, medians, every byte verified outside the timed part.\n"
                 "A ratio over 1 means that Dray is better.\n"
                 "\n"
                 "  --json        one JSON object a suite, one line each\n"
                 "  --case NAME   only this case of each suite\n"
                 "  --help        this text\n"
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

static bool any_has_case(const char *name)
{
    size_t i, k;

    for (i = 0; bench_suites[i]; i++) {
        for (k = 0; k < bench_suites[i]->case_count; k++) {
            if (!strcmp(bench_suites[i]->cases[k].name, name))
                return true;
        }
    }
    return false;
}

static int usage_error(const char *format, const char *what)
{
    fputs("dray bench: ", stderr);
    fprintf(stderr, format, what);
    fputc('\n', stderr);
    print_suites(stderr);
    return 2;
}

static int run_named(const char *name, const struct bench_options *options)
{
    int status = 0;
    size_t i;

    if (strcmp(name, "all"))
        return bench_suite_run(find_suite(name), options, stdout);
    for (i = 0; bench_suites[i]; i++)
        status |= bench_suite_run(bench_suites[i], options, stdout);
    return status;
}

/* The names first, all of them: nobody wants to wait a minute to hear of a misspelt one. */
static int run_all_named(char **names, int count, const struct bench_options *options)
{
    int i, status = 0;

    if (!count)
        return usage_error("%s", "which suite?");
    for (i = 0; i < count; i++) {
        if (strcmp(names[i], "all") && !find_suite(names[i]))
            return usage_error("there is no suite '%s'", names[i]);
    }
    if (options->only && !any_has_case(options->only))
        return usage_error("no suite has a case '%s'", options->only);
    for (i = 0; i < count; i++)
        status |= run_named(names[i], options);
    return status;
}

int bench_main(int argc, char **argv)
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
            return 0;
        default:
            print_help(stderr);
            return 2;
        }
    }
    return run_all_named(argv + optind, argc - optind, &options);
}
