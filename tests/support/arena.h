/*
 * A domain that a hostile producer may be let loose on, with everything round it watched: regions of
 * every kind, between pages that cannot be touched and bytes that must not change.
 *
 *      | no page | tags, then region flush with the end | no page | region, then tags | no page |
 *
 * Needs no cmocka: fuzzing targets use it too.
 */
#ifndef DRAY_TESTS_ARENA_H
#define DRAY_TESTS_ARENA_H

#include "dray/dray.h"

enum arena_region {
    ARENA_NONE,      /* key 0 */
    ARENA_RW,        /* memory */
    ARENA_R,         /* memory that may only be read */
    ARENA_W,         /* memory that may only be written: its first bytes are a secret */
    ARENA_PIECES_RW, /* scattered, with watched gaps */
    ARENA_PIECES_R,
    ARENA_FLAGS_RW,
    ARENA_FLAGS_R,
    ARENA_LINKS,   /* memory that may only be read; the producer writes it from its own side */
    ARENA_FILE_RW, /* cannot grow */
    ARENA_FILE_R,
    ARENA_PIPE_IN,  /* the reading end of a pipe */
    ARENA_PIPE_OUT, /* its writing end */
    ARENA_NULL,     /* /dev/null */
    ARENA_STALE,    /* a key that was unmapped */
    ARENA_FOREIGN,  /* an index that no region has */
    ARENA_COUNT
};

enum {
    ARENA_MEMORY = 40000,
    ARENA_LINK_COUNT = 48,
    ARENA_FLAG_COUNT = 64,
    ARENA_PIECE_COUNT = 64,
    ARENA_FILE = 60000,
};

/* One block of memory with what must not change in it. */
struct arena_block {
    uint8_t *page; /* first that can be touched */
    size_t pages_size;
    uint8_t *base;  /* of the region */
    size_t size;    /* likewise */
    uint8_t *image; /* of all its pages, as they were at first */
    bool read_only; /* all of it must not change */
};

struct arena {
    struct dray_domain *domain;
    dray_key key[ARENA_COUNT];
    uint64_t length[ARENA_COUNT]; /* of the region */
    struct arena_block block[ARENA_COUNT];
    struct iovec piece[2][ARENA_PIECE_COUNT]; /* PIECES_RW, PIECES_R */
    struct dray_desc *links;                  /* LINKS */
    uint64_t *flags;                          /* FLAGS_RW */
    int file_rw, file_r, pipe_in, pipe_out;
    uint8_t *file_image;
};

/* The memory and the files. Aborts where the machine is out of memory or descriptors. LINKS and
 * FLAGS_RW are shared with processes forked later. */
void arena_open(struct arena *a);
void arena_close(struct arena *a);
/* A new domain with all of it mapped, and its end: no engine may be attached any more. */
void arena_map(struct arena *a);
void arena_unmap(struct arena *a);
/* Bytes of every kind as they were at first, but for what must not change anyway. */
void arena_reset(struct arena *a);
/* NULL, or a sentence: which byte that must not change has, or what has leaked. No engine may be
 * at work. */
const char *arena_check(struct arena *a);
/* Takes what is in the pipe, then puts `fill` bytes in. */
void arena_pipe(struct arena *a, size_t fill);

#endif
