/*
 * SIGNAL and WAIT.
 *
 * One unit writes flags for all channels, one SIGNAL after the other: so adds of several channels do
 * not lose each other. A WAIT looks at its flag again and again, and holds its own channel alone.
 */
#include "controller_internal.h"

static void flag_read(struct sim_request *request);

static void access_flag(struct channel *ch, enum sim_op op)
{
    struct sim_request *request = &ch->flag_out.request;
    const struct dray_desc *d = &ch->now.desc;
    ch->flag_origin.number = ch->taken - 1;
    ch->flag_origin.part = ch->name;
    ch->flag_origin.what = d->opcode == DRAY_OP_SIGNAL ? "signal" : "wait";
    ch->flag_origin.key = d->opcode == DRAY_OP_SIGNAL ? d->dst_key.value : d->src_key.value;
    request->address = ch->flag_address;
    request->size = sizeof(ch->flag_word);
    request->data = (uint8_t *)&ch->flag_word;
    ch->flag_busy = true;
    if (op == SIM_WRITE) {
        channel_post(ch, &ch->flag_out);
    } else {
        request->op = SIM_READ;
        request->granted = NULL;
        request->done = flag_read;
        channel_submit(ch, request);
    }
}

static void fail(struct channel *ch, enum dray_status status, enum dray_access access,
                 uint64_t result)
{
    front_fail(ch, &(struct outcome){ status, access, result });
    front_retire(ch);
}

/* ---- SIGNAL ---- */

static void unit_start(struct channel *ch)
{
    if (ch->now.desc.count == 0) {
        ch->flag_word = ch->now.desc.arg.signal.value;
        access_flag(ch, SIM_WRITE);
    } else {
        access_flag(ch, SIM_READ);
    }
}

/* The unit goes to the next. */
static void unit_leave(struct channel *ch)
{
    struct sim_controller *c = ch->controller;
    struct channel **place = &c->signal_first;
    bool had = *place == ch;
    while (*place && *place != ch)
        place = &(*place)->signal_next;
    if (!*place)
        return;
    *place = ch->signal_next;
    ch->signal_next = NULL;
    c->signal_last = c->signal_first;
    while (c->signal_last && c->signal_last->signal_next)
        c->signal_last = c->signal_last->signal_next;
    if (had && c->signal_first)
        unit_start(c->signal_first);
}

void flag_signal(struct channel *ch)
{
    struct sim_controller *c = ch->controller;
    ch->signal_next = NULL;
    if (c->signal_first)
        c->signal_last->signal_next = ch;
    else
        c->signal_first = ch;
    c->signal_last = ch;
    if (c->signal_first == ch)
        unit_start(ch);
}

static void signal_end(struct channel *ch, enum sim_status status)
{
    unit_leave(ch);
    if (ch->stopping)
        return;
    if (status != SIM_OK)
        fail(ch, DRAY_STATUS_IO, DRAY_ACCESS_WRITE, FAULT_ERRNO);
    else
        front_retire(ch);
}

static void flag_landed(struct posted *out)
{
    struct channel *ch = SIM_OWNER(out, struct channel, flag_out);
    channel_returned(ch);
    ch->flag_busy = false;
    signal_end(ch, out->request.status);
    channel_kick(ch);
}

/* ---- WAIT ---- */

static bool satisfied(uint64_t flag, unsigned condition, uint64_t value)
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
    default:
        return flag >= value;
    }
}

/* When it gives up; SIM_NEVER: not at all. */
static sim_time wait_until(const struct channel *ch)
{
    uint64_t timeout_ns = ch->now.desc.arg.wait.timeout_ns;
    sim_time most = SIM_NEVER - ch->wait_begun;
    if (timeout_ns == 0 || timeout_ns >= most / SIM_NS)
        return SIM_NEVER;
    return ch->wait_begun + timeout_ns * SIM_NS;
}

static void waited(struct channel *ch, enum sim_status status)
{
    const struct dray_desc *d = &ch->now.desc;
    struct sim_kernel *kernel = ch->controller->kernel;
    sim_time until = wait_until(ch), again = sim_now(kernel) + ch->controller->params.poll;
    bool holds = satisfied(ch->flag_word, d->count, d->arg.wait.value);
    if (status == SIM_OK && !holds && sim_now(kernel) < until) {
        sim_at(kernel, &ch->flag_event, least(until, again));
        return;
    }
    channel_span(ch, "wait", ch->wait_begun, 0, &ch->flag_origin);
    if (status != SIM_OK)
        fail(ch, DRAY_STATUS_IO, DRAY_ACCESS_READ, FAULT_ERRNO);
    else if (holds)
        front_retire(ch);
    else
        fail(ch, DRAY_STATUS_TIMEOUT, DRAY_ACCESS_READ, ch->flag_word);
}

static void flag_read(struct sim_request *request)
{
    struct channel *ch = SIM_OWNER(request, struct channel, flag_out.request);
    channel_returned(ch);
    ch->flag_busy = false;
    if (ch->now.desc.opcode == DRAY_OP_SIGNAL) {
        ch->flag_word += ch->now.desc.arg.signal.value;
        if (request->status == SIM_OK && !ch->stopping)
            access_flag(ch, SIM_WRITE);
        else
            signal_end(ch, request->status);
    } else if (!ch->stopping) {
        waited(ch, request->status);
    }
    channel_kick(ch);
}

void flag_wait(struct channel *ch)
{
    if (ch->wait_begun == SIM_NEVER)
        ch->wait_begun = sim_now(ch->controller->kernel);
    access_flag(ch, SIM_READ);
}

/* The driver may have taken the flag's region away meanwhile: then its key is looked up again. */
static void look_again(struct sim_event *event)
{
    struct channel *ch = SIM_OWNER(event, struct channel, flag_event);
    if (ch->wait_epoch == ch->epoch) {
        access_flag(ch, SIM_READ);
        return;
    }
    ch->front = FRONT_RESOLVE;
    ch->step = 0;
    channel_kick(ch);
}

/* What is under way is let go: flag_read or flag_landed find the channel stopped. */
void flag_drop(struct channel *ch)
{
    sim_cancel(ch->controller->kernel, &ch->flag_event);
    if (ch->front == FRONT_SIGNAL && !ch->flag_busy)
        unit_leave(ch);
}

void flag_init(struct channel *ch)
{
    sim_event_init(&ch->flag_event, look_again);
    ch->flag_out.landed = flag_landed;
    ch->flag_out.request.origin = &ch->flag_origin;
}
