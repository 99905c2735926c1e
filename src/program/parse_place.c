/* Places: name [offset:length] every step times n, and lists of them. */
#include <stdio.h>

#include "program/parse.h"

static bool is_region(const struct dray_decl *decl)
{
    return dray_decl_is_region(decl);
}

/* Which end of a pipe or socket a place means. */
static void parse_end(struct dray_parser *parser, const struct dray_decl *decl, enum dray_side side,
                      struct dray_place *place)
{
    if (decl->kind == DRAY_DECL_PIPE) {
        place->end = side == DRAY_SIDE_DST;
        return;
    }
    if (decl->kind != DRAY_DECL_SOCKET)
        return;
    bool dot = dray_parse_mark(parser, ".");
    place->end = dot && dray_parse_word(parser, "b");
    if (!dot || (!place->end && !dray_parse_word(parser, "a")))
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser),
                        "an end of the socket: %s.a or %s.b", decl->name, decl->name);
}

static bool is_number(const struct dray_parser *parser)
{
    return dray_parse_token(parser)->kind == DRAY_TOKEN_NUMBER;
}

/* [offset:length] or [first..end], each number left out at will. */
static void parse_range(struct dray_parser *parser, struct dray_place *place)
{
    if (!dray_parse_mark(parser, "["))
        return;
    place->ranged = true;
    if (is_number(parser))
        place->offset = dray_parse_size(parser, 0, UINT64_MAX);
    bool exclusive = dray_parse_mark(parser, "..");
    if (!exclusive && !dray_parse_mark(parser, ":"))
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser),
                        "':' and a length, or '..' and an end");
    if (is_number(parser)) {
        place->to_end = false;
        place->sized = true;
        place->length = exclusive
                            ? dray_parse_size(parser, place->offset, UINT64_MAX) - place->offset
                            : dray_parse_size(parser, 0, UINT64_MAX);
    }
    dray_parse_need_mark(parser, "]");
}

static void parse_every(struct dray_parser *parser, const struct dray_decl *decl,
                        enum dray_side side, struct dray_place *place)
{
    struct dray_token word = *dray_parse_token(parser);
    place->times = 1;
    if (!dray_parse_word(parser, "every"))
        return;
    if (!place->sized || dray_decl_is_stream(decl)) {
        dray_lexer_fail(&parser->lexer, &word, "a range with a length, in memory or a file");
        return;
    }
    /* Pieces written over each other would leave it open which comes last. */
    place->every = dray_parse_size(parser, side == DRAY_SIDE_DST ? place->length : 0, UINT64_MAX);
    dray_parse_need_word(parser, "times");
    place->times = dray_parse_count(parser, 1, DRAY_PROGRAM_SEGMENTS_MAX);
}

/* The byte behind the last of a place. False when it has no 64-bit number. */
static bool place_end(const struct dray_place *place, uint64_t *end)
{
    uint64_t stride;
    return !__builtin_mul_overflow(place->every, place->times - 1, &stride) &&
           !__builtin_add_overflow(stride, place->offset, end) &&
           !__builtin_add_overflow(*end, place->length, end);
}

static void check_bounds(struct dray_parser *parser, const struct dray_token *token,
                         const struct dray_decl *decl, const struct dray_place *place)
{
    struct dray_lexer *lexer = &parser->lexer;
    uint64_t end;
    bool wraps = !place_end(place, &end);
    bool sized = decl->kind == DRAY_DECL_MEM || decl->kind == DRAY_DECL_FLAG;
    if (dray_decl_is_stream(decl)) {
        if (place->offset > 0)
            dray_lexer_fail(lexer, token, "offset 0: a stream has no others");
    } else if (wraps || end > (sized ? decl->size : INT64_MAX)) {
        char found[64];
        snprintf(found, sizeof(found), "%.16s[%llu:%llu]%s", decl->name,
                 (unsigned long long)place->offset, (unsigned long long)place->length,
                 place->times > 1 ? "..." : "");
        dray_lexer_fail_found(lexer, token, found,
                              sized ? "a range in its %llu bytes (raw lets the engine find it)"
                                    : "a range that ends below %llu",
                              (unsigned long long)(sized ? decl->size : INT64_MAX));
    }
    if (!place->to_end && place->length == 0)
        dray_lexer_fail(lexer, token, "a range of at least one byte");
}

static void check_rights(struct dray_parser *parser, const struct dray_token *token,
                         const struct dray_decl *decl, enum dray_side side)
{
    if (dray_decl_is_stream(decl))
        return;
    if (side == DRAY_SIDE_DST && !(decl->access & DRAY_WRITE))
        dray_lexer_fail(&parser->lexer, token,
                        "a region that may be written; line %u declares %s for reading only",
                        decl->at.line, decl->name);
    if (side == DRAY_SIDE_SRC && !(decl->access & DRAY_READ))
        dray_lexer_fail(&parser->lexer, token,
                        "a region that may be read; line %u declares %s for writing only",
                        decl->at.line, decl->name);
}

static void add_place(struct dray_parser *parser, enum dray_side side, bool raw)
{
    struct dray_program *program = parser->program;
    struct dray_token token = *dray_parse_token(parser);
    struct dray_place place = {
        .decl = dray_parse_reference(parser, is_region,
                                     "a region declared above: mem, file, pipe, socket or flag"),
        .at = { token.line, token.column },
        .to_end = true,
    };
    if (parser->lexer.failed)
        return;
    const struct dray_decl *decl = &program->decls[place.decl];
    parse_end(parser, decl, side, &place);
    parse_range(parser, &place);
    if (place.to_end && (decl->kind == DRAY_DECL_MEM || decl->kind == DRAY_DECL_FLAG))
        place.length = place.offset < decl->size ? decl->size - place.offset : 0;
    if (decl->kind == DRAY_DECL_MEM || decl->kind == DRAY_DECL_FLAG)
        place.to_end = false;
    parse_every(parser, decl, side, &place);
    if (!raw) {
        check_bounds(parser, &token, decl, &place);
        check_rights(parser, &token, decl, side);
    }
    program->segments += place.times;
    if (program->segments > DRAY_PROGRAM_SEGMENTS_MAX ||
        program->place_count == DRAY_PROGRAM_PLACES_MAX)
        dray_lexer_fail(&parser->lexer, &token, "at most %d places and %d segments in a program",
                        DRAY_PROGRAM_PLACES_MAX, DRAY_PROGRAM_SEGMENTS_MAX);
    if (parser->lexer.failed)
        return;
    struct dray_place *room =
        dray_program_push(&program->places, &program->place_count, sizeof(*program->places));
    if (room)
        *room = place;
    else
        dray_lexer_fail_memory(&parser->lexer);
}

struct dray_places dray_parse_place(struct dray_parser *parser, enum dray_side side, bool raw)
{
    struct dray_places places = { .first = parser->program->place_count };
    add_place(parser, side, raw);
    places.count = parser->program->place_count - places.first;
    return places;
}

struct dray_places dray_parse_places(struct dray_parser *parser, enum dray_side side, bool raw)
{
    struct dray_places places = { .first = parser->program->place_count };
    do
        add_place(parser, side, raw);
    while (dray_parse_mark(parser, ","));
    places.count = parser->program->place_count - places.first;
    return places;
}
