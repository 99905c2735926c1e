/* A plan as a table. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan/internal.h"

struct sink {
    char *text;
    size_t size, used; /* used: what it would take, without the terminator */
};

__attribute__((format(printf, 2, 3))) static void say(struct sink *sink, const char *format, ...)
{
    size_t room = sink->used < sink->size ? sink->size - sink->used : 0;
    va_list list;
    va_start(list, format);
    int length = vsnprintf(room ? sink->text + sink->used : NULL, room, format, list);
    va_end(list);
    sink->used += length > 0 ? (size_t)length : 0;
}

static const char *name_of(const struct dray_plan_input *input, dray_key key, char *number,
                           size_t size)
{
    for (size_t i = 0; i < input->region_count; i++)
        if (input->regions[i].key.value == key.value && input->regions[i].name)
            return input->regions[i].name;
    if (key.value == input->bounce.value)
        return "bounce";
    snprintf(number, size, "0x%" PRIx32, key.value);
    return number;
}

/* "name[offset:length]", as text programs have it; short enough for its column, or it widens it. */
static void place(const struct dray_plan_input *input, dray_key key, uint64_t offset,
                  uint64_t length, char *text, size_t size)
{
    char number[16];
    snprintf(text, size, "%.32s[%" PRIu64 ":%" PRIu64 "]",
             name_of(input, key, number, sizeof(number)), offset, length);
}

enum {
    PLACE_SIZE = 96,
};

static void places(const struct dray_plan_input *input, const struct dray_desc *desc, char *dst,
                   char *src)
{
    place(input, desc->dst_key, desc->dst_offset, desc->length, dst, PLACE_SIZE);
    place(input, desc->src_key, desc->src_offset, desc->length, src, PLACE_SIZE);
}

static size_t step_count(const struct dray_plan_output *output)
{
    return output->step_count < output->steps_max ? output->step_count : output->steps_max;
}

static void print_steps(struct sink *sink, const struct dray_plan_input *input,
                        const struct dray_plan_output *output)
{
    char dst[PLACE_SIZE], src[PLACE_SIZE];
    size_t widest_dst = strlen("destination"), transaction = 0;
    for (size_t i = 0; i < step_count(output); i++) {
        places(input, &output->steps[i].desc, dst, src);
        widest_dst = strlen(dst) > widest_dst ? strlen(dst) : widest_dst;
    }
    say(sink, "\n  %5s  %-10s  %-*s     %s\n", "step", "by", (int)widest_dst, "destination",
        "source");
    bool chained = false;
    for (size_t i = 0; i < step_count(output); i++) {
        const struct dray_plan_step *step = &output->steps[i];
        bool engine = step->by == DRAY_BY_ENGINE;
        char by[24] = "cpu";
        transaction += engine && !chained;
        if (engine)
            snprintf(by, sizeof(by), chained ? "       +" : "engine %zu", transaction);
        chained = engine && (step->desc.flags & DRAY_FLAG_CHAIN);
        places(input, &step->desc, dst, src);
        say(sink, "  %5zu  %-10s  %-*s  <- %s%s\n", i, by, (int)widest_dst, dst, src,
            step->desc.flags & DRAY_FLAG_FENCE ? "  fence" : "");
    }
}

static const char *kind_text(int kind)
{
    static const char *const texts[] = { "choice", "merge", "coalesce", "split", "bounce", "cpu" };
    return kind >= 0 && kind < (int)(sizeof(texts) / sizeof(texts[0])) ? texts[kind] : "?";
}

/* "verdict: cost: what", each in its column. */
static void print_choice(struct sink *sink, const char *text)
{
    const char *cost = strstr(text, ": "), *what = cost ? strstr(cost + 2, ": ") : NULL;
    if (!what) {
        say(sink, "  %s\n", text);
        return;
    }
    say(sink, "  %-10.*s  %8.*s  %s\n", (int)(cost - text), text, (int)(what - cost - 2), cost + 2,
        what + 2);
}

static void print_notes(struct sink *sink, const struct dray_plan_output *output)
{
    if (output->notes && output->note_count)
        say(sink, "\nwhy\n");
    for (size_t i = 0; output->notes && i < output->note_count; i++) {
        const struct dray_plan_note *note = &output->notes[i];
        if (note->kind == DRAY_NOTE_CHOICE)
            print_choice(sink, note->text);
        else
            say(sink, "  %5zu  %-8s  %s\n", note->step, kind_text((int)note->kind), note->text);
    }
    if (output->notes && output->note_count == output->notes_max)
        say(sink, "         (no room for more notes)\n");
}

int dray_plan_print(const struct dray_plan_input *input, const struct dray_plan_output *output,
                    char *text, size_t size, size_t *needed)
{
    struct sink sink = { text, size, 0 };
    if (size)
        text[0] = '\0';
    say(&sink, "%s in %zu step%s, %zu transaction%s: %s\n", dray_text_bytes(output->bytes).text,
        output->step_count, output->step_count == 1 ? "" : "s", output->transactions,
        output->transactions == 1 ? "" : "s", dray_text_ns(output->cost_ns).text);
    say(&sink, "  copied by the CPU            %s\n", dray_text_bytes(output->cpu_bytes).text);
    say(&sink, "  moved, not asked for         %s\n", dray_text_bytes(output->gap_bytes).text);
    say(&sink, "  a descriptor for each piece  %s\n", dray_text_ns(output->cost_pieces_ns).text);
    say(&sink, "  everything bounced           %s\n", dray_text_ns(output->cost_bounce_ns).text);
    if (step_count(output))
        print_steps(&sink, input, output);
    print_notes(&sink, output);
    if (needed)
        *needed = sink.used + 1;
    return sink.used < size ? 0 : -ENOSPC;
}
