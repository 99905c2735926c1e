/*
 * Transactions and their completions, in the order in which they began. A completion has its place
 * before its transaction begins, so there is always room for it; completions that are ready together
 * are written together. The interrupt is caused when the write has landed.
 */
#include <string.h>

#include "controller_internal.h"

static uint32_t completion_size(const struct channel *ch)
{
    return (uint32_t)reg_get(ch, SIM_REG_COMPLETION_SIZE);
}

void complete_seen(struct channel *ch, uint32_t seen)
{
    if ((uint32_t)(ch->txn_first - seen) <= ch->txn_first - ch->seen)
        ch->seen = seen;
    else if (ch->running && !ch->stopping)
        channel_stop(ch, DRAY_STATUS_RANGE); /* more than was ever written, or fewer than before */
}

/* ---- the count of completions given back, where the driver keeps it in memory ---- */

static void seen_read(struct channel *ch, struct reader *reader, enum sim_status status)
{
    (void)reader;
    if (status != SIM_OK)
        channel_stop(ch, DRAY_STATUS_IO);
    else
        complete_seen(ch, ch->seen_word);
    if (!ch->stopping && (uint32_t)(ch->txn_next - ch->seen) == completion_size(ch))
        sim_after(ch->controller->kernel, &ch->seen_event, ch->controller->params.poll);
    channel_kick(ch);
}

static void look_at_seen(struct channel *ch)
{
    if (reg_get(ch, SIM_REG_SEEN_AT) && !ch->seen_reader.busy &&
        !sim_event_pending(&ch->seen_event))
        reader_start(ch, &ch->seen_reader, reg_get(ch, SIM_REG_SEEN_AT), &ch->seen_word,
                     sizeof(ch->seen_word));
}

static void seen_due(struct sim_event *event)
{
    look_at_seen(SIM_OWNER(event, struct channel, seen_event));
}

/* ---- transactions ---- */

bool complete_open(struct channel *ch)
{
    if (ch->txn_next - ch->txn_first == TRANSACTIONS)
        return false;
    if ((uint32_t)(ch->txn_next - ch->seen) >= completion_size(ch)) {
        look_at_seen(ch);
        return false;
    }
    ch->open = &ch->txn[ch->txn_next++ % TRANSACTIONS];
    *ch->open = (struct transaction){ 0 };
    return true;
}

void complete_close(struct channel *ch)
{
    ch->open->closed = true;
    ch->open = NULL;
}

void transaction_fail(struct channel *ch, struct transaction *txn, uint32_t index,
                      const struct outcome *outcome)
{
    ch->stats.faults++;
    if (txn->status != DRAY_STATUS_OK && txn->index <= index)
        return;
    txn->index = index;
    txn->status = (uint8_t)outcome->status;
    txn->access = (uint8_t)outcome->access;
    txn->result = outcome->result;
}

/* ---- writing ---- */

static struct transaction *next_ended(struct channel *ch)
{
    struct transaction *txn = &ch->txn[ch->txn_first % TRANSACTIONS];
    return ch->txn_first != ch->txn_next && txn->closed && txn->jobs == 0 ? txn : NULL;
}

static void encode(const struct channel *ch, const struct transaction *txn, uint8_t *to)
{
    bool first_round = (ch->txn_first & completion_size(ch)) == 0;
    struct dray_completion c = { .user_data = txn->user_data,
                                 .moved = txn->moved,
                                 .result = txn->result,
                                 .index = txn->index,
                                 .status = txn->status,
                                 .access = txn->access,
                                 .flags = first_round };
    if (txn->status == DRAY_STATUS_OK)
        c.result = txn->summed ? txn->crc : txn->compared;
    memcpy(to, &c, sizeof(c));
}

/* Puts what has ended into one write, as far as it lies in one piece. */
static void gather(struct channel *ch, struct completion_write *w)
{
    const struct sim_controller_params *params = &ch->controller->params;
    uint32_t mask = completion_size(ch) - 1, slot = ch->txn_first & mask;
    uint64_t address = reg_get(ch, SIM_REG_COMPLETION) + slot * sizeof(struct dray_completion);
    uint64_t most =
        least(least(params->request, page_left(address)) / sizeof(struct dray_completion),
              (uint64_t)mask + 1 - slot);
    const struct transaction *txn;
    w->count = w->urgent = 0;
    w->out.request.address = address;
    while (w->count < most && (txn = next_ended(ch))) {
        encode(ch, txn, w->data + w->count * sizeof(struct dray_completion));
        w->count++;
        w->urgent += txn->notify;
        ch->txn_first++;
        ch->stats.transactions++;
    }
    w->origin.number = ch->txn_first - w->count;
    w->out.request.size = w->count * (uint32_t)sizeof(struct dray_completion);
    w->out.request.data = w->data;
}

void channel_interrupt(struct channel *ch, bool urgent)
{
    struct sim_interrupts *interrupts = ch->controller->interrupts;
    uint64_t number = reg_get(ch, SIM_REG_INTERRUPT);
    if (interrupts && number < SIM_INTERRUPTS)
        sim_interrupts_cause(interrupts, (unsigned)number, urgent);
}

static void completion_landed(struct posted *out)
{
    struct completion_write *w = SIM_OWNER(out, struct completion_write, out);
    struct channel *ch = w->channel;
    channel_returned(ch);
    w->busy = false;
    if (out->request.status == SIM_OK) {
        for (uint32_t i = 0; i < w->count; i++)
            channel_interrupt(ch, i >= w->count - w->urgent);
    } else {
        ch->mute = true;
        channel_stop(ch, DRAY_STATUS_IO);
    }
    channel_kick(ch);
}

static struct completion_write *free_write(struct channel *ch)
{
    for (unsigned i = 0; i < COMPLETION_WRITES; i++)
        if (!ch->writes[i].busy)
            return &ch->writes[i];
    return NULL;
}

void complete_go(struct channel *ch)
{
    struct completion_write *w;
    if (ch->block)
        return;
    while (ch->mute && next_ended(ch))
        ch->txn_first++;
    while (next_ended(ch) && (w = free_write(ch))) {
        gather(ch, w);
        w->busy = true;
        if (controller_reaches(ch->controller, w->out.request.address, w->out.request.size)) {
            channel_post(ch, &w->out);
        } else {
            w->busy = false;
            ch->mute = true;
            channel_stop(ch, DRAY_STATUS_RANGE);
        }
    }
}

void complete_reset(struct channel *ch)
{
    ch->txn_first = ch->txn_next = ch->seen = 0;
    ch->open = NULL;
    ch->mute = false;
    sim_cancel(ch->controller->kernel, &ch->seen_event);
}

void complete_init(struct channel *ch)
{
    sim_event_init(&ch->seen_event, seen_due);
    ch->seen_reader.done = seen_read;
    ch->seen_reader.origin.what = "seen";
    ch->seen_reader.origin.part = ch->name;
    for (unsigned i = 0; i < COMPLETION_WRITES; i++) {
        struct completion_write *w = &ch->writes[i];
        w->channel = ch;
        w->out.landed = completion_landed;
        w->origin.what = "completion";
        w->origin.part = ch->name;
        w->out.request.origin = &w->origin;
    }
}
