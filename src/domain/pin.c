#include "domain/pin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Between this boundary and the next, every page is covered by `cover` pins. */
struct dray_boundary {
    uintptr_t at;
    uint32_t ends; /* pins that begin or end here; 0: not needed */
    uint32_t cover;
    struct dray_boundary *left, *right;
    struct dray_boundary *prev, *next;
};

/* ---- the tree: a treap whose priorities are a hash of the address ---- */

static uint64_t boundary_priority(const struct dray_boundary *b)
{
    uint64_t x = b->at >> 12;
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

/* The last boundary at or before `at`; NULL if none. */
static struct dray_boundary *boundary_find(const struct dray_pins *pins, uintptr_t at)
{
    struct dray_boundary *best = NULL;
    for (struct dray_boundary *b = pins->root; b;) {
        if (b->at <= at) {
            best = b;
            b = b->right;
        } else {
            b = b->left;
        }
    }
    return best;
}

/* Splits a tree into what lies before `at` and the rest. */
static void treap_split(struct dray_boundary *tree, uintptr_t at, struct dray_boundary **before,
                        struct dray_boundary **after)
{
    while (tree) {
        if (tree->at < at) {
            *before = tree;
            before = &tree->right;
            tree = tree->right;
        } else {
            *after = tree;
            after = &tree->left;
            tree = tree->left;
        }
    }
    *before = *after = NULL;
}

static void treap_insert(struct dray_pins *pins, struct dray_boundary *b)
{
    struct dray_boundary **link = &pins->root;
    while (*link && boundary_priority(*link) >= boundary_priority(b))
        link = (*link)->at < b->at ? &(*link)->right : &(*link)->left;
    treap_split(*link, b->at, &b->left, &b->right);
    *link = b;
}

static void treap_remove(struct dray_pins *pins, struct dray_boundary *b)
{
    struct dray_boundary **link = &pins->root;
    while (*link != b)
        link = (*link)->at < b->at ? &(*link)->right : &(*link)->left;
    struct dray_boundary *left = b->left, *right = b->right;
    while (left && right) {
        if (boundary_priority(left) >= boundary_priority(right)) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left ? left : right;
}

/* ---- boundaries ---- */

/* The boundary at `at`, made if there is none; NULL without memory. */
static struct dray_boundary *boundary_make(struct dray_pins *pins, uintptr_t at)
{
    struct dray_boundary *before = boundary_find(pins, at);
    if (before && before->at == at)
        return before;
    struct dray_boundary *b = malloc(sizeof(*b));
    if (!b)
        return NULL;
    *b = (struct dray_boundary){ .at = at, .cover = before ? before->cover : 0, .prev = before };
    b->next = before ? before->next : pins->first;
    if (b->next)
        b->next->prev = b;
    if (before)
        before->next = b;
    else
        pins->first = b;
    treap_insert(pins, b);
    return b;
}

/* Removes a boundary where no pin begins or ends: both its sides are covered alike. */
static void boundary_drop(struct dray_pins *pins, struct dray_boundary *b)
{
    if (!b || b->ends)
        return;
    treap_remove(pins, b);
    if (b->next)
        b->next->prev = b->prev;
    if (b->prev)
        b->prev->next = b->next;
    else
        pins->first = b->next;
    free(b);
}

static uint64_t boundary_size(const struct dray_boundary *b)
{
    return b->next->at - b->at;
}

/* ---- what went wrong ---- */

static uint64_t locked_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];
    uint64_t kib = 0;
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmLck: %" SCNu64, &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* The first page that is not mapped, or `end`. A step of 64 MiB that has a hole is gone through
 * page by page. */
static uintptr_t first_hole(uintptr_t start, uintptr_t end, uintptr_t page)
{
    unsigned char present[16384];
    uintptr_t step = sizeof(present) * page;
    while (start < end) {
        if (step > end - start)
            step = end - start;
        if (mincore((void *)start, step, present) == 0)
            start += step;
        else if (step == page)
            return start;
        else
            step = page;
    }
    return end;
}

static int pin_error(int error, uintptr_t start, uintptr_t end, uintptr_t page, char *why,
                     size_t size)
{
    uint64_t kib = (end - start) / 1024;
    uintptr_t hole = error == ENOMEM ? first_hole(start, end, page) : end;
    struct rlimit limit;
    if (hole < end) {
        snprintf(why, size, "pin %" PRIu64 " KiB at %#" PRIxPTR ": nothing is mapped at %#" PRIxPTR,
                 kib, start, hole);
        return -EFAULT;
    }
    if ((error == ENOMEM || error == EPERM) && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY) {
        snprintf(why, size,
                 "pin %" PRIu64 " KiB: RLIMIT_MEMLOCK is %" PRIu64 " KiB, of which %" PRIu64
                 " KiB are locked already (raise it with ulimit -l, or grant CAP_IPC_LOCK)",
                 kib, (uint64_t)limit.rlim_cur / 1024, locked_kib());
        return -error;
    }
    snprintf(why, size, "pin %" PRIu64 " KiB at %#" PRIxPTR ": mlock: %s", kib, start,
             strerror(error));
    return -error;
}

/* ---- pin and unpin ---- */

/* Unlocks the stretches of [first, last) that no pin covers. */
static void unlock_uncovered(struct dray_pins *pins, struct dray_boundary *first,
                             struct dray_boundary *last)
{
    for (struct dray_boundary *b = first; b != last; b = b->next) {
        if (b->cover)
            continue;
        munlock((void *)b->at, boundary_size(b));
        pins->bytes -= boundary_size(b);
    }
}

static int lock_uncovered(struct dray_pins *pins, struct dray_boundary *first,
                          struct dray_boundary *last)
{
    for (struct dray_boundary *b = first; b != last; b = b->next) {
        if (b->cover)
            continue;
        int error = mlock((void *)b->at, boundary_size(b)) ? errno : 0;
        pins->bytes += boundary_size(b);
        if (error) {
            /* A call that failed may have locked the pages before the one it failed at. */
            unlock_uncovered(pins, first, b->next);
            return error;
        }
    }
    return 0;
}

static void page_range(const void *base, uint64_t size, uintptr_t *start, uintptr_t *end,
                       uintptr_t *page)
{
    *page = (uintptr_t)sysconf(_SC_PAGESIZE);
    *start = (uintptr_t)base & ~(*page - 1);
    *end = ((uintptr_t)base + size + *page - 1) & ~(*page - 1);
}

int dray_pin(struct dray_pins *pins, const void *base, uint64_t size, char *why, size_t why_size)
{
    uintptr_t start, end, page;
    page_range(base, size, &start, &end, &page);
    struct dray_boundary *first = boundary_make(pins, start);
    struct dray_boundary *last = first ? boundary_make(pins, end) : NULL;
    if (!last) {
        boundary_drop(pins, first);
        snprintf(why, why_size, "pin: no memory for its record");
        return -ENOMEM;
    }
    int error = lock_uncovered(pins, first, last);
    if (error) {
        boundary_drop(pins, last);
        boundary_drop(pins, first);
        return pin_error(error, start, end, page, why, why_size);
    }
    for (struct dray_boundary *b = first; b != last; b = b->next)
        b->cover++;
    first->ends++;
    last->ends++;
    return 0;
}

void dray_unpin(struct dray_pins *pins, const void *base, uint64_t size)
{
    uintptr_t start, end, page;
    page_range(base, size, &start, &end, &page);
    struct dray_boundary *first = boundary_find(pins, start), *last = boundary_find(pins, end);
    for (struct dray_boundary *b = first; b != last; b = b->next)
        b->cover--;
    unlock_uncovered(pins, first, last);
    first->ends--;
    last->ends--;
    boundary_drop(pins, last);
    boundary_drop(pins, first);
}
