/* What the public header offers: a session from open to close, and its report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "program/escape.h"
#include "program/session.h"

static struct dray_report *new_report(const struct dray_program *program, bool explains)
{
    struct dray_report *report = calloc(1, sizeof(*report));
    char name[256];
    if (!report)
        return NULL;
    report->explains = explains;
    report->program = strdup(dray_escape(name, sizeof(name), program->name, strlen(program->name)));
    if (!report->program)
        dray_report_free(&report);
    return report;
}

int dray_program_run(const struct dray_program *program, const struct dray_program_options *options,
                     struct dray_report **report)
{
    struct dray_session session;
    *report = new_report(program, false);
    if (!*report)
        return -ENOMEM;
    int error = dray_session_open(&session, program, options, false, *report);
    if (!error)
        error = dray_session_run(&session);
    if (!error)
        error = dray_session_judge(&session);
    dray_session_close(&session);
    return error ? error : dray_report_ok(*report) ? 0 : -EIO;
}

int dray_program_explain(const struct dray_program *program,
                         const struct dray_program_options *options, struct dray_report **report)
{
    struct dray_session session;
    *report = new_report(program, true);
    if (!*report)
        return -ENOMEM;
    int error = dray_session_open(&session, program, options, true, *report);
    dray_session_close(&session);
    return error;
}
