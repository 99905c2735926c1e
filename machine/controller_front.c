/*
 * The front of a channel: takes descriptors in order, one at a time, and lets each go on when what it
 * must wait for is over.
 *
 *     FREE ──> SET_UP ──> RESOLVE ──> HOLD ──> a job, and FREE again
 *                            │          └────> SIGNAL ──> FREE
 *                            └──> WAIT ──> FREE
 */
#include "controller_internal.h"

void front_fail(struct channel *ch, const struct outcome *outcome)
{
    if (ch->job)
        job_give(ch->job);
    ch->job = NULL;
    transaction_fail(ch, ch->open, ch->open->count - 1, outcome);
}

void front_retire(struct channel *ch)
{
    const struct dray_desc *d = &ch->now.desc;
    ch->front = FRONT_FREE;
    ch->open->notify |= (d->flags & DRAY_FLAG_NOTIFY) != 0;
    ch->open->user_data = d->user_data;
    if (!(d->flags & DRAY_FLAG_CHAIN))
        complete_close(ch);
}

static bool fail_and_retire(struct channel *ch, enum dray_status status, enum dray_access access,
                            uint64_t result)
{
    front_fail(ch, &(struct outcome){ status, access, result });
    front_retire(ch);
    return true;
}

/* The published tail lies inside a transaction, and a second look at it found nothing more: what
 * came of the transaction is told, and it is over. */
static bool close_chain(struct channel *ch)
{
    if (!ch->tail_looked) {
        if (!ch->tail_reader.busy)
            fetch_look(ch);
        return false;
    }
    if (ch->open->status == DRAY_STATUS_OK)
        front_fail(ch, &(struct outcome){ DRAY_STATUS_CHAIN, DRAY_ACCESS_FETCH, 0 });
    complete_close(ch);
    return true;
}

static bool must_wait(const struct channel *ch, const struct dray_desc *d)
{
    bool fence = d->opcode == DRAY_OP_FENCE || d->flags & DRAY_FLAG_FENCE;
    return (fence && ch->jobs) || ch->issuing >= ch->controller->params.overlap || !ch->free_jobs;
}

static bool front_begin(struct channel *ch)
{
    const struct held *next = fetch_next(ch);
    if (!next)
        return ch->open && fetch_empty(ch) && close_chain(ch);
    if (!ch->open && !complete_open(ch))
        return false;
    bool skip = ch->open->status != DRAY_STATUS_OK; /* it has failed: on to its end */
    if (!skip && must_wait(ch, &next->desc))
        return false;
    fetch_take(ch);
    ch->open->count++;
    ch->taken++;
    if (skip) {
        front_retire(ch);
        return true;
    }
    if (ch->now.faulted)
        return fail_and_retire(ch, DRAY_STATUS_IO, DRAY_ACCESS_FETCH, FAULT_ERRNO);
    ch->front = FRONT_SET_UP;
    return false;
}

static bool needs_job(unsigned opcode)
{
    return opcode == DRAY_OP_COPY || opcode == DRAY_OP_STRIDED || opcode == DRAY_OP_FILL ||
           opcode == DRAY_OP_COMPARE || opcode == DRAY_OP_CRC32C;
}

static enum dray_status check(const struct channel *ch)
{
    const struct dray_desc *d = &ch->now.desc;
    uint64_t segment_max = ch->controller->params.segment_max;
    enum dray_status status = check_desc(d);
    if (status == DRAY_STATUS_OK && ch->open->count > CHAIN_MAX)
        status = DRAY_STATUS_CHAIN;
    if (status == DRAY_STATUS_OK && segment_max && d->length > segment_max)
        status = DRAY_STATUS_LENGTH;
    return status;
}

void front_set_up(struct channel *ch)
{
    ch->stats.descriptors++;
    ch->step = 0;
    ch->region_fresh = UINT32_MAX;
    ch->shape_read = ch->shape_failed = false;
    ch->wait_begun = SIM_NEVER;
    enum dray_status status = check(ch);
    if (status != DRAY_STATUS_OK) {
        fail_and_retire(ch, status, DRAY_ACCESS_FETCH, 0);
    } else {
        ch->front = FRONT_RESOLVE;
        if (needs_job(ch->now.desc.opcode))
            ch->job = job_take(ch);
    }
    channel_kick(ch);
}

/* Descriptors that are taken from the array of the LINK under way lie before those of the ring. */
static void follow_link(struct channel *ch)
{
    ch->link_left = ch->now.desc.count;
    ch->link_epoch = ch->epoch;
    ch->tail_looked = false;
}

static bool front_resolved(struct channel *ch)
{
    switch (ch->now.desc.opcode) {
    case DRAY_OP_WAIT:
        ch->front = FRONT_WAIT;
        flag_wait(ch);
        return false;
    case DRAY_OP_LINK:
        follow_link(ch);
        front_retire(ch);
        return true;
    case DRAY_OP_NOP:
    case DRAY_OP_FENCE:
        front_retire(ch);
        return true;
    default:
        ch->front = FRONT_HOLD;
        return true;
    }
}

static bool front_give_up(struct channel *ch)
{
    if (ch->job)
        job_give(ch->job);
    ch->job = NULL;
    front_retire(ch);
    return true;
}

static bool front_resolve(struct channel *ch)
{
    struct outcome outcome = { DRAY_STATUS_OK, DRAY_ACCESS_NONE, 0 };
    switch (resolve(ch, &outcome)) {
    case RESOLVED:
        return front_resolved(ch);
    case RESOLVED_LATER:
        return false;
    case RESOLVED_NOT:
        return fail_and_retire(ch, outcome.status, outcome.access, outcome.result);
    case RESOLVED_SKIP:
        return front_give_up(ch);
    }
    return false;
}

/* A SIGNAL has release order: all before it in the channel is done. Of a transaction, a job that
 * others build upon (a checksum, a comparison, a stream) has its turn alone; a stream has one job. */
static bool front_hold(struct channel *ch)
{
    struct job *job = ch->job;
    if (!job) {
        if (ch->jobs)
            return false;
        ch->front = FRONT_SIGNAL;
        flag_signal(ch);
        return false;
    }
    if ((ch->open->jobs && (job->serial || ch->open->serial)) || (job->stream && ch->stream_jobs))
        return false;
    ch->job = NULL;
    job->txn = ch->open;
    job->index = ch->open->count - 1;
    job_launch(job);
    front_retire(ch);
    return true;
}

static bool front_step(struct channel *ch)
{
    if (ch->front == FRONT_FREE)
        return front_begin(ch);
    if (ch->front != FRONT_RESOLVE && ch->front != FRONT_HOLD)
        return false;
    if (ch->region_reader.busy || ch->shape_reader.busy)
        return false;
    if (ch->open->status != DRAY_STATUS_OK) /* meanwhile, by a job that was under way */
        return front_give_up(ch);
    return ch->front == FRONT_RESOLVE ? front_resolve(ch) : front_hold(ch);
}

void front_go(struct channel *ch)
{
    while (ch->running && !ch->stopping && !ch->block && front_step(ch))
        ;
}

void front_drop(struct channel *ch)
{
    const struct outcome cancelled = { DRAY_STATUS_CANCELLED, DRAY_ACCESS_NONE, 0 };
    if (ch->job)
        job_give(ch->job);
    ch->job = NULL;
    if (ch->front == FRONT_WAIT || ch->front == FRONT_SIGNAL)
        flag_drop(ch);
    if (ch->front != FRONT_FREE)
        ch->open->user_data = ch->now.desc.user_data;
    ch->front = FRONT_FREE;
    if (!ch->open)
        return;
    transaction_fail(ch, ch->open, ch->open->count ? ch->open->count - 1 : 0, &cancelled);
    complete_close(ch);
}

bool front_resting(const struct channel *ch)
{
    return ch->front == FRONT_FREE && !ch->open;
}

static void shape_is_read(struct channel *ch, struct reader *reader, enum sim_status status)
{
    (void)reader;
    ch->shape_read = true;
    ch->shape_failed = status != SIM_OK;
    channel_kick(ch);
}

void front_init(struct channel *ch)
{
    ch->shape_reader.done = shape_is_read;
    ch->shape_reader.origin.what = "shape";
    ch->shape_reader.origin.part = ch->name;
}
