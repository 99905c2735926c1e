/*
 * The TLB of a core: copies of pages, so that one that was not invalidated after a change still
 * translates as before.
 *
 * Small pages in sets, huge ones in a small array of their own, both with the least recently used one
 * replaced; and before them the entry that was used last, which answers most accesses.
 */
#include <errno.h>
#include <stdlib.h>

#include "mmu.h"

struct entry {
    struct sim_page page; /* size 0: empty */
    uint64_t used;        /* when, in look-ups */
};

/* An entry of the walk cache: where the last table of 2 MiB of addresses lies. */
struct upper {
    uint64_t number; /* virtual / SIM_HUGE_PAGE */
    uint64_t used;   /* 0: empty */
};

struct sim_tlb {
    struct sim_kernel *kernel;
    struct sim_space *space;
    struct sim_tlb_params params;
    uint64_t sets;
    uint64_t clock;
    struct entry *last; /* the one used last */
    struct entry *small, *huge;
    struct upper *upper;
    struct sim_tlb_stats stats;
};

#define AT(member) offsetof(struct sim_tlb_params, member)

/* Sizes as the second-level TLB of desktop cores (1536 entries, 12 ways, shared levels left out):
 * assumed, like the time of a read, which is about that of a hit in the second level. */
static const struct sim_param tlb_params[] = {
    { "entries", SIM_UNIT_COUNT, AT(entries), 1536, 1, 1 << 20, 0, NULL, "pages of 4 KiB held" },
    { "ways", SIM_UNIT_COUNT, AT(ways), 12, 1, 1 << 20, 0, NULL,
      "places that a page of 4 KiB may have" },
    { "huge", SIM_UNIT_COUNT, AT(huge), 32, 1, 4096, 0, NULL, "pages of 2 MiB held" },
    { "levels", SIM_UNIT_COUNT, AT(levels), 4, 1, 5, 0, NULL,
      "levels of page tables: reads of a whole walk" },
    { "walk", SIM_UNIT_TIME, AT(walk), 5 * SIM_NS, 0, SIM_MS, 0, NULL, "time of one such read" },
    { "walk_cache", SIM_UNIT_COUNT, AT(walk_cache), 32, 0, 4096, 0, NULL,
      "stretches of 2 MiB whose walk needs its last read alone" },
};

static const char *tlb_check(const void *params)
{
    const struct sim_tlb_params *p = params;
    uint64_t sets = p->ways ? p->entries / p->ways : 0;
    if (!sets || sets * p->ways != p->entries || (sets & (sets - 1)))
        return "entries divided by ways must be a power of two";
    return NULL;
}

const struct sim_part_kind sim_tlb_kind = {
    .name = "tlb",
    .about = "the translation cache of a core",
    .params = tlb_params,
    .param_count = sizeof(tlb_params) / sizeof(tlb_params[0]),
    .params_size = sizeof(struct sim_tlb_params),
    .check = tlb_check,
};

int sim_tlb_create(struct sim_tlb **tlb, struct sim_kernel *kernel, struct sim_space *space,
                   const struct sim_tlb_params *params)
{
    if (tlb_check(params))
        return -EINVAL;
    struct sim_tlb *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->kernel = kernel;
    t->space = space;
    t->params = *params;
    t->sets = params->entries / params->ways;
    t->small = calloc(params->entries, sizeof(*t->small));
    t->huge = calloc(params->huge ? params->huge : 1, sizeof(*t->huge));
    t->upper = calloc(params->walk_cache ? params->walk_cache : 1, sizeof(*t->upper));
    if (!t->small || !t->huge || !t->upper) {
        sim_tlb_destroy(&t);
        return -ENOMEM;
    }
    t->last = &t->small[0];
    *tlb = t;
    return 0;
}

void sim_tlb_destroy(struct sim_tlb **tlb)
{
    struct sim_tlb *t = *tlb;
    if (!t)
        return;
    free(t->small);
    free(t->huge);
    free(t->upper);
    free(t);
    *tlb = NULL;
}

/* ---- what is held ---- */

static bool covers(const struct sim_page *page, uint64_t virtual)
{
    return virtual - page->virtual < page->size;
}

static struct entry *set_of(struct sim_tlb *tlb, uint64_t virtual)
{
    return &tlb->small[virtual / SIM_PAGE % tlb->sets * tlb->params.ways];
}

static struct entry *among(struct entry *entries, uint64_t count, uint64_t virtual)
{
    for (uint64_t i = 0; i < count; i++)
        if (covers(&entries[i].page, virtual))
            return &entries[i];
    return NULL;
}

static struct entry *oldest(struct entry *entries, uint64_t count)
{
    struct entry *found = entries;
    for (uint64_t i = 0; i < count; i++) {
        if (!entries[i].page.size)
            return &entries[i];
        if (entries[i].used < found->used)
            found = &entries[i];
    }
    return found;
}

static void keep(struct sim_tlb *tlb, const struct sim_page *page)
{
    struct entry *entry;
    if (page->size == SIM_PAGE)
        entry = oldest(set_of(tlb, page->virtual), tlb->params.ways);
    else if (tlb->params.huge)
        entry = oldest(tlb->huge, tlb->params.huge);
    else
        return;
    entry->page = *page;
    entry->used = ++tlb->clock;
    tlb->last = entry;
}

/* ---- walks ---- */

/* Whether the walk cache knows the last table of the address; it does from now on. */
static bool upper_known(struct sim_tlb *tlb, uint64_t virtual)
{
    uint64_t number = virtual / SIM_HUGE_PAGE;
    struct upper *place = tlb->upper;
    for (uint64_t i = 0; i < tlb->params.walk_cache; i++) {
        struct upper *u = &tlb->upper[i];
        if (u->used && u->number == number) {
            u->used = ++tlb->clock;
            return true;
        }
        if (u->used < place->used)
            place = u;
    }
    if (tlb->params.walk_cache)
        *place = (struct upper){ .number = number, .used = ++tlb->clock };
    return false;
}

/* A huge page's entry lies in the level above the last, which the walk cache does not shorten. What is
 * not mapped costs a whole walk. */
static uint64_t walk_reads(struct sim_tlb *tlb, uint64_t virtual)
{
    const struct sim_page *page = sim_space_find(tlb->space, virtual);
    if (!page)
        return tlb->params.levels;
    if (page->size == SIM_HUGE_PAGE)
        return tlb->params.levels > 1 ? tlb->params.levels - 1 : 1;
    return upper_known(tlb, virtual) ? 1 : tlb->params.levels;
}

static const struct sim_page *walk(struct sim_tlb *tlb, uint64_t virtual)
{
    uint64_t reads = walk_reads(tlb, virtual);
    sim_time time = reads * tlb->params.walk;
    tlb->stats.misses++;
    tlb->stats.walk_reads += reads;
    tlb->stats.walking += time;
    sim_sleep(tlb->kernel, time);
    /* Only now: the space may have changed meanwhile. */
    const struct sim_page *page = sim_space_find(tlb->space, virtual);
    if (page)
        keep(tlb, page);
    return page;
}

static struct entry *held(struct sim_tlb *tlb, uint64_t virtual)
{
    struct entry *entry = among(set_of(tlb, virtual), tlb->params.ways, virtual);
    if (!entry)
        entry = among(tlb->huge, tlb->params.huge, virtual);
    if (entry)
        tlb->last = entry;
    return entry;
}

const struct sim_page *sim_tlb_peek(struct sim_tlb *tlb, uint64_t virtual)
{
    struct entry *entry = tlb->last;
    if (!covers(&entry->page, virtual)) {
        entry = held(tlb, virtual);
        if (!entry)
            return NULL;
    }
    entry->used = ++tlb->clock;
    tlb->stats.hits++;
    return &entry->page;
}

const struct sim_page *sim_tlb_find(struct sim_tlb *tlb, uint64_t virtual)
{
    const struct sim_page *page = sim_tlb_peek(tlb, virtual);
    return page ? page : walk(tlb, virtual);
}

/* ---- changes ---- */

static void drop(struct entry *entries, uint64_t count, uint64_t virtual, uint64_t size)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct sim_page *page = &entries[i].page;
        /* Either begins inside the other. */
        if (!size || page->virtual - virtual < size || virtual - page->virtual < page->size)
            entries[i].page.size = 0;
    }
}

void sim_tlb_invalidate(struct sim_tlb *tlb, uint64_t virtual, uint64_t size)
{
    if (size && size <= SIM_PAGE && virtual % SIM_PAGE + size <= SIM_PAGE)
        drop(set_of(tlb, virtual), tlb->params.ways, virtual, size);
    else
        drop(tlb->small, tlb->params.entries, virtual, size);
    drop(tlb->huge, tlb->params.huge, virtual, size);
    for (uint64_t i = 0; i < tlb->params.walk_cache; i++) {
        uint64_t begin = tlb->upper[i].number * SIM_HUGE_PAGE;
        if (!size || begin - virtual < size || virtual - begin < SIM_HUGE_PAGE)
            tlb->upper[i].used = 0;
    }
}

void sim_tlb_stats(const struct sim_tlb *tlb, struct sim_tlb_stats *stats)
{
    *stats = tlb->stats;
}
