// What an administrator of the instance sees: nothing without a grant, what is missing without a second factor, then every page.
//
// Arguments: base URL, set-up link, folder for screenshots. Says what it waits for, a line each, on standard output; the story
// around it does that and answers with a line.
import fs from "node:fs";
import readline from "node:readline";
import { code } from "./account.mjs";
import { look, lookHere, problems, start, watch } from "./look.mjs";

const [base, link, shots] = process.argv.slice(2);
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
  watch(page, [403, 404, 422]);
  const visit = async (where, name, expected) => look(browser, base, await context.storageState(), where, name, shots, expected);
  const status = async (where) => (await page.goto(base + where)).status();
  const wants = async (where, wanted) => {
    const found = await status(where);
    if (found !== wanted) problems.push(`${where} is answered with ${found}, not ${wanted}`);
  };

  await page.goto(link);
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("button.main");
  await page.waitForURL(`${base}/`);
  await wants("/admin", 404);
  const miss = await page.content();
  await wants("/nowhere", 404);
  if (miss !== await page.content()) problems.push("/admin does not look like what is not there");

  await ask("grant");
  await visit("/admin", "admin-second-factor", [403]);
  await page.goto(`${base}/account`);
  await page.click('a[href="/admin"]');
  await page.click("a.button.main");
  await page.waitForURL(/account\/second-factor/);
  await page.click("button.main");
  await page.waitForLoadState();
  const secret = await page.textContent("code.key");
  await page.fill("#code", await code(secret));
  await page.click("button.main");
  await page.waitForSelector(".codes");

  for (const [where, name] of [
    ["/admin", "admin"], ["/admin/regions", "admin-regions"], ["/admin/probes", "admin-probes"],
    ["/admin/organizations", "admin-organizations"], ["/admin/users", "admin-users"], ["/admin/users?q=nobody", "admin-users-none"],
    ["/admin/grants", "admin-grants"], ["/admin/privacy", "admin-privacy"], ["/admin/breaches", "admin-breaches"], ["/account", "admin-account"],
  ]) await visit(where, name);

  await page.goto(`${base}/admin/grants`);
  await page.fill("#email", "ada@example.org");
  await page.click("button.main");
  await page.waitForLoadState();
  await lookHere(page, "admin-grant-fault", shots);

  // By keyboard and without JavaScript: unlock who is locked, sign the same out everywhere, give a grant.
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const still = await plain.newPage();
  await still.goto(`${base}/admin/users?q=eve`);
  await still.focus("td form:first-of-type button");
  await still.keyboard.press("Enter");
  await still.waitForURL(/done=unlocked/);
  await still.goto(`${base}/admin/users?q=eve`);
  await still.click("td button.risky");
  await still.waitForURL(/done=sessions_ended/);
  await still.goto(`${base}/admin/grants`);
  await still.fill("#email", "eve@example.org");
  await still.selectOption("#for", "1h");
  await still.click("button.main");
  await still.waitForURL(/done=granted_without/);
  await plain.close();
  await visit("/admin/grants?done=granted_without", "admin-granted");

  await ask("revoke");
  await wants("/admin", 404);
  await wants("/admin/grants", 404);
} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
for (const problem of problems) console.log(`problem ${problem}`);
console.log("done");
process.exit(problems.length === 0 ? 0 : 1);
