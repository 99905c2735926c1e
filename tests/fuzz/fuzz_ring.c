/*
 * Ring memory that somebody scribbles in while both ends use it. The input is a list of steps, each one byte
 * and what it takes: a call of the engine's or the user's end, or bytes written anywhere into the shared
 * memory, indices included. Whatever is there: no call may crash, hang, or speak of more than the ring holds.
 */
#include <string.h>

#include "echo_engine.h"
#include "fuzz.h"
#include "queue/state.h"

enum {
    DEPTH = 4,
    COMPLETION_DEPTH = 2,
};

struct input {
    const uint8_t *data;
    size_t size;
};

static uint32_t take(struct input *in, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes && in->size; i++) {
        value = value << 8 | *in->data++;
        in->size--;
    }
    return value;
}

static void scribble_index(struct dray_queue *q, struct input *in)
{
    struct dray_ring *r = q->map.ring;
    uint32_t *const words[] = { &r->sq_tail,       &r->sq_head, &r->cq_head, &r->doorbell_wanted,
                                &r->notify_wanted, &r->state,   &r->depth,   &r->completion_depth };
    uint32_t which = take(in, 1) % 8;
    /* Near what is right, or anything. */
    uint32_t value = take(in, 1);
    *words[which] = value < 0xf0 ? *words[which] + (uint32_t)(int8_t)value : take(in, 4);
}

static void scribble_bytes(struct dray_queue *q, struct input *in)
{
    size_t at = DRAY_RING_HEADER_SIZE + take(in, 2) % (q->map.size - DRAY_RING_HEADER_SIZE);
    size_t left = q->map.size - at, n = take(in, 1) % 64;
    n = n < left ? n : left;
    n = n < in->size ? n : in->size;
    memcpy((char *)q->map.ring + at, in->data, n);
    in->data += n;
    in->size -= n;
}

static void engine_step(struct echo *e, uint32_t n)
{
    struct dray_port *port = e->port;
    FUZZ_ASSERT(dray_port_available(port) <= DEPTH);
    FUZZ_ASSERT(dray_port_room(port) <= COMPLETION_DEPTH);
    FUZZ_ASSERT(echo_work(e, n) <= n);
    dray_port_moderate(port, n & 1);
    if (dray_port_sleep(port, n & 2))
        dray_port_awake(port);
    FUZZ_ASSERT(!port->corrupt || dray_port_available(port) + dray_port_room(port) == 0);
}

static void produce_step(struct dray_queue *q, uint32_t n)
{
    struct dray_desc *d = dray_queue_get(q);
    if (d) {
        FUZZ_ASSERT(d >= q->map.descs && d < q->map.descs + DEPTH);
        FUZZ_ASSERT(dray_queue_shape(q, d) < q->map.shapes + DEPTH);
        dray_prep_nop(d);
        d->flags = n & 1 ? DRAY_FLAG_CHAIN : 0;
    }
    if (n & 2)
        FUZZ_ASSERT(dray_queue_publish(q) <= DEPTH);
    if (n & 4)
        dray_queue_doorbell(q);
    FUZZ_ASSERT(dray_queue_space(q) <= DEPTH);
}

static void consume_step(struct dray_queue *q, uint32_t n)
{
    struct dray_completion c[8];
    const struct dray_completion *first = dray_queue_peek(q);
    FUZZ_ASSERT(!first ||
                (first >= q->map.completions && first < q->map.completions + COMPLETION_DEPTH));
    if (n & 1)
        dray_queue_seen(q, n >> 3);
    if (n & 2)
        FUZZ_ASSERT(dray_queue_reap(q, c, 8) <= COMPLETION_DEPTH);
    if (n & 4)
        dray_queue_wait(q, &first, 0);
    else
        dray_queue_arm(q);
}

static void play(struct dray_queue *q, struct echo *e, struct input *in)
{
    while (in->size) {
        uint32_t op = take(in, 1);
        switch (op & 7) {
        case 0:
        case 1:
            produce_step(q, op >> 3);
            break;
        case 2:
        case 3:
            engine_step(e, op >> 3);
            break;
        case 4:
        case 5:
            consume_step(q, op >> 3);
            break;
        case 6:
            scribble_index(q, in);
            break;
        default:
            scribble_bytes(q, in);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct dray_queue *q;
    struct echo e;
    struct dray_queue_options o = { .size = sizeof(o),
                                    .depth = DEPTH,
                                    .completion_depth = COMPLETION_DEPTH,
                                    .moderation = { 2, 1000, size & 1 } };
    if (dray_queue_build(&q, &o))
        return 0;
    q->spin_ns = 0;
    echo_attach_doorbell(&e, q);
    play(q, &e, &in);
    dray_queue_free(q);
    close(e.doorbell_fd);
    return 0;
}
