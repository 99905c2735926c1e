/* Every allocation and system call of a domain fails once; nothing is left behind. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "domain/region.h"
#include "dray/profile.h"
#include "fault_inject.h"

enum {
    BOTH = DRAY_READ | DRAY_WRITE
};

static int file_fd, pipe_ends[2];
static _Alignas(4096) char bytes[4 * 4096];

static unsigned open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    unsigned n = 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* One of each. The first error, with all that was made before it still mapped. */
static int map_one_of_each(struct dray_domain *domain, dray_key *keys)
{
    struct iovec list[3] = { { bytes + 8192, 10 }, { bytes, 10 }, { bytes + 4096, 10 } };
    int error = dray_map_memory(domain, bytes, 100, BOTH, &keys[0]);
    if (!error)
        error = dray_map_memory(domain, bytes, sizeof(bytes), BOTH | DRAY_PIN, &keys[1]);
    if (!error)
        error = dray_map_pieces(domain, list, 3, BOTH | DRAY_PIN, &keys[2]);
    if (!error)
        error = dray_map_file(domain, file_fd, BOTH, &keys[3]);
    if (!error)
        error = dray_map_stream(domain, pipe_ends[1], DRAY_WRITE, &keys[4]);
    if (!error)
        error = dray_map_flags(domain, (uint64_t *)bytes, 8, BOTH | DRAY_PIN, &keys[5]);
    return error;
}

static uint64_t mapped(struct dray_domain *domain)
{
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    return stats.regions;
}

static void every_call_of_a_map_may_fail(void **state)
{
    (void)state;
    unsigned descriptors = open_descriptors(), n;
    for (n = 1;; n++) {
        struct dray_domain *domain;
        dray_key keys[6] = { { 0 } };
        assert_int_equal(dray_domain_create(&domain, NULL), 0);
        fault_inject_arm(n);
        int error = map_one_of_each(domain, keys);
        bool fired = fault_inject_disarm();
        char text[256];
        dray_domain_error(domain, text, sizeof(text));
        unsigned made = 0;
        while (made < 6 && keys[made].value)
            made++;
        assert_int_equal(mapped(domain), made);
        for (unsigned i = 0; i < made; i++)
            assert_int_equal(i % 2 ? dray_unmap(domain, keys[i]) : dray_unmap_lazy(domain, keys[i]),
                             0);
        dray_domain_flush(domain);
        struct dray_domain_stats stats;
        dray_domain_stats(domain, &stats);
        assert_int_equal(stats.pinned_bytes, 0);
        assert_int_equal(open_descriptors(), descriptors);
        assert_int_equal(dray_domain_destroy(&domain), 0);
        if (!fired) {
            assert_int_equal(error, 0);
            break;
        }
        if (error == 0 || text[0] == 0)
            fail_msg("call %u (%s) failed, and nobody said so", n, fault_inject_name());
    }
    assert_true(n > 10);
}

static void a_full_table_keeps_nothing(void **state)
{
    (void)state;
    struct dray_domain *domain;
    struct dray_domain_options options = { .size = sizeof(options), .regions_max = 1 };
    struct iovec list[2] = { { bytes, 10 }, { bytes + 8192, 10 } };
    dray_key key;
    assert_int_equal(dray_domain_create(&domain, &options), 0);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    unsigned descriptors = open_descriptors();
    assert_int_equal(dray_map_file(domain, file_fd, BOTH, &key), -ENOSPC);
    assert_int_equal(dray_map_stream(domain, pipe_ends[0], DRAY_READ, &key), -ENOSPC);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH | DRAY_PIN, &key), -ENOSPC);
    assert_int_equal(dray_map_pieces(domain, list, 2, BOTH | DRAY_PIN, &key), -ENOSPC);
    assert_int_equal(open_descriptors(), descriptors);
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    assert_int_equal(stats.pinned_bytes, 0);
    assert_int_equal(stats.regions, 1);
    dray_domain_destroy(&domain);
}

static void every_call_of_create_may_fail(void **state)
{
    (void)state;
    unsigned n;
    for (n = 1;; n++) {
        struct dray_domain *domain = NULL;
        fault_inject_arm(n);
        int error = dray_domain_create(&domain, NULL);
        if (!fault_inject_disarm()) {
            assert_int_equal(error, 0);
            assert_int_equal(dray_domain_destroy(&domain), 0);
            break;
        }
        assert_int_equal(error, -ENOMEM);
        assert_null(domain);
    }
    assert_int_equal(n, 4); /* the domain, its faults, its table */
}

/* Unmapping must not need what may be missing. */
static void unmapping_asks_for_nothing(void **state)
{
    (void)state;
    struct dray_domain *domain;
    dray_key keys[6];
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    assert_int_equal(map_one_of_each(domain, keys), 0);
    uint64_t before = fault_inject_allocations();
    fault_inject_arm_from(1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(i % 2 ? dray_unmap(domain, keys[i]) : dray_unmap_lazy(domain, keys[i]), 0);
    dray_domain_flush(domain);
    assert_int_equal(dray_domain_destroy(&domain), 0);
    assert_false(fault_inject_disarm());
    assert_int_equal(fault_inject_allocations(), before);
}

static void every_call_of_a_profile_may_fail(void **state)
{
    (void)state;
    struct dray_profile profile, copy;
    dray_profile_default(&profile);
    profile.setup_ns = 12345;
    char folder[] = "/tmp/dray-inject-XXXXXX", name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/p.ini", folder);
    unsigned descriptors = open_descriptors(), failed = 0;
    bool fired = true;
    for (unsigned n = 1; fired; n++) {
        fault_inject_arm(n);
        int error = dray_profile_write(&profile, name);
        fired = fault_inject_disarm();
        assert_int_equal(error != 0, fired);
        assert_int_equal(access(name, F_OK) != 0, fired); /* whole or not at all */
        failed += fired;
    }
    assert_int_equal(failed, 4); /* mkstemp, fdopen, fsync, rename */
    fired = true;
    for (unsigned n = 1; fired; n++) {
        dray_profile_default(&copy);
        double before = copy.setup_ns;
        fault_inject_arm(n);
        int error = dray_profile_read(&copy, name, NULL, 0);
        fired = fault_inject_disarm();
        assert_int_equal(error != 0, fired);
        assert_true(copy.setup_ns == (fired ? before : 12345));
    }
    assert_int_equal(open_descriptors(), descriptors);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
}

int main(void)
{
    file_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file_fd < 0 || pipe2(pipe_ends, O_CLOEXEC))
        test_skip_all("no temporary file or no pipe");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_a_map_may_fail),
        cmocka_unit_test(a_full_table_keeps_nothing),
        cmocka_unit_test(every_call_of_create_may_fail),
        cmocka_unit_test(unmapping_asks_for_nothing),
        cmocka_unit_test(every_call_of_a_profile_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
