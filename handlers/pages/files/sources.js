// Where photos come from: a file, the clipboard, a drop, the sample, the camera of the device.

import { ask, sentence } from "./api.js";
import { jpegOf } from "./asking.js";
import { $, byId, pause } from "./dom.js";

const CAMERA_PAUSE_MS = 100;
const CAMERA_QUALITY = 0.85;
const FROM_HTTPS = "Browsers allow the camera only on pages from https or localhost.";

/** @type {MediaStream | null} */
let camera = null;
let starts = 0;

/**
 * Hand every photo that a person brings to `take`; `told` shows a sentence.
 * @param {(photo: Blob, name: string) => void} take
 * @param {(text: string) => void} told
 */
export function startSources(take, told) {
  const takeFirst = (/** @type {Iterable<File>} */ files) => {
    const [first, ...others] = files;
    if (!first) return;
    stopCamera();
    take(first, first.name);
    if (others.length) told(`One photo at a time: this is ${first.name}, the first of ${others.length + 1}.`);
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
    const answer = await ask("console/street.jpg").catch((error) => told(sentence(error)));
    if (answer) take(await answer.blob(), "street.jpg");
  });
}

/**
 * Start the camera. `answered` gets one frame after the other; it resolves once the next one may come, to false if
 * there should be none.
 * @param {(frame: Blob) => Promise<boolean>} answered
 * @returns {Promise<void>} when the camera has stopped
 */
export async function startCamera(answered) {
  if (!navigator.mediaDevices) throw new Error(FROM_HTTPS);
  const number = ++starts;
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } }).catch((error) => {
    throw new Error(`The camera cannot be used: ${error.message}.`);
  });
  if (number !== starts) return end(stream);
  camera = stream;
  const video = byId("video", HTMLVideoElement);
  video.srcObject = stream;
  await video.play();
  setRatio(video.videoWidth / video.videoHeight);
  shown(true);
  const canvas = document.createElement("canvas");
  while (camera === stream) {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    const frame = await jpegOf(canvas, CAMERA_QUALITY);
    if (camera !== stream) break;
    if (!(await answered(frame))) stopCamera();
    await pause(CAMERA_PAUSE_MS);
  }
}

/**
 * Tell the style sheet the shape of what is shown: it makes the picture as large as there is room.
 * @param {number} ratio width / height
 */
export function setRatio(ratio) {
  if (ratio > 0) $("stage").style.setProperty("--ratio", String(ratio));
}

export const isCameraOn = () => camera !== null;

export function stopCamera() {
  starts++;
  if (!camera) return;
  end(camera);
  camera = null;
  shown(false);
}

/** @param {MediaStream} stream */
function end(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** @param {boolean} isOn */
function shown(isOn) {
  $("video").hidden = !isOn;
  $("picture").hidden = isOn || !$("picture").hasAttribute("src");
  $("stage").classList.toggle("empty", $("picture").hidden && !isOn);
  $("camera").setAttribute("aria-pressed", String(isOn));
  $("camera").textContent = isOn ? "Stop the camera" : "Use the camera";
}
