// dom - makes and keeps elements. Text always goes in as text, never as markup: what mail brings can do nothing here.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "g", "text", "rect", "title", "polyline", "svg:a"]);

/** An element: h("button", {class: "main", onclick: fn}, "text", child, …). */
export function h(tag, properties, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag.replace("svg:", "")) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Sets an element's text only when it changes, so that selections and screen readers are left alone. */
export function say(element, text) {
  const value = String(text);
  if (element.textContent !== value) element.textContent = value;
}

/**
 * Keeps the children of parent in step with items: make(item) makes one, update(element, item) refreshes it; an element stays the
 * same as long as its key does, so that focus, hover and open menus survive.
 */
export function keep(parent, items, key, make, update) {
  const known = parent.known ?? (parent.known = new Map());
  const seen = new Set();
  let at = 0;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    if (!element) known.set(name, (element = make(item)));
    update?.(element, item);
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
    seen.add(name);
    at++;
  }
  for (const [name, element] of known) {
    if (!seen.has(name)) {
      element.remove();
      known.delete(name);
    }
  }
}

const whole = new Intl.NumberFormat("en");
export const count = (value) => whole.format(value ?? 0);
export const rate = (value) => (value >= 100 ? whole.format(Math.round(value)) : value >= 1 ? value.toFixed(1) : String(+value.toFixed(2)));

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) (value /= 1024), at++;
  return `${at && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

/** "12 s", "3 min", "2 h", "4 d" of milliseconds. */
export function span(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const stamp = (time) => (typeof time === "number" ? time : Date.parse(time));

/** Of an ISO time, or milliseconds since 1970. */
export const ago = (time) => (time ? `${span(Date.now() - stamp(time))} ago` : "never");
export const until = (time) => (time ? (stamp(time) > Date.now() ? `in ${span(stamp(time) - Date.now())}` : "now") : "");
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

/** A small line chart of numbers, oldest first. */
export function spark(svg, values, width = 300, height = 40) {
  const top = Math.max(1, ...values);
  const points = values.map((value, i) => [(i / Math.max(1, values.length - 1)) * width, height - 2 - (value / top) * (height - 6)]);
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" L");
  if (!svg.area) {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append((svg.area = h("path", { class: "spark-area" })), (svg.line = h("path", { class: "spark-line" })));
  }
  svg.line.setAttribute("d", points.length ? `M${line}` : "");
  svg.area.setAttribute("d", points.length ? `M0,${height} L${line} L${width},${height} Z` : "");
}

export function toast(text, bad = false) {
  const element = h("div", { class: bad ? "toast bad" : "toast" }, text);
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), bad ? 8000 : 4000);
}

/** Asks before something that cannot be undone; resolves to whether to go on. */
export function confirm(title, text, action, danger = false) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, h("h2", { id: "dialog-title" }, title), h("p", {}, text),
      h("div", { class: "row" }, h("button", { type: "button", onclick: () => dialog.close("no") }, "Cancel"),
        h("button", { type: "button", class: danger ? "danger" : "main", onclick: () => dialog.close("yes") }, action)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a ?? ""), String(b ?? "")));

/**
 * A table with a head: columns are [label, class, value]; a label that begins with "-" is for screen readers only, value(row) is what its rows
 * can be sorted by. On a phone its rows become cards, in the manner that `kind` names. sorted(rows) gives them in the order that somebody chose,
 * onsort() is called when he does; sorting is what he chose: "Messages", "-Messages" from the highest, "" as they come.
 */
export function table(label, columns, kind = "cards") {
  const body = h("tbody");
  let by = -1, down = false;
  const list = { body, onsort: null, cell: (at, ...children) => h("td", { class: columns[at][1], "data-label": columns[at][0].replace(/^-.*/, "") }, ...children) };
  const heads = columns.map(([name, style, value], at) => {
    if (name.startsWith("-")) return h("th", { class: style, scope: "col" }, h("span", { class: "unseen" }, name.slice(1)));
    if (!value) return h("th", { class: style, scope: "col" }, name);
    return h("th", { class: style, scope: "col" }, h("button", { type: "button", class: "sort", onclick: () => {
      // First what people look for: the highest number, the first name; then the other way; then as it was.
      const first = style === "num";
      if (by !== at) (by = at), (down = first);
      else if (down === first) down = !first;
      else by = -1;
      mark();
      list.onsort?.();
    } }, name));
  });
  const mark = () => heads.forEach((head, at) => (at === by ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
  list.element = h("div", { class: "scroll" }, h("table", { class: kind, "aria-label": label }, h("thead", {}, h("tr", {}, heads)), body));
  list.sorted = (rows) => {
    if (by < 0) return rows;
    const sorted = [...rows].sort((a, b) => order(columns[by][2](a), columns[by][2](b)));
    return down ? sorted.reverse() : sorted;
  };
  Object.defineProperty(list, "sorting", {
    get: () => (by < 0 ? "" : `${down ? "-" : ""}${columns[by][0]}`),
    set(text) {
      const name = (text ?? "").replace(/^-/, "");
      by = name ? columns.findIndex(([one, , value]) => one === name && value) : -1;
      down = (text ?? "").startsWith("-");
      mark();
    },
  });
  return list;
}

/** "12 of 200 rules": how many there are, and how many of them are shown. */
export const counted = (shown, all, what) => (shown === all ? `${count(all)} ${what}` : `${count(shown)} of ${count(all)} ${what}`);
