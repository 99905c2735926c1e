/*
 * Words of a text program. The lexer keeps one token of look-ahead in `token`.
 *
 * Errors stick: after the first one every further token is the end of the file, so that a parser
 * may go on blindly and ends soon; only the first error is kept.
 */
#ifndef DRAY_PROGRAM_LEXER_H
#define DRAY_PROGRAM_LEXER_H

#include "dray/desc.h"

enum {
    DRAY_PROGRAM_TEXT_MAX = 64 << 20, /* bytes of a program */
    DRAY_STRING_MAX = 1 << 20,        /* bytes of one string */
    DRAY_WORD_MAX = 63,               /* bytes of a word */
};

enum dray_token_kind {
    DRAY_TOKEN_END,    /* of the file */
    DRAY_TOKEN_LINE,   /* end of a line that held something */
    DRAY_TOKEN_WORD,   /* [A-Za-z_][A-Za-z0-9_]* */
    DRAY_TOKEN_NUMBER, /* with its unit worked in */
    DRAY_TOKEN_STRING, /* `string` holds its bytes, escapes resolved */
    DRAY_TOKEN_MARK,   /* punctuation */
};

enum dray_unit {
    DRAY_UNIT_NONE,
    DRAY_UNIT_BYTES,
    DRAY_UNIT_TIME, /* nanoseconds */
};

struct dray_token {
    enum dray_token_kind kind;
    enum dray_unit unit;
    bool indented; /* the first of its line, and not in column 1 */
    unsigned line, column;
    const char *text; /* as it stands in the program */
    size_t length;
    uint64_t number;
};

struct dray_lexer {
    struct dray_token token;
    const char *at, *end, *line_start;
    const char *before; /* the end of the token before this one */
    unsigned line;
    bool line_empty; /* nothing on this line yet */
    char *string;    /* of the last string token; the lexer's */
    size_t string_length;
    int failed; /* 0, -EINVAL, -ENOMEM */
    struct dray_text_error error;
};

/* Starts at the first token. The text must outlive the lexer. */
void dray_lexer_begin(struct dray_lexer *lexer, const char *text, size_t length);
void dray_lexer_end(struct dray_lexer *lexer);

void dray_lexer_next(struct dray_lexer *lexer);

/* The error is at this token: "found" is the token itself, "expected" the sentence. */
void dray_lexer_fail(struct dray_lexer *lexer, const struct dray_token *token, const char *expected,
                     ...) __attribute__((format(printf, 3, 4)));

/* Likewise with words of its own for what was found. */
void dray_lexer_fail_found(struct dray_lexer *lexer, const struct dray_token *token,
                           const char *found, const char *expected, ...)
    __attribute__((format(printf, 4, 5)));

void dray_lexer_fail_memory(struct dray_lexer *lexer);

static inline bool dray_token_is(const struct dray_token *token, enum dray_token_kind kind,
                                 const char *text)
{
    return token->kind == kind && __builtin_strlen(text) == token->length &&
           __builtin_memcmp(token->text, text, token->length) == 0;
}

#endif
