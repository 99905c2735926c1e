/* What the trace cannot learn from notes: the driver's transactions. */
#include "dray/desc.h"
#include "engine/model/model.h"

static void write_record(struct dray_machine *m, size_t index)
{
    const struct model_record *r = model_record_at(m, index);
    sim_time done = r->done ? r->done : SIM_NEVER;
    sim_trace_transaction(
        m->trace,
        &(struct sim_trace_transaction){
            .channel = r->channel,
            .id = index,
            .opcode = dray_opcode_name(r->opcode),
            .status = r->done ? dray_status_name((enum dray_status)r->status) : "not completed",
            .operation = r->user_data,
            .descriptors = r->descriptors,
            .bytes = r->moved,
            /* What a LINK led to was never submitted by itself. */
            .submitted = r->descriptors ? r->submitted : done,
            .done = done });
}

void model_trace_record(struct dray_machine *machine, size_t index)
{
    if (machine->trace)
        write_record(machine, index);
}

int model_trace_end(struct dray_machine *machine)
{
    for (size_t i = 0; machine->trace && i < machine->records.count; i++)
        if (!model_record_at(machine, i)->done)
            write_record(machine, i);
    return sim_trace_close(&machine->trace);
}
