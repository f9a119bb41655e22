// fragment - what stands behind the # of the address: the view, what it shows, and its filters, so that they can be kept, sent and gone back to.

/** {view, argument, filters} of "#/queue/argument?state=dead&q=text". */
export function read(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  let argument = rest.join("/");
  try {
    argument = decodeURIComponent(argument);
  } catch {
    // Somebody typed a % that stands for itself.
  }
  return { view, argument, filters: new URLSearchParams(query) };
}

/** Puts the filters into the address, in place: going back leads to the view before, not to each letter that was typed. */
export function keepFilters(values) {
  const [path] = location.hash.split("?");
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
  const next = `${path || "#/flow"}${query ? `?${query}` : ""}`;
  if (next !== location.hash) history.replaceState(null, "", next);
}

/** "#/find/…" for a search; words with blanks get quotes. */
export function findLink(words) {
  const quoted = (value) => (/[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);
  return `#/find/${encodeURIComponent(Object.entries(words).filter(([, value]) => value).map(([field, value]) => `${field}:${quoted(value)}`).join(" "))}`;
}
