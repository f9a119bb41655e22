// view_rules - the rules in the order in which they run: how often each acts, when it last did, and those that never do.

import { get, post } from "./api.js";
import { ago, count, h, keep, rate, say, table, toast } from "./dom.js";

const POLL_MS = 2000;
let list, timer, filter, search, head, before, rules;

function isShown(rule) {
  const text = search.value.toLowerCase();
  return (filter.value === "all" || (filter.value === "never" ? !rule.hits : rule.hits > 0)) && (!text || rule.name.toLowerCase().includes(text));
}

function draw() {
  const top = Math.max(1, ...rules.map((rule) => rule.hits));
  keep(list.body, rules.filter(isShown), (rule) => rule.number ?? rule.name, (rule) => {
    const hits = h("span"), bar = h("span", { class: "share" }), last = h("span"), now = h("span"), place = h("span", { class: "muted small mono" });
    return Object.assign(h("tr", {}, list.cell(0, String(rule.number ?? "")), list.cell(1, h("strong", {}, rule.name), " ", place, bar), list.cell(2, hits), list.cell(3, now), list.cell(4, last)), { hits, bar, last, now, place });
  }, (row, rule) => {
    say(row.hits, count(rule.hits));
    say(row.last, rule.disabled ? "disabled" : rule.hits ? ago(rule.last) : "never");
    say(row.now, rule.now > 0 ? `${rate(rule.now)}/s` : "");
    say(row.place, rule.file ? `${rule.file.split("/").pop()}:${rule.line}` : "");
    row.last.className = rule.hits ? "" : "warn";
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

async function reload() {
  try {
    const { rules: number } = await post("api/v1/reload");
    toast(`Reloaded: ${number} rules in force.`);
    poll();
  } catch (error) {
    toast(`Not reloaded: ${error.message}`, true);
  }
}

export default {
  enter(main) {
    before = new Map();
    rules = [];
    list = { ...table("Rules", [["#", "num"], ["Rule"], ["Messages", "num"], ["Now", "num"], ["Last"]]), empty: h("p", { class: "empty" }, "No rule to show.") };
    filter = h("select", { onchange: draw, "aria-label": "Which rules" }, h("option", { value: "all" }, "all rules"), h("option", { value: "fired" }, "that acted"), h("option", { value: "never" }, "that never acted"));
    search = h("input", { type: "search", placeholder: "Find a rule", "aria-label": "Find a rule", oninput: draw });
    head = h("p", { class: "muted" });
    main.append(h("section", { class: "card", "aria-labelledby": "h-rules" },
      h("header", {}, h("h1", { id: "h-rules" }, "Rules"), head, h("span", { class: "space" }), search, filter, h("button", { type: "button", onclick: reload }, "Reload")),
      list.element, list.empty));
    poll();
  },
  leave: () => clearTimeout(timer),
  update({ state }) {
    const { count: number, loaded, last_load_good: good, failures } = state.rules;
    say(head, `${count(number)} in force, loaded ${ago(loaded)}${good ? "" : "; the last reload failed, so the set before it stays"}${failures ? `; ${count(failures)} decisions failed` : ""}`);
    head.className = good ? "muted" : "bad";
  },
  refresh: poll,
};
