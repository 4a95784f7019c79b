// Who is told when, as a person sets it up without JavaScript: schedules, policies, whose a channel is, and who would be told of a
// monitor. What is made stays.
//
// Arguments: base URL, set-up link, paths of a monitor and of a channel, folder for screenshots, path of the page that acknowledges a drill.
import fs from "node:fs";
import { end, look, lookHere, problems, start, watch } from "./look.mjs";

const [base, link, monitor, channel, shots, answer] = process.argv.slice(2);
fs.mkdirSync(shots, { recursive: true });

const browser = await start();
try {
  const set = await browser.newContext();
  const first = await set.newPage();
  watch(first);
  await first.goto(link);
  await first.fill("#email", "ada@example.org");
  await first.fill("#password", "a few words are easy");
  await first.click("button.main");
  await first.waitForURL(`${base}/`);
  const state = await set.storageState();
  const visit = (where, name) => look(browser, base, state, where, name, shots);
  const context = await browser.newContext({ storageState: state, javaScriptEnabled: false });
  const page = await context.newPage();
  const press = async (button) => {
    await page.click(button);
    await page.waitForLoadState();
  };
  await visit("/schedules", "schedules-none");
  await visit("/policies", "policies-none");
  await visit("/schedules/new", "schedule-new");

  await page.goto(`${base}/schedules/new`);
  await page.fill("#name", "Primary");
  await page.fill("#zone", "Europe/Berlin");
  await page.fill("#r0-starts", "2026-01-05T09:00");
  await page.selectOption("select[name='r0.member']", { index: 1 });
  await page.click("summary:has-text('Only at some hours')");
  await press("button[value='r0.hours']");
  await press("button[value='rotation']");
  await press("button[value='r1.remove']");
  await press("button.main");
  await page.waitForURL(/done=schedule_added/);
  const schedule = new URL(page.url()).pathname;
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  await page.fill("#from", `${tomorrow}T18:00`);
  await page.fill("#to", `${tomorrow}T22:00`);
  await press("form[action$='/overrides'] button");
  await page.waitForURL(/done=override_added/);
  await visit(schedule, "schedule");
  await visit(`${schedule}/edit`, "schedule-edit");
  await visit("/schedules", "schedules");

  await visit("/policies/new", "policy-new");
  await page.goto(`${base}/policies/new`);
  await page.fill("#name", "Nights");
  await page.check("input[name=default]");
  await page.check("input[value^='schedules:']");
  await press("button[value='level']");
  await page.check("input[name='l1.target'][value^='channels:']");
  await page.fill("#reminder", "30m");
  await press("button.main");
  await page.waitForURL(/done=policy_added/);
  const policy = new URL(page.url()).pathname;
  await visit(policy, "policy");
  await visit(`${policy}/edit`, "policy-edit");
  await visit("/policies", "policies");
  await visit(monitor, "monitor-telling");

  await page.goto(base + channel);
  await page.selectOption("#member", { index: 1 });
  await press("button[value='q.hours']");
  await press("#telling button.main");
  await page.waitForURL(/done=telling_changed/);
  await visit(channel, "channel-quiet");

  // Who has the mail needs no account.
  const stranger = await browser.newContext({ javaScriptEnabled: false });
  const mailed = await stranger.newPage();
  await visit(answer, "acknowledge");
  await mailed.goto(base + answer);
  await mailed.click("button.main");
  await mailed.waitForLoadState();
  if (await mailed.locator("[role=status]").count() !== 1) problems.push("the link in the mail did not acknowledge the drill");
  await stranger.close();

  await visit(`${monitor}/dependencies`, "dependencies-none");
  await page.goto(`${base}${monitor}/dependencies`);
  await page.fill("#monitors", "router");
  await press("main form button.main");
  await visit(`${monitor}/dependencies`, "dependencies");

  await visit("/alarm-drills", "alarm-drills");
  await visit("/deliveries", "deliveries");
  await page.goto(`${base}/deliveries`);
  await page.click("main tbody a");
  await page.waitForLoadState();
  await visit(new URL(page.url()).pathname, "delivery");

  await page.goto(`${base}/channels`);
  await page.click("a:has-text('hook')");
  await page.waitForLoadState();
  const hook = new URL(page.url()).pathname;
  await press("form[action$='/rotate-secret'] button");
  await page.waitForSelector("code.key");
  await visit(hook, "channel-rotated");

  const faults = await browser.newContext({ storageState: state });
  const wrong = await faults.newPage();
  watch(wrong, [422]);
  await wrong.goto(`${base}/schedules/new`);
  await wrong.fill("#zone", "Berlin");
  await wrong.click("button.main");
  await wrong.waitForLoadState();
  await lookHere(wrong, "schedule-faults", shots);
  await faults.close();

} catch (error) {
  problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
end();
