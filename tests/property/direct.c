/*
 * Files opened with O_DIRECT: random odd offsets and lengths, planned with the alignment that the
 * file asks for and run on the cpu engine, against plain reads and writes of the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

enum {
    FILE_MAX = 60000,
    MEMORY = 70000,
    BOUNCE = 16384, /* less than most transfers: rounds */
    LISTS = 4,
    STEPS = 2048,
    ROUNDS = 400,
};

static const struct rig_config config = { "cpu inline", "cpu", DRAY_MODE_INLINE, 0, NULL };

struct world {
    struct rig rig;
    struct test_rng rng;
    int plain, direct;
    uint64_t size; /* of the file */
    uint8_t *memory, *bounce;
    dray_key file_key, memory_key, bounce_key;
    uint32_t alignment;
    uint8_t model[FILE_MAX + 1], expected[MEMORY];
    struct dray_plan_step steps[STEPS];
};

static struct world world;

static void pass_over(const char *why)
{
    printf("skipped: %s\n", why);
    exit(77);
}

/* On the disk that holds the build: /tmp may be a file system that has no direct files. */
static void open_file(struct world *w)
{
    const char *folder = getenv("DRAY_BUILD_ROOT");
    char path[4096], self[64];
    snprintf(path, sizeof(path), "%s/direct-XXXXXX", folder ? folder : ".");
    w->plain = mkstemp(path);
    assert_true(w->plain >= 0);
    unlink(path);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", w->plain);
    w->direct = open(self, O_RDWR | O_DIRECT);
    if (w->direct < 0 && errno == EINVAL)
        pass_over("no O_DIRECT on this file system");
    assert_true(w->direct >= 0);
}

static void begin(struct world *w)
{
    struct dray_region_info info;
    memset(w, 0, sizeof(*w));
    w->rng.state = test_seed();
    rig_open(&w->rig, &config, 64);
    open_file(w);
    w->memory = guard_alloc(MEMORY, 4096);
    w->bounce = guard_alloc(BOUNCE, 4096);
    w->memory_key = rig_map(&w->rig, w->memory, MEMORY, DRAY_READ | DRAY_WRITE);
    w->bounce_key = rig_map(&w->rig, w->bounce, BOUNCE, DRAY_READ | DRAY_WRITE);
    assert_int_equal(dray_map_file(w->rig.domain, w->direct, DRAY_READ | DRAY_WRITE, &w->file_key),
                     0);
    assert_int_equal(dray_region_info(w->rig.domain, w->file_key, &info), 0);
    w->alignment = info.alignment;
    assert_true(w->alignment >= 512 && w->alignment <= 4096);
}

static void end(struct world *w)
{
    rig_close(&w->rig);
    guard_free(w->memory);
    guard_free(w->bounce);
    close(w->direct);
    close(w->plain);
}

/* A file of any length, even or odd to blocks, and memory, with bytes that differ everywhere. */
static void fill(struct world *w)
{
    uint64_t salt = 1 + test_below(&w->rng, 1000);
    w->size = 1 + test_below(&w->rng, FILE_MAX / 2);
    memset(w->model, 0, sizeof(w->model));
    tag_fill(w->model, w->size, salt, 0);
    tag_fill(w->memory, MEMORY, salt + 1000, 0);
    memcpy(w->expected, w->memory, MEMORY);
    assert_int_equal(ftruncate(w->plain, 0), 0);
    assert_int_equal(pwrite(w->plain, w->model, w->size, 0), w->size);
}

/* Ascending segments below `room`; `total` bytes in all of them at most. */
static uint64_t draw_list(struct world *w, struct dray_segment *list, size_t *count, dray_key key,
                          uint64_t room, uint64_t total)
{
    uint64_t at = 0, sum = 0;
    for (*count = 0; *count < LISTS && sum < total; ++*count) {
        uint64_t offset = at + (test_below(&w->rng, 2) ? test_size(&w->rng, 9000) : 512);
        uint64_t length = 1 + test_size(&w->rng, 20000);
        if (offset >= room)
            break;
        length = length < room - offset ? length : room - offset;
        length = length < total - sum ? length : total - sum;
        list[*count] = (struct dray_segment){ key, 0, offset, length };
        at = offset + length;
        sum += length;
    }
    return sum;
}

static void cut(struct dray_segment *list, size_t *count, uint64_t total)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i].length > total)
            list[i].length = total;
        total -= list[i].length;
    }
}

static void run_cpu(struct world *w, const struct dray_desc *d)
{
    uint8_t *dst = d->dst_key.value == w->bounce_key.value ? w->bounce : w->memory;
    uint8_t *src = d->src_key.value == w->bounce_key.value ? w->bounce : w->memory;
    assert_int_not_equal(d->dst_key.value, w->file_key.value);
    assert_int_not_equal(d->src_key.value, w->file_key.value);
    memcpy(dst + d->dst_offset, src + d->src_offset, d->length);
}

/* One transaction at a time, so that each is done before the CPU goes on. */
static void run_steps(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct dray_plan_step *step = &w->steps[i];
        if (step->by == DRAY_BY_CPU) {
            run_cpu(w, &step->desc);
            continue;
        }
        *rig_get(&w->rig) = step->desc;
        if (step->desc.flags & DRAY_FLAG_CHAIN)
            continue;
        assert_status(rig_finish(&w->rig), DRAY_STATUS_OK);
    }
}

static void transfer(struct world *w, struct dray_sg dst, struct dray_sg src)
{
    const struct dray_plan_region regions[] = {
        { w->file_key, DRAY_REGION_FILE, "file", 0, w->size, .gap_readable = true,
          .rewritable = true, .alignment = w->alignment },
        { w->memory_key, DRAY_REGION_MEMORY, "memory", (uintptr_t)w->memory, MEMORY },
    };
    struct dray_plan_input input = {
        .dst = dst,
        .src = src,
        .regions = regions,
        .region_count = 2,
        .limits = { .segment_max = DRAY_LENGTH_MAX,
                    .segments_max = 32,
                    .alignment = 1,
                    .address_bits = 64 },
        .bounce = w->bounce_key,
        .bounce_base = (uintptr_t)w->bounce,
        .bounce_length = BOUNCE,
    };
    struct dray_plan_output output = { .steps = w->steps, .steps_max = STEPS };
    dray_profile_default(&input.profile);
    assert_int_equal(dray_plan(&input, &output), 0);
    run_steps(w, output.step_count);
}

/* The same, byte by byte, on the model of the file and of the memory. */
static void reference(struct world *w, struct dray_sg dst, struct dray_sg src, bool writes)
{
    struct dray_sg_cursor d = { .list = &dst }, s = { .list = &src };
    struct dray_segment to, from;
    while (dray_sg_zip(&d, &s, UINT64_MAX, &to, &from))
        memcpy((writes ? w->model : w->expected) + to.offset,
               (writes ? w->expected : w->model) + from.offset, to.length);
}

static void check(struct world *w)
{
    static uint8_t bytes[FILE_MAX + 1];
    struct stat status;
    assert_int_equal(fstat(w->plain, &status), 0);
    assert_int_equal(status.st_size, w->size);
    assert_int_equal(pread(w->plain, bytes, sizeof(bytes), 0), w->size);
    assert_memory_equal(bytes, w->model, w->size);
    assert_memory_equal(w->memory, w->expected, MEMORY);
    guard_check(w->memory);
    guard_check(w->bounce);
}

static void one_read(struct world *w)
{
    struct dray_segment dst[LISTS], src[LISTS];
    size_t dsts, srcs;
    uint64_t total = draw_list(w, src, &srcs, w->file_key, w->size, UINT64_MAX);
    total = draw_list(w, dst, &dsts, w->memory_key, MEMORY, total);
    cut(src, &srcs, total);
    struct dray_sg to = { dst, dsts }, from = { src, srcs };
    transfer(w, to, from);
    reference(w, to, from, false);
}

/* Blocks are rewritten only where there are some, so the file gets its length first. */
static void one_write(struct world *w)
{
    struct dray_segment dst[LISTS], src[LISTS];
    size_t dsts, srcs;
    uint64_t total = draw_list(w, dst, &dsts, w->file_key, FILE_MAX, UINT64_MAX);
    total = draw_list(w, src, &srcs, w->memory_key, MEMORY, total);
    cut(dst, &dsts, total);
    for (size_t i = 0; i < dsts; i++)
        if (dst[i].length && dst[i].offset + dst[i].length > w->size)
            w->size = dst[i].offset + dst[i].length;
    assert_int_equal(ftruncate(w->plain, (off_t)w->size), 0);
    struct dray_sg to = { dst, dsts }, from = { src, srcs };
    transfer(w, to, from);
    reference(w, to, from, true);
}

static void odd_transfers_are_like_plain_ones(void **state)
{
    (void)state;
    struct world *w = &world;
    begin(w);
    for (unsigned i = 0; i < ROUNDS / TEST_SLOWNESS; i++) {
        fill(w);
        if (test_below(&w->rng, 2))
            one_write(w);
        else
            one_read(w);
        check(w);
    }
    end(w);
}

/* Without a plan: an odd offset, odd memory, an odd length within the file. */
static void misaligned_transfers_are_refused(void **state)
{
    (void)state;
    struct world *w = &world;
    begin(w);
    w->size = 3 * w->alignment + 100;
    tag_fill(w->model, w->size, 7, 0);
    assert_int_equal(pwrite(w->plain, w->model, w->size, 0), w->size);
    const struct {
        uint64_t file, memory, length, moved;
    } bad[] = { { 1, 0, 512, 0 },
                { 0, 1, 4096, 0 },
                { 0, 0, w->alignment + 1, w->alignment },
                { 100, 100, 1000, 0 } };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        dray_prep_copy(rig_get(&w->rig), w->memory_key, bad[i].memory, w->file_key, bad[i].file,
                       bad[i].length);
        struct dray_completion c = rig_finish(&w->rig);
        assert_status(c, DRAY_STATUS_ALIGNMENT);
        assert_int_equal(c.access, DRAY_ACCESS_READ);
        assert_int_equal(c.moved, bad[i].moved);
        dray_prep_copy(rig_get(&w->rig), w->file_key, bad[i].file, w->memory_key, bad[i].memory,
                       bad[i].length);
        c = rig_finish(&w->rig);
        assert_status(c, DRAY_STATUS_ALIGNMENT);
        assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    }
    /* But the file's own end is no error. */
    dray_prep_copy(rig_get(&w->rig), w->memory_key, 0, w->file_key, 0, w->size);
    assert_status(rig_finish(&w->rig), DRAY_STATUS_OK);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_transfers_are_like_plain_ones),
        cmocka_unit_test(misaligned_transfers_are_refused),
    };
    return cmocka_run_group_tests_name("direct files", tests, NULL, NULL);
}
