/* `dray sim`: programs on a modelled machine. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "dray/dray.h"
#include "program/escape.h"

enum {
    SETTINGS_MAX = 64,
    SWEPT = -1,
};

static void print_help(FILE *out)
{
    fprintf(
        out,
        "usage: dray sim [OPTION]... PROGRAM...\n"
        "\n"
        "Runs text programs on a modelled computer, deterministic and accurate to the byte, and\n"
        "prints where time and bytes went, and which hazards there were. \"-\" is standard input.\n"
        "\n"
        "  -m, --machine MACHINE  a preset, or the path of a file (default: desktop)\n"
        "  -s, --set PART.PARAM=VALUE\n"
        "                         another value than the machine's; may be repeated\n"
        "      --sweep PART.PARAM=A:B:N\n"
        "                         N values from A to B, a run and a line for each\n"
        "      --seed NUMBER      of what is random in the machine (default: 0)\n"
        "      --trace FILE       write what happened when, for Perfetto (ui.perfetto.dev) or "
        "Chrome;\n"
        "                         of one program, without --sweep\n"
        "      --beside-host      also run it here, and print both times\n"
        "  -C, --directory DIR    where relative file names begin (default: the program's\n"
        "                         directory)\n"
        "      --json             one JSON object for each program\n"
        "  -h, --help             this text\n"
        "\n"
        "Exit status: 0 all is well; 1 a transfer failed, an expectation does not hold, or there\n"
        "was a hazard; 2 the command, a program or a machine was not understood.\n"
        "See dray-sim(1).\n");
}

struct sim_options {
    const char *machine, *directory;
    const char *settings[SETTINGS_MAX + 1]; /* ended by NULL */
    unsigned setting_count;
    const char *sweep;
    unsigned sweep_step;
    uint64_t seed;
    const char *trace;
    bool json, beside_host;
};

/* What a run gave. */
struct outcome {
    struct dray_machine *machine;
    struct dray_report *report;
    int error;
};

static void outcome_free(struct outcome *outcome)
{
    dray_report_free(&outcome->report);
    dray_machine_destroy(&outcome->machine);
}

/* CLI_OK: it ran, well or not; SWEPT: the sweep is over. */
static int run_once(struct dray_program *program, const char *directory,
                    const struct sim_options *options, struct outcome *outcome)
{
    struct dray_machine_options machine = { .size = sizeof(machine),
                                            .name = options->machine,
                                            .settings = options->settings,
                                            .sweep = options->sweep,
                                            .sweep_step = options->sweep_step,
                                            .seed = options->seed,
                                            .trace = options->trace };
    char why[512], safe[600];
    *outcome = (struct outcome){ 0 };
    int error = dray_machine_create(&outcome->machine, &machine, why, sizeof(why));
    if (error == -ERANGE)
        return SWEPT;
    if (error) {
        fprintf(stderr, "dray sim: %s\n",
                why[0] ? dray_escape(safe, sizeof(safe), why, strlen(why)) : strerror(-error));
        return error == -EINVAL || error == -ENOENT ? CLI_USAGE : CLI_FAILED;
    }
    struct dray_program_options run = { .size = sizeof(run),
                                        .directory = directory,
                                        .machine = outcome->machine };
    outcome->error = dray_program_run(program, &run, &outcome->report);
    return CLI_OK;
}

static int judge(const struct outcome *outcome)
{
    if (outcome->error == -EINVAL)
        return CLI_USAGE;
    return outcome->error || dray_machine_hazards(outcome->machine) ? CLI_FAILED : CLI_OK;
}

static void print_outcome(const struct outcome *outcome, bool json)
{
    if (json) {
        printf("{\"program\": %s,\n\"machine\": %s}\n", dray_report_json(outcome->report),
               dray_machine_json(outcome->machine));
        return;
    }
    fputs(dray_machine_text(outcome->machine), stdout);
    if (outcome->error && outcome->report)
        printf("\n%s", dray_report_text(outcome->report));
}

static int end_trace(const struct outcome *outcome, const struct sim_options *options)
{
    char safe[600];
    int error = dray_machine_trace_end(outcome->machine);
    if (!error)
        return CLI_OK;
    fprintf(stderr, "dray sim: the trace %s is not whole: %s\n",
            dray_escape(safe, sizeof(safe), options->trace, strlen(options->trace)),
            strerror(-error));
    return CLI_FAILED;
}

/* The time that the same program takes here. */
static int print_host(struct dray_program *program, const char *directory)
{
    struct dray_report *report;
    struct dray_program_options run = { .size = sizeof(run), .directory = directory };
    int error = dray_program_run(program, &run, &report);
    if (report)
        printf("\non this host:\n%s", dray_report_text(report));
    dray_report_free(&report);
    return error ? CLI_FAILED : CLI_OK;
}

static int simulate(struct dray_program *program, const char *directory,
                    const struct sim_options *options)
{
    struct outcome outcome;
    int status = run_once(program, directory, options, &outcome);
    if (status == CLI_OK) {
        status = judge(&outcome);
        print_outcome(&outcome, options->json);
        int trace = end_trace(&outcome, options);
        status = trace > status ? trace : status;
    }
    outcome_free(&outcome);
    if (options->beside_host && !options->json) {
        int host = print_host(program, directory);
        status = host > status ? host : status;
    }
    return status;
}

/* ---- sweeps ---- */

static void print_step(const struct sim_options *options, const struct outcome *outcome)
{
    const char *value = dray_machine_swept(outcome->machine);
    unsigned long long time_ps = dray_machine_time_ps(outcome->machine);
    size_t hazards = dray_machine_hazards(outcome->machine);
    if (options->json)
        printf("{\"value\": \"%s\", \"time_ps\": %llu, \"hazards\": %zu, \"failed\": %s}\n", value,
               time_ps, hazards, outcome->error ? "true" : "false");
    else
        printf("%16s %16.1f ns %8zu%s\n", value, (double)time_ps / 1e3, hazards,
               outcome->error ? "  failed" : "");
}

static int sweep(struct dray_program *program, const char *directory, struct sim_options *options)
{
    int worst = CLI_OK, status = CLI_OK;
    for (options->sweep_step = 0; status != SWEPT && worst != CLI_USAGE; options->sweep_step++) {
        struct outcome outcome;
        status = run_once(program, directory, options, &outcome);
        if (status == CLI_OK) {
            if (options->sweep_step == 0 && !options->json)
                printf("%16.*s %19s %8s\n", (int)strcspn(options->sweep, "="), options->sweep,
                       "time", "hazards");
            status = judge(&outcome);
            print_step(options, &outcome);
        }
        outcome_free(&outcome);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static int sim_one(const char *path, struct sim_options *options)
{
    struct dray_program *program;
    int status = cli_load(path, &program);
    if (status != CLI_OK)
        return status;
    char *own = options->directory ? NULL : cli_directory(path);
    const char *directory = own ? own : options->directory;
    status =
        options->sweep ? sweep(program, directory, options) : simulate(program, directory, options);
    free(own);
    dray_program_free(&program);
    return status;
}

/* ---- options ---- */

static bool parse_seed(uint64_t *seed, const char *text)
{
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static int take_option(struct sim_options *options, int option, char **argv)
{
    switch (option) {
    case 'm':
        options->machine = optarg;
        return CLI_OK;
    case 's':
        if (options->setting_count == SETTINGS_MAX)
            return cli_usage("sim", "more than %d settings", SETTINGS_MAX);
        options->settings[options->setting_count++] = optarg;
        return CLI_OK;
    case 'C':
        options->directory = optarg;
        return CLI_OK;
    case 'j':
        options->json = true;
        return CLI_OK;
    case 'b':
        options->beside_host = true;
        return CLI_OK;
    case 'd':
        return parse_seed(&options->seed, optarg)
                   ? CLI_OK
                   : cli_usage("sim", "\"%s\" is no seed: a whole number below 2^64", optarg);
    case 't':
        options->trace = optarg;
        return CLI_OK;
    case 'w':
        options->sweep = optarg;
        return CLI_OK;
    default:
        return cli_bad_option(argv);
    }
}

int cli_sim(int argc, char **argv)
{
    static const struct option longs[] = {
        { "machine", required_argument, NULL, 'm' },
        { "set", required_argument, NULL, 's' },
        { "sweep", required_argument, NULL, 'w' },
        { "seed", required_argument, NULL, 'd' },
        { "trace", required_argument, NULL, 't' },
        { "beside-host", no_argument, NULL, 'b' },
        { "directory", required_argument, NULL, 'C' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct sim_options options = { .machine = "desktop" };
    int option, worst = CLI_OK;
    while ((option = getopt_long(argc, argv, ":m:s:C:h", longs, NULL)) >= 0) {
        if (option == 'h') {
            print_help(stdout);
            return CLI_OK;
        }
        int status = take_option(&options, option, argv);
        if (status != CLI_OK)
            return status;
    }
    if (options.beside_host && (options.sweep || options.json))
        return cli_usage("sim", "--beside-host goes with neither --sweep nor --json");
    if (optind == argc)
        return cli_usage("sim", "which program?");
    if (options.trace && (options.sweep || argc - optind > 1))
        return cli_usage("sim", "--trace: of one run, please: one program, and no --sweep");
    for (int i = optind; i < argc; i++) {
        int status = sim_one(argv[i], &options);
        worst = status > worst ? status : worst;
        if (i + 1 < argc && !options.json)
            putchar('\n');
    }
    return worst;
}
