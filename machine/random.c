/* Integers alone, so that every computer and compiler gives the same numbers. */
#include "kernel_state.h"

/* splitmix64: spreads a small seed over the state, which must not be all zero. */
static uint64_t spread(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void sim_random_seed(struct sim_kernel *kernel, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        kernel->random[i] = spread(&seed);
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

/* xoshiro256** (Blackman and Vigna). */
uint64_t sim_random(struct sim_kernel *kernel)
{
    uint64_t *s = kernel->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The upper half of a product with 2^64 equally likely factors; the few factors that would favour
 * some results are thrown away (Lemire). */
uint64_t sim_random_below(struct sim_kernel *kernel, uint64_t bound)
{
    unsigned __int128 product = (unsigned __int128)sim_random(kernel) * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = -bound % bound; /* 2^64 modulo bound */
        while ((uint64_t)product < unfair)
            product = (unsigned __int128)sim_random(kernel) * bound;
    }
    return product >> 64;
}

/* Von Neumann's way, which compares and never takes a logarithm. Draw u1, then as long as they fall
 * u2, u3, ...: a falling run of length n or more has probability x^(n-1)/(n-1)! given u1 = x, so
 * its length is odd with probability e^-x. Then u1 is the part below one mean; if it is even, one
 * more whole mean passes and the draw begins again, which happens with probability 1/e. */
sim_time sim_random_exponential(struct sim_kernel *kernel, sim_time mean)
{
    for (uint64_t whole = 0;; whole++) {
        uint64_t first = sim_random(kernel), last = first;
        unsigned length = 1;
        for (uint64_t u; (u = sim_random(kernel)) < last; last = u)
            length++;
        if (length % 2 == 0)
            continue;
        unsigned __int128 part = (unsigned __int128)mean * first + ((uint64_t)1 << 63);
        unsigned __int128 time = (unsigned __int128)mean * whole + (uint64_t)(part >> 64);
        return time < SIM_NEVER ? (sim_time)time : SIM_NEVER - 1;
    }
}
