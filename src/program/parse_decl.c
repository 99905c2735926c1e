/* Declarations: mem, file, pipe, socket, flag, list, queue. */
#include <string.h>

#include "program/parse.h"

/* Contents. */

static void set_content(struct dray_parser *parser, struct dray_content content)
{
    if (parser->content->kind != DRAY_CONTENT_NONE)
        dray_lexer_fail(&parser->lexer, &parser->keyword, "one content only");
    else
        *parser->content = content;
}

void dray_parse_text(struct dray_parser *parser)
{
    struct dray_content content = { .kind = DRAY_CONTENT_BYTES };
    content.bytes = dray_parse_string(parser, &content.length, "a text in quotes");
    set_content(parser, content);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Pairs of digits, blanks between them at will, into `out`; false if there is anything else. */
static bool decode_hex(const char *text, size_t length, char *out, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < length;) {
        if (text[i] == ' ') {
            i++;
            continue;
        }
        int high = hex_value(text[i]), low = i + 1 < length ? hex_value(text[i + 1]) : -1;
        if (high < 0 || low < 0)
            return false;
        out[(*count)++] = (char)(high << 4 | low);
        i += 2;
    }
    return *count > 0;
}

void dray_parse_hex(struct dray_parser *parser)
{
    struct dray_content content = { .kind = DRAY_CONTENT_BYTES };
    struct dray_token token = *dray_parse_token(parser);
    size_t length;
    char *text = (char *)dray_parse_string(parser, &length, "hexadecimal bytes in quotes");
    if (text && !decode_hex(text, length, text, &content.length))
        dray_lexer_fail(&parser->lexer, &token, "bytes as pairs of digits, such as \"00 ff\"");
    content.bytes = text;
    set_content(parser, content);
}

void dray_parse_fill(struct dray_parser *parser)
{
    set_content(parser, (struct dray_content){ .kind = DRAY_CONTENT_FILL,
                                               .value = dray_parse_count(parser, 0, 255) });
}

void dray_parse_random(struct dray_parser *parser)
{
    set_content(parser, (struct dray_content){ .kind = DRAY_CONTENT_RANDOM,
                                               .value = dray_parse_count(parser, 0, UINT64_MAX) });
}

void dray_parse_counting(struct dray_parser *parser)
{
    struct dray_content content = { .kind = DRAY_CONTENT_COUNT, .value = 1 };
    struct dray_token token = *dray_parse_token(parser);
    if (token.kind == DRAY_TOKEN_NUMBER)
        content.value = dray_parse_count(parser, 1, 8);
    if ((content.value & (content.value - 1)) != 0)
        dray_lexer_fail(&parser->lexer, &token, "a width of 1, 2, 4 or 8 bytes");
    set_content(parser, content);
}

/* Attributes. */

static void attr_size(struct dray_parser *parser)
{
    parser->decl->size = dray_parse_size(parser, 1, DRAY_PROGRAM_MEMORY_MAX);
}

static void attr_pieces(struct dray_parser *parser)
{
    parser->decl->pieces = dray_parse_count(parser, 1, DRAY_PIECES_MAX);
    dray_parse_need_word(parser, "of");
    parser->decl->piece_size = dray_parse_size(parser, 1, DRAY_PROGRAM_MEMORY_MAX);
}

static void attr_align(struct dray_parser *parser)
{
    struct dray_token token = *dray_parse_token(parser);
    uint64_t align = dray_parse_size(parser, 1, DRAY_PROGRAM_ALIGN_MAX);
    if ((align & (align - 1)) != 0)
        dray_lexer_fail(&parser->lexer, &token, "a power of two");
    parser->decl->align = align;
}

static void attr_offset(struct dray_parser *parser)
{
    parser->decl->offset = dray_parse_size(parser, 0, DRAY_PROGRAM_ALIGN_MAX);
}

static void attr_readonly(struct dray_parser *parser)
{
    parser->decl->access &= ~(unsigned)DRAY_WRITE;
}

static void attr_writeonly(struct dray_parser *parser)
{
    parser->decl->access &= ~(unsigned)DRAY_READ;
}

static void attr_pinned(struct dray_parser *parser)
{
    parser->decl->access |= DRAY_PIN;
}

static void attr_writable(struct dray_parser *parser)
{
    parser->decl->access |= DRAY_WRITE;
}

static void attr_direct(struct dray_parser *parser)
{
    parser->decl->direct = true;
}

static void attr_noreader(struct dray_parser *parser)
{
    parser->decl->no_reader = true;
}

static void attr_nowriter(struct dray_parser *parser)
{
    parser->decl->no_writer = true;
}

static void attr_value(struct dray_parser *parser)
{
    parser->decl->content.value = dray_parse_count(parser, 0, UINT64_MAX);
}

/* Its size counts against what a program may ask for. */
static void charge(struct dray_parser *parser, const struct dray_token *token, uint64_t size)
{
    parser->program->memory += size; /* each is at most 2^32 bytes, and there are at most 2^13 */
    if (parser->program->memory > DRAY_PROGRAM_MEMORY_MAX)
        dray_lexer_fail(&parser->lexer, token, "at most %llu GiB in all regions together",
                        (unsigned long long)(DRAY_PROGRAM_MEMORY_MAX >> 30));
}

static void settle_size(struct dray_parser *parser, const struct dray_token *token,
                        struct dray_decl *decl)
{
    if (decl->pieces > 0 && decl->size > 0)
        dray_lexer_fail(&parser->lexer, token, "a size or pieces, not both");
    if (decl->pieces > 0)
        decl->size = decl->pieces * decl->piece_size; /* 2^16 times 2^32 at most */
    if (decl->size == 0)
        decl->size = decl->content.length;
    if (decl->size < decl->content.length)
        dray_lexer_fail(&parser->lexer, token, "a size of at least the %zu bytes of its content",
                        decl->content.length);
}

void dray_parse_mem(struct dray_parser *parser)
{
    static const struct dray_keyword attributes[] = {
        { "size", attr_size },
        { "pieces", attr_pieces },
        { "text", dray_parse_text },
        { "hex", dray_parse_hex },
        { "fill", dray_parse_fill },
        { "random", dray_parse_random },
        { "count", dray_parse_counting },
        { "align", attr_align },
        { "offset", attr_offset },
        { "readonly", attr_readonly },
        { "writeonly", attr_writeonly },
        { "pinned", attr_pinned },
        { NULL, NULL },
    };
    struct dray_decl decl = { .kind = DRAY_DECL_MEM,
                              .access = DRAY_READ | DRAY_WRITE,
                              .align = 64 };
    struct dray_token token = *dray_parse_token(parser);
    dray_parse_new_name(parser, &decl);
    parser->decl = &decl;
    parser->content = &decl.content;
    decl.given = dray_parse_attributes(parser, attributes);
    settle_size(parser, &token, &decl);
    if (decl.size == 0)
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser),
                        "the content or size of %s: text, hex, size or pieces",
                        decl.name ? decl.name : "it");
    if ((decl.access & (DRAY_READ | DRAY_WRITE)) == 0)
        dray_lexer_fail(&parser->lexer, &token, "readonly or writeonly, not both");
    charge(parser, &token, decl.size + decl.pieces * 64);
    dray_parse_declare(parser, &decl);
}

static void how_open(struct dray_parser *parser)
{
    parser->decl->how = DRAY_FILE_OPEN;
    parser->decl->access = DRAY_READ;
}

static void how_create(struct dray_parser *parser)
{
    parser->decl->how = DRAY_FILE_CREATE;
}

static void how_temp(struct dray_parser *parser)
{
    parser->decl->how = DRAY_FILE_TEMP;
}

void dray_parse_file(struct dray_parser *parser)
{
    static const struct dray_keyword hows[] = {
        { "open", how_open },
        { "create", how_create },
        { "temp", how_temp },
        { NULL, NULL },
    };
    static const struct dray_keyword opened[] = {
        { "writable", attr_writable },
        { "direct", attr_direct },
        { NULL, NULL },
    };
    static const struct dray_keyword made[] = {
        { "size", attr_size },           { "text", dray_parse_text },
        { "hex", dray_parse_hex },       { "fill", dray_parse_fill },
        { "random", dray_parse_random }, { "count", dray_parse_counting },
        { "direct", attr_direct },       { NULL, NULL },
    };
    struct dray_decl decl = { .kind = DRAY_DECL_FILE, .access = DRAY_READ | DRAY_WRITE };
    struct dray_token token = *dray_parse_token(parser);
    dray_parse_new_name(parser, &decl);
    parser->decl = &decl;
    parser->content = &decl.content;
    const struct dray_keyword *how = dray_parse_keyword(parser, hows, "how to get the file");
    if (!how)
        return;
    how->parse(parser);
    if (decl.how != DRAY_FILE_TEMP)
        decl.path = dray_parse_string(parser, NULL, "a file name in quotes");
    decl.given = dray_parse_attributes(parser, decl.how == DRAY_FILE_OPEN ? opened : made);
    settle_size(parser, &token, &decl);
    charge(parser, &token, decl.size);
    dray_parse_declare(parser, &decl);
}

static void attr_pipe_size(struct dray_parser *parser)
{
    parser->decl->size = dray_parse_size(parser, 4096, DRAY_PROGRAM_PIPE_MAX);
}

void dray_parse_pipe(struct dray_parser *parser)
{
    static const struct dray_keyword attributes[] = {
        { "size", attr_pipe_size },
        { "noreader", attr_noreader },
        { "nowriter", attr_nowriter },
        { NULL, NULL },
    };
    struct dray_decl decl = { .kind = DRAY_DECL_PIPE, .access = DRAY_READ | DRAY_WRITE };
    dray_parse_new_name(parser, &decl);
    parser->decl = &decl;
    dray_parse_attributes(parser, attributes);
    dray_parse_declare(parser, &decl);
}

void dray_parse_socket(struct dray_parser *parser)
{
    struct dray_decl decl = { .kind = DRAY_DECL_SOCKET, .access = DRAY_READ | DRAY_WRITE };
    dray_parse_new_name(parser, &decl);
    dray_parse_declare(parser, &decl);
}

void dray_parse_flag(struct dray_parser *parser)
{
    static const struct dray_keyword attributes[] = {
        { "value", attr_value },
        { NULL, NULL },
    };
    struct dray_decl decl = { .kind = DRAY_DECL_FLAG, .access = DRAY_READ | DRAY_WRITE, .size = 8 };
    dray_parse_new_name(parser, &decl);
    parser->decl = &decl;
    dray_parse_attributes(parser, attributes);
    dray_parse_declare(parser, &decl);
}

static void begin_block(struct dray_parser *parser, struct dray_decl *decl)
{
    decl->first = parser->program->op_count;
    parser->block = dray_parse_declare(parser, decl);
}

void dray_parse_list(struct dray_parser *parser)
{
    struct dray_decl decl = { .kind = DRAY_DECL_LIST, .access = DRAY_READ | DRAY_WRITE };
    dray_parse_new_name(parser, &decl);
    begin_block(parser, &decl);
}

static void attr_mode(struct dray_parser *parser)
{
    static const struct {
        const char *name;
        enum dray_mode mode;
    } modes[] = {
        { "inline", DRAY_MODE_INLINE },
        { "worker", DRAY_MODE_WORKER },
        { "help", DRAY_MODE_HELP },
    };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (dray_parse_word(parser, modes[i].name)) {
            parser->decl->queue.mode = modes[i].mode;
            return;
        }
    }
    dray_lexer_fail(&parser->lexer, dray_parse_token(parser), "a mode: inline, worker or help");
}

static void attr_workers(struct dray_parser *parser)
{
    parser->decl->queue.workers = (unsigned)dray_parse_count(parser, 1, 64);
}

static void attr_depth(struct dray_parser *parser)
{
    struct dray_token token = *dray_parse_token(parser);
    uint64_t depth = dray_parse_count(parser, DRAY_DEPTH_MIN, DRAY_DEPTH_MAX);
    if ((depth & (depth - 1)) != 0)
        dray_lexer_fail(&parser->lexer, &token, "a power of two from %d to %d", DRAY_DEPTH_MIN,
                        DRAY_DEPTH_MAX);
    parser->decl->queue.options.depth = (uint32_t)depth;
}

static void attr_segments(struct dray_parser *parser)
{
    parser->decl->queue.segments = (uint32_t)dray_parse_count(parser, 1, DRAY_CHAIN_MAX);
}

static void attr_rate(struct dray_parser *parser)
{
    parser->decl->queue.options.rate_bytes_per_s = dray_parse_size(parser, 1, (uint64_t)1 << 50);
    if (!dray_parse_mark(parser, "/") || !dray_parse_word(parser, "s"))
        dray_lexer_fail(&parser->lexer, dray_parse_token(parser), "'/s' behind the bytes");
}

static void attr_moderate(struct dray_parser *parser)
{
    struct dray_moderation *moderation = &parser->decl->queue.options.moderation;
    moderation->count = (uint32_t)dray_parse_count(parser, 1, DRAY_DEPTH_MAX);
    if (dray_parse_word(parser, "within"))
        moderation->timeout_ns = dray_parse_time(parser);
    moderation->adaptive = dray_parse_word(parser, "adaptive");
}

static void attr_kernels(struct dray_parser *parser)
{
    dray_parse_name(parser, parser->decl->queue.kernels,
                    "SIMD kernels: plain, sse2, avx2 or avx512");
}

static void attr_spin(struct dray_parser *parser)
{
    parser->decl->queue.spin_ns = dray_parse_time(parser);
}

void dray_parse_queue(struct dray_parser *parser)
{
    static const struct dray_keyword attributes[] = {
        { "mode", attr_mode }, { "workers", attr_workers },   { "depth", attr_depth },
        { "rate", attr_rate }, { "moderate", attr_moderate }, { "kernels", attr_kernels },
        { "spin", attr_spin }, { "segments", attr_segments }, { NULL, NULL },
    };
    struct dray_program *program = parser->program;
    struct dray_decl decl = { .kind = DRAY_DECL_QUEUE };
    struct dray_token token = *dray_parse_token(parser);
    decl.queue.number = (unsigned)program->queue_count++;
    decl.queue.options.size = sizeof(decl.queue.options);
    if (decl.queue.number == DRAY_PROGRAM_QUEUES_MAX)
        dray_lexer_fail(&parser->lexer, &token, "at most %d queues", DRAY_PROGRAM_QUEUES_MAX);
    dray_parse_new_name(parser, &decl);
    dray_parse_need_word(parser, "engine");
    dray_parse_name(parser, decl.queue.engine, "an engine: auto, cpu, pio or null");
    parser->decl = &decl;
    dray_parse_attributes(parser, attributes);
    begin_block(parser, &decl);
}
