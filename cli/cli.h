/* The command: one file a verb, and a table of them in main.c. */
#ifndef DRAY_CLI_H
#define DRAY_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* a transfer failed, an expectation did not hold */
    CLI_USAGE = 2,  /* the command or the program was not understood */
};

struct cli_verb {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

int cli_run(int argc, char **argv);
int cli_sim(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_desc(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_calibrate(int argc, char **argv);

/* "dray VERB: message" and where help is, on standard error. Returns CLI_USAGE. */
int cli_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt found wrong with argv[optind - 1]. Returns CLI_USAGE. */
int cli_bad_option(char **argv);

/* A program: a file, or standard input for "-". */
struct dray_program;
/* Parses it; an error is printed as FILE:LINE:COLUMN. Returns CLI_OK, CLI_FAILED (it cannot be
 * read) or CLI_USAGE. */
int cli_load(const char *path, struct dray_program **program);
/* The directory of a program, where its file names begin; free it. NULL for "-" and on want of
 * memory. */
char *cli_directory(const char *path);

#endif
