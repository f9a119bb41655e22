// view_rules - the rules in the order in which they run: how often each acts, when it last did, what it costs, its errors, and those that never act.

import { get, mayOperate, post } from "./api.js";
import { ago, count, counted, h, keep, rate, say, spark, table, toast } from "./dom.js";
import { findLink, keepFilters } from "./fragment.js";

const POLL_MS = 2000;
let list, timer, filter, search, head, before, rules, tests;

const keepAll = () => keepFilters({ show: filter.value === "all" ? "" : filter.value, q: search.value, sort: list.sorting });

function isShown(rule) {
  const text = search.value.toLowerCase();
  return (filter.value === "all" || (filter.value === "never" ? !rule.hits && !rule.watched : filter.value === "errors" ? rule.errors > 0 : rule.hits > 0)) && (!text || rule.name.toLowerCase().includes(text));
}

/** How the tests that expect the rule went: ["2 pass", "good"]. */
function tested(rule) {
  const own = tests?.filter((one) => one.rules.includes(rule.name)) ?? [];
  const failed = own.filter((one) => !one.passed).length;
  if (!tests) return ["", ""];
  return failed ? [`${failed} of ${own.length} fail`, "bad"] : own.length ? [`${own.length} pass`, "good"] : ["none", "muted"];
}

/** The mean of one try; measured over a sample of the messages. */
function cost({ sampled, sampled_us: us }) {
  if (!sampled) return "";
  const mean = us / sampled;
  return mean >= 1000 ? `${(mean / 1000).toFixed(1)} ms` : mean >= 10 ? `${Math.round(mean)} µs` : `${mean.toFixed(1)} µs`;
}

function draw() {
  const top = Math.max(1, ...rules.map((rule) => rule.hits));
  const fitting = list.sorted(rules.filter(isShown));
  say(list.number, counted(fitting.length, rules.length, "rules"));
  keep(list.body, fitting, (rule) => rule.number ?? rule.name, (rule) => {
    const time = h("span"), errors = h("span"), hits = h("span"), bar = h("span", { class: "share" }), last = h("span"), now = h("span"), place = h("span", { class: "muted small mono" }), result = h("span"), chart = h("svg", { class: "tiny-chart" });
    return Object.assign(h("tr", {}, list.cell(0, String(rule.number ?? "")), list.cell(1, h("a", { href: `#/workshop/${encodeURIComponent(rule.name)}`, title: "open it in the workshop" }, h("strong", {}, rule.name)), " ", place, bar), list.cell(2, h("a", { href: findLink({ rule: rule.name }), "aria-label": `messages of ${rule.name}` }, hits)), list.cell(3, now), list.cell(4, chart), list.cell(5, last), list.cell(6, result), list.cell(7, time), list.cell(8, errors)), { result, chart, hits, bar, last, now, place, time, errors });
  }, (row, rule) => {
    say(row.hits, count(rule.hits));
    say(row.last, rule.disabled ? "disabled" : rule.state === "watch" ? `watches: ${count(rule.watched)}` : rule.hits ? ago(rule.last) : "never");
    say(row.now, rule.now > 0 ? `${rate(rule.now)}/s` : "");
    say(row.place, rule.file ? `${rule.file.split("/").pop()}:${rule.line}` : "");
    const [words, kind] = tested(rule);
    say(row.result, words);
    row.result.className = kind;
    row.chart.toggleAttribute("hidden", !rule.last_hour);
    if (rule.last_hour) spark(row.chart, rule.last_hour, 120, 22);
    say(row.time, cost(rule));
    row.time.title = rule.sampled ? `mean of ${count(rule.sampled)} measured tries` : "";
    say(row.errors, rule.errors ? `${count(rule.errors)}, ${ago(rule.last_error)}` : "");
    row.errors.className = rule.errors ? "bad" : "";
    row.last.className = rule.hits || rule.watched ? "" : "warn";
    row.bar.style.width = `${(rule.hits / top) * 100}%`;
  });
  list.empty.hidden = list.body.children.length > 0;
}

async function poll() {
  clearTimeout(timer);
  try {
    const found = (await get("api/v1/rules")).rules;
    const at = performance.now();
    for (const rule of found) rule.now = before.at ? (rule.hits - (before.get(rule.name) ?? 0)) / ((at - before.at) / 1000) : 0;
    before = Object.assign(new Map(found.map((rule) => [rule.name, rule.hits])), { at });
    rules = found;
    draw();
  } catch {
    // Asked again.
  }
  timer = setTimeout(poll, POLL_MS);
}

async function runTests() {
  try {
    ({ tests } = await get("api/v1/rules/tests"));
    draw();
  } catch {
    // The column stays empty.
  }
}

async function reload() {
  try {
    const { rules: number } = await post("api/v1/reload");
    toast(`Reloaded: ${number} rules in force.`);
    poll();
    runTests();
  } catch (error) {
    toast(`Not reloaded: ${error.message}`, true);
  }
}

export default {
  enter(main, _, __, filters) {
    before = new Map();
    rules = [];
    list = Object.assign(table("Rules", [["#", "num", (rule) => rule.number], ["Rule", "", (rule) => rule.name], ["Messages", "num", (rule) => rule.hits], ["Now", "num", (rule) => rule.now], ["Last hour"], ["Last", "", (rule) => rule.last], ["Tests", "", (rule) => tested(rule)[0]], ["Time", "num", (rule) => (rule.sampled ? rule.sampled_us / rule.sampled : 0)], ["Errors", "num", (rule) => rule.errors]]), { empty: h("p", { class: "empty" }, "No rule matches."), number: h("span", { class: "muted", role: "status" }) });
    list.sorting = filters.get("sort");
    list.onsort = () => (keepAll(), draw());
    const again = () => (keepAll(), draw());
    filter = h("select", { onchange: again, "aria-label": "Which rules" }, h("option", { value: "all" }, "all rules"), h("option", { value: "fired" }, "that acted"), h("option", { value: "never" }, "that never acted"), h("option", { value: "errors" }, "that had errors"));
    search = h("input", { type: "search", placeholder: "Find a rule", "aria-label": "Find a rule", value: filters.get("q") ?? "", oninput: again });
    if ([...filter.options].some((option) => option.value === filters.get("show"))) filter.value = filters.get("show");
    head = h("p", { class: "muted" });
    main.append(h("section", { class: "card", "aria-labelledby": "h-rules" },
      h("header", {}, h("h1", { id: "h-rules" }, "Rules"), list.number, head, h("span", { class: "space" }), search, filter, mayOperate() && h("button", { type: "button", onclick: reload }, "Reload")),
      list.element, list.empty));
    tests = null;
    poll();
    runTests();
  },
  open(_, filters) {
    filter.value = filters.get("show") ?? "all";
    search.value = filters.get("q") ?? "";
    list.sorting = filters.get("sort");
    draw();
  },
  leave: () => clearTimeout(timer),
  update({ state }) {
    const { count: number, loaded, last_load_good: good, failures } = state.rules;
    say(head, `${count(number)} in force, loaded ${ago(loaded)}${good ? "" : "; the last reload failed, and these rules stay in force"}${failures ? `; ${count(failures)} decisions failed` : ""}`);
    head.className = good ? "muted" : "bad";
  },
  refresh: poll,
};
