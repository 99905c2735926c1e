/* What hazards are called, and how one is told. */
#include <stdio.h>

#include "shadow.h"

static const struct {
    const char *name, *what, *missing;
} told[SIM_HAZARDS] = {
    [SIM_HAZARD_NO_CLEAN] = { "no-clean", "a device read memory while newer bytes lay in a cache",
                              "sim_clean (or sim_dma_sync_for_device) between the store and the "
                              "doorbell" },
    [SIM_HAZARD_NO_INVALIDATE] = { "no-invalidate",
                                   "a cache kept its old bytes after a device had written",
                                   "sim_invalidate (or sim_dma_sync_for_cpu, sim_dma_unmap) before "
                                   "the CPU reads; and before the transfer, where the line was "
                                   "changed" },
    [SIM_HAZARD_REFILL] = { "refill",
                            "the line came back into the cache by speculation during the transfer",
                            "sim_invalidate after the transfer, not only before it" },
    [SIM_HAZARD_SHARED_LINE] = { "shared-line",
                                 "a line at a buffer's edge holds other bytes that were changed",
                                 "buffers that begin and end at cache lines, or a bounce buffer" },
    [SIM_HAZARD_NO_BARRIER] = { "no-barrier",
                                "a device was told before the bytes that it was told of were there",
                                "sim_barrier before the doorbell (SIM_BARRIER_MAINTENANCE after "
                                "sim_clean), or sim_publish for an index" },
    [SIM_HAZARD_EARLY_PAYLOAD] = { "early-payload",
                                   "a payload was read before the completion that tells of it",
                                   "sim_observe, or sim_barrier(SIM_BARRIER_LOAD), between the two "
                                   "loads" },
    [SIM_HAZARD_CPU_READ] = { "cpu-read", "the CPU read bytes that a device is writing",
                              "sim_dma_unmap or sim_dma_sync_for_cpu before the load" },
    [SIM_HAZARD_CPU_WRITE] = { "cpu-write", "the CPU changed bytes that a device owns",
                               "sim_dma_unmap or sim_dma_sync_for_cpu before the store" },
    [SIM_HAZARD_AFTER_UNMAP] = { "after-unmap", "a device reached bytes after they were unmapped",
                                 "waiting for the completion (or stopping the channel) before "
                                 "sim_dma_unmap" },
    [SIM_HAZARD_LAZY_WINDOW] = { "lazy-window", "a device reached bytes that were unmapped lazily",
                                 "sim_dma_flush, or a strict unmap" },
    [SIM_HAZARD_FREE_MAPPED] = { "free-mapped", "memory was freed while a device may reach it",
                                 "sim_dma_unmap before sim_free" },
    [SIM_HAZARD_DIRECTION] = { "direction",
                               "a device wrote what is mapped for reading, or the reverse",
                               "the right enum sim_direction in sim_dma_map" },
    [SIM_HAZARD_PAST_END] = { "past-end", "a device went past the bytes that were mapped",
                              "the right size, in sim_dma_map or in the descriptor" },
    [SIM_HAZARD_MAP_IGNORED] = { "map-ignored", "a device was given the address of a failed map",
                                 "a look at the result of sim_dma_map" },
    [SIM_HAZARD_CHANGED_AFTER_CHECK] = { "changed-after-check",
                                         "a device changed bytes that the CPU had already read",
                                         "a copy that the device cannot reach, or sim_dma_unmap, "
                                         "before bytes are checked" },
    [SIM_HAZARD_LOST_INTERRUPT] = { "lost-interrupt",
                                    "an interrupt was raised, and who waits was never woken",
                                    "sim_core_handler for its number" },
    [SIM_HAZARD_DUPLICATE_INTERRUPT] = { "duplicate-interrupt",
                                         "an interrupt came twice for one cause",
                                         "giving back what was seen in the handler" },
    [SIM_HAZARD_NO_FENCE] = { "no-fence",
                              "two descriptors touched the same bytes in no order, one writing",
                              "a FENCE between them, or SIGNAL and WAIT where they are of two "
                              "channels" },
    [SIM_HAZARD_COHERENCE] = { "coherence",
                               "the system's view of snooping is not what the hardware does",
                               "the right value of system.snooped" },
    [SIM_HAZARD_NO_SYNCHRONISE] = { "no-synchronise",
                                    "a buffer was reused while its channel still came to an end",
                                    "waiting for the channel to be idle after terminate" },
    [SIM_HAZARD_LEAK] = { "leak", "a mapping is left at the end", "sim_dma_unmap" },
    [SIM_HAZARD_MOVED] = { "moved", "a device reached a frame that belongs to others by now",
                           "sim_pin before sim_dma_map" },
};

const char *sim_hazard_name(enum sim_hazard_kind kind)
{
    return told[kind].name;
}

const char *sim_hazard_missing(enum sim_hazard_kind kind)
{
    return told[kind].missing;
}

static int print_access(const struct sim_access *access, char *text, size_t size)
{
    unsigned long long ns = access->time / SIM_NS, ps = access->time % SIM_NS;
    const char *part = access->part ? access->part : "-";
    const char *what = access->what ? access->what : "access";
    if (!access->file)
        return snprintf(text, size, "  %12llu.%03llu ns  %-12s %s %llu\n", ns, ps, part, what,
                        (unsigned long long)access->number);
    return snprintf(text, size, "  %12llu.%03llu ns  %-12s %s, at %s:%u\n", ns, ps, part, what,
                    access->file, access->line);
}

static int print_where(const struct sim_hazard *hazard, char *text, size_t size)
{
    char virtual[48] = "", mapping[48] = "", count[48] = "";
    if (hazard->virtual != SIM_NEVER)
        snprintf(virtual, sizeof(virtual), ", virtual %#llx", (unsigned long long)hazard->virtual);
    if (hazard->mapping != SIM_NEVER)
        snprintf(mapping, sizeof(mapping), ", mapping %#llx", (unsigned long long)hazard->mapping);
    if (hazard->count > 1)
        snprintf(count, sizeof(count), ", %llu times", (unsigned long long)hazard->count);
    return snprintf(text, size, "  %llu bytes at %#llx%s%s%s\n", (unsigned long long)hazard->size,
                    (unsigned long long)hazard->address, virtual, mapping, count);
}

/* What is left of a text of which `done` are written. */
static char *rest(char *text, size_t size, int done, size_t *left)
{
    *left = (size_t)done < size ? size - (size_t)done : 0;
    return *left ? text + done : NULL;
}

int sim_hazard_print(const struct sim_hazard *hazard, char *text, size_t size)
{
    size_t left = size;
    char *at = text;
    int done = snprintf(at, left, "%s: %s\n", told[hazard->kind].name, told[hazard->kind].what);
    at = rest(text, size, done, &left);
    done += print_where(hazard, at, left);
    at = rest(text, size, done, &left);
    done += print_access(&hazard->first, at, left);
    at = rest(text, size, done, &left);
    done += print_access(&hazard->second, at, left);
    at = rest(text, size, done, &left);
    done += snprintf(at, left, "  missing: %s\n", told[hazard->kind].missing);
    return done;
}
