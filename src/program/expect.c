/* Judging: what the program expects against what there is. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>

#include "program/escape.h"
#include "program/session.h"

enum {
    CHUNK = 65536
};

/* ---- the bytes that a list of places names, one chunk after the other ---- */

struct reader {
    const struct dray_session *session;
    struct dray_places places;
    size_t place;  /* which one */
    uint64_t time; /* which of its repetitions */
    uint64_t done; /* bytes of it */
    int error;
};

static uint64_t place_length(const struct reader *r, const struct dray_place *place)
{
    const struct dray_decl *decl = &r->session->program->decls[place->decl];
    if (!dray_place_is_open(decl, place))
        return place->length;
    uint64_t size = dray_bound_file_size(r->session, (size_t)place->decl); /* as it is now */
    return size > place->offset ? size - place->offset : 0;
}

/* Up to `max` next bytes; 0 at the end. */
static size_t read_some(struct reader *r, unsigned char *out, size_t max)
{
    while (r->place < r->places.count && !r->error) {
        const struct dray_place *place = &r->session->program->places[r->places.first + r->place];
        uint64_t left = place_length(r, place) - r->done;
        if (left > 0) {
            size_t n = left < max ? (size_t)left : max;
            r->error = dray_bound_read(r->session, (size_t)place->decl,
                                       place->offset + r->time * place->every + r->done, out, n);
            r->done += n;
            return r->error ? 0 : n;
        }
        r->done = 0;
        if (++r->time == place->times) {
            r->time = 0;
            r->place++;
        }
    }
    return 0;
}

/* Fills the chunk as far as there are bytes. */
static size_t read_chunk(struct reader *r, unsigned char *out)
{
    size_t used = 0, n;
    while (used < CHUNK && (n = read_some(r, out + used, CHUNK - used)) > 0)
        used += n;
    return used;
}

/* ---- verdicts ---- */

struct judge {
    const struct dray_session *session;
    const struct dray_expect *expect;
    struct dray_verdict *verdict;
    unsigned char *a, *b; /* a chunk each */
};

static void fails(struct judge *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fails(struct judge *j, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(j->verdict->detail, sizeof(j->verdict->detail), format, arguments);
    va_end(arguments);
    j->verdict->kind = DRAY_VERDICT_FAILED;
}

static void fails_reading(struct judge *j, int error)
{
    fails(j, error == -ENODATA ? "the file ends before" : "cannot be read: %s", strerror(-error));
}

static struct reader reader_of(const struct judge *j, struct dray_places places)
{
    return (struct reader){ .session = j->session, .places = places };
}

static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t length)
{
    size_t i = 0;
    while (i < length && a[i] == b[i])
        i++;
    return i;
}

/* Where two sides differ first; both readers are at the same place. *same: they do not, as far as
 * both go. */
static uint64_t compare(struct judge *j, struct reader *left, struct reader *right, bool *same)
{
    uint64_t at = 0;
    for (;;) {
        size_t m = read_chunk(left, j->a), n = read_chunk(right, j->b);
        size_t both = m < n ? m : n, i = first_difference(j->a, j->b, both);
        *same = i == both && m == n;
        if (!*same || m == 0)
            return at + i;
        at += m;
    }
}

static void judge_same(struct judge *j)
{
    struct reader left = reader_of(j, j->expect->a), right = reader_of(j, j->expect->b);
    bool same, wanted = j->expect->condition == DRAY_WAIT_EQ;
    uint64_t at = compare(j, &left, &right, &same);
    if (left.error || right.error)
        fails_reading(j, left.error ? left.error : right.error);
    else if (same != wanted)
        fails(j, same ? "they are equal" : "they differ at byte %" PRIu64, at);
}

static void judge_content(struct judge *j)
{
    const struct dray_content *content = &j->expect->content;
    struct reader reader = reader_of(j, j->expect->a);
    uint64_t at = 0;
    size_t n;
    while ((n = read_chunk(&reader, j->a)) > 0) {
        dray_content_write(content, at, j->b, n);
        size_t i = first_difference(j->a, j->b, n);
        if (i < n) {
            fails(j, "byte %" PRIu64 " is 0x%02x, expected 0x%02x", at + i, j->a[i], j->b[i]);
            return;
        }
        at += n;
    }
    if (reader.error)
        fails_reading(j, reader.error);
    else if (content->kind == DRAY_CONTENT_BYTES && at != content->length)
        fails(j, "it has %" PRIu64 " bytes, expected %zu", at, content->length);
}

static void judge_crc32c(struct judge *j)
{
    struct reader reader = reader_of(j, j->expect->a);
    uint32_t crc = ~0u;
    size_t n;
    while ((n = read_chunk(&reader, j->a)) > 0)
        crc = crc32_iscsi(j->a, (int)n, crc);
    crc = ~crc;
    if (reader.error)
        fails_reading(j, reader.error);
    else if (crc != j->expect->value)
        fails(j, "it is 0x%08x", crc);
}

static void judge_number(struct judge *j, uint64_t number)
{
    if (!dray_condition_holds(j->expect->condition, number, j->expect->value))
        fails(j, "it is %" PRIu64 " (0x%" PRIx64 ")", number, number);
}

static void judge_status(struct judge *j, const struct dray_op_result *result)
{
    if (result->completed < result->expected || result->expected == 0)
        fails(j, "it has not completed");
    else if (result->status != j->expect->value)
        fails(j, "it is %s", dray_status_name(result->status));
}

static void judge_one(struct judge *j)
{
    const struct dray_expect *expect = j->expect;
    const struct dray_session *s = j->session;
    const struct dray_op_result *result = dray_session_result(s, expect->op);
    struct dray_domain_stats stats;
    switch (expect->kind) {
    case DRAY_EXPECT_STATUS:
        judge_status(j, result);
        break;
    case DRAY_EXPECT_MOVED:
        judge_number(j, result->moved);
        break;
    case DRAY_EXPECT_RESULT:
        judge_number(j, result->result);
        break;
    case DRAY_EXPECT_SIZE:
        judge_number(j, dray_bound_file_size(s, (size_t)expect->target));
        break;
    case DRAY_EXPECT_FAULTS:
        dray_domain_stats(s->domain, &stats);
        judge_number(j, stats.faults);
        break;
    case DRAY_EXPECT_FLAG:
        judge_number(j, dray_flag_load(&s->flags[(size_t)expect->target * DRAY_FLAG_WORDS]));
        break;
    case DRAY_EXPECT_SAME:
        judge_same(j);
        break;
    case DRAY_EXPECT_CRC32C:
        judge_crc32c(j);
        break;
    case DRAY_EXPECT_CONTENT:
        judge_content(j);
        break;
    }
}

/* No engine may have touched what lies round a region, whatever it was asked for. */
static void judge_guards(struct dray_session *session)
{
    for (size_t i = 0; i < session->program->decl_count; i++) {
        const struct dray_decl *decl = &session->program->decls[i];
        if (decl->kind == DRAY_DECL_MEM && !dray_bound_guards_hold(session, i))
            dray_report_error(session->report, session->program, decl->at, -EFAULT,
                              "%s: bytes outside of it were written", decl->name);
    }
}

static int judge_all(struct dray_session *session, struct judge *j)
{
    const struct dray_program *program = session->program;
    struct dray_report *report = session->report;
    for (size_t i = 0; i < program->expect_count; i++) {
        const struct dray_expect *expect = &program->expects[i];
        j->expect = expect;
        j->verdict = &report->verdicts[report->verdict_count];
        j->verdict->line = expect->at.line;
        j->verdict->text =
            expect->label ? dray_report_keep_source(report, expect->label, strlen(expect->label))
                          : dray_report_keep_source(report, expect->text, expect->text_length);
        if (!j->verdict->text)
            return -ENOMEM;
        report->verdict_count++;
        if (session->moves)
            judge_one(j);
        else
            j->verdict->kind = DRAY_VERDICT_SKIPPED;
    }
    return 0;
}

int dray_session_judge(struct dray_session *session)
{
    const size_t count = session->program->expect_count;
    struct judge j = { .session = session, .a = malloc(CHUNK), .b = malloc(CHUNK) };
    int error = -ENOMEM;
    session->report->verdicts = calloc(count + 1, sizeof(*session->report->verdicts));
    if (j.a && j.b && session->report->verdicts)
        error = judge_all(session, &j);
    free(j.a);
    free(j.b);
    judge_guards(session);
    return error;
}
