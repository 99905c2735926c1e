#include "param.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void sim_params_standard(const struct sim_part_kind *kind, void *params)
{
    memset(params, 0, kind->params_size);
    for (size_t i = 0; i < kind->param_count; i++)
        sim_param_set(&kind->params[i], params, kind->params[i].standard);
}

uint64_t sim_param_get(const struct sim_param *param, const void *params)
{
    uint64_t value;
    memcpy(&value, (const char *)params + param->offset, sizeof(value));
    return value;
}

void sim_param_set(const struct sim_param *param, void *params, uint64_t value)
{
    memcpy((char *)params + param->offset, &value, sizeof(value));
}

/* ---- units ---- */

/* One of a name is factor/divisor of what is stored. */
struct scale {
    const char *name;
    uint64_t factor;
    uint32_t divisor;
    bool printed;
};

static const struct scale counts[] = {
    { "", 1, 1, true },         { "k", 1000, 1, false },
    { "M", 1000000, 1, false }, { "G", 1000000000, 1, false },
    { NULL, 0, 0, false },
};

static const struct scale bytes[] = {
    { "GiB", 1 << 30, 1, true }, { "MiB", 1 << 20, 1, true }, { "KiB", 1 << 10, 1, true },
    { "B", 1, 1, true },         { "", 1, 1, false },         { NULL, 0, 0, false },
};

static const struct scale times[] = {
    { "s", 1000000000000, 1, true }, { "ms", 1000000000, 1, true }, { "us", 1000000, 1, true },
    { "ns", 1000, 1, true },         { "ps", 1, 1, true },          { NULL, 0, 0, false },
};

static const struct scale rates[] = {
    { "GB/s", 1000000000, 1, true },
    { "MB/s", 1000000, 1, true },
    { "KB/s", 1000, 1, true },
    { "B/s", 1, 1, true },
    { "Gb/s", 1000000000, 8, false },
    { "Mb/s", 1000000, 8, false },
    { NULL, 0, 0, false },
};

static const struct scale shares[] = {
    { "", 1000000, 1, true },
    { "%", 10000, 1, false },
    { NULL, 0, 0, false },
};

static const struct unit {
    const struct scale *scales;
    const char *expected;
} units[] = {
    [SIM_UNIT_COUNT] = { counts, "a whole number" },
    [SIM_UNIT_BYTES] = { bytes, "a size in B, KiB, MiB or GiB" },
    [SIM_UNIT_TIME] = { times, "a time in ps, ns, us, ms or s" },
    [SIM_UNIT_RATE] = { rates, "a rate in B/s, KB/s, MB/s, GB/s, Mb/s or Gb/s" },
    [SIM_UNIT_SHARE] = { shares, "a share from 0 to 1, to the sixth decimal" },
};

/* ---- reading ---- */

/* A number as it stands: digits / 10^decimals. */
struct decimal {
    uint64_t digits;
    unsigned decimals;
};

enum {
    DIGITS_MAX = 19, /* 10^19 is below 2^64 */
};

/* Returns where the number ends; NULL where there is none, or one of more digits than are kept. */
static const char *read_decimal(const char *text, struct decimal *number)
{
    unsigned digits = 0, decimals = 0;
    bool point = false;
    *number = (struct decimal){ 0, 0 };
    for (;; text++) {
        if (*text == '.' && !point && digits) {
            point = true;
            continue;
        }
        unsigned digit = (unsigned char)*text - '0';
        if (digit > 9)
            break;
        if (number->digits > (UINT64_MAX - digit) / 10 || (point && decimals == DIGITS_MAX))
            return NULL;
        number->digits = number->digits * 10 + digit;
        digits++;
        decimals += point;
    }
    number->decimals = decimals;
    return digits && (!point || decimals) ? text : NULL;
}

/* Whether the number of `scale` is whole in the smallest unit, and below 2^64. */
static bool scale_number(const struct decimal *number, const struct scale *scale, uint64_t *value)
{
    unsigned __int128 product = (unsigned __int128)number->digits * scale->factor;
    unsigned __int128 divisor = scale->divisor;
    for (unsigned i = 0; i < number->decimals; i++)
        divisor *= 10;
    if (product % divisor || product / divisor > UINT64_MAX)
        return false;
    *value = (uint64_t)(product / divisor);
    return true;
}

static bool read_number(const char *text, const struct scale *scales, uint64_t *value)
{
    struct decimal number;
    const char *end = read_decimal(text, &number);
    if (!end)
        return false;
    if (number.digits == 0 && *end == 0) { /* nothing of anything is nothing */
        *value = 0;
        return true;
    }
    end += strspn(end, " ");
    for (const struct scale *s = scales; s->name; s++)
        if (strcmp(end, s->name) == 0)
            return scale_number(&number, s, value);
    return false;
}

static bool read_word(const struct sim_param *param, const char *text, uint64_t *value)
{
    for (uint64_t i = 0; param->words[i]; i++)
        if (strcmp(param->words[i], text) == 0) {
            *value = i;
            return true;
        }
    return false;
}

static bool read_bool(const char *text, uint64_t *value)
{
    *value = strcmp(text, "yes") == 0;
    return *value || strcmp(text, "no") == 0;
}

/* ---- what was expected ---- */

static int expect_words(const struct sim_param *param, char *expected, size_t size)
{
    size_t used = (size_t)snprintf(expected, size, "one of");
    for (size_t i = 0; param->words[i] && used < size; i++)
        used +=
            (size_t)snprintf(expected + used, size - used, "%s %s", i ? "," : "", param->words[i]);
    return -EINVAL;
}

static int expect_limit(const struct sim_param *param, char *expected, size_t size)
{
    char least[SIM_PARAM_TEXT], most[SIM_PARAM_TEXT];
    snprintf(expected, size, "%s to %s", sim_param_print(param, param->least, least, sizeof(least)),
             sim_param_print(param, param->most, most, sizeof(most)));
    return -EINVAL;
}

static int check_value(const struct sim_param *param, uint64_t value, char *expected, size_t size)
{
    char text[SIM_PARAM_TEXT];
    if (value < param->least || value > param->most)
        return expect_limit(param, expected, size);
    if (param->multiple == SIM_POWER_OF_TWO) {
        if ((value & (value - 1)) == 0)
            return 0;
        snprintf(expected, size, "a power of two");
        return -EINVAL;
    }
    if (param->multiple && value % param->multiple) {
        snprintf(expected, size, "a multiple of %s",
                 sim_param_print(param, param->multiple, text, sizeof(text)));
        return -EINVAL;
    }
    return 0;
}

int sim_param_parse(const struct sim_param *param, const char *text, uint64_t *value,
                    char *expected, size_t size)
{
    uint64_t v;
    switch (param->unit) {
    case SIM_UNIT_CHOICE:
        if (!read_word(param, text, &v))
            return expect_words(param, expected, size);
        break;
    case SIM_UNIT_BOOL:
        if (!read_bool(text, &v)) {
            snprintf(expected, size, "yes or no");
            return -EINVAL;
        }
        break;
    default:
        if (!read_number(text, units[param->unit].scales, &v)) {
            snprintf(expected, size, "%s", units[param->unit].expected);
            return -EINVAL;
        }
    }
    int error = check_value(param, v, expected, size);
    if (!error)
        *value = v;
    return error;
}

/* ---- writing ---- */

enum {
    PRINTED_DECIMALS = 3, /* 82.5ns, not 82500ps; but 82001ps */
    SHARE_DECIMALS = 6,
};

/* In units of `scale` with few decimals, if that is exact. */
static bool print_scaled(uint64_t value, const struct scale *scale, unsigned decimals, char *text,
                         size_t size)
{
    unsigned __int128 fraction = value % scale->factor;
    for (unsigned i = 0; i < decimals; i++)
        fraction *= 10;
    if (fraction % scale->factor)
        return false;
    uint64_t digits = (uint64_t)(fraction / scale->factor);
    while (digits && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    if (digits)
        snprintf(text, size, "%" PRIu64 ".%0*" PRIu64 "%s", value / scale->factor, (int)decimals,
                 digits, scale->name);
    else
        snprintf(text, size, "%" PRIu64 "%s", value / scale->factor, scale->name);
    return true;
}

static void print_number(enum sim_unit unit, uint64_t value, char *text, size_t size)
{
    unsigned decimals = unit == SIM_UNIT_SHARE   ? SHARE_DECIMALS
                        : unit == SIM_UNIT_BYTES ? 0
                                                 : PRINTED_DECIMALS;
    for (const struct scale *s = units[unit].scales; s->name; s++)
        if (s->printed && (value >= s->factor || s->factor == 1 || unit == SIM_UNIT_SHARE) &&
            print_scaled(value, s, decimals, text, size))
            return;
}

char *sim_param_print(const struct sim_param *param, uint64_t value, char *text, size_t size)
{
    if (param->unit == SIM_UNIT_CHOICE)
        snprintf(text, size, "%s", param->words[value]);
    else if (param->unit == SIM_UNIT_BOOL)
        snprintf(text, size, "%s", value ? "yes" : "no");
    else if (value == 0)
        snprintf(text, size, "0");
    else
        print_number(param->unit, value, text, size);
    return text;
}
