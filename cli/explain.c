/* `dray explain`: the plan of each copy, and why. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "dray/dray.h"

static void print_help(FILE *out)
{
    fprintf(
        out,
        "usage: dray explain [OPTION]... PROGRAM...\n"
        "\n"
        "Prints for each operation of a program the descriptors it becomes, which ways there "
        "were,\n"
        "what each costs by the profile of this computer, and why the one was chosen. Nothing is\n"
        "moved, created or changed. \"-\" is standard input.\n"
        "\n"
        "  -e, --engine ENGINE   for each \"engine auto\": cpu, pio or null\n"
        "  -p, --profile FILE    costs to decide by (default: those of dray calibrate)\n"
        "  -C, --directory DIR   where relative file names begin (default: the program's\n"
        "                        directory)\n"
        "      --json            one JSON object for each program, one after the other\n"
        "  -h, --help            this text\n"
        "\n"
        "Exit status: 0 all is well; 1 a file cannot be read; 2 the command or a program was not\n"
        "understood. See dray-explain(1).\n");
}

static int explain_one(const char *path, const struct dray_program_options *options, bool json)
{
    struct dray_program *program;
    struct dray_report *report;
    int status = cli_load(path, &program);
    if (status != CLI_OK)
        return status;
    struct dray_program_options with_directory = *options;
    char *directory = options->directory ? NULL : cli_directory(path);
    if (directory)
        with_directory.directory = directory;
    int error = dray_program_explain(program, &with_directory, &report);
    if (report && json)
        printf("%s\n", dray_report_json(report));
    else if (report)
        fputs(dray_report_text(report), stdout);
    else
        fprintf(stderr, "dray explain: %s\n", strerror(-error));
    dray_report_free(&report);
    free(directory);
    dray_program_free(&program);
    return error == 0 ? CLI_OK : error == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

static int read_profile(struct dray_profile *profile, const char *path)
{
    char error[256] = "";
    dray_profile_default(profile);
    int result = dray_profile_read(profile, path, error, sizeof(error));
    if (result < 0)
        fprintf(stderr, "dray explain: %s\n", error[0] ? error : strerror(-result));
    return result == 0 ? CLI_OK : result == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

int cli_explain(int argc, char **argv)
{
    enum {
        JSON = 256
    };
    static const struct option longs[] = {
        { "engine", required_argument, NULL, 'e' },
        { "profile", required_argument, NULL, 'p' },
        { "directory", required_argument, NULL, 'C' },
        { "json", no_argument, NULL, JSON },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct dray_program_options options = { .size = sizeof(options) };
    struct dray_profile profile;
    bool json = false;
    int option, status;
    while ((option = getopt_long(argc, argv, ":e:p:C:h", longs, NULL)) >= 0) {
        switch (option) {
        case 'e':
            options.engine = optarg;
            break;
        case 'p':
            status = read_profile(&profile, optarg);
            if (status != CLI_OK)
                return status;
            options.profile = &profile;
            break;
        case 'C':
            options.directory = optarg;
            break;
        case JSON:
            json = true;
            break;
        case 'h':
            print_help(stdout);
            return CLI_OK;
        default:
            return cli_bad_option(argv);
        }
    }
    if (optind == argc)
        return cli_usage("explain", "which program?");
    int worst = CLI_OK;
    for (int i = optind; i < argc; i++) {
        status = explain_one(argv[i], &options, json);
        worst = status > worst ? status : worst;
    }
    return worst;
}
