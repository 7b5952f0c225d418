"use strict";
// The charts of rate and latency. `draw(element, data, kind, group)` fills an element.
const charts = (() => {
  const GUTTER = 92;
  // Of the names of faults: the height of a row, and how many there are at most.
  const ROW = 14;
  const ROWS_MAX = 8;
  const font = (pixel) => `${12 * pixel}px system-ui, "DejaVu Sans", sans-serif`;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Bins become steps: the last value is held until the end of its bin.
  const held = (values) => [...values, values[values.length - 1]];

  const latency = (seconds) => {
    if (seconds == null) return "";
    if (seconds >= 1) return `${+seconds.toPrecision(3)} s`;
    return `${+(seconds * 1000).toPrecision(3)} ms`;
  };

  // Faults shaded and named, phases marked; over the data, so that nothing hides them.
  const overlay = (data, head) => (u) => {
    const { ctx, bbox } = u;
    const pixel = uPlot.pxRatio;
    const above = (34 + head.more) * pixel;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - above, bbox.width, bbox.height + above);
    ctx.clip();
    ctx.font = font(pixel);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    const shade = colour("--shade");
    for (const fault of data.faults) {
      const left = u.valToPos(fault.from, "x", true);
      const right = Math.max(left + pixel, u.valToPos(fault.to, "x", true));
      ctx.fillStyle = `rgba(${shade}, 0.16)`;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.strokeStyle = `rgba(${shade}, 0.9)`;
      ctx.lineWidth = pixel;
      ctx.setLineDash([]);
      for (const x of [left, right]) line(ctx, x, bbox.top, bbox.top + bbox.height);
    }
    ctx.fillStyle = colour("--ink");
    for (const one of head.names) {
      const left = u.valToPos(one.from, "x", true);
      const [low, high] = [bbox.left, bbox.left + bbox.width - (one.wide + 4) * pixel];
      if (u.valToPos(one.to, "x", true) < bbox.left || left > bbox.left + bbox.width) continue;
      const x = Math.max(low, Math.min(left + 4 * pixel, high));
      ctx.fillText(one.name, x, bbox.top - (26 + one.row * ROW) * pixel);
    }
    ctx.fillStyle = colour("--dim");
    ctx.strokeStyle = colour("--dim");
    ctx.setLineDash([3 * pixel, 4 * pixel]);
    let free = -Infinity;
    for (const phase of data.phases) {
      const x = u.valToPos(phase.from, "x", true);
      if (phase.from > 0) line(ctx, x, bbox.top - 18 * pixel, bbox.top + bbox.height);
      if (x >= free) {
        ctx.fillText(phase.name, x + 4 * pixel, bbox.top - 10 * pixel);
        free = x + ctx.measureText(phase.name).width + 10 * pixel;
      }
    }
    ctx.restore();
  };

  const line = (ctx, x, top, bottom) => {
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, bottom);
    ctx.stroke();
  };

  // Names of faults, each in the lowest row above the phases that has room for it. A fault that
  // comes again is named again only where that needs no further row.
  const heading = (data, width) => {
    const ctx = document.createElement("canvas").getContext("2d");
    ctx.font = font(1);
    const named = new Set();
    const free = [];
    const found = [];
    for (const fault of [...data.faults].sort((a, b) => a.from - b.from)) {
      const wide = ctx.measureText(fault.name).width;
      const at = (fault.from / (data.end || 1)) * width + 4;
      const x = Math.max(0, Math.min(at, width - wide - 4));
      let row = free.findIndex((end) => x >= end);
      if (row < 0 && (named.has(fault.name) || free.length >= ROWS_MAX)) continue;
      if (row < 0) row = free.length;
      free[row] = x + wide + 12;
      named.add(fault.name);
      found.push({ ...fault, wide, row });
    }
    return { names: found, more: Math.max(0, free.length - 1) * ROW };
  };

  const options = (element, data, title, scales, axis, series) => {
    const width = Math.max(320, element.clientWidth);
    return sized(width, heading(data, width - GUTTER - 10), data, title, scales, axis, series);
  };

  const sized = (width, head, data, title, scales, axis, series) => ({
    width,
    height: 224 + head.more,
    padding: [38 + head.more, 10, 0, 0],
    scales: { x: { time: false, range: [0, data.end] }, ...scales },
    cursor: { sync: { key: "time" }, drag: { x: true, y: false }, points: { show: false } },
    legend: { live: true },
    hooks: { draw: [overlay(data, head)] },
    series: [{ label: "at", value: (_, v) => (v == null ? "" : `${v.toFixed(2)} s`) }, ...series],
    axes: [
      {
        label: "seconds since the start of the trial",
        labelSize: 20,
        size: 34,
        stroke: colour("--dim"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { stroke: colour("--line") },
      },
      {
        label: title,
        labelSize: 20,
        size: GUTTER - 20,
        stroke: colour("--dim"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { stroke: colour("--line") },
        ...axis,
      },
    ],
  });

  const rate = (element, data, bins) => {
    const x = bins.edges;
    const [ok, failed, unknown] = [held(bins.ok), held(bins.failed), held(bins.unknown)];
    const lost = ok.map((value, i) => value + failed[i]);
    const all = lost.map((value, i) => value + unknown[i]);
    const paths = uPlot.paths.stepped({ align: 1 });
    const stack = (label, name, own) => ({
      label,
      stroke: colour(name),
      fill: colour(name),
      width: 0.5,
      paths,
      points: { show: false },
      value: (_, __, ___, i) => (i == null ? "" : `${own[i]}/s`),
    });
    const top = Math.max(...all) * 1.08 || 1;
    return new uPlot(
      options(element, data, "calls per second", { y: { range: [0, top] } }, {}, [
        stack("unknown", "--unknown", unknown),
        stack("failed", "--failed", failed),
        stack("ok", "--ok", ok),
      ]),
      [x, all, lost, ok],
      element,
    );
  };

  const quantiles = (element, data, bins) => {
    const known = [...bins.p50, ...bins.p99].filter((value) => value > 0);
    if (!known.length) {
      element.innerHTML = '<p class="none">No call succeeded, so there is no latency.</p>';
      return null;
    }
    const low = 10 ** Math.floor(Math.log10(Math.min(...known)));
    const high = 10 ** Math.ceil(Math.log10(Math.max(...known) * 1.0001));
    const paths = uPlot.paths.stepped({ align: 1 });
    const curve = (label, name, width) => ({
      label,
      stroke: colour(name),
      width,
      paths,
      points: { show: false },
      value: (_, value) => latency(value),
    });
    const scales = { y: { distr: 3, range: [low, high] } };
    const decades = [];
    for (let at = low; at <= high * 1.001; at *= 10) decades.push(at);
    const axis = { splits: () => decades, values: (_, splits) => splits.map(latency) };
    return new uPlot(
      options(element, data, "latency (log)", scales, axis, [
        curve("p50", "--p50", 2.2),
        curve("p99", "--p99", 1.2),
      ]),
      [bins.edges, held(bins.p50), held(bins.p99)],
      element,
    );
  };

  const draw = (element, data) => {
    const bins = data.groups[Number(element.dataset.group)];
    element.replaceChildren();
    return (element.dataset.chart === "rate" ? rate : quantiles)(element, data, bins);
  };

  return { draw, heading };
})();
