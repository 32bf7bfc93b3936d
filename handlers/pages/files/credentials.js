// The field for a token, and the ones for a name and a password: shown when the service asks for a credential.

import { credentials, useBrowsersLogin, usePassword, useToken } from "./api.js";
import { $, byId } from "./dom.js";

export function startCredentials() {
  credentials.addEventListener("needed", (event) => {
    if (!(event instanceof CustomEvent)) return;
    const { schemes, message } = event.detail;
    const takesPassword = schemes.includes("basic");
    $("credential-note").textContent = message;
    if (schemes) {
      $("token-form").hidden = !schemes.includes("bearer");
      $("password-form").hidden = !takesPassword;
      $("browser-login").hidden = takesPassword || !schemes.includes("digest");
    }
    $("credential").hidden = false;
  });
  credentials.addEventListener("changed", () => {
    $("credential").hidden = true;
    $("main").focus();
  });
  submitted("token-form", () => useToken(byId("token", HTMLInputElement).value));
  submitted("password-form", () =>
    usePassword(byId("user", HTMLInputElement).value, byId("password", HTMLInputElement).value),
  );
  $("browser-login").addEventListener("click", useBrowsersLogin);
}

/**
 * @param {string} id
 * @param {() => void} use
 */
function submitted(id, use) {
  const form = byId(id, HTMLFormElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use();
    form.reset();
  });
}
