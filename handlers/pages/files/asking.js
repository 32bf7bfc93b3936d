// Posts a photo until there is an answer: waits while the service is busy or gone, and shrinks what is too large.

import { ask, Refused } from "./api.js";
import { pause } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["Inference"]} Inference */
/** @typedef {{found: Inference[], status: number, tookMs: number, note: string}} Answer */

const MOST_PIXELS = 12_000_000;
const MOST_BYTES = 16 << 20;
const JPEG_QUALITY = 0.92;
const SHRUNK = "Shrunk, because it was too large for the service.";

/**
 * Return the answer to a photo. Throws Refused, and what `signal` was aborted with.
 * @param {Blob} photo
 * @param {string} target
 * @param {AbortSignal} signal
 * @param {(text: string) => void} tell hears why it takes longer
 * @returns {Promise<Answer>}
 */
export async function patientAnswer(photo, target, signal, tell) {
  let [posted, note] = [photo, ""];
  if (photo.size > MOST_BYTES) [posted, note] = [await shrunk(photo).catch(() => photo), SHRUNK];
  for (;;) {
    try {
      return { ...(await oneAnswer(posted, target, signal)), note };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 413 && posted === photo) {
        tell(`${error.message} Shrinking it \u2026`);
        posted = await shrunk(photo).catch(() => Promise.reject(error));
        note = SHRUNK;
      } else if (error.status === 0 || error.status === 503) {
        tell(`${error.message} Trying again in ${error.retryAfterS} s.`);
        await pause(error.retryAfterS * 1000, signal);
      } else throw error;
    }
  }
}

/**
 * @param {Blob} photo
 * @param {string} target
 * @param {AbortSignal} signal
 */
export async function oneAnswer(photo, target, signal) {
  const startedAt = performance.now();
  const headers = { "Content-Type": photo.type || "application/octet-stream" };
  const answer = await ask(target, { method: "POST", body: photo, headers, signal });
  /** @type {Inference[]} */
  const found = answer.status === 204 ? [] : (await answer.json()).inferences;
  return { found, status: answer.status, tookMs: Math.round(performance.now() - startedAt), note: "" };
}

/**
 * Return a smaller JPEG of a photo. Throws an Error if the browser cannot read it.
 * @param {Blob} photo
 */
async function shrunk(photo) {
  const picture = await createImageBitmap(photo);
  const most = Math.min(MOST_PIXELS, (picture.width * picture.height * MOST_BYTES) / photo.size);
  return asJpeg(picture, Math.min(1, Math.sqrt(most / (picture.width * picture.height))));
}

/**
 * Return a photo in a format that the service reads: as it is, or as a JPEG if only the browser can read it.
 * @param {Blob} photo
 * @param {string} formats media types, separated by commas
 */
export async function readable(photo, formats) {
  if (!photo.type.startsWith("image/") || formats.split(",").includes(photo.type)) return photo;
  const picture = await createImageBitmap(photo).catch(() => null);
  return picture ? asJpeg(picture, 1) : photo; // the service says what it is
}

/**
 * @param {ImageBitmap} picture
 * @param {number} scale
 * @returns {Promise<Blob>}
 */
function asJpeg(picture, scale) {
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.floor(side * scale)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d")?.drawImage(picture, 0, 0, width, height);
  picture.close();
  return jpegOf(canvas, JPEG_QUALITY);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} quality
 * @returns {Promise<Blob>}
 */
export function jpegOf(canvas, quality) {
  const failed = new Error("The browser cannot encode the picture.");
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(failed)), "image/jpeg", quality);
  });
}
