// Who belongs to an organization, as its owner and the invited see it: invitations, roles, ends, handing over, service members, the
// review, a second factor that is wanted, the way from one organization to another, and who takes over when somebody goes.
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
const BOB = "bob@example.org";

const browser = await start();
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  watch(page, [409, 422]);
  const submit = async (on, button) => {
    await on.click(button);
    await on.waitForLoadState();
  };
  const visit = async (where, name, expected) => look(browser, base, await context.storageState(), where, name, shots, expected);
  await page.goto(link);
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("button.main");
  await page.waitForURL(`${base}/`);

  await visit("/members", "members-alone");
  await visit("/members/leave", "member-leave");
  await page.goto(`${base}/members/leave`);
  await submit(page, "button.risky");
  await lookHere(page, "member-last-owner", shots);

  await visit("/members/invite", "member-invite");
  const invite = async (email, role) => {
    await page.goto(`${base}/members/invite`);
    await page.fill("#email", email);
    await page.selectOption("#role", role);
    await submit(page, "button.main");
  };
  await invite(BOB, "editor");
  await page.waitForURL(/done=invited/);
  await lookHere(page, "members-invited", shots);
  await invite(BOB, "viewer");
  await lookHere(page, "member-invite-fault", shots);
  await invite("a.very.long.address.that.somebody.really.has@department.of.a.subsidiary.example.org", "viewer");
  await page.goto(`${base}/members`);
  const [send] = await page.$$eval('a[href$="/send"]', (all) => all.map((one) => one.getAttribute("href")));
  await visit(send, "invitation-send");
  await visit(send.replace(/send$/, "revoke"), "invitation-revoke");

  // The invited has no account, makes one by the mail, and is in at once.
  const invitation = new URL(await ask("letter")).pathname;
  await visit(invitation, "invitation-other");
  await look(browser, base, undefined, invitation, "invitation", shots);
  const theirs = await browser.newContext();
  const bob = await theirs.newPage();
  watch(bob, [403, 422]);
  await bob.goto(base + invitation);
  await bob.fill("#password", PASSWORD);
  await bob.click("button.main");
  await bob.waitForURL(`${base}/`);
  await look(browser, base, undefined, invitation, "invitation-over", shots, [404]);

  await visit("/members", "members");
  await page.goto(`${base}/members`);
  const role = await page.getAttribute('a[href$="/role"]', "href");
  for (const deed of ["role", "remove", "transfer"]) await visit(role.replace(/role$/, deed), `member-${deed}`);
  await look(browser, base, await theirs.storageState(), "/members", "members-editor", shots);

  // A service member and its key, and a key of one who will go.
  await visit("/members/services/new", "service-new");
  await page.goto(`${base}/members/services/new`);
  await page.fill("#name", "Deployment");
  await page.selectOption("#role", "editor");
  await page.click("button.main");
  await page.waitForURL(/done=service_added/);
  const makeKey = async (on, where, name) => {
    await on.goto(base + where);
    await on.fill("#name", name);
    await on.check("input[value='monitors:read']");
    await on.click("button.main");
    await on.waitForSelector("code.key");
  };
  const keys = await page.getAttribute('a[href$="/keys/new"]', "href");
  await visit(keys, "service-key");
  await makeKey(page, keys, "roll out");
  await makeKey(bob, "/keys/new", "nightly");
  await visit("/members/review", "members-review");
  const end = role.replace(/role$/, "end");
  await visit(end, "member-end");
  await page.goto(base + end);
  await page.fill("#until", "2020-01-01");
  await submit(page, "button.main");
  await lookHere(page, "member-end-fault", shots);
  await page.fill("#until", "2099-12-31");
  await page.click("button.main");
  await page.waitForURL(/done=/);

  await visit("/members/policy", "member-policy");
  await page.goto(`${base}/members/policy`);
  await page.check("input[name=second_factor]");
  await submit(page, "button.main");
  await lookHere(page, "member-policy-own", shots);

  await visit("/organization/residency", "organization-residency");

  // From one organization to another.
  await ask("another");
  await visit("/organizations", "organizations");
  await page.goto(`${base}/`);
  await page.click(".me summary");
  await lookHere(page, "organization-menu", shots);
  await submit(page, '.menu form[action$="/choose"] button');
  await page.goto(`${base}/members`);
  if (await page.getByText(BOB).count()) problems.push("members of another organization are shown");
  await page.goto(`${base}/organizations`);
  await submit(page, "main form[action$='/choose'] button");

  // Who lacks the second factor that is wanted sees nothing else; who asks for it has one.
  await page.goto(`${base}/account/second-factor`);
  await submit(page, "button.main");
  await page.fill("#code", await code(await page.textContent("code.key")));
  await submit(page, "button.main");
  await page.goto(`${base}/members/policy`);
  await page.check("input[name=second_factor]");
  await page.click("button.main");
  await page.waitForURL(/done=policy/);
  await bob.goto(`${base}/monitors/new`);
  if (new URL(bob.url()).pathname !== "/account/second-factor") problems.push(`${bob.url()} is shown without a second factor`);
  await lookHere(bob, "second-factor-wanted", shots);

  await page.goto(base + role);
  await page.selectOption("#role", "viewer");
  await page.click("button.main");
  await page.waitForURL(/done=role_changed/);
  await bob.goto(`${base}/`);
  await bob.waitForURL(/sign-in/);
  await page.goto(base + role.replace(/role$/, "remove"));
  await lookHere(page, "member-remove-holdings", shots);
  const successors = await page.$$eval("#successor option", (all) => all.map((one) => [one.value, one.textContent]));
  await page.selectOption("#successor", successors.find(([, words]) => words.includes("Deployment"))[0]);
  await page.click("button.risky");
  await page.waitForURL(/done=member_removed/);
  await visit("/keys", "keys-taken-over");
  await page.goto(`${base}/keys`);
  const of = await page.$$eval("main tbody tr", (all) => all.map((row) => row.textContent));
  if (of.length !== 2 || !of.every((row) => row.includes("Deployment"))) problems.push(`the keys are not the service member's: ${of}`);
  await bob.fill("#email", BOB);
  await bob.fill("#password", PASSWORD);
  await bob.click("button.main");
  await bob.waitForURL(/organizations/);
  await lookHere(bob, "organizations-none", shots);
} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
for (const problem of problems) console.log(`problem ${problem}`);
console.log("done");
process.exit(problems.length === 0 ? 0 : 1);
