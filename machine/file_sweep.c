/* A value that takes several in turn. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_state.h"

/* One of three, between colons; returns false where it is too long for any value. */
static bool copy_part(char *to, size_t size, const char *from, size_t length)
{
    return (size_t)snprintf(to, size, "%.*s", (int)length, from) < size;
}

static int parse_end(struct sim_sweep *sweep, uint64_t *value, const char *text, size_t length,
                     struct sim_place *place)
{
    char copy[64], middle[64], expected[SIM_PARAM_EXPECTED];
    const struct sim_param *param = sweep->param;
    if (!copy_part(copy, sizeof(copy), text, length))
        return sim_say(place, copy, "", "a shorter value");
    snprintf(middle, sizeof(middle), " for %s", param->name);
    if (sim_param_parse(param, copy, value, expected, sizeof(expected)))
        return sim_say(place, copy, middle, expected);
    if (param->multiple == SIM_POWER_OF_TWO && *value == 0)
        return sim_say(place, copy, middle, "a power of two that is not 0, in a sweep");
    return 0;
}

static int parse_count(struct sim_sweep *sweep, const char *text, struct sim_place *place)
{
    unsigned count = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits && digits < 6 && text[digits] == 0)
        count = (unsigned)strtoul(text, NULL, 10);
    if (count < 1 || count > SIM_SWEEP_COUNT)
        return sim_say(place, text, " for the number of points", "1 to 10000");
    sweep->count = count;
    return 0;
}

int sim_sweep_parse(struct sim_sweep *sweep, struct sim_parts *parts, const char *text, char *error,
                    size_t size)
{
    char name[PLACE_TEXT];
    struct sim_place place = { .name = name, .error = error, .size = size };
    const char *values;
    snprintf(name, sizeof(name), "--sweep %s", text);
    int section = sim_parts_left_side(parts, text, &sweep->param, &values, &place);
    if (section < 0)
        return section;
    const char *first = strchr(values, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    if (!second)
        return sim_say(&place, values, "", "FROM:TO:COUNT, such as 1ns:10ns:10");
    sweep->section = (unsigned)section;
    int result = parse_end(sweep, &sweep->from, values, (size_t)(first - values), &place);
    if (!result)
        result = parse_end(sweep, &sweep->to, first + 1, (size_t)(second - first) - 1, &place);
    if (!result)
        result = parse_count(sweep, second + 1, &place);
    if (!result)
        snprintf(parts->sections[section].place, PLACE_TEXT, "%s", name);
    return result;
}

/* from + (to - from) * i / n, to the nearest. */
static uint64_t between(uint64_t from, uint64_t to, unsigned i, unsigned n)
{
    uint64_t width = from < to ? to - from : from - to;
    uint64_t step = (uint64_t)(((unsigned __int128)width * i + n / 2) / n);
    return from < to ? from + step : from - step;
}

uint64_t sim_sweep_value(const struct sim_sweep *sweep, unsigned i)
{
    const struct sim_param *param = sweep->param;
    unsigned n = sweep->count > 1 ? sweep->count - 1 : 1;
    if (param->multiple == SIM_POWER_OF_TWO)
        return (uint64_t)1 << between((uint64_t)__builtin_ctzll(sweep->from),
                                      (uint64_t)__builtin_ctzll(sweep->to), i, n);
    uint64_t value = between(sweep->from, sweep->to, i, n);
    /* Both ends are multiples, so what lies between rounds to one that lies between. */
    if (param->multiple) {
        uint64_t over = value % param->multiple;
        value += over > param->multiple / 2 ? param->multiple - over : -over;
    }
    return value;
}

void sim_sweep_apply(const struct sim_sweep *sweep, struct sim_parts *parts, unsigned i)
{
    sim_section_give(&parts->sections[sweep->section], sweep->param, sim_sweep_value(sweep, i));
}
