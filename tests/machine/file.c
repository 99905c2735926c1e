/* Machine files: what they set, and what is said of those that are wrong. */
#include <errno.h>
#include <unistd.h>

#include "file.h"
#include "test.h"

struct bus_params {
    uint64_t bandwidth, arbiter, burst;
};

struct cache_params {
    uint64_t size, ways, latency, coherent;
};

static const char *const arbiters[] = { "priority", "round-robin", "fifo", NULL };

static const struct sim_param bus_table[] = {
    { "bandwidth", SIM_UNIT_RATE, offsetof(struct bus_params, bandwidth), 64000000000, 1000,
      100000000000000, 0, NULL, "of data" },
    { "arbiter", SIM_UNIT_CHOICE, offsetof(struct bus_params, arbiter), 1, 0, 2, 0, arbiters,
      "who is granted" },
    { "burst", SIM_UNIT_BYTES, offsetof(struct bus_params, burst), 256, 1, 4096, SIM_POWER_OF_TWO,
      NULL, "of one grant" },
};

static const struct sim_param cache_table[] = {
    { "size", SIM_UNIT_BYTES, offsetof(struct cache_params, size), 48 << 10, 1024, 1 << 30, 0, NULL,
      "bytes" },
    { "ways", SIM_UNIT_COUNT, offsetof(struct cache_params, ways), 12, 1, 64, 0, NULL, "ways" },
    { "latency", SIM_UNIT_TIME, offsetof(struct cache_params, latency), 1000, 0, 1000000, 0, NULL,
      "of a hit" },
    { "coherent", SIM_UNIT_BOOL, offsetof(struct cache_params, coherent), 1, 0, 1, 0, NULL,
      "snoops" },
};

static const char *cache_check(const void *params)
{
    const struct cache_params *p = params;
    uint64_t sets = p->size / 64 / p->ways;
    return sets && (sets & (sets - 1)) == 0 ? NULL : "the number of sets must be a power of two";
}

static const struct sim_part_kind bus_kind = {
    .name = "bus",
    .params = bus_table,
    .param_count = 3,
    .params_size = sizeof(struct bus_params),
};

static const struct sim_part_kind cache_kind = {
    .name = "cache",
    .params = cache_table,
    .param_count = 4,
    .params_size = sizeof(struct cache_params),
    .check = cache_check,
};

static const struct sim_part_kind *const kinds[] = { &bus_kind, &cache_kind };

struct rig {
    struct sim_parts *parts;
    char error[SIM_FILE_ERROR];
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_int_equal(sim_parts_create(&rig->parts, kinds, 2), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    sim_parts_destroy(&rig->parts);
    assert_null(rig->parts);
    free(rig);
    return 0;
}

static int parse(struct rig *rig, const char *text)
{
    rig->error[0] = 0;
    return sim_parts_parse(rig->parts, text, strlen(text), "m.ini", rig->error, sizeof(rig->error));
}

static void good(struct rig *rig, const char *text)
{
    int result = parse(rig, text);
    assert_string_equal(rig->error, "");
    assert_int_equal(result, 0);
}

static void refused(struct rig *rig, const char *text, const char *message)
{
    assert_int_equal(parse(rig, text), -EINVAL);
    assert_string_equal(rig->error, message);
}

static struct bus_params bus(struct rig *rig, const char *name)
{
    struct bus_params params;
    sim_parts_get(rig->parts, &bus_kind, name, &params);
    return params;
}

static struct cache_params cache(struct rig *rig, const char *name)
{
    struct cache_params params;
    sim_parts_get(rig->parts, &cache_kind, name, &params);
    return params;
}

static void what_a_file_does_not_say_is_standard(void **state)
{
    struct rig *rig = *state;
    good(rig, "; nothing\n\n[bus]\n");
    assert_int_equal(bus(rig, NULL).bandwidth, 64000000000);
    assert_int_equal(bus(rig, NULL).burst, 256);
    assert_int_equal(cache(rig, "core0").size, 48 << 10);
    assert_false(sim_parts_given(rig->parts, &bus_kind, NULL, &bus_table[0]));
}

static void values_comments_and_blanks_are_told_apart(void **state)
{
    struct rig *rig = *state;
    good(rig,
         "\xef\xbb\xbf[bus] ; the only one\r\n"
         "  bandwidth = 8.5GB/s   ; 128 bits at 533 MHz; see its manual, which is longer than "
         "a line of the library may be, for it says where, when, by whom and how the figure was "
         "measured, and then some more\r\n"
         "# another\n"
         "\tarbiter=fifo\t; assumed\n"
         "burst =  64 ");
    assert_int_equal(bus(rig, NULL).bandwidth, 8500000000);
    assert_int_equal(bus(rig, NULL).arbiter, 2);
    assert_int_equal(bus(rig, NULL).burst, 64);
    assert_true(sim_parts_given(rig->parts, &bus_kind, NULL, &bus_table[2]));
}

static void a_named_part_differs_where_it_says_so(void **state)
{
    struct rig *rig = *state;
    good(rig, "[cache core1]\nsize = 3KiB\n[cache]\nways = 6\nsize = 24KiB\n[cache\tcore2]\n"
              "coherent = no\n");
    assert_int_equal(cache(rig, NULL).size, 24 << 10);
    assert_int_equal(cache(rig, "core0").size, 24 << 10);
    assert_int_equal(cache(rig, "core1").size, 3 << 10);
    assert_int_equal(cache(rig, "core1").ways, 6);
    assert_int_equal(cache(rig, "core1").coherent, 1);
    assert_int_equal(cache(rig, "core2").coherent, 0);
    assert_string_equal(sim_parts_name(rig->parts, &cache_kind, 0), "core1");
    assert_string_equal(sim_parts_name(rig->parts, &cache_kind, 1), "core2");
    assert_null(sim_parts_name(rig->parts, &cache_kind, 2));
    assert_null(sim_parts_name(rig->parts, &bus_kind, 0));
}

static void a_later_file_and_set_replace_values(void **state)
{
    struct rig *rig = *state;
    good(rig, "[bus]\nburst = 64\narbiter = fifo\n");
    good(rig, "[bus]\nburst = 128\n");
    assert_int_equal(bus(rig, NULL).burst, 128);
    assert_int_equal(sim_parts_set(rig->parts, "bus.burst=32B", rig->error, SIM_FILE_ERROR), 0);
    assert_int_equal(sim_parts_set(rig->parts, "cache.core7.ways=3", rig->error, SIM_FILE_ERROR),
                     0);
    assert_int_equal(sim_parts_set(rig->parts, "cache core7.size=3KiB", rig->error, SIM_FILE_ERROR),
                     0);
    assert_int_equal(bus(rig, NULL).burst, 32);
    assert_int_equal(bus(rig, NULL).arbiter, 2);
    assert_int_equal(cache(rig, "core7").ways, 3);
    assert_int_equal(cache(rig, "core7").size, 3072);
}

static void mistakes_are_told_with_line_found_and_expected(void **state)
{
    struct rig *rig = *state;
    refused(rig, "\n[buss]\n", "m.ini:2: found \"buss\", expected a part, perhaps bus");
    refused(rig, "[disk drive]\n", "m.ini:1: found \"disk\", expected a part: one of bus, cache");
    refused(rig, "[cache core/1]\n",
            "m.ini:1: found \"core/1\", expected a name of at most 31 letters, digits, \"_\" and "
            "\"-\"");
    refused(rig, "[bus\nburst = 1\n",
            "m.ini:1: found \"[bus\", expected a section in brackets, such as [bus]");
    refused(rig, "[]\n", "m.ini:1: found \"[]\", expected a section in brackets, such as [bus]");
    refused(rig, "burst = 1\n",
            "m.ini:1: found \"burst\", expected a section before it, such as [bus]");
    refused(rig, "[bus]\n; one\nbandwith = 1GB/s\nburst = 3\n",
            "m.ini:3: found \"bandwith\", expected a parameter of bus, perhaps bandwidth");
    refused(rig, "[bus]\nband = 1GB/s\n",
            "m.ini:2: found \"band\", expected a parameter of bus, perhaps bandwidth");
    refused(rig, "[bus]\nx = 1GB/s\n",
            "m.ini:2: found \"x\", expected a parameter of bus: one of bandwidth, arbiter, burst");
    refused(rig, "[bus]\nbandwidth = 1ns\n",
            "m.ini:2: found \"1ns\" for bandwidth, expected a rate in B/s, KB/s, MB/s, GB/s, Mb/s "
            "or Gb/s");
    refused(rig, "[bus]\nbandwidth = 0\n",
            "m.ini:2: found \"0\" for bandwidth, expected 1KB/s to 100000GB/s");
    refused(rig, "[bus]\narbiter = lifo ; assumed\n",
            "m.ini:2: found \"lifo\" for arbiter, expected one of priority, round-robin, fifo");
    refused(rig, "[bus]\nburst = 100\n",
            "m.ini:2: found \"100\" for burst, expected a power of two");
    refused(rig, "[bus]\nburst\n",
            "m.ini:2: found \"burst\", expected [part] or parameter = value");
    refused(rig, "[bus]\nburst =\n",
            "m.ini:2: found \"\" for burst, expected a size in B, KiB, MiB or GiB");
    refused(rig, "[bus]\nburst = 1\n\nburst = 2\n",
            "m.ini:4: found \"burst\", expected each parameter once");
    refused(rig, "[bus]\n= 2\n",
            "m.ini:2: found \"\", expected a parameter of bus: one of bandwidth, arbiter, burst");
    refused(rig, "[bus]\nbu\x01rst = 2\n",
            "m.ini:2: found \"bu?rst\", expected a parameter of bus, perhaps burst");
}

static void lines_and_files_that_are_too_long_are_refused(void **state)
{
    struct rig *rig = *state;
    static char text[SIM_FILE_SIZE + 2];
    memset(text, 'x', 300);
    memcpy(text, "[bus]\n", 6);
    assert_int_equal(parse(rig, text), -EINVAL);
    assert_non_null(strstr(rig->error, "m.ini:2: found \"xxx"));
    assert_non_null(strstr(rig->error, "expected at most 198 characters beside a comment"));
    memset(text, '\n', SIM_FILE_SIZE + 1);
    assert_int_equal(parse(rig, text), -EINVAL);
    assert_string_equal(rig->error, "m.ini: found \"a longer file\", expected at most 64 KiB");
    text[SIM_FILE_SIZE] = 0;
    assert_int_equal(parse(rig, text), 0);
}

static void more_parts_than_there_is_room_for_are_refused(void **state)
{
    struct rig *rig = *state;
    char text[64];
    for (int i = 0; i < SIM_SECTIONS; i++) {
        snprintf(text, sizeof(text), "cache.core%d.ways=3", i);
        assert_int_equal(sim_parts_set(rig->parts, text, rig->error, SIM_FILE_ERROR), 0);
    }
    assert_int_equal(sim_parts_set(rig->parts, "bus.burst=64", rig->error, SIM_FILE_ERROR),
                     -EINVAL);
    assert_string_equal(rig->error, "--set bus.burst=64: found \"bus\", expected at most 64 parts "
                                    "with own values");
}

static void combinations_that_cannot_be_are_told(void **state)
{
    struct rig *rig = *state;
    good(rig, "[bus]\nburst = 1\n\n[cache]\nsize = 32KiB\n");
    assert_int_equal(sim_parts_check(rig->parts, rig->error, SIM_FILE_ERROR), -EINVAL);
    assert_string_equal(rig->error, "m.ini:5: cache: the number of sets must be a power of two");
    /* What the file began, --set may complete. */
    assert_int_equal(sim_parts_set(rig->parts, "cache.ways=8", rig->error, SIM_FILE_ERROR), 0);
    assert_int_equal(sim_parts_check(rig->parts, rig->error, SIM_FILE_ERROR), 0);
    assert_int_equal(sim_parts_set(rig->parts, "cache.core1.ways=7", rig->error, SIM_FILE_ERROR),
                     0);
    assert_int_equal(sim_parts_check(rig->parts, rig->error, SIM_FILE_ERROR), -EINVAL);
    assert_string_equal(rig->error, "--set cache.core1.ways=7: cache core1: the number of sets "
                                    "must be a power of two");
}

static void set_refused(struct rig *rig, const char *text, const char *message)
{
    assert_int_equal(sim_parts_set(rig->parts, text, rig->error, SIM_FILE_ERROR), -EINVAL);
    assert_string_equal(rig->error, message);
}

static void mistakes_in_set_are_told(void **state)
{
    struct rig *rig = *state;
    static const char form[] = "expected PART.PARAMETER=VALUE, such as bus.burst=64B";
    for (int i = 0; i < 5; i++) {
        const char *text = (const char *[]){ "", "burst=1", "bus.burst", ".burst=1", "bus.=1" }[i];
        assert_int_equal(sim_parts_set(rig->parts, text, rig->error, SIM_FILE_ERROR), -EINVAL);
        assert_non_null(strstr(rig->error, form));
    }
    set_refused(rig, "bus.burts=1",
                "--set bus.burts=1: found \"burts\", expected a parameter of bus, perhaps burst");
    set_refused(rig, "cahce.ways=1",
                "--set cahce.ways=1: found \"cahce\", expected a part, perhaps cache");
    set_refused(rig, "bus.burst=1ns",
                "--set bus.burst=1ns: found \"1ns\" for burst, expected a size in B, KiB, MiB or "
                "GiB");
}

static void a_file_is_read_and_a_missing_one_told(void **state)
{
    struct rig *rig = *state;
    char path[] = "/tmp/dray-machine-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[bus]\nburst = 16\n", 17), 17);
    close(fd);
    assert_int_equal(sim_parts_read(rig->parts, path, rig->error, SIM_FILE_ERROR), 0);
    assert_int_equal(bus(rig, NULL).burst, 16);
    unlink(path);
    assert_int_equal(sim_parts_read(rig->parts, path, rig->error, SIM_FILE_ERROR), -ENOENT);
    assert_non_null(strstr(rig->error, "No such file"));
}

/* ---- sweeps ---- */

static void sweeps(struct rig *rig, const char *text, unsigned count, const uint64_t *expected)
{
    struct sim_sweep sweep;
    rig->error[0] = 0;
    int result = sim_sweep_parse(&sweep, rig->parts, text, rig->error, SIM_FILE_ERROR);
    assert_string_equal(rig->error, "");
    assert_int_equal(result, 0);
    assert_int_equal(sweep.count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(sim_sweep_value(&sweep, i), expected[i]);
}

static void sweeps_go_from_one_end_to_the_other(void **state)
{
    struct rig *rig = *state;
    sweeps(rig, "cache.latency=1ns:2ns:3", 3, (uint64_t[]){ 1000, 1500, 2000 });
    sweeps(rig, "cache.latency=4ps:0:5", 5, (uint64_t[]){ 4, 3, 2, 1, 0 });
    sweeps(rig, "bus.burst=16:4KiB:5", 5, (uint64_t[]){ 16, 64, 256, 1024, 4096 });
    sweeps(rig, "bus.arbiter=priority:fifo:3", 3, (uint64_t[]){ 0, 1, 2 });
    sweeps(rig, "cache.coherent=no:yes:2", 2, (uint64_t[]){ 0, 1 });
    sweeps(rig, "cache.latency=7ns:9ns:1", 1, (uint64_t[]){ 7000 });
    sweeps(rig, "bus.bandwidth=1KB/s:100000GB/s:2", 2, (uint64_t[]){ 1000, 100000000000000 });
}

static void a_point_of_a_sweep_is_applied(void **state)
{
    struct rig *rig = *state;
    struct sim_sweep sweep;
    good(rig, "[cache core1]\nsize = 6KiB\n");
    assert_int_equal(
        sim_sweep_parse(&sweep, rig->parts, "cache core1.ways=3:6:4", rig->error, SIM_FILE_ERROR),
        0);
    sim_sweep_apply(&sweep, rig->parts, 0);
    assert_int_equal(cache(rig, "core1").ways, 3);
    assert_int_equal(cache(rig, "core0").ways, 12);
    assert_int_equal(sim_parts_check(rig->parts, rig->error, SIM_FILE_ERROR), 0);
    sim_sweep_apply(&sweep, rig->parts, 1);
    assert_int_equal(sim_parts_check(rig->parts, rig->error, SIM_FILE_ERROR), -EINVAL);
    assert_string_equal(rig->error, "--sweep cache core1.ways=3:6:4: cache core1: the number of "
                                    "sets must be a power of two");
}

static void sweep_refused(struct rig *rig, const char *text, const char *message)
{
    struct sim_sweep sweep;
    assert_int_equal(sim_sweep_parse(&sweep, rig->parts, text, rig->error, SIM_FILE_ERROR),
                     -EINVAL);
    assert_string_equal(rig->error, message);
}

static void mistakes_in_sweeps_are_told(void **state)
{
    struct rig *rig = *state;
    sweep_refused(rig, "cache.latency=1ns",
                  "--sweep cache.latency=1ns: found \"1ns\", expected FROM:TO:COUNT, such as "
                  "1ns:10ns:10");
    sweep_refused(rig, "cache.latency=1ns:x:3",
                  "--sweep cache.latency=1ns:x:3: found \"x\" for latency, expected a time in ps, "
                  "ns, us, ms or s");
    sweep_refused(rig, "cache.latency=1ns:2ns:0",
                  "--sweep cache.latency=1ns:2ns:0: found \"0\" for the number of points, expected "
                  "1 to 10000");
    sweep_refused(rig, "cache.latency=1ns:2ns:10001",
                  "--sweep cache.latency=1ns:2ns:10001: found \"10001\" for the number of points, "
                  "expected 1 to 10000");
    sweep_refused(rig, "cache.latency=1ns:2ns:3:4",
                  "--sweep cache.latency=1ns:2ns:3:4: found \"3:4\" for the number of points, "
                  "expected 1 to 10000");
}

static void messages_stay_in_their_buffers(void **state)
{
    struct rig *rig = *state;
    for (size_t size = 1; size < 100; size += 7) {
        char *small = guard_alloc(size, 1);
        assert_int_equal(sim_parts_parse(rig->parts, "[bus]\nx = 1\n", 12, "m.ini", small, size),
                         -EINVAL);
        assert_true(strlen(small) < size);
        guard_free(small);
    }
    assert_int_equal(sim_parts_parse(rig->parts, "[", 1, "m.ini", NULL, 0), -EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_a_file_does_not_say_is_standard),
        CASE(values_comments_and_blanks_are_told_apart),
        CASE(a_named_part_differs_where_it_says_so),
        CASE(a_later_file_and_set_replace_values),
        CASE(mistakes_are_told_with_line_found_and_expected),
        CASE(lines_and_files_that_are_too_long_are_refused),
        CASE(more_parts_than_there_is_room_for_are_refused),
        CASE(combinations_that_cannot_be_are_told),
        CASE(mistakes_in_set_are_told),
        CASE(a_file_is_read_and_a_missing_one_told),
        CASE(sweeps_go_from_one_end_to_the_other),
        CASE(a_point_of_a_sweep_is_applied),
        CASE(mistakes_in_sweeps_are_told),
        CASE(messages_stay_in_their_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
