/* SIGNAL and WAIT: flags in memory, between queues and engines. */
#include "dray/io.h"
#include "engine/soft/found.h"
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
static void write_flag(struct dray_soft_queue *q, uint64_t *word, uint64_t value, bool add)
{
    if (add)
        __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
    else
        __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
    dray_domain_wake(q->soft->engine.domain);
}

enum dray_step dray_soft_signal(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    uint64_t *word = flag_word(q, d->dst_key, d->dst_offset, DRAY_ACCESS_WRITE);
    if (word)
        write_flag(q, word, d->arg.signal.value, d->count);
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

/*
 * A flag that is about to be written is worth looking at for a moment: it comes from another core
 * within 25 to 100 ns, while parking the queue and coming back to it takes 50 and more. The pause
 * matters: without it the looks take the line away while its writer needs it, and a signal takes 54
 * ns in place of 26. Bounded, for unmap and the worker's commands wait meanwhile; and only where no
 * other queue does.
 */
enum {
    LOOKS = 40 /* about a microsecond */
};

static bool becomes_satisfied(const struct dray_soft_queue *q, const uint64_t *word,
                              enum dray_wait condition, uint64_t value)
{
    unsigned looks = q->alone ? LOOKS : 1;
    while (!satisfied(__atomic_load_n(word, __ATOMIC_SEQ_CST), condition, value)) {
        if (--looks == 0)
            return false;
        dray_io_relax();
    }
    return true;
}

/* Acquire: pairs with the release of whoever wrote the flag. The clock is read only when the flag
 * was not ready. */
enum dray_step dray_soft_wait(struct dray_soft_queue *q)
{
    const struct dray_desc *d = &q->desc;
    const uint64_t *word = flag_word(q, d->src_key, d->src_offset, DRAY_ACCESS_READ);
    if (!word)
        return DRAY_STEP_DONE;
    if (becomes_satisfied(q, word, d->count, d->arg.wait.value))
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

/* A SIGNAL or WAIT in the ring, and the word it is about. */
struct flag_desc {
    enum dray_opcode opcode;
    uint16_t flags;
    uint32_t count;
    uint64_t user_data, value;
    uint64_t *word;
};

/* Where one side of a descriptor points; the other side must be zero. */
static uint64_t *find_word(const struct dray_soft_queue *q, struct dray_found *found, uint32_t key,
                           uint64_t offset, unsigned access)
{
    if (!dray_find(q->table, found, (dray_key){ key }, access) ||
        !dray_found_holds(found, offset, sizeof(uint64_t)))
        return NULL;
    uint8_t *p = found->base + offset;
    return (uintptr_t)p % 8 ? NULL : (uint64_t *)p;
}

/* Reads the descriptor at the head of the ring, each word once. False where anything about it is
 * out of the ordinary: the long way finds out what. */
static bool read_flag_desc(const struct dray_soft_queue *q, struct dray_found *src,
                           struct dray_found *dst, struct flag_desc *d)
{
    const uint64_t *word = (const uint64_t *)dray_port_slot(q->port, 0);
    uint64_t head = dray_io_load64(&word[0]), keys = dray_io_load64(&word[2]);
    uint64_t src_offset = dray_io_load64(&word[3]), dst_offset = dray_io_load64(&word[4]);
    uint32_t src_key = (uint32_t)keys, dst_key = (uint32_t)(keys >> 32);
    d->opcode = head & 0xff;
    d->flags = (uint16_t)(head >> 16);
    d->count = (uint32_t)(head >> 32);
    d->user_data = dray_io_load64(&word[1]);
    d->value = dray_io_load64(&word[6]);
    if ((head >> 8 & 0xff) != DRAY_FORMAT_VERSION ||
        (d->flags & ~(DRAY_FLAG_FENCE | DRAY_FLAG_NOTIFY)) || dray_io_load64(&word[5]))
        return false;
    if (d->opcode == DRAY_OP_SIGNAL) {
        if (d->count > 1 || src_key || src_offset || dray_io_load64(&word[7]))
            return false;
        d->word = find_word(q, dst, dst_key, dst_offset, DRAY_WRITE);
    } else {
        if (d->opcode != DRAY_OP_WAIT || d->count > DRAY_WAIT_GE || dst_key || dst_offset)
            return false;
        d->word = find_word(q, src, src_key, src_offset, DRAY_READ);
    }
    return d->word != NULL;
}

/* A time-out counts from when the wait begins, and what is satisfied by then does not time out. */
static bool run_flag_desc(struct dray_soft_queue *q, const struct flag_desc *d)
{
    if (d->opcode == DRAY_OP_WAIT)
        return becomes_satisfied(q, d->word, d->count, d->value);
    write_flag(q, d->word, d->value, d->count);
    return true;
}

uint32_t dray_soft_run_flags(struct dray_soft_queue *q)
{
    struct dray_found src = { 0 }, dst = { 0 };
    struct flag_desc d;
    uint32_t done = 0;
    while (done < DRAY_SERVICE_DESCRIPTORS && dray_port_available(q->port) &&
           dray_port_room(q->port) && read_flag_desc(q, &src, &dst, &d) && run_flag_desc(q, &d)) {
        dray_port_advance(q->port, 1);
        q->port->urgent |= (d.flags & DRAY_FLAG_NOTIFY) != 0;
        dray_port_put(q->port, d.user_data, 0, 0, 0);
        done++;
    }
    dray_count(&q->counters.transactions, done);
    dray_count(&q->counters.descriptors, done);
    return done;
}
