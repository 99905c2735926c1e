#include "rig.h"

#include "engine/cpu/kernels.h"

static const struct rig_config all_configs[] = {
    { "pio", "pio", DRAY_MODE_INLINE, 0, NULL },
    { "cpu inline plain", "cpu", DRAY_MODE_INLINE, 0, "plain" },
    { "cpu inline sse2", "cpu", DRAY_MODE_INLINE, 0, "sse2" },
    { "cpu inline avx2", "cpu", DRAY_MODE_INLINE, 0, "avx2" },
    { "cpu inline avx512", "cpu", DRAY_MODE_INLINE, 0, "avx512" },
    { "cpu worker", "cpu", DRAY_MODE_WORKER, 1, NULL },
    { "cpu 3 workers", "cpu", DRAY_MODE_WORKER, 3, NULL },
    { "cpu help", "cpu", DRAY_MODE_HELP, 2, NULL },
};

enum {
    CONFIG_COUNT = sizeof(all_configs) / sizeof(all_configs[0])
};

size_t rig_configs(const struct rig_config **configs)
{
    static struct rig_config usable[CONFIG_COUNT];
    static size_t count;
    if (count == 0)
        for (size_t i = 0; i < CONFIG_COUNT; i++) {
            const struct dray_kernels *kernels;
            const char *wanted = all_configs[i].kernels;
            if (wanted && dray_kernels_select(wanted, &kernels))
                printf("left out: %s: this processor has no %s\n", all_configs[i].label, wanted);
            else
                usable[count++] = all_configs[i];
        }
    *configs = usable;
    return count;
}

void rig_open(struct rig *rig, const struct rig_config *config, uint32_t depth)
{
    rig->config = config;
    struct dray_engine_options engine = {
        .size = sizeof(engine),
        .mode = config->mode,
        .workers = config->workers,
        .kernels = config->kernels,
        .spin_ns = 20000,
        .split_min = 256 << 10,
    };
    struct dray_queue_options queue = { .size = sizeof(queue), .depth = depth };
    assert_int_equal(dray_domain_create(&rig->domain, NULL), 0);
    assert_int_equal(dray_engine_open(&rig->engine, rig->domain, config->engine, &engine), 0);
    assert_int_equal(dray_queue_create(&rig->queue, rig->engine, &queue), 0);
}

void rig_close(struct rig *rig)
{
    assert_int_equal(dray_queue_destroy(&rig->queue), 0);
    assert_int_equal(dray_engine_close(&rig->engine), 0);
    assert_int_equal(dray_domain_destroy(&rig->domain), 0);
}

bool rig_is_fast(const struct rig *rig)
{
    const char *kernels = rig->config->kernels;
    return strcmp(rig->config->engine, "cpu") == 0 && (!kernels || strcmp(kernels, "plain") != 0);
}

struct dray_desc *rig_get(struct rig *rig)
{
    struct dray_desc *d = dray_queue_get(rig->queue);
    assert_non_null(d);
    return d;
}

struct dray_completion rig_wait(struct rig *rig)
{
    const struct dray_completion *c;
    assert_int_equal(dray_queue_wait(rig->queue, &c, 20000000000u), 0);
    struct dray_completion copy = *c;
    dray_queue_seen(rig->queue, 1);
    return copy;
}

struct dray_completion rig_finish(struct rig *rig)
{
    assert_true(dray_queue_submit(rig->queue) > 0);
    return rig_wait(rig);
}

dray_key rig_map(struct rig *rig, void *base, size_t size, unsigned access)
{
    dray_key key;
    assert_int_equal(dray_map_memory(rig->domain, base, size, access, &key), 0);
    return key;
}

struct dray_fault rig_fault(struct rig *rig)
{
    struct dray_fault fault;
    size_t count;
    assert_int_equal(dray_domain_faults(rig->domain, &fault, 1, &count), 0);
    assert_int_equal(count, 1);
    return fault;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig_open(rig, *state, 64);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static int run_on(const char *group, const struct CMUnitTest *tests, size_t count,
                  const struct rig_config *config)
{
    struct CMUnitTest *run = malloc(count * sizeof(*run));
    for (size_t t = 0; t < count; t++) {
        run[t] = tests[t];
        run[t].setup_func = setup;
        run[t].teardown_func = teardown;
        run[t].initial_state = (void *)config;
    }
    printf("%s on %s\n", group, config->label);
    int failures = _cmocka_run_group_tests(config->label, run, count, NULL, NULL);
    free(run);
    return failures;
}

int rig_run_host_tests(const char *group, const struct CMUnitTest *tests, size_t count)
{
    const struct rig_config *configs;
    size_t config_count = rig_configs(&configs);
    int failures = 0;
    for (size_t i = 0; i < config_count; i++)
        failures += run_on(group, tests, count, &configs[i]);
    return failures;
}

int rig_run_tests(const char *group, const struct CMUnitTest *tests, size_t count)
{
    static const struct rig_config model = { "model", "model", DRAY_MODE_INLINE, 0, NULL };
    return rig_run_host_tests(group, tests, count) + run_on(group, tests, count, &model);
}

bool rig_is_model(const struct rig *rig)
{
    return strcmp(rig->config->engine, "model") == 0;
}

/* The plain kernels are everywhere; those of the others that are to be had come with workers. */
int rig_run_tests_by_mode(const char *group, const struct CMUnitTest *tests, size_t count)
{
    const struct rig_config *configs;
    size_t config_count = rig_configs(&configs);
    int failures = 0;
    for (size_t i = 0; i < config_count; i++)
        if (!configs[i].kernels || strcmp(configs[i].kernels, "plain") == 0)
            failures += run_on(group, tests, count, &configs[i]);
    return failures;
}
