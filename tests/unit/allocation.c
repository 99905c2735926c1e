/* Memory: none is asked for on the data path, and an idle context takes little. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_inject.h"
#include "rig.h"

enum {
    SIZE = 200000,
    TRANSACTIONS = 10000
};

struct places {
    uint8_t *src, *dst;
    uint64_t flags[8];
    struct dray_desc array[3];
    struct iovec piece[50];
    int file_fd, ends[2];
    dray_key in, out, pieces, file, pipe_in, pipe_out, flag, links;
};

static void places_map(struct rig *rig, struct places *p)
{
    const unsigned both = DRAY_READ | DRAY_WRITE;
    p->src = guard_alloc(SIZE, 64);
    p->dst = guard_alloc(2 * SIZE, 64);
    memset(p->src, 1, SIZE);
    memset(p->dst, 2, 2 * SIZE);
    memset(p->flags, 0, sizeof(p->flags));
    for (unsigned i = 0; i < 50; i++)
        p->piece[i] = (struct iovec){ p->dst + SIZE + 2000 * i, 1777 };
    p->file_fd = memfd_create("places", MFD_CLOEXEC);
    assert_int_equal(ftruncate(p->file_fd, SIZE), 0);
    assert_int_equal(pipe(p->ends), 0);
    p->in = rig_map(rig, p->src, SIZE, DRAY_READ);
    p->out = rig_map(rig, p->dst, SIZE, both);
    p->links = rig_map(rig, p->array, sizeof(p->array), DRAY_READ);
    assert_int_equal(dray_map_pieces(rig->domain, p->piece, 50, both, &p->pieces), 0);
    assert_int_equal(dray_map_file(rig->domain, p->file_fd, both, &p->file), 0);
    assert_int_equal(dray_map_stream(rig->domain, p->ends[0], DRAY_READ, &p->pipe_in), 0);
    assert_int_equal(dray_map_stream(rig->domain, p->ends[1], DRAY_WRITE, &p->pipe_out), 0);
    assert_int_equal(dray_map_flags(rig->domain, p->flags, 8, both, &p->flag), 0);
}

static void places_free(struct places *p)
{
    close(p->file_fd);
    close(p->ends[0]);
    close(p->ends[1]);
    guard_free(p->src);
    guard_free(p->dst);
}

static void transpose(struct rig *rig, const struct places *p)
{
    struct dray_desc *d = rig_get(rig);
    dray_prep_strided(d, p->out, 0, p->in, 0, 150 * 100 * 8, (dray_key){ 0 }, 0);
    *dray_queue_shape(rig->queue, d) = (struct dray_shape){ .version = DRAY_FORMAT_VERSION,
                                                            .loops = 2,
                                                            .element = 8,
                                                            .extent = { 100, 150 },
                                                            .src_stride = { 8, 800 },
                                                            .dst_stride = { 1200, 8 } };
}

/* A chain in an array: two transactions, since the LINK is one. */
static void array(struct rig *rig, struct places *p)
{
    for (unsigned i = 0; i < 3; i++) {
        dray_prep_copy(&p->array[i], p->out, i * 100, p->in, i * 50, 50);
        p->array[i].flags = i < 2 ? DRAY_FLAG_CHAIN : 0;
    }
    dray_prep_link(rig_get(rig), p->links, 0, 3);
}

#define KEY(name) offsetof(struct places, name)

/* Between all kinds of region; the last two are faults. */
static const struct {
    size_t dst, src;
    uint64_t dst_offset, src_offset, length;
} copies[] = {
    { KEY(out), KEY(in), 5, 7, 3000 },         { KEY(out), KEY(in), 0, 0, SIZE },
    { KEY(pieces), KEY(in), 9, 0, 60000 },     { KEY(out), KEY(pieces), 0, 100, 60000 },
    { KEY(file), KEY(pieces), 0, 0, 60000 },   { KEY(pieces), KEY(file), 0, 10, 60000 },
    { KEY(file), KEY(file), 0, 70000, 60000 }, { KEY(pipe_out), KEY(in), 0, 0, 3000 },
    { KEY(file), KEY(pipe_in), 100, 0, 3000 }, { KEY(out), KEY(out), 0, 10, 50000 },
    { KEY(in), KEY(out), 0, 0, 10 },           { KEY(out), KEY(in), 0, SIZE, 10 },
};

enum {
    COPIES = sizeof(copies) / sizeof(copies[0]),
    KINDS = COPIES + 13
};

static dray_key key_at(const struct places *p, size_t at)
{
    return *(const dray_key *)(const void *)((const char *)p + at);
}

/* A transaction of each kind there is. */
static void prepare(struct rig *rig, struct places *p, unsigned kind)
{
    if (kind < COPIES) {
        dray_prep_copy(rig_get(rig), key_at(p, copies[kind].dst), copies[kind].dst_offset,
                       key_at(p, copies[kind].src), copies[kind].src_offset, copies[kind].length);
        return;
    }
    if (kind == KINDS - 2)
        transpose(rig, p);
    if (kind == KINDS - 1)
        array(rig, p);
    if (kind >= KINDS - 2)
        return;
    struct dray_desc *d = rig_get(rig);
    switch (kind - COPIES) {
    case 0:
        dray_prep_nop(d);
        break;
    case 1:
        dray_prep_fence(d);
        break;
    case 2:
        dray_prep_fill(d, p->pieces, 0, 5000, "abcd", 4);
        break;
    case 3:
        dray_prep_fill(d, p->file, 0, 5000, "abcd", 4);
        break;
    case 4:
        dray_prep_compare(d, p->in, 0, p->out, 0, 5000);
        break;
    case 5:
        dray_prep_compare(d, p->in, 0, p->file, 0, 5000);
        break;
    case 6:
        dray_prep_crc32c(d, p->pieces, 0, 5000, 0);
        break;
    case 7:
        dray_prep_crc32c(d, p->file, 0, 5000, 0);
        break;
    case 8:
        dray_prep_signal(d, p->flag, 8, 1, true);
        break;
    case 9:
        dray_prep_wait(d, p->flag, 8, DRAY_WAIT_GE, 1, 0);
        break;
    default:
        dray_prep_wait(d, p->flag, 16, DRAY_WAIT_NE, 0, 1000);
        break;
    }
}

static void the_data_path_asks_for_no_memory(void **state)
{
    struct rig *rig = *state;
    struct places p;
    places_map(rig, &p);
    uint64_t before = 0;
    for (unsigned i = 0; i < TRANSACTIONS + KINDS; i++) {
        if (i == KINDS) /* each has been there once */
            before = fault_inject_allocations();
        prepare(rig, &p, i % KINDS);
        rig_finish(rig);
        if (i % KINDS == KINDS - 1)
            rig_wait(rig);
    }
    assert_int_equal(fault_inject_allocations() - before, 0);
    struct dray_engine_stats stats; /* and all that was really done */
    dray_engine_stats(rig->engine, &stats);
    assert_true(stats.transactions > TRANSACTIONS + KINDS);
    places_free(&p);
}

/* ---- how much an idle context takes ---- */

/* Memory of its own: without the rings, which are shared, and without the code of the program. */
static uint64_t own_kib(void)
{
    char text[4096] = { 0 };
    unsigned long kib = 0;
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return UINT64_MAX;
    close(fd);
    const char *line = strstr(text, "Anonymous:");
    return line && sscanf(line, "Anonymous: %lu", &kib) == 1 ? kib : UINT64_MAX;
}

/* A program of its own, so that nothing it needs is there already. */
static int idle_main(const struct rig_config *config)
{
    struct rig rig;
    uint64_t before = own_kib();
    rig_open(&rig, config, 256);
    for (unsigned i = 0; i < 10; i++) {
        dray_prep_nop(rig_get(&rig));
        rig_finish(&rig);
    }
    uint64_t after = own_kib();
    printf("%s: %llu KiB\n", config->label, (unsigned long long)(after - before));
    rig_close(&rig);
    return before == UINT64_MAX || after - before < 1024 ? 0 : 1;
}

static void an_idle_context_is_small(void **state)
{
    struct rig *rig = *state;
    if (TEST_SANITIZED)
        return; /* resident memory is mostly its shadow */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "allocation", rig->config->label, NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_data_path_asks_for_no_memory),
        cmocka_unit_test(an_idle_context_is_small),
    };
    const struct rig_config *configs;
    size_t count = rig_configs(&configs);
    for (size_t i = 0; i < count && argc == 2; i++)
        if (strcmp(configs[i].label, argv[1]) == 0)
            return idle_main(&configs[i]);
    return rig_run_tests_by_mode("allocation", tests, sizeof(tests) / sizeof(tests[0]));
}
