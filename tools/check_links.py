#!/usr/bin/env python3
"""Checks that the relative links in our Markdown files point at files and headings that exist. No network."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s*\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def prose(text):
    return FENCE.sub("", text)


def anchors(path):
    """Headings as GitHub names them: lower case, punctuation gone, blanks to dashes, repeats numbered."""
    found = {}
    for heading in HEADING.findall(prose(path.read_text(encoding="utf-8"))):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


def problem(path, link):
    if re.match(r"[a-z][a-z+.-]*:", link):
        return None
    target, _, anchor = link.partition("#")
    there = (path.parent / unquote(target)).resolve() if target else path
    if not there.exists():
        return "no such file"
    if anchor and there.suffix == ".md" and anchor not in anchors(there):
        return "no such heading"
    return None


def main():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    count = bad = 0
    for name in listed.stdout.splitlines():
        text = prose((ROOT / name).read_text(encoding="utf-8"))
        links = LINK.findall(CODE.sub("", text)) + REFERENCE.findall(text)
        for link in links:
            count += 1
            why = problem(ROOT / name, link)
            if why:
                bad += 1
                print(f"{name}: {link}: {why}")
    print(f"{count} links, {bad} broken")
    sys.exit(bad > 0)


main()
