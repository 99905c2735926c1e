/*
 * A hostile producer on an inline engine: what lies in the ring, the arrays and the indices comes
 * from the input. Nothing outside the rights of the regions may change, whatever it asks for.
 *
 * The input is a list of steps, of one byte each and what that step takes. Most descriptors are
 * built from small numbers, so that a mutation of a good one is another that gets far; a few are 64
 * bytes as they come.
 */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "fuzz.h"
#include "queue/state.h"

enum {
    DEPTH = 16,
    STEPS_MAX = 200,
    EXTRA = ARENA_COUNT, /* a region that the input may have unmapped */
};

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << 8 * i;
    return value;
}

static void take_bytes(struct input *in, void *to, size_t size)
{
    size_t left = (size_t)(in->end - in->at), n = left < size ? left : size;
    if (n)
        memcpy(to, in->at, n);
    in->at += n;
}

static const char *const kernels[] = { "plain", "sse2", "avx2", "avx512" };
static struct arena arena; /* its memory and files are kept over all runs */

static struct dray_engine *engine_of(unsigned number)
{
    struct dray_engine *engine;
    struct dray_engine_options o = { .size = sizeof(o),
                                     .mode = DRAY_MODE_INLINE,
                                     .kernels = kernels[number] };
    if (dray_engine_open(&engine, arena.domain, "cpu", &o) == 0)
        return engine;
    o.kernels = kernels[0]; /* not on this processor */
    FUZZ_ASSERT(dray_engine_open(&engine, arena.domain, "cpu", &o) == 0);
    return engine;
}

/* ---- one run ---- */

struct run {
    struct dray_queue *queue;
    dray_key extra;
    uint32_t fill; /* next slot, free-running */
    uint64_t user_data;
};

static dray_key key_of(const struct run *r, unsigned region)
{
    return region == EXTRA ? r->extra : arena.key[region];
}

/* An offset or a length: small, near the end of the region, aligned, or huge. */
static uint64_t number(struct input *in, unsigned region)
{
    uint64_t raw = take(in, 2), low = raw & 0x3fff;
    uint64_t end = region < ARENA_COUNT ? arena.length[region] : 64;
    switch (raw >> 14) {
    case 0:
        return low;
    case 1:
        return end - low;
    case 2:
        return low << 3;
    default:
        return low << 50 | low;
    }
}

static void arguments(struct input *in, const struct run *r, struct dray_desc *d)
{
    unsigned which = (unsigned)take(in, 1);
    d->arg.word[0] = d->arg.word[1] = 0;
    d->count = 0;
    switch (d->opcode) {
    case DRAY_OP_FILL:
        d->count = 1u << which % 5;
        memset(d->arg.byte, 0x40 + which % 64, d->count);
        break;
    case DRAY_OP_SIGNAL:
        d->count = which & 1;
        d->arg.signal.value = which;
        break;
    case DRAY_OP_WAIT:
        d->count = which % 6;
        d->arg.wait.value = which / 6 % 4;
        d->arg.wait.timeout_ns = which & 128 ? 0 : 1000;
        break;
    case DRAY_OP_LINK:
        d->count = 1 + which % 64;
        break;
    case DRAY_OP_STRIDED:
        if (which & 128)
            break;
        d->arg.strided.shape_key = key_of(r, which % (EXTRA + 1));
        d->arg.strided.shape_offset = (which >> 4) * 64;
        break;
    default:
        break;
    }
    if (which == 255) /* a bit that must not be set */
        d->arg.byte[take(in, 1) % 16] ^= 1;
}

/* Clears what the opcode gives no meaning to, most of the time. */
static void tidy(struct dray_desc *d)
{
    bool src = d->opcode != DRAY_OP_FILL && d->opcode != DRAY_OP_SIGNAL &&
               d->opcode != DRAY_OP_NOP && d->opcode != DRAY_OP_FENCE;
    bool dst = d->opcode == DRAY_OP_COPY || d->opcode == DRAY_OP_STRIDED ||
               d->opcode == DRAY_OP_FILL || d->opcode == DRAY_OP_COMPARE ||
               d->opcode == DRAY_OP_SIGNAL;
    bool length = d->opcode >= DRAY_OP_COPY && d->opcode <= DRAY_OP_CRC32C;
    if (!src)
        d->src_key.value = 0, d->src_offset = 0;
    if (!dst)
        d->dst_key.value = 0, d->dst_offset = 0;
    if (!length)
        d->length = 0;
    if (d->opcode != DRAY_OP_COPY)
        d->flags &= (uint16_t)~DRAY_FLAG_CRC;
}

static void descriptor(struct input *in, struct run *r, struct dray_desc *d)
{
    unsigned opcode = (unsigned)take(in, 1), flags = (unsigned)take(in, 1);
    unsigned src = (unsigned)take(in, 1) % (EXTRA + 1), dst = (unsigned)take(in, 1) % (EXTRA + 1);
    struct dray_desc built;
    dray_prep(&built, opcode % (DRAY_OP_PLACE + 1u));
    built.flags = flags & 15;
    built.src_key = key_of(r, src);
    built.dst_key = key_of(r, dst);
    built.src_offset = number(in, src);
    built.dst_offset = number(in, dst);
    built.length = number(in, dst);
    built.user_data = r->user_data++;
    arguments(in, r, &built);
    if (opcode < 240)
        tidy(&built);
    if (flags & 128)
        built.flags |= (uint16_t)(flags << 4);
    *d = built;
}

static void shape(struct input *in, struct dray_shape *s)
{
    struct dray_shape built = { .version = DRAY_FORMAT_VERSION };
    unsigned first = (unsigned)take(in, 1);
    built.loops = first % 6;
    built.element = 1u << (first >> 4) % 6;
    if (first & 8)
        built.element += 1 + (uint32_t)take(in, 1);
    for (unsigned i = 0; i < built.loops && i < DRAY_LOOPS_MAX; i++) {
        built.extent[i] = take(in, 1);
        built.src_stride[i] = (int16_t)take(in, 2);
        built.dst_stride[i] = (int16_t)take(in, 2);
        if (built.extent[i] == 255)
            built.extent[i] = take(in, 8);
    }
    *s = built;
}

/* The length that the shape has, into the descriptor before it, so that it gets somewhere. */
static void fit(struct dray_desc *d, const struct dray_shape *s)
{
    d->length = s->element;
    for (unsigned i = 0; i < s->loops && i < DRAY_LOOPS_MAX; i++)
        d->length *= s->extent[i];
}

static struct dray_desc *slot(struct run *r, uint32_t index)
{
    return &r->queue->map.descs[index & (DEPTH - 1)];
}

static void publish(struct run *r, uint32_t tail)
{
    struct dray_completion c[DEPTH];
    dray_io_publish32(&r->queue->map.ring->sq_tail, tail);
    dray_queue_doorbell(r->queue);
    dray_queue_reap(r->queue, c, DEPTH);
}

static void scribble(struct input *in, struct run *r)
{
    uint8_t *memory = (uint8_t *)r->queue->map.ring;
    size_t at = take(in, 2) % r->queue->map.size, n = take(in, 1) & 63;
    if (n > r->queue->map.size - at)
        n = r->queue->map.size - at;
    take_bytes(in, memory + at, n);
}

static void index_write(struct input *in, struct run *r)
{
    struct dray_ring *ring = r->queue->map.ring;
    uint32_t *const word[] = { &ring->sq_tail,         &ring->sq_head,       &ring->cq_head,
                               &ring->doorbell_wanted, &ring->notify_wanted, &ring->state };
    unsigned which = (unsigned)take(in, 1);
    uint32_t value = (uint32_t)take(in, which & 128 ? 4 : 1);
    uint32_t *p = word[which % 6];
    dray_io_publish32(p, which & 64 ? value : dray_io_observe32(p) + value);
    dray_queue_doorbell(r->queue);
}

static void outside(struct input *in, struct run *r)
{
    unsigned which = (unsigned)take(in, 1);
    switch (which % 4) {
    case 0:
        dray_flag_store(arena.domain, &arena.flags[which / 4], take(in, 1));
        break;
    case 1:
        arena_pipe(&arena, which * 16);
        break;
    case 2:
        dray_unmap(arena.domain, r->extra);
        break;
    default:
        dray_queue_limit_rate(r->queue, which & 4 ? 0 : 100000000);
        break;
    }
}

static void step(struct input *in, struct run *r)
{
    unsigned what = (unsigned)take(in, 1) % 16;
    switch (what) {
    case 8:
        take_bytes(in, slot(r, r->fill++), sizeof(struct dray_desc));
        break;
    case 9: {
        struct dray_desc *d = slot(r, r->fill - 1);
        shape(in, dray_queue_shape(r->queue, d));
        fit(d, dray_queue_shape(r->queue, d));
        break;
    }
    case 10:
        descriptor(in, r, &arena.links[take(in, 1) % ARENA_LINK_COUNT]);
        break;
    case 11:
        publish(r, r->fill);
        break;
    case 12:
        index_write(in, r);
        break;
    case 13:
        scribble(in, r);
        break;
    case 14:
        outside(in, r);
        break;
    case 15:
        shape(in, (struct dray_shape *)(void *)&arena.links[take(in, 1) % (ARENA_LINK_COUNT - 1)]);
        break;
    default:
        descriptor(in, r, slot(r, r->fill++));
        break;
    }
}

/* What is held is let go, as far as that goes, and the rest is ended. */
static void end(struct run *r)
{
    publish(r, r->fill);
    for (uint64_t i = 0; i < ARENA_FLAG_COUNT; i++)
        dray_flag_store(arena.domain, &arena.flags[i], i % 4);
    dray_queue_doorbell(r->queue);
    FUZZ_ASSERT(dray_queue_destroy(&r->queue) == 0);
    dray_unmap(arena.domain, r->extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, data + size };
    const struct dray_queue_options options = { .size = sizeof(options), .depth = DEPTH };
    struct run r = { 0 };
    if (!arena.links)
        arena_open(&arena);
    arena_map(&arena);
    struct dray_engine *engine = engine_of((unsigned)take(&in, 1) % 4);
    FUZZ_ASSERT(dray_queue_create(&r.queue, engine, &options) == 0);
    arena_reset(&arena);
    FUZZ_ASSERT(dray_map_memory(arena.domain, arena.block[ARENA_RW].base, 64,
                                DRAY_READ | DRAY_WRITE, &r.extra) == 0);
    for (unsigned i = 0; i < STEPS_MAX && in.at < in.end; i++)
        step(&in, &r);
    end(&r);
    FUZZ_ASSERT(dray_engine_close(&engine) == 0);
    arena_unmap(&arena);
    const char *bad = arena_check(&arena);
    if (bad)
        fprintf(stderr, "%s\n", bad);
    FUZZ_ASSERT(!bad);
    return 0;
}
