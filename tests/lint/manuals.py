#!/usr/bin/python3
"""manuals - the rule reference is a manual page and made Markdown; the operator's guide and the other pages of deploy/doc are Markdown and made manual pages:
each pair is held together, and "--write" makes the one from the other.

Links of the front door and of all pages lead to files, and to headings, that are there.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOC = ROOT / "deploy/doc"
PAGE, TEXT = DOC / "mailweir-rules.5", DOC / "rules.md"
HEAD = "<!-- Made from the manual page mailweir-rules(5) by tests/lint/manuals.py, option write: change that. -->\n\n"
HEAD_OF_MANUAL = """.\\" Made from {name}.md by tests/lint/manuals.py, option --write: change that.
.TH {upper} {section} 2026-11-23 mailweir "{title}"
.SH NAME
{manual} \\- {about}
"""
# page: (manual page, its section, what it is)
PAGES = {"operators-guide": ("mailweir-guide", 7, "running mailweir"), "recipes": ("mailweir-recipes", 7, "tasks that come up once"),
         "security": ("mailweir-security", 7, "what is defended, against whom, and how"), "upgrading": ("mailweir-upgrading", 7, "from one version to the next"),
         "figures": ("mailweir-figures", 7, "what is guaranteed, what shows it, and how fast it is")}
SECTIONS = {7: "Miscellaneous Information Manual"}


# Of the schema that the loader's tables make: what each table is called, and what it is of.
TABLES = [("Keys of a rule file", ""), ("Keys of a rule", "rule"), ("Conditions and their operators", "condition"), ("Actions", "action"),
          ("Where a message is filed", "target"), ("Another way, where that one is closed", "way"), ("Keys of a group", "group"), ("Keys of a test", "test"),
          ("What a test expects", "expect"), ("A delivery that is expected", "filed")]


def keys_of(schema, found):
    """key: its part of the schema, of an object whose shape may depend on what is in it; the first that tells more wins."""
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, dict) and name not in ("$schema", "description") and len(part) > len(found.get(name, {})):
            found[name] = part
    for branch in ("then", "else"):
        if isinstance(schema.get(branch), dict):
            keys_of(schema[branch], found)
    for part in schema.get("allOf", []):
        keys_of(part, found)
    return found


def example_of(name, part):
    """As it stands in a file; a bar would end the cell."""
    values = part.get("examples") or part.get("enum") or []
    return f"`{json.dumps({name: values[0]}, ensure_ascii=False)}`".replace("|", "\\|") if values else ""


def tables():
    """Every key with its meaning and an example, as the loader's own tables have them."""
    schema = json.loads((ROOT / "filters/schema/rules.schema.json").read_text())
    bar = "\\|"
    lines = ["# TABLES", "", "Every key with an example, made from the schema that editors know (`mailweir schema rules`). The sections below have the details.", ""]
    for title, name in TABLES:
        found = keys_of(schema["definitions"][name] if name else schema, {})
        lines += [f"## {title}", "", "| key | meaning | example |", "|---|---|---|"]
        lines += [f"| `{key}` | {part.get('description', '')} | {example_of(key, part)} |".replace("\n", " ") for key, part in sorted(found.items())]
        lines.append("")
    return "\n".join(lines) + "\n"


def reference():
    made = subprocess.run(["mandoc", "-T", "markdown", str(PAGE)], capture_output=True, text=True, check=True).stdout
    return HEAD + tables() + re.sub(r"\n[^\n]*\bDebian\b[^\n]*\n*\Z", "\n", made)  # the last line names the machine it was made on


def inline(text):
    """Bold, emphasis, code and links of Markdown in the fonts of man(7)."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]+)`|\*\*(.+?)\*\*", lambda match: f"\\fB{match.group(1) or match.group(2)}\\fR", text)
    text = re.sub(r"\*([^*]+)\*", r"\\fI\1\\fR", text)
    text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text)
    return "\\&" + text if text[:1] in (".", "'") else text


def row(line):
    """A row of a table: its first cell is the tag of what stands in the others."""
    first, *rest = (cell.strip() for cell in re.split(r" \| ", line.strip().strip("|")))
    return [".TP", inline(first), inline("; ".join(cell for cell in rest if cell))]


def code(lines):
    escaped = (line.replace("\\", "\\e").replace("-", "\\-") for line in lines)
    return [".PP", ".nf", ".RS 4", *("\\&" + line if line[:1] in (".", "'") else line for line in escaped), ".RE", ".fi"]


def block(line, gap, lines):
    """One line of text, with the request in front of it that its kind and the line before ask for."""
    item = re.match(r"(\d+\.|-) (.*)", line)
    if line.startswith("### "):
        return [".SS " + inline(line[4:])]
    if line.startswith("## "):
        return [".SH " + line[3:].upper()]
    if line.startswith("|"):
        return row(line)
    if item:
        return [f".IP {item.group(1)} 4" if item.group(1) != "-" else ".IP \\(bu 2", inline(item.group(2))]
    begins = gap and lines and not lines[-1].startswith((".SH", ".SS"))
    return ([".PP"] if begins else []) + [inline(line.strip())]


def manual_page(name):
    manual, section, about = PAGES[name]
    text = (DOC / f"{name}.md").read_text().splitlines()
    lines, fence, gap = [], None, False
    for number, line in enumerate(text):
        following = text[number + 1] if number + 1 < len(text) else ""
        is_head = line.startswith("|") and re.fullmatch(r"\|[-:| ]+\|", following)
        if line.lstrip().startswith("```"):
            lines += code(fence) if fence is not None else []
            fence = [] if fence is None else None
        elif fence is not None:
            fence.append(line)
        elif line.startswith(("# ", "<!--", "![")) or is_head or re.fullmatch(r"\|[-:| ]+\|", line):
            pass  # the title, pictures, and heads of tables
        elif line:
            lines += block(line, gap, lines)
        gap = not line
    head = HEAD_OF_MANUAL.format(name=name, manual=manual, upper=manual.upper(), section=section, title=SECTIONS[section], about=about)
    return head + ".SH DESCRIPTION\n" + "\n".join(lines) + "\n"


def anchors(path):
    """As forges make them of headings."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-") for line in path.read_text().splitlines() if line.startswith("#")}


def lost_links(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        name, _, place = target.partition("#")
        other = path.parent / name if name else path
        if "://" in target:
            continue
        if not other.exists():
            yield f"{path.relative_to(ROOT)}: {name} is not there"
        elif place and other.suffix == ".md" and place not in anchors(other):
            yield f"{path.relative_to(ROOT)}: {target} leads to no heading"


def main():
    if shutil.which("mandoc") is None:
        print("mandoc is not installed")
        return 77
    wanted = {TEXT: reference(), **{DOC / f"{manual}.{section}": manual_page(name) for name, (manual, section, _) in PAGES.items()}}
    if "--write" in sys.argv:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    problems = [f"{path.relative_to(ROOT)} is not what it is made from: python3 tests/lint/manuals.py --write" for path, text in wanted.items()
                if not path.exists() or path.read_text() != text]
    problems += [f"filters/schema/rules.schema.json: a row without an example: {line}" for line in tables().splitlines() if line.endswith("|  |")]
    for path in [ROOT / "README.md", *sorted(DOC.glob("*.md"))]:
        problems += lost_links(path)
    print("\n".join(problems) or "the manuals agree, and links lead somewhere")
    return 1 if problems else 0


sys.exit(main())
