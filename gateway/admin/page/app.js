// app - the frame: which view is shown, the live stream that all views share, keys, light and dark.

import { begin, follow, logOut, mayOperate, post, who } from "./api.js";
import { ago, count, h, keep, say, toast } from "./dom.js";
import { read } from "./fragment.js";
import clients from "./view_clients.js";
import find from "./view_find.js";
import flow from "./view_flow.js";
import log from "./view_log.js";
import queue from "./view_queue.js";
import rules from "./view_rules.js";
import tester from "./view_tester.js";
import upstreams from "./view_upstreams.js";
import why from "./view_why.js";
import workshop from "./view_workshop.js";

/** What is known of the gateway; views read it. */
export const world = { state: null, seconds: [], lines: [] };
const LINES_MAX = 1000;
const SECONDS_MAX = 300;

/** A view of which nothing is left for who may only look. */
const needsOperate = (view) => ({ ...view,
  enter(main, ...rest) {
    if (mayOperate()) view.enter(main, ...rest);
    else main.append(h("h1", { class: "unseen" }, "Not for this role"), h("p", { class: "card empty" }, `Your token "${who().name}" has the role "${who().role}"; this view needs the role "operate".`));
  },
  open: (...rest) => mayOperate() && view.open(...rest) });

const views = [
  { id: "flow", title: "Flow", view: flow },
  { id: "queue", title: "Queue", view: queue, badge: (state) => state.queue.dead },
  { id: "find", title: "Find", view: find },
  { id: "rules", title: "Rules", view: rules, badge: (state) => (state.rules.last_load_good ? 0 : 1) },
  { id: "upstreams", title: "Upstreams", view: upstreams, badge: (state) => state.upstreams.filter((one) => one.state !== "open").length },
  { id: "why", title: "Why", view: why },
  { id: "workshop", title: "Workshop", view: workshop },
  { id: "tester", title: "Try a message", view: needsOperate(tester) },
  { id: "clients", title: "Clients", view: clients },
  { id: "log", title: "Log", view: log },
];

const at = (id) => document.getElementById(id);
let shown = null;

// ---- views ----

function show() {
  const { view, argument, filters } = read();
  const next = views.find((one) => one.id === view) ?? views[0];
  if (shown !== next) {
    shown?.view.leave?.();
    at("main").replaceChildren();
    shown = next;
    next.view.enter(at("main"), world, argument, filters);
    document.title = `${next.title} · mailweir`;
    for (const link of at("tabs").children) {
      if (link.dataset.id === next.id) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  } else next.view.open?.(argument, filters);
  if (world.state) next.view.update?.(world);
}

at("tabs").append(...views.map(({ id, title, badge }, i) => {
  const badgeElement = badge && h("span", { class: "count", hidden: true });
  return Object.assign(h("a", { href: `#/${id}`, "data-id": id, title: `key ${i + 1}` }, title, badgeElement), { badgeElement });
}));
addEventListener("hashchange", show);

// ---- what needs attention ----

/** The button or the view that mends it, beside the command that does the same. */
function mend(one) {
  if (mayOperate() && /^upstream .* paused$/.test(one.about) && one.upstream) return h("button", { type: "button", class: "tiny", onclick: () => resume(`upstreams/${encodeURIComponent(one.upstream)}/resume`) }, "Resume");
  if (mayOperate() && one.about === "all upstreams paused") return h("button", { type: "button", class: "tiny", onclick: () => resume("queue", { verb: "resume" }) }, "Resume all");
  const place = one.upstream ? ["#/upstreams", "Show the upstream"] : one.about === "dead letters" ? ["#/queue?state=dead", "Show them"] : one.about === "refusals" ? ["#/find/state%3Arefused%20since%3A10m", "Show them"] : one.about === "reload" ? ["#/rules", "Show the rules"] : null;
  return place && h("a", { href: place[0] }, place[1]);
}

async function resume(path, body = {}) {
  try {
    const { note } = await post(`api/v1/${path}`, body);
    toast(note ? `${note}.` : "Mail is delivered again.");
  } catch (error) {
    toast(error.message, true);
  }
}

function attend(list) {
  at("attention").hidden = !list.length;
  keep(at("attention"), list, (one) => one.about, (one) => {
    const text = h("span"), since = h("span", { class: "muted small" });
    return Object.assign(h("p", { class: one.severity }, text, " ", since, " ", mend(one), one.command && h("code", {}, one.command)), { text, since });
  }, (element, one) => {
    say(element.text, one.text);
    say(element.since, one.since ? `began ${ago(one.since)}` : "");
  });
}

// ---- live ----

function frame(state) {
  const ready = at("ready");
  say(at("host"), state.hostname);
  const trouble = state.attention.some((one) => one.severity !== "notice");
  say(ready, state.draining ? "shutting down" : state.ready ? (trouble ? "takes mail, with problems" : "takes mail") : "does not take mail");
  ready.className = `pill ${state.draining || (state.ready && trouble) ? "warn" : state.ready ? "good" : "bad"}`;
  ready.title = Object.entries(state.checks).map(([name, check]) => `${name}: ${check.reason}`).join("\n");
  attend(state.attention);
  views.forEach(({ badge }, i) => {
    const element = at("tabs").children[i].badgeElement;
    if (element) {
      const value = badge(state);
      say(element, count(value));
      element.hidden = !value;
    }
  });
}

const on = {
  history({ seconds }) {
    world.seconds = seconds;
  },
  state(state) {
    const before = world.state;
    world.state = state;
    if (before && before.started === state.started && before.now !== state.now) {
      world.seconds.push([
        state.messages.accepted - before.messages.accepted,
        state.messages.rejected + state.messages.deferred - before.messages.rejected - before.messages.deferred,
        state.deliveries.filed - before.deliveries.filed,
        state.deliveries.deferred - before.deliveries.deferred,
        state.deliveries.dead - before.deliveries.dead,
      ]);
      world.seconds.splice(0, world.seconds.length - SECONDS_MAX);
    }
    frame(state);
    shown.view.update?.(world);
  },
  log(line) {
    world.lines.push(line);
    if (world.lines.length > LINES_MAX + 200) world.lines.splice(0, 200);
    shown.view.line?.(line, world);
  },
  skipped(value) {
    shown.view.skipped?.(value);
  },
};

function live(isLive) {
  at("live").classList.toggle("on", isLive);
  say(at("live-text"), isLive ? "live" : "offline");
  at("logout").hidden = !who();
  at("logout").title = who() ? `log out; you are logged in as ${who().name} with the role ${who().role}` : "";
  if (isLive) world.lines = [];
  else if (world.state) {
    at("ready").className = "pill bad";
    say(at("ready"), "no answer");
  }
}

// ---- keys, light and dark ----

const KEYS = [["1 – 9", "switch between the views"], ["/", "go to the search field"], ["r", "refresh this view"], ["t", "light or dark"], ["?", "this help"], ["Ctrl+Space", "in the workshop: what may stand at the caret"], ["Esc", "close what is open"]];

function help() {
  const dialog = h("dialog", { "aria-labelledby": "help-title" }, h("h2", { id: "help-title" }, "Keys"),
    h("dl", { class: "keys" }, KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("p", { class: "muted small" }, "Everything on this page can also be done in a terminal: mailweir status, top, queue, find, why, explain."),
    h("form", { method: "dialog", class: "row" }, h("button", { class: "main" }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function theme() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  localStorage.setItem("mailweir-theme", document.documentElement.dataset.theme);
}

const stored = localStorage.getItem("mailweir-theme");
if (stored) document.documentElement.dataset.theme = stored;
at("skip").addEventListener("click", (event) => (event.preventDefault(), at("main").focus()));
at("theme").addEventListener("click", theme);
at("logout").addEventListener("click", logOut);
at("help").addEventListener("click", help);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.matches("input, textarea, select")) return;
  const number = Number(event.key);
  if (number >= 1 && number <= views.length) location.hash = "/" + views[number - 1].id;
  else if (event.key === "/") (event.preventDefault(), document.querySelector("main input")?.focus());
  else if (event.key === "r") shown.view.refresh?.();
  else if (event.key === "t") theme();
  else if (event.key === "?") help();
});

await begin();
// A key of its own for each view stays the same for everybody.
for (const link of at("tabs").children) link.hidden = link.dataset.id === "tester" && !mayOperate();
show();
follow((name, value) => on[name]?.(value), live);
