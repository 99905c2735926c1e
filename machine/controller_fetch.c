/*
 * Fetching: the published tail, descriptors from the ring or from the array of a LINK, the shapes
 * that belong to their slots; and telling the producer how far it has come.
 *
 * One read at a time for each channel, of up to `prefetch` descriptors that lie one behind the other,
 * and of no more than a request holds. So fetching ahead divides the latency of memory by the number
 * of descriptors in a request, and not further.
 */
#include <string.h>

#include "controller_internal.h"

/* ---- reading some bytes ---- */

static void reader_next(struct reader *reader)
{
    struct channel *ch = reader->channel;
    const struct sim_controller *c = ch->controller;
    struct sim_request *request = &reader->request;
    uint64_t most = least(page_left(reader->address), c->params.request);
    request->op = SIM_READ;
    request->address = reader->address;
    request->size = (uint32_t)least(reader->left, most);
    request->data = reader->data;
    request->origin = &reader->origin;
    channel_submit(ch, request);
}

static void reader_end(struct reader *reader, enum sim_status status)
{
    struct channel *ch = reader->channel;
    reader->busy = false;
    if (ch->stopping)
        channel_kick(ch);
    else
        reader->done(ch, reader, status);
}

static void reader_piece(struct sim_request *request)
{
    struct reader *reader = SIM_OWNER(request, struct reader, request);
    channel_returned(reader->channel);
    reader->address += request->size;
    reader->data += request->size;
    reader->left -= request->size;
    if (request->status != SIM_OK || reader->left == 0 || reader->channel->stopping)
        reader_end(reader, request->status);
    else
        reader_next(reader);
}

void reader_start(struct channel *ch, struct reader *reader, uint64_t address, void *data,
                  uint32_t size)
{
    reader->channel = ch;
    reader->request.done = reader_piece;
    reader->address = address;
    reader->data = data;
    reader->left = size;
    reader->busy = true;
    if (controller_reaches(ch->controller, address, size))
        reader_next(reader);
    else
        reader_end(reader, SIM_FAULT);
}

/* ---- the tail ---- */

static uint32_t ring_size(const struct channel *ch)
{
    return (uint32_t)reg_get(ch, SIM_REG_RING_SIZE);
}

/* A tail that goes back, or further than the ring is long, is nobody's. */
static bool tail_is_possible(const struct channel *ch, uint32_t tail)
{
    uint32_t ahead = tail - ch->head;
    return ahead <= ring_size(ch) && ahead >= ch->tail - ch->head;
}

static void tail_read(struct channel *ch, struct reader *reader, enum sim_status status)
{
    (void)reader;
    if (status != SIM_OK) {
        channel_stop(ch, DRAY_STATUS_IO);
        return;
    }
    if (!tail_is_possible(ch, ch->tail_word)) {
        channel_stop(ch, DRAY_STATUS_RANGE);
        return;
    }
    ch->tail_looked = ch->tail == ch->tail_word;
    ch->tail = ch->tail_word;
    if (ch->look_again)
        fetch_look(ch);
    channel_kick(ch);
}

void fetch_look(struct channel *ch)
{
    ch->look_again = ch->tail_reader.busy;
    if (!ch->tail_reader.busy)
        reader_start(ch, &ch->tail_reader, reg_get(ch, SIM_REG_TAIL), &ch->tail_word,
                     sizeof(ch->tail_word));
}

static void look_due(struct sim_event *event)
{
    struct channel *ch = SIM_OWNER(event, struct channel, look);
    if (ch->block)
        block_start(ch);
    else
        fetch_look(ch);
    channel_kick(ch);
}

/* A doorbell that comes before the look does is answered by that look. */
void fetch_doorbell(struct channel *ch)
{
    if (!sim_event_pending(&ch->look))
        sim_after(ch->controller->kernel, &ch->look, ch->controller->params.set_up);
}

/* ---- the head ---- */

static void tell_head(struct channel *ch)
{
    struct sim_request *request = &ch->head_out.request;
    uint64_t address = reg_get(ch, SIM_REG_HEAD);
    if (address == 0 || ch->head_busy || ch->head_told == ch->head)
        return;
    ch->head_busy = true;
    ch->head_told = ch->head;
    request->address = address;
    request->size = sizeof(ch->head_told);
    request->data = (uint8_t *)&ch->head_told;
    channel_post(ch, &ch->head_out);
}

static void head_landed(struct posted *out)
{
    struct channel *ch = SIM_OWNER(out, struct channel, head_out);
    channel_returned(ch);
    ch->head_busy = false;
    if (ch->stopping)
        channel_kick(ch);
    else if (out->request.status != SIM_OK)
        channel_stop(ch, DRAY_STATUS_IO);
    else
        tell_head(ch);
}

/* ---- descriptors ---- */

static struct held *held_at(struct held_ring *held, uint32_t i)
{
    return &held->slot[(held->first + i) % held->size];
}

static bool has_own_shape(const struct held *held)
{
    return held->from_ring && held->desc.opcode == DRAY_OP_STRIDED &&
           held->desc.arg.strided.shape_key.value == 0;
}

static void fetched(struct channel *ch)
{
    uint32_t n = ch->fetching;
    channel_span(ch, "fetch", ch->fetch_begun, n * sizeof(struct dray_desc), &ch->fetcher.origin);
    ch->fetching = 0;
    if (ch->fetching_link) {
        ch->link_held.count += n;
        ch->link_left -= n;
        ch->link_address += n * sizeof(struct dray_desc);
    } else {
        ch->ring_held.count += n;
        ch->head += n;
        tell_head(ch);
    }
    channel_kick(ch);
}

/* A slot belongs to the producer again once its shape is read too. */
static void fetch_shapes(struct channel *ch)
{
    struct held_ring *held = ch->fetching_link ? &ch->link_held : &ch->ring_held;
    for (; ch->arriving < ch->fetching; ch->arriving++) {
        struct held *h = held_at(held, held->count + ch->arriving);
        if (!has_own_shape(h))
            continue;
        uint32_t slot = (ch->head + ch->arriving) & (ring_size(ch) - 1);
        ch->stats.fetch_reads++;
        ch->stats.fetch_bytes += sizeof(h->shape);
        reader_start(ch, &ch->shaper, reg_get(ch, SIM_REG_SHAPES) + slot * sizeof(h->shape),
                     &h->shape, sizeof(h->shape));
        return;
    }
    fetched(ch);
}

static void shape_fetched(struct channel *ch, struct reader *reader, enum sim_status status)
{
    (void)reader;
    if (status != SIM_OK) {
        channel_stop(ch, DRAY_STATUS_IO);
        return;
    }
    ch->arriving++;
    fetch_shapes(ch);
}

/* The ring's owner gave a place that cannot be read: the channel halts. An array that cannot be read
 * is the LINK's: its transaction fails, and the ring goes on. */
static void fetch_refused(struct channel *ch)
{
    if (!ch->fetching_link) {
        channel_stop(ch, DRAY_STATUS_IO);
        return;
    }
    *held_at(&ch->link_held, ch->link_held.count) = (struct held){ .faulted = true };
    ch->link_left = ch->fetching = 1;
    fetched(ch);
}

static void descriptors_fetched(struct channel *ch, struct reader *reader, enum sim_status status)
{
    struct held_ring *held = ch->fetching_link ? &ch->link_held : &ch->ring_held;
    (void)reader;
    if (status != SIM_OK) {
        fetch_refused(ch);
        return;
    }
    for (uint32_t i = 0; i < ch->fetching; i++) {
        struct held *h = held_at(held, held->count + i);
        memcpy(&h->desc, ch->fetch_data + i * sizeof(h->desc), sizeof(h->desc));
        h->from_ring = !ch->fetching_link;
        h->faulted = false;
    }
    ch->arriving = 0;
    fetch_shapes(ch);
}

/* Where the next descriptors lie, and how many of them in one piece; 0: none are known. */
static uint32_t next_place(const struct channel *ch, uint64_t *address)
{
    uint64_t count = ch->tail - ch->head;
    *address = ch->link_address;
    if (ch->link_left) {
        count = ch->link_left;
    } else {
        uint32_t slot = ch->head & (ring_size(ch) - 1);
        *address = reg_get(ch, SIM_REG_RING) + slot * sizeof(struct dray_desc);
        count = least(count, ring_size(ch) - slot);
    }
    uint64_t in_page = page_left(*address) / sizeof(struct dray_desc);
    return (uint32_t)least(count, in_page ? in_page : 1);
}

/* A list says where the next is only when this one is there, and is looked at when this is through. */
static bool list_waits(const struct channel *ch)
{
    return ch->controller->params.linked &&
           (ch->link_held.count || ch->ring_held.count || ch->front != FRONT_FREE || ch->issuing);
}

void fetch_go(struct channel *ch)
{
    const struct sim_controller_params *params = &ch->controller->params;
    struct held_ring *held = ch->link_left ? &ch->link_held : &ch->ring_held;
    uint64_t address;
    if (ch->fetching || list_waits(ch))
        return;
    uint64_t n = least(next_place(ch, &address), params->linked ? 1 : params->prefetch);
    n = least(n, params->request / sizeof(struct dray_desc));
    if (n == 0 || held->size - held->count < n)
        return;
    ch->fetching = (uint32_t)n;
    ch->fetching_link = ch->link_left != 0;
    ch->tail_looked = false;
    ch->fetcher.origin.number = ch->head;
    ch->fetch_begun = sim_now(ch->controller->kernel);
    ch->stats.fetch_reads++;
    ch->stats.fetch_bytes += n * sizeof(struct dray_desc);
    reader_start(ch, &ch->fetcher, address, ch->fetch_data, (uint32_t)n * sizeof(struct dray_desc));
}

struct held *fetch_next(struct channel *ch)
{
    if (ch->link_held.count)
        return held_at(&ch->link_held, 0);
    if (ch->link_left || ch->ring_held.count == 0)
        return NULL;
    return held_at(&ch->ring_held, 0);
}

void fetch_take(struct channel *ch)
{
    struct held_ring *held = ch->link_held.count ? &ch->link_held : &ch->ring_held;
    ch->now = *held_at(held, 0);
    held->first = (held->first + 1) % held->size;
    held->count--;
    ch->tail_looked = false;
    if (ch->now.from_ring)
        ch->link_hops = 0;
}

bool fetch_empty(const struct channel *ch)
{
    return ch->fetching == 0 && ch->link_left == 0 && ch->link_held.count == 0 &&
           ch->ring_held.count == 0 && ch->head == ch->tail;
}

void fetch_reset(struct channel *ch)
{
    ch->head = ch->tail = ch->head_told = 0;
    ch->tail_looked = ch->look_again = false;
    ch->fetching = ch->arriving = 0;
    ch->ring_held.first = ch->ring_held.count = 0;
    ch->link_held.first = ch->link_held.count = 0;
    ch->link_left = ch->link_hops = 0;
    sim_cancel(ch->controller->kernel, &ch->look);
}

void fetch_init(struct channel *ch)
{
    sim_event_init(&ch->look, look_due);
    ch->tail_reader.done = tail_read;
    ch->tail_reader.origin.what = "tail";
    ch->tail_reader.origin.part = ch->name;
    ch->fetcher.done = descriptors_fetched;
    ch->fetcher.origin.what = "fetch";
    ch->fetcher.origin.part = ch->name;
    ch->shaper.done = shape_fetched;
    ch->shaper.origin.what = "shape";
    ch->shaper.origin.part = ch->name;
    ch->head_out.landed = head_landed;
    ch->head_origin.what = "head";
    ch->head_origin.part = ch->name;
    ch->head_out.request.origin = &ch->head_origin;
}
