/* Any bytes as a program: refused with a place in the text, or parsed and planned without a file, a
 * thread or memory of its own being touched. Seeds: the examples and the broken programs. */
#include <errno.h>
#include <string.h>

#include "dray/program.h"
#include "fuzz.h"
#include "program/program.h"

enum {
    SEGMENTS_MAX = 4096
}; /* plans of a million segments only cost the fuzzer time */

/* Bytes that could move a cursor or a line: none may come out of an error or a report. */
static bool is_safe(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < 0x20 && *c != '\n') || *c == 0x7f)
            return false;
    return true;
}

static void explain(const struct dray_program *program)
{
    struct dray_profile profile;
    struct dray_report *report;
    dray_profile_default(&profile);
    struct dray_program_options options = { .size = sizeof(options),
                                            .directory = "/nonexistent",
                                            .profile = &profile };
    int result = dray_program_explain(program, &options, &report);
    FUZZ_ASSERT(report != NULL || result == -ENOMEM);
    if (!report)
        return;
    FUZZ_ASSERT(is_safe(dray_report_text(report)));
    FUZZ_ASSERT(dray_report_json(report)[0] == '{');
    dray_report_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dray_program *program;
    struct dray_text_error error = { 0 };
    int result = dray_program_parse(&program, (const char *)data, size, "fuzz", &error);
    FUZZ_ASSERT(result == 0 || result == -EINVAL || result == -ENOMEM);
    FUZZ_ASSERT((result == 0) == (program != NULL));
    if (result == -EINVAL) {
        FUZZ_ASSERT(error.line >= 1 && error.column >= 1);
        FUZZ_ASSERT(error.found[0] && error.expected[0]);
        FUZZ_ASSERT(is_safe(error.found) && is_safe(error.expected));
    }
    if (result == 0 && program->segments <= SEGMENTS_MAX)
        explain(program);
    dray_program_free(&program);
    return 0;
}
