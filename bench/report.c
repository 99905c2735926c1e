#include <jansson.h>
#include <string.h>

#include "harness.h"
#include "memory.h"

static void format_figure(char *text, size_t size, double figure, const char *unit)
{
    if (figure < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%.*f %s", figure < 1 ? 4 : figure < 100 ? 2 : 0, figure, unit);
}

void bench_report_text(const struct bench_suite *suite, const struct bench_result *results,
                       size_t count, FILE *out)
{
    size_t i;

    fprintf(out, "%s: %s (%s)\n", suite->name, suite->about, bench_pages());
    fprintf(out, "  %-20s %14s %14s  %6s  %s\n", "case", "dray", "peer", "ratio", "peer");
    for (i = 0; i < count; i++) {
        const struct bench_result *result = &results[i];
        char dray[32], peer[32], ratio[16] = "-";

        format_figure(dray, sizeof(dray), result->dray, result->spec->unit);
        format_figure(peer, sizeof(peer), result->peer, result->spec->unit);
        if (result->ratio >= 0)
            snprintf(ratio, sizeof(ratio), "%.2f", result->ratio);
        fprintf(out, "  %-20s %14s %14s  %6s  %s\n", result->spec->name, dray, peer, ratio,
                result->peer_name);
        if (result->dray_why[0])
            fprintf(out, "  %-20s dray: %s\n", "", result->dray_why);
        if (result->peer_why[0])
            fprintf(out, "  %-20s peer: %s\n", "", result->peer_why);
    }
}

static json_t *figure_or_null(double figure)
{
    return figure < 0 ? json_null() : json_real(figure);
}

/* One result; a reason appears only where a figure is missing. */
static json_t *result_object(const struct bench_result *result)
{
    json_t *object = json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "case", result->spec->name, "unit",
                               result->spec->unit, "dray", figure_or_null(result->dray),
                               "peer_name", result->peer_name, "peer", figure_or_null(result->peer),
                               "ratio", figure_or_null(result->ratio));

    if (object && result->dray_why[0])
        json_object_set_new(object, "dray_why", json_string(result->dray_why));
    if (object && result->peer_why[0])
        json_object_set_new(object, "peer_why", json_string(result->peer_why));
    return object;
}

int bench_report_json(const struct bench_suite *suite, const struct bench_result *results,
                      size_t count, FILE *out)
{
    json_t *list = json_array();
    json_t *object = json_pack("{s:s, s:O}", "suite", suite->name, "results", list);
    size_t i;
    int rc = object ? 0 : -1;

    for (i = 0; i < count && !rc; i++)
        rc = json_array_append_new(list, result_object(&results[i]));
    if (!rc)
        rc = json_dumpf(object, out, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    if (!rc)
        rc = fputc('\n', out) == EOF ? -1 : 0;
    if (!rc)
        rc = fflush(out);
    json_decref(list);
    json_decref(object);
    return rc;
}
