// view_why - the whole story of one message: who brought it, what was decided, each attempt with the server's words.

import { get, mayOperate, post } from "./api.js";
import { bytes, confirm, h, table, toast } from "./dom.js";
import { read } from "./mail.js";
import { decision, recipients } from "./trace.js";

let input, out;

const moment = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", "");
const KIND = { filed: "good", dead: "bad", held: "warn", dropped: "warn", moved: "" };
const ENDS = { waiting: "waits for its next attempt", held: "is held until somebody releases it", dead: "is a dead letter", filed: "was filed", dropped: "was dropped", moved: "was rerouted, see the other deliveries" };

const FITS = { waiting: ["retry", "hold", "reroute", "drop"], held: ["release", "reroute", "drop"], dead: ["retry", "reroute", "drop"] };
const VERBS = { retry: "Retry", hold: "Hold", release: "Release", reroute: "Reroute", drop: "Drop" };

async function change(verb, one) {
  const what = `The delivery ${one.id} to ${one.upstream}:${one.folder}`;
  if (verb === "drop" && !(await confirm("Drop for good?", `${what} will not be made, and cannot be brought back.`, "Drop", true))) return;
  if (verb === "reroute" && !(await confirm("Reroute?", `${what} goes where the rules in force say.`, "Reroute"))) return;
  try {
    const { changed, moved, busy, in_doubt: inDoubt } = await post("api/v1/queue", { verb, select: { id: one.id } });
    toast(`${VERBS[verb]}: ${changed ?? moved ?? 0} done${busy ? `, ${busy} under way` : ""}${inDoubt ? "; it may have been filed already, and stays until it has been looked for" : ""}.`);
  } catch (error) {
    toast(error.message, true);
  }
  ask();
}

// ---- the message itself ----

function content(octets) {
  const { fields, texts, attachments } = read(octets);
  const files = attachments.length && table("Attachments", [["Name"], ["Kind"], ["Size"]]);
  if (files) files.body.append(...attachments.map((one) => h("tr", {}, files.cell(0, one.name), files.cell(1, one.kind), files.cell(2, bytes(one.size)))));
  return [h("details", { class: "pad" }, h("summary", {}, `${fields.length} header fields`), facts(fields)),
    ...texts.map((one) => h("div", { class: "pad" }, h("div", { class: "muted small" }, one.kind === "text/html" ? "HTML, shown as text" : one.kind), h("pre", { class: "mail", tabindex: 0, "aria-label": `Text of the message, ${one.kind}` }, one.text, one.cut && "\n…"))),
    files && files.element];
}

function preview(message) {
  const path = `api/v1/messages/${encodeURIComponent(message.id)}`;
  const place = h("div"), button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      place.replaceChildren(...content(await get.octets(path)).filter(Boolean));
      button.hidden = true;
    } catch (error) {
      place.replaceChildren(h("p", { class: "pad bad" }, error.message));
    }
    button.disabled = false;
  } }, "Show the message");
  return h("section", { class: "card", "aria-label": "The message itself" }, h("header", {}, h("h2", {}, "The message itself"), h("span", { class: "space" }), h("a", { href: path, download: `${message.id}.eml` }, `Download (${bytes(message.size)})`), button), h("p", { class: "pad small muted" }, "Whoever opens the message is named in the log."), place);
}

/** What today's rules say about it, condition by condition; of a message whose header is not kept any more nobody can tell. */
function tree(message) {
  const place = h("div", { class: "pad" }, h("p", { class: "muted" }, "Asking the rules …"));
  post("api/v1/explain", { id: message.id }).then((found) => place.replaceChildren(h("div", { class: "stack" }, decision(found.decision), ...recipients(found))),
    (error) => place.replaceChildren(h("p", { class: "muted" }, error.status === 409 || error.status === 404 ? "The message is no longer kept, so the rules cannot be tried on it." : error.message)));
  return h("section", { class: "card", "aria-label": "Why it went there" }, h("header", {}, h("h2", {}, "Why it went there"), h("span", { class: "muted small" }, "by the rules in force now, with what each condition saw")), place);
}

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
    FITS[one.state] && mayOperate() && h("div", { class: "pad row" }, FITS[one.state].map((verb) => h("button", { type: "button", class: `tiny${verb === "drop" ? " danger" : ""}`, onclick: () => change(verb, one) }, VERBS[verb]))),
    h("ol", { class: "story" }, events.map((event) => step(event.at_ms, event.class ? "warn" : "", event.class ? [h("strong", {}, `attempt ${event.attempt}`), ` ${event.class} (${event.code}) at ${event.during}: `, event.text] : event.text)),
      step(last, KIND[one.state] ?? "", ENDS[one.state], one.uid ? ` as UID ${one.uid} (UIDVALIDITY ${one.uidvalidity})` : "", one.uncertain ? "; it may have been filed already and is looked for first" : ""),
      one.paused && step(one.paused.since_ms, "warn", h("strong", {}, `${one.paused.all ? "all upstreams are" : `${one.upstream} is`} paused by ${one.paused.by || "an operator"}`), ": nothing is tried before somebody resumes it")));
}

function story(message) {
  const { envelope } = message;
  const client = envelope.client ?? {};
  const tls = client.tls_version ? `${client.tls_version} ${client.tls_cipher ?? ""}` : "without TLS";
  return [h("section", { class: "card", "aria-label": "Message" }, h("header", {}, h("h2", { class: "mono" }, message.id), h("span", { class: "space" }), mayOperate() && h("a", { href: `#/tester/${encodeURIComponent(message.id)}` }, "Try it with the rules")),
    h("div", { class: "pad" }, facts([["received", moment(message.received_ms)], ["by", `${client.listener ?? "?"}, from ${client.address ?? "?"}${client.helo ? ` (${client.helo})` : ""}, ${client.protocol ?? "SMTP"}, ${tls}`],
      ["user", client.user], ["from", envelope.from || "<>"], ["to", (envelope.to ?? []).map((one) => one.address ?? one).join(", ")], ["subject", envelope.subject], ["Message-ID", envelope.message_id], ["rules that acted", (envelope.rules ?? []).join(", ")], ["size", bytes(message.size)]]))),
    mayOperate() && message.open > 0 && preview(message), mayOperate() && tree(message), ...(message.deliveries ?? []).map(delivery), !message.deliveries?.length && h("p", { class: "empty" }, "The rules asked for no delivery: the message was discarded.")];
}

/** A message that was refused is no message of the queue. */
async function refused(id) {
  const { refusals } = await get(`api/v1/refusals?${new URLSearchParams({ id })}`);
  out.replaceChildren(...refusals.map((one) => h("section", { class: "card", "aria-label": "Refusal" }, h("header", {}, h("h2", { class: "mono" }, id), h("span", { class: "space" }), h("span", { class: "pill bad" }, "refused")),
    h("div", { class: "pad" }, facts([["when", one.time], ["from", one.from], ["to", (one.recipients ?? [one.to]).filter(Boolean).join(", ")], ["subject", one.subject], ["client", one["client.address"]], ["listener", one.listener], ["heard", one["reply.code"] ? `${one["reply.code"]} ${one["reply.text"]}` : one["error.message"]], ["rule", one.rule]])))));
  return refusals.length > 0;
}

async function ask() {
  const what = input.value.trim();
  if (!what) return;
  try {
    const { messages } = await get(`api/v1/why?${new URLSearchParams({ id: what })}`);
    out.replaceChildren(...messages.flatMap(story).filter(Boolean));
    if (!messages.length && (await refused(what))) return;
    if (!messages.length) out.replaceChildren(h("p", { class: "card empty" }, "No such message is known. Settled messages are kept only as long as the configured history."));
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
