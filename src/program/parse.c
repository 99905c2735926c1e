/* Words, numbers and keywords; the loop over lines. The grammar is in docs/program.md. */
#include "program/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/words.h"

bool dray_parse_mark(struct dray_parser *parser, const char *mark)
{
    bool is = dray_token_is(dray_parse_token(parser), DRAY_TOKEN_MARK, mark);
    if (is)
        dray_lexer_next(&parser->lexer);
    return is;
}

bool dray_parse_word(struct dray_parser *parser, const char *word)
{
    bool is = dray_token_is(dray_parse_token(parser), DRAY_TOKEN_WORD, word);
    if (is)
        dray_lexer_next(&parser->lexer);
    return is;
}

void dray_parse_need_mark(struct dray_parser *parser, const char *mark)
{
    if (!dray_parse_mark(parser, mark))
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser), "'%s'", mark);
}

void dray_parse_need_word(struct dray_parser *parser, const char *word)
{
    if (!dray_parse_word(parser, word))
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser), "'%s'", word);
}

uint64_t dray_parse_number(struct dray_parser *parser, enum dray_unit unit, uint64_t min,
                           uint64_t max, const char *what)
{
    const struct dray_token *token = dray_parse_token(parser);
    uint64_t number = token->number;
    bool unit_fits = token->unit == unit ||
                     (token->unit == DRAY_UNIT_NONE && (unit == DRAY_UNIT_BYTES || number == 0));
    if (token->kind != DRAY_TOKEN_NUMBER || !unit_fits) {
        dray_lexer_fail(&parser->lexer, token, "%s", what);
        return min;
    }
    if (number < min && max == UINT64_MAX) {
        dray_lexer_fail(&parser->lexer, token, "%s, at least %llu", what, (unsigned long long)min);
        return min;
    }
    if (number < min || number > max) {
        dray_lexer_fail(&parser->lexer, token, "%s from %llu to %llu", what,
                        (unsigned long long)min, (unsigned long long)max);
        return min;
    }
    dray_lexer_next(&parser->lexer);
    return number;
}

uint64_t dray_parse_size(struct dray_parser *parser, uint64_t min, uint64_t max)
{
    return dray_parse_number(parser, DRAY_UNIT_BYTES, min, max, "a size such as 4096 or 4KiB");
}

uint64_t dray_parse_count(struct dray_parser *parser, uint64_t min, uint64_t max)
{
    return dray_parse_number(parser, DRAY_UNIT_NONE, min, max, "a number");
}

uint64_t dray_parse_time(struct dray_parser *parser)
{
    return dray_parse_number(parser, DRAY_UNIT_TIME, 1, (uint64_t)3600 * 1000000000,
                             "a time such as 10us or 1s");
}

int64_t dray_parse_stride(struct dray_parser *parser)
{
    bool negative = dray_parse_mark(parser, "-");
    int64_t stride = (int64_t)dray_parse_size(parser, 0, INT64_MAX);
    return negative ? -stride : stride;
}

enum dray_wait dray_parse_condition(struct dray_parser *parser)
{
    static const struct {
        const char *mark;
        enum dray_wait condition;
    } conditions[] = {
        { "==", DRAY_WAIT_EQ }, { "!=", DRAY_WAIT_NE }, { "<", DRAY_WAIT_LT },
        { "<=", DRAY_WAIT_LE }, { ">", DRAY_WAIT_GT },  { ">=", DRAY_WAIT_GE },
    };
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (dray_parse_mark(parser, conditions[i].mark))
            return conditions[i].condition;
    dray_lexer_fail(&parser->lexer, dray_parse_token(parser),
                    "a condition: ==, !=, <, <=, > or >=");
    return DRAY_WAIT_EQ;
}

static char *keep_string(struct dray_parser *parser, const char *bytes, size_t length)
{
    struct dray_program *program = parser->program;
    char *copy = malloc(length + 1);
    char **slot = copy ? dray_program_push(&program->strings, &program->string_count,
                                           sizeof(*program->strings))
                       : NULL;
    if (!slot) {
        free(copy);
        dray_lexer_fail_memory(&parser->lexer);
        return NULL;
    }
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return *slot = copy;
}

const char *dray_parse_string(struct dray_parser *parser, size_t *length, const char *what)
{
    struct dray_lexer *lexer = &parser->lexer;
    if (lexer->token.kind != DRAY_TOKEN_STRING) {
        dray_lexer_fail(lexer, &lexer->token, "%s", what);
        return NULL;
    }
    size_t bytes = lexer->string_length;
    if (!length && (bytes == 0 || memchr(lexer->string, '\0', bytes))) {
        dray_lexer_fail(lexer, &lexer->token, "%s, not empty and without \\0", what);
        return NULL;
    }
    char *copy = keep_string(parser, lexer->string, bytes);
    if (length)
        *length = bytes;
    dray_lexer_next(lexer);
    return copy;
}

void dray_parse_name(struct dray_parser *parser, char *name, const char *what)
{
    const struct dray_token *token = dray_parse_token(parser);
    if (token->kind != DRAY_TOKEN_WORD) {
        dray_lexer_fail(&parser->lexer, token, "%s", what);
        return;
    }
    memcpy(name, token->text, token->length); /* at most DRAY_WORD_MAX */
    name[token->length] = '\0';
    dray_lexer_next(&parser->lexer);
}

void dray_parse_end_of_line(struct dray_parser *parser)
{
    const struct dray_token *token = dray_parse_token(parser);
    if (token->kind == DRAY_TOKEN_LINE)
        dray_lexer_next(&parser->lexer);
    else if (token->kind != DRAY_TOKEN_END)
        dray_lexer_fail(&parser->lexer, token, "the end of the line");
}

/* "mem, file or flag" */
static void join(char *out, size_t size, const struct dray_keyword *keywords, const char *last)
{
    size_t used = 0;
    for (size_t i = 0; keywords[i].name && used < size; i++) {
        const char *between = i == 0 ? "" : keywords[i + 1].name || last ? ", " : " or ";
        used += (size_t)snprintf(out + used, size - used, "%s%s", between, keywords[i].name);
    }
    if (last && used < size)
        snprintf(out + used, size - used, " or %s", last);
}

static void fail_keyword(struct dray_parser *parser, const struct dray_keyword *keywords,
                         const char *what, const char *last)
{
    const struct dray_token *token = dray_parse_token(parser);
    char names[160];
    for (size_t i = 0; token->kind == DRAY_TOKEN_WORD && keywords[i].name; i++) {
        if (dray_words_near(token->text, token->length, keywords[i].name)) {
            dray_lexer_fail(&parser->lexer, token, "%s, perhaps '%s'", what, keywords[i].name);
            return;
        }
    }
    join(names, sizeof(names), keywords, last);
    dray_lexer_fail(&parser->lexer, token, "%s: %s", what, names);
}

static const struct dray_keyword *find_keyword(const struct dray_parser *parser,
                                               const struct dray_keyword *keywords)
{
    for (const struct dray_keyword *k = keywords; k->name; k++)
        if (dray_token_is(dray_parse_token(parser), DRAY_TOKEN_WORD, k->name))
            return k;
    return NULL;
}

const struct dray_keyword *dray_parse_keyword(struct dray_parser *parser,
                                              const struct dray_keyword *keywords, const char *what)
{
    const struct dray_keyword *keyword = find_keyword(parser, keywords);
    parser->keyword = *dray_parse_token(parser);
    if (keyword)
        dray_lexer_next(&parser->lexer);
    else
        fail_keyword(parser, keywords, what, NULL);
    return keyword;
}

uint64_t dray_parse_attributes(struct dray_parser *parser, const struct dray_keyword *keywords)
{
    uint64_t given = 0;
    struct dray_lexer *lexer = &parser->lexer;
    while (lexer->token.kind != DRAY_TOKEN_LINE && lexer->token.kind != DRAY_TOKEN_END) {
        const struct dray_keyword *keyword = find_keyword(parser, keywords);
        uint64_t bit = keyword ? (uint64_t)1 << (keyword - keywords) : 0;
        if (!keyword) {
            fail_keyword(parser, keywords, "an option", "the end of the line");
            break;
        }
        if (given & bit) {
            dray_lexer_fail(lexer, &lexer->token, "'%s' once only", keyword->name);
            break;
        }
        given |= bit;
        parser->keyword = lexer->token;
        dray_lexer_next(lexer);
        keyword->parse(parser);
    }
    return given;
}

/* The slot of a name: where it is, or where it would go (FNV-1a, linear probing). */
static int32_t *name_slot(const struct dray_parser *parser, const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    for (;; hash++) {
        const int32_t *slot = &parser->names[hash % DRAY_NAME_SLOTS];
        const char *there = *slot ? parser->program->decls[*slot - 1].name : NULL;
        if (!there || (strlen(there) == length && memcmp(there, name, length) == 0))
            return (int32_t *)slot;
    }
}

int32_t dray_parse_find(const struct dray_parser *parser, const char *name, size_t length)
{
    return *name_slot(parser, name, length) - 1; /* DRAY_PROGRAM_NONE is -1 */
}

int32_t dray_parse_reference(struct dray_parser *parser, bool (*is)(const struct dray_decl *decl),
                             const char *what)
{
    struct dray_lexer *lexer = &parser->lexer;
    const struct dray_token *token = dray_parse_token(parser);
    const struct dray_program *program = parser->program;
    int32_t found = token->kind == DRAY_TOKEN_WORD
                        ? dray_parse_find(parser, token->text, token->length)
                        : DRAY_PROGRAM_NONE;
    if (found != DRAY_PROGRAM_NONE && is(&program->decls[found])) {
        dray_lexer_next(lexer);
        return found;
    }
    for (size_t i = 0; token->kind == DRAY_TOKEN_WORD && i < program->decl_count; i++) {
        if (is(&program->decls[i]) &&
            dray_words_near(token->text, token->length, program->decls[i].name)) {
            dray_lexer_fail(lexer, token, "%s, perhaps '%s'", what, program->decls[i].name);
            return DRAY_PROGRAM_NONE;
        }
    }
    dray_lexer_fail(lexer, token, "%s", what);
    return DRAY_PROGRAM_NONE;
}

void dray_parse_new_name(struct dray_parser *parser, struct dray_decl *decl)
{
    const struct dray_token *token = dray_parse_token(parser);
    decl->at = (struct dray_position){ token->line, token->column };
    if (token->kind != DRAY_TOKEN_WORD) {
        dray_lexer_fail(&parser->lexer, token, "a name");
        return;
    }
    int32_t twin = dray_parse_find(parser, token->text, token->length);
    if (twin != DRAY_PROGRAM_NONE) {
        dray_lexer_fail(&parser->lexer, token, "a new name: line %u declares this one",
                        parser->program->decls[twin].at.line);
        return;
    }
    decl->name = keep_string(parser, token->text, token->length);
    dray_lexer_next(&parser->lexer);
}

int32_t dray_parse_declare(struct dray_parser *parser, const struct dray_decl *decl)
{
    struct dray_program *program = parser->program;
    if (parser->lexer.failed)
        return DRAY_PROGRAM_NONE;
    if (program->decl_count == DRAY_PROGRAM_NAMES_MAX) {
        struct dray_token token = { .line = decl->at.line, .column = decl->at.column };
        dray_lexer_fail_found(&parser->lexer, &token, "one name more", "at most %d names",
                              DRAY_PROGRAM_NAMES_MAX);
        return DRAY_PROGRAM_NONE;
    }
    int32_t *slot = name_slot(parser, decl->name, strlen(decl->name));
    struct dray_decl *room =
        dray_program_push(&program->decls, &program->decl_count, sizeof(*program->decls));
    if (!room) {
        dray_lexer_fail_memory(&parser->lexer);
        return DRAY_PROGRAM_NONE;
    }
    *room = *decl;
    *slot = (int32_t)program->decl_count;
    return *slot - 1;
}

static const struct dray_keyword statements[] = {
    { "mem", dray_parse_mem },       { "file", dray_parse_file },     { "pipe", dray_parse_pipe },
    { "socket", dray_parse_socket }, { "flag", dray_parse_flag },     { "list", dray_parse_list },
    { "queue", dray_parse_queue },   { "expect", dray_parse_expect }, { NULL, NULL },
};

/* Words that mean something to the modelled machine alone. */
static bool is_for_machine(const struct dray_token *token)
{
    static const char *const words[] = { "machine", "cpu", "cache",  "bus", "dram",
                                         "iommu",   "dma", "device", NULL };
    for (size_t i = 0; words[i]; i++)
        if (dray_token_is(token, DRAY_TOKEN_WORD, words[i]))
            return true;
    return false;
}

static void parse_line(struct dray_parser *parser)
{
    const struct dray_token *token = dray_parse_token(parser);
    if (token->indented) {
        dray_parse_operation(parser);
    } else if (is_for_machine(token)) {
        dray_lexer_fail(&parser->lexer, token,
                        "a statement for this computer: only the modelled machine understands "
                        "'%.*s', and not in a program yet",
                        (int)token->length, token->text);
    } else {
        const struct dray_keyword *statement =
            dray_parse_keyword(parser, statements, "a statement");
        parser->block = DRAY_PROGRAM_NONE;
        if (statement)
            statement->parse(parser);
    }
    dray_parse_end_of_line(parser);
}

static int parse_all(struct dray_parser *parser, struct dray_program *program, size_t length,
                     struct dray_text_error *error)
{
    parser->program = program;
    parser->block = DRAY_PROGRAM_NONE;
    dray_lexer_begin(&parser->lexer, program->text, length);
    while (parser->lexer.token.kind != DRAY_TOKEN_END)
        parse_line(parser);
    dray_lexer_end(&parser->lexer);
    if (parser->lexer.failed == -EINVAL && error)
        *error = parser->lexer.error;
    return parser->lexer.failed;
}

int dray_program_parse(struct dray_program **program, const char *text, size_t length,
                       const char *name, struct dray_text_error *error)
{
    struct dray_program *p = calloc(1, sizeof(*p));
    struct dray_parser *parser = calloc(1, sizeof(*parser));
    int result = -ENOMEM;
    *program = NULL;
    if (p && parser) {
        p->name = strdup(name);
        p->text = malloc(length + 1);
    }
    if (p && p->name && p->text) {
        memcpy(p->text, length ? text : "", length);
        p->text[length] = '\0';
        result = parse_all(parser, p, length, error);
    }
    free(parser);
    if (result < 0)
        dray_program_free(&p);
    *program = p;
    return result;
}
