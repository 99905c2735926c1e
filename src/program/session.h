/*
 * A program at work: its declarations bound to memory, files and queues, its operations compiled to
 * descriptors. One session is one run (or one explanation: then it is dry, and nothing is opened,
 * created or allocated but engines, which are asked for their limits).
 */
#ifndef DRAY_PROGRAM_SESSION_H
#define DRAY_PROGRAM_SESSION_H

#include "dray/plan.h"
#include "program/program.h"
#include "program/report.h"

/* What comes next in a queue. */
enum dray_by {
    DRAY_STEP_ENGINE, /* the descriptor, by the queue's engine */
    DRAY_STEP_CPU,    /* the descriptor, by the calling CPU, when all before is done */
    DRAY_STEP_UNMAP,  /* by the host, when all before is done */
};

struct dray_program_step {
    struct dray_desc desc; /* user_data: the operation */
    enum dray_by by;
};

/* A declaration in this session. */
struct dray_bound {
    dray_key key[2]; /* by dray_place.end */
    uint64_t size;   /* bytes; of a file when it was opened */
    /* memory */
    unsigned char *arena;
    size_t arena_size;
    unsigned char *base;
    uint64_t address;     /* of base; where nothing is allocated, one that is aligned like it */
    struct iovec *pieces; /* or NULL: in one piece */
    /* file: to look at when all is done; -1: none */
    int fd;
    uint32_t alignment; /* that its transfers must have */
    char *path;         /* temp: to be removed */
    /* list: what LINK fetches; queue: what is submitted */
    struct dray_program_step *steps;
    size_t step_count;
    struct dray_desc *descs;
    /* queue */
    struct dray_engine *engine, *cpu_engine;
    struct dray_queue *queue, *cpu_queue; /* cpu_*: only where the plan leaves steps to the CPU */
    struct dray_capabilities capabilities;
    bool plan_may_use_cpu;
    unsigned char *bounce; /* memory of its own, for its plans; NULL: none needed */
    dray_key bounce_key;
    uint64_t bounce_address;
};

struct dray_session {
    const struct dray_program *program;
    struct dray_report *report;
    struct dray_program_options options;
    struct dray_profile profile;
    bool dry;
    bool moves; /* every engine moves bytes: expectations about bytes make sense */
    struct dray_domain *domain;
    struct dray_bound *bound; /* one a declaration */
    uint64_t *flags;          /* the words of flag n at n * DRAY_FLAG_WORDS */
    dray_key shapes;
    struct dray_plan_region *regions; /* sorted by key */
    size_t region_count;
    /* scratch of compile.c */
    struct dray_segment *segments[2];
    size_t segment_count[2], segment_room[2];
    struct dray_plan_step *plan;
    size_t plan_room;
};

enum {
    DRAY_FLAG_WORDS = 8
}; /* a flag has a cache line of its own */
enum {
    DRAY_BOUNCE_BYTES = 1 << 20
};
enum {
    DRAY_GUARD_BYTES = 64
};

/* bind.c: returns 0 or -errno, with a message in the report. close undoes whatever was done. */
int dray_session_open(struct dray_session *session, const struct dray_program *program,
                      const struct dray_program_options *options, bool dry,
                      struct dray_report *report);
void dray_session_close(struct dray_session *session);

/* region.c */
int dray_bind_mem(struct dray_session *session, size_t index);
int dray_bind_file(struct dray_session *session, size_t index);
int dray_bind_stream(struct dray_session *session, size_t index);
int dray_bind_flag(struct dray_session *session, size_t index);
void dray_unbind_region(struct dray_session *session, size_t index);
/* Whether the bytes round a region are still what they were. */
bool dray_bound_guards_hold(const struct dray_session *session, size_t index);
/* The bytes of a region at this moment, past the engines. Returns 0, or -errno (-ENODATA: the file
 * ends before). */
int dray_bound_read(const struct dray_session *session, size_t index, uint64_t offset, void *out,
                    size_t length);

/* Bytes of a file now. */
uint64_t dray_bound_file_size(const struct dray_session *session, size_t index);

/* compile.c: makes direct files as long as what a block will write to them, since blocks can only be
 * rewritten where there are some. */
int dray_reserve_block(struct dray_session *session, size_t index);
/* Fills in the steps of a block and, in a dry session, the plans of the report. */
int dray_compile_block(struct dray_session *session, size_t index);

/* run.c */
int dray_session_run(struct dray_session *session);
/* expect.c */
int dray_session_judge(struct dray_session *session);

static inline struct dray_op_result *dray_session_result(const struct dray_session *session,
                                                         size_t op)
{
    return &session->report->ops[op];
}

#endif
