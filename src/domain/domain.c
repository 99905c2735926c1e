#include "dray/domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/options.h"
#include "domain/internal.h"
#include "dray/io.h"

/* ---- create, destroy ---- */

static int table_create(struct dray_table *table, uint32_t regions_max)
{
    uint32_t size = regions_max + DRAY_QUARANTINE;
    table->size = size < DRAY_REGIONS_MAX ? size : DRAY_REGIONS_MAX;
    size_t bytes = table->size * sizeof(struct dray_slot);
    void *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED)
        return -ENOMEM;
    /* A huge page would be 2 MiB for a domain of one region. Advice: may fail. */
    madvise(slots, bytes, MADV_NOHUGEPAGE);
    table->slots = slots;
    table->unmap_fences = dray_epoch_can_fence();
    atomic_init(&table->epoch, 1);
    return 0;
}

static void locks_create(struct dray_domain *domain)
{
    pthread_mutex_init(&domain->lock, NULL);
    pthread_mutex_init(&domain->readers_lock, NULL);
    pthread_mutex_init(&domain->faults_lock, NULL);
    pthread_mutex_init(&domain->error_lock, NULL);
    pthread_mutex_init(&domain->waiters_lock, NULL);
}

static void locks_destroy(struct dray_domain *domain)
{
    pthread_mutex_destroy(&domain->waiters_lock);
    pthread_mutex_destroy(&domain->error_lock);
    pthread_mutex_destroy(&domain->faults_lock);
    pthread_mutex_destroy(&domain->readers_lock);
    pthread_mutex_destroy(&domain->lock);
}

int dray_domain_create(struct dray_domain **domain, const struct dray_domain_options *options)
{
    struct dray_domain_options o;
    if (dray_options_copy(&o, sizeof(o), options) || o.regions_max > DRAY_REGIONS_MAX ||
        o.faults_max > DRAY_FAULTS_MAX)
        return -EINVAL;
    struct dray_domain *d = aligned_alloc(64, sizeof(*d));
    if (!d)
        return -ENOMEM;
    memset(d, 0, sizeof(*d));
    d->regions_max = o.regions_max ? o.regions_max : DRAY_REGIONS_MAX;
    d->faults_max = o.faults_max ? o.faults_max : DRAY_FAULTS_DEFAULT;
    d->faults = malloc(d->faults_max * sizeof(*d->faults));
    if (!d->faults || table_create(&d->table, d->regions_max)) {
        free(d->faults);
        free(d);
        return -ENOMEM;
    }
    if (getrandom(&d->first_generation, sizeof(d->first_generation), GRND_NONBLOCK) < 0)
        d->first_generation = (uint16_t)dray_io_clock_ns(); /* early in a boot */
    d->first_generation = 1 + d->first_generation % DRAY_GENERATION_MAX;
    locks_create(d);
    *domain = d;
    return 0;
}

static void unmap_all(struct dray_domain *domain)
{
    dray_lazy_release(domain, UINT64_MAX);
    for (uint32_t i = 0; i < domain->used && domain->regions > 0; i++) {
        struct dray_slot *slot = &domain->table.slots[i];
        if (atomic_load_explicit(&slot->key, memory_order_relaxed) == 0)
            continue;
        dray_slot_retire(domain, slot);
        dray_slot_release(domain, slot);
    }
}

int dray_domain_destroy(struct dray_domain **domain)
{
    struct dray_domain *d = *domain;
    if (!d)
        return 0;
    pthread_mutex_lock(&d->lock);
    uint32_t holds = d->holds;
    if (holds == 0)
        unmap_all(d);
    pthread_mutex_unlock(&d->lock);
    if (holds > 0)
        return dray_domain_fail(d, -EBUSY, "destroy: %" PRIu32 " engines are attached", holds);
    locks_destroy(d);
    munmap(d->table.slots, d->table.size * sizeof(struct dray_slot));
    free(d->faults);
    free(d);
    *domain = NULL;
    return 0;
}

/* ---- what engines ask ---- */

void dray_domain_hold(struct dray_domain *domain)
{
    pthread_mutex_lock(&domain->lock);
    domain->holds++;
    pthread_mutex_unlock(&domain->lock);
}

void dray_domain_release(struct dray_domain *domain)
{
    pthread_mutex_lock(&domain->lock);
    domain->holds--;
    pthread_mutex_unlock(&domain->lock);
}

uint32_t dray_domain_queue_number(struct dray_domain *domain)
{
    return atomic_fetch_add_explicit(&domain->queues, 1, memory_order_relaxed) + 1;
}

/* ---- what the program asks ---- */

int dray_region_info(struct dray_domain *domain, dray_key key, struct dray_region_info *info)
{
    pthread_mutex_lock(&domain->lock);
    const struct dray_slot *slot = dray_slot_live(domain, key);
    if (slot) {
        bool scattered = slot->kind == DRAY_REGION_PIECES;
        bool file = slot->kind == DRAY_REGION_FILE;
        *info = (struct dray_region_info){
            .kind = slot->kind,
            .access = slot->access,
            .length = slot->length,
            .pieces = scattered ? dray_region_pieces(slot->region)->count : 1,
            .alignment = file ? dray_region_fd(slot->region)->block : 1,
        };
    }
    pthread_mutex_unlock(&domain->lock);
    if (slot)
        return 0;
    return dray_domain_fail(domain, -ENOENT, "info: no region has key %#" PRIx32, key.value);
}

/* The longest window, the one that is open now included. */
static uint64_t lazy_window(const struct dray_domain *domain)
{
    uint64_t longest_ns = domain->lazy_window_max_ns;
    if (domain->lazy_count == 0)
        return longest_ns;
    uint64_t open_ns = dray_io_clock_ns() - domain->lazy[domain->lazy_head].time_ns;
    return open_ns > longest_ns ? open_ns : longest_ns;
}

void dray_domain_stats(struct dray_domain *domain, struct dray_domain_stats *stats)
{
    pthread_mutex_lock(&domain->lock);
    *stats = (struct dray_domain_stats){
        .regions = domain->regions,
        .pinned_bytes = domain->pins.bytes,
        .maps = domain->maps,
        .unmaps = domain->unmaps,
        .lazy_pending = domain->lazy_count,
        .lazy_window_max_ns = lazy_window(domain),
    };
    pthread_mutex_unlock(&domain->lock);
    pthread_mutex_lock(&domain->faults_lock);
    stats->faults = domain->faults_total;
    pthread_mutex_unlock(&domain->faults_lock);
}

int dray_domain_fail(struct dray_domain *domain, int error, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    pthread_mutex_lock(&domain->error_lock);
    vsnprintf(domain->error, sizeof(domain->error), format, list);
    pthread_mutex_unlock(&domain->error_lock);
    va_end(list);
    return error;
}

void dray_domain_error(struct dray_domain *domain, char *text, size_t size)
{
    pthread_mutex_lock(&domain->error_lock);
    if (size > 0)
        snprintf(text, size, "%s", domain->error);
    pthread_mutex_unlock(&domain->error_lock);
}
