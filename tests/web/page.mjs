// page - drives the built-in page as people do, in Debian's Chromium; see test_page.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { chromium } from "playwright-core";

const { URL: BASE, TOKEN, READER, OUT, SMTP_PORT } = process.env;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = ["flow", "queue", "find", "rules", "upstreams", "why", "workshop", "tester", "clients", "log"];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const problems = [];

/** A page of its own; whatever it says on its console, or is refused, is a failure. */
async function open(options = {}, token = TOKEN) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, bypassCSP: false, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(90_000); // of a machine that runs other tests beside it
  const page = await context.newPage();
  page.on("console", (line) => line.type() === "error" && !/status of 4(00|01|22)/.test(line.text()) && problems.push(`console: ${line.text()}`));
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("request", (request) => request.url().startsWith(BASE) || request.url().startsWith("data:") || problems.push(`asks elsewhere: ${request.url()}`));
  await page.goto(BASE);
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await page.locator(".live.on").waitFor();
  await page.locator("#ready:is(.good, .warn)").waitFor();
  return page;
}

async function check(page, name) {
  // axe's own script needs a way past the policy that the page is served with.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
  for (const one of violations) problems.push(`axe, ${name}: ${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

/** A message that waits for the upstream that is down. */
async function waitingId(page) {
  const answer = await page.request.get(`${BASE}api/v1/queue?upstream=archive`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  return (await answer.json()).deliveries[0].message;
}

/** More mail at once than a live view shows line by line: ten clients, each with sixty pipelined messages (RFC 3030). */
async function burst() {
  const mail = "Subject: burst\r\n\r\n.\r\n";
  const one = `MAIL FROM:<a@b.example>\r\nRCPT TO:<ops@example.net>\r\nBDAT ${mail.length} LAST\r\n${mail}`;
  await Promise.all(Array.from({ length: 10 }, () => new Promise((resolve, reject) => {
    const socket = connect(Number(SMTP_PORT), "127.0.0.1");
    socket.on("error", reject).on("close", resolve).resume();
    socket.write(`EHLO burst.example\r\n${one.repeat(60)}QUIT\r\n`);
  })));
}

/** A client that is refused this command. */
async function refused(command) {
  await new Promise((resolve, reject) => {
    const socket = connect(Number(SMTP_PORT), "127.0.0.1");
    socket.on("error", reject).on("close", resolve).resume();
    socket.write(`EHLO scanner.example\r\n${command}\r\nQUIT\r\n`);
  });
}

/** Texts that are so narrow that their words stand in pieces, one below the other. In the page. */
function torn() {
  const texts = [...document.querySelectorAll("main :is(td, td *, p, dd, h2, li)")].filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim().length > 5));
  return texts.filter((one) => one.offsetWidth > 1 && one.offsetWidth < 40 && one.offsetHeight > 90).slice(0, 3).map((one) => one.textContent.slice(0, 40));
}

const rows = (page, label) => page.locator(`table[aria-label="${label}"] tbody tr`);
const toast = (page, text) => page.locator(".toast", { hasText: text }).first().waitFor();

const tests = {
  async "nodes of one queue are shown beside its upstreams, and one gateway shows none"() {
    const page = await open();
    await page.goto(`${BASE}#/upstreams`);
    await page.locator('section[aria-label="Upstream corp"]').waitFor();
    assert.ok(await page.locator('section[aria-label="Nodes of this queue"]').isHidden());
    const state = await (await page.request.get(`${BASE}api/v1/status`, { headers: { Authorization: `Bearer ${TOKEN}` } })).json();
    const node = (name, epoch, lease_ms, more) => ({ name, epoch, version: "1", me: false, draining: false, lease_ms, ...more,
      state: { sessions: 3, filed: 4711, rules_digest: `${epoch}123456789abcdef`, skew_ms: -1500, takeovers: 2, upstreams: { corp: { slots: 5 } } } });
    const told = { ...state, rules_differ: true, nodes: [node("node-a", 17, 14200, { me: true, margin_ms: 11000 }), node("node-b", 18, -4000, { draining: true })] };
    await page.route("**/api/v1/events*", (route) => route.fulfill({ contentType: "text/event-stream", body: `event: state\ndata: ${JSON.stringify(told)}\n\n` }));
    await page.reload();
    const texts = page.locator("#nodes tbody tr");
    await texts.nth(1).waitFor();
    assert.match(await texts.nth(0).innerText(), /node-a\s+this one\s+17\s+14 s\s+11 s\s+3\s+4,711\s+corp 5\s+17123456\s+\+1\.5 s\s+2/);
    assert.match(await texts.nth(1).innerText(), /node-b\s+draining\s+18\s+over for 4 s/);
    await page.getByText("The nodes have different rules").waitFor();
    await check(page, "nodes");
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 390), "the nodes are wider than a phone");
    await page.context().close();
  },

  async "a wrong token says so; one login serves all tabs, and ends for all"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(BASE);
    await page.getByLabel("Token", { exact: true }).fill("something else entirely");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("alert").getByText("That is not a token of this gateway").waitFor();
    await page.getByLabel("Token", { exact: true }).fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.locator("#ready:is(.good, .warn)").waitFor();
    assert.equal(await page.getByLabel("Token", { exact: true }).count(), 0);
    const other = await context.newPage();
    await other.goto(BASE);
    await other.locator("#ready:is(.good, .warn)").waitFor();
    // The cookie is nothing that a script could read, or another site could send.
    assert.equal(await other.evaluate(() => document.cookie + JSON.stringify({ ...sessionStorage, ...localStorage })), "{}");
    const [cookie] = await context.cookies();
    assert.ok(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token", { exact: true }).waitFor();
    await other.reload();
    await other.getByLabel("Token", { exact: true }).waitFor();
    await context.close();
  },
  async "who may only look sees every view, without what the token may not use, and is refused nothing"() {
    const admin = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
    const page = await open({}, READER);
    page.on("response", (one) => one.status() === 403 && problems.push(`the role read is refused ${one.url()}`));
    await page.request.post(`${BASE}api/v1/upstreams/archive/pause`, { headers: admin, data: {} });
    const banner = page.locator("#attention p", { hasText: "nothing is delivered to \"archive\"" });
    await banner.getByText("mailweir queue resume archive").waitFor();
    const id = await waitingId(page);
    const ready = {
      flow: page.locator("table[aria-label=Paths] tbody tr").first(), queue: rows(page, "Deliveries").nth(1), find: rows(page, "Messages").first(), rules: rows(page, "Rules").nth(1),
      upstreams: page.getByLabel("Upstream archive").getByText(/^paused by admin/), [`why/${id}`]: page.locator(".story li").first(), "workshop/invoices": page.locator(".pill.good", { hasText: "8 rules, the test passes" }),
      tester: page.getByText('Your token "wall" has the role "read"'), clients: page.locator("table[aria-label=Clients]"), log: page.getByText("smtp: info"),
    };
    const mayNot = /^(Retry|Hold|Release|Reroute|Drop|Resume|Resume all|Reload|Compare|Shadow it first|Start again|Show the message|Try|Copy|Download)/;
    for (const [view, sign] of Object.entries(ready)) {
      await page.goto(`${BASE}#/${view}`);
      await sign.waitFor();
      const names = await page.locator(":is(#attention, main) :is(button, a)").evaluateAll((all) => all.filter((one) => one.checkVisibility()).map((one) => one.textContent.trim()));
      assert.deepEqual(names.filter((name) => mayNot.test(name) || (name === "Pause" && view === "upstreams") || name === "Try it with the rules"), [], `${view}: buttons for the role operate`);
      assert.equal(await page.locator("main input[type=checkbox]:visible").count(), 0, `${view}: nothing can be chosen`);
    }
    assert.ok(await page.locator("#tabs [data-id=tester]").isHidden());
    await page.goto(`${BASE}#/workshop/invoices`);
    // The file comes behind its field.
    await page.waitForFunction(() => [...document.querySelectorAll("textarea")].some((field) => field.readOnly && field.value.includes("invoices")));
    assert.equal(await page.locator("main select[aria-label=smtp]").count(), 0);
    await check(page, "the role read");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token", { exact: true }).waitFor();
    await page.request.post(`${BASE}api/v1/upstreams/archive/resume`, { headers: admin, data: {} });
    await page.context().close();
  },
  async "every view, light and dark, desk and phone"() {
    for (const [device, options] of [["desk", {}], ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }]]) {
      const page = await open(options);
      for (const view of VIEWS) {
        await page.goto(`${BASE}#/${view}`);
        await page.locator(`#tabs [data-id=${view}][aria-current]`).waitFor();
        // The lines of the log that came meanwhile are hundreds, and axe looks at each of them.
        if (view === "log") await page.reload();
        if (view === "log") await page.locator(".line").nth(5).waitFor();
        if (view === "log") await page.getByRole("button", { name: "Pause", exact: true }).click();
        if (view === "flow") await page.locator("svg.chart path.line-good").first().waitFor();
        if (view === "flow") await page.locator("table[aria-label=Paths] tbody tr").nth(3).waitFor();
        if (view === "queue") await page.locator("table[aria-label=Deliveries] tbody tr").nth(2).waitFor();
        if (view === "why") {
          const id = await waitingId(page);
          await page.goto(`${BASE}#/why/${id}`);
          await page.locator(".story li").first().waitFor();
        }
        if (view === "tester") {
          await page.getByRole("button", { name: "Try", exact: true }).click();
          await page.locator(".trace mark").first().waitFor();
        }
        if (view === "workshop") {
          await page.goto(`${BASE}#/workshop/invoices`);
          await page.locator(".pill.good", { hasText: "the test passes" }).waitFor();
          await page.getByRole("button", { name: "Compare", exact: true }).click();
          await page.getByText(/^0 of the last \d+ would move/).waitFor();
        }
        if (view === "rules") await page.locator("table[aria-label=Rules] tbody tr").nth(1).waitFor();
        if (view === "find") await page.locator("table[aria-label=Messages] tbody tr").nth(3).waitFor();
        if (view === "clients") {
          await refused("MAIL FROM:scanner@example.com");
          await rows(page, "Refusals").first().waitFor();
        }
        // Colours differ by theme, what is where by device: one visit shows both themes, and the phone's dark one has nothing of its own to be looked at.
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          if (device === "desk" || colorScheme === "light") await check(page, `${view} ${device} ${colorScheme}`);
          await page.screenshot({ path: `${OUT}/${view}-${device}-${colorScheme}.png`, fullPage: true });
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) problems.push(`${view} ${device}: ${wide} pixels too wide`);
        problems.push(...(await page.evaluate(torn)).map((one) => `${view} ${device}: torn into letters: ${one}`));
      }
      await page.context().close();
    }
  },
  async "the queue: hold, release, retry, drop, one and many"() {
    const page = await open();
    await page.goto(`${BASE}#/queue?upstream=archive`);
    const row = rows(page, "Deliveries").first();
    await row.waitFor();
    const id = await row.locator("input").getAttribute("aria-label");
    const same = rows(page, "Deliveries").filter({ has: page.locator(`input[aria-label="${id}"]`) });
    await same.getByRole("button", { name: "Hold" }).click();
    await same.locator(".pill", { hasText: "held" }).waitFor();
    await same.getByRole("button", { name: "Release" }).click();
    await same.locator(".pill", { hasText: "waiting" }).waitFor();
    await same.getByRole("button", { name: "Retry" }).click();
    await toast(page, "Retry");
    await same.getByRole("button", { name: "Reroute" }).click();
    await toast(page, "Reroute: stays where it is");
    await same.getByRole("button", { name: "Drop" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    assert.equal(await same.count(), 1, "a cancelled drop does nothing");
    await same.getByRole("button", { name: "Hold" }).click();
    await same.locator(".pill", { hasText: "held" }).waitFor();
    await same.getByRole("button", { name: "Drop" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
    await same.waitFor({ state: "detached" });
    await page.getByLabel("Choose all shown").check();
    await page.getByText(/\d+ chosen/).waitFor();
    await page.locator("header").getByRole("button", { name: "Hold", exact: true }).click();
    await toast(page, "Hold");
    await page.getByLabel("State").selectOption("held");
    await rows(page, "Deliveries").nth(1).waitFor();
    await page.getByLabel("Choose all shown").uncheck();
    const doomed = await Promise.all([0, 1].map((i) => rows(page, "Deliveries").nth(i).locator("input").getAttribute("aria-label")));
    for (const name of doomed) await page.getByLabel(name, { exact: true }).check();
    await page.getByText("2 chosen").waitFor();
    await page.locator("header").getByRole("button", { name: "Drop", exact: true }).click();
    await page.getByRole("dialog").getByText("2 deliveries will not be made").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
    await toast(page, "Drop");
    for (const name of doomed) await page.getByLabel(name, { exact: true }).waitFor({ state: "detached" });
    for (const [verb, next] of [["Release", "waiting"], ["Retry", "waiting"], ["Reroute", "waiting"]]) {
      await page.getByLabel("Choose all shown").uncheck();
      await page.getByLabel("Choose all shown").check();
      await page.locator("header").getByRole("button", { name: verb, exact: true }).click();
      await toast(page, verb);
      await page.getByText(/\d+ chosen/).waitFor({ state: "hidden" });
      await page.getByLabel("State").selectOption(next);
      // Not the rows that were there before.
      await page.waitForFunction((wanted) => {
        const pills = [...document.querySelectorAll("table[aria-label=Deliveries] tbody tr .pill")];
        return pills.length > 1 && pills.every((pill) => pill.textContent === wanted);
      }, next);
    }
    await page.getByLabel("Find in the queue").fill("nothing like this");
    await page.getByText("No delivery fits what is chosen above.").waitFor();
    await page.context().close();
  },

  async "upstreams: pause and resume"() {
    const page = await open();
    await page.goto(`${BASE}#/upstreams`);
    const card = page.getByLabel("Upstream archive");
    await card.getByRole("button", { name: "Pause" }).click();
    await card.getByText(/^paused by admin/).waitFor();
    await card.getByRole("button", { name: "Resume" }).click();
    await card.getByRole("button", { name: "Pause" }).waitFor();
    // Somebody else is quicker: the page does not say that it has resumed anything.
    await card.getByRole("button", { name: "Pause" }).click();
    await card.getByText(/^paused by admin/).waitFor();
    await page.route("**/upstreams/archive/resume", async (route) => (await page.request.post(route.request().url(), { headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" }, data: {} }), route.continue()));
    await card.getByRole("button", { name: "Resume" }).click();
    await toast(page, /^archive was not paused/);
    await page.context().close();
  },

  async "rules: find, the ones that never act, reload"() {
    const page = await open();
    await page.goto(`${BASE}#/rules`);
    await rows(page, "Rules").filter({ hasText: "ci-failures" }).waitFor();
    await page.getByLabel("Which rules").selectOption("never");
    assert.deepEqual(await rows(page, "Rules").locator("strong").allTextContents(), ["old-ticket-system"]);
    await page.getByLabel("Which rules").selectOption("all");
    /* A rule in the state "watch" is shown as one, with what it would have acted on. */
    await rows(page, "Rules").filter({ hasText: "backups" }).getByText(/^watches: [1-9]\d*$/).waitFor();
    await page.getByLabel("Find a rule").fill("inv");
    assert.deepEqual(await rows(page, "Rules").locator("strong").allTextContents(), ["invoices"]);
    await rows(page, "Rules").locator("td[data-label=Time]", { hasText: /^[\d.]+ (µs|ms)$/ }).first().waitFor();
    await page.getByLabel("Find a rule").fill("");
    await page.getByLabel("Which rules").selectOption("errors");
    const failed = rows(page, "Rules");
    await failed.filter({ hasText: "scanner" }).waitFor();
    assert.match(await failed.first().locator("td[data-label=Errors]").textContent(), /^\d+, \d+ (s|min) ago$/);
    assert.equal(await failed.count(), 1);
    await page.getByRole("button", { name: "Reload" }).click();
    await toast(page, "Reloaded: 8 rules");
    await page.context().close();
  },

  async "flow: the last messages stand still under the pointer"() {
    const page = await open();
    const list = rows(page, "Last messages"), text = () => list.first().textContent();
    await list.nth(6).hover(); // in its midst: what stands above it may still grow
    await page.getByText(/^\d+( or more)? new, shown when the pointer leaves the list$/).waitFor();
    const seen = await text();
    await page.getByText(/^12 or more new, shown when/).waitFor();
    assert.equal(await text(), seen);
    await page.mouse.move(1, 1);
    await page.getByText(/new, shown when the pointer/).waitFor({ state: "detached" });
    assert.notEqual(await text(), seen);
    await page.context().close();
  },

  async "why: from the last messages to the story, and on to the tester"() {
    const page = await open();
    await rows(page, "Last messages").first().getByRole("link").click();
    await page.locator(".story li").first().waitFor();
    await page.getByLabel("Message id, delivery id or Message-ID").fill("nonsense");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("No such message is known").waitFor();
    await page.goto(`${BASE}#/why/${await waitingId(page)}`);
    await page.getByRole("link", { name: "Try it with the rules" }).click();
    await page.getByText("The message would be filed").waitFor();
    await page.locator("summary", { hasText: "archive-copies" }).waitFor();
    await page.context().close();
  },

  async "tester: a file, dropped or chosen, edited rules, and what is wrong with them"() {
    const page = await open();
    await page.goto(`${BASE}#/tester`);
    const eml = Buffer.concat([Buffer.from("From: x@y.example\r\nTo: z@example.net\r\nSubject: failed: caf"), Buffer.from([0xe9]), Buffer.from("\r\n\r\nbody\r\n")]);
    await page.locator("form.drop").evaluate((form) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["From: dragged@y.example\r\nTo: z@example.net\r\nSubject: failed: web\r\n\r\nbody\r\n"], "m.eml", { type: "message/rfc822" }));
      form.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }));
      if (!form.classList.contains("over")) throw new Error("nothing shows that it may be dropped here");
      form.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    });
    await page.waitForFunction(() => document.querySelector("form.drop textarea").value.includes("dragged@y.example"));
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.locator(".trace mark", { hasText: "web" }).first().waitFor();
    assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "dragged@y.example");
    await page.locator("input[type=file]").setInputFiles({ name: "m.eml", mimeType: "message/rfc822", buffer: eml });
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.getByText("The message would be filed").waitFor();
    assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "x@y.example");
    await page.getByLabel("with edited rules").check();
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.locator("summary", { hasText: "example" }).waitFor();
    await page.getByRole("textbox", { name: "Edited rules" }).fill('{"rules": [{"name": "x", "wenn": 1}]}');
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.getByText("cannot be loaded").waitFor();
    await page.getByText(/line 1, column/).first().waitFor();
    await page.context().close();
  },

  async "tester: edited rules over recent mail, by the keyboard"() {
    const page = await open();
    await page.goto(`${BASE}#/tester`);
    const button = page.getByRole("button", { name: "Compare over recent mail" });
    assert.equal(await button.isVisible(), false, "the running rules differ in nothing from themselves");
    await page.getByLabel("with edited rules").focus();
    await page.keyboard.press("Space");
    await page.getByRole("textbox", { name: "Edited rules" }).fill(JSON.stringify({ rules: [
      { name: "archive-copies", if: { header: "X-Archive", matches: "yes" }, then: [{ fileinto: { upstream: "archive", folder: "Copies" } }, { stop: true }] },
      { name: "scanner", if: { header: "X-Scanner", matches: "." }, then: [{ fileinto: { upstream: "corp", folder: "Scans" } }, { stop: true }] },
      { name: "bills", if: { header: "Subject", matches: "(?i)invoice" }, then: [{ fileinto: { upstream: "corp", folder: "Bills" } }, { stop: true }] }] }));
    await button.focus();
    await page.keyboard.press("Enter");
    const moved = rows(page, "Differences").filter({ hasText: "Invoice 2026-1107" }).filter({ hasText: "Bills" }).first();
    await moved.waitFor();
    assert.deepEqual(await moved.locator("td").nth(1).textContent(), "corp:Finance/Invoices");
    assert.deepEqual(await moved.locator("td").nth(2).textContent(), "corp:Bills");
    assert.equal(await rows(page, "Differences").filter({ hasText: "backup finished" }).count(), 0, "what goes where it went is not shown");
    await page.getByText(/\d+ messages looked at, \d+ would go elsewhere/).waitFor();
    await page.getByRole("progressbar").waitFor({ state: "detached" });
    await check(page, "differences");
    await page.screenshot({ path: `${OUT}/differences.png`, fullPage: true });
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), "differences fit a phone");
    await check(page, "differences, phone");
    await page.setViewportSize({ width: 1360, height: 900 });
    let go, asked = 0;
    const held = new Promise((resolve) => (go = resolve));
    await page.route("**/api/v1/diff", async (route) => (asked++ && (await held), route.continue()));
    await button.click();
    await page.getByRole("button", { name: "Stop" }).click();
    go();
    await page.getByText("stopped, there is more").waitFor();
    await page.unroute("**/api/v1/diff");
    await page.getByRole("textbox", { name: "Edited rules" }).fill('{"rules": [{"name": "b", "if": {"field": "body", "contains": "x"}, "then": [{"stop": true}]}]}');
    await button.click();
    await rows(page, "Differences").filter({ hasText: "cannot be compared" }).first().waitFor();
    await page.getByText("the rule looks at the body, which is not kept").first().waitFor();
    await page.getByRole("textbox", { name: "Edited rules" }).fill('{"rules": [{"name": "x", "wenn": 1}]}');
    await button.click();
    await page.getByText("cannot be loaded").waitFor();
    await page.context().close();
  },

  async "log: find, pause, levels"() {
    const page = await open();
    await page.goto(`${BASE}#/log`);
    await page.locator(".line").nth(5).waitFor();
    await page.getByLabel("Find in the log").fill("ready");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByLabel("Find in the log").fill("");
    // On a busy machine one burst may be slow enough to be shown whole.
    const lost = page.getByText(/^[\d,]+ lines came too fast to show$/).first();
    let shown = false;
    for (let tries = 0; !shown && tries < 20; tries++) {
      await burst();
      shown = await lost.waitFor({ timeout: 5000 }).then(() => true, () => false);
    }
    assert.ok(shown, "a burst is too fast to be shown line by line");
    await page.getByLabel("smtp").selectOption("warning");
    await toast(page, "smtp now writes warning");
    await page.getByLabel("smtp").selectOption("info");
    await page.context().close();
  },

  async "clients: who came, what it said and heard, and the key that would let it in"() {
    await refused("MAIL FROM:<two..dots@example.com>");
    const page = await open();
    await page.goto(`${BASE}#/clients`);
    const row = rows(page, "Refusals").filter({ hasText: "MAIL FROM:<two..dots@example.com>" }).first();
    await row.getByText("a dot is first, last or doubled").waitFor();
    assert.match(await row.innerText(), /501[\s\S]*lenient[\s\S]*/);
    await rows(page, "Clients").first().getByText("127.0.0.1").click();
    assert.ok(page.url().endsWith("#/clients/127.0.0.1"), page.url());
    await row.waitFor();
    // What is refused while the page is open is shown by itself.
    await refused("RCPT TO:<nobody@example.net>");
    await rows(page, "Refusals").filter({ hasText: "MAIL comes first" }).first().waitFor();
    await page.getByLabel("Address of a client").fill("192.0.2.99");
    await page.keyboard.press("Enter");
    await page.getByText("192.0.2.99 is not known").waitFor();
    await check(page, "a client that is not known");
    await page.getByRole("link", { name: "everybody" }).click();
    await row.waitFor();
    await page.context().close();
  },

  async "find: a search in the address, pages, to the story, and the message itself as text"() {
    const page = await open();
    await page.goto(`${BASE}#/find/${encodeURIComponent("subject:invoice state:filed")}`);
    await rows(page, "Messages").first().waitFor();
    assert.equal(await page.getByLabel("Search for messages").inputValue(), "subject:invoice state:filed");
    assert.ok((await rows(page, "Messages").allInnerTexts()).every((text) => text.includes("Invoice") && text.includes("Finance/Invoices")));
    await page.getByLabel("Search for messages").fill("state:refused");
    await page.keyboard.press("Enter");
    await page.locator("main .pill", { hasText: "refused" }).first().waitFor();
    assert.ok(decodeURIComponent(page.url()).endsWith("#/find/state:refused"));
    await page.goBack();
    await page.getByText(/^\d+ shown.*, the newest first$/).waitFor();
    await page.getByLabel("Search for messages").fill("colour:red");
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await page.getByText(/there is no search field/i).waitFor();
    await page.getByLabel("Search for messages").fill("upstream:archive state:waiting");
    await page.keyboard.press("Enter");
    await rows(page, "Messages").first().getByRole("link").click();
    await page.getByRole("button", { name: "Show the message" }).click();
    await page.getByLabel("Text of the message, text/plain").waitFor();
    assert.match(await page.locator("pre.mail").innerText(), /body/);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    assert.match(file.suggestedFilename(), /^[0-9A-Z]{26}\.eml$/);
    await page.getByLabel("Decision").getByText("The message would be filed").waitFor();
    await page.locator(".trace mark", { hasText: "yes" }).first().waitFor();
    await check(page, "the message itself");
    await page.getByRole("button", { name: "Hold" }).first().click();
    await toast(page, "Hold: 1 done");
    await page.getByRole("button", { name: "Release" }).first().click();
    await toast(page, "Release: 1 done");
    await page.context().close();
  },

  async "flow: two accounts with an INBOX each, labels that lead somewhere, charts of an hour, a day, a week"() {
    const page = await open();
    const ways = rows(page, "Paths");
    await ways.filter({ hasText: "archive INBOX" }).first().waitFor();
    await ways.filter({ hasText: "corp INBOX" }).first().waitFor();
    for (const name of ["corp: INBOX", "archive: INBOX"]) await page.locator("svg.stream text", { hasText: name }).waitFor();
    // Sorted by what was chosen, and back; it stands in the address.
    const heads = page.locator("table[aria-label=Paths] thead");
    await heads.getByRole("button", { name: "Messages" }).click();
    const numbers = async () => (await ways.locator("td:nth-child(5)").allTextContents()).map((text) => Number(text.replaceAll(",", "")));
    const falling = await numbers();
    assert.deepEqual(falling, [...falling].sort((a, b) => b - a));
    await heads.getByRole("button", { name: "Messages" }).click();
    await page.locator("th[aria-sort=ascending]").waitFor();
    assert.ok(page.url().includes("sort=Messages"), page.url());
    await page.getByRole("button", { name: "7 days" }).click();
    await page.getByText("Messages an hour").waitFor();
    assert.ok(page.url().includes("range=7d"), page.url());
    await page.reload();
    await page.getByText("Messages an hour").waitFor();
    await page.locator("th[aria-sort=ascending]").waitFor();
    await page.getByRole("button", { name: "24 hours" }).click();
    await page.getByText("Messages in ten minutes").waitFor();
    await page.getByText("Show as numbers").click();
    await rows(page, "Figures").first().waitFor();
    await check(page, "charts and numbers");
    await page.locator("svg.stream a", { hasText: "ci-failures" }).click();
    assert.ok(decodeURIComponent(page.url()).endsWith("#/find/rule:ci-failures"), page.url());
    await rows(page, "Messages").first().waitFor();
    await page.context().close();
  },

  async "filters stand in the address: the queue, the rules"() {
    const page = await open();
    await page.goto(`${BASE}#/queue?upstream=archive&state=waiting&q=Copies&sort=-Message`);
    await rows(page, "Deliveries").nth(1).waitFor();
    assert.equal(await page.getByLabel("State").inputValue(), "waiting");
    assert.equal(await page.getByLabel("Upstream").inputValue(), "archive");
    assert.equal(await page.getByLabel("Find in the queue").inputValue(), "Copies");
    await page.locator("th[aria-sort=descending]", { hasText: "Message" }).waitFor();
    await page.getByLabel("Find in the queue").fill("");
    await page.getByLabel("State").selectOption("held");
    await page.waitForFunction(() => location.hash === "#/queue?state=held&upstream=archive&sort=-Message");
    await page.getByLabel("State").selectOption("");
    await page.getByText(/^\d+ (of \d+ )?deliveries$/).waitFor();
    await page.goto(`${BASE}#/rules?show=never`);
    await rows(page, "Rules").filter({ hasText: "old-ticket-system" }).waitFor();
    await page.getByText(/^1 of 8 rules$/).waitFor();
    await rows(page, "Rules").locator("td[data-label=Tests]", { hasText: "none" }).waitFor();
    await page.getByLabel("Which rules").selectOption("all");
    await rows(page, "Rules").filter({ hasText: "invoices" }).locator("td[data-label=Tests]", { hasText: "1 pass" }).waitFor();
    await rows(page, "Rules").filter({ hasText: "invoices" }).locator("svg.tiny-chart path").first().waitFor();
    await page.context().close();
  },

  async "the workshop: open a running rule, completion, problems by place, tests, what would move, shadow, patch"() {
    const page = await open();
    await page.goto(`${BASE}#/rules`);
    await rows(page, "Rules").getByRole("link", { name: "invoices", exact: true }).click();
    const area = page.getByLabel("The rule file");
    await page.locator(".pill.good", { hasText: "8 rules, the test passes" }).waitFor();
    const text = await area.inputValue();
    assert.match(text, /"description": "kept as it stands"/);
    assert.equal(await page.getByLabel("Rule", { exact: true }).inputValue(), "invoices");
    assert.match(await area.evaluate((field) => field.value.slice(field.selectionStart, field.selectionEnd)), /^\{/, "the caret stands at the rule");
    // Completion of a member, of its value, of the gateway's own names.
    const at = text.indexOf('"name": "invoices",') + '"name": "invoices",'.length;
    await area.evaluate((field, place) => (field.focus(), field.setSelectionRange(place, place)), at);
    await page.keyboard.type(' "sta');
    await page.getByRole("option", { name: /^state/ }).waitFor();
    await check(page, "completion");
    await page.keyboard.press("Enter");
    await page.keyboard.type('"w');
    await page.getByRole("option", { name: "watch" }).waitFor();
    await page.keyboard.press("Tab");
    assert.ok((await area.inputValue()).includes('"name": "invoices", "state": "watch"'), await area.inputValue());
    // What is wrong, by place.
    await page.locator(".problems, #h-problems").waitFor();
    const place = page.getByRole("button", { name: /rules\.json, line \d+, column \d+/ }).first();
    await place.click();
    assert.ok(await area.evaluate((field) => field === document.activeElement));
    await check(page, "problems");
    await page.getByRole("button", { name: "Start again" }).click();
    assert.equal(await area.inputValue(), text);
    // A change that a test forbids, and what it would move.
    await area.fill(text.replace("Finance/Invoices", "Finance/Bills"));
    await page.locator(".pill.bad", { hasText: "1 of 1 tests fails" }).waitFor();
    await page.locator(".tests .failed", { hasText: "Finance/Bills" }).waitFor();
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    const way = page.locator("details.way").filter({ hasText: "corp:Finance/Invoices → corp:Finance/Bills" });
    await way.waitFor();
    await page.getByText(/^[\d,]+ of the last [\d,]+ would move/).waitFor();
    await way.locator("summary").click();
    await way.getByRole("link", { name: /^Invoice 2026/ }).first().waitFor();
    await page.screenshot({ path: `${OUT}/workshop-compared.png`, fullPage: true });
    await check(page, "compared");
    await way.getByRole("link", { name: /^Invoice 2026/ }).first().click();
    await page.locator(".story li").first().waitFor();
    await page.goBack();
    // What was edited is still there; the patch is one that git takes.
    const patch = page.getByLabel("Patch", { exact: true });
    await patch.getByText("+").first().waitFor();
    assert.match(await patch.innerText(), /^--- a\/rules\.json\n\+\+\+ b\/rules\.json\n@@ /m);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download", exact: true }).click()]);
    await file.saveAs(`${OUT}/workshop.patch`);
    await page.getByText("Nothing is saved from this page").waitFor();
    // Shadow it first, and let it act again.
    await page.getByLabel("Rule", { exact: true }).selectOption("invoices");
    await page.getByRole("button", { name: "Shadow it first" }).click();
    assert.ok((await area.inputValue()).includes('"name": "invoices", "state": "watch"'), await area.inputValue());
    await page.getByRole("button", { name: "Let the rule act" }).click();
    assert.ok(!(await area.inputValue()).includes('"name": "invoices", "state": "watch"'));
    await page.setViewportSize({ width: 390, height: 844 });
    assert.deepEqual(await page.evaluate(() => (document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] : [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 120)))), [], "the workshop fits a phone");
    await page.getByRole("button", { name: "Start again" }).click();
    await page.context().close();
  },

  async "an operator's pause is a banner with the button that ends it"() {
    const page = await open();
    await page.request.post(`${BASE}api/v1/upstreams/archive/pause`, { headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" }, data: {} });
    const banner = page.locator("#attention p", { hasText: "nothing is delivered to \"archive\"" });
    await banner.getByText(/; [\d,]+ waits?/).waitFor();
    await page.locator("#ready.warn").waitFor();
    await check(page, "banner");
    await banner.getByRole("button", { name: "Resume" }).click();
    await banner.waitFor({ state: "detached" });
    await page.context().close();
  },

  async "keys, light and dark, and what stays after a reload"() {
    const page = await open({ colorScheme: "light" });
    for (const [key, view] of VIEWS.slice(0, 9).map((view, i) => [String(i + 1), view])) {
      await page.keyboard.press(key);
      await page.locator(`#tabs [data-id=${view}][aria-current]`).waitFor();
    }
    await page.keyboard.press("4");
    await page.locator("#tabs [data-id=rules][aria-current]").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("1");
    assert.ok(page.url().includes("#/rules"), "a key in a field is text");
    await page.keyboard.press("Escape");
    await page.locator("#help").click();
    await page.getByRole("dialog").getByText("switch between the views").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("Switch between light and dark").click();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.reload();
    await page.locator(".live.on").waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    assert.equal(await page.evaluate(() => document.cookie), "");
    await page.context().close();
  },

  async "what mail brings is text, never markup"() {
    const page = await open();
    await page.goto(`${BASE}#/tester`);
    await page.getByLabel("Message: paste one").fill('Subject: failed: <img src=x onerror=alert(1)>\n\n<script>alert(2)</script>\n');
    page.on("dialog", () => problems.push("a script of a message ran"));
    await page.getByRole("button", { name: "Try", exact: true }).click();
    await page.getByText("The message would be").waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    const response = await page.request.get(BASE);
    assert.match(response.headers()["content-security-policy"], /default-src 'none'/);
    await page.context().close();
  },
};

/** The picture of the front page (README), by hand: ONLY=picture tests/web/test_page. Half a minute of mail is on it. */
async function picture() {
  const page = await open({ colorScheme: "light", reducedMotion: "no-preference", viewport: { width: 1360, height: 1000 } });
  await page.locator("table[aria-label=Paths] tbody tr").nth(6).waitFor();
  await page.waitForTimeout(30_000);
  await page.screenshot({ path: `${OUT}/../../deploy/doc/page.png` });
  await page.context().close();
}

for (const [name, test] of process.argv[2] === "picture" ? [["picture", picture]] : Object.entries(tests)) {
  if (process.argv[2] && !name.includes(process.argv[2])) continue;
  const began = performance.now();
  try {
    await test();
    console.log(`ok      ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    problems.push(`${name}: ${error.stack}`);
  }
}
await browser.close();
// The caller repeats them in the last line of its own, which a cut output keeps.
await writeFile(`${OUT}/problems.txt`, problems.join("\n"));
process.exitCode = problems.length ? 1 : 0;
