#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

enum {
    BUFFER = 1 << 16,
    NAME_MAX_BYTES = 64, /* of a part; what is longer is cut */
    LANES_SHOWN = 4096,  /* sorting keys of a part's tracks */
};

/* What happens on it is over at `end`; the next begins there at the earliest. */
struct lane {
    uint32_t track; /* its number in the file, from 1 */
    sim_time end;
};

struct part {
    char name[NAME_MAX_BYTES];
    struct lane *lanes; /* one at least */
    size_t lane_count, lane_room;
    /* Its count, until the time moves on: several changes at one moment are one. */
    char count_name[NAME_MAX_BYTES];
    sim_time count_time;
    uint64_t count, count_written;
    bool counts; /* there is such a one */
};

struct sim_trace {
    struct sim_watcher watcher;
    struct sim_kernel *kernel;
    int fd;
    int error; /* the first; nothing is written after it */
    struct part *parts;
    size_t part_count, part_room;
    uint32_t tracks;
    unsigned arguments; /* of the event that is being written */
    size_t used;
    char buffer[BUFFER];
};

/* ---- bytes ---- */

static void flush(struct sim_trace *trace)
{
    for (size_t at = 0; at < trace->used && !trace->error;) {
        ssize_t n = write(trace->fd, trace->buffer + at, trace->used - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            trace->error = -errno;
    }
    trace->used = 0;
}

static void put_byte(struct sim_trace *trace, char byte)
{
    if (trace->used == BUFFER)
        flush(trace);
    trace->buffer[trace->used++] = byte;
}

static void put(struct sim_trace *trace, const char *text)
{
    for (; *text; text++)
        put_byte(trace, *text);
}

static void put_digits(struct sim_trace *trace, uint64_t number, unsigned base, unsigned least)
{
    char digits[20];
    unsigned n = 0;
    for (; number || n < least; number /= base)
        digits[n++] = "0123456789abcdef"[number % base];
    while (n)
        put_byte(trace, digits[--n]);
}

/* Inside of quotes. Bytes that are not ASCII are taken for Latin-1: the file is valid whatever comes. */
static void put_inside(struct sim_trace *trace, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= ' ' && c < 127) {
            if (c == '"' || c == '\\')
                put_byte(trace, '\\');
            put_byte(trace, *text);
        } else {
            put(trace, "\\u");
            put_digits(trace, c, 16, 4);
        }
    }
}

static void put_string(struct sim_trace *trace, const char *text)
{
    put_byte(trace, '"');
    put_inside(trace, text ? text : "");
    put_byte(trace, '"');
}

/* Microseconds; a picosecond is the sixth digit. */
static void put_time(struct sim_trace *trace, const char *member, sim_time time)
{
    put(trace, member);
    put_digits(trace, time / SIM_US, 10, 1);
    put_byte(trace, '.');
    put_digits(trace, time % SIM_US, 10, 6);
}

/* ---- events ---- */

static void begin(struct sim_trace *trace, const char *phase, uint32_t track, const char *name)
{
    put(trace, ",\n{\"ph\":\"");
    put(trace, phase);
    put(trace, "\",\"pid\":1,\"tid\":");
    put_digits(trace, track, 10, 1);
    put(trace, ",\"name\":");
    put_string(trace, name);
    trace->arguments = 0;
}

static void begin_at(struct sim_trace *trace, const char *phase, uint32_t track, const char *name,
                     const char *category, sim_time time)
{
    begin(trace, phase, track, name);
    put(trace, ",\"cat\":");
    put_string(trace, category);
    put_time(trace, ",\"ts\":", time);
}

static void argument(struct sim_trace *trace, const char *name)
{
    put(trace, trace->arguments++ ? "," : ",\"args\":{");
    put_string(trace, name);
    put_byte(trace, ':');
}

static void argument_number(struct sim_trace *trace, const char *name, uint64_t number)
{
    argument(trace, name);
    put_digits(trace, number, 10, 1);
}

/* As text: readers keep numbers as doubles. */
static void argument_address(struct sim_trace *trace, const char *name, uint64_t address)
{
    argument(trace, name);
    put(trace, "\"0x");
    put_digits(trace, address, 16, 1);
    put_byte(trace, '"');
}

static void argument_text(struct sim_trace *trace, const char *name, const char *text)
{
    argument(trace, name);
    put_string(trace, text);
}

static void argument_origin(struct sim_trace *trace, const struct sim_origin *origin)
{
    if (!origin)
        return;
    if (origin->what)
        argument_text(trace, "what", origin->what);
    if (!origin->file) {
        argument_number(trace, "number", origin->number);
        return;
    }
    argument(trace, "where");
    put_byte(trace, '"');
    put_inside(trace, origin->file);
    put_byte(trace, ':');
    put_digits(trace, origin->line, 10, 1);
    put_byte(trace, '"');
}

static void end(struct sim_trace *trace)
{
    put(trace, trace->arguments ? "}}" : "}");
}

/* ---- parts and their tracks ---- */

static void *grow(struct sim_trace *trace, void *array, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return array;
    size_t wanted = *room ? *room * 2 : 4;
    void *grown = reallocarray(array, wanted, size);
    if (grown)
        *room = wanted;
    else
        trace->error = trace->error ? trace->error : -ENOMEM;
    return grown;
}

static void name_track(struct sim_trace *trace, const struct part *part, size_t lane)
{
    uint32_t track = part->lanes[lane].track;
    begin(trace, "M", track, "thread_name");
    argument(trace, "name");
    put_byte(trace, '"');
    put_inside(trace, part->name);
    if (lane) {
        put(trace, " (");
        put_digits(trace, lane + 1, 10, 1);
        put(trace, ")");
    }
    put_byte(trace, '"');
    end(trace);
    begin(trace, "M", track, "thread_sort_index");
    argument_number(trace, "sort_index", (uint64_t)(part - trace->parts) * LANES_SHOWN + lane);
    end(trace);
}

static struct lane *add_lane(struct sim_trace *trace, struct part *part)
{
    struct lane *lanes =
        grow(trace, part->lanes, &part->lane_room, part->lane_count, sizeof(*lanes));
    if (!lanes)
        return NULL;
    part->lanes = lanes;
    lanes[part->lane_count] = (struct lane){ .track = ++trace->tracks };
    name_track(trace, part, part->lane_count);
    return &lanes[part->lane_count++];
}

/* NULL: no memory. */
static struct part *find_part(struct sim_trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->part_count; i++)
        if (!strncmp(trace->parts[i].name, name, NAME_MAX_BYTES - 1))
            return &trace->parts[i];
    struct part *parts =
        grow(trace, trace->parts, &trace->part_room, trace->part_count, sizeof(*parts));
    if (!parts)
        return NULL;
    trace->parts = parts;
    struct part *part = &parts[trace->part_count];
    *part = (struct part){ .count_written = UINT64_MAX };
    memcpy(part->name, name, strnlen(name, NAME_MAX_BYTES - 1));
    if (!add_lane(trace, part))
        return NULL;
    trace->part_count++;
    return part;
}

/* Spans come in the order of their ends: one that begins when the last of a track is over overlaps none
 * of that track. */
static struct lane *find_lane(struct sim_trace *trace, struct part *part, sim_time begun)
{
    for (size_t i = 0; i < part->lane_count; i++)
        if (part->lanes[i].end <= begun)
            return &part->lanes[i];
    return add_lane(trace, part);
}

/* ---- notes ---- */

static void write_span(struct sim_trace *trace, struct part *part, const struct sim_note *note)
{
    sim_time begun = note->time - note->value;
    struct lane *lane = find_lane(trace, part, begun);
    if (!lane)
        return;
    lane->end = note->time;
    begin_at(trace, "X", lane->track, note->text, "span", begun);
    put_time(trace, ",\"dur\":", note->value);
    if (note->size)
        argument_number(trace, "bytes", note->size);
    if (note->address)
        argument_address(trace, "address", note->address);
    argument_origin(trace, note->origin);
    end(trace);
}

static void write_count(struct sim_trace *trace, struct part *part)
{
    if (!part->counts || part->count == part->count_written)
        return;
    part->count_written = part->count;
    begin_at(trace, "C", part->lanes[0].track, part->name, "count", part->count_time);
    argument_number(trace, part->count_name, part->count);
    end(trace);
}

static void take_count(struct sim_trace *trace, struct part *part, const struct sim_note *note)
{
    if (note->time > part->count_time)
        write_count(trace, part);
    if (!part->counts)
        memcpy(part->count_name, note->text, strnlen(note->text, NAME_MAX_BYTES - 1));
    part->counts = true;
    part->count_time = note->time;
    part->count = note->value;
}

static bool is_doorbell(uint64_t address)
{
    return address >= SIM_REGISTERS &&
           address - SIM_REGISTERS < SIM_CONTROLLER_CHANNELS * SIM_CHANNEL_SIZE &&
           address % SIM_CHANNEL_SIZE == SIM_REG_DOORBELL;
}

static void write_register(struct sim_trace *trace, uint32_t track, const struct sim_note *note)
{
    bool doorbell = is_doorbell(note->address);
    begin_at(trace, "i", track, doorbell ? "doorbell" : "register write", "register", note->time);
    if (doorbell)
        argument_number(trace, "channel", (note->address - SIM_REGISTERS) / SIM_CHANNEL_SIZE);
    argument_address(trace, "address", note->address);
}

static void write_fault(struct sim_trace *trace, uint32_t track, const struct sim_note *note)
{
    begin_at(trace, "i", track, "fault", "fault", note->time);
    argument_text(trace, "access", note->value ? "write" : "read");
    if (note->address != SIM_NEVER)
        argument_address(trace, "address", note->address);
    if (note->device)
        argument_address(trace, "io", note->extra);
    if (note->text)
        argument_text(trace, "why", note->text);
}

static void write_mapping(struct sim_trace *trace, uint32_t track, const struct sim_note *note,
                          const char *name)
{
    begin_at(trace, "i", track, name, "mapping", note->time);
    if (note->size)
        argument_number(trace, "bytes", note->size);
    if (note->kind == SIM_NOTE_MAP || note->kind == SIM_NOTE_FREE || note->kind == SIM_NOTE_MOVE)
        argument_address(trace, "address", note->address);
    if (note->kind == SIM_NOTE_MOVE)
        argument_address(trace, "to", note->value);
    else if (note->extra == SIM_NEVER)
        argument_text(trace, "io", "none: it failed");
    else if (note->extra)
        argument_address(trace, "io", note->extra);
    if (note->kind == SIM_NOTE_UNMAP)
        argument_text(trace, "how", note->value ? "lazily" : "at once");
}

static void write_hazard(struct sim_trace *trace, uint32_t track, const struct sim_note *note)
{
    begin_at(trace, "i", track, note->text, "hazard", note->time);
    argument_address(trace, "address", note->address);
    argument_number(trace, "bytes", note->size);
}

static void write_instant(struct sim_trace *trace, uint32_t track, const struct sim_note *note)
{
    static const char *const names[] = { [SIM_NOTE_MAP] = "map",
                                         [SIM_NOTE_UNMAP] = "unmap",
                                         [SIM_NOTE_UNMAPPED] = "flush of unmaps",
                                         [SIM_NOTE_SYNC_DEVICE] = "sync for device",
                                         [SIM_NOTE_SYNC_CPU] = "sync for CPU",
                                         [SIM_NOTE_FREE] = "free",
                                         [SIM_NOTE_MOVE] = "move of a page",
                                         [SIM_NOTE_RAISE] = "raised",
                                         [SIM_NOTE_HANDLE] = "handled",
                                         [SIM_NOTE_STOP] = "told to stop",
                                         [SIM_NOTE_REST] = "at rest" };
    switch (note->kind) {
    case SIM_NOTE_MMIO_WRITE:
        write_register(trace, track, note);
        break;
    case SIM_NOTE_FAULT:
        write_fault(trace, track, note);
        break;
    case SIM_NOTE_HAZARD:
        write_hazard(trace, track, note);
        break;
    case SIM_NOTE_RAISE:
    case SIM_NOTE_HANDLE:
        begin_at(trace, "i", track, names[note->kind], "interrupt", note->time);
        argument_number(trace, "interrupt", note->value);
        break;
    case SIM_NOTE_STOP:
    case SIM_NOTE_REST:
        begin_at(trace, "i", track, names[note->kind], "channel", note->time);
        break;
    default:
        write_mapping(trace, track, note, names[note->kind]);
        break;
    }
    argument_origin(trace, note->origin);
    put(trace, trace->arguments ? "},\"s\":\"t\"}" : ",\"s\":\"t\"}");
}

/* Loads, stores, lines of caches and a device's accesses would be the most of the file, and say least. */
static bool is_instant(enum sim_note_kind kind)
{
    const uint64_t instants =
        1ull << SIM_NOTE_MMIO_WRITE | 1ull << SIM_NOTE_FAULT | 1ull << SIM_NOTE_MAP |
        1ull << SIM_NOTE_UNMAP | 1ull << SIM_NOTE_UNMAPPED | 1ull << SIM_NOTE_SYNC_DEVICE |
        1ull << SIM_NOTE_SYNC_CPU | 1ull << SIM_NOTE_FREE | 1ull << SIM_NOTE_MOVE |
        1ull << SIM_NOTE_RAISE | 1ull << SIM_NOTE_HANDLE | 1ull << SIM_NOTE_STOP |
        1ull << SIM_NOTE_REST | 1ull << SIM_NOTE_HAZARD;
    return instants >> kind & 1;
}

static void watch(struct sim_watcher *watcher, const struct sim_note *note)
{
    struct sim_trace *trace = SIM_OWNER(watcher, struct sim_trace, watcher);
    bool instant = is_instant(note->kind);
    if (trace->error || (!instant && note->kind != SIM_NOTE_SPAN && note->kind != SIM_NOTE_COUNT))
        return;
    struct part *part = find_part(trace, note->part);
    if (!part)
        return;
    if (instant)
        write_instant(trace, part->lanes[0].track, note);
    else if (note->kind == SIM_NOTE_SPAN)
        write_span(trace, part, note);
    else
        take_count(trace, part, note);
}

/* ---- transactions ---- */

static void begin_transaction(struct sim_trace *trace, const char *phase, uint32_t track,
                              const struct sim_trace_transaction *t, sim_time time)
{
    char name[32];
    snprintf(name, sizeof(name), "channel %u", t->channel);
    begin_at(trace, phase, track, name, "transaction", time);
    put(trace, ",\"id\":");
    put_digits(trace, t->id, 10, 1);
}

void sim_trace_transaction(struct sim_trace *trace, const struct sim_trace_transaction *t)
{
    char channel[32];
    snprintf(channel, sizeof(channel), "controller.%u", t->channel);
    struct part *part = trace->error ? NULL : find_part(trace, channel);
    if (!part)
        return;
    uint32_t track = part->lanes[0].track;
    begin_transaction(trace, "b", track, t, t->submitted);
    argument_text(trace, "opcode", t->opcode);
    argument_text(trace, "status", t->status);
    argument_number(trace, "bytes", t->bytes);
    argument_number(trace, "descriptors", t->descriptors);
    argument_number(trace, "operation", t->operation);
    end(trace);
    if (t->done == SIM_NEVER)
        return;
    begin_transaction(trace, "e", track, t, t->done);
    trace->arguments = 0;
    end(trace);
}

/* ---- life ---- */

int sim_trace_create(struct sim_trace **trace, struct sim_kernel *kernel, const char *path)
{
    struct sim_trace *t = calloc(1, sizeof(*t));
    *trace = NULL;
    if (!t)
        return -ENOMEM;
    t->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (t->fd < 0) {
        int error = -errno;
        free(t);
        return error;
    }
    t->kernel = kernel;
    t->watcher.note = watch;
    sim_watch(kernel, &t->watcher);
    put(t, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
           "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\","
           "\"args\":{\"name\":\"machine\"}}");
    *trace = t;
    return 0;
}

int sim_trace_close(struct sim_trace **trace)
{
    struct sim_trace *t = *trace;
    if (!t)
        return 0;
    sim_unwatch(t->kernel, &t->watcher);
    for (size_t i = 0; i < t->part_count; i++) {
        write_count(t, &t->parts[i]);
        free(t->parts[i].lanes);
    }
    put(t, "\n]}\n");
    flush(t);
    if (close(t->fd) && !t->error)
        t->error = -errno;
    int error = t->error;
    free(t->parts);
    free(t);
    *trace = NULL;
    return error;
}
