/* The log of faults: the oldest are kept, for the first of a series says most. */
#include <errno.h>

#include "domain/internal.h"
#include "dray/io.h"

void dray_domain_fault(struct dray_domain *domain, const struct dray_fault *fault)
{
    uint64_t now_ns = dray_io_clock_ns();
    pthread_mutex_lock(&domain->faults_lock);
    domain->faults_total++;
    if (domain->faults_count == domain->faults_max) {
        domain->faults_lost++;
    } else {
        uint32_t at = (domain->faults_head + domain->faults_count++) % domain->faults_max;
        domain->faults[at] = *fault;
        domain->faults[at].time_ns = now_ns;
    }
    pthread_mutex_unlock(&domain->faults_lock);
}

int dray_domain_faults(struct dray_domain *domain, struct dray_fault *faults, size_t max,
                       size_t *count)
{
    pthread_mutex_lock(&domain->faults_lock);
    size_t n = 0;
    for (; n < max && domain->faults_count > 0; n++) {
        faults[n] = domain->faults[domain->faults_head];
        domain->faults_head = (domain->faults_head + 1) % domain->faults_max;
        domain->faults_count--;
    }
    uint64_t lost = domain->faults_lost;
    domain->faults_lost = 0;
    pthread_mutex_unlock(&domain->faults_lock);
    *count = n;
    if (lost == 0)
        return 0;
    return dray_domain_fail(domain, -EOVERFLOW, "%llu fault records were lost: the log keeps %u",
                            (unsigned long long)lost, domain->faults_max);
}
