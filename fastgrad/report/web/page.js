// The charts and filters of a page. Numbers come computed, in #data; labels are text, never HTML.
// Layers run from the input, on the left, to the output. Every line has a colour of its own and its name at its end.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const MOST = 8; // lines of a chart, one for each colour
const NARROWEST = 240;
const WORSE = "#d1242f";
const line = (i) => `var(--line${i % MOST})`;
const root = () => getComputedStyle(document.documentElement);
const css = (name) => root().getPropertyValue(name).trim();
const em = () => parseFloat(root().fontSize) / 16; // a projector's letters, and margins, are larger
const number = (value) => (Number.isFinite(+value) ? (+value).toPrecision(3) : String(value));
const percent = (share) => `${Math.round(100 * share)}%`;
const power = (exponent) => "10" + [...String(Math.round(exponent))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
const finite = (values) => values.map(Number).filter(Number.isFinite);

// Blue where delta grows, red where it vanishes, the page's own shade where it stays: [-reach, reach].
function decades(reach, label, width) {
  return {
    type: "linear", domain: [-reach, reach], clamp: true, unknown: css("--bin6"), legend: true, label, width: Math.min(width, 280 * em()),
    interpolate: d3.piecewise(d3.interpolateLab, [0, 1, 2, 4, 5].map((i) => css(`--bin${i}`))),
  };
}

// The settings that all charts share.
const frame = (width, height, more) => ({
  width, height: Math.round(height * em()), marginBottom: 40 * em(), marginTop: 24 * em(), marginLeft: 52 * em(),
  style: { fontSize: `${11.5 * em()}px` }, ...more,
});

// Room for the names of lines beside a chart of this width, {margin, fits}: on a phone they may have to stand below it.
function room(lines, width) {
  const margin = 12 * em() + 7.2 * em() * Math.max(0, ...lines.map((one) => one.name.length));
  return margin <= 0.48 * width ? { margin, fits: true } : { margin: 20 * em(), fits: false };
}

// The charts below each other, with the names of their lines below them where there is no room beside them.
function named(charts, lines, fits) {
  const box = document.createElement("div");
  box.append(...charts, ...(fits ? [] : [legend(lines.map((one) => ["━", one.name, one.colour]))]));
  return box;
}

// Names at the ends of lines, {name, at, x, colour}, moved apart where two would overlap; `at` is in units of the axis.
function names(ends, low, high, height, left) {
  const gap = ((high - low) * 14) / (height - 64);
  const placed = ends.filter((end) => Number.isFinite(end.at)).sort((a, b) => a.at - b.at);
  placed.forEach((end, i) => { end.at = Math.max(Math.min(Math.max(end.at, low), high), i ? placed[i - 1].at + gap : low); });
  let top = high;
  for (const end of placed.toReversed()) {
    end.at = Math.min(end.at, top);
    top = end.at - gap;
  }
  return Plot.text(placed, {
    x: "x", y: "at", text: "name", fill: "colour", fontWeight: 600, textAnchor: left ? "end" : "start",
    dx: left ? -7 : 7, clip: false,
  });
}

// What is said of the point that is nearest to the mouse or to where the screen was touched.
const NEAREST = { maxRadius: Infinity };
const nearest = (points, x, y, title) => Plot.tip(points, Plot.pointer({ x, y, title, ...NEAREST }));

// At most MOST of the lines, evenly chosen, with their colours.
function some(lines) {
  const every = Math.max(1, lines.length / MOST);
  const kept = lines.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every)).slice(0, MOST);
  return kept.map((one, i) => ({ ...one, colour: line(one.colour ?? i) }));
}

// Ticks of an axis that counts.
const whole = (first, last) => ({ ticks: d3.ticks(first, last, 6).filter(Number.isInteger), tickFormat: "d" });
const LAYERS = "layer: input → output";
const right = { axis: "right", grid: true, tickSize: 0 }; // a tick before -0.2 would read as a second minus
const HALO = { stroke: "var(--paper)", strokeWidth: 4, fill: "var(--ink)" };

// Delta by layer over the output layer's: measured, theory dashed; below it, if asked for, what is left of the two.
function profile(chart, width) {
  const lines = some(chart.lines.filter(wanted));
  const rows = lines.flatMap((one) => one.layer.map((layer, k) => ({
    layer, name: one.name, colour: one.colour, measured: +one.measured[k], theory: +one.theory[k],
    residual: +one.residual[k], low: +one.low[k], high: +one.high[k],
  }))).filter((row) => Number.isFinite(row.measured));
  const values = finite(rows.flatMap((row) => [row.measured, row.theory]));
  const [low, high] = chart.domain ?? [Math.min(0, ...values) - 0.3, Math.max(0, ...values) + 0.3];
  const last = Math.max(2, ...rows.map((row) => row.layer));
  const { margin, fits } = room(lines, width);
  const ends = lines.map((one) => ({ name: one.name, at: +one.measured[0], x: 1, colour: one.colour }));
  const floors = chart.floors.map(([name, at]) => ({ name, at: +at })).filter((floor) => floor.at < high);
  const height = chart.residuals ? 300 : Math.min(420, (width / em()) * 0.7);
  const common = { marginLeft: margin, marginRight: 52 * em() };
  const x = { domain: [1, last], ...whole(1, last) };
  const told = (row) => `${row.name}\nlayer ${row.layer}: ${number(row.measured)} decades, theory ${number(row.theory)}`;
  const [inside, below] = [floors.filter((floor) => floor.at > low), floors.filter((floor) => floor.at <= low)];
  const above = Plot.plot(frame(width, height, {
    ...common, x: { ...x, label: chart.residuals ? null : LAYERS },
    y: { ...right, domain: [low, high], ...whole(low, high), tickFormat: power, label: "delta / output layer's delta" },
    marks: [
      Plot.ruleY(inside, { y: "at", stroke: "var(--soft)", strokeDasharray: "2 3" }),
      Plot.text(inside, { x: last, y: "at", text: "name", textAnchor: "end", dy: -7, fill: "var(--soft)" }),
      below.map((floor, i) => Plot.text([floor], {
        frameAnchor: "bottom-right", text: () => `↓ ${floor.name}: ${power(floor.at)}`, dy: -14 * em() * (below.length - 1 - i) - 3,
        ...HALO, fill: "var(--soft)",
      })),
      Plot.lineY(rows, { x: "layer", y: "measured", z: "name", stroke: "colour", strokeWidth: 3.2 }),
      Plot.lineY(rows, { x: "layer", y: "theory", z: "name", stroke: "var(--ink)", strokeWidth: 1, strokeDasharray: "5 4" }),
      fits ? names(ends, low, high, height, true) : null,
      nearest(rows, "layer", "measured", told),
    ],
  }));
  const left = chart.residuals ? [residuals(rows, lines, width, { ...common, x: { ...x, label: LAYERS } })] : [];
  return named([above, ...left], lines, fits);
}

// What is left of measured and predicted, with theory's band.
function residuals(rows, lines, width, common) {
  const spread = finite(rows.flatMap((row) => [row.residual, row.low, row.high]));
  const told = (row) => `${row.name}\nlayer ${row.layer}: ${number(row.residual)} decades from theory\nband ${number(row.low)} to ${number(row.high)}`;
  return Plot.plot(frame(width, 150, {
    ...common,
    y: { ...right, domain: spread.length ? d3.nice(Math.min(...spread), Math.max(...spread), 4) : undefined, ticks: 4, label: "measured − theory, decades" },
    marks: [
      Plot.areaY(rows, { x: "layer", y1: "low", y2: "high", z: "name", fill: "colour", fillOpacity: 0.3 / lines.length }),
      ...["low", "high"].map((end) => Plot.lineY(rows, { x: "layer", y: end, z: "name", stroke: "colour", strokeOpacity: 0.5 })),
      Plot.ruleY([0], { stroke: "var(--ink)", strokeDasharray: "5 4" }),
      Plot.lineY(rows, { x: "layer", y: "residual", z: "name", stroke: "colour", strokeWidth: 1.8 }),
      nearest(rows, "layer", "residual", told),
    ],
  }));
}

// Decades lost against the number of hidden layers; theory dashed, the healthy range shaded.
function depths(chart, width) {
  const lines = some(chart.lines.filter(wanted));
  const rows = lines.flatMap((one) => one.depth.map((depth, k) => ({
    depth, lost: +one.lost[k], theory: +one.theory[k], name: one.name, colour: one.colour,
  }))).filter((row) => Number.isFinite(row.lost));
  const [low, high] = chart.domain;
  const { margin, fits } = room(lines, width);
  const last = Math.max(...rows.map((row) => row.depth));
  const ends = lines.map((one) => ({ name: one.name, at: +one.lost.at(-1), x: one.depth.at(-1), colour: one.colour }));
  return named([Plot.plot(frame(width, 260, {
    marginRight: margin,
    x: { label: "hidden layers", domain: [0, last], ticks: [...new Set(rows.map((row) => row.depth))], tickFormat: "d" },
    y: { label: "decades of delta lost", domain: [low, high], grid: true, ticks: 6 },
    marks: [
      Plot.rect([0], { x1: 0, x2: last, y1: -chart.healthy, y2: chart.healthy, fill: "var(--soft)", fillOpacity: 0.18 }),
      Plot.lineY(rows, { x: "depth", y: "lost", z: "name", stroke: "colour", strokeWidth: 3.2 }),
      Plot.lineY(rows, { x: "depth", y: "theory", z: "name", stroke: "var(--ink)", strokeWidth: 1, strokeDasharray: "5 4" }),
      Plot.dot(rows, { x: "depth", y: "lost", fill: "colour", r: 3 * em() }),
      fits ? names(ends, low, high, 260, false) : null,
      nearest(rows, "depth", "lost", (row) => `${row.name}, depth ${row.depth}\n${number(row.lost)} decades, theory ${number(row.theory)}`),
    ],
  }))], lines, fits);
}

// Accuracy after training against decades lost before it, with intervals.
function scatter(chart, width) {
  const points = chart.points.map((point) => ({ ...point, fill: line(point.colour) }));
  const drawn = Plot.plot(frame(width, 380, {
    x: { label: "decades of delta lost before the first step", grid: true, nice: true },
    y: { label: "test accuracy after training", domain: [0, 1], grid: true, tickFormat: percent },
    marks: [
      Plot.ruleY([chart.target], { stroke: "var(--soft)", strokeDasharray: "2 3" }),
      Plot.text([chart.target], { y: (at) => at, frameAnchor: "right", text: () => "nine tenths of the best", dy: 9, textAnchor: "end", fill: "var(--soft)" }),
      Plot.ruleX(points, { x: "x", y1: "low", y2: "high", stroke: "fill", strokeWidth: 1.5, clip: true }),
      Plot.ruleY(points, { y: "y", x1: "x1", x2: "x2", stroke: "fill", strokeWidth: 1.5 }),
      Plot.dot(points, { x: "x", y: "y", symbol: "symbol", fill: "fill", stroke: "var(--paper)", r: 5.5 * em() }),
      nearest(points, "x", "y", (point) => `${point.name}\n${number(point.x)} decades lost, test accuracy ${percent(point.y)}`),
    ],
  }));
  const marks = { circle: "●", triangle: "▲", square: "■", diamond: "◆", star: "★", cross: "✚", wye: "Y" };
  const colours = new Map(points.map((point) => [point.activation, point.fill]));
  const symbols = new Map(points.map((point) => [point.init, marks[point.symbol]]));
  const box = document.createElement("div");
  box.append(drawn, legend([...colours].map(([name, fill]) => ["●", name, fill])),
    legend([...symbols].map(([name, mark]) => [mark, name, "var(--ink)"])));
  return box;
}

function legend(entries) {
  const list = document.createElement("ul");
  list.className = "key";
  for (const [mark, name, colour] of entries) {
    const item = document.createElement("li");
    const sign = document.createElement("b");
    sign.style.color = colour;
    sign.textContent = mark;
    item.append(sign, ` ${name}`);
    list.append(item);
  }
  return list;
}

// Curves over epochs or steps, a plateau shaded: lines of {name, x, y, plateau: [from, to, text] or null}.
function curves(chart, width) {
  const lines = some(chart.lines);
  const drawn = (y) => (y === "-inf" && chart.domain ? chart.domain[0] : +y); // at the lower edge
  const rows = lines.flatMap((one) => one.x.map((x, k) => ({ x, y: drawn(one.y[k]), told: one.y[k], name: one.name, colour: one.colour })))
    .filter((row) => Number.isFinite(row.y) && (!chart.log || row.y > 0));
  const scale = chart.log ? Math.log10 : (value) => value;
  const values = rows.map((row) => row.y);
  const [low, high] = chart.domain ?? [Math.min(...values), Math.max(...values) * (chart.log ? 1.1 : 1.02)];
  const ends = lines.map((one) => ({ name: one.name, at: scale(drawn(one.y.at(-1))), x: one.x.at(-1), colour: one.colour }));
  const texts = names(ends, scale(low), scale(high), 250, false);
  ends.forEach((end) => { end.at = chart.log ? 10 ** end.at : end.at; });
  const flat = lines.filter((one) => one.plateau).map((one) => ({ x1: one.plateau[0], x2: one.plateau[1], text: one.plateau[2], colour: one.colour, y: +one.y.at(-1) }));
  const { margin, fits } = room(lines, width);
  const last = Math.max(1, ...rows.map((row) => row.x));
  return named([Plot.plot(frame(width, 250, {
    marginRight: margin,
    x: { label: chart.x, domain: [0, last], ...whole(0, last) },
    y: { type: chart.log ? "log" : "linear", label: chart.y, domain: [low, high], grid: true, ticks: 5, tickFormat: chart.share ? percent : "~g" },
    marks: [
      Plot.rect(flat, { x1: "x1", x2: "x2", y1: low, y2: high, fill: "colour", fillOpacity: 0.16 }),
      Plot.text(flat, { x: (one) => (one.x1 + one.x2) / 2, y: "y", text: "text", fill: "colour", dy: 14, fontWeight: 600 }),
      Plot.lineY(rows, { x: "x", y: "y", z: "name", stroke: "colour", strokeWidth: 2.2 }),
      Plot.dot(rows, { x: "x", y: "y", fill: "colour", r: rows.length > 3 * lines.length ? 0 : 3 * em() }), // few make no line
      fits ? texts : null,
      nearest(rows, "x", "y", (row) => `${row.name}\n${chart.x} ${row.x}: ${number(row.told)}`),
    ],
  }))], lines, fits);
}

// What each layer has at each reading, from the input on the left, steps downwards: rows of {step, values}.
function heat(chart, width) {
  const cells = chart.rows.flatMap((row, i) => row.values.map((value, k) => ({
    x1: chart.layer[k] - 0.5, x2: (chart.layer[k + 1] ?? chart.layer.at(-1) + 1) - 0.5, y1: i, y2: i + 1,
    step: row.step, layer: chart.layer[k], value: +value,
  })));
  const every = Math.max(1, Math.ceil(chart.rows.length / 8));
  const last = Math.max(...cells.map((cell) => cell.x2));
  return Plot.plot(frame(width, 260, {
    x: { label: "hidden layer: input → output", domain: [0.5, last], ...whole(1, last) },
    y: { label: "step", reverse: true, domain: [0, chart.rows.length], ticks: d3.range(0, chart.rows.length, every).map((i) => i + 0.5), tickFormat: (at) => String(chart.rows[Math.floor(at)]?.step ?? "") },
    color: decades(chart.reach, chart.unit, width),
    marks: [Plot.rect(cells, {
      x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "value", inset: -0.3, tip: NEAREST,
      title: (cell) => `step ${cell.step}, layer ${cell.layer}\n${number(cell.value)} ${chart.unit}`,
    })],
  }));
}

// The edges of a tile around each value of a sorted axis: halfway to its neighbours.
function edges(values) {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const half = sorted.slice(1).map((value, i) => (value + sorted[i]) / 2);
  const first = sorted[0] - (sorted.length > 1 ? half[0] - sorted[0] : 0.5);
  const last = sorted.at(-1) + (sorted.length > 1 ? sorted.at(-1) - half.at(-1) : 0.5);
  const all = [first, ...half, last];
  return new Map(sorted.map((value, i) => [value, [all[i], all[i + 1]]]));
}

function tiles(points, fill, title) {
  const x = edges(points.map((p) => p[0]));
  const y = edges(points.map((p) => p[1]));
  return Plot.rect(points, {
    x1: (p) => x.get(p[0])[0], x2: (p) => x.get(p[0])[1],
    y1: (p) => y.get(p[1])[0], y2: (p) => y.get(p[1])[1],
    fill, title, tip: NEAREST, inset: -0.3,
  });
}

const border = (points) => [
  Plot.line(points, { stroke: "var(--paper)", strokeWidth: 5, clip: true }),
  Plot.line(points, { stroke: "var(--ink)", strokeWidth: 2.2, clip: true }),
];

// [weight variance, bias variance, decades per layer, predicted], and where known initialisations are.
function phase(found, width) {
  const values = finite(found.points.map((p) => Math.abs(p[2])));
  const reach = Math.min(Math.max(...values, 0.01), 0.5);
  const x = [...edges(found.points.map((p) => p[0])).values()].flat();
  const y = [...edges(found.points.map((p) => p[1])).values()].flat();
  const [left, right, bottom, top] = [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
  const inside = (p) => p[0] >= left && p[0] <= right && p[1] >= bottom && p[1] <= top;
  const presets = found.presets.map(([name, ...p]) => [...p, name]);
  const away = presets.filter((p) => !inside(p)).map((p) => `${p[2]} (${number(p[0])}, ${number(p[1])})`);
  const step = ((top - bottom) * 17) / (Math.min(360, (width / em()) * 0.75) - 64);
  const type = right > 20 ? "sqrt" : "linear"; // sigmoid's critical line is far from the initialisations
  const ticks = type === "sqrt" ? d3.ticks(0, Math.sqrt(right), 5).map((root) => root ** 2) : 5;
  const place = (type === "sqrt" ? d3.scaleSqrt : d3.scaleLinear)([left, right], [0, width - 72 * em()]);
  const here = presets.filter(inside).sort((a, b) => a[0] - b[0]).map((p, i, all) => ({
    x: p[0], y: p[1], name: p[2], at: p[1] + step * (1.2 + (all.length - 1 - i)), right: place(p[0]) + 7 * em() * p[2].length > width - 60 * em(),
  }));
  return Plot.plot(frame(width, Math.min(360, (width / em()) * 0.75), {
    x: { label: "σ_w², variance of weights × fan-in", domain: [left, right], type, ticks },
    y: { label: "σ_b², variance of biases", domain: [bottom, top] },
    color: decades(reach, "decades of delta lost per layer", width),
    caption: away.length ? `Outside, at (σ_w², σ_b²): ${away.join(", ")}.` : undefined,
    marks: [
      tiles(found.points, (p) => +p[2], (p) => `σ_w² ${number(p[0])}, σ_b² ${number(p[1])}\n` +
        `${number(p[2])} decades per layer\n${number(p[3])} by theory`),
      ...border(found.line.filter(inside)),
      Plot.dot(found.crossings, { x: "0", y: "1", r: 5, stroke: "var(--ink)", strokeWidth: 2, fill: "var(--paper)" }),
      Plot.ruleX(here, { x: "x", y1: "y", y2: "at", stroke: "var(--ink)" }),
      Plot.dot(here, { x: "x", y: "y", r: 6, symbol: "diamond", fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 1.5 }),
      ...[false, true].map((right) => Plot.text(here.filter((p) => p.right === right), {
        x: "x", y: "at", text: "name", dx: right ? -4 : 4, textAnchor: right ? "end" : "start", fontWeight: 600, ...HALO,
      })),
    ],
  }));
}

// [weight variance, depth, decades lost, bin]
function depthMap(found, width) {
  const x = [...edges(found.points.map((p) => p[0])).values()].flat();
  const y = [...edges(found.points.map((p) => p[1])).values()].flat();
  return Plot.plot(frame(width, Math.min(320, (width / em()) * 0.7), {
    x: { label: "σ_w², variance of weights × fan-in", domain: [Math.min(...x), Math.max(...x)] },
    y: { label: "hidden layers", domain: [Math.min(...y), Math.max(...y)] },
    marks: [
      tiles(found.points, (p) => `var(--bin${p[3]})`, (p) => `σ_w² ${number(p[0])}, depth ${p[1]}\n${number(p[2])} decades lost`),
      ...border(found.line),
    ],
  }));
}

// Measurements over commits; lines of [commit, value].
function measured(chart, width) {
  const commits = data.commits;
  const last = commits.length - 1;
  const scaled = (value) => (["seconds", "bytes"].includes(chart.unit) ? d3.format(".4~s")(value) : d3.format(".6~r")(value));
  const lines = some(chart.lines);
  const rows = lines.flatMap((one) => one.values.map(([at, value]) => ({ at, value, name: one.name, colour: one.colour })));
  const values = rows.map((row) => row.value);
  const scale = chart.log ? Math.log10 : (value) => value;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || Math.abs(high) || 1) * 0.04;
  const domain = chart.log ? [low * 0.9, high * 1.1] : [low - pad, high + pad];
  const ends = lines.map((one) => ({ name: one.name, at: scale(one.values.at(-1)[1]), x: last, colour: one.colour }));
  const texts = names(ends, scale(domain[0]), scale(domain[1]), 280, false);
  ends.forEach((end) => { end.at = chart.log ? 10 ** end.at : end.at; });
  const count = Math.min(last + 1, Math.max(2, Math.floor(width / 130)));
  const ticks = [...new Set(d3.range(count).map((i) => Math.round((i * last) / Math.max(1, count - 1))))];
  const told = (row) => `${row.name}\n${scaled(row.value)} ${chart.unit}\n${commits[row.at].hash}, ${commits[row.at].date}`;
  const { margin, fits } = room(lines, width);
  return named([Plot.plot(frame(width, 280, {
    marginRight: margin, marginLeft: 60 * em(),
    x: { label: "commit", domain: [0, Math.max(1, last)], ticks, tickFormat: (at) => commits[at]?.hash ?? "" },
    y: { type: chart.log ? "log" : "linear", label: chart.unit, domain, grid: true, ticks: 5, tickFormat: scaled },
    caption: chart.lines.length > MOST ? `${MOST} of ${chart.lines.length} lines, evenly chosen; all are in the table` : undefined,
    marks: [
      Plot.lineY(rows, { x: "at", y: "value", z: "name", stroke: "colour", strokeWidth: 1.5 }),
      Plot.dot(rows, { x: "at", y: "value", fill: "colour", r: 2.2 }),
      Plot.dot(chart.regressions, { x: "0", y: "1", r: 7, stroke: WORSE, strokeWidth: 2.5 }),
      fits ? texts : null,
      nearest(rows, "at", "value", told),
    ],
  }))], lines, fits);
}

const KINDS = { profile, depths, scatter, curves, heat, phase, depthMap, measured };

// Filters: what is chosen of each kind; without boxes of a kind everything is.
const boxes = (kind) => [...document.querySelectorAll(`input[data-filter="${kind}"]`)];
const chosen = (kind) => new Set(boxes(kind).filter((box) => box.checked).map((box) => box.value));
const passes = (kind, value) => value === undefined || !boxes(kind).length || chosen(kind).has(String(value));
const wanted = (one) => passes("name", one.name) && (Array.isArray(one.depth) || passes("depth", one.depth));

function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const chart = data.charts[place.dataset.chart];
    place.hidden = !passes("activation", chart.activation) || (chart.lines?.length > 0 && !chart.lines.some(wanted));
    if (place.hidden) continue;
    const box = place.querySelector(":scope > div");
    const width = box.clientWidth || document.querySelector("main").clientWidth - 32;
    const drawn = KINDS[chart.kind](chart, Math.max(width, NARROWEST)); // a window may not have its size yet
    const pictures = drawn.matches("svg") ? [drawn] : [...drawn.querySelectorAll(":scope > svg, :scope > figure > svg")];
    const picture = drawn.matches("figure") ? pictures.at(-1) : pictures[0]; // Plot puts a legend before the chart
    pictures.forEach((other) => other !== picture && other.setAttribute("aria-hidden", "true"));
    drawn.querySelectorAll("g[aria-label]").forEach((mark) => mark.setAttribute("role", "group")); // what may have a name
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", chart.alternative);
    box.replaceChildren(drawn);
  }
}

function filter() {
  let shown = 0;
  let all = 0;
  const known = { name: new Set(boxes("name").map((box) => box.value)), activation: new Set(boxes("activation").map((box) => box.value)) };
  const [names, activations] = [chosen("name"), chosen("activation")];
  for (const body of document.querySelectorAll(".filtered tbody")) {
    const group = body.dataset.group;
    body.hidden = known.activation.has(group) && !activations.has(group);
    for (const row of body.querySelectorAll("tr[data-name]")) {
      const name = row.dataset.name;
      const off = (known.name.has(name) && !names.has(name)) || (known.activation.has(name) && !activations.has(name));
      row.hidden = off;
      if (row.closest("table.heat")) {
        all += 1;
        shown += off || body.hidden ? 0 : 1;
      }
    }
  }
  const status = document.getElementById("status");
  if (status) status.textContent = `${shown} of ${all} rows are shown.`;
  draw();
}

document.addEventListener("change", (event) => event.target.matches("input[data-filter]") && filter());
document.addEventListener("click", (event) => {
  const { all, none } = event.target.dataset;
  if (all || none) {
    boxes(all || none).forEach((box) => { box.checked = Boolean(all); });
    filter();
  }
});
let last = innerWidth;
addEventListener("resize", () => { if (innerWidth !== last) { last = innerWidth; draw(); } });
for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", draw); // colours of tiles
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
filter();
