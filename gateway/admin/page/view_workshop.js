// view_workshop - changes a rule without touching the gateway: the file that runs, edited here, checked, its tests run, compared over the mail that came last; then a patch for git.

import { get, mayOperate, post, who } from "./api.js";
import { pages } from "./diff.js";
import { ago, count, h, say, table, toast } from "./dom.js";
import { editor } from "./editor.js";
import { memberAt, ruleAt } from "./json.js";
import { patch } from "./patch.js";
import { take } from "./schema.js";

const CHECK_MS = 500; // after the last letter
const MOST = 5000; // messages that are compared
const ROWS = 200; // messages of one way that are listed

let files = null; // [{name, path, text, edited}]; what was edited stays while other views are looked at
let rules = [], shown = null, box, parts, timer, asked = 0, compared = 0, world;

const file = () => files.find((one) => one.name === shown);
const texts = () => files.map(({ name, text, edited }) => ({ name, text: edited ?? text }));
const isEdited = (one) => one.edited !== undefined && one.edited !== one.text;

// ---- what is wrong, and the tests ----

function problem(one) {
  const here = files.find(({ name }) => name === one.file);
  return h("li", {}, h("button", { type: "button", class: "link", onclick: () => {
    if (here) open(here.name);
    box.go(one.line || 1, one.column || 1);
  } }, `${here?.path ?? one.file}, line ${one.line}, column ${one.column}`), " ", h("span", { class: one.severity === "error" ? "bad" : "warn" }, one.text), one.pointer && h("span", { class: "muted small mono" }, ` ${one.pointer}`));
}

function test(one) {
  return h("li", { class: one.passed ? "" : "failed" }, h("span", { class: `mark ${one.passed ? "good" : "bad"}`, role: "img", "aria-label": one.passed ? "passed" : "failed" }, one.passed ? "✓" : "✗"), one.name, !one.passed && h("div", { class: "small bad" }, one.why));
}

function tell(found) {
  const { problems, tests, failed } = found, errors = problems.filter(({ severity }) => severity === "error").length;
  parts.problems.replaceChildren(...problems.map(problem));
  parts.problemCard.hidden = !problems.length;
  parts.tests.replaceChildren(...[...tests].sort((a, b) => a.passed - b.passed).map(test));
  say(parts.verdict, errors ? `${count(errors)} ${errors === 1 ? "error" : "errors"}` : failed ? `${count(failed)} of ${count(tests.length)} tests ${failed === 1 ? "fails" : "fail"}` : tests.length ? `${count(found.rules)} rules, ${tests.length === 1 ? "the test passes" : `all ${count(tests.length)} tests pass`}` : `${count(found.rules)} rules, no tests`);
  parts.verdict.className = `pill ${errors || failed ? "bad" : tests.length ? "good" : "warn"}`;
  say(parts.testHead, errors ? "The tests run as soon as the rules can be loaded." : tests.length ? "" : "These rules have no tests.");
}

/** Whoever may only look sees the running files with their tests. */
async function ask() {
  if (mayOperate()) return post("api/v1/rules/check", { rules: texts() });
  const { tests } = await get("api/v1/rules/tests");
  return { problems: [], tests, failed: tests.filter((one) => !one.passed).length, rules: rules.length };
}

async function check() {
  clearTimeout(timer);
  const mine = ++asked;
  try {
    const found = await ask();
    if (mine === asked) tell(found);
  } catch (error) {
    if (mine === asked) (say(parts.verdict, error.message), (parts.verdict.className = "pill bad"));
  }
}

function changed() {
  file().edited = box.text;
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_MS);
  drawPatch();
  drawWatch();
}

// ---- over the mail that came last ----

function way(key) {
  const list = table(`Messages ${key}`, [["Message"], ["From"], ["When"]]);
  const [before, after] = key.split("\0");
  const number = h("strong", { class: "num" });
  return Object.assign(h("details", { class: "way" }, h("summary", {}, number, " ", h("span", { class: "muted" }, before), " → ", h("strong", {}, after)), list.element), { number, list, messages: 0 });
}

function addMessage(element, one) {
  say(element.number, count(++element.messages));
  if (element.messages > ROWS) return;
  const { list } = element;
  list.body.append(h("tr", {}, list.cell(0, one.message ? h("a", { href: `#/why/${encodeURIComponent(one.message)}` }, one.subject || "no subject") : "a message"), list.cell(1, one.from ?? ""), list.cell(2, one.received ? `${ago(one.received)}${one.waiting ? ", waits" : ""}` : "")));
}

function sentence(sum) {
  const last = `${count(sum.last.differ)} of the last ${count(sum.last.compared)} would move`;
  const waiting = sum.waiting.compared ? `; ${count(sum.waiting.differ)} of the ${count(sum.waiting.compared)} that wait` : "";
  return `${last}${waiting}${sum.unknown ? `; ${count(sum.unknown)} cannot be compared` : ""}`;
}

async function compareAll() {
  const mine = ++compared, ways = new Map(), sum = { last: { compared: 0, differ: 0 }, waiting: { compared: 0, differ: 0 }, unknown: 0 };
  parts.ways.replaceChildren();
  say(parts.moved, "Comparing …");
  try {
    for await (const { found, waiting } of pages(texts(), () => mine === compared, MOST)) {
      sum[waiting ? "waiting" : "last"].compared += found.compared;
      for (const one of found.messages) {
        const unknown = one.verdict === "unknown";
        if (unknown) sum.unknown++;
        else sum[waiting ? "waiting" : "last"].differ++;
        const key = unknown ? `cannot be compared\0${one.why}` : `${one.old}\0${one.new}`;
        if (!ways.has(key)) ways.set(key, way(key));
        addMessage(ways.get(key), one);
      }
      say(parts.moved, sentence(sum));
      parts.ways.replaceChildren(...[...ways.values()].sort((a, b) => b.messages - a.messages));
    }
  } catch (error) {
    say(parts.moved, error.body?.problems ? "The rules cannot be loaded; the problems are listed beside them." : error.message);
  }
}

// ---- shadow it first ----

const chosen = () => rules.find((one) => one.name === parts.rule.value);

/** Whether the rule that is chosen watches, in the text as it stands here. */
function watchPlace() {
  const at = parts.rule.value && ruleAt(box.text, parts.rule.value);
  if (!at) return null;
  const member = memberAt(box.text, at.start, "state");
  return { ...at, member, watches: Boolean(member && box.text.slice(member.start, member.end).includes('"watch"')) };
}

function drawWatch() {
  const at = watchPlace(), watches = Boolean(at?.watches);
  parts.watch.disabled = !at;
  say(parts.watch, watches ? "Let the rule act" : "Shadow it first");
  const rule = chosen();
  say(parts.watched, rule?.state === "watch" ? `This rule is being watched: it would have acted on ${count(rule.watched)} messages since the gateway started. Press "Let the rule act" and compare, to see where they would have gone.` : watches ? "With this change the rule is tried and counted but does nothing. Put the change in force, come back after a day, and compare." : "");
}

function toggleWatch() {
  const at = watchPlace();
  if (!at) return;
  if (at.member) box.replace(at.member.start, at.member.end, at.watches ? "" : '"state": "watch", ');
  else box.replace(at.after, at.after, ', "state": "watch"');
  changed();
}

// ---- the patch ----

const allPatches = () => files.filter(isEdited).map((one) => patch(one.path, one.text, one.edited)).join("");

function drawPatch() {
  const text = allPatches();
  parts.patch.textContent = text;
  parts.patchCard.hidden = !text;
  parts.again.disabled = !text;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(allPatches());
    toast("The patch is copied; apply it with git apply.");
  } catch {
    // Not allowed on a page without TLS: it can be marked and copied by hand.
    getSelection().selectAllChildren(parts.patch);
    toast("Your browser does not let pages copy; the patch is selected, copy it with the keyboard.", true);
  }
}

function download() {
  const link = h("a", { href: URL.createObjectURL(new Blob([allPatches()], { type: "text/x-patch" })), download: "mailweir-rules.patch" });
  link.click();
  URL.revokeObjectURL(link.href);
}

// ---- the frame ----

function open(name) {
  shown = name;
  const one = file();
  parts.file.value = name;
  box.set(one.edited ?? one.text);
  const own = rules.filter((rule) => rule.file === name);
  parts.rule.replaceChildren(h("option", { value: "" }, own.length ? "choose a rule" : "no rule in this file"), ...own.map((rule) => h("option", { value: rule.name }, rule.name)));
  drawWatch();
}

function goToRule(name) {
  const rule = rules.find((one) => one.name === name);
  if (!rule) return toast(`There is no rule named "${name}" in force.`, true);
  if (shown !== rule.file) open(rule.file);
  parts.rule.value = name;
  const at = ruleAt(box.text, name);
  const before = at ? box.text.slice(0, at.start) : "";
  box.go(at ? before.split("\n").length : rule.line, at ? at.start - before.lastIndexOf("\n") : 1);
  drawWatch();
}

function again() {
  for (const one of files) delete one.edited;
  open(shown);
  check();
  drawPatch();
}

async function load(name) {
  try {
    const [found, running, schema] = await Promise.all([get("api/v1/rules/files"), get("api/v1/rules"), get("api/v1/rules/schema")]);
    take(schema);
    const edited = new Map((files ?? []).map((one) => [one.name, one.edited]));
    files = found.files.map((one) => ({ ...one, text: one.text ?? "", edited: edited.get(one.name) }));
    ({ rules } = running);
    parts.file.replaceChildren(...files.map((one) => h("option", { value: one.name }, one.path)));
    parts.none.hidden = files.length > 0;
    parts.bench.hidden = !files.length;
    if (!files.length) return;
    open(files.some((one) => one.name === shown) ? shown : files[0].name);
    if (name) goToRule(name);
    check();
    drawPatch();
  } catch (error) {
    toast(error.message, true);
  }
}

/** Values that the schema cannot know: what the gateway and the file call theirs. */
const words = {
  get upstream() {
    return (world.state?.upstreams ?? []).map(({ name }) => name);
  },
};

export default {
  enter(main, shared, name) {
    world = shared;
    box = editor({ label: "The rule file", words, changed });
    const may = mayOperate();
    box.area.readOnly = !may;
    const card = (id, title, ...inside) => h("section", { class: "card", "aria-labelledby": id }, h("header", {}, h("h2", { id }, title), inside.shift()), h("div", { class: "pad" }, inside));
    parts = {
      file: h("select", { "aria-label": "File", onchange: () => open(parts.file.value) }),
      rule: h("select", { "aria-label": "Rule", onchange: () => (parts.rule.value ? goToRule(parts.rule.value) : drawWatch()) }),
      verdict: h("span", { class: "pill", role: "status" }, "checking"), problems: h("ul", { class: "plain" }), tests: h("ul", { class: "plain tests" }), testHead: h("p", { class: "muted" }),
      moved: h("p", { role: "status" }, "Shows which of the last messages, and of those that wait, would go elsewhere."), ways: h("div", {}), watched: h("p", { class: "muted small" }),
      watch: h("button", { type: "button", disabled: true, onclick: toggleWatch }, "Shadow it first"), patch: h("pre", { class: "mail", tabindex: 0, "aria-label": "Patch" }),
      again: h("button", { type: "button", disabled: true, onclick: again }, "Start again"), none: h("p", { class: "card empty", hidden: true }, "The configuration names no rule files: all mail goes to the default."),
    };
    parts.problemCard = card("h-problems", "What is wrong", null, parts.problems);
    parts.problemCard.hidden = true;
    parts.patchCard = card("h-patch", "The patch", h("span", { class: "row" }, h("button", { type: "button", onclick: copy }, "Copy"), h("button", { type: "button", onclick: download }, "Download")), h("p", { class: "small muted" }, "Nothing is saved from this page: whoever edits rules can read everybody's mail, and rule files belong in git or a ConfigMap. Apply the patch there (git apply); the gateway loads the changed files by itself."), parts.patch);
    parts.patchCard.hidden = true;
    parts.bench = h("div", { class: "grid2" }, h("div", { class: "stack" }, h("div", { class: "card" }, h("div", { class: "pad" }, box.element, h("p", { class: "muted small" }, may ? "Ctrl+Space offers what fits at the cursor." : `Your token "${who().name}" has the role "${who().role}": you see the rules; editing and comparing need the role "operate".`))), parts.problemCard, parts.patchCard),
      h("div", { class: "stack" }, card("h-tests", "Tests", null, parts.testHead, parts.tests),
        may && card("h-moved", "Over recent mail", h("button", { type: "button", class: "main", onclick: compareAll }, "Compare"), parts.moved, parts.ways),
        may && card("h-watch", "Shadow", parts.watch, h("p", { class: "small muted" }, "A rule in the state \"watch\" is tried, counted and reported but does nothing: after a day you see what the rule would do."), parts.watched)));
    main.append(h("section", { class: "card", "aria-labelledby": "h-workshop" }, h("header", {}, h("h1", { id: "h-workshop" }, "Rule workshop"), parts.file, parts.rule, parts.verdict, h("span", { class: "space" }), may && parts.again)), parts.none, parts.bench);
    load(name);
  },
  open: (name) => name && goToRule(name),
  leave() {
    clearTimeout(timer);
    asked++;
    compared++;
  },
  refresh: () => load(parts.rule.value),
};
