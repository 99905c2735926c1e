/* The life of a key: looked up, refused, used again; unmapping under readers; faults; flags. */
#include "domain_help.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

/* ---- keys ---- */

static void a_stale_key_is_refused(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    const struct dray_slot *slot = NULL;
    struct dray_region_info info;
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    assert_int_not_equal(key.value, 0);
    assert_int_equal(dray_unmap(domain, key), 0);
    assert_int_equal(look(domain, key, 0, 8, BOTH, &slot), DRAY_STATUS_KEY);
    assert_int_equal(dray_region_info(domain, key, &info), -ENOENT);
    assert_int_equal(dray_unmap(domain, key), -ENOENT);
    assert_int_equal(dray_unmap_lazy(domain, key), -ENOENT);
    assert_error(domain, "no region has key");
    dray_domain_destroy(&domain);
}

static void keys_never_given_are_refused(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    uint32_t others[] = {
        0, 1, key.value + 1, key.value + (1u << 20), key.value - (1u << 20), 0xfffff, UINT32_MAX
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        dray_key other = { others[i] };
        assert_int_equal(look(domain, other, 0, 8, BOTH, &slot), DRAY_STATUS_KEY);
        assert_int_equal(dray_unmap(domain, other), -ENOENT);
    }
    assert_int_equal(look(domain, key, 0, 8, BOTH, &slot), DRAY_STATUS_OK);
    dray_domain_destroy(&domain);
}

/* The promise in internal.h: 4095 * 1024 maps; here they are counted. */
static void a_key_comes_back_only_after_millions_of_maps(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(1);
    char bytes[8];
    dray_key first, key;
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &first), 0);
    assert_int_equal(dray_unmap(domain, first), 0);
    uint64_t maps = 0;
    do {
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
        assert_int_not_equal(key.value >> DRAY_KEY_INDEX_BITS, 0);
        assert_int_equal(dray_unmap(domain, key), 0);
        maps++;
    } while (key.value != first.value);
    assert_true(maps >= 4095u * 1024);
    dray_domain_destroy(&domain);
}

static void a_full_table_says_so(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(3);
    char bytes[8];
    dray_key keys[3], key;
    for (int i = 0; i < 3; i++)
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &keys[i]), 0);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), -ENOSPC);
    assert_error(domain, "all 3 regions");
    assert_int_equal(dray_unmap(domain, keys[1]), 0);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    assert_int_equal(stats.regions, 3);
    assert_int_equal(stats.maps, 4);
    assert_int_equal(stats.unmaps, 1);
    dray_domain_destroy(&domain);
}

/* ---- unmapping ---- */

/* Enters, says so, and leaves when told. */
struct visitor {
    struct dray_domain *domain;
    struct dray_reader reader;
    dray_key key;
    _Atomic int state; /* 1: inside; 2: told to leave; 3: about to leave */
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    const struct dray_slot *slot = NULL;
    struct dray_table *table = dray_domain_table(visitor->domain);
    dray_reader_enter(table, &visitor->reader);
    if (dray_resolve(table, visitor->key, 0, 8, DRAY_READ, &slot) != DRAY_STATUS_OK)
        abort();
    atomic_store(&visitor->state, 1);
    while (atomic_load(&visitor->state) != 2)
        sched_yield();
    atomic_store(&visitor->state, 3);
    dray_reader_leave(&visitor->reader);
    return NULL;
}

static void visitor_start(struct visitor *visitor, pthread_t *thread)
{
    dray_reader_register(visitor->domain, &visitor->reader);
    assert_int_equal(pthread_create(thread, NULL, visit, visitor), 0);
    while (atomic_load(&visitor->state) != 1)
        sched_yield();
}

static void *unmap_other(void *argument)
{
    struct visitor *visitor = argument;
    if (dray_unmap(visitor->domain, visitor->key))
        abort();
    /* Strict: the visitor was on its way out before this returned. */
    return (void *)(uintptr_t)atomic_load(&visitor->state);
}

static void strict_unmap_waits_for_readers(void **state)
{
    (void)state;
    struct visitor visitor = { .domain = domain_new(4) };
    char bytes[8];
    pthread_t thread, unmapper;
    assert_int_equal(dray_map_memory(visitor.domain, bytes, 8, DRAY_READ, &visitor.key), 0);
    visitor_start(&visitor, &thread);
    assert_int_equal(pthread_create(&unmapper, NULL, unmap_other, &visitor), 0);
    const struct dray_slot *slot = NULL;
    struct dray_table *table = dray_domain_table(visitor.domain);
    while (dray_resolve(table, visitor.key, 0, 8, DRAY_READ, &slot) == DRAY_STATUS_OK)
        sched_yield(); /* the key is refused at once */
    dray_key other;    /* and others are not held up */
    assert_int_equal(dray_map_memory(visitor.domain, bytes, 8, DRAY_READ, &other), 0);
    atomic_store(&visitor.state, 2);
    void *seen;
    pthread_join(unmapper, &seen);
    assert_int_equal((uintptr_t)seen, 3);
    pthread_join(thread, NULL);
    dray_reader_unregister(visitor.domain, &visitor.reader);
    dray_domain_destroy(&visitor.domain);
}

static uint64_t lazy_pending(struct dray_domain *domain, uint64_t *window_ns)
{
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    if (window_ns)
        *window_ns = stats.lazy_window_max_ns;
    return stats.lazy_pending;
}

static void lazy_unmap_leaves_a_window(void **state)
{
    (void)state;
    struct visitor visitor = { .domain = domain_new(4) };
    int fd = file_new(O_RDWR);
    pthread_t thread;
    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_file(visitor.domain, fd, DRAY_READ, &visitor.key), 0);
    visitor_start(&visitor, &thread);
    assert_int_equal(look(visitor.domain, visitor.key, 0, 8, DRAY_READ, &slot), DRAY_STATUS_OK);
    int own = dray_region_fd(slot->region)->fd;

    assert_int_equal(dray_unmap_lazy(visitor.domain, visitor.key), 0);
    assert_int_equal(look(visitor.domain, visitor.key, 0, 8, DRAY_READ, &slot), DRAY_STATUS_KEY);
    dray_key other;
    assert_int_equal(dray_map_file(visitor.domain, fd, DRAY_READ, &other), 0);
    uint64_t window_ns;
    assert_int_equal(lazy_pending(visitor.domain, &window_ns), 1);
    assert_true(window_ns > 0);
    assert_int_not_equal(fcntl(own, F_GETFD), -1); /* the visitor may still use it */

    atomic_store(&visitor.state, 2);
    dray_domain_flush(visitor.domain);
    assert_int_equal(atomic_load(&visitor.state), 3);
    assert_int_equal(lazy_pending(visitor.domain, &window_ns), 0);
    assert_true(window_ns > 0);
    assert_int_equal(fcntl(own, F_GETFD), -1);
    pthread_join(thread, NULL);
    dray_reader_unregister(visitor.domain, &visitor.reader);
    close(fd);
    dray_domain_destroy(&visitor.domain);
}

static void lazy_windows_close_at_a_later_map(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(100);
    char bytes[8];
    dray_key keys[40], key;
    for (int i = 0; i < 40; i++)
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &keys[i]), 0);
    assert_int_equal(dray_unmap_lazy(domain, keys[0]), 0);
    assert_int_equal(lazy_pending(domain, NULL), 1);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    assert_int_equal(lazy_pending(domain, NULL), 1); /* too few to look */
    for (int i = 1; i < 32; i++)
        assert_int_equal(dray_unmap_lazy(domain, keys[i]), 0);
    assert_int_equal(lazy_pending(domain, NULL), 32);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    assert_int_equal(lazy_pending(domain, NULL), 0);
    dray_domain_destroy(&domain);
}

static void lazy_windows_are_bounded(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(1000);
    char bytes[8];
    dray_key keys[1000];
    for (int i = 0; i < 1000; i++)
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &keys[i]), 0);
    struct dray_reader reader; /* one that entered long ago would keep them all open */
    dray_reader_register(domain, &reader);
    for (int i = 0; i < 1000; i++) {
        if (i % 200 == 0)
            dray_reader_enter(dray_domain_table(domain), &reader);
        assert_int_equal(dray_unmap_lazy(domain, keys[i]), 0);
        assert_true(lazy_pending(domain, NULL) <= 256);
        if (i % 200 == 199)
            dray_reader_leave(&reader);
    }
    dray_reader_unregister(domain, &reader);
    assert_int_equal(dray_domain_destroy(&domain), 0);
}

static void a_full_table_takes_back_what_was_unmapped_lazily(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(0);
    char bytes[8];
    dray_key key, first = { 0 };
    for (int i = 0; i < DRAY_REGIONS_MAX; i++) {
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
        first = i == 0 ? key : first;
    }
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), -ENOSPC);
    assert_int_equal(dray_unmap_lazy(domain, first), 0);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), -ENOSPC);
    assert_int_equal(dray_domain_destroy(&domain), 0);
}

/* ---- faults ---- */

static void faults_are_kept_in_order(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    struct dray_fault out[8];
    size_t count = 99;
    assert_int_equal(dray_domain_faults(domain, out, 8, &count), 0);
    assert_int_equal(count, 0);
    for (uint32_t i = 0; i < 5; i++)
        dray_domain_fault(domain, &(struct dray_fault){ .queue = 1,
                                                        .descriptor = i,
                                                        .offset = 100 + i,
                                                        .access = DRAY_ACCESS_WRITE,
                                                        .reason = DRAY_STATUS_RANGE });
    assert_int_equal(dray_domain_faults(domain, out, 2, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(dray_domain_faults(domain, out + 2, 6, &count), 0);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(out[i].descriptor, i);
        assert_int_equal(out[i].offset, 100 + i);
        assert_int_equal(out[i].reason, DRAY_STATUS_RANGE);
        assert_true(out[i].time_ns > 0);
    }
    dray_domain_destroy(&domain);
}

static void lost_faults_are_reported_once(void **state)
{
    (void)state;
    struct dray_domain *domain;
    struct dray_domain_options options = { .size = sizeof(options), .faults_max = 3 };
    assert_int_equal(dray_domain_create(&domain, &options), 0);
    struct dray_fault out[8];
    size_t count;
    for (uint32_t i = 0; i < 5; i++)
        dray_domain_fault(domain, &(struct dray_fault){ .descriptor = i });
    assert_int_equal(dray_domain_faults(domain, out, 8, &count), -EOVERFLOW);
    assert_error(domain, "2 fault records were lost");
    assert_int_equal(count, 3);
    assert_int_equal(out[0].descriptor, 0);
    assert_int_equal(dray_domain_faults(domain, out, 8, &count), 0);
    struct dray_domain_stats stats;
    dray_domain_stats(domain, &stats);
    assert_int_equal(stats.faults, 5);
    dray_domain_destroy(&domain);
}

/* ---- flags ---- */

struct sleeper {
    struct dray_waiter waiter;
    int woken;
};

static void count_wake(struct dray_waiter *waiter)
{
    ((struct sleeper *)waiter)->woken++;
}

static void flags_wake_those_who_sleep(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    struct sleeper a = { .waiter.wake = count_wake }, b = { .waiter.wake = count_wake };
    uint64_t word = 0;
    dray_domain_add_waiter(domain, &a.waiter);
    dray_domain_add_waiter(domain, &b.waiter);
    dray_flag_store(domain, &word, 7);
    assert_int_equal(a.woken, 0); /* nobody sleeps */
    dray_domain_sleep_begin(domain);
    dray_flag_add(domain, &word, 3);
    assert_int_equal(dray_flag_load(&word), 10);
    assert_int_equal(a.woken, 1);
    assert_int_equal(b.woken, 1);
    dray_domain_remove_waiter(domain, &a.waiter);
    dray_flag_store(domain, &word, 8);
    assert_int_equal(a.woken, 1);
    assert_int_equal(b.woken, 2);
    dray_domain_sleep_end(domain);
    dray_domain_wake(domain);
    assert_int_equal(b.woken, 2);
    dray_domain_remove_waiter(domain, &b.waiter);
    dray_domain_remove_waiter(domain, &b.waiter); /* not there: nothing */
    dray_domain_destroy(&domain);
}

/* ---- footprint ---- */

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long all = 0, resident = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &all, &resident), 2);
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void a_million_regions_fit_in_64_mib(void **state)
{
    (void)state;
    if (TEST_SANITIZED) {
        print_message("skipped: a sanitizer's shadow counts as resident memory\n");
        skip();
    }
    static char bytes[8];
    uint64_t before = resident_bytes();
    struct dray_domain *domain = domain_new(0);
    uint64_t idle = resident_bytes();
    dray_key key;
    for (int i = 0; i < DRAY_REGIONS_MAX; i++)
        assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    uint64_t full = resident_bytes();
    print_message("idle %llu KiB, 2^20 regions %llu KiB\n",
                  (unsigned long long)(idle - before) / 1024,
                  (unsigned long long)(full - before) / 1024);
    assert_true(idle - before < 512 << 10);
    assert_true(full - before < 64 << 20);
    dray_domain_destroy(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_regions_fit_in_64_mib), /* first: memory is untouched yet */
        cmocka_unit_test(a_stale_key_is_refused),
        cmocka_unit_test(keys_never_given_are_refused),
        cmocka_unit_test(a_key_comes_back_only_after_millions_of_maps),
        cmocka_unit_test(a_full_table_says_so),
        cmocka_unit_test(strict_unmap_waits_for_readers),
        cmocka_unit_test(lazy_unmap_leaves_a_window),
        cmocka_unit_test(lazy_windows_close_at_a_later_map),
        cmocka_unit_test(lazy_windows_are_bounded),
        cmocka_unit_test(a_full_table_takes_back_what_was_unmapped_lazily),
        cmocka_unit_test(faults_are_kept_in_order),
        cmocka_unit_test(lost_faults_are_reported_once),
        cmocka_unit_test(flags_wake_those_who_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
