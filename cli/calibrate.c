/* `dray calibrate`: measure this computer and write the profile that the plan decides with. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calibration.h"
#include "cli.h"

/* Processors that others may take before the figures are doubtful. */
#define OTHERS_MAX 0.1

struct calibrate_options {
    const char *output; /* NULL: the user's profile */
    const char *report;
    bool json;
};

static void print_help(FILE *out)
{
    fprintf(
        out,
        "usage: dray calibrate [--output FILE] [--report FILE.html|FILE.svg] [--json]\n"
        "\n"
        "Measures this computer (some seconds; best while it does nothing else) and writes the\n"
        "profile: set-up time, descriptor cost, bandwidths, waking, pages, files, and from which\n"
        "size on non-temporal stores and a second worker pay.\n"
        "\n"
        "  --output FILE   where to write it; otherwise $DRAY_PROFILE, or dray/profile.ini in\n"
        "                  $XDG_CONFIG_HOME or ~/.config\n"
        "  --report FILE   draw the curves; the name's ending says how: .svg or .html\n"
        "  --json          print what was measured as one JSON object\n"
        "  --help          this text\n");
}

static void show_progress(unsigned step, unsigned steps, const char *what)
{
    enum {
        BAR = 24
    };
    unsigned done = step * BAR / steps;

    if (!isatty(STDERR_FILENO))
        return;
    if (step == steps)
        fprintf(stderr, "\r\033[K");
    else
        fprintf(stderr, "\r\033[K[%.*s%*s] %s", (int)done, "########################",
                (int)(BAR - done), "", what);
    fflush(stderr);
}

/* Makes the folders above path; what already is there stays. */
static int make_folders(const char *path)
{
    char folder[PATH_MAX];
    char *slash;

    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
        return -ENAMETOOLONG;
    for (slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && !strcmp(text + length - tail, end);
}

/* A size of "never" is null. */
static json_t *size_or_null(uint64_t bytes)
{
    return bytes > INT64_MAX ? json_null() : json_integer((json_int_t)bytes);
}

static int print_json(const struct calibration *calibration, const char *path)
{
    const struct dray_profile *p = &calibration->profile;
    json_t *object = json_pack(
        "{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o}",
        "profile", path, "others", calibration->others, "setup_ns", p->setup_ns, "descriptor_ns",
        p->descriptor_ns, "bandwidth", p->bandwidth, "cpu_bandwidth", p->cpu_bandwidth, "wake_ns",
        p->wake_ns, "first_touch_ns", p->first_touch_ns, "pin_ns", p->pin_ns, "file_setup_ns",
        p->file_setup_ns, "file_bandwidth", p->file_bandwidth, "stream_min",
        size_or_null(p->stream_min), "batch_stream_min", size_or_null(p->batch_stream_min),
        "transpose_stream_min", size_or_null(p->transpose_stream_min), "split_min",
        size_or_null(p->split_min), "break_even", size_or_null(dray_profile_break_even(p)), "gap",
        size_or_null(dray_profile_gap(p)));
    int rc = object ? json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) : -1;

    putchar('\n');
    json_decref(object);
    return rc;
}

static void print_size(const char *name, uint64_t bytes, const char *about)
{
    if (bytes == UINT64_MAX)
        printf("  %-20s %10s          %s\n", name, "never", about);
    else
        printf("  %-20s %10llu bytes    %s\n", name, (unsigned long long)bytes, about);
}

static void print_text(const struct calibration *calibration)
{
    const struct dray_profile *p = &calibration->profile;

    printf("  %-20s %10.1f ns       %s\n", "setup", p->setup_ns, "t_p: doorbell to completion");
    printf("  %-20s %10.2f ns       %s\n", "descriptor", p->descriptor_ns,
           "t_o: each further descriptor");
    printf("  %-20s %10.2f GB/s     %s\n", "bandwidth", p->bandwidth / 1e9, "B: the engine's");
    printf("  %-20s %10.2f GB/s     %s\n", "cpu_bandwidth", p->cpu_bandwidth / 1e9,
           "B_c: the caller's memcpy");
    printf("  %-20s %10.0f ns       %s\n", "wake", p->wake_ns, "a sleeping worker");
    printf("  %-20s %10.0f ns       %s\n", "first_touch", p->first_touch_ns, "a page of 4 KiB");
    printf("  %-20s %10.0f ns       %s\n", "pin", p->pin_ns, "likewise");
    printf("  %-20s %10.0f ns       %s\n", "file_setup", p->file_setup_ns, "one read of a file");
    printf("  %-20s %10.2f GB/s     %s\n", "file_bandwidth", p->file_bandwidth / 1e9,
           "of a cached file");
    print_size("stream_min", p->stream_min, "non-temporal stores win from here on");
    print_size("batch_stream_min", p->batch_stream_min, "likewise, for each piece of a long list");
    print_size("transpose_stream_min", p->transpose_stream_min, "likewise, for a transposition");
    print_size("split_min", p->split_min, "two workers win from here on");
    print_size("break_even", dray_profile_break_even(p), "S* = t_p / (1/B_c - 1/B)");
    print_size("gap", dray_profile_gap(p), "g* = B * t_o: smaller gaps are copied along");
    if (calibration->skipped[0])
        printf("  not measured: %s\n", calibration->skipped);
}

static int write_report(const struct calibration *calibration, const char *path)
{
    FILE *out = fopen(path, "w");
    bool html = !ends_in(path, ".svg");

    if (!out)
        return -errno;
    if (html)
        fprintf(out, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                     "<title>dray calibrate</title>\n<body style=\"margin:2em\">\n"
                     "<h1 style=\"font:bold 20px sans-serif\">What this computer can do</h1>\n");
    calibration_draw(calibration, out);
    if (html)
        fprintf(out, "</body></html>\n");
    return fclose(out) ? -errno : 0;
}

static int complain(const char *what, const char *path, int rc)
{
    fprintf(stderr, "dray calibrate: %s %s: %s\n", what, path, strerror(-rc));
    return CLI_FAILED;
}

static int calibrate(const struct calibrate_options *options)
{
    const char *quick = getenv("DRAY_BENCH_QUICK");
    struct calibration calibration = { 0 };
    char path[PATH_MAX], why[CALIBRATION_WHY_SIZE];
    int rc = 0;

    if (options->output)
        snprintf(path, sizeof(path), "%s", options->output);
    else
        rc = dray_profile_path(path, sizeof(path));
    if (rc)
        return complain("no place for the profile", "(see --output)", rc);
    dray_profile_default(&calibration.profile);
    if (calibration_measure(&calibration, quick && !strcmp(quick, "1"), show_progress, why)) {
        fprintf(stderr, "dray calibrate: %s\n", why);
        return CLI_FAILED;
    }
    if (calibration.others > OTHERS_MAX)
        fprintf(
            stderr,
            "dray calibrate: other programs took %.0f %% of a processor meanwhile; measure again "
            "when they do not\n",
            calibration.others * 100);
    rc = make_folders(path);
    if (!rc)
        rc = dray_profile_write(&calibration.profile, path);
    if (rc)
        return complain("cannot write", path, rc);
    if (options->json) {
        if (print_json(&calibration, path))
            return CLI_FAILED;
    } else {
        print_text(&calibration);
        printf("written to %s\n", path);
    }
    rc = options->report ? write_report(&calibration, options->report) : 0;
    return rc ? complain("cannot write", options->report, rc) : 0;
}

int cli_calibrate(int argc, char **argv)
{
    static const struct option long_options[] = { { "output", required_argument, NULL, 'o' },
                                                  { "report", required_argument, NULL, 'r' },
                                                  { "json", no_argument, NULL, 'j' },
                                                  { "help", no_argument, NULL, 'h' },
                                                  { NULL, 0, NULL, 0 } };
    struct calibrate_options options = { 0 };
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (c) {
        case 'o':
            options.output = optarg;
            break;
        case 'r':
            options.report = optarg;
            break;
        case 'j':
            options.json = true;
            break;
        case 'h':
            print_help(stdout);
            return CLI_OK;
        default:
            return cli_bad_option(argv);
        }
    }
    if (optind < argc)
        return cli_usage("calibrate", "\"%s\" is too much", argv[optind]);
    if (options.report && !ends_in(options.report, ".svg") && !ends_in(options.report, ".html"))
        return cli_usage("calibrate", "a report ends in .svg or .html, not \"%s\"", options.report);
    return calibrate(&options);
}
