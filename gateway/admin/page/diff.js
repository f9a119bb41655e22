// diff - edited rules over the mail that came last and the mail that waits: which of it would go elsewhere than by the running rules.

import { post } from "./api.js";
import { ago, count, h, say, table } from "./dom.js";

const PAGE = 100;
const MOST = 5000; // messages that are looked at
const ROWS = 500; // messages that are shown
let running = 0; // the comparison that is under way; one that was begun before it ends

function row(list, one) {
  const subject = h("div", {}, one.message ? h("a", { href: `#/why/${one.message}` }, one.subject || "no subject") : "a message");
  const about = h("div", { class: "muted small" }, one.from ? `from ${one.from}` : "", one.received ? `, ${ago(one.received)}` : "", one.waiting ? ", waits" : "");
  if (one.verdict === "unknown") return h("tr", {}, list.cell(0, h("div", {}, subject, about)), list.cell(1, h("span", { class: "pill warn" }, "cannot be compared")), list.cell(2, one.why));
  return h("tr", {}, list.cell(0, h("div", {}, subject, about)), list.cell(1, one.old), list.cell(2, h("strong", {}, one.new)));
}

function summary({ compared, differ, unknown }) {
  const words = [`${count(compared)} messages looked at`, `${count(differ)} would go elsewhere`];
  if (unknown) words.push(`${count(unknown)} cannot be compared`);
  return words.join(", ");
}

/** Pages of a comparison, until there is no more, `goes` says no, or `most` messages were looked at: {found, waiting}. */
export async function* pages(rules, goes, most) {
  let after = null, looked = 0;
  do {
    const waiting = Boolean(after?.startsWith("waiting"));
    const found = await post("api/v1/diff", { rules, after, limit: PAGE });
    if (!goes()) return;
    looked += found.compared;
    after = found.next;
    yield { found, waiting };
  } while (after && looked < most);
}

/** Shows the comparison in `out`, as it comes; rejects with what the gateway says is wrong with the rules. */
export async function compare(rules, out) {
  const mine = ++running;
  const list = table("Differences", [["Message"], ["By the running rules"], ["By the edited rules"]]);
  const bar = h("progress", { "aria-label": "Comparison" }), said = h("p", { class: "muted", role: "status" }, "Comparing…"), empty = h("p", { class: "empty", hidden: true }, "Nothing would go elsewhere.");
  const stop = h("button", { type: "button", onclick: () => running++ }, "Stop");
  const sum = { compared: 0, differ: 0, unknown: 0 };
  let after = null, shown = false;
  list.element.hidden = true;
  do {
    const found = await post("api/v1/diff", { rules, after, limit: PAGE });
    if (!shown) out.replaceChildren(h("section", { class: "card", "aria-label": "Comparison" }, h("header", {}, h("h2", {}, "Recent and waiting mail"), said, h("span", { class: "space" }), bar, stop), list.element, empty));
    shown = true;
    sum.compared += found.compared;
    for (const one of found.messages) {
      sum[one.verdict === "unknown" ? "unknown" : "differ"]++;
      if (list.body.children.length < ROWS) list.body.append(row(list, one));
    }
    list.element.hidden = !list.body.children.length;
    say(said, summary(sum));
    after = found.next;
  } while (after && mine === running && sum.compared < MOST);
  bar.remove();
  stop.remove();
  say(said, `${summary(sum)}${after ? `; ${mine === running ? `ended at ${count(MOST)}` : "stopped"}, there is more` : ""}`);
  empty.hidden = list.body.children.length > 0;
}
