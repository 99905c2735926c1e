/* The report for people: one table, then what the program expected. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/report.h"

enum {
    ROWS_MAX = 200, /* of the table; a program may have 65,536 operations */
    TEXT_MIN = 24,  /* columns of the operation */
    TEXT_MAX = 60,
    VERDICT_WIDTH = 80,
};

struct cell {
    char text[32];
};

static struct cell bytes_cell(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    struct cell cell;
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 6; unit++)
        value /= 1024;
    snprintf(cell.text, sizeof(cell.text), unit ? "%.4g %s" : "%.0f %s", value, units[unit]);
    return cell;
}

static struct cell time_cell(uint64_t ns)
{
    struct cell cell;
    if (ns < 1000)
        snprintf(cell.text, sizeof(cell.text), "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(cell.text, sizeof(cell.text), "%.4g us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(cell.text, sizeof(cell.text), "%.4g ms", (double)ns / 1e6);
    else
        snprintf(cell.text, sizeof(cell.text), "%.4g s", (double)ns / 1e9);
    return cell;
}

static struct cell count_cell(uint64_t count)
{
    struct cell cell;
    if (count < 100000)
        snprintf(cell.text, sizeof(cell.text), "%" PRIu64, count);
    else if (count < 10000000)
        snprintf(cell.text, sizeof(cell.text), "%.0fk", (double)count / 1e3);
    else
        snprintf(cell.text, sizeof(cell.text), "%.0fM", (double)count / 1e6);
    return cell;
}

static struct cell rate_cell(uint64_t bytes, uint64_t ns)
{
    struct cell cell = { "" };
    if (ns > 0 && bytes > 0)
        snprintf(cell.text, sizeof(cell.text), "%.3g", (double)bytes / (double)ns);
    return cell;
}

static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

/* At most `width` columns of UTF-8 text; what is cut ends in "...". Returns the columns printed. */
static size_t print_cut(FILE *out, const char *text, size_t width)
{
    size_t columns = columns_of(text), kept = 0, bytes = 0;
    if (columns <= width) {
        fputs(text, out);
        return columns;
    }
    for (; kept < width - 3 || ((unsigned char)text[bytes] & 0xc0) == 0x80; bytes++)
        kept += ((unsigned char)text[bytes] & 0xc0) != 0x80;
    fprintf(out, "%.*s...", (int)bytes, text);
    return width;
}

static void print_padded(FILE *out, const char *text, size_t width)
{
    fprintf(out, "%*s", (int)(width - print_cut(out, text, width)), "");
}

static void print_op(FILE *out, const struct dray_op_result *op, size_t width)
{
    uint64_t ns = op->end_ns > op->begin_ns ? op->end_ns - op->begin_ns : 0;
    char where[80], took[40];
    snprintf(took, sizeof(took), "%s%s", op->time_shared ? "~" : "", time_cell(ns).text);
    snprintf(where, sizeof(where), "%s.%u", op->block ? op->block : "?", op->number);
    fprintf(out, "%-10s ", where);
    print_padded(out, op->text ? op->text : "", width);
    fprintf(out, " %-7s", op->engine ? op->engine : "-");
    if (op->moves)
        fprintf(out, " %6s %6s %10s %10s %9s %6s", count_cell(op->segments).text,
                count_cell(op->descriptors).text, bytes_cell(op->moved).text,
                bytes_cell(op->cpu_bytes).text, took, rate_cell(op->moved, ns).text);
    else
        fprintf(out, " %6s %6s %10s %10s %9s %6s", "", count_cell(op->descriptors).text, "", "",
                took, "");
    fprintf(out, "  %s\n",
            op->completed < op->expected ? "not done"
            : op->expected == 0          ? "not run"
                                         : dray_status_name(op->status));
    if (op->status != DRAY_STATUS_OK)
        fprintf(out, "%11s%s%s\n", "", dray_status_text(op->status),
                op->judged ? " (as the program expects)" : "");
}

/* As wide as the longest operation needs, within bounds. */
static size_t text_width(const struct dray_report *r)
{
    size_t width = TEXT_MIN;
    for (size_t i = 0; i < r->op_count && i < ROWS_MAX; i++) {
        size_t columns = r->ops[i].text ? columns_of(r->ops[i].text) : 0;
        width = columns > width ? columns : width;
    }
    return width < TEXT_MAX ? width : TEXT_MAX;
}

static void print_table(FILE *out, const struct dray_report *r)
{
    size_t width = text_width(r);
    fprintf(out, "%-10s %-*s %-7s %6s %6s %10s %10s %9s %6s  %s\n", "queue", (int)width,
            "operation", "engine", "pieces", "descs", "moved", "CPU copied", "time", "GB/s",
            "status");
    for (size_t i = 0; i < r->op_count && i < ROWS_MAX; i++)
        print_op(out, &r->ops[i], width);
    if (r->op_count > ROWS_MAX)
        fprintf(out, "... and %zu operations more (--json has all)\n", r->op_count - ROWS_MAX);
}

static void print_lanes(FILE *out, const struct dray_report *r)
{
    for (size_t i = 0; i < r->lane_count; i++) {
        const struct dray_lane_result *lane = &r->lanes[i];
        fprintf(out,
                "%s: engine %s, %s%s%s; %" PRIu64 " transactions, %" PRIu64
                " descriptors; %s moved, %s of it copied by a CPU\n",
                lane->name ? lane->name : "?", lane->engine, lane->mode,
                lane->kernels[0] ? ", kernels " : "", lane->kernels, lane->stats.transactions,
                lane->stats.descriptors, bytes_cell(lane->stats.moved_bytes).text,
                bytes_cell(lane->stats.cpu_bytes).text);
    }
}

static void print_faults(FILE *out, const struct dray_report *r)
{
    for (size_t i = 0; i < r->fault_count; i++) {
        const struct dray_fault *f = &r->faults[i];
        fprintf(out,
                "fault: %s in queue %u, descriptor %u: %s of %" PRIu64 " bytes at offset %" PRIu64
                " of key 0x%x\n",
                dray_status_name(f->reason), f->queue, f->descriptor, dray_access_name(f->access),
                f->length, f->offset, f->key.value);
    }
}

static void print_verdicts(FILE *out, const struct dray_report *r)
{
    static const char *const names[] = { "holds", "FAILS", "skipped" };
    size_t shown = 0;
    for (size_t i = 0; i < r->verdict_count; i++) {
        const struct dray_verdict *v = &r->verdicts[i];
        if (v->kind == DRAY_VERDICT_HELD && shown++ >= ROWS_MAX)
            continue;
        fprintf(out, "%-7s expect ", names[v->kind]);
        print_cut(out, v->text, VERDICT_WIDTH);
        fprintf(out, "%s%s\n", v->detail[0] ? ": " : "", v->detail);
    }
}

static void print_plans(FILE *out, const struct dray_report *r)
{
    for (size_t i = 0; i < r->op_count; i++) {
        const struct dray_op_result *op = &r->ops[i];
        fprintf(out, "%s%s.%u  %s\n", i ? "\n" : "", op->block ? op->block : "?", op->number,
                op->text ? op->text : "");
        if (r->plans[i])
            fprintf(out, "%s", r->plans[i]);
        else
            fprintf(out, "  as it is: %zu descriptor%s\n", op->descriptors,
                    op->descriptors == 1 ? "" : "s");
    }
}

static void print_summary(FILE *out, const struct dray_report *r)
{
    size_t failed = 0, held = 0, skipped = 0;
    for (size_t i = 0; i < r->op_count; i++)
        failed += !dray_op_result_ok(&r->ops[i]);
    for (size_t i = 0; i < r->verdict_count; i++) {
        held += r->verdicts[i].kind == DRAY_VERDICT_HELD;
        skipped += r->verdicts[i].kind == DRAY_VERDICT_SKIPPED;
    }
    fprintf(out, "%s: %s in %s; %zu of %zu operations failed; %zu of %zu expectations hold",
            r->program, dray_report_ok(r) ? "ok" : "FAILED", time_cell(r->total_ns).text, failed,
            r->op_count, held, r->verdict_count);
    if (skipped > 0)
        fprintf(out, ", %zu skipped because the engine moves nothing", skipped);
    fputc('\n', out);
}

const char *dray_report_text(struct dray_report *report)
{
    size_t size;
    if (report->text)
        return report->text;
    FILE *out = open_memstream(&report->text, &size);
    if (!out)
        return "";
    if (report->explains && !report->error[0])
        print_plans(out, report);
    else if (report->op_count > 0 && report->total_ns > 0)
        print_table(out, report);
    print_lanes(out, report);
    print_faults(out, report);
    print_verdicts(out, report);
    for (size_t i = 0; i < report->note_count; i++)
        fprintf(out, "%s\n", report->notes[i]);
    if (report->error[0])
        fprintf(out, "%s\n", report->error);
    if (!report->explains)
        print_summary(out, report);
    fclose(out);
    return report->text ? report->text : "";
}
