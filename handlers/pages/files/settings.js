// What the service knows of a stream, and its settings: reading and changing them.

import { ask, Refused } from "./api.js";

/** @typedef {import("./contract").components["schemas"]["StreamSettings"]} StreamSettings */
/** @typedef {import("./contract").components["schemas"]["StreamState"]} StreamState */
/**
 * The settings of a stream. `isInherited`: they are those of `default`.
 * @typedef {{settings: StreamSettings, isInherited: boolean}} Known
 */

const DEFAULT = "default";

/** @param {string} stream */
const pathOf = (stream) => `streams/${encodeURIComponent(stream)}`;

/**
 * Return the answer to a request; null if there is nothing of that name.
 * @param {string} path
 */
const found = (path) =>
  ask(path).catch((error) => {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  });

/**
 * Return what is remembered of a stream; undefined before its first frame.
 * @param {string} stream
 * @returns {Promise<StreamState | undefined>}
 */
export const readState = async (stream) => (await found(pathOf(stream)))?.json();

/**
 * Return the settings that apply to a stream; those of one that has none are empty.
 * @param {string} stream
 * @returns {Promise<Known>}
 */
export async function readSettings(stream) {
  const answer = await found(`${pathOf(stream)}/settings`);
  const location = answer?.headers.get("Content-Location") ?? "";
  const isInherited = stream !== DEFAULT && location.endsWith(`/${pathOf(DEFAULT)}/settings`);
  return { settings: (await answer?.json()) ?? {}, isInherited };
}

/**
 * Replace all settings of a stream; return them as the service has them.
 * @param {string} stream
 * @param {StreamSettings} settings
 * @returns {Promise<StreamSettings>}
 */
export async function writeSettings(stream, settings) {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(`${pathOf(stream)}/settings`, { method: "PUT", body: JSON.stringify(settings), headers });
  return answer.json();
}

/**
 * Set the counts of a stream to 0.
 * @param {string} stream
 */
export const forget = (stream) => ask(pathOf(stream), { method: "DELETE" });
