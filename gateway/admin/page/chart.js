// chart - lines over time as SVG, with a scale, a legend and the same as a table; drawn here, with nothing from elsewhere.

import { count, h } from "./dom.js";

const WIDTH = 900, HEIGHT = 200, LEFT = 46, BOTTOM = 22, TOP = 8;

/** A round number at or above the highest value: 1, 2 or 5 with zeros. */
function roof(value) {
  if (value <= 5) return Math.max(1, Math.ceil(value));
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value);
}

const short = (value) => (value >= 1e6 ? `${+(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${+(value / 1e3).toFixed(1)} k` : count(Math.round(value * 10) / 10));

/** When a point begins, as people say it within this range. */
function moment(time, range) {
  const date = new Date(time);
  const hour = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return range === "7d" ? `${date.toLocaleDateString("en-GB", { weekday: "short", day: "numeric" })} ${hour}` : hour;
}

/** Pieces of a line: it is broken where nothing is known. */
function pieces(points, x, y) {
  const found = [];
  let piece = null;
  points.forEach((value, i) => {
    if (value == null) return (piece = null);
    if (!piece) found.push((piece = []));
    piece.push(`${x(i).toFixed(1)},${y(value).toFixed(1)}`);
  });
  return found.map((one) => (one.length > 1 ? `M${one.join(" L")}` : `M${one[0]} h1`)).join(" ");
}

/** lines: [{name, kind, values}], one value for each point, null where nothing is known; times: when each point begins. */
export function chart({ label, range, times, lines, unit = "" }) {
  const top = roof(Math.max(0, ...lines.flatMap(({ values }) => values.filter((value) => value != null))));
  const x = (i) => LEFT + (i / Math.max(1, times.length - 1)) * (WIDTH - LEFT - 4);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const steps = top % 4 === 0 || top >= 20 ? 4 : top % 5 === 0 ? 5 : Math.min(top, 4);
  const grid = Array.from({ length: steps + 1 }, (_, i) => (top / steps) * i);
  const marks = Array.from({ length: 7 }, (_, i) => Math.round((i / 6) * (times.length - 1)));
  const svg = h("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label}; the table below shows the same numbers` },
    grid.map((value) => [h("path", { class: "grid", d: `M${LEFT},${y(value).toFixed(1)} H${WIDTH}` }), h("text", { x: LEFT - 6, y: (y(value) + 4).toFixed(1), "text-anchor": "end" }, short(value))]),
    marks.map((i, at) => h("text", { x: x(i).toFixed(1), y: HEIGHT - 4, "text-anchor": at === 0 ? "start" : at === 6 ? "end" : "middle" }, moment(times[i], range))),
    lines.map((line) => h("path", { class: `line-${line.kind}`, d: pieces(line.values, x, y) })),
    times.map((time, i) => h("rect", { class: "hit", x: (x(i) - (WIDTH - LEFT) / times.length / 2).toFixed(1), y: TOP, width: ((WIDTH - LEFT) / times.length).toFixed(1), height: HEIGHT - BOTTOM - TOP },
      h("title", {}, `${moment(time, range)}: ${lines.map((line) => (line.values[i] == null ? `${line.name} not known` : `${short(line.values[i])}${unit} ${line.name}`)).join(", ")}`))));
  return h("figure", { class: "chart", "aria-label": label }, h("figcaption", { class: "row small" }, h("strong", {}, label), lines.map((line) => h("span", { class: `key line-${line.kind}` }, line.name))), svg);
}
