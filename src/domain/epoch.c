/*
 * When no reader can still hold what it looked up. The protocol is drawn in region.h; the choice is
 * explained in docs/decisions/010-reader-epochs.md.
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "domain/internal.h"
#include "dray/io.h"

/* ThreadSanitizer does not understand membarrier: with it, readers have barriers of their own. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN true
#elif defined(__has_feature)
#define UNDER_TSAN __has_feature(thread_sanitizer)
#else
#define UNDER_TSAN false
#endif

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

bool dray_epoch_can_fence(void)
{
    return !UNDER_TSAN && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

/* Where membarrier is refused after all (a sandbox that was entered since): taking a right away from a
 * page makes the kernel interrupt every processor that runs this process, which is a barrier there. */
static void fence_by_shootdown(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || (*(volatile char *)page = 1, mprotect(page, size, PROT_READ))) {
        fputs(
            "dray: unmap: membarrier and mprotect are refused, and engines cannot be waited for\n",
            stderr);
        abort();
    }
    munmap(page, size);
}

/* A full barrier in every reader that runs now. With the readers locked. */
static void fence_readers(struct dray_domain *domain)
{
    if (domain->table.unmap_fences && domain->readers &&
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        fence_by_shootdown();
}

uint64_t dray_epoch_advance(struct dray_domain *domain)
{
    /* After the key was cleared; partner: dray_reader_enter, which takes the new number only after
     * it. */
    return atomic_fetch_add_explicit(&domain->table.epoch, 1, memory_order_seq_cst) + 1;
}

static bool reader_passed(struct dray_reader *reader, uint64_t epoch)
{
    uint64_t at = atomic_load_explicit(&reader->epoch, memory_order_seq_cst);
    return at == 0 || at >= epoch;
}

/* A slice of work takes microseconds to a millisecond: spin, give the processor away, then sleep.
 */
static void wait_pause(unsigned round)
{
    if (round < 200)
        dray_io_relax();
    else if (round < 300)
        sched_yield();
    else
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}

void dray_epoch_wait(struct dray_domain *domain, uint64_t epoch)
{
    pthread_mutex_lock(&domain->readers_lock);
    fence_readers(domain);
    for (struct dray_reader *reader = domain->readers; reader; reader = reader->next)
        for (unsigned round = 0; !reader_passed(reader, epoch); round++)
            wait_pause(round);
    pthread_mutex_unlock(&domain->readers_lock);
}

uint64_t dray_epoch_passed(struct dray_domain *domain)
{
    if (pthread_mutex_trylock(&domain->readers_lock))
        return 0; /* somebody waits: not worth waiting for */
    fence_readers(domain);
    uint64_t passed = atomic_load_explicit(&domain->table.epoch, memory_order_seq_cst);
    for (struct dray_reader *reader = domain->readers; reader; reader = reader->next) {
        uint64_t at = atomic_load_explicit(&reader->epoch, memory_order_seq_cst);
        if (at != 0 && at < passed)
            passed = at;
    }
    pthread_mutex_unlock(&domain->readers_lock);
    return passed;
}

void dray_reader_register(struct dray_domain *domain, struct dray_reader *reader)
{
    atomic_store_explicit(&reader->epoch, 0, memory_order_relaxed);
    pthread_mutex_lock(&domain->readers_lock);
    reader->next = domain->readers;
    domain->readers = reader;
    pthread_mutex_unlock(&domain->readers_lock);
}

void dray_reader_unregister(struct dray_domain *domain, struct dray_reader *reader)
{
    pthread_mutex_lock(&domain->readers_lock);
    struct dray_reader **link = &domain->readers;
    while (*link && *link != reader)
        link = &(*link)->next;
    if (*link)
        *link = reader->next;
    pthread_mutex_unlock(&domain->readers_lock);
}
