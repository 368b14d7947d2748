#!/bin/sh
# check-languages.sh -- a document in two languages says the same: NAME.ko.md has the sections of NAME.md, and
# each section the same code blocks, table rows, names in backquotes and links. So neither of the two can be
# changed without the other. What stands in plain prose no check can compare.
#
# In a code block a line may differ in one thing: a note after the last gap of two or more blanks is in Korean there.
#
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
exec python3 - <<'EOF_PYTHON'
import pathlib
import re
import sys

HEADING = re.compile(r"(#+) (.*)")
FENCE = re.compile(r" *```")
NAMES = re.compile(r"`+[^`]+`+")
LINKS = re.compile(r"\]\(([^)#]*)[^)]*\)")
NOTED = re.compile(r"(\S.* {2,})(\S.*)")
HANGUL = re.compile("[가-힣]")


class Section:
    def __init__(self, level, title):
        self.level = level
        self.title = title
        self.code = []
        self.rows = []
        self.names = set()

    def take_prose(self, line):
        if line.startswith("|"):
            self.rows.append(line)
        self.names.update(NAMES.findall(line))
        # a link within the document names a heading, which is in its language
        self.names.update(f"({link.replace('.ko.md', '.md')})" for link in LINKS.findall(line) if link)


def read(path):
    """The document's sections; the first is what stands above all headings."""
    sections = [Section(0, "")]
    fenced = indented = False
    before = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        indented = line.startswith("    ") and (indented or not before)
        if FENCE.match(line):
            fenced = not fenced
            sections[-1].code.append("```")
        elif fenced or indented:
            sections[-1].code.append(line)
        elif heading := HEADING.fullmatch(line):
            sections.append(Section(len(heading[1]), heading[2]))
        else:
            sections[-1].take_prose(line)
        before = line
    return sections


def same_code(english, korean):
    if english == korean:
        return True
    ours, theirs = NOTED.fullmatch(english), NOTED.fullmatch(korean)
    return bool(ours and theirs and ours[1] == theirs[1] and HANGUL.search(theirs[2]))


def differences(english, korean):
    """What two sections have not in common, a line each."""
    if english.level != korean.level:
        yield f"one is a heading of level {english.level}, the other of level {korean.level}"
    for ours, theirs in zip(english.code, korean.code):
        if not same_code(ours, theirs):
            yield f"the code differs: {ours!r}, {theirs!r}"
            return
    if len(english.code) != len(korean.code):
        longer = max(english.code, korean.code, key=len)
        yield f"the code is longer in one of them: {longer[min(len(english.code), len(korean.code))]!r}"
    if len(english.rows) != len(korean.rows):
        yield f"{len(english.rows)} rows of tables, {len(korean.rows)} in Korean"
    for name in sorted(english.names - korean.names):
        yield f"only in English: {name}"
    for name in sorted(korean.names - english.names):
        yield f"only in Korean: {name}"


def check(path):
    """The number of differences between a Korean document and its original, each of which is printed."""
    original = path.with_name(path.name.replace(".ko.md", ".md"))
    english, korean = read(original), read(path)
    if len(english) != len(korean):
        print(f"{original} has {len(english) - 1} headings, {path} {len(korean) - 1}")
        return 1
    found = [(ours, text) for ours, theirs in zip(english, korean) for text in differences(ours, theirs)]
    for section, text in found:
        print(f"{original} and {path}, '{section.title}': {text}")
    return len(found)


documents = [path for folder in (".", "docs") for path in sorted(pathlib.Path(folder).glob("*.ko.md"))]
if not documents:
    print("there is no document in Korean at all")
sys.exit(0 if documents and sum(check(path) for path in documents) == 0 else 1)
EOF_PYTHON
