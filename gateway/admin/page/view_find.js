// view_find - one search for every message: filed, waiting, held, dead, refused. The search stands in the address, so that it can be kept and sent.

import { get } from "./api.js";
import { ago, bytes, h, table } from "./dom.js";
import { keepFilters } from "./fragment.js";

const KIND = { waiting: "water", held: "warn", dead: "bad", filed: "good", refused: "bad", dropped: "", moved: "", discarded: "" };
const EXAMPLES = ["state:refused since:24h", "state:held", "state:waiting,dead", "since:today"];

let input, list, head, more, out, running = 0;
let hits = []; // that are shown, the newest first

const text = () => input.value.trim();
const hash = (query) => `/find/${encodeURIComponent(query)}`;

function target(one) {
  return h("div", {}, h("span", { class: `pill ${KIND[one.state] ?? ""}` }, one.state), " ", one.upstream && h("span", { class: "muted" }, `${one.upstream} `), one.folder ?? one.text);
}

function targets(hit) {
  const { refusal } = hit;
  if (refusal) return [target({ state: "refused", text: `${refusal["reply.code"] ?? ""} ${refusal["reply.text"] ?? refusal["error.message"]}` }), refusal.rule && h("div", { class: "small muted" }, `rule ${refusal.rule}`)];
  return hit.deliveries.length ? hit.deliveries.map(target) : [target({ state: "discarded", text: "by the rules" })];
}

function row(hit) {
  const from = hit.header_from?.[0] ?? (hit.from || "<>"), to = hit.to ?? [];
  return h("tr", {}, list.cell(0, h("time", { datetime: new Date(hit.received_ms).toISOString(), title: new Date(hit.received_ms).toISOString() }, ago(hit.received_ms)), h("div", { class: "small muted" }, hit.size ? bytes(hit.size) : "")),
    list.cell(1, hit.id ? h("a", { href: `#/why/${encodeURIComponent(hit.id)}` }, hit.subject || h("span", { class: "muted mono" }, `…${hit.id.slice(-8)}`)) : hit.subject ?? "a connection"),
    list.cell(2, h("div", {}, from), h("div", { class: "small muted" }, `to ${to.slice(0, 3).join(", ")}${to.length > 3 ? ` and ${to.length - 3} more` : ""}`)),
    list.cell(3, targets(hit)));
}

function draw() {
  list.body.replaceChildren(...list.sorted(hits).map(row));
}

/** The page behind `after`; a page may be empty and have a next one, where little fits. */
async function search(after) {
  const mine = ++running;
  more.hidden = true;
  head.textContent = "searching …";
  try {
    let next = after, found = 0;
    do {
      const page = await get(`api/v1/find?${new URLSearchParams({ q: text(), limit: 50, ...(next && { after: next }) })}`);
      if (mine !== running) return;
      hits = !after && !found ? page.messages : [...hits, ...page.messages];
      draw();
      found += page.messages.length;
      next = page.next;
    } while (next && !found);
    more.hidden = !next;
    more.onclick = () => search(next);
    const shown = hits.length;
    head.textContent = shown ? `${shown} shown${next ? ", there are more" : ""}${list.sorting ? "" : ", the newest first"}` : "nothing found";
    out.hidden = !shown;
  } catch (error) {
    if (mine !== running) return;
    head.textContent = error.message;
    out.hidden = true;
  }
}

function open(query) {
  if (input.value !== query) input.value = query;
  search();
}

export default {
  enter(main, world, query, filters) {
    input = h("input", { type: "search", size: 60, "aria-label": "Search for messages", "aria-describedby": "find-help", autocomplete: "off", spellcheck: "false" });
    head = h("p", { class: "muted", role: "status" });
    list = table("Messages", [["When", "", (hit) => -hit.received_ms], ["Subject", "", (hit) => hit.subject], ["From and to", "", (hit) => hit.header_from?.[0] ?? hit.from], ["What became of it", "", (hit) => (hit.refusal ? "refused" : hit.deliveries[0] ? `${hit.deliveries[0].state} ${hit.deliveries[0].upstream} ${hit.deliveries[0].folder}` : "discarded")]]);
    list.sorting = filters.get("sort");
    list.onsort = () => (keepFilters({ sort: list.sorting }), draw());
    more = h("button", { type: "button", hidden: true }, "Show more");
    out = h("div", { hidden: true }, list.element, h("div", { class: "pad row" }, more));
    main.append(h("section", { class: "card", "aria-labelledby": "h-find" }, h("header", {}, h("h1", { id: "h-find" }, "Find"), head),
      h("form", { class: "pad row", role: "search", onsubmit: (event) => {
        event.preventDefault();
        if (location.hash.split("?")[0] === `#${hash(text())}`) search();
        else location.hash = hash(text());
      } }, input, h("button", { class: "main" }, "Find")),
      h("p", { class: "pad small muted", id: "find-help" }, "Words are searched for in subjects, names and addresses. Narrow the search with ", h("code", {}, "subject:invoice from:@vendor.example to:ops state:refused since:2h folder:CI/*"), ", exclude with ", h("code", {}, "-state:filed"), ". For example ",
        EXAMPLES.flatMap((one, i) => [i ? ", " : "", h("a", { href: `#${hash(one)}` }, one)]), "."), out));
    open(query);
  },
  open,
  refresh: () => search(),
};
