// Maintenance as a person plans it: none yet, the form, what is wrong with it, one that runs, one that comes every week, one that is over.
import { look, lookHere, watch } from "./look.mjs";

/// Looks at every page of it; `monitor` is the path of a monitor that gets into a window. Nothing runs at the end.
export const lookAtMaintenance = async (browser, base, state, shots, monitor) => {
  const visit = (where, name) => look(browser, base, state, where, name, shots);
  const context = await browser.newContext({ storageState: state });
  const page = await context.newPage();
  watch(page, [422]);
  const save = async () => {
    await page.click("button.main");
    await page.waitForLoadState();
  };
  await visit("/maintenance", "maintenance-none");
  await visit("/maintenance/new", "maintenance-new");

  await page.goto(`${base}/maintenance/new`);
  await page.fill("#title", "Upgrade of the database");
  await page.fill("#note", "Orders wait meanwhile.\nAsk the team of the shop.");
  await page.fill("#zone", "Berlin");
  await page.fill("#start", "2027-03-28T02:30");
  await page.selectOption("#repeat", "weekly");
  await page.selectOption("#announce", "86400");
  await save();
  await lookHere(page, "maintenance-faults", shots);
  await page.fill("#zone", "Europe/Berlin");
  await save();
  await page.waitForURL(/done=maintenance_planned/);
  const weekly = new URL(page.url()).pathname;
  await page.click(`form[action="${weekly}/skip"] button`);
  await page.waitForURL(/done=maintenance_skipped/);
  await lookHere(page, "maintenance-skipped", shots);
  await visit(weekly, "maintenance-weekly");
  await visit(`${weekly}/edit`, "maintenance-edit");

  const begin = async (title) => {
    await page.goto(`${base}/maintenance/new`);
    await page.fill("#title", title);
    await page.selectOption("#scope", "monitors");
    await page.check("input[name=monitor]");
    await save();
    await page.waitForURL(/done=maintenance_planned/);
    return new URL(page.url()).pathname;
  };
  const finish = async (window) => {
    await page.goto(base + window);
    await page.click(`form[action="${window}/end"] button`);
    await page.waitForURL(/done=maintenance_ended/);
  };
  await finish(await begin("Disks of rack 4"));
  const runs = await begin("A switch with a name that is longer than what most people would ever write into a title");
  await visit(runs, "maintenance-runs");
  await visit("/maintenance", "maintenance");
  await visit(monitor, "monitor-in-maintenance");
  await finish(runs);
  await context.close();
};
