/* What happened on a machine, as a table for people and as JSON: one gathering of figures, two ways of
 * writing them. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "dray/desc.h"
#include "engine/model/model.h"

enum {
    ROWS_MAX = 100, /* transfers in the table; all are in the JSON */
};

static double ns(sim_time t)
{
    return (double)t / 1e3;
}

static double share(sim_time part, sim_time whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double gb_per_s(uint64_t bytes, sim_time t)
{
    return t ? (double)bytes * 1e3 / (double)t : 0;
}

static const struct sim_master *masters(const struct dray_machine *m, unsigned i)
{
    return i < m->sim->core_count ? sim_cache_master(sim_core_cache(m->sim->cores[i]))
                                  : &m->sim->master;
}

/* ---- for people ---- */

static void print_transfers(FILE *out, const struct dray_machine *m)
{
    size_t rows = m->records.count < ROWS_MAX ? m->records.count : ROWS_MAX;
    fprintf(out, "%-8s %4s %-8s %6s %12s %12s %12s %9s  %s\n", "channel", "op", "does", "descr.",
            "bytes", "submitted", "takes", "GB/s", "status");
    for (size_t i = 0; i < rows; i++) {
        const struct model_record *r = model_record_at(m, i);
        sim_time takes = r->done > r->submitted ? r->done - r->submitted : 0;
        fprintf(out, "%-8u %4" PRIu64 " %-8s %6u %12" PRIu64 " %9.1f ns ", r->channel, r->user_data,
                dray_opcode_name(r->opcode), r->descriptors, r->moved, ns(r->submitted));
        if (r->done)
            fprintf(out, "%9.1f ns %9.2f  %s\n", ns(takes), gb_per_s(r->moved, takes),
                    dray_status_name((enum dray_status)r->status));
        else
            fprintf(out, "%12s %9s  not completed\n", "", "");
    }
    if (m->records.count > rows)
        fprintf(out, "... and %zu more (--json has them all)\n", m->records.count - rows);
}

static void print_bus(FILE *out, const struct dray_machine *m)
{
    sim_time now = sim_now(m->sim->kernel);
    fprintf(out, "\n%-12s %10s %12s %8s %14s\n", "bus: master", "requests", "bytes", "busy",
            "mean wait");
    for (unsigned i = 0; i <= m->sim->core_count; i++) {
        const struct sim_master *master = masters(m, i);
        struct sim_bus_stats s;
        sim_bus_stats(m->sim->bus, master, &s);
        fprintf(out, "%-12s %10" PRIu64 " %12" PRIu64 " %6.2f %% %11.1f ns\n", master->name,
                s.requests, s.bytes, share(s.busy, now),
                s.bursts ? ns(s.waiting) / (double)s.bursts : 0.0);
    }
}

static void print_parts(FILE *out, const struct dray_machine *m)
{
    const struct sim_machine *sim = m->sim;
    struct sim_dram_stats dram;
    sim_dram_stats(sim->dram, &dram);
    fprintf(out, "\ndram        %" PRIu64 " reads, %" PRIu64 " writes, %.0f %% in open rows\n",
            dram.reads, dram.writes, share(dram.row_hits, dram.row_hits + dram.row_misses));
    for (unsigned i = 0; i < sim->core_count; i++) {
        struct sim_core_stats c;
        sim_core_stats(sim->cores[i], &c);
        fprintf(out,
                "%-11s %" PRIu64 " loads, %" PRIu64 " stores, %" PRIu64 " barriers, %" PRIu64
                " register accesses, %" PRIu64 " interrupts; working %.1f ns, of that stalled "
                "%.1f ns\n",
                sim->core_names[i], c.loads, c.stores, c.barriers, c.mmio_reads + c.mmio_writes,
                c.interrupts, ns(c.working), ns(c.stalled));
        fprintf(out,
                "  caches    %" PRIu64 " hits in level 1, %" PRIu64 " misses, %" PRIu64
                " written back, %" PRIu64 " lines maintained; TLB %" PRIu64 " misses\n",
                c.cache.hits[0], c.cache.misses, c.cache.write_backs, c.cache.maintained,
                c.tlb.misses);
    }
    if (sim->link) {
        struct sim_link_stats l;
        sim_link_stats(sim->link, &l);
        fprintf(out,
                "link        %" PRIu64 " reads, %" PRIu64 " writes; %" PRIu64 " bytes up, %" PRIu64
                " down on the wire\n",
                l.reads, l.writes, l.up_bytes, l.down_bytes);
    }
    if (sim->iommu) {
        struct sim_iommu_stats t;
        sim_iommu_stats(sim->iommu, &t);
        fprintf(out,
                "iommu       %" PRIu64 " translations, %" PRIu64 " missed, %" PRIu64
                " reads of tables, %" PRIu64 " faults\n",
                t.translations, t.misses, t.walk_reads, t.faults);
    }
    for (unsigned i = 0; i < SIM_CONTROLLER_CHANNELS; i++) {
        struct sim_controller_stats s;
        if (!m->channels[i].machine)
            continue;
        sim_controller_stats(sim->controller, i, &s);
        fprintf(out,
                "channel %-3u %" PRIu64 " doorbells, %" PRIu64 " descriptors in %" PRIu64
                " fetches, %" PRIu64 " bytes moved; fetching %.1f ns, working %.1f ns\n",
                i, s.doorbells, s.descriptors, s.fetch_reads, s.moved, ns(s.fetching),
                ns(s.working));
    }
}

static void print_hazards(FILE *out, const struct dray_machine *m)
{
    size_t count = dray_machine_hazards(m);
    if (!m->sim->shadow)
        return;
    fprintf(out, "\n%zu hazard%s\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        sim_hazard_print(sim_shadow_hazard(m->sim->shadow, i), text, sizeof(text));
        fprintf(out, "%s\n", text);
    }
}

const char *model_report_text(struct dray_machine *m)
{
    size_t size;
    free(m->text);
    m->text = NULL;
    FILE *out = open_memstream(&m->text, &size);
    if (!out)
        return NULL;
    fprintf(out, "machine %s: %.1f ns, %" PRIu64 " events\n\n", m->name,
            ns(sim_now(m->sim->kernel)), sim_event_count(m->sim->kernel));
    if (m->broken)
        fprintf(out, "it gave up: %s\n\n", m->why);
    print_transfers(out, m);
    print_bus(out, m);
    print_parts(out, m);
    print_hazards(out, m);
    return fclose(out) ? NULL : m->text;
}

/* ---- for programs ---- */

static json_t *json_transfers(const struct dray_machine *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->records.count; i++) {
        const struct model_record *r = model_record_at(m, i);
        json_array_append_new(
            list,
            json_pack("{s:i, s:I, s:s, s:i, s:I, s:I, s:I, s:s}", "channel", (int)r->channel,
                      "operation", (json_int_t)r->user_data, "opcode", dray_opcode_name(r->opcode),
                      "descriptors", (int)r->descriptors, "bytes", (json_int_t)r->moved,
                      "submitted_ps", (json_int_t)r->submitted, "done_ps", (json_int_t)r->done,
                      "status", r->done ? dray_status_name((enum dray_status)r->status) : "none"));
    }
    return list;
}

static json_t *json_bus(const struct dray_machine *m)
{
    json_t *list = json_array();
    for (unsigned i = 0; i <= m->sim->core_count; i++) {
        const struct sim_master *master = masters(m, i);
        struct sim_bus_stats s;
        sim_bus_stats(m->sim->bus, master, &s);
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:I}", "master", master->name,
                                              "requests", (json_int_t)s.requests, "bytes",
                                              (json_int_t)s.bytes, "busy_ps", (json_int_t)s.busy,
                                              "waiting_ps", (json_int_t)s.waiting));
    }
    return list;
}

static json_t *json_access(const struct sim_access *a)
{
    return json_pack("{s:s, s:s, s:I, s:s*, s:i}", "part", a->part ? a->part : "", "what",
                     a->what ? a->what : "", "time_ps", (json_int_t)a->time, "file", a->file,
                     "line", (int)a->line);
}

static json_t *json_hazards(const struct dray_machine *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dray_machine_hazards(m); i++) {
        const struct sim_hazard *h = sim_shadow_hazard(m->sim->shadow, i);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "kind",
                            sim_hazard_name(h->kind), "missing", sim_hazard_missing(h->kind),
                            "address", (json_int_t)h->address, "bytes", (json_int_t)h->size,
                            "time_ps", (json_int_t)h->time, "count", (json_int_t)h->count, "first",
                            json_access(&h->first), "second", json_access(&h->second)));
    }
    return list;
}

const char *model_report_json(struct dray_machine *m)
{
    json_t *report =
        json_pack("{s:s, s:s*, s:I, s:I, s:o, s:o, s:o}", "machine", m->name, "gave_up",
                  m->broken ? m->why : NULL, "time_ps", (json_int_t)sim_now(m->sim->kernel),
                  "events", (json_int_t)sim_event_count(m->sim->kernel), "transfers",
                  json_transfers(m), "bus", json_bus(m), "hazards", json_hazards(m));
    free(m->text);
    m->text = report ? json_dumps(report, JSON_INDENT(2)) : NULL;
    json_decref(report);
    return m->text;
}
