/* Block mode: one address on each side and one count, moved as one COPY without a descriptor. */
#include "controller_internal.h"

static enum dray_status block_check(const struct channel *ch, uint64_t src, uint64_t dst,
                                    uint64_t count)
{
    const struct sim_controller *c = ch->controller;
    if (count == 0 || count > LENGTH_MAX ||
        (c->params.segment_max && count > c->params.segment_max))
        return DRAY_STATUS_LENGTH;
    if (!controller_reaches(c, src, count) || !controller_reaches(c, dst, count))
        return DRAY_STATUS_RANGE;
    if ((src | dst | count) & (c->params.alignment - 1))
        return DRAY_STATUS_ALIGNMENT;
    return DRAY_STATUS_OK;
}

static void block_over(struct channel *ch, enum dray_status status)
{
    ch->running = false;
    ch->halted = status != DRAY_STATUS_OK;
    ch->halt_status = (uint8_t)status;
    channel_interrupt(ch, false);
}

void block_start(struct channel *ch)
{
    uint64_t src = reg_get(ch, SIM_REG_BLOCK_SRC), dst = reg_get(ch, SIM_REG_BLOCK_DST);
    uint64_t count = reg_get(ch, SIM_REG_BLOCK_COUNT);
    enum dray_status status = block_check(ch, src, dst, count);
    if (status != DRAY_STATUS_OK) {
        block_over(ch, status);
        return;
    }
    ch->now.desc = (struct dray_desc){ .opcode = DRAY_OP_COPY, .length = count };
    ch->txn[0] = (struct transaction){ 0 };
    ch->taken++;
    struct job *job = job_take(ch);
    job->txn = &ch->txn[0];
    job->src.address = src;
    job->dst.address = dst;
    job->ordered = src < dst + count && dst < src + count;
    job->backward = job->ordered && dst > src;
    job_launch(job);
}

void block_end(struct channel *ch)
{
    if (!ch->stopping)
        block_over(ch, (enum dray_status)ch->txn[0].status);
}
