#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* One mapping of the host without memory behind it: the host's own page tables keep what was touched,
 * and an address is found by one addition. */
struct sim_memory {
    uint8_t *bytes;
    uint64_t size;
};

int sim_memory_create(struct sim_memory **memory, uint64_t size)
{
    struct sim_memory *m;

    *memory = NULL;
    if (!size || size % 4096)
        return -EINVAL;
    if (size > SIZE_MAX / 2)
        return -ENOMEM;
    m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->size = size;
    m->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    if (m->bytes == MAP_FAILED) {
        free(m);
        return -ENOMEM;
    }
    /* A huge page of the host behind each page that is touched would cost 512 times as much. Neither
     * advice changes what the machine does, so neither may fail the call. */
    madvise(m->bytes, size, MADV_NOHUGEPAGE);
    madvise(m->bytes, size, MADV_DONTDUMP);
    *memory = m;
    return 0;
}

void sim_memory_destroy(struct sim_memory **memory)
{
    struct sim_memory *m = *memory;

    if (!m)
        return;
    munmap(m->bytes, m->size);
    free(m);
    *memory = NULL;
}

uint64_t sim_memory_size(const struct sim_memory *memory)
{
    return memory->size;
}

bool sim_memory_holds(const struct sim_memory *memory, uint64_t address, uint64_t size)
{
    return size <= memory->size && address <= memory->size - size;
}

uint8_t *sim_memory_at(struct sim_memory *memory, uint64_t address)
{
    return memory->bytes + address;
}

void sim_memory_read(struct sim_memory *memory, uint64_t address, void *to, size_t size)
{
    memcpy(to, memory->bytes + address, size);
}

void sim_memory_write(struct sim_memory *memory, uint64_t address, const void *from, size_t size)
{
    memcpy(memory->bytes + address, from, size);
}
