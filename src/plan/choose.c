/* The strategies, side by side; the cheapest is emitted. */
#include <errno.h>
#include <math.h>

#include "plan/internal.h"

/* In case of a tie the first wins. The first four differ only in what they do with what cannot go
 * directly. */
static const struct candidate {
    struct dray_strategy strategy;
    const char *text;
} candidates[] = {
    { { DRAY_SCOPE_RUNS, DRAY_WAY_CPU }, "direct, the rest by the CPU" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_FETCH }, "direct, the rest fetched through bounce memory" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_STORE }, "direct, the rest stored through bounce memory" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_BOTH }, "direct, the rest through bounce memory twice" },
    { { DRAY_SCOPE_PIECES, DRAY_WAY_DIRECT }, "a descriptor for each piece" },
    { { DRAY_SCOPE_WHOLE, DRAY_WAY_CPU }, "all by the CPU" },
    { { DRAY_SCOPE_WHOLE, DRAY_WAY_FETCH }, "bounce all: fetch, then scatter by the CPU" },
    { { DRAY_SCOPE_WHOLE, DRAY_WAY_STORE }, "bounce all: gather by the CPU, then store" },
    { { DRAY_SCOPE_WHOLE, DRAY_WAY_BOTH }, "bounce all, on both sides" },
};

enum {
    CANDIDATES = sizeof(candidates) / sizeof(candidates[0]),
    RUNS_FIRST = 0,
    RUNS_COUNT = 4,
    PIECES = 4,
    WHOLE_FETCH = 6,
};

struct trial {
    int result; /* 0, or why it cannot be done */
    struct dray_emit emit;
};

static double cost_of(const struct trial *trial)
{
    return trial->result ? (double)INFINITY : trial->emit.cost;
}

static void try_one(const struct dray_planner *planner, const struct dray_strategy *strategy,
                    struct dray_plan_output *out, struct trial *trial)
{
    trial->emit = (struct dray_emit){ .planner = planner, .out = out };
    trial->result = dray_rounds_emit(planner, strategy, &trial->emit);
}

/* Tries all of them. When the first met nothing that could not go directly, the next three are the
 * same. */
static void try_all(const struct dray_planner *planner, struct trial *trials)
{
    for (size_t i = 0; i < CANDIDATES; i++) {
        if (i > RUNS_FIRST && i < RUNS_COUNT && !trials[RUNS_FIRST].result &&
            !trials[RUNS_FIRST].emit.bounced)
            trials[i] = trials[RUNS_FIRST];
        else
            try_one(planner, &candidates[i].strategy, NULL, &trials[i]);
    }
}

static size_t cheapest(const struct trial *trials)
{
    size_t best = 0;
    for (size_t i = 1; i < CANDIDATES; i++)
        if (cost_of(&trials[i]) < cost_of(&trials[best]))
            best = i;
    return best;
}

/* Why nothing can be done: for want of bounce memory, if it can with more than anybody has. */
static int failure(const struct dray_planner *planner, struct trial *trials)
{
    struct dray_planner rich = *planner;
    rich.bounce.start = rich.bounce.region.base = 0;
    rich.bounce.capacity = dray_align_down(DRAY_LENGTH_MAX, planner->align);
    for (size_t i = 0; i < CANDIDATES; i++)
        if (trials[i].result == -E2BIG)
            return -E2BIG;
    try_all(&rich, trials);
    return trials[cheapest(trials)].result ? -EINVAL : -ENOMEM;
}

static bool same(const struct trial *a, const struct trial *b)
{
    return a->result == b->result && a->emit.count == b->emit.count && cost_of(a) == cost_of(b) &&
           a->emit.cpu_bytes == b->emit.cpu_bytes;
}

static void note_one(struct dray_emit *notes, const struct trial *trial, const char *text,
                     bool chosen)
{
    const struct dray_emit *emit = &trial->emit;
    if (trial->result) {
        dray_note(notes, DRAY_NOTE_CHOICE, 0, "impossible: %s: %s", text,
                  trial->result == -ENOMEM  ? "not enough bounce memory"
                  : trial->result == -E2BIG ? "too many steps"
                                            : "the limits or the regions forbid it");
        return;
    }
    dray_note(notes, DRAY_NOTE_CHOICE, 0,
              "%s: %s: %s: %zu descriptor%s in %zu transaction%s, %s by the CPU",
              chosen ? "chosen" : "rejected", text, dray_text_ns(emit->cost).text,
              emit->engine_steps, emit->engine_steps == 1 ? "" : "s", emit->transactions,
              emit->transactions == 1 ? "" : "s", dray_text_bytes(emit->cpu_bytes).text);
}

/* The chosen one first, then the others, but none twice. */
static void note_choice(struct dray_plan_output *out, const struct trial *trials, size_t best)
{
    struct dray_emit notes = { .planner = trials[best].emit.planner, .out = out };
    note_one(&notes, &trials[best], candidates[best].text, true);
    for (size_t i = 0; i < CANDIDATES; i++) {
        bool again = i == best;
        for (size_t j = 0; j < i && i < RUNS_COUNT; j++)
            again |= same(&trials[i], &trials[j]);
        again |= i < RUNS_COUNT && same(&trials[i], &trials[best]);
        if (!again)
            note_one(&notes, &trials[i], candidates[i].text, false);
    }
}

static void report(struct dray_plan_output *out, const struct dray_planner *planner,
                   const struct trial *trials, const struct dray_emit *emit)
{
    out->step_count = emit->count;
    out->bytes = planner->total;
    out->cpu_bytes = emit->cpu_bytes;
    out->gap_bytes = emit->gap_bytes;
    out->transactions = emit->transactions;
    out->cost_ns = emit->cost;
    out->cost_pieces_ns = cost_of(&trials[PIECES]);
    out->cost_bounce_ns = (double)INFINITY;
    for (size_t i = WHOLE_FETCH; i < CANDIDATES; i++)
        if (cost_of(&trials[i]) < out->cost_bounce_ns)
            out->cost_bounce_ns = cost_of(&trials[i]);
}

int dray_plan(const struct dray_plan_input *input, struct dray_plan_output *output)
{
    struct dray_planner planner;
    struct trial trials[CANDIDATES], chosen;
    output->step_count = output->note_count = 0;
    int result = dray_planner_prepare(&planner, input);
    if (result)
        return result;
    try_all(&planner, trials);
    size_t best = cheapest(trials);
    if (trials[best].result)
        return failure(&planner, trials);
    if (planner.total)
        note_choice(output, trials, best);
    try_one(&planner, &candidates[best].strategy, output, &chosen);
    report(output, &planner, trials, &chosen.emit);
    return output->step_count > output->steps_max ? -ENOSPC : 0;
}
