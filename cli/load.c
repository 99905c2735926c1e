/* Programs from files and standard input. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "dray/dray.h"
#include "program/escape.h"
#include "program/lexer.h"

/* All of a stream, up to one byte more than a program may have. */
static char *read_all(FILE *in, size_t *length)
{
    size_t room = 65536;
    char *text = malloc(room);
    *length = 0;
    while (text) {
        size_t n = fread(text + *length, 1, room - *length, in);
        *length += n;
        if (n == 0 || *length > DRAY_PROGRAM_TEXT_MAX)
            break;
        if (*length == room) {
            char *more = realloc(text, room *= 2);
            if (!more) {
                free(text);
                errno = ENOMEM;
            }
            text = more;
        }
    }
    if (text && ferror(in)) {
        free(text);
        text = NULL;
    }
    return text;
}

static int cannot_read(const char *path)
{
    int error = errno;
    char name[256];
    fprintf(stderr, "dray: %s: %s\n", dray_escape(name, sizeof(name), path, strlen(path)),
            strerror(error));
    return CLI_FAILED;
}

static char *read_program(const char *path, size_t *length)
{
    if (strcmp(path, "-") == 0)
        return read_all(stdin, length);
    FILE *in = fopen(path, "re");
    if (!in)
        return NULL;
    char *text = read_all(in, length);
    int error = errno;
    fclose(in);
    errno = error;
    return text;
}

int cli_load(const char *path, struct dray_program **program)
{
    struct dray_text_error error;
    size_t length;
    char name[256];
    char *text = read_program(path, &length);
    if (!text)
        return cannot_read(path);
    const char *shown = strcmp(path, "-") == 0 ? "<stdin>" : path;
    int result = dray_program_parse(program, text, length, shown, &error);
    free(text);
    if (result == -EINVAL)
        fprintf(stderr, "%s:%u:%u: found %s, expected %s\n",
                dray_escape(name, sizeof(name), shown, strlen(shown)), error.line, error.column,
                error.found, error.expected);
    else if (result < 0)
        fprintf(stderr, "dray: %s\n", strerror(-result));
    return result == 0 ? CLI_OK : result == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

char *cli_directory(const char *path)
{
    if (strcmp(path, "-") == 0)
        return NULL;
    char *copy = strdup(path);
    char *directory = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return directory;
}
