// Elements. All text becomes text nodes: what documents hold is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("a", { href, class, onclick }, "text", child, [more])`. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "open" || name === "disabled")
      element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/** Put other children in the place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
}

/**
 * Bring keyed children up to date in place: those that stay the same are not touched, so that focus,
 * selection and scrolling stay where they are.
 *
 * items: what is to be shown. keyOf, textOf: what an item is, and all that it says, as text.
 * build(item): its element. changed(element): told of elements that took the place of others.
 */
export function reconcile(parent, items, { keyOf, textOf, build, changed }) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const text = textOf(item);
    let element = known.get(key);
    known.delete(key);
    if (!element || element.shownText !== text) {
      const made = build(item, element);
      made.dataset.key = key;
      made.shownText = text;
      if (element) {
        if (place === element) place = made;
        element.replaceWith(made);
      }
      changed?.(made, element === undefined);
      element = made;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** Run a task again and again, never twice at the same time, and not more often than need be. */
export function paced(task, pause = 200) {
  let isRunning = false;
  let isWanted = false;
  return async function run() {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await task();
      await new Promise((done) => setTimeout(done, pause));
    }
    isRunning = false;
  };
}

/** Call something once nothing has happened for a while. */
export function delayed(task, pause = 180) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => task(...given), pause);
  };
}
