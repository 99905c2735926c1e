/*
 * A parsed program: declarations, blocks of operations, expectations. Plain arrays; a reference is
 * an index.
 *
 *      text --lexer--> tokens --parse--> struct dray_program --bind--> regions and keys
 *                                                    |                     |
 *                                                    +-----compile---------+--> descriptors
 * --run--> report
 */
#ifndef DRAY_PROGRAM_PROGRAM_H
#define DRAY_PROGRAM_PROGRAM_H

#include "dray/domain.h"
#include "dray/engine.h"
#include "dray/program.h"
#include "dray/queue.h"

enum {
    DRAY_WORD_BYTES = 64
}; /* a word of the text and its terminator */

/* What a program may ask for. */
#define DRAY_PROGRAM_MEMORY_MAX ((uint64_t)4 << 30) /* bytes of all its memory and files */
enum {
    DRAY_PROGRAM_NAMES_MAX = 8192, /* regions, flags, lists and queues */
    DRAY_PROGRAM_QUEUES_MAX = 64,  /* */
    DRAY_PROGRAM_OPERATIONS_MAX = 65536,
    DRAY_PROGRAM_PLACES_MAX = 262144,
    DRAY_PROGRAM_SEGMENTS_MAX = 1 << 20, /* of all lists, `times` worked in */
    DRAY_PROGRAM_EXPECTATIONS_MAX = 65536,
    DRAY_PROGRAM_ALIGN_MAX = 2 << 20, /* bytes */
    DRAY_PROGRAM_PIPE_MAX = 1 << 20,  /* bytes */
    DRAY_PROGRAM_NONE = -1,           /* no index */
};

enum dray_decl_kind {
    DRAY_DECL_MEM,
    DRAY_DECL_FILE,
    DRAY_DECL_PIPE,
    DRAY_DECL_SOCKET,
    DRAY_DECL_FLAG,
    DRAY_DECL_LIST,
    DRAY_DECL_QUEUE,
};

enum dray_content_kind {
    DRAY_CONTENT_NONE,   /* zeros */
    DRAY_CONTENT_BYTES,  /* text or hex */
    DRAY_CONTENT_FILL,   /* one byte, over and over */
    DRAY_CONTENT_COUNT,  /* 0, 1, 2, ... in elements of `value` bytes, little-endian */
    DRAY_CONTENT_RANDOM, /* of seed `value` */
};

struct dray_content {
    enum dray_content_kind kind;
    uint64_t value;
    const char *bytes;
    size_t length;
};

/* Where a thing stands in the text. */
struct dray_position {
    unsigned line, column;
};

enum dray_file_how {
    DRAY_FILE_OPEN,
    DRAY_FILE_CREATE,
    DRAY_FILE_TEMP,
};

struct dray_queue_decl {
    char engine[DRAY_WORD_BYTES];
    char kernels[DRAY_WORD_BYTES];
    enum dray_mode mode;
    unsigned workers;
    uint64_t spin_ns;
    uint32_t segments; /* most in a transaction; 0: as many as the engine takes */
    struct dray_queue_options options;
    unsigned number; /* among the queues, from 0 */
};

struct dray_decl {
    enum dray_decl_kind kind;
    const char *name;
    struct dray_position at;
    uint64_t given; /* bit n: the n-th attribute of its kind was given */
    /* mem, file, pipe, flag */
    uint64_t size;
    struct dray_content content;
    unsigned access; /* DRAY_READ | DRAY_WRITE | DRAY_PIN */
    uint64_t align, offset;
    uint64_t pieces, piece_size; /* 0: in one piece */
    enum dray_file_how how;
    const char *path;
    bool direct; /* file: transfers go past the page cache */
    bool no_reader, no_writer;
    /* list, queue: their operations */
    size_t first, count;
    struct dray_queue_decl queue;
};

/* NAME.END [ offset : length ] every STEP times N */
struct dray_place {
    int32_t decl;
    struct dray_position at;
    unsigned end; /* of a socket: 0 or 1; of a pipe: 0 to read, 1 to write */
    bool ranged;  /* a range was written */
    bool sized;   /* and a length in it */
    bool to_end;  /* no length, and none that the declaration knows */
    uint64_t offset, length;
    uint64_t every, times; /* times is 1 without */
};

struct dray_places {
    size_t first, count;
};

enum dray_op_kind {
    DRAY_DO_COPY,
    DRAY_DO_FILL,
    DRAY_DO_COMPARE,
    DRAY_DO_CRC32C,
    DRAY_DO_STRIDED,
    DRAY_DO_FENCE,
    DRAY_DO_SIGNAL,
    DRAY_DO_WAIT,
    DRAY_DO_NOP,
    DRAY_DO_LINK,
    DRAY_DO_DESCRIPTOR, /* written out in the text form of descriptors */
    DRAY_DO_UNMAP,      /* by the host, between two operations */
};

struct dray_op {
    enum dray_op_kind kind;
    struct dray_position at;
    const char *text; /* as it was written, one line */
    size_t text_length;
    const char *label; /* for people, in place of the text; may be NULL */
    bool raw;          /* handed to the engine as it is, neither checked nor planned */
    uint16_t flags;
    struct dray_places dst, src;
    int32_t target; /* declaration: flag, list or region */
    uint64_t value; /* signal, wait; link: count; crc32c, copy: seed */
    bool add;
    enum dray_wait condition;
    uint64_t timeout_ns;
    uint8_t pattern[16];
    unsigned pattern_size;
    size_t extra; /* index of its shape or descriptor */
};

enum dray_expect_kind {
    DRAY_EXPECT_STATUS,
    DRAY_EXPECT_MOVED,
    DRAY_EXPECT_RESULT,
    DRAY_EXPECT_SIZE,
    DRAY_EXPECT_FAULTS,
    DRAY_EXPECT_FLAG,
    DRAY_EXPECT_SAME,    /* two places */
    DRAY_EXPECT_CRC32C,  /* of a place */
    DRAY_EXPECT_CONTENT, /* of a place */
};

struct dray_expect {
    enum dray_expect_kind kind;
    struct dray_position at;
    const char *text;
    size_t text_length;
    const char *label;
    size_t op;      /* status, moved, result */
    int32_t target; /* flag, file */
    enum dray_wait condition;
    uint64_t value; /* a status too */
    struct dray_places a, b;
    struct dray_content content;
};

struct dray_program {
    char *name;
    char *text; /* the program's copy */
    struct dray_decl *decls;
    size_t decl_count;
    struct dray_place *places;
    size_t place_count;
    struct dray_op *ops;
    size_t op_count;
    struct dray_shape *shapes;
    size_t shape_count;
    struct dray_desc *descs;
    size_t desc_count;
    struct dray_expect *expects;
    size_t expect_count;
    char **strings; /* that the above point to */
    size_t string_count;
    size_t queue_count;
    uint64_t memory;   /* bytes of all regions */
    uint64_t segments; /* of all lists */
};

/* Room for one more element at the end of an array that grows in powers of two; zeroed. NULL: no
 * memory. */
void *dray_program_push(void *array, size_t *count, size_t element_size);

/* The bytes of a region as declared, from `offset` of it on. */
void dray_content_write(const struct dray_content *content, uint64_t offset, void *out,
                        size_t length);

static inline bool dray_decl_is_stream(const struct dray_decl *decl)
{
    return decl->kind == DRAY_DECL_PIPE || decl->kind == DRAY_DECL_SOCKET;
}

static inline bool dray_decl_is_region(const struct dray_decl *decl)
{
    return decl->kind <= DRAY_DECL_FLAG;
}

/* Length left to whatever the other side of a copy needs, or to the size of a file that is not
 * known yet. */
static inline bool dray_place_is_open(const struct dray_decl *decl, const struct dray_place *place)
{
    return place->to_end && (dray_decl_is_stream(decl) || decl->kind == DRAY_DECL_FILE);
}

/* Bytes of lists of places without the open one at their end, if there is one. False on overflow.
 */
bool dray_places_length(const struct dray_program *program, struct dray_places places,
                        uint64_t *length, bool *open);

bool dray_condition_holds(enum dray_wait condition, uint64_t left, uint64_t right);

#endif
