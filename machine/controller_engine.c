/*
 * The engine: one for all channels. It spends its time on descriptors (per_descriptor) and on bytes
 * (bandwidth), one after the other; channels have their turns round robin, and so have the jobs of a
 * channel. What it lets go on then waits for memory by itself.
 */
#include "controller_internal.h"

#include "note.h"
#include "rate.h"

/* ---- jobs ---- */

struct job *job_take(struct channel *ch)
{
    struct job *job = ch->free_jobs;
    const struct dray_desc *d = &ch->now.desc;
    ch->free_jobs = job->next;
    *job = (struct job){ .channel = ch,
                         .used = true,
                         .opcode = (enum dray_opcode)d->opcode,
                         .length = d->length,
                         .equal = d->length,
                         .number = ch->taken - 1,
                         .epoch = ch->epoch };
    return job;
}

void job_give(struct job *job)
{
    job->used = false;
    job->next = job->channel->free_jobs;
    job->channel->free_jobs = job;
}

static void job_list(struct job *job)
{
    struct channel *ch = job->channel;
    job->next = NULL;
    if (ch->issuing_last)
        ch->issuing_last->next = job;
    else
        ch->issuing_first = job;
    ch->issuing_last = job;
    ch->issuing++;
    job->listed = true;
}

static void job_unlist(struct job *job)
{
    struct channel *ch = job->channel;
    struct job **place = &ch->issuing_first, *before = NULL;
    if (!job->listed)
        return;
    while (*place != job) {
        before = *place;
        place = &before->next;
    }
    *place = job->next;
    if (ch->issuing_last == job)
        ch->issuing_last = before;
    ch->issuing--;
    job->listed = false;
}

/* The checksum of a transaction goes on from descriptor to descriptor; the first has the seed. */
static void begin_sum(struct job *job)
{
    const struct dray_desc *d = &job->channel->now.desc;
    struct transaction *txn = job->txn;
    if (!job->sums || txn->summed)
        return;
    txn->summed = true;
    txn->crc = job->opcode == DRAY_OP_CRC32C ? d->arg.crc32c.seed : d->arg.copy.seed;
}

void job_launch(struct job *job)
{
    struct channel *ch = job->channel;
    begin_sum(job);
    job->begun = sim_now(ch->controller->kernel);
    channel_note(ch, SIM_NOTE_BEGIN, job->number);
    job->txn->jobs++;
    job->txn->serial |= job->serial;
    ch->jobs++;
    ch->stream_jobs += job->stream;
    job_list(job);
    engine_kick(ch->controller);
}

void job_cut(struct job *job)
{
    job->issued = job->length;
    job->sum_first = false;
    job_unlist(job);
}

void job_fail(struct job *job, const struct outcome *outcome)
{
    transaction_fail(job->channel, job->txn, job->index, outcome);
    job->failed = true;
    job_cut(job);
}

static void job_end(struct job *job)
{
    static const char *const names[] = { [DRAY_OP_COPY] = "copy",
                                         [DRAY_OP_STRIDED] = "strided",
                                         [DRAY_OP_FILL] = "fill",
                                         [DRAY_OP_COMPARE] = "compare",
                                         [DRAY_OP_CRC32C] = "crc32c" };
    struct channel *ch = job->channel;
    struct transaction *txn = job->txn;
    struct sim_origin origin = { .what = "descriptor", .number = job->number, .key = job->dst.key };
    if (job->opcode == DRAY_OP_COMPARE) {
        txn->compared += job->equal;
        txn->differs |= job->equal < job->length;
    }
    txn->jobs--;
    if (job->serial)
        txn->serial = false;
    ch->jobs--;
    ch->stream_jobs -= job->stream;
    channel_span(ch, names[job->opcode], job->begun, job->moved, &origin);
    channel_note(ch, SIM_NOTE_END, job->number);
    job_give(job);
    if (ch->block)
        block_end(ch);
    channel_kick(ch);
}

void job_settle(struct job *job)
{
    if (job->chunks || job->issued != job->length)
        return;
    if (job->sum_first) { /* all is summed; now it is copied */
        job->sum_first = job->sums = false;
        job->backward = true;
        job->issued = 0;
        job_list(job);
        return;
    }
    job_end(job);
}

/* ---- turns ---- */

/* The next chunk of one of the channel's jobs; they take turns. */
static struct chunk *next_chunk(struct channel *ch)
{
    for (uint32_t i = ch->issuing; i; i--) {
        struct job *job = ch->issuing_first;
        if (ch->issuing > 1) {
            job_unlist(job);
            job_list(job);
        }
        struct chunk *chunk = chunk_cut(job);
        if (chunk)
            return chunk;
    }
    return NULL;
}

static sim_time chunk_cost(const struct sim_controller *c, const struct chunk *chunk)
{
    uint64_t bytes = chunk->size;
    if (chunk->job->opcode == DRAY_OP_COMPARE)
        bytes *= 2;
    return sim_rate_time(bytes, c->params.bandwidth);
}

/* What is next, and how long the engine is at it. */
static bool pick(struct sim_controller *c, sim_time *cost)
{
    struct engine *e = &c->engine;
    for (unsigned i = 1; i <= c->params.channels; i++) {
        unsigned turn = (e->turn + i) % (unsigned)c->params.channels;
        struct channel *ch = &c->channels[turn];
        if (!ch->issuing && ch->front != FRONT_SET_UP)
            continue;
        if (ch->front == FRONT_SET_UP) {
            e->setting_up = ch;
            *cost = c->params.per_descriptor;
        } else {
            e->chunk = next_chunk(ch);
            if (!e->chunk)
                continue;
            *cost = chunk_cost(c, e->chunk);
        }
        e->turn = turn;
        return true;
    }
    return false;
}

static void perform(struct engine *e)
{
    struct channel *ch = e->setting_up;
    struct chunk *chunk = e->chunk;
    e->setting_up = NULL;
    e->chunk = NULL;
    if (chunk) {
        struct job *job = chunk->job;
        ch = job->channel;
        bool last = job->issued == job->length; /* the next descriptor may begin */
        if (last)
            job_unlist(job);
        chunk_start(chunk);
        if (last)
            channel_kick(ch);
    } else if (ch->front == FRONT_SET_UP) {
        front_set_up(ch);
    } else {
        channel_kick(ch); /* it was stopped meanwhile */
    }
}

/* Called again from what it sets going, it only notes that. */
void engine_kick(struct sim_controller *c)
{
    struct engine *e = &c->engine;
    sim_time cost;
    if (e->looping || e->busy)
        return;
    e->looping = true;
    while (!e->busy && pick(c, &cost)) {
        if (cost) {
            e->busy = true;
            sim_after(c->kernel, &e->event, cost);
        } else {
            perform(e);
        }
    }
    e->looping = false;
}

static void engine_due(struct sim_event *event)
{
    struct engine *e = SIM_OWNER(event, struct engine, event);
    struct sim_controller *c = SIM_OWNER(e, struct sim_controller, engine);
    e->looping = true;
    e->busy = false;
    perform(e);
    e->looping = false;
    engine_kick(c);
}

void engine_init(struct sim_controller *c)
{
    sim_event_init(&c->engine.event, engine_due);
}
