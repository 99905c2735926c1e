#include "file_say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    QUOTED_MAX = 60,
    NAME_MAX_NEAR = 40,
};

int sim_say(struct sim_place *place, const char *found, const char *middle, const char *expected)
{
    char quoted[QUOTED_MAX + 1], line[16] = "";
    bool first = !place->failed && place->error && place->size;
    place->failed = true;
    if (!first)
        return -EINVAL;
    snprintf(quoted, sizeof(quoted), "%s", found);
    for (char *c = quoted; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    if (place->line)
        snprintf(line, sizeof(line), ":%u", place->line);
    snprintf(place->error, place->size, "%s%s: found \"%s\"%s, expected %s", place->name, line,
             quoted, middle, expected);
    return -EINVAL;
}

/* How many characters must be put in, taken out or replaced. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_NEAR + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned corner = row[0];
        row[0]++;
        for (size_t j = 1; j <= length; j++) {
            unsigned least = corner + (a[i] != b[j - 1]);
            corner = row[j];
            least = least < row[j] + 1 ? least : row[j] + 1;
            row[j] = least < row[j - 1] + 1 ? least : row[j - 1] + 1;
        }
    }
    return row[length];
}

const char *sim_nearest(const char *typed, const char *(*at)(const void *of, size_t i),
                        const void *of, size_t count)
{
    size_t length = strlen(typed);
    unsigned limit = (unsigned)length / 3 + 1, best = limit + 1;
    const char *nearest = NULL;
    if (length < 2 || length > NAME_MAX_NEAR)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = at(of, i);
        if (strlen(name) > NAME_MAX_NEAR)
            continue;
        /* The beginning of a name is near to it, however long the name. */
        unsigned d = strncmp(name, typed, length) == 0 ? 1 : distance(typed, name);
        if (d < best) {
            best = d;
            nearest = name;
        }
    }
    return nearest;
}

void sim_expect_name(char *expected, size_t size, const char *what, const char *typed,
                     const char *(*at)(const void *of, size_t i), const void *of, size_t count)
{
    const char *nearest = sim_nearest(typed, at, of, count);
    if (nearest) {
        snprintf(expected, size, "%s, perhaps %s", what, nearest);
        return;
    }
    size_t used = (size_t)snprintf(expected, size, "%s:%s", what, count > 1 ? " one of" : "");
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(expected + used, size - used, "%s %s", i ? "," : "", at(of, i));
}
