// The charts and filters of a sweep's page. Numbers come computed, in #data; labels are text, never HTML.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const LINES = ["#0072b2", "#d55e00", "#009e73", "#b0579f", "#9a7b00", "#6b8794"];
const INK = "#10161c"; // on tiles, which are the same in light and dark
const HALO = { stroke: "#ffffff", strokeWidth: 3, fill: INK };
const boxes = (kind) => [...document.querySelectorAll(`input[data-filter="${kind}"]`)];
const chosen = (kind) => new Set(boxes(kind).filter((box) => box.checked).map((box) => box.value));
const number = (value) => (Number.isFinite(+value) ? (+value).toPrecision(3) : String(value));

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
    fill, title, tip: true, inset: 0,
  });
}

// [weight variance, bias variance, decades per layer, predicted]
function diagram(found, width) {
  const finite = found.points.map((p) => Math.abs(+p[2])).filter(Number.isFinite);
  const reach = Math.min(Math.max(...finite, 0.01), 0.5);
  const x = [...edges(found.points.map((p) => p[0])).values()].flat();
  const y = [...edges(found.points.map((p) => p[1])).values()].flat();
  const [left, right, bottom, top] = [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
  const inside = (p) => p[0] >= left && p[0] <= right && p[1] >= bottom && p[1] <= top;
  const named = found.presets.map(([name, ...p]) => [...p, name]);
  const presets = named.filter(inside);
  const away = named.filter((p) => !inside(p)).map((p) => `${p[2]} (${number(p[0])}, ${number(p[1])})`);
  return Plot.plot({
    width, height: Math.min(360, width * 0.75), marginLeft: 52, marginBottom: 42,
    x: { label: "σ_w², variance of weights × fan-in", domain: [left, right] },
    y: { label: "σ_b², variance of biases", domain: [bottom, top] },
    color: {
      type: "diverging", scheme: "RdBu", reverse: true, domain: [-reach, reach], clamp: true, legend: true,
      label: "decades of delta lost per layer", width: Math.min(width, 240),
    },
    caption: away.length ? `Outside, at (σ_w², σ_b²): ${away.join(", ")}.` : undefined,
    marks: [
      tiles(found.points, (p) => +p[2], (p) => `σ_w² ${number(p[0])}, σ_b² ${number(p[1])}\n` +
        `${number(p[2])} decades per layer\n${number(p[3])} by theory`),
      Plot.line(found.line.filter(inside), { stroke: "#ffffff", strokeWidth: 5 }),
      Plot.line(found.line.filter(inside), { stroke: INK, strokeWidth: 2.2 }),
      Plot.dot(found.crossings, { x: "0", y: "1", r: 5, stroke: INK, strokeWidth: 2, fill: "#ffffff" }),
      Plot.dot(presets, { x: "0", y: "1", r: 6, symbol: "diamond", fill: INK, stroke: "#ffffff", strokeWidth: 1.5 }),
      Plot.text(presets, {
        x: "0", y: "1", text: "2", dx: 6, dy: -8, textAnchor: "start", rotate: -28, fontWeight: 600, ...HALO,
      }),
    ],
  });
}

// [weight variance, depth, decades lost, bin]
function depthMap(found, width) {
  const x = [...edges(found.points.map((p) => p[0])).values()].flat();
  const y = [...edges(found.points.map((p) => p[1])).values()].flat();
  return Plot.plot({
    width, height: Math.min(320, width * 0.7), marginLeft: 52, marginBottom: 42,
    x: { label: "σ_w², variance of weights × fan-in", domain: [Math.min(...x), Math.max(...x)] },
    y: { label: "hidden layers", domain: [Math.min(...y), Math.max(...y)] },
    marks: [
      tiles(found.points, (p) => data.bins[p[3]][2], (p) => `σ_w² ${number(p[0])}, depth ${p[1]}\n` +
        `${number(p[2])} decades lost: ${data.bins[p[3]][1]}`),
      Plot.line(found.line, { stroke: "#ffffff", strokeWidth: 5, clip: true }),
      Plot.line(found.line, { stroke: INK, strokeWidth: 2.2, clip: true }),
    ],
  });
}

// Of one activation: a line for each network, layers from the output to the input.
function profile(found, width) {
  const rows = found.flatMap((one, i) => one.layer.map((layer, k) => ({
    layer, name: one.name, measured: +one.measured[k], theory: +one.theory[k], low: +one.low[k], high: +one.high[k],
    colour: LINES[i % LINES.length],
  }))).filter((row) => Number.isFinite(row.measured));
  const ends = found.length <= 6 ? found.map((one, i) => ({ ...one, colour: LINES[i % LINES.length] })) : [];
  const bands = found.length <= 6 ? rows : [];
  return Plot.plot({
    width, height: Math.min(320, width * 0.7), marginLeft: 52, marginBottom: 42, marginTop: 26,
    x: { label: "layer: output → input", reverse: true },
    y: { label: "log10 of delta over the output's", grid: true, nice: true },
    marks: [
      Plot.areaY(bands, { x: "layer", y1: "low", y2: "high", z: "name", fill: "colour", fillOpacity: 0.18 }),
      Plot.lineY(rows, { x: "layer", y: "theory", z: "name", stroke: "colour", strokeDasharray: "5 4" }),
      Plot.lineY(rows, { x: "layer", y: "measured", z: "name", stroke: "colour", strokeWidth: 2 }),
      Plot.dot(rows, Plot.pointer({ x: "layer", y: "measured", fill: "colour", r: 4 })),
      Plot.tip(rows, Plot.pointer({
        x: "layer", y: "measured",
        title: (row) => `${row.name}\nlayer ${row.layer}: 10^${number(row.measured)}, theory 10^${number(row.theory)}`,
      })),
    ],
    caption: ends.length ? legend(ends) : `${found.length} networks; point at a line for its name`,
  });
}

function legend(lines) {
  const list = document.createElement("ul");
  list.className = "key";
  for (const line of lines) {
    const item = document.createElement("li");
    const mark = document.createElement("span");
    mark.style.background = line.colour;
    item.append(mark, `${line.name}, depth ${line.depth}`);
    list.append(item);
  }
  return list;
}

// A chart with a heading, read as one picture with a sentence for a name.
function figure(title, sentence, chart) {
  const box = document.createElement("figure");
  const head = document.createElement("h3");
  head.textContent = title;
  const svg = chart.tagName.toLowerCase() === "svg" ? chart : [...chart.querySelectorAll(":scope > svg")].at(-1);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}. ${sentence}`);
  box.append(head, chart);
  return box;
}

function drawInto(id, items) {
  const place = document.getElementById(id);
  place.replaceChildren(...items.map((item) => item()));
  place.closest("section").hidden = data[id].length === 0;
}

function chartWidth(id) {
  const place = document.getElementById(id);
  const available = place.clientWidth || document.querySelector("main").clientWidth - 32;
  const columns = Math.max(1, Math.floor((available + 22) / (432 + 22)));
  return Math.floor((available - 22 * (columns - 1)) / columns);
}

function draw() {
  const activations = chosen("activation");
  const names = chosen("name");
  const wanted = (one) => activations.has(one.activation);
  drawInto("diagrams", data.diagrams.filter(wanted).map((one) => () => figure(
    `${one.activation}, ${one.setting}`,
    `Phase diagram of ${one.points.length} networks; ${one.crossings.length} measured points of the critical line, in the table below.`,
    diagram(one, chartWidth("diagrams")))));
  drawInto("maps", data.maps.filter(wanted).map((one) => () => figure(
    `${one.activation}, ${one.setting}`, `Decades lost of ${one.points.length} networks over weights' variance and depth.`,
    depthMap(one, chartWidth("maps")))));
  const kept = data.profiles.filter((one) => wanted(one) && names.has(one.name));
  drawInto("profiles", [...d3.group(kept, (one) => one.activation)].map(([activation, found]) => () => figure(
    activation, `Delta against depth of ${found.length} networks, measured and predicted; their numbers are in the tables below.`,
    profile(found, chartWidth("profiles")))));
}

function filter() {
  const activations = chosen("activation");
  const names = chosen("name");
  const known = new Set(boxes("name").map((box) => box.value));
  const knownActivations = new Set(boxes("activation").map((box) => box.value));
  let shown = 0;
  let all = 0;
  for (const body of document.querySelectorAll(".filtered tbody")) {
    const group = body.dataset.group;
    body.hidden = group !== "" && !activations.has(group);
    for (const row of body.querySelectorAll("tr[data-name]")) {
      const name = row.dataset.name;
      const off = (known.has(name) && !names.has(name)) || (knownActivations.has(name) && !activations.has(name));
      row.hidden = off;
      if (row.closest("table.heat")) {
        all += 1;
        shown += off || body.hidden ? 0 : 1;
      }
    }
  }
  document.getElementById("status").textContent = `${shown} of ${all} rows are shown.`;
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
filter();
