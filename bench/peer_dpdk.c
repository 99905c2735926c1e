/*
 * Peer of the suite `queue`: DPDK's dma_skeleton, a software DMA engine behind the rte_dmadev
 * interface, whose thread copies with rte_memcpy.
 *
 * Fair to it: its thread has a CPU of its own where there are two, is started before a round and
 * kept busy (it naps only after 10,000 empty polls), and the caller submits a batch with one
 * doorbell and reaps in batches, as its documentation advises.
 */
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pause.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    LATENCY_SAMPLES_MAX = 1 << 14,
    WARM_UP_OPS = 2000,
    /* An engine that does not answer is an error, not a hang: some seconds of polling. */
    POLLS_MAX = 1 << 30,
};

/* The one mutable state: EAL exists once in a process, so this module does, too. */
static struct {
    bool eal_up;
    int16_t dev;
    uint16_t chan;
    struct bench_dma_job job;
    uint64_t next; /* operations submitted so far */
    uint64_t samples[LATENCY_SAMPLES_MAX];
} peer;

/*
 * rte_eal_init cannot be called twice, not even after a clean-up, so EAL stays up until the process
 * ends. It binds the calling thread to its first lcore: undone here.
 */
static int start_eal(const struct bench_dma_job *job, char *why, size_t why_size)
{
    char lcores[16], vdev[48];
    char *argv[] = { "dray-bench",
                     "-l",
                     lcores,
                     "--no-huge",
                     "--no-shconf",
                     "--no-pci",
                     "--no-telemetry",
                     "--iova-mode=va",
                     "--log-level=1",
                     "--vdev",
                     vdev,
                     NULL };
    cpu_set_t before;
    int rc;

    if (peer.eal_up)
        return 0;
    snprintf(lcores, sizeof(lcores), "%d", job->submit_cpu < 0 ? sched_getcpu() : job->submit_cpu);
    if (job->worker_cpu < 0)
        snprintf(vdev, sizeof(vdev), "dma_skeleton");
    else
        snprintf(vdev, sizeof(vdev), "dma_skeleton,lcore=%d", job->worker_cpu);
    if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before))
        CPU_ZERO(&before);
    rc = rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv);
    if (CPU_COUNT(&before))
        pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
    if (rc < 0) {
        snprintf(why, why_size, "DPDK's EAL did not start: %s", rte_strerror(rte_errno));
        return -EIO;
    }
    peer.eal_up = true;
    return 0;
}

static int configure(const struct bench_dma_job *job, char *why, size_t why_size)
{
    struct rte_dma_conf conf = { .nb_vchans = 1 };
    struct rte_dma_vchan_conf chan = { .direction = RTE_DMA_DIR_MEM_TO_MEM,
                                       .nb_desc = (uint16_t)job->depth };
    int rc;

    peer.dev = (int16_t)rte_dma_get_dev_id_by_name("dma_skeleton");
    if (peer.dev < 0) {
        snprintf(why, why_size, "DPDK has no dma_skeleton device (its driver is not installed)");
        return -ENODEV;
    }
    rc = rte_dma_configure(peer.dev, &conf);
    if (!rc)
        rc = rte_dma_vchan_setup(peer.dev, peer.chan, &chan);
    if (rc)
        snprintf(why, why_size, "dma_skeleton refused its configuration: %s", strerror(-rc));
    return rc;
}

static int peer_open(const struct bench_dma_job *job, char *why, size_t why_size)
{
    int rc = start_eal(job, why, why_size);

    if (!rc)
        rc = configure(job, why, why_size);
    if (rc)
        return rc;
    peer.job = *job;
    peer.next = 0;
    return 0;
}

static int submit(uint64_t flags)
{
    const struct bench_dma_job *job = &peer.job;
    size_t at = (size_t)(peer.next & (job->slots - 1)) * job->length;
    int rc = rte_dma_copy(peer.dev, peer.chan, (rte_iova_t)(uintptr_t)job->src + at,
                          (rte_iova_t)(uintptr_t)job->dst + at, (uint32_t)job->length, flags);

    if (rc >= 0)
        peer.next++;
    return rc;
}

static int submit_batch(unsigned count)
{
    unsigned i;

    for (i = 1; i < count; i++) {
        if (submit(0) < 0)
            return -EIO;
    }
    return submit(RTE_DMA_OP_FLAG_SUBMIT);
}

/* The ring is kept as full as whole batches allow; every pass reaps whatever is there. */
static double run_batch(uint64_t ops)
{
    const struct bench_dma_job *job = &peer.job;
    uint64_t sent = 0, done = 0, idle = 0;
    double begin = bench_seconds();
    bool failed = false;
    uint16_t last;

    while (done < ops && !failed && idle < POLLS_MAX) {
        uint16_t reaped;

        /* One below the depth: how many the driver's rings hold. */
        while (sent < ops && sent - done + job->batch < job->depth) {
            if (submit_batch(job->batch) < 0)
                return -1;
            sent += job->batch;
        }
        reaped = rte_dma_completed(peer.dev, peer.chan, (uint16_t)job->depth, &last, &failed);
        idle = reaped ? 0 : idle + 1;
        done += reaped;
    }
    return failed || done < ops ? -1 : bench_seconds() - begin;
}

static int copy_one(void)
{
    bool failed = false;
    uint64_t polls = 0;
    uint16_t last;

    if (submit(RTE_DMA_OP_FLAG_SUBMIT) < 0)
        return -EIO;
    while (!rte_dma_completed(peer.dev, peer.chan, 1, &last, &failed)) {
        if (failed || ++polls == POLLS_MAX)
            return -EIO;
        rte_pause();
    }
    return 0;
}

static double run_latency(uint64_t ops)
{
    uint64_t i, begin, samples = ops / BENCH_LATENCY_GROUP;
    int k;

    if (samples > LATENCY_SAMPLES_MAX)
        samples = LATENCY_SAMPLES_MAX;
    for (i = 0; i < samples; i++) {
        begin = bench_ticks();
        for (k = 0; k < BENCH_LATENCY_GROUP; k++) {
            if (copy_one())
                return -1;
        }
        peer.samples[i] = bench_ticks() - begin;
    }
    return bench_median_latency_ns(peer.samples, samples);
}

/* Comes back with the engine's thread awake and polling. */
static int peer_start(void)
{
    int i, rc = rte_dma_start(peer.dev);

    for (i = 0; !rc && i < WARM_UP_OPS; i++)
        rc = copy_one();
    return rc;
}

static void peer_stop(void)
{
    rte_dma_stop(peer.dev);
}

/* The device goes with EAL, which stays; closing it would make a second open() impossible. */
static void peer_close(void)
{
    memset(&peer.job, 0, sizeof(peer.job));
}

extern const struct bench_dma_peer bench_dma_peer;
BENCH_PEER_EXPORT const struct bench_dma_peer bench_dma_peer = {
    .version = BENCH_PEER_VERSION,
    .open = peer_open,
    .start = peer_start,
    .run_batch = run_batch,
    .run_latency = run_latency,
    .stop = peer_stop,
    .close = peer_close,
};
