/*
 * Pages locked in RAM, counted: mlock does not nest, so the first of two pins of one page that is
 * undone would unlock it for both.
 *
 * Kept as the boundaries between stretches of pages that are covered by equally many pins:
 *
 *      pins              [=====A=====)
 *                              [=====B=====)
 *      boundaries   |----1-----|--2--|--1--|---0
 *
 * A boundary exists while a pin begins or ends there, so there are at most two for each pin, and
 * undoing one never needs memory. Across domains, and beside the program's own mlock, pages are
 * not counted.
 */
#ifndef DRAY_DOMAIN_PIN_H
#define DRAY_DOMAIN_PIN_H

#include "dray/api.h"

struct dray_boundary;

struct dray_pins {
    struct dray_boundary *root;  /* a treap by address */
    struct dray_boundary *first; /* the same as a list */
    uint64_t bytes;              /* locked now, in whole pages */
};

/* Locks the pages of [base, base + size). Returns 0; -ENOMEM or -EPERM when the limit on locked
 * memory forbids it or there is no memory for the bookkeeping, -EFAULT when part is not mapped,
 * other -errno of mlock; then `why` has the sentence and nothing has changed. */
int dray_pin(struct dray_pins *pins, const void *base, uint64_t size, char *why, size_t why_size);
/* Undoes one dray_pin of the same range. */
void dray_unpin(struct dray_pins *pins, const void *base, uint64_t size);

#endif
