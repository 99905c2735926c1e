/*
 * Frames, page tables, and the translation cache of a core.
 *
 * Page tables are a structure of the model's, not bytes in its memory (those of the IOMMU are bytes:
 * a device reads them): a walk costs `levels` reads of `walk` each, less what the walk cache saves.
 */
#ifndef DRAY_MACHINE_MMU_H
#define DRAY_MACHINE_MMU_H

#include "fiber.h"
#include "param.h"

enum {
    SIM_PAGE = 4096,
    SIM_HUGE_PAGE = 2 << 20,
};

/* ---- frames ---- */

struct sim_frames;

/* All frames of [base, base + size). `fragmentation`: millionths of the frames that follow each other
 * in an allocation of several but are not neighbours; 0 gives contiguous runs as long as there are.
 * Returns 0; -EINVAL; -ENOMEM. */
int sim_frames_create(struct sim_frames **frames, struct sim_kernel *kernel, uint64_t base,
                      uint64_t size, uint64_t fragmentation);
void sim_frames_destroy(struct sim_frames **frames);
/* A frame of SIM_PAGE or SIM_HUGE_PAGE bytes, aligned to its size. Below `limit`, as a 32-bit device
 * wants it; 0: anywhere, above 4 GiB as long as there are any. Returns its address, or SIM_NEVER where there is none. */
uint64_t sim_frames_take(struct sim_frames *frames, uint64_t size, uint64_t limit);
void sim_frames_give(struct sim_frames *frames, uint64_t address, uint64_t size);
uint64_t sim_frames_free(const struct sim_frames *frames); /* bytes */

/* ---- page tables ---- */

enum sim_mapping {
    SIM_CACHED,
    SIM_WRITE_COMBINING, /* stores are gathered to lines, loads are uncached */
    SIM_UNCACHED,
};

struct sim_page {
    uint64_t virtual, physical; /* aligned to size */
    uint64_t size;              /* SIM_PAGE or SIM_HUGE_PAGE */
    enum sim_mapping mapping;
    bool writable;
    uint32_t pins;
};

struct sim_space; /* an address space */

int sim_space_create(struct sim_space **space);
void sim_space_destroy(struct sim_space **space);
/* Returns 0; -EEXIST; -EINVAL (alignment, size); -ENOMEM. */
int sim_space_map(struct sim_space *space, const struct sim_page *page);
/* Returns 0; -ENOENT; -EBUSY (pinned). */
int sim_space_unmap(struct sim_space *space, uint64_t virtual);
/* NULL where nothing is mapped. Valid until the next change. */
const struct sim_page *sim_space_find(const struct sim_space *space, uint64_t virtual);
/* Pins count. Returns 0; -ENOENT; unpin also -EINVAL (not pinned). */
int sim_space_pin(struct sim_space *space, uint64_t virtual);
int sim_space_unpin(struct sim_space *space, uint64_t virtual);
/* The page lies in another frame from now on (the caller copies the bytes and invalidates TLBs).
 * Returns 0; -ENOENT; -EBUSY (pinned); -EINVAL (alignment). */
int sim_space_move(struct sim_space *space, uint64_t virtual, uint64_t physical);

/* ---- TLB ---- */

struct sim_tlb_params {
    uint64_t entries; /* of 4 KiB pages */
    uint64_t ways;    /* sets are a power of two */
    uint64_t huge;    /* entries of 2 MiB pages, fully associative */
    uint64_t levels; /* of page tables for a 4 KiB page: reads of a full walk; one less for 2 MiB */
    uint64_t walk;   /* ps for one read of a walk */
    uint64_t walk_cache; /* entries that save all but the last read, one for each 2 MiB */
};

extern const struct sim_part_kind sim_tlb_kind;

struct sim_tlb_stats {
    uint64_t hits, misses, walk_reads;
    sim_time walking;
};

struct sim_tlb;

int sim_tlb_create(struct sim_tlb **tlb, struct sim_kernel *kernel, struct sim_space *space,
                   const struct sim_tlb_params *params);
void sim_tlb_destroy(struct sim_tlb **tlb);
/* In a fiber: the page of an address, after the time of the walk where there is one. NULL: not
 * mapped (nothing is remembered of that). */
const struct sim_page *sim_tlb_find(struct sim_tlb *tlb, uint64_t virtual);
/* Likewise, but from anywhere, without time and without a walk: NULL where the TLB does not hold it. */
const struct sim_page *sim_tlb_peek(struct sim_tlb *tlb, uint64_t virtual);
/* After a change of the space: `size` 0 is all. */
void sim_tlb_invalidate(struct sim_tlb *tlb, uint64_t virtual, uint64_t size);
void sim_tlb_stats(const struct sim_tlb *tlb, struct sim_tlb_stats *stats);

#endif
