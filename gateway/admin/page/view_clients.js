// view_clients - who came to the listeners, and what each refused client said, heard, and would be let in by: "my printer cannot send".

import { get } from "./api.js";
import { ago, count, h, keep, say, table } from "./dom.js";

const EVERY_MS = 5000;
let address = "", input, list, told, head, empty, at = 0, running = 0;

const hash = (text) => `/clients/${encodeURIComponent(text)}`;
const when = (time) => h("time", { datetime: time, title: time }, ago(time));

/** What it heard, and the key of the listener that would have let it in. */
function heard(refusal) {
  const mail = refusal.from && h("div", { class: "small muted" }, `from ${refusal.from}${refusal.to ? ` to ${refusal.to}` : ""}`);
  const key = refusal.key && h("div", { class: "small" }, "the key that decides it: ", h("code", {}, refusal.key));
  const rule = refusal.rule && h("div", { class: "small muted" }, `rule ${refusal.rule}`);
  const code = refusal["reply.code"] && h("span", { class: "pill bad" }, `${refusal["reply.code"]}`);
  return [code, " ", refusal["reply.text"] ?? refusal["error.message"], key, rule, mail];
}

/** What it said: the command, as far as that can be shown. */
function said(refusal) {
  const text = refusal.command || refusal.reason;
  return [h("code", {}, text), refusal.helo && h("div", { class: "small muted" }, `calls itself ${refusal.helo}`), refusal.id && h("div", { class: "small" }, h("a", { href: `#/why/${encodeURIComponent(refusal.id)}` }, "why"))];
}

function client() {
  const name = h("a", {}), listener = h("div", { class: "small muted" }), last = h("span"), numbers = [h("span", { class: "num" }), h("span", { class: "num" }), h("span", { class: "num" })], refusal = h("div");
  return Object.assign(h("tr", {}, list.cell(0, h("div", {}, name, listener)), list.cell(1, last), ...numbers.map((one, i) => list.cell(2 + i, one)), list.cell(5, refusal)), { name, listener, last, numbers, refusal });
}

function refresh(row, one) {
  say(row.name, one["client.address"]);
  row.name.href = `#${hash(one["client.address"])}`;
  say(row.listener, one.listener);
  say(row.last, ago(one.last));
  [one.sessions, one.accepted, one.refused].forEach((value, i) => say(row.numbers[i], count(value)));
  row.refusal.replaceChildren(...(one.last_refusal ? [h("div", {}, said(one.last_refusal)), h("div", {}, heard(one.last_refusal))] : [h("span", { class: "muted" }, "none")]).flat());
}

function refusal(one) {
  return h("tr", {}, told.cell(0, h("div", {}, when(one.time), h("div", { class: "small muted" }, one.listener))), told.cell(1, one["client.address"]),
    told.cell(2, h("div", {}, said(one))), told.cell(3, h("div", {}, heard(one))));
}

async function load() {
  const mine = ++running;
  const query = new URLSearchParams({ limit: 200, ...(address && { client: address }) });
  at = Date.now();
  try {
    const [{ clients }, { refusals }] = await Promise.all([get(`api/v1/clients?${query}`), get(`api/v1/refusals?${query}`)]);
    if (mine !== running) return;
    keep(list.body, clients, (one) => `${one["client.address"]} ${one.listener}`, client, refresh);
    keep(told.body, refusals, (one) => `${one.time_ms} ${one["client.address"]} ${one.command ?? ""} ${one.to ?? ""} ${one["reply.text"]}`, refusal);
    say(head, `${count(clients.length)} ${clients.length === 1 ? "client" : "clients"}, ${count(refusals.length)} ${refusals.length === 1 ? "refusal" : "refusals"}`);
    empty.hidden = clients.length + refusals.length > 0;
    say(empty, address ? `${address} is not known: this client has not connected since the gateway started, and none of its mail was refused.` : "No client has connected yet.");
    list.element.hidden = !clients.length;
    told.element.hidden = !refusals.length;
  } catch (error) {
    if (mine === running) say(head, error.message);
  }
}

function open(text) {
  address = text.trim();
  input.value = address;
  load();
}

export default {
  enter(main, world, argument) {
    input = h("input", { type: "search", size: 40, "aria-label": "Address of a client", autocomplete: "off", spellcheck: "false", placeholder: "192.0.2.7" });
    head = h("p", { class: "muted", role: "status" });
    empty = h("p", { class: "empty", hidden: true });
    list = table("Clients", [["Client"], ["Last seen"], ["Sessions", "num"], ["Accepted", "num"], ["Refused", "num"], ["Last refusal"]]);
    told = table("Refusals", [["When"], ["Client"], ["What the client said"], ["What the gateway answered"]]);
    main.append(h("section", { class: "card", "aria-labelledby": "h-clients" }, h("header", {}, h("h1", { id: "h-clients" }, "Clients"), head),
      h("form", { class: "pad row", role: "search", onsubmit: (event) => {
        event.preventDefault();
        if (location.hash === `#${hash(input.value.trim())}`) load();
        else location.hash = hash(input.value.trim());
      } }, input, h("button", { class: "main" }, "Show"), h("a", { href: "#/clients" }, "everybody")), empty, list.element),
    h("section", { class: "card", "aria-labelledby": "h-refusals" }, h("header", {}, h("h2", { id: "h-refusals" }, "Refusals"), h("p", { class: "muted" }, "newest first; what a client said is shortened, and shown without secrets")), told.element));
    open(argument);
  },
  open,
  /** The live stream ticks each second. */
  update() {
    if (Date.now() - at >= EVERY_MS) load();
  },
  refresh: load,
};
