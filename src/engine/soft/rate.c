/* The rate limit of a queue: a bucket that fills with time and is emptied by bytes. */
#include "dray/io.h"
#include "engine/soft/soft.h"

/* The bucket holds 5 ms of the rate, so that a queue that was idle cannot take the bus for longer
 * than that. LOOK: how soon a parked queue sees that its rate was changed. */
enum {
    BURST_PER_SECOND = 200,
    SLICE_MIN = 64 << 10,
    LOOK_NS = 10000000,
    SECOND_NS = 1000000000
};

static uint64_t rate_of(const struct dray_soft_queue *q)
{
    return __atomic_load_n(&q->port->rate_bytes_per_s, __ATOMIC_RELAXED);
}

/* Called as often as a worker polls, when less than a byte has been earned since the last time: the
 * fraction is kept. */
static void refill(struct dray_soft_queue *q, uint64_t rate, uint64_t now)
{
    int64_t burst = (int64_t)(rate / BURST_PER_SECOND + 1);
    uint64_t passed = q->refilled_ns ? now - q->refilled_ns : 0;
    if (passed > SECOND_NS)
        passed = SECOND_NS;
    unsigned __int128 earned = (unsigned __int128)passed * rate + q->earned_rest;
    __int128 tokens = q->tokens + (__int128)(earned / SECOND_NS);
    q->earned_rest = (uint32_t)(earned % SECOND_NS);
    q->tokens = tokens > burst ? burst : (int64_t)tokens;
    q->refilled_ns = now;
}

static uint64_t until_earned(const struct dray_soft_queue *q, uint64_t rate)
{
    unsigned __int128 ns = (unsigned __int128)(uint64_t)(1 - q->tokens) * SECOND_NS / rate + 1;
    return ns < LOOK_NS ? (uint64_t)ns : LOOK_NS;
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
        q->deadline_ns = now + until_earned(q, rate);
        return 0;
    }
    uint64_t slice = (uint64_t)q->tokens > SLICE_MIN ? (uint64_t)q->tokens : SLICE_MIN;
    return want < slice ? want : slice;
}

/* May overdraw: the debt is waited for before the next slice. */
void dray_soft_charge(struct dray_soft_queue *q, uint64_t bytes)
{
    q->spent += bytes;
    if (rate_of(q))
        q->tokens -= (int64_t)bytes;
}
