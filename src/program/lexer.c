#include "program/lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/escape.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void describe(const struct dray_token *token, char *found, size_t size)
{
    char text[48];
    size_t length = token->length;
    switch (token->kind) {
    case DRAY_TOKEN_END:
        snprintf(found, size, "the end of the file");
        break;
    case DRAY_TOKEN_LINE:
        snprintf(found, size, "the end of the line");
        break;
    case DRAY_TOKEN_STRING:
        length -= length >= 2 && token->text[length - 1] == '"' ? 2 : 1;
        snprintf(found, size, "\"%s\"", dray_escape(text, sizeof(text), token->text + 1, length));
        break;
    default:
        snprintf(found, size, "'%s'", dray_escape(text, sizeof(text), token->text, length));
    }
}

static void set_error(struct dray_lexer *lexer, const struct dray_token *token, const char *found,
                      const char *expected, va_list arguments)
{
    if (lexer->failed)
        return;
    lexer->failed = -EINVAL;
    lexer->error.line = token->line;
    lexer->error.column = token->column;
    if (found)
        snprintf(lexer->error.found, sizeof(lexer->error.found), "%s", found);
    else
        describe(token, lexer->error.found, sizeof(lexer->error.found));
    vsnprintf(lexer->error.expected, sizeof(lexer->error.expected), expected, arguments);
    lexer->at = lexer->end;
    lexer->line_empty = true;
    lexer->token.kind = DRAY_TOKEN_END;
}

void dray_lexer_fail(struct dray_lexer *lexer, const struct dray_token *token, const char *expected,
                     ...)
{
    va_list arguments;
    va_start(arguments, expected);
    set_error(lexer, token, NULL, expected, arguments);
    va_end(arguments);
}

void dray_lexer_fail_found(struct dray_lexer *lexer, const struct dray_token *token,
                           const char *found, const char *expected, ...)
{
    va_list arguments;
    va_start(arguments, expected);
    set_error(lexer, token, found, expected, arguments);
    va_end(arguments);
}

void dray_lexer_fail_memory(struct dray_lexer *lexer)
{
    if (!lexer->failed)
        lexer->failed = -ENOMEM;
    lexer->at = lexer->end;
    lexer->line_empty = true;
    lexer->token.kind = DRAY_TOKEN_END;
}

static void finish(struct dray_lexer *lexer, enum dray_token_kind kind)
{
    lexer->token.kind = kind;
    lexer->token.length = (size_t)(lexer->at - lexer->token.text);
}

static void lex_word(struct dray_lexer *lexer)
{
    while (lexer->at < lexer->end && (is_letter(*lexer->at) || is_digit(*lexer->at)))
        lexer->at++;
    finish(lexer, DRAY_TOKEN_WORD);
    if (lexer->token.length > DRAY_WORD_MAX)
        dray_lexer_fail(lexer, &lexer->token, "a word of at most %d bytes", DRAY_WORD_MAX);
}

static const struct {
    const char *name;
    enum dray_unit unit;
    uint64_t scale;
} units[] = {
    { "", DRAY_UNIT_NONE, 1 },
    { "B", DRAY_UNIT_BYTES, 1 },
    { "KiB", DRAY_UNIT_BYTES, (uint64_t)1 << 10 },
    { "MiB", DRAY_UNIT_BYTES, (uint64_t)1 << 20 },
    { "GiB", DRAY_UNIT_BYTES, (uint64_t)1 << 30 },
    { "TiB", DRAY_UNIT_BYTES, (uint64_t)1 << 40 },
    { "KB", DRAY_UNIT_BYTES, 1000 },
    { "MB", DRAY_UNIT_BYTES, 1000000 },
    { "GB", DRAY_UNIT_BYTES, 1000000000 },
    { "ns", DRAY_UNIT_TIME, 1 },
    { "us", DRAY_UNIT_TIME, 1000 },
    { "ms", DRAY_UNIT_TIME, 1000000 },
    { "s", DRAY_UNIT_TIME, 1000000000 },
};

static void apply_unit(struct dray_lexer *lexer, const char *name)
{
    struct dray_token *token = &lexer->token;
    size_t length = (size_t)(lexer->at - name);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) != length || memcmp(units[i].name, name, length) != 0)
            continue;
        token->unit = units[i].unit;
        if (__builtin_mul_overflow(token->number, units[i].scale, &token->number))
            dray_lexer_fail(lexer, token, "a number below 2^64");
        return;
    }
    dray_lexer_fail(lexer, token, "a unit: B, KiB, MiB, GiB, TiB, KB, MB, GB, ns, us, ms or s");
}

static void lex_number(struct dray_lexer *lexer)
{
    struct dray_token *token = &lexer->token;
    bool hex = lexer->end - lexer->at > 2 && lexer->at[0] == '0' &&
               (lexer->at[1] == 'x' || lexer->at[1] == 'X');
    const char *digits = hex ? lexer->at + 2 : lexer->at;
    const char *unit = NULL;
    uint64_t base = hex ? 16 : 10;
    bool overflow = false;

    for (lexer->at = digits; lexer->at < lexer->end; lexer->at++) {
        char c = *lexer->at;
        int digit = hex ? hex_digit(c) : is_digit(c) ? c - '0' : -1;
        if (!is_letter(c) && !is_digit(c))
            break;
        if (digit < 0 && !unit)
            unit = lexer->at;
        if (!unit)
            overflow |= __builtin_mul_overflow(token->number, base, &token->number) ||
                        __builtin_add_overflow(token->number, (uint64_t)digit, &token->number);
    }
    finish(lexer, DRAY_TOKEN_NUMBER);
    if (hex && (unit || lexer->at == digits))
        dray_lexer_fail(lexer, token, "hexadecimal digits behind 0x, and no unit");
    else if (overflow)
        dray_lexer_fail(lexer, token, "a number below 2^64");
    else
        apply_unit(lexer, unit ? unit : lexer->at);
}

/* The byte that the escape at lexer->at (behind the backslash) stands for; -1 if none. */
static int lex_escape(struct dray_lexer *lexer)
{
    static const char letters[][2] = { { 'n', '\n' }, { 'r', '\r' },  { 't', '\t' },
                                       { '0', '\0' }, { '\\', '\\' }, { '"', '"' } };
    if (lexer->at == lexer->end)
        return -1;
    char c = *lexer->at++;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (letters[i][0] == c)
            return letters[i][1];
    if (c != 'x' || lexer->end - lexer->at < 2)
        return -1;
    int high = hex_digit(lexer->at[0]), low = hex_digit(lexer->at[1]);
    if (high < 0 || low < 0)
        return -1;
    lexer->at += 2;
    return high << 4 | low;
}

static void string_byte(struct dray_lexer *lexer, int byte)
{
    size_t length = lexer->string_length;
    if (length == DRAY_STRING_MAX) {
        dray_lexer_fail(lexer, &lexer->token, "a string of at most %d bytes", DRAY_STRING_MAX);
        return;
    }
    if (length == 0 || (length >= 64 && (length & (length - 1)) == 0)) {
        char *more = realloc(lexer->string, length < 64 ? 64 : 2 * length);
        if (!more) {
            dray_lexer_fail_memory(lexer);
            return;
        }
        lexer->string = more;
    }
    lexer->string[lexer->string_length++] = (char)byte;
}

static void lex_string(struct dray_lexer *lexer)
{
    lexer->string_length = 0;
    lexer->at++;
    while (!lexer->failed) {
        struct dray_token here = { .kind = DRAY_TOKEN_MARK,
                                   .line = lexer->line,
                                   .column = (unsigned)(lexer->at - lexer->line_start) + 1,
                                   .text = lexer->at };
        if (lexer->at == lexer->end || *lexer->at == '\n') {
            here.kind = lexer->at == lexer->end ? DRAY_TOKEN_END : DRAY_TOKEN_LINE;
            dray_lexer_fail(lexer, &here, "\" to end the string");
            return;
        }
        int byte = (unsigned char)*lexer->at++;
        if (byte == '"')
            break;
        here.length = 1;
        if (byte < 0x20 || byte == 0x7f) {
            dray_lexer_fail(lexer, &here, "a printable character or an escape such as \\x0a");
            return;
        }
        if (byte == '\\' && (byte = lex_escape(lexer)) < 0) {
            here.length = (size_t)(lexer->at - here.text);
            dray_lexer_fail(lexer, &here, "an escape: \\n \\r \\t \\0 \\\\ \\\" or \\xNN");
            return;
        }
        string_byte(lexer, byte);
    }
    finish(lexer, DRAY_TOKEN_STRING);
}

static void lex_mark(struct dray_lexer *lexer)
{
    static const char *const marks[] = { "<-", "==", "!=", "<=", ">=", "..", "<", ">",
                                         "[",  "]",  ":",  ",",  ".",  "/",  "-", NULL };
    for (size_t i = 0; marks[i]; i++) {
        size_t length = strlen(marks[i]);
        if (length <= (size_t)(lexer->end - lexer->at) &&
            memcmp(marks[i], lexer->at, length) == 0) {
            lexer->at += length;
            finish(lexer, DRAY_TOKEN_MARK);
            return;
        }
    }
    lexer->at++;
    finish(lexer, DRAY_TOKEN_MARK);
    dray_lexer_fail(lexer, &lexer->token, "a word, a number, a string or one of [ ] : , <- == . /");
}

/* Blanks, comments, and the ends of lines that hold nothing or go on behind a comma. */
static void skip(struct dray_lexer *lexer, bool go_on)
{
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        bool ends = c == '\n' || (c == '\r' && lexer->end - lexer->at > 1 && lexer->at[1] == '\n');
        if (c == '#') {
            while (lexer->at < lexer->end && *lexer->at != '\n')
                lexer->at++;
        } else if (c == ' ' || c == '\t' || (c == '\r' && ends)) {
            lexer->at++;
        } else if (ends && (lexer->line_empty || go_on)) {
            lexer->line_start = ++lexer->at;
            lexer->line++;
        } else {
            return;
        }
    }
}

static void begin_token(struct dray_lexer *lexer)
{
    unsigned column = (unsigned)(lexer->at - lexer->line_start) + 1;
    lexer->token = (struct dray_token){
        .kind = DRAY_TOKEN_END,
        .indented = lexer->line_empty && column > 1,
        .line = lexer->line,
        .column = column,
        .text = lexer->at,
    };
}

void dray_lexer_next(struct dray_lexer *lexer)
{
    bool comma = dray_token_is(&lexer->token, DRAY_TOKEN_MARK, ",");
    lexer->before = lexer->token.text + lexer->token.length;
    skip(lexer, comma);
    begin_token(lexer);
    if (lexer->failed)
        return;
    if (lexer->at == lexer->end || *lexer->at == '\n') {
        if (lexer->line_empty)
            return; /* only at the end of the file */
        lexer->token.kind = DRAY_TOKEN_LINE;
        lexer->line_empty = true;
        return; /* skip() steps over the newline */
    }
    lexer->line_empty = false;
    if (is_letter(*lexer->at))
        lex_word(lexer);
    else if (is_digit(*lexer->at))
        lex_number(lexer);
    else if (*lexer->at == '"')
        lex_string(lexer);
    else
        lex_mark(lexer);
}

void dray_lexer_begin(struct dray_lexer *lexer, const char *text, size_t length)
{
    *lexer = (struct dray_lexer){
        .at = text,
        .end = text + length,
        .line_start = text,
        .line = 1,
        .line_empty = true,
        .token = { .text = text, .line = 1, .column = 1 },
    };
    if (length > DRAY_PROGRAM_TEXT_MAX)
        dray_lexer_fail_found(lexer, &lexer->token, "a longer file", "a program of at most %d MiB",
                              DRAY_PROGRAM_TEXT_MAX >> 20);
    dray_lexer_next(lexer);
}

void dray_lexer_end(struct dray_lexer *lexer)
{
    free(lexer->string);
    lexer->string = NULL;
}
