/*
 * Running: every queue gets what fits and every queue is reaped, round and round, so that a WAIT in
 * one never keeps another from its SIGNAL, inline engines included.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dray/io.h"
#include "program/session.h"

enum {
    REAP_MAX = 64,
    SPINS = 200,                 /* rounds without progress before the thread sleeps */
    NAP_NS = 100 * 1000,         /* how long, when an inline engine has to be looked at again */
    SLEEP_NS = 20 * 1000 * 1000, /* how long otherwise: only the time-out needs it */
};
#define TIMEOUT_NS  ((uint64_t)60 * 1000000000)
#define PROGRESS_NS ((uint64_t)100 * 1000 * 1000) /* between two reports of it */

/* A queue on its way through its steps. */
struct lane {
    struct dray_session *session;
    const struct dray_bound *bound;
    size_t decl;
    size_t next;            /* step */
    size_t outstanding;     /* completions to come from the engine */
    size_t cpu_outstanding; /* likewise from the calling CPU's queue */
    uint64_t last_ns;       /* when the last completion came */
    uint64_t cpu_pool;      /* bytes a CPU has copied that no operation has been told of yet */
    uint64_t cpu_seen;      /* of the engine's statistics */
};

static struct dray_op_result *result_of(const struct lane *lane, size_t op)
{
    return dray_session_result(lane->session, op);
}

static const struct dray_op *op_of(const struct lane *lane, size_t op)
{
    return &lane->session->program->ops[op];
}

/* ---- how many completions will come ---- */

static void expect_one(struct lane *lane, size_t op)
{
    struct dray_op_result *result = result_of(lane, op);
    result->expected++;
    if (!result->engine) {
        result->engine = lane->bound->capabilities.name;
        result->begin_ns = dray_io_clock_ns();
    }
}

/* The transactions that a LINK leads to. An array's last descriptor may be a LINK again; one before
 * the last fails, and so does one too many. */
static size_t follow(struct lane *lane, const struct dray_op *link, uint32_t count)
{
    const struct dray_session *s = lane->session;
    size_t total = 0;
    if (!lane->bound->capabilities.moves)
        return 0; /* it does not look at what it completes */
    for (unsigned hops = 1; link && hops <= DRAY_LINK_MAX; hops++) {
        const struct dray_bound *list = &s->bound[link->target];
        if (count > list->step_count)
            return total; /* refused: past the end of the array */
        const struct dray_op *last = NULL;
        for (uint32_t i = 0; i < count; i++) {
            const struct dray_desc *desc = &list->descs[i];
            if (desc->flags & DRAY_FLAG_CHAIN)
                continue;
            total++;
            expect_one(lane, desc->user_data);
            const struct dray_op *op = op_of(lane, desc->user_data);
            if (i + 1 == count && op->kind == DRAY_DO_LINK)
                last = op;
        }
        if (last)
            count = list->descs[count - 1].count;
        link = last;
    }
    return total;
}

/* ---- submitting ---- */

/* Descriptors of the transaction that begins at the next step. */
static size_t chain_length(const struct lane *lane)
{
    size_t n = 1;
    while (lane->next + n < lane->bound->step_count &&
           (lane->bound->steps[lane->next + n - 1].desc.flags & DRAY_FLAG_CHAIN))
        n++;
    return n;
}

static bool push(struct lane *lane, struct dray_queue *queue)
{
    size_t n = chain_length(lane);
    if (dray_queue_space(queue) < n)
        return false;
    const struct dray_program_step *step = &lane->bound->steps[lane->next];
    for (size_t i = 0; i < n; i++)
        *dray_queue_get(queue) = step[i].desc;
    lane->next += n;
    expect_one(lane, step->desc.user_data);
    return true;
}

static bool push_engine(struct lane *lane)
{
    const struct dray_program_step *step = &lane->bound->steps[lane->next];
    const struct dray_op *op = op_of(lane, step->desc.user_data);
    if (lane->cpu_outstanding > 0 || !push(lane, lane->bound->queue))
        return false;
    lane->outstanding++;
    if (op->kind == DRAY_DO_LINK)
        lane->outstanding += follow(lane, op, step->desc.count);
    return true;
}

/* What the plan gives to the calling CPU waits for all that engines do before it, and all that they
 * do after it waits for it. Its own steps are done one after the other. */
static bool push_cpu(struct lane *lane)
{
    const struct dray_program_step *step = &lane->bound->steps[lane->next];
    if (lane->outstanding > 0 || !push(lane, lane->bound->cpu_queue))
        return false;
    struct dray_op_result *result = result_of(lane, step->desc.user_data);
    if (result->cpu_steps == result->descriptors)
        result->engine = "caller";
    lane->cpu_outstanding++;
    dray_queue_submit(lane->bound->cpu_queue);
    return true;
}

static bool unmap(struct lane *lane)
{
    size_t number = lane->bound->steps[lane->next].desc.user_data;
    const struct dray_op *op = op_of(lane, number);
    struct dray_session *s = lane->session;
    if (lane->outstanding > 0 || lane->cpu_outstanding > 0)
        return false;
    expect_one(lane, number);
    struct dray_op_result *result = result_of(lane, number);
    result->engine = "host";
    for (unsigned end = 0; end < 2; end++)
        if (s->bound[op->target].key[end].value)
            dray_unmap(s->domain, s->bound[op->target].key[end]);
    result->completed++;
    result->end_ns = lane->last_ns = dray_io_clock_ns();
    lane->next++;
    return true;
}

/* An inline engine works in the doorbell: an operation a time, so that each has a time of its own. */
static bool begins_another(const struct lane *lane, uint64_t op)
{
    return lane->bound->capabilities.mode == DRAY_MODE_INLINE &&
           lane->bound->steps[lane->next].desc.user_data != op;
}

static bool submit(struct lane *lane)
{
    const struct dray_program_step *steps = lane->bound->steps;
    bool any = false, more = true;
    uint64_t op = lane->next < lane->bound->step_count ? steps[lane->next].desc.user_data : 0;
    while (more && lane->next < lane->bound->step_count && !begins_another(lane, op)) {
        switch (steps[lane->next].by) {
        case DRAY_STEP_ENGINE:
            more = push_engine(lane);
            break;
        case DRAY_STEP_CPU:
            more = push_cpu(lane);
            break;
        case DRAY_STEP_UNMAP:
            more = unmap(lane);
            break;
        }
        any |= more;
    }
    if (any)
        dray_queue_submit(lane->bound->queue);
    return any;
}

/* ---- reaping ---- */

/* Which operation the bytes belong to that a CPU copied since the last look: completions come in
 * order, so the first that can have copied takes as many as it moved. */
static void share_cpu_bytes(struct lane *lane, struct dray_op_result *result, uint64_t moved)
{
    if (!result->copied_by_cpu)
        return;
    uint64_t share = lane->cpu_pool < moved ? lane->cpu_pool : moved;
    lane->cpu_pool -= share;
    result->cpu_bytes += share;
}

static void account(struct lane *lane, const struct dray_completion *completion, bool by_cpu)
{
    if (completion->user_data >= lane->session->program->op_count)
        return;
    struct dray_op_result *result = result_of(lane, completion->user_data);
    result->completed++;
    result->moved += completion->moved;
    /* Bytes that pass twice, or were not asked for, do not count. */
    if (result->payload && result->moved > result->payload)
        result->moved = result->payload;
    result->result = completion->result;
    if (!by_cpu)
        share_cpu_bytes(lane, result, completion->moved);
    if (completion->status != DRAY_STATUS_OK && result->status == DRAY_STATUS_OK) {
        result->status = (enum dray_status)completion->status;
        result->access = (enum dray_access)completion->access;
        result->index = completion->index;
        result->error_offset = completion->result;
    }
}

/* What a completion is taken to weigh beside others that were found with it. */
static uint64_t weight(const struct dray_completion *completion)
{
    return completion->moved + 256; /* some 10 ns at 20 GB/s */
}

/* When each was done. Of completions that are found together only the last one's time is known: they share
 * it by weight. */
static void tell_times(struct lane *lane, const struct dray_completion *completions, size_t n)
{
    uint64_t now = dray_io_clock_ns(), total = 0, passed = 0, from = lane->last_ns;
    for (size_t i = 0; i < n; i++)
        total += weight(&completions[i]);
    for (size_t i = 0; i < n; i++) {
        if (completions[i].user_data >= lane->session->program->op_count)
            continue;
        struct dray_op_result *result = result_of(lane, completions[i].user_data);
        if (i == 0 && result->begin_ns > from)
            from = result->begin_ns;
        double span = (double)(now - from) / (double)total;
        if (result->completed == 0)
            result->begin_ns = from + (uint64_t)((double)passed * span);
        passed += weight(&completions[i]);
        result->end_ns = from + (uint64_t)((double)passed * span);
        result->time_shared |= completions[0].user_data != completions[n - 1].user_data;
    }
    lane->last_ns = now;
}

static size_t reap_queue(struct lane *lane, struct dray_queue *queue, bool by_cpu)
{
    struct dray_completion completions[REAP_MAX];
    size_t n = queue ? dray_queue_reap(queue, completions, REAP_MAX) : 0;
    if (n > 0 && !by_cpu) {
        struct dray_engine_stats stats;
        dray_engine_stats(lane->bound->engine, &stats);
        lane->cpu_pool += stats.cpu_bytes - lane->cpu_seen;
        lane->cpu_seen = stats.cpu_bytes;
    }
    if (n > 0)
        tell_times(lane, completions, n);
    for (size_t i = 0; i < n; i++)
        account(lane, &completions[i], by_cpu);
    return n;
}

static bool reap(struct lane *lane)
{
    size_t engine = reap_queue(lane, lane->bound->queue, false);
    size_t cpu = reap_queue(lane, lane->bound->cpu_queue, true);
    lane->outstanding -= engine < lane->outstanding ? engine : lane->outstanding;
    lane->cpu_outstanding -= cpu < lane->cpu_outstanding ? cpu : lane->cpu_outstanding;
    return engine + cpu > 0;
}

static bool is_done(const struct lane *lane)
{
    return lane->next == lane->bound->step_count && lane->outstanding == 0 &&
           lane->cpu_outstanding == 0;
}

/* ---- waiting ---- */

/* Sleeps until a worker notifies; not for long if a queue needs this thread to make progress. */
static void nap(struct lane *lanes, size_t count)
{
    struct pollfd polls[DRAY_PROGRAM_QUEUES_MAX];
    nfds_t n = 0;
    int64_t limit = SLEEP_NS;
    for (size_t i = 0; i < count; i++) {
        struct lane *lane = &lanes[i];
        if (is_done(lane))
            continue;
        if (lane->bound->capabilities.mode != DRAY_MODE_WORKER || lane->cpu_outstanding > 0)
            limit = NAP_NS;
        if (!dray_queue_arm(lane->bound->queue))
            return; /* a completion has come */
        polls[n++] =
            (struct pollfd){ .fd = dray_queue_event_fd(lane->bound->queue), .events = POLLIN };
    }
    if (ppoll(polls, n, &(struct timespec){ .tv_nsec = limit }, NULL) <= 0)
        return;
    for (nfds_t i = 0; i < n; i++) {
        uint64_t notifications;
        if (polls[i].revents & POLLIN && read(polls[i].fd, &notifications, 8) < 0)
            continue; /* somebody else has read it: nothing to do */
    }
}

/* A caller that waits on a helping engine works on its queue meanwhile. */
static void help(struct lane *lanes, size_t count)
{
    const struct dray_completion *completion;
    for (size_t i = 0; i < count; i++)
        if (!is_done(&lanes[i]) && lanes[i].bound->capabilities.mode == DRAY_MODE_HELP)
            dray_queue_wait(lanes[i].bound->queue, &completion, 0);
}

static bool round_of(struct lane *lanes, size_t count, bool *done)
{
    bool any = false;
    *done = true;
    for (size_t i = 0; i < count; i++) {
        any |= submit(&lanes[i]);
        any |= reap(&lanes[i]);
        *done &= is_done(&lanes[i]);
    }
    return any;
}

static void timed_out(struct dray_session *session, uint64_t timeout_ns)
{
    const struct dray_program *program = session->program;
    for (size_t i = 0; i < program->decl_count; i++) {
        const struct dray_decl *decl = &program->decls[i];
        for (size_t k = 0; decl->kind == DRAY_DECL_QUEUE && k < decl->count; k++) {
            const struct dray_op_result *result = dray_session_result(session, decl->first + k);
            if (result->completed >= result->transactions)
                continue;
            dray_report_error(session->report, program, program->ops[decl->first + k].at,
                              -ETIMEDOUT, "not done when the run's %llu ms were over: %s",
                              (unsigned long long)(timeout_ns / 1000000),
                              result->text ? result->text : "");
            return;
        }
    }
}

/* ---- telling how far it has come ---- */

static void add_progress(const struct dray_session *session, const struct dray_decl *decl,
                         struct dray_program_progress *progress)
{
    for (size_t k = 0; k < decl->count; k++) {
        const struct dray_op_result *result = dray_session_result(session, decl->first + k);
        progress->done += result->expected > 0 && result->completed >= result->transactions;
        progress->moved_bytes += result->moved;
    }
    progress->operations += decl->count;
}

/* At once, or when it is time; *next_ns is when it will be. */
static void tell_progress(const struct dray_session *session, bool at_once, uint64_t *next_ns)
{
    const struct dray_program *program = session->program;
    struct dray_program_progress progress = { 0 };
    if (!session->options.progress || (!at_once && dray_io_clock_ns() < *next_ns))
        return;
    for (size_t i = 0; i < program->decl_count; i++)
        if (program->decls[i].kind == DRAY_DECL_QUEUE)
            add_progress(session, &program->decls[i], &progress);
    session->options.progress(session->options.progress_user, &progress);
    *next_ns = dray_io_clock_ns() + PROGRESS_NS;
}

/* False: they were not done in time. */
static bool run_lanes(struct dray_session *session, struct lane *lanes, size_t count)
{
    uint64_t timeout = session->options.timeout_ns ? session->options.timeout_ns : TIMEOUT_NS;
    uint64_t begin = dray_io_clock_ns(), tell_ns = 0;
    unsigned idle = 0;
    bool done = count == 0;
    tell_progress(session, true, &tell_ns);
    while (!done) {
        tell_progress(session, false, &tell_ns);
        if (round_of(lanes, count, &done)) {
            idle = 0;
            continue;
        }
        if (dray_io_clock_ns() - begin > timeout) {
            timed_out(session, timeout);
            break;
        }
        help(lanes, count);
        if (!done && ++idle > SPINS)
            nap(lanes, count);
    }
    session->report->total_ns = dray_io_clock_ns() - begin;
    tell_progress(session, true, &tell_ns);
    return done;
}

/* ---- what the queues say at the end ---- */

static void describe_lane(struct dray_session *session, const struct lane *lane)
{
    static const char *const modes[] = { "", "inline", "worker", "help" };
    struct dray_report *report = session->report;
    struct dray_lane_result *row = &report->lanes[report->lane_count++];
    const struct dray_capabilities *caps = &lane->bound->capabilities;
    struct dray_queue_stats stats;
    row->name = dray_report_keep(report, session->program->decls[lane->decl].name);
    snprintf(row->engine, sizeof(row->engine), "%s", caps->name);
    snprintf(row->mode, sizeof(row->mode), "%s", modes[caps->mode & 3]);
    snprintf(row->kernels, sizeof(row->kernels), "%s", caps->kernels ? caps->kernels : "");
    dray_engine_stats(lane->bound->engine, &row->stats);
    dray_queue_stats(lane->bound->queue, &stats);
    row->notifications = stats.notifications;
}

static int collect_faults(struct dray_session *session)
{
    struct dray_report *report = session->report;
    enum {
        MOST = 256
    };
    report->faults = calloc(MOST, sizeof(*report->faults));
    if (!report->faults)
        return -ENOMEM;
    dray_domain_faults(session->domain, report->faults, MOST, &report->fault_count);
    return 0;
}

int dray_session_run(struct dray_session *session)
{
    const struct dray_program *program = session->program;
    struct lane lanes[DRAY_PROGRAM_QUEUES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < program->decl_count; i++)
        if (program->decls[i].kind == DRAY_DECL_QUEUE)
            lanes[count++] =
                (struct lane){ .session = session, .bound = &session->bound[i], .decl = i };
    bool late = !run_lanes(session, lanes, count);
    for (size_t i = 0; i < count; i++)
        describe_lane(session, &lanes[i]);
    int error = collect_faults(session);
    return late ? -ETIMEDOUT : error;
}
