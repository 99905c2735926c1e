/* Chunks: pieces of a job on their way through memory and devices. */
#include <errno.h>
#include <string.h>

#include "controller_internal.h"

/* ---- cutting ---- */

/* Bytes from `address` to the end of the request that it lies in. */
static uint64_t request_left(const struct sim_controller *c, uint64_t address)
{
    return c->params.request - (address & (c->params.request - 1));
}

/* Of a device as much as a page at a time; of memory a request, and no page is crossed. */
static uint64_t side_most(const struct side *side, uint64_t at)
{
    return side->stream ? PAGE : page_left(at);
}

static uint64_t forward_size(const struct job *job, uint64_t src, uint64_t dst, uint64_t left)
{
    const struct sim_controller *c = job->channel->controller;
    bool has_src = job->opcode != DRAY_OP_FILL, has_dst = job->opcode != DRAY_OP_CRC32C;
    bool device = job->src.device || job->dst.device;
    uint64_t n = least(left, device ? PAGE : c->params.request);
    if (has_src)
        n = least(n, side_most(&job->src, src));
    if (has_dst)
        n = least(n, side_most(&job->dst, dst));
    if (device)
        return n;
    return least(n, request_left(c, has_src ? src : dst));
}

/* Likewise from the end: `src` and `dst` are where what is left ends. */
static uint64_t backward_size(const struct job *job, uint64_t src, uint64_t dst, uint64_t left)
{
    uint64_t request = job->channel->controller->params.request;
    uint64_t n = least(left, ((src - 1) & (request - 1)) + 1);
    return least(n, ((dst - 1) & (PAGE - 1)) + 1);
}

static uint64_t job_at(const struct side *side, uint64_t offset)
{
    return side->address + offset;
}

static void cut_range(struct job *job, struct chunk *chunk)
{
    uint64_t left = job->length - job->issued, at = job->issued;
    if (job->opcode == DRAY_OP_STRIDED) {
        struct nest *nest = &job->nest;
        chunk->src = nest->src + nest->within;
        chunk->dst = nest->dst + nest->within;
        chunk->size =
            (uint32_t)forward_size(job, chunk->src, chunk->dst, nest->element - nest->within);
        nest_advance(nest, chunk->size);
        return;
    }
    if (job->backward) {
        chunk->size =
            (uint32_t)backward_size(job, job_at(&job->src, left), job_at(&job->dst, left), left);
        at = left - chunk->size;
    } else {
        chunk->size =
            (uint32_t)forward_size(job, job_at(&job->src, at), job_at(&job->dst, at), left);
    }
    chunk->src = job_at(&job->src, at);
    chunk->dst = job_at(&job->dst, at);
}

static void order_last(struct job *job, struct chunk *chunk)
{
    chunk->next = NULL;
    if (job->last)
        job->last->next = chunk;
    else
        job->first = chunk;
    job->last = chunk;
}

struct chunk *chunk_cut(struct job *job)
{
    struct sim_controller *c = job->channel->controller;
    bool device = job->src.device || job->dst.device;
    struct chunk **pool = device ? &job->channel->free_device_chunks : &c->free_chunks;
    struct chunk *chunk = *pool;
    bool reads = job->opcode != DRAY_OP_FILL && !job->src.device;
    if (!chunk || (reads && c->reads >= c->params.reads))
        return NULL;
    *pool = chunk->next;
    chunk->job = job;
    chunk->reading = reads;
    chunk->second = chunk->arrived = false;
    chunk->status = DRAY_STATUS_OK;
    c->reads += reads;
    cut_range(job, chunk);
    job->issued += chunk->size;
    job->chunks++;
    if (job->ordered)
        order_last(job, chunk);
    return chunk;
}

void chunk_give(struct chunk *chunk)
{
    struct channel *ch = chunk->job->channel;
    struct chunk **pool = chunk->of_device ? &ch->free_device_chunks : &ch->controller->free_chunks;
    chunk->next = *pool;
    *pool = chunk;
}

/* ---- on their way ---- */

static void read_over(struct chunk *chunk)
{
    struct sim_controller *c = chunk->job->channel->controller;
    if (chunk->reading)
        c->reads--;
    chunk->reading = false;
}

static void chunk_end(struct chunk *chunk)
{
    struct job *job = chunk->job;
    struct sim_controller *c = job->channel->controller;
    read_over(chunk);
    job->chunks--;
    chunk_give(chunk);
    job_settle(job);
    engine_kick(c);
}

static void chunk_fail(struct chunk *chunk, enum dray_status status, enum dray_access access,
                       uint64_t result)
{
    job_fail(chunk->job, &(struct outcome){ status, access, result });
}

/* What a device's answer means: `fewer` is what its end is called on this side. */
static enum dray_status device_status(const struct sim_transfer *transfer, enum dray_status fewer)
{
    switch (transfer->error) {
    case 0:
        return transfer->moved < transfer->size ? fewer : DRAY_STATUS_OK;
    case -ENOSPC:
        return DRAY_STATUS_FULL;
    case -EPIPE:
        return DRAY_STATUS_CLOSED;
    default:
        return DRAY_STATUS_IO;
    }
}

static uint64_t device_result(const struct sim_transfer *transfer, enum dray_status status)
{
    return status == DRAY_STATUS_END ? 0 : (uint64_t)-transfer->error;
}

static void access_device(struct chunk *chunk, const struct side *side, uint64_t at, bool write)
{
    struct sim_transfer *transfer = &chunk->transfer;
    transfer->offset = side->stream ? 0 : at;
    transfer->size = chunk->size;
    transfer->data = chunk->data + (chunk->second ? PAGE : 0);
    transfer->write = write;
    transfer->moved = 0;
    transfer->error = 0;
    chunk->job->channel->outstanding++;
    side->device->submit(side->device, transfer);
}

static void access_memory(struct chunk *chunk, const struct side *side, uint64_t at, bool write)
{
    struct channel *ch = chunk->job->channel;
    struct sim_request *request = &chunk->out.request;
    uint32_t half = chunk->of_device ? PAGE : (uint32_t)ch->controller->params.request;
    chunk->origin.number = chunk->job->number;
    chunk->origin.part = ch->name;
    chunk->origin.key = side->key;
    request->address = at;
    request->size = chunk->size;
    request->data = chunk->data + (chunk->second ? half : 0);
    if (write) {
        ch->stats.write_bytes += chunk->size;
        channel_post(ch, &chunk->out);
    } else {
        ch->stats.read_bytes += chunk->size;
        request->op = SIM_READ;
        channel_submit(ch, request);
    }
}

static void read_arrived(struct sim_request *request);

static void start_read(struct chunk *chunk)
{
    const struct job *job = chunk->job;
    const struct side *side = chunk->second ? &job->dst : &job->src;
    uint64_t at = chunk->second ? chunk->dst : chunk->src;
    if (side->device) {
        access_device(chunk, side, at, false);
    } else {
        chunk->out.request.granted = NULL;
        chunk->out.request.done = read_arrived;
        access_memory(chunk, side, at, false);
    }
}

static void start_write(struct chunk *chunk)
{
    const struct side *side = &chunk->job->dst;
    if (side->device)
        access_device(chunk, side, chunk->dst, true);
    else
        access_memory(chunk, side, chunk->dst, true);
}

static void fill_data(struct chunk *chunk)
{
    const struct job *job = chunk->job;
    uint64_t at = chunk->dst - job->dst.address;
    for (uint32_t i = 0; i < chunk->size; i++)
        chunk->data[i] = job->pattern[(at + i) % job->pattern_size];
}

static void compare_data(struct chunk *chunk)
{
    struct job *job = chunk->job;
    uint32_t half = chunk->of_device ? PAGE : (uint32_t)job->channel->controller->params.request;
    uint32_t i = 0;
    while (i < chunk->size && chunk->data[i] == chunk->data[half + i])
        i++;
    if (i == chunk->size)
        return;
    job->equal = least(job->equal, chunk->src - job->src.address + i);
    job_cut(job);
}

/* All that a chunk reads is there. */
static void use_data(struct chunk *chunk)
{
    struct job *job = chunk->job;
    const struct sim_controller *c = job->channel->controller;
    bool copies = job->opcode != DRAY_OP_CRC32C && !job->sum_first;
    if (job->sums)
        job->txn->crc = crc32c(c->crc_table, job->txn->crc, chunk->data, chunk->size);
    if (chunk->status != DRAY_STATUS_OK)
        chunk_fail(chunk, chunk->status, DRAY_ACCESS_READ, chunk->result);
    if (copies && chunk->size)
        start_write(chunk);
    else
        chunk_end(chunk);
}

/* Those behind one that failed are not used. The job counts one more meanwhile, lest it end here. */
static void use_in_order(struct job *job)
{
    job->chunks++;
    while (job->first && job->first->arrived) {
        struct chunk *chunk = job->first;
        job->first = chunk->next;
        if (!job->first)
            job->last = NULL;
        if (job->failed)
            chunk_end(chunk);
        else
            use_data(chunk);
    }
    job->chunks--;
    job_settle(job);
}

static void chunk_arrived(struct chunk *chunk)
{
    struct job *job = chunk->job;
    struct sim_controller *c = job->channel->controller;
    bool compares = job->opcode == DRAY_OP_COMPARE;
    if (compares && !chunk->second && chunk->status == DRAY_STATUS_OK) {
        chunk->second = true;
        start_read(chunk);
        return;
    }
    read_over(chunk);
    chunk->arrived = true;
    if (compares) {
        if (chunk->status == DRAY_STATUS_OK)
            compare_data(chunk);
        else
            chunk_fail(chunk, chunk->status, DRAY_ACCESS_READ, chunk->result);
        chunk_end(chunk);
    } else if (job->ordered) {
        use_in_order(job);
        engine_kick(c);
    } else {
        use_data(chunk);
        engine_kick(c);
    }
}

static void read_arrived(struct sim_request *request)
{
    struct chunk *chunk = SIM_OWNER(request, struct chunk, out.request);
    channel_returned(chunk->job->channel);
    if (request->status != SIM_OK) {
        chunk->status = DRAY_STATUS_IO;
        chunk->result = FAULT_ERRNO;
        chunk->size = 0;
    }
    chunk_arrived(chunk);
}

static void chunk_written(struct chunk *chunk, uint32_t moved)
{
    struct job *job = chunk->job;
    job->moved += moved;
    job->txn->moved += moved;
    job->channel->stats.moved += moved;
    chunk_end(chunk);
}

static void write_landed(struct posted *out)
{
    struct chunk *chunk = SIM_OWNER(out, struct chunk, out);
    bool ok = out->request.status == SIM_OK;
    channel_returned(chunk->job->channel);
    if (!ok)
        chunk_fail(chunk, DRAY_STATUS_IO, DRAY_ACCESS_WRITE, FAULT_ERRNO);
    chunk_written(chunk, ok ? chunk->size : 0);
}

static void transfer_done(struct sim_transfer *transfer)
{
    struct chunk *chunk = SIM_OWNER(transfer, struct chunk, transfer);
    enum dray_status status =
        device_status(transfer, transfer->write ? DRAY_STATUS_FULL : DRAY_STATUS_END);
    channel_returned(chunk->job->channel);
    if (transfer->write) {
        if (status != DRAY_STATUS_OK)
            chunk_fail(chunk, status, DRAY_ACCESS_WRITE, device_result(transfer, status));
        chunk_written(chunk, transfer->moved);
        return;
    }
    chunk->status = status;
    chunk->result = device_result(transfer, status);
    chunk->size = transfer->moved;
    chunk_arrived(chunk);
}

void chunk_start(struct chunk *chunk)
{
    struct job *job = chunk->job;
    if (job->failed) {
        chunk->size = 0;
        chunk->arrived = true;
        if (job->ordered)
            use_in_order(job);
        else
            chunk_end(chunk);
    } else if (job->opcode == DRAY_OP_FILL) {
        fill_data(chunk);
        chunk->arrived = true;
        if (job->ordered)
            use_in_order(job);
        else
            start_write(chunk);
    } else {
        start_read(chunk);
    }
}

void chunk_init(struct chunk *chunk, uint8_t *data, bool of_device)
{
    chunk->data = data;
    chunk->of_device = of_device;
    chunk->origin.what = "descriptor";
    chunk->out.landed = write_landed;
    chunk->out.request.origin = &chunk->origin;
    chunk->transfer.done = transfer_done;
    chunk->transfer.owner = chunk;
}
