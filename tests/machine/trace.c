/* The trace's file: its bytes, which track a span goes to, errors, what it keeps. */
#include "trace.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#include "machine.h"
#include "test.h"

struct bench {
    struct sim_kernel *kernel;
    struct sim_trace *trace;
    char path[64];
    char *text; /* of the file, once it is closed */
};

static void bench_open(struct bench *b)
{
    *b = (struct bench){ .path = "/tmp/dray-trace-XXXXXX" };
    int fd = mkstemp(b->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    assert_int_equal(sim_kernel_create(&b->kernel, 0), 0);
    assert_int_equal(sim_trace_create(&b->trace, b->kernel, b->path), 0);
}

static void bench_end(struct bench *b)
{
    size_t size, room = 1 << 20;
    assert_int_equal(sim_trace_close(&b->trace), 0);
    assert_null(b->trace);
    assert_null(sim_watchers(b->kernel));
    FILE *file = fopen(b->path, "r");
    assert_non_null(file);
    b->text = calloc(1, room);
    assert_non_null(b->text);
    size = fread(b->text, 1, room - 1, file);
    assert_true(size < room - 1);
    fclose(file);
    unlink(b->path);
}

static void bench_close(struct bench *b)
{
    free(b->text);
    sim_kernel_destroy(&b->kernel);
}

static void span(struct bench *b, const char *part, const char *text, sim_time begun, sim_time end)
{
    sim_note(
        b->kernel,
        &(struct sim_note){
            .kind = SIM_NOTE_SPAN, .time = end, .part = part, .value = end - begun, .text = text });
}

static void has(const struct bench *b, const char *text)
{
    if (!strstr(b->text, text))
        fail_msg("%s\nis not in\n%s", text, b->text);
}

static void each_byte_of_a_small_one(void **state)
{
    (void)state;
    struct bench b;
    struct sim_origin origin = { .what = "a \"b\"\n\\\xe9", .file = "x.c", .line = 7 };
    bench_open(&b);
    sim_note(b.kernel, &(struct sim_note){ .kind = SIM_NOTE_SPAN,
                                           .time = 123456789012345679,
                                           .part = "bus",
                                           .address = 0xabc0,
                                           .size = 64,
                                           .value = 1,
                                           .text = "core0",
                                           .origin = &origin });
    sim_note(b.kernel, &(struct sim_note){ .kind = SIM_NOTE_LOAD, .part = "core9" });
    bench_end(&b);
    assert_string_equal(
        b.text,
        "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\","
        "\"args\":{\"name\":\"machine\"}},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"bus\"}},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_sort_index\","
        "\"args\":{\"sort_index\":0}},\n"
        "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"core0\",\"cat\":\"span\","
        "\"ts\":123456789012.345678,\"dur\":0.000001,\"args\":{\"bytes\":64,\"address\":\"0xabc0\","
        "\"what\":\"a \\\"b\\\"\\u000a\\\\\\u00e9\",\"where\":\"x.c:7\"}}\n]}\n");
    bench_close(&b);
}

static void what_overlaps_has_a_track_of_its_own(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    span(&b, "iommu", "a", 0, 10);
    span(&b, "iommu", "b", 9, 12);
    span(&b, "iommu", "c", 10, 13);
    span(&b, "link", "d", 5, 14);
    span(&b, "iommu", "e", 0, 15);
    bench_end(&b);
    has(&b, "\"tid\":1,\"name\":\"a\"");
    has(&b, "\"tid\":2,\"name\":\"b\"");
    has(&b, "\"tid\":1,\"name\":\"c\"");
    has(&b, "\"tid\":3,\"name\":\"d\"");
    has(&b, "\"tid\":4,\"name\":\"e\"");
    has(&b, "\"tid\":2,\"name\":\"thread_name\",\"args\":{\"name\":\"iommu (2)\"}");
    has(&b, "\"tid\":3,\"name\":\"thread_name\",\"args\":{\"name\":\"link\"}");
    has(&b, "\"tid\":4,\"name\":\"thread_name\",\"args\":{\"name\":\"iommu (3)\"}");
    bench_close(&b);
}

static void instant(struct bench *b, struct sim_note note)
{
    note.time = 2 * SIM_US;
    note.part = "core0";
    sim_note(b->kernel, &note);
}

static void instants(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_MMIO_WRITE,
                                   .address =
                                       SIM_REGISTERS + 3 * SIM_CHANNEL_SIZE + SIM_REG_DOORBELL });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_MMIO_WRITE, .address = SIM_REG_DOORBELL });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_RAISE, .value = 5 });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_HANDLE, .value = 6 });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_FAULT,
                                   .address = SIM_NEVER,
                                   .extra = 0x77,
                                   .device = 1,
                                   .value = 1,
                                   .text = "none" });
    instant(&b,
            (struct sim_note){ .kind = SIM_NOTE_MAP, .address = 0x10, .size = 9, .extra = 0x20 });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_MAP, .size = 9, .extra = SIM_NEVER });
    instant(&b, (struct sim_note){ .kind = SIM_NOTE_UNMAP, .value = 1, .extra = 0x20 });
    instant(&b, (struct sim_note){
                    .kind = SIM_NOTE_HAZARD, .text = "no-clean", .address = 0x30, .size = 4 });
    bench_end(&b);
    has(&b, "\"name\":\"doorbell\",\"cat\":\"register\",\"ts\":2.000000,\"args\":{\"channel\":3,"
            "\"address\":\"0x400000000350\"},\"s\":\"t\"}");
    has(&b, "\"name\":\"register write\"");
    has(&b, "\"name\":\"raised\",\"cat\":\"interrupt\",\"ts\":2.000000,\"args\":{\"interrupt\":5}");
    has(&b,
        "\"name\":\"handled\",\"cat\":\"interrupt\",\"ts\":2.000000,\"args\":{\"interrupt\":6}");
    has(&b, "\"args\":{\"access\":\"write\",\"io\":\"0x77\",\"why\":\"none\"}");
    has(&b, "\"args\":{\"bytes\":9,\"address\":\"0x10\",\"io\":\"0x20\"}");
    has(&b, "\"io\":\"none: it failed\"");
    has(&b, "\"args\":{\"io\":\"0x20\",\"how\":\"lazily\"}");
    has(&b, "\"name\":\"no-clean\",\"cat\":\"hazard\"");
    bench_close(&b);
}

/* The shadow state's, once for each time that it counts. */
static void hazards_are_told_where_they_happen(void **state)
{
    (void)state;
    struct bench b;
    struct sim_shadow *shadow;
    uint64_t wanted = 0, told = 0;
    bench_open(&b);
    assert_int_equal(sim_shadow_create(&shadow, b.kernel, 64), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct sim_note note = { .part = "core0", .size = 4096, .device = 1, .extra = 0x9000 };
        note.kind = SIM_NOTE_MAP;
        note.address = 0x5000;
        note.value = SIM_BOTH_WAYS;
        sim_note(b.kernel, &note);
        note.kind = SIM_NOTE_MAP_RUN;
        note.address = 0x100000;
        sim_note(b.kernel, &note);
        note.kind = SIM_NOTE_FREE;
        sim_note(b.kernel, &note);
    }
    for (size_t i = 0; i < sim_shadow_count(shadow); i++)
        wanted += sim_shadow_hazard(shadow, i)->count;
    sim_shadow_destroy(&shadow);
    bench_end(&b);
    for (const char *at = b.text; (at = strstr(at, "\"cat\":\"hazard\"")); at++)
        told++;
    assert_true(wanted >= 3);
    assert_int_equal(told, wanted);
    has(&b, sim_hazard_name(SIM_HAZARD_FREE_MAPPED));
    bench_close(&b);
}

static void count(struct bench *b, sim_time time, uint64_t value)
{
    sim_note(b->kernel, &(struct sim_note){ .kind = SIM_NOTE_COUNT,
                                            .time = time,
                                            .part = "bus",
                                            .value = value,
                                            .text = "requests waiting" });
}

/* Of several at one moment the last one stands, and what it was before is not said again. */
static void counts(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    count(&b, 0, 9);
    count(&b, 0, 1);
    count(&b, 5, 2);
    count(&b, 5, 1);
    count(&b, 7, 0);
    bench_end(&b);
    has(&b, "\"ph\":\"C\",\"pid\":1,\"tid\":1,\"name\":\"bus\",\"cat\":\"count\",\"ts\":0.000000,"
            "\"args\":{\"requests waiting\":1}");
    has(&b, "\"ts\":0.000007,\"args\":{\"requests waiting\":0}");
    assert_null(strstr(b.text, "\"ts\":0.000005"));
    assert_null(strstr(b.text, "waiting\":9"));
    bench_close(&b);
}

static void transactions(void **state)
{
    (void)state;
    struct bench b;
    struct sim_trace_transaction t = { .channel = 2,
                                       .id = 40,
                                       .opcode = "copy",
                                       .status = "ok",
                                       .operation = 4,
                                       .descriptors = 3,
                                       .bytes = 4096,
                                       .submitted = SIM_US,
                                       .done = 3 * SIM_US };
    bench_open(&b);
    sim_trace_transaction(b.trace, &t);
    t.id = 41;
    t.done = SIM_NEVER;
    sim_trace_transaction(b.trace, &t);
    bench_end(&b);
    has(&b, "{\"ph\":\"b\",\"pid\":1,\"tid\":1,\"name\":\"channel 2\",\"cat\":\"transaction\","
            "\"ts\":1.000000,\"id\":40,\"args\":{\"opcode\":\"copy\",\"status\":\"ok\","
            "\"bytes\":4096,\"descriptors\":3,\"operation\":4}}");
    has(&b, "{\"ph\":\"e\",\"pid\":1,\"tid\":1,\"name\":\"channel 2\",\"cat\":\"transaction\","
            "\"ts\":3.000000,\"id\":40}");
    has(&b, "\"id\":41,\"args\"");
    assert_null(strstr(b.text, "\"id\":41}"));
    bench_close(&b);
}

static void errors_are_told(void **state)
{
    (void)state;
    struct bench b = { 0 };
    assert_int_equal(sim_kernel_create(&b.kernel, 0), 0);
    assert_int_equal(sim_trace_create(&b.trace, b.kernel, "/nonexistent/t.json"), -ENOENT);
    assert_null(b.trace);
    assert_null(sim_watchers(b.kernel));
    assert_int_equal(sim_trace_close(&b.trace), 0);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(sim_trace_create(&b.trace, b.kernel, "/dev/full"), 0);
        for (unsigned i = 0; i < 10000; i++) /* far beyond any buffer */
            span(&b, "bus", "x", i, i + 1);
        assert_int_equal(sim_trace_close(&b.trace), -ENOSPC);
        assert_int_equal(sim_trace_create(&b.trace, b.kernel, "/dev/full"), 0);
        assert_int_equal(sim_trace_close(&b.trace), -ENOSPC);
    }
    bench_close(&b);
}

/* Sanitizers count nothing here. */
static void memory_does_not_grow_with_the_run(void **state)
{
    (void)state;
    struct bench b = { 0 };
    assert_int_equal(sim_kernel_create(&b.kernel, 0), 0);
    assert_int_equal(sim_trace_create(&b.trace, b.kernel, "/dev/null"), 0);
    size_t before = 0;
    for (sim_time i = 1; i < 300000; i++) {
        span(&b, "bus", "x", i, i + 1);
        span(&b, "iommu", "x", i - 1, i + 1);
        count(&b, i, i % 3);
        if (i == 1000)
            before = mallinfo2().uordblks;
    }
    assert_int_equal(mallinfo2().uordblks, before);
    assert_int_equal(sim_trace_close(&b.trace), 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_small_one),
        cmocka_unit_test(what_overlaps_has_a_track_of_its_own),
        cmocka_unit_test(instants),
        cmocka_unit_test(hazards_are_told_where_they_happen),
        cmocka_unit_test(counts),
        cmocka_unit_test(transactions),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(memory_does_not_grow_with_the_run),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
