/* What the controller does with each opcode, byte by byte. */
#include "controller_area.h"

static uint64_t word_at(const struct area *a, uint64_t offset)
{
    uint64_t value;
    memcpy(&value, a->rig.bytes + RIG_DATA + offset, 8);
    return value;
}

static void set_word(struct area *a, uint64_t offset, uint64_t value)
{
    memcpy(a->rig.bytes + RIG_DATA + offset, &value, 8);
    memcpy(a->expected + offset, &value, 8);
}

/* ---- COPY, FILL ---- */

static void copies_of_all_alignments(void **state)
{
    struct area *a = *state;
    static const uint64_t lengths[] = { 1, 7, 63, 64, 255, 256, 257, 4095, 4096, 4097, 20001 };
    for (unsigned l = 0; l < sizeof(lengths) / sizeof(*lengths); l++)
        for (unsigned i = 0; i < 12; i++) {
            uint64_t src = 1000 + i * 37, dst = 100000 + (11 - i) * 61;
            struct dray_desc *d = rig_get(&a->rig, 0);
            dray_prep_copy(d, a->all, dst, a->all, src, lengths[l]);
            d->user_data = l * 100 + i;
            struct dray_completion c = rig_finish(&a->rig, 0);
            assert_status(c, DRAY_STATUS_OK);
            assert_int_equal(c.user_data, l * 100 + i);
            assert_int_equal(c.moved, lengths[l]);
            assert_int_equal(c.result, 0);
            memcpy(a->expected + dst, a->expected + src, lengths[l]);
            area_check(a);
            rig_seen(&a->rig, 0);
        }
}

static void copies_that_overlap_are_memmove(void **state)
{
    struct area *a = *state;
    static const int apart[] = { 1, 63, 64, 255, 256, 300, 5000, -1, -64, -257, -5000, 0 };
    for (unsigned i = 0; i < sizeof(apart) / sizeof(*apart); i++)
        for (unsigned crc = 0; crc < 2; crc++) {
            uint64_t src = 50003, dst = (uint64_t)((int64_t)src + apart[i]);
            struct dray_desc *d = rig_get(&a->rig, 0);
            dray_prep_copy(d, a->all, dst, a->all, src, 9000);
            d->flags = crc ? DRAY_FLAG_CRC : 0;
            dray_prep_crc32c(rig_get(&a->rig, 0), a->all, dst, 9000, 0);
            rig_desc_at(&a->rig, 0, a->rig.filled[0] - 1)->flags = DRAY_FLAG_FENCE;
            struct dray_completion copied = rig_finish(&a->rig, 0), summed = rig_wait(&a->rig, 0);
            assert_status(copied, DRAY_STATUS_OK);
            assert_int_equal(copied.moved, 9000);
            memmove(a->expected + dst, a->expected + src, 9000);
            area_check(a);
            if (crc)
                assert_int_equal(copied.result, summed.result);
            rig_seen(&a->rig, 0);
        }
}

static void fills_of_each_pattern(void **state)
{
    struct area *a = *state;
    static const uint8_t pattern[16] = "0123456789abcdef";
    for (uint32_t size = 1; size <= 16; size *= 2) {
        uint64_t offset = 3000 + size * 1001, length = size * 333;
        dray_prep_fill(rig_get(&a->rig, 0), a->all, offset, length, pattern, size);
        struct dray_completion c = rig_finish(&a->rig, 0);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.moved, length);
        for (uint64_t i = 0; i < length; i++)
            a->expected[offset + i] = pattern[i % size];
        area_check(a);
    }
}

/* ---- CRC32C, COMPARE ---- */

static void checksums_that_are_known(void **state)
{
    struct area *a = *state;
    /* The check value of the polynomial, and three of RFC 3720, B.4. */
    static const struct {
        const char *what;
        uint32_t crc;
    } known[] = { { "digits", 0xe3069283 },
                  { "zeroes", 0x8a9136aa },
                  { "ones", 0x62a8ab43 },
                  { "ascending", 0x46dd794e } };
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *bytes = a->rig.bytes + RIG_DATA + 4099;
        uint64_t length = i == 0 ? 9 : 32;
        for (uint64_t k = 0; k < length; k++)
            bytes[k] = (uint8_t)(i == 0 ? '1' + k : i == 1 ? 0 : i == 2 ? 0xff : k);
        memcpy(a->expected + 4099, bytes, length);
        dray_prep_crc32c(rig_get(&a->rig, 0), a->all, 4099, length, 0);
        struct dray_completion c = rig_finish(&a->rig, 0);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.result, known[i].crc);
        assert_int_equal(c.moved, 0);
    }
}

/* Over the pieces of a gather it is that of the whole; the seed goes on from an earlier one. */
static void a_checksum_goes_on(void **state)
{
    struct area *a = *state;
    dray_prep_crc32c(rig_get(&a->rig, 0), a->all, 1000, 30000, 0);
    uint64_t whole = rig_finish(&a->rig, 0).result;
    static const uint64_t cut[] = { 0, 1, 700, 9999, 30000 };
    for (unsigned i = 0; i < 4; i++) {
        struct dray_desc *d = rig_get(&a->rig, 0);
        dray_prep_copy(d, a->all, 100000 + cut[i], a->all, 1000 + cut[i], cut[i + 1] - cut[i]);
        d->flags = (uint16_t)(DRAY_FLAG_CRC | (i < 3 ? DRAY_FLAG_CHAIN : 0));
    }
    struct dray_completion c = rig_finish(&a->rig, 0);
    memcpy(a->expected + 100000, a->expected + 1000, 30000);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.result, whole);
    assert_int_equal(c.moved, 30000);
    dray_prep_crc32c(rig_get(&a->rig, 0), a->all, 1000, 12345, 0);
    uint32_t half = (uint32_t)rig_finish(&a->rig, 0).result;
    dray_prep_crc32c(rig_get(&a->rig, 0), a->all, 1000 + 12345, 30000 - 12345, half);
    assert_int_equal(rig_finish(&a->rig, 0).result, whole);
}

static void the_first_difference(void **state)
{
    struct area *a = *state;
    memcpy(a->rig.bytes + RIG_DATA + 100001, a->rig.bytes + RIG_DATA + 2000, 10000);
    memcpy(a->expected + 100001, a->expected + 2000, 10000);
    dray_prep_compare(rig_get(&a->rig, 0), a->all, 2000, a->all, 100001, 10000);
    assert_int_equal(rig_finish(&a->rig, 0).result, 10000);
    static const uint64_t at[] = { 9999, 5000, 256, 255, 0 };
    for (unsigned i = 0; i < 5; i++) { /* those behind it differ already */
        a->expected[100001 + at[i]] = a->rig.bytes[RIG_DATA + 100001 + at[i]] ^= 0x40;
        dray_prep_compare(rig_get(&a->rig, 0), a->all, 2000, a->all, 100001, 10000);
        struct dray_completion c = rig_finish(&a->rig, 0);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.result, at[i]);
        assert_int_equal(c.moved, 0);
    }
}

/* It counts over the transaction, and what follows it is not compared. */
static void a_difference_ends_the_comparing(void **state)
{
    struct area *a = *state;
    a->expected[3000] = a->rig.bytes[RIG_DATA + 3000] ^= 1;
    dray_prep_compare(rig_get(&a->rig, 0), a->all, 0, a->all, 0, 1000);
    rig_desc_at(&a->rig, 0, 0)->flags = DRAY_FLAG_CHAIN;
    tag_fill(a->rig.bytes + RIG_DATA + 100000, 4000, SALT, 0);
    memcpy(a->expected + 100000, a->rig.bytes + RIG_DATA + 100000, 4000);
    dray_prep_compare(rig_get(&a->rig, 0), a->all, 2000, a->all, 102000, 2000);
    rig_desc_at(&a->rig, 0, 1)->flags = DRAY_FLAG_CHAIN;
    dray_prep_compare(rig_get(&a->rig, 0), (dray_key){ 0x12345 }, 0, a->all, 0, 100);
    struct dray_completion c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_OK);
    assert_int_equal(c.result, 1000 + 1000);
}

/* ---- STRIDED ---- */

static void strided_model(struct area *a, const struct dray_shape *s, uint64_t dst, uint64_t src)
{
    uint64_t at[4] = { 0 };
    for (;;) {
        int64_t from = (int64_t)src, to = (int64_t)dst;
        for (unsigned i = 0; i < s->loops; i++) {
            from += (int64_t)at[i] * s->src_stride[i];
            to += (int64_t)at[i] * s->dst_stride[i];
        }
        memcpy(a->expected + to, a->expected + from, s->element);
        unsigned i = 0;
        while (i < s->loops && ++at[i] == s->extent[i])
            at[i++] = 0;
        if (i == s->loops)
            return;
    }
}

static uint64_t shape_length(const struct dray_shape *s)
{
    uint64_t length = s->element;
    for (unsigned i = 0; i < s->loops; i++)
        length *= s->extent[i];
    return length;
}

static const struct dray_shape shapes[] = {
    /* a rectangle; a column; a transpose; a reversal; an interleaving; broadcast of one row; planes */
    { 1, 1, 0, 300, { 20 }, { 1000 }, { 300 }, { 0 } },
    { 1, 1, 0, 4, { 100 }, { 256 }, { 4 }, { 0 } },
    { 1, 2, 0, 8, { 20, 30 }, { 8, 160 }, { 240, 8 }, { 0 } },
    { 1, 1, 0, 2, { 500 }, { 2 }, { -2 }, { 0 } },
    { 1, 2, 0, 1, { 400, 3 }, { 1, 400 }, { 3, 1 }, { 0 } },
    { 1, 2, 0, 16, { 16, 9 }, { 16, 0 }, { 16, 512 }, { 0 } },
    { 1, 4, 0, 3, { 5, 4, 3, 2 }, { 3, 40, 200, 1000 }, { 300, 60, 15, 3 }, { 0 } },
    { 1, 1, 0, 5000, { 2 }, { 9000 }, { 5001 }, { 0 } },
    { 1, 3, 0, 4, { 10, 10, 1 }, { 4, 40, 77 }, { 4, 40, 99 }, { 0 } },
};

static void strided_copies_of_many_shapes(void **state)
{
    struct area *a = *state;
    for (unsigned i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        for (unsigned in_region = 0; in_region < 2; in_region++) {
            const struct dray_shape *s = &shapes[i];
            uint64_t src = 20000 + i, dst = 150000 + i * 3 + in_region;
            /* 131064 lies across two pages. */
            struct dray_desc *d = rig_get(&a->rig, 0);
            dray_prep_strided(d, a->all, dst, a->all, src, shape_length(s),
                              in_region ? a->all : (dray_key){ 0 }, in_region ? 131064 : 0);
            if (in_region) {
                memcpy(a->rig.bytes + RIG_DATA + 131064, s, sizeof(*s));
                memcpy(a->expected + 131064, s, sizeof(*s));
            } else {
                *rig_shape(&a->rig, 0) = *s;
            }
            struct dray_completion c = rig_finish(&a->rig, 0);
            assert_status(c, DRAY_STATUS_OK);
            assert_int_equal(c.moved, shape_length(s));
            strided_model(a, s, dst, src);
            area_check(a);
        }
}

/* A slot's shape is the producer's again with its slot. */
static void a_shape_is_read_before_the_head_says_so(void **state)
{
    struct area *a = *state;
    uint32_t head = 0;
    dray_prep_wait(rig_get(&a->rig, 0), a->all, 0, DRAY_WAIT_EQ, 1, 0);
    set_word(a, 0, 0);
    dray_prep_strided(rig_get(&a->rig, 0), a->all, 150000, a->all, 20000, 6000, (dray_key){ 0 }, 0);
    *rig_shape(&a->rig, 0) = shapes[0];
    rig_publish(&a->rig, 0);
    while (head != 2) {
        assert_true(sim_step(a->rig.kernel));
        memcpy(&head, a->rig.bytes + RIG_HEAD, 4);
    }
    memset(rig_desc_at(&a->rig, 0, 0), 0xff, 128);
    memset(rig_shape(&a->rig, 0), 0xff, 128);
    set_word(a, 0, 1);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    strided_model(a, &shapes[0], 150000, 20000);
}

static void strided_copies_that_are_refused(void **state)
{
    struct area *a = *state;
    struct dray_shape s = { 1, 1, 0, 16, { 8 }, { 64 }, { 64 }, { 0 } };
    static const struct {
        int64_t apart;
        uint8_t status;
    } rows[] = { { 16, DRAY_STATUS_OK },         { 48, DRAY_STATUS_OK },
                 { 15, DRAY_STATUS_OVERLAP },    { 49, DRAY_STATUS_OVERLAP },
                 { -16, DRAY_STATUS_OK },        { 0, DRAY_STATUS_OVERLAP },
                 { 64 * 8, DRAY_STATUS_OK },     { 64 * 7 + 8, DRAY_STATUS_OVERLAP },
                 { 64 * 3 + 20, DRAY_STATUS_OK } };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t dst = (uint64_t)(30000 + rows[i].apart);
        dray_prep_strided(rig_get(&a->rig, 0), a->all, dst, a->all, 30000, 128, (dray_key){ 0 }, 0);
        *rig_shape(&a->rig, 0) = s;
        assert_status(rig_finish(&a->rig, 0), rows[i].status);
        if (rows[i].status == DRAY_STATUS_OK)
            strided_model(a, &s, dst, 30000);
        area_check(a);
    }
    s.dst_stride[0] = 0; /* eight elements into the place of one */
    dray_prep_strided(rig_get(&a->rig, 0), a->all, 90000, a->all, 30000, 128, (dray_key){ 0 }, 0);
    *rig_shape(&a->rig, 0) = s;
    struct dray_completion c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_OVERLAP);
    assert_int_equal(c.access, DRAY_ACCESS_WRITE);
    assert_int_equal(c.result, 90000);
    assert_int_equal(c.moved, 0);
}

/* ---- order and flags ---- */

static void each_condition_of_a_wait(void **state)
{
    struct area *a = *state;
    static const bool holds[][3] = {
        [DRAY_WAIT_EQ] = { 0, 1, 0 }, [DRAY_WAIT_NE] = { 1, 0, 1 }, [DRAY_WAIT_LT] = { 0, 0, 1 },
        [DRAY_WAIT_LE] = { 0, 1, 1 }, [DRAY_WAIT_GT] = { 1, 0, 0 }, [DRAY_WAIT_GE] = { 1, 1, 0 },
    };
    set_word(a, 64, 5);
    for (unsigned condition = 0; condition <= DRAY_WAIT_GE; condition++)
        for (unsigned i = 0; i < 3; i++) {
            dray_prep_wait(rig_get(&a->rig, 0), a->all, 64, condition, 4 + i, 2000);
            struct dray_completion c = rig_finish(&a->rig, 0);
            assert_status(c, holds[condition][i] ? DRAY_STATUS_OK : DRAY_STATUS_TIMEOUT);
            assert_int_equal(c.result, holds[condition][i] ? 0 : 5);
        }
    set_word(a, 64, UINT64_MAX);
    dray_prep_wait(rig_get(&a->rig, 0), a->all, 64, DRAY_WAIT_GT, 0, 2000);
    assert_status(rig_finish(&a->rig, 0), DRAY_STATUS_OK);
}

static void a_wait_times_out_when_its_time_is_over(void **state)
{
    struct area *a = *state;
    set_word(a, 64, 77);
    struct dray_desc *d = rig_get(&a->rig, 0);
    dray_prep_wait(d, a->all, 64, DRAY_WAIT_EQ, 1, 3000000);
    d->flags = DRAY_FLAG_CHAIN;
    dray_prep_signal(rig_get(&a->rig, 0), a->all, 72, 1, false); /* not reached */
    sim_time begun = sim_now(a->rig.kernel);
    struct dray_completion c = rig_finish(&a->rig, 0);
    sim_time took = sim_now(a->rig.kernel) - begun;
    assert_true(took >= 3 * SIM_MS && took < 3 * SIM_MS + 2 * SIM_US);
    assert_status(c, DRAY_STATUS_TIMEOUT);
    assert_int_equal(c.result, 77);
    assert_int_equal(c.index, 0);
    assert_int_equal(c.access, DRAY_ACCESS_READ);
}

/* One channel is held; the others go on. What ends the wait may be anybody's store. */
static void a_wait_holds_its_channel_alone(void **state)
{
    struct area *a = *state;
    struct sim_controller_wait wait;
    struct dray_completion c;
    set_word(a, 64, 0);
    dray_prep_wait(rig_get(&a->rig, 0), a->all, 64, DRAY_WAIT_EQ, 9, 0);
    dray_prep_copy(rig_get(&a->rig, 0), a->all, 150000, a->all, 1000, 5000);
    rig_publish(&a->rig, 0);
    for (unsigned channel = 1; channel < RIG_CHANNELS; channel++) {
        rig_start(&a->rig, channel);
        dray_prep_copy(rig_get(&a->rig, channel), a->all, 160000 + channel * 5000, a->all, 1000,
                       5000);
        assert_status(rig_finish(&a->rig, channel), DRAY_STATUS_OK);
        memcpy(a->expected + 160000 + channel * 5000, a->expected + 1000, 5000);
    }
    rig_run_for(&a->rig, 100 * SIM_US);
    area_check(a);
    assert_false(rig_reap(&a->rig, 0, &c));
    assert_true(sim_controller_waits(a->rig.controller, 0, &wait));
    assert_int_equal(wait.value, 9);
    assert_int_equal(wait.offset, 64);
    assert_false(sim_controller_waits(a->rig.controller, 1, &wait));
    dray_prep_signal(rig_get(&a->rig, 2), a->all, 64, 9, false);
    set_word(a, 72, word_at(a, 72));
    assert_status(rig_finish(&a->rig, 2), DRAY_STATUS_OK);
    uint64_t nine = 9;
    memcpy(a->expected + 64, &nine, 8);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    memcpy(a->expected + 150000, a->expected + 1000, 5000);
}

/* Four channels add to one flag at once, and nothing is lost. */
static void adds_of_several_channels(void **state)
{
    struct area *a = *state;
    set_word(a, 64, 1000);
    for (unsigned channel = 0; channel < RIG_CHANNELS; channel++) {
        if (channel)
            rig_start(&a->rig, channel);
        for (unsigned i = 0; i < 50; i++) {
            struct dray_desc *d = rig_get(&a->rig, channel);
            dray_prep_signal(d, a->all, 64, channel + 1, true);
            d->flags = i < 49 ? DRAY_FLAG_CHAIN : 0;
        }
        rig_publish(&a->rig, channel);
    }
    for (unsigned channel = 0; channel < RIG_CHANNELS; channel++)
        assert_status(rig_wait(&a->rig, channel), DRAY_STATUS_OK);
    assert_int_equal(word_at(a, 64), 1000 + 50 * (1 + 2 + 3 + 4));
    set_word(a, 64, word_at(a, 64));
}

/*
 * Channel 0 writes a payload, then a header; channel 1 waits for the header and takes the payload's
 * end. The header is shorter, so without a fence it overtakes, and channel 1 takes bytes of before.
 */
static void header_after_payload(struct area *a, unsigned how, bool *stale)
{
    enum {
        PAYLOAD = 32 << 10,
        LAST = 8 << 10, /* of it, what channel 1 takes */
    };
    uint64_t header = 128, ready = 136, from = 4096, to = 100 << 10, out = 150 << 10;
    set_word(a, header, 0);
    set_word(a, ready, 1);
    rig_start(&a->rig, 1);
    dray_prep_wait(rig_get(&a->rig, 1), a->all, header, DRAY_WAIT_EQ, 1, 0);
    dray_prep_copy(rig_get(&a->rig, 1), a->all, out, a->all, to + PAYLOAD - LAST, LAST);
    rig_publish(&a->rig, 1);
    dray_prep_copy(rig_get(&a->rig, 0), a->all, to, a->all, from, PAYLOAD);
    if (how == 1)
        dray_prep_fence(rig_get(&a->rig, 0));
    if (how == 2) {
        dray_prep_signal(rig_get(&a->rig, 0), a->all, header, 1, false);
    } else {
        struct dray_desc *d = rig_get(&a->rig, 0);
        dray_prep_copy(d, a->all, header, a->all, ready, 8);
        d->flags = how == 3 ? DRAY_FLAG_FENCE : 0;
    }
    rig_publish(&a->rig, 0);
    for (unsigned i = 0; i < 2 + (how == 1); i++)
        assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 1), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 1), DRAY_STATUS_OK);
    rig_run(&a->rig);
    const uint8_t *is = a->rig.bytes + RIG_DATA;
    assert_memory_equal(is + to, is + from, PAYLOAD);
    *stale = memcmp(is + out, is + from + PAYLOAD - LAST, LAST) != 0;
    memcpy(a->expected, is, DATA_SIZE);
}

static void who_sees_the_header_sees_the_payload(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct area a;
        struct sim_controller_params p = rig_params();
        bool stale;
        p.bandwidth = 10000000000;
        p.poll = 50 * SIM_NS;
        area_make(&a, &p);
        header_after_payload(&a, how, &stale);
        assert_int_equal(stale, how == 0);
        area_free(&a);
    }
}

/* ---- LINK ---- */

static void put_array(struct area *a, uint64_t offset, const struct dray_desc *d, unsigned count)
{
    memcpy(a->rig.bytes + RIG_DATA + offset, d, count * sizeof(*d));
    memcpy(a->expected + offset, d, count * sizeof(*d));
}

/* The array lies across pages and begins anywhere; after it the ring goes on. */
static void a_link_goes_on_in_an_array_and_returns(void **state)
{
    struct area *a = *state;
    struct dray_desc d[40];
    for (unsigned i = 0; i < 40; i++) {
        dray_prep_copy(&d[i], a->all, 100000 + i * 100, a->all, 20000 + i * 150, 100);
        d[i].user_data = i;
        d[i].flags = i < 20 ? DRAY_FLAG_CHAIN : 0;
    }
    put_array(a, 60003, d, 40);
    dray_prep_link(rig_get(&a->rig, 0), a->all, 60003, 40);
    dray_prep_nop(rig_get(&a->rig, 0));
    rig_desc_at(&a->rig, 0, 1)->user_data = 99;
    assert_status(rig_finish(&a->rig, 0), DRAY_STATUS_OK);
    for (unsigned i = 20; i < 40; i++) {
        struct dray_completion c = rig_wait(&a->rig, 0);
        assert_status(c, DRAY_STATUS_OK);
        assert_int_equal(c.user_data, i);
        assert_int_equal(c.moved, i == 20 ? 2100 : 100);
    }
    assert_int_equal(rig_wait(&a->rig, 0).user_data, 99);
    for (unsigned i = 0; i < 40; i++)
        memcpy(a->expected + 100000 + i * 100, a->expected + 20000 + i * 150, 100);
}

static void links_that_are_refused(void **state)
{
    struct area *a = *state;
    struct dray_desc d[3];
    struct dray_completion c;
    /* A loop: 64 are followed, the 65th is refused. */
    dray_prep_link(&d[0], a->all, 60000, 1);
    d[0].flags = DRAY_FLAG_CHAIN;
    put_array(a, 60000, d, 1);
    dray_prep_link(rig_get(&a->rig, 0), a->all, 60000, 1);
    rig_desc_at(&a->rig, 0, 0)->flags = DRAY_FLAG_CHAIN;
    dray_prep_nop(rig_get(&a->rig, 0));
    c = rig_finish(&a->rig, 0);
    assert_status(c, DRAY_STATUS_LINK);
    assert_int_equal(c.index, 64);
    /* One that is not the last of its array; the array goes on. */
    dray_prep_nop(&d[0]);
    dray_prep_link(&d[1], a->all, 60000, 1);
    dray_prep_nop(&d[2]);
    put_array(a, 61000, d, 3);
    dray_prep_link(rig_get(&a->rig, 0), a->all, 61000, 3);
    assert_status(rig_finish(&a->rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    c = rig_wait(&a->rig, 0);
    assert_status(c, DRAY_STATUS_LINK);
    assert_int_equal(c.access, DRAY_ACCESS_FETCH);
    assert_int_equal(c.result, 60000);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
    /* A shape of the ring's own belongs to the ring. */
    dray_prep_strided(&d[0], a->all, 0, a->all, 0, 100, (dray_key){ 0 }, 0);
    put_array(a, 62000, d, 1);
    dray_prep_link(rig_get(&a->rig, 0), a->all, 62000, 1);
    assert_status(rig_finish(&a->rig, 0), DRAY_STATUS_OK);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_KEY);
    /* An array that cannot be read ends its transaction; the ring goes on. */
    a->rig.forbidden_from = RIG_DATA + 61000;
    a->rig.forbidden_to = RIG_DATA + 61001;
    dray_prep_link(rig_get(&a->rig, 0), a->all, 61000, 3);
    dray_prep_nop(rig_get(&a->rig, 0));
    assert_status(rig_finish(&a->rig, 0), DRAY_STATUS_OK);
    c = rig_wait(&a->rig, 0);
    assert_status(c, DRAY_STATUS_IO);
    assert_int_equal(c.access, DRAY_ACCESS_FETCH);
    assert_status(rig_wait(&a->rig, 0), DRAY_STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AREA_TEST(copies_of_all_alignments),
        AREA_TEST(copies_that_overlap_are_memmove),
        AREA_TEST(fills_of_each_pattern),
        AREA_TEST(checksums_that_are_known),
        AREA_TEST(a_checksum_goes_on),
        AREA_TEST(the_first_difference),
        AREA_TEST(a_difference_ends_the_comparing),
        AREA_TEST(strided_copies_of_many_shapes),
        AREA_TEST(a_shape_is_read_before_the_head_says_so),
        AREA_TEST(strided_copies_that_are_refused),
        AREA_TEST(each_condition_of_a_wait),
        AREA_TEST(a_wait_times_out_when_its_time_is_over),
        AREA_TEST(a_wait_holds_its_channel_alone),
        AREA_TEST(adds_of_several_channels),
        cmocka_unit_test(who_sees_the_header_sees_the_payload),
        AREA_TEST(a_link_goes_on_in_an_array_and_returns),
        AREA_TEST(links_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
