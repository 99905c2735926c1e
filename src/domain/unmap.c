#include <errno.h>
#include <inttypes.h>

#include "domain/internal.h"
#include "dray/io.h"

/* Clears the key. Returns the slot, or NULL (with the sentence) when nothing is mapped under it. */
static struct dray_slot *retire(struct dray_domain *domain, dray_key key)
{
    struct dray_slot *slot = dray_slot_live(domain, key);
    if (!slot)
        dray_domain_fail(domain, -ENOENT, "unmap: no region has key %#" PRIx32, key.value);
    else
        dray_slot_retire(domain, slot);
    return slot;
}

int dray_unmap(struct dray_domain *domain, dray_key key)
{
    pthread_mutex_lock(&domain->lock);
    struct dray_slot *slot = retire(domain, key);
    uint64_t epoch = slot ? dray_epoch_advance(domain) : 0;
    pthread_mutex_unlock(&domain->lock);
    if (!slot)
        return -ENOENT;
    dray_domain_wake(domain); /* engines that sleep in a transfer on it: they will find no key */
    dray_epoch_wait(domain, epoch); /* without the lock: others map and unmap meanwhile */
    pthread_mutex_lock(&domain->lock);
    dray_slot_release(domain, slot);
    dray_lazy_release(domain, epoch);
    pthread_mutex_unlock(&domain->lock);
    return 0;
}

static void lazy_push(struct dray_domain *domain, struct dray_slot *slot)
{
    uint32_t at = (domain->lazy_head + domain->lazy_count++) % DRAY_LAZY_MAX;
    domain->lazy[at] = (struct dray_retired){ .index = (uint32_t)(slot - domain->table.slots),
                                              .epoch = dray_epoch_advance(domain),
                                              .time_ns = dray_io_clock_ns() };
}

void dray_lazy_release(struct dray_domain *domain, uint64_t epoch)
{
    if (domain->lazy_count == 0)
        return;
    uint64_t now_ns = dray_io_clock_ns();
    while (domain->lazy_count > 0) {
        const struct dray_retired *oldest = &domain->lazy[domain->lazy_head];
        if (oldest->epoch > epoch)
            return;
        if (now_ns - oldest->time_ns > domain->lazy_window_max_ns)
            domain->lazy_window_max_ns = now_ns - oldest->time_ns;
        dray_slot_release(domain, &domain->table.slots[oldest->index]);
        domain->lazy_head = (domain->lazy_head + 1) % DRAY_LAZY_MAX;
        domain->lazy_count--;
    }
}

void dray_lazy_collect(struct dray_domain *domain)
{
    if (domain->lazy_count >= DRAY_LAZY_BATCH)
        dray_lazy_release(domain, dray_epoch_passed(domain));
}

void dray_lazy_finish(struct dray_domain *domain)
{
    uint64_t epoch = atomic_load_explicit(&domain->table.epoch, memory_order_relaxed);
    dray_epoch_wait(domain, epoch);
    dray_lazy_release(domain, epoch);
}

int dray_unmap_lazy(struct dray_domain *domain, dray_key key)
{
    pthread_mutex_lock(&domain->lock);
    dray_lazy_collect(domain);
    while (domain->lazy_count == DRAY_LAZY_MAX) {
        pthread_mutex_unlock(&domain->lock);
        dray_domain_flush(domain);
        pthread_mutex_lock(&domain->lock);
    }
    struct dray_slot *slot = retire(domain, key);
    if (slot)
        lazy_push(domain, slot);
    pthread_mutex_unlock(&domain->lock);
    if (slot)
        dray_domain_wake(domain);
    return slot ? 0 : -ENOENT;
}

void dray_domain_flush(struct dray_domain *domain)
{
    pthread_mutex_lock(&domain->lock);
    uint32_t pending = domain->lazy_count;
    uint64_t epoch = atomic_load_explicit(&domain->table.epoch, memory_order_relaxed);
    pthread_mutex_unlock(&domain->lock);
    if (pending == 0)
        return;
    dray_epoch_wait(domain, epoch);
    pthread_mutex_lock(&domain->lock);
    dray_lazy_release(domain, epoch);
    pthread_mutex_unlock(&domain->lock);
}
