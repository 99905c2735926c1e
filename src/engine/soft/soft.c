/* Opening, attaching, counting: the control side of the software controller. */
#include "engine/soft/soft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dray/profile.h"

static struct dray_soft *soft_of(const struct dray_engine *engine)
{
    return (struct dray_soft *)engine;
}

/* Pieces of a batch are no longer than a slice: more means never. (It is multiplied by their number.) */
static struct dray_copy_policy policy_of(const struct dray_profile *profile)
{
    uint64_t batch = profile->batch_stream_min;
    return (struct dray_copy_policy){
        .stream_min = profile->stream_min,
        .batch_stream_min = batch <= DRAY_SLICE ? batch : DRAY_SLICE + 1,
        .transpose_stream_min = profile->transpose_stream_min,
    };
}

int dray_soft_open(struct dray_engine **engine, struct dray_domain *domain,
                   const struct dray_engine_options *options, const struct dray_kernels *kernels,
                   enum dray_mode mode)
{
    (void)domain;
    struct dray_soft *soft = aligned_alloc(_Alignof(struct dray_soft), sizeof(*soft));
    if (!soft)
        return -ENOMEM;
    memset(soft, 0, sizeof(*soft));
    struct dray_profile profile;
    dray_profile_load(&profile);
    soft->kernels = kernels;
    soft->policy = policy_of(&profile);
    soft->mode = mode;
    soft->spin_ns = options->spin_ns ? options->spin_ns : 50000;
    soft->wake_ns = (uint64_t)profile.wake_ns;
    soft->split_min = options->split_min ? options->split_min : profile.split_min;
    soft->engine.domain = domain;
    pthread_mutex_init(&soft->lock, NULL);
    pthread_mutex_init(&soft->split.lock, NULL);
    int error = mode == DRAY_MODE_INLINE ? 0 : dray_workers_start(soft, options);
    if (error) {
        pthread_mutex_destroy(&soft->split.lock);
        pthread_mutex_destroy(&soft->lock);
        free(soft);
        return error;
    }
    *engine = &soft->engine;
    return 0;
}

void dray_soft_close(struct dray_engine *engine)
{
    struct dray_soft *soft = soft_of(engine);
    if (soft->worker_count)
        dray_workers_stop(soft);
    pthread_mutex_destroy(&soft->split.lock);
    pthread_mutex_destroy(&soft->lock);
    free(soft->queues);
    free(soft);
}

/* The list of queues is for stats alone; workers keep their own. */
static int list_add(struct dray_soft *soft, struct dray_soft_queue *q)
{
    if (soft->queue_count == soft->queue_room) {
        size_t room = soft->queue_room ? 2 * soft->queue_room : 8;
        struct dray_soft_queue **queues = realloc(soft->queues, room * sizeof(*queues));
        if (!queues)
            return -ENOMEM;
        soft->queues = queues;
        soft->queue_room = room;
    }
    soft->queues[soft->queue_count++] = q;
    return 0;
}

static void list_remove(struct dray_soft *soft, struct dray_soft_queue *q)
{
    for (size_t i = 0; i < soft->queue_count; i++)
        if (soft->queues[i] == q) {
            soft->queues[i] = soft->queues[--soft->queue_count];
            return;
        }
}

static struct dray_soft_queue *queue_new(struct dray_soft *soft, struct dray_port *port,
                                         uint32_t number)
{
    struct dray_soft_queue *q = aligned_alloc(_Alignof(struct dray_soft_queue), sizeof(*q));
    if (!q)
        return NULL;
    memset(q, 0, sizeof(*q));
    q->bounce = mmap(NULL, 2 * DRAY_BOUNCE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (q->bounce == MAP_FAILED) {
        free(q);
        return NULL;
    }
    q->soft = soft;
    q->port = port;
    q->table = dray_domain_table(soft->engine.domain);
    q->number = number;
    q->doorbell_fd = -1;
    q->deadline_ns = UINT64_MAX;
    q->moderate_ns = UINT64_MAX;
    return q;
}

static void queue_free(struct dray_soft_queue *q)
{
    munmap(q->bounce, 2 * DRAY_BOUNCE_SIZE);
    free(q);
}

int dray_soft_attach(struct dray_engine *engine, struct dray_port *port, uint32_t number,
                     struct dray_binding *binding)
{
    struct dray_soft *soft = soft_of(engine);
    struct dray_soft_queue *q = queue_new(soft, port, number);
    if (!q)
        return -ENOMEM;
    port->engine_data = q;
    pthread_mutex_lock(&soft->lock);
    int error = list_add(soft, q);
    if (!error) {
        dray_reader_register(engine->domain, &q->reader);
        *binding = (struct dray_binding){ .doorbell_fd = -1 };
        if (soft->mode != DRAY_MODE_WORKER)
            binding->service = dray_soft_service_port;
        binding->service_on_doorbell = soft->mode == DRAY_MODE_INLINE;
        if (soft->mode != DRAY_MODE_INLINE)
            error = dray_workers_add(soft, q);
        binding->doorbell_fd = q->doorbell_fd;
        if (error) {
            dray_reader_unregister(engine->domain, &q->reader);
            list_remove(soft, q);
        }
    }
    pthread_mutex_unlock(&soft->lock);
    if (error)
        queue_free(q);
    return error;
}

static void retire(struct dray_counters *retired, const struct dray_counters *counters)
{
    dray_count(&retired->transactions, counters->transactions);
    dray_count(&retired->descriptors, counters->descriptors);
    dray_count(&retired->moved, counters->moved);
    dray_count(&retired->cpu_bytes, counters->cpu_bytes);
}

void dray_soft_detach(struct dray_engine *engine, struct dray_port *port)
{
    struct dray_soft *soft = soft_of(engine);
    struct dray_soft_queue *q = port->engine_data;
    pthread_mutex_lock(&soft->lock);
    if (soft->mode != DRAY_MODE_INLINE)
        dray_workers_remove(q);
    dray_reader_unregister(engine->domain, &q->reader);
    list_remove(soft, q);
    retire(&soft->retired, &q->counters);
    pthread_mutex_unlock(&soft->lock);
    queue_free(q);
}

static void add_stats(struct dray_engine_stats *stats, const struct dray_counters *counters)
{
    stats->transactions += atomic_load_explicit(&counters->transactions, memory_order_relaxed);
    stats->descriptors += atomic_load_explicit(&counters->descriptors, memory_order_relaxed);
    stats->moved_bytes += atomic_load_explicit(&counters->moved, memory_order_relaxed);
    stats->cpu_bytes += atomic_load_explicit(&counters->cpu_bytes, memory_order_relaxed);
}

void dray_soft_stats(const struct dray_engine *engine, struct dray_engine_stats *stats)
{
    struct dray_soft *soft = soft_of(engine);
    *stats = (struct dray_engine_stats){
        .sleeps = atomic_load_explicit(&soft->sleeps, memory_order_relaxed),
        .wakes = atomic_load_explicit(&soft->wakes, memory_order_relaxed),
        .splits = atomic_load_explicit(&soft->splits, memory_order_relaxed),
        .helped = atomic_load_explicit(&soft->helped, memory_order_relaxed),
    };
    pthread_mutex_lock(&soft->lock);
    add_stats(stats, &soft->retired);
    for (size_t i = 0; i < soft->queue_count; i++)
        add_stats(stats, &soft->queues[i]->counters);
    pthread_mutex_unlock(&soft->lock);
}

void dray_soft_capabilities(const struct dray_engine *engine, struct dray_capabilities *caps)
{
    const struct dray_soft *soft = soft_of(engine);
    *caps = (struct dray_capabilities){
        .name = engine->driver->name,
        .summary = engine->driver->summary,
        .opcodes = 1u << DRAY_OP_NOP | 1u << DRAY_OP_COPY | 1u << DRAY_OP_STRIDED |
                   1u << DRAY_OP_FILL | 1u << DRAY_OP_COMPARE | 1u << DRAY_OP_CRC32C |
                   1u << DRAY_OP_FENCE | 1u << DRAY_OP_SIGNAL | 1u << DRAY_OP_WAIT |
                   1u << DRAY_OP_LINK,
        .limits = { .segment_max = DRAY_LENGTH_MAX,
                    .segments_max = DRAY_CHAIN_MAX,
                    .alignment = 1,
                    .address_bits = 64 },
        .coherent = true,
        .moves = true,
        .workers = soft->worker_count,
        .mode = soft->mode,
        .kernels = soft->kernels->name,
    };
}

bool dray_soft_can_copy(const struct dray_engine *engine, enum dray_region_kind dst,
                        enum dray_region_kind src)
{
    (void)engine;
    return dray_soft_copies(dst, src);
}
