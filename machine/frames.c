/*
 * Physical frames: who has which.
 *
 * One bit a frame, and for each block of 2 MiB how many of its frames are free, so that full blocks
 * are passed over and empty ones are found. Frames of one size follow each other upwards from the one
 * taken last; with the probability that `fragmentation` says a frame is taken somewhere else instead,
 * and the run goes on from there.
 *
 * Frames that may lie anywhere come from above 4 GiB as long as there are any: what lies below is
 * kept for devices that reach nothing else, as operating systems do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mmu.h"

enum {
    IN_BLOCK = SIM_HUGE_PAGE / SIM_PAGE, /* frames: 512 */
    WORDS = IN_BLOCK / 64,               /* of 64 frames, in a block */
    MILLION = 1000000,
};

#define LOW_END ((uint64_t)4 << 30)

struct sim_frames {
    struct sim_kernel *kernel;
    uint64_t origin; /* address of block 0; base rounded down to 2 MiB */
    uint64_t blocks, fragmentation;
    uint64_t free;     /* frames */
    uint64_t next;     /* frame where the run of small ones goes on */
    uint64_t next_low; /* likewise, of those below a limit */
    uint64_t next_huge;
    uint16_t *left; /* free frames of each block */
    uint64_t *bits; /* set: free */
};

static void broken(const char *what, uint64_t address)
{
    fprintf(stderr, "machine: frames: %s, at %#llx\n", what, (unsigned long long)address);
    abort();
}

static void mark(struct sim_frames *frames, uint64_t frame, bool is_free)
{
    uint64_t bit = (uint64_t)1 << frame % 64;
    if (is_free) {
        frames->bits[frame / 64] |= bit;
        frames->left[frame / IN_BLOCK]++;
        frames->free++;
    } else {
        frames->bits[frame / 64] &= ~bit;
        frames->left[frame / IN_BLOCK]--;
        frames->free--;
    }
}

static bool is_free(const struct sim_frames *frames, uint64_t frame)
{
    return frames->bits[frame / 64] >> frame % 64 & 1;
}

int sim_frames_create(struct sim_frames **frames, struct sim_kernel *kernel, uint64_t base,
                      uint64_t size, uint64_t fragmentation)
{
    if (!size || base % SIM_PAGE || size % SIM_PAGE || base + size < base ||
        fragmentation > MILLION)
        return -EINVAL;
    struct sim_frames *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->kernel = kernel;
    f->fragmentation = fragmentation;
    f->origin = base & ~(uint64_t)(SIM_HUGE_PAGE - 1);
    f->blocks = (base + size - f->origin + SIM_HUGE_PAGE - 1) / SIM_HUGE_PAGE;
    f->left = calloc(f->blocks, sizeof(*f->left));
    f->bits = calloc(f->blocks * WORDS, sizeof(*f->bits));
    if (!f->left || !f->bits) {
        sim_frames_destroy(&f);
        return -ENOMEM;
    }
    for (uint64_t frame = (base - f->origin) / SIM_PAGE, end = frame + size / SIM_PAGE; frame < end;
         frame++)
        mark(f, frame, true);
    *frames = f;
    return 0;
}

void sim_frames_destroy(struct sim_frames **frames)
{
    if (!*frames)
        return;
    free((*frames)->left);
    free((*frames)->bits);
    free(*frames);
    *frames = NULL;
}

/* ---- small frames ---- */

/* The first free frame of [begin, end); `end` where there is none. */
static uint64_t first_free(const struct sim_frames *frames, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin; at < end;) {
        if (at % IN_BLOCK == 0 && !frames->left[at / IN_BLOCK]) {
            at += IN_BLOCK;
            continue;
        }
        uint64_t word = frames->bits[at / 64] >> at % 64;
        if (word) {
            at += __builtin_ctzll(word);
            return at < end ? at : end;
        }
        at = (at / 64 + 1) * 64;
    }
    return end;
}

/* Likewise, but begins in the middle, at `from`, and comes round. */
static uint64_t search(const struct sim_frames *frames, uint64_t from, uint64_t begin, uint64_t end)
{
    if (from < begin || from >= end)
        from = begin;
    uint64_t found = first_free(frames, from, end);
    if (found < end)
        return found;
    found = first_free(frames, begin, from);
    return found < from ? found : end;
}

/* Takes a frame of [begin, end); `next` is where the run goes on. */
static uint64_t take_small(struct sim_frames *frames, uint64_t begin, uint64_t end, uint64_t *next)
{
    if (begin >= end)
        return SIM_NEVER;
    uint64_t from = *next;
    bool elsewhere =
        frames->fragmentation && sim_random_below(frames->kernel, MILLION) < frames->fragmentation;
    if (elsewhere)
        from = begin + sim_random_below(frames->kernel, end - begin);
    uint64_t frame = search(frames, from, begin, end);
    if (elsewhere && frame == *next)
        frame = search(frames, frame + 1, begin, end);
    if (frame == end)
        return SIM_NEVER;
    mark(frames, frame, false);
    *next = frame + 1;
    return frame;
}

/* ---- huge frames ---- */

static uint64_t take_huge(struct sim_frames *frames, uint64_t begin, uint64_t end)
{
    begin = (begin + IN_BLOCK - 1) / IN_BLOCK; /* blocks from here on */
    end /= IN_BLOCK;
    if (begin >= end)
        return SIM_NEVER;
    uint64_t from = frames->next_huge;
    if (frames->fragmentation && sim_random_below(frames->kernel, MILLION) < frames->fragmentation)
        from = begin + sim_random_below(frames->kernel, end - begin);
    if (from < begin || from >= end)
        from = begin;
    for (uint64_t tried = 0; tried < end - begin; tried++) {
        uint64_t block = from + tried < end ? from + tried : from + tried - (end - begin);
        if (frames->left[block] < IN_BLOCK)
            continue;
        for (uint64_t i = 0; i < IN_BLOCK; i++)
            mark(frames, block * IN_BLOCK + i, false);
        frames->next_huge = block + 1;
        return block * IN_BLOCK;
    }
    return SIM_NEVER;
}

/* ---- both ---- */

/* How many frames lie below an address. */
static uint64_t frames_below(const struct sim_frames *frames, uint64_t address)
{
    uint64_t all = frames->blocks * IN_BLOCK;
    if (address <= frames->origin)
        return 0;
    uint64_t below = (address - frames->origin) / SIM_PAGE;
    return below < all ? below : all;
}

static uint64_t take_between(struct sim_frames *frames, uint64_t size, uint64_t begin, uint64_t end,
                             uint64_t *next)
{
    return size == SIM_PAGE ? take_small(frames, begin, end, next) : take_huge(frames, begin, end);
}

uint64_t sim_frames_take(struct sim_frames *frames, uint64_t size, uint64_t limit)
{
    if (size != SIM_PAGE && size != SIM_HUGE_PAGE)
        broken("a frame of neither 4 KiB nor 2 MiB was asked for", size);
    uint64_t end = frames_below(frames, limit ? limit : SIM_NEVER);
    uint64_t low = frames_below(frames, LOW_END);
    uint64_t frame = SIM_NEVER;
    if (end > low)
        frame = take_between(frames, size, low, end, &frames->next);
    if (frame == SIM_NEVER)
        frame = take_between(frames, size, 0, end < low ? end : low, &frames->next_low);
    return frame == SIM_NEVER ? SIM_NEVER : frames->origin + frame * SIM_PAGE;
}

void sim_frames_give(struct sim_frames *frames, uint64_t address, uint64_t size)
{
    if ((size != SIM_PAGE && size != SIM_HUGE_PAGE) || address % size)
        broken("what is given back is no frame", address);
    uint64_t frame = (address - frames->origin) / SIM_PAGE;
    if (address < frames->origin || frame + size / SIM_PAGE > frames->blocks * IN_BLOCK)
        broken("a frame of elsewhere is given back", address);
    for (uint64_t i = 0; i < size / SIM_PAGE; i++) {
        if (is_free(frames, frame + i))
            broken("a frame is given back twice", address);
        mark(frames, frame + i, true);
    }
}

uint64_t sim_frames_free(const struct sim_frames *frames)
{
    return frames->free * SIM_PAGE;
}
