// Draws response times with uPlot: by region or by phase, for the range that is chosen or dragged.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("chart");
  const buttons = document.getElementById("chart-buttons");
  if (!box || !buttons || !window.uPlot) return;
  buttons.hidden = false;
  const colours = ["#3f8fbf", "#c28a1b", "#2f9a6a", "#b0529b", "#7d62c4", "#c2573a", "#7a8699", "#5f8f2f"];
  const order = ["resolve", "connect", "tls", "send", "wait", "receive"];
  // Times as everywhere else: a day of 24 hours, dates from the year down.
  const day = "\n{YYYY}-{MM}-{DD}";
  const clock = (step, form) => [step, form, day, null, day, null, null, null, 1];
  const times = [clock(86400, "{MM}-{DD}"), clock(60, "{HH}:{mm}"), clock(1, "{HH}:{mm}:{ss}")];
  let view = "regions";
  let range = { span: Number(box.dataset.span) };
  let chart = null;
  let data = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const time = (us) => us == null ? "–" : us < 1e3 ? `${Math.round(us)} µs` : us < 1e5 ? `${(us / 1e3).toFixed(1)} ms` : us < 1e7 ? `${Math.round(us / 1e3)} ms` : `${(us / 1e6).toFixed(1)} s`;
  const say = (text) => {
    chart?.destroy();
    chart = null;
    const line = document.createElement("p");
    line.textContent = text;
    box.replaceChildren(line);
  };

  const draw = () => {
    const columns = view === "regions"
      ? Object.entries(data.regions).map(([name, values]) => [name, values.map((one) => one && one[1])])
      : order.filter((name) => data.phases[name]?.some((us) => us != null)).map((name) => [name, data.phases[name]]);
    if (!columns.some(([, values]) => values.some((us) => us != null))) return say(box.dataset.none);
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    // Steps in which a check failed are marked behind the lines.
    const marks = {
      hooks: {
        drawAxes: (plot) => {
          const { ctx, bbox } = plot;
          ctx.save();
          data.worst.forEach((worst, index) => {
            if (worst === 0) return;
            const from = plot.valToPos(data.at[index], "x", true);
            const to = plot.valToPos(data.at[index] + data.step, "x", true);
            ctx.globalAlpha = 0.22;
            ctx.fillStyle = colour(worst === 3 ? "--down" : worst === 2 ? "--degraded" : "--unknown");
            ctx.fillRect(Math.max(from, bbox.left), bbox.top, Math.min(to, bbox.left + bbox.width) - Math.max(from, bbox.left), bbox.height);
          });
          ctx.restore();
        },
      },
    };
    chart?.destroy();
    box.replaceChildren();
    chart = new window.uPlot({
      width: box.clientWidth,
      height: 240,
      plugins: [marks],
      cursor: { drag: { x: true, y: false, setScale: false } },
      scales: { y: { range: (_, __, most) => [0, most * 1.1 || 1] } },
      axes: [{ ...axis, values: times }, { ...axis, size: 64, values: (_, ticks) => ticks.map(time) }],
      series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...columns.map(([name, values], index) => ({
        label: name,
        stroke: colours[index % colours.length],
        width: 1.6,
        // A lone value between gaps has no line: it is a point.
        points: { show: true, size: 5, filter: () => values.flatMap((us, at) => us != null && values[at - 1] == null && values[at + 1] == null ? [at] : []) },
        value: (_, us) => time(us),
      }))],
      hooks: { setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width < 8) return;
        const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")].map(Math.round);
        if (to - from >= 60) { range = { from, to }; press("range", ""); load(); }
      }] },
    }, [data.at, ...columns.map(([, values]) => values)], box);
  };

  const load = async () => {
    const now = Math.floor(Date.now() / 1000);
    const [from, to] = range.span ? [now - range.span, now] : [range.from, range.to];
    try {
      const answer = await fetch(`${box.dataset.series}?from=${from}&to=${to}`);
      if (!answer.ok) throw new Error(answer.status);
      data = await answer.json();
      draw();
    } catch {
      if (!chart) say(box.dataset.failed);
    }
  };

  const press = (kind, value) => {
    for (const button of buttons.querySelectorAll(`[data-${kind}]`)) button.setAttribute("aria-pressed", String(button.dataset[kind] === value));
  };

  buttons.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.view) { view = button.dataset.view; press("view", view); if (data) draw(); }
    if (button.dataset.range) { range = { span: Number(button.dataset.range) }; press("range", button.dataset.range); load(); }
  });
  let width = 0;
  new ResizeObserver(() => {
    if (chart && Math.abs(box.clientWidth - width) > 4) chart.setSize({ width: box.clientWidth, height: 240 });
    width = box.clientWidth;
  }).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => data && draw());
  press("range", box.dataset.span);
  let last = 0;
  document.addEventListener("picket:fresh", () => {
    if (range.span && Date.now() - last > 20000) { last = Date.now(); load(); }
  });
  load();
});
