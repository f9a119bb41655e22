// nodes - those that share the queue: which of them live, what each does, and whether they decide alike. Hidden where there is one.

import { count, h, keep, say, span } from "./dom.js";

/** Connections that the node may have now, of each upstream. */
const slots = (one) => Object.entries(one.state.upstreams ?? {}).filter(([, upstream]) => upstream.slots > 0).map(([name, upstream]) => `${name} ${upstream.slots}`).join(", ");
const clock = (ms) => (ms == null ? "" : `${ms > 0 ? "−" : "+"}${(Math.abs(ms) / 1000).toFixed(1)} s`);

const COLUMNS = [
  ["Node", (one) => one.name],
  ["State", (one) => [one.me && "this one", one.draining && "draining"].filter(Boolean).join(", ")],
  ["Epoch", (one) => one.epoch],
  ["Lease left", (one) => (one.lease_ms > 0 ? span(one.lease_ms) : `over for ${span(-one.lease_ms)}`)],
  ["May send for", (one) => (one.margin_ms == null ? "" : one.margin_ms > 0 ? span(one.margin_ms) : "sends nothing")],
  ["Sessions", (one) => count(one.state.sessions)],
  ["Filed", (one) => count(one.state.filed)],
  ["Connections it may have", slots],
  ["Rules", (one) => (one.state.rules_digest ?? "").slice(0, 8)],
  ["Clock", (one) => clock(one.state.skew_ms)],
  ["Nodes taken over", (one) => count(one.state.takeovers)],
  ["Version", (one) => one.version],
];

/** A card with a row for each node; its update(state) draws what the status says. */
export function nodesCard() {
  const rows = h("tbody"), warning = h("p", { class: "small bad" });
  const card = h("section", { class: "card", "aria-label": "Nodes of this queue", hidden: true }, h("header", {}, h("h2", {}, "Nodes of this queue")),
    h("div", { class: "pad" }, warning, h("table", { id: "nodes", class: "cards" }, h("thead", {}, h("tr", {}, COLUMNS.map(([name]) => h("th", { scope: "col" }, name)))), rows)));
  const make = () => {
    const cells = COLUMNS.map(([name]) => h("td", { "data-label": name }));
    return Object.assign(h("tr", {}, cells), { columns: cells });
  };
  const update = (row, one) => {
    row.className = one.lease_ms > 0 ? "" : "bad";
    COLUMNS.forEach(([, value], i) => say(row.columns[i], value(one)));
  };
  return Object.assign(card, {
    update(state) {
      const nodes = state.nodes ?? [];
      card.hidden = !nodes.length;
      say(warning, state.rules_differ ? "The nodes have different rules: the same mail goes another way, depending on who takes it." : "");
      warning.hidden = !state.rules_differ;
      keep(rows, nodes, (one) => one.epoch, make, update);
    },
  });
}
