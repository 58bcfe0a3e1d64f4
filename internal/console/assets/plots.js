// Draws plots anew with values under the cursor and with zoom. The server has drawn each already; the numbers stand in the page.
"use strict";

(() => {
  if (!window.uPlot) return;
  const drawn = new WeakMap(); // by the element that holds the drawing

  const units = {
    ratio: (v) => `${+(100 * v).toPrecision(3)} %`,
    bytes: (v) => {
      let i = 0;
      for (; v >= 1024 && i < 4; i++) v /= 1024;
      return `${+v.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][i]}`;
    },
    points: (v) => `${+v.toPrecision(3)}`,
    VMs: (v) => `${+v.toPrecision(3)}`,
    cores: (v) => `${+v.toPrecision(3)} cores`,
  };

  // The server's time of day, as everywhere on the page, made to look like one of this browser.
  const there = (s, zone) => new Date((s + zone + new Date(s * 1e3).getTimezoneOffset() * 60) * 1e3);

  const clock = (s, zone, form) => uPlot.fmtDate(form)(there(s, zone));

  // Times at an axis are as exact as it is long.
  const form = (seconds) => (seconds > 36 * 3600 ? "{D} {MMM} {HH}:{mm}" : seconds < 900 ? "{HH}:{mm}:{ss}" : "{HH}:{mm}");

  // Columns are the times and, of a stack, each series on top of those before it.
  function columns(data) {
    const times = data.series[0].values.map((_, i) => data.from + i * data.step);
    const all = [times];
    for (const [n, s] of data.series.entries()) {
      const below = data.stacked && n > 0 ? all[n] : null;
      all.push(s.values.map((v, i) => (below && below[i] !== null ? below[i] + (v ?? 0) : v)));
    }
    return all;
  }

  // The colours and dashes are those of the stylesheet, in the theme that is on.
  function look(figure, name) {
    const style = getComputedStyle(figure.querySelector(`.line.${name}`));
    const dash = style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map(parseFloat);
    return { color: style.stroke, dash };
  }

  // What the numbers are under the cursor, each by itself also in a stack.
  function tell(holder, at) {
    const { data } = holder;
    const word = units[data.unit] ?? String;
    const said = data.series.map((s) => [s.name, at === null || at === undefined ? null : s.values[at] ?? null]).filter(([, v]) => v !== null);
    holder.querySelector(".cursor").textContent = said.length ? `${clock(data.from + at * data.step, data.zone, "{D} {MMM} {HH}:{mm}:{ss}")}: ${said.map(([name, v]) => `${name} ${word(v)}`).join(", ")}` : "";
  }

  function options(figure, holder, data) {
    const ink = getComputedStyle(figure);
    const grid = getComputedStyle(figure.querySelector(".rule")).stroke;
    const word = units[data.unit] ?? String;
    const axis = { stroke: ink.color, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: `12px ${ink.fontFamily}` };
    const series = data.series.map((s, n) => {
      const { color, dash } = look(figure, s.class);
      return {
        label: s.name, stroke: color, dash, width: 2, points: { show: (u, i, from, to) => to - from < 30 },
        fill: data.stacked ? color.replace(/^rgb\((.*)\)$/, "rgba($1, 0.3)") : undefined,
      };
    });
    return {
      width: Math.max(200, holder.clientWidth), height: 170,
      tzDate: (s) => there(s, data.zone),
      cursor: { sync: { key: "evenkeel" }, drag: { x: true, y: false } },
      scales: { y: { range: (u, low, high) => [0, Math.max(holder.data.top, high ?? 0)] } },
      bands: data.stacked ? data.series.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
      series: [{}, ...series],
      legend: { show: false },
      hooks: { setCursor: [(u) => tell(holder, u.cursor.idx)] },
      axes: [{ ...axis, size: 34, space: 90, values: (u, all) => all.map((s) => clock(s, data.zone, form(all.at(-1) - all[0]))) }, { ...axis, size: 72, incrs: data.unit === "bytes" ? Array.from({ length: 50 }, (_, i) => 2 ** i) : undefined, values: (u, all) => all.map(word) }],
    };
  }

  const shape = (data) => JSON.stringify([data.unit, data.stacked, data.zone, data.series.map((s) => [s.name, s.class])]);

  function draw(figure) {
    const holder = figure.querySelector(".live");
    if (!holder || !figure.dataset.plot || holder.text === figure.dataset.plot) return;
    const data = JSON.parse(figure.dataset.plot);
    const before = holder.data;
    holder.text = figure.dataset.plot;
    holder.data = data;
    const plot = drawn.get(holder);
    if (plot && shape(before) === shape(data)) {
      const { min, max } = plot.scales.x;
      const zoomed = min > plot.data[0][0] || max < plot.data[0].at(-1);
      plot.setData(columns(data), !zoomed);
      if (zoomed) plot.redraw();
      return;
    }
    plot?.destroy();
    holder.replaceChildren();
    const cursor = document.createElement("p");
    cursor.className = "cursor";
    holder.append(cursor);
    const made = new uPlot(options(figure, holder, data), columns(data), (u, start) => { holder.prepend(u.root); start(); });
    drawn.set(holder, made);
    if (!plot) new ResizeObserver(() => {
      const width = holder.clientWidth;
      const now = drawn.get(holder);
      if (width > 0 && now.width !== width) now.setSize({ width, height: 170 });
    }).observe(holder);
  }

  const all = () => document.querySelectorAll("figure.plot").forEach(draw);
  new MutationObserver(all).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-plot"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const holder of document.querySelectorAll("figure.plot .live")) {
      drawn.get(holder)?.destroy();
      drawn.delete(holder);
      holder.text = "";
    }
    all();
  });
  all();
})();
