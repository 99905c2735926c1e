/* Operations: the indented lines under a queue or a list. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "desc/check.h"
#include "program/parse.h"

/* Options behind an operation. */

static void opt_fence(struct dray_parser *parser)
{
    parser->op->flags |= DRAY_FLAG_FENCE;
}

static void opt_notify(struct dray_parser *parser)
{
    parser->op->flags |= DRAY_FLAG_NOTIFY;
}

static void opt_crc(struct dray_parser *parser)
{
    parser->op->flags |= DRAY_FLAG_CRC;
}

static void opt_seed(struct dray_parser *parser)
{
    parser->op->value = dray_parse_count(parser, 0, UINT32_MAX);
}

static void opt_timeout(struct dray_parser *parser)
{
    parser->op->timeout_ns = dray_parse_time(parser);
}

static void opt_count(struct dray_parser *parser)
{
    parser->op->value = dray_parse_count(parser, 0, UINT32_MAX);
}

static void opt_as(struct dray_parser *parser)
{
    parser->op->label = dray_parse_string(parser, NULL, "a text in quotes");
}

#define COMMON                                                          \
    { "fence", opt_fence }, { "notify", opt_notify }, { "as", opt_as }, \
    {                                                                   \
        NULL, NULL                                                      \
    }

static const struct dray_keyword common_options[] = { COMMON };
static const struct dray_keyword copy_options[] = { { "crc", opt_crc },
                                                    { "seed", opt_seed },
                                                    COMMON };
static const struct dray_keyword crc32c_options[] = { { "seed", opt_seed }, COMMON };
static const struct dray_keyword wait_options[] = { { "timeout", opt_timeout }, COMMON };
static const struct dray_keyword link_options[] = { { "count", opt_count }, COMMON };

/* Only the last place of a list may take its length from the other side. */
static void check_open(struct dray_parser *parser, struct dray_places places)
{
    const struct dray_program *program = parser->program;
    for (size_t i = 0; i + 1 < places.count; i++) {
        const struct dray_place *place = &program->places[places.first + i];
        const struct dray_decl *decl = &program->decls[place->decl];
        if (dray_place_is_open(decl, place)) {
            struct dray_token token = { .line = place->at.line, .column = place->at.column };
            dray_lexer_fail_found(&parser->lexer, &token, "a place without a length",
                                  "a length, as in %s[0:4096]: only the last of a list may leave "
                                  "it to the other side",
                                  decl->name);
        }
    }
}

/* Whether binding will know the size of what an open place means. */
static bool has_size(const struct dray_parser *parser, struct dray_places places)
{
    const struct dray_program *program = parser->program;
    const struct dray_place *place = &program->places[places.first + places.count - 1];
    const struct dray_decl *decl = &program->decls[place->decl];
    return decl->kind == DRAY_DECL_FILE && (decl->how == DRAY_FILE_OPEN || decl->size > 0);
}

static void check_lengths(struct dray_parser *parser, const struct dray_op *op)
{
    uint64_t dst = 0, src = 0;
    bool dst_open, src_open;
    struct dray_token token = { .line = op->at.line, .column = op->at.column };
    struct dray_lexer *lexer = &parser->lexer;
    if (lexer->failed)
        return;
    check_open(parser, op->dst);
    check_open(parser, op->src);
    bool whole = dray_places_length(parser->program, op->dst, &dst, &dst_open) &&
                 dray_places_length(parser->program, op->src, &src, &src_open);
    char found[64];
    snprintf(found, sizeof(found), "%llu bytes on the right", (unsigned long long)src);
    if (!whole || dst > DRAY_LENGTH_MAX || src > DRAY_LENGTH_MAX)
        dray_lexer_fail_found(lexer, &token, "a longer list", "at most 2^62 bytes");
    else if (dst_open && src_open && !has_size(parser, op->src))
        dray_lexer_fail_found(lexer, &token, "no length on either side",
                              "a length on one, such as [0:4096]");
    else if (!dst_open && !src_open && dst != src)
        dray_lexer_fail_found(lexer, &token, found, "the %llu that the left side takes",
                              (unsigned long long)dst);
    else if (dst_open && !src_open && src <= dst)
        dray_lexer_fail_found(lexer, &token, found, "more than the %llu before the open end",
                              (unsigned long long)dst);
    else if (src_open && !dst_open && dst <= src)
        dray_lexer_fail_found(lexer, &token, found, "fewer than the %llu that the left side takes",
                              (unsigned long long)dst);
}

static void parse_copy(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_COPY;
    op->dst = dray_parse_places(parser, DRAY_SIDE_DST, op->raw);
    dray_parse_need_mark(parser, "<-");
    op->src = dray_parse_places(parser, DRAY_SIDE_SRC, op->raw);
    dray_parse_attributes(parser, copy_options);
    if (op->value > 0 && !(op->flags & DRAY_FLAG_CRC))
        dray_lexer_fail(&parser->lexer, &parser->keyword, "crc too: a seed is for it");
    check_lengths(parser, op);
}

static void parse_compare(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_COMPARE;
    op->src = dray_parse_place(parser, DRAY_SIDE_SRC, op->raw);
    dray_parse_need_mark(parser, "==");
    op->dst = dray_parse_place(parser, DRAY_SIDE_SRC, op->raw); /* it is only read */
    dray_parse_attributes(parser, common_options);
    check_lengths(parser, op);
}

static void parse_crc32c(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    struct dray_token token = *dray_parse_token(parser);
    uint64_t length;
    bool open;
    op->kind = DRAY_DO_CRC32C;
    op->src = dray_parse_places(parser, DRAY_SIDE_SRC, op->raw);
    dray_parse_attributes(parser, crc32c_options);
    check_open(parser, op->src);
    if (!parser->lexer.failed && dray_places_length(parser->program, op->src, &length, &open) &&
        open && !has_size(parser, op->src))
        dray_lexer_fail(&parser->lexer, &token, "a length, such as [0:4096]");
}

/* A number and its width, or a text of 1, 2, 4, 8 or 16 bytes. */
static void parse_pattern(struct dray_parser *parser, struct dray_op *op)
{
    struct dray_token token = *dray_parse_token(parser);
    struct dray_content content = { 0 };
    uint64_t number = 0, width = 1;
    parser->content = &content;
    if (dray_parse_word(parser, "text")) {
        dray_parse_text(parser);
        width = content.length;
    } else if (dray_parse_word(parser, "hex")) {
        dray_parse_hex(parser);
        width = content.length;
    } else {
        number = dray_parse_number(parser, DRAY_UNIT_NONE, 0, UINT64_MAX,
                                   "a pattern: a number, or text \"...\" or hex \"...\"");
        if (dray_parse_word(parser, "width"))
            width = dray_parse_count(parser, 1, 8);
        if (width < 8 && number >> 8 * width)
            dray_lexer_fail(&parser->lexer, &token, "a number of %llu bytes, or a width behind it",
                            (unsigned long long)width);
    }
    if (width == 0 || width > 16 || (width & (width - 1)) != 0)
        dray_lexer_fail(&parser->lexer, &token, "a pattern of 1, 2, 4, 8 or 16 bytes");
    if (parser->lexer.failed)
        return;
    op->pattern_size = (unsigned)width;
    if (content.bytes)
        memcpy(op->pattern, content.bytes, width);
    else
        memcpy(op->pattern, &number, width);
}

static void parse_fill(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    struct dray_token token = *dray_parse_token(parser);
    const struct dray_program *program = parser->program;
    op->kind = DRAY_DO_FILL;
    op->dst = dray_parse_places(parser, DRAY_SIDE_DST, op->raw);
    parse_pattern(parser, op);
    dray_parse_attributes(parser, common_options);
    for (size_t i = 0; !parser->lexer.failed && i < op->dst.count; i++) {
        const struct dray_place *place = &program->places[op->dst.first + i];
        if (dray_place_is_open(&program->decls[place->decl], place))
            dray_lexer_fail(&parser->lexer, &token, "a length, such as [0:4096]");
        else if (!op->raw && place->length % op->pattern_size != 0)
            dray_lexer_fail(&parser->lexer, &token,
                            "a length that is a multiple of the pattern's "
                            "%u bytes",
                            op->pattern_size);
    }
}

/* Strided copies. */

static struct dray_places parse_start(struct dray_parser *parser, enum dray_side side)
{
    struct dray_token token = *dray_parse_token(parser);
    const struct dray_program *program = parser->program;
    struct dray_places places = dray_parse_place(parser, side, parser->op->raw);
    if (!parser->lexer.failed &&
        (program->places[places.first].sized || program->places[places.first].times > 1))
        dray_lexer_fail(&parser->lexer, &token,
                        "a start such as [64:] and no length: the shape says how far it goes");
    return places;
}

static void parse_sides(struct dray_parser *parser, uint64_t *dst_pitch, uint64_t *src_pitch)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_STRIDED;
    op->dst = parse_start(parser, DRAY_SIDE_DST);
    if (dst_pitch && dray_parse_word(parser, "pitch"))
        *dst_pitch = dray_parse_size(parser, 1, INT64_MAX);
    dray_parse_need_mark(parser, "<-");
    op->src = parse_start(parser, DRAY_SIDE_SRC);
    if (src_pitch && dray_parse_word(parser, "pitch"))
        *src_pitch = dray_parse_size(parser, 1, INT64_MAX);
}

static void check_reach(struct dray_parser *parser, struct dray_places places,
                        const struct dray_shape *shape, const int64_t *stride)
{
    const struct dray_place *place = &parser->program->places[places.first];
    const struct dray_decl *decl = &parser->program->decls[place->decl];
    struct dray_token token = { .line = place->at.line, .column = place->at.column };
    uint64_t size =
        dray_decl_is_stream(decl) || decl->kind == DRAY_DECL_FILE ? INT64_MAX : decl->size;
    int64_t low, high; /* the bytes reached, from the start on, the end exclusive */
    char found[64];
    if (dray_shape_bounds(shape, stride, &low, &high) < 0) {
        dray_lexer_fail_found(&parser->lexer, &token, "a larger shape", "at most 2^63 bytes");
        return;
    }
    bool below = -(uint64_t)low > place->offset;
    bool above = place->offset > size || (uint64_t)high > size - place->offset;
    snprintf(found, sizeof(found), "bytes %lld to %lld from %llu on", (long long)low,
             (long long)high - 1, (unsigned long long)place->offset);
    if (below || above)
        dray_lexer_fail_found(&parser->lexer, &token, found,
                              "a shape that stays in the %llu bytes of %s",
                              (unsigned long long)size, decl->name);
}

static void add_shape(struct dray_parser *parser, const struct dray_shape *shape)
{
    struct dray_program *program = parser->program;
    struct dray_op *op = parser->op;
    struct dray_token token = { .line = op->at.line, .column = op->at.column };
    op->value = shape->element;
    if (parser->lexer.failed)
        return;
    for (unsigned i = 0; i < shape->loops; i++)
        if (__builtin_mul_overflow(op->value, shape->extent[i], &op->value))
            dray_lexer_fail_found(&parser->lexer, &token, "a larger shape", "at most 2^62 bytes");
    if (!op->raw) {
        check_reach(parser, op->dst, shape, shape->dst_stride);
        check_reach(parser, op->src, shape, shape->src_stride);
    }
    if (parser->lexer.failed)
        return;
    op->extra = program->shape_count;
    struct dray_shape *room =
        dray_program_push(&program->shapes, &program->shape_count, sizeof(*program->shapes));
    if (!room)
        dray_lexer_fail_memory(&parser->lexer);
    else
        *room = *shape;
}

static struct dray_shape new_shape(unsigned loops, uint64_t element)
{
    return (struct dray_shape){ .version = DRAY_FORMAT_VERSION,
                                .loops = (uint8_t)loops,
                                .element = (uint32_t)element };
}

enum {
    ELEMENT_MAX = 1 << 30
};
#define EXTENT_MAX ((uint64_t)1 << 40)

/* Rows of the source become columns of the destination. */
static void parse_transpose(struct dray_parser *parser)
{
    uint64_t dst_pitch = 0, src_pitch = 0;
    parse_sides(parser, &dst_pitch, &src_pitch);
    dray_parse_need_word(parser, "rows");
    uint64_t rows = dray_parse_count(parser, 1, EXTENT_MAX);
    dray_parse_need_word(parser, "columns");
    uint64_t columns = dray_parse_count(parser, 1, EXTENT_MAX);
    dray_parse_need_word(parser, "of");
    struct dray_shape shape = new_shape(2, dray_parse_size(parser, 1, 4096));
    dray_parse_attributes(parser, common_options);
    uint64_t element = shape.element;
    shape.extent[0] = columns;
    shape.src_stride[0] = (int64_t)element;
    shape.dst_stride[0] = (int64_t)(dst_pitch ? dst_pitch : rows * element);
    shape.extent[1] = rows;
    shape.src_stride[1] = (int64_t)(src_pitch ? src_pitch : columns * element);
    shape.dst_stride[1] = (int64_t)element;
    add_shape(parser, &shape);
}

/* Rows of `width` bytes; without a pitch they lie one behind the other. */
static void parse_rectangle(struct dray_parser *parser)
{
    uint64_t dst_pitch = 0, src_pitch = 0;
    parse_sides(parser, &dst_pitch, &src_pitch);
    dray_parse_need_word(parser, "rows");
    uint64_t rows = dray_parse_count(parser, 1, EXTENT_MAX);
    dray_parse_need_word(parser, "width");
    struct dray_shape shape = new_shape(1, dray_parse_size(parser, 1, DRAY_ELEMENT_MAX));
    dray_parse_attributes(parser, common_options);
    shape.extent[0] = rows;
    shape.src_stride[0] = (int64_t)(src_pitch ? src_pitch : shape.element);
    shape.dst_stride[0] = (int64_t)(dst_pitch ? dst_pitch : shape.element);
    add_shape(parser, &shape);
}

/* element E loop N src STRIDE dst STRIDE ..., the innermost loop first. */
static void parse_strided(struct dray_parser *parser)
{
    parse_sides(parser, NULL, NULL);
    dray_parse_need_word(parser, "element");
    struct dray_shape shape = new_shape(0, dray_parse_size(parser, 1, DRAY_ELEMENT_MAX));
    do {
        dray_parse_need_word(parser, "loop");
        unsigned i = shape.loops++;
        shape.extent[i] = dray_parse_count(parser, parser->op->raw ? 0 : 1, EXTENT_MAX);
        dray_parse_need_word(parser, "src");
        shape.src_stride[i] = dray_parse_stride(parser);
        dray_parse_need_word(parser, "dst");
        shape.dst_stride[i] = dray_parse_stride(parser);
    } while (shape.loops < 4 && dray_token_is(dray_parse_token(parser), DRAY_TOKEN_WORD, "loop"));
    dray_parse_attributes(parser, common_options);
    add_shape(parser, &shape);
}

/* Operations that move nothing. */

static bool is_flag(const struct dray_decl *decl)
{
    return decl->kind == DRAY_DECL_FLAG;
}

static bool is_list(const struct dray_decl *decl)
{
    return decl->kind == DRAY_DECL_LIST;
}

static bool is_region(const struct dray_decl *decl)
{
    return dray_decl_is_region(decl);
}

static void parse_nop(struct dray_parser *parser)
{
    parser->op->kind = DRAY_DO_NOP;
    dray_parse_attributes(parser, common_options);
}

static void parse_fence(struct dray_parser *parser)
{
    parser->op->kind = DRAY_DO_FENCE;
    dray_parse_attributes(parser, common_options + 1); /* it is a fence already */
}

static void parse_signal(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_SIGNAL;
    op->target = dray_parse_reference(parser, is_flag, "a flag declared above");
    op->add = dray_parse_word(parser, "add");
    op->value = dray_parse_count(parser, 0, UINT64_MAX);
    dray_parse_attributes(parser, common_options);
}

static void parse_wait(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_WAIT;
    op->target = dray_parse_reference(parser, is_flag, "a flag declared above");
    op->condition = dray_parse_condition(parser);
    op->value = dray_parse_count(parser, 0, UINT64_MAX);
    dray_parse_attributes(parser, wait_options);
}

static void parse_link(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_LINK;
    op->value = UINT64_MAX; /* the whole list */
    op->target = dray_parse_reference(parser, is_list, "a list declared above");
    dray_parse_attributes(parser, link_options);
}

static void parse_unmap(struct dray_parser *parser)
{
    struct dray_op *op = parser->op;
    op->kind = DRAY_DO_UNMAP;
    op->target = dray_parse_reference(parser, is_region, "a region declared above");
    if (parser->block != DRAY_PROGRAM_NONE &&
        parser->program->decls[parser->block].kind == DRAY_DECL_LIST)
        dray_lexer_fail(&parser->lexer, &parser->keyword,
                        "unmap in a queue: engines, which read lists, cannot unmap");
}

static void parse_descriptor(struct dray_parser *parser)
{
    struct dray_program *program = parser->program;
    struct dray_op *op = parser->op;
    struct dray_token token = *dray_parse_token(parser);
    struct dray_text_error error;
    struct dray_desc desc;
    op->kind = DRAY_DO_DESCRIPTOR;
    const char *text = dray_parse_string(parser, NULL, "a descriptor's text form in quotes");
    dray_parse_attributes(parser, common_options + 2); /* its flags are in its text */
    if (!text || parser->lexer.failed)
        return;
    if (dray_desc_parse(text, &desc, &error) < 0) {
        dray_lexer_fail_found(&parser->lexer, &token, error.found, "%s (column %u of the text)",
                              error.expected, error.column);
        return;
    }
    op->extra = program->desc_count;
    struct dray_desc *room =
        dray_program_push(&program->descs, &program->desc_count, sizeof(*program->descs));
    if (!room)
        dray_lexer_fail_memory(&parser->lexer);
    else
        *room = desc;
}

static const struct dray_keyword operations[] = {
    { "copy", parse_copy },
    { "fill", parse_fill },
    { "compare", parse_compare },
    { "crc32c", parse_crc32c },
    { "transpose", parse_transpose },
    { "rectangle", parse_rectangle },
    { "strided", parse_strided },
    { "fence", parse_fence },
    { "signal", parse_signal },
    { "wait", parse_wait },
    { "nop", parse_nop },
    { "link", parse_link },
    { "unmap", parse_unmap },
    { "descriptor", parse_descriptor },
    { NULL, NULL },
};

/* Those that can be handed to the engine as they are. */
static const struct dray_keyword raw_operations[] = {
    { "copy", parse_copy },           { "fill", parse_fill },
    { "compare", parse_compare },     { "crc32c", parse_crc32c },
    { "transpose", parse_transpose }, { "rectangle", parse_rectangle },
    { "strided", parse_strided },     { NULL, NULL },
};

static void add_op(struct dray_parser *parser, struct dray_op *op)
{
    struct dray_program *program = parser->program;
    struct dray_token token = { .line = op->at.line, .column = op->at.column };
    if (program->op_count == DRAY_PROGRAM_OPERATIONS_MAX)
        dray_lexer_fail_found(&parser->lexer, &token, "one operation more", "at most %d operations",
                              DRAY_PROGRAM_OPERATIONS_MAX);
    if (parser->lexer.failed)
        return;
    struct dray_op *room =
        dray_program_push(&program->ops, &program->op_count, sizeof(*program->ops));
    if (!room) {
        dray_lexer_fail_memory(&parser->lexer);
        return;
    }
    *room = *op;
    program->decls[parser->block].count++;
}

void dray_parse_operation(struct dray_parser *parser)
{
    struct dray_token token = *dray_parse_token(parser);
    struct dray_op op = { .at = { token.line, token.column }, .target = DRAY_PROGRAM_NONE };
    if (parser->block == DRAY_PROGRAM_NONE) {
        dray_lexer_fail(&parser->lexer, &token,
                        "a statement in column 1; only operations of the queue or list above are "
                        "indented");
        return;
    }
    parser->op = &op;
    op.raw = dray_parse_word(parser, "raw");
    const struct dray_keyword *operation = dray_parse_keyword(
        parser, op.raw ? raw_operations : operations, op.raw ? "a transfer" : "an operation");
    if (!operation)
        return;
    operation->parse(parser);
    op.text = token.text;
    op.text_length = (size_t)(parser->lexer.before - token.text);
    add_op(parser, &op);
}
