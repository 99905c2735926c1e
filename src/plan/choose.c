/* The strategies, side by side; the cheapest is emitted. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "plan/internal.h"

/* In case of a tie the first wins. The first four differ only in what they do with what cannot go
 * directly. */
static const struct candidate {
    struct dray_strategy strategy;
    const char *text;
} candidates[] = {
    { { DRAY_SCOPE_RUNS, DRAY_WAY_CPU }, "direct" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_FETCH }, "direct" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_STORE }, "direct" },
    { { DRAY_SCOPE_RUNS, DRAY_WAY_BOTH }, "direct" },
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
            trials[RUNS_FIRST].emit.ways == 1u << DRAY_WAY_DIRECT)
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

/* ---- in words ---- */

/* What it comes to, in the same words where it is the same. */
static void describe(const struct trial *trial, const struct candidate *candidate, char *text,
                     size_t size)
{
    const struct dray_emit *emit = &trial->emit;
    bool runs = candidate->strategy.scope == DRAY_SCOPE_RUNS;
    unsigned bounced = emit->ways & ~(1u << DRAY_WAY_DIRECT | 1u << DRAY_WAY_CPU);
    bool direct = emit->ways & 1u << DRAY_WAY_DIRECT, cpu = emit->ways & 1u << DRAY_WAY_CPU;
    if (trial->result || !runs || (direct && !cpu && !bounced && emit->transactions))
        snprintf(text, size, "%s", candidate->text);
    else if (!emit->transactions)
        snprintf(text, size, "all by the CPU");
    else
        snprintf(text, size, "%s%s%s%s", direct ? "direct, the rest " : "",
                 bounced ? "through bounce memory" : "", bounced && cpu ? " and " : "",
                 cpu ? "by the CPU" : "");
}

/* But for what sums in another order differ by. */
static bool same(const struct trial *a, const struct trial *b)
{
    if (a->result || b->result)
        return a->result == b->result;
    return a->emit.transactions == b->emit.transactions &&
           a->emit.engine_steps == b->emit.engine_steps && a->emit.cpu_bytes == b->emit.cpu_bytes &&
           fabs(cost_of(a) - cost_of(b)) <= 1e-9 * cost_of(a);
}

static void note_one(struct dray_emit *notes, const struct trial *trial,
                     const struct candidate *candidate, bool chosen)
{
    const struct dray_emit *emit = &trial->emit;
    const char *verdict = chosen ? "chosen" : "rejected";
    struct dray_text cost = dray_text_ns(emit->cost);
    char text[80];
    describe(trial, candidate, text, sizeof(text));
    if (trial->result)
        dray_note(notes, DRAY_NOTE_CHOICE, 0, "impossible: -: %s: %s", text, emit->why);
    else if (!emit->transactions)
        dray_note(notes, DRAY_NOTE_CHOICE, 0, "%s: %s: %s", verdict, cost.text, text);
    else
        dray_note(notes, DRAY_NOTE_CHOICE, 0,
                  "%s: %s: %s (%zu descriptor%s in %zu transaction%s, %s by the CPU)", verdict,
                  cost.text, text, emit->engine_steps, emit->engine_steps == 1 ? "" : "s",
                  emit->transactions, emit->transactions == 1 ? "" : "s",
                  dray_text_bytes(emit->cpu_bytes).text);
}

/* Another candidate comes to the same, and is told. Of several that fail alike, only ways to do the
 * direct one's rest are told once. */
static bool is_told(const struct trial *trials, size_t i, size_t best)
{
    bool told = i == best || (!trials[i].result && same(&trials[i], &trials[best]));
    for (size_t j = 0; j < i && !told; j++)
        told = same(&trials[i], &trials[j]) && (!trials[i].result || i < RUNS_COUNT);
    return told;
}

/* The chosen one first, then the others. */
static void note_choice(struct dray_plan_output *out, const struct trial *trials, size_t best)
{
    struct dray_emit notes = { .planner = trials[best].emit.planner, .out = out };
    note_one(&notes, &trials[best], &candidates[best], true);
    for (size_t i = 0; i < CANDIDATES; i++)
        if (!is_told(trials, i, best))
            note_one(&notes, &trials[i], &candidates[i], false);
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
