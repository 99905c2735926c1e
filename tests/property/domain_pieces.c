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
    size_t at[ARENA * PIECES];    /* of each byte of the region: where in the arena */
    bool taken[ARENA];            /* of each byte of the arena: belongs to a piece */
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
            c->at[c->length + b] = at + b;
            if (c->taken[at + b])
                c->disjoint = false;
            c->taken[at + b] = true;
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

/* Memory [from, from + size) of the arena against [offset, offset + length) of the region. */
static void check_overlap(const struct pieces_case *c, const struct dray_region *region,
                          struct test_rng *rng)
{
    size_t from = test_below(rng, ARENA + 1), size = test_size(rng, ARENA - from);
    uint64_t offset = test_below(rng, c->length), length = test_size(rng, c->length - offset);
    bool expected = false;
    for (uint64_t b = offset; b < offset + length; b++)
        expected |= c->at[b] >= from && c->at[b] < from + size;
    assert_int_equal(dray_pieces_overlap(region, offset, length, arena + from, size), expected);
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
        for (int i = 0; i < 200; i++)
            check_overlap(&c, slot->region, &rng);
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
