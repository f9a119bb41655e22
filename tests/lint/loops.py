#!/usr/bin/python3
"""loops - what belongs to a loop says so on entry: each function with which a room's header lets others change the room's object begins with
NET_EXPECT_LOOP(), so that a call from a lane's thread ends at its door, and not as a torn list an hour later.

Functions that only read take a const object and are not asked; what any thread may call is named here, with its reason.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# header: the objects that belong to a loop
DOORS = {
    "gateway/net/net_loop.h": {"net_timer"},
    "gateway/net/net_stream.h": {"net_stream", "net_listener"},
    "gateway/net/net_watch.h": {"net_watch"},
    "gateway/net/net_child.h": {"net_child"},
    "gateway/reception/reception.h": {"reception"},
    "gateway/upstream/upstream_pool.h": {"upstream_pool"},
    "gateway/decision/decision.h": {"decision"},
    "gateway/dispatch/dispatch.h": {"dispatch"},
    "gateway/admin/admin.h": {"admin"},
    "gateway/daemon/gateway.h": {"gateway"},
    **{f"gateway/spool/{name}.h": {"spool", "spool_stage"}
       for name in ("spool", "spool_admin", "spool_change", "spool_import", "spool_memo", "spool_node")},
}
ANY_THREAD = {
    "spool_each_counted": "asks the store, which is for any thread",
}
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def offered(header):
    """What of the header takes an object that it may change; one that is made has no loop yet (x_r)."""
    text = COMMENT.sub("", (ROOT / header).read_text())
    for name, object_of, argument in re.findall(r"^(?!typedef)[\w \*]*?\b(\w+)\(struct (\w+) \*\*?(\w+)[,)]", text, re.M):
        if object_of in DOORS[header] and not argument.endswith("_r"):
            yield name


def body_of(name, folder):
    for path in sorted(folder.glob("*.c")):
        found = re.search(r"^(?!static)\w[\w \*]*\b" + name + r"\([^;{]*\)\n\{\n(.*?)^\}", path.read_text(), re.M | re.S)
        if found:
            return found.group(1)
    return None


def main():
    problems, held = [], 0
    for header in DOORS:
        for name in offered(header):
            body = body_of(name, (ROOT / header).parent)
            says = body is not None and "NET_EXPECT_LOOP(" in body
            held += says
            if body is None:
                problems.append(f"{header}: {name}() is nowhere")
            elif says == (name in ANY_THREAD):
                problems.append(f"{header}: {name}() " + ("is for any thread, and expects its loop" if says else "changes what belongs to a loop, and "
                                "does not say NET_EXPECT_LOOP() on entry"))
    print("\n".join(problems) or f"{held} functions expect their loop")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
