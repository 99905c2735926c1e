/* `dray desc`: the assembler and the disassembler of descriptors. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "dray/desc.h"

static void print_help(FILE *out)
{
    fprintf(
        out,
        "usage: dray desc [--raw] [FILE]\n"
        "       dray desc --disassemble [FILE]\n"
        "\n"
        "Assembles descriptors: one a line, \"#\" begins a comment. Prints the 64 bytes of each "
        "in\n"
        "hexadecimal, or with --raw writes them as they are. Without FILE, or with \"-\", reads\n"
        "standard input.\n"
        "\n"
        "      --raw           write the bytes themselves\n"
        "  -d, --disassemble   read such bytes and print the lines; what an engine would refuse "
        "has\n"
        "                      the reason behind it as a comment\n"
        "  -h, --help          this text\n"
        "\n"
        "See dray-desc(1), dray-format(5).\n");
}

static void write_desc(const struct dray_desc *d, bool raw)
{
    unsigned char byte[sizeof(*d)];
    memcpy(byte, d, sizeof(byte));
    for (size_t i = 0; i < sizeof(byte) && !raw; i++)
        printf("%02x", byte[i]);
    if (raw)
        fwrite(byte, sizeof(byte), 1, stdout);
    else
        putchar('\n');
}

/* One line; nothing for a blank one. */
static int assemble_line(char *line, const char *name, unsigned number, bool raw)
{
    struct dray_desc d;
    struct dray_text_error error;
    line[strcspn(line, "#")] = '\0';
    if (line[strspn(line, " \t\r\n")] == '\0')
        return CLI_OK;
    if (dray_desc_parse(line, &d, &error)) {
        fprintf(stderr, "%s:%u:%u: found %s, expected %s\n", name, number, error.column,
                error.found, error.expected);
        return CLI_USAGE;
    }
    write_desc(&d, raw);
    return CLI_OK;
}

/* A line ends at its newline and nowhere else: a zero byte within is as wrong as any other. */
static void keep_whole(char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        line[i] = line[i] ? line[i] : '\x01';
}

static int assemble(FILE *in, const char *name, bool raw)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int status = CLI_OK;
    for (unsigned number = 1; status == CLI_OK && (length = getline(&line, &size, in)) > 0;
         number++) {
        keep_whole(line, (size_t)length);
        status = assemble_line(line, name, number, raw);
    }
    free(line);
    return status;
}

static int disassemble(FILE *in, const char *name)
{
    struct dray_desc d;
    size_t got;
    while ((got = fread(&d, 1, sizeof(d), in)) == sizeof(d)) {
        char text[DRAY_TEXT_MAX];
        enum dray_status status = dray_desc_check(&d);
        dray_desc_print(&d, text, sizeof(text), NULL);
        if (status == DRAY_STATUS_OK)
            puts(text);
        else
            printf("%s  # %s: %s\n", text, dray_status_name(status), dray_status_text(status));
    }
    if (got == 0)
        return CLI_OK;
    fprintf(stderr, "%s: ends inside a descriptor, %zu of 64 bytes\n", name, got);
    return CLI_USAGE;
}

static int work(const char *name, bool back, bool raw)
{
    bool standard = strcmp(name, "-") == 0;
    FILE *in = standard ? stdin : fopen(name, "rb");
    if (!in) {
        fprintf(stderr, "dray desc: %s: %s\n", name, strerror(errno));
        return CLI_FAILED;
    }
    int status = back ? disassemble(in, name) : assemble(in, name, raw);
    if (ferror(in)) {
        fprintf(stderr, "dray desc: %s: %s\n", name, strerror(errno));
        status = CLI_FAILED;
    }
    if (!standard)
        fclose(in);
    return status;
}

int cli_desc(int argc, char **argv)
{
    enum {
        RAW = 256
    };
    static const struct option longs[] = {
        { "raw", no_argument, NULL, RAW },
        { "disassemble", no_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool raw = false, back = false;
    int option;
    while ((option = getopt_long(argc, argv, ":dh", longs, NULL)) >= 0) {
        if (option == 'h') {
            print_help(stdout);
            return CLI_OK;
        }
        if (option != 'd' && option != RAW)
            return cli_bad_option(argv);
        raw |= option == RAW;
        back |= option == 'd';
    }
    if (raw && back)
        return cli_usage("desc", "--raw is for assembling");
    if (optind + 1 < argc)
        return cli_usage("desc", "\"%s\" is one argument too many", argv[optind + 1]);
    return work(optind < argc ? argv[optind] : "-", back, raw);
}
