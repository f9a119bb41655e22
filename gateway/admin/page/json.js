// json - reads JSON that somebody is just writing: where the caret stands in it, and where a rule begins.

/** Calls visit({kind, start, end, value}, stack) for each string, number or word and each bracket; a broken text is read as far as it goes. */
function walk(text, visit) {
  const stack = [];
  const step = () => {
    const top = stack.at(-1);
    if (top?.list) top.index++;
  };
  for (let i = 0; i < text.length; ) {
    const c = text[i];
    let end = i + 1;
    if (c === '"') {
      while (end < text.length && text[end] !== '"' && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
      const closed = text[end] === '"';
      end = Math.min(text.length, end + (closed ? 1 : 0));
      const top = stack.at(-1);
      const isKey = Boolean(top && !top.list && !top.hasKey);
      visit({ kind: isKey ? "key" : "string", start: i, end, closed, value: text.slice(i + 1, closed ? end - 1 : end) }, stack);
      if (isKey) Object.assign(top, { hasKey: true, key: text.slice(i + 1, closed ? end - 1 : end), keys: [...top.keys, text.slice(i + 1, closed ? end - 1 : end)] });
    } else if (c === "{" || c === "[") {
      visit({ kind: "open", start: i, end }, stack);
      stack.push({ list: c === "[", start: i, index: 0, hasKey: false, key: "", keys: [] });
    } else if (c === "}" || c === "]") {
      stack.pop();
      visit({ kind: "close", start: i, end }, stack);
    } else if (c === ",") {
      step();
      const top = stack.at(-1);
      if (top) top.hasKey = false;
    }
    i = end;
  }
  return stack;
}

const pathOf = (stack) => stack.map((one) => (one.list ? one.index : one.hasKey ? one.key : null)).filter((one) => one !== null);

/** Where the caret stands: {path, kind: "key" or "string", prefix, start, end, keys} within a string; null elsewhere. keys: those that its object has already. */
export function caret(text, at) {
  let found = null;
  walk(text, (token, stack) => {
    if ((token.kind === "key" || token.kind === "string") && token.start < at && (at < token.end || (!token.closed && at === token.end))) {
      found = { path: pathOf(stack), kind: token.kind, prefix: text.slice(token.start + 1, at), start: token.start + 1, end: token.closed ? token.end - 1 : token.end, top: stack.at(-1), value: token.value, closed: token.closed };
    }
  });
  // Those behind the caret, too; but not the one that is being written.
  if (found) found.keys = (found.top?.keys ?? []).filter((one) => found.kind !== "key" || one !== found.value);
  return found;
}

/** {start, after} of the rule's object: where it begins, and behind its name's value; null when there is none of that name. */
export function ruleAt(text, name) {
  let found = null;
  walk(text, (token, stack) => {
    const holder = stack.at(-1);
    if (!found && token.kind === "string" && holder && !holder.list && holder.key === "name" && pathOf(stack).includes("rules") && token.value === JSON.stringify(name).slice(1, -1)) found = { start: holder.start, after: token.end };
  });
  return found;
}

/** {start, end} of the member of an object that begins at `from`, with its comma; null when there is none. */
export function memberAt(text, from, name) {
  let found = null;
  walk(text, (token, stack) => {
    const holder = stack.at(-1);
    if (!found && token.kind === "key" && holder?.start === from && token.value === name) found = { start: token.start };
    else if (found && !found.end && token.kind === "string" && holder?.start === from) found.end = token.end;
  });
  if (!found?.end) return null;
  const behind = text.slice(found.end).match(/^\s*,\s*/);
  return { start: found.start, end: found.end + (behind ? behind[0].length : 0) };
}

export const lineOf = (text, at) => text.slice(0, at).split("\n").length;
export const offsetOf = (text, line, column = 1) => text.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
