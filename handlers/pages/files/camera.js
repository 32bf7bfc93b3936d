// The camera of the device: one frame after the other.

import { $ } from "./dom.js";
import { jpegOf } from "./jpeg.js";
import { hideCamera, showCamera } from "./stage.js";
import { pause } from "./time.js";

const PAUSE_MS = 100;
const QUALITY = 0.85;
const FROM_HTTPS = "Browsers allow the camera only on pages from https or localhost.";

/** @type {MediaStream | null} */
let camera = null;
let starts = 0;

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
  const video = await showCamera(stream);
  showButton(true);
  const canvas = document.createElement("canvas");
  while (camera === stream) {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    const frame = await jpegOf(canvas, QUALITY);
    if (camera !== stream) break;
    if (!(await answered(frame))) stopCamera();
    await pause(PAUSE_MS);
  }
}

export const isCameraOn = () => camera !== null;

export function stopCamera() {
  starts++;
  if (!camera) return;
  end(camera);
  camera = null;
  hideCamera();
  showButton(false);
}

/** @param {MediaStream} stream */
function end(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** @param {boolean} isOn */
function showButton(isOn) {
  $("camera").setAttribute("aria-pressed", String(isOn));
  $("camera").textContent = isOn ? "Stop the camera" : "Use the camera";
}
