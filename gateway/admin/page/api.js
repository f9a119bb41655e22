// api - asks the gateway: one request, or the live stream. A token is shown once; then a session's cookie, which scripts cannot read, serves all tabs.

import { h } from "./dom.js";

const base = new URL(".", document.baseURI).href.replace(/#.*/, "");
let session = null; // name, role and key: what changes something shows the key, which no other site can read

const fetchFrom = (path, options) => fetch(base + path, { ...options, credentials: "same-origin", cache: "no-store" });

/** Begins a session; says what is wrong with the token, or nothing. */
async function logIn(token) {
  try {
    const response = await fetchFrom("api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
    const body = await response.json().catch(() => ({}));
    if (response.ok) session = body;
    return response.ok ? "" : response.status === 401 ? "That is not a token of this gateway. Its tokens are in the configuration, under \"admin\"." : body.error?.message ?? `The gateway answered ${response.status}.`;
  } catch {
    return "The gateway does not answer.";
  }
}

/** Asks for the token, once for all who wait for it, until it is right. */
let asking = null;
function askToken() {
  asking ??= new Promise((resolve) => {
    const input = h("input", { type: "password", name: "token", autocomplete: "current-password", required: true, "aria-label": "Token", size: 36 });
    const wrong = h("p", { class: "bad", role: "alert" });
    const dialog = h("dialog", { "aria-labelledby": "token-title" }, h("h2", { id: "token-title" }, "This gateway needs a token"),
      h("p", { class: "muted" }, "The token is in the gateway's configuration under \"admin\". You stay logged in, in all tabs, until you log out or leave the page idle."),
      h("form", { onsubmit: async (event) => {
        event.preventDefault();
        wrong.textContent = await logIn(input.value);
        if (session) dialog.close();
        else input.select();
      } }, h("input", { type: "text", name: "username", autocomplete: "username", value: "mailweir", hidden: true }), h("div", { class: "row" }, input, h("button", { class: "main" }, "Open")), wrong));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** Who is logged in here: {name, role}; null where the gateway has no tokens. */
export const who = () => (session?.key ? session : null);

/** Whether buttons that change something, or show what stands in the mail, are for who is logged in: views leave out what he may not use. */
export const mayOperate = () => !who() || who().role === "operate";

/** Resolves when it is known who looks: what a view shows depends on it. */
export async function begin() {
  while (!session) {
    if (!(await findSession().catch(() => false))) await askToken();
  }
}

export async function logOut() {
  await post("api/v1/session/end").catch(() => {});
  location.reload();
}

export class ApiError extends Error {
  constructor(status, body = {}) {
    super(body.error?.message ?? `the gateway answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The session that another tab has begun, or none. */
async function findSession() {
  const response = await fetchFrom("api/v1/session");
  if (response.ok) session = await response.json();
  return response.ok;
}

async function ask(path, options) {
  for (;;) {
    const known = session;
    if (!known && !(await findSession())) await askToken();
    const key = session?.key ? { "X-Mailweir-Key": session.key } : {};
    const response = await fetchFrom(path, { ...options, headers: { ...options?.headers, ...key } });
    if (response.status !== 401) return response;
    // It has ended; somebody may have begun another while this was on its way. Views that were drawn for one role do not fit another.
    if (session === known) {
      session = null;
      await begin();
      if (known && session.role !== known.role) location.reload();
    }
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
