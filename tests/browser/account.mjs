// What guards an account, as its user sees it: sessions, proof, second factor, links by mail, keys, and the log of all that.
import { createHmac } from "node:crypto";
import { look, lookHere, watch } from "./look.mjs";

const EMAIL = "ada@example.org";
const STEP = 30_000;

/// The code that an authenticator with this secret shows; waits for one that lives a while yet.
export const code = async (secret) => {
  const left = STEP - (Date.now() % STEP);
  if (left < 5_000) await new Promise((done) => setTimeout(done, left + 500));
  const bits = [...secret.replace(/\s/g, "")].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / STEP)));
  const hash = createHmac("sha1", key).update(step).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
};

const signIn = async (page, base, password) => {
  await page.goto(`${base}/sign-in`);
  await page.fill("#email", EMAIL);
  await page.fill("#password", password);
  await page.click("button.main");
};

/// Looks at all of it, and gives the state of a browser that is signed in. `ask` gets the link of a mail.
export const lookAtAccount = async (browser, base, state, password, shots, ask) => {
  const elsewhere = await (await browser.newContext()).newPage();
  await signIn(elsewhere, base, password);
  await elsewhere.waitForURL(`${base}/`);

  const context = await browser.newContext({ storageState: state });
  const page = await context.newPage();
  watch(page, [401, 422]);
  const visit = async (where, name, expected) => look(browser, base, await context.storageState(), where, name, shots, expected);
  const submit = async (button) => {
    await page.click(button);
    await page.waitForLoadState();
  };

  await visit("/account", "account");
  await page.goto(`${base}/step-up?next=%2Faccount%2Femail`);
  await page.fill("#password", "not this one");
  await submit("button.main");
  await lookHere(page, "step-up-wrong", shots);
  await page.fill("#password", password);
  await page.click("button.main");
  await page.waitForURL(/account\/email/);
  await visit("/account/email", "account-email");
  await visit("/account/data", "account-data");
  await page.goto(`${base}/account/data`);
  await page.selectOption("#part", "account");
  await submit('form[action="/account/data"] .actions button');
  // A task makes it, and the page shows it without being loaded again.
  await page.waitForSelector('#live a[href*="/account/data/exports/"]');
  await visit("/account/data", "account-data-made");
  await visit("/account/delete", "account-delete");
  await page.goto(`${base}/account/delete`);
  await page.fill("#confirm", "eve@example.org");
  await submit("button.risky");
  await lookHere(page, "account-delete-wrong", shots);
  await visit("/organization/delete", "organization-delete");

  await page.goto(`${base}/account/second-factor`);
  await visit("/account/second-factor", "second-factor");
  await submit("button.main");
  const secret = await page.textContent("code.key");
  await page.fill("#code", "0");
  await submit("button.main");
  await lookHere(page, "second-factor-scan", shots);
  await page.fill("#code", await code(secret));
  await submit("button.main");
  const recovery = await page.textContent(".codes code");
  await lookHere(page, "recovery-codes", shots);
  await visit("/account/second-factor", "second-factor-on");
  await visit("/step-up", "step-up");

  await visit("/keys", "keys-none");
  await visit("/keys/new", "key-new");
  await page.goto(`${base}/keys/new`);
  await submit("button.main");
  await lookHere(page, "key-faults", shots);
  await page.fill("#name", "Deployment");
  await page.check('input[value="monitors:read"]');
  await page.check('input[value="monitors:write"]');
  await page.fill("#networks", "198.51.100.0/24\n2001:db8::/32");
  await submit("button.main");
  await lookHere(page, "key-secret", shots);
  await visit("/keys", "keys");
  await page.goto(`${base}/keys`);
  await visit(await page.getAttribute("a.risky", "href"), "key-revoke");

  const stranger = await (await browser.newContext()).newPage();
  watch(stranger);
  await signIn(stranger, base, password);
  await stranger.waitForURL(/sign-in\/code/);
  await lookHere(stranger, "second-step", shots);
  await stranger.fill("#code", recovery);
  await stranger.click("button.main");
  await stranger.waitForURL(`${base}/`);

  const forgetful = await (await browser.newContext()).newPage();
  watch(forgetful);
  await forgetful.goto(`${base}/sign-in/link`);
  await lookHere(forgetful, "link-ask", shots);
  await forgetful.fill("#email", EMAIL);
  await forgetful.click('button[value="reset"]');
  await forgetful.waitForLoadState();
  await lookHere(forgetful, "link-asked", shots);
  await forgetful.goto(await ask("letter"));
  await lookHere(forgetful, "link-reset", shots);
  await look(browser, base, undefined, "/sign-up", "sign-up-closed", shots, [404]);

  await visit("/account", "account-guarded");
  await visit("/audit", "audit");
  await visit("/audit?actor=nobody", "audit-none");

  await page.goto(`${base}/account/second-factor`);
  await page.click("button.risky");
  await page.waitForURL(/done=second_factor_removed/);
  return context.storageState();
};
