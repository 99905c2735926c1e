/* Steps: one descriptor after the other, within the engine's limits, and what they cost. */
#include <string.h>

#include "plan/internal.h"

/* Appends a step, if there is room for it. */
static void put(struct dray_emit *emit, enum dray_plan_by by)
{
    struct dray_plan_output *out = emit->out;
    if (out && emit->count < out->steps_max)
        out->steps[emit->count] = (struct dray_plan_step){ emit->last, by };
    emit->last_by = by;
    emit->count++;
    emit->overflow = emit->count > DRAY_PLAN_STEPS_MAX;
}

static void set_flag(struct dray_emit *emit, size_t step, uint16_t flag)
{
    if (emit->out && step < emit->out->steps_max)
        emit->out->steps[step].desc.flags |= flag;
}

static void transaction_begin(struct dray_emit *emit)
{
    emit->open.first = emit->count;
    emit->open.count = 0;
    emit->open.payload = emit->open.length = 0;
    emit->open.cost = 0;
    emit->open.movable = true;
}

static void append(struct dray_emit *emit, const struct dray_place *dst,
                   const struct dray_place *src, uint64_t length)
{
    const struct dray_planner *planner = emit->planner;
    if (emit->open.count == planner->in->limits.segments_max || emit->open.count == DRAY_CHAIN_MAX)
        dray_emit_close(emit);
    if (!emit->open.count)
        transaction_begin(emit);
    else
        set_flag(emit, emit->count - 1, DRAY_FLAG_CHAIN);
    emit->open.cost += dray_cost_descriptor(&planner->costs, !emit->open.count,
                                            dray_costs_is_file(dst, src), length);
    dray_prep_copy(&emit->last, dst->key, dst->offset, src->key, src->offset, length);
    /* What a stream gives and takes has an order, but transactions have none of their own. */
    if (!emit->open.count && (emit->fence || (planner->streams && emit->transactions)))
        emit->last.flags |= DRAY_FLAG_FENCE;
    emit->open.movable &= dray_place_is_memory(dst) && dray_place_is_memory(src);
    emit->open.count++;
    emit->fence = false;
    put(emit, DRAY_BY_ENGINE);
}

/* Bytes from here to the next multiple of the boundary. */
static uint64_t to_boundary(const struct dray_planner *planner, const struct dray_place *place)
{
    uint64_t boundary = planner->in->limits.boundary;
    if (!boundary || dray_place_is_stream(place))
        return UINT64_MAX;
    return boundary - dray_place_address(place) % boundary;
}

void dray_emit_engine(struct dray_emit *emit, struct dray_place dst, struct dray_place src,
                      uint64_t length, uint64_t payload)
{
    const struct dray_planner *planner = emit->planner;
    size_t parts = 0;
    for (uint64_t done = 0; done < length && !emit->overflow; parts++) {
        struct dray_place to = dray_place_at(dst, done), from = dray_place_at(src, done);
        uint64_t part = dray_least(length - done, planner->segment_max);
        part = dray_least(part, to_boundary(planner, &to));
        part = dray_least(part, to_boundary(planner, &from));
        append(emit, &to, &from, part);
        /* Gap bytes are counted with the first parts; only their sum is used. */
        uint64_t asked = dray_least(payload, part);
        payload -= asked;
        emit->open.payload += asked;
        emit->open.length += part;
        emit->gap_bytes += part - asked;
        done += part;
    }
    if (parts > 1)
        dray_note_split(emit, length, parts, emit->count - parts);
}

/* The CPU does the open transaction: under the break-even size it is quicker. */
static void move_to_cpu(struct dray_emit *emit, double cpu)
{
    dray_note_cpu(emit, cpu);
    for (size_t i = emit->open.first; i < emit->count; i++) {
        if (!emit->out || i >= emit->out->steps_max)
            break;
        emit->out->steps[i].by = DRAY_BY_CPU;
        emit->out->steps[i].desc.flags = 0;
    }
    emit->last_by = DRAY_BY_CPU;
    emit->cost += cpu;
    emit->cpu_bytes += emit->open.payload;
}

void dray_emit_close(struct dray_emit *emit)
{
    if (!emit->open.count)
        return;
    double cpu = dray_cost_cpu(&emit->planner->costs, emit->open.length);
    if (emit->cpu_instead && emit->open.movable && cpu < emit->open.cost) {
        move_to_cpu(emit, cpu);
    } else {
        emit->cost += emit->open.cost;
        emit->transactions++;
        emit->engine_steps += emit->open.count;
    }
    emit->open.count = 0;
}

/* Goes on where the last step ended. */
static bool continues(const struct dray_emit *emit, const struct dray_place *dst,
                      const struct dray_place *src)
{
    const struct dray_desc *last = &emit->last;
    return emit->count && emit->last_by == DRAY_BY_CPU && last->dst_key.value == dst->key.value &&
           last->src_key.value == src->key.value &&
           last->dst_offset + last->length == dst->offset &&
           last->src_offset + last->length == src->offset;
}

void dray_emit_cpu(struct dray_emit *emit, struct dray_place dst, struct dray_place src,
                   uint64_t length)
{
    dray_emit_close(emit);
    emit->fence = false; /* it waits for the engine anyway */
    emit->cost += dray_cost_cpu(&emit->planner->costs, length);
    emit->cpu_bytes += length;
    if (continues(emit, &dst, &src)) {
        emit->last.length += length;
        if (emit->out && emit->count <= emit->out->steps_max)
            emit->out->steps[emit->count - 1].desc.length = emit->last.length;
        return;
    }
    dray_prep_copy(&emit->last, dst.key, dst.offset, src.key, src.offset, length);
    put(emit, DRAY_BY_CPU);
}
