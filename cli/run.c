/* `dray run`: programs on real regions and engines. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "dray/dray.h"
#include "program/escape.h"

static void print_help(FILE *out)
{
    fprintf(
        out,
        "usage: dray run [OPTION]... PROGRAM...\n"
        "\n"
        "Runs text programs on real memory, files, pipes and sockets, and prints what moved, how,\n"
        "how long it took, and whether the program's expectations hold. \"-\" is standard input.\n"
        "\n"
        "  -e, --engine ENGINE   for each \"engine auto\": cpu, pio or null\n"
        "  -C, --directory DIR   where relative file names begin (default: the program's\n"
        "                        directory)\n"
        "  -t, --timeout SECONDS for each program (default: 60)\n"
        "      --keep            leave temporary files where they are, and name them\n"
        "      --json            one JSON object for each program, one after the other\n"
        "  -q, --quiet           print only programs that failed\n"
        "  -h, --help            this text\n"
        "\n"
        "Exit status: 0 all is well; 1 a transfer failed or an expectation does not hold;\n"
        "2 the command or a program was not understood.\n"
        "See dray-run(1), and dray-program(5) for the language.\n");
}

struct run_options {
    struct dray_program_options program;
    bool json, quiet;
};

/* A line on the terminal, from the second second of a program on. */
struct progress {
    const char *name;
    struct timespec begin;
    bool shown;
};

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) * 1e-9;
}

static void show_progress(void *user, const struct dray_program_progress *p)
{
    struct progress *progress = user;
    double seconds = seconds_since(&progress->begin);
    char name[30];
    if (seconds < 1)
        return;
    progress->shown = true;
    dray_escape(name, sizeof(name), progress->name, strlen(progress->name));
    /* Below 80 columns, so that it stays one line. */
    fprintf(stderr, "\r\033[K%s: %zu of %zu operations, %.1f MB, %.0f s", name, p->done,
            p->operations, (double)p->moved_bytes * 1e-6, seconds);
    fflush(stderr);
}

static void end_progress(const struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
}

static void begin_progress(struct progress *progress, const char *path,
                           struct dray_program_options *options)
{
    const char *slash = strrchr(path, '/');
    *progress = (struct progress){ .name = slash ? slash + 1 : path };
    clock_gettime(CLOCK_MONOTONIC, &progress->begin);
    options->progress = show_progress;
    options->progress_user = progress;
}

static int run_one(const char *path, struct run_options *options)
{
    struct progress progress = { 0 };
    struct dray_program *program;
    struct dray_report *report;
    int status = cli_load(path, &program);
    if (status != CLI_OK)
        return status;
    char *directory = options->program.directory ? NULL : cli_directory(path);
    struct dray_program_options with_directory = options->program;
    if (directory)
        with_directory.directory = directory;
    if (isatty(STDERR_FILENO) && !options->json && !options->quiet)
        begin_progress(&progress, path, &with_directory);
    int error = dray_program_run(program, &with_directory, &report);
    end_progress(&progress);
    if (options->json && report)
        printf("%s\n", dray_report_json(report));
    else if (report && (error || !options->quiet))
        fputs(dray_report_text(report), error && options->quiet ? stderr : stdout);
    else if (!report)
        fprintf(stderr, "dray run: %s\n", strerror(-error));
    dray_report_free(&report);
    free(directory);
    dray_program_free(&program);
    return error == 0 ? CLI_OK : error == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

/* Seconds, with a fraction if need be. 0: not a number of them. */
static uint64_t parse_timeout(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    bool good = end != text && *end == '\0' && seconds > 0 && seconds <= 86400;
    return good ? (uint64_t)(seconds * 1e9) : 0;
}

static int run_all(char **paths, int count, struct run_options *options)
{
    int worst = CLI_OK;
    for (int i = 0; i < count; i++) {
        int status = run_one(paths[i], options);
        worst = status > worst ? status : worst;
        if (count > 1 && !options->json && !options->quiet && i + 1 < count)
            putchar('\n');
    }
    return worst;
}

int cli_run(int argc, char **argv)
{
    enum {
        KEEP = 256,
        JSON
    };
    static const struct option longs[] = {
        { "engine", required_argument, NULL, 'e' },  { "directory", required_argument, NULL, 'C' },
        { "timeout", required_argument, NULL, 't' }, { "keep", no_argument, NULL, KEEP },
        { "json", no_argument, NULL, JSON },         { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    struct run_options options = { .program.size = sizeof(options.program) };
    int option;
    while ((option = getopt_long(argc, argv, ":e:C:t:qh", longs, NULL)) >= 0) {
        switch (option) {
        case 'e':
            options.program.engine = optarg;
            break;
        case 'C':
            options.program.directory = optarg;
            break;
        case 't':
            options.program.timeout_ns = parse_timeout(optarg);
            if (options.program.timeout_ns == 0)
                return cli_usage("run", "\"%s\" is no number of seconds up to 86400", optarg);
            break;
        case KEEP:
            options.program.keep = true;
            break;
        case JSON:
            options.json = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'h':
            print_help(stdout);
            return CLI_OK;
        default:
            return cli_bad_option(argv);
        }
    }
    if (optind == argc)
        return cli_usage("run", "which program?");
    return run_all(argv + optind, argc - optind, &options);
}
