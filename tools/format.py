#!/usr/bin/env python3
"""Makes the C header, the codec's tables, the documentation table and the fuzzing dictionary
from the one description of the wire format (src/desc/format.toml)."""

import sys
import tomllib

C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "i64": "int64_t",
           "key": "dray_key"}
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "key": 4, "arg": 16}
EVERY_OPCODE = {"opcode", "version", "flags", "user_data"}
EVERY_FLAG = ["CHAIN", "FENCE", "NOTIFY"]
MADE = "/* Made by tools/format.py from src/desc/format.toml: change it there. */"


def split(kind):
    """'u64[4]' -> ('u64', 4); 'u8' -> ('u8', 1)."""
    base, _, rest = kind.partition("[")
    return base, int(rest.rstrip("]")) if rest else 1


def size_of(kind):
    base, count = split(kind)
    return SIZES[base] * count


def check_layout(what, fields, size):
    at = 0
    for field in fields:
        if field["offset"] != at:
            sys.exit(f"format: {what}.{field['name']}: at {field['offset']}, expected {at}")
        at += size_of(field["type"])
    if at != size:
        sys.exit(f"format: {what}: {at} bytes, expected {size}")


def c_member(field):
    base, count = split(field["type"])
    array = f"[{count}]" if count > 1 else ""
    return f"{C_TYPES[base]} {field['name']}{array};"


def arg_union(opcodes):
    """The 16 bytes of an opcode, one struct for each opcode that gives them a meaning."""
    lines = ["    union {"]
    for op in opcodes:
        if not op.get("args"):
            continue
        lines.append("        struct {")
        at = 48
        for arg in op["args"]:
            if arg["offset"] > at:
                lines.append(f"            uint8_t pad{at}[{arg['offset'] - at}];")
            lines.append(f"            {c_member(arg)} /* {arg['doc']} */")
            at = arg["offset"] + size_of(arg["type"])
        lines.append(f"        }} {op['name'].lower()};")
    return lines + ["        uint64_t word[2];", "        uint8_t byte[16];", "    } arg;"]


def struct(name, what, opcodes=()):
    lines = [f"/* {what['doc']} */", f"struct {name} {{"]
    for field in what["fields"]:
        if field["type"] == "arg":
            lines += arg_union(opcodes)
        else:
            lines.append(f"    {c_member(field)} /* {field['doc']} */")
    lines += ["};", f"DRAY_ASSERT(sizeof(struct {name}) == {what['size']}, \"{name}\");"]
    lines += [f"DRAY_ASSERT(offsetof(struct {name}, {f['name']}) == {f['offset']}, \"{name}.{f['name']}\");"
              for f in what["fields"]]
    return lines + [""]


def enum(name, prefix, rows):
    lines = [f"enum {name} {{"]
    for row in rows:
        doc = f" /* {row['doc']} */" if "doc" in row else ""
        lines.append(f"    {prefix}{row['name']} = {row['number']},{doc}")
    return lines + ["};", ""]


def header(fmt):
    out = [MADE, "#ifndef DRAY_FORMAT_H", "#define DRAY_FORMAT_H", "",
           "#include <stddef.h>", "#include <stdint.h>", "",
           "#ifdef __cplusplus", "extern \"C\" {", "#define DRAY_ASSERT static_assert",
           "#else", "#define DRAY_ASSERT _Static_assert", "#endif", "",
           f"#define DRAY_FORMAT_VERSION {fmt['version']}", "",
           "/* Names a region of a domain: index and generation, so that a key used after unmap is caught. A",
           " * structure, so that it never mixes silently with an offset or a length. 0 names nothing. */",
           "typedef struct dray_key {", "    uint32_t value;", "} dray_key;", ""]
    out += enum("dray_opcode", "DRAY_OP_", fmt["opcodes"])
    out += ["enum dray_flag {"]
    out += [f"    DRAY_FLAG_{f['name']} = 1 << {f['bit']}, /* {f['doc']} */" for f in fmt["flags"]]
    out += ["};", ""]
    out += enum("dray_wait", "DRAY_WAIT_", fmt["waits"])
    out += enum("dray_access", "DRAY_ACCESS_", fmt["accesses"])
    out += enum("dray_status", "DRAY_STATUS_", fmt["statuses"])
    out += struct("dray_desc", fmt["descriptor"], fmt["opcodes"])
    out += struct("dray_completion", fmt["completion"])
    out += struct("dray_shape", fmt["shape"])
    return out + ["#ifdef __cplusplus", "}", "#endif", "", "#endif"]


def zero_mask(fmt, op):
    """64 bytes: the bits that must be zero in a descriptor of this opcode."""
    mask = bytearray(b"\xff" * fmt["descriptor"]["size"])
    allowed = EVERY_OPCODE | set(op["uses"])
    used = [f for f in fmt["descriptor"]["fields"] if f["name"] in allowed] + op.get("args", [])
    for field in used:
        at, size = field["offset"], size_of(field["type"])
        mask[at:at + size] = bytes(size)
    taken = sum(1 << f["bit"] for f in fmt["flags"] if f["name"] in EVERY_FLAG + op.get("flags", []))
    mask[2:4] = (0xffff & ~taken).to_bytes(2, "little")
    return [int.from_bytes(mask[i:i + 8], "little") for i in range(0, 64, 8)]


def field_row(field, words):
    """A field as the assembler and the disassembler see it: keys and bit patterns are hexadecimal."""
    base, _ = split(field["type"])
    radix = "true" if base == "key" or field.get("hex", False) else "false"
    named = f"dray_{words[field['name']][:-1]}_words" if field["name"] in words else "NULL"
    return f"{{ \"{field['name']}\", {field['offset']}, {SIZES[base]}, {radix}, {named} }}"


def zero_table(fmt):
    """The engine's check of a descriptor reads one cache line of this. Numbers without an opcode: every bit."""
    by_number = {op["number"]: op for op in fmt["opcodes"]}
    out = ["_Alignas(64) const uint64_t dray_opcode_zero[DRAY_OPCODE_COUNT][8] = {"]
    for number in range(max(by_number) + 1):
        op = by_number.get(number)
        words = zero_mask(fmt, op) if op else [0xffffffffffffffff] * 8
        out += [f"    /* {op['name'].lower() if op else 'none'} */",
                "    { " + ", ".join(f"0x{w:016x}" for w in words[:4]) + ",",
                "      " + ", ".join(f"0x{w:016x}" for w in words[4:]) + " },"]
    return out + ["};", ""]


def tables(fmt):
    by_name = {f["name"]: f for f in fmt["descriptor"]["fields"]}
    out = [MADE, "#include \"desc/format_tables.h\"", ""]
    out += zero_table(fmt)
    for what in sorted({w for op in fmt["opcodes"] for w in op.get("words", {}).values()}):
        names = ", ".join(f"\"{row['name'].lower()}\"" for row in fmt[what])
        out += [f"static const char *const dray_{what[:-1]}_words[] = {{ {names}, NULL }};", ""]
    out += ["const struct dray_opcode_info dray_opcode_table[DRAY_OPCODE_COUNT] = {"]
    for op in fmt["opcodes"]:
        fields = [by_name[u] for u in op["uses"]] + op.get("args", [])
        flags = " | ".join(f"DRAY_FLAG_{f}" for f in EVERY_FLAG + op.get("flags", []))
        out += [f"    [DRAY_OP_{op['name']}] = {{",
                f"        .name = \"{op['name'].lower()}\",",
                f"        .reserved = {str(op.get('reserved', False)).lower()},",
                f"        .flags = {flags},",
                f"        .field_count = {len(fields)},"]
        if fields:
            out += ["        .fields = { " + ", ".join(field_row(f, op.get("words", {})) for f in fields) + " },"]
        out += ["    },"]
    out += ["};", ""]
    for what, rows in (("flag", fmt["flags"]), ("status", fmt["statuses"]), ("wait", fmt["waits"]),
                       ("access", fmt["accesses"])):
        out += [f"const struct dray_name_info dray_{what}_table[] = {{"]
        for row in rows:
            number = 1 << row["bit"] if "bit" in row else row["number"]
            out += [f"    {{ {number}, \"{row.get('text', row['name'].lower())}\", \"{row.get('doc', '')}\" }},"]
        out += ["};", f"const size_t dray_{what}_count = {len(rows)};", ""]
    return out


def layout_table(title, what):
    out = [f"## {title}, {what['size']} bytes", "", what["doc"], "",
           "| bytes | field | type | meaning |", "|---|---|---|---|"]
    for field in what["fields"]:
        last = field["offset"] + size_of(field["type"]) - 1
        span = f"{field['offset']}" if last == field["offset"] else f"{field['offset']}–{last}"
        out.append(f"| {span} | `{field['name']}` | {field['type']} | {field['doc']} |")
    return out + [""]


def document(fmt):
    out = ["# The wire format", "",
           "Made by `tools/format.py` from `src/desc/format.toml`. Integers are little-endian; a field that an",
           f"opcode does not use must be zero. This is version {fmt['version']}.", ""]
    out += layout_table("Descriptor", fmt["descriptor"])
    out += ["## Opcodes", "", "| number | opcode | what it does | fields used | argument bytes |",
            "|---|---|---|---|---|"]
    for op in fmt["opcodes"]:
        uses = ", ".join(f"`{u}`" for u in op["uses"]) or "none"
        args = "; ".join(f"{a['offset']}–{a['offset'] + size_of(a['type']) - 1} `{a['name']}` "
                         f"({a['type']}): {a['doc']}" for a in op.get("args", [])) or "none"
        out.append(f"| {op['number']} | {op['name']} | {op['doc']} | {uses} | {args} |")
    out += ["", "## Flags", "", "Every opcode takes CHAIN, FENCE and NOTIFY; CRC belongs to COPY.", "",
            "| bit | flag | meaning |", "|---|---|---|"]
    out += [f"| {f['bit']} | {f['name']} | {f['doc']} |" for f in fmt["flags"]]
    out += ["", "## Conditions of WAIT", "", "The flag stands on the left, as an unsigned 64-bit number.", "",
            "| count | condition |", "|---|---|"]
    out += [f"| {w['number']} | {w['name']} `{w['text']}` |" for w in fmt["waits"]]
    out += [""] + layout_table("Shape", fmt["shape"]) + layout_table("Completion", fmt["completion"])
    out += ["## Statuses", "", "| number | status | meaning |", "|---|---|---|"]
    return out + [f"| {s['number']} | {s['name']} | {s['doc']} |" for s in fmt["statuses"]]


def manual_text(text):
    """For scdoc, where these begin bold, underlined and escapes."""
    return "".join("\\" + c if c in "\\*_" else c for c in text)


def manual_table(heads, rows):
    """The first row of an scdoc table carries the alignment of its columns."""
    out = []
    for row in [[f"*{h}*" for h in heads]] + [[manual_text(str(cell)) for cell in row] for row in rows]:
        first = not out
        out += [f"{'][' if first else '| '} {row[0]}"]
        out += [f"{':[' if first else ': '} {cell}" for cell in row[1:]]
    return out + [""]


def manual_layout(title, what):
    rows = []
    for field in what["fields"]:
        last = field["offset"] + size_of(field["type"]) - 1
        span = field["offset"] if last == field["offset"] else f"{field['offset']}-{last}"
        rows.append((span, field["name"], field["type"], field["doc"]))
    return [f"# {title}, {what['size']} BYTES", "", manual_text(what["doc"]), ""] + \
        manual_table(("bytes", "field", "type", "meaning"), rows)


def manual_opcode(op):
    flags = ", ".join(EVERY_FLAG + op.get("flags", []))
    out = [f"*{op['name']}* ({op['number']})", f"\t{manual_text(op['doc'])}.", ""]
    if not op.get("reserved", False):
        uses = manual_text(", ".join(op["uses"]) or "none")
        out += [f"\tFields: {uses}. Flags: {flags}.", ""]
    for arg in op.get("args", []):
        last = arg["offset"] + size_of(arg["type"]) - 1
        out += [f"\tBytes {arg['offset']}-{last}, _{arg['name']}_ ({arg['type']}): {manual_text(arg['doc'])}.", ""]
    return out


def manual(fmt):
    """dray-format(5), for scdoc."""
    out = ["dray-format(5)", "", "# NAME", "", "dray-format - the wire format of descriptors, shapes and completions",
           "", "# DESCRIPTION", "",
           f"This is version {fmt['version']}. Integers are little-endian; a field that an opcode does not use must",
           "be zero, and so must every flag it does not take. In C the structures are in dray/format.h.", ""]
    out += manual_layout("DESCRIPTOR", fmt["descriptor"]) + ["# OPCODES", ""]
    for op in fmt["opcodes"]:
        out += manual_opcode(op)
    out += ["# FLAGS", ""]
    out += manual_table(("bit", "flag", "meaning"), [(f["bit"], f["name"], f["doc"]) for f in fmt["flags"]])
    out += ["# CONDITIONS OF WAIT", "", "The flag stands on the left, as an unsigned 64-bit number.", ""]
    out += manual_table(("count", "name", "condition"), [(w["number"], w["name"].lower(), w["text"]) for w in fmt["waits"]])
    out += manual_layout("SHAPE", fmt["shape"]) + manual_layout("COMPLETION", fmt["completion"])
    out += ["# STATUSES", ""]
    out += manual_table(("number", "status", "meaning"), [(s["number"], s["name"], s["doc"]) for s in fmt["statuses"]])
    return out + ["# TEXT FORM", "",
                  "One line: the opcode, then name=value for each field that is not zero, then user\\_data, then",
                  "flags=NAME,NAME. Numbers are in base 10, or after 0x in base 16; the count of WAIT may be a name.", "",
                  "\tcopy src\\_key=0x100001 src\\_offset=512 dst\\_key=0x200002 length=4096 flags=chain,crc", "",
                  "What that cannot say (another version, an unknown opcode, bits without a meaning) is the 64 bytes",
                  "as they are: raw and 128 hexadecimal digits.", "",
                  "# SEE ALSO", "", "*dray_desc*(3)"]


def dictionary(fmt):
    """Tokens for the fuzzers: opcode and version bytes for the ring, words for the assembler."""
    out = ["# Made by tools/format.py from src/desc/format.toml."]
    for op in fmt["opcodes"]:
        out.append(f"\"\\x{op['number']:02x}\\x{fmt['version']:02x}\"")
        out.append(f"\"{op['name'].lower()}\"")
    out += [f"\"{f['name'].lower()}\"" for f in fmt["flags"]]
    out += [f"\"{f['name']}=\"" for f in fmt["descriptor"]["fields"] if f["name"] not in ("opcode", "arg")]
    for op in fmt["opcodes"]:
        out += [f"\"{a['name']}=\"" for a in op.get("args", [])]
    return list(dict.fromkeys(out))


MAKERS = {"header": header, "tables": tables, "document": document, "manual": manual, "dictionary": dictionary}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in MAKERS:
        sys.exit(f"usage: format.py {'|'.join(MAKERS)} FORMAT.toml OUTPUT")
    with open(sys.argv[2], "rb") as f:
        fmt = tomllib.load(f)
    for what in ("descriptor", "completion", "shape"):
        check_layout(what, fmt[what]["fields"], fmt[what]["size"])
    with open(sys.argv[3], "w", encoding="utf-8") as f:
        f.write("\n".join(MAKERS[sys.argv[1]](fmt)) + "\n")


main()
