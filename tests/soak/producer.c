#include "producer.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "queue/ring.h"

enum {
    BATCH = 2048,
    STILL_NS = 1000000,    /* no progress for so long: try flags and pipe */
    GIVE_UP_NS = 40000000, /* and for so long: leave the queue as it stands */
    MISCHIEF = 300,        /* batches between two acts that a queue may survive */
    MURDER = 2000,         /* and between two that break it */
};

struct producer {
    const struct producer_options *o;
    struct test_rng rng;
    struct dray_ring *ring;
    struct dray_desc *descs;
    struct dray_completion *completions;
    struct dray_shape *shapes;
    uint32_t depth, completion_depth;
    uint32_t tail, seen;
    size_t size;
    uint64_t moved_ns; /* when something last went on */
    bool deaf;         /* its doorbell hangs whoever rings it */
    unsigned dying;    /* batches left, once the ring was broken */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t load(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

/* ---- descriptors ---- */

/* Mostly memory; what may park for long is rare. */
static unsigned region(struct test_rng *rng)
{
    static const uint8_t often[] = { ARENA_RW,      ARENA_RW,        ARENA_R,        ARENA_W,
                                     ARENA_RW,      ARENA_PIECES_RW, ARENA_PIECES_R, ARENA_FLAGS_RW,
                                     ARENA_FLAGS_R, ARENA_LINKS,     ARENA_FILE_RW,  ARENA_FILE_R,
                                     ARENA_NULL,    ARENA_STALE };
    uint64_t r = test_next(rng);
    if (r % 2000 == 0)
        return (unsigned)(r >> 32) % ARENA_COUNT;
    return often[(r >> 32) % sizeof(often)];
}

static uint64_t offset(struct test_rng *rng, uint64_t length, uint64_t of)
{
    uint64_t r = test_next(rng);
    if (r % 16 == 0)
        return of - length; /* up to the very end */
    if (r % 64 == 1)
        return of - length + 1; /* and past it */
    return length < of ? (r >> 8) % (of - length) : 0;
}

static void arguments(const struct arena *a, struct test_rng *rng, struct dray_desc *d)
{
    uint64_t r = test_next(rng);
    switch (d->opcode) {
    case DRAY_OP_FILL:
        d->count = 1u << r % 5;
        d->length = (d->length + 15) / 16 * 16;
        memset(d->arg.byte, (int)(r >> 8), d->count);
        break;
    case DRAY_OP_SIGNAL:
        d->count = r & 1;
        d->dst_key = a->key[ARENA_FLAGS_RW];
        d->dst_offset = r % 64 * 8;
        d->arg.signal.value = r >> 60;
        break;
    case DRAY_OP_WAIT:
        d->count = (uint32_t)(r % 6);
        d->src_key = a->key[ARENA_FLAGS_RW];
        d->src_offset = r % 64 * 8;
        d->arg.wait.value = r >> 60;
        d->arg.wait.timeout_ns = r % 4001 ? r >> 8 & 1023 : 0;
        break;
    case DRAY_OP_LINK:
        d->src_key = a->key[ARENA_LINKS];
        d->src_offset = r % ARENA_LINK_COUNT * 64;
        d->count = (uint32_t)((r >> 8) % (ARENA_LINK_COUNT - r % ARENA_LINK_COUNT) + 1);
        break;
    case DRAY_OP_STRIDED:
        if (r % 8 == 0)
            d->arg.strided.shape_key = a->key[ARENA_RW];
        break;
    default:
        break;
    }
}

/* What the opcode gives no meaning to is zero. */
static void tidy(struct dray_desc *d)
{
    const uint32_t no_src =
        1u << DRAY_OP_NOP | 1u << DRAY_OP_FENCE | 1u << DRAY_OP_FILL | 1u << DRAY_OP_SIGNAL;
    const uint32_t dst = 1u << DRAY_OP_COPY | 1u << DRAY_OP_STRIDED | 1u << DRAY_OP_FILL |
                         1u << DRAY_OP_COMPARE | 1u << DRAY_OP_SIGNAL;
    if (no_src >> d->opcode & 1)
        d->src_key.value = 0, d->src_offset = 0;
    if (!(dst >> d->opcode & 1))
        d->dst_key.value = 0, d->dst_offset = 0;
    if (d->opcode < DRAY_OP_COPY || d->opcode > DRAY_OP_CRC32C)
        d->length = 0;
    if (d->opcode != DRAY_OP_COPY)
        d->flags &= (uint16_t)~DRAY_FLAG_CRC;
}

void producer_valid(const struct arena *a, struct test_rng *rng, struct dray_desc *d)
{
    static const uint8_t opcodes[] = { DRAY_OP_COPY,    DRAY_OP_COPY,    DRAY_OP_COPY,
                                       DRAY_OP_COPY,    DRAY_OP_STRIDED, DRAY_OP_FILL,
                                       DRAY_OP_COMPARE, DRAY_OP_CRC32C,  DRAY_OP_NOP,
                                       DRAY_OP_FENCE,   DRAY_OP_SIGNAL,  DRAY_OP_WAIT };
    uint64_t r = test_next(rng);
    unsigned src = region(rng), dst = region(rng);
    dray_prep(d, r % 300 ? opcodes[(r >> 16) % sizeof(opcodes)] : DRAY_OP_LINK);
    d->flags = (r >> 32) % 8 ? 0 : (uint16_t)((r >> 40) % 16);
    d->user_data = r;
    d->src_key = a->key[src];
    d->dst_key = a->key[dst];
    d->length = 1 + test_size(rng, 4000);
    d->src_offset = offset(rng, d->length, a->length[src]);
    d->dst_offset = offset(rng, d->length, a->length[dst]);
    if (src == ARENA_PIPE_IN || src == ARENA_NULL)
        d->src_offset = 0;
    if (dst == ARENA_PIPE_OUT || dst == ARENA_NULL)
        d->dst_offset = 0;
    arguments(a, rng, d);
    tidy(d);
}

static void random_bytes(struct test_rng *rng, void *to, size_t size)
{
    uint64_t word;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        word = test_next(rng);
        memcpy((char *)to + i, &word, 8);
    }
}

static void spoil(struct test_rng *rng, void *bytes, size_t size)
{
    for (uint64_t n = 1 + test_below(rng, 3); n; n--) {
        uint64_t r = test_next(rng);
        ((uint8_t *)bytes)[r % size] ^= (uint8_t)(r & 256 ? 1u << (r >> 16) % 8 : r >> 24);
    }
}

static void shape_make(struct test_rng *rng, struct dray_desc *d, struct dray_shape *s)
{
    uint64_t r = test_next(rng);
    memset(s, 0, sizeof(*s));
    s->version = DRAY_FORMAT_VERSION;
    s->loops = (uint8_t)(1 + r % 4);
    s->element = 1u << (r >> 8) % 5;
    d->length = s->element;
    for (unsigned i = 0; i < s->loops; i++) {
        uint64_t x = test_next(rng);
        s->extent[i] = 1 + x % 12;
        s->src_stride[i] = (int64_t)(x >> 16) % 1024 - 200;
        s->dst_stride[i] = (x >> 60) % 2 ? (int64_t)d->length : (int64_t)(x >> 32) % 1024 - 100;
        if ((x >> 50) % 4 == 0)
            s->src_stride[i] = s->element;
        d->length *= s->extent[i];
    }
}

/* What never ends holds the queue: a wait for what does not come, filling what takes everything.
 * Not too often. */
static void patience(struct producer *p, struct dray_desc *d)
{
    if (test_below(&p->rng, 2000) == 0)
        return;
    if (d->opcode == DRAY_OP_WAIT)
        d->arg.wait.timeout_ns &= 4095;
    if (d->opcode == DRAY_OP_FILL && d->dst_key.value == p->o->arena->key[ARENA_NULL].value)
        d->length &= 0xffff;
}

static void slot_write(struct producer *p, uint32_t index)
{
    struct dray_desc d;
    struct dray_shape *shape = &p->shapes[index & (p->depth - 1)];
    uint64_t kind = test_below(&p->rng, 100);
    if (kind < 20) {
        random_bytes(&p->rng, &d, sizeof(d));
        if (kind < 12) {
            d.version = DRAY_FORMAT_VERSION;
            d.opcode = (uint8_t)(d.opcode % 14);
        }
    } else {
        producer_valid(p->o->arena, &p->rng, &d);
        if (d.opcode == DRAY_OP_STRIDED) {
            struct dray_shape s;
            shape_make(&p->rng, &d, &s);
            if (kind < 30)
                spoil(&p->rng, &s, sizeof(s));
            memcpy(shape, &s, sizeof(s));
        }
        if (kind >= 70)
            spoil(&p->rng, &d, sizeof(d));
        patience(p, &d);
    }
    memcpy(&p->descs[index & (p->depth - 1)], &d, sizeof(d));
}

/* ---- the ring ---- */

static void ring_doorbell(struct producer *p)
{
    uint64_t one = 1;
    if (!p->deaf && __atomic_exchange_n(&p->ring->doorbell_wanted, 0, __ATOMIC_SEQ_CST))
        if (write(p->o->handle.doorbell_fd, &one, sizeof(one)) < 0)
            return;
}

static bool reap(struct producer *p)
{
    bool any = false;
    for (uint32_t n = 0; n < p->completion_depth; n++) {
        struct dray_completion *c = &p->completions[p->seen & (p->completion_depth - 1)];
        uint64_t last =
            __atomic_load_n((uint64_t *)((char *)c + DRAY_COMPLETION_LAST), __ATOMIC_ACQUIRE);
        if ((last & DRAY_RING_PHASE_BIT) != dray_ring_phase(p->seen, p->completion_depth))
            break;
        unsigned status = (unsigned)(last >> 32) & 0xff;
        p->o->report->status[status < 31 ? status : 31]++;
        p->seen++;
        any = true;
    }
    if (any) {
        store(&p->ring->cq_head, p->seen);
        ring_doorbell(p);
    }
    return any;
}

static bool post(struct producer *p)
{
    uint32_t used = p->tail - load(&p->ring->sq_head);
    uint32_t room = used < p->depth ? p->depth - used : 0;
    uint32_t n = 1 + (uint32_t)test_size(&p->rng, BATCH);
    n = n < room ? n : room;
    for (uint32_t i = 0; i < n; i++)
        slot_write(p, p->tail + i);
    p->tail += n;
    store(&p->ring->sq_tail, p->tail);
    ring_doorbell(p);
    p->o->report->written += n;
    /* And what was published is changed under the engine's eyes. */
    if (n && test_below(&p->rng, 4) == 0)
        for (uint64_t i = test_below(&p->rng, n); i; i--)
            slot_write(p, p->tail - 1 - (uint32_t)(i % n));
    return n;
}

/* What a queue survives. */
static void mischief(struct producer *p)
{
    const struct dray_queue_handle *h = &p->o->handle;
    uint64_t many = UINT64_MAX - 1, r = test_next(&p->rng);
    switch (r % 6) {
    case 0:
        store(&p->ring->notify_wanted, 1);
        break;
    case 1:
        store(&p->ring->doorbell_wanted, (uint32_t)(r >> 32));
        break;
    case 2: /* whoever rings from now on hangs; this producer does not */
        p->deaf = p->deaf || write(h->doorbell_fd, &many, sizeof(many)) > 0;
        fcntl(h->doorbell_fd, F_SETFL, p->deaf ? 0 : O_NONBLOCK);
        break;
    case 3: /* and whoever drains what is empty */
        fcntl(h->event_fd, F_SETFL, 0);
        preadv2(h->event_fd, &(struct iovec){ &many, sizeof(many) }, 1, -1, RWF_NOWAIT);
        break;
    case 4:
        store(&p->ring->state, (uint32_t)(r >> 32) % 4);
        break;
    default:
        random_bytes(&p->rng, &p->o->arena->links[(r >> 32) % ARENA_LINK_COUNT], 64);
        break;
    }
}

/* What it does not. */
static void murder(struct producer *p)
{
    uint64_t r = test_next(&p->rng);
    size_t at = r % (p->size - 4096);
    switch ((r >> 40) % 4) {
    case 0:
        store(&p->ring->sq_tail, (uint32_t)(r >> 8));
        break;
    case 1:
        store(&p->ring->cq_head, (uint32_t)(r >> 8));
        break;
    case 2:
        random_bytes(&p->rng, (uint8_t *)p->ring + at / 8 * 8, 4096);
        break;
    default: /* the indices, several times over */
        for (unsigned i = 0; i < 50; i++)
            random_bytes(&p->rng, (uint8_t *)p->ring + 64, 400);
        break;
    }
    ring_doorbell(p);
    p->dying = 20;
}

static bool stands_still(struct producer *p)
{
    uint64_t still_ns = now_ns() - p->moved_ns;
    if (still_ns > STILL_NS) {
        for (unsigned i = 0; i < ARENA_FLAG_COUNT; i++)
            __atomic_store_n(&p->o->arena->flags[i], test_next(&p->rng) >> 60, __ATOMIC_SEQ_CST);
        arena_pipe(p->o->arena, 2048);
    }
    ring_doorbell(p);
    sched_yield();
    return still_ns > GIVE_UP_NS;
}

static bool attach(struct producer *p)
{
    struct stat st;
    if (fstat(p->o->handle.memory_fd, &st))
        return false;
    p->size = (size_t)st.st_size;
    p->ring = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, p->o->handle.memory_fd, 0);
    if (p->ring == MAP_FAILED)
        return false;
    p->depth = p->ring->depth;
    p->completion_depth = p->ring->completion_depth;
    p->descs = (struct dray_desc *)(void *)((char *)p->ring + DRAY_RING_HEADER_SIZE);
    p->completions = (struct dray_completion *)(void *)(p->descs + p->depth);
    p->shapes = (struct dray_shape *)(void *)(p->completions + p->completion_depth);
    return true;
}

void producer_run(const struct producer_options *options)
{
    struct producer p = { .o = options, .rng = { options->seed } };
    if (!attach(&p))
        return;
    p.moved_ns = now_ns();
    uint64_t written = 0;
    while (written < options->count) {
        uint32_t before = p.tail;
        bool reaped = reap(&p), posted = post(&p), any = reaped || posted;
        written += p.tail - before;
        if (any)
            p.moved_ns = now_ns();
        else if (stands_still(&p)) {
            options->report->held++;
            break;
        }
        if (p.dying && --p.dying == 0) {
            options->report->broken++;
            break;
        }
        if (any && test_below(&p.rng, MISCHIEF) == 0)
            mischief(&p);
        if (any && !p.dying && test_below(&p.rng, MURDER) == 0)
            murder(&p);
    }
    munmap(p.ring, p.size);
}
