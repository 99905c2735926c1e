/* The helpers of the tests themselves: a guard that never fails guards nothing. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_inject.h"

/* True if `check` fails a test. In a child, whose report is not wanted. */
static bool fails(void (*check)(void **state))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        const struct CMUnitTest tests[] = { cmocka_unit_test(check) };
        _exit(cmocka_run_group_tests(tests, NULL, NULL) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void write_behind(void **state)
{
    (void)state;
    char *buffer = guard_alloc(100, 64);
    buffer[100] ^= 1;
    guard_check(buffer);
}

static void write_before(void **state)
{
    (void)state;
    char *buffer = guard_alloc(100, 64);
    buffer[-1] ^= 1;
    guard_check(buffer);
}

static void wrong_byte(void **state)
{
    (void)state;
    unsigned char bytes[64];
    tag_fill(bytes, sizeof(bytes), 3, 5);
    bytes[63] ^= 1;
    tag_check(bytes, sizeof(bytes), 3, 5);
}

static void guards_notice_stray_bytes(void **state)
{
    (void)state;
    assert_true(fails(write_behind));
    assert_true(fails(write_before));
    assert_true(fails(wrong_byte));
}

static void guards_leave_the_buffer_alone(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 4096; align *= 2) {
        unsigned char *buffer = guard_alloc(37, align);
        assert_int_equal((uintptr_t)buffer % align, 0);
        memset(buffer, 0x5a, 37);
        guard_free(buffer);
    }
    guard_free(NULL);
}

static void tags_are_one_stream(void **state)
{
    (void)state;
    unsigned char whole[200], part[50];
    tag_fill(whole, sizeof(whole), 7, 0);
    tag_fill(part, sizeof(part), 7, 101);
    assert_memory_equal(part, whole + 101, sizeof(part));
    tag_check(whole + 13, 100, 7, 13);
}

static void random_sizes_stay_in_bounds(void **state)
{
    (void)state;
    struct test_rng rng = { test_seed() };
    bool reached = false;
    for (int i = 0; i < 10000; i++) {
        uint64_t n = test_size(&rng, 1000);
        assert_true(n <= 1000);
        reached |= n == 1000;
        assert_true(test_size(&rng, UINT64_MAX) <= UINT64_MAX);
    }
    assert_true(reached);
    assert_int_equal(test_size(&rng, 0), 0);
}

static void nth_call_fails_once(void **state)
{
    (void)state;
    fault_inject_arm(2);
    void *volatile first = malloc(1);
    void *volatile second = malloc(1);
    void *volatile third = malloc(1);
    assert_true(fault_inject_disarm());
    assert_string_equal(fault_inject_name(), "malloc");
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    free(first);
    free(third);
}

static void calls_that_are_not_reached_do_not_fail(void **state)
{
    (void)state;
    fault_inject_arm(2);
    int fd = fcntl(1, F_DUPFD_CLOEXEC, 0);
    assert_false(fault_inject_disarm());
    assert_true(fd >= 0);
    close(fd);
    fault_inject_arm(1);
    assert_int_equal(fcntl(1, F_DUPFD_CLOEXEC, 0), -1);
    assert_int_equal(errno, EMFILE);
    assert_true(fault_inject_disarm());
}

static void allocations_are_counted(void **state)
{
    (void)state;
    uint64_t before = fault_inject_allocations();
    void *volatile block = malloc(1);
    free(block);
    assert_int_equal(fault_inject_allocations() - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_notice_stray_bytes),
        cmocka_unit_test(guards_leave_the_buffer_alone),
        cmocka_unit_test(tags_are_one_stream),
        cmocka_unit_test(random_sizes_stay_in_bounds),
        cmocka_unit_test(nth_call_fails_once),
        cmocka_unit_test(calls_that_are_not_reached_do_not_fail),
        cmocka_unit_test(allocations_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
