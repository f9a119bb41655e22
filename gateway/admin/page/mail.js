// mail - reads a message for those who want to see it: header fields, its texts, and what is attached by name and size. All of it is text; HTML is never rendered.

const DEPTH_MAX = 10;
const TEXT_MAX = 100_000;

/** Octets as a string of characters below 256, so that they can be cut and decoded later. */
function raw(octets) {
  let text = "";
  for (let i = 0; i < octets.length; i += 32768) text += String.fromCharCode(...octets.subarray(i, i + 32768));
  return text;
}

const octetsOf = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0) & 255);

function decode(text, charset) {
  try {
    return new TextDecoder(charset || "utf-8").decode(octetsOf(text));
  } catch {
    return new TextDecoder("windows-1252").decode(octetsOf(text));
  }
}

const quoted = (text) => text.replace(/=\r?\n/g, "").replace(/=([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));

function base64(text) {
  try {
    return atob(text.replace(/[^A-Za-z0-9+/]/g, ""));
  } catch {
    return text;
  }
}

/** Encoded words (RFC 2047); blanks between two of them are no text. */
function words(text) {
  return text.replace(/\?=\s+=\?/g, "?==?").replace(/=\?([^?*]+)(?:\*[^?]*)?\?([bq])\?([^?]*)\?=/gi, (_, charset, how, value) => decode(how.toLowerCase() === "b" ? base64(value) : quoted(value.replace(/_/g, " ")), charset));
}

function split(text) {
  const end = text.search(/\r?\n\r?\n/);
  return end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end).replace(/^\r?\n\r?\n/, "")];
}

function fields(head) {
  return head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/).map((line) => line.match(/^([!-9;-~]+)\s*:\s*(.*)$/)).filter(Boolean).map(([, name, value]) => [name, words(decode(value, "utf-8"))]);
}

const field = (list, name) => list.find(([one]) => one.toLowerCase() === name)?.[1] ?? "";

function parameter(value, name) {
  const [, , plain, bare] = value.match(new RegExp(`;\\s*${name}(\\*0?\\*?)?\\s*=\\s*(?:"([^"]*)"|([^;\\s]*))`, "i")) ?? [];
  return (plain ?? bare ?? "").replace(/^[\w-]*'[\w-]*'/, "");
}

function walk(text, depth, found) {
  const [head, body] = split(text), list = fields(head);
  const type = field(list, "content-type") || "text/plain", kind = type.split(";")[0].trim().toLowerCase();
  const boundary = parameter(type, "boundary");
  if (kind.startsWith("multipart/") && boundary && depth < DEPTH_MAX) {
    for (const part of `\n${body}`.split(`\n--${boundary}`).slice(1)) {
      if (part.startsWith("--")) break;
      walk(part.replace(/^[^\n]*\n/, ""), depth + 1, found);
    }
    return;
  }
  const how = field(list, "content-transfer-encoding").toLowerCase();
  const content = how === "base64" ? base64(body) : how === "quoted-printable" ? quoted(body) : body;
  const disposition = field(list, "content-disposition");
  const name = parameter(disposition, "filename") || parameter(type, "name");
  if (kind.startsWith("text/") && !/^attachment/i.test(disposition) && !name) found.texts.push({ kind, text: decode(content.slice(0, TEXT_MAX), parameter(type, "charset")), cut: content.length > TEXT_MAX });
  else found.attachments.push({ name: words(name) || kind, kind, size: content.length });
}

/** {fields: [[name, value], …], texts: [{kind, text, cut}], attachments: [{name, kind, size}]} of the octets of a message. */
export function read(octets) {
  const text = raw(new Uint8Array(octets)), found = { fields: fields(split(text)[0]), texts: [], attachments: [] };
  walk(text, 0, found);
  return found;
}
