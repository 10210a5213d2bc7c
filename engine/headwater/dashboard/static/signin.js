// The way in: an admin token, which stays in this tab.

import { read, token } from "./api.js";
import { fill, h } from "./dom.js";

/** Ask for the token; calls back once it is right. `trouble` says why it is asked for again. */
export function signIn(root, done, trouble = "") {
  const input = h("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "token-problem",
  });
  const problem = h("p", { id: "token-problem", class: "problem", role: "alert" }, trouble);
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h(
    "form",
    { class: "signin", "aria-labelledby": "signin-title" },
    h("img", { src: "icon.svg", alt: "", width: 44, height: 44 }),
    h("h1", { id: "signin-title" }, "Headwater"),
    h("p", { class: "muted" }, "The dashboard of this database is for administrators."),
    h("label", { for: "token" }, "Admin token"),
    input,
    problem,
    button,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    token.set(input.value.trim());
    try {
      const overview = await read("overview");
      done(overview);
    } catch (error) {
      if (error.status === 401) token.forget();
      problem.textContent =
        error.status === 401 ? "That is not the admin token of this server." : error.message;
      input.setAttribute("aria-invalid", "true");
      input.focus();
      input.select();
    } finally {
      button.disabled = false;
    }
  });
  fill(root, h("main", { class: "signin-page" }, form));
  input.focus();
}
