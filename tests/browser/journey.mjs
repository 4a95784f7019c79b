// What a person does on the first day: set up, watch a website, see it break and be mended without reloading.
//
// Arguments: base URL, set-up link, URL to watch, folder for screenshots. Says what it waits for, a line each, on standard
// output; the story around it does that and answers with a line.
import fs from "node:fs";
import readline from "node:readline";
import { lookAtAccount } from "./account.mjs";
import { end, look, lookHere, problems, start, watch } from "./look.mjs";
import { lookAtMaintenance } from "./maintenance.mjs";

const [base, link, target, shots] = process.argv.slice(2);
fs.mkdirSync(shots, { recursive: true });
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what) => {
  console.log(what);
  return (await lines.next()).value;
};
const PASSWORD = "a few words are easy";

const browser = await start();
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  watch(page);

  const weights = {};
  weights["set-up"] = await look(browser, base, undefined, new URL(link).pathname, "set-up", shots);
  await page.goto(link);
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("button.main");
  await page.waitForURL(`${base}/`);
  let state = await context.storageState();
  const seen = async (where, name, expected) => { weights[name] = await look(browser, base, state, where, name, shots, expected); };
  await seen("/", "empty");

  // By keyboard alone: the address is all that is needed.
  await page.keyboard.press("Tab");
  await page.focus("#first");
  await page.keyboard.type(target);
  await page.keyboard.press("Enter");
  await page.waitForURL(/monitors\/new/);
  await page.fill("#name", "Shop");
  await page.fill("#every", "5s");
  await page.fill("#timeout", "2s").catch(() => {});
  await page.focus("button.main");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/monitors\/[0-9a-f-]{36}/);
  const monitor = new URL(page.url()).pathname;
  await ask("added");

  await page.goto(`${base}/`);
  const shows = (word) => page.waitForFunction((wanted) => document.querySelector(".monitors .state")?.textContent.trim() === wanted, word, { timeout: 90_000 });
  await shows("Up");
  // A reload would lose this mark.
  await page.evaluate(() => { window.sameDocument = true; });
  await ask("break");
  await shows("Down");
  await seen("/", "dashboard-down");
  await seen(monitor, "monitor-down");
  await ask("mend");
  await shows("Up");
  if (!(await page.evaluate(() => window.sameDocument))) problems.push("the list was reloaded");

  for (const [where, name, expected] of [
    ["/", "dashboard"], [monitor, "monitor"], [`${monitor}/edit`, "monitor-edit"], ["/monitors/new", "monitor-new"],
    ["/monitors/new?kind=dns", "monitor-new-dns"], ["/monitors/new?kind=tls", "monitor-new-tls"], ["/monitors/new?kind=tcp", "monitor-new-tcp"],
    ["/probes", "probes"], ["/probes/new", "probe-new"], ["/channels", "channels"], ["/channels/new?kind=twilio", "channel-new"],
    ["/import", "import"], ["/posture", "posture"], ["/sub-processors", "sub-processors"], ["/organization/dpa", "dpa"], ["/organization/dpa/accept", "dpa-accept"], ["/nowhere", "not-found", [404]],
  ]) await seen(where, name, expected);

  await lookAtMaintenance(browser, base, state, shots, monitor);

  // What forms are answered with.
  const forms = await browser.newContext({ storageState: state });
  const form = await forms.newPage();
  watch(form, [422]);
  const answered = async (where, fill, button, name) => {
    await form.goto(base + where);
    await fill();
    await form.click(button);
    await form.waitForLoadState();
    await lookHere(form, name, shots);
  };
  await answered("/monitors/new", () => form.fill("#target", "no such thing"), "button.main", "monitor-faults");
  await answered("/monitors/new", () => form.fill("#target", target), "button[formaction]", "monitor-tested");
  await answered("/probes/new", () => form.fill("#region", "us-east"), "button.main", "probe-token");
  const csv = { name: "all.csv", mimeType: "text/csv", buffer: Buffer.from("name,target\nBlog,https://blog.example/\nOdd,gopher://odd.example/\n") };
  await answered("/import", async () => {
    await form.selectOption("select[name=source]", "csv");
    await form.setInputFiles("input[type=file]", csv);
  }, "button.main", "import-shown");
  await form.goto(`${base}/channels`);
  const channel = await form.getAttribute("td a", "href");
  await forms.close();
  await seen(channel, "channel");
  await seen(`${channel}/settings`, "channel-settings");

  state = await lookAtAccount(browser, base, state, PASSWORD, shots, ask);

  // Without JavaScript: delete, undo, sign out, sign in.
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: state });
  const still = await plain.newPage();
  await still.goto(base + monitor);
  await still.click("button.risky");
  await still.waitForURL(/done=deleted/);
  await still.click(".note button");
  await still.waitForURL(/done=restored/);
  await still.click(".me summary");
  await still.click(".menu button");
  await still.waitForURL(/sign-in/);
  await still.fill("#email", "ada@example.org");
  await still.fill("#password", PASSWORD);
  await still.click("button.main");
  await still.waitForURL(`${base}/`);
  await plain.close();
  await look(browser, base, undefined, "/sign-in", "sign-in", shots).then((bytes) => { weights["sign-in"] = bytes; });

  console.log(`weights ${JSON.stringify(weights)}`);
} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
end();
