// Where photos come from: a file, the clipboard, a drop, the sample.

import { ask, sentence } from "./api.js";
import { stopCamera } from "./camera.js";
import { $, byId } from "./dom.js";

/**
 * Hand every photo that a person brings to `take`.
 * @param {(photo: Blob, name: string) => void} take
 * @param {(text: string) => void} say is called with what a person should know of it
 */
export function startSources(take, say) {
  const takeFirst = (/** @type {Iterable<File>} */ files) => {
    const [first, ...others] = files;
    if (!first) return;
    stopCamera();
    take(first, first.name);
    say(others.length ? `One photo at a time: this is ${first.name}, the first of ${others.length + 1}.` : "");
  };
  const file = byId("file", HTMLInputElement);
  file.addEventListener("change", () => {
    takeFirst(file.files ?? []);
    file.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    takeFirst([...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/")));
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("stage").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("stage").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("stage").classList.remove("over");
    takeFirst(event.dataTransfer?.files ?? []);
  });
  $("sample").addEventListener("click", async () => {
    stopCamera();
    say("");
    const answer = await ask("console/street.jpg").catch((error) => say(sentence(error)));
    if (answer) take(await answer.blob(), "street.jpg");
  });
}
