/*
 * Descriptors from anywhere. The input is taken twice: as bytes of a descriptor and a shape, which
 * are checked, printed and read back, and as a line of text, which is read and printed again.
 */
#include <stdlib.h>
#include <string.h>

#include "desc/check.h"
#include "dray/desc.h"
#include "fuzz.h"

static void round_trip(const struct dray_desc *d)
{
    char text[DRAY_TEXT_MAX];
    struct dray_desc again;
    FUZZ_ASSERT(dray_desc_print(d, text, sizeof(text), NULL) == 0);
    FUZZ_ASSERT(dray_desc_parse(text, &again, NULL) == 0);
    FUZZ_ASSERT(memcmp(d, &again, sizeof(again)) == 0);
}

static void shape(const struct dray_shape *s, uint64_t length)
{
    if (dray_shape_check(s, length) != DRAY_STATUS_OK)
        return;
    int64_t low, high;
    if (dray_shape_bounds(s, s->src_stride, &low, &high) == 0)
        FUZZ_ASSERT(low <= 0 && high >= (int64_t)s->element);
}

static void bytes(const uint8_t *data, size_t size)
{
    struct dray_desc d;
    struct dray_shape s;
    memset(&d, 0, sizeof(d));
    memset(&s, 0, sizeof(s));
    memcpy(&d, data, size < sizeof(d) ? size : sizeof(d));
    if (size > sizeof(d))
        memcpy(&s, data + sizeof(d), size - sizeof(d) < sizeof(s) ? size - sizeof(d) : sizeof(s));
    FUZZ_ASSERT(strcmp(dray_status_name(dray_desc_check(&d)), "?") != 0);
    round_trip(&d);
    shape(&s, d.length);
}

static void text(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct dray_desc d;
    struct dray_text_error error;
    if (!line)
        return;
    memcpy(line, data, size);
    line[size] = '\0';
    if (dray_desc_parse(line, &d, &error) == 0) {
        round_trip(&d);
    } else {
        FUZZ_ASSERT(error.column >= 1 && error.column <= strlen(line) + 1);
        FUZZ_ASSERT(memchr(error.found, 0, sizeof(error.found)) && error.found[0]);
        FUZZ_ASSERT(memchr(error.expected, 0, sizeof(error.expected)) && error.expected[0]);
    }
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes(data, size);
    text(data, size);
    return 0;
}
