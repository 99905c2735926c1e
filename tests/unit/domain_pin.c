/* Pages locked in RAM: counted where pins overlap, refused in words where the limit forbids them.
 */
#include "test.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain/pin.h"
#include "domain/region.h"

enum {
    BOTH = DRAY_READ | DRAY_WRITE,
    PAGES = 64
};

static size_t page;

static char *memory_new(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static uint64_t pinned(struct dray_domain *domain)
{
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    return stats.pinned_bytes;
}

/* What the kernel says is locked. */
static uint64_t locked_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long kib = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) && sscanf(line, "VmLck: %lu", &kib) != 1)
        ;
    fclose(file);
    return kib * 1024;
}

static void assert_locked(struct dray_domain *domain, uint64_t bytes)
{
    assert_int_equal(pinned(domain), bytes);
    if (!TEST_SANITIZED)
        assert_int_equal(locked_bytes(), bytes);
}

static void need_lock_allowance(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur >= PAGES * page || geteuid() == 0)
        return;
    print_message("skipped: RLIMIT_MEMLOCK is below what this test locks\n");
    skip();
}

static void pages_stay_locked_until_the_last_pin_is_gone(void **state)
{
    (void)state;
    struct dray_domain *domain;
    char *memory = memory_new();
    need_lock_allowance();
    dray_key a, b, c;
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    unsigned access = BOTH | DRAY_PIN;
    assert_int_equal(dray_map_memory(domain, memory, 8 * page, access, &a), 0);
    assert_locked(domain, 8 * page);
    assert_int_equal(dray_map_memory(domain, memory + 4 * page, 8 * page, access, &b), 0);
    assert_locked(domain, 12 * page);
    /* Two halves of one page, and a page in the middle of the first. */
    assert_int_equal(dray_map_memory(domain, memory + 20 * page + 8, 8, access, &c), 0);
    assert_locked(domain, 13 * page);
    assert_int_equal(dray_unmap(domain, a), 0);
    assert_locked(domain, 9 * page);
    assert_int_equal(dray_unmap(domain, b), 0);
    assert_locked(domain, page);
    assert_int_equal(dray_map_memory(domain, memory + 20 * page + 2048, 8, access, &b), 0);
    assert_int_equal(dray_unmap(domain, c), 0);
    assert_locked(domain, page);
    assert_int_equal(dray_unmap(domain, b), 0);
    assert_locked(domain, 0);
    dray_domain_destroy(&domain);
    munmap(memory, PAGES * page);
}

static void pins_are_told_and_undone_with_the_domain(void **state)
{
    (void)state;
    struct dray_domain *domain;
    char *memory = memory_new();
    need_lock_allowance();
    dray_key key;
    struct dray_region_info info;
    struct iovec list[2] = { { memory + 5 * page, 100 }, { memory, page } };
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    assert_int_equal(dray_map_pieces(domain, list, 2, BOTH | DRAY_PIN, &key), 0);
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.access, BOTH | DRAY_PIN);
    assert_locked(domain, 2 * page);
    assert_int_equal(dray_map_flags(domain, (uint64_t *)memory, 8, BOTH | DRAY_PIN, &key), 0);
    assert_locked(domain, 2 * page);
    assert_int_equal(dray_unmap_lazy(domain, key), 0);
    assert_int_equal(dray_domain_destroy(&domain), 0);
    if (!TEST_SANITIZED)
        assert_int_equal(locked_bytes(), 0);
    munmap(memory, PAGES * page);
}

static void a_hole_is_named_and_nothing_stays_pinned(void **state)
{
    (void)state;
    if (TEST_SANITIZED) {
        print_message("skipped: mlock does nothing under a sanitizer\n");
        skip();
    }
    struct dray_domain *domain;
    char *memory = memory_new(), text[256], where[32];
    need_lock_allowance();
    assert_int_equal(munmap(memory + 30 * page, page), 0);
    dray_key key;
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    int error = dray_map_memory(domain, memory + 20 * page, 20 * page, BOTH | DRAY_PIN, &key);
    assert_int_equal(error, -EFAULT);
    dray_domain_error(domain, text, sizeof(text));
    snprintf(where, sizeof(where), "mapped at %p", (void *)(memory + 30 * page));
    assert_non_null(strstr(text, where));
    struct iovec list[3] = { { memory, page },
                             { memory + 2 * page, page },
                             { memory + 30 * page, 1 } };
    assert_int_equal(dray_map_pieces(domain, list, 3, BOTH | DRAY_PIN, &key), -EFAULT);
    assert_locked(domain, 0);
    dray_domain_destroy(&domain);
    munmap(memory, PAGES * page);
}

/* ---- the limit ---- */

static void drop_ipc_lock(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return;
    data[0].effective &= ~(1u << CAP_IPC_LOCK);
    data[0].permitted &= ~(1u << CAP_IPC_LOCK);
    data[0].inheritable &= ~(1u << CAP_IPC_LOCK);
    syscall(SYS_capset, &header, data);
}

/* In a child, with 16 pages allowed: 0, or the number of the step that went wrong. */
static int child_meets_the_limit(uint64_t limit_bytes)
{
    struct rlimit limit = { limit_bytes, limit_bytes };
    drop_ipc_lock();
    if (setrlimit(RLIMIT_MEMLOCK, &limit))
        return 1;
    struct dray_domain *domain;
    dray_key a, b;
    char text[256], expected[96];
    char *memory = memory_new();
    if (dray_domain_create(&domain, NULL))
        return 2;
    if (limit_bytes > 0 && dray_map_memory(domain, memory, 8 * page, BOTH | DRAY_PIN, &a))
        return 3;
    int error = dray_map_memory(domain, memory + 4 * page, 32 * page, BOTH | DRAY_PIN, &b);
    if (error != (limit_bytes > 0 ? -ENOMEM : -EPERM))
        return 4;
    dray_domain_error(domain, text, sizeof(text));
    snprintf(expected, sizeof(expected), "RLIMIT_MEMLOCK is %zu KiB, of which %zu KiB",
             (size_t)limit_bytes / 1024, limit_bytes > 0 ? 8 * page / 1024 : 0);
    if (!strstr(text, expected))
        return 5;
    /* What was pinned before is as it was, and the rest can still be pinned. */
    if (pinned(domain) != (limit_bytes > 0 ? 8 * page : 0) || locked_bytes() != pinned(domain))
        return 6;
    if (limit_bytes > 0 &&
        dray_map_memory(domain, memory + 4 * page, 12 * page, BOTH | DRAY_PIN, &b))
        return 7;
    return dray_domain_destroy(&domain) ? 8 : 0;
}

static void limit_is_named(uint64_t pages)
{
    if (TEST_SANITIZED) {
        print_message("skipped: mlock does nothing under a sanitizer\n");
        skip();
    }
    page = (size_t)sysconf(_SC_PAGESIZE);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_meets_the_limit(pages * page));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_limit_on_locked_memory_is_named(void **state)
{
    (void)state;
    limit_is_named(16);
}

static void no_locked_memory_at_all(void **state)
{
    (void)state;
    limit_is_named(0);
}

/* ---- against a count for each page ---- */

enum {
    PINS = 40
};

static void pins_agree_with_a_count_for_each_page(void **state)
{
    (void)state;
    char *memory = memory_new();
    need_lock_allowance();
    struct test_rng rng = { test_seed() };
    struct dray_pins pins = { 0 };
    unsigned count[PAGES] = { 0 };
    struct {
        size_t at, size;
    } live[PINS] = { 0 };
    for (int round = 0; round < 5000; round++) {
        size_t i = test_below(&rng, PINS);
        int step = live[i].size ? -1 : 1;
        char why[200];
        if (step > 0) {
            live[i].at = test_below(&rng, PAGES * page);
            live[i].size = 1 + test_size(&rng, PAGES * page - live[i].at - 1);
            assert_int_equal(dray_pin(&pins, memory + live[i].at, live[i].size, why, sizeof(why)),
                             0);
        } else {
            dray_unpin(&pins, memory + live[i].at, live[i].size);
        }
        for (size_t p = live[i].at / page; p <= (live[i].at + live[i].size - 1) / page; p++)
            count[p] += (unsigned)step;
        if (step < 0)
            live[i].size = 0;
        uint64_t expected = 0;
        for (size_t p = 0; p < PAGES; p++)
            expected += count[p] ? page : 0;
        assert_int_equal(pins.bytes, expected);
        if (!TEST_SANITIZED && round % 16 == 0)
            assert_int_equal(locked_bytes(), expected);
    }
    for (size_t i = 0; i < PINS; i++)
        if (live[i].size)
            dray_unpin(&pins, memory + live[i].at, live[i].size);
    assert_null(pins.root);
    assert_null(pins.first);
    assert_int_equal(pins.bytes, 0);
    munmap(memory, PAGES * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_stay_locked_until_the_last_pin_is_gone),
        cmocka_unit_test(pins_are_told_and_undone_with_the_domain),
        cmocka_unit_test(a_hole_is_named_and_nothing_stays_pinned),
        cmocka_unit_test(the_limit_on_locked_memory_is_named),
        cmocka_unit_test(no_locked_memory_at_all),
        cmocka_unit_test(pins_agree_with_a_count_for_each_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
