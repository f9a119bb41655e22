// patch - what was changed in a text, as a patch that git apply takes.

const AROUND = 3;
const CELLS_MAX = 4_000_000; // of the table that finds what stayed; larger changes are one piece

/** [["=" | "-" | "+", line], …] */
function compare(before, after) {
  let head = 0, tail = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const a = before.slice(head, before.length - tail), b = after.slice(head, after.length - tail);
  return [...before.slice(0, head).map((line) => ["=", line]), ...middle(a, b), ...before.slice(before.length - tail).map((line) => ["=", line])];
}

function middle(a, b) {
  if (a.length * b.length > CELLS_MAX) return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
  const width = b.length + 1, common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let k = b.length - 1; k >= 0; k--) common[i * width + k] = a[i] === b[k] ? common[(i + 1) * width + k + 1] + 1 : Math.max(common[(i + 1) * width + k], common[i * width + k + 1]);
  const found = [];
  let i = 0, k = 0;
  while (i < a.length || k < b.length) {
    if (i < a.length && k < b.length && a[i] === b[k]) found.push(["=", a[i++]]), k++;
    else if (i < a.length && (k === b.length || common[(i + 1) * width + k] >= common[i * width + k + 1])) found.push(["-", a[i++]]);
    else found.push(["+", b[k++]]);
  }
  return found;
}

/** Lines with their ends: the last one may have none, which a patch says. */
const lines = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Of "rules.d/ci.json"; "" when nothing was changed. */
export function patch(path, before, after) {
  if (before === after) return "";
  const rows = compare(lines(before), lines(after)), hunks = [];
  const changed = rows.flatMap(([kind], i) => (kind === "=" ? [] : [i]));
  for (const i of changed) {
    const last = hunks.at(-1);
    if (last && i - last.end <= 2 * AROUND) last.end = i + 1;
    else hunks.push({ begin: i, end: i + 1 });
  }
  const name = path.replace(/^\/+/, "");
  let text = `diff --git a/${name} b/${name}\n--- a/${name}\n+++ b/${name}\n`;
  for (const { begin, end } of hunks) {
    const from = Math.max(0, begin - AROUND), part = rows.slice(from, Math.min(rows.length, end + AROUND)), ahead = rows.slice(0, from);
    const size = (kind) => part.filter(([one]) => one === "=" || one === kind).length, start = (kind) => ahead.filter(([one]) => one === "=" || one === kind).length + (size(kind) ? 1 : 0);
    text += `@@ -${start("-")},${size("-")} +${start("+")},${size("+")} @@\n`;
    for (const [kind, line] of part) text += `${kind === "=" ? " " : kind}${line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`}`;
  }
  return text;
}
