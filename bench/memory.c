#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool huge_pages(void)
{
    const char *value = getenv("DRAY_BENCH_THP");

    return value && !strcmp(value, "1");
}

const char *bench_pages(void)
{
    return huge_pages() ? "transparent huge pages" : "base pages, no huge pages";
}

/* Advice first, touch after: MAP_POPULATE would choose the page size before the advice. */
void *bench_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, huge_pages() ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    if (madvise(memory, size, MADV_POPULATE_WRITE))
        memset(memory, 0, size);
    return memory;
}

void bench_unmap(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

void bench_fill(void *memory, size_t size, uint64_t seed)
{
    uint64_t *words = memory;
    size_t i;

    for (i = 0; i < size / sizeof(*words); i++)
        words[i] = bench_tag(seed, i);
}

size_t bench_check(const void *memory, size_t size, uint64_t seed, size_t from)
{
    const uint64_t *words = memory;
    size_t i, k, first = from / sizeof(*words), count = size / sizeof(*words);

    /* A block at a time without a branch, which the compiler can vectorise. */
    for (i = 0; i < count; i += k) {
        uint64_t wrong = 0;
        size_t block = count - i < 64 ? count - i : 64;

        for (k = 0; k < block; k++)
            wrong |= words[i + k] ^ bench_tag(seed, first + i + k);
        if (!wrong)
            continue;
        for (k = 0; words[i + k] == bench_tag(seed, first + i + k); k++) {
        }
        return (i + k) * sizeof(*words);
    }
    return BENCH_ALL_GOOD;
}

void bench_wipe(void *memory, size_t size)
{
    memset(memory, 0xee, size);
}
