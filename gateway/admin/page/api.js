// api - asks the gateway: one request, or the live stream. The token, where one is needed, stays in this tab only.

import { h } from "./dom.js";

const KEY = "mailweir-token";
const base = new URL(".", document.baseURI).href.replace(/#.*/, "");

function headers(extra) {
  const token = sessionStorage.getItem(KEY);
  return { ...extra, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

/** Asks for the token, once for all who wait for it. */
let asking = null;
function askToken() {
  asking ??= new Promise((resolve) => {
    const input = h("input", { type: "password", autocomplete: "off", "aria-label": "Token", size: 36 });
    const dialog = h("dialog", { "aria-labelledby": "token-title" }, h("h2", { id: "token-title" }, "This gateway wants its token"),
      h("p", { class: "muted" }, "It stands in the configuration under \"admin\". It is kept in this tab until you close it."),
      h("form", { method: "dialog" }, h("div", { class: "row" }, input, h("button", { class: "main" }, "Open"))));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, input.value);
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

export class ApiError extends Error {
  constructor(status, body = {}) {
    super(body.error?.message ?? `the gateway answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

async function ask(path, options) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const response = await fetch(base + path, { ...options, headers: headers(options?.headers), credentials: "omit", cache: "no-store" });
    if (response.status !== 401) return response;
    // Somebody may have typed it while this one was on its way.
    if (token === sessionStorage.getItem(KEY)) await askToken();
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

export const get = async (path) => answer(await ask(path));
/** The answer as it is. */
get.octets = async (path) => {
  const response = await ask(path);
  return response.ok ? response.arrayBuffer() : answer(response);
};
export const post = async (path, body = {}) =>
  answer(await ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));

/** Follows the live stream for ever: on(name, value) for each event, live(true or false) as it comes and goes. */
export async function follow(on, live) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const response = await ask("api/v1/events");
      if (!response.ok) throw new ApiError(response.status);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      live(true);
      wait = 250;
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        rest += value;
        const events = rest.split("\n\n");
        rest = events.pop();
        for (const text of events) {
          const [, name, data] = text.match(/^event: (.*)\ndata: (.*)$/) ?? [];
          if (name) on(name, JSON.parse(data));
        }
      }
    } catch {
      // The gateway restarts, or the network is away: try again.
    }
    live(false);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
