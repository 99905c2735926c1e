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
    SIM_UNIT_COUNT, /* 8 */
    SIM_UNIT_BYTES, /* 64, 32KiB, 1MiB */
    SIM_UNIT_TIME,  /* 547ns, 1.5us, 10ps */
    SIM_UNIT_RATE,  /* 26GB/s, 53Gb/s */
    SIM_UNIT_SHARE, /* 0.25 */
    SIM_UNIT_BOOL,  /* yes, no */
    SIM_UNIT_CHOICE,
};

struct sim_param {
    const char *name;
    enum sim_unit unit;
    size_t offset;            /* in the part's structure of parameters */
    uint64_t standard;        /* where a file says nothing */
    uint64_t least, most;     /* allowed, both included */
    uint32_t multiple;        /* of this (0: any); the highest bit: a power of two */
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

#endif
