/* Scattered regions against a byte-by-byte reference. DRAY_SEED=n replays a failure. */
#include "test.h"

#include <errno.h>

#include "domain/region.h"

enum {
    ARENA = 512,
    PIECES = 40,
    ROUNDS = 400
};

static unsigned char arena[ARENA];

struct pieces_case {
    struct iovec list[PIECES];
    size_t count;
    uint64_t length;
    size_t owner[ARENA * PIECES]; /* of each byte of the region: its piece */
    uint64_t offset[ARENA];       /* of each byte of memory: 1 + the lowest region offset it has */
    bool disjoint;
};

static void case_draw(struct pieces_case *c, struct test_rng *rng)
{
    memset(c, 0, sizeof(*c));
    c->disjoint = true;
    c->count = 1 + test_below(rng, PIECES);
    uint64_t longest = 1 + test_size(rng, 60);
    for (size_t i = 0; i < c->count; i++) {
        size_t at = test_below(rng, ARENA);
        size_t size = 1 + test_below(rng, longest);
        size = size < ARENA - at ? size : ARENA - at;
        c->list[i] = (struct iovec){ arena + at, size };
        for (size_t b = 0; b < size; b++) {
            c->owner[c->length + b] = i;
            if (c->offset[at + b])
                c->disjoint = false;
            else
                c->offset[at + b] = 1 + c->length + b;
        }
        c->length += size;
    }
}

static void check_find(const struct pieces_case *c, const struct dray_pieces *pieces)
{
    for (uint64_t offset = 0; offset < c->length; offset++) {
        size_t found = dray_pieces_find(pieces, offset);
        assert_int_equal(found, c->owner[offset]);
        assert_true(pieces->start[found] <= offset && offset < pieces->start[found + 1]);
    }
}

/* The byte of memory behind a region offset. */
static const unsigned char *byte_at(const struct dray_pieces *pieces, uint64_t offset)
{
    size_t i = dray_pieces_find(pieces, offset);
    return (const unsigned char *)pieces->piece[i].iov_base + (offset - pieces->start[i]);
}

static void check_overlap(const struct pieces_case *c, const struct dray_region *region,
                          size_t from, size_t size)
{
    size_t lowest = from;
    while (lowest < from + size && c->offset[lowest] == 0)
        lowest++;
    uint64_t offset = UINT64_MAX;
    bool overlaps = dray_pieces_overlap(region, arena + from, size, &offset);
    assert_int_equal(overlaps, lowest < from + size);
    if (!overlaps)
        return;
    assert_true(offset < c->length);
    assert_ptr_equal(byte_at(dray_region_pieces(region), offset), arena + lowest);
    if (c->disjoint)
        assert_int_equal(offset, c->offset[lowest] - 1);
}

static void pieces_agree_with_bytes(void **state)
{
    (void)state;
    static struct pieces_case c;
    struct test_rng rng = { test_seed() };
    struct dray_domain *domain;
    assert_int_equal(dray_domain_create(&domain, NULL), 0);
    unsigned disjoint = 0;
    for (int round = 0; round < ROUNDS; round++) {
        case_draw(&c, &rng);
        dray_key key;
        int error = dray_map_pieces(domain, c.list, c.count, DRAY_READ | DRAY_WRITE, &key);
        assert_int_equal(error, c.disjoint ? 0 : -EINVAL);
        disjoint += c.disjoint;
        if (error)
            assert_int_equal(dray_map_pieces(domain, c.list, c.count, DRAY_READ, &key), 0);
        const struct dray_slot *slot = NULL;
        assert_int_equal(
            dray_resolve(dray_domain_table(domain), key, 0, c.length, DRAY_READ, &slot), 0);
        assert_int_equal(slot->length, c.length);
        check_find(&c, dray_region_pieces(slot->region));
        for (int i = 0; i < 200; i++) {
            size_t from = test_below(&rng, ARENA + 1);
            check_overlap(&c, slot->region, from, test_size(&rng, ARENA - from));
        }
        assert_int_equal(dray_unmap(domain, key), 0);
    }
    assert_true(disjoint > ROUNDS / 20 && disjoint < ROUNDS);
    dray_domain_destroy(&domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pieces_agree_with_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
