/* What the files of machine files share (file.c, file_parse.c, file_sweep.c). */
#ifndef DRAY_MACHINE_FILE_STATE_H
#define DRAY_MACHINE_FILE_STATE_H

#include "file.h"
#include "file_say.h"

enum {
    PARAMS_MAX = 64, /* of a kind: bits of `given` */
    PLACE_TEXT = 128,
};

/* A part with values of its own. */
struct sim_section {
    const struct sim_part_kind *kind;
    char name[SIM_SECTION_NAME]; /* "": all parts of the kind */
    uint64_t *values;            /* one a parameter, where given */
    uint64_t given;              /* bits */
    uint64_t seen;               /* those that this text gave */
    char place[PLACE_TEXT];      /* of the last value */
};

struct sim_parts {
    const struct sim_part_kind **kinds;
    size_t kind_count;
    struct sim_section sections[SIM_SECTIONS];
    unsigned section_count;
};

/* The section of a part, made where it is not there yet: `text` is "cache" or "cache core1", length
 * characters; a separator of `separators` stands between the two. Returns its index; negative after an
 * error, with a message or (-ENOMEM) none. */
int sim_section_open(struct sim_parts *parts, const char *text, size_t length,
                     const char *separators, struct sim_place *place);
/* NULL after a message. */
const struct sim_param *sim_section_param(const struct sim_section *section, const char *name,
                                          struct sim_place *place);
int sim_section_parse(struct sim_section *section, const struct sim_param *param, const char *text,
                      struct sim_place *place);
void sim_section_give(struct sim_section *section, const struct sim_param *param, uint64_t value);

/* "PART.PARAM=..." up to the equals sign; `*rest` is what follows. */
int sim_parts_left_side(struct sim_parts *parts, const char *text, const struct sim_param **param,
                        const char **rest, struct sim_place *place);

#endif
