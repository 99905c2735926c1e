/* The assembler: one line of text to the 64 bytes of a descriptor. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "desc/format_tables.h"
#include "dray/desc.h"

/* A run of characters of the line. */
struct token {
    const char *at;
    size_t length;
};

struct parser {
    const char *line;
    const char *at; /* what is not read yet */
    struct dray_text_error *error;
};

/* What is no blank, no '=' and no ',' up to the next of these. */
static struct token read_word(struct parser *p)
{
    struct token word = { p->at, strcspn(p->at, " \t\r\n=,") };
    p->at += word.length;
    return word;
}

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

static bool token_is(struct token token, const char *text)
{
    return strlen(text) == token.length && memcmp(token.at, text, token.length) == 0;
}

/* Copies what a person can read; a message must not carry control characters to a terminal. */
static void describe(struct token found, char *text, size_t size)
{
    size_t n = found.length < size - 1 ? found.length : size - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = isprint((unsigned char)found.at[i]) ? found.at[i] : '?';
    text[n] = '\0';
}

static int refuse(struct parser *p, struct token found, const char *expected)
{
    struct dray_text_error *error = p->error;
    if (!error)
        return -EINVAL;
    memset(error, 0, sizeof(*error));
    error->line = 1;
    error->column = (unsigned)(found.at - p->line) + 1;
    if (found.length == 0 && *found.at)
        found.length = 1;
    if (found.length)
        describe(found, error->found, sizeof(error->found));
    else
        snprintf(error->found, sizeof(error->found), "end of line");
    snprintf(error->expected, sizeof(error->expected), "%s", expected);
    return -EINVAL;
}

/* Adds a word to a list in a message: "a, b". */
static void list_add(char *list, size_t size, const char *word)
{
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", word);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* False when it is no number, or one that does not fit in 64 bits. */
static bool read_number(struct token token, uint64_t *value)
{
    unsigned base = 10;
    if (token.length > 2 && token.at[0] == '0' && (token.at[1] | 32) == 'x') {
        base = 16;
        token.at += 2;
        token.length -= 2;
    }
    *value = 0;
    for (size_t i = 0; i < token.length; i++) {
        unsigned d = (unsigned)digit(token.at[i]);
        if (d >= base || __builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, d, value))
            return false;
    }
    return token.length > 0;
}

static int refuse_value(struct parser *p, struct token found, const struct dray_field_info *field)
{
    char expected[sizeof(p->error->expected)] = "";
    for (size_t i = 0; field->words && field->words[i]; i++)
        list_add(expected, sizeof(expected), field->words[i]);
    char number[48];
    snprintf(number, sizeof(number), "a number up to 2^%u - 1", 8u * field->size);
    list_add(expected, sizeof(expected), number);
    return refuse(p, found, expected);
}

/* The number that a word of the field stands for. */
static bool read_named(struct token token, const char *const *words, uint64_t *value)
{
    for (uint64_t i = 0; words && words[i]; i++) {
        if (token_is(token, words[i])) {
            *value = i;
            return true;
        }
    }
    return false;
}

static int read_value(struct parser *p, const struct dray_field_info *field, struct dray_desc *d)
{
    struct token token = read_word(p);
    uint64_t value;
    if (!read_named(token, field->words, &value) && !read_number(token, &value))
        return refuse_value(p, token, field);
    if (field->size < 8 && value >> (8 * field->size))
        return refuse_value(p, token, field);
    memcpy((char *)d + field->offset, &value, field->size);
    return 0;
}

static int refuse_flag(struct parser *p, struct token found, unsigned allowed)
{
    char expected[sizeof(p->error->expected)] = "";
    for (size_t i = 0; i < dray_flag_count; i++)
        if (allowed & dray_flag_table[i].number)
            list_add(expected, sizeof(expected), dray_flag_table[i].name);
    return refuse(p, found, expected);
}

static unsigned flag_number(struct token token)
{
    for (size_t i = 0; i < dray_flag_count; i++)
        if (token_is(token, dray_flag_table[i].name))
            return dray_flag_table[i].number;
    return 0;
}

/* chain,fence */
static int read_flags(struct parser *p, unsigned allowed, struct dray_desc *d)
{
    for (;;) {
        struct token token = read_word(p);
        unsigned flag = flag_number(token);
        if (!(flag & allowed))
            return refuse_flag(p, token, allowed);
        d->flags |= (uint16_t)flag;
        if (*p->at != ',')
            return 0;
        p->at++;
    }
}

static const struct dray_field_info user_data_field = { "user_data",
                                                        offsetof(struct dray_desc, user_data), 8,
                                                        false, NULL };

/* A field's place in the bit set of those already read: the opcode's own, user_data, flags. */
enum {
    USER_DATA = DRAY_OPCODE_FIELDS_MAX,
    FLAGS,
    NO_FIELD,
};

static unsigned field_index(const struct dray_opcode_info *info, struct token name)
{
    for (unsigned i = 0; i < info->field_count; i++)
        if (token_is(name, info->fields[i].name))
            return i;
    if (token_is(name, "user_data"))
        return USER_DATA;
    return token_is(name, "flags") ? FLAGS : NO_FIELD;
}

static int refuse_field(struct parser *p, struct token found, const struct dray_opcode_info *info,
                        unsigned seen)
{
    char expected[sizeof(p->error->expected)] = "";
    for (unsigned i = 0; i < info->field_count; i++)
        if (!(seen >> i & 1))
            list_add(expected, sizeof(expected), info->fields[i].name);
    if (!(seen >> USER_DATA & 1))
        list_add(expected, sizeof(expected), "user_data");
    if (!(seen >> FLAGS & 1))
        list_add(expected, sizeof(expected), "flags");
    return refuse(p, found, *expected ? expected : "end of line");
}

/* name=value */
static int read_field(struct parser *p, const struct dray_opcode_info *info, unsigned *seen,
                      struct dray_desc *d)
{
    struct token name = read_word(p);
    unsigned index = field_index(info, name);
    if (index == NO_FIELD || *seen >> index & 1)
        return refuse_field(p, name, info, *seen);
    *seen |= 1u << index;
    if (*p->at != '=')
        return refuse(p, (struct token){ p->at, 0 }, "=");
    p->at++;
    if (index == FLAGS)
        return read_flags(p, info->flags, d);
    return read_value(p, index == USER_DATA ? &user_data_field : &info->fields[index], d);
}

static int read_fields(struct parser *p, struct dray_desc *d)
{
    const struct dray_opcode_info *info = &dray_opcode_table[d->opcode];
    unsigned seen = 0;
    for (;;) {
        const char *before = p->at;
        skip_blanks(p);
        if (!*p->at)
            return 0;
        if (p->at == before)
            return refuse(p, (struct token){ p->at, 0 }, "a blank");
        int err = read_field(p, info, &seen, d);
        if (err)
            return err;
    }
}

static int read_raw(struct parser *p, struct dray_desc *d)
{
    unsigned char byte[sizeof(*d)];
    skip_blanks(p);
    for (size_t i = 0; i < sizeof(byte); i++) {
        for (int nibble = 0; nibble < 2; nibble++, p->at++) {
            int value = digit(*p->at);
            if (value > 15)
                return refuse(p, (struct token){ p->at, 0 }, "128 hexadecimal digits");
            byte[i] = (unsigned char)(nibble ? byte[i] << 4 | value : value);
        }
    }
    skip_blanks(p);
    if (*p->at)
        return refuse(p, (struct token){ p->at, strcspn(p->at, " \t\r\n") }, "end of line");
    memcpy(d, byte, sizeof(*d));
    return 0;
}

static int refuse_opcode(struct parser *p, struct token found)
{
    char expected[sizeof(p->error->expected)] = "";
    for (unsigned i = 0; i < DRAY_OPCODE_COUNT; i++)
        if (dray_opcode_table[i].name)
            list_add(expected, sizeof(expected), dray_opcode_table[i].name);
    list_add(expected, sizeof(expected), "raw");
    return refuse(p, found, expected);
}

static unsigned opcode_number(struct token name)
{
    for (unsigned i = 0; i < DRAY_OPCODE_COUNT; i++)
        if (dray_opcode_table[i].name && token_is(name, dray_opcode_table[i].name))
            return i;
    return 0;
}

int dray_desc_parse(const char *line, struct dray_desc *d, struct dray_text_error *error)
{
    struct parser p = { line, line, error };
    struct dray_desc parsed;
    skip_blanks(&p);
    struct token name = read_word(&p);
    unsigned opcode = opcode_number(name);
    if (!opcode && !token_is(name, "raw"))
        return refuse_opcode(&p, name);
    dray_prep(&parsed, (enum dray_opcode)opcode);
    int err = opcode ? read_fields(&p, &parsed) : read_raw(&p, &parsed);
    if (!err)
        *d = parsed;
    return err;
}
