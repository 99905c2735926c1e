/* Machine files and --set, as text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "file_state.h"

enum {
    INI_LINE = 200, /* inih's, with the terminator; a longer line would be read as two */
};

static const char blanks[] = " \t\r\n\f\v";

struct reader {
    struct sim_parts *parts;
    struct sim_section *section; /* that the lines belong to; NULL: none yet */
    struct sim_place place;
    const char *text, *end;
    bool no_memory;
};

/* ---- lines ---- */

/* Where a comment or the blanks before it begin. */
static const char *cut_comment(const char *from, const char *end)
{
    const char *cut = end;
    for (const char *c = from; c < end; c++)
        if (*c == ';' && (c == from || strchr(" \t", c[-1]))) {
            cut = c;
            break;
        }
    while (cut > from && strchr(blanks, cut[-1]))
        cut--;
    return cut;
}

/* inih tells nothing of a section without values; so sections are opened here. */
static bool open_section(struct reader *reader, const char *from, const char *end)
{
    char text[INI_LINE];
    snprintf(text, sizeof(text), "%.*s", (int)(end - from), from);
    if (end[-1] != ']' || end - from < 3) {
        sim_say(&reader->place, text, "", "a section in brackets, such as [bus]");
        return false;
    }
    int section =
        sim_section_open(reader->parts, from + 1, (size_t)(end - from) - 2, " \t", &reader->place);
    reader->no_memory = section == -ENOMEM;
    if (section < 0)
        return false;
    reader->section = &reader->parts->sections[section];
    return true;
}

static bool check_line(struct reader *reader, const char *from, const char *end)
{
    char text[INI_LINE];
    snprintf(text, sizeof(text), "%.*s", (int)(end - from), from);
    if (end - from > INI_LINE - 2)
        sim_say(&reader->place, text, "", "at most 198 characters beside a comment");
    else if (memchr(from, 0, (size_t)(end - from)))
        sim_say(&reader->place, text, " and a zero byte", "text");
    else if (from < end && *from == '[')
        return open_section(reader, from, end);
    else if (from < end && !memchr(from, '=', (size_t)(end - from)))
        sim_say(&reader->place, text, "", "[part] or parameter = value");
    return !reader->place.failed;
}

/* One line for inih, without its comment and without blanks before it, which would continue the line
 * above; counts them, for inih keeps its own count to itself. */
static char *next_line(char *line, int room, void *stream)
{
    struct reader *reader = stream;
    if (reader->place.failed || reader->no_memory || reader->text == reader->end)
        return NULL;
    const char *from = reader->text;
    const char *newline = memchr(from, '\n', (size_t)(reader->end - from));
    const char *end = newline ? newline : reader->end;
    reader->text = newline ? newline + 1 : reader->end;
    reader->place.line++;
    while (from < end && *from && strchr(blanks, *from))
        from++;
    if (from < end && *from == '#')
        end = from;
    end = cut_comment(from, end);
    if (!check_line(reader, from, end) || end - from + 2 > room)
        return NULL;
    memcpy(line, from, (size_t)(end - from));
    memcpy(line + (end - from), "\n", 2);
    return line;
}

static int take_value(void *user, const char *section_text, const char *name, const char *value)
{
    struct reader *reader = user;
    struct sim_section *section = reader->section;
    (void)section_text;
    if (reader->place.failed)
        return 0;
    if (!section) {
        sim_say(&reader->place, name, "", "a section before it, such as [bus]");
        return 0;
    }
    const struct sim_param *param = sim_section_param(section, name, &reader->place);
    if (!param)
        return 0;
    uint64_t bit = (uint64_t)1 << (param - section->kind->params);
    if (section->seen & bit)
        sim_say(&reader->place, name, "", "each parameter once");
    else
        sim_section_parse(section, param, value, &reader->place);
    section->seen |= bit;
    return !reader->place.failed;
}

/* ---- files ---- */

int sim_parts_parse(struct sim_parts *parts, const char *text, size_t length, const char *name,
                    char *error, size_t size)
{
    struct reader reader = {
        .parts = parts,
        .place = { .name = name, .error = error, .size = size },
        .text = text,
        .end = text + length,
    };
    for (unsigned i = 0; i < parts->section_count; i++)
        parts->sections[i].seen = 0;
    if (length > SIM_FILE_SIZE)
        return sim_say(&reader.place, "a longer file", "", "at most 64 KiB");
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a mark that some editors put */
        reader.text += 3;
    int result = ini_parse_stream(next_line, &reader, take_value, &reader);
    if (result > 0)
        sim_say(&reader.place, "something else", "", "[part] or parameter = value");
    if (result < 0 || reader.no_memory)
        return -ENOMEM;
    return reader.place.failed ? -EINVAL : 0;
}

int sim_parts_read(struct sim_parts *parts, const char *path, char *error, size_t size)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(SIM_FILE_SIZE + 1) : NULL;
    int result = text ? 0 : file ? -ENOMEM : -errno;
    size_t length = text ? fread(text, 1, SIM_FILE_SIZE + 1, file) : 0;
    if (text && ferror(file))
        result = errno ? -errno : -EIO;
    if (result && error)
        snprintf(error, size, "%s: %s", path, strerror(-result));
    if (!result)
        result = sim_parts_parse(parts, text, length, path, error, size);
    free(text);
    if (file)
        fclose(file);
    return result;
}

/* ---- one value ---- */

int sim_parts_left_side(struct sim_parts *parts, const char *text, const struct sim_param **param,
                        const char **rest, struct sim_place *place)
{
    char name[SIM_SECTION_NAME];
    const char *equals = strchr(text, '=');
    const char *point = equals ? memrchr(text, '.', (size_t)(equals - text)) : NULL;
    if (!point || point == text || point + 1 == equals)
        return sim_say(place, text, "", "PART.PARAMETER=VALUE, such as bus.burst=64B");
    int section = sim_section_open(parts, text, (size_t)(point - text), " .", place);
    if (section < 0)
        return section;
    snprintf(name, sizeof(name), "%.*s", (int)(equals - point - 1), point + 1);
    *param = sim_section_param(&parts->sections[section], name, place);
    *rest = equals + 1;
    return *param ? section : -EINVAL;
}

int sim_parts_set(struct sim_parts *parts, const char *text, char *error, size_t size)
{
    char name[PLACE_TEXT];
    struct sim_place place = { .name = name, .error = error, .size = size };
    const struct sim_param *param;
    const char *value;
    snprintf(name, sizeof(name), "--set %s", text);
    int section = sim_parts_left_side(parts, text, &param, &value, &place);
    if (section < 0)
        return section;
    return sim_section_parse(&parts->sections[section], param, value, &place);
}
