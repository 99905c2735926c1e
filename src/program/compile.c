/* Operations to descriptors: places to segments, segments through the plan, the rest one to one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program/session.h"

/* One block on its way. */
struct compiler {
    struct dray_session *session;
    const struct dray_decl *decl;
    struct dray_bound *bound;
    struct dray_limits limits;
    bool cpu_allowed;
    size_t number; /* of the operation at hand, in the program */
    const struct dray_op *op;
};

static int fail(struct compiler *c, int error, const char *message)
{
    return dray_report_error(c->session->report, c->session->program, c->op->at, error, "%s",
                             message);
}

static int no_memory(struct compiler *c)
{
    return fail(c, -ENOMEM, "no memory");
}

static int add_step(struct compiler *c, const struct dray_desc *desc, enum dray_by by)
{
    struct dray_program_step *step =
        dray_program_push(&c->bound->steps, &c->bound->step_count, sizeof(*step));
    if (!step)
        return no_memory(c);
    step->desc = *desc;
    step->desc.user_data = c->number;
    step->by = by;
    struct dray_op_result *result = dray_session_result(c->session, c->number);
    result->descriptors++;
    result->transactions += !(desc->flags & DRAY_FLAG_CHAIN);
    result->cpu_steps += by == DRAY_STEP_CPU;
    return 0;
}

static dray_key key_of(const struct compiler *c, const struct dray_place *place)
{
    return c->session->bound[place->decl].key[place->end];
}

static const struct dray_place *place_of(const struct compiler *c, struct dray_places places,
                                         size_t i)
{
    return &c->session->program->places[places.first + i];
}

static const struct dray_decl *decl_of(const struct compiler *c, const struct dray_place *place)
{
    return &c->session->program->decls[place->decl];
}

/* ---- places to segments ---- */

static int add_segment(struct compiler *c, unsigned side, dray_key key, uint64_t offset,
                       uint64_t length)
{
    struct dray_session *s = c->session;
    if (s->segment_count[side] == s->segment_room[side]) {
        size_t room = s->segment_room[side] ? 2 * s->segment_room[side] : 64;
        struct dray_segment *more = realloc(s->segments[side], room * sizeof(*more));
        if (!more)
            return no_memory(c);
        s->segments[side] = more;
        s->segment_room[side] = room;
    }
    s->segments[side][s->segment_count[side]++] =
        (struct dray_segment){ .key = key, .offset = offset, .length = length };
    return 0;
}

static int expand(struct compiler *c, unsigned side, struct dray_places places, uint64_t open)
{
    c->session->segment_count[side] = 0;
    for (size_t i = 0; i < places.count; i++) {
        const struct dray_place *place = place_of(c, places, i);
        bool is_open = dray_place_is_open(decl_of(c, place), place);
        for (uint64_t k = 0; k < place->times; k++) {
            int error = add_segment(c, side, key_of(c, place), place->offset + k * place->every,
                                    is_open ? open : place->length);
            if (error)
                return error;
        }
    }
    return 0;
}

/* Bytes that the open place at the end of a list takes, if it is a file whose size is known. */
static int rest_of_file(struct compiler *c, struct dray_places places, uint64_t *rest)
{
    const struct dray_place *place = place_of(c, places, places.count - 1);
    uint64_t size = c->session->bound[place->decl].size;
    if (size <= place->offset)
        return fail(c, -EINVAL, "the file is not as long as that");
    *rest = size - place->offset;
    return 0;
}

/* Both lists of a transfer, with what was left open worked out. */
static int expand_both(struct compiler *c)
{
    const struct dray_program *program = c->session->program;
    uint64_t dst, src, dst_rest = 0, src_rest = 0;
    bool dst_open, src_open;
    dray_places_length(program, c->op->dst, &dst, &dst_open);
    dray_places_length(program, c->op->src, &src, &src_open);
    int error = 0;
    if (src_open && dst_open)
        error = rest_of_file(c, c->op->src, &src_rest);
    else if (src_open)
        src_rest = dst - src;
    if (error)
        return error;
    src += src_rest;
    if (dst_open && src <= dst)
        return fail(c, -EINVAL, "the right side has no bytes left for the open end of the left");
    if (dst_open)
        dst_rest = src - dst;
    error = expand(c, 0, c->op->src, src_rest);
    return error ? error : expand(c, 1, c->op->dst, dst_rest);
}

/* ---- copies ---- */

static int by_place(const void *a, const void *b)
{
    const struct dray_segment *x = a, *y = b;
    if (x->key.value != y->key.value)
        return x->key.value < y->key.value ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct dray_plan_region *)a)->key.value;
    uint32_t y = ((const struct dray_plan_region *)b)->key.value;
    return (x > y) - (x < y);
}

static bool is_stream_key(const struct compiler *c, dray_key key)
{
    const struct dray_plan_region wanted = { .key = key };
    const struct dray_plan_region *region =
        bsearch(&wanted, c->session->regions, c->session->region_count, sizeof(wanted), by_key);
    return region && region->kind == DRAY_REGION_STREAM;
}

/* Descriptors have no order among themselves: a list may not write a byte twice, nor write what it
 * also reads. (A single piece may overlap its source: that is one descriptor, which moves as
 * memmove does.) */
static int check_overlap(struct compiler *c)
{
    struct dray_session *s = c->session;
    size_t src = s->segment_count[0], dst = s->segment_count[1], count = src + dst;
    struct dray_segment *all = malloc(count * sizeof(*all));
    if (!all)
        return no_memory(c);
    memcpy(all, s->segments[0], src * sizeof(*all));
    memcpy(all + src, s->segments[1], dst * sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i].reserved = i >= src; /* for the time being: is written */
    qsort(all, count, sizeof(*all), by_place);
    bool clash = false;
    /* The furthest end of what is written, and of what is touched at all, so far in this region. */
    uint64_t written = 0, touched = 0;
    for (size_t i = 0; i < count && !clash; i++) {
        if (i == 0 || all[i].key.value != all[i - 1].key.value)
            written = touched = 0;
        clash =
            all[i].offset < (all[i].reserved ? touched : written) && !is_stream_key(c, all[i].key);
        uint64_t end = all[i].offset + all[i].length;
        touched = end > touched ? end : touched;
        if (all[i].reserved)
            written = end > written ? end : written;
    }
    free(all);
    return clash ? fail(c, -EINVAL,
                        "found a list that writes a byte twice, or one that it reads, expected "
                        "pieces that do not overlap")
                 : 0;
}

static void plan_input(const struct compiler *c, struct dray_plan_input *input)
{
    const struct dray_session *s = c->session;
    /* The engine sums what it moves itself, and each byte of it. */
    bool crc = c->op->flags & DRAY_FLAG_CRC;
    *input = (struct dray_plan_input){
        .src = { s->segments[0], s->segment_count[0] },
        .dst = { s->segments[1], s->segment_count[1] },
        .regions = s->regions,
        .region_count = s->region_count,
        .limits = c->limits,
        .profile = s->profile,
        .bounce = crc ? (dray_key){ 0 } : c->bound->bounce_key,
        .bounce_base = c->bound->bounce_address,
        .bounce_length = DRAY_BOUNCE_BYTES,
        .cpu_allowed = c->cpu_allowed && !crc,
    };
}

enum {
    NOTES_MAX = 64
};

/* Keeps the plan's table for `dray explain`. */
static int keep_plan(struct compiler *c, const struct dray_plan_input *input,
                     const struct dray_plan_output *output)
{
    size_t needed = 0;
    dray_plan_print(input, output, NULL, 0, &needed);
    char *text = malloc(needed);
    if (!text)
        return no_memory(c);
    dray_plan_print(input, output, text, needed, NULL);
    c->session->report->plans[c->number] = text;
    return 0;
}

static int make_plan(struct compiler *c, struct dray_plan_output *output)
{
    struct dray_session *s = c->session;
    struct dray_plan_input input;
    struct dray_plan_note notes[NOTES_MAX];
    plan_input(c, &input);
    *output = (struct dray_plan_output){ .notes = notes, .notes_max = s->dry ? NOTES_MAX : 0 };
    int error;
    do {
        output->steps = s->plan;
        output->steps_max = s->plan_room;
        error = dray_plan(&input, output);
        if (error != -ENOSPC)
            break;
        struct dray_plan_step *more = realloc(s->plan, output->step_count * sizeof(*more));
        if (!more)
            return no_memory(c);
        s->plan = more;
        s->plan_room = output->step_count;
    } while (true);
    if (error)
        return fail(
            c, error,
            error == -ENOMEM
                ? "the limits of the engine, or of a direct file, need bounce memory, which "
                  "a list and a copy with crc do not have"
                : "no plan keeps the limits of the engine and of direct files");
    error = s->dry ? keep_plan(c, &input, output) : 0;
    output->notes = NULL;
    return error;
}

static bool is_bounced(const struct compiler *c, const struct dray_plan_output *output)
{
    uint32_t bounce = c->bound->bounce_key.value;
    for (size_t i = 0; i < output->step_count && bounce; i++) {
        const struct dray_desc *desc = &output->steps[i].desc;
        if (desc->src_key.value == bounce || desc->dst_key.value == bounce)
            return true;
    }
    return false;
}

/* The steps of the plan with the options of the operation. */
static int add_plan(struct compiler *c, const struct dray_plan_output *output)
{
    const struct dray_op *op = c->op;
    bool first = true, bounced = is_bounced(c, output);
    if ((op->flags & DRAY_FLAG_CRC) && output->transactions > 1)
        return fail(c, -EINVAL,
                    "found a copy of several transactions, expected one, since crc sums within a "
                    "transaction (a deeper queue takes longer ones)");
    for (size_t i = 0; i < output->step_count; i++) {
        struct dray_desc desc = output->steps[i].desc;
        bool last = i + 1 == output->step_count;
        desc.flags |= op->flags & DRAY_FLAG_CRC;
        if (first)
            desc.flags |= op->flags & DRAY_FLAG_FENCE;
        if (first && bounced) /* the operation before may still use the same bounce memory */
            desc.flags |= DRAY_FLAG_FENCE;
        if (op->flags & DRAY_FLAG_CRC && i == 0)
            desc.arg.copy.seed = (uint32_t)op->value;
        if (last)
            desc.flags |= op->flags & DRAY_FLAG_NOTIFY;
        first = !(desc.flags & DRAY_FLAG_CHAIN);
        int error = add_step(c, &desc,
                             output->steps[i].by == DRAY_BY_CPU ? DRAY_STEP_CPU : DRAY_STEP_ENGINE);
        if (error)
            return error;
    }
    struct dray_op_result *result = dray_session_result(c->session, c->number);
    result->cpu_bytes = output->cpu_bytes;
    result->payload = bounced || output->gap_bytes ? output->bytes : 0;
    return 0;
}

/* Whether some of the bytes on this side lie in memory. */
static bool has_memory(const struct compiler *c, struct dray_places places)
{
    for (size_t i = 0; i < places.count; i++) {
        const struct dray_decl *decl = decl_of(c, place_of(c, places, i));
        if (decl->kind == DRAY_DECL_MEM || decl->kind == DRAY_DECL_FLAG)
            return true;
    }
    return false;
}

/* One piece to one piece of the same region, or as the program says: one descriptor. */
static int compile_one(struct compiler *c)
{
    const struct dray_segment *src = c->session->segments[0], *dst = c->session->segments[1];
    struct dray_desc desc;
    dray_prep_copy(&desc, dst->key, dst->offset, src->key, src->offset, src->length);
    desc.flags = c->op->flags;
    desc.arg.copy.seed = (uint32_t)c->op->value;
    return add_step(c, &desc, DRAY_STEP_ENGINE);
}

static int compile_copy(struct compiler *c)
{
    struct dray_session *s = c->session;
    struct dray_plan_output output;
    int error = expand_both(c);
    if (error)
        return error;
    struct dray_op_result *result = dray_session_result(s, c->number);
    bool src_longer = s->segment_count[0] > s->segment_count[1];
    result->segments = s->segment_count[src_longer ? 0 : 1];
    result->copied_by_cpu = has_memory(c, c->op->src) == has_memory(c, c->op->dst);
    bool single = s->segment_count[0] == 1 && s->segment_count[1] == 1;
    if (single && (c->op->raw || s->segments[0]->key.value == s->segments[1]->key.value))
        return compile_one(c);
    if (c->op->raw)
        return fail(c, -EINVAL, "found a list, expected one piece on each side of a raw copy");
    error = check_overlap(c);
    if (!error)
        error = make_plan(c, &output);
    return error ? error : add_plan(c, &output);
}

/* ---- the rest: one descriptor for each piece, joined by CHAIN ---- */

static int compile_chain(struct compiler *c, unsigned side,
                         void (*prepare)(const struct dray_op *op, struct dray_desc *desc,
                                         const struct dray_segment *piece))
{
    struct dray_session *s = c->session;
    size_t count = s->segment_count[side];
    dray_session_result(s, c->number)->segments = count;
    if (count > c->limits.segments_max)
        return fail(c, -EINVAL,
                    "found more pieces than the queue takes in one transaction, "
                    "expected a deeper queue");
    for (size_t i = 0; i < count; i++) {
        struct dray_desc desc;
        prepare(c->op, &desc, &s->segments[side][i]);
        desc.flags |= i == 0 ? c->op->flags & DRAY_FLAG_FENCE : 0;
        desc.flags |= i + 1 == count ? c->op->flags & DRAY_FLAG_NOTIFY : DRAY_FLAG_CHAIN;
        int error = add_step(c, &desc, DRAY_STEP_ENGINE);
        if (error)
            return error;
    }
    return 0;
}

static void prepare_fill(const struct dray_op *op, struct dray_desc *desc,
                         const struct dray_segment *piece)
{
    dray_prep_fill(desc, piece->key, piece->offset, piece->length, op->pattern, op->pattern_size);
}

static void prepare_crc32c(const struct dray_op *op, struct dray_desc *desc,
                           const struct dray_segment *piece)
{
    dray_prep_crc32c(desc, piece->key, piece->offset, piece->length, (uint32_t)op->value);
}

static int compile_fill(struct compiler *c)
{
    int error = expand(c, 1, c->op->dst, 0);
    dray_session_result(c->session, c->number)->copied_by_cpu = has_memory(c, c->op->dst);
    return error ? error : compile_chain(c, 1, prepare_fill);
}

static int compile_crc32c(struct compiler *c)
{
    uint64_t length, rest = 0;
    bool open;
    dray_places_length(c->session->program, c->op->src, &length, &open);
    int error = open ? rest_of_file(c, c->op->src, &rest) : 0;
    if (!error)
        error = expand(c, 0, c->op->src, rest);
    return error ? error : compile_chain(c, 0, prepare_crc32c);
}

static int compile_compare(struct compiler *c)
{
    struct dray_desc desc;
    int error = expand_both(c);
    if (error)
        return error;
    const struct dray_segment *a = c->session->segments[0], *b = c->session->segments[1];
    dray_session_result(c->session, c->number)->segments = 1;
    dray_prep_compare(&desc, a->key, a->offset, b->key, b->offset, a->length);
    desc.flags = c->op->flags;
    return add_step(c, &desc, DRAY_STEP_ENGINE);
}

static int compile_strided(struct compiler *c)
{
    const struct dray_place *dst = place_of(c, c->op->dst, 0), *src = place_of(c, c->op->src, 0);
    struct dray_op_result *result = dray_session_result(c->session, c->number);
    const struct dray_shape *shape = &c->session->program->shapes[c->op->extra];
    struct dray_desc desc;
    result->segments = shape->element ? (size_t)(c->op->value / shape->element) : 0;
    result->copied_by_cpu = true;
    dray_prep_strided(&desc, key_of(c, dst), dst->offset, key_of(c, src), src->offset, c->op->value,
                      c->session->shapes, c->op->extra * sizeof(struct dray_shape));
    desc.flags = c->op->flags;
    return add_step(c, &desc, DRAY_STEP_ENGINE);
}

/* One descriptor that names no bytes. */
static int compile_control(struct compiler *c)
{
    const struct dray_op *op = c->op;
    const struct dray_bound *target =
        op->target == DRAY_PROGRAM_NONE ? NULL : &c->session->bound[op->target];
    struct dray_desc desc;
    switch (op->kind) {
    case DRAY_DO_SIGNAL:
        dray_prep_signal(&desc, target->key[0], 0, op->value, op->add);
        break;
    case DRAY_DO_WAIT:
        dray_prep_wait(&desc, target->key[0], 0, op->condition, op->value, op->timeout_ns);
        break;
    case DRAY_DO_LINK:
        dray_prep_link(&desc, target->key[0], 0,
                       (uint32_t)(op->value == UINT64_MAX ? target->step_count : op->value));
        break;
    case DRAY_DO_DESCRIPTOR:
        desc = c->session->program->descs[op->extra];
        break;
    case DRAY_DO_FENCE:
        dray_prep_fence(&desc);
        break;
    default:
        dray_prep_nop(&desc);
        break;
    }
    desc.flags |= op->flags;
    return add_step(c, &desc, op->kind == DRAY_DO_UNMAP ? DRAY_STEP_UNMAP : DRAY_STEP_ENGINE);
}

static int compile_op(struct compiler *c)
{
    switch (c->op->kind) {
    case DRAY_DO_COPY:
        return compile_copy(c);
    case DRAY_DO_FILL:
        return compile_fill(c);
    case DRAY_DO_COMPARE:
        return compile_compare(c);
    case DRAY_DO_CRC32C:
        return compile_crc32c(c);
    case DRAY_DO_STRIDED:
        return compile_strided(c);
    default:
        return compile_control(c);
    }
}

/* The array that LINK fetches. A list that links to itself learns its own key and length only now.
 */
static int publish_list(struct compiler *c, int32_t index)
{
    struct dray_bound *bound = c->bound;
    size_t count = bound->step_count;
    if (c->session->dry || count == 0)
        return 0;
    bound->descs = malloc(count * sizeof(*bound->descs));
    if (!bound->descs)
        return no_memory(c);
    int error = dray_map_memory(c->session->domain, bound->descs, count * sizeof(*bound->descs),
                                DRAY_READ, &bound->key[0]);
    if (error)
        return fail(c, error, strerror(-error));
    for (size_t i = 0; i < count; i++) {
        struct dray_desc *desc = &bound->steps[i].desc;
        const struct dray_op *op = &c->session->program->ops[desc->user_data];
        if (op->kind == DRAY_DO_LINK && op->target == index) {
            desc->src_key = bound->key[0];
            desc->count = op->value == UINT64_MAX ? (uint32_t)count : desc->count;
        }
        bound->descs[i] = *desc;
    }
    return 0;
}

/* A queue's transactions must fit its ring; a list's must please whatever engine links to it, and
 * the first one of the program stands for all. */
static void set_limits(struct compiler *c)
{
    const struct dray_session *s = c->session;
    c->limits = (struct dray_limits){ .segment_max = DRAY_LENGTH_MAX,
                                      .segments_max = DRAY_CHAIN_MAX,
                                      .alignment = 1,
                                      .address_bits = 64 };
    for (size_t i = 0; i < s->program->decl_count; i++) {
        bool mine = c->bound->engine ? &s->bound[i] == c->bound : s->bound[i].engine != NULL;
        if (mine) {
            c->limits = s->bound[i].capabilities.limits;
            break;
        }
    }
    if (c->decl->queue.segments && c->limits.segments_max > c->decl->queue.segments)
        c->limits.segments_max = c->decl->queue.segments;
    uint32_t depth = c->decl->queue.options.depth ? c->decl->queue.options.depth : 256;
    if (c->decl->kind == DRAY_DECL_QUEUE && c->limits.segments_max > depth)
        c->limits.segments_max = depth;
}

/* ---- direct files ---- */

static int reserve(struct compiler *c, const struct dray_place *place,
                   const struct dray_segment *end)
{
    struct dray_bound *bound = &c->session->bound[place->decl];
    uint64_t size = end->offset + end->length;
    if (!decl_of(c, place)->direct || size <= bound->size)
        return 0;
    if (!c->session->dry && ftruncate(bound->fd, (off_t)size) < 0)
        return fail(c, -errno, strerror(errno));
    bound->size = size;
    return 0;
}

static int reserve_op(struct compiler *c)
{
    bool direct = false;
    for (size_t i = 0; i < c->op->dst.count; i++)
        direct |= decl_of(c, place_of(c, c->op->dst, i))->direct;
    int error = direct ? expand_both(c) : 0;
    const struct dray_segment *segment = c->session->segments[1];
    for (size_t i = 0; i < c->op->dst.count && direct && !error; i++) {
        const struct dray_place *place = place_of(c, c->op->dst, i);
        for (uint64_t k = 0; k < place->times && !error; k++)
            error = reserve(c, place, segment++);
    }
    return error;
}

int dray_reserve_block(struct dray_session *session, size_t index)
{
    struct compiler c = { .session = session, .decl = &session->program->decls[index] };
    int error = 0;
    for (size_t i = 0; i < c.decl->count && !error; i++) {
        c.number = c.decl->first + i;
        c.op = &session->program->ops[c.number];
        if (c.op->kind == DRAY_DO_COPY && !c.op->raw)
            error = reserve_op(&c);
    }
    return error;
}

int dray_compile_block(struct dray_session *session, size_t index)
{
    struct compiler c = { .session = session,
                          .decl = &session->program->decls[index],
                          .bound = &session->bound[index] };
    int error = 0;
    set_limits(&c);
    c.cpu_allowed = c.bound->plan_may_use_cpu;
    for (size_t i = 0; i < c.decl->count && !error; i++) {
        c.number = c.decl->first + i;
        c.op = &session->program->ops[c.number];
        error = compile_op(&c);
    }
    if (!error && c.decl->kind == DRAY_DECL_LIST)
        error = publish_list(&c, (int32_t)index);
    return error;
}
