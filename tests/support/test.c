#include "test.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

/* ---- seed and random numbers ---- */

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_choose(void)
{
    const char *text = getenv("DRAY_SEED");
    if (text && *text) {
        seed = strtoull(text, NULL, 0);
    } else {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        seed = (uint64_t)t.tv_sec * 1000000007u + (uint64_t)t.tv_nsec;
    }
    fprintf(stderr, "DRAY_SEED=%" PRIu64 "\n", seed);
}

uint64_t test_seed(void)
{
    pthread_once(&seed_once, seed_choose);
    return seed;
}

uint64_t test_next(struct test_rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_below(struct test_rng *rng, uint64_t limit)
{
    return test_next(rng) % limit;
}

uint64_t test_size(struct test_rng *rng, uint64_t max)
{
    if (max == 0)
        return 0;
    unsigned bits = (unsigned)test_below(rng, 65 - (unsigned)__builtin_clzll(max));
    uint64_t n = bits == 0 ? 0 : test_next(rng) >> (64 - bits);
    return n < max ? n : max;
}

/* ---- tags ---- */

/* An odd factor permutes the 64-bit numbers, so a word leads back to the one place it belongs to.
 */
#define TAG_FACTOR  0x9e3779b97f4a7c15u
#define TAG_INVERSE 0xf1de83e19937733du
enum {
    TAG_SALT_SHIFT = 40
};

static uint64_t tag_word(uint64_t salt, uint64_t index)
{
    return ((salt << TAG_SALT_SHIFT) + index + 1) * TAG_FACTOR;
}

uint8_t tag_byte(uint64_t salt, uint64_t position)
{
    return (uint8_t)(tag_word(salt, position / 8) >> (8 * (position % 8)));
}

void tag_fill(void *bytes, size_t size, uint64_t salt, uint64_t position)
{
    unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        p[i] = tag_byte(salt, position + i);
}

/* Looks for a whole tag word near `at`; a salt and an index this small are no accident (1 in 2^24).
 */
static void tag_origin(const unsigned char *bytes, size_t size, size_t at, char *text, size_t room)
{
    for (size_t i = at; i < at + 8 && i + 8 <= size; i++) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        uint64_t place = word * TAG_INVERSE - 1;
        uint64_t salt = place >> TAG_SALT_SHIFT;
        uint64_t index = place & (((uint64_t)1 << TAG_SALT_SHIFT) - 1);
        if (salt < 256 && index < (uint64_t)1 << 32) {
            snprintf(text, room, "; it comes from stream %" PRIu64 ", byte %" PRIu64, salt,
                     index * 8 - (i - at));
            return;
        }
    }
    text[0] = 0;
}

void tag_check(const void *bytes, size_t size, uint64_t salt, uint64_t position)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++) {
        if (p[i] == tag_byte(salt, position + i))
            continue;
        char origin[96];
        tag_origin(p, size, i, origin, sizeof(origin));
        fail_msg("byte %zu of %zu is %02x, expected %02x (stream %" PRIu64 ", byte %" PRIu64 ")%s",
                 i, size, p[i], tag_byte(salt, position + i), salt, position + i, origin);
    }
}

/* ---- guarded buffers ---- */

enum {
    GUARD_SIZE = 64,
    GUARD_SALT = 0xfeed
};

/* Stands before the first strip. */
struct guard {
    void *block;
    size_t size;
};

static struct guard *guard_of(const void *buffer)
{
    return (struct guard *)((char *)(uintptr_t)buffer - GUARD_SIZE - sizeof(struct guard));
}

void *guard_alloc(size_t size, size_t align)
{
    if (align < 16)
        align = 16;
    size_t front = sizeof(struct guard) + GUARD_SIZE;
    char *block = malloc(front + align + size + GUARD_SIZE);
    if (!block)
        abort();
    char *buffer = (char *)(((uintptr_t)block + front + align - 1) & ~(uintptr_t)(align - 1));
    struct guard *guard = guard_of(buffer);
    *guard = (struct guard){ .block = block, .size = size };
    tag_fill(buffer - GUARD_SIZE, GUARD_SIZE, GUARD_SALT, 0);
    tag_fill(buffer + size, GUARD_SIZE, GUARD_SALT, GUARD_SIZE);
    return buffer;
}

static void guard_strip(const unsigned char *strip, uint64_t position, const char *where)
{
    for (size_t i = 0; i < GUARD_SIZE; i++) {
        if (strip[i] == tag_byte(GUARD_SALT, position + i))
            continue;
        char origin[96];
        tag_origin(strip, GUARD_SIZE, i, origin, sizeof(origin));
        fail_msg("a byte was written %s the buffer: guard byte %zu is %02x%s", where, i, strip[i],
                 origin);
    }
}

void guard_check(const void *buffer)
{
    const unsigned char *bytes = buffer;
    guard_strip(bytes - GUARD_SIZE, 0, "before");
    guard_strip(bytes + guard_of(buffer)->size, GUARD_SIZE, "behind");
}

void guard_free(void *buffer)
{
    if (!buffer)
        return;
    guard_check(buffer);
    free(guard_of(buffer)->block);
}

_Noreturn void test_skip_all(const char *why)
{
    printf("skipped: %s\n", why);
    exit(77);
}
