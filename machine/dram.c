/*
 * DRAM with open rows.
 *
 *     column ──row_hit──> first byte ──size/bandwidth──> last byte
 *
 * A bank keeps its last row open. An access to it is a hit: its column is asked for at once, and its
 * bytes follow those of the access before without a gap, as far as the one data bus allows. Another
 * row of the same bank is opened only when the last byte of the old one is out, row_miss - row_hit
 * before its first column can be asked for. So hits stream at the bandwidth, misses of different
 * banks overlap, and misses of one bank come at size/(row_miss + size/bandwidth).
 *
 * Not modelled: refresh (some 4 % of the time), the turn-around between reads and writes, and a
 * scheduler that takes hits first: accesses are served in the order in which the bus granted them.
 */
#include "dram.h"

#include <errno.h>
#include <stdlib.h>

#include "rate.h"

#define OFFSET(member) offsetof(struct sim_dram_params, member)

/* Two channels of DDR4-3200 taken as one; rows and times of the usual 16 Gbit parts (JEDEC
 * JESD79-4, speed bin 3200AA: CL, tRCD and tRP of 22 clocks, 13.75 ns each). */
static const struct sim_param params[] = {
    { "size", SIM_UNIT_BYTES, OFFSET(size), 16ull << 30, 4096, 1ull << 44, 4096, NULL,
      "bytes of memory" },
    { "banks", SIM_UNIT_COUNT, OFFSET(banks), 32, 1, 4096, SIM_POWER_OF_TWO, NULL,
      "banks, each with one open row" },
    { "row_bytes", SIM_UNIT_BYTES, OFFSET(row_bytes), 8192, 64, 1 << 20, SIM_POWER_OF_TWO, NULL,
      "bytes of a row of one bank" },
    { "row_hit", SIM_UNIT_TIME, OFFSET(row_hit), 13750, 0, SIM_MS, 0, NULL,
      "to the first byte when the row is open" },
    { "row_miss", SIM_UNIT_TIME, OFFSET(row_miss), 41250, 0, SIM_MS, 0, NULL,
      "to the first byte when another row must be closed first" },
    { "bandwidth", SIM_UNIT_RATE, OFFSET(bandwidth), 51200000000, 1000, 100 * SIM_S, 0, NULL,
      "of the data bus" },
    /* assumed */
    { "interleave", SIM_UNIT_BYTES, OFFSET(interleave), 256, 16, 1 << 20, SIM_POWER_OF_TWO, NULL,
      "bytes in one bank before the next bank follows" },
};

static const char *check(const void *of)
{
    const struct sim_dram_params *p = of;

    if (p->row_miss < p->row_hit)
        return "row_miss is less than row_hit: closing a row cannot save time";
    if (p->interleave > p->row_bytes)
        return "interleave is more than row_bytes: a row would span banks";
    return NULL;
}

const struct sim_part_kind sim_dram_kind = {
    .name = "dram",
    .about = "memory chips: banks with open rows behind one data bus",
    .params = params,
    .param_count = sizeof(params) / sizeof(params[0]),
    .params_size = sizeof(struct sim_dram_params),
    .check = check,
};

struct bank {
    uint64_t row;    /* that is open, plus one; 0: none */
    sim_time column; /* the next can be asked for */
    sim_time last;   /* byte of the open row is out */
};

struct sim_dram {
    struct sim_dram_params params;
    unsigned interleave_shift, bank_shift, row_shift;
    sim_time bus; /* the data bus is free from here */
    struct sim_dram_stats stats;
    struct bank banks[];
};

static unsigned shift_of(uint64_t power_of_two)
{
    return (unsigned)__builtin_ctzll(power_of_two);
}

int sim_dram_create(struct sim_dram **dram, const struct sim_dram_params *p)
{
    struct sim_dram *d = calloc(1, sizeof(*d) + p->banks * sizeof(d->banks[0]));

    *dram = d;
    if (!d)
        return -ENOMEM;
    d->params = *p;
    d->interleave_shift = shift_of(p->interleave);
    d->bank_shift = shift_of(p->banks);
    d->row_shift = shift_of(p->row_bytes);
    return 0;
}

void sim_dram_destroy(struct sim_dram **dram)
{
    free(*dram);
    *dram = NULL;
}

static sim_time later(sim_time a, sim_time b)
{
    return a > b ? a : b;
}

/* Within one interleave unit, so in one row. */
static sim_time access_row(struct sim_dram *d, sim_time begin, uint64_t address, uint32_t size)
{
    uint64_t unit = address >> d->interleave_shift;
    struct bank *bank = &d->banks[unit & (d->params.banks - 1)];
    uint64_t inside = address & (d->params.interleave - 1);
    uint64_t local = ((unit >> d->bank_shift) << d->interleave_shift) + inside;
    uint64_t row = (local >> d->row_shift) + 1;
    sim_time column, first, taken = sim_rate_time(size, d->params.bandwidth);

    if (bank->row == row) {
        column = later(begin, bank->column);
        d->stats.row_hits++;
    } else {
        column = later(begin, bank->last) + d->params.row_miss - d->params.row_hit;
        bank->row = row;
        d->stats.row_misses++;
    }
    first = later(column + d->params.row_hit, d->bus);
    d->bus = first + taken;
    d->stats.busy += taken;
    /* The column after this one is asked for so that its bytes follow these. */
    bank->column = d->bus - d->params.row_hit;
    bank->last = d->bus;
    return d->bus;
}

sim_time sim_dram_access(struct sim_dram *dram, sim_time begin, uint64_t address, uint32_t size,
                         bool write)
{
    sim_time end = begin;

    if (write) {
        dram->stats.writes++;
        dram->stats.write_bytes += size;
    } else {
        dram->stats.reads++;
        dram->stats.read_bytes += size;
    }
    while (size) {
        uint64_t left = dram->params.interleave - (address & (dram->params.interleave - 1));
        uint32_t piece = size < left ? size : (uint32_t)left;

        end = access_row(dram, begin, address, piece);
        address += piece;
        size -= piece;
    }
    return end;
}

sim_time sim_dram_free(const struct sim_dram *dram)
{
    return dram->bus;
}

void sim_dram_stats(const struct sim_dram *dram, struct sim_dram_stats *stats)
{
    *stats = dram->stats;
}
