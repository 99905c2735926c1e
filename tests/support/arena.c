#include "arena.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE = 4096
};

/* Every aligned word of a block is made of its salt and its number by an odd factor, so that a word
 * leads back to where it came from. */
#define FACTOR  0x9e3779b97f4a7c15u
#define INVERSE 0xf1de83e19937733du
#define SECRET  0x5ec4e7u

static uint64_t word_of(uint64_t salt, uint64_t index)
{
    return ((salt << 40) + index + 1) * FACTOR;
}

static uint8_t byte_of(uint64_t salt, uint64_t position)
{
    return (uint8_t)(word_of(salt, position / 8) >> 8 * (position % 8));
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static struct arena_block block_make(unsigned salt, size_t size, bool at_end, bool shared)
{
    struct arena_block b = { .size = size };
    b.pages_size = (size + 200 + PAGE - 1) / PAGE * PAGE;
    uint8_t *map = mmap(NULL, b.pages_size + 2 * PAGE, PROT_NONE,
                        (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
    need(map != MAP_FAILED, "mmap");
    b.page = map + PAGE;
    need(mprotect(b.page, b.pages_size, PROT_READ | PROT_WRITE) == 0, "mprotect");
    b.base = at_end ? b.page + b.pages_size - size : b.page;
    b.image = malloc(b.pages_size);
    need(b.image, "malloc");
    for (size_t i = 0; i < b.pages_size; i++)
        b.image[i] = byte_of(salt, i);
    return b;
}

static void block_free(const struct arena_block *b)
{
    if (b->page)
        munmap(b->page - PAGE, b->pages_size + 2 * PAGE);
    free(b->image);
}

/* Whether bytes [from, to) of a block are as they were at first. */
static const char *block_check(const struct arena_block *b, unsigned region, size_t from, size_t to,
                               const char *what)
{
    static char text[160];
    if (memcmp(b->page + from, b->image + from, to - from) == 0)
        return NULL;
    while (b->page[from] == b->image[from])
        from++;
    snprintf(text, sizeof(text), "%s of region %u: byte %zu of its block is %02x, was %02x", what,
             region, from, b->page[from], b->image[from]);
    return text;
}

static const char *surroundings_check(const struct arena *a, unsigned i)
{
    const struct arena_block *b = &a->block[i];
    size_t at = (size_t)(b->base - b->page);
    if (b->read_only)
        return block_check(b, i, 0, b->pages_size, "what may only be read");
    const char *bad = block_check(b, i, 0, at, "bytes before the memory");
    return bad ? bad : block_check(b, i, at + b->size, b->pages_size, "bytes behind the memory");
}

/* ---- pieces: in order of address backwards, with gaps ---- */

static size_t piece_size(unsigned i)
{
    return 1 + i * i * 37 % 601;
}

static void pieces_make(struct arena *a, unsigned which, struct arena_block *b)
{
    uint8_t *at = b->base + b->size;
    for (unsigned i = 0; i < ARENA_PIECE_COUNT; i++) {
        at -= piece_size(i) + (i ? i % 24 : 0); /* the first is flush with the guard page */
        a->piece[which][i] = (struct iovec){ at, piece_size(i) };
    }
}

/* From the end: each piece, and the gap between it and the one before. */
static const char *gaps_check(const struct arena *a)
{
    const struct arena_block *b = &a->block[ARENA_PIECES_RW];
    size_t end = b->pages_size;
    const char *bad = NULL;
    for (unsigned i = 0; i < ARENA_PIECE_COUNT && !bad; i++) {
        size_t at = (size_t)((uint8_t *)a->piece[0][i].iov_base - b->page);
        bad = block_check(b, ARENA_PIECES_RW, at + a->piece[0][i].iov_len, end, "a gap");
        end = at;
    }
    return bad ? bad : block_check(b, ARENA_PIECES_RW, 0, end, "before the pieces");
}

/* ---- files ---- */

/* A file in memory that can neither grow nor shrink. */
static int file_make(void)
{
    int fd = memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    need(fd >= 0 && ftruncate(fd, ARENA_FILE) == 0, "memfd");
    need(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0, "seal");
    return fd;
}

static const char *file_check(const struct arena *a)
{
    uint8_t bytes[ARENA_FILE];
    if (pread(a->file_r, bytes, ARENA_FILE, 0) != ARENA_FILE)
        return "the file that may only be read cannot be read whole";
    if (memcmp(bytes, a->file_image, ARENA_FILE))
        return "the file that may only be read has changed";
    return NULL;
}

/* ---- the secret: words in W that no engine may read ---- */

static void secret_make(const struct arena_block *b)
{
    for (uint64_t i = 0; i < b->size / 8; i++) {
        uint64_t word = word_of(SECRET, i);
        memcpy(b->image + (b->base - b->page) + 8 * i, &word, 8);
    }
}

static bool secret_in(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i++) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        uint64_t place = word * INVERSE - 1;
        if (place >> 40 == SECRET && (place & (((uint64_t)1 << 40) - 1)) < ARENA_MEMORY)
            return true;
    }
    return false;
}

/* ---- all together ---- */

void arena_map(struct arena *a)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    need(null >= 0 && dray_domain_create(&a->domain, NULL) == 0, "domain");
    struct dray_domain *d = a->domain;
    const struct arena_block *b = a->block;
    const unsigned both = DRAY_READ | DRAY_WRITE;
    int bad = dray_map_memory(d, b[ARENA_RW].base, b[ARENA_RW].size, both, &a->key[ARENA_RW]);
    bad |= dray_map_memory(d, b[ARENA_R].base, b[ARENA_R].size, DRAY_READ, &a->key[ARENA_R]);
    bad |= dray_map_memory(d, b[ARENA_W].base, b[ARENA_W].size, DRAY_WRITE, &a->key[ARENA_W]);
    bad |= dray_map_pieces(d, a->piece[0], ARENA_PIECE_COUNT, both, &a->key[ARENA_PIECES_RW]);
    bad |= dray_map_pieces(d, a->piece[1], ARENA_PIECE_COUNT, DRAY_READ, &a->key[ARENA_PIECES_R]);
    bad |= dray_map_flags(d, a->flags, ARENA_FLAG_COUNT, both, &a->key[ARENA_FLAGS_RW]);
    bad |= dray_map_flags(d, (uint64_t *)(void *)b[ARENA_FLAGS_R].base, ARENA_FLAG_COUNT, DRAY_READ,
                          &a->key[ARENA_FLAGS_R]);
    bad |= dray_map_memory(d, a->links, b[ARENA_LINKS].size, DRAY_READ, &a->key[ARENA_LINKS]);
    bad |= dray_map_file(d, a->file_rw, both, &a->key[ARENA_FILE_RW]);
    bad |= dray_map_file(d, a->file_r, DRAY_READ, &a->key[ARENA_FILE_R]);
    bad |= dray_map_stream(d, a->pipe_in, DRAY_READ, &a->key[ARENA_PIPE_IN]);
    bad |= dray_map_stream(d, a->pipe_out, DRAY_WRITE, &a->key[ARENA_PIPE_OUT]);
    bad |= dray_map_stream(d, null, both, &a->key[ARENA_NULL]);
    bad |= dray_map_memory(d, b[ARENA_R].base, 64, both, &a->key[ARENA_STALE]);
    bad |= dray_unmap(d, a->key[ARENA_STALE]);
    a->key[ARENA_FOREIGN].value = 1 << 20 | 777777;
    need(!bad, "map");
    close(null);
}

void arena_unmap(struct arena *a)
{
    need(dray_domain_destroy(&a->domain) == 0, "destroy");
}

static void lengths(struct arena *a)
{
    for (unsigned i = 0; i < ARENA_COUNT; i++)
        a->length[i] = a->block[i].size ? a->block[i].size : ARENA_FILE;
    for (unsigned which = 0; which < 2; which++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < ARENA_PIECE_COUNT; i++)
            sum += a->piece[which][i].iov_len;
        a->length[which ? ARENA_PIECES_R : ARENA_PIECES_RW] = sum;
    }
}

void arena_open(struct arena *a)
{
    const size_t flags = ARENA_FLAG_COUNT * 8, pieces = 24000;
    int ends[2];
    memset(a, 0, sizeof(*a));
    a->block[ARENA_RW] = block_make(ARENA_RW, ARENA_MEMORY, true, false);
    a->block[ARENA_R] = block_make(ARENA_R, ARENA_MEMORY - 13, false, false);
    a->block[ARENA_W] = block_make(ARENA_W, ARENA_MEMORY - 56, true, false);
    a->block[ARENA_PIECES_RW] = block_make(ARENA_PIECES_RW, pieces, true, false);
    a->block[ARENA_PIECES_R] = block_make(ARENA_PIECES_R, pieces, true, false);
    a->block[ARENA_FLAGS_RW] = block_make(ARENA_FLAGS_RW, flags, true, true);
    a->block[ARENA_FLAGS_R] = block_make(ARENA_FLAGS_R, flags, false, false);
    a->block[ARENA_LINKS] =
        block_make(ARENA_LINKS, ARENA_LINK_COUNT * sizeof(struct dray_desc), true, true);
    a->block[ARENA_R].read_only = a->block[ARENA_PIECES_R].read_only = true;
    a->block[ARENA_FLAGS_R].read_only = true;
    secret_make(&a->block[ARENA_W]);
    a->links = (struct dray_desc *)(void *)a->block[ARENA_LINKS].base;
    a->flags = (uint64_t *)(void *)a->block[ARENA_FLAGS_RW].base;
    pieces_make(a, 0, &a->block[ARENA_PIECES_RW]);
    pieces_make(a, 1, &a->block[ARENA_PIECES_R]);
    a->file_image = malloc(ARENA_FILE);
    a->file_r = file_make();
    a->file_rw = file_make();
    need(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 && a->file_image, "pipe2");
    a->pipe_in = ends[0];
    a->pipe_out = ends[1];
    for (size_t i = 0; i < ARENA_FILE; i++)
        a->file_image[i] = byte_of(ARENA_FILE_R, i);
    need(pwrite(a->file_r, a->file_image, ARENA_FILE, 0) == ARENA_FILE, "pwrite");
    lengths(a);
    arena_reset(a);
}

void arena_close(struct arena *a)
{
    free(a->file_image);
    close(a->file_rw);
    close(a->file_r);
    close(a->pipe_in);
    close(a->pipe_out);
    for (unsigned i = 0; i < ARENA_COUNT; i++)
        block_free(&a->block[i]);
}

void arena_reset(struct arena *a)
{
    for (unsigned i = 0; i < ARENA_COUNT; i++)
        if (a->block[i].page)
            memcpy(a->block[i].page, a->block[i].image, a->block[i].pages_size);
    memset(a->links, 0, a->block[ARENA_LINKS].size);
    memset(a->flags, 0, a->block[ARENA_FLAGS_RW].size);
    need(pwrite(a->file_rw, a->file_image, ARENA_FILE, 0) == ARENA_FILE, "pwrite");
    arena_pipe(a, 0);
}

const char *arena_check(struct arena *a)
{
    const char *bad = NULL;
    for (unsigned i = 0; i < ARENA_COUNT && !bad; i++)
        if (a->block[i].page && i != ARENA_PIECES_RW)
            bad = surroundings_check(a, i);
    if (!bad)
        bad = gaps_check(a);
    if (!bad)
        bad = file_check(a);
    if (!bad && secret_in(a->block[ARENA_RW].base, a->block[ARENA_RW].size))
        bad = "what may only be written was read";
    return bad;
}

void arena_pipe(struct arena *a, size_t fill)
{
    uint8_t bytes[4096];
    while (read(a->pipe_in, bytes, sizeof(bytes)) > 0)
        ;
    memset(bytes, 'p', sizeof(bytes));
    while (fill) {
        size_t n = fill < sizeof(bytes) ? fill : sizeof(bytes);
        if (write(a->pipe_out, bytes, n) < 0)
            return;
        fill -= n;
    }
}
