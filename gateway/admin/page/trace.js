// trace - why the rules decided so: each rule that was tried, and what each of its conditions saw.

import { h } from "./dom.js";

const MARK = { yes: ["✓", "good"], no: ["✗", "muted"], unknown: ["?", "warn"], failed: ["!", "bad"], disabled: ["–", "muted"] };

/** A value that was seen, with what was captured of it marked. */
function seen(value, captured) {
  const found = captured?.[0] && value.indexOf(captured[0].text);
  if (found === undefined || found === false || found < 0 || !captured[0].text) return h("code", {}, value);
  const { text } = captured[0];
  return h("code", {}, value.slice(0, found), h("mark", {}, text), value.slice(found + text.length));
}

function captures(captured) {
  const named = (captured ?? []).slice(1).filter(Boolean);
  return named.length ? h("span", { class: "small muted" }, "  captured ", named.map((one, i) => [i ? ", " : "", `${one.name ?? i + 1} = `, h("mark", {}, one.text)])) : null;
}

function mark(result) {
  const [sign, kind] = MARK[result] ?? [result, ""];
  return h("span", { class: `mark ${kind}`, role: "img", "aria-label": result }, sign);
}

function condition(one) {
  if (!one) return null;
  if (one.parts) return h("li", {}, mark(one.result), one.condition ? `${one.condition} (${one.kind})` : one.kind, h("ul", { class: "trace" }, one.parts.map(condition)));
  return h("li", {}, mark(one.result), h("code", {}, one.test), h("span", { class: "muted small" }, one.saw?.length ? "  saw " : "  saw nothing"), (one.saw ?? []).map((value, i) => [i ? ", " : "", seen(value, one.captured)]), captures(one.captured));
}

function rule(one) {
  if (one.note) return h("li", { class: "muted" }, one.note);
  return h("li", {}, h("details", { open: one.result === "yes" }, h("summary", {}, mark(one.result), h("strong", {}, one.rule), h("span", { class: "muted small" }, `  ${one.file.split("/").pop()}:${one.line}${one.us == null ? "" : `, ${one.us} µs`}`), one.error && h("span", { class: "bad" }, ` ${one.error}`)),
    one.if && h("ul", { class: "trace" }, condition(one.if))));
}

export function decision(one) {
  const words = { filed: "would be filed", rejected: "would be refused", deferred: "would be refused for now", discarded: "would be discarded" };
  const kind = { filed: "good", rejected: "bad", deferred: "warn", discarded: "warn" }[one.outcome];
  return h("section", { class: "card", "aria-label": "Decision" }, h("header", {}, h("h2", {}, "The message ", words[one.outcome] ?? one.outcome), h("span", { class: "space" }), h("span", { class: `pill ${kind}` }, one.outcome)),
    h("div", { class: "pad" }, one.code && h("p", {}, h("code", {}, `${one.code} ${one.enhanced ?? ""} ${one.text}`), one.rule && h("span", { class: "muted" }, ` rule ${one.rule}`)),
      one.deliveries.map((to) => h("p", {}, h("span", { class: "muted" }, `${to.upstream} `), h("strong", {}, to.folder), h("span", { class: "muted" }, ` by rule ${to.rule} for ${to.recipients.join(", ")}`), to.flags.map((flag) => [" ", h("span", { class: "pill" }, flag)]), to.held && h("span", { class: "pill warn" }, "held")))));
}

/** One card for each recipient: the rules in the order in which they were tried. */
export const recipients = (found) => found.recipients.map((one) => h("section", { class: "card", "aria-label": `Trace for ${one.to}` },
  h("header", {}, h("h2", {}, "Rules tried"), h("span", { class: "muted" }, `for ${one.to}`)), h("div", { class: "pad" }, h("ul", { class: "trace" }, one.rules.map(rule)))));
