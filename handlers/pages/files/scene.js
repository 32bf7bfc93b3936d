// The lines and zones of a stream while nobody edits them: over its picture, in tables, and what happened there.

import { $, byId, element } from "./dom.js";
import { draw } from "./drawing.js";
import { item, words } from "./events.js";
import { readSettings, readState } from "./settings.js";
import { facts } from "./watching.js";

/** @typedef {import("./contract").components["schemas"]["Scene"]} Scene */
/** @typedef {import("./settings.js").StreamSettings} StreamSettings */
/** @typedef {import("./settings.js").StreamState} StreamState */

const SETTINGS_MS = 5000;
const NONE = "No lines or zones yet. Add one on the picture: its counts and events appear here.";
/** Before the first frame. @type {Scene} */
const NOTHING = { model: "", objects: [], lines: [], zones: [] };

/** @type {{state?: StreamState, settings: StreamSettings, settingsAt: number}} */
const known = { settings: {}, settingsAt: -Infinity };
/** The newest event that is shown. */
let newest = "";

/**
 * Read what is known of a stream, and show it; return what to say if there are no lines and no zones.
 * @param {string} stream
 */
export async function readScene(stream) {
  known.state = await readState(stream);
  if (performance.now() > known.settingsAt + SETTINGS_MS) {
    known.settings = (await readSettings(stream)).settings;
    known.settingsAt = performance.now();
  }
  $("facts").textContent = known.state ? facts(known.state.stream).join(", ") : "";
  showScene();
  return isEmpty() ? NONE : "";
}

/**
 * Take over settings that were saved.
 * @param {StreamSettings} settings
 */
export function settingsChanged(settings) {
  Object.assign(known, { settings, settingsAt: performance.now() });
}

/** Show what is known. */
export function showScene() {
  showCounts();
  showEvents();
  drawScene();
}

const isEmpty = () => !known.settings.lines?.length && !known.settings.zones?.length;

/** Return the size of the stream's last frame, if there was one. */
export const sizeOfFrames = () => known.state?.stream.size;

/** Return the model that answers the stream's frames, if it is known. */
export const modelOfStream = () => known.settings.model ?? known.state?.stream.model;

/** Return the scenes, of which there is one for each model; with what is not known yet as 0. */
const scenes = () => (known.state?.scenes.length ? known.state.scenes : [NOTHING]);

/**
 * Return the totals of that name; none if they are not known yet.
 * @template {{name: string}} T
 * @param {T[]} totals
 * @param {string} name
 * @returns {Partial<T>}
 */
const named = (totals, name) => totals.find((each) => each.name === name) ?? {};

/** Draw the lines and zones with their counts, unless somebody edits them. */
export function drawScene() {
  if (!$("editor").hidden) return;
  const scene = scenes().find(({ model }) => model === known.state?.stream.model) ?? NOTHING;
  const { lines = [], zones = [] } = known.settings;
  const drawnLines = lines.map(({ name, line }) => {
    const { clockwiseTotal = 0, counterclockwiseTotal = 0 } = named(scene.lines, name);
    return { kind: /** @type {const} */ ("line"), name, points: line, counts: [clockwiseTotal, counterclockwiseTotal] };
  });
  const drawnZones = zones.map(({ name, polygon }) => {
    const { count = 0 } = named(scene.zones, name);
    return { kind: /** @type {const} */ ("zone"), name, points: polygon, counts: [count] };
  });
  draw(byId("overlay", SVGSVGElement), [...drawnZones, ...drawnLines]);
}

function showCounts() {
  const { lines = [], zones = [] } = known.settings;
  const several = scenes().length > 1;
  fill("lines", scenes().flatMap((scene) => lines.map(({ name }) => {
    const { clockwiseTotal = 0, counterclockwiseTotal = 0, total = 0 } = named(scene.lines, name);
    return row(name, several ? scene.model : "", [clockwiseTotal, counterclockwiseTotal, total]);
  })));
  fill("zones", scenes().flatMap((scene) => zones.map(({ name }) => {
    const { count = 0, enteredTotal = 0 } = named(scene.zones, name);
    return row(name, several ? scene.model : "", [count, enteredTotal]);
  })));
  const labels = Map.groupBy(known.state?.scenes.flatMap(({ objects }) => objects) ?? [], ({ label }) => label);
  const followed = [...labels].map(([label, { length }]) => `${length} \u00d7 ${label}`).join(", ");
  $("followed").textContent = followed && `Followed now: ${followed}`;
  $("edit").hidden = isEmpty() || !$("editor").hidden;
  $("reset").hidden = !known.state?.scenes.length || !$("editor").hidden;
}

/**
 * Fill a table, if it has changed: its text stays selected.
 * @param {"lines" | "zones"} id
 * @param {HTMLTableRowElement[]} rows
 */
function fill(id, rows) {
  const shown = rows.map(({ innerHTML }) => innerHTML).join();
  if ($(id).dataset.shown === shown) return;
  $(id).dataset.shown = shown;
  $(id).hidden = !rows.length;
  $(`${id}-rows`).replaceChildren(...rows);
}

/**
 * @param {string} name
 * @param {string} model
 * @param {number[]} numbers
 */
function row(name, model, numbers) {
  const head = element("th", { scope: "row" }, name, ...(model ? [element("small", {}, model)] : []));
  const cells = numbers.map((number) => element("td", { className: "number", textContent: String(number) }));
  return element("tr", {}, head, ...cells);
}

/** List the events, if there are new ones: their text stays selected. */
function showEvents() {
  const events = (known.state?.events ?? []).filter(words);
  $("happened").hidden = !events.length;
  const first = JSON.stringify(events[0] ?? "");
  if (first === newest) return;
  newest = first;
  $("events").replaceChildren(...events.map(item));
}
