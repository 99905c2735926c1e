#include "base/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

enum {
    FILE_MAX = 65536,   /* a profile has some 1,000 bytes */
    LINE_MAX_INI = 200, /* inih's, with the terminator; a longer line would be read as two */
};

/* ---- the fields ---- */

enum unit {
    UNIT_NS,    /* 0 to 1e12 (17 minutes) */
    UNIT_SPEED, /* 1 to 1e15 bytes a second */
    UNIT_BYTES, /* 0 to 2^64 - 1; "never" is the last */
};

static const struct field {
    const char *name;
    const char *comment;
    enum unit unit;
    size_t offset;
} fields[] = {
#define FIELD(name, unit, comment)                                \
    {                                                             \
#name, comment, unit, offsetof(struct dray_profile, name) \
    }
    FIELD(setup_ns, UNIT_NS, "a transaction, doorbell to completion, without its bytes"),
    FIELD(descriptor_ns, UNIT_NS, "each further descriptor"),
    FIELD(bandwidth, UNIT_SPEED, "of the engine, large transfers, bytes a second"),
    FIELD(cpu_bandwidth, UNIT_SPEED, "of the calling CPU, bytes a second"),
    FIELD(wake_ns, UNIT_NS, "waking a sleeping worker"),
    FIELD(first_touch_ns, UNIT_NS, "first write to a 4 KiB page"),
    FIELD(pin_ns, UNIT_NS, "mlock of a 4 KiB page"),
    FIELD(file_setup_ns, UNIT_NS, "one file operation, without its bytes"),
    FIELD(file_bandwidth, UNIT_SPEED, "cached file, large reads, bytes a second"),
    FIELD(stream_min, UNIT_BYTES, "copies from this size on use non-temporal stores"),
    FIELD(batch_stream_min, UNIT_BYTES,
          "likewise pieces of a long list, from this size of each on"),
    FIELD(transpose_stream_min, UNIT_BYTES, "likewise transpositions and rectangles"),
    FIELD(split_min, UNIT_BYTES, "copies from this size on are shared between workers"),
#undef FIELD
};
enum {
    FIELDS = sizeof(fields) / sizeof(fields[0])
};

/* Measured on two cores of an EPYC with AVX-512, 32 MiB of L3, Linux 6.18; shared with other load.
 */
void dray_profile_default(struct dray_profile *profile)
{
    *profile = (struct dray_profile){
        .setup_ns = 300,         /* ring, polling worker, ring: two cache lines there, one back */
        .descriptor_ns = 11,     /* 64-byte pieces gathered at random out of 1 GiB */
        .bandwidth = 21e9,       /* 1 GiB, non-temporal stores: one core saturates the DRAM */
        .cpu_bandwidth = 10.5e9, /* 64 MiB, memcpy */
        .wake_ns = 21000,        /* eventfd or futex to another core */
        .first_touch_ns = 2000,
        .pin_ns = 314,
        .file_setup_ns = 1000, /* pread of 4 KiB, cached: 711,000 a second, 4 KiB at 10 GB/s */
        .file_bandwidth = 4e9,
        .stream_min = 16 << 20,          /* cached stores 17 GB/s, non-temporal 28, at 16 MiB */
        .batch_stream_min = 256,         /* under it the kernels take cached stores anyway */
        .transpose_stream_min = 4 << 20, /* streamed 33 GB/s, cached 22, at 4 MiB; who reads
                                             a smaller one next wants it cached */
        .split_min =
            256 << 10, /* 5 us on one core; two save half of it, for 0.3 us of handing over */
    };
}

/* ---- reading ---- */

struct parser {
    struct dray_profile profile;
    const char *text;
    size_t length, at;
    unsigned line;
    uint32_t seen; /* bit n: field n was set */
    const char *name;
    bool failed;
    char *error;
    size_t error_size;
};

/* The first one stays. */
static void parser_fail(struct parser *parser, const char *found, const char *expected)
{
    if (!parser->failed && parser->error && parser->error_size > 0)
        snprintf(parser->error, parser->error_size, "%s:%u: found %.60s, expected %s", parser->name,
                 parser->line, found, expected);
    parser->failed = true;
}

static void parser_fail_quoted(struct parser *parser, const char *found, const char *expected)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%.50s\"", found);
    for (char *c = quoted; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    parser_fail(parser, quoted, expected);
}

/* One line for inih; counts them, for inih keeps its own count to itself. */
static char *parser_line(char *line, int room, void *stream)
{
    struct parser *parser = stream;
    if (parser->failed || parser->at == parser->length)
        return NULL;
    const char *from = parser->text + parser->at;
    const char *end = memchr(from, '\n', parser->length - parser->at);
    size_t size = end ? (size_t)(end - from) + 1 : parser->length - parser->at;
    parser->line++;
    if (size + 1 > (size_t)room || size + 1 > LINE_MAX_INI) {
        parser_fail(parser, "a longer line", "at most 198 characters");
        return NULL;
    }
    if (memchr(from, 0, size)) {
        parser_fail(parser, "a zero byte", "text");
        return NULL;
    }
    memcpy(line, from, size);
    line[size] = 0;
    parser->at += size;
    return line;
}

static bool parse_real(const char *text, double min, double max, double *value)
{
    /* No locale, no hexadecimal, no infinity. */
    if (text[0] == 0 || text[strspn(text, "0123456789.eE+-")] != 0)
        return false;
    locale_t c = newlocale(LC_ALL_MASK, "C", NULL);
    if (!c)
        return false;
    char *end;
    *value = strtod_l(text, &end, c);
    freelocale(c);
    return *end == 0 && isfinite(*value) && *value >= min && *value <= max;
}

static bool parse_bytes(const char *text, uint64_t *value)
{
    if (text[0] == 0 || text[strspn(text, "0123456789")] != 0)
        return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

static void parse_field(struct parser *parser, const struct field *field, const char *text)
{
    void *value = (char *)&parser->profile + field->offset;
    switch (field->unit) {
    case UNIT_NS:
        if (!parse_real(text, 0, 1e12, value))
            parser_fail_quoted(parser, text, "nanoseconds, a number from 0 to 1e12");
        break;
    case UNIT_SPEED:
        if (!parse_real(text, 1, 1e15, value))
            parser_fail_quoted(parser, text, "bytes a second, a number from 1 to 1e15");
        break;
    case UNIT_BYTES:
        if (!parse_bytes(text, value))
            parser_fail_quoted(parser, text, "bytes, a whole number below 2^64");
        break;
    }
}

static void expect_name(struct parser *parser, const char *found)
{
    char names[256] = "one of ";
    size_t used = strlen(names);
    for (int i = 0; i < FIELDS; i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
                                 fields[i].name);
    parser_fail_quoted(parser, found, names);
}

static int parser_value(void *user, const char *section, const char *name, const char *value)
{
    struct parser *parser = user;
    if (parser->failed)
        return 0;
    if (strcmp(section, "profile") != 0) {
        parser_fail_quoted(parser, section[0] ? section : name, "section [profile]");
        return 0;
    }
    for (int i = 0; i < FIELDS; i++) {
        if (strcmp(name, fields[i].name) != 0)
            continue;
        if (parser->seen >> i & 1)
            parser_fail_quoted(parser, name, "each name once");
        else
            parse_field(parser, &fields[i], value);
        parser->seen |= 1u << i;
        return !parser->failed;
    }
    expect_name(parser, name);
    return 0;
}

int dray_profile_parse(struct dray_profile *profile, const char *text, size_t length,
                       const char *name, char *error, size_t error_size)
{
    struct parser parser = {
        .profile = *profile,
        .text = text,
        .length = length,
        .name = name,
        .error = error,
        .error_size = error_size,
    };
    int result = ini_parse_stream(parser_line, &parser, parser_value, &parser);
    if (result > 0) {
        parser.line = (unsigned)result; /* the first line that is no INI at all */
        parser_fail(&parser, "neither", "[profile] or name = value");
    }
    if (result < 0)
        return -ENOMEM;
    if (parser.failed)
        return -EINVAL;
    *profile = parser.profile;
    return 0;
}

int dray_profile_read(struct dray_profile *profile, const char *path, char *error,
                      size_t error_size)
{
    if (error && error_size > 0)
        error[0] = 0;
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_MAX + 1) : NULL;
    int result = text ? 0 : file ? -ENOMEM : -errno;
    size_t length = text ? fread(text, 1, FILE_MAX + 1, file) : 0;
    if (text && ferror(file))
        result = errno ? -errno : -EIO;
    if (result && error)
        snprintf(error, error_size, "%s: %s", path, strerror(-result));
    if (!result && length > FILE_MAX) {
        result = -EINVAL;
        if (error)
            snprintf(error, error_size, "%s: found a longer file, expected at most %d bytes", path,
                     FILE_MAX);
    }
    if (!result)
        result = dray_profile_parse(profile, text, length, path, error, error_size);
    free(text);
    if (file)
        fclose(file);
    return result;
}

/* ---- writing ---- */

/* Without the decimal point of the locale. */
static void print_field(FILE *file, const struct field *field, const struct dray_profile *profile)
{
    const void *value = (const char *)profile + field->offset;
    fprintf(file, "; %s\n", field->comment);
    if (field->unit == UNIT_BYTES) {
        fprintf(file, "%s = %" PRIu64 "\n", field->name, *(const uint64_t *)value);
        return;
    }
    double x = *(const double *)value;
    uint64_t thousandths = x > 0 && x < 1e16 ? (uint64_t)(x * 1000 + 0.5) : 0;
    fprintf(file, "%s = %" PRIu64 ".%03u\n", field->name, thousandths / 1000,
            (unsigned)(thousandths % 1000));
}

static int write_to(int fd, const struct dray_profile *profile)
{
    FILE *file = fdopen(fd, "w");
    if (!file) {
        int error = errno;
        close(fd);
        return -error;
    }
    fprintf(file, "; costs of this computer, measured; times in nanoseconds\n[profile]\n");
    for (int i = 0; i < FIELDS; i++)
        print_field(file, &fields[i], profile);
    int error = fflush(file) || fsync(fd) ? -errno : 0;
    return fclose(file) && !error ? -errno : error;
}

/* Makes the folders above `path`. Those that are there already are as good. */
static int make_parents(const char *path)
{
    char folder[4096];
    if ((size_t)snprintf(folder, sizeof(folder), "%s", path) >= sizeof(folder))
        return -ENAMETOOLONG;
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0777) && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}

int dray_profile_write(const struct dray_profile *profile, const char *path)
{
    char name[4096];
    if ((size_t)snprintf(name, sizeof(name), "%s.XXXXXX", path) >= sizeof(name))
        return -ENAMETOOLONG;
    int result = make_parents(path);
    if (result)
        return result;
    int fd = mkstemp(name);
    if (fd < 0)
        return -errno;
    fchmod(fd, 0644); /* no secret in it; mkstemp makes it 0600 */
    result = write_to(fd, profile);
    if (!result && rename(name, path))
        result = -errno;
    if (result)
        unlink(name);
    return result;
}

/* ---- where, and what follows from it ---- */

int dray_profile_path(char *path, size_t size)
{
    const char *own = getenv("DRAY_PROFILE");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int length;
    if (own && own[0])
        length = snprintf(path, size, "%s", own);
    else if (config &&
             config[0] == '/') /* a relative one is to be ignored, says its specification */
        length = snprintf(path, size, "%s/dray/profile.ini", config);
    else if (home && home[0])
        length = snprintf(path, size, "%s/.config/dray/profile.ini", home);
    else
        return -ENOENT;
    return (size_t)length < size ? 0 : -ENAMETOOLONG;
}

void dray_profile_load(struct dray_profile *profile)
{
    char path[4096];
    dray_profile_default(profile);
    if (dray_profile_path(path, sizeof(path)) == 0)
        dray_profile_read(profile, path, NULL, 0);
}

/* The nearest size in bytes to a number that may be too large for one. */
static uint64_t bytes_from(double x)
{
    return x < 0 ? 0 : x >= 0x1p63 ? UINT64_MAX : (uint64_t)(x + 0.5);
}

uint64_t dray_profile_break_even(const struct dray_profile *profile)
{
    double gain_s = 1 / profile->cpu_bandwidth - 1 / profile->bandwidth; /* for each byte */
    if (!(gain_s > 0))
        return UINT64_MAX;
    return bytes_from(profile->setup_ns * 1e-9 / gain_s);
}

uint64_t dray_profile_gap(const struct dray_profile *profile)
{
    return bytes_from(profile->bandwidth * profile->descriptor_ns * 1e-9);
}
