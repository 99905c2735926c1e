/* What is wrong, where: the messages of machine files. */
#ifndef DRAY_MACHINE_FILE_SAY_H
#define DRAY_MACHINE_FILE_SAY_H

#include <stdbool.h>
#include <stddef.h>

/* A place: line of a file; 0: not of a file, `name` says all. */
struct sim_place {
    const char *name;
    unsigned line;
    char *error; /* may be NULL */
    size_t size;
    bool failed; /* the first message stays */
};

/* Writes `PLACE: found "FOUND"MIDDLE, expected EXPECTED`; control characters become '?'. Returns
 * -EINVAL. */
int sim_say(struct sim_place *place, const char *found, const char *middle, const char *expected);

/* The one of `count` names that is nearest to a mistyped one; NULL where none is near. `at` gives
 * name i. */
const char *sim_nearest(const char *typed, const char *(*at)(const void *of, size_t i),
                        const void *of, size_t count);
/* Writes what names there are: "WHAT, perhaps X" where one is near, else "WHAT: one of A, B". */
void sim_expect_name(char *expected, size_t size, const char *what, const char *typed,
                     const char *(*at)(const void *of, size_t i), const void *of, size_t count);

#endif
