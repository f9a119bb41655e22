// view_why - the whole story of one message: who brought it, what was decided, each attempt with the server's words.

import { get } from "./api.js";
import { bytes, h } from "./dom.js";

let input, out;

const moment = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", "");
const KIND = { filed: "good", dead: "bad", held: "warn", dropped: "warn", moved: "" };
const ENDS = { waiting: "waits for its next attempt", held: "is held until somebody releases it", dead: "is a dead letter", filed: "lies in the folder", dropped: "was dropped", moved: "went elsewhere, see the other deliveries" };

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function step(at, kind, ...what) {
  return h("li", { class: kind }, h("span", { class: "muted mono small" }, moment(at), "  "), ...what);
}

function delivery(one) {
  const events = [...(one.history ?? []), ...(one.notes ?? [])].sort((a, b) => a.at_ms - b.at_ms);
  const last = one.state === "waiting" ? one.due_ms : one.changed_ms;
  return h("section", { class: "card", "aria-label": `Delivery ${one.number}` },
    h("header", {}, h("h2", {}, h("span", { class: "muted" }, `${one.upstream} `), one.folder), h("span", { class: "muted small" }, `rule ${one.rule}`), h("span", { class: "space" }), h("span", { class: `pill ${KIND[one.state] ?? "water"}` }, one.state)),
    h("ol", { class: "story" }, events.map((event) => step(event.at_ms, event.class ? "warn" : "", event.class ? [h("strong", {}, `attempt ${event.attempt}`), ` ${event.class} (${event.code}) at ${event.during}: `, event.text] : event.text)),
      step(last, KIND[one.state] ?? "", ENDS[one.state], one.uid ? ` as UID ${one.uid} (UIDVALIDITY ${one.uidvalidity})` : "", one.uncertain ? "; it may lie there already and is looked for first" : "")));
}

function story(message) {
  const { envelope } = message;
  const client = envelope.client ?? {};
  const tls = client.tls_version ? `${client.tls_version} ${client.tls_cipher ?? ""}` : "without TLS";
  return [h("section", { class: "card", "aria-label": "Message" }, h("header", {}, h("h2", { class: "mono" }, message.id), h("span", { class: "space" }), h("a", { href: `#/tester/${encodeURIComponent(message.id)}` }, "Try it with the rules")),
    h("div", { class: "pad" }, facts([["received", moment(message.received_ms)], ["by", `${client.listener ?? "?"}, from ${client.address ?? "?"}${client.helo ? ` (${client.helo})` : ""}, ${client.protocol ?? "SMTP"}, ${tls}`],
      ["user", client.user], ["from", envelope.from || "<>"], ["to", (envelope.to ?? []).map((one) => one.address ?? one).join(", ")], ["Message-ID", envelope.message_id], ["rules that acted", (envelope.rules ?? []).join(", ")], ["size", bytes(message.size)]]))),
    ...(message.deliveries ?? []).map(delivery), !message.deliveries?.length && h("p", { class: "empty" }, "The rules asked for no delivery: it was discarded.")];
}

async function ask() {
  const what = input.value.trim();
  if (!what) return;
  try {
    const { messages } = await get(`api/v1/why?${new URLSearchParams({ id: what })}`);
    out.replaceChildren(...messages.flatMap(story).filter(Boolean));
    if (!messages.length) out.replaceChildren(h("p", { class: "card empty" }, "No such message is known. Settled ones are kept for the configured history only."));
  } catch (error) {
    out.replaceChildren(h("p", { class: "card empty bad" }, error.message));
  }
}

function open(id) {
  if (!id) return;
  input.value = id;
  ask();
}

export default {
  enter(main, world, id) {
    input = h("input", { type: "search", size: 40, placeholder: "Message id, delivery id or Message-ID", "aria-label": "Message id, delivery id or Message-ID" });
    out = h("div", { "aria-live": "polite", class: "stack" });
    main.append(h("section", { class: "card", "aria-labelledby": "h-why" }, h("header", {}, h("h1", { id: "h-why" }, "Why"), h("span", { class: "muted" }, "what happened to a message, and why")),
      h("form", { class: "pad row", onsubmit: (event) => {
        event.preventDefault();
        if (location.hash === `#/why/${encodeURIComponent(input.value.trim())}`) ask();
        else location.hash = `/why/${encodeURIComponent(input.value.trim())}`;
      } }, input, h("button", { class: "main" }, "Show"))), out);
    open(id);
  },
  open,
  refresh: () => ask(),
};
