#!/usr/bin/python3
"""manuals - the rule reference is a manual page and made Markdown, the operator's guide is Markdown and made a manual page: each pair is held
together, and "--write" makes the one from the other.

Links of the front door and of the guides lead to files that are there.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE, TEXT = ROOT / "deploy/doc/mailweir-rules.5", ROOT / "deploy/doc/rules.md"
HEAD = "<!-- Made from the manual page mailweir-rules(5) by tests/lint/manuals.py, option write: change that. -->\n\n"
GUIDE, GUIDE_PAGE = ROOT / "deploy/doc/operators-guide.md", ROOT / "deploy/doc/mailweir-guide.7"
GUIDE_HEAD = """.\\" Made from operators-guide.md by tests/lint/manuals.py, option --write: change that.
.TH MAILWEIR-GUIDE 7 2026-11-23 mailweir "Miscellaneous Information Manual"
.SH NAME
mailweir-guide \\- running mailweir
"""
GUIDES = ("README.md", "deploy/doc/operators-guide.md")


def reference():
    made = subprocess.run(["mandoc", "-T", "markdown", str(PAGE)], capture_output=True, text=True, check=True).stdout
    return HEAD + re.sub(r"\n[^\n]*\bDebian\b[^\n]*\n*\Z", "\n", made)  # the last line names the machine it was made on


def inline(text):
    """Bold, emphasis, code and links of Markdown in the fonts of man(7)."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]+)`|\*\*(.+?)\*\*", lambda match: f"\\fB{match.group(1) or match.group(2)}\\fR", text)
    text = re.sub(r"\*([^*]+)\*", r"\\fI\1\\fR", text)
    text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text)
    return "\\&" + text if text[:1] in (".", "'") else text


def row(line):
    """A row of a table: its first cell is the tag of what stands in the others."""
    first, *rest = (cell.strip() for cell in line.strip().strip("|").split(" | "))
    return [".TP", inline(first), inline("; ".join(rest))]


def guide_page():
    lines, gap = [], False
    for line in GUIDE.read_text().splitlines():
        item = re.match(r"(\d+\.) (.*)", line)
        if line.startswith("# ") or re.fullmatch(r"\|[-|]+\|", line) or line.startswith(("| question |", "| alert |")):
            continue  # the title, and heads of tables
        if line.startswith("## "):
            lines.append(".SH " + line[3:].upper())
        elif line.startswith("|"):
            lines += row(line)
        elif item:
            lines += [f".IP {item.group(1)} 4", inline(item.group(2))]
        elif line:
            begins = gap and lines and not lines[-1].startswith(".SH")
            lines += ([".PP"] if begins else []) + [inline(line.strip())]
        gap = not line
    return GUIDE_HEAD + ".SH DESCRIPTION\n" + "\n".join(lines) + "\n"


def main():
    if shutil.which("mandoc") is None:
        print("mandoc is not installed")
        return 77
    wanted = reference()
    if "--write" in sys.argv:
        TEXT.write_text(wanted)
        GUIDE_PAGE.write_text(guide_page())
        return 0
    problems = []
    if not TEXT.exists() or TEXT.read_text() != wanted:
        problems.append("deploy/doc/rules.md is not what the manual page says: tests/lint/manuals.py --write")
    if not GUIDE_PAGE.exists() or GUIDE_PAGE.read_text() != guide_page():
        problems.append("deploy/doc/mailweir-guide.7 is not what the guide says: tests/lint/manuals.py --write")
    for name in GUIDES:
        guide = ROOT / name
        for target in re.findall(r"\]\(([^)#\s]+)", guide.read_text()):
            if "://" not in target and not (guide.parent / target).exists():
                problems.append(f"{name}: {target} is not there")
    print("\n".join(problems) or "the manuals agree, and links lead somewhere")
    return 1 if problems else 0


sys.exit(main())
