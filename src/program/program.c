#include "program/program.h"

#include <stdlib.h>
#include <string.h>

void *dray_program_push(void *array, size_t *count, size_t element_size)
{
    char **items = array;
    size_t n = *count;
    if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
        char *more = realloc(*items, (n == 0 ? 8 : 2 * n) * element_size);
        if (!more)
            return NULL;
        *items = more;
    }
    char *item = *items + n * element_size;
    memset(item, 0, element_size);
    (*count)++;
    return item;
}

void dray_program_free(struct dray_program **program)
{
    struct dray_program *p = *program;
    if (!p)
        return;
    for (size_t i = 0; i < p->string_count; i++)
        free(p->strings[i]);
    free(p->strings);
    free(p->expects);
    free(p->descs);
    free(p->shapes);
    free(p->ops);
    free(p->places);
    free(p->decls);
    free(p->text);
    free(p->name);
    free(p);
    *program = NULL;
}

/* The n-th word of a seed's sequence (SplitMix64), so that any place can be computed by itself. */
static uint64_t random_word(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Words of `width` bytes at positions that may begin and end inside one. */
static void write_words(const struct dray_content *content, uint64_t width, uint64_t offset,
                        unsigned char *out, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint64_t n = (offset + i) / width;
        uint64_t word = content->kind == DRAY_CONTENT_RANDOM ? random_word(content->value, n) : n;
        for (uint64_t k = (offset + i) % width; k < width && i < length; k++, i++)
            out[i] = (unsigned char)(word >> 8 * k);
    }
}

void dray_content_write(const struct dray_content *content, uint64_t offset, void *out,
                        size_t length)
{
    size_t given = 0;
    switch (content->kind) {
    case DRAY_CONTENT_FILL:
        memset(out, (int)content->value, length);
        return;
    case DRAY_CONTENT_RANDOM:
        write_words(content, 8, offset, out, length);
        return;
    case DRAY_CONTENT_COUNT:
        write_words(content, content->value, offset, out, length);
        return;
    case DRAY_CONTENT_BYTES:
        if (offset < content->length)
            given = content->length - offset < length ? content->length - offset : length;
        memcpy(out, content->bytes + (given ? offset : 0), given);
        break;
    case DRAY_CONTENT_NONE:
        break;
    }
    memset((char *)out + given, 0, length - given);
}

bool dray_places_length(const struct dray_program *program, struct dray_places places,
                        uint64_t *length, bool *open)
{
    *length = 0;
    *open = false;
    for (size_t i = 0; i < places.count; i++) {
        const struct dray_place *place = &program->places[places.first + i];
        uint64_t bytes;
        if (dray_place_is_open(&program->decls[place->decl], place))
            *open = true;
        else if (__builtin_mul_overflow(place->length, place->times, &bytes) ||
                 __builtin_add_overflow(*length, bytes, length))
            return false;
    }
    return true;
}

bool dray_condition_holds(enum dray_wait condition, uint64_t left, uint64_t right)
{
    switch (condition) {
    case DRAY_WAIT_EQ:
        return left == right;
    case DRAY_WAIT_NE:
        return left != right;
    case DRAY_WAIT_LT:
        return left < right;
    case DRAY_WAIT_LE:
        return left <= right;
    case DRAY_WAIT_GT:
        return left > right;
    case DRAY_WAIT_GE:
        return left >= right;
    }
    return false;
}
