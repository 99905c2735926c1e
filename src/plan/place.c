/* Checks of the input, and the walk over both lists in step. */
#include <errno.h>

#include "plan/internal.h"

/* ---- checks ---- */

static bool is_cost(double value)
{
    return value >= 0 && value <= 1e18; /* false for NaN */
}

static bool is_rate(double value)
{
    return value > 0 && value <= 1e18;
}

static int check_profile(const struct dray_profile *profile)
{
    bool sane = is_cost(profile->setup_ns) && is_cost(profile->descriptor_ns) &&
                is_rate(profile->bandwidth) && is_rate(profile->cpu_bandwidth) &&
                is_cost(profile->file_setup_ns) && is_cost(profile->file_bandwidth);
    return sane ? 0 : -EINVAL;
}

static bool is_power(uint64_t n)
{
    return n && !(n & (n - 1));
}

/* `align`: the strictest there is. */
static int check_limits(const struct dray_limits *limits, uint64_t align)
{
    if (!is_power(limits->alignment) || limits->segment_max < align || !limits->segments_max)
        return -EINVAL;
    if (!limits->address_bits || limits->address_bits > 64)
        return -EINVAL;
    if (limits->address_bits < 64 && align >> limits->address_bits)
        return -EINVAL;
    return limits->boundary & (align - 1) ? -EINVAL : 0; /* an aligned block would straddle it */
}

static const struct dray_plan_region *region_search(const struct dray_plan_input *in, dray_key key)
{
    size_t low = 0, high = in->region_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (in->regions[middle].key.value < key.value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < in->region_count && in->regions[low].key.value == key.value ? &in->regions[low]
                                                                             : NULL;
}

/* Regions that nobody described: memory, base 0, nothing allowed. */
static const struct dray_plan_region unknown_region = { .kind = DRAY_REGION_MEMORY };

static const struct dray_plan_region *region_find(const struct dray_planner *planner, dray_key key,
                                                  const struct dray_plan_region **hint)
{
    const struct dray_plan_input *in = planner->in;
    if (*hint && (*hint)->key.value == key.value)
        return *hint;
    const struct dray_plan_region *found = NULL;
    if (planner->regions_sorted)
        found = region_search(in, key);
    else
        for (size_t i = 0; i < in->region_count && !found; i++)
            found = in->regions[i].key.value == key.value ? &in->regions[i] : NULL;
    return *hint = found ? found : &unknown_region;
}

/* The strictest alignment of the engine and of the regions of a list. */
static int look_at_alignment(struct dray_planner *planner, const struct dray_sg *list)
{
    const struct dray_plan_region *hint = NULL;
    for (size_t i = 0; i < list->count; i++) {
        uint32_t own = region_find(planner, list->segments[i].key, &hint)->alignment;
        if (own && !is_power(own))
            return -EINVAL;
        if (own > planner->align)
            planner->align = own;
    }
    return 0;
}

/* No offset, and no address, may wrap. Looks for streams on the way. */
static int check_list(struct dray_planner *planner, const struct dray_sg *list)
{
    const struct dray_plan_region *hint = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct dray_segment *segment = &list->segments[i];
        const struct dray_plan_region *region = region_find(planner, segment->key, &hint);
        uint64_t end;
        if (__builtin_add_overflow(segment->offset, segment->length, &end) ||
            __builtin_add_overflow(region->base, end, &end) || end > UINT64_MAX - planner->align)
            return -EINVAL;
        planner->streams |= region->kind == DRAY_REGION_STREAM;
    }
    return 0;
}

/* ---- what the order of the lists allows ---- */

enum {
    REGIONS_TOLD_APART = 16, /* a destination of more regions than this counts as unordered */
};

struct regions_seen {
    dray_key key[REGIONS_TOLD_APART];
    size_t count;
};

static bool seen(const struct regions_seen *regions, dray_key key)
{
    for (size_t i = 0; i < regions->count; i++)
        if (regions->key[i].value == key.value)
            return true;
    return false;
}

/* Offsets rise within a region, and no region comes again after another. Then what lies between two
 * neighbours in the list belongs to neither, nor to any third. */
static bool ascends(const struct dray_sg *list, struct regions_seen *regions)
{
    uint64_t end = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct dray_segment *segment = &list->segments[i];
        if (!segment->length)
            continue;
        bool same = regions->count && regions->key[regions->count - 1].value == segment->key.value;
        if (same && segment->offset < end)
            return false;
        if (!same) {
            if (regions->count == REGIONS_TOLD_APART || seen(regions, segment->key))
                return false;
            regions->key[regions->count++] = segment->key;
        }
        end = segment->offset + segment->length;
    }
    return true;
}

static void look_at_order(struct dray_planner *planner)
{
    const struct dray_plan_input *in = planner->in;
    struct regions_seen regions = { .count = 0 };
    planner->dst_ascends = ascends(&in->dst, &regions);
    planner->gaps_apart = planner->dst_ascends;
    for (size_t i = 0; i < in->src.count && planner->gaps_apart; i++)
        planner->gaps_apart = !seen(&regions, in->src.segments[i].key);
    planner->regions_sorted = true;
    for (size_t i = 1; i < in->region_count; i++)
        if (in->regions[i - 1].key.value > in->regions[i].key.value)
            planner->regions_sorted = false;
}

/* ---- bounce memory ---- */

static void look_at_bounce(struct dray_planner *planner)
{
    const struct dray_plan_input *in = planner->in;
    struct dray_bounce *bounce = &planner->bounce;
    uint64_t base = in->bounce_base, length = in->bounce_length;
    *bounce = (struct dray_bounce){ .region = { .key = in->bounce,
                                                .kind = DRAY_REGION_MEMORY,
                                                .name = "bounce",
                                                .base = base,
                                                .length = length } };
    if (!in->bounce.value || base > planner->address_last || base > UINT64_MAX - planner->align)
        return;
    uint64_t reach = planner->address_last - base;
    if (length > reach)
        length = reach < UINT64_MAX ? reach + 1 : reach;
    bounce->start = dray_align_up(base, planner->align) - base;
    if (length > bounce->start)
        bounce->capacity = dray_align_down(length - bounce->start, planner->align);
}

int dray_planner_prepare(struct dray_planner *planner, const struct dray_plan_input *input)
{
    const struct dray_limits *limits = &input->limits;
    uint64_t dst_total, src_total;
    *planner = (struct dray_planner){ .in = input, .align = limits->alignment };
    if (dray_sg_length(&input->dst, &dst_total) || dray_sg_length(&input->src, &src_total) ||
        dst_total != src_total || dst_total > DRAY_LENGTH_MAX)
        return -EINVAL;
    look_at_order(planner);
    if (look_at_alignment(planner, &input->dst) || look_at_alignment(planner, &input->src) ||
        check_limits(limits, planner->align) || check_profile(&input->profile))
        return -EINVAL;
    planner->total = dst_total;
    planner->segment_max =
        dray_align_down(dray_least(limits->segment_max, DRAY_LENGTH_MAX), planner->align);
    planner->address_last =
        limits->address_bits == 64 ? UINT64_MAX : ((uint64_t)1 << limits->address_bits) - 1;
    dray_costs_prepare(&planner->costs, &input->profile);
    look_at_bounce(planner);
    if (check_list(planner, &input->dst) || check_list(planner, &input->src))
        return -EINVAL;
    return 0;
}

/* ---- the walk ---- */

void dray_walk_begin(const struct dray_planner *planner, struct dray_walk *walk)
{
    *walk = (struct dray_walk){ .dst.list = &planner->in->dst, .src.list = &planner->in->src };
}

static struct dray_place place_of(const struct dray_planner *planner,
                                  const struct dray_segment *segment,
                                  const struct dray_plan_region **hint)
{
    struct dray_place place = { region_find(planner, segment->key, hint), segment->key,
                                segment->offset };
    if (dray_place_is_stream(&place))
        place.offset = 0;
    return place;
}

/* Bytes from here to where the engine's reach ends, if it does begin here. */
static uint64_t reach_of(const struct dray_planner *planner, const struct dray_place *place)
{
    uint64_t address = dray_place_address(place);
    if (planner->address_last == UINT64_MAX || !dray_place_is_memory(place) ||
        address > planner->address_last)
        return UINT64_MAX;
    return planner->address_last - address + 1;
}

bool dray_walk_next(const struct dray_planner *planner, struct dray_walk *walk, uint64_t max,
                    struct dray_piece *piece)
{
    struct dray_sg_cursor dst_cursor = walk->dst, src_cursor = walk->src;
    struct dray_segment dst, src;
    if (!dray_sg_zip(&walk->dst, &walk->src, max, &dst, &src))
        return false;
    piece->dst = place_of(planner, &dst, &walk->dst_hint);
    piece->src = place_of(planner, &src, &walk->src_hint);
    piece->length = dst.length;
    uint64_t reach = dray_least(reach_of(planner, &piece->dst), reach_of(planner, &piece->src));
    if (reach < piece->length) {
        walk->dst = dst_cursor;
        walk->src = src_cursor;
        dray_sg_zip(&walk->dst, &walk->src, reach, &dst, &src);
        piece->length = reach;
    }
    return true;
}
