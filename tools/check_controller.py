#!/usr/bin/env python3
"""Compares the tables of docs/controller.md with what machine/controller.h and controller.c say."""

import re
import sys


def enum(text, prefix, skip=()):
    """{NAME: value} of the enumerators that begin so and are given a number."""
    found = re.findall(rf"\b{prefix}(\w+)\s*=\s*(0x[0-9a-f]+|1 << \d+|\d+)", text)
    value = {name: 1 << int(v[5:]) if v.startswith("1 <<") else int(v, 0) for name, v in found}
    return {name: v for name, v in value.items() if name not in skip}


def section(page, title):
    body = page.split(title, 1)[1]
    return re.split(r"\n## |\n\*\*[A-Z]+\*\*", body, maxsplit=1)[0]


def rows(page, title, column):
    """{second column: first column} of the table below a title; backquotes are taken away."""
    cells = [[c.strip(" `") for c in line.split("|")[1:-1]]
             for line in section(page, title).splitlines() if line.startswith("| ")]
    return {c[column]: c[1 - column] for c in cells if len(c) > 1}


def differ(what, is_, should):
    lines = [f"{what} {name}: the page says {is_.get(name)}, the source {should.get(name)}"
             for name in sorted(set(is_) | set(should)) if is_.get(name) != should.get(name)]
    return lines


def main(page_path, header_path, source_path):
    page, header, source = (open(p, encoding="utf-8").read() for p in (page_path, header_path, source_path))
    registers = {n: int(v, 16) for n, v in rows(page, "## Registers", 1).items() if v.startswith("0x")}
    control = {n: 1 << int(v) for n, v in rows(page, "**CONTROL**", 1).items() if v.isdigit()}
    status = {n: 1 << int(v) for n, v in rows(page, "**STATUS**", 1).items() if v.isdigit()}
    params = dict.fromkeys(n for n in rows(page, "## Parameters", 0) if n not in ("parameter", "---"))
    wrong = differ("register", registers, enum(header, "SIM_REG_"))
    wrong += differ("command", control, enum(header, "SIM_CONTROL_"))
    wrong += differ("status bit", status, enum(header, "SIM_STATUS_", ("WHY_SHIFT",)))
    named = dict.fromkeys(re.findall(r'\{ "(\w+)",\s+SIM_UNIT', source))
    wrong += [f"parameter {n}: {'not in the page' if n in named else 'not in the source'}"
              for n in sorted(set(params) ^ set(named))]
    if not (registers and control and status and named):
        wrong.append("a table is missing")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
