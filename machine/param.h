/*
 * Parameters of parts, as machine files and --set give them.
 *
 * A part describes its own in a table beside its structure of parameters, whose members are all
 * uint64_t: times in picoseconds, sizes in bytes, rates in bytes a second, shares in millionths,
 * choices by index. So a part can be built by hand (fill the structure) or from a file.
 */
#ifndef DRAY_MACHINE_PARAM_H
#define DRAY_MACHINE_PARAM_H

#include <stddef.h>
#include <stdint.h>

enum sim_unit {
    SIM_UNIT_COUNT,  /* 8, 512k, 4G: thousands */
    SIM_UNIT_BYTES,  /* 64, 64B, 32KiB, 1MiB, 16GiB */
    SIM_UNIT_TIME,   /* 547ns, 1.5us, 10ps */
    SIM_UNIT_RATE,   /* 26GB/s, 53Gb/s */
    SIM_UNIT_SHARE,  /* 0.25, 25% */
    SIM_UNIT_BOOL,   /* yes, no */
    SIM_UNIT_CHOICE, /* one of words */
};

struct sim_param {
    const char *name;
    enum sim_unit unit;
    size_t offset;            /* in the part's structure of parameters */
    uint64_t standard;        /* where a file says nothing */
    uint64_t least, most;     /* allowed, both included */
    uint32_t multiple;        /* of this (0: any); the highest bit: a power of two. 0 is one, where
                                 `least` allows it. */
    const char *const *words; /* CHOICE: ended by NULL */
    const char *about;        /* one line: what it is */
};

#define SIM_POWER_OF_TWO 0x80000000u

/* A kind of part: a section of a machine file. */
struct sim_part_kind {
    const char *name; /* "bus" */
    const char *about;
    const struct sim_param *params;
    size_t param_count;
    size_t params_size; /* of the structure */
    /* Optional: combinations that cannot be. NULL, or a sentence that says what and why. */
    const char *(*check)(const void *params);
};

/* Fills a structure with the standard values. */
void sim_params_standard(const struct sim_part_kind *kind, void *params);
uint64_t sim_param_get(const struct sim_param *param, const void *params);
void sim_param_set(const struct sim_param *param, void *params, uint64_t value);

enum {
    SIM_PARAM_TEXT = 32,      /* bytes for what sim_param_print writes of numbers, with the end */
    SIM_PARAM_EXPECTED = 256, /* for what sim_param_parse says; more is cut off */
};

/* Reads a value with its unit, whole in the smallest one, and compares it with the parameter's limits.
 * Returns 0; or -EINVAL, with a clause in `expected` that goes after "expected", and value as it was. */
int sim_param_parse(const struct sim_param *param, const char *text, uint64_t *value,
                    char *expected, size_t size);
/* Writes a value in the largest unit that is exact, such that parsing gives it back; words where it is
 * a choice. Returns text. */
char *sim_param_print(const struct sim_param *param, uint64_t value, char *text, size_t size);

#endif
