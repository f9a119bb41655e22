// view_flow - where the mail goes, now: rates, the stream from listeners through rules to folders, the last messages.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { clock, count, counted, h, keep, rate, say, spark, table } from "./dom.js";
import { findLink, keepFilters } from "./fragment.js";

const POLL_MS = 2000;
const ROWS_MAX = 12; // of each column of the stream; the rest is one row
const RECENT_MAX = 12;
const WINDOW = 10; // seconds that rates are taken over

let figures, stream, ways, recent, past, timer, known, rates;

// ---- figures ----

const FIGURES = [
  { id: "in", what: "accepted", unit: "/s", column: 0 },
  { id: "out", what: "filed", unit: "/s", column: 2 },
  { id: "refused", what: "refused", unit: "/s", column: 1 },
  { id: "waiting", what: "waiting in the spool", state: (state) => state.queue.waiting },
  { id: "dead", what: "dead letters", state: (state) => state.queue.dead, bad: true },
];

function makeFigure(figure) {
  const value = h("span", {}, "–");
  const chart = h("svg");
  figure.past = [];
  return Object.assign(h("section", { class: "card figure", "aria-label": figure.what },
    h("p", { class: "what" }, figure.what), h("p", { class: "value" }, value, figure.unit && h("small", {}, figure.unit)), chart), { value, chart });
}

function updateFigure(element, figure, world) {
  if (figure.state) {
    const value = figure.state(world.state);
    figure.past.push(value);
    figure.past.splice(0, figure.past.length - 300);
    say(element.value, count(value));
    element.classList.toggle("is-bad", Boolean(figure.bad && value));
    spark(element.chart, figure.past);
  } else {
    const values = world.seconds.map((second) => second[figure.column]);
    const last = values.slice(-WINDOW);
    say(element.value, rate(last.reduce((a, b) => a + b, 0) / Math.max(1, last.length)));
    spark(element.chart, values);
  }
}

// ---- the last hour, day, week ----

const RANGES = [["1h", "1 hour"], ["24h", "24 hours"], ["7d", "7 days"]];
const LINES = [
  { label: "Messages", lines: [["accepted", "accepted", "water"], ["filed", "filed", "good"], ["refused", "refused", "bad"]] },
  { label: "Queue", lines: [["waiting", "waiting", "water"], ["held", "held", "warn"], ["dead_letters", "dead letters", "bad"]] },
];
const FIGURES_MS = 20_000;

async function drawPast() {
  clearTimeout(past.timer);
  const range = past.range;
  try {
    const { from, step_seconds: step, columns, points } = await get(`api/v1/figures?range=${range}`);
    if (range !== past.range || !past.charts.isConnected) return;
    const times = points.map((_, i) => Date.parse(from) + i * step * 1000);
    const values = (name) => points.map((point) => point?.[columns.indexOf(name)] ?? null);
    const each = step === 60 ? "a minute" : step === 600 ? "in ten minutes" : "an hour";
    past.charts.replaceChildren(...LINES.map(({ label, lines }, i) => chart({ label: i ? label : `${label} ${each}`, range, times, lines: lines.map(([name, words, kind]) => ({ name: words, kind, values: values(name) })) })));
    drawNumbers(times, columns, points, range);
  } catch (error) {
    past.charts.replaceChildren(h("p", { class: "empty" }, error.message));
  }
  past.timer = setTimeout(drawPast, FIGURES_MS);
}

/** The same as a table, the newest first; hours in which nobody was there are left out. */
function drawNumbers(times, columns, points, range) {
  const names = LINES.flatMap(({ lines }) => lines);
  const list = table("Figures", [["When"], ...names.map(([, words]) => [words, "num"])], "numbers");
  const rows = points.map((point, i) => point && [times[i], names.map(([name]) => point[columns.indexOf(name)])]).filter(Boolean).reverse();
  list.body.append(...rows.map(([time, all]) => h("tr", {}, list.cell(0, new Date(time).toLocaleString("en-GB", range === "7d" ? { weekday: "short", hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit" })), all.map((value, i) => list.cell(i + 1, count(value))))));
  past.numbers.replaceChildren(list.element);
}

function makePast(range) {
  const charts = h("div", { class: "charts" }), numbers = h("div");
  const buttons = RANGES.map(([id, name]) => h("button", { type: "button", class: "tiny", "aria-pressed": String(id === range), onclick: () => choose(id) }, name));
  const choose = (id) => {
    past.range = id;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(RANGES[i][0] === id)));
    keepFilters({ range: id === "1h" ? "" : id, sort: ways.sorting });
    drawPast();
  };
  return { range, choose, charts, numbers, buttons };
}

// ---- the stream ----

const isRefused = (flow) => flow.upstream === "" && flow.folder !== "discarded";
/** Two accounts have an INBOX each. */
const folderOf = (flow) => (flow.upstream ? `${flow.upstream}: ${flow.folder}` : flow.folder);
const listenerLink = (flow) => findLink({ listener: flow.listener });
const ruleLink = (flow) => findLink({ rule: flow.rule });
const folderLink = (flow) => (flow.upstream ? findLink({ upstream: flow.upstream, folder: flow.folder }) : findLink({ state: flow.folder === "discarded" ? "discarded" : "refused" }));
const wayKey = (flow) => [flow.listener, flow.rule, flow.upstream, flow.folder].join("\0");

/** The names of one column with their sums, the largest first; what does not fit is one row. */
function column(flows, name, link) {
  const sums = new Map();
  for (const flow of flows) {
    const key = name(flow);
    const row = sums.get(key) ?? { key, label: key, count: 0, refused: true, link: link(flow) };
    row.count += flow.count;
    row.refused &&= isRefused(flow);
    row.upstream = flow.upstream;
    sums.set(key, row);
  }
  const rows = [...sums.values()].sort((a, b) => b.count - a.count);
  const kept = rows.slice(0, rows.length > ROWS_MAX ? ROWS_MAX - 1 : ROWS_MAX);
  const rest = rows.slice(kept.length);
  if (rest.length) kept.push({ key: "\0rest", label: `${rest.length} more`, count: rest.reduce((sum, row) => sum + row.count, 0), keys: new Set(rest.map((row) => row.key)) });
  return kept;
}

const rowOf = (rows, key) => rows.find((row) => row.key === key) ?? rows.find((row) => row.keys?.has(key));

/** Heights by share, but never so thin that a row cannot be seen or labelled. */
function place(rows, height, total) {
  const gap = 14, least = 20;
  const room = height - gap * (rows.length - 1) - least * rows.length;
  let y = 0;
  for (const row of rows) {
    row.y = y;
    row.height = least + Math.max(0, room) * (row.count / total);
    y += row.height + gap;
  }
}

/** Ribbons between two columns: one for each pair of rows; at both ends in the order of the other end, so that few cross. */
function ribbons(flows, left, right, leftName, rightName, x0, x1) {
  const pairs = new Map();
  for (const flow of flows) {
    const from = rowOf(left, leftName(flow)), to = rowOf(right, rightName(flow));
    const key = `${left.indexOf(from)} ${right.indexOf(to)}`;
    const pair = pairs.get(key) ?? { from, to, count: 0, refused: true, active: false };
    pair.count += flow.count;
    pair.refused &&= isRefused(flow);
    pair.active ||= rates.get(wayKey(flow)) > 0;
    pairs.set(key, pair);
  }
  const all = [...pairs.values()];
  const stack = (end, other) => {
    for (const row of new Set(all.map((pair) => pair[end]))) {
      let at = row.y;
      for (const pair of all.filter((one) => one[end] === row).sort((one, two) => one[other].y - two[other].y)) {
        const height = row.height * (pair.count / row.count);
        pair[`${end}Y`] = at + height / 2;
        pair.width = Math.min(pair.width ?? Infinity, height);
        at += height;
      }
    }
  };
  stack("from", "to");
  stack("to", "from");
  const middle = (x0 + x1) / 2;
  return all.map((pair) => ({ ...pair, width: Math.max(1.5, pair.width), title: `${pair.from.label} → ${pair.to.label}: ${count(pair.count)}`,
    d: `M${x0},${pair.fromY.toFixed(1)} C${middle},${pair.fromY.toFixed(1)} ${middle},${pair.toY.toFixed(1)} ${x1},${pair.toY.toFixed(1)}` }));
}

function clip(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function node(row, x, anchor, sub, state) {
  const inside = anchor === "end" ? x - 10 : x + 18;
  const isDown = state.upstreams.some((one) => one.name === row.upstream && one.state !== "open");
  const middle = row.y + row.height / 2;
  return h("g", {}, h("rect", { class: `bar${row.refused ? " refused" : isDown && sub ? " down" : ""}`, x, y: row.y.toFixed(1), width: 8, height: row.height.toFixed(1), rx: 4 }),
    h(row.link ? "svg:a" : "g", { href: row.link, "aria-label": row.link && `the messages of ${row.label}` }, h("title", {}, row.label), h("text", { x: inside, y: (middle + (row.height > 30 ? -2 : 4)).toFixed(1), "text-anchor": anchor }, clip(row.label, 30),
      row.height > 30 ? null : ` · ${count(row.count)}`)),
    row.height > 30 && h("text", { class: "sub", x: inside, y: (middle + 14).toFixed(1), "text-anchor": anchor }, count(row.count)));
}

function draw(state) {
  const flows = known;
  const total = flows.reduce((sum, flow) => sum + flow.count, 0);
  stream.empty.hidden = total > 0;
  stream.svg.toggleAttribute("hidden", total === 0);
  if (!total) return;
  const width = Math.max(720, stream.svg.parentElement.clientWidth - 36);
  const lists = [column(flows, (flow) => flow.listener, listenerLink), column(flows, (flow) => flow.rule, ruleLink), column(flows, folderOf, folderLink)];
  const height = Math.max(220, Math.max(...lists.map((list) => list.length)) * 44);
  const x = [0, Math.round(width * 0.4), width - 230];
  lists.forEach((rows) => place(rows, height, total));
  const [byListener, byRule, byFolder] = [(flow) => flow.listener, (flow) => flow.rule, folderOf];
  const bands = [...ribbons(flows, lists[0], lists[1], byListener, byRule, x[0] + 8, x[1]), ...ribbons(flows, lists[1], lists[2], byRule, byFolder, x[1] + 8, x[2])];
  stream.svg.setAttribute("viewBox", `0 -26 ${width} ${height + 34}`);
  stream.svg.replaceChildren(
    h("title", {}, `${count(total)} messages on ${flows.length} paths; the table below shows the same numbers`),
    ...["listeners", "rules", "folders"].map((name, i) => h("text", { class: "head", x: x[i] + (i ? 18 : 0), y: -12 }, name)),
    ...bands.map((one) => h("path", { class: `ribbon${one.refused ? " refused" : ""}`, d: one.d, "stroke-width": one.width.toFixed(1) }, h("title", {}, one.title))),
    ...bands.filter((one) => one.active).map((one) => h("path", { class: `pulse${one.refused ? " refused" : ""}`, d: one.d })),
    ...lists[0].map((row) => node(row, x[0], "start", false, state)),
    ...lists[1].map((row) => node(row, x[1], "start", false, state)),
    ...lists[2].map((row) => node(row, x[2], "start", true, state)));
}

function drawWays() {
  const top = Math.max(1, ...known.map((flow) => flow.count));
  const all = ways.sorting ? ways.sorted(known) : [...known].sort((a, b) => b.count - a.count);
  const rows = all.slice(0, 100);
  say(ways.number, known.length ? counted(rows.length, known.length, "ways") : "");
  keep(ways.body, rows, wayKey, (flow) => {
    const total = h("span"), bar = h("span", { class: "share" }), speed = h("span");
    return Object.assign(h("tr", {}, ways.cell(0, h("a", { href: listenerLink(flow) }, flow.listener)), ways.cell(1, h("a", { href: ruleLink(flow) }, flow.rule)),
      ways.cell(2, flow.upstream ? h("a", { href: folderLink(flow) }, h("span", { class: "muted" }, `${flow.upstream} `), flow.folder) : h("a", { href: folderLink(flow), class: isRefused(flow) ? "bad" : "" }, flow.folder), bar),
      ways.cell(3, speed), ways.cell(4, total)), { total, bar, speed });
  }, (row, flow) => {
    const now = rates.get(wayKey(flow));
    say(row.total, count(flow.count));
    say(row.speed, now > 0 ? `${rate(now)}/s` : "");
    row.bar.style.width = `${(flow.count / top) * 100}%`;
  });
}

async function poll() {
  clearTimeout(timer);
  try {
    const { flows } = await get("api/v1/flows");
    const now = performance.now();
    for (const flow of flows) {
      const before = known.find((one) => wayKey(one) === wayKey(flow));
      rates.set(wayKey(flow), known.at ? (flow.count - (before?.count ?? 0)) / ((now - known.at) / 1000) : 0);
    }
    known = Object.assign(flows, { at: now });
    if (poll.world?.state && stream.svg.isConnected) {
      draw(poll.world.state);
      drawWays();
    }
  } catch {
    // Asked again.
  }
  timer = setTimeout(poll, POLL_MS);
}

// ---- the last messages ----

const WORDS = { accepted: ["in", "water"], filed: ["filed", "good"], rejected: ["refused", "bad"], deferred: ["put off", "warn"], dead_letter: ["dead", "bad"], abandoned: ["left", "warn"] };

function showRecent(line) {
  const word = WORDS[line["event.action"]];
  const where = line.folder ? `${line.upstream}: ${line.folder}` : (line.to ?? []).join(", ");
  const what = line["event.action"] === "accepted" ? `from ${line.from}` : line.rule ? `rule ${line.rule}` : line["error.message"] ?? line["reply.text"] ?? "";
  recent.body.prepend(h("tr", {}, recent.cell(0, clock(line["@timestamp"])), recent.cell(1, h("span", { class: `pill ${word[1]}` }, word[0])),
    recent.cell(2, where), recent.cell(3, h("span", { class: "muted" }, what)),
    recent.cell(4, line.id && h("a", { class: "mono", href: `#/why/${encodeURIComponent(line.id)}`, "aria-label": `the story of ${line.id}` }, `…${line.id.slice(-6)}`))));
  while (recent.body.children.length > RECENT_MAX) recent.body.lastChild.remove();
  recent.empty.hidden = true;
}

/** Under the pointer the list stands still: nobody can click a row that moves on with each message. What comes meanwhile follows when the pointer leaves. */
function addRecent(line) {
  if (!WORDS[line["event.action"]] || !recent) return;
  recent.later.push(line);
  recent.later.splice(0, recent.later.length - RECENT_MAX);
  if (!recent.element.matches(":hover")) return showLater();
  say(recent.more, `${count(recent.later.length)}${recent.later.length === RECENT_MAX ? " or more" : ""} new, shown when the pointer leaves the list`);
}

function showLater() {
  if (!recent) return;
  recent.later.splice(0).forEach(showRecent);
  say(recent.more, "");
}

export default {
  enter(main, world, _, filters) {
    figures = FIGURES.map(makeFigure);
    stream = { svg: h("svg", { class: "stream", role: "group", "aria-label": "The stream from listeners through rules to folders" }), empty: h("p", { class: "empty" }, "No message has come since the start.") };
    ways = Object.assign(table("Paths", [["Listener", "", (flow) => flow.listener], ["Rule", "", (flow) => flow.rule], ["Folder", "", folderOf], ["Now", "num", (flow) => rates.get(wayKey(flow)) ?? 0], ["Messages", "num", (flow) => flow.count]], "ways"), { number: h("span", { class: "muted small" }) });
    ways.sorting = filters.get("sort");
    ways.onsort = () => (keepFilters({ range: past.range === "1h" ? "" : past.range, sort: ways.sorting }), drawWays());
    past = makePast(RANGES.some(([id]) => id === filters.get("range")) ? filters.get("range") : "1h");
    recent = { ...table("Last messages", [["Time"], ["-Outcome"], ["To"], ["What"], ["Story"]], "recent"), empty: h("p", { class: "empty" }, "The next message appears here."), more: h("span", { class: "muted small" }), later: [] };
    recent.element.addEventListener("pointerleave", showLater);
    main.append(h("h1", { class: "unseen" }, "Flow"), h("div", { class: "figures" }, figures),
      h("section", { class: "card", "aria-labelledby": "h-stream" }, h("header", {}, h("h2", { id: "h-stream" }, "The stream"), h("span", { class: "muted small" }, "since the gateway started; moving lines carry mail now"), h("span", { class: "space" }), ways.number),
        h("div", { class: "pad" }, stream.svg, stream.empty), ways.element),
      h("section", { class: "card", "aria-labelledby": "h-past" }, h("header", {}, h("h2", { id: "h-past" }, "Over time"), h("span", { class: "space" }), h("span", { class: "row", role: "group", "aria-label": "Time range" }, past.buttons)), h("div", { class: "pad" }, past.charts, h("details", {}, h("summary", {}, "Show as numbers"), past.numbers))),
      h("section", { class: "card", "aria-labelledby": "h-recent" }, h("header", {}, h("h2", { id: "h-recent" }, "Last messages"), h("span", { class: "space" }), recent.more), recent.element, recent.empty));
    known = [];
    rates = new Map();
    poll.world = world;
    world.lines.slice(-200).forEach(addRecent);
    poll();
    drawPast();
  },
  leave() {
    clearTimeout(timer);
    clearTimeout(past.timer);
    recent = null;
  },
  update(world) {
    FIGURES.forEach((figure, i) => updateFigure(figures[i], figure, world));
  },
  open(_, filters) {
    const range = filters.get("range") ?? "1h";
    if (range !== past.range && RANGES.some(([id]) => id === range)) past.choose(range);
  },
  line: addRecent,
  refresh: () => (poll(), drawPast()),
};
