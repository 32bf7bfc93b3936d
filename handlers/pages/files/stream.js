// The page of one stream: its picture, what is known of it, its lines and zones, and a word when it is silent.

import { ask, credentials, sentence } from "./api.js";
import { startCredentials } from "./credentials.js";
import { $, byId } from "./dom.js";
import { drawDraft, say, startEditor } from "./editor.js";
import { poll } from "./polling.js";
import { drawScene, modelOfStream, readScene, settingsChanged, showScene, sizeOfFrames } from "./scene.js";
import { forget } from "./settings.js";
import { watch } from "./watching.js";

/** @typedef {import("./contract").components["schemas"]["ModelList"]} ModelList */

const SCENE_MS = 1000;

const name = $("stream-name").textContent ?? "";
const regions = byId("regions", HTMLInputElement);
const picture = byId("picture", HTMLImageElement);
const resetting = byId("resetting", HTMLDialogElement);
let watching = new AbortController();

function show() {
  watching.abort();
  watching = new AbortController();
  void watch(name, { image: picture, note: $("note"), drawsRegions: regions.checked }, watching.signal);
}

/** Read the scene; until there is a picture, give its place the shape of the stream's frames. */
async function read() {
  const note = await readScene(name);
  if (!picture.naturalWidth) shape(sizeOfFrames());
  return note;
}

/** @param {{width: number, height: number} | undefined} size */
function shape(size) {
  if (size?.width) $("surface").style.setProperty("--ratio", String(size.width / size.height));
}

function drawAgain() {
  drawScene();
  drawDraft();
}

/** Return the labels of the stream's model, or of all if it is not known; none to who may not list the models. */
async function labels() {
  /** @type {ModelList} */
  const { models = [] } = await ask("models", {}, false).then((answer) => answer.json(), () => ({}));
  const ofStream = models.filter((model) => model.name === modelOfStream());
  return [...new Set((ofStream.length ? ofStream : models).flatMap((model) => model.labels))];
}

async function reset() {
  if (resetting.returnValue !== "yes") return;
  await forget(name).then(() => say("The counts begin at 0."), (error) => say(`Not set to 0: ${sentence(error)}`));
}

startCredentials();
startEditor(name, { saved: settingsChanged, closed: showScene, labels });
credentials.addEventListener("changed", show);
regions.addEventListener("change", () => {
  history.replaceState(null, "", regions.checked ? "?draw=regions" : location.pathname);
  show();
});
picture.addEventListener("load", () => shape({ width: picture.naturalWidth, height: picture.naturalHeight }));
new ResizeObserver(drawAgain).observe($("surface"));
$("reset").addEventListener("click", () => {
  resetting.returnValue = ""; // Escape keeps the last one
  resetting.showModal();
});
resetting.addEventListener("close", () => void reset());
void poll("scene-note", read, SCENE_MS);
show();
