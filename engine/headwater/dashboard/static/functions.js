// Functions: find one, fill in its form, run it, and keep a query live.

import { act, connect, read } from "./api.js";
import { fill, h } from "./dom.js";
import { parse, write } from "./exact.js";
import { duration, number, timeOf } from "./format.js";
import { jsonInput, objectForm, typeText } from "./form.js";
import { rowKeys } from "./keys.js";
import { go, link } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";
import { tree } from "./values.js";

export async function open(box, { subject }) {
  const { functions } = await read("functions");
  if (!subject) return openList(box, functions);
  const found = functions.find((one) => one.path === subject);
  if (!found) {
    fill(box, heading("Functions"), empty("No such function", `No opened module has ${subject}.`));
    return {};
  }
  return openFunction(box, found);
}

function openList(box, declared) {
  let functions = declared;
  const search = h("input", { type: "search", id: "filter", placeholder: "Find a function", autocomplete: "off", spellcheck: "false" });
  const list = h("div");
  fill(
    box,
    heading("Functions"),
    h("form", { class: "toolbar", role: "search", onsubmit: openFirst }, h("label", { for: "filter", class: "visually-hidden" }, "Find a function"), search),
    list,
  );
  const matching = () => functions.filter((one) => one.path.toLowerCase().includes(search.value.trim().toLowerCase()));
  function openFirst(event) {
    event.preventDefault();
    const [first] = matching();
    if (first) go("functions", first.path);
  }
  function show() {
    const found = matching();
    const modules = Map.groupBy?.(found, (one) => one.path.split(":")[0]) ?? grouped(found);
    fill(
      list,
      found.length ? null : empty("No functions", functions.length ? "No path has that in it." : "The database was opened without modules."),
      [...modules].map(([module, members]) =>
        h("section", { "aria-label": module }, h("h2", {}, module), h("ul", { class: "function-list" }, members.map(functionItem))),
      ),
    );
  }
  search.addEventListener("input", show);
  show();
  return {
    // The server may have taken over changed modules.
    commits: async (batch) => {
      if (!batch.isCut) return;
      const found = await read("functions");
      if (write(found.functions) === write(functions)) return;
      functions = found.functions;
      show();
    },
    keys: { ...rowKeys(() => [...list.querySelectorAll("a[data-key]")]), "/": () => search.focus() },
  };
}

function grouped(functions) {
  const modules = new Map();
  for (const one of functions) {
    const module = one.path.split(":")[0];
    modules.set(module, [...(modules.get(module) ?? []), one]);
  }
  return modules;
}

function functionItem(one) {
  const names = Object.entries(one.arguments.value).map(([name, field]) => `${name}${field.optional ? "?" : ""}`);
  return h(
    "li",
    {},
    h(
      "a",
      { href: link("functions", one.path), "data-key": one.path, class: "function-item" },
      h("span", { class: `badge kind-${one.kind}` }, one.kind),
      h("span", { class: "function-path" }, one.path.split(":")[1] ?? "default", h("span", { class: "muted" }, `(${names.join(", ")})`)),
      one.isInternal && h("span", { class: "badge" }, "internal"),
      h("span", { class: "muted doc" }, one.doc.split("\n")[0]),
    ),
  );
}

function openFunction(box, found) {
  let form = objectForm(found.arguments, found.defaults);
  let isJson = false;
  let isLost = false;
  let socket;
  const isQuery = found.kind === "query";
  const holder = h("div");
  const subject = h("input", { id: "subject", autocomplete: "off", placeholder: "nobody" });
  const live = h("input", { type: "checkbox", id: "live", checked: isQuery });
  const run = h("button", { type: "submit", class: "primary" }, "Run");
  const asJson = h("button", { type: "button", class: "quiet", onclick: switchForm }, "As JSON");
  const problem = h("p", { class: "problem", role: "alert" });
  const result = h("div", { class: "result" }, empty("Not run yet", "Ctrl+Enter runs it."));
  const stateText = h("span", { class: "muted", role: "status" });
  const made = h(
    "form",
    { class: "panel function-form", "aria-labelledby": "arguments-title", novalidate: true },
    h("div", { class: "panel-head" }, h("h2", { id: "arguments-title" }, "Arguments"), asJson),
    holder,
    problem,
    h("div", { class: "field" }, h("label", { for: "subject" }, "Call as ", h("span", { class: "muted" }, "subject of the identity")), subject),
    h("div", { class: "buttons" }, isQuery && h("label", { class: "check" }, live, " live"), run),
  );
  const showForm = () => fill(holder, Object.keys(found.arguments.value).length ? form.element : h("p", { class: "muted" }, "It takes none."));
  showForm();

  function switchForm() {
    let given = {};
    try {
      given = form.value();
    } catch {
      given = found.defaults;
    }
    isJson = !isJson;
    form = isJson ? jsonInput({ id: "arguments", "aria-label": "Arguments as JSON" }, given) : objectForm(found.arguments, given);
    asJson.textContent = isJson ? "As a form" : "As JSON";
    if (isJson) fill(holder, form.element);
    else showForm();
  }

  function asked() {
    fill(problem);
    try {
      const who = subject.value.trim();
      return { path: found.path, arguments: write(form.value()), identity: who ? write({ subject: who }) : "" };
    } catch (error) {
      fill(problem, error.message || "Some arguments are not right.");
      return null;
    }
  }

  async function start() {
    const facts = asked();
    socket?.close();
    if (!facts) return;
    if (isQuery && live.checked && !state.at) return watch(facts);
    run.disabled = true;
    fill(stateText, "running …");
    try {
      showOutcome(await act("run", { ...facts, at: isQuery ? state.at : "" }));
    } catch (error) {
      fill(problem, error.message);
      fill(stateText);
    } finally {
      run.disabled = false;
    }
  }

  function watch(facts) {
    let count = 0;
    isLost = false;
    socket = connect({ ...facts, follow: "query" });
    const mine = socket;
    fill(stateText, "waiting …");
    mine.addEventListener("message", ({ data }) => {
      if (mine !== socket) return;
      const outcome = parse(data);
      if (outcome.refused) {
        fill(problem, outcome.message);
        fill(stateText);
        return;
      }
      count += 1;
      showOutcome(outcome, ["live · ", `result ${number(count)} · `, timeOf(outcome.ts)]);
      if (count > 1) result.classList.add("changed");
      setTimeout(() => result.classList.remove("changed"), 900);
    });
    mine.addEventListener("close", () => {
      if (mine !== socket) return;
      isLost = true;
      fill(stateText, "not live any more");
    });
  }

  function showOutcome(outcome, text) {
    const shown = [];
    if ("value" in outcome) shown.push(outcome.value === null ? h("p", {}, h("span", { class: "value-null" }, "null")) : tree(outcome.value));
    else {
      shown.push(h("p", { class: "problem" }, outcome.error));
      if ("data" in outcome) shown.push(h("h3", {}, "Data"), tree(outcome.data));
      if (outcome.trace) shown.push(h("details", {}, h("summary", {}, "Trace"), h("pre", {}, outcome.trace)));
    }
    if (outcome.lines?.length) {
      shown.push(h("h3", {}, "Log"), h("ul", { class: "lines" }, outcome.lines.map((one) => h("li", {}, h("span", { class: `level ${one.level}` }, one.level), " ", one.message))));
    }
    fill(result, shown);
    fill(stateText, text ?? ["took ", duration(outcome.seconds), outcome.runs > 1 ? `, in ${outcome.runs} runs` : ""]);
  }

  made.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start();
  });
  fill(
    box,
    heading(found.path, h("span", { class: `badge kind-${found.kind}` }, found.kind), found.isInternal && h("span", { class: "badge" }, "internal")),
    h("p", { class: "trail" }, h("a", { href: link("functions") }, "Functions"), " / ", h("code", {}, `→ ${typeText(found.returns)}`)),
    found.doc && h("p", { class: "doc-text" }, found.doc),
    h(
      "div",
      { class: "columns" },
      made,
      h("section", { class: "panel", "aria-labelledby": "result-title" }, h("div", { class: "panel-head" }, h("h2", { id: "result-title" }, "Result"), stateText), result),
    ),
  );
  if (isQuery && !Object.values(found.arguments.value).some((field) => !field.optional)) start();
  return {
    commits: (batch) => batch.isCut && isLost && start(),
    moved: () => isQuery && start(),
    close: () => {
      const open = socket;
      socket = undefined;
      open?.close();
    },
  };
}
