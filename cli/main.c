#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "dray/dray.h"
#include "program/escape.h"
#include "program/words.h"

/* A verb more is a line here, and a file with its function. */
static const struct cli_verb verbs[] = {
    { "run", "run programs on real memory, files, pipes and sockets", cli_run },
    { "sim", "run programs on a modelled machine: times, traffic, hazards", cli_sim },
    { "explain", "print how each transfer of a program is planned, and why", cli_explain },
    { "info", "engines here, what they can do, and why one is missing", cli_info },
    { "desc", "assemble and disassemble descriptors", cli_desc },
    { "bench", "speed, side by side with what a program would use instead", cli_bench },
    { "calibrate", "measure this computer and write the profile that plans decide by",
      cli_calibrate },
};

enum {
    VERB_COUNT = sizeof(verbs) / sizeof(verbs[0])
};

static void print_help(FILE *out)
{
    fprintf(out, "usage: dray VERB [OPTION]... [ARGUMENT]...\n"
                 "\n"
                 "Scatter-gather DMA for programs.\n"
                 "\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "\n"
                 "\"dray VERB --help\" says more; so do dray(1) and dray-VERB(1).\n");
}

int cli_usage(const char *verb, const char *format, ...)
{
    va_list arguments;
    char text[512], safe[600];
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* The quotes round somebody else's word are ours. */
    for (char *c = text; *c; c++)
        *c = *c == '"' ? '\'' : *c;
    fprintf(stderr, "dray%s%s: %s\nTry \"dray%s%s --help\".\n", verb ? " " : "", verb ? verb : "",
            dray_escape(safe, sizeof(safe), text, strlen(text)), verb ? " " : "", verb ? verb : "");
    return CLI_USAGE;
}

int cli_bad_option(char **argv)
{
    const char *word = argv[optind - 1];
    /* getopt sets optopt to a short option, or to that of a long one whose argument is missing. */
    return cli_usage(argv[0], "\"%s\" is no option, or lacks its argument", word);
}

static int unknown_verb(const char *word)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (dray_words_near(word, strlen(word), verbs[i].name))
            return cli_usage(NULL, "\"%s\" is no verb; perhaps \"%s\"?", word, verbs[i].name);
    return cli_usage(NULL, "\"%s\" is no verb", word);
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (is_one_of(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (is_one_of(argv[1], "--version", "-V")) {
        printf("dray %d.%d.%d\n", DRAY_VERSION_MAJOR, DRAY_VERSION_MINOR, DRAY_VERSION_PATCH);
        return CLI_OK;
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            int status = verbs[i].run(argc - 1, argv + 1);
            /* What was printed must have arrived: a full disk is a failure. */
            return fflush(stdout) != 0 && status == CLI_OK ? CLI_FAILED : status;
        }
    }
    return unknown_verb(argv[1]);
}
