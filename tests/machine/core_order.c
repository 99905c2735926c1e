/*
 * Litmus tests: which outcomes of small programs occur on TSO and on weak cores, and which never.
 *
 * Each shape runs in many rounds, each on lines of its own, from seeds; cores begin a round at nearly
 * the same time and with lines that they hold or not, as chance has it. x and y are 0 before.
 */
#include "computer.h"

#include <stdio.h>

#include "statistics.h"

enum shape {
    SB,      /* x=1; r0=y      | y=1; r1=x                        relaxed: 0, 0 */
    MP,      /* x=1; y=1       | r0=y; r1=x                       relaxed: 1, 0 */
    LB,      /* r0=x; y=1      | r1=y; x=1                        relaxed: 1, 1 */
    CORR,    /* x=1            | r0=x; r1=x                       1, 0: never on any machine */
    COWW,    /* x=1; x=2       | r0=x; r1=x                       2, 1: likewise */
    TWO_TWO, /* x=1; y=2       | y=1; x=2                         in the end 1, 1 */
    WRC,     /* x=1 | r0=x; y=1 | r1=y; r2=x                      1, 1, 0 */
    IRIW,    /* x=1 | y=1 | r0=x; r1=y | r2=y; r3=x               1, 0, 1, 0 */
    OWN,     /* x=1; r0=y; r1=x | x=2; y=1                     1, 1, and x is 2 in the end */
};

/* What stands between the two accesses of each core, or in place of them. */
enum between {
    NOTHING,
    STORE_BARRIER,
    LOAD_BARRIER,
    FULL_BARRIER,
    PUBLISH, /* the second access is a release store */
    OBSERVE, /* the first access is an acquire load */
    SWAP,    /* the first store is an exchange */
};

enum seen {
    NEVER,
    SOMETIMES,
    PERHAPS, /* allowed; whether it occurs says nothing */
};

struct litmus {
    enum shape shape;
    enum between first, second; /* of the writing core, and of the reading one or ones */
    enum seen tso, weak;
};

static const struct litmus all_litmus[] = {
    { SB, NOTHING, NOTHING, SOMETIMES, SOMETIMES },
    { SB, STORE_BARRIER, STORE_BARRIER, SOMETIMES, SOMETIMES },
    { SB, LOAD_BARRIER, LOAD_BARRIER, SOMETIMES, SOMETIMES },
    { SB, FULL_BARRIER, FULL_BARRIER, NEVER, NEVER },
    { SB, SWAP, SWAP, NEVER, NEVER },
    { SB, SWAP, FULL_BARRIER, NEVER, NEVER },
    { MP, NOTHING, NOTHING, NEVER, SOMETIMES },
    { MP, STORE_BARRIER, NOTHING, NEVER, SOMETIMES },
    { MP, NOTHING, LOAD_BARRIER, NEVER, SOMETIMES },
    { MP, PUBLISH, NOTHING, NEVER, SOMETIMES },
    { MP, NOTHING, OBSERVE, NEVER, SOMETIMES },
    { MP, STORE_BARRIER, STORE_BARRIER, NEVER, SOMETIMES },
    { MP, LOAD_BARRIER, LOAD_BARRIER, NEVER, SOMETIMES },
    { MP, STORE_BARRIER, LOAD_BARRIER, NEVER, NEVER },
    { MP, FULL_BARRIER, FULL_BARRIER, NEVER, NEVER },
    { MP, PUBLISH, OBSERVE, NEVER, NEVER },
    { MP, PUBLISH, LOAD_BARRIER, NEVER, NEVER },
    { MP, SWAP, OBSERVE, NEVER, NEVER },
    /* Weak machines may; this one executes a store after the loads before it. */
    { LB, NOTHING, NOTHING, NEVER, NEVER },
    { CORR, NOTHING, NOTHING, NEVER, NEVER },
    { COWW, NOTHING, NOTHING, NEVER, NEVER },
    { TWO_TWO, NOTHING, NOTHING, NEVER, SOMETIMES },
    { TWO_TWO, LOAD_BARRIER, LOAD_BARRIER, NEVER, SOMETIMES },
    { TWO_TWO, STORE_BARRIER, STORE_BARRIER, NEVER, NEVER },
    { TWO_TWO, PUBLISH, PUBLISH, NEVER, NEVER },
    { WRC, NOTHING, NOTHING, NEVER, SOMETIMES },
    { WRC, PUBLISH, OBSERVE, NEVER, NEVER },
    { IRIW, NOTHING, NOTHING, NEVER, SOMETIMES },
    { IRIW, NOTHING, OBSERVE, NEVER, NEVER },
    { IRIW, NOTHING, LOAD_BARRIER, NEVER, NEVER },
    { OWN, NOTHING, NOTHING, NEVER, PERHAPS },
    { OWN, PUBLISH, OBSERVE, NEVER, NEVER },
};

enum {
    ROUNDS = 500,
    SEEDS = 8,
    RESULTS = 4,
};

#define ROUND_TIME (20 * SIM_US)

struct play {
    const struct litmus *litmus;
    unsigned round;
    uint64_t results[ROUNDS][RESULTS];
    uint64_t ends[ROUNDS][2]; /* x and y after all */
};

static unsigned cores_of(enum shape shape)
{
    return shape == IRIW ? 4 : shape == WRC ? 3 : 2;
}

static void until(struct sim_core *core, struct computer *c, sim_time when)
{
    assert_true(sim_now(c->kernel) <= when);
    sim_compute(core, (when - sim_now(c->kernel)) / 250); /* cycles of 4 GHz */
}

static void barrier_of(struct sim_core *core, enum between between)
{
    switch (between) {
    case STORE_BARRIER:
        sim_barrier(core, SIM_BARRIER_STORE, SIM_HERE);
        return;
    case LOAD_BARRIER:
        sim_barrier(core, SIM_BARRIER_LOAD, SIM_HERE);
        return;
    case FULL_BARRIER:
        sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
        return;
    default:
        return;
    }
}

static void store_first(struct sim_core *core, enum between between, uint64_t address,
                        uint64_t value)
{
    if (between == SWAP)
        sim_swap(core, address, value, 8, SIM_HERE);
    else
        store64(core, address, value);
    barrier_of(core, between);
}

static void store_second(struct sim_core *core, enum between between, uint64_t address,
                         uint64_t value)
{
    if (between == PUBLISH)
        sim_publish(core, address, value, 8, SIM_HERE);
    else
        store64(core, address, value);
}

static uint64_t load_first(struct sim_core *core, enum between between, uint64_t address)
{
    uint64_t value =
        between == OBSERVE ? sim_observe(core, address, 8, SIM_HERE) : load64(core, address);
    barrier_of(core, between);
    return value;
}

static void first_core(struct sim_core *core, const struct litmus *l, uint64_t x, uint64_t y,
                       uint64_t *r)
{
    switch (l->shape) {
    case SB:
        store_first(core, l->first, x, 1);
        r[0] = load64(core, y);
        return;
    case MP:
        store_first(core, l->first, x, 1);
        store_second(core, l->first, y, 1);
        return;
    case LB:
        r[0] = load_first(core, l->first, x);
        store64(core, y, 1);
        return;
    case TWO_TWO:
        store_first(core, l->first, x, 1);
        store_second(core, l->first, y, 2);
        return;
    case OWN:
        store64(core, x, 1);
        sim_compute(core, r[3]);
        r[0] = load_first(core, l->second, y);
        r[1] = load64(core, x);
        return;
    case COWW:
        store64(core, x, 1);
        store64(core, x, 2);
        return;
    default:
        store64(core, x, 1);
    }
}

static void second_core(struct sim_core *core, const struct litmus *l, uint64_t x, uint64_t y,
                        uint64_t *r)
{
    switch (l->shape) {
    case SB:
        store_first(core, l->second, y, 1);
        r[1] = load64(core, x);
        return;
    case MP:
        r[0] = load_first(core, l->second, y);
        r[1] = load64(core, x);
        return;
    case LB:
        r[1] = load_first(core, l->second, y);
        store64(core, x, 1);
        return;
    case TWO_TWO:
        store_first(core, l->second, y, 1);
        store_second(core, l->second, x, 2);
        return;
    case OWN:
        store64(core, x, 2);
        store_second(core, l->first, y, 1);
        return;
    case WRC:
        r[0] = load_first(core, l->second, x);
        store_second(core, l->first, y, 1);
        return;
    case IRIW:
        store64(core, y, 1);
        return;
    default: /* CORR, COWW */
        r[0] = load64(core, x);
        r[1] = load64(core, x);
    }
}

static void third_core(struct sim_core *core, const struct litmus *l, uint64_t x, uint64_t y,
                       uint64_t *r)
{
    if (l->shape == WRC) {
        r[1] = load_first(core, l->second, y);
        r[2] = load64(core, x);
    } else {
        r[0] = load_first(core, l->second, x);
        r[1] = load64(core, y);
    }
}

static void fourth_core(struct sim_core *core, const struct litmus *l, uint64_t x, uint64_t y,
                        uint64_t *r)
{
    r[2] = load_first(core, l->second, y);
    r[3] = load64(core, x);
}

static uint64_t place_of(unsigned round)
{
    return (uint64_t)round * 256;
}

/* Some begin with the lines, some without, some with changed ones. */
static void prepare(struct sim_core *core, struct computer *c, uint64_t x, uint64_t y)
{
    uint64_t choice = sim_random_below(c->kernel, 8);
    if (choice & 1)
        load64(core, x);
    if (choice & 2)
        load64(core, y);
    if (choice == 7)
        store64(core, sim_random_below(c->kernel, 2) ? x : y, 0);
    sim_barrier(core, SIM_BARRIER_FULL, SIM_HERE);
}

/* Close together in half of the rounds, in the others anywhere while the lines travel. */
static sim_time late(struct computer *c)
{
    return sim_random_below(c->kernel, sim_random_below(c->kernel, 2) ? 8 : 200) * SIM_NS;
}

static void play_rounds(struct sim_core *core, struct computer *c, unsigned number)
{
    static void (*const code[])(struct sim_core *, const struct litmus *, uint64_t, uint64_t,
                                uint64_t *) = { first_core, second_core, third_core, fourth_core };
    struct play *play = c->test;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t x = CACHED + place_of(round), y = x + 128;
        prepare(core, c, x, y);
        if (play->litmus->shape == OWN)
            play->results[round][3] = sim_random_below(c->kernel, 300);
        until(core, c, (round + 1) * ROUND_TIME + late(c));
        code[number](core, play->litmus, x, y, play->results[round]);
        until(core, c, (round + 1) * ROUND_TIME + ROUND_TIME / 2);
    }
}

static void play_0(struct sim_core *core, void *argument)
{
    play_rounds(core, argument, 0);
}

static void play_1(struct sim_core *core, void *argument)
{
    play_rounds(core, argument, 1);
}

static void play_2(struct sim_core *core, void *argument)
{
    play_rounds(core, argument, 2);
}

static void play_3(struct sim_core *core, void *argument)
{
    play_rounds(core, argument, 3);
}

/* Read by the first core after everything. */
static void read_ends(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    struct play *play = c->test;
    for (unsigned round = 0; round < ROUNDS; round++) {
        play->ends[round][0] = sim_observe(core, CACHED + place_of(round), 8, SIM_HERE);
        play->ends[round][1] = sim_observe(core, CACHED + place_of(round) + 128, 8, SIM_HERE);
    }
}

static bool is_relaxed(enum shape shape, const uint64_t *r, const uint64_t *ends)
{
    switch (shape) {
    case SB:
        return !r[0] && !r[1];
    case MP:
    case CORR:
        return r[0] == 1 && r[1] == 0;
    case LB:
        return r[0] == 1 && r[1] == 1;
    case TWO_TWO:
        return ends[0] == 1 && ends[1] == 1;
    case OWN:
        return r[0] == 1 && r[1] == 1 && ends[0] == 2;
    case COWW:
        return r[0] > r[1];
    case WRC:
        return r[0] == 1 && r[1] == 1 && r[2] == 0;
    default:
        return r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0;
    }
}

static unsigned play_once(const struct litmus *litmus, enum sim_order order, uint64_t seed)
{
    static void (*const play_of[])(struct sim_core *, void *) = { play_0, play_1, play_2, play_3 };
    struct computer c = computer_standard(order, cores_of(litmus->shape));
    struct play *play = calloc(1, sizeof(*play));
    assert_non_null(play);
    play->litmus = litmus;
    c.test = play;
    computer_make(&c, seed);
    for (unsigned i = 0; i < c.cores; i++)
        computer_start(&c, i, play_of[i]);
    computer_run(&c);
    for (unsigned i = 0; i < c.cores; i++)
        assert_true(sim_core_ended(c.at[i]));
    computer_start(&c, 0, read_ends);
    computer_run(&c);
    computer_free(&c);
    unsigned relaxed = 0;
    for (unsigned round = 0; round < ROUNDS; round++)
        relaxed += is_relaxed(litmus->shape, play->results[round], play->ends[round]);
    free(play);
    return relaxed;
}

static unsigned play_all(const struct litmus *litmus, enum sim_order order)
{
    unsigned relaxed = 0;
    for (uint64_t i = 0; i < SEEDS; i++)
        relaxed += play_once(litmus, order, test_seed() * 100 + i);
    return relaxed;
}

static void litmus_outcomes(enum sim_order order)
{
    static const char *const shapes[] = { "SB",   "MP",  "LB",   "CoRR", "CoWW",
                                          "2+2W", "WRC", "IRIW", "own" };
    static const char *const betweens[] = { "-",       "store",   "load", "full",
                                            "publish", "observe", "swap" };
    for (size_t i = 0; i < sizeof(all_litmus) / sizeof(all_litmus[0]); i++) {
        const struct litmus *l = &all_litmus[i];
        enum seen expected = order == SIM_ORDER_TSO ? l->tso : l->weak;
        unsigned relaxed = play_all(l, order);
        print_message("%-5s %-8s %-8s %5u of %u\n", shapes[l->shape], betweens[l->first],
                      betweens[l->second], relaxed, ROUNDS * SEEDS);
        if (expected != PERHAPS)
            assert_int_equal(relaxed > 0, expected == SOMETIMES);
    }
}

static void outcomes_of_tso(void **state)
{
    (void)state;
    litmus_outcomes(SIM_ORDER_TSO);
}

static void outcomes_of_weak_order(void **state)
{
    (void)state;
    litmus_outcomes(SIM_ORDER_WEAK);
}

/* ---- one address: what is gone does not come back ----
 *
 * Three cores store to one word, each value once, and load it. Whatever the machine: a core that has
 * loaded a value, or stored one, and then another, never finds the first again. */

enum {
    STEPS = 3000,
    VALUES = 3 * STEPS + 1,
};

struct one_address {
    uint64_t next;           /* value */
    uint64_t last[3];        /* what each core found last */
    uint8_t gone[3][VALUES]; /* found by it before that */
};

static void found(struct one_address *one, unsigned core, uint64_t value)
{
    if (one->last[core] != value)
        one->gone[core][one->last[core]] = 1;
    assert_true(value < VALUES);
    assert_false(one->gone[core][value]);
    one->last[core] = value;
}

static void use_one_address(struct sim_core *core, struct computer *c, unsigned number)
{
    struct one_address *one = c->test;
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t choice = sim_random_below(c->kernel, 16);
        if (choice < 3) {
            uint64_t value = one->next++;
            found(one, number, value);
            store64(core, CACHED + 64, value);
        } else if (choice < 12) {
            found(one, number, load64(core, CACHED + 64));
        } else if (choice < 14) {
            load64(core, CACHED + 64 * sim_random_below(c->kernel, 8) + 8);
        } else {
            sim_compute(core, sim_random_below(c->kernel, choice == 14 ? 20 : 800));
        }
    }
}

static void one_0(struct sim_core *core, void *argument)
{
    use_one_address(core, argument, 0);
}

static void one_1(struct sim_core *core, void *argument)
{
    use_one_address(core, argument, 1);
}

static void one_2(struct sim_core *core, void *argument)
{
    use_one_address(core, argument, 2);
}

static void what_is_gone_does_not_come_back(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++)
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct computer c = computer_standard((enum sim_order)order, 3);
            struct one_address *one = calloc(1, sizeof(*one));
            assert_non_null(one);
            one->next = 1;
            c.cache.speculative = seed % 2 * 700000; /* lines come back by themselves */
            c.test = one;
            computer_make(&c, test_seed() * 100 + seed);
            computer_start(&c, 0, one_0);
            computer_start(&c, 1, one_1);
            computer_start(&c, 2, one_2);
            computer_run(&c);
            for (unsigned i = 0; i < 3; i++)
                assert_true(sim_core_ended(c.at[i]));
            computer_free(&c);
            free(one);
        }
}

/* ---- a lock, made of an exchange and a release, guards plain accesses on every machine ---- */

enum {
    TURNS = 200,
    LOCK = 0,
    COUNTER = 256,
};

static void count_under_lock(struct sim_core *core, void *argument)
{
    struct computer *c = argument;
    for (unsigned i = 0; i < TURNS; i++) {
        while (sim_swap(core, CACHED + LOCK, 1, 4, SIM_HERE))
            sim_compute(core, sim_random_below(c->kernel, 100));
        /* Two lines, always equal under the lock. */
        uint64_t one = load64(core, CACHED + COUNTER), two = load64(core, CACHED + COUNTER + 64);
        assert_int_equal(one, two);
        store64(core, CACHED + COUNTER, one + 1);
        store64(core, CACHED + COUNTER + 64, two + 1);
        sim_publish(core, CACHED + LOCK, 0, 4, SIM_HERE);
        sim_compute(core, sim_random_below(c->kernel, 200));
    }
}

static void a_lock_guards_plain_accesses(void **state)
{
    (void)state;
    for (int order = SIM_ORDER_TSO; order <= SIM_ORDER_WEAK; order++) {
        struct computer c = computer_standard((enum sim_order)order, 4);
        computer_make(&c, test_seed());
        for (unsigned i = 0; i < c.cores; i++)
            computer_start(&c, i, count_under_lock);
        computer_run(&c);
        for (unsigned i = 0; i < c.cores; i++)
            assert_true(sim_core_ended(c.at[i]));
        uint64_t count;
        sim_core_peek(c.at[0], COUNTER, &count, sizeof(count));
        for (unsigned i = 0; i < c.cores; i++)
            if (sim_cache_holds(sim_core_cache(c.at[i]), COUNTER) != SIM_HAD_NOTHING)
                sim_core_peek(c.at[i], COUNTER, &count, sizeof(count));
        assert_int_equal(count, 4 * TURNS);
        computer_free(&c);
    }
}

/* The same seed gives the same run, another one another. */
static void the_seed_alone_decides(void **state)
{
    (void)state;
    const struct litmus mp = { .shape = MP };
    unsigned a = play_once(&mp, SIM_ORDER_WEAK, 5), different = 0;
    assert_int_equal(play_once(&mp, SIM_ORDER_WEAK, 5), a);
    for (uint64_t seed = 6; seed < 12; seed++)
        different += play_once(&mp, SIM_ORDER_WEAK, seed) != a;
    assert_true(different);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(outcomes_of_tso),
        cmocka_unit_test(outcomes_of_weak_order),
        cmocka_unit_test(what_is_gone_does_not_come_back),
        cmocka_unit_test(a_lock_guards_plain_accesses),
        cmocka_unit_test(the_seed_alone_decides),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
