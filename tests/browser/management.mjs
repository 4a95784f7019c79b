// An organization that another manages, as both sides see it: the consent given, accepted, the portfolio, acting there, and the end.
//
// Arguments: base URL, set-up link, folder for screenshots. Says what it waits for, a line each, on standard output; the story
// around it does that and answers with a line.
import fs from "node:fs";
import readline from "node:readline";
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
  watch(page, [404, 422]);
  const visit = async (where, name, expected) => look(browser, base, await context.storageState(), where, name, shots, expected);
  const submit = async (button) => {
    await page.click(button);
    await page.waitForLoadState();
  };
  const choose = async (name) => {
    await page.goto(`${base}/organizations`);
    await submit(`main form:has-text("${name}") button`);
    await page.waitForURL(`${base}/`);
  };
  await page.goto(link);
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("button.main");
  await page.waitForURL(`${base}/`);
  await ask("organizations");

  // Nothing is managed yet: there the id is, for others to consent by.
  await visit("/portfolio", "portfolio-none");
  await page.goto(`${base}/portfolio`);
  const own = (await page.textContent("main p.soft .mono")).trim();
  if (await page.locator("header nav a[href='/portfolio']").count()) problems.push("a portfolio is offered where nothing is managed");

  await choose("Client house");
  await visit("/management", "management-none");
  await visit("/management/give", "management-give");
  await page.goto(`${base}/management/give`);
  await page.fill("#organization", "Agency");
  await submit("button.main");
  await lookHere(page, "management-give-fault", shots);
  await page.fill("#organization", own);
  await page.selectOption("#most", "editor");
  await page.fill("#until", "2099-12-31");
  await submit("button.main");
  await page.waitForURL(/done=consented/);
  await lookHere(page, "management-waits", shots);
  const revoke = await page.getAttribute('a[href$="/revoke"]', "href");
  await visit(revoke, "management-revoke");

  await page.goto(`${base}/organizations`);
  await submit('main form:not(:has-text("Client house")):has(button.wide) button');
  await visit("/portfolio", "portfolio-offer");
  await page.goto(`${base}/portfolio`);
  const accept = await page.getAttribute('a[href$="/accept"]', "href");
  await visit(accept, "portfolio-accept");
  await page.goto(base + accept);
  await submit("button.main");
  await page.waitForURL(/done=accepted/);
  // It is counted every ten seconds.
  const counted = async (what) => {
    for (let look = 0; look < 60; look += 1) {
      await page.goto(`${base}/portfolio`);
      if ((await page.textContent("main")).includes(what)) return;
      await page.waitForTimeout(500);
    }
    problems.push(`the portfolio does not come to say ${what}`);
  };
  await counted("Managed organizations");

  await ask("client");
  await counted("1 Down");
  await visit("/portfolio", "portfolio");
  await page.goto(`${base}/portfolio`);
  const leave = await page.getAttribute('a[href$="/leave"]', "href");
  await visit(leave, "portfolio-leave");
  await visit("/organizations", "organizations-managed");
  await page.goto(`${base}/portfolio`);
  await submit('form[action$="/choose"] button');
  await page.waitForURL(`${base}/`);
  await visit("/", "managed-dashboard");
  await visit("/management", "management-through");
  await page.goto(`${base}/monitors/new`);
  if (new URL(page.url()).pathname !== "/monitors/new") problems.push(`an editor at most is led to ${page.url()}`);
  if (await page.locator("a[href='/keys']").count()) problems.push("keys are offered to who acts through a consent");

  await ask("revoke");
  await page.goto(`${base}/`);
  if (new URL(page.url()).pathname !== "/organizations") problems.push(`after the end ${page.url()} is shown`);
} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
for (const problem of problems) console.log(`problem ${problem}`);
console.log("done");
process.exit(problems.length === 0 ? 0 : 1);
