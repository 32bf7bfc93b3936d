// Asks the person for a credential when the service does: a token, or a name and a password.

import { credentials, useBrowsersLogin, usePassword, useToken } from "./api.js";
import { $, element } from "./dom.js";

const note = element("p", { id: "credential-note" });
const token = input({ id: "token", type: "password", autocomplete: "off", pattern: "[!-~]+" });
token.title = "A token has no spaces and only ASCII characters";
const user = input({ id: "user", autocomplete: "username", pattern: "[^:]+" });
user.title = "A name has no colon";
const password = input({ id: "password", type: "password", autocomplete: "current-password" });

const tokenForm = element("form", {}, ...labelled("Token", token), element("button", {}, "Use the token"));
const fields = [...labelled("Name", user), ...labelled("Password", password)];
const passwordForm = element("form", {}, ...fields, element("button", {}, "Sign in"));
const browsersLogin = element("button", { type: "button", onclick: useBrowsersLogin }, "Sign in with the browser");

const place = element("section", { className: "credential", hidden: true });
place.append(note, tokenForm, passwordForm, browsersLogin);
place.setAttribute("aria-labelledby", note.id);

/** @param {Partial<HTMLInputElement>} properties */
function input(properties) {
  return element("input", { ...properties, required: true });
}

/**
 * @param {string} text
 * @param {HTMLInputElement} field
 */
function labelled(text, field) {
  return [element("label", { htmlFor: field.id }, text), field];
}

/**
 * @param {HTMLFormElement} form
 * @param {() => void} use
 */
function submitted(form, use) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use();
    form.reset();
  });
}

/** Ask above the content of the page, with the fields that the service's challenges name. */
export function startCredentials() {
  $("main").before(place);
  submitted(tokenForm, () => useToken(token.value));
  submitted(passwordForm, () => usePassword(user.value, password.value));
  credentials.addEventListener("needed", (event) => {
    if (!(event instanceof CustomEvent)) return;
    const { schemes, message } = event.detail;
    note.textContent = message;
    if (schemes) {
      tokenForm.hidden = !schemes.includes("bearer");
      passwordForm.hidden = !schemes.includes("basic");
      browsersLogin.hidden = schemes.includes("basic") || !schemes.includes("digest");
    }
    place.hidden = false;
  });
  credentials.addEventListener("changed", () => {
    place.hidden = true;
    $("main").focus();
  });
}
