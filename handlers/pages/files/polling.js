// Reads something again and again, and says next to it when that fails.

import { credentials, Refused, sentence } from "./api.js";
import { $, element } from "./dom.js";
import { pause } from "./time.js";

/**
 * Repeat `read` while the page is visible, and show its note, or the sentence of its error. After a refused credential,
 * wait for another one, or for a click.
 * @param {string} noteId
 * @param {() => Promise<string>} read
 * @param {number} everyMs
 * @param {(error: unknown) => void} [failed] is called with each error
 */
export async function poll(noteId, read, everyMs, failed = () => {}) {
  const note = $(noteId);
  for (;;) {
    let waitsForCredential = false;
    if (!document.hidden) {
      try {
        show(note, await read());
      } catch (error) {
        show(note, sentence(error));
        failed(error);
        waitsForCredential = error instanceof Refused && error.isAboutCredentials;
      }
    }
    await (waitsForCredential ? anotherCredential(note) : pause(everyMs));
  }
}

/**
 * @param {HTMLElement} note
 * @param {string} text
 */
function show(note, text) {
  if (note.textContent !== text) note.textContent = text;
  note.hidden = !text;
}

/** @param {HTMLElement} note */
function anotherCredential(note) {
  const again = element("button", { type: "button", textContent: "Try again" });
  note.append(" ", again);
  return new Promise((resolve) => {
    again.addEventListener("click", resolve, { once: true });
    credentials.addEventListener("changed", resolve, { once: true });
  });
}
