/*
 * Streams: a buffer between transfers on one side and a world with a rate on the other.
 *
 * The world has no events of its own: what it did since the last look is worked out when somebody
 * looks, in 10^-12 bytes, so that no rate drifts. Transfers wait in their order; the first of them
 * has an event for the moment when the buffer can do all that is left of it, or is full (empty).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

#define AT(member) offsetof(struct sim_stream_params, member)

static const struct sim_param params[] = {
    { "rate", SIM_UNIT_RATE, AT(rate), 1250000000, 0, 1000000000000000, 0, NULL,
      "of the world's side; 0: no limit (10 Gb/s)" },
    { "buffer", SIM_UNIT_BYTES, AT(buffer), 256 << 10, 1, 1 << 30, 0, NULL,
      "between the world and the transfers (assumed)" },
    { "lossy", SIM_UNIT_BOOL, AT(lossy), 0, 0, 1, 0, NULL,
      "what does not fit is lost; no: it waits" },
    { "latency", SIM_UNIT_TIME, AT(latency), 1 * SIM_US, 0, SIM_S, 0, NULL,
      "from the buffer to the transfer's end (assumed)" },
};

const struct sim_part_kind sim_stream_kind = {
    .name = "stream",
    .about = "a source or sink of bytes with a rate",
    .params = params,
    .param_count = sizeof(params) / sizeof(*params),
    .params_size = sizeof(struct sim_stream_params),
};

struct stream {
    struct sim_device device;
    struct sim_kernel *kernel;
    struct sim_stream_params params;
    const uint8_t *source; /* NULL: a sink */
    uint64_t size;         /* of the source; most that a sink keeps */
    uint64_t at;           /* bytes of the source that have left the world; that a sink keeps */
    uint64_t lost;
    uint8_t *kept;   /* sink */
    uint8_t *buffer; /* source: a ring */
    uint64_t head, fill;
    sim_time looked;
    uint64_t rest; /* of a byte that the world has done, in 10^-12 */
    struct sim_transfer *first, *last;
    struct sim_event event;
};

/* Bytes that the world could have moved since the last look. */
static uint64_t world_bytes(struct stream *s)
{
    sim_time now = sim_now(s->kernel), passed = now - s->looked;
    if (s->params.rate == 0)
        return UINT64_MAX;
    unsigned __int128 parts = (unsigned __int128)passed * s->params.rate + s->rest;
    s->looked = now;
    s->rest = (uint64_t)(parts % SIM_S);
    parts /= SIM_S;
    return parts > UINT64_MAX ? UINT64_MAX : (uint64_t)parts;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void put(struct stream *s, uint64_t bytes)
{
    for (uint64_t left = bytes; left;) {
        uint64_t place = (s->head + s->fill) % s->params.buffer;
        uint64_t n = least(left, s->params.buffer - place);
        memcpy(s->buffer + place, s->source + s->at, n);
        s->at += n;
        s->fill += n;
        left -= n;
    }
}

/* A full buffer stops a lossless world: what it could have done since is not done later. */
static void look_at_source(struct stream *s)
{
    uint64_t bytes = least(world_bytes(s), s->size - s->at);
    uint64_t room = s->params.buffer - s->fill, fit = least(bytes, room);
    put(s, fit);
    if (bytes <= room)
        return;
    if (s->params.lossy && s->params.rate) {
        s->at += bytes - fit;
        s->lost += bytes - fit;
    } else {
        s->rest = 0;
    }
}

static void look_at_sink(struct stream *s)
{
    uint64_t bytes = world_bytes(s);
    if (bytes > s->fill)
        s->rest = 0;
    s->fill -= least(bytes, s->fill);
}

/* ---- transfers ---- */

static void answer(struct sim_event *event)
{
    struct sim_transfer *transfer = SIM_OWNER(event, struct sim_transfer, event);
    transfer->done(transfer);
}

static void end_first(struct stream *s)
{
    struct sim_transfer *transfer = s->first;
    s->first = transfer->next;
    if (!s->first)
        s->last = NULL;
    sim_event_init(&transfer->event, answer);
    sim_after(s->kernel, &transfer->event, s->params.latency);
}

/* What the buffer has is given to the first transfer. True: that is at its end. */
static bool give(struct stream *s, struct sim_transfer *t)
{
    while (t->moved < t->size && s->fill) {
        uint64_t n = least(t->size - t->moved, s->params.buffer - s->head);
        n = least(n, s->fill);
        memcpy(t->data + t->moved, s->buffer + s->head, n);
        t->moved += (uint32_t)n;
        s->head = (s->head + n) % s->params.buffer;
        s->fill -= n;
    }
    return t->moved == t->size || s->at == s->size;
}

static bool take(struct stream *s, struct sim_transfer *t)
{
    uint64_t left = t->size - t->moved, fit = least(left, s->params.buffer - s->fill);
    uint64_t keep = least(fit, s->size - s->at);
    memcpy(s->kept + s->at, t->data + t->moved, keep);
    s->at += keep;
    s->fill += keep;
    t->moved += (uint32_t)keep;
    if (keep < fit) {
        t->error = -ENOSPC;
        return true;
    }
    if (s->params.lossy && s->params.rate) {
        s->lost += t->size - t->moved;
        t->moved = t->size;
    }
    return t->moved == t->size;
}

static void look(struct stream *s)
{
    if (s->source)
        look_at_source(s);
    else
        look_at_sink(s);
}

/* When the world will have done so many bytes more; the time of a whole byte is rounded up. */
static sim_time world_time(const struct stream *s, uint64_t bytes)
{
    unsigned __int128 parts = (unsigned __int128)bytes * SIM_S - s->rest;
    return (sim_time)((parts + s->params.rate - 1) / s->params.rate);
}

static void go_on(struct stream *s)
{
    look(s);
    while (s->first && (s->source ? give(s, s->first) : take(s, s->first))) {
        end_first(s);
        if (s->params.rate == 0)
            look(s);
    }
    if (!s->first)
        return;
    if (s->params.rate == 0) { /* the buffer alone was in the way */
        sim_after(s->kernel, &s->event, 0);
        return;
    }
    /* A source's buffer is empty now, a sink's is full. */
    uint64_t left = least(s->first->size - s->first->moved, s->params.buffer);
    if (s->source)
        left = least(left, s->size - s->at);
    sim_after(s->kernel, &s->event, world_time(s, left));
}

static void due(struct sim_event *event)
{
    go_on(SIM_OWNER(event, struct stream, event));
}

static void submit(struct sim_device *device, struct sim_transfer *transfer)
{
    struct stream *s = SIM_OWNER(device, struct stream, device);
    transfer->next = NULL;
    transfer->moved = 0;
    transfer->error = 0;
    if (transfer->write != (s->source == NULL)) {
        transfer->error = -EBADF;
        sim_event_init(&transfer->event, answer);
        sim_after(s->kernel, &transfer->event, s->params.latency);
        return;
    }
    if (s->last)
        s->last->next = transfer;
    else
        s->first = transfer;
    s->last = transfer;
    if (s->first == transfer)
        go_on(s);
}

/* ---- life ---- */

static void destroy(struct sim_device **device)
{
    struct stream *s = SIM_OWNER(*device, struct stream, device);
    sim_cancel(s->kernel, &s->event);
    free(s->kept);
    free(s->buffer);
    free(s);
    *device = NULL;
}

int sim_stream_create(struct sim_device **device, struct sim_kernel *kernel, const char *name,
                      const struct sim_stream_params *given, const void *source, uint64_t size)
{
    struct stream *s = calloc(1, sizeof(*s));
    uint8_t *bytes = calloc(1, source ? given->buffer : size + 1);
    if (!s || !bytes) {
        free(s);
        free(bytes);
        return -ENOMEM;
    }
    s->device =
        (struct sim_device){ .name = name, .stream = true, .submit = submit, .destroy = destroy };
    s->kernel = kernel;
    s->params = *given;
    s->source = source;
    s->size = size;
    s->looked = sim_now(kernel);
    if (source)
        s->buffer = bytes;
    else
        s->kept = bytes;
    sim_event_init(&s->event, due);
    *device = &s->device;
    return 0;
}

const uint8_t *sim_stream_taken(const struct sim_device *device, uint64_t *size)
{
    const struct stream *s = SIM_OWNER(device, const struct stream, device);
    *size = s->at;
    return s->kept;
}

/* Up to the last transfer. */
uint64_t sim_stream_lost(const struct sim_device *device)
{
    return SIM_OWNER(device, const struct stream, device)->lost;
}
