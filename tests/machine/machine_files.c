/* The machines that come with Dray, and how machines are found. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine_file.h"
#include "test.h"

static const char *const presets[] = { "desktop", "embedded", "legacy", "server" };

enum {
    PRESETS = sizeof(presets) / sizeof(presets[0]),
};

static int set_up(void **state)
{
    char folder[PATH_MAX];
    (void)state;
    snprintf(folder, sizeof(folder), "%s/machines", getenv("DRAY_SOURCE_ROOT"));
    return setenv("DRAY_MACHINES", folder, 1);
}

static void find(const char *name, char *path)
{
    char error[SIM_FILE_ERROR] = "";
    if (sim_machine_find(name, path, PATH_MAX, error, sizeof(error)))
        fail_msg("%s", error);
}

static struct sim_parts *read_parts(const char *name)
{
    char path[PATH_MAX], error[SIM_FILE_ERROR] = "";
    struct sim_parts *parts;
    find(name, path);
    assert_int_equal(sim_machine_parts(&parts), 0);
    if (sim_parts_read(parts, path, error, sizeof(error)))
        fail_msg("%s", error);
    return parts;
}

static void read_params(const char *name, struct sim_machine_params *params)
{
    char error[SIM_FILE_ERROR] = "";
    struct sim_parts *parts = read_parts(name);
    if (sim_machine_params(parts, params, error, sizeof(error)))
        fail_msg("%s: %s", name, error);
    sim_parts_destroy(&parts);
}

static void each_is_a_machine(void **state)
{
    (void)state;
    for (int i = 0; i < PRESETS; i++) {
        struct sim_machine_params params;
        read_params(presets[i], &params);
        assert_null(sim_machine_check(&params));
    }
}

static void they_are_what_their_names_say(void **state)
{
    (void)state;
    struct sim_machine_params desktop, embedded, legacy, server;
    read_params("desktop", &desktop);
    read_params("embedded", &embedded);
    read_params("legacy", &legacy);
    read_params("server", &server);
    assert_true(desktop.cache.coherent && desktop.system.snooped);
    assert_false(embedded.cache.coherent || embedded.system.snooped);
    assert_int_equal(embedded.core.order, SIM_ORDER_WEAK);
    assert_int_equal(embedded.cache.maintenance, 40 * SIM_NS);
    assert_int_equal(legacy.controller.address_bits, 32);
    assert_false(legacy.controller.descriptors || legacy.iommu.present);
    assert_true(legacy.dram.size > (uint64_t)1 << 32);
    assert_int_equal(server.iommu.hit, 65 * SIM_NS);
    assert_true(server.link.bandwidth > 3 * desktop.link.bandwidth);
}

/* ---- sources ---- */

/* "assumed", or a name with a capital letter or a year in it. */
static bool is_source(const char *comment)
{
    return strncmp(comment, "assumed", 7) == 0 ||
           comment[strcspn(comment, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != 0;
}

static unsigned check_sources(const char *path)
{
    char line[512];
    unsigned values = 0, number = 0;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        number++;
        assert_non_null(strchr(line, '\n'));
        if (line[0] == ';' || !strchr(line, '='))
            continue;
        const char *comment = strstr(line, " ; ");
        if (!comment || !is_source(comment + 3))
            fail_msg("%s:%u has no source: %s", path, number, line);
        values++;
    }
    fclose(file);
    return values;
}

static void each_value_has_its_source_or_is_assumed(void **state)
{
    (void)state;
    assert_true(is_source("assumed") && is_source("JEDEC") && !is_source("") && !is_source("x"));
    for (int i = 0; i < PRESETS; i++) {
        char path[PATH_MAX];
        find(presets[i], path);
        assert_true(check_sources(path) > 40);
    }
}

/* So that no figure of theirs changes where a part's standard does. */
static void desktop_and_server_say_everything(void **state)
{
    (void)state;
    for (int i = 0; i < PRESETS; i += PRESETS - 1) {
        struct sim_parts *parts = read_parts(presets[i]);
        for (size_t k = 0; k < sim_machine_section_count; k++) {
            const struct sim_part_kind *kind = sim_machine_sections[k].kind;
            for (size_t p = 0; p < kind->param_count; p++)
                if (!sim_parts_given(parts, kind, NULL, &kind->params[p]))
                    fail_msg("%s does not say %s.%s", presets[i], kind->name, kind->params[p].name);
        }
        sim_parts_destroy(&parts);
    }
}

/* ---- whole machines that cannot be ---- */

static void refused(const char *text, const char *message)
{
    struct sim_parts *parts;
    struct sim_machine_params params;
    char error[SIM_FILE_ERROR] = "";
    assert_int_equal(sim_machine_parts(&parts), 0);
    assert_int_equal(sim_parts_parse(parts, text, strlen(text), "m.ini", error, sizeof(error)), 0);
    assert_int_equal(sim_machine_params(parts, &params, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, message);
    sim_parts_destroy(&parts);
}

static void combinations_across_parts_are_checked(void **state)
{
    (void)state;
    refused("[bus]\nline = 32\n",
            "machine: cache.line and bus.line differ: a line is a line for all");
    refused("[cache]\nl1_ways = 11\n",
            "m.ini:2: cache: the sets of a level (its size divided by line times ways) must be a "
            "power of two");
    refused("[core 1]\ndrain = 1ns\n",
            "m.ini:2: found part \"core 1\", expected core without a name: all parts of a kind are "
            "alike in this machine");
}

/* ---- finding ---- */

static void machines_are_found_by_name_or_file(void **state)
{
    char path[PATH_MAX];
    (void)state;
    find("./some/where", path);
    assert_string_equal(path, "./some/where");
    find("mine.ini", path);
    assert_string_equal(path, "mine.ini");
    find("legacy", path);
    assert_int_equal(access(path, R_OK), 0);
}

static void a_mistyped_name_is_told(void **state)
{
    char path[PATH_MAX], error[SIM_FILE_ERROR] = "";
    (void)state;
    assert_int_equal(sim_machine_find("dekstop", path, sizeof(path), error, sizeof(error)),
                     -ENOENT);
    assert_string_equal(error, "machine: found \"dekstop\", expected a machine file or a machine, "
                               "perhaps desktop");
    assert_int_equal(sim_machine_find("zx81", path, sizeof(path), error, sizeof(error)), -ENOENT);
    assert_string_equal(error, "machine: found \"zx81\", expected a machine file or a machine: one "
                               "of desktop, embedded, legacy, server");
    assert_int_equal(sim_machine_find("legacy", path, 10, error, sizeof(error)), -ENAMETOOLONG);
}

static void a_user_has_machines_too(void **state)
{
    char folder[] = "/tmp/dray-machines-XXXXXX", path[PATH_MAX], error[SIM_FILE_ERROR];
    (void)state;
    assert_non_null(mkdtemp(folder));
    unsetenv("DRAY_MACHINES");
    setenv("XDG_CONFIG_HOME", folder, 1);
    snprintf(path, sizeof(path), "%s/dray", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/dray/machines", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(path, sizeof(path), "%s/dray/machines/unheard-of.ini", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    char found[PATH_MAX];
    assert_int_equal(sim_machine_find("unheard-of", found, sizeof(found), error, sizeof(error)), 0);
    assert_string_equal(found, path);
    char **names = sim_machine_names();
    assert_non_null(names);
    bool listed = false;
    for (size_t i = 0; names[i]; i++) {
        listed |= strcmp(names[i], "unheard-of") == 0;
        if (i)
            assert_true(strcmp(names[i - 1], names[i]) < 0);
    }
    assert_true(listed);
    free(names);
    unlink(path);
    snprintf(path, sizeof(path), "%s/dray/machines", folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/dray", folder);
    rmdir(path);
    rmdir(folder);
    set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_a_machine),
        cmocka_unit_test(they_are_what_their_names_say),
        cmocka_unit_test(each_value_has_its_source_or_is_assumed),
        cmocka_unit_test(desktop_and_server_say_everything),
        cmocka_unit_test(combinations_across_parts_are_checked),
        cmocka_unit_test(machines_are_found_by_name_or_file),
        cmocka_unit_test(a_mistyped_name_is_told),
        cmocka_unit_test(a_user_has_machines_too),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
