/* The drivers in machine/examples, on every machine that comes with Dray, with the shadow state watching. */
#include <errno.h>
#include <limits.h>

#include "block_driver.h"
#include "copy_driver.h"
#include "machine.h"
#include "machine_file.h"
#include "test.h"

enum {
    ROUNDS = 40,
    AREA = 40 * SIM_PAGE,
    SALT_SRC = 5,
    SALT_DST = 6,
};

struct bench {
    struct sim_machine *machine;
    struct copy_options options;
    struct test_rng rng;
    uint64_t src, dst;
    uint8_t *expected;
};

static void read_params(const char *name, struct sim_machine_params *params)
{
    char path[PATH_MAX], error[SIM_FILE_ERROR] = "";
    struct sim_parts *parts;
    snprintf(path, sizeof(path), "%s/machines/%s.ini", getenv("DRAY_SOURCE_ROOT"), name);
    assert_int_equal(sim_machine_parts(&parts), 0);
    if (sim_parts_read(parts, path, error, sizeof(error)) ||
        sim_machine_params(parts, params, error, sizeof(error)))
        fail_msg("%s", error);
    sim_parts_destroy(&parts);
}

static void begin(struct bench *b, const struct sim_machine_params *params, uint64_t seed)
{
    *b = (struct bench){ .rng = { seed } };
    assert_int_equal(sim_machine_create(&b->machine, params, seed, true), 0);
    struct sim_machine *m = b->machine;
    b->options = (struct copy_options){ .driver = m->driver,
                                        .registers = SIM_REGISTERS,
                                        .line = params->bus.line,
                                        .snooped = params->system.snooped,
                                        .translated = params->iommu.present,
                                        .piece_max = params->controller.segment_max };
    b->src = sim_alloc(m->driver, AREA, SIM_CACHED);
    b->dst = sim_alloc(m->driver, AREA, SIM_CACHED);
    b->expected = malloc(AREA);
    assert_non_null(b->expected);
    tag_fill(b->expected, AREA, SALT_SRC, 0);
    sim_poke(m->driver, b->src, b->expected, AREA);
    tag_fill(b->expected, AREA, SALT_DST, 0);
    sim_poke(m->driver, b->dst, b->expected, AREA);
}

static void show(const struct sim_shadow *shadow)
{
    char text[1024];
    for (size_t i = 0; i < sim_shadow_count(shadow); i++) {
        sim_hazard_print(sim_shadow_hazard(shadow, i), text, sizeof(text));
        print_message("%s", text);
    }
}

static void end(struct bench *b)
{
    uint8_t *is = malloc(AREA);
    assert_non_null(is);
    assert_int_equal(sim_driver_mappings(b->machine->driver), 0);
    sim_shadow_finish(b->machine->shadow);
    show(b->machine->shadow);
    assert_int_equal(sim_shadow_count(b->machine->shadow), 0);
    sim_peek(b->machine->driver, b->dst, is, AREA);
    assert_memory_equal(is, b->expected, AREA);
    free(is);
    free(b->expected);
    sim_machine_destroy(&b->machine);
}

static void run(struct bench *b, void (*code)(struct sim_core *core, void *argument))
{
    assert_int_equal(sim_core_run(b->machine->cores[0], 0, code, b), 0);
    assert_int_equal(sim_run(b->machine->kernel, SIM_NEVER - 1), 0);
    assert_true(sim_core_ended(b->machine->cores[0]));
}

/* ---- copies ---- */

static uint64_t some_bytes(struct bench *b, uint64_t line, uint64_t max)
{
    return test_below(&b->rng, max / line) * line;
}

/* Any bytes of the source; of the destination whole lines, as a computer without snooping needs. */
static void copy_around(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    struct copy_driver copy;
    uint64_t line = b->options.snooped ? 1 : b->options.line;
    assert_int_equal(copy_driver_open(&copy, core, &b->options), 0);
    for (int i = 0; i < ROUNDS / TEST_SLOWNESS + 2; i++) {
        uint64_t size = line + some_bytes(b, line, i % 4 ? 3 * SIM_PAGE : AREA - SIM_PAGE);
        uint64_t from = test_below(&b->rng, AREA - size), to = some_bytes(b, line, AREA - size);
        uint64_t word = 0;
        assert_int_equal(copy_driver_copy(&copy, core, b->dst + to, b->src + from, size), 0);
        tag_fill(b->expected + to, size, SALT_SRC, from);
        sim_load(core, b->dst + to, &word, 1, SIM_HERE);
        assert_int_equal(word, b->expected[to]);
        /* What it stores now is sent later. */
        sim_load(core, b->src + from, &word, 1, SIM_HERE);
        sim_store(core, b->src + from, &word, 1, SIM_HERE);
    }
    copy_driver_close(&copy, core);
}

/* Sizes of any bytes; small ones too, which one page holds and the device may reach. */
static void copy_blocks(struct sim_core *core, void *argument)
{
    struct bench *b = argument;
    const struct sim_controller_params *controller = &b->machine->params.controller;
    struct block_driver block;
    struct block_options options = { .driver = b->options.driver,
                                     .registers = SIM_REGISTERS,
                                     .interrupt = 0, /* of the first core */
                                     .alignment = controller->alignment,
                                     .block_max = controller->segment_max };
    if (!b->options.snooped)
        options.alignment = b->options.line;
    assert_int_equal(block_driver_open(&block, core, &options), 0);
    for (int i = 0; i < ROUNDS / TEST_SLOWNESS + 2; i++) {
        uint64_t size = 1 + test_below(&b->rng, i % 4 ? 600 : AREA / 4);
        uint64_t from = test_below(&b->rng, AREA - size), to = test_below(&b->rng, AREA - size);
        if (i % 2) {
            from &= ~(uint64_t)63;
            to &= ~(uint64_t)63;
        }
        assert_int_equal(block_driver_copy(&block, core, b->dst + to, b->src + from, size), 0);
        tag_fill(b->expected + to, size, SALT_SRC, from);
    }
    assert_int_equal(block.bounced > 0,
                     options.alignment > 1); /* behind an IOMMU all is in one piece */
    block_driver_close(&block, core);
}

static void on_machine(const char *name, unsigned seeds)
{
    struct sim_machine_params params;
    read_params(name, &params);
    for (unsigned i = 0; i < seeds; i++) {
        struct bench b;
        begin(&b, &params, test_seed() + i);
        run(&b, copy_around);
        end(&b);
    }
}

static void copies_on_desktop(void **state)
{
    (void)state;
    on_machine("desktop", 2);
}

static void copies_on_server(void **state)
{
    (void)state;
    on_machine("server", 2);
}

static void copies_on_embedded(void **state)
{
    (void)state;
    on_machine("embedded", 6);
}

/* The same computers made otherwise: weak and coherent, without an IOMMU, not linked. */
static void copies_on_mixtures(void **state)
{
    struct sim_machine_params params;
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct bench b;
        read_params(i & 1 ? "embedded" : "desktop", &params);
        params.iommu.present = i & 2 ? 0 : 1;
        params.system.linked = i & 4 ? 0 : 1;
        params.core.order = i & 1 ? SIM_ORDER_TSO : SIM_ORDER_WEAK;
        params.cache.speculative = 500000;
        begin(&b, &params, test_seed() + i);
        run(&b, copy_around);
        end(&b);
    }
}

static void blocks_on(const char *name)
{
    struct sim_machine_params params;
    read_params(name, &params);
    for (unsigned i = 0; i < 3; i++) {
        struct bench b;
        begin(&b, &params, test_seed() + i);
        run(&b, copy_blocks);
        end(&b);
    }
}

static void blocks_on_legacy(void **state)
{
    (void)state;
    blocks_on("legacy");
}

static void blocks_on_the_others(void **state)
{
    (void)state;
    blocks_on("desktop");
    blocks_on("server");
    blocks_on("embedded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_on_desktop),  cmocka_unit_test(copies_on_server),
        cmocka_unit_test(copies_on_embedded), cmocka_unit_test(copies_on_mixtures),
        cmocka_unit_test(blocks_on_legacy),   cmocka_unit_test(blocks_on_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
