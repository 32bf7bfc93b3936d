// The photo bench: a photo, what a model finds in it, and the request that asks for it.

import { ask, credentials, curl, Refused, sentence } from "./api.js";
import { oneAnswer, patientAnswer } from "./asking.js";
import { placeCaptions } from "./boxes.js";
import { isCameraOn, startCamera, stopCamera } from "./camera.js";
import { chosen, chosenName, labelsOf, onChoice } from "./choice.js";
import { $, byId, copy, save } from "./dom.js";
import { readable } from "./jpeg.js";
import { showResults } from "./results.js";
import { startSources } from "./sources.js";
import { setBusy, showPhoto } from "./stage.js";
import { startTabs } from "./tabs.js";
import { pause } from "./time.js";

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
  const model = chosenName();
  const query = new URLSearchParams();
  if (path === "inference") query.set("exif", "apply"); // /annotate always does
  if (now.isMoved.confidence) query.set("confidence", confidence.value);
  if (now.isMoved.most) query.set("maxDetections", most.value);
  return `${path}${model && `/${encodeURIComponent(model)}`}?${query}`;
}

/** Show the request, and where the sliders stand: with the values of the chosen model, until they are moved. */
export function showRequest() {
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
  setBusy(false);
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
  void showPhoto(shown, name);
  await post();
}

/** Post the photo and show the answer, unless something newer is asked meanwhile. */
async function post() {
  showRequest();
  if (!now.photo) return;
  const signal = clear();
  setBusy(true);
  $("summary").textContent = "Asking \u2026";
  try {
    show(await patientAnswer(now.photo, target("inference"), signal, (text) => ($("summary").textContent = text)));
  } catch (error) {
    if (signal.aborted) return;
    $("summary").textContent = "";
    showProblem(sentence(error));
  }
  setBusy(false);
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

/** Ask anew when a slider is moved or another model chosen. */
function startSettings() {
  let settling = 0;
  const changed = () => {
    showRequest();
    clearTimeout(settling);
    settling = setTimeout(() => isCameraOn() || void post(), SETTLE_MS);
  };
  onChoice(() => {
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
}

function toggleCamera() {
  if (isCameraOn()) {
    stopCamera();
    if (now.photo) void take(now.photo, now.name); // its last frame stays
  } else {
    clear();
    startCamera(answerFrame).catch((error) => showProblem(sentence(error)));
  }
}

function startSaving() {
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
}

export function startPhoto() {
  startSettings();
  startSaving();
  startTabs($("tabs"));
  startSources((photo, name) => void take(photo, name), (text) => ($("source-note").textContent = text));
  $("camera").addEventListener("click", toggleCamera);
  credentials.addEventListener("changed", () => void post());
  new ResizeObserver(placeCaptions).observe($("boxes"));
  showRequest();
}
