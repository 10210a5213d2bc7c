// What the whole page knows: the tables, and the moment that it looks at.

import { read } from "./api.js";

const listeners = new Set();

export const state = {
  /** The timestamp that is looked at, as text; empty for now. */
  at: "",
  /** By name. */
  tables: new Map(),
};

/** Tell somebody when the page looks at another moment. */
export function onMoment(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setMoment(at) {
  if (at === state.at) return;
  state.at = at;
  for (const listener of listeners) listener();
}

/** Read the tables of the moment that is looked at. */
export async function loadTables() {
  const found = await read("tables", { at: state.at });
  state.tables = new Map(found.tables.map((table) => [table.name, table]));
  return found.tables;
}

const ID = /^[0-9a-hjkmnp-tv-z]{31,37}$/;

/** The table that a text is an id of, if it is one. */
export function tableOfId(text) {
  if (typeof text !== "string" || !ID.test(text)) return undefined;
  for (const table of state.tables.values()) {
    if (text >= table.idLow && text < table.idHigh) return table.name;
  }
  return undefined;
}
