/*
 * Text programs: regions, queues and transfers in a file, run on real memory and real files.
 *
 * The grammar is in docs/program.md. A program is parsed once and may be run many times; each run
 * makes its regions anew.
 */
#ifndef DRAY_PROGRAM_H
#define DRAY_PROGRAM_H

#include "dray/api.h"
#include "dray/desc.h"
#include "dray/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dray_program;
struct dray_report;

/* Parses `length` bytes of text; `name` stands in error messages. Returns 0; -EINVAL and *error;
 * -ENOMEM. The program copies what it needs. */
DRAY_API int dray_program_parse(struct dray_program **program, const char *text, size_t length,
                                const char *name, struct dray_text_error *error);

DRAY_API void dray_program_free(struct dray_program **program);

/* How far a run has come. */
struct dray_program_progress {
    size_t done, operations; /* of its queues */
    uint64_t moved_bytes;    /* by operations and parts of them that are done */
};

struct dray_program_options {
    size_t size;           /* sizeof this structure */
    const char *directory; /* relative file names start here; NULL: the current directory */
    const char *engine;    /* in place of every `engine auto`; NULL: auto */
    const struct dray_profile *profile; /* NULL: dray_profile_load */
    uint64_t timeout_ns;                /* for the whole run; 0: 60 s */
    bool keep;                          /* temporary files stay, and the report names them */
    /* Called in the running thread when everything is bound, then some ten times a second as long as that
     * thread has not to do an operation itself, and when the queues are done; NULL: not. */
    void (*progress)(void *user, const struct dray_program_progress *progress);
    void *progress_user;
    struct dray_machine *machine; /* every queue is a channel of its controller; NULL: no machine */
};

/* Runs it. Returns 0 when every transfer succeeded and every expectation held; -EIO when not
 * (*report says which and where); -ETIMEDOUT when it did not end in time; other -errno when it could not be bound (file not found, no such
 * engine): the message is in the report too. *report is always set, unless -ENOMEM; free it. */
DRAY_API int dray_program_run(const struct dray_program *program,
                              const struct dray_program_options *options,
                              struct dray_report **report);

/* The plan of each copy and why, without running. Same report type. */
DRAY_API int dray_program_explain(const struct dray_program *program,
                                  const struct dray_program_options *options,
                                  struct dray_report **report);

/* As a table for people, or as JSON. The text is the report's, valid until it is freed. */
DRAY_API const char *dray_report_text(struct dray_report *report);
DRAY_API const char *dray_report_json(struct dray_report *report);
DRAY_API void dray_report_free(struct dray_report **report);

#ifdef __cplusplus
}
#endif

#endif
