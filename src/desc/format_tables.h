/* The wire format as data: what the codec, the assembler and the disassembler work from. */
#ifndef DRAY_DESC_FORMAT_TABLES_H
#define DRAY_DESC_FORMAT_TABLES_H

#include <stdbool.h>

#include "dray/format.h"

enum {
    DRAY_OPCODE_COUNT = DRAY_OP_PLACE + 1,
    DRAY_OPCODE_FIELDS_MAX = 8,
};

/* A field of a descriptor that one opcode gives a meaning to. */
struct dray_field_info {
    const char *name;
    uint8_t offset;           /* bytes from the start of the descriptor */
    uint8_t size;             /* bytes: 1, 2, 4 or 8 */
    bool hex;                 /* the text form writes it in base 16 */
    const char *const *words; /* its values by name, NULL past the last; NULL: a number */
};

struct dray_opcode_info {
    const char *name; /* NULL: no such opcode */
    bool reserved;    /* known, executed by no engine of this version */
    uint16_t flags;   /* DRAY_FLAG_* it takes */
    unsigned field_count;
    struct dray_field_info fields[DRAY_OPCODE_FIELDS_MAX];
};

struct dray_name_info {
    unsigned number;
    const char *name;
    const char *doc;
};

/* The bits that must be zero, as the descriptor's eight words: one cache line for each opcode. */
extern const uint64_t dray_opcode_zero[DRAY_OPCODE_COUNT][8];
extern const struct dray_opcode_info dray_opcode_table[DRAY_OPCODE_COUNT];
extern const struct dray_name_info dray_flag_table[];
extern const size_t dray_flag_count;
extern const struct dray_name_info dray_status_table[];
extern const size_t dray_status_count;
extern const struct dray_name_info dray_wait_table[];
extern const size_t dray_wait_count;
extern const struct dray_name_info dray_access_table[];
extern const size_t dray_access_count;

#endif
