// The photo bench: a photo, what a model finds in it, and the request that asks for it.

import { ask, credentials, curl, Refused, sentence } from "./api.js";
import { oneAnswer, patientAnswer, readable } from "./asking.js";
import { placeCaptions } from "./boxes.js";
import { $, byId, copy, pause, put, save } from "./dom.js";
import { chosen, labelsOf } from "./models.js";
import { showResults } from "./results.js";
import { isCameraOn, setRatio, startCamera, startSources, stopCamera } from "./sources.js";
import { startTabs } from "./tabs.js";

/** @typedef {import("./asking.js").Answer} Answer */

const LESS = "Nothing was found. A lower confidence may show more.";
const SETTLE_MS = 150;
const SHOWN_MS = 2000;
const CAMERA_RETRY_MS = 2000;

const confidence = byId("confidence", HTMLInputElement);
const most = byId("most", HTMLInputElement);

/** `isMoved`: the sliders that the person has moved; of the others, the model's own values apply. */
const now = {
  /** @type {Blob | null} */ photo: null,
  name: "photo.jpg",
  asking: new AbortController(),
  isMoved: { confidence: false, most: false },
};

/** @param {string} path */
function target(path) {
  const model = byId("model", HTMLSelectElement).value;
  const query = new URLSearchParams({ exif: "apply" });
  if (now.isMoved.confidence) query.set("confidence", confidence.value);
  if (now.isMoved.most) query.set("maxDetections", most.value);
  if (path === "annotate") query.delete("exif"); // it is always applied there
  return `${path}${model && `/${encodeURIComponent(model)}`}?${query}`;
}

/** Show the request, and where the sliders stand. */
function showRequest() {
  const { confidence: lowest = 0.5, maxDetections = 100 } = chosen() ?? {};
  if (!now.isMoved.confidence) confidence.value = String(lowest);
  if (!now.isMoved.most) most.value = String(maxDetections);
  $("confidence-value").textContent = Number(confidence.value).toFixed(2);
  $("most-value").textContent = most.value;
  $("curl").textContent = curl(target("inference"), now.name, now.photo?.type || "image/jpeg");
}

/** @param {string} text */
function showProblem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

/** Remove an answer that no longer belongs to what is shown. */
function clear() {
  now.asking.abort();
  now.asking = new AbortController();
  showResults([], []);
  showProblem("");
  $("answer").textContent = $("summary").textContent = $("results-empty").textContent = "";
  for (const id of ["save-picture", "save-json"]) byId(id, HTMLButtonElement).disabled = true;
  return now.asking.signal;
}

/**
 * @param {Blob} photo
 * @param {string} name
 */
async function take(photo, name) {
  const signal = clear();
  const shown = await readable(photo, byId("file", HTMLInputElement).accept);
  if (signal.aborted) return;
  now.photo = shown;
  now.name = name;
  const picture = byId("picture", HTMLImageElement);
  picture.alt = `The photo ${name}`;
  picture.hidden = false;
  $("stage").classList.remove("empty");
  void put(picture, shown).then(() => {
    if (now.photo !== shown) return;
    $("stage").classList.toggle("empty", !picture.naturalWidth); // it cannot be shown
    setRatio(picture.naturalWidth / picture.naturalHeight);
  });
  await post();
}

/** Post the photo and show the answer, unless something newer is asked meanwhile. */
async function post() {
  showRequest();
  if (!now.photo) return;
  const signal = clear();
  $("stage").setAttribute("aria-busy", "true");
  $("summary").textContent = "Asking \u2026";
  try {
    show(await patientAnswer(now.photo, target("inference"), signal, (text) => ($("summary").textContent = text)));
  } catch (error) {
    if (signal.aborted) return;
    $("summary").textContent = "";
    showProblem(sentence(error));
  }
  $("stage").setAttribute("aria-busy", "false");
}

/** @param {Answer} answer */
function show({ found, status, tookMs, note }) {
  $("answer").textContent = status === 204 ? "204, nothing was found" : JSON.stringify({ inferences: found }, null, 2);
  const results = showResults(found, labelsOf(found));
  $("summary").textContent = `${results || "Nothing was found"} (${tookMs} ms). ${note}`;
  $("results-empty").textContent = found.length ? "" : LESS;
  for (const id of ["save-picture", "save-json"]) byId(id, HTMLButtonElement).disabled = !now.photo;
}

/** @param {Blob} frame */
async function answerFrame(frame) {
  [now.photo, now.name] = [frame, "camera.jpg"];
  showRequest();
  const { signal } = now.asking;
  try {
    const answer = await oneAnswer(frame, target("inference"), signal);
    if (isCameraOn()) show(answer);
    return true;
  } catch (error) {
    if (signal.aborted) return true;
    clear();
    showProblem(sentence(error));
    await pause(CAMERA_RETRY_MS);
    return !(error instanceof Refused && error.isAboutCredentials);
  }
}

/**
 * @param {string} name
 * @param {() => Promise<Blob>} content
 */
async function saved(name, content) {
  try {
    save(await content(), name);
  } catch (error) {
    showProblem(sentence(error));
  }
}

export function startPhoto() {
  let settling = 0;
  const changed = () => {
    showRequest();
    clearTimeout(settling);
    settling = setTimeout(() => isCameraOn() || void post(), SETTLE_MS);
  };
  $("model").addEventListener("change", () => {
    now.isMoved = { confidence: false, most: false };
    changed();
  });
  for (const [key, slider] of /** @type {const} */ ([["confidence", confidence], ["most", most]])) {
    slider.addEventListener("input", () => {
      now.isMoved[key] = true;
      changed();
    });
  }
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  credentials.addEventListener("changed", () => void post());
  startSources((photo, name) => void take(photo, name), (text) => ($("source-note").textContent = text));
  $("camera").addEventListener("click", () => {
    if (isCameraOn()) {
      stopCamera();
      if (now.photo) void take(now.photo, now.name); // its last frame stays
    } else {
      clear();
      startCamera(answerFrame).catch((error) => showProblem(sentence(error)));
    }
  });
  $("save-picture").addEventListener("click", () =>
    saved("annotated.jpg", async () => (await ask(target("annotate"), { method: "POST", body: now.photo })).blob()),
  );
  $("save-json").addEventListener("click", () =>
    saved("answer.json", async () => new Blob([$("answer").textContent ?? ""], { type: "application/json" })),
  );
  for (const id of ["answer", "curl"]) {
    $(`copy-${id}`).addEventListener("click", async () => {
      $(`copy-${id}`).textContent = await copy($(id));
      setTimeout(() => ($(`copy-${id}`).textContent = "Copy"), SHOWN_MS);
    });
  }
  startTabs($("tabs"));
  new ResizeObserver(placeCaptions).observe($("boxes"));
  showRequest();
}

/** Show what has changed in the list of models. */
export const modelsChanged = showRequest;
