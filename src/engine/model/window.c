#include "engine/model/window.h"

#include <sys/mman.h>

struct dray_window *dray_window_create(const struct sim_machine *machine)
{
    size_t size = 2 * DRAY_WINDOW_SIZE; /* one of them is aligned */
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    uintptr_t aligned = ((uintptr_t)map + DRAY_WINDOW_SIZE - 1) & ~(DRAY_WINDOW_SIZE - 1);
    struct dray_window *window = (struct dray_window *)aligned;
    *window = (struct dray_window){ .kernel = machine->kernel,
                                    .snooped = machine->params.system.snooped,
                                    .map = map,
                                    .map_size = size };
    return window;
}

void dray_window_destroy(struct dray_window *window)
{
    if (window)
        munmap(window->map, window->map_size);
}
