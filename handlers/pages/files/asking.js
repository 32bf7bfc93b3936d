// Posts a photo until there is an answer: waits while the service is busy or gone, and shrinks what is too large.

import { ask, Refused } from "./api.js";
import { shrunk } from "./jpeg.js";
import { pause } from "./time.js";

/** @typedef {import("./contract").components["schemas"]["Inference"]} Inference */
/** @typedef {{found: Inference[], status: number, tookMs: number, note: string}} Answer */

const MOST_BYTES = 16 << 20;
const SHRUNK = "Shrunk, because it was too large for the service.";

/**
 * Return the answer to a photo. Throws Refused, and what `signal` was aborted with.
 * @param {Blob} photo
 * @param {string} target
 * @param {AbortSignal} signal
 * @param {(text: string) => void} tell is called with the reason if it takes longer
 * @returns {Promise<Answer>}
 */
export async function patientAnswer(photo, target, signal, tell) {
  let [posted, note] = [photo, ""];
  const shrink = async () => ([posted, note] = [await shrunk(photo, MOST_BYTES), SHRUNK]);
  if (photo.size > MOST_BYTES) await shrink().catch(() => {}); // the service says what is wrong with it
  for (;;) {
    try {
      return { ...(await oneAnswer(posted, target, signal)), note };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 413 && posted === photo) {
        tell(`${error.message} Shrinking it \u2026`);
        await shrink().catch(() => Promise.reject(error));
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
