// view_queue - what waits, what is held, what is dead, and what can be done about it.

import { get, mayOperate, post } from "./api.js";
import { ago, bytes, confirm, count, counted, h, keep, say, table, toast, until } from "./dom.js";
import { keepFilters } from "./fragment.js";

const POLL_MS = 3000;
const LIMIT = 200;
const STATES = [["", "everything open"], ["waiting", "waiting"], ["held", "held"], ["dead", "dead letters"], ["filed", "filed"], ["dropped", "dropped"], ["moved", "moved"]];
const KIND = { waiting: "water", held: "warn", dead: "bad", filed: "good", dropped: "", moved: "" };
const OPEN = new Set(["waiting", "held", "dead"]);
const VERBS = { retry: "Retry", hold: "Hold", release: "Release", reroute: "Reroute", drop: "Drop" };
const FITS = { waiting: ["retry", "hold", "reroute", "drop"], held: ["release", "reroute", "drop"], dead: ["retry", "reroute", "drop"] };

let list, timer, state, upstream, search, head, chosen, bar, all, polls = 0;

const keepAll = () => keepFilters({ state: state.value, upstream: upstream.value, q: search.value, sort: list.sorting });
const filter = () => ({ ...(state.value && { state: state.value }), ...(upstream.value && { upstream: upstream.value }) });

function isShown(row) {
  const text = search.value.toLowerCase();
  return !text || [row.id, row.from, row.folder, row.rule, row.error?.text, ...(row.to ?? [])].some((value) => value?.toLowerCase().includes(text));
}

/** What a change did; a message that today's rules would send where it goes already stays. */
const told = ({ changed, moved, messages }) => (messages ? messages.map((one) => (one.verdict === "moves" ? `${one.before} → ${one.after}` : one.verdict === "same" ? "stays where it is" : one.error ?? `stays, though the rules would now ${one.verdict} the message`)).join("; ") || "nothing" : `${count(changed ?? moved)} done`);

async function change(verb, select, what) {
  if (verb === "drop" && !(await confirm("Drop for good?", `${what} will not be made, and cannot be brought back.`, "Drop", true))) return;
  try {
    const answer = await post("api/v1/queue", { verb, select });
    toast(`${VERBS[verb]}: ${told(answer)}${answer.busy ? `, ${count(answer.busy)} are being delivered now and were left alone` : ""}${answer.in_doubt ? `, ${count(answer.in_doubt)} may have been filed already: they stay until they have been looked for` : ""}.`);
  } catch (error) {
    toast(error.message, true);
  }
  poll();
}

async function changeChosen(verb) {
  const ids = [...chosen];
  if (verb === "drop" && !(await confirm("Drop for good?", `${ids.length} deliveries will not be made, and cannot be brought back.`, "Drop", true))) return;
  // Now, not at the end: what is chosen meanwhile stays chosen.
  chosen.clear();
  draw(all);
  let done = 0;
  for (const id of ids) {
    try {
      const answer = await post("api/v1/queue", { verb, select: { id } });
      done += answer.changed ?? answer.moved;
    } catch (error) {
      toast(`${id}: ${error.message}`, true);
      break;
    }
  }
  toast(`${VERBS[verb]}: ${count(done)} done.`);
  poll();
}

function make(row) {
  const pick = h("input", { type: "checkbox", hidden: !mayOperate(), "aria-label": `Choose ${row.id}`, onchange: () => {
    chosen[pick.checked ? "add" : "delete"](row.id);
    drawBar();
  } });
  const pill = h("span", { class: "pill" }), when = h("span", { class: "muted small" }), reason = h("p", { class: "small" }), actions = h("div", { class: "actions" });
  return Object.assign(h("tr", {}, list.cell(0, pick), list.cell(1, pill, " ", when),
    list.cell(2, h("a", { class: "mono", href: `#/why/${encodeURIComponent(row.message)}` }, `…${row.message.slice(-8)}`), h("div", { class: "small muted" }, `${bytes(row.size)}, ${ago(row.received_ms)}`)),
    list.cell(3, h("div", {}, row.from || "<>"), h("div", { class: "small muted" }, `to ${(row.to ?? []).join(", ")}`)),
    list.cell(4, h("div", {}, h("span", { class: "muted" }, `${row.upstream} `), row.folder), h("div", { class: "small muted" }, `rule ${row.rule}`), reason), list.cell(5, actions)), { pick, pill, when, reason, actions });
}

function update(element, row) {
  element.pick.checked = chosen.has(row.id);
  element.pick.disabled = !OPEN.has(row.state);
  say(element.pill, row.state);
  element.pill.className = `pill ${KIND[row.state]}`;
  say(element.when, row.state === "waiting" ? `tried ${row.attempts} times, next ${until(row.due_ms)}` : row.changed_ms ? ago(row.changed_ms) : "");
  say(element.reason, row.error ? `${row.error.during}: ${row.error.text}` : "");
  element.reason.className = `small ${row.state === "dead" ? "bad" : "warn"}`;
  if (element.shown !== row.state) {
    element.shown = row.state;
    element.actions.replaceChildren(...((mayOperate() && FITS[row.state]) || []).map((verb) =>
      h("button", { type: "button", class: `tiny${verb === "drop" ? " danger" : ""}`, onclick: () => change(verb, { id: row.id }, `The delivery ${row.id}`) }, VERBS[verb])));
  }
}

function drawBar() {
  const number = chosen.size;
  say(bar.text, number ? `${count(number)} chosen` : "");
  bar.element.hidden = !number;
}

function draw(rows) {
  const fitting = list.sorted(rows.filter(isShown));
  say(list.number, rows.length ? counted(fitting.length, rows.length, rows.length === LIMIT ? "shown; there may be more" : "deliveries") : "");
  keep(list.body, fitting, (row) => row.id, make, update);
  list.empty.hidden = list.body.children.length > 0;
  say(list.empty, state.value || upstream.value || search.value ? "No delivery fits what is chosen above." : "No delivery is open: nothing waits, is held or is a dead letter.");
  for (const id of chosen) if (!rows.some((row) => row.id === id)) chosen.delete(id);
  drawBar();
}

async function poll() {
  const mine = ++polls;
  clearTimeout(timer);
  try {
    const query = new URLSearchParams({ ...filter(), limit: LIMIT });
    const { deliveries, summary } = await get(`api/v1/queue?${query}`);
    if (mine !== polls) return; // an answer to another filter, that came late
    all = deliveries;
    const known = new Set([...upstream.options].map((option) => option.value));
    for (const name of Object.keys(summary.upstreams)) if (!known.has(name)) upstream.append(h("option", { value: name }, name));
    const oldest = Math.min(...Object.values(summary.upstreams).map((one) => one.oldest_ms ?? Infinity));
    say(head, Number.isFinite(oldest) ? `the oldest waiting message came ${ago(oldest)}` : "");
    draw(all);
  } catch (error) {
    if (mine !== polls) return;
    say(head, error.message);
  }
  timer = setTimeout(poll, POLL_MS);
}

export default {
  enter(main, _, __, filters) {
    chosen = new Set();
    all = [];
    const again = () => (chosen.clear(), keepAll(), poll());
    state = h("select", { onchange: again, "aria-label": "State" }, STATES.map(([value, name]) => h("option", { value }, name)));
    upstream = h("select", { onchange: again, "aria-label": "Upstream" }, h("option", { value: "" }, "all upstreams"), filters.get("upstream") && h("option", { value: filters.get("upstream"), selected: true }, filters.get("upstream")));
    state.value = STATES.some(([value]) => value === filters.get("state")) ? filters.get("state") : "";
    search = h("input", { type: "search", placeholder: "Find by sender, folder or reason", "aria-label": "Find in the queue", value: filters.get("q") ?? "", oninput: () => (keepAll(), draw(all)) });
    head = h("p", { class: "muted", role: "status" });
    const everything = h("input", { type: "checkbox", hidden: !mayOperate(), "aria-label": "Choose all shown", onchange: () => {
      chosen.clear();
      if (everything.checked) all.filter(isShown).filter((row) => OPEN.has(row.state)).forEach((row) => chosen.add(row.id));
      draw(all);
    } });
    list = Object.assign(table("Deliveries", [["-Choose"], ["State", "", (row) => row.state], ["Message", "", (row) => row.received_ms], ["From and to", "", (row) => row.from], ["Where the message goes, and why it waits", "", (row) => `${row.upstream} ${row.folder}`], ["-Actions"]]), { empty: h("p", { class: "empty" }), number: h("span", { class: "muted", role: "status" }) });
    list.sorting = filters.get("sort");
    list.onsort = () => (keepAll(), draw(all));
    list.element.querySelector("th").replaceChildren(everything, h("span", { class: "unseen" }, "Choose"));
    const text = h("span");
    bar = { text, element: h("div", { class: "row", hidden: true }, text, Object.keys(VERBS).map((verb) => h("button", { type: "button", class: `tiny${verb === "drop" ? " danger" : ""}`, onclick: () => changeChosen(verb) }, VERBS[verb]))) };
    main.append(h("section", { class: "card", "aria-labelledby": "h-queue" },
      h("header", {}, h("h1", { id: "h-queue" }, "Queue"), list.number, head, h("span", { class: "space" }), bar.element, search, state, upstream), list.element, list.empty));
    poll();
  },
  open(_, filters) {
    state.value = filters.get("state") ?? "";
    const name = filters.get("upstream") ?? "";
    if (![...upstream.options].some((option) => option.value === name)) upstream.append(h("option", { value: name }, name));
    upstream.value = name;
    search.value = filters.get("q") ?? "";
    list.sorting = filters.get("sort");
    poll();
  },
  leave: () => {
    polls++;
    clearTimeout(timer);
  },
  refresh: () => poll(),
};
