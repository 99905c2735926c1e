/*
 * The engine "model": the bridge between a host's queues and a modelled machine.
 *
 *      host queue ──> model.c ──> pending ──> channel.c, driver code on a modelled core: fills the
 *                        ^                    ring in the machine's memory, rings the doorbell
 *                        └──── done <──────── ... and reaps completions when the interrupt comes
 *
 * Regions of host memory are mirrored: their bytes are copied into the machine before it runs and
 * back when it has completed something. That copying takes no modelled time; what a driver does for a
 * region (mapping, maintenance) does.
 *
 * The machine runs while the host's thread looks for completions; not before every queue has had its
 * turn to submit, so that queues which are filled one after the other begin together.
 */
#ifndef DRAY_ENGINE_MODEL_H
#define DRAY_ENGINE_MODEL_H

#include "domain/region.h"
#include "dray/machine.h"
#include "engine/driver.h"
#include "engine/model/window.h"
#include "trace.h"

enum {
    MODEL_REGIONS = 1024 /* keys with a lower index are known to the machine */
};

/* One descriptor on its way into the machine. */
struct model_entry {
    struct dray_desc desc;
    struct dray_shape shape;
};

/* Bytes of a region. */
struct model_range {
    dray_key key;
    uint64_t offset, length; /* UINT64_MAX: all */
};

/* A completion on its way out. */
struct model_result {
    struct dray_completion completion;
    struct dray_desc failed; /* the descriptor that it names, where status is not OK */
    bool notify;             /* one of its descriptors had NOTIFY */
};

/* A transaction, for the report. */
struct model_record {
    uint32_t channel;
    uint32_t descriptors;
    uint64_t user_data;
    uint8_t opcode; /* of its last descriptor */
    uint8_t status;
    uint64_t moved;
    sim_time submitted, done; /* by the driver; completion found by the driver */
};

/* A growing array. */
struct model_list {
    void *items;
    size_t count, first, room;
};

struct model_channel {
    struct dray_machine *machine;
    struct dray_port *port; /* the host's end; NULL: free */
    uint32_t number, queue_number;
    struct dray_queue *queue;   /* the machine's, in the window */
    uint32_t *registers;        /* in the window; stand for those of the channel */
    uint64_t memory, memory_io; /* of the rings */
    struct model_list pending;  /* struct model_entry */
    struct model_list done;     /* struct model_result */
    struct model_list flight;   /* struct dray_desc: submitted, not completed */
    struct model_list open;     /* size_t: records of transactions that are under way */
    bool chain_open;
    size_t chain_record; /* of the transaction whose chain is open */
    bool started;        /* its registers are set */
    bool stopping;       /* the host's end is gone: the driver shall reset it */
    bool stopped;        /* it has, and touches the channel no more */
};

/* A region of the host's domain, mirrored. */
struct model_region {
    uint32_t key; /* 0: none */
    uint8_t kind, rights;
    uint64_t length;
    uint64_t address, io; /* in the machine */
    bool mapped;          /* for the device: the driver has done so */
    uint64_t *words;      /* flags: as both sides last had them */
};

struct dray_machine {
    struct sim_machine *sim;
    struct sim_trace *trace; /* NULL: none */
    char name[64];
    char swept[32]; /* the value of a sweep */
    struct dray_window *window;
    unsigned engines; /* that are open on it, all of one domain */
    struct dray_domain *domain;
    struct model_channel channels[SIM_CONTROLLER_CHANNELS];
    unsigned channel_count; /* in use */
    struct model_region *regions;
    uint64_t table, table_io;
    bool regions_changed;
    bool wanted[MODEL_REGIONS]; /* by what is under way: their bytes go in and out */
    bool stale[MODEL_REGIONS];  /* wanted anew: all of the host's bytes have to go in */
    struct model_list ins,
        outs;               /* struct model_range: what has to go in; what is done and goes out */
    bool mapping;           /* a core is following the change */
    struct model_list gone; /* uint64_t: IO addresses that the driver shall unmap */
    bool fresh;             /* host memory may have changed since the machine ran */
    unsigned quiet;         /* looks for completions since something was submitted */
    bool running[SIM_CORES_MAX];
    struct model_list records; /* struct model_record */
    char *text;
    struct dray_reader reader; /* while regions of the domain are looked at */
    int broken;                /* -errno: it cannot go on */
    char why[160];             /* a sentence for that */
};

/* machine.c */
/* The machine cannot go on. The first reason stays; the queues on it are told when they next look. */
void model_break(struct dray_machine *machine, int error, const char *why);

static inline struct model_record *model_record_at(const struct dray_machine *machine, size_t index)
{
    return &((struct model_record *)machine->records.items)[index];
}

/* list.c */
void *model_list_push(struct model_list *list, size_t size); /* NULL: no memory */
void model_list_free(struct model_list *list);
static inline size_t model_list_left(const struct model_list *list)
{
    return list->count - list->first;
}

/* region.c */
/* Brings the table of regions up to date with the domain. Returns 0; -ENOMEM; -ENOSPC. */
int model_regions_update(struct dray_machine *machine);
void model_table_write(struct dray_machine *machine, uint32_t index); /* the controller's entry */
/* The regions that a descriptor names are wanted from now on. Returns 0; -ENOMEM. */
int model_regions_want(struct dray_machine *machine, const struct dray_desc *desc);
/* Bytes of the host to the machine: of regions that are wanted anew all, of others what descriptors read
 * that were taken since. */
void model_regions_in(struct dray_machine *machine);
/* What a descriptor that is done has written goes out at the next model_regions_out. Returns 0; -ENOMEM. */
int model_regions_done(struct dray_machine *machine, const struct dray_desc *desc);
int model_regions_all_done(struct dray_machine *machine); /* nobody knows which bytes */
/* Back to the host: what is done; with `flight` also what may be done, since a flag says so. */
void model_regions_out(struct dray_machine *machine, bool flight);
void model_flags_in(struct dray_machine *machine); /* what the host has stored in flags since */
bool model_flags_changed(struct dray_machine *machine); /* by the machine */
void model_regions_free(struct dray_machine *machine);

/* params.c: what a machine's file and settings say, and the value that a sweep gave. As
 * dray_machine_create. */
int model_read_params(struct sim_machine_params *params, const struct dray_machine_options *options,
                      char *swept, size_t swept_size, char *why, size_t why_size);

/* channel.c: in a core's fiber. */
void model_channel_main(struct sim_core *core, void *machine);
/* Without time. Returns 0; -ENOMEM. */
int model_channel_create(struct model_channel *channel, uint32_t depth, uint32_t completion_depth);

/* trace.c */
/* A transaction that is over. */
void model_trace_record(struct dray_machine *machine, size_t index);
/* Those that are not, and the end of the file. As dray_machine_trace_end. */
int model_trace_end(struct dray_machine *machine);

/* report.c */
const char *model_report_text(struct dray_machine *machine);
const char *model_report_json(struct dray_machine *machine);

#endif
