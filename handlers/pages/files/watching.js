// One stream, watched: its pictures, and a word when there are none.

import { ask, Refused, sentence } from "./api.js";
import { put } from "./dom.js";
import { pictures } from "./moving.js";
import { agoS, pause, span } from "./time.js";

/** @typedef {import("./contract").components["schemas"]["Stream"]} Stream */
/** @typedef {import("./contract").components["schemas"]["Refusal"]} Refusal */

const RETRY_MS = 2000;
const TICK_MS = 1000;
const QUIET_S = 5;
const LATE_S = 10;
const SILENT_S = 60; // as the contract says

/**
 * Show a stream until `signal` is aborted. Waits for its first picture, and for the next one when it is silent.
 * @param {string} stream
 * @param {{image: HTMLImageElement, note: HTMLElement, drawsRegions: boolean}} place
 * @param {AbortSignal} signal
 */
export async function watch(stream, { image, note, drawsRegions }, signal) {
  let [seenAt, waitsFor] = [0, "Loading \u2026"];
  const tick = () => {
    const silentForS = (performance.now() - seenAt) / 1000;
    const isQuiet = seenAt && silentForS > QUIET_S;
    const text = isQuiet ? `No picture for ${span(silentForS)}. ${waitsFor}` : waitsFor;
    if (note.textContent !== text) note.textContent = text;
    image.classList.toggle("stale", Boolean(text));
  };
  const ticking = setInterval(tick, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(ticking), { once: true });
  while (!signal.aborted) {
    try {
      for await (const picture of pictures(stream, drawsRegions ? "?draw=regions" : "", signal)) {
        if (signal.aborted) return;
        [seenAt, waitsFor] = [performance.now(), ""];
        await put(image, picture);
        tick();
      }
      waitsFor = "The stream is silent. This page waits for its next frame.";
    } catch (error) {
      if (signal.aborted) return;
      waitsFor = await reason(stream, error);
    }
    tick();
    await pause(RETRY_MS, signal).catch(() => {});
  }
}

/**
 * Return why there are no pictures.
 * @param {string} stream
 * @param {unknown} error
 */
async function reason(stream, error) {
  if (!(error instanceof Refused) || error.problem !== "unknown-stream") return sentence(error);
  const record = await find(stream);
  const refusal = await lastRefusal(stream);
  if (refusal && !(Date.parse(refusal.lastAt) < Date.parse(record?.lastFrameAt ?? ""))) {
    return `Its last frame was refused ${span(agoS(refusal.lastAt))} ago: ${refusal.detail}`;
  }
  if (record) return `The stream has been silent for ${span(record.silentForS)}. This page waits for its next frame.`;
  return `No frame has come yet. This page waits for the first one, posted with ?stream=${encodeURIComponent(stream)}.`;
}

/**
 * Return a document of the service; an empty one if it cannot be read. Who may only watch is not asked for more.
 * @param {string} path
 */
const readIfAllowed = (path) => ask(path, {}, false).then((answer) => answer.json(), () => ({}));

/**
 * Return the last refusal of a stream's frames; undefined if there was none, or if it cannot be read.
 * @param {string} stream
 * @returns {Promise<Refusal | undefined>}
 */
async function lastRefusal(stream) {
  /** @type {{refusals?: Refusal[]}} */
  const { refusals = [] } = await readIfAllowed("refusals");
  return refusals.find((refusal) => refusal.stream === stream);
}

/**
 * Return the record of a stream; undefined if there is none, or if it cannot be read.
 * @param {string} stream
 * @returns {Promise<Stream | undefined>}
 */
async function find(stream) {
  /** @type {{stream?: Stream}} */
  const { stream: record } = await readIfAllowed(`streams/${encodeURIComponent(stream)}`);
  return record;
}

/**
 * Return what is known of a stream, in short texts: the first is its rate, or since when it has been silent.
 * @param {Stream} stream
 */
export function facts({ framesPerSecond, silentForS, size, model, frames, refused }) {
  const late = isLate({ silentForS }) ? `last frame ${span(silentForS)} ago` : `${framesPerSecond.toFixed(1)} frames/s`;
  const rate = isSilent({ silentForS }) ? `silent for ${span(silentForS)}` : late;
  const remembers = frames.regions || frames.repeated;
  return [
    rate,
    `${size.width} \u00d7 ${size.height}`,
    model,
    ...(remembers ? [`${frames.run} run, ${frames.regions} on regions, ${frames.repeated} repeated`] : []),
    ...(refused ? [`${refused} refused`] : []),
  ];
}

/** @param {Pick<Stream, "silentForS">} stream */
export const isLate = ({ silentForS }) => silentForS > LATE_S;

/** @param {Pick<Stream, "silentForS">} stream */
export const isSilent = ({ silentForS }) => silentForS > SILENT_S;
