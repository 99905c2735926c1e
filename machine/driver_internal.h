/*
 * What the files of the driver interface share:
 *
 *     driver.c        life, memory, pages
 *     driver_map.c    mappings, maintenance
 *     driver_table.c  the IOMMU's tables and IO addresses
 */
#ifndef DRAY_MACHINE_DRIVER_INTERNAL_H
#define DRAY_MACHINE_DRIVER_INTERNAL_H

#include "driver.h"

struct mapping {
    uint64_t io, virtual, size;
    enum sim_direction direction;
    unsigned flags;
    bool gone; /* lazily: its IO addresses are not given to others yet */
    bool forgotten;
};

struct allocation {
    uint64_t virtual, size;
};

struct sim_driver {
    struct sim_driver_options options;
    uint64_t next_virtual;
    bool recycles; /* frames were given back: what is taken may hold old bytes */
    struct allocation *allocations;
    size_t allocation_count, allocation_room;

    struct mapping *mappings; /* by IO address */
    size_t mapping_count, mapping_room;
    size_t gone_count;

    /* With an IOMMU. */
    uint64_t root, top;
    bool owns_root;
    uint64_t *tables; /* frames, given back at the end */
    size_t table_count, table_room;
    uint64_t next_io, end_io;
};

/* ---- driver.c ---- */

void driver_tell(const struct sim_driver *driver, const struct sim_note *note, const char *what,
                 const struct sim_where *where);
/* Bytes of one page, and all copies of them that caches hold. */
void driver_put(struct sim_driver *driver, uint64_t physical, const void *from, size_t size);
/* The first physical run behind a range; size 0: nothing is mapped there. */
struct sim_run driver_run(const struct sim_driver *driver, uint64_t address, uint64_t size);
/* Makes room for one more element of `size` bytes. Returns 0; -ENOMEM. */
int driver_grow(void *array, size_t *room, size_t count, size_t size);

/* ---- driver_table.c ---- */

int table_create(struct sim_driver *driver);
void table_destroy(struct sim_driver *driver);
/* IO addresses for [address, address + size), with the same place in a page; SIM_NEVER: none left. */
uint64_t table_find_io(struct sim_driver *driver, uint64_t address, uint64_t size);
/* Enters the pages behind [virtual, virtual + size) from `io` on. Returns 0 and the number of entries;
 * -ENOENT, -ENOMEM (entries made so far are left). */
int table_enter(struct sim_driver *driver, const struct mapping *mapping, uint64_t *entries);
/* Empties the entries of the mapping, those that there are. Returns how many. */
uint64_t table_clear(struct sim_driver *driver, const struct mapping *mapping);
/* Waits until the IOMMU has forgotten; size 0: everything. */
void table_invalidate(struct sim_core *core, struct sim_driver *driver, uint64_t io, uint64_t size);

#endif
