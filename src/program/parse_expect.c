/* Expectations: what makes a program a test. */
#include <string.h>

#include "program/parse.h"

static bool is_block(const struct dray_decl *decl)
{
    return decl->kind == DRAY_DECL_QUEUE || decl->kind == DRAY_DECL_LIST;
}

static bool is_file(const struct dray_decl *decl)
{
    return decl->kind == DRAY_DECL_FILE;
}

/* BLOCK.N: the N-th operation of a queue or list, from 1. */
static void parse_operation_number(struct dray_parser *parser, struct dray_expect *expect)
{
    int32_t queue = dray_parse_reference(parser, is_block, "a queue or list declared above");
    dray_parse_need_mark(parser, ".");
    struct dray_token token = *dray_parse_token(parser);
    uint64_t number = dray_parse_count(parser, 1, DRAY_PROGRAM_OPERATIONS_MAX);
    if (queue == DRAY_PROGRAM_NONE || parser->lexer.failed)
        return;
    const struct dray_decl *decl = &parser->program->decls[queue];
    if (number > decl->count)
        dray_lexer_fail(&parser->lexer, &token, "an operation of %s, which has %zu", decl->name,
                        decl->count);
    expect->op = decl->first + number - 1;
}

static void expect_comparison(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->condition = dray_parse_condition(parser);
    expect->value = dray_parse_number(parser, DRAY_UNIT_BYTES, 0, UINT64_MAX, "a number or a size");
}

static bool same_name(const struct dray_token *token, const char *name)
{
    return token->kind == DRAY_TOKEN_WORD && strlen(name) == token->length &&
           strncasecmp(name, token->text, token->length) == 0;
}

static void expect_status(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->kind = DRAY_EXPECT_STATUS;
    parse_operation_number(parser, expect);
    for (unsigned status = 0; strcmp(dray_status_name(status), "?") != 0; status++) {
        if (same_name(dray_parse_token(parser), dray_status_name(status))) {
            expect->value = status;
            dray_lexer_next(&parser->lexer);
            return;
        }
    }
    dray_lexer_fail(&parser->lexer, dray_parse_token(parser),
                    "a status such as ok, key, right, range, timeout or end (docs/format.md)");
}

static void expect_moved(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->kind = DRAY_EXPECT_MOVED;
    parse_operation_number(parser, expect);
    expect_comparison(parser, expect);
}

static void expect_result(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->kind = DRAY_EXPECT_RESULT;
    parse_operation_number(parser, expect);
    expect_comparison(parser, expect);
}

static void expect_size(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->kind = DRAY_EXPECT_SIZE;
    expect->target = dray_parse_reference(parser, is_file, "a file declared above");
    expect_comparison(parser, expect);
}

static void expect_faults(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->kind = DRAY_EXPECT_FAULTS;
    expect_comparison(parser, expect);
}

/* Streams have no bytes to look at afterwards. */
static struct dray_places parse_bytes(struct dray_parser *parser)
{
    struct dray_token token = *dray_parse_token(parser);
    struct dray_places places = dray_parse_places(parser, DRAY_SIDE_SRC, false);
    const struct dray_program *program = parser->program;
    for (size_t i = 0; !parser->lexer.failed && i < places.count; i++)
        if (dray_decl_is_stream(&program->decls[program->places[places.first + i].decl]))
            dray_lexer_fail(&parser->lexer, &token,
                            "memory, a file or a flag: the bytes of a stream are gone");
    return places;
}

static void expect_content(struct dray_parser *parser, struct dray_expect *expect)
{
    static const struct dray_keyword contents[] = {
        { "text", dray_parse_text },      { "hex", dray_parse_hex },
        { "fill", dray_parse_fill },      { "random", dray_parse_random },
        { "count", dray_parse_counting }, { NULL, NULL },
    };
    expect->kind = DRAY_EXPECT_CONTENT;
    parser->content = &expect->content;
    const struct dray_keyword *content =
        dray_parse_keyword(parser, contents, "==, !=, crc32c or a content");
    if (content)
        content->parse(parser);
}

static bool next_is_flag_alone(struct dray_parser *parser)
{
    const struct dray_token *token = dray_parse_token(parser);
    int32_t found = token->kind == DRAY_TOKEN_WORD
                        ? dray_parse_find(parser, token->text, token->length)
                        : DRAY_PROGRAM_NONE;
    return found != DRAY_PROGRAM_NONE && parser->program->decls[found].kind == DRAY_DECL_FLAG;
}

static void expect_flag(struct dray_parser *parser, struct dray_expect *expect)
{
    const struct dray_token *token = dray_parse_token(parser);
    expect->kind = DRAY_EXPECT_FLAG;
    expect->target = dray_parse_find(parser, token->text, token->length);
    dray_lexer_next(&parser->lexer);
    expect_comparison(parser, expect);
}

static void expect_bytes(struct dray_parser *parser, struct dray_expect *expect)
{
    expect->a = parse_bytes(parser);
    if (dray_parse_word(parser, "crc32c")) {
        expect->kind = DRAY_EXPECT_CRC32C;
        expect->value = dray_parse_count(parser, 0, UINT32_MAX);
    } else if (dray_parse_mark(parser, "==") ||
               dray_token_is(dray_parse_token(parser), DRAY_TOKEN_MARK, "!=")) {
        expect->kind = DRAY_EXPECT_SAME;
        expect->condition = dray_parse_mark(parser, "!=") ? DRAY_WAIT_NE : DRAY_WAIT_EQ;
        expect->b = parse_bytes(parser);
    } else {
        expect_content(parser, expect);
    }
}

static void add_expect(struct dray_parser *parser, const struct dray_expect *expect)
{
    struct dray_program *program = parser->program;
    struct dray_token token = { .line = expect->at.line, .column = expect->at.column };
    if (program->expect_count == DRAY_PROGRAM_EXPECTATIONS_MAX)
        dray_lexer_fail_found(&parser->lexer, &token, "one expectation more",
                              "at most %d expectations", DRAY_PROGRAM_EXPECTATIONS_MAX);
    if (parser->lexer.failed)
        return;
    struct dray_expect *room =
        dray_program_push(&program->expects, &program->expect_count, sizeof(*program->expects));
    if (room)
        *room = *expect;
    else
        dray_lexer_fail_memory(&parser->lexer);
}

void dray_parse_expect(struct dray_parser *parser)
{
    static const struct {
        const char *name;
        void (*parse)(struct dray_parser *parser, struct dray_expect *expect);
    } kinds[] = {
        { "status", expect_status }, { "moved", expect_moved },   { "result", expect_result },
        { "size", expect_size },     { "faults", expect_faults }, { NULL, expect_bytes },
    };
    struct dray_token token = *dray_parse_token(parser);
    struct dray_expect expect = { .at = { token.line, token.column }, .target = DRAY_PROGRAM_NONE };
    /* A region may be called "size": a declared name comes first. */
    bool declared = token.kind == DRAY_TOKEN_WORD &&
                    dray_parse_find(parser, token.text, token.length) != DRAY_PROGRAM_NONE;
    size_t kind = 0;
    while (kinds[kind].name && (declared || !dray_parse_word(parser, kinds[kind].name)))
        kind++;
    if (next_is_flag_alone(parser) && !kinds[kind].name)
        expect_flag(parser, &expect);
    else
        kinds[kind].parse(parser, &expect);
    if (dray_parse_word(parser, "as"))
        expect.label = dray_parse_string(parser, NULL, "a text in quotes");
    expect.text = token.text;
    expect.text_length = (size_t)(parser->lexer.before - token.text);
    add_expect(parser, &expect);
}
