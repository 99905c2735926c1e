/* Profiles: what is written is what is read; what is wrong is named with its line. */
#include "test.h"

#include <errno.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/profile.h"

static int parse(const char *text, struct dray_profile *profile, char *error)
{
    dray_profile_default(profile);
    error[0] = 0;
    return dray_profile_parse(profile, text, strlen(text), "p.ini", error, 512);
}

static void refused(const char *text, const char *start)
{
    struct dray_profile profile, unchanged;
    char error[512];
    dray_profile_default(&unchanged);
    assert_int_equal(parse(text, &profile, error), -EINVAL);
    if (strncmp(error, start, strlen(start)) != 0)
        fail_msg("the message is \"%s\", not \"%s...\"", error, start);
    assert_memory_equal(&profile, &unchanged, sizeof(profile));
}

static void names_set_what_they_name(void **state)
{
    (void)state;
    struct dray_profile p, d;
    char error[512];
    dray_profile_default(&d);
    assert_int_equal(
        parse("; a comment\n[profile]\nsetup_ns = 1.5e3 ; why\n\nsplit_min: 77", &p, error), 0);
    assert_true(p.setup_ns == 1500);
    assert_int_equal(p.split_min, 77);
    assert_true(p.bandwidth == d.bandwidth);
    assert_int_equal(parse("", &p, error), 0);
    assert_memory_equal(&p, &d, sizeof(p));
    assert_int_equal(parse("[profile]\nstream_min = 18446744073709551615\n", &p, error), 0);
    assert_true(p.stream_min == UINT64_MAX);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    refused("[profile]\nsetpu_ns = 4\n",
            "p.ini:2: found \"setpu_ns\", expected one of setup_ns, descriptor_ns, bandwidth");
    refused("[profile]\nsetup_ns = soon\n", "p.ini:2: found \"soon\", expected nanoseconds");
    refused("[profile]\n\nsetup_ns = -1\n", "p.ini:3: found \"-1\", expected nanoseconds");
    refused("[profile]\nsetup_ns = inf\n", "p.ini:2: found \"inf\"");
    refused("[profile]\nsetup_ns = nan\n", "p.ini:2: found \"nan\"");
    refused("[profile]\nsetup_ns = 0x10\n", "p.ini:2: found \"0x10\"");
    refused("[profile]\nsetup_ns = 1e999\n", "p.ini:2: found \"1e999\"");
    refused("[profile]\nsetup_ns = 1,5\n", "p.ini:2: found \"1,5\"");
    refused("[profile]\nsetup_ns =\n", "p.ini:2: found \"\", expected nanoseconds");
    refused("[profile]\nbandwidth = 0\n", "p.ini:2: found \"0\", expected bytes a second");
    refused("[profile]\nsplit_min = 1.5\n",
            "p.ini:2: found \"1.5\", expected bytes, a whole number");
    refused("[profile]\nsplit_min = 18446744073709551616\n",
            "p.ini:2: found \"18446744073709551616\"");
    refused("[profile]\nwake_ns = 1\nwake_ns = 2\n",
            "p.ini:3: found \"wake_ns\", expected each name once");
    refused("wake_ns = 1\n", "p.ini:1: found \"wake_ns\", expected section [profile]");
    refused("[engine]\nwake_ns = 1\n", "p.ini:2: found \"engine\", expected section [profile]");
    refused("[profile]\nwhat is this\n",
            "p.ini:2: found neither, expected [profile] or name = value");
    refused("[profile\n", "p.ini:1: found neither");
    refused("[profile]\nw\x01 = 3\n", "p.ini:2: found \"w?\"");
}

static void only_text_in_short_lines(void **state)
{
    (void)state;
    struct dray_profile p;
    char error[512], text[300];
    memset(text, ' ', sizeof(text));
    memcpy(text, "[profile]\n", 10);
    dray_profile_default(&p);
    text[10 + 198] = '\n';
    assert_int_equal(dray_profile_parse(&p, text, 10 + 199, "p", error, sizeof(error)), 0);
    text[10 + 198] = ' ';
    text[10 + 199] = '\n';
    assert_int_equal(dray_profile_parse(&p, text, 10 + 200, "p", error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "p:2: found a longer line, expected at most 198 characters");
    assert_int_equal(
        dray_profile_parse(&p, "[profile]\nwake\0_ns=1", 20, "p", error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "p:2: found a zero byte, expected text");
    assert_int_equal(dray_profile_parse(&p, "x", 1, "p", NULL, 0), -EINVAL);
    assert_int_equal(dray_profile_parse(&p, "x", 1, "p", error, 4), -EINVAL);
    assert_string_equal(error, "p:1");
}

static struct dray_profile odd_profile(void)
{
    return (struct dray_profile){ 1.125, 0, 3e9, 1, 5, 6, 7.5, 8, 1e15, UINT64_MAX, 0 };
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/dray-profile-XXXXXX", name[96], error[256];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/new/dray/profile.ini", folder); /* folders are made */
    struct dray_profile out = odd_profile(), in;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where there is one, its comma must not matter */
    assert_int_equal(dray_profile_write(&out, name), 0);
    dray_profile_default(&in);
    if (dray_profile_read(&in, name, error, sizeof(error)))
        fail_msg("%s", error);
    setlocale(LC_ALL, "C");
    assert_memory_equal(&in, &out, sizeof(in));
    out.setup_ns = 2; /* an old one is replaced */
    assert_int_equal(dray_profile_write(&out, name), 0);
    assert_int_equal(dray_profile_read(&in, name, error, sizeof(error)), 0);
    assert_true(in.setup_ns == 2);
    for (const char *left = "new/dray/profile.ini"; left; left = left[3] == '/' ? "new" : NULL) {
        snprintf(name, sizeof(name), "%s/%s", folder, left);
        remove(name);
        if (left[3] != '/')
            break;
        snprintf(name, sizeof(name), "%s/new/dray", folder);
        assert_int_equal(remove(name), 0); /* nothing else was in it */
    }
    assert_int_equal(rmdir(folder), 0);
}

static void files_that_cannot_be(void **state)
{
    (void)state;
    struct dray_profile p, d;
    char error[256];
    dray_profile_default(&p);
    d = p;
    assert_int_equal(dray_profile_read(&p, "/nowhere/p.ini", error, sizeof(error)), -ENOENT);
    assert_string_equal(error, "/nowhere/p.ini: No such file or directory");
    assert_int_equal(dray_profile_read(&p, "/tmp", error, sizeof(error)), -EISDIR);
    assert_int_equal(dray_profile_read(&p, "/dev/zero", error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "expected at most 65536 bytes"));
    assert_int_equal(dray_profile_write(&p, "/dev/null/p.ini"), -ENOTDIR);
    assert_memory_equal(&p, &d, sizeof(p));
}

static void the_path_follows_the_environment(void **state)
{
    (void)state;
    char path[64];
    setenv("DRAY_PROFILE", "/a/b.ini", 1);
    setenv("XDG_CONFIG_HOME", "/xdg", 1);
    setenv("HOME", "/home/me", 1);
    assert_int_equal(dray_profile_path(path, sizeof(path)), 0);
    assert_string_equal(path, "/a/b.ini");
    assert_int_equal(dray_profile_path(path, 8), -ENAMETOOLONG);
    unsetenv("DRAY_PROFILE");
    assert_int_equal(dray_profile_path(path, sizeof(path)), 0);
    assert_string_equal(path, "/xdg/dray/profile.ini");
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_int_equal(dray_profile_path(path, sizeof(path)), 0);
    assert_string_equal(path, "/home/me/.config/dray/profile.ini");
    unsetenv("HOME");
    assert_int_equal(dray_profile_path(path, sizeof(path)), -ENOENT);
}

static void loading_never_fails(void **state)
{
    (void)state;
    struct dray_profile p, d;
    dray_profile_default(&d);
    setenv("DRAY_PROFILE", "/dev/zero", 1);
    dray_profile_load(&p);
    assert_memory_equal(&p, &d, sizeof(p));
    char name[] = "/tmp/dray-profile-XXXXXX";
    close(mkstemp(name));
    struct dray_profile odd = odd_profile();
    assert_int_equal(dray_profile_write(&odd, name), 0);
    setenv("DRAY_PROFILE", name, 1);
    dray_profile_load(&p);
    assert_memory_equal(&p, &odd, sizeof(p));
    unlink(name);
    unsetenv("DRAY_PROFILE");
}

static void thresholds_follow_from_the_costs(void **state)
{
    (void)state;
    struct dray_profile p = {
        .setup_ns = 1000, .descriptor_ns = 10, .bandwidth = 20e9, .cpu_bandwidth = 10e9
    };
    assert_int_equal(dray_profile_break_even(&p), 20000); /* 1 us / (0.1 - 0.05 ns a byte) */
    assert_int_equal(dray_profile_gap(&p), 200);
    p.cpu_bandwidth = 20e9;
    assert_true(dray_profile_break_even(&p) == UINT64_MAX);
    p.cpu_bandwidth = 30e9;
    assert_true(dray_profile_break_even(&p) == UINT64_MAX);
    p = (struct dray_profile){
        .setup_ns = 1e12, .descriptor_ns = 1e12, .bandwidth = 1e15, .cpu_bandwidth = 1e15 - 1
    };
    assert_true(dray_profile_break_even(&p) == UINT64_MAX);
    assert_true(dray_profile_gap(&p) > 9e17 && dray_profile_gap(&p) < 11e17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_set_what_they_name),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(only_text_in_short_lines),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(files_that_cannot_be),
        cmocka_unit_test(the_path_follows_the_environment),
        cmocka_unit_test(loading_never_fails),
        cmocka_unit_test(thresholds_follow_from_the_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
