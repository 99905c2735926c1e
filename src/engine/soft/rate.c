/* The rate limit of a queue: a bucket that fills with time and is emptied by bytes. */
#include "dray/io.h"
#include "engine/soft/soft.h"

/* The bucket holds 5 ms of the rate, so that a queue that was idle cannot take the bus for longer
 * than that. */
enum {
    BURST_PER_SECOND = 200,
    SLICE_MIN = 64 << 10
};

static uint64_t rate_of(const struct dray_soft_queue *q)
{
    return __atomic_load_n(&q->port->rate_bytes_per_s, __ATOMIC_RELAXED);
}

static void refill(struct dray_soft_queue *q, uint64_t rate, uint64_t now)
{
    uint64_t burst = rate / BURST_PER_SECOND + 1;
    uint64_t passed = q->refilled_ns ? now - q->refilled_ns : 0;
    if (passed > 1000000000u)
        passed = 1000000000u;
    double tokens = (double)q->tokens + (double)passed * 1e-9 * (double)rate;
    q->tokens = tokens > (double)burst ? (int64_t)burst : (int64_t)tokens;
    q->refilled_ns = now;
}

uint64_t dray_soft_allow(struct dray_soft_queue *q, uint64_t want)
{
    uint64_t rate = rate_of(q);
    if (rate == 0)
        return want;
    uint64_t now = dray_io_clock_ns();
    refill(q, rate, now);
    if (q->tokens <= 0) {
        q->park = DRAY_PARK_RATE;
        q->deadline_ns = now + (uint64_t)((double)(1 - q->tokens) * 1e9 / (double)rate) + 1;
        return 0;
    }
    uint64_t slice = (uint64_t)q->tokens > SLICE_MIN ? (uint64_t)q->tokens : SLICE_MIN;
    return want < slice ? want : slice;
}

/* May overdraw: the debt is waited for before the next slice. */
void dray_soft_charge(struct dray_soft_queue *q, uint64_t bytes)
{
    if (rate_of(q))
        q->tokens -= (int64_t)bytes;
}
