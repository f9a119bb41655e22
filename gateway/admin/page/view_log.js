// view_log - the log as it is written, and how much of it each part of the gateway writes.

import { get, mayOperate, post } from "./api.js";
import { clock, h, toast } from "./dom.js";

const SHOWN_MAX = 500;
const PLAIN = new Set(["@timestamp", "log.level", "event.action", "log.logger"]);
let lines, search, level, paused, levels;
const RANK = { debug: 0, info: 1, warning: 2, error: 3 };
const KIND = { warning: "warn", error: "bad" };

function matches(line) {
  const text = search.value.toLowerCase();
  return RANK[line["log.level"]] >= RANK[level.value] && (!text || JSON.stringify(line).toLowerCase().includes(text));
}

function show(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function element(line) {
  const fields = Object.entries(line).filter(([name]) => !PLAIN.has(name));
  return h("div", { class: "line" }, h("span", { class: "at" }, clock(line["@timestamp"])), h("span", { class: KIND[line["log.level"]] ?? "" }, line["event.action"]),
    h("span", { class: "fields" }, fields.map(([name, value], i) => [i ? "  " : "", `${name}=`,
      name === "id" ? h("a", { href: `#/why/${encodeURIComponent(value)}` }, value) : h("b", {}, show(value))])));
}

function append(row) {
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  lines.append(row);
  while (lines.children.length > SHOWN_MAX) lines.firstChild.remove();
  if (atEnd) lines.scrollTop = lines.scrollHeight;
}

function add(line) {
  if (matches(line)) append(element(line));
}

/** How many lines were left out of the live stream, which takes only so many at a time; the log itself has them. */
function skip(count) {
  append(h("div", { class: "line muted" }, `${count.toLocaleString("en")} lines came too fast to show`));
}

function redraw(world) {
  lines.replaceChildren(...world.lines.filter(matches).slice(-SHOWN_MAX).map(element));
  lines.scrollTop = lines.scrollHeight;
}

async function loadLevels() {
  const found = (await get("api/v1/log")).levels;
  if (!mayOperate()) return levels.replaceChildren(...Object.entries(found).map(([area, now]) => h("span", {}, `${area}: ${now}`)));
  levels.replaceChildren(...Object.entries(found).map(([area, now]) => h("label", {}, area,
    h("select", { onchange: (event) => setLevel(area, event.target.value) }, Object.keys(RANK).map((name) => h("option", { selected: name === now }, name))))));
}

async function setLevel(area, value) {
  try {
    await post("api/v1/log", { area, level: value });
    toast(`${area} now writes ${value} and above, until the gateway restarts.`);
  } catch (error) {
    toast(error.message, true);
    loadLevels();
  }
}

export default {
  enter(main, world) {
    const again = () => redraw(world);
    search = h("input", { type: "search", placeholder: "Find in the log", "aria-label": "Find in the log", oninput: again });
    level = h("select", { onchange: again, "aria-label": "Lowest level shown" }, Object.keys(RANK).map((name) => h("option", { value: name, selected: name === "info" }, `${name} and above`)));
    paused = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
      const on = paused.getAttribute("aria-pressed") === "false";
      paused.setAttribute("aria-pressed", String(on));
      paused.textContent = on ? "Continue" : "Pause";
      if (!on) again();
    } }, "Pause");
    lines = h("div", { class: "lines", role: "log", tabindex: "0", "aria-label": "Log lines" });
    levels = h("div", { class: "row" });
    main.append(h("section", { class: "card", "aria-labelledby": "h-log" }, h("header", {}, h("h1", { id: "h-log" }, "Log"), h("span", { class: "space" }), search, level, paused), lines),
      h("section", { class: "card", "aria-labelledby": "h-levels" }, h("header", {}, h("h2", { id: "h-levels" }, "What each area writes"), mayOperate() && h("span", { class: "muted small" }, "changes apply at once and last until the gateway restarts")), h("div", { class: "pad" }, levels)));
    loadLevels().catch((error) => toast(error.message, true));
    again();
  },
  line(line) {
    if (paused.getAttribute("aria-pressed") === "false") add(line);
  },
  skipped({ lines: count }) {
    if (paused.getAttribute("aria-pressed") === "false") skip(count);
  },
};
