/* What came of a run or an explanation. Owns all its strings, so that it outlives the program. */
#ifndef DRAY_PROGRAM_REPORT_H
#define DRAY_PROGRAM_REPORT_H

#include "program/program.h"

/* What became of one operation. */
struct dray_op_result {
    char *text;        /* as written, made safe to print */
    const char *block; /* the queue or list it stands in */
    unsigned number;   /* in its block, from 1 */
    unsigned line;
    const char
        *engine; /* who executed it; NULL: nobody (it stands in a list that was not linked) */
    bool moves;  /* moves or reads bytes: has a speed */
    bool copied_by_cpu; /* its bytes may be counted among those that a CPU copied in user space */
    size_t segments;    /* pieces on the longer side */
    size_t descriptors, transactions; /* planned */
    size_t cpu_steps;                 /* of these descriptors, left to the calling CPU */
    size_t expected, completed;       /* transactions, over all rounds of a linked list */
    uint64_t moved, cpu_bytes;
    uint64_t payload; /* where bytes go by bounce memory or with gaps: those asked for; else 0 */
    uint64_t result;
    enum dray_status status; /* the first that was not OK */
    enum dray_access access;
    uint32_t index;
    uint64_t error_offset; /* of the completion that failed: its result */
    uint64_t begin_ns, end_ns;
    bool time_shared; /* found done together with others: these times are shares of one */
    bool judged;      /* an expectation says which status it should have */
};

enum dray_verdict_kind {
    DRAY_VERDICT_HELD,
    DRAY_VERDICT_FAILED,
    DRAY_VERDICT_SKIPPED,
};

struct dray_verdict {
    enum dray_verdict_kind kind;
    unsigned line;
    char *text;
    char detail[160];
};

/* One queue and its engine. */
struct dray_lane_result {
    const char *name;
    char engine[DRAY_WORD_BYTES];
    char mode[DRAY_WORD_BYTES];
    char kernels[DRAY_WORD_BYTES];
    struct dray_engine_stats stats;
    uint64_t notifications;
};

struct dray_report {
    char *program;
    bool explains;
    char error[512]; /* why it could not be bound, or did not end; empty: none */
    struct dray_op_result *ops;
    size_t op_count;
    struct dray_lane_result *lanes;
    size_t lane_count;
    struct dray_verdict *verdicts;
    size_t verdict_count;
    struct dray_fault *faults;
    size_t fault_count;
    char **plans; /* explain: one text an operation, NULL where there is nothing to plan */
    char **notes; /* further sentences: files that were kept */
    size_t note_count;
    uint64_t total_ns;
    char **strings; /* that the above point to */
    size_t string_count;
    char *text, *json; /* made when asked for */
};

/* Returns -errno of what it says: "FILE:LINE:COLUMN: " and the message. The first error wins. */
int dray_report_error(struct dray_report *report, const struct dray_program *program,
                      struct dray_position at, int error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Keeps a copy; NULL: no memory. */
char *dray_report_keep(struct dray_report *report, const char *text);
/* Program text on one line, blanks squeezed, made safe to print. */
char *dray_report_keep_source(struct dray_report *report, const char *text, size_t length);
bool dray_report_note(struct dray_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether every operation and expectation is as it should be. */
bool dray_report_ok(const struct dray_report *report);
bool dray_op_result_ok(const struct dray_op_result *op);

#endif
