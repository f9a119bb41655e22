// editor - a text field for rule files: it completes members and values by the schema, and goes to a place.

import { h } from "./dom.js";
import { caret, offsetOf } from "./json.js";
import { members, values } from "./schema.js";

const SHOWN_MAX = 8;

/** What fits what was begun: what starts with it, then what holds it. */
function fitting(offers, prefix, taken) {
  const begun = prefix.toLowerCase();
  const free = offers.filter(([name]) => !taken.has(name) && name.toLowerCase().includes(begun) && name !== prefix);
  return [...free.filter(([name]) => name.toLowerCase().startsWith(begun)), ...free.filter(([name]) => !name.toLowerCase().startsWith(begun))].slice(0, SHOWN_MAX);
}

/** {element, area, text, set(text), go(line, column)}; words: {upstream: [names], …} for values that a schema cannot know; changed() after each change. */
export function editor({ label, words, changed }) {
  const list = h("ul", { class: "offers", role: "listbox", id: "offers", "aria-label": "Completions", hidden: true });
  const area = h("textarea", { rows: 24, spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", "aria-label": label, "aria-controls": "offers", "aria-autocomplete": "list", "aria-haspopup": "listbox", class: "code" });
  let offers = [], chosen = 0, place = null;

  function close() {
    offers = [];
    list.hidden = true;
    area.removeAttribute("aria-activedescendant");
  }

  function choose(at) {
    chosen = (at + offers.length) % offers.length;
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === chosen)));
    list.children[chosen].scrollIntoView({ block: "nearest" });
    area.setAttribute("aria-activedescendant", `offer-${chosen}`);
  }

  /** In the way that the browser's own undo knows. */
  function put(from, to, text) {
    area.focus();
    area.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, to, "end");
  }

  function take() {
    const [name] = offers[chosen], { start, end, kind, closed } = place;
    const behind = area.value.slice(end + (closed ? 1 : 0));
    close();
    put(start, end + (closed ? 1 : 0), `${name}"${kind === "key" && !/^\s*:/.test(behind) ? ": " : ""}`);
    close();
    changed();
  }

  function show(asked) {
    place = area.selectionStart === area.selectionEnd ? caret(area.value, area.selectionStart) : null;
    if (!place) return close();
    const { path, kind, prefix, keys } = place;
    const own = kind === "string" ? words[path.at(-1)] : null;
    const all = kind === "key" ? members(path) : [...values(path), ...(own ?? []).map((value) => [value, ""])];
    offers = fitting(all, prefix, new Set(kind === "key" ? keys : []));
    if (!offers.length || (!prefix && !asked)) return close();
    list.replaceChildren(...offers.map(([name, meaning], i) => h("li", { role: "option", id: `offer-${i}`, "aria-selected": "false", onmousedown: (event) => {
      event.preventDefault();
      choose(i);
      take();
    } }, h("code", {}, name), meaning && h("span", { class: "muted small" }, ` ${meaning}`))));
    const before = area.value.slice(0, place.start), line = before.split("\n").length - 1, column = place.start - before.lastIndexOf("\n") - 1;
    const size = getComputedStyle(area), height = parseFloat(size.lineHeight);
    list.style.top = `${parseFloat(size.paddingTop) + (line + 1) * height - area.scrollTop + 4}px`;
    list.style.left = `min(calc(${column}ch - ${area.scrollLeft}px + .6rem), max(0px, calc(100% - 22rem)))`;
    list.hidden = false;
    choose(0);
  }

  area.addEventListener("input", (event) => {
    changed();
    if (event.inputType !== "insertFromPaste") show(false);
  });
  area.addEventListener("blur", close);
  area.addEventListener("click", close);
  area.addEventListener("scroll", close);
  area.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) return event.preventDefault(), show(true);
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter" || event.key === "Tab") take();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });

  return {
    element: h("div", { class: "editor" }, area, list),
    area,
    get text() {
      return area.value;
    },
    set(text) {
      area.value = text;
    },
    replace: put,
    go(line, column) {
      const at = offsetOf(area.value, line, column), end = area.value.indexOf("\n", at);
      area.focus();
      area.setSelectionRange(at, end < 0 ? area.value.length : end);
      area.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(area).lineHeight));
      area.scrollLeft = 0;
    },
  };
}
