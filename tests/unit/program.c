/* Text programs: what is refused, what a run reports, and that expectations can fail. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "dray/program.h"
#include "fault_inject.h"
#include "program/escape.h"
#include "program/program.h"
#include "program/words.h"
#include "test.h"

static struct dray_program *parse(const char *text)
{
    struct dray_program *program;
    struct dray_text_error error = { 0 };
    int result = dray_program_parse(&program, text, strlen(text), "test", &error);
    if (result != 0)
        print_message("%u:%u: found %s, expected %s\n", error.line, error.column, error.found,
                      error.expected);
    assert_int_equal(result, 0);
    return program;
}

static struct dray_program_options options(void)
{
    return (struct dray_program_options){ .size = sizeof(struct dray_program_options),
                                          .engine = "cpu" };
}

/* Runs a text; the caller frees the report. */
static int run(const char *text, struct dray_report **report)
{
    struct dray_program_options o = options();
    struct dray_program *program = parse(text);
    int result = dray_program_run(program, &o, report);
    dray_program_free(&program);
    return result;
}

static void assert_in(const char *haystack, const char *needle)
{
    if (!strstr(haystack, needle))
        fail_msg("\"%s\" is not in:\n%s", needle, haystack);
}

/* ---- expectations ---- */

/* What happened in this program is known; each expectation below says something else. */
#define HAPPENED                    \
    "mem a text \"abcdefgh\"\n"     \
    "mem b size 8\n"                \
    "mem c text \"abcdefgX\"\n"     \
    "flag f value 5\n"              \
    "file g temp text \"1234\"\n"   \
    "queue q engine auto\n"         \
    "  copy b <- a\n"               \
    "  compare a == c\n"            \
    "  raw copy b[0:8] <- a[4:8]\n" \
    "expect status q.3 range\n"

static void every_kind_of_expectation_can_fail(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "expect b != a\n",           "expect b == c\n",
        "expect b[0:4] == a\n",      "expect b text \"abcdefgX\"\n",
        "expect b text \"abc\"\n",   "expect b hex \"00\"\n",
        "expect b fill 0x61\n",      "expect b count\n",
        "expect b random 1\n",       "expect b crc32c 0\n",
        "expect f == 4\n",           "expect f < 5\n",
        "expect size g == 5\n",      "expect g[0:5] text \"12345\"\n",
        "expect status q.1 range\n", "expect status q.3 key\n",
        "expect moved q.1 == 7\n",   "expect result q.2 == 8\n",
        "expect faults == 0\n",      "expect a, b == c, b\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[1024];
        struct dray_report *report;
        snprintf(text, sizeof(text), "%s%s", HAPPENED, wrong[i]);
        int result = run(text, &report);
        if (result != -EIO)
            fail_msg("%s: %d\n%s", wrong[i], result, dray_report_text(report));
        assert_in(dray_report_text(report), "FAILS   expect");
        assert_in(dray_report_json(report), "\"verdict\": \"failed\"");
        dray_report_free(&report);
    }
}

static void expectations_hold_when_they_are_true(void **state)
{
    (void)state;
    struct dray_report *report;
    int result = run(HAPPENED "expect b == a\nexpect b != c\nexpect f >= 5\nexpect size g == 4\n"
                              "expect moved q.1 == 8B\nexpect result q.2 == 7\n"
                              "expect faults == 1\nexpect b[4..8] text \"efgh\"\n",
                     &report);
    if (result != 0)
        fail_msg("%s", dray_report_text(report));
    dray_report_free(&report);
}

static void a_transfer_that_fails_unexpectedly_fails_the_run(void **state)
{
    (void)state;
    struct dray_report *report;
    int result = run("mem a size 8\nmem b size 8\nqueue q engine auto\n"
                     "  raw copy b[0:8] <- a[4:8]\n",
                     &report);
    assert_int_equal(result, -EIO);
    assert_in(dray_report_text(report), "range");
    assert_in(dray_report_text(report), "FAILED");
    dray_report_free(&report);
}

/* ---- time ---- */

static void a_run_that_cannot_end_is_ended(void **state)
{
    (void)state;
    static const char *const engines[] = { "cpu", "pio" };
    for (size_t i = 0; i < 2; i++) {
        struct dray_program_options o = options();
        struct dray_program *program = parse("flag f\nqueue q engine auto\n  nop\n  wait f == 1\n");
        struct dray_report *report;
        o.timeout_ns = 20 * 1000 * 1000;
        o.engine = engines[i];
        assert_int_equal(dray_program_run(program, &o, &report), -ETIMEDOUT);
        assert_in(dray_report_text(report), "test:4:3: not done");
        dray_report_free(&report);
        dray_program_free(&program);
    }
}

/* ---- files ---- */

struct folder {
    char path[64];
};

static struct folder make_folder(void)
{
    struct folder folder = { "/tmp/dray-test-XXXXXX" };
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

/* Removes it; how many files were in it. */
static size_t remove_folder(const struct folder *folder)
{
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder->path), 0);
    return count;
}

static void run_in(const struct folder *folder, const char *text, bool keep, bool explain,
                   int expected)
{
    struct dray_program_options o = options();
    struct dray_program *program = parse(text);
    struct dray_report *report;
    setenv("TMPDIR", folder->path, 1);
    o.directory = folder->path;
    o.keep = keep;
    int result = explain ? dray_program_explain(program, &o, &report)
                         : dray_program_run(program, &o, &report);
    unsetenv("TMPDIR");
    if (result != expected)
        fail_msg("%d: %s", result, dray_report_text(report));
    dray_report_free(&report);
    dray_program_free(&program);
}

static const char files[] = "mem a text \"bytes\"\nfile made create \"made\"\nfile gone temp\n"
                            "queue q engine auto\n  copy made <- a\n  copy gone <- a\n";

static void created_files_stay_and_temporary_ones_go(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    run_in(&folder, files, false, false, 0);
    assert_int_equal(remove_folder(&folder), 1);
}

static void keep_leaves_temporary_files(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    run_in(&folder, files, true, false, 0);
    assert_int_equal(remove_folder(&folder), 2);
}

static void explaining_creates_nothing(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    run_in(&folder, files, false, true, 0);
    assert_int_equal(remove_folder(&folder), 0);
}

static void a_fifo_is_refused_and_does_not_hang(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    char path[128];
    snprintf(path, sizeof(path), "%s/fifo", folder.path);
    assert_int_equal(mkfifo(path, 0600), 0);
    run_in(&folder, "file f open \"fifo\"\n", false, false, -EINVAL);
    remove_folder(&folder);
}

/* ---- hostile names ---- */

static void control_characters_never_reach_the_terminal(void **state)
{
    (void)state;
    struct dray_report *report;
    int result = run("file f open \"/nonexistent/\\x1b[2J\\n\\xe2\\x80\\xae\\xff\"\n", &report);
    assert_int_equal(result, -ENOENT);
    const char *text = dray_report_text(report);
    assert_null(strchr(text, '\x1b'));
    assert_null(strstr(text, "\xe2\x80\xae")); /* right-to-left override */
    assert_in(text, "\\x1b[2J\\n\\xe2\\x80\\xae\\xff");
    json_t *json = json_loads(dray_report_json(report), 0, NULL);
    assert_non_null(json);
    json_decref(json);
    dray_report_free(&report);
}

static void escaping_cuts_between_characters(void **state)
{
    (void)state;
    char text[16];
    assert_string_equal(dray_escape(text, sizeof(text), "gr\xc3\xbc\xc3\x9f", 6),
                        "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(dray_escape(text, 8, "12345\xc3\xbc\xc3\xbc", 9), "1234...");
    assert_string_equal(dray_escape(text, sizeof(text), "\xc3", 1), "\\xc3");
    assert_string_equal(dray_escape(text, sizeof(text), "\xed\xa0\x80", 3), "\\xed\\xa0\\x80");
    assert_string_equal(dray_escape(text, sizeof(text), "", 0), "");
}

/* ---- small parts ---- */

static void contents_are_the_same_from_any_offset(void **state)
{
    (void)state;
    static const struct dray_content contents[] = {
        { DRAY_CONTENT_RANDOM, 42, NULL, 0 }, { DRAY_CONTENT_COUNT, 4, NULL, 0 },
        { DRAY_CONTENT_FILL, 7, NULL, 0 },    { DRAY_CONTENT_BYTES, 0, "some bytes", 10 },
        { DRAY_CONTENT_NONE, 0, NULL, 0 },
    };
    for (size_t k = 0; k < sizeof(contents) / sizeof(contents[0]); k++) {
        unsigned char whole[64], part[64];
        dray_content_write(&contents[k], 0, whole, sizeof(whole));
        for (size_t offset = 0; offset < sizeof(whole); offset++) {
            dray_content_write(&contents[k], offset, part, sizeof(whole) - offset);
            assert_memory_equal(part, whole + offset, sizeof(whole) - offset);
        }
    }
}

static void slips_are_recognised_and_other_words_are_not(void **state)
{
    (void)state;
    assert_true(dray_words_near("rnu", 3, "run"));
    assert_true(dray_words_near("explian", 7, "explain"));
    assert_true(dray_words_near("cpy", 3, "copy"));
    assert_true(dray_words_near("copyy", 5, "copy"));
    assert_false(dray_words_near("fill", 4, "copy"));
    assert_false(dray_words_near("a", 1, "b"));
}

static void units_are_worked_in(void **state)
{
    (void)state;
    struct dray_program *program =
        parse("mem a size 2KiB\nmem b size 3KB\nmem c size 0x10\nflag f\n"
              "queue q engine auto rate 1MB/s\n  wait f == 1 timeout 3ms\n");
    assert_int_equal(program->decls[0].size, 2048);
    assert_int_equal(program->decls[1].size, 3000);
    assert_int_equal(program->decls[2].size, 16);
    assert_int_equal(program->decls[4].queue.options.rate_bytes_per_s, 1000000);
    assert_int_equal(program->ops[0].timeout_ns, 3000000);
    dray_program_free(&program);
}

static void lines_may_end_as_on_other_systems(void **state)
{
    (void)state;
    struct dray_program *program = parse("# comment\r\n\r\nmem a size 4\r\nqueue q engine auto\r\n"
                                         "  copy a[0:2],   # and\r\n    a[2:2] <- a\r\n\tnop");
    assert_int_equal(program->op_count, 2);
    assert_int_equal(program->ops[0].dst.count, 2);
    assert_int_equal(program->ops[1].at.line, 7);
    dray_program_free(&program);
}

/* ---- progress ---- */

struct told {
    size_t calls;
    struct dray_program_progress first, last;
    bool went_back;
};

static void note_progress(void *user, const struct dray_program_progress *now)
{
    struct told *told = user;
    if (told->calls++ == 0)
        told->first = *now;
    told->went_back |= now->done < told->last.done || now->moved_bytes < told->last.moved_bytes;
    told->last = *now;
}

static void progress_goes_from_nothing_to_all(void **state)
{
    (void)state;
    struct told told = { 0 };
    struct dray_program_options o = options();
    struct dray_report *report;
    /* The list is nobody's: it does not count. */
    struct dray_program *program = parse("mem a size 1KiB\nmem b size 1KiB\nmem c size 1KiB\n"
                                         "list l\n  fill a 1\n"
                                         "queue q engine cpu\n  copy b <- a\n  nop\n"
                                         "queue r engine cpu mode inline\n  fill c 2\n");
    o.progress = note_progress;
    o.progress_user = &told;
    assert_int_equal(dray_program_run(program, &o, &report), 0);
    assert_true(told.calls >= 2);
    assert_int_equal(told.first.done, 0);
    assert_int_equal(told.first.operations, 3);
    assert_int_equal(told.last.done, 3);
    assert_int_equal(told.last.operations, 3);
    assert_int_equal(told.last.moved_bytes, 2048);
    assert_false(told.went_back);
    dray_report_free(&report);
    dray_program_free(&program);
}

/* ---- failing calls ---- */

static const char everything[] = "mem a pieces 4 of 4 random 1\nmem b size 16\nmem c size 16\n"
                                 "file f temp\n"
                                 "pipe p\nsocket s\nflag g\n"
                                 "list l\n  fill b[0:1] 1\n"
                                 "queue q engine cpu mode inline\n"
                                 "  copy b[0:8], f[0:8] <- a\n"
                                 "  transpose b <- c rows 4 columns 4 of 1\n"
                                 "  link l\n  signal g 1\n"
                                 "expect g == 1\n";

static void every_failing_call_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 2000; n++) {
        struct dray_program *program = NULL;
        struct dray_report *report = NULL;
        struct dray_text_error error;
        fault_inject_arm(n);
        int result = dray_program_parse(&program, everything, strlen(everything), "test", &error);
        if (result == 0)
            result = dray_program_run(program, NULL, &report);
        bool failed = fault_inject_disarm();
        if (report)
            (void)dray_report_text(report);
        dray_report_free(&report);
        dray_program_free(&program);
        if (!failed) {
            assert_int_equal(result, 0);
            return;
        }
    }
    fail_msg("there is always one call more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_expectation_can_fail),
        cmocka_unit_test(expectations_hold_when_they_are_true),
        cmocka_unit_test(a_transfer_that_fails_unexpectedly_fails_the_run),
        cmocka_unit_test(a_run_that_cannot_end_is_ended),
        cmocka_unit_test(created_files_stay_and_temporary_ones_go),
        cmocka_unit_test(keep_leaves_temporary_files),
        cmocka_unit_test(explaining_creates_nothing),
        cmocka_unit_test(a_fifo_is_refused_and_does_not_hang),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(escaping_cuts_between_characters),
        cmocka_unit_test(contents_are_the_same_from_any_offset),
        cmocka_unit_test(slips_are_recognised_and_other_words_are_not),
        cmocka_unit_test(units_are_worked_in),
        cmocka_unit_test(lines_may_end_as_on_other_systems),
        cmocka_unit_test(progress_goes_from_nothing_to_all),
        cmocka_unit_test(every_failing_call_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
