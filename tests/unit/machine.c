/* A machine through the public interface: what is refused and how it is said; the engine on it. */
#include "dray/dray.h"

#include <errno.h>
#include <unistd.h>

#include "test.h"

static void refused(const struct dray_machine_options *options, int error, const char *says)
{
    struct dray_machine *machine = (void *)1;
    char why[512];
    assert_int_equal(dray_machine_create(&machine, options, why, sizeof(why)), error);
    assert_null(machine);
    if (!strstr(why, says))
        fail_msg("\"%s\" does not say \"%s\"", why, says);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct dray_machine_options options = { .size = sizeof(options), .name = "nowhere" };
    refused(&options, -ENOENT, "nowhere");
    options.name = NULL;
    options.settings = (const char *const[]){ "bus.speed=1", NULL };
    refused(&options, -EINVAL, "speed");
    options.settings = (const char *const[]){ "bus.bandwidth=3 apples", NULL };
    refused(&options, -EINVAL, "apples");
    options.settings = (const char *const[]){ "bus.line=128", "cache.line=64", NULL };
    refused(&options, -EINVAL, "line");
    options.settings = NULL;
    options.sweep = "controller.reads=1:4";
    refused(&options, -EINVAL, "sweep");
    options.sweep = "controller.reads=1:4:4";
    options.sweep_step = 4;
    refused(&options, -ERANGE, "");
    options.sweep = NULL;
    options.trace = "/nonexistent/t.json";
    refused(&options, -EIO, "/nonexistent/t.json: No such file or directory");
    options.size = 3;
    refused(&options, -EINVAL, "size");
}

static void a_trace_that_is_not_whole_is_told(void **state)
{
    (void)state;
    struct dray_machine *machine;
    struct dray_machine_options options = { .size = sizeof(options), .trace = "/dev/full" };
    char why[512];
    if (access(options.trace, W_OK))
        skip();
    assert_int_equal(dray_machine_create(&machine, &options, why, sizeof(why)), 0);
    assert_int_equal(dray_machine_trace_end(machine), -ENOSPC);
    assert_int_equal(dray_machine_trace_end(machine), 0); /* there is none any more */
    dray_machine_destroy(&machine);
}

struct bench {
    struct dray_machine *machine;
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
};

static void bench_open(struct bench *b, const char *const *settings)
{
    struct dray_machine_options machine = { .size = sizeof(machine), .settings = settings };
    struct dray_engine_options engine = { .size = sizeof(engine) };
    struct dray_queue_options queue = { .size = sizeof(queue), .depth = 8 };
    char why[512];
    assert_int_equal(dray_machine_create(&b->machine, &machine, why, sizeof(why)), 0);
    engine.machine = b->machine;
    assert_int_equal(dray_domain_create(&b->domain, NULL), 0);
    assert_int_equal(dray_engine_open(&b->engine, b->domain, "model", &engine), 0);
    assert_int_equal(dray_queue_create(&b->queue, b->engine, &queue), 0);
}

static void bench_close(struct bench *b)
{
    assert_int_equal(dray_queue_destroy(&b->queue), 0);
    assert_int_equal(dray_engine_close(&b->engine), 0);
    assert_int_equal(dray_domain_destroy(&b->domain), 0);
    dray_machine_destroy(&b->machine);
    assert_null(b->machine);
}

/* Copies between halves of a buffer, `count` at a time; returns the machine's time. */
static uint64_t copy_some(const char *const *settings, unsigned count)
{
    struct bench b;
    uint8_t *memory = guard_alloc(16384, 64);
    bench_open(&b, settings);
    tag_fill(memory, 8192, 1, 0);
    dray_key key;
    assert_int_equal(dray_map_memory(b.domain, memory, 16384, DRAY_READ | DRAY_WRITE, &key), 0);
    for (unsigned i = 0; i < count; i++) {
        struct dray_desc *d = dray_queue_get(b.queue);
        dray_prep_copy(d, key, 8192 + i * 1000, key, i * 1000, 1000);
    }
    dray_queue_submit(b.queue);
    for (unsigned i = 0; i < count; i++) {
        const struct dray_completion *c;
        assert_int_equal(dray_queue_wait(b.queue, &c, 10000000000u), 0);
        assert_int_equal(c->status, DRAY_STATUS_OK);
        assert_int_equal(c->moved, 1000);
        dray_queue_seen(b.queue, 1);
    }
    assert_memory_equal(memory + 8192, memory, count * 1000);
    uint64_t time_ps = dray_machine_time_ps(b.machine);
    assert_int_equal(dray_machine_hazards(b.machine), 0);
    assert_non_null(strstr(dray_machine_text(b.machine), "0 hazards"));
    assert_non_null(strstr(dray_machine_json(b.machine), "\"hazards\": []"));
    bench_close(&b);
    guard_free(memory);
    return time_ps;
}

static void the_same_run_takes_the_same_time(void **state)
{
    (void)state;
    uint64_t once = copy_some(NULL, 5);
    assert_true(once > 1000000); /* a microsecond: registers and a doorbell alone take longer */
    assert_int_equal(copy_some(NULL, 5), once);
    assert_true(copy_some(NULL, 8) > once);
}

static void settings_matter(void **state)
{
    (void)state;
    const char *const slow[] = { "controller.bandwidth=1MB/s", NULL };
    uint64_t fast_ps = copy_some(NULL, 8), slow_ps = copy_some(slow, 8);
    /* 8000 bytes at a megabyte a second are 8 ms. */
    assert_in_range(slow_ps - fast_ps, 7900000000u, 8100000000u);
}

static void channels_run_out_and_come_back(void **state)
{
    (void)state;
    const char *const one[] = { "controller.channels=1", NULL };
    struct bench b;
    struct dray_queue *second;
    bench_open(&b, one);
    assert_int_equal(dray_queue_create(&second, b.engine, NULL), -EBUSY);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dray_queue_destroy(&b.queue), 0);
        assert_int_equal(dray_queue_create(&b.queue, b.engine, NULL), 0);
        const struct dray_completion *c;
        dray_prep_nop(dray_queue_get(b.queue));
        dray_queue_submit(b.queue);
        assert_int_equal(dray_queue_wait(b.queue, &c, 10000000000u), 0);
        dray_queue_seen(b.queue, 1);
    }
    bench_close(&b);
}

static void a_machine_has_one_domain(void **state)
{
    (void)state;
    struct bench b;
    struct dray_domain *other;
    struct dray_engine *engine;
    bench_open(&b, NULL);
    struct dray_engine_options options = { .size = sizeof(options), .machine = b.machine };
    assert_int_equal(dray_domain_create(&other, NULL), 0);
    assert_int_equal(dray_engine_open(&engine, other, "model", &options), -EBUSY);
    assert_int_equal(dray_domain_destroy(&other), 0);
    bench_close(&b);
}

static void blocks_alone_are_no_queue(void **state)
{
    (void)state;
    const char *const legacy[] = { "controller.descriptors=no", NULL };
    struct dray_machine_options machine = { .size = sizeof(machine), .settings = legacy };
    struct dray_engine_options options = { .size = sizeof(options) };
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_queue *queue;
    char why[512];
    assert_int_equal(dray_machine_create(&options.machine, &machine, why, sizeof(why)), 0);
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    assert_int_equal(dray_engine_open(&engine, domain, "model", &options), 0);
    assert_int_equal(dray_queue_create(&queue, engine, NULL), -ENOTSUP);
    assert_int_equal(dray_engine_close(&engine), 0);
    assert_int_equal(dray_domain_destroy(&domain), 0);
    dray_machine_destroy(&options.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_trace_that_is_not_whole_is_told),
        cmocka_unit_test(the_same_run_takes_the_same_time),
        cmocka_unit_test(settings_matter),
        cmocka_unit_test(channels_run_out_and_come_back),
        cmocka_unit_test(a_machine_has_one_domain),
        cmocka_unit_test(blocks_alone_are_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
