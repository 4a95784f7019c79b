// A real browser, and what is asked of every page: no report of the content security policy, no error on the console, no
// violation that axe-core finds, not wider than the screen, and light.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const axe = fs.readFileSync(path.join(here, "node_modules/axe-core/axe.min.js"), "utf8");

/// Most bytes of a page with all that belongs to it, as they travel.
const HEAVIEST = 100 * 1024;

const SCREENS = [
  ["desktop-light", 1440, 900, "light"],
  ["desktop-dark", 1440, 900, "dark"],
  ["phone-light", 390, 844, "light"],
  ["phone-dark", 390, 844, "dark"],
];

export const problems = [];

/// Tells what was found, to whoever started the script, and ends it.
export const end = () => {
  for (const problem of problems) console.log(`problem ${problem}`);
  console.log("done");
  process.exit(problems.length === 0 ? 0 : 1);
};

/// Starts the browser, with these arguments too.
export const start = (more = []) =>
  chromium.launch({
    executablePath: process.env.PICKET_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });

/// Notes what a page complains of; `expected` are statuses of its own requests that are meant to be.
export const watch = (page, expected = []) => {
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !expected.some((status) => text.includes(`status of ${status}`))) problems.push(`${page.url()}: console: ${text}`);
  });
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error}`));
  page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
};

const violations = async (page, held) => {
  // By the debugger, which the page's policy does not bind.
  const debug = held ?? await page.context().newCDPSession(page);
  await debug.send("Runtime.evaluate", { expression: axe });
  const expression = "axe.run(document).then((all) => JSON.stringify(all.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(' | ')}`)))";
  const found = await debug.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  if (!held) await debug.detach();
  return JSON.parse(found.result.value);
};

const examine = async (page, where, screen, shot, held) => {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) problems.push(`${where} on ${screen} is ${over} px too wide`);
  for (const one of await violations(page, held)) problems.push(`${where} on ${screen}: axe: ${one}`);
  await page.screenshot({ path: shot, fullPage: true });
};

/// Looks on every screen at what a form was answered with, which no address leads to; by the debugger that is held, where one
/// gave the page an authenticator: another that lets go takes it away.
export const lookHere = async (page, name, shots, held) => {
  for (const [screen, width, height, colorScheme] of SCREENS) {
    await page.setViewportSize({ width, height });
    // Colours that are on their way from one scheme to the other are nobody's.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await examine(page, name, screen, path.join(shots, `${name}-${screen}.png`), held);
  }
};

/// Looks at a page on every screen, without cache; gives its bytes.
export const look = async (browser, base, storageState, where, name, shots, expected = []) => {
  let bytes = 0;
  for (const [screen, width, height, colorScheme] of SCREENS) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, storageState });
    const page = await context.newPage();
    watch(page, expected);
    const debug = await context.newCDPSession(page);
    await debug.send("Network.enable");
    await debug.send("Network.setCacheDisabled", { cacheDisabled: true });
    let here = 0;
    debug.on("Network.loadingFinished", (event) => { here += event.encodedDataLength; });
    await page.goto(base + where, { waitUntil: "load" });
    await page.waitForTimeout(600);
    bytes = Math.max(bytes, here);
    await examine(page, where, screen, path.join(shots, `${name}-${screen}.png`));
    await context.close();
  }
  if (bytes > HEAVIEST) problems.push(`${where} weighs ${bytes} bytes, more than ${HEAVIEST}`);
  return bytes;
};
