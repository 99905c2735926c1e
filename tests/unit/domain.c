/* Domains and what can be mapped in them; what is refused, and in which words. */
#include "domain_help.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* ---- the domain ---- */

static void options_are_checked(void **state)
{
    (void)state;
    struct dray_domain *domain = NULL;
    struct dray_domain_options o = { .size = sizeof(o), .regions_max = DRAY_REGIONS_MAX + 1 };
    assert_int_equal(dray_domain_create(&domain, &o), -EINVAL);
    o = (struct dray_domain_options){ .size = sizeof(o), .faults_max = UINT32_MAX };
    assert_int_equal(dray_domain_create(&domain, &o), -EINVAL);
    assert_null(domain);
}

static void destroying_twice_does_nothing(void **state)
{
    (void)state;
    struct dray_domain *domain;
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    assert_int_equal(dray_domain_destroy(&domain), 0);
    assert_null(domain);
    assert_int_equal(dray_domain_destroy(&domain), 0);
}

static void a_held_domain_is_busy(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    assert_int_equal(dray_map_memory(domain, bytes, sizeof(bytes), BOTH, &key), 0);
    dray_domain_hold(domain);
    assert_int_equal(dray_domain_destroy(&domain), -EBUSY);
    assert_error(domain, "1 engines are attached");
    const struct dray_slot *slot = NULL;
    assert_int_equal(look(domain, key, 0, 8, BOTH, &slot), DRAY_STATUS_OK);
    dray_domain_release(domain);
    assert_int_equal(dray_domain_destroy(&domain), 0);
}

static void queues_are_numbered_from_one(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    assert_int_equal(dray_domain_queue_number(domain), 1);
    assert_int_equal(dray_domain_queue_number(domain), 2);
    dray_domain_destroy(&domain);
}

static void error_is_empty_at_first(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char text[8] = "xxxxxxx";
    dray_domain_error(domain, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(dray_unmap(domain, (dray_key){ 77 }), -ENOENT);
    dray_domain_error(domain, text, sizeof(text));
    assert_string_equal(text, "unmap: ");
    dray_domain_error(domain, text, 0);
    dray_domain_destroy(&domain);
}

/* ---- memory ---- */

static void memory_is_found_by_its_key(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[100];
    dray_key key;
    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_memory(domain, bytes, sizeof(bytes), DRAY_READ, &key), 0);
    assert_int_equal(look(domain, key, 60, 40, DRAY_READ, &slot), DRAY_STATUS_OK);
    assert_ptr_equal(slot->base, bytes);
    assert_int_equal(slot->kind, DRAY_REGION_MEMORY);
    struct dray_region_info info;
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.kind, DRAY_REGION_MEMORY);
    assert_int_equal(info.access, DRAY_READ);
    assert_int_equal(info.length, 100);
    assert_int_equal(info.pieces, 1);
    dray_domain_destroy(&domain);
}

static void bounds_and_rights_are_kept(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[100];
    dray_key key;
    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_memory(domain, bytes, sizeof(bytes), DRAY_WRITE, &key), 0);
    assert_int_equal(look(domain, key, 0, 1, DRAY_READ, &slot), DRAY_STATUS_RIGHT);
    assert_int_equal(look(domain, key, 0, 1, BOTH, &slot), DRAY_STATUS_RIGHT);
    assert_int_equal(look(domain, key, 61, 40, DRAY_WRITE, &slot), DRAY_STATUS_RANGE);
    assert_int_equal(look(domain, key, 101, 0, DRAY_WRITE, &slot), DRAY_STATUS_RANGE);
    assert_int_equal(look(domain, key, UINT64_MAX, 2, DRAY_WRITE, &slot), DRAY_STATUS_RANGE);
    assert_int_equal(look(domain, key, 2, UINT64_MAX, DRAY_WRITE, &slot), DRAY_STATUS_RANGE);
    assert_null(slot);
    assert_int_equal(look(domain, key, 100, 0, DRAY_WRITE, &slot), DRAY_STATUS_OK);
    dray_domain_destroy(&domain);
}

static void memory_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    assert_int_equal(dray_map_memory(domain, bytes, 0, BOTH, &key), -EINVAL);
    assert_error(domain, "no length");
    assert_int_equal(dray_map_memory(domain, NULL, 8, BOTH, &key), -EINVAL);
    assert_error(domain, "no address");
    assert_int_equal(dray_map_memory(domain, bytes, 8, 0, &key), -EINVAL);
    assert_error(domain, "neither DRAY_READ nor DRAY_WRITE");
    assert_int_equal(dray_map_memory(domain, bytes, 8, DRAY_PIN, &key), -EINVAL);
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH | 8, &key), -EINVAL);
    assert_error(domain, "bits 0x8");
    assert_int_equal(dray_map_memory(domain, bytes, SIZE_MAX - 4, BOTH, &key), -EINVAL);
    assert_error(domain, "wrap");
    void *high = (void *)(UINTPTR_MAX - 6);
    assert_int_equal(dray_map_memory(domain, high, 8, BOTH, &key), -EINVAL);
    assert_error(domain, "wrap");
    dray_domain_destroy(&domain);
}

static void flags_are_aligned_words(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    uint64_t words[4];
    dray_key key;
    struct dray_region_info info;
    assert_int_equal(dray_map_flags(domain, words, 4, BOTH, &key), 0);
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.kind, DRAY_REGION_FLAGS);
    assert_int_equal(info.length, 32);
    uint64_t *odd = (uint64_t *)((char *)words + 4);
    assert_int_equal(dray_map_flags(domain, odd, 1, BOTH, &key), -EINVAL);
    assert_error(domain, "multiple of 8");
    assert_int_equal(dray_map_flags(domain, words, SIZE_MAX / 4, BOTH, &key), -EINVAL);
    assert_int_equal(dray_map_flags(domain, words, 0, BOTH, &key), -EINVAL);
    dray_domain_destroy(&domain);
}

/* ---- pieces ---- */

static void pieces_are_one_range(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[100];
    struct iovec list[3] = { { bytes + 50, 10 }, { bytes, 20 }, { bytes + 90, 1 } };
    dray_key key;
    const struct dray_slot *slot = NULL;
    struct dray_region_info info;
    assert_int_equal(dray_map_pieces(domain, list, 3, BOTH, &key), 0);
    memset(list, 0, sizeof(list)); /* it was copied */
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.kind, DRAY_REGION_PIECES);
    assert_int_equal(info.length, 31);
    assert_int_equal(info.pieces, 3);
    assert_int_equal(look(domain, key, 0, 31, BOTH, &slot), DRAY_STATUS_OK);
    const struct dray_pieces *pieces = dray_region_pieces(slot->region);
    assert_int_equal(dray_pieces_find(pieces, 9), 0);
    assert_int_equal(dray_pieces_find(pieces, 10), 1);
    assert_int_equal(dray_pieces_find(pieces, 30), 2);
    assert_int_equal(pieces->start[3], 31);
    dray_domain_destroy(&domain);
}

static void pieces_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[100];
    dray_key key;
    struct iovec empty[2] = { { bytes, 10 }, { bytes + 20, 0 } };
    assert_int_equal(dray_map_pieces(domain, empty, 2, DRAY_READ, &key), -EINVAL);
    assert_error(domain, "piece 1");
    struct iovec nowhere = { NULL, 10 };
    assert_int_equal(dray_map_pieces(domain, &nowhere, 1, DRAY_READ, &key), -EINVAL);
    struct iovec wraps = { bytes, SIZE_MAX };
    assert_int_equal(dray_map_pieces(domain, &wraps, 1, DRAY_READ, &key), -EINVAL);
    struct iovec vast[2] = { { (void *)8, INT64_MAX - 8 }, { (void *)8, 9 } };
    assert_int_equal(dray_map_pieces(domain, vast, 2, DRAY_READ, &key), -EINVAL);
    assert_error(domain, "piece 1");
    assert_int_equal(dray_map_pieces(domain, empty, 0, DRAY_READ, &key), -EINVAL);
    assert_int_equal(dray_map_pieces(domain, NULL, 1, DRAY_READ, &key), -EINVAL);
    assert_int_equal(dray_map_pieces(domain, empty, DRAY_PIECES_MAX + 1, DRAY_READ, &key), -EINVAL);
    assert_error(domain, "65537 pieces");
    assert_int_equal(dray_map_pieces(domain, empty, 1, 0, &key), -EINVAL);
    dray_domain_destroy(&domain);
}

static void writable_pieces_do_not_overlap(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[100];
    dray_key key;
    struct iovec list[3] = { { bytes + 50, 10 }, { bytes, 20 }, { bytes + 19, 5 } };
    assert_int_equal(dray_map_pieces(domain, list, 3, BOTH, &key), -EINVAL);
    assert_error(domain, "pieces 1 and 2");
    assert_int_equal(dray_map_pieces(domain, list, 3, DRAY_READ, &key), 0);
    list[2].iov_base = bytes + 20;
    assert_int_equal(dray_map_pieces(domain, list, 3, BOTH, &key), 0);
    dray_domain_destroy(&domain);
}

static void as_many_pieces_as_promised(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char *bytes = malloc(2 * DRAY_PIECES_MAX);
    struct iovec *list = malloc(DRAY_PIECES_MAX * sizeof(*list));
    for (size_t i = 0; i < DRAY_PIECES_MAX; i++)
        list[i] = (struct iovec){ bytes + 2 * (DRAY_PIECES_MAX - 1 - i), 1 };
    dray_key key;
    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_pieces(domain, list, DRAY_PIECES_MAX, BOTH, &key), 0);
    assert_int_equal(look(domain, key, 0, DRAY_PIECES_MAX, BOTH, &slot), DRAY_STATUS_OK);
    for (size_t i = 0; i < DRAY_PIECES_MAX; i++)
        assert_int_equal(dray_pieces_find(dray_region_pieces(slot->region), i), i);
    dray_domain_destroy(&domain);
    free(list);
    free(bytes);
}

/* ---- files and streams ---- */

static void a_file_outlives_its_descriptor(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    dray_key key;
    const struct dray_slot *slot = NULL;
    struct dray_region_info info;
    int fd = file_new(O_RDWR);
    assert_int_equal(dray_map_file(domain, fd, BOTH, &key), 0);
    close(fd);
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.kind, DRAY_REGION_FILE);
    assert_int_equal(info.length, INT64_MAX);
    assert_int_equal(look(domain, key, 1 << 20, 8, BOTH, &slot), DRAY_STATUS_OK);
    int own = dray_region_fd(slot->region)->fd;
    assert_int_equal(pwrite(own, "x", 1, 9), 1);
    assert_int_equal(fcntl(own, F_GETFD), FD_CLOEXEC);
    assert_int_equal(dray_unmap(domain, key), 0);
    assert_int_equal(fcntl(own, F_GETFD), -1); /* and it is closed */
    dray_domain_destroy(&domain);
}

static void open_modes_are_checked(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(8);
    dray_key key;
    int reads = file_new(O_RDONLY), writes = file_new(O_WRONLY), path = file_new(O_PATH);
    assert_int_equal(dray_map_file(domain, reads, DRAY_READ, &key), 0);
    assert_int_equal(dray_map_file(domain, reads, BOTH, &key), -EACCES);
    assert_error(domain, "not open for writing");
    assert_int_equal(dray_map_file(domain, writes, DRAY_WRITE, &key), 0);
    assert_int_equal(dray_map_file(domain, writes, DRAY_READ, &key), -EACCES);
    assert_error(domain, "not open for reading");
    assert_int_equal(dray_map_file(domain, path, DRAY_READ, &key), -EACCES);
    assert_int_equal(dray_map_file(domain, -1, DRAY_READ, &key), -EBADF);
    assert_int_equal(dray_map_file(domain, reads, DRAY_READ | DRAY_PIN, &key), -EINVAL);
    close(reads);
    close(writes);
    close(path);
    dray_domain_destroy(&domain);
}

static void append_only_files_are_not_written_by_offset(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    dray_key key;
    int fd = file_new(O_RDWR | O_APPEND);
    assert_int_equal(dray_map_file(domain, fd, DRAY_WRITE, &key), -EINVAL);
    assert_error(domain, "O_APPEND");
    assert_int_equal(dray_map_file(domain, fd, DRAY_READ, &key), 0);
    close(fd);
    dray_domain_destroy(&domain);
}

static void kinds_of_file_are_told_apart(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(8);
    dray_key key;
    int ends[2], sockets[2];
    int file = file_new(O_RDWR), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(dray_map_file(domain, ends[0], DRAY_READ, &key), -EINVAL);
    assert_error(domain, "map it as a stream");
    assert_int_equal(dray_map_stream(domain, file, BOTH, &key), -EINVAL);
    assert_error(domain, "map it as a file");
    assert_int_equal(dray_map_file(domain, folder, DRAY_READ, &key), -EINVAL);
    assert_int_equal(dray_map_stream(domain, folder, DRAY_READ, &key), -EINVAL);
    assert_int_equal(dray_map_stream(domain, event, DRAY_READ, &key), -EINVAL);
    assert_int_equal(dray_map_stream(domain, ends[0], DRAY_WRITE, &key), -EACCES);

    const struct dray_slot *slot = NULL;
    assert_int_equal(dray_map_stream(domain, ends[0], DRAY_READ, &key), 0);
    assert_int_equal(look(domain, key, 0, UINT64_MAX, DRAY_READ, &slot), DRAY_STATUS_OK);
    assert_true(dray_region_fd(slot->region)->pipe);
    assert_false(dray_region_fd(slot->region)->socket);
    assert_int_equal(dray_map_stream(domain, sockets[0], BOTH, &key), 0);
    assert_int_equal(look(domain, key, 0, 1, BOTH, &slot), DRAY_STATUS_OK);
    assert_true(dray_region_fd(slot->region)->socket);
    int packets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, packets), 0);
    assert_int_equal(dray_map_stream(domain, packets[0], BOTH, &key), -EPROTONOSUPPORT);
    assert_error(domain, "packets");
    close(packets[0]);
    close(packets[1]);
    assert_int_equal(dray_map_stream(domain, null, BOTH, &key), 0);
    struct dray_region_info info;
    assert_int_equal(dray_region_info(domain, key, &info), 0);
    assert_int_equal(info.kind, DRAY_REGION_STREAM);
    assert_int_equal(info.length, UINT64_MAX);
    int all[] = { file, null, folder, event, ends[0], ends[1], sockets[0], sockets[1] };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        close(all[i]);
    dray_domain_destroy(&domain);
}

static void one_file_mapped_twice_is_recognised(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    dray_key a, b;
    const struct dray_slot *x = NULL, *y = NULL;
    int fd = file_new(O_RDWR);
    assert_int_equal(dray_map_file(domain, fd, DRAY_READ, &a), 0);
    assert_int_equal(dray_map_file(domain, fd, DRAY_WRITE, &b), 0);
    assert_int_equal(look(domain, a, 0, 1, DRAY_READ, &x), DRAY_STATUS_OK);
    assert_int_equal(look(domain, b, 0, 1, DRAY_WRITE, &y), DRAY_STATUS_OK);
    assert_int_not_equal(dray_region_fd(x->region)->fd, dray_region_fd(y->region)->fd);
    assert_int_equal(dray_region_fd(x->region)->inode, dray_region_fd(y->region)->inode);
    assert_int_equal(dray_region_fd(x->region)->device, dray_region_fd(y->region)->device);
    close(fd);
    dray_domain_destroy(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(destroying_twice_does_nothing),
        cmocka_unit_test(a_held_domain_is_busy),
        cmocka_unit_test(queues_are_numbered_from_one),
        cmocka_unit_test(error_is_empty_at_first),
        cmocka_unit_test(memory_is_found_by_its_key),
        cmocka_unit_test(bounds_and_rights_are_kept),
        cmocka_unit_test(memory_that_cannot_be_is_refused),
        cmocka_unit_test(flags_are_aligned_words),
        cmocka_unit_test(pieces_are_one_range),
        cmocka_unit_test(pieces_that_cannot_be_are_refused),
        cmocka_unit_test(writable_pieces_do_not_overlap),
        cmocka_unit_test(as_many_pieces_as_promised),
        cmocka_unit_test(a_file_outlives_its_descriptor),
        cmocka_unit_test(open_modes_are_checked),
        cmocka_unit_test(append_only_files_are_not_written_by_offset),
        cmocka_unit_test(kinds_of_file_are_told_apart),
        cmocka_unit_test(one_file_mapped_twice_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
