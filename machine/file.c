/* The values of a machine's parts: who gave which, and what follows for each part. */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_state.h"

int sim_parts_create(struct sim_parts **parts, const struct sim_part_kind *const *kinds,
                     size_t count)
{
    struct sim_parts *p;
    for (size_t i = 0; i < count; i++)
        if (kinds[i]->param_count > PARAMS_MAX)
            return -EINVAL;
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->kinds = calloc(count, sizeof(struct sim_part_kind *));
    if (!p->kinds) {
        free(p);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        p->kinds[i] = kinds[i];
    p->kind_count = count;
    *parts = p;
    return 0;
}

void sim_parts_destroy(struct sim_parts **parts)
{
    if (!*parts)
        return;
    for (unsigned i = 0; i < (*parts)->section_count; i++)
        free((*parts)->sections[i].values);
    free((*parts)->kinds);
    free(*parts);
    *parts = NULL;
}

/* ---- sections ---- */

static const char *kind_name(const void *of, size_t i)
{
    return ((const struct sim_parts *)of)->kinds[i]->name;
}

static const char *param_name(const void *of, size_t i)
{
    return ((const struct sim_part_kind *)of)->params[i].name;
}

static const struct sim_part_kind *find_kind(const struct sim_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->kind_count; i++)
        if (strcmp(parts->kinds[i]->name, name) == 0)
            return parts->kinds[i];
    return NULL;
}

static struct sim_section *find_section(const struct sim_parts *parts,
                                        const struct sim_part_kind *kind, const char *name)
{
    for (unsigned i = 0; i < parts->section_count; i++) {
        const struct sim_section *section = &parts->sections[i];
        if (section->kind == kind && strcmp(section->name, name) == 0)
            return (struct sim_section *)section;
    }
    return NULL;
}

static int add_section(struct sim_parts *parts, const struct sim_part_kind *kind, const char *name,
                       struct sim_place *place)
{
    if (parts->section_count == SIM_SECTIONS)
        return sim_say(place, name[0] ? name : kind->name, "", "at most 64 parts with own values");
    struct sim_section *section = &parts->sections[parts->section_count];
    section->values = calloc(kind->param_count, sizeof(*section->values));
    if (!section->values)
        return -ENOMEM;
    section->kind = kind;
    snprintf(section->name, sizeof(section->name), "%s", name);
    return (int)parts->section_count++;
}

static bool good_name(const char *text)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-";
    return text[0] && text[strspn(text, characters)] == 0;
}

int sim_section_open(struct sim_parts *parts, const char *text, size_t length,
                     const char *separators, struct sim_place *place)
{
    char kind_text[2 * SIM_SECTION_NAME], expected[SIM_PARAM_EXPECTED];
    const char *name = "";
    if (snprintf(kind_text, sizeof(kind_text), "%.*s", (int)length, text) >= (int)sizeof(kind_text))
        return sim_say(place, kind_text, "", "the name of a part, of at most 63 characters");
    size_t end = strcspn(kind_text, separators);
    bool named = kind_text[end] != 0;
    if (named) {
        kind_text[end++] = 0;
        name = kind_text + end + strspn(kind_text + end, separators);
    }
    const struct sim_part_kind *kind = find_kind(parts, kind_text);
    if (!kind) {
        sim_expect_name(expected, sizeof(expected), "a part", kind_text, kind_name, parts,
                        parts->kind_count);
        return sim_say(place, kind_text, "", expected);
    }
    if (named && (!good_name(name) || strlen(name) >= SIM_SECTION_NAME))
        return sim_say(place, name, "", "a name of at most 31 letters, digits, \"_\" and \"-\"");
    struct sim_section *section = find_section(parts, kind, name);
    return section ? (int)(section - parts->sections) : add_section(parts, kind, name, place);
}

const struct sim_param *sim_section_param(const struct sim_section *section, const char *name,
                                          struct sim_place *place)
{
    const struct sim_part_kind *kind = section->kind;
    char what[64], expected[SIM_PARAM_EXPECTED];
    for (size_t i = 0; i < kind->param_count; i++)
        if (strcmp(kind->params[i].name, name) == 0)
            return &kind->params[i];
    snprintf(what, sizeof(what), "a parameter of %s", kind->name);
    sim_expect_name(expected, sizeof(expected), what, name, param_name, kind, kind->param_count);
    sim_say(place, name, "", expected);
    return NULL;
}

int sim_section_parse(struct sim_section *section, const struct sim_param *param, const char *text,
                      struct sim_place *place)
{
    char expected[SIM_PARAM_EXPECTED], middle[64];
    uint64_t value;
    if (sim_param_parse(param, text, &value, expected, sizeof(expected))) {
        snprintf(middle, sizeof(middle), " for %s", param->name);
        return sim_say(place, text, middle, expected);
    }
    sim_section_give(section, param, value);
    if (place->line)
        snprintf(section->place, sizeof(section->place), "%.100s:%u", place->name, place->line);
    else
        snprintf(section->place, sizeof(section->place), "%s", place->name);
    return 0;
}

void sim_section_give(struct sim_section *section, const struct sim_param *param, uint64_t value)
{
    size_t i = (size_t)(param - section->kind->params);
    section->values[i] = value;
    section->given |= (uint64_t)1 << i;
}

/* ---- what follows for a part ---- */

static void apply(const struct sim_section *section, void *params)
{
    for (size_t i = 0; section && i < section->kind->param_count; i++)
        if (section->given >> i & 1)
            sim_param_set(&section->kind->params[i], params, section->values[i]);
}

void sim_parts_get(const struct sim_parts *parts, const struct sim_part_kind *kind,
                   const char *name, void *params)
{
    sim_params_standard(kind, params);
    apply(find_section(parts, kind, ""), params);
    if (name && name[0])
        apply(find_section(parts, kind, name), params);
}

const char *sim_parts_name(const struct sim_parts *parts, const struct sim_part_kind *kind,
                           size_t i)
{
    for (unsigned s = 0; s < parts->section_count; s++)
        if (parts->sections[s].kind == kind && parts->sections[s].name[0] && i-- == 0)
            return parts->sections[s].name;
    return NULL;
}

const char *sim_parts_place(const struct sim_parts *parts, const struct sim_part_kind *kind,
                            const char *name)
{
    const struct sim_section *section = find_section(parts, kind, name ? name : "");
    return section && section->given ? section->place : NULL;
}

static bool has(const struct sim_section *section, const struct sim_param *param)
{
    return section && section->given >> (param - section->kind->params) & 1;
}

bool sim_parts_given(const struct sim_parts *parts, const struct sim_part_kind *kind,
                     const char *name, const struct sim_param *param)
{
    return has(find_section(parts, kind, ""), param) ||
           (name && has(find_section(parts, kind, name), param));
}

static int check_section(const struct sim_parts *parts, const struct sim_section *section,
                         char *error, size_t size)
{
    const struct sim_part_kind *kind = section->kind;
    void *params = malloc(kind->params_size);
    if (!params)
        return -ENOMEM;
    sim_parts_get(parts, kind, section->name, params);
    const char *wrong = kind->check ? kind->check(params) : NULL;
    free(params);
    if (!wrong)
        return 0;
    if (error)
        snprintf(error, size, "%s: %s%s%s: %s", section->place, kind->name,
                 section->name[0] ? " " : "", section->name, wrong);
    return -EINVAL;
}

int sim_parts_check(const struct sim_parts *parts, char *error, size_t size)
{
    int result = 0;
    for (unsigned i = 0; i < parts->section_count && !result; i++)
        if (parts->sections[i].given)
            result = check_section(parts, &parts->sections[i], error, size);
    return result;
}
