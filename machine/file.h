/*
 * Machine files: the parameters of a machine's parts as text.
 *
 *     ; a comment
 *     [bus]
 *     bandwidth = 64GB/s            ; where the value comes from, or the word assumed
 *     [cache]                       ; of all cores
 *     size1 = 48KiB                 ; ...
 *     [cache core1]                 ; of this one, where it differs
 *     size1 = 32KiB                 ; ...
 *
 * A caller says which kinds of parts there are; what a file does not say has its standard value. A
 * single value is given in the same way by --set PART.PARAM=VALUE, and in turn several by --sweep
 * PART.PARAM=FROM:TO:COUNT, where PART is as in the brackets ("cache" or "cache core1"; a point may
 * stand for the blank). A later value of the same part replaces an earlier one; that of a named part goes
 * before that of all.
 *
 * What is wrong is told with its place, what was found there and what was expected.
 */
#ifndef DRAY_MACHINE_FILE_H
#define DRAY_MACHINE_FILE_H

#include <stdbool.h>

#include "param.h"

enum {
    SIM_FILE_SIZE = 65536, /* bytes of a file at most; the preset ones have 5,000 */
    SIM_FILE_ERROR = 512,  /* bytes for a message; a longer one is cut off */
    SIM_SECTIONS = 64,     /* parts with values of their own */
    SIM_SECTION_NAME = 32, /* bytes, with the end */
    SIM_SWEEP_COUNT = 10000,
};

struct sim_parts;

/* The kinds themselves are kept by reference; each has at most 64 parameters. All values are the standard ones.
 * Returns 0; -EINVAL (a kind has more); -ENOMEM. */
int sim_parts_create(struct sim_parts **parts, const struct sim_part_kind *const *kinds,
                     size_t count);
void sim_parts_destroy(struct sim_parts **parts);

/* All of these return 0; -EINVAL with a message in `error`; -ENOMEM. After an error some values may
 * have been taken over.
 *
 * `name` is what messages call the text. */
int sim_parts_parse(struct sim_parts *parts, const char *text, size_t length, const char *name,
                    char *error, size_t size);
/* Likewise -errno of the file, with a message. */
int sim_parts_read(struct sim_parts *parts, const char *path, char *error, size_t size);
/* "PART.PARAM=VALUE". */
int sim_parts_set(struct sim_parts *parts, const char *text, char *error, size_t size);
/* Whether the values go together (the kinds' own checks). Once all is read and set; for a sweep at
 * each of its points. */
int sim_parts_check(const struct sim_parts *parts, char *error, size_t size);

/* Fills a part's structure of parameters: standard values, then those of its kind, then those of the
 * part itself. `name` NULL: of the kind. The kind is one of those that parts was created with. */
void sim_parts_get(const struct sim_parts *parts, const struct sim_part_kind *kind,
                   const char *name, void *params);
/* Names that were given to parts of a kind, in the order of appearance; NULL behind the last. */
const char *sim_parts_name(const struct sim_parts *parts, const struct sim_part_kind *kind,
                           size_t i);
/* Where the part's last value was given, as messages say it; NULL: it has none. */
const char *sim_parts_place(const struct sim_parts *parts, const struct sim_part_kind *kind,
                            const char *name);
/* Whether somebody gave this value, to the part or to all of its kind. */
bool sim_parts_given(const struct sim_parts *parts, const struct sim_part_kind *kind,
                     const char *name, const struct sim_param *param);

/* ---- sweeps ---- */

struct sim_sweep {
    const struct sim_param *param;
    unsigned section; /* parts' */
    uint64_t from, to;
    unsigned count;
};

/* "PART.PARAM=FROM:TO:COUNT", both ends included. Powers of two are swept by their exponents, others
 * evenly, rounded to what the parameter allows. Returns as above. */
int sim_sweep_parse(struct sim_sweep *sweep, struct sim_parts *parts, const char *text, char *error,
                    size_t size);
/* Value i of `count`. */
uint64_t sim_sweep_value(const struct sim_sweep *sweep, unsigned i);
/* Gives value i to the part. */
void sim_sweep_apply(const struct sim_sweep *sweep, struct sim_parts *parts, unsigned i);

/* ---- where machine files are (file_find.c) ---- */

/* A machine by its name ("desktop") or its file ("mine.ini", "./mine"): what has a slash in it or ends
 * with .ini is a file. Names are looked for as NAME.ini in $DRAY_MACHINES, or where that is not set
 * in the user's folder ($XDG_CONFIG_HOME or ~/.config, dray/machines), beside the running program
 * (machines, ../share/dray/machines) and where Dray was installed. Returns 0; -ENOENT, with a message
 * that says what names there are; -ENAMETOOLONG, with a message. */
int sim_machine_find(const char *name, char *path, size_t path_size, char *error,
                     size_t error_size);
/* The names that there are, sorted, ended by NULL: one allocation, for free(). NULL: no memory. */
char **sim_machine_names(void);

#endif
