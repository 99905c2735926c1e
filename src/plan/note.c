/* Decisions in words, with their numbers. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "plan/internal.h"

/* Three digits, in the largest unit that leaves one before the point. Integers only: printf's
 * floating point depends on the locale. */
static struct dray_text in_units(uint64_t hundredths, const char *unit)
{
    struct dray_text text;
    uint64_t whole = hundredths / 100;
    unsigned rest = (unsigned)(hundredths % 100);
    if (whole >= 100 || !rest)
        snprintf(text.text, sizeof(text.text), "%" PRIu64 " %s", (hundredths + 50) / 100, unit);
    else if (whole >= 10 || rest % 10 == 0)
        snprintf(text.text, sizeof(text.text), "%" PRIu64 ".%" PRIu64 " %s", (hundredths + 5) / 100,
                 (hundredths + 5) / 10 % 10, unit);
    else
        snprintf(text.text, sizeof(text.text), "%" PRIu64 ".%02u %s", whole, rest, unit);
    return text;
}

struct dray_text dray_text_bytes(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    struct dray_text text;
    unsigned unit = 0;
    uint64_t scale = 1;
    while (unit < 4 && bytes / scale >= 1024) {
        scale *= 1024;
        unit++;
    }
    /* What is no round number of a unit is told to the byte, as long as that is short. */
    if (bytes % scale && bytes < 100000) {
        snprintf(text.text, sizeof(text.text), "%" PRIu64 " B", bytes);
        return text;
    }
    return in_units(bytes / scale * 100 + bytes % scale * 100 / scale, units[unit]);
}

struct dray_text dray_text_ns(double ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    unsigned unit = 0;
    if (!(ns < 1e17)) {
        struct dray_text never = { "not possible" };
        return never;
    }
    while (unit < 3 && ns >= 9999.5) { /* four digits tell 1566 from 1570 */
        ns /= 1000;
        unit++;
    }
    return in_units((uint64_t)(ns * 100 + 0.5), units[unit]);
}

void dray_note(struct dray_emit *emit, int kind, size_t step, const char *format, ...)
{
    struct dray_plan_output *out = emit->out;
    if (!out || !out->notes || out->note_count >= out->notes_max)
        return;
    struct dray_plan_note *note = &out->notes[out->note_count++];
    note->kind = kind;
    note->step = step;
    va_list list;
    va_start(list, format);
    vsnprintf(note->text, sizeof(note->text), format, list);
    va_end(list);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

void dray_note_run(struct dray_emit *emit, const struct dray_run *run)
{
    const struct dray_costs *costs = &emit->planner->costs;
    bool file = dray_costs_is_file(&run->dst, &run->src);
    if (!emit->out)
        return;
    if (run->merged)
        dray_note(emit, DRAY_NOTE_MERGE, emit->count, "%zu neighbour%s joined: %s in one, saves %s",
                  run->merged, plural(run->merged), dray_text_bytes(run->payload).text,
                  dray_text_ns(dray_cost_gap_saves(costs, file, 0) * (double)run->merged).text);
    if (!run->gaps)
        return;
    uint64_t gap = run->length - run->payload;
    double saves = dray_cost_gap_saves(costs, file, 0) * (double)run->gaps -
                   (dray_cost_gap_saves(costs, file, 0) - dray_cost_gap_saves(costs, file, gap));
    dray_note(emit, DRAY_NOTE_COALESCE, emit->count,
              "%zu gap%s of at most %s < g* %s: moved along, %s more, saves %s", run->gaps,
              plural(run->gaps), dray_text_bytes(run->gap_max).text,
              dray_text_bytes((uint64_t)dray_cost_gap_limit(costs, file)).text,
              dray_text_bytes(gap).text, dray_text_ns(saves).text);
}

static const char *way_text(enum dray_way way)
{
    switch (way) {
    case DRAY_WAY_CPU:
        return "the CPU copies it";
    case DRAY_WAY_FETCH:
        return "fetched into bounce memory, the CPU copies it out";
    case DRAY_WAY_STORE:
        return "the CPU copies it into bounce memory, stored from there";
    case DRAY_WAY_BOTH:
        return "through bounce memory on both sides";
    case DRAY_WAY_DIRECT:
        break;
    }
    return "directly";
}

/* Why an item does not go directly. */
static struct dray_text reason(const struct dray_planner *planner, const struct dray_item *item)
{
    const struct dray_run *run = item->run;
    struct dray_text text;
    unsigned align = (unsigned)run->align;
    if (!run->reached)
        snprintf(text.text, sizeof(text.text), "over %" PRIu32 " address bits",
                 planner->in->limits.address_bits);
    else if (!run->congruent)
        snprintf(text.text, sizeof(text.text), "sides differ modulo %u", align);
    else if (item->lo == 0 && item->hi == run->length)
        snprintf(text.text, sizeof(text.text), "not aligned to %u", align);
    else if (item->lo == 0)
        snprintf(text.text, sizeof(text.text), "head not aligned to %u", align);
    else
        snprintf(text.text, sizeof(text.text), "tail not aligned to %u", align);
    return text;
}

static bool could_go_directly(const struct dray_planner *planner, const struct dray_item *item)
{
    const struct dray_run *run = item->run;
    struct dray_extent src = dray_extent_of(planner, &run->src, item->lo, item->hi);
    struct dray_extent dst = dray_extent_of(planner, &run->dst, item->lo, item->hi);
    return run->reached && run->congruent && !dray_extent_is_ragged(&src, item) &&
           !dray_extent_is_ragged(&dst, item) && src.length % run->align == 0;
}

void dray_note_item(struct dray_emit *emit, const struct dray_item *item)
{
    const struct dray_planner *planner = emit->planner;
    if (!emit->out || could_go_directly(planner, item))
        return;
    dray_note(emit, item->way == DRAY_WAY_CPU ? DRAY_NOTE_CPU : DRAY_NOTE_BOUNCE, emit->count,
              "%s, %s: %s", dray_text_bytes(item->hi - item->lo).text, reason(planner, item).text,
              way_text(item->way));
}

void dray_note_cpu(struct dray_emit *emit, double cpu)
{
    double limit = dray_cost_break_even(&emit->planner->costs);
    if (!emit->out)
        return;
    dray_note(emit, DRAY_NOTE_CPU, emit->open.first,
              "%s by the CPU %s, by the engine %s (S* is %s)",
              dray_text_bytes(emit->open.length).text, dray_text_ns(cpu).text,
              dray_text_ns(emit->open.cost).text,
              limit < 1e18 ? dray_text_bytes((uint64_t)limit).text : "never reached");
}

void dray_note_split(struct dray_emit *emit, uint64_t length, size_t parts, size_t step)
{
    const struct dray_limits *limits = &emit->planner->in->limits;
    if (!emit->out)
        return;
    if (limits->boundary)
        dray_note(emit, DRAY_NOTE_SPLIT, step,
                  "%s in %zu: segments of at most %s, none across a multiple of %s",
                  dray_text_bytes(length).text, parts, dray_text_bytes(limits->segment_max).text,
                  dray_text_bytes(limits->boundary).text);
    else
        dray_note(emit, DRAY_NOTE_SPLIT, step, "%s in %zu: segments of at most %s",
                  dray_text_bytes(length).text, parts, dray_text_bytes(limits->segment_max).text);
}
