// The rows of one table: filtered, in an order, live, edited and deleted.

import { act, read } from "./api.js";
import { delayed, fill, h, paced, reconcile } from "./dom.js";
import { editDocument } from "./editor.js";
import { write } from "./exact.js";
import { counted, number } from "./format.js";
import { rowKeys } from "./keys.js";
import { touches } from "./live.js";
import { committed, confirmed, failure } from "./notices.js";
import { go, rewrite } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";
import { cell, idLink } from "./values.js";

const PAGE = 50;
const LIMIT_MAX = 1000;

/** Show a table. */
export async function openTable(box, name, options) {
  const asked = {
    where: options.getAll("where"),
    search: options.get("search") ?? "",
    sort: options.get("sort") ?? "",
    order: options.get("order") ?? "desc",
    limit: PAGE,
  };
  const chosen = new Set();
  const widths = new Map();
  let columns = [];
  let found = { rows: [], table: { indexes: [] } };
  const body = h("tbody");
  const head = h("thead");
  const status = h("p", { class: "muted status", "aria-live": "polite" });
  const more = h("button", { type: "button", hidden: true, onclick: () => grow() }, "Show more");
  const nothing = h("div");
  const chips = h("ul", { class: "chips", "aria-label": "Conditions" });
  const filter = filterField((text) => addCondition(text));
  const insert = h("button", { type: "button", class: "primary", onclick: () => add() }, "New document");
  const remove = h("button", { type: "button", class: "danger", hidden: true, onclick: () => removeChosen() });
  const title = heading(name, h("div", { class: "buttons" }, remove, insert));
  const grid = h("table", { class: "grid" }, h("caption", { class: "visually-hidden" }, `Documents of ${name}`), head, body);
  fill(
    box,
    title,
    h("div", { class: "toolbar" }, filter.form, chips),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Documents of ${name}` }, grid),
    nothing,
    h("div", { class: "foot" }, status, more),
  );

  async function loadOnce() {
    try {
      found = await read("rows", { ...asked, table: name, at: state.at, limit: String(asked.limit) });
      show();
    } catch (error) {
      if (error.status === 400 && error.code === "BadRequest" && !found.table.name) {
        showNothing("Not there", error.message);
      } else failure(error);
    }
  }

  const load = paced(loadOnce);

  function showNothing(heading, text) {
    grid.hidden = true;
    more.hidden = true;
    fill(status);
    fill(nothing, empty(heading, text));
  }

  function show() {
    const { rows, table } = found;
    const isWritable = !table.isService && !table.projection && !state.at;
    insert.hidden = !isWritable;
    const names = columnsOf(rows, table);
    if (names.join("\n") !== columns.join("\n")) {
      columns = names;
      body.replaceChildren();
    }
    showHead(isWritable);
    reconcile(body, rows, {
      keyOf: (row) => row._id,
      textOf: (row) => `${isWritable} ${write(row)}`,
      build: (row, before) => rowOf(row, isWritable, before),
      changed: (element, isNew) => flash(element, isNew),
    });
    keepWidths();
    isFirst = false;
    for (const id of [...chosen]) if (!rows.some((row) => row._id === id)) chosen.delete(id);
    showChosen();
    grid.hidden = !rows.length;
    more.hidden = !found.hasMore || asked.limit >= LIMIT_MAX;
    fill(nothing, rows.length ? null : nothingText(table));
    fill(status, rows.length ? statusText() : null);
  }

  let isFirst = true;
  const flash = (element, isNew) => {
    if (!isFirst) element.classList.add(isNew ? "came" : "changed");
  };

  function nothingText(table) {
    if (asked.where.length || asked.search) {
      return empty("Nothing matches", found.isCut ? `Only the first ${number(found.lookedAt)} documents were looked at.` : "Take a condition away to see more.");
    }
    return empty(`${table.name} is empty`, state.at ? "There was nothing at that moment." : "New documents appear here by themselves.");
  }

  function statusText() {
    const parts = [`${number(found.rows.length)}${found.hasMore ? " of more" : ""} shown`];
    if (found.isCut) parts.push(`only the first ${number(found.lookedAt)} documents were looked at`);
    if (asked.limit >= LIMIT_MAX && found.hasMore) parts.push("filter to see others");
    return parts.join(" · ");
  }

  function showHead(isWritable) {
    const sortName = asked.sort || "_creationTime";
    const text = JSON.stringify([columns, sortName, asked.order, isWritable]);
    if (head.shownText === text) return;
    head.shownText = text;
    const focused = head.contains(document.activeElement) && document.activeElement.dataset.column;
    fill(
      head,
      h(
        "tr",
        {},
        isWritable && h("th", { class: "choose", scope: "col" }, h("span", { class: "visually-hidden" }, "Chosen")),
        columns.map((column) => {
          const isSorted = column === sortName;
          const direction = asked.order === "asc" ? "ascending" : "descending";
          return h(
            "th",
            { scope: "col", "aria-sort": isSorted ? direction : undefined },
            column === "_id"
              ? "_id"
              : h(
                  "button",
                  { type: "button", class: "sort", "data-column": column, onclick: () => sortBy(column) },
                  column,
                  h("span", { class: "arrow", "aria-hidden": "true" }, isSorted ? (asked.order === "asc" ? "↑" : "↓") : ""),
                ),
          );
        }),
      ),
    );
    if (focused) [...head.querySelectorAll("button")].find((one) => one.dataset.column === focused)?.focus();
  }

  /** Columns do not become narrower while rows come and go: nothing jumps under the pointer. */
  function keepWidths() {
    if (isFirst) widths.clear();
    for (const [place, th] of [...head.querySelectorAll("th")].entries()) {
      th.style.minWidth = "";
      const width = Math.max(widths.get(place) ?? 0, th.offsetWidth);
      widths.set(place, width);
      if (!isFirst) th.style.minWidth = `${width}px`;
    }
  }

  function rowOf(row, isWritable, before) {
    const hadFocus = before && before === document.activeElement;
    const made = h(
      "tr",
      { tabindex: "0", onkeydown: (event) => rowKey(event, row, isWritable), ondblclick: () => go("document", row._id) },
      isWritable &&
        h(
          "td",
          { class: "choose" },
          h("input", {
            type: "checkbox",
            "aria-label": `Choose ${row._id}`,
            checked: chosen.has(row._id),
            onchange: (event) => choose(row._id, event.target.checked),
          }),
        ),
      columns.map((column) =>
        h("td", { class: column === "_id" ? "id-cell" : undefined },
          column === "_id" ? idLink(row._id, { isShort: true }) : cell(row[column], column)),
      ),
    );
    if (hadFocus) queueMicrotask(() => made.focus());
    return made;
  }

  function rowKey(event, row, isWritable) {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter") go("document", row._id);
    else if (event.key === "e" && isWritable) editDocument(row);
    else if (event.key === "x" && isWritable) {
      const box = event.currentTarget.querySelector("input");
      box.checked = !box.checked;
      choose(row._id, box.checked);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function choose(id, isChosen) {
    if (isChosen) chosen.add(id);
    else chosen.delete(id);
    showChosen();
  }

  function showChosen() {
    remove.hidden = !chosen.size;
    remove.textContent = `Delete ${number(chosen.size)}`;
  }

  function removeChosen() {
    const ids = [...chosen];
    const what = counted(ids.length, "document");
    confirmed("Delete", `${what} of ${name} will be deleted, and what their references say. This can be undone.`, `Delete ${what}`, async () => {
      try {
        const done = await act("delete", { ids });
        committed(`${what} deleted.`, done.ts);
      } catch (error) {
        failure(error);
      }
    });
  }

  function add() {
    editDocument(null, found.table);
  }

  function sortBy(column) {
    const isSame = (asked.sort || "_creationTime") === column;
    asked.order = isSame && asked.order === "asc" ? "desc" : isSame ? "asc" : "asc";
    asked.sort = column === "_creationTime" ? "" : column;
    again();
  }

  function addCondition(text) {
    if (/^\s*[A-Za-z_][\w.]*\s*(==|!=|<=|>=|=|<|>)/.test(text)) {
      asked.where.push(text.trim());
      filter.input.value = "";
      asked.search = "";
    } else {
      asked.search = text.trim();
    }
    again();
  }

  function showChips() {
    fill(
      chips,
      asked.where.map((text, place) =>
        h("li", { class: "chip" }, h("code", {}, text),
          h("button", {
            type: "button",
            "aria-label": `Take away ${text}`,
            onclick: () => {
              asked.where.splice(place, 1);
              again();
              filter.input.focus();
            },
          }, "×")),
      ),
    );
  }

  function again() {
    asked.limit = PAGE;
    isFirst = true;
    showChips();
    rewrite({ where: asked.where, search: asked.search, sort: asked.sort, order: asked.order === "desc" ? "" : asked.order });
    return load();
  }

  function grow() {
    asked.limit = Math.min(asked.limit * 2, LIMIT_MAX);
    isFirst = true;
    return load();
  }

  filter.input.value = asked.search;
  filter.onSearch((text) => {
    asked.search = text;
    again();
  });
  showChips();
  await loadOnce();
  return {
    commits: (batch) => !state.at && touches(batch, name) && load(),
    moved: () => {
      isFirst = true;
      return load();
    },
    keys: {
      ...rowKeys(() => [...body.children]),
      "/": () => filter.input.focus(),
      n: () => !insert.hidden && add(),
    },
  };
}

/** The columns of rows: those of the type first, in its order. */
function columnsOf(rows, table) {
  const declared = Object.keys(table.schema?.value ?? {});
  const names = new Set(["_id", ...declared]);
  for (const row of rows) for (const name of Object.keys(row)) names.add(name);
  names.delete("_creationTime");
  return [...names, "_creationTime"];
}

function filterField(submit) {
  const input = h("input", {
    type: "search",
    id: "filter",
    placeholder: "Search, or author=Ada, size>=10 ⏎",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "filter-help",
  });
  const form = h(
    "form",
    { class: "filter", role: "search" },
    h("label", { for: "filter", class: "visually-hidden" }, "Search or filter"),
    input,
    h("span", { id: "filter-help", class: "visually-hidden" },
      "Text is searched for in all fields. A field, an operator and a value, followed by Enter, is a condition."),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(input.value);
  });
  return {
    form,
    input,
    onSearch(listener) {
      const later = delayed(listener, 250);
      input.addEventListener("input", () => {
        if (!/[=<>]/.test(input.value)) later(input.value.trim());
      });
    },
  };
}
