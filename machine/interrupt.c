/*
 * Interrupts: what waits for company, and what is on its way.
 *
 * A line gathers causes (`pending`) until an interrupt is due: by their count, by the timer that
 * the first of them started, or because one is urgent. Due and not masked, it is raised: a message
 * leaves, and the line gathers anew while the message is on its way.
 */
#include "interrupt.h"

#include <errno.h>
#include <stdlib.h>

enum {
    MESSAGES =
        32, /* on the way for one line; a further one has nothing to add to the last of them */
    GAP_SHARE = 8, /* of the newest gap between causes in their mean */
};

struct line {
    struct sim_interrupts *all;
    struct sim_interrupt_params params;
    struct sim_interrupt_stats stats;
    struct sim_event timer, arrival;
    uint64_t pending; /* causes since the last interrupt was raised */
    bool masked, due;
    sim_time last, gap; /* adaptive: the last cause; mean distance of causes */
    sim_time arrivals[MESSAGES];
    unsigned first, messages; /* a ring */
};

struct sim_interrupts {
    struct sim_kernel *kernel;
    void (*deliver)(void *argument, unsigned number);
    void *argument;
    struct line lines[SIM_INTERRUPTS];
};

#define PARAM(member, unit_, standard_, least_, most_, about_)                          \
    {                                                                                   \
        .name = #member, .unit = SIM_UNIT_##unit_,                                      \
        .offset = offsetof(struct sim_interrupt_params, member), .standard = standard_, \
        .least = least_, .most = most_, .about = about_                                 \
    }

static const struct sim_param params[] = {
    /* assumed: a posted write upward, and the interrupt controller */
    PARAM(latency, TIME, 500 * SIM_NS, 0, SIM_S, "from the device to the core"),
    PARAM(count, COUNT, 1, 1, 1 << 20, "causes for one interrupt; with adaptive, the most"),
    PARAM(time, TIME, 0, 0, SIM_S,
          "from the first cause to the interrupt at the latest; 0: no timer"),
    PARAM(adaptive, BOOL, 0, 0, 1, "the count is what comes within time lately, from 1 to count"),
};

static const char *check(const void *given)
{
    const struct sim_interrupt_params *p = given;

    if (p->adaptive && !p->time)
        return "adaptive moderation needs a time: it gathers what comes within it";
    if (p->adaptive && p->count < 2)
        return "adaptive moderation needs a count over 1: the most that one interrupt stands for";
    return NULL;
}

const struct sim_part_kind sim_interrupt_kind = {
    .name = "interrupt",
    .about = "message-signalled interrupts, with moderation",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_interrupt_params),
    .check = check,
};

/* ---- messages ---- */

static void arrive(struct sim_event *event)
{
    struct line *line = SIM_OWNER(event, struct line, arrival);
    struct sim_interrupts *all = line->all;

    line->first = (line->first + 1) % MESSAGES;
    line->messages--;
    if (line->messages)
        sim_at(all->kernel, &line->arrival, line->arrivals[line->first]);
    all->deliver(all->argument, (unsigned)(line - all->lines));
}

static void send(struct line *line)
{
    struct sim_kernel *kernel = line->all->kernel;
    sim_time when = sim_now(kernel) + line->params.latency;

    /* One that arrives after this cause announces it as well. */
    if (line->messages == MESSAGES)
        return;
    if (line->messages) { /* in order, where the latency was made shorter meanwhile */
        sim_time before = line->arrivals[(line->first + line->messages - 1) % MESSAGES];
        when = when > before ? when : before;
    }
    line->arrivals[(line->first + line->messages++) % MESSAGES] = when;
    if (line->messages == 1)
        sim_at(kernel, &line->arrival, when);
}

static void raise(struct line *line)
{
    struct sim_kernel *kernel = line->all->kernel;

    line->pending = 0;
    line->due = false;
    line->stats.raised++;
    sim_cancel(kernel, &line->timer);
    if (sim_watchers(kernel))
        sim_note(kernel, &(struct sim_note){ .kind = SIM_NOTE_RAISE,
                                             .time = sim_now(kernel),
                                             .part = "interrupt",
                                             .value = (uint64_t)(line - line->all->lines) });
    send(line);
}

/* ---- moderation ---- */

static uint64_t wanted(const struct line *line)
{
    const struct sim_interrupt_params *p = &line->params;

    if (!p->adaptive)
        return p->count;
    if (line->gap >= p->time)
        return 1;
    uint64_t expected = line->gap ? p->time / line->gap : p->count;
    return expected < p->count ? expected : p->count;
}

/* The mean distance of causes. One that is as long as `time` or longer says no more than "idle". */
static void follow(struct line *line)
{
    sim_time now = sim_now(line->all->kernel), most = 2 * line->params.time;
    sim_time gap = line->stats.causes > 1 ? now - line->last : most;

    gap = gap < most ? gap : most;
    line->last = now;
    if (line->stats.causes == 1)
        line->gap = gap;
    else
        line->gap = (line->gap * (GAP_SHARE - 1) + gap) / GAP_SHARE;
}

/* After anything that may have made an interrupt due. */
static void consider(struct line *line)
{
    struct sim_kernel *kernel = line->all->kernel;

    if (line->pending && line->pending >= wanted(line))
        line->due = true;
    if (line->due && !line->masked)
        raise(line);
    else if (line->pending && !line->due && line->params.time && !sim_event_pending(&line->timer))
        sim_after(kernel, &line->timer, line->params.time);
}

static void expire(struct sim_event *event)
{
    struct line *line = SIM_OWNER(event, struct line, timer);

    line->due = true;
    consider(line);
}

void sim_interrupts_cause(struct sim_interrupts *interrupts, unsigned number, bool urgent)
{
    struct line *line = &interrupts->lines[number];

    line->stats.causes++;
    line->pending++;
    if (line->params.adaptive)
        follow(line);
    if (urgent) {
        line->stats.urgent++;
        line->due = true;
    }
    consider(line);
}

void sim_interrupts_mask(struct sim_interrupts *interrupts, unsigned number, bool masked)
{
    interrupts->lines[number].masked = masked;
    consider(&interrupts->lines[number]);
}

void sim_interrupts_set(struct sim_interrupts *interrupts, unsigned number,
                        const struct sim_interrupt_params *given)
{
    struct line *line = &interrupts->lines[number];

    /* A line that begins to adapt knows nothing of the rate: it is taken for idle. */
    if (given->adaptive && !line->params.adaptive) {
        line->gap = 2 * given->time;
        line->last = sim_now(interrupts->kernel);
    }
    line->params = *given;
    sim_cancel(interrupts->kernel, &line->timer); /* begins anew, where causes wait */
    consider(line);
}

void sim_interrupts_stats(const struct sim_interrupts *interrupts, unsigned number,
                          struct sim_interrupt_stats *stats)
{
    *stats = interrupts->lines[number].stats;
}

/* ---- life ---- */

int sim_interrupts_create(struct sim_interrupts **interrupts, struct sim_kernel *kernel,
                          const struct sim_interrupt_params *given,
                          void (*deliver)(void *argument, unsigned number), void *argument)
{
    struct sim_interrupts *all = calloc(1, sizeof(*all));

    if (!all)
        return -ENOMEM;
    all->kernel = kernel;
    all->deliver = deliver;
    all->argument = argument;
    for (unsigned i = 0; i < SIM_INTERRUPTS; i++) {
        struct line *line = &all->lines[i];
        line->all = all;
        line->params = *given;
        sim_event_init(&line->timer, expire);
        sim_event_init(&line->arrival, arrive);
    }
    *interrupts = all;
    return 0;
}

void sim_interrupts_destroy(struct sim_interrupts **interrupts)
{
    struct sim_interrupts *all = *interrupts;

    if (!all)
        return;
    for (unsigned i = 0; i < SIM_INTERRUPTS; i++) {
        sim_cancel(all->kernel, &all->lines[i].timer);
        sim_cancel(all->kernel, &all->lines[i].arrival);
    }
    free(all);
    *interrupts = NULL;
}
