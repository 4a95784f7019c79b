// A passkey of Chromium's virtual authenticator: added, used to sign in with nothing else, beside the password, and to prove
// again who it is; a person who says no is told so.
//
// Arguments: base URL, whose host is localhost, the address that this is to be, set-up link, folder for screenshots.
import fs from "node:fs";
import { end, lookHere, problems, start, watch } from "./look.mjs";

const [base, address, link, shots] = process.argv.slice(2);
fs.mkdirSync(shots, { recursive: true });
const PASSWORD = "a few words are easy";

const browser = await start([`--host-resolver-rules=MAP localhost ${address}`]);
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  // The answer to a wrong passkey, and to a challenge that there is not.
  watch(page, [401, 404]);
  const debug = await context.newCDPSession(page);
  await debug.send("WebAuthn.enable");
  const options = { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await debug.send("WebAuthn.addVirtualAuthenticator", { options });
  const stored = async () => (await debug.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  const signOut = async () => {
    await page.click(".me summary");
    await page.click(".menu button");
    await page.waitForURL(/sign-in/);
  };
  const here = (path) => page.waitForURL(`${base}${path}`);

  await page.goto(link);
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("button.main");
  await here("/");

  await page.goto(`${base}/account/second-factor`);
  await page.fill("#name", "This computer");
  await page.click("form[data-passkey=create] button");
  await page.waitForSelector(".codes");
  const codes = await page.locator(".codes li").count();
  if (codes !== 10) problems.push(`${codes} recovery codes are shown`);
  if ((await stored()).length !== 1) problems.push("the authenticator has no passkey");
  await page.goto(`${base}/account/second-factor`);
  if (!(await page.textContent("tbody")).includes("This computer")) problems.push("the passkey is not listed");
  await lookHere(page, "passkeys", shots, debug);

  // The same authenticator makes no second one.
  await page.fill("#name", "Again");
  await page.click("form[data-passkey=create] button");
  await page.waitForSelector("form[data-passkey=create] [role=alert]:not([hidden])");

  // With nothing else.
  await signOut();
  await lookHere(page, "sign-in-passkey", shots, debug);
  await page.click("form[data-passkey] button");
  await here("/");
  if ((await stored())[0].signCount < 1) problems.push("nothing was signed");

  // Beside the password.
  await signOut();
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("form[action='/sign-in'] button");
  await page.waitForURL(/sign-in\/code/);
  await lookHere(page, "second-step-passkey", shots, debug);
  await page.click("form[data-passkey] button");
  await here("/");

  // Again, for what matters most.
  await page.goto(`${base}/step-up?next=%2Faccount%2Fsecond-factor`);
  await lookHere(page, "step-up-passkey", shots, debug);
  await page.click("form[data-passkey] button");
  await here("/account/second-factor");

  // An authenticator that does not know who is there lets nobody in alone.
  await signOut();
  await debug.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.click("form[data-passkey] button");
  await page.waitForSelector("form[data-passkey] [role=alert]:not([hidden])");
  await lookHere(page, "sign-in-no-passkey", shots, debug);
  await debug.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  await page.click("form[data-passkey] button");
  await here("/");

  // Removed here, it is known no more.
  await page.goto(`${base}/account/second-factor`);
  await page.click("button[value=passkey_remove]");
  await page.waitForURL(/done=passkey_removed/);
  await signOut();
  await page.click("form[data-passkey] button");
  await page.waitForSelector("p.wrong:not([hidden])");
  await page.fill("#email", "ada@example.org");
  await page.fill("#password", PASSWORD);
  await page.click("form[action='/sign-in'] button");
  await here("/");

  // Without JavaScript nothing of it is offered, and the rest works.
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const still = await plain.newPage();
  await still.goto(`${base}/sign-in`);
  if (await still.isVisible("form[data-passkey]")) problems.push("a passkey is offered without JavaScript");
  await still.fill("#email", "ada@example.org");
  await still.fill("#password", PASSWORD);
  await still.click("form[action='/sign-in'] button");
  await still.waitForURL(`${base}/`);
  await plain.close();
} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
end();
