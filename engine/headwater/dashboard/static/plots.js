// Plots as drawings: lines, bars and dots over time, with their newest value in words.

import { fill, h, svg } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 150;
const MARGIN = { left: 46, right: 10, top: 10, bottom: 22 };
const INNER = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };

/** A frame for a plot; `show(now, content)` draws it anew. */
export function plot(title, ...note) {
  const value = h("span", { class: "plot-value" });
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  const element = h("figure", { class: "panel plot" }, h("figcaption", {}, h("span", { class: "plot-title" }, title), value, h("span", { class: "muted plot-note" }, note)), drawing);
  return {
    element,
    show(now, content) {
      fill(value, now);
      drawing.setAttribute("aria-label", `${title}: ${now}`);
      fill(drawing, content);
    },
  };
}

/** Where values lie: from 0 to a round number at least as large as all of them. */
export function scale(values, { format = String, least = 1 } = {}) {
  const top = round(Math.max(least, ...values));
  return {
    y: (value) => MARGIN.top + INNER.height * (1 - Math.min(1, value / top)),
    ticks: [0, top / 2, top].map((value) => [value, format(value)]),
  };
}

/** The same for values of very different sizes: each step is ten times the one before. */
export function logScale(values, { format = String, least, most }) {
  const low = Math.floor(Math.log10(Math.min(least, ...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(most, ...values))));
  const ticks = [];
  for (let step = low; step <= high; step += Math.ceil((high - low) / 4)) ticks.push([10 ** step, format(10 ** step)]);
  return {
    y: (value) => MARGIN.top + INNER.height * (1 - (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)),
    ticks,
  };
}

function round(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= value);
}

/** Where times lie, both in ms. */
export function span(begin, end) {
  return (ms) => MARGIN.left + (INNER.width * (ms - begin)) / Math.max(1, end - begin);
}

/** The lines behind a plot, and what they stand for. */
export function axes({ ticks, y }, begin, end) {
  return [
    ticks.map(([value, text]) => [
      svg("line", { class: "rule", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, text),
    ]),
    svg("text", { class: "tick", x: MARGIN.left, y: HEIGHT - 5 }, agoText(end - begin)),
    svg("text", { class: "tick", x: WIDTH - MARGIN.right, y: HEIGHT - 5, "text-anchor": "end" }, "now"),
  ];
}

function agoText(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

/** Bars: pairs of a time and a value; each is as wide as the time that it counts. */
export function bars(pairs, x, { y }, widthMs, kind = "") {
  return pairs
    .filter(([, value]) => value > 0)
    .map(([ms, value]) => {
      const left = Math.max(MARGIN.left, x(ms));
      const width = Math.max(1, Math.min(WIDTH - MARGIN.right, x(ms + widthMs)) - left - 1);
      return svg("rect", { class: `bar ${kind}`, x: left, y: y(value), width, height: Math.max(0, y(0) - y(value)) });
    });
}

/** A line through pairs of a time and a value. */
export function line(pairs, x, { y }, kind = "") {
  const points = pairs.map(([ms, value]) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`);
  return points.length > 1 ? svg("polyline", { class: `line ${kind}`, points: points.join(" ") }) : null;
}

/** Dots at triples of a time, a value and a kind. */
export function dots(triples, x, { y }) {
  return triples.map(([ms, value, kind]) => svg("circle", { class: `dot ${kind}`, cx: x(ms).toFixed(1), cy: y(value).toFixed(1), r: 2.4 }));
}
