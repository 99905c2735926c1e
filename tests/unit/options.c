/* One rule for the options of every function that takes some: what their size may be, and what it says. */
#include <errno.h>

#include "dray/dray.h"
#include "test.h"

/* What a later version of the library may have behind the members of this one. */
enum {
    LATER = 64,
    SIZE_MAX_TAKEN = 4096
};
_Static_assert(sizeof(struct dray_engine_options) + LATER < SIZE_MAX_TAKEN, "room for a later one");

struct world {
    struct dray_domain *domain;
    struct dray_engine *engine;
    struct dray_program *program;
};

/* A function that takes options: the result with these. */
struct taker {
    const char *name;
    size_t size; /* of its structure */
    int (*take)(struct world *w, const void *options);
};

static int take_domain(struct world *w, const void *options)
{
    struct dray_domain *domain = NULL;
    (void)w;
    int result = dray_domain_create(&domain, options);
    dray_domain_destroy(&domain);
    return result;
}

static int take_engine(struct world *w, const void *options)
{
    struct dray_engine *engine = NULL;
    int result = dray_engine_open(&engine, w->domain, "pio", options);
    dray_engine_close(&engine);
    return result;
}

static int take_queue(struct world *w, const void *options)
{
    struct dray_queue *queue = NULL;
    int result = dray_queue_create(&queue, w->engine, options);
    dray_queue_destroy(&queue);
    return result;
}

static int take_run(struct world *w, const void *options)
{
    struct dray_report *report;
    int result = dray_program_run(w->program, options, &report);
    assert_non_null(dray_report_text(report));
    dray_report_free(&report);
    return result;
}

static int take_explain(struct world *w, const void *options)
{
    struct dray_report *report;
    int result = dray_program_explain(w->program, options, &report);
    dray_report_free(&report);
    return result;
}

static const struct taker takers[] = {
    { "domain", sizeof(struct dray_domain_options), take_domain },
    { "engine", sizeof(struct dray_engine_options), take_engine },
    { "queue", sizeof(struct dray_queue_options), take_queue },
    { "run", sizeof(struct dray_program_options), take_run },
    { "explain", sizeof(struct dray_program_options), take_explain },
};

static int world_open(void **state)
{
    static const char text[] = "mem a size 8\nqueue q engine auto\n  fill a 1\n";
    static struct world w;
    struct dray_text_error error;
    assert_int_equal(dray_domain_create(&w.domain, NULL), 0);
    assert_int_equal(dray_engine_open(&w.engine, w.domain, "pio", NULL), 0);
    assert_int_equal(dray_program_parse(&w.program, text, sizeof(text) - 1, "options", &error), 0);
    *state = &w;
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;
    dray_program_free(&w->program);
    dray_engine_close(&w->engine);
    return dray_domain_destroy(&w->domain);
}

/* Each function, with a structure that says `size`, more by as much as the function's own has where `grows`;
 * all its members are zero, but for byte `at` behind them. */
static void each_takes(struct world *w, size_t size, bool grows, int at, int expected)
{
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        unsigned char options[SIZE_MAX_TAKEN + 8] = { 0 };
        size_t said = size + (grows ? takers[i].size : 0);
        memcpy(options, &said, sizeof(said));
        if (at >= 0)
            options[takers[i].size + (size_t)at] = 1;
        int result = takers[i].take(w, options);
        if (result != expected)
            fail_msg("%s: size %zu: %d, expected %d", takers[i].name, said, result, expected);
    }
}

static void none_are_the_defaults(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
        assert_int_equal(takers[i].take(w, NULL), 0);
    each_takes(w, 0, true, -1, 0);
}

static void a_size_that_is_none_is_refused(void **state)
{
    struct world *w = *state;
    each_takes(w, 0, false, -1, -EINVAL);
    each_takes(w, sizeof(size_t) - 1, false, -1, -EINVAL);
    each_takes(w, SIZE_MAX_TAKEN + 1, false, -1, -EINVAL);
    each_takes(w, SIZE_MAX, false, -1, -EINVAL);
}

static void a_later_version_is_taken_where_it_asks_for_nothing_new(void **state)
{
    struct world *w = *state;
    each_takes(w, 1, true, -1, 0);
    each_takes(w, LATER, true, -1, 0);
    each_takes(w, SIZE_MAX_TAKEN, false, -1, 0);
    each_takes(w, LATER, true, LATER, 0); /* is behind it, and not looked at */
    each_takes(w, LATER, true, LATER - 1, -EINVAL);
    each_takes(w, LATER, true, 0, -EINVAL);
}

/* Members that an earlier version lacks are zero, whatever lies in memory there. */
static void an_earlier_version_is_filled_up_with_zeros(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        unsigned char options[256];
        size_t said = sizeof(size_t);
        memset(options, 0xff, sizeof(options));
        memcpy(options, &said, sizeof(said));
        int result = takers[i].take(w, options);
        if (result)
            fail_msg("%s: %d", takers[i].name, result);
        said = takers[i].size;
        memcpy(options, &said, sizeof(said));
        if (takers[i].take != take_run && takers[i].take != take_explain) /* wild pointers */
            assert_int_not_equal(takers[i].take(w, options), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_are_the_defaults),
        cmocka_unit_test(a_size_that_is_none_is_refused),
        cmocka_unit_test(a_later_version_is_taken_where_it_asks_for_nothing_new),
        cmocka_unit_test(an_earlier_version_is_filled_up_with_zeros),
    };
    return cmocka_run_group_tests_name("options", tests, world_open, world_close);
}
