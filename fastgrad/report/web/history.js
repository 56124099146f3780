// The charts of a history. Numbers come computed, in #data; names are text, never HTML.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const LINES = ["#0072b2", "#d55e00", "#009e73", "#b0579f", "#9a7b00", "#6b8794"];
const WORSE = "#d1242f";
const last = data.commits.length - 1;
const number = (value, unit) => (unit === "seconds" || unit === "bytes" ? d3.format(".4~s")(value) : d3.format(".6~r")(value));

// The commits that the axis names: as many as fit, evenly chosen.
function ticks(width) {
  const count = Math.min(last + 1, Math.max(2, Math.floor(width / 110)));
  return [...new Set(d3.range(count).map((i) => Math.round((i * last) / Math.max(1, count - 1))))];
}

function chart(one, width) {
  const rows = one.lines.flatMap((line, i) => line.values.map(([at, value]) => ({
    at, value, name: line.name, colour: LINES[i % LINES.length],
  })));
  const told = (row) => `${row.name}\n${number(row.value, one.unit)} ${one.unit}\n` +
    `${data.commits[row.at].hash}, ${data.commits[row.at].date}`;
  return Plot.plot({
    width, height: Math.min(300, Math.max(220, width * 0.5)), marginLeft: 58, marginRight: 40, marginBottom: 42, marginTop: 26,
    x: { label: "commit", domain: [0, Math.max(1, last)], ticks: ticks(width), tickFormat: (at) => data.commits[at]?.hash ?? "" },
    y: { type: one.log ? "log" : "linear", label: one.unit, grid: true, nice: true, ticks: 5, tickFormat: (v) => number(v, one.unit) },
    marks: [
      Plot.lineY(rows, { x: "at", y: "value", z: "name", stroke: "colour", strokeWidth: 1.5 }),
      Plot.dot(rows, { x: "at", y: "value", fill: "colour", r: 2.2 }),
      Plot.dot(one.regressions, { x: "0", y: "1", r: 7, stroke: WORSE, strokeWidth: 2.5 }),
      Plot.tip(rows, Plot.pointer({ x: "at", y: "value", title: told })),
    ],
    caption: one.lines.length > LINES.length ? `${one.lines.length} lines; point at one for its name`
      : one.lines.length > 1 ? legend(one.lines) : undefined,
  });
}

function legend(lines) {
  const list = document.createElement("ul");
  list.className = "key";
  lines.forEach((line, i) => {
    const item = document.createElement("li");
    const mark = document.createElement("span");
    mark.style.background = LINES[i % LINES.length];
    item.append(mark, line.name);
    list.append(item);
  });
  return list;
}

// A chart with a heading, read as one picture with a sentence for a name; its numbers are in the table below it.
function draw(one, place) {
  const figure = document.createElement("figure");
  const drawn = chart(one, place.clientWidth);
  const svg = drawn.matches("svg") ? drawn : drawn.querySelector(":scope > svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${one.benchmark} ${one.environment}, ${one.unit}: ${one.lines.length} lines over ${last + 1} commits, ` +
    `${one.regressions.length} regressions. The table below has the numbers.`);
  if (one.environment) {
    const head = document.createElement("h3");
    head.textContent = one.environment;
    figure.append(head);
  }
  figure.append(drawn);
  place.replaceChildren(figure);
}

const drawAll = () => data.charts.forEach((one, i) => draw(one, document.getElementById(`chart${i}`)));
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
drawAll();
