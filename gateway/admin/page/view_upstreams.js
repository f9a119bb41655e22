// view_upstreams - each IMAP account: open, failing, throttled, full, or paused by an operator; what it does, what it said last.

import { get, mayOperate, post } from "./api.js";
import { ago, count, h, keep, say, span, toast, until } from "./dom.js";
import { nodesCard } from "./nodes.js";

const POLL_MS = 3000;
let cards, nodes, timer, shown;
let queues = { paused: [], upstreams: {} };
const KIND = { open: "good", failing: "bad", throttled: "warn", full: "bad", paused: "warn" };

function fact(name) {
  const value = h("dd", { class: "num" });
  return [h("dt", {}, name), value];
}

const days = (seconds) => (seconds == null ? "" : seconds <= 0 ? "expired" : `good for ${span(seconds * 1000)}`);

const CAUSES = {
  unreached: "the server is not reached",
  login: "the login is refused",
  sessions: "the server closes each connection before anything is filed",
  refused: "the server refuses everything for now",
};
const MIB = 1048576;

/** What of the day's octets is sent, and whether they last. */
function daily(day) {
  if (!day) return "";
  const sent = `${Math.floor(day.used / MIB)} of ${Math.floor(day.limit / MIB)} MiB sent, resets in ${span(day.ends_seconds * 1000)}`;
  return day.spent_seconds == null ? sent : `${sent}; at this pace the limit is reached in ${span(day.spent_seconds * 1000)}`;
}

const FACTS = [
  ["why it waits", (one) => (one.state !== "open" ? (CAUSES[one.cause] ?? "") : "")],
  ["octets of the day", (one) => daily(one.daily)],
  ["waiting in the spool", (one) => count(queues.upstreams[one.name]?.waiting)],
  ["filed", (one) => count(one.filed)],
  ["put off", (one) => count(one.deferred)],
  ["dead letters", (one) => count(one.dead)],
  ["under way", (one) => count(one.active)],
  ["connections", (one) => (one.connections == null ? `at most ${one.connections_max}` : `${one.connections} of ${one.connections_max}${one.connections_share == null ? "" : `, ${one.connections_share} for this node`}`)],
  ["append, median / 99 %", (one) => (one.filed ? `${one.append_ms_median} / ${one.append_ms_99} ms` : "–")],
  ["last filed", (one) => ago(one.last_filed)],
  ["since", (one) => (one.state !== "open" && one.since ? ago(one.since) : "")],
  ["tried again", (one) => (one.next_try ? until(one.next_try) : "")],
  ["certificate of the server", (one) => days(one.certificate_seconds)],
  ["our certificate", (one) => days(one.own_certificate_seconds)],
  ["token", (one) => days(one.token_seconds)],
];

async function act(name, verb) {
  try {
    const { note } = await post(`api/v1/upstreams/${encodeURIComponent(name)}/${verb}`);
    toast(note ? `${note}.` : verb === "pause" ? `${name} is paused; its mail waits in the spool.` : `${name} is resumed.`);
  } catch (error) {
    toast(error.message, true);
  }
  poll();
}

/** What waits for each upstream stands in the spool. */
async function poll() {
  clearTimeout(timer);
  try {
    queues = (await get("api/v1/queue?limit=1")).summary;
    if (shown) draw(shown);
  } catch {
    // Asked again.
  }
  timer = setTimeout(poll, POLL_MS);
}

function make(one) {
  const state = h("span", { class: "pill" }), error = h("p", { class: "small" }), facts = FACTS.map(([name]) => fact(name));
  const button = h("button", { type: "button", class: "tiny", hidden: !mayOperate(), onclick: () => act(one.name, button.dataset.verb) });
  return Object.assign(h("section", { class: "card", "aria-label": `Upstream ${one.name}` }, h("header", {}, h("h2", {}, one.name), h("span", { class: "muted small mono" }, `${one.address}:${one.port}`), h("span", { class: "space" }), state, button),
    h("div", { class: "pad" }, h("dl", { class: "facts" }, facts), error)), { state, error, facts, button });
}

function update(card, one) {
  const stopped = one.state === "paused";
  say(card.state, stopped ? `paused${one.paused_by ? ` by ${one.paused_by}` : ""}${one.since ? `, ${ago(one.since)}` : ""}` : one.state);
  card.state.className = `pill ${KIND[one.state] ?? ""}`;
  card.button.dataset.verb = stopped ? "resume" : "pause";
  say(card.button, stopped ? "Resume" : "Pause");
  FACTS.forEach(([, value], i) => {
    const text = value(one);
    say(card.facts[i][1], text);
    card.facts[i].forEach((element) => (element.hidden = text === ""));
  });
  const last = one.last_error;
  say(card.error, last ? `${ago(last.at)}, ${last.where}: ${last.message}` : "");
  card.error.className = `small ${one.state === "open" ? "muted" : "bad"}`;
}

function draw(state) {
  shown = state;
  nodes.update(state);
  keep(cards, state.upstreams, (one) => one.name, make, update);
}

export default {
  enter(main) {
    poll();
    cards = h("div", { class: "upstreams" });
    nodes = nodesCard();
    main.append(h("h1", {}, "Upstreams"), nodes, cards);
  },
  leave() {
    clearTimeout(timer);
    shown = null;
  },
  update: ({ state }) => draw(state),
  refresh: () => poll(),
};
