/* The reader of descriptors: what can be said of one without looking at regions. */
#include <string.h>

#include "controller_internal.h"

/* Bytes of a descriptor that an opcode gives a meaning to. */
struct span {
    uint8_t at, size;
};

enum {
    SPANS = 6,
    FLAGS_OF_ALL = DRAY_FLAG_CHAIN | DRAY_FLAG_FENCE | DRAY_FLAG_NOTIFY,
};

struct form {
    bool executed;
    uint16_t flags; /* beside FLAGS_OF_ALL */
    struct span span[SPANS];
};

#define SPAN(member)                                                                   \
    {                                                                                  \
        offsetof(struct dray_desc, member), sizeof(((struct dray_desc *)NULL)->member) \
    }
#define SRC  SPAN(src_key), SPAN(src_offset)
#define DST  SPAN(dst_key), SPAN(dst_offset)
#define DATA SRC, DST, SPAN(length)

static const struct form form_of[] = {
    [DRAY_OP_NOP] = { true },
    [DRAY_OP_COPY] = { true, DRAY_FLAG_CRC, { DATA, SPAN(arg.copy.seed) } },
    [DRAY_OP_STRIDED] = { true, 0, { DATA } }, /* its arguments: see check_zero */
    [DRAY_OP_FILL] = { true, 0, { DST, SPAN(length), SPAN(count), SPAN(arg) } },
    [DRAY_OP_COMPARE] = { true, 0, { DATA } },
    [DRAY_OP_CRC32C] = { true, 0, { SRC, SPAN(length), SPAN(arg.crc32c.seed) } },
    [DRAY_OP_FENCE] = { true },
    [DRAY_OP_SIGNAL] = { true, 0, { DST, SPAN(count), SPAN(arg.signal.value) } },
    [DRAY_OP_WAIT] = { true,
                       0,
                       { SRC, SPAN(count), SPAN(arg.wait.value), SPAN(arg.wait.timeout_ns) } },
    [DRAY_OP_LINK] = { true, 0, { SRC, SPAN(count) } },
    [DRAY_OP_PLACE] = { false },
};
static const struct span strided_args[] = { SPAN(arg.strided.shape_key),
                                            SPAN(arg.strided.shape_offset) };
static const struct span every_opcode[] = { SPAN(opcode), SPAN(version), SPAN(flags),
                                            SPAN(user_data) };

static void clear(uint8_t *bytes, const struct span *span, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memset(bytes + span[i].at, 0, span[i].size);
}

/* What is left of a descriptor when all that has a meaning is taken away must be zero. */
static bool check_zero(const struct dray_desc *d, const struct form *form)
{
    static const uint8_t nothing[sizeof(*d)];
    uint8_t bytes[sizeof(*d)];
    if (d->flags & ~(FLAGS_OF_ALL | form->flags))
        return false;
    memcpy(bytes, d, sizeof(bytes));
    clear(bytes, every_opcode, sizeof(every_opcode) / sizeof(*every_opcode));
    clear(bytes, form->span, SPANS);
    if (d->opcode == DRAY_OP_STRIDED)
        clear(bytes, strided_args, 2);
    return memcmp(bytes, nothing, sizeof(bytes)) == 0;
}

static enum dray_status check_length(uint64_t length)
{
    return length >= 1 && length <= LENGTH_MAX ? DRAY_STATUS_OK : DRAY_STATUS_LENGTH;
}

static enum dray_status check_fill(const struct dray_desc *d)
{
    uint32_t size = d->count;
    if (size != 1 && size != 2 && size != 4 && size != 8 && size != 16)
        return DRAY_STATUS_COUNT;
    for (unsigned i = size; i < sizeof(d->arg.byte); i++)
        if (d->arg.byte[i])
            return DRAY_STATUS_RESERVED;
    return d->length % size ? DRAY_STATUS_LENGTH : check_length(d->length);
}

static enum dray_status check_strided(const struct dray_desc *d)
{
    if (d->arg.strided.shape_key.value == 0 && d->arg.strided.shape_offset != 0)
        return DRAY_STATUS_RESERVED;
    if (check_length(d->length) != DRAY_STATUS_OK)
        return DRAY_STATUS_LENGTH;
    return d->arg.strided.shape_offset % 8 ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
}

static enum dray_status check_flag(uint32_t count, uint32_t count_max, uint64_t offset)
{
    if (count > count_max)
        return DRAY_STATUS_COUNT;
    return offset % 8 ? DRAY_STATUS_ALIGNMENT : DRAY_STATUS_OK;
}

static enum dray_status check_meaning(const struct dray_desc *d)
{
    switch (d->opcode) {
    case DRAY_OP_COPY:
        if (!(d->flags & DRAY_FLAG_CRC) && d->arg.copy.seed)
            return DRAY_STATUS_RESERVED;
        return check_length(d->length);
    case DRAY_OP_COMPARE:
    case DRAY_OP_CRC32C:
        return check_length(d->length);
    case DRAY_OP_STRIDED:
        return check_strided(d);
    case DRAY_OP_FILL:
        return check_fill(d);
    case DRAY_OP_SIGNAL:
        return check_flag(d->count, 1, d->dst_offset);
    case DRAY_OP_WAIT:
        return check_flag(d->count, DRAY_WAIT_GE, d->src_offset);
    case DRAY_OP_LINK:
        return d->count >= 1 && d->count <= LINK_COUNT_MAX ? DRAY_STATUS_OK : DRAY_STATUS_COUNT;
    default:
        return DRAY_STATUS_OK;
    }
}

enum dray_status check_desc(const struct dray_desc *d)
{
    if (d->version != DRAY_FORMAT_VERSION)
        return DRAY_STATUS_VERSION;
    if (d->opcode == 0 || d->opcode >= sizeof(form_of) / sizeof(*form_of))
        return DRAY_STATUS_OPCODE;
    if (!form_of[d->opcode].executed)
        return DRAY_STATUS_UNSUPPORTED;
    if (!check_zero(d, &form_of[d->opcode]))
        return DRAY_STATUS_RESERVED;
    return check_meaning(d);
}

static bool shape_unused_is_zero(const struct dray_shape *shape)
{
    for (unsigned i = 0; i < sizeof(shape->reserved2) / sizeof(*shape->reserved2); i++)
        if (shape->reserved2[i])
            return false;
    for (unsigned i = shape->loops; i < LOOPS_MAX; i++)
        if (shape->extent[i] || shape->src_stride[i] || shape->dst_stride[i])
            return false;
    return shape->reserved == 0;
}

enum dray_status check_shape(const struct dray_shape *shape, uint64_t length)
{
    if (shape->version != DRAY_FORMAT_VERSION)
        return DRAY_STATUS_VERSION;
    if (shape->loops < 1 || shape->loops > LOOPS_MAX)
        return DRAY_STATUS_SHAPE;
    if (!shape_unused_is_zero(shape))
        return DRAY_STATUS_RESERVED;
    if (shape->element < 1 || shape->element > ELEMENT_MAX)
        return DRAY_STATUS_SHAPE;
    uint64_t bytes = shape->element;
    for (unsigned i = 0; i < shape->loops; i++) {
        if (shape->extent[i] == 0 || shape->extent[i] > LENGTH_MAX / bytes)
            return DRAY_STATUS_SHAPE;
        bytes *= shape->extent[i];
    }
    return bytes == length ? DRAY_STATUS_OK : DRAY_STATUS_LENGTH;
}
