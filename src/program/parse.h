/* Between the files of the parser. Errors stick in the lexer (lexer.h), so nothing here returns
 * one. */
#ifndef DRAY_PROGRAM_PARSE_H
#define DRAY_PROGRAM_PARSE_H

#include "program/lexer.h"
#include "program/program.h"

enum {
    DRAY_NAME_SLOTS = 4 * DRAY_PROGRAM_NAMES_MAX
}; /* a quarter full at most: short probes */

struct dray_parser {
    struct dray_lexer lexer;
    struct dray_program *program;
    int32_t block;          /* the queue or list whose operations follow, or DRAY_PROGRAM_NONE */
    struct dray_decl *decl; /* the declaration that attributes add to */
    struct dray_op *op;     /* the operation that options add to */
    struct dray_content *content;   /* likewise */
    struct dray_token keyword;      /* the one whose function is at work */
    int32_t names[DRAY_NAME_SLOTS]; /* index of a declaration + 1 */
};

/* A word that may stand somewhere, and what then follows. */
struct dray_keyword {
    const char *name;
    void (*parse)(struct dray_parser *parser);
};

/* The next token. */
static inline const struct dray_token *dray_parse_token(const struct dray_parser *parser)
{
    return &parser->lexer.token;
}

/* Whether the next token is this mark or word; then goes past it. */
bool dray_parse_mark(struct dray_parser *parser, const char *mark);
bool dray_parse_word(struct dray_parser *parser, const char *word);
/* The same where nothing else may stand. */
void dray_parse_need_mark(struct dray_parser *parser, const char *mark);
void dray_parse_need_word(struct dray_parser *parser, const char *word);

/* A number of this unit (a bare number will do for bytes), from min to max. */
uint64_t dray_parse_number(struct dray_parser *parser, enum dray_unit unit, uint64_t min,
                           uint64_t max, const char *what);
uint64_t dray_parse_size(struct dray_parser *parser, uint64_t min, uint64_t max);
uint64_t dray_parse_count(struct dray_parser *parser, uint64_t min, uint64_t max);
uint64_t dray_parse_time(struct dray_parser *parser);
/* With a sign. */
int64_t dray_parse_stride(struct dray_parser *parser);
/* == != < <= > >= */
enum dray_wait dray_parse_condition(struct dray_parser *parser);
/* A string, kept by the program; its length in *length, which may be NULL if it must hold no NUL.
 */
const char *dray_parse_string(struct dray_parser *parser, size_t *length, const char *what);
/* The keywords of contents: text "...", hex "...", fill BYTE, random SEED, count [WIDTH]; into
 * parser->content. */
void dray_parse_text(struct dray_parser *parser);
void dray_parse_hex(struct dray_parser *parser);
void dray_parse_fill(struct dray_parser *parser);
void dray_parse_random(struct dray_parser *parser);
void dray_parse_counting(struct dray_parser *parser);
/* The word that stands here, in a buffer of DRAY_WORD_BYTES. */
void dray_parse_name(struct dray_parser *parser, char *name, const char *what);
void dray_parse_end_of_line(struct dray_parser *parser);

/* The keyword that stands here; NULL and an error that lists what could if there is none. `what`:
 * "a statement". */
const struct dray_keyword *dray_parse_keyword(struct dray_parser *parser,
                                              const struct dray_keyword *keywords,
                                              const char *what);
/* Keywords in any order, each at most once, to the end of the line; bit n of the result: the n-th
 * was there. */
uint64_t dray_parse_attributes(struct dray_parser *parser, const struct dray_keyword *keywords);

/* The declaration that the next word names; DRAY_PROGRAM_NONE and an error when it is none that
 * `is` takes. */
int32_t dray_parse_reference(struct dray_parser *parser, bool (*is)(const struct dray_decl *decl),
                             const char *what);
/* Looks a name up without an error. */
int32_t dray_parse_find(const struct dray_parser *parser, const char *name, size_t length);
/* Adds a declaration; its name is the next word. */
void dray_parse_new_name(struct dray_parser *parser, struct dray_decl *decl);
int32_t dray_parse_declare(struct dray_parser *parser, const struct dray_decl *decl);

enum dray_side {
    DRAY_SIDE_SRC,
    DRAY_SIDE_DST,
};

/* One place, or places with commas between them. Unless raw, bounds and rights are checked. */
struct dray_places dray_parse_place(struct dray_parser *parser, enum dray_side side, bool raw);
struct dray_places dray_parse_places(struct dray_parser *parser, enum dray_side side, bool raw);

/* parse_decl.c, parse_op.c, parse_expect.c */
void dray_parse_mem(struct dray_parser *parser);
void dray_parse_file(struct dray_parser *parser);
void dray_parse_pipe(struct dray_parser *parser);
void dray_parse_socket(struct dray_parser *parser);
void dray_parse_flag(struct dray_parser *parser);
void dray_parse_list(struct dray_parser *parser);
void dray_parse_queue(struct dray_parser *parser);
void dray_parse_operation(struct dray_parser *parser);
void dray_parse_expect(struct dray_parser *parser);

#endif
