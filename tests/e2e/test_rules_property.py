"""Random condition trees over random messages, decided by the program and by the evaluator below, which shares nothing with it.

The evaluator knows the language from its manual: three lines for each junction, one for each operator. Rules are tried both ways that the program has:
with the index and what it remembers between recipients (tests beside the rules), and rule by rule with a trace (explain).
MAILWEIR_SEEDS=N tries N sets instead of a few.
"""
import datetime
import email.utils
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

from harness import MAILWEIR, is_sanitized

NOW = datetime.datetime(2026, 11, 23, 7, 11, 20, tzinfo=datetime.timezone.utc)
WORDS = ["failed", "web", "api", "flaky", "Down", "42", "7", "x.y"]
ADDRESSES = ["ci@build.example", "ada@example.net", "ada+news@example.net", "root@a.build.example", "bob@example.org"]
TENANTS = {"build.example": "gold", "example.net": "silver", "a.build.example": "gold"}
NETWORKS = ["10.0.0.0/8", "192.0.2.7", "10.1.0.0/16"]
HOURS = ["00:00", "06:30", "07:11", "07:12", "12:00", "20:00", "23:59"]


# ---- messages ----

def make_message(random):
    headers = {"Subject": " ".join(random.choices(WORDS, k=random.randint(1, 4)))}
    if random.random() < 0.6:
        headers["X-Score"] = random.choice(["5", "5.3", "-1", "0", "lots", "12.75"])
    if random.random() < 0.6:
        headers["X-Tag"] = random.choices(WORDS, k=random.randint(1, 3))
    if random.random() < 0.7:
        headers["To"] = ", ".join(random.choices(ADDRESSES, k=random.randint(1, 3)))
    if random.random() < 0.6:
        age = datetime.timedelta(minutes=random.choice([0, 5, 60, 60 * 24, 60 * 24 * 3, -30]))
        headers["Date"] = email.utils.format_datetime(NOW - age)
    return {"headers": headers, "body": "x\n", "from": random.choice([*ADDRESSES, ""]),
            "to": random.sample(ADDRESSES, random.randint(1, 2)), "client": random.choice(["10.1.2.3", "10.9.9.9", "192.0.2.7", "192.0.2.8"]),
            "now": "2026-11-23T07:11:20Z"}


# ---- conditions ----

def make_text_test(random):
    operator = random.choice(["is", "contains", "starts_with", "ends_with", "matches", "exists"])
    if operator == "exists":
        return {"exists": random.random() < 0.5}
    if operator == "matches":
        return {"matches": random.choice(["^failed", "(?<w>[a-z]+)$", "(?<w>\\d+)", "flaky|web", "^(?<v>\\w+) (?<w>\\w+)", "@(?<w>[a-z]+)\\."])}
    words = random.choices([*WORDS, "gold", "silver", "example.net", *ADDRESSES], k=random.randint(1, 3))
    test = {operator: random.choice([words, words[0], {"list": "words"}])}
    if random.random() < 0.3:
        test["ignore_case"] = True
    return test


def make_number_test(random, numbers):
    operator = random.choice(["is", "over", "under", "at_least", "at_most", "between"])
    pair = sorted(random.choices(numbers, k=2), key=numbers.index)
    return {operator: pair if operator == "between" else pair[0]}


def make_test(random, names):
    kind = random.randrange(12)
    if kind == 0:
        return {"field": random.choice(["from", "to"]), **make_text_test(random)}
    if kind == 1:
        return {"field": random.choice(["from", "to"]), "part": random.choice(["user", "detail", "domain"]), **make_text_test(random)}
    if kind == 2:
        return {"header": random.choice(["Subject", "X-Tag", "X-None"]), **make_text_test(random)}
    if kind == 3:
        return {"header": "X-Tag", "part": "count", **make_number_test(random, [0, 1, 2, 3])}
    if kind == 4:
        return {"field": "client", random.choice(["is", "in"]): random.sample(NETWORKS, 2)}
    if kind == 5:
        low, high = random.choices(HOURS, k=2)
        return {"field": "time", **random.choice([{"between": [low, high]}, {"over": low}, {"under": low}, {"at_least": low},
                                                  {"at_most": low}, {"is": low}])}
    if kind == 6:
        return {"of": "header.X-Score | number", **make_number_test(random, [-1, 0, 5, 5.25, 5.3, 12])}
    if kind == 7:
        return {"of": "from.domain | lookup('tenant')" + random.choice(["", " | default('none')"]), **make_text_test(random)}
    if kind == 8:
        return {"of": random.choice(["subject | split(' ')", "subject | split(' ')[last]", "header.X-Tag[first]", "subject | first",
                                     "header.To.addresses", "header.To.domain", "subject | upper", "header.X-Tag | join('/')",
                                     "recipients[first]", "recipients[last]", "recipients | unique"]),
                **make_text_test(random)}
    if kind == 9:
        return {"of": "header.Date | age", **make_number_test(random, ["0", "5m", "1h", "2d"])} if random.random() < 0.5 else \
            {"of": random.choice(["subject | length", "header.X-Tag | count", "header.To.addresses | unique | count", "recipients | count"]),
             **random.choice([make_number_test(random, [0, 1, 2, 7, 12]), {random.choice(["is", "in"]): {"list": "numbers"}}])}
    if kind == 10:
        return {"of": random.choice(["from", "subject", "header.X-Tag", "header.To.addresses", *names]),
                random.choice(["is", "contains", "ends_with"]): {"of": random.choice(["from", "to", "subject | first", "header.X-Tag", *names])}}
    inner = random.choice([
        {"of": random.choice(["header.To.addresses", "recipients"]), **make_text_test(random)},
        {"of": "header.To.addresses", "any": [{"of": ".domain", **make_text_test(random)}, {"of": ".user", **make_text_test(random)}]},
        {"of": "subject | split(' ')", "not": {"of": ". | length", **make_number_test(random, [1, 3, 6])}}])
    return {random.choice(["some", "every", "none"]): inner}


def make_condition(random, depth, names):
    kind = random.randrange(7) if depth > 0 else 6
    if kind in (0, 1):
        return {"all": [make_condition(random, depth - 1, names) for _ in range(random.randint(1, 3))]}
    if kind in (2, 3):
        return {"any": [make_condition(random, depth - 1, names) for _ in range(random.randint(1, 3))]}
    if kind == 4:
        return {"not": make_condition(random, depth - 1, names)}
    if kind == 5:
        return {"condition": random.choice(["c0", "c1", "c2"])}
    return make_test(random, names)


# ---- the evaluator ----

def fold(text):
    return text.casefold() if text.isascii() else text.lower()


class Nothing(Exception):
    pass


class Evaluator:
    def __init__(self, file, message, recipient):
        self.file, self.message, self.recipient = file, message, recipient
        self.captures, self.items = [], []

    def header(self, name):
        value = self.message["headers"].get(name, [])
        return value if isinstance(value, list) else [value]

    @staticmethod
    def part(address, part):
        local, at, domain = address.rpartition("@")
        local, domain = (local, domain) if at else (address, "")
        user, plus, detail = local.partition("+")
        return {"user": [user], "detail": [detail] if plus else [], "domain": [domain] if at else [], "address": [address]}[part]

    def source(self, name):
        """(values, whether case does not count)"""
        if name.startswith("."):
            item = self.items[-1]
            return (self.part(item, name[1:]), True) if len(name) > 1 else ([item], "@" in item)
        head, _, part = name.partition(".")
        if head in ("from", "to"):
            address = self.message["from"] if head == "from" else self.recipient
            return (self.part(address, part) if part else [address]), True
        if name == "recipients":
            return self.message["to"], True
        if name == "subject":
            return self.header("Subject"), False
        if head == "header":
            field, _, what = part.partition(".")
            if what:
                addresses = [address for line in self.header(field) for address in re.split(r",\s*", line)]
                what = "address" if what == "addresses" else what
                return [value for address in addresses for value in self.part(address, what)], True
            return self.header(field), False
        for groups in reversed(self.captures):
            if groups.get(name) is not None:
                return [groups[name]], False
        return [], False

    def formula(self, text):
        """(kind, values, whether case does not count)"""
        kind, steps = "text", [step.strip() for step in text.split(" | ")]
        if steps[0].startswith("."):
            values, nocase = self.source(steps[0])
            nocase = nocase and self.nocase_items[-1] if len(steps[0]) == 1 else nocase
        else:
            name, _, selector = steps[0].partition("[")
            values, nocase = self.source(name)
            values = self.select(values, selector)
        for step in steps[1:]:
            step, _, selector = step.partition("[")
            kind, values, nocase = self.step(step, kind, values, nocase)
            values = self.select(values, selector)
        return kind, values, nocase

    @staticmethod
    def select(values, selector):
        if not selector:
            return values
        return values[:1] if selector == "first]" else values[-1:]

    def step(self, step, kind, values, nocase):
        if step == "number":
            return "number", [float(value) for value in values if re.fullmatch(r"-?\d+(\.\d+)?", value)], False
        if step == "count":
            return "number", [len(values)], False
        if step == "length":
            return "number", [len(value) for value in values], False
        if step == "unique":
            return kind, list(dict.fromkeys(values)), nocase
        if step == "age":
            return "age", [(NOW - email.utils.parsedate_to_datetime(value)).total_seconds() for value in values], False
        if step == "lookup('tenant')":
            return kind, [TENANTS[value.lower()] for value in values if value.lower() in TENANTS], False
        if step == "default('none')":
            return kind, [value or "none" for value in values] or ["none"], nocase
        if step == "split(' ')":
            return kind, [part for value in values for part in value.split(" ")], nocase
        if step == "join('/')":
            return kind, ["/".join(values)] if values else [], False
        if step == "first":
            return kind, [value.split(" ")[0] for value in values], nocase
        return kind, [value.upper() for value in values], nocase

    @staticmethod
    def seconds(text, last):
        parts = [int(part) for part in text.split(":")]
        return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 59 if last else 0)

    @staticmethod
    def network(client, network):
        def number(address):
            return int.from_bytes(bytes(map(int, address.split("."))), "big")
        address, _, bits = network.partition("/")
        shift = 32 - int(bits or 32)
        return number(client) >> shift == number(address) >> shift

    def text(self, operator, value, words, nocase):
        if nocase:
            value, words = fold(value), [fold(word) for word in words]
        if operator == "is":
            return value in words
        if operator == "contains":
            return any(word in value for word in words if word)
        if operator == "starts_with":
            return any(value.startswith(word) for word in words if word)
        return any(value.endswith(word) for word in words if word)

    def test(self, test):
        operator = next(key for key in test if key not in ("field", "header", "of", "part", "ignore_case"))
        operand = test[operator]
        if test.get("field") == "client":
            return any(self.network(self.message["client"], network) for network in operand)
        if test.get("field") == "time":
            return self.ordered(operator, 7 * 3600 + 11 * 60 + 20, operand, self.seconds, True)
        if "of" in test:
            kind, values, nocase = self.formula(test["of"])
        elif "header" in test:
            kind, values, nocase = "text", self.header(test["header"]), False
            if test.get("part") == "count":
                kind, values = "number", [len(values)]
        else:
            kind, nocase = "text", True
            values, _ = self.source(test["field"] + ("." + test["part"] if "part" in test else ""))
        if operator == "exists":
            return bool(values) == operand
        if isinstance(operand, dict) and kind == "number":
            return any(value in map(float, self.file["lists"]["numbers"]) for value in values)
        if kind == "number":
            return any(self.ordered(operator, value, operand, lambda number, last: number) for value in values)
        if kind == "age":
            return any(self.ordered(operator, value, operand, self.duration) for value in values)
        if operator == "matches":
            return self.match(operand, values)
        nocase = nocase or test.get("ignore_case", False)
        if isinstance(operand, dict) and "of" in operand:
            _, words, other = self.formula(operand["of"])
            nocase = nocase or other
        else:
            words = self.file["lists"]["words"] if isinstance(operand, dict) else operand if isinstance(operand, list) else [operand]
        return any(self.text(operator, value, words, nocase) for value in values)

    @staticmethod
    def duration(text, last):
        return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400}[text[-1]] if text != "0" else 0

    @staticmethod
    def ordered(operator, value, operand, read, wraps=False):
        if operator == "between":
            low, high = read(operand[0], False), read(operand[1], True)
            around = wraps and read(operand[0], False) > read(operand[1], False)
            return value >= low or value <= high if around and low > high else low <= value <= high
        low, high = read(operand, False), read(operand, True)
        return {"is": low <= value <= high, "over": value > high, "under": value < low, "at_least": value >= low,
                "at_most": value <= high}[operator]

    def match(self, pattern, values):
        for value in values:
            found = re.search(re.sub(r"\(\?<(\w+)>", r"(?P<\1>", pattern), value)
            if found:
                self.captures.append(found.groupdict())
                return True
        return False

    def decide(self, condition):
        """What did not hold, and what stands under "not" and "none", captures nothing."""
        before = len(self.captures)
        opposite = "not" in condition or "none" in condition
        held = self.junction(condition)
        if not held or opposite:
            del self.captures[before:]
        return held

    def junction(self, condition):
        if "all" in condition:
            return all(self.decide(child) for child in condition["all"])
        if "any" in condition:
            return any(self.decide(child) for child in condition["any"])
        if "not" in condition:
            return not self.decide(condition["not"])
        if "condition" in condition:
            return self.decide(self.file["conditions"][condition["condition"]])
        for word in ("some", "every", "none"):
            if word in condition:
                return self.each(word, condition[word])
        return self.test(condition)

    nocase_items = []

    def each(self, word, inner):
        _, values, nocase = self.formula(inner["of"])
        rest = {key: value for key, value in inner.items() if key != "of"}
        child = rest if next(iter(rest)) in ("all", "any", "not") else {"of": ".", **rest}

        def one(value):
            self.items.append(value)
            self.nocase_items = [*self.nocase_items, nocase]
            try:
                return self.decide(child)
            finally:
                self.items.pop()
                self.nocase_items = self.nocase_items[:-1]
        if word == "every":
            return all(one(value) for value in values)
        return any(one(value) for value in values) == (word == "some")


def expected(file, message):
    """The rules that act, in order, each once over all recipients, and where they file; recipient by recipient, as the program goes."""
    names, filed = [], []
    for recipient in message["to"]:
        for rule in file["rules"]:
            evaluator = Evaluator(file, message, recipient)
            if not evaluator.decide(rule["if"]):
                continue
            names += [] if rule["name"] in names else [rule["name"]]
            captured, _ = evaluator.source("w")
            folder = f"corp:{rule['name']}/{captured[0] if captured else 'none'}"
            filed += [] if folder in filed else [folder]
    return {"rules": names, "filed": [*filed, "corp:INBOX"]}


# ---- both ----

def make_file(random):
    names = ["w"]
    conditions = {f"c{number}": make_condition(random, 1, []) for number in range(3)}
    for value in conditions.values():  # named conditions do not name each other here
        while "\"condition\"" in json.dumps(value):
            value.clear()
            value.update(make_condition(random, 1, []))
    rules = []
    for number in range(60):
        # The group "w" is known by its name in every rule, though this pattern never matches.
        condition = {"any": [{"header": "X-None", "matches": "(?<w>never)"}, make_condition(random, 3, names)]}
        if random.random() < 0.5:
            condition = {random.choice(["all", "any"]): [{"header": "Subject", "matches": random.choice(["(?<w>\\w+)$", "^(?<w>\\w+)"])},
                                 make_condition(random, 2, names)]}
        rules.append({"name": f"r{number}", "if": condition, "then": [{"copy": {"upstream": "corp", "folder": f"r{number}/${{w | default('none')}}"}}]})
    return {"lists": {"words": ["web", "gold", "ada@example.net", "Down"], "numbers": ["0", "2", "7"]}, "maps": {"tenant": TENANTS}, "conditions": conditions, "rules": rules}


def try_seed(folder, seed):
    source = random.Random(seed)
    file = make_file(source)
    messages = [make_message(source) for _ in range(12)]
    file["tests"] = [{"name": f"m{number}", **message, "expect": expected(file, message)} for number, message in enumerate(messages)]
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(file, indent=1))
    done = subprocess.run([MAILWEIR, "test", "--json", "--default", "corp:INBOX", path], capture_output=True, text=True, timeout=120)
    assert done.stdout, (seed, done.stderr[:2000])
    wrong = [test for test in json.loads(done.stdout) if not test["passed"]]
    assert not wrong, (seed, wrong[0], [line for line in done.stderr.splitlines() if "error" in line][:3])
    explained(folder, seed, path, file, messages[0])
    return len(file["rules"]) * sum(len(message["to"]) for message in messages)


def explained(folder, seed, path, file, message):
    """The other way: each rule with a trace, recipient by recipient."""
    lines = [f"{name}: {value}" for name, values in message["headers"].items() for value in (values if isinstance(values, list) else [values])]
    mail = folder / "m.eml"
    mail.write_bytes("\r\n".join([*lines, "", "x", ""]).encode())
    done = subprocess.run([MAILWEIR, "explain", "--json", "--config", path, "--from", message["from"], "--to", ",".join(message["to"]),
                           "--client", message["client"], "--now", message["now"], mail], capture_output=True, text=True, timeout=120)
    for recipient in json.loads(done.stdout)["recipients"]:
        for rule in recipient["rules"]:
            if "rule" in rule:
                condition = next(one["if"] for one in file["rules"] if one["name"] == rule["rule"])
                expected = "yes" if Evaluator(file, message, recipient["to"]).decide(condition) else "no"
                assert rule["result"] == expected, (seed, recipient["to"], json.dumps(condition), json.dumps(rule))


def test_conditions_as_an_independent_evaluator_decides_them(world):
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(int(os.environ.get("MAILWEIR_SEEDS", 6 if is_sanitized() else 25))):
            count += try_seed(pathlib.Path(folder), seed)
    print(f"figure: {count} decisions, no difference")
