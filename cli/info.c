/* `dray info`: what there is on this computer. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "dray/dray.h"
#include "engine/cpu/kernels.h"

static void print_help(FILE *out)
{
    fprintf(out,
            "usage: dray info [--json]\n"
            "\n"
            "Prints the engines of this build, what each can do here and why one is missing, the\n"
            "SIMD kernels of this processor, page sizes, the limit on locked memory, and the\n"
            "profile that plans decide by.\n"
            "\n"
            "      --json   one JSON object\n"
            "  -h, --help   this text\n"
            "\n"
            "See dray-info(1).\n");
}

/* ---- engines ---- */

static json_t *opcode_names(uint32_t opcodes)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < 32; i++)
        if (opcodes >> i & 1 && strcmp(dray_opcode_name(i), "?") != 0)
            json_array_append_new(names, json_string(dray_opcode_name(i)));
    return names;
}

static const struct {
    const char *name;
    enum dray_region_kind kind;
} kinds[] = {
    { "memory", DRAY_REGION_MEMORY }, { "pieces", DRAY_REGION_PIECES },
    { "file", DRAY_REGION_FILE },     { "stream", DRAY_REGION_STREAM },
    { "flags", DRAY_REGION_FLAGS },
};

enum {
    KIND_COUNT = sizeof(kinds) / sizeof(kinds[0])
};

/* "memory -> file" for each pair of kinds that the engine copies between. */
static json_t *copy_pairs(const struct dray_engine *engine)
{
    json_t *pairs = json_array();
    for (size_t s = 0; s < KIND_COUNT; s++)
        for (size_t d = 0; d < KIND_COUNT; d++)
            if (dray_engine_copies(engine, kinds[d].kind, kinds[s].kind))
                json_array_append_new(pairs,
                                      json_sprintf("%s -> %s", kinds[s].name, kinds[d].name));
    return pairs;
}

static const char *mode_name(enum dray_mode mode)
{
    static const char *const names[] = { "default", "inline", "worker", "help" };
    return names[mode & 3];
}

static void describe(json_t *row, const struct dray_engine *engine)
{
    struct dray_capabilities caps;
    dray_engine_capabilities(engine, &caps);
    const struct dray_limits *limits = &caps.limits;
    json_t *more = json_pack(
        "{s:s s:s s:s* s:b s:b s:o s:o s:{s:I s:i s:i s:I s:i}}", "summary", caps.summary, "mode",
        mode_name(caps.mode), "kernels", caps.kernels, "moves", (int)caps.moves, "coherent",
        (int)caps.coherent, "opcodes", opcode_names(caps.opcodes), "copies", copy_pairs(engine),
        "limits", "segment_max", (json_int_t)limits->segment_max, "segments_max",
        (int)limits->segments_max, "alignment", (int)limits->alignment, "boundary",
        (json_int_t)limits->boundary, "address_bits", (int)limits->address_bits);
    json_object_update_new(row, more);
}

static json_t *engine_json(const char *name)
{
    struct dray_domain *domain = NULL;
    struct dray_engine *engine = NULL;
    char why[256] = "";
    json_t *row = json_pack("{s:s}", "name", name);
    int error = dray_engine_probe(name, why, sizeof(why));
    if (!error)
        error = dray_domain_create(&domain, NULL);
    if (!error)
        error = dray_engine_open(&engine, domain, name, NULL);
    if (!error)
        describe(row, engine);
    json_object_set_new(row, "available", json_boolean(error == 0));
    if (error)
        json_object_set_new(row, "why", json_string(why[0] ? why : strerror(-error)));
    dray_engine_close(&engine);
    dray_domain_destroy(&domain);
    return row;
}

static json_t *engines_json(void)
{
    json_t *engines = json_array();
    for (unsigned i = 0; dray_engine_name(i); i++)
        json_array_append_new(engines, engine_json(dray_engine_name(i)));
    return engines;
}

/* ---- the computer ---- */

static json_t *kernels_json(void)
{
    const struct dray_kernels *kernels;
    json_t *all = json_array();
    for (const char *const *name = dray_kernels_names(); *name; name++)
        if (dray_kernels_select(*name, &kernels) == 0)
            json_array_append_new(all, json_string(*name));
    return all;
}

static json_t *memory_json(void)
{
    struct rlimit limit;
    json_t *memory = json_pack("{s:i}", "page_bytes", (int)sysconf(_SC_PAGESIZE));
    char line[128];
    unsigned long long kib;
    FILE *in = fopen("/proc/meminfo", "re");
    while (in && fgets(line, sizeof(line), in))
        if (sscanf(line, "Hugepagesize: %llu kB", &kib) == 1)
            json_object_set_new(memory, "huge_page_bytes", json_integer((json_int_t)kib * 1024));
    if (in)
        fclose(in);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        json_object_set_new(memory, "memlock_limit_bytes",
                            limit.rlim_cur == RLIM_INFINITY
                                ? json_null()
                                : json_integer((json_int_t)limit.rlim_cur));
    json_object_set_new(memory, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    return memory;
}

static json_t *size_or_never(uint64_t bytes)
{
    return bytes > INT64_MAX ? json_null() : json_integer((json_int_t)bytes);
}

static json_t *profile_json(void)
{
    struct dray_profile p;
    char path[4096];
    bool named = dray_profile_path(path, sizeof(path)) == 0;
    bool used = named && access(path, R_OK) == 0;
    dray_profile_load(&p);
    return json_pack("{s:s s:s* s:f s:f s:f s:f s:f s:f s:f s:o s:o s:o s:o s:o s:o}", "source",
                     used ? "file" : "built in", "path", named ? path : NULL, "setup_ns",
                     p.setup_ns, "descriptor_ns", p.descriptor_ns, "bandwidth", p.bandwidth,
                     "cpu_bandwidth", p.cpu_bandwidth, "wake_ns", p.wake_ns, "pin_ns", p.pin_ns,
                     "file_bandwidth", p.file_bandwidth, "stream_min", size_or_never(p.stream_min),
                     "batch_stream_min", size_or_never(p.batch_stream_min), "transpose_stream_min",
                     size_or_never(p.transpose_stream_min), "split_min", size_or_never(p.split_min),
                     "break_even_bytes", size_or_never(dray_profile_break_even(&p)), "gap_bytes",
                     size_or_never(dray_profile_gap(&p)));
}

/* ---- for people ---- */

static void print_list(const char *name, const json_t *list)
{
    size_t i;
    json_t *item;
    printf("%s", name);
    json_array_foreach((json_t *)list, i, item)
        printf("%s%s", i ? ", " : " ", json_string_value(item));
    putchar('\n');
}

static void print_engine(const json_t *row)
{
    const char *why = json_string_value(json_object_get(row, "why"));
    printf("engine %s: %s\n", json_string_value(json_object_get(row, "name")),
           why ? why : json_string_value(json_object_get(row, "summary")));
    if (why)
        return;
    const char *kernels = json_string_value(json_object_get(row, "kernels"));
    printf("  mode      %s%s%s\n", json_string_value(json_object_get(row, "mode")),
           kernels ? ", kernels " : "", kernels ? kernels : "");
    print_list("  executes ", json_object_get(row, "opcodes"));
    const json_t *pairs = json_object_get(row, "copies");
    if (json_array_size(pairs) == KIND_COUNT * KIND_COUNT)
        printf("  copies    between memory, pieces, files, streams and flags, all ways\n");
    else
        print_list("  copies   ", pairs);
    const json_t *limits = json_object_get(row, "limits");
    printf("  limits    %" JSON_INTEGER_FORMAT
           " segments in a transaction, alignment %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
           " address bits\n",
           json_integer_value(json_object_get(limits, "segments_max")),
           json_integer_value(json_object_get(limits, "alignment")),
           json_integer_value(json_object_get(limits, "address_bits")));
}

static void print_size(const char *name, const json_t *bytes, const char *none)
{
    if (json_is_integer(bytes))
        printf("%s%" JSON_INTEGER_FORMAT " B\n", name, json_integer_value(bytes));
    else
        printf("%s%s\n", name, none);
}

static void print_profile(const json_t *p)
{
    const char *path = json_string_value(json_object_get(p, "path"));
    printf("profile     %s%s%s\n", json_string_value(json_object_get(p, "source")),
           path ? ", " : "", path ? path : "");
    static const struct {
        const char *key, *text, *unit;
        double scale;
    } rows[] = {
        { "setup_ns", "t_p, a transaction", "ns", 1 },
        { "descriptor_ns", "t_o, a further descriptor", "ns", 1 },
        { "bandwidth", "B, the engine", "GB/s", 1e-9 },
        { "cpu_bandwidth", "B_c, the calling CPU", "GB/s", 1e-9 },
        { "file_bandwidth", "cached files", "GB/s", 1e-9 },
        { "wake_ns", "waking a worker", "ns", 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("  %-28s %.4g %s\n", rows[i].text,
               json_real_value(json_object_get(p, rows[i].key)) * rows[i].scale, rows[i].unit);
    print_size("  S*, the engine pays from     ", json_object_get(p, "break_even_bytes"), "never");
    print_size("  g*, gaps are read through to ", json_object_get(p, "gap_bytes"), "any");
}

static void print_info(const json_t *info)
{
    size_t i;
    json_t *row;
    printf("dray %s\n", json_string_value(json_object_get(info, "version")));
    json_array_foreach(json_object_get(info, "engines"), i, row) print_engine(row);
    const json_t *computer = json_object_get(info, "computer");
    print_list("kernels    ", json_object_get(info, "kernels"));
    print_size("page        ", json_object_get(computer, "page_bytes"), "?");
    print_size("huge page   ", json_object_get(computer, "huge_page_bytes"), "none");
    print_size("memlock     ", json_object_get(computer, "memlock_limit_bytes"), "no limit");
    print_profile(json_object_get(info, "profile"));
}

int cli_info(int argc, char **argv)
{
    enum {
        JSON = 256
    };
    static const struct option longs[] = {
        { "json", no_argument, NULL, JSON },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", longs, NULL)) >= 0) {
        if (option == 'h') {
            print_help(stdout);
            return CLI_OK;
        }
        if (option != JSON)
            return cli_bad_option(argv);
        json = true;
    }
    if (optind < argc)
        return cli_usage("info", "\"%s\" is one argument too many", argv[optind]);
    json_t *info = json_pack(
        "{s:o s:o s:o s:o s:o}", "version",
        json_sprintf("%d.%d.%d", DRAY_VERSION_MAJOR, DRAY_VERSION_MINOR, DRAY_VERSION_PATCH),
        "engines", engines_json(), "kernels", kernels_json(), "computer", memory_json(), "profile",
        profile_json());
    if (json)
        json_dumpf(info, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    else
        print_info(info);
    if (json)
        putchar('\n');
    json_decref(info);
    return CLI_OK;
}
