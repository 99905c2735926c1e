#include "program/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 character at s, its number in *code; 0 if the bytes are none. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *code)
{
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = s[0] < 0x80             ? 1
                    : (s[0] & 0xe0) == 0xc0 ? 2
                    : (s[0] & 0xf0) == 0xe0 ? 3
                    : (s[0] & 0xf8) == 0xf0 ? 4
                                            : 0;
    if (length == 0 || length > left)
        return 0;
    *code = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < smallest[length] || *code > 0x10ffff || surrogate ? 0 : length;
}

/* Controls move the cursor; direction marks make a line read other than it is; line separators
 * break it. */
static bool is_plain(uint32_t code)
{
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfeff;
    bool direction = (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                     (code >= 0x2060 && code <= 0x206f) || code == 0x61c;
    return !control && !direction;
}

static size_t escape_byte(char *out, unsigned char byte)
{
    static const char letters[][2] = {
        { '\n', 'n' },
        { '\r', 'r' },
        { '\t', 't' },
        { '\0', '0' },
    };
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if ((unsigned char)letters[i][0] == byte) {
            out[0] = '\\';
            out[1] = letters[i][1];
            return 2;
        }
    }
    return (size_t)sprintf(out, "\\x%02x", byte);
}

char *dray_escape(char *text, size_t size, const char *bytes, size_t length)
{
    size_t used = 0, cut = 0; /* cut: where "..." still fits */
    for (size_t i = 0; i < length;) {
        char piece[8];
        uint32_t code = 0;
        size_t taken = decode((const unsigned char *)bytes + i, length - i, &code);
        size_t wide = taken;
        if (taken > 0 && is_plain(code)) {
            memcpy(piece, bytes + i, taken);
        } else {
            taken = 1;
            wide = escape_byte(piece, (unsigned char)bytes[i]);
        }
        if (used + wide + 1 > size) {
            memcpy(text + cut, "...", 4);
            return text;
        }
        memcpy(text + used, piece, wide);
        used += wide;
        i += taken;
        if (used + 4 <= size)
            cut = used;
    }
    text[used] = '\0';
    return text;
}
