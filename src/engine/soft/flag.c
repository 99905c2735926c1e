/* SIGNAL and WAIT: flags in memory, between queues and engines. */
#include "dray/io.h"
#include "engine/soft/soft.h"

/* The word at `offset` of a region; NULL after q was failed. */
static uint64_t *flag_word(struct dray_soft_queue *q, dray_key key, uint64_t offset,
                           enum dray_access access)
{
    struct dray_view view = { .offset = offset };
    enum dray_status status =
        dray_resolve(q->table, key, offset, sizeof(uint64_t),
                     access == DRAY_ACCESS_WRITE ? DRAY_WRITE : DRAY_READ, &view.slot);
    uint8_t *p = NULL;
    if (status == DRAY_STATUS_OK && !dray_kind_is_memory(view.slot->kind))
        status = DRAY_STATUS_UNSUPPORTED;
    if (status == DRAY_STATUS_OK &&
        (dray_view_run(&view, sizeof(uint64_t), &p) < sizeof(uint64_t) || (uintptr_t)p % 8))
        status = DRAY_STATUS_ALIGNMENT;
    if (status == DRAY_STATUS_OK)
        return (uint64_t *)p;
    dray_soft_fail(q, status, access, key, offset, offset);
    return NULL;
}

/* Release: what this queue moved before is visible to whoever observes the flag. Sequentially
 * consistent, because a sleeper counts itself, then looks at the flag (dray_domain_sleep_begin). */
enum dray_step dray_soft_signal(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    uint64_t *word = flag_word(q, d->dst_key, d->dst_offset, DRAY_ACCESS_WRITE);
    if (!word)
        return DRAY_STEP_DONE;
    if (d->count)
        __atomic_fetch_add(word, d->arg.signal.value, __ATOMIC_SEQ_CST);
    else
        __atomic_exchange_n(word, d->arg.signal.value, __ATOMIC_SEQ_CST);
    dray_domain_wake(q->soft->engine.domain);
    return DRAY_STEP_DONE;
}

static bool satisfied(uint64_t flag, enum dray_wait condition, uint64_t value)
{
    switch (condition) {
    case DRAY_WAIT_EQ:
        return flag == value;
    case DRAY_WAIT_NE:
        return flag != value;
    case DRAY_WAIT_LT:
        return flag < value;
    case DRAY_WAIT_LE:
        return flag <= value;
    case DRAY_WAIT_GT:
        return flag > value;
    case DRAY_WAIT_GE:
        return flag >= value;
    }
    return false;
}

/* Acquire: pairs with the release of whoever wrote the flag. The clock is read only when the flag
 * was not ready. */
enum dray_step dray_soft_wait(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    const uint64_t *word = flag_word(q, d->src_key, d->src_offset, DRAY_ACCESS_READ);
    if (!word)
        return DRAY_STEP_DONE;
    if (satisfied(__atomic_load_n(word, __ATOMIC_SEQ_CST), d->count, d->arg.wait.value))
        return DRAY_STEP_DONE;
    uint64_t timeout = d->arg.wait.timeout_ns;
    q->deadline_ns = UINT64_MAX;
    if (timeout) {
        uint64_t now = dray_io_clock_ns();
        if (q->started_ns == 0)
            q->started_ns = now;
        if (now - q->started_ns >= timeout)
            return dray_soft_fail(q, DRAY_STATUS_TIMEOUT, DRAY_ACCESS_READ, d->src_key,
                                  d->src_offset, __atomic_load_n(word, __ATOMIC_RELAXED));
        q->deadline_ns = q->started_ns + timeout;
        if (q->deadline_ns < timeout)
            q->deadline_ns = UINT64_MAX;
    }
    q->park = DRAY_PARK_FLAG;
    return DRAY_STEP_PARK;
}
