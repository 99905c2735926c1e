/*
 * From a descriptor to a job: what its keys mean, whether it may, and whether this device can.
 *
 * Looking up takes reads of memory, so it goes on where it left: `step` counts what has been found.
 */
#include "controller_internal.h"

static enum resolved refuse(struct outcome *outcome, enum dray_status status,
                            enum dray_access access, uint64_t result)
{
    *outcome = (struct outcome){ status, access, result };
    if (status == DRAY_STATUS_IO)
        outcome->result = FAULT_ERRNO;
    return RESOLVED_NOT;
}

/* One look-up; `access` and `result` are what a refusal tells. */
static enum resolved look_up(struct channel *ch, struct dray_key key, uint64_t offset,
                             uint64_t length, unsigned right, struct region *region,
                             enum dray_access access, uint64_t result, struct outcome *outcome)
{
    enum dray_status status;
    switch (region_find(ch, key.value, offset, length, right, region, &status)) {
    case FOUND:
        return RESOLVED;
    case FOUND_LATER:
        return RESOLVED_LATER;
    default:
        return refuse(outcome, status, access, result);
    }
}

/* ---- COPY, FILL, COMPARE, CRC32C: two sides, or one ---- */

static bool is_misaligned(const struct sim_controller *c, uint64_t a, uint64_t b)
{
    return ((a | b) & (c->params.alignment - 1)) != 0;
}

/* A region that a descriptor names: what its bytes are for this device. `job_side` is filled in. */
static enum resolved take_side(struct channel *ch, const struct region *region, uint64_t offset,
                               uint64_t length, struct side *job_side, enum dray_access access,
                               struct outcome *outcome)
{
    bool memory = region_is_memory(region);
    bool stream = region->kind == SIM_REGION_STREAM;
    uint64_t address = region->address + offset;
    if (stream && offset)
        return refuse(outcome, DRAY_STATUS_RANGE, access, offset);
    if (!memory && !region->device)
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, access, offset);
    if (memory && !controller_reaches(ch->controller, address, length))
        return refuse(outcome, DRAY_STATUS_RANGE, access, offset);
    if (is_misaligned(ch->controller, stream ? 0 : address, length))
        return refuse(outcome, DRAY_STATUS_ALIGNMENT, access, offset);
    *job_side = (struct side){ .address = stream ? 0 : address,
                               .device = region->device,
                               .key = region->key,
                               .stream = stream };
    return RESOLVED;
}

static enum resolved find_src(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    struct region region;
    enum resolved found = look_up(ch, d->src_key, d->src_offset, d->length, SIM_RIGHT_READ, &region,
                                  DRAY_ACCESS_READ, d->src_offset, outcome);
    if (found != RESOLVED)
        return found;
    return take_side(ch, &region, d->src_offset, d->length, &ch->job->src, DRAY_ACCESS_READ,
                     outcome);
}

/* COMPARE reads its destination. */
static enum resolved find_dst(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    bool reads = d->opcode == DRAY_OP_COMPARE;
    enum dray_access access = reads ? DRAY_ACCESS_READ : DRAY_ACCESS_WRITE;
    struct region region;
    enum resolved found =
        look_up(ch, d->dst_key, d->dst_offset, d->length, reads ? SIM_RIGHT_READ : SIM_RIGHT_WRITE,
                &region, access, d->dst_offset, outcome);
    if (found != RESOLVED)
        return found;
    return take_side(ch, &region, d->dst_offset, d->length, &ch->job->dst, access, outcome);
}

static bool ranges_meet(uint64_t a, uint64_t b, uint64_t length)
{
    return a < b + length && b < a + length;
}

/* As memmove: towards the side that the bytes come from, each written when all before it are read. A
 * checksum runs forward whatever the copy does, so there the bytes are read twice. */
static void mind_overlap(struct job *job)
{
    if (job->src.device || job->dst.device ||
        !ranges_meet(job->src.address, job->dst.address, job->length))
        return;
    job->ordered = true;
    job->backward = job->dst.address > job->src.address;
    if (job->backward && job->sums) {
        job->sum_first = true;
        job->backward = false;
    }
}

static void finish_copy(struct channel *ch)
{
    struct job *job = ch->job;
    job->sums = job->opcode == DRAY_OP_CRC32C || ch->now.desc.flags & DRAY_FLAG_CRC;
    job->stream = job->src.stream || job->dst.stream;
    /* What a device answers may end the transaction: nothing after it may have begun. */
    job->serial = job->sums || job->src.device || job->dst.device;
    job->ordered = job->sums || job->stream;
    if (job->opcode == DRAY_OP_COPY)
        mind_overlap(job);
}

static enum resolved resolve_copy(struct channel *ch, struct outcome *outcome)
{
    enum resolved found = RESOLVED;
    if (ch->step == 0 && (found = find_src(ch, outcome)) != RESOLVED)
        return found;
    ch->step = 1;
    if ((found = find_dst(ch, outcome)) != RESOLVED)
        return found;
    finish_copy(ch);
    return RESOLVED;
}

static enum resolved resolve_fill(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    struct job *job = ch->job;
    enum resolved found = find_dst(ch, outcome);
    if (found != RESOLVED)
        return found;
    job->pattern_size = d->count;
    for (unsigned i = 0; i < sizeof(job->pattern); i++)
        job->pattern[i] = d->arg.byte[i];
    finish_copy(ch);
    return RESOLVED;
}

static enum resolved resolve_crc32c(struct channel *ch, struct outcome *outcome)
{
    enum resolved found = find_src(ch, outcome);
    if (found == RESOLVED)
        finish_copy(ch);
    return found;
}

/* A stream cannot be read twice. The first difference of a transaction ends its comparing. */
static enum resolved resolve_compare(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    enum resolved found = RESOLVED;
    if (ch->open->serial)
        return RESOLVED_LATER;
    if (ch->open->differs)
        return RESOLVED_SKIP;
    if (ch->step == 0 && (found = find_src(ch, outcome)) != RESOLVED)
        return found;
    if (ch->job->src.stream)
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_READ, d->src_offset);
    ch->step = 1;
    if ((found = find_dst(ch, outcome)) != RESOLVED)
        return found;
    if (ch->job->dst.stream)
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_READ, d->dst_offset);
    ch->job->serial = true;
    return RESOLVED;
}

/* ---- STRIDED ---- */

static enum resolved find_shape(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    uint64_t offset = d->arg.strided.shape_offset;
    struct region region;
    if (d->arg.strided.shape_key.value == 0) {
        return ch->now.from_ring ? RESOLVED
                                 : refuse(outcome, DRAY_STATUS_KEY, DRAY_ACCESS_FETCH,
                                          d->arg.strided.shape_offset);
    }
    if (ch->shape_read)
        return ch->shape_failed ? refuse(outcome, DRAY_STATUS_IO, DRAY_ACCESS_FETCH, 0) : RESOLVED;
    enum resolved found = look_up(ch, d->arg.strided.shape_key, offset, sizeof(struct dray_shape),
                                  SIM_RIGHT_READ, &region, DRAY_ACCESS_FETCH, offset, outcome);
    if (found != RESOLVED)
        return found;
    if (!region_is_memory(&region))
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_FETCH, offset);
    reader_start(ch, &ch->shape_reader, region.address + offset, &ch->now.shape,
                 sizeof(ch->now.shape));
    return RESOLVED_LATER;
}

/* All bytes that the loops touch on one side. */
static enum resolved strided_side(struct channel *ch, bool write, uint64_t *size,
                                  struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    const struct dray_shape *shape = &ch->now.shape;
    enum dray_access access = write ? DRAY_ACCESS_WRITE : DRAY_ACCESS_READ;
    uint64_t offset = write ? d->dst_offset : d->src_offset;
    struct side *side = write ? &ch->job->dst : &ch->job->src;
    struct region region;
    int64_t low, high;
    if (!nest_bounds(shape, write ? shape->dst_stride : shape->src_stride, &low, &high) ||
        offset > INT64_MAX || (int64_t)offset < -low)
        return refuse(outcome, DRAY_STATUS_RANGE, access, offset);
    uint64_t first = offset - (uint64_t)-low;
    *size = (uint64_t)high + (uint64_t)-low;
    enum resolved found =
        look_up(ch, write ? d->dst_key : d->src_key, first, *size,
                write ? SIM_RIGHT_WRITE : SIM_RIGHT_READ, &region, access, offset, outcome);
    if (found != RESOLVED)
        return found;
    if (!region_is_memory(&region))
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, access, offset);
    if (!controller_reaches(ch->controller, region.address + first, *size))
        return refuse(outcome, DRAY_STATUS_RANGE, access, offset);
    *side = (struct side){ .address = region.address + offset, .key = region.key };
    return RESOLVED;
}

static bool nest_is_misaligned(const struct sim_controller *c, const struct nest *nest)
{
    bool misaligned = is_misaligned(c, nest->src, nest->dst) || is_misaligned(c, nest->element, 0);
    for (unsigned i = 0; i < nest->count; i++)
        misaligned |= is_misaligned(c, (uint64_t)nest->loop[i].src, (uint64_t)nest->loop[i].dst);
    return misaligned;
}

static enum resolved finish_strided(struct channel *ch, uint64_t src_size, uint64_t dst_size,
                                    struct outcome *outcome)
{
    struct job *job = ch->job;
    const struct dray_desc *d = &ch->now.desc;
    int64_t src_low, dst_low, high;
    nest_make(&job->nest, &ch->now.shape);
    job->nest.src = job->src.address;
    job->nest.dst = job->dst.address;
    nest_bounds(&ch->now.shape, ch->now.shape.src_stride, &src_low, &high);
    nest_bounds(&ch->now.shape, ch->now.shape.dst_stride, &dst_low, &high);
    uint64_t src = job->src.address + (uint64_t)src_low, dst = job->dst.address + (uint64_t)dst_low;
    bool meet = src < dst + dst_size && dst < src + src_size;
    /* More bytes than there is room for: some would be written twice. */
    if (d->length > dst_size ||
        (meet && nest_meets(&job->nest, (int64_t)(job->dst.address - job->src.address))))
        return refuse(outcome, DRAY_STATUS_OVERLAP, DRAY_ACCESS_WRITE, d->dst_offset);
    if (nest_is_misaligned(ch->controller, &job->nest))
        return refuse(outcome, DRAY_STATUS_ALIGNMENT, DRAY_ACCESS_READ, d->src_offset);
    return RESOLVED;
}

/* The size of the source is asked for anew once both are found: both are held by then. */
static enum resolved resolve_strided(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    uint64_t src_size, dst_size;
    enum resolved found = find_shape(ch, outcome);
    if (found != RESOLVED)
        return found;
    enum dray_status status = check_shape(&ch->now.shape, d->length);
    if (status != DRAY_STATUS_OK)
        return refuse(outcome, status, DRAY_ACCESS_FETCH, d->arg.strided.shape_offset);
    if ((found = strided_side(ch, false, &src_size, outcome)) != RESOLVED ||
        (found = strided_side(ch, true, &dst_size, outcome)) != RESOLVED)
        return found;
    return finish_strided(ch, src_size, dst_size, outcome);
}

/* ---- SIGNAL, WAIT, LINK ---- */

static enum resolved resolve_flag(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    bool write = d->opcode == DRAY_OP_SIGNAL;
    enum dray_access access = write ? DRAY_ACCESS_WRITE : DRAY_ACCESS_READ;
    uint64_t offset = write ? d->dst_offset : d->src_offset;
    struct region region;
    enum resolved found =
        look_up(ch, write ? d->dst_key : d->src_key, offset, sizeof(uint64_t),
                write ? SIM_RIGHT_WRITE : SIM_RIGHT_READ, &region, access, offset, outcome);
    if (found != RESOLVED)
        return found;
    ch->flag_address = region.address + offset;
    ch->wait_epoch = ch->epoch;
    if (!region_is_memory(&region))
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, access, offset);
    if (ch->flag_address % sizeof(uint64_t))
        return refuse(outcome, DRAY_STATUS_ALIGNMENT, access, offset);
    if (!controller_reaches(ch->controller, ch->flag_address, sizeof(uint64_t)))
        return refuse(outcome, DRAY_STATUS_RANGE, access, offset);
    return RESOLVED;
}

/* Inside an array a LINK must come last: it jumps, and only the ring is returned to. */
static enum resolved resolve_link(struct channel *ch, struct outcome *outcome)
{
    const struct dray_desc *d = &ch->now.desc;
    uint64_t size = (uint64_t)d->count * sizeof(struct dray_desc);
    struct region region;
    if (ch->step == 0 && (ch->link_left || ch->link_held.count || ++ch->link_hops > LINK_MAX))
        return refuse(outcome, DRAY_STATUS_LINK, DRAY_ACCESS_FETCH, d->src_offset);
    ch->step = 1;
    enum resolved found = look_up(ch, d->src_key, d->src_offset, size, SIM_RIGHT_READ, &region,
                                  DRAY_ACCESS_FETCH, d->src_offset, outcome);
    if (found != RESOLVED)
        return found;
    if (!region_is_memory(&region))
        return refuse(outcome, DRAY_STATUS_UNSUPPORTED, DRAY_ACCESS_FETCH, d->src_offset);
    ch->link_address = region.address + d->src_offset;
    return RESOLVED;
}

enum resolved resolve(struct channel *ch, struct outcome *outcome)
{
    switch (ch->now.desc.opcode) {
    case DRAY_OP_COPY:
        return resolve_copy(ch, outcome);
    case DRAY_OP_STRIDED:
        return resolve_strided(ch, outcome);
    case DRAY_OP_FILL:
        return resolve_fill(ch, outcome);
    case DRAY_OP_COMPARE:
        return resolve_compare(ch, outcome);
    case DRAY_OP_CRC32C:
        return resolve_crc32c(ch, outcome);
    case DRAY_OP_SIGNAL:
    case DRAY_OP_WAIT:
        return resolve_flag(ch, outcome);
    case DRAY_OP_LINK:
        return resolve_link(ch, outcome);
    default:
        return RESOLVED;
    }
}
