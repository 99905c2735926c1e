/*
 * Flags, and those who sleep until one changes.
 *
 *      sleeper                              whoever changes the flag
 *      sleepers += 1                        flag := value
 *      look at the flag                     look at sleepers, wake if there are any
 *      sleep if it does not satisfy
 *
 * All four sequentially consistent: either the sleeper sees the new value, or it is woken.
 */
#include "domain/internal.h"

void dray_domain_add_waiter(struct dray_domain *domain, struct dray_waiter *waiter)
{
    pthread_mutex_lock(&domain->waiters_lock);
    waiter->next = domain->waiters;
    domain->waiters = waiter;
    pthread_mutex_unlock(&domain->waiters_lock);
}

void dray_domain_remove_waiter(struct dray_domain *domain, struct dray_waiter *waiter)
{
    pthread_mutex_lock(&domain->waiters_lock);
    struct dray_waiter **link = &domain->waiters;
    while (*link && *link != waiter)
        link = &(*link)->next;
    if (*link)
        *link = waiter->next;
    pthread_mutex_unlock(&domain->waiters_lock);
}

void dray_domain_sleep_begin(struct dray_domain *domain)
{
    atomic_fetch_add_explicit(&domain->sleepers, 1, memory_order_seq_cst);
}

void dray_domain_sleep_end(struct dray_domain *domain)
{
    atomic_fetch_sub_explicit(&domain->sleepers, 1, memory_order_seq_cst);
}

void dray_domain_wake(struct dray_domain *domain)
{
    if (atomic_load_explicit(&domain->sleepers, memory_order_seq_cst) == 0)
        return;
    pthread_mutex_lock(&domain->waiters_lock);
    for (struct dray_waiter *waiter = domain->waiters; waiter; waiter = waiter->next)
        waiter->wake(waiter);
    pthread_mutex_unlock(&domain->waiters_lock);
}

void dray_flag_store(struct dray_domain *domain, uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    dray_domain_wake(domain);
}

void dray_flag_add(struct dray_domain *domain, uint64_t *word, uint64_t value)
{
    __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
    dray_domain_wake(domain);
}
