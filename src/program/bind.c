/* A session: engines opened, regions made and mapped, blocks compiled, queues created; and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/options.h"
#include "program/session.h"

static const struct dray_decl *decl_of(const struct dray_session *session, size_t index)
{
    return &session->program->decls[index];
}

static bool is_auto(const struct dray_decl *decl)
{
    return strcmp(decl->queue.engine, "auto") == 0;
}

static const char *engine_name(const struct dray_session *session, const struct dray_decl *decl)
{
    if (session->options.machine)
        return "model";
    return is_auto(decl) && session->options.engine ? session->options.engine : decl->queue.engine;
}

/* ---- engines and queues ---- */

static int fail_engine(struct dray_session *session, const struct dray_decl *decl, int error)
{
    const char *name = engine_name(session, decl);
    char why[160] = "";
    if (dray_engine_probe(name, why, sizeof(why)) == 0 || !why[0])
        snprintf(why, sizeof(why), "%s", error == -ENOTSUP ? "not in this mode" : strerror(-error));
    /* A name that nobody knows is a mistake in the program; an engine that is not here is not. */
    error = error == -ENOENT ? -EINVAL : error;
    return dray_report_error(session->report, session->program, decl->at, error,
                             "queue %s: engine %s: %s", decl->name, name, why);
}

static int open_engine(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    struct dray_engine_options options = {
        .size = sizeof(options),
        .mode = decl->queue.mode,
        .workers = decl->queue.workers,
        .spin_ns = decl->queue.spin_ns,
        .kernels = decl->queue.kernels[0] ? decl->queue.kernels : NULL,
    };
    if (session->options.machine) /* who works there, and how, is the machine's business */
        options = (struct dray_engine_options){ .size = sizeof(options),
                                                .machine = session->options.machine };
    /* Nothing will be executed: no threads for it. */
    if (session->dry)
        options.mode = DRAY_MODE_INLINE;
    int error =
        dray_engine_open(&bound->engine, session->domain, engine_name(session, decl), &options);
    if (error)
        return fail_engine(session, decl, error);
    dray_engine_capabilities(bound->engine, &bound->capabilities);
    bound->plan_may_use_cpu =
        is_auto(decl) && !session->options.engine && !session->options.machine;
    session->moves &= bound->capabilities.moves;
    return 0;
}

static bool has_cpu_steps(const struct dray_bound *bound)
{
    for (size_t i = 0; i < bound->step_count; i++)
        if (bound->steps[i].by == DRAY_STEP_CPU)
            return true;
    return false;
}

static const char *why_no_queue(const struct dray_session *session, int error)
{
    if (session->options.machine && error == -ENOTSUP)
        return "the machine's controller moves blocks alone, and reads no rings "
               "(controller.descriptors)";
    if (session->options.machine && error == -EBUSY)
        return "the machine's controller has no channel left (controller.channels)";
    return strerror(-error);
}

static int create_queue(struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    struct dray_bound *bound = &session->bound[index];
    struct dray_queue_options plain = { .size = sizeof(plain) };
    int error = dray_queue_create(&bound->queue, bound->engine, &decl->queue.options);
    if (!error && has_cpu_steps(bound)) {
        error = dray_engine_open(&bound->cpu_engine, session->domain, "pio", NULL);
        if (!error)
            error = dray_queue_create(&bound->cpu_queue, bound->cpu_engine, &plain);
    }
    if (error)
        return dray_report_error(session->report, session->program, decl->at, error, "queue %s: %s",
                                 decl->name, why_no_queue(session, error));
    return 0;
}

static void destroy_queue(struct dray_bound *bound)
{
    dray_queue_destroy(&bound->queue);
    dray_queue_destroy(&bound->cpu_queue);
    dray_engine_close(&bound->engine);
    dray_engine_close(&bound->cpu_engine);
}

/* ---- regions ---- */

static int bind_region(struct dray_session *session, size_t index)
{
    switch (decl_of(session, index)->kind) {
    case DRAY_DECL_MEM:
        return dray_bind_mem(session, index);
    case DRAY_DECL_FILE:
        return dray_bind_file(session, index);
    case DRAY_DECL_PIPE:
    case DRAY_DECL_SOCKET:
        return dray_bind_stream(session, index);
    case DRAY_DECL_FLAG:
        return dray_bind_flag(session, index);
    default:
        return 0;
    }
}

static int fail_memory(struct dray_session *session)
{
    return dray_report_error(session->report, session->program, (struct dray_position){ 1, 1 },
                             -ENOMEM, "no memory");
}

static int map_shapes(struct dray_session *session)
{
    const struct dray_program *program = session->program;
    if (program->shape_count == 0 || session->dry)
        return 0;
    int error = dray_map_memory(session->domain, program->shapes,
                                program->shape_count * sizeof(*program->shapes), DRAY_READ,
                                &session->shapes);
    return error ? fail_memory(session) : 0;
}

/* Whether a side of a copy is read or written in parts of a file: then blocks, or gaps worth reading
 * through, may go by bounce memory. */
static bool may_bounce(const struct dray_session *session, struct dray_places places)
{
    bool file = false, direct = false, many = places.count > 1;
    for (size_t i = 0; i < places.count; i++) {
        const struct dray_place *place = &session->program->places[places.first + i];
        const struct dray_decl *decl = decl_of(session, (size_t)place->decl);
        file |= decl->kind == DRAY_DECL_FILE;
        direct |= decl->direct;
        many |= place->times > 1;
    }
    return direct || (file && many);
}

static bool needs_bounce(const struct dray_session *session, size_t index)
{
    const struct dray_decl *decl = decl_of(session, index);
    const struct dray_limits *limits = &session->bound[index].capabilities.limits;
    bool needs = limits->alignment > 1 || limits->address_bits < 64 || decl->queue.segments;
    for (size_t i = 0; i < decl->count && !needs; i++) {
        const struct dray_op *op = &session->program->ops[decl->first + i];
        needs = op->kind == DRAY_DO_COPY && !op->raw &&
                (may_bounce(session, op->src) || may_bounce(session, op->dst));
    }
    return needs;
}

/* A queue's own: others may work at the same time. */
static int map_bounce(struct dray_session *session, size_t index)
{
    struct dray_bound *bound = &session->bound[index];
    if (!needs_bounce(session, index))
        return 0;
    if (session->dry) {
        bound->bounce_key = (dray_key){ UINT32_MAX };
        bound->bounce_address = DRAY_BOUNCE_BYTES;
        return 0;
    }
    void *bounce = mmap(NULL, DRAY_BOUNCE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (bounce == MAP_FAILED)
        return fail_memory(session);
    bound->bounce = bounce;
    bound->bounce_address = (uintptr_t)bounce;
    int error = dray_map_memory(session->domain, bounce, DRAY_BOUNCE_BYTES, DRAY_READ | DRAY_WRITE,
                                &bound->bounce_key);
    return error ? fail_memory(session) : 0;
}

static enum dray_region_kind region_kind(const struct dray_decl *decl)
{
    switch (decl->kind) {
    case DRAY_DECL_MEM:
        return decl->pieces ? DRAY_REGION_PIECES : DRAY_REGION_MEMORY;
    case DRAY_DECL_FILE:
        return DRAY_REGION_FILE;
    case DRAY_DECL_FLAG:
        return DRAY_REGION_FLAGS;
    default:
        return DRAY_REGION_STREAM;
    }
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct dray_plan_region *)a)->key.value;
    uint32_t y = ((const struct dray_plan_region *)b)->key.value;
    return (x > y) - (x < y);
}

/* What the plan is told of the regions. Nobody's bytes between segments are written, and those of a
 * stream cannot be skipped. */
static int describe_regions(struct dray_session *session)
{
    const struct dray_program *program = session->program;
    session->regions = calloc(2 * program->decl_count + 1, sizeof(*session->regions));
    if (!session->regions)
        return fail_memory(session);
    for (size_t i = 0; i < program->decl_count; i++) {
        const struct dray_decl *decl = &program->decls[i];
        const struct dray_bound *bound = &session->bound[i];
        for (unsigned end = 0; end < 2 && dray_decl_is_region(decl); end++) {
            if (bound->key[end].value == 0)
                continue;
            session->regions[session->region_count++] = (struct dray_plan_region){
                .key = bound->key[end],
                .kind = region_kind(decl),
                .name = decl->name,
                .base = decl->pieces ? 0 : bound->address,
                .alignment = bound->alignment,
                .rewritable = decl->direct && (decl->access & DRAY_WRITE),
                .length = dray_decl_is_stream(decl) ? UINT64_MAX : bound->size,
                .gap_readable = !dray_decl_is_stream(decl) && (decl->access & DRAY_READ),
            };
        }
    }
    qsort(session->regions, session->region_count, sizeof(*session->regions), by_key);
    return 0;
}

/* ---- the report's rows ---- */

static void describe_op(struct dray_session *session, const struct dray_decl *decl, size_t number)
{
    const struct dray_op *op = &session->program->ops[decl->first + number];
    struct dray_op_result *result = dray_session_result(session, decl->first + number);
    result->text = op->label
                       ? dray_report_keep_source(session->report, op->label, strlen(op->label))
                       : dray_report_keep_source(session->report, op->text, op->text_length);
    result->block = dray_report_keep(session->report, decl->name);
    result->number = (unsigned)number + 1;
    result->line = op->at.line;
    result->moves = op->kind <= DRAY_DO_STRIDED;
}

static int make_rows(struct dray_session *session)
{
    const struct dray_program *program = session->program;
    struct dray_report *report = session->report;
    report->op_count = program->op_count;
    report->ops = calloc(program->op_count + 1, sizeof(*report->ops));
    report->plans = calloc(program->op_count + 1, sizeof(*report->plans));
    report->lanes = calloc(program->queue_count + 1, sizeof(*report->lanes));
    if (!report->ops || !report->plans || !report->lanes) {
        report->op_count = 0;
        return fail_memory(session);
    }
    for (size_t i = 0; i < program->decl_count; i++)
        for (size_t k = 0; k < program->decls[i].count; k++)
            describe_op(session, &program->decls[i], k);
    for (size_t i = 0; i < program->expect_count; i++)
        if (program->expects[i].kind == DRAY_EXPECT_STATUS)
            report->ops[program->expects[i].op].judged = true;
    return 0;
}

/* ---- all of it ---- */

static int each(struct dray_session *session, enum dray_decl_kind kind,
                int (*step)(struct dray_session *session, size_t index))
{
    int error = 0;
    for (size_t i = 0; i < session->program->decl_count && !error; i++)
        if (decl_of(session, i)->kind == kind)
            error = step(session, i);
    return error;
}

static int bind_all(struct dray_session *session)
{
    const struct dray_program *program = session->program;
    int error = make_rows(session);
    if (!error)
        error = each(session, DRAY_DECL_QUEUE, open_engine);
    for (size_t i = 0; i < program->decl_count && !error; i++)
        error = bind_region(session, i);
    if (!error)
        error = map_shapes(session);
    if (!error)
        error = each(session, DRAY_DECL_QUEUE, map_bounce);
    if (!error)
        error = each(session, DRAY_DECL_QUEUE, dray_reserve_block);
    if (!error)
        error = describe_regions(session);
    if (!error)
        error = each(session, DRAY_DECL_LIST, dray_compile_block);
    if (!error)
        error = each(session, DRAY_DECL_QUEUE, dray_compile_block);
    if (!error && !session->dry)
        error = each(session, DRAY_DECL_QUEUE, create_queue);
    return error;
}

int dray_session_open(struct dray_session *session, const struct dray_program *program,
                      const struct dray_program_options *options, bool dry,
                      struct dray_report *report)
{
    *session =
        (struct dray_session){ .program = program, .report = report, .dry = dry, .moves = true };
    if (dray_options_copy(&session->options, sizeof(session->options), options))
        return dray_report_error(report, program, (struct dray_position){ 1, 1 }, -EINVAL,
                                 "the options are of a later version, or have no size");
    if (session->options.profile)
        session->profile = *session->options.profile;
    else
        dray_profile_load(&session->profile);
    session->bound = calloc(program->decl_count + 1, sizeof(*session->bound));
    session->flags = aligned_alloc(64, (program->decl_count + 1) * 64);
    if (!session->bound || !session->flags)
        return fail_memory(session);
    for (size_t i = 0; i < program->decl_count; i++)
        session->bound[i].fd = -1;
    int error = dray_domain_create(&session->domain, NULL);
    if (error)
        return fail_memory(session);
    return bind_all(session);
}

void dray_session_close(struct dray_session *session)
{
    size_t count = session->bound ? session->program->decl_count : 0;
    for (size_t i = 0; i < count; i++)
        destroy_queue(&session->bound[i]);
    dray_domain_destroy(&session->domain);
    for (size_t i = 0; i < count; i++) {
        dray_unbind_region(session, i);
        free(session->bound[i].steps);
        free(session->bound[i].descs);
        if (session->bound[i].bounce)
            munmap(session->bound[i].bounce, DRAY_BOUNCE_BYTES);
    }
    free(session->segments[0]);
    free(session->segments[1]);
    free(session->plan);
    free(session->regions);
    free(session->flags);
    free(session->bound);
}
