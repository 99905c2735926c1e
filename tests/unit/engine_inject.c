/* Every allocation and system call of opening and creating fails once: what was made is undone, and
 * the error says what it was. */
#include <dirent.h>
#include <errno.h>

#include "fault_inject.h"
#include "rig.h"

static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Opens and creates all there is; undoes it, whatever came of it. Returns the first error. */
static int all(struct dray_domain *domain, const struct rig_config *config)
{
    const struct dray_engine_options options = { .size = sizeof(options),
                                                 .mode = config->mode,
                                                 .workers = config->workers };
    struct dray_engine *engine;
    struct dray_queue *first = NULL, *second = NULL, *imported = NULL;
    struct dray_queue_handle handle;
    int error = dray_engine_open(&engine, domain, config->engine, &options);
    if (error)
        return error;
    error = dray_queue_create(&first, engine, NULL);
    if (!error)
        error = dray_queue_create(&second, engine, NULL);
    if (!error && config->mode != DRAY_MODE_INLINE) {
        error = dray_queue_export(second, &handle);
        if (!error)
            error = dray_queue_import(&imported, &handle);
    }
    assert_int_equal(dray_queue_destroy(&imported), 0);
    assert_int_equal(dray_queue_destroy(&second), 0);
    assert_int_equal(dray_queue_destroy(&first), 0);
    assert_int_equal(dray_engine_close(&engine), 0);
    return error;
}

static bool is_expected(int error)
{
    return error == -ENOMEM || error == -EMFILE || error == -EAGAIN || error == -ENOSPC ||
           error == -EIO;
}

/* The engine may do without what failed (a profile that cannot be read): then it is no error. */
static void every_step_may_fail(void **state)
{
    struct rig *rig = *state;
    unsigned files = open_files(), failures = 0, n = 1;
    for (;; n++) {
        fault_inject_arm(n);
        int error = all(rig->domain, rig->config);
        if (!fault_inject_disarm())
            break;
        if (error && !is_expected(error))
            print_error("call %u (%s): %d\n", n, fault_inject_name(), error);
        assert_true(error == 0 || is_expected(error));
        failures += error != 0;
        assert_int_equal(open_files(), files);
        dray_prep_nop(rig_get(rig)); /* another engine of the domain has not noticed */
        assert_status(rig_finish(rig), DRAY_STATUS_OK);
    }
    assert_true(failures >= 6 && n < 200);
}

/* And from the n-th on all of them, so that undoing cannot rely on more. */
static void or_all_from_then_on(void **state)
{
    struct rig *rig = *state;
    unsigned files = open_files();
    for (unsigned n = 1;; n++) {
        fault_inject_arm_from(n);
        all(rig->domain, rig->config);
        if (!fault_inject_disarm())
            break;
        assert_int_equal(open_files(), files);
    }
}

static void wrong_options_are_refused(void **state)
{
    struct rig *rig = *state;
    struct dray_engine *engine;
    struct dray_engine_options options = { .size = sizeof(options), .mode = 99 };
    assert_int_equal(dray_engine_open(&engine, rig->domain, "cpu", &options), -EINVAL);
    assert_null(engine);
    options.mode = DRAY_MODE_WORKER;
    options.workers = 65;
    assert_int_equal(dray_engine_open(&engine, rig->domain, "cpu", &options), -EINVAL);
    options.workers = 1;
    options.kernels = "steam";
    assert_int_equal(dray_engine_open(&engine, rig->domain, "cpu", &options), -EINVAL);
    options.kernels = NULL;
    assert_int_equal(dray_engine_open(&engine, rig->domain, "pio", &options), -ENOTSUP);
    assert_int_equal(dray_engine_open(&engine, rig->domain, "steam", NULL), -ENOENT);
    struct dray_queue_options depth = { .size = sizeof(depth), .depth = 3 };
    struct dray_queue *queue;
    assert_int_equal(dray_queue_create(&queue, rig->engine, &depth), -EINVAL);
    assert_null(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_may_fail),
        cmocka_unit_test(or_all_from_then_on),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return rig_run_tests_by_mode("engine_inject", tests, sizeof(tests) / sizeof(tests[0]));
}
