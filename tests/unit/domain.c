/* Mapping, keys, looking up, unmapping; what is refused, and in which words. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domain/region.h"

enum {
    BOTH = DRAY_READ | DRAY_WRITE
};

static struct dray_domain *domain_new(uint32_t regions_max)
{
    struct dray_domain *domain;
    struct dray_domain_options options = { .size = sizeof(options), .regions_max = regions_max };
    assert_int_equal(dray_domain_create(&domain, &options), 0);
    return domain;
}

static void assert_error(struct dray_domain *domain, const char *part)
{
    char text[256];
    dray_domain_error(domain, text, sizeof(text));
    if (!strstr(text, part))
        fail_msg("the sentence is \"%s\", without \"%s\"", text, part);
}

/* Looks up as an engine does. */
static enum dray_status look(struct dray_domain *domain, dray_key key, uint64_t offset,
                             uint64_t length, unsigned access, const struct dray_slot **slot)
{
    struct dray_reader reader;
    dray_reader_register(domain, &reader);
    dray_reader_enter(dray_domain_table(domain), &reader);
    enum dray_status status =
        dray_resolve(dray_domain_table(domain), key, offset, length, access, slot);
    dray_reader_leave(&reader);
    dray_reader_unregister(domain, &reader);
    return status;
}

/* ---- the domain ---- */

static void options_are_checked(void **state)
{
    (void)state;
    struct dray_domain *domain = NULL;
    struct dray_domain_options o = { .size = 3 };
    assert_int_equal(dray_domain_create(&domain, &o), -EINVAL);
    o = (struct dray_domain_options){ .size = sizeof(o), .regions_max = DRAY_REGIONS_MAX + 1 };
    assert_int_equal(dray_domain_create(&domain, &o), -EINVAL);
    o = (struct dray_domain_options){ .size = sizeof(o), .faults_max = UINT32_MAX };
    assert_int_equal(dray_domain_create(&domain, &o), -EINVAL);
    assert_null(domain);
}

static void options_of_a_later_version(void **state)
{
    (void)state;
    struct {
        struct dray_domain_options known;
        uint64_t unknown;
    } later = { .known = { .size = sizeof(later) } };
    struct dray_domain *domain = NULL;
    assert_int_equal(dray_domain_create(&domain, &later.known), 0);
    assert_int_equal(dray_domain_destroy(&domain), 0);
    later.unknown = 1;
    assert_int_equal(dray_domain_create(&domain, &later.known), -EINVAL);
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
    assert_int_equal(dray_map_pieces(domain, list, DRAY_PIECES_MAX, BOTH, &key), 0);
    assert_int_equal(look(domain, key, 0, DRAY_PIECES_MAX, BOTH, &slot), DRAY_STATUS_OK);
    for (size_t i = 0; i < DRAY_PIECES_MAX; i++)
        assert_int_equal(dray_pieces_find(dray_region_pieces(slot->region), i), i);
    dray_domain_destroy(&domain);
    free(list);
    free(bytes);
}

/* ---- files and streams ---- */

static int file_new(int flags)
{
    char name[] = "/tmp/dray-domain-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
    fd = open(name, flags | O_CLOEXEC);
    unlink(name);
    assert_true(fd >= 0);
    return fd;
}

static void a_file_outlives_its_descriptor(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    dray_key key;
    const struct dray_slot *slot;
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

    const struct dray_slot *slot;
    assert_int_equal(dray_map_stream(domain, ends[0], DRAY_READ, &key), 0);
    assert_int_equal(look(domain, key, 0, UINT64_MAX, DRAY_READ, &slot), DRAY_STATUS_OK);
    assert_true(dray_region_fd(slot->region)->pipe);
    assert_false(dray_region_fd(slot->region)->socket);
    assert_int_equal(dray_map_stream(domain, sockets[0], BOTH, &key), 0);
    assert_int_equal(look(domain, key, 0, 1, BOTH, &slot), DRAY_STATUS_OK);
    assert_true(dray_region_fd(slot->region)->socket);
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
    const struct dray_slot *x, *y;
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

/* ---- keys ---- */

static void a_stale_key_is_refused(void **state)
{
    (void)state;
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    const struct dray_slot *slot;
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
    struct dray_domain *domain = domain_new(4);
    char bytes[8];
    dray_key key;
    assert_int_equal(dray_map_memory(domain, bytes, 8, BOTH, &key), 0);
    assert_int_equal(dray_unmap_lazy(domain, key), 0);
    assert_int_equal(lazy_pending(domain, NULL), 1);
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
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(options_of_a_later_version),
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
