// Adding a line or zone to a draft: point by point, or in the middle of the picture.

import { LEAST_CORNERS, MOST_CORNERS, ofKind } from "./draft.js";
import { onPicture } from "./geometry.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").Kind} Kind */
/** @typedef {import("./draft.js").Step} Step */
/** @typedef {import("./geometry.js").Point} Point */

const TAKEN = "There is a point already. Click or tap elsewhere.";
const END = "Click or tap where the line ends.";
const MOST = 16; // of each kind, as the contract says
/** @type {Record<Kind, Point[]>} */
const IN_THE_MIDDLE = {
  line: [[0.5, 0.25], [0.5, 0.75]],
  zone: [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]],
};

/**
 * Begin to add a line or zone.
 * @param {Draft} draft
 * @param {Kind} kind
 * @returns {Step}
 */
export function begin(draft, kind) {
  if (ofKind(draft.shapes, kind).length >= MOST) return { draft, said: `A stream has at most ${MOST} ${kind}s.` };
  const said = `Click or tap the picture ${kind === "line" ? "where the line begins" : "at each corner of the zone"}.`;
  return { draft: { ...draft, chosen: 0, begun: { kind, points: [] } }, said };
}

/**
 * Add a point to what was begun. A line has two; the first point of a zone, again, finishes it.
 * @param {Draft} draft
 * @param {Point} point
 * @param {(one: Point, other: Point) => boolean} isNear
 * @returns {Step}
 */
export function withPoint(draft, point, isNear) {
  if (!draft.begun) return { draft, said: "" };
  const { kind, points } = draft.begun;
  const at = onPicture(point);
  if (kind === "zone" && points.length >= LEAST_CORNERS && isNear(at, points[0])) return finished(draft);
  if (points.some((other) => isNear(at, other))) return { draft, said: TAKEN };
  const more = { ...draft, begun: { kind, points: [...points, at] } };
  if (kind === "line") return points.length ? finished(more) : { draft: more, said: END };
  if (points.length + 1 >= MOST_CORNERS) return finished(more);
  const missing = LEAST_CORNERS - points.length - 1;
  if (missing > 0) return { draft: more, said: `Click or tap the next corner; at least ${missing} more.` };
  return { draft: more, said: "Click or tap the next corner. Enter, or the first corner again, finishes the zone." };
}

/**
 * Finish what was begun.
 * @param {Draft} draft
 * @returns {Step}
 */
export function finished(draft) {
  const { kind = "line", points = [] } = draft.begun ?? {};
  if (points.length < (kind === "line" ? 2 : LEAST_CORNERS)) return { draft, said: `A ${kind} needs more points.` };
  const key = Math.max(0, ...draft.shapes.map((shape) => shape.key)) + 1;
  const shape = { key, kind, name: freeName(draft, kind), points, labels: [] };
  const more = { shapes: [...draft.shapes, shape], chosen: key, begun: null };
  return { draft: more, said: `The ${kind} is drawn. Give it a name.` };
}

/**
 * Finish what was begun with points in the middle of the picture.
 * @param {Draft} draft
 * @returns {Step}
 */
export function centred(draft) {
  if (!draft.begun) return { draft, said: "" };
  const { kind } = draft.begun;
  const step = finished({ ...draft, begun: { kind, points: IN_THE_MIDDLE[kind] } });
  return { ...step, said: "It is in the middle of the picture. Move its points with the arrow keys." };
}

/**
 * @param {Draft} draft
 * @param {Kind} kind
 */
function freeName({ shapes }, kind) {
  const taken = new Set(shapes.map(({ name }) => name));
  let number = 1;
  while (taken.has(`${kind} ${number}`)) number++;
  return `${kind} ${number}`;
}
