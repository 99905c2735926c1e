/* The report for programs. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "program/report.h"

/* Counters above 2^63 have no JSON integer: they are cut off there. */
static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static double rate(uint64_t bytes, uint64_t ns)
{
    return ns > 0 ? (double)bytes / (double)ns : 0;
}

static json_t *op_json(const struct dray_op_result *op, const char *plan)
{
    uint64_t ns = op->end_ns > op->begin_ns ? op->end_ns - op->begin_ns : 0;
    return json_pack("{s:s s:i s:i s:s* s:s? s:b s:s s:o s:o s:o s:o s:o s:o s:b s:f s:o s:s*}",
                     "queue", op->block, "number", (int)op->number, "line", (int)op->line, "text",
                     op->text, "engine", op->engine, "ok", (int)dray_op_result_ok(op), "status",
                     dray_status_name(op->status), "segments", number(op->segments), "descriptors",
                     number(op->descriptors), "transactions", number(op->transactions),
                     "moved_bytes", number(op->moved), "cpu_bytes", number(op->cpu_bytes),
                     "time_ns", number(ns), "time_shared", (int)op->time_shared, "gb_per_s",
                     rate(op->moved, ns), "result", number(op->result), "plan", plan);
}

static json_t *lane_json(const struct dray_lane_result *lane)
{
    return json_pack(
        "{s:s s:s s:s s:s s:o s:o s:o s:o s:o s:o s:o s:o}", "name", lane->name, "engine",
        lane->engine, "mode", lane->mode, "kernels", lane->kernels, "transactions",
        number(lane->stats.transactions), "descriptors", number(lane->stats.descriptors),
        "moved_bytes", number(lane->stats.moved_bytes), "cpu_bytes", number(lane->stats.cpu_bytes),
        "sleeps", number(lane->stats.sleeps), "wakes", number(lane->stats.wakes), "splits",
        number(lane->stats.splits), "notifications", number(lane->notifications));
}

static json_t *verdict_json(const struct dray_verdict *verdict)
{
    static const char *const names[] = { "held", "failed", "skipped" };
    return json_pack("{s:i s:s s:s s:s}", "line", (int)verdict->line, "text", verdict->text,
                     "verdict", names[verdict->kind], "detail", verdict->detail);
}

static json_t *fault_json(const struct dray_fault *fault)
{
    return json_pack("{s:i s:o s:o s:o s:o s:s s:s}", "queue", (int)fault->queue, "descriptor",
                     number(fault->descriptor), "key", number(fault->key.value), "offset",
                     number(fault->offset), "length", number(fault->length), "access",
                     dray_access_name(fault->access), "reason", dray_status_name(fault->reason));
}

static void fill_arrays(const struct dray_report *r, json_t *ops, json_t *lanes, json_t *verdicts,
                        json_t *faults, json_t *notes)
{
    for (size_t i = 0; i < r->op_count; i++)
        json_array_append_new(ops, op_json(&r->ops[i], r->plans ? r->plans[i] : NULL));
    for (size_t i = 0; i < r->lane_count; i++)
        json_array_append_new(lanes, lane_json(&r->lanes[i]));
    for (size_t i = 0; i < r->verdict_count; i++)
        json_array_append_new(verdicts, verdict_json(&r->verdicts[i]));
    for (size_t i = 0; i < r->fault_count; i++)
        json_array_append_new(faults, fault_json(&r->faults[i]));
    for (size_t i = 0; i < r->note_count; i++)
        json_array_append_new(notes, json_string(r->notes[i]));
}

const char *dray_report_json(struct dray_report *report)
{
    if (report->json)
        return report->json;
    json_t *ops = json_array(), *lanes = json_array(), *verdicts = json_array();
    json_t *faults = json_array(), *notes = json_array();
    fill_arrays(report, ops, lanes, verdicts, faults, notes);
    json_t *all =
        json_pack("{s:s s:b s:s? s:o s:o s:o s:o s:o s:o}", "program", report->program, "ok",
                  (int)dray_report_ok(report), "error", report->error[0] ? report->error : NULL,
                  "time_ns", number(report->total_ns), "operations", ops, "queues", lanes,
                  "expectations", verdicts, "faults", faults, "notes", notes);
    report->json = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(all);
    return report->json ? report->json : "{}";
}
