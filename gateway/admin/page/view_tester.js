// view_tester - what the rules would do with a message, condition by condition; with the running rules or with edited ones.

import { get, post } from "./api.js";
import { compare } from "./diff.js";
import { h, toast } from "./dom.js";
import { decision, recipients } from "./trace.js";

const SAMPLE = "From: CI <ci@build.example>\nTo: ops@example.net\nSubject: failed: web\nMessage-ID: <1@build.example>\n\nThe build failed.\n";
let form, out, binary;

// ---- what comes of it ----

function problems(list) {
  return h("section", { class: "card", "aria-label": "Problems" }, h("header", {}, h("h2", { class: "bad" }, "These rules cannot be loaded")),
    h("div", { class: "pad" }, list.map((one) => h("p", { class: one.severity === "error" ? "bad" : "warn" }, h("code", {}, `line ${one.line}, column ${one.column}`), ` ${one.text} `, h("span", { class: "muted small mono" }, one.pointer)))));
}

function show(found) {
  if (found.problems) return out.replaceChildren(problems(found.problems));
  out.replaceChildren(decision(found.decision), ...recipients(found));
}

// ---- what is asked ----

function failed(error) {
  if (error.body?.problems) show(error.body);
  else out.replaceChildren(h("p", { class: "card empty bad" }, error.message));
}

async function ask(event) {
  event?.preventDefault();
  const { from, to, message, edited, rules, client, listener } = form.fields;
  const body = { from: from.value, to: to.value.split(/[\s,]+/).filter(Boolean), client: { address: client.value, ...(listener.value && { listener: listener.value }) } };
  if (binary) body.message_base64 = binary;
  else body.message = message.value;
  if (edited.checked) body.rules = rules.value;
  try {
    show(await post("api/v1/explain", body));
  } catch (error) {
    failed(error);
  }
}

async function over() {
  try {
    await compare(form.fields.rules.value, out);
  } catch (error) {
    failed(error);
  }
}

function take(octets) {
  const { message } = form.fields;
  try {
    message.value = new TextDecoder("utf-8", { fatal: true }).decode(octets);
    binary = null;
  } catch {
    // Not UTF-8: shown as near as can be, sent as it is.
    message.value = new TextDecoder("windows-1252").decode(octets);
    let text = "";
    new Uint8Array(octets).forEach((octet) => (text += String.fromCharCode(octet)));
    binary = btoa(text);
  }
  const address = (name) => message.value.match(new RegExp(`^${name}:.*?([\\w.+-]+@[\\w.-]+)`, "im"))?.[1];
  form.fields.from.value = address("Return-Path") ?? address("From") ?? form.fields.from.value;
  form.fields.to.value = address("Delivered-To") ?? address("To") ?? form.fields.to.value;
}

async function open(id) {
  if (!id) return;
  try {
    const [octets, { messages }] = await Promise.all([get.octets(`api/v1/messages/${encodeURIComponent(id)}`), get(`api/v1/why?${new URLSearchParams({ id })}`)]);
    take(octets);
    const { envelope } = messages[0];
    form.fields.from.value = envelope.from ?? "";
    form.fields.to.value = envelope.to.map((one) => one.address ?? one).join(", ");
    form.fields.client.value = envelope.client?.address ?? "127.0.0.1";
    form.fields.listener.value = envelope.client?.listener ?? "";
    ask();
  } catch (error) {
    toast(error.message, true);
  }
}

export default {
  enter(main, world, id) {
    binary = null;
    const fields = {
      from: h("input", { value: "ci@build.example", size: 26, autocomplete: "off" }), to: h("input", { value: "ops@example.net", size: 26, autocomplete: "off" }),
      client: h("input", { value: "127.0.0.1", size: 14, autocomplete: "off" }), listener: h("input", { size: 10, autocomplete: "off" }),
      message: h("textarea", { rows: 14, spellcheck: "false", oninput: () => (binary = null) }, SAMPLE),
      edited: h("input", { type: "checkbox", onchange: () => (fields.rules.hidden = all.hidden = !fields.edited.checked) }),
      rules: h("textarea", { rows: 12, spellcheck: "false", hidden: true, "aria-label": "Edited rules" }, '{\n  "rules": [\n    { "name": "example",\n      "if": { "header": "Subject", "matches": "^failed: (?<project>[\\\\w.-]+)" },\n      "then": [ { "fileinto": { "upstream": "corp", "folder": "CI/${project}" } } ] }\n  ]\n}'),
    };
    const all = h("button", { type: "button", hidden: true, onclick: over }, "Compare over recent mail");
    const file = h("input", { type: "file", accept: ".eml,message/rfc822,text/plain", onchange: async () => file.files[0] && take(await file.files[0].arrayBuffer()) });
    form = h("form", { class: "pad drop", onsubmit: ask, ondragover: (event) => (event.preventDefault(), form.classList.add("over")), ondragleave: () => form.classList.remove("over"),
      ondrop: async (event) => {
        event.preventDefault();
        form.classList.remove("over");
        if (event.dataTransfer.files[0]) take(await event.dataTransfer.files[0].arrayBuffer());
      } },
      h("div", { class: "row" }, h("label", { class: "stack" }, "From", fields.from), h("label", { class: "stack" }, "To", fields.to), h("label", { class: "stack" }, "Client", fields.client), h("label", { class: "stack" }, "Listener", fields.listener)),
      h("label", { class: "stack" }, "Message: paste one, or drop a file here", fields.message), h("div", { class: "row" }, h("label", {}, "File ", file)),
      h("label", {}, fields.edited, "with edited rules instead of the running ones"), fields.rules, h("div", { class: "row" }, h("button", { class: "main" }, "Try"), all));
    form.fields = fields;
    out = h("div", { class: "stack", "aria-live": "polite" }, h("p", { class: "card empty" }, "Nothing is delivered: this only shows what the rules would do."));
    main.append(h("div", { class: "grid2" }, h("section", { class: "card", "aria-labelledby": "h-tester" }, h("header", {}, h("h1", { id: "h-tester" }, "Try a message")), form), out));
    open(id);
  },
  open,
};
