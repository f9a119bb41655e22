"""The JSON Schema of rule files: what the loader refuses knowing nothing but the text, the schema refuses too, and nothing else."""
import concurrent.futures
import copy
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

from harness import MAILWEIR, is_sanitized

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "filters/examples"
FILES = {"lists/blocked.txt": "@bad.example\n", "tenants.csv": "acme.example,gold,Acme\n", "m.eml": "Subject: x\n\nbody\n"}

# One file in which every key of the language is, with each shape that it takes.
EVERYTHING = {
    "$schema": "x", "description": "all of it", "zone": "Europe/Berlin",
    "trusted_authserv": [{"name": "mx.example.net", "from_clients": "10.1.0.0/16"}, {"name": "b", "from_clients": ["10.2.0.0/16", "2001:db8::/32"]}],
    "lists": {"words": ["a", "b"], "blocked": {"file": "lists/blocked.txt"}, "patterns": ["^a", "b$"], "numbers": ["1", "2"]},
    "maps": {"m": {"a": "b"}, "by": {"entries": {"b.example": "c"}, "by": "domain"}, "csv": {"file": "tenants.csv", "column": 3, "by": "key"}},
    "conditions": {"inside": {"field": "client", "in": ["10.0.0.0/8", "::1"]}},
    "actions": {"note": [{"set": {"noted": "${subject | first(3)}"}}, {"hold": True}]},
    "groups": {"g": {"match": "first", "rules": [{"name": "in g", "if": {"of": "var.noted", "is": "x"}, "then": [{"stop": True}]}], "default": [{"discard": True}]}},
    "rules": [
        {"name": "a", "description": "x", "on_error": "skip", "enabled": True, "until": "2036-12-31", "state": "active",
         "if": {"all": [{"condition": "inside"}, {"any": [{"not": {"header": "List-Id", "exists": True}}]}]}, "then": [{"actions": "note"}, {"stop": True}]},
        {"name": "b", "off": "why", "then": [{"reject": "no ${from}"}]}, {"name": "c", "state": {"off": "why"}, "then": [{"defer": {"text": "later", "code": 451, "enhanced": "4.3.0"}}]},
        {"name": "d", "state": "watch", "if": {"header": "Subject", "matches": "^(?<p>\\w+)", "ignore_case": True},
         "then": [{"addheader": {"name": "X-A", "value": "${p}"}}, {"replaceheader": {"name": "Subject", "value": "[${p}]"}}, {"deleteheader": "X-B"},
                  {"tag_subject": "[${p}] "}, {"copy": {"folder": "A/${p}"}},
                  {"fileinto": {"upstream": "corp", "folder": "CI/${p | replace('/', '}')}/x", "flags": ["\\Seen", "ci-${p}"], "date": "header",
                                "else": [{"folder": "CI/other", "when": ["refused"]}, {"upstream": "b", "when": ["down>1h", "full > 30m"]}]}},
                  {"fileinto": [{"upstream": "corp", "folder": "\\Junk", "fallback": "b", "flags": "x"}, {"folder": "Y", "else": {"folder": "Z", "when": "refused"}}]},
                  {"count": "storm", "key": "${from}"}, {"count": "other"}, {"goto": "g"}]},
        {"name": "e", "if": {"any": [
            {"counter": "storm", "key": "${from}", "over": 10, "within": "1h"}, {"counter": "other", "between": [1, 3], "within": "2d"},
            {"field": "from", "part": "domain", "in": ["example.com", ".example.net"]}, {"field": "to", "is": ["a@b", "c@d"]}, {"field": "from", "in": "blocked"},
            {"field": "size", "over": "25MiB"}, {"field": "size", "is": [1, "2KiB"]}, {"field": "time", "between": ["20:00", "07:59:30"], "zone": "+01:00"},
            {"field": "weekday", "in": ["sat", "Sun"]}, {"field": "date", "at_least": "2026-12-24"}, {"field": "attachment", "part": "count", "is": 0},
            {"field": "attachment", "part": "type", "is": "application/pdf", "nested": False}, {"field": "client", "is": "10.0.0.0/8"}, {"field": "tls", "exists": False},
            {"header": ["To", "Cc"], "part": "domain", "in": {"list": "words"}}, {"header": "X", "part": "count", "over": 3}, {"field": "body", "contains": {"file": "lists/blocked.txt"}},
            {"header": "X", "matches": {"list": "patterns"}}, {"header": "X", "matches": ["a", "b"]}, {"header": "*", "starts_with": "x"}, {"header": "X", "ends_with": ["x", "y"]},
            {"field": "report", "is": "dsn"}, {"field": "recipients", "at_most": 3}, {"field": "size", "over": {"of": "subject | length"}}, {"field": "from", "is": {"of": "header.From.address"}},
            {"of": "header.X | number", "over": 7.5}, {"of": "header.X | number", "is": {"list": "numbers"}}, {"of": "from.domain | lookup('m')", "is": "gold", "ignore_case": True},
            {"of": "header.Date | age", "over": "2d"}, {"of": "parts('text/*').text", "contains": "x"}, {"of": "date.month | zone('Europe/Berlin')", "is": "12"},
            {"of": "subject | split(', ')[-1] | replace_pattern('[|]', '')", "is": "x"}, {"of": "auth.dmarc", "is": "pass"}, {"of": "header.Received[first]", "contains": "x"},
            {"every": {"of": "header.To.addresses", "ends_with": "@x"}}, {"none": {"of": "recipients", "is": "a@b", "ignore_case": True}},
            {"some": {"of": "attachments", "all": [{"of": ".name", "ends_with": ".pdf"}, {"of": ".size", "over": "4KiB"}]}}]}, "then": [{"fileinto": {"folder": "X"}}]}],
    "tests": [
        {"name": "t", "headers": {"Subject": "x", "Received": ["a", "b"]}, "body": "x\n", "from": "a@b", "to": ["c@d"], "client": "192.0.2.7", "helo": "h", "user": "u", "listener": "l",
         "protocol": "ESMTPSA", "tls": "TLSv1.3", "certificate": "CN=x", "now": "2026-11-23T07:11:20+01:00", "counters": {"storm": {"x": 3}, "other": 4},
         "expect": {"rules": ["e"], "filed": [{"folder": "X", "upstream": "corp", "flags": [], "held": False, "to": "c@d", "date": "received", "else": []}], "watched": ["d"],
                    "flags": [], "held": False, "discarded": False, "rejected": False, "deferred": False, "counted": [], "headers": {}}},
        {"name": "u", "message": "m.eml", "from": "", "to": "c@d", "expect": {"filed": "corp:X"}}]}

# What the loader finds out by more than the text in its place: other names, patterns and zones that there are, two values that belong together.
CONTEXT = re.compile("|".join((
    "there is no (condition|list|map|group|zone|list of actions) ", "no pattern of this rule", "no rule sets", "set only by a later rule", "does not compile", "cannot be read",
    "is called \"", "expects the rule", "larger than the second", "is the target itself", "must be another upstream", "made of (itself|themselves)", "leads in a circle",
    "cannot be used here, where", "is not a network .*\\(at /lists/", "the condition cannot be used", "and \".*\" is none \\(at /rules/4/if/any/26/is\\)", "the two cannot be compared", "texts are compared here", "group \\d")))


FREE = {"counters", "alert", "lists", "conditions", "groups", "set", "headers", "actions", "maps", "entries"}  # below these, keys are names


def run(*arguments):
    done = subprocess.run([MAILWEIR, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def validator_of_rules():
    import jsonschema
    return jsonschema.Draft7Validator(json.loads((ROOT / "filters/schema/rules.schema.json").read_text()))


def loaded(folder, number, rules):
    """(whether the loader takes it, what it says)"""
    path = folder / f"{number}.json"
    path.write_text(json.dumps(rules))
    done = subprocess.run([MAILWEIR, "explain", "--config", path, "--default", "corp:INBOX", "--from", "a@b", "--to", "c@d", folder / "m.eml"], capture_output=True, text=True, timeout=60)
    path.unlink()
    return ": error: " not in done.stderr, [line for line in done.stderr.splitlines() if ": error: " in line]


ODD = [None, True, False, 0, -1, 1.5, 10 ** 7, "", "x y", "a\u0007b", "a\r\nb", "${", "a/b", "a//b", " a", "5.7.1", "1h", "2026-12-31", [], {}, [""], ["a", 5], ["a", "b"], {"x": 1}, {"of": "from"}, {"list": "words"}]


def changes(value):
    """Copies of the value, each with one change in it."""
    if isinstance(value, dict):
        for key in value:
            rest = {other: value[other] for other in value if other != key}
            yield rest
            yield {**rest, key + "x": value[key]}
            for inner in changes(value[key]):
                yield {**value, key: inner}
        for key in ("zzz", "field", "of", "stop", "zone", "key", "when", "name"):
            if key not in value:
                yield {**value, key: "x"}
        yield from ([], [value], "x", None, 5)
    elif isinstance(value, list):
        yield from ([], value * 9, [*value, None], [*value, "x"], [value], {}, None)
        for index, item in enumerate(value):
            yield value[:index] + value[index + 1:]
            for inner in changes(item):
                yield [*value[:index], inner, *value[index + 1:]]
    else:
        yield from ODD
        if isinstance(value, str):
            yield from (value + " ", " " + value, "/" + value, value + "/", value + "\nx", "*" + value, value.upper(), "\\" + value, value * 30, value + "}", value[:-1], value + "|", "${" + value + "}")


def mutants():
    """Files that are wrong in one place, and some that are right all the same: each example, and each part of the file that has everything."""
    for path in sorted(EXAMPLES.glob("*.json")):
        yield from changes(json.loads(path.read_text()))
    yield from changes(EVERYTHING)


def test_everything_is_right(world):
    validator = validator_of_rules()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(folder)
        taken, said = loaded(folder, 0, EVERYTHING)
    assert taken, said
    assert validator.is_valid(EVERYTHING), [(list(error.absolute_path), error.message[:300]) for error in validator.iter_errors(EVERYTHING)]


def prepare(folder):
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name in ("lists", "samples"):
        (folder / name).mkdir(exist_ok=True)
        for source in (EXAMPLES / name).iterdir():
            if not (folder / name / source.name).exists():
                (folder / name / source.name).write_bytes(source.read_bytes())


def test_mutants_are_refused_by_both(world):
    validator = validator_of_rules()
    everyone = list({json.dumps(mutant): mutant for mutant in mutants()}.values())
    count = int(os.environ.get("MAILWEIR_SEEDS", 1 if is_sanitized() else 4)) * 100
    chosen = random.Random(os.environ.get("MAILWEIR_SEED", "mutants")).sample(everyone, min(count, len(everyone)))
    wrong, refused = [], 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(folder)
        prepare(folder)
        for mutant, (taken, said) in zip(chosen, pool.map(lambda pair: loaded(folder, *pair), enumerate(chosen))):
            errors = list(validator.iter_errors(mutant))
            refused += not taken
            if taken and errors:
                wrong.append(("only the schema refuses", [(list(error.absolute_path), error.message[:200]) for error in errors][:2]))
            elif not taken and not errors and not any(CONTEXT.search(line) for line in said):
                wrong.append(("only the loader refuses", said[:2]))
    print(f"figure: {len(chosen)} of {len(everyone)} mutants, {refused} of them refused")
    assert not wrong, (len(wrong), wrong[:12])
    assert refused > len(chosen) / 2


def mutations(value, path=()):
    """(what was done, a changed copy) for each place: every key misspelt, every value of another kind."""
    if isinstance(value, dict):
        for key in value:
            free = path and path[-1] in FREE
            if not free and key not in ("$schema", "description"):
                changed = copy.deepcopy(value)
                changed[key + "x"] = changed.pop(key)
                yield f"{'/'.join(map(str, path))}/{key}: misspelt", changed
            if key not in ("$schema", "description"):
                yield f"{'/'.join(map(str, path))}/{key}: null", {**value, key: None}
            for what, inner in mutations(value[key], (*path, key)):
                yield what, {**value, key: inner}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for what, inner in mutations(item, (*path, index)):
                yield what, [*value[:index], inner, *value[index + 1:]]


# What the loader refuses without knowing anything but the text, the schema refuses too; and what is right, both take.
REFUSED = [
    {"field": "size", "contains": "x"}, {"field": "size", "over": "big"}, {"field": "size", "over": -1}, {"field": "size", "part": "domain", "is": 1},
    {"field": "from", "over": 3}, {"field": "from", "part": "name", "is": "x"}, {"field": "from", "is": 5}, {"field": "from", "zone": "+01:00", "is": "x"},
    {"field": "time", "is": "25:00"}, {"field": "time", "between": ["08:00"]}, {"field": "date", "is": "2026-13-01"}, {"field": "date", "matches": "2026"},
    {"field": "weekday", "is": "monday"}, {"field": "weekday", "over": "mon"}, {"field": "client", "contains": "10."}, {"field": "subject", "is": "x"},
    {"field": "attachment", "part": "size", "contains": "x"}, {"field": "attachment", "part": "count", "matches": "x"}, {"field": "attachment", "over": 3},
    {"header": "X", "part": "count", "is": "x y"}, {"header": "X", "over": 5}, {"header": "X", "part": "size", "is": 1}, {"field": "from", "nested": True, "is": "x"},
    {"field": "from", "header": "X", "is": "x"}, {"field": "from", "is": "a", "in": ["b"]}, {"field": "from"}, {"is": "a"}, {"all": [], "any": []},
    {"all": [{"field": "from", "is": "a"}], "field": "from", "is": "a"}, {"of": "from", "part": "domain", "is": "x"}, {"some": {"is": "x"}}, {"none": []},
]
TAKEN = [
    {"field": "size", "over": "25MiB"}, {"field": "size", "is": [1, "2KiB"]}, {"field": "time", "between": ["20:00", "07:59:30"], "zone": "Europe/Berlin"},
    {"field": "weekday", "in": ["Sat", "sun"]}, {"field": "date", "at_least": "2026-12-24"}, {"field": "attachment", "part": "count", "is": 0},
    {"field": "attachment", "part": "type", "is": "application/pdf", "nested": False}, {"field": "client", "is": "10.0.0.0/8"}, {"field": "tls", "exists": False},
    {"header": ["To", "Cc"], "part": "domain", "in": ["example.com", ".example.net"]}, {"header": "X", "part": "count", "over": 3},
    {"field": "size", "over": {"of": "subject | length"}}, {"field": "from", "is": {"of": "header.From.address"}}, {"of": "header.X | number", "over": 7.5},
]


def test_schema_refuses_by_field_what_the_loader_refuses(world):
    validator = validator_of_rules()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rules.json"
        for condition, right in [*((one, False) for one in REFUSED), *((one, True) for one in TAKEN)]:
            rules = {"rules": [{"name": "a", "if": condition, "then": [{"stop": True}]}]}
            file.write_text(json.dumps(rules))
            status, _, err = run("test", file)
            assert (status == 0) == right, (condition, "the loader", err)
            assert validator.is_valid(rules) == right, (condition, "the schema")
    # An editor shows the error at the key that is wrong, not at the whole rule.
    rules = {"rules": [{"name": "a", "if": {"field": "size", "over": "big"}, "then": [{"stop": True}]}]}
    import jsonschema
    found = jsonschema.exceptions.best_match(validator.iter_errors(rules))
    assert list(found.absolute_path)[:4] == ["rules", 0, "if", "over"], list(found.absolute_path)


def test_schema_and_loader_agree(world):
    import jsonschema
    status, out, _ = run("schema", "rules")
    assert status == 0
    validator = jsonschema.Draft7Validator(json.loads(out))
    validator.check_schema(validator.schema)
    assert json.loads(out) == json.loads((ROOT / "filters/schema/rules.schema.json").read_text())
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(EXAMPLES.glob("*.json")):
            rules = json.loads(path.read_text())
            assert validator.is_valid(rules), [error.message for error in validator.iter_errors(rules)]
            for index, (what, changed) in enumerate(mutations(rules)):
                assert not validator.is_valid(changed), (path.name, what, "the schema takes it")
                if index % 11 == 0:  # the program takes longer to ask
                    file = pathlib.Path(folder) / "rules.json"
                    file.write_text(json.dumps(changed))
                    status, _, err = run("test", "--default", "corp:INBOX", file)
                    assert status == 1 and "error:" in err, (path.name, what, "the loader takes it", err)
                    count += 1
    assert count > 50, count


def properties(schema, path=()):
    """(where, name, what it is like) of each key that the schema knows."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, (*path, index))
    elif isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            if isinstance(value, dict) and name not in ("$schema", "description") and not {"const", "enum", "pattern"} >= set(value):
                yield path, name, value
        for key, value in schema.items():
            if key not in ("examples", "defaultSnippets", "default", "enum", "const", "if", "not"):
                yield from properties(value, (*path, key))


def test_every_key_has_help_examples_and_snippets(world):
    """What an editor completes is right: each example and each default is valid in its own place."""
    import jsonschema
    schema = json.loads((ROOT / "filters/schema/rules.schema.json").read_text())
    count = defaults = 0
    for path, name, value in properties(schema):
        if path[-2:-1] == ("field_names",) or "enumDescriptions" in value:
            continue
        where = "/".join(map(str, (*path, name)))
        assert value.get("description") and value.get("examples"), where
        assert "defaultSnippets" in value or name == "part", where
        count += 1
        inside = jsonschema.Draft7Validator({**value, "definitions": schema["definitions"]})
        valid = [example for example in value["examples"] if inside.is_valid(example)]
        # The examples of operators are for all types of values: one that fits will do.
        typed = path[:2] == ("definitions", "condition") or path[:2] == ("definitions", "each")
        assert valid == value["examples"] or typed, (where, value["examples"])
        if "default" in value:
            defaults += 1
            assert inside.is_valid(value["default"]), (where, value["default"])
    for name in ("rule", "test", "condition", "action", "target", "group"):
        for snippet in schema["definitions"][name]["defaultSnippets"]:
            # With the places to go on at filled in as they stand, each is a whole one.
            text = re.sub(r"\\\$\{\d+:((?:[^{}\\]|\\.)*)\}", r"\1", json.dumps(snippet["body"]).replace("${", "\\${").replace("\\\\\\${", "$ {"))
            body = json.loads(text.replace("$ {", "${").replace("\\\\}", "}"))
            errors = list(jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]}).iter_errors(body))
            assert not errors, (name, body, errors[0].message)
    print(f"figure: {count} keys with examples, {defaults} of them with a default")
    assert count > 300 and defaults > 20, (count, defaults)


SLIPS = [
    ({"then": [{"fileinto": {"foldr": "X"}}]}, ["then", 0, "fileinto"], "foldr"),
    ({"then": [{"fileinto": {"folder": "X", "else": [{"folder": "Y", "wen": "down"}]}}]}, ["then", 0, "fileinto", "else", 0], "wen"),
    ({"then": [{"fileinto": {"folder": "X", "else": [{"folder": "Y", "when": "dwn"}]}}]}, ["then", 0, "fileinto", "else", 0, "when"], "dwn"),
    ({"then": [{"reject": {"text": "x", "code": 450}}]}, ["then", 0, "reject", "code"], "450"),
    ({"then": [{"count": "x", "kye": "y"}]}, ["then", 0], "kye"),
    ({"then": [{"set": {"1a": "x"}}]}, ["then", 0, "set"], "1a"),
    ({"if": {"of": "from | lowr", "is": "x"}}, ["if", "of"], "lowr"),
    ({"if": {"of": "header.X | number", "is": "many"}}, ["if", "is"], "many"),
    ({"if": {"of": "header.X | number", "contains": "5"}}, ["if"], "contains"),
    ({"if": {"of": "from", "is": {"off": "to"}}}, ["if", "is"], "off"),
    ({"if": {"of": "from", "contains": {"list": 5}}}, ["if", "contains", "list"], "5"),
    ({"if": {"all": [{"any": [{"not": {"field": "from", "iss": "x"}}]}]}}, ["if", "all", 0, "any", 0, "not"], "iss"),
    ({"if": {"some": {"of": "attachments", "all": [{"of": ".name", "ends_with": 5}]}}}, ["if", "some", "all", 0, "ends_with"], "5"),
    ({"if": {"counter": "x", "over": 1, "within": "40d"}}, ["if", "within"], "40d"),
    ({"if": {"field": "frm", "is": "x"}}, ["if", "field"], "frm"),
    ({"state": "wach"}, ["state"], "wach"),
]


def test_an_error_names_the_wrong_key(world):
    """As editors show them: the deepest error is at the slip, and says what it is."""
    validator = validator_of_rules()

    def deepest(error):
        inner = [deepest(one) for one in error.context or ()]
        return max([error, *inner], key=lambda one: len(one.absolute_path))
    for slip, path, word in SLIPS:
        rules = {"rules": [{"name": "a", "then": [{"stop": True}], **slip}]}
        errors = [deepest(error) for error in validator.iter_errors(rules)]
        assert any(list(error.absolute_path) == ["rules", 0, *path] and word in error.message for error in errors), \
            (slip, [(list(error.absolute_path), error.message[:200]) for error in errors])
        assert not any(error.validator == "anyOf" for error in errors), (slip, errors)
