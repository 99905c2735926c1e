/*
 * Address spaces: which page lies in which frame.
 *
 * A table of stretches of 2 MiB by number (open addressing, linear probing); each is either one huge
 * page or a table of 512 small ones. A stretch that was used once keeps its place till the end.
 */
#include <errno.h>
#include <stdlib.h>

#include "mmu.h"

enum {
    IN_STRETCH = SIM_HUGE_PAGE / SIM_PAGE,
    FIRST_SLOTS = 64,
};

struct stretch {
    uint64_t number;        /* virtual / SIM_HUGE_PAGE */
    struct sim_page huge;   /* size 0: none */
    struct sim_page *small; /* IN_STRETCH of them, size 0: none; NULL: never any */
    uint32_t used;          /* of small */
};

struct sim_space {
    struct stretch **slots;
    size_t slot_count, count; /* slot_count: a power of two */
};

int sim_space_create(struct sim_space **space)
{
    struct sim_space *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->slot_count = FIRST_SLOTS;
    s->slots = calloc(s->slot_count, sizeof(struct stretch *));
    if (!s->slots) {
        free(s);
        return -ENOMEM;
    }
    *space = s;
    return 0;
}

void sim_space_destroy(struct sim_space **space)
{
    struct sim_space *s = *space;
    if (!s)
        return;
    for (size_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i])
            free(s->slots[i]->small);
        free(s->slots[i]);
    }
    free(s->slots);
    free(s);
    *space = NULL;
}

/* ---- stretches ---- */

/* The slot where the number is or would be. 2^64 divided by the golden ratio spreads neighbours. */
static size_t slot_of(struct stretch *const *slots, size_t slot_count, uint64_t number)
{
    size_t at = (number * 0x9e3779b97f4a7c15u) >> 32 & (slot_count - 1);
    while (slots[at] && slots[at]->number != number)
        at = (at + 1) & (slot_count - 1);
    return at;
}

static struct stretch *stretch_of(const struct sim_space *space, uint64_t virtual)
{
    return space->slots[slot_of(space->slots, space->slot_count, virtual / SIM_HUGE_PAGE)];
}

static int grow(struct sim_space *space)
{
    size_t slot_count = space->slot_count * 2;
    struct stretch **slots = calloc(slot_count, sizeof(struct stretch *));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < space->slot_count; i++) {
        struct stretch *stretch = space->slots[i];
        if (stretch)
            slots[slot_of(slots, slot_count, stretch->number)] = stretch;
    }
    free(space->slots);
    space->slots = slots;
    space->slot_count = slot_count;
    return 0;
}

static int stretch_make(struct sim_space *space, uint64_t virtual, struct stretch **made)
{
    *made = stretch_of(space, virtual);
    if (*made)
        return 0;
    if ((space->count + 1) * 2 > space->slot_count) {
        int error = grow(space);
        if (error)
            return error;
    }
    struct stretch *stretch = calloc(1, sizeof(*stretch));
    if (!stretch)
        return -ENOMEM;
    stretch->number = virtual / SIM_HUGE_PAGE;
    space->slots[slot_of(space->slots, space->slot_count, stretch->number)] = stretch;
    space->count++;
    *made = stretch;
    return 0;
}

static struct sim_page *find(const struct sim_space *space, uint64_t virtual)
{
    struct stretch *stretch = stretch_of(space, virtual);
    if (!stretch)
        return NULL;
    if (stretch->huge.size)
        return &stretch->huge;
    if (!stretch->used)
        return NULL;
    struct sim_page *page = &stretch->small[virtual / SIM_PAGE % IN_STRETCH];
    return page->size ? page : NULL;
}

/* ---- pages ---- */

int sim_space_map(struct sim_space *space, const struct sim_page *page)
{
    if ((page->size != SIM_PAGE && page->size != SIM_HUGE_PAGE) || page->virtual % page->size ||
        page->physical % page->size)
        return -EINVAL;
    struct stretch *stretch;
    int error = stretch_make(space, page->virtual, &stretch);
    if (error)
        return error;
    if (stretch->huge.size || (page->size == SIM_HUGE_PAGE && stretch->used))
        return -EEXIST;
    if (page->size == SIM_HUGE_PAGE) {
        stretch->huge = *page;
        return 0;
    }
    if (!stretch->small) {
        stretch->small = calloc(IN_STRETCH, sizeof(*stretch->small));
        if (!stretch->small)
            return -ENOMEM;
    }
    struct sim_page *place = &stretch->small[page->virtual / SIM_PAGE % IN_STRETCH];
    if (place->size)
        return -EEXIST;
    *place = *page;
    stretch->used++;
    return 0;
}

int sim_space_unmap(struct sim_space *space, uint64_t virtual)
{
    struct sim_page *page = find(space, virtual);
    if (!page)
        return -ENOENT;
    if (page->pins)
        return -EBUSY;
    if (page->size == SIM_PAGE)
        stretch_of(space, virtual)->used--;
    page->size = 0;
    return 0;
}

const struct sim_page *sim_space_find(const struct sim_space *space, uint64_t virtual)
{
    return find(space, virtual);
}

int sim_space_pin(struct sim_space *space, uint64_t virtual)
{
    struct sim_page *page = find(space, virtual);
    if (!page)
        return -ENOENT;
    page->pins++;
    return 0;
}

int sim_space_unpin(struct sim_space *space, uint64_t virtual)
{
    struct sim_page *page = find(space, virtual);
    if (!page)
        return -ENOENT;
    if (!page->pins)
        return -EINVAL;
    page->pins--;
    return 0;
}

int sim_space_move(struct sim_space *space, uint64_t virtual, uint64_t physical)
{
    struct sim_page *page = find(space, virtual);
    if (!page)
        return -ENOENT;
    if (page->pins)
        return -EBUSY;
    if (physical % page->size)
        return -EINVAL;
    page->physical = physical;
    return 0;
}
