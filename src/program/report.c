/* The report: what it holds, and whether all is well. */
#include "program/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/escape.h"

char *dray_report_keep(struct dray_report *report, const char *text)
{
    char *copy = strdup(text);
    char **slot =
        copy ? dray_program_push(&report->strings, &report->string_count, sizeof(*report->strings))
             : NULL;
    if (!slot) {
        free(copy);
        return NULL;
    }
    return *slot = copy;
}

enum {
    SOURCE_MAX = 400
}; /* bytes kept of an operation's text */

char *dray_report_keep_source(struct dray_report *report, const char *text, size_t length)
{
    char line[SOURCE_MAX], safe[SOURCE_MAX + 4];
    size_t used = 0;
    bool blank = false;
    for (size_t i = 0; i < length && used + 1 < sizeof(line); i++) {
        bool is_blank = text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n';
        if (!is_blank && blank && used > 0)
            line[used++] = ' ';
        blank = is_blank;
        if (!is_blank && used < sizeof(line))
            line[used++] = text[i];
    }
    dray_escape(safe, sizeof(safe), line, used);
    return dray_report_keep(report, safe);
}

bool dray_report_note(struct dray_report *report, const char *format, ...)
{
    char text[512], safe[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dray_escape(safe, sizeof(safe), text, strlen(text));
    char *copy = dray_report_keep(report, safe);
    char **slot =
        copy ? dray_program_push(&report->notes, &report->note_count, sizeof(*report->notes))
             : NULL;
    if (slot)
        *slot = copy;
    return slot != NULL;
}

int dray_report_error(struct dray_report *report, const struct dray_program *program,
                      struct dray_position at, int error, const char *format, ...)
{
    char name[160];
    va_list arguments;
    if (report->error[0])
        return error;
    dray_escape(name, sizeof(name), program->name, strlen(program->name));
    int used =
        snprintf(report->error, sizeof(report->error), "%s:%u:%u: ", name, at.line, at.column);
    va_start(arguments, format);
    vsnprintf(report->error + used, sizeof(report->error) - (size_t)used, format, arguments);
    va_end(arguments);
    return error;
}

bool dray_op_result_ok(const struct dray_op_result *op)
{
    return op->completed >= op->expected && (op->judged || op->status == DRAY_STATUS_OK);
}

bool dray_report_ok(const struct dray_report *report)
{
    bool ok = report->error[0] == '\0';
    for (size_t i = 0; i < report->op_count; i++)
        ok &= dray_op_result_ok(&report->ops[i]);
    for (size_t i = 0; i < report->verdict_count; i++)
        ok &= report->verdicts[i].kind != DRAY_VERDICT_FAILED;
    return ok;
}

void dray_report_free(struct dray_report **report)
{
    struct dray_report *r = *report;
    if (!r)
        return;
    for (size_t i = 0; i < r->string_count; i++)
        free(r->strings[i]);
    for (size_t i = 0; r->plans && i < r->op_count; i++)
        free(r->plans[i]);
    free(r->strings);
    free(r->notes);
    free(r->plans);
    free(r->faults);
    free(r->verdicts);
    free(r->lanes);
    free(r->ops);
    free(r->program);
    free(r->text);
    free(r->json);
    free(r);
    *report = NULL;
}
