// A form made from a type: one field for each argument, checked before anything is sent.

import { fill, h } from "./dom.js";
import { exampleValue } from "./editor.js";
import { Exact, parse, write } from "./exact.js";

const NAMES_MAX = 6;
let fields = 0;

/** What was typed is no value of the type. */
class FieldError extends Error {}

/**
 * The fields of an object type. `value()` is what they say; it marks what is wrong, and throws.
 */
export function objectForm(type, given = {}) {
  const parts = Object.entries(type.value).map(([name, field]) => member(name, field, given[name]));
  return {
    element: h("div", { class: "form-fields" }, parts.map((one) => one.element)),
    value() {
      const found = {};
      let problem;
      for (const one of parts) {
        try {
          const value = one.value();
          if (value !== undefined) found[one.name] = value;
        } catch (error) {
          if (!(error instanceof FieldError)) throw error;
          problem ??= error;
        }
      }
      if (problem) throw problem;
      return found;
    },
  };
}

function member(name, field, given) {
  const type = field.fieldType;
  const id = `field-${(fields += 1)}`;
  const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
  const isGiven = h("input", {
    type: "checkbox",
    checked: !field.optional || given !== undefined,
    "aria-label": `Give an argument for ${name}`,
  });
  const input = inputOf(type, id, given ?? exampleValue(type), `${id}-problem`);
  const holder = h("div", { class: "field-input" }, input.element);
  const show = () => {
    holder.hidden = !isGiven.checked;
  };
  isGiven.addEventListener("change", show);
  show();
  const title = [h("span", { class: "field-name" }, name), h("span", { class: "muted" }, ` ${typeText(type)}`)];
  const isGroup = input.isGroup;
  return {
    name,
    element: h(
      isGroup ? "fieldset" : "div",
      { class: "field" },
      isGroup ? h("legend", {}, field.optional && isGiven, " ", title) : h("div", { class: "field-label" }, field.optional && isGiven, h("label", { for: id }, title)),
      holder,
      problem,
    ),
    value() {
      fill(problem);
      const marked = holder.querySelector(`#${id}`);
      marked?.removeAttribute("aria-invalid");
      if (!isGiven.checked) return undefined;
      try {
        return input.value();
      } catch (error) {
        if (!(error instanceof FieldError)) throw error;
        if (error.message) fill(problem, error.message);
        marked?.setAttribute("aria-invalid", "true");
        marked?.focus();
        throw new FieldError("");
      }
    },
  };
}

/** A type in a few words. */
export function typeText(type) {
  switch (type.type) {
    case "id":
      return `id of ${type.tableName}`;
    case "array":
      return `list of ${typeText(type.value)}`;
    case "record":
      return `dict of ${typeText(type.values.fieldType)}`;
    case "literal":
      return write(type.value);
    case "union":
      return type.value.map(typeText).join(" or ");
    case "refined":
      return [typeText(type.value), ...type.refinements.map(refinementText)].join(", ");
    case "number":
      return "float";
    case "bigint":
      return "Int64";
    case "object":
      return `{${Object.keys(type.value).slice(0, NAMES_MAX).join(", ")}${Object.keys(type.value).length > NAMES_MAX ? ", …" : ""}}`;
    case "boolean":
      return "bool";
    default:
      return type.type;
  }
}

function refinementText(one) {
  if (one.type === "range") {
    const signs = { ge: "≥", gt: ">", le: "≤", lt: "<" };
    return Object.entries(signs).filter(([name]) => one[name] !== undefined).map(([name, sign]) => `${sign} ${one[name]}`).join(", ");
  }
  if (one.type === "length") return `length ${one.min ?? 0} to ${one.max ?? "any"}`;
  return one.type === "pattern" ? `like ${one.regex}` : one.name;
}

function inputOf(type, id, given, described) {
  const common = { id, "aria-describedby": described };
  switch (type.type) {
    case "refined":
      return inputOf(type.value, id, given, described);
    case "boolean":
      return checkbox(common, given);
    case "integer":
    case "number":
    case "bigint":
      return numberInput(type.type, common, given);
    case "string":
    case "id":
      return textInput(type, common, given);
    case "literal":
      return { element: h("code", { id }, write(type.value)), value: () => type.value };
    case "union":
      return union(type, common, given, described);
    case "object":
      return { ...objectForm(type, given ?? {}), isGroup: true };
    case "array":
      return listInput(type, given ?? []);
    case "null":
      return { element: h("code", { id }, "null"), value: () => null };
    default:
      return jsonInput(common, given);
  }
}

function checkbox(common, given) {
  const input = h("input", { ...common, type: "checkbox", checked: given === true });
  return { element: input, value: () => input.checked };
}

function textInput(type, common, given) {
  const isText = type.type === "string";
  const input = h(isText ? "textarea" : "input", {
    ...common,
    rows: isText ? 1 : undefined,
    spellcheck: "false",
    autocomplete: "off",
    value: given ?? "",
  });
  return {
    element: input,
    value() {
      if (!isText && !/^[0-9a-z]{31,37}$/.test(input.value.trim())) {
        throw new FieldError(`Expected the id of a document of ${type.tableName}.`);
      }
      return isText ? input.value : input.value.trim();
    },
  };
}

function numberInput(kind, common, given) {
  const isWhole = kind !== "number";
  const shown = given === undefined || typeof given === "object" && !(given instanceof Exact) ? "" : String(given);
  const input = h("input", { ...common, inputmode: isWhole ? "numeric" : "decimal", autocomplete: "off", value: shown });
  return {
    element: input,
    value() {
      const text = input.value.trim();
      if (isWhole && !/^-?\d{1,19}$/.test(text)) throw new FieldError("Expected a whole number.");
      if (!isWhole && !/^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text)) throw new FieldError("Expected a number.");
      if (kind === "bigint") return int64(text);
      const plain = text.replace(/^(-?)0+(?=\d)/, "$1");
      return new Exact(isWhole || /[.e]/i.test(plain) ? plain : `${plain}.0`);
    },
  };
}

/** A 64-bit integer as exact JSON has it. */
function int64(text) {
  const view = new DataView(new ArrayBuffer(8));
  if (BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) throw new FieldError("Expected 64 bits at most.");
  view.setBigInt64(0, BigInt(text), true);
  return { $integer: btoa(String.fromCharCode(...new Uint8Array(view.buffer))) };
}

function union(type, common, given, described) {
  const members = type.value;
  const isChoice = members.every((one) => one.type === "literal" || one.type === "null");
  const select = h(
    "select",
    common,
    members.map((one, place) => h("option", { value: place }, isChoice ? shownChoice(one) : typeText(one))),
  );
  if (isChoice) {
    const chosen = members.findIndex((one) => write(one.value ?? null) === write(given));
    select.value = String(Math.max(0, chosen));
    return { element: select, value: () => members[Number(select.value)].value ?? null };
  }
  const holder = h("div", { class: "union" });
  let inner;
  const choose = (value) => {
    const member = members[Number(select.value)];
    inner = inputOf(member, `${common.id}-of`, value ?? exampleValue(member), described);
    fill(holder, inner.element);
  };
  const start = members.findIndex((one) => fits(one, given));
  select.value = String(Math.max(0, start));
  select.addEventListener("change", () => choose());
  choose(start < 0 ? undefined : given);
  return { element: h("div", { class: "union-of" }, select, holder), value: () => inner.value() };
}

const shownChoice = (one) => (typeof one.value === "string" ? one.value : write(one.value ?? null));

/** Whether a value may be one of a type; good enough to choose the field that shows it. */
function fits(type, value) {
  if (value === null) return type.type === "null";
  if (typeof value === "string") return type.type === "string" || type.type === "id";
  if (typeof value === "boolean") return type.type === "boolean";
  if (typeof value === "number" || value instanceof Exact) return ["integer", "number"].includes(type.type);
  return Array.isArray(value) ? type.type === "array" : ["object", "record"].includes(type.type);
}

function listInput(type, given) {
  const items = [];
  const holder = h("ol", { class: "list-input" });
  const add = (value) => {
    const id = `field-${(fields += 1)}`;
    const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
    const input = inputOf(type.value, id, value ?? exampleValue(type.value), `${id}-problem`);
    const item = { input, problem };
    items.push(item);
    const remove = () => {
      items.splice(items.indexOf(item), 1);
      row.remove();
    };
    const row = h("li", {}, input.element, h("button", { type: "button", class: "quiet", "aria-label": "Take away", onclick: remove }, "×"), problem);
    holder.append(row);
  };
  for (const value of given) add(value);
  return {
    isGroup: true,
    element: h("div", {}, holder, h("button", { type: "button", onclick: () => add() }, "Add")),
    value: () =>
      items.map(({ input, problem }) => {
        fill(problem);
        try {
          return input.value();
        } catch (error) {
          if (error instanceof FieldError && error.message) fill(problem, error.message);
          throw error instanceof FieldError ? new FieldError("") : error;
        }
      }),
  };
}

/** Any value, as exact JSON. */
export function jsonInput(common, given) {
  const input = h("textarea", { ...common, class: "code", rows: 3, spellcheck: "false", value: write(given ?? null, 2) });
  return {
    element: input,
    value() {
      try {
        return parse(input.value);
      } catch (error) {
        throw new FieldError(`No JSON: ${error.message}`);
      }
    },
  };
}
