/*
 * A queue against a model of it: random depths, chains, batches and orders of reaping, with the engine
 * working in between as far as it likes, across the wrap of the 32-bit indices.
 */
#include "test.h"

#include "echo_engine.h"
#include "queue/state.h"

enum {
    ROUNDS = 3000,
    STEPS = 600,
    DEPTH_BITS = 6,
    TRANSACTIONS_MAX = STEPS * 8,
};

/* What is expected: transactions in the order in which they were closed, and how far each stage is. */
struct model {
    uint32_t depth, completion_depth;
    uint32_t chain_max;                  /* longest transaction: one that fits the ring */
    uint64_t end[TRANSACTIONS_MAX];      /* descriptors up to the end of each */
    uint32_t length[TRANSACTIONS_MAX];   /* descriptors of each */
    uint32_t closed;                     /* transactions closed by the producer */
    uint32_t completed, reaped;          /* transactions */
    uint64_t filled, published, fetched; /* descriptors */
    uint32_t open;                       /* descriptors in the open transaction */
};

struct bench {
    struct model m;
    struct test_rng rng;
    struct dray_queue *q;
    struct echo e;
};

static uint64_t tag_of(uint64_t descriptor)
{
    return descriptor * 0x9e3779b97f4a7c15u;
}

/* As if 2^32 - `before` descriptors and completions had passed already; `before` is a multiple of twice both
 * depths, so that fresh memory looks written last in the round before. */
static void start_late(struct dray_queue *q, uint32_t before)
{
    struct dray_ring *ring = q->map.ring;
    uint32_t at = 0u - before;
    q->fill = q->tail = q->head = q->next = at;
    q->port.head = q->port.tail = q->port.complete = q->port.seen = at;
    q->port.settled = q->port.rated = at;
    ring->sq_tail = ring->sq_head = ring->cq_head = at;
}

static uint64_t producible(const struct model *m)
{
    return m->depth - (m->filled - m->fetched);
}

static void fill(struct bench *b)
{
    struct model *m = &b->m;
    assert_int_equal(dray_queue_space(b->q), producible(m));
    struct dray_desc *d = dray_queue_get(b->q);
    assert_int_equal(d != NULL, producible(m) > 0);
    if (!d)
        return;
    dray_prep_nop(d);
    d->user_data = tag_of(m->filled++);
    d->length = 3;
    m->open++;
    if (m->open < m->chain_max && test_below(&b->rng, 3) == 0) {
        d->flags = DRAY_FLAG_CHAIN;
        return;
    }
    m->end[m->closed] = m->filled;
    m->length[m->closed++] = m->open;
    m->open = 0;
}

static void publish(struct bench *b)
{
    struct model *m = &b->m;
    uint64_t end = m->filled - m->open;
    uint32_t count = test_below(&b->rng, 2) ? dray_queue_publish(b->q) : dray_queue_submit(b->q);
    assert_int_equal(count, end - m->published);
    m->published = end;
}

/* The engine takes some descriptors; what it may take is bounded by the tail and by room for completions. */
static void work(struct bench *b)
{
    struct model *m = &b->m;
    uint32_t most = (uint32_t)test_below(&b->rng, 2 * m->depth), taken = 0;
    while (taken < most && m->fetched < m->published &&
           m->completed - m->reaped < m->completion_depth) {
        taken++;
        if (++m->fetched == m->end[m->completed])
            m->completed++;
    }
    assert_int_equal(echo_work(&b->e, most), taken);
    dray_port_moderate(b->e.port, test_below(&b->rng, 2));
}

static void expect(const struct model *m, uint32_t transaction, const struct dray_completion *c)
{
    assert_int_equal(c->user_data, tag_of(m->end[transaction] - 1));
    assert_int_equal(c->result, m->length[transaction]);
    assert_int_equal(c->moved, 3 * m->length[transaction]);
}

static void look(struct bench *b)
{
    struct model *m = &b->m;
    const struct dray_completion *c = dray_queue_peek(b->q);
    assert_int_equal(c != NULL, m->completed > m->reaped);
    if (!c)
        return;
    expect(m, m->reaped, c);
    uint32_t ready = m->completed - m->reaped;
    uint32_t seen = (uint32_t)test_below(&b->rng, ready + 2);
    dray_queue_seen(b->q, seen);
    m->reaped += seen < ready ? seen : ready;
}

static void reap(struct bench *b)
{
    struct model *m = &b->m;
    struct dray_completion c[1 << DEPTH_BITS];
    uint32_t max = (uint32_t)test_below(&b->rng, 1 + (1 << DEPTH_BITS));
    uint32_t ready = m->completed - m->reaped;
    uint32_t n = dray_queue_reap(b->q, c, max);
    assert_int_equal(n, ready < max ? ready : max);
    for (uint32_t i = 0; i < n; i++)
        expect(m, m->reaped++, &c[i]);
}

static void random_depths(struct bench *b)
{
    struct model *m = &b->m;
    memset(m, 0, sizeof(*m));
    m->depth = 2u << test_below(&b->rng, DEPTH_BITS);
    m->completion_depth = 2u << test_below(&b->rng, DEPTH_BITS);
    m->chain_max = 1 + (uint32_t)test_below(&b->rng, m->depth < 7 ? m->depth : 7);
}

static void round_run(struct bench *b)
{
    static void (*const steps[])(struct bench *) = { fill, fill, fill, publish,
                                                     work, work, look, reap };
    random_depths(b);
    struct dray_queue_options o = { .size = sizeof(o),
                                    .depth = b->m.depth,
                                    .completion_depth = b->m.completion_depth };
    assert_int_equal(dray_queue_build(&b->q, &o), 0);
    echo_attach_doorbell(&b->e, b->q);
    if (test_below(&b->rng, 2))
        start_late(b->q, 4u << DEPTH_BITS);
    for (int i = 0; i < STEPS; i++)
        steps[test_below(&b->rng, sizeof(steps) / sizeof(*steps))](b);
    assert_false(b->e.port->corrupt);
    dray_queue_free(b->q);
    close(b->e.doorbell_fd);
}

static void queue_keeps_the_model(void **state)
{
    (void)state;
    static struct bench b;
    b.rng.state = test_seed();
    for (int i = 0; i < ROUNDS; i++)
        round_run(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(queue_keeps_the_model) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
