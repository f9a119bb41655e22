#!/usr/bin/python3
"""calls - who calls whom, as the linker sees it: a folder calls only what the table of floors.py lets it include, and files do not call in circles.

An include tells what a file could use; a symbol tells what it does use, also by a prototype that came with another header. A circle of files is two
rooms that are one: neither can be read, tested or moved alone; there is none. What nobody calls is dead, unless its prototype says /* for tests */.
Skipped before there is a build.
"""
import pathlib
import re
import subprocess
import sys

from floors import FLOORS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What is there before those that will call it.
AHEAD = {"net_post": "several loops; test_net_loop holds what it promises"}


def objects():
    """(folder, file, path) of each object file of the program."""
    for path in sorted((ROOT / "build/CMakeFiles").glob("m*.dir/**/*.c.o")):
        source = pathlib.Path(*path.relative_to(ROOT / "build/CMakeFiles").parts[1:])
        source = source.with_suffix("")
        if (ROOT / source).exists() and str(source.parent) in FLOORS:
            yield str(source.parent), source.name, path


def symbols():
    """(folder, file): (what it defines, what it uses) of each object file."""
    found, files = {}, {str(path): (folder, name) for folder, name, path in objects()}
    output = subprocess.run(["nm", "-A", *files], capture_output=True, text=True, check=True).stdout if files else ""
    for file in files.values():
        found[file] = (set(), set())
    for line in output.splitlines():
        kind, symbol = line.split()[-2:]
        defined, used = found[files[line.split(":")[0]]]
        if kind == "U":
            used.add(symbol)
        elif kind in "TDRBC":
            defined.add(symbol)
    return found


def graph(found):
    """file: {file it calls: one symbol that shows it}."""
    owner = {symbol: file for file, (defined, _) in found.items() for symbol in defined}
    return {file: {owner[symbol]: symbol for symbol in sorted(used) if symbol in owner and owner[symbol] != file}
            for file, (_, used) in found.items()}


def dead(found):
    """What no file of the program uses, its own included, and no prototype gives to the tests."""
    used = {symbol for _, used in found.values() for symbol in used}
    headers = "".join(path.read_text() for path in [*ROOT.glob("gateway/**/*.h"), *ROOT.glob("filters/*.h")])
    marked = set(re.findall(r"\b(\w+)\((?=[^;]*;\s*/\* for tests \*/)", headers))
    for symbol in sorted(used & set(AHEAD)):
        yield f"{symbol}() has a caller: take it out of AHEAD"
    for (folder, name), (defined, _) in sorted(found.items()):
        text = None
        for symbol in sorted(defined - used - marked - set(AHEAD) - {"main"}):
            text = text or (ROOT / folder / name).read_text()
            if len(re.findall(rf"\b{symbol}\b", text)) == 1:
                yield f"{folder}/{name}: nobody calls {symbol}()"


def circles(edges):
    """The strongly connected sets of more than one node (Tarjan), each sorted."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(members) > 1:
                found.append(sorted(members))

    sys.setrecursionlimit(10000)
    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def problems_of(edges):
    for (folder, name), called in sorted(edges.items()):
        for (other, callee), symbol in called.items():
            if other != folder and other.removeprefix("gateway/") not in FLOORS[folder][0]:
                yield f"{folder}/{name} may not call {symbol}() of {other}/{callee}"
    for members in circles(edges):
        ties = [f"{a[1]} -> {b[1]}: {edges[a][b]}()" for a in members for b in edges[a] if b in members]
        yield f"{', '.join(sorted({folder for folder, _ in members}))}: a circle of files: " + "; ".join(ties)


def main():
    found = symbols()
    edges = graph(found)
    if not edges:
        print("there is no build yet")
        return 77
    problems = [*problems_of(edges), *dead(found)]
    print("\n".join(problems) or "every call goes down; there is no circle of files, nor of folders")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
