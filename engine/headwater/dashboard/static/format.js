// Numbers and times for people; what is exact is in the title.

import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Infinity],
];

export const number = (value) => NUMBER.format(Number(value));

/** "1 document", "2 documents". */
export const counted = (value, noun) =>
  `${number(value)} ${noun}${Number(value) === 1 ? "" : "s"}`;

export function bytes(value) {
  let size = Number(value);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

export function duration(seconds) {
  const value = Number(seconds);
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${Number((value * 1000).toPrecision(3))} ms`;
  return `${value.toFixed(value < 10 ? 2 : 0)} s`;
}

/** Milliseconds of a timestamp in nanoseconds, which is a text. */
export const msOf = (ts) => Number(BigInt(ts) / 1000n) / 1000;

export function exactTime(ms) {
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return String(ms);
  const two = (value, width = 2) => String(value).padStart(width, "0");
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}` +
    `.${two(date.getMilliseconds(), 3)}`
  );
}

export function relativeTime(ms) {
  let distance = (Number(ms) - Date.now()) / 1000;
  if (Math.abs(distance) < 5) return distance > 0 ? "in a moment" : "just now";
  for (const [unit, size] of STEPS) {
    if (Math.abs(distance) < size) return RELATIVE.format(Math.trunc(distance), unit);
    distance /= size;
  }
  return exactTime(ms);
}

/** A time that says how long ago it was, and exactly when on hover; it is kept up to date. */
export function time(ms, { isExact = false } = {}) {
  const date = new Date(Number(ms));
  const isGood = !Number.isNaN(date.getTime());
  return h(
    "time",
    {
      datetime: isGood ? date.toISOString() : undefined,
      title: exactTime(ms),
      class: "time",
      "data-ms": isExact ? undefined : String(Number(ms)),
    },
    isExact ? exactTime(ms) : relativeTime(ms),
  );
}

export const timeOf = (ts, options) => time(msOf(ts), options);

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-ms]")) {
    const text = relativeTime(element.dataset.ms);
    if (element.textContent !== text) element.textContent = text;
  }
}, 5000);
