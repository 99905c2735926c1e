/* The disassembler: what a line holds comes from the tables of the format. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "desc/check.h"

/* A text that is cut at `size` and goes on counting. */
struct line {
    char *text;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    size_t room = line->length < line->size ? line->size - line->length : 0;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(room ? line->text + line->length : NULL, room, format, arguments);
    va_end(arguments);
    line->length += n > 0 ? (size_t)n : 0;
}

static uint64_t field_value(const struct dray_desc *d, const struct dray_field_info *field)
{
    uint64_t value = 0; /* little-endian: the low bytes come first */
    memcpy(&value, (const char *)d + field->offset, field->size);
    return value;
}

static const char *word(const char *const *words, uint64_t value)
{
    for (uint64_t i = 0; words && words[i]; i++)
        if (i == value)
            return words[i];
    return NULL;
}

static void put_field(struct line *line, const struct dray_desc *d,
                      const struct dray_field_info *field)
{
    uint64_t value = field_value(d, field);
    const char *name = word(field->words, value);
    if (name)
        put(line, " %s=%s", field->name, name);
    else if (value)
        put(line, field->hex ? " %s=0x%" PRIx64 : " %s=%" PRIu64, field->name, value);
}

static void put_flags(struct line *line, unsigned flags)
{
    const char *before = " flags=";
    for (size_t i = 0; i < dray_flag_count; i++) {
        if (flags & dray_flag_table[i].number) {
            put(line, "%s%s", before, dray_flag_table[i].name);
            before = ",";
        }
    }
}

static void put_fields(struct line *line, const struct dray_desc *d)
{
    const struct dray_opcode_info *info = &dray_opcode_table[d->opcode];
    put(line, "%s", info->name);
    for (unsigned i = 0; i < info->field_count; i++)
        put_field(line, d, &info->fields[i]);
    if (d->user_data)
        put(line, " user_data=%" PRIu64, d->user_data);
    put_flags(line, d->flags);
}

static void put_raw(struct line *line, const struct dray_desc *d)
{
    unsigned char byte[sizeof(*d)];
    memcpy(byte, d, sizeof(byte));
    put(line, "raw ");
    for (size_t i = 0; i < sizeof(byte); i++)
        put(line, "%02x", byte[i]);
}

static bool has_fields(const struct dray_desc *d)
{
    return d->version == DRAY_FORMAT_VERSION && d->opcode < DRAY_OPCODE_COUNT &&
           dray_opcode_table[d->opcode].name && !dray_desc_reserved(d);
}

int dray_desc_print(const struct dray_desc *d, char *text, size_t size, size_t *needed)
{
    struct line line = { text, size, 0 };
    if (has_fields(d))
        put_fields(&line, d);
    else
        put_raw(&line, d);
    if (needed)
        *needed = line.length + 1;
    return line.length < size ? 0 : -ENOSPC;
}
