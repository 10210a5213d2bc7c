// Values as people read them: in a cell, in a tree, and side by side.

import { h } from "./dom.js";
import { Exact, same, write } from "./exact.js";
import { bytes, counted, exactTime, time } from "./format.js";
import { link } from "./router.js";
import { tableOfId } from "./state.js";

const CELL_CHARACTERS = 120;
const TIME_NAME = /(time|date|created|updated|started|completed|expires|due|^at|_at|At|until)$/i;
const TIME_MS = [1e12, 5e12];

const isNumber = (value) => typeof value === "number" || value instanceof Exact;

/** What an object of one member that begins with a dollar stands for. */
function special(value) {
  if (value === null || typeof value !== "object" || value instanceof Exact) return undefined;
  const names = Object.keys(value);
  if (names.length !== 1 || typeof value[names[0]] !== "string") return undefined;
  const text = value[names[0]];
  if (names[0] === "$bytes") {
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    return { kind: "bytes", text: bytes((text.length * 3) / 4 - padding) };
  }
  if (names[0] !== "$integer" && names[0] !== "$float") return undefined;
  try {
    const view = new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const isInteger = names[0] === "$integer";
    const number = isInteger ? `${view.getBigInt64(0, true)}n` : view.getFloat64(0, true);
    return { kind: "number", text: String(number) };
  } catch {
    return undefined;
  }
}

/** A link to a document. */
export function idLink(id, { isShort = false } = {}) {
  const shown = isShort ? `${id.slice(0, 6)}…${id.slice(-4)}` : id;
  return h("a", { href: link("document", id), class: "id", title: id }, shown);
}

/** One value in one line. */
export function cell(value, name = "") {
  if (value === undefined) return h("span", { class: "absent", title: "no such field" }, "–");
  if (value === null) return h("span", { class: "value-null" }, "null");
  if (typeof value === "boolean") return h("span", { class: "value-boolean" }, String(value));
  if (isNumber(value)) return numberOf(value, name);
  if (typeof value === "string") return textOf(value);
  const found = special(value);
  if (found) return h("span", { class: `value-${found.kind}` }, found.text);
  const text = write(value);
  const shown = text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text;
  return h("code", { class: "value-json", title: text.slice(0, 2000) }, shown);
}

function numberOf(value, name) {
  const ms = Number(value);
  if (TIME_NAME.test(name) && ms > TIME_MS[0] && ms < TIME_MS[1]) return time(ms);
  return h("span", { class: "value-number" }, String(value));
}

function textOf(text) {
  if (tableOfId(text)) return idLink(text, { isShort: true });
  if (!text) return h("span", { class: "value-null" }, '""');
  const shown = text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text;
  return h("span", { class: "value-text", title: text.length > 40 ? text : undefined }, shown);
}

/** A value as a tree whose parts fold. */
export function tree(value, name = "", depth = 0) {
  const isTree = value !== null && typeof value === "object" && !(value instanceof Exact);
  if (!isTree || special(value)) {
    return h("div", { class: "leaf" }, label(name), whole(value, name));
  }
  const isList = Array.isArray(value);
  const members = Object.entries(value);
  const hint = counted(members.length, isList ? "item" : "field");
  if (!members.length) {
    return h("div", { class: "leaf" }, label(name), h("code", {}, isList ? "[]" : "{}"));
  }
  const open = depth < 2 && members.length <= 40;
  return h(
    "details",
    { class: "branch", open },
    h("summary", {}, label(name), h("span", { class: "muted" }, hint)),
    h("div", { class: "members" }, members.map(([key, item]) => tree(item, key, depth + 1))),
  );
}

function label(name) {
  return name === "" ? null : h("span", { class: "field" }, name);
}

/** A value without abbreviations. */
function whole(value, name) {
  if (typeof value === "string") {
    if (tableOfId(value)) return idLink(value);
    return h("span", { class: "value-text long" }, value === "" ? '""' : value);
  }
  const found = cell(value, name);
  if (found.tagName === "TIME") {
    return h("span", {}, found, h("span", { class: "muted" }, ` ${exactTime(value)}`));
  }
  return found;
}

/** Fields that differ, old above new. */
export function differences(changed) {
  const rows = Object.entries(changed);
  if (!rows.length) return h("p", { class: "muted" }, "No field differs.");
  return h(
    "dl",
    { class: "diff" },
    rows.map(([name, pair]) => [
      h("dt", {}, name),
      h(
        "dd",
        {},
        "old" in pair && h("del", { "aria-label": "before" }, side(pair.old)),
        "new" in pair && h("ins", { "aria-label": "after" }, side(pair.new)),
      ),
    ]),
  );
}

function side(value) {
  if (typeof value === "string") return value === "" ? '""' : value;
  return write(value, JSON.stringify(value)?.length > 60 ? 2 : 0);
}

/** Which fields of two documents differ. */
export function changedFields(old, fresh) {
  const changed = Object.create(null); // a field may have any name
  for (const name of new Set([...Object.keys(old ?? {}), ...Object.keys(fresh ?? {})])) {
    const [a, b] = [old?.[name], fresh?.[name]];
    if (same(a, b)) continue;
    changed[name] = {};
    if (a !== undefined) changed[name].old = a;
    if (b !== undefined) changed[name].new = b;
  }
  return changed;
}
