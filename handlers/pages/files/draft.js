// Lines and zones while they are drawn: a value, and the steps from one to the next.

import { edges, gap, isSame, middle, onPicture } from "./geometry.js";

/** @typedef {import("./contract").components["schemas"]["StreamSettings"]} StreamSettings */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Size} Size */
/** @typedef {"line" | "zone"} Kind */
/** @typedef {{key: number, kind: Kind, name: string, points: Point[], labels: string[], dwellS?: number}} Shape */
/**
 * `chosen`: the key of the shape whose points can be moved, 0 for none. `begun`: what is being added, point by point.
 * @typedef {{shapes: Shape[], chosen: number, begun: {kind: Kind, points: Point[]} | null}} Draft
 */
/** A draft, and what to say about it. @typedef {{draft: Draft, said: string}} Step */

export const LEAST_CORNERS = 3;
export const MOST_CORNERS = 32; // as the contract says

/**
 * Return the lines and zones of settings.
 * @param {StreamSettings} settings
 * @returns {Draft}
 */
export function draftOf({ lines = [], zones = [] }) {
  const drawn = [
    ...lines.map(({ name, line, labels = [] }) => ({ kind: /** @type {Kind} */ ("line"), name, points: line, labels })),
    ...zones.map(({ name, polygon, labels = [], dwell_s: dwellS }) => ({
      kind: /** @type {Kind} */ ("zone"), name, points: polygon, labels, dwellS,
    })),
  ];
  return { shapes: drawn.map((shape, index) => ({ key: index + 1, ...shape })), chosen: 0, begun: null };
}

/**
 * Return settings with the lines and zones of a draft; all else stays.
 * @param {StreamSettings} settings
 * @param {Draft} draft
 * @returns {StreamSettings}
 */
export function settingsOf(settings, { shapes }) {
  const { lines: _lines, zones: _zones, ...others } = settings;
  const common = (/** @type {Shape} */ { name, labels }) => ({ name: name.trim(), ...(labels.length && { labels }) });
  const lines = ofKind(shapes, "line").map((shape) => ({ ...common(shape), line: shape.points }));
  const zones = ofKind(shapes, "zone").map((shape) => ({
    ...common(shape), polygon: shape.points, ...(shape.dwellS !== undefined && { dwell_s: shape.dwellS }),
  }));
  return { ...others, ...(lines.length && { lines }), ...(zones.length && { zones }) };
}

/**
 * @param {Shape[]} shapes
 * @param {Kind} kind
 */
export const ofKind = (shapes, kind) => shapes.filter((shape) => shape.kind === kind);

/**
 * Change a shape.
 * @param {Draft} draft
 * @param {number} key
 * @param {(shape: Shape) => Partial<Shape>} change
 * @returns {Draft}
 */
export const changed = (draft, key, change) => ({
  ...draft,
  shapes: draft.shapes.map((shape) => (shape.key === key ? { ...shape, ...change(shape) } : shape)),
});

/**
 * Move a point; one of a line does not get to the other.
 * @param {Draft} draft
 * @param {number} key
 * @param {number} index
 * @param {Point} point
 */
export const moved = (draft, key, index, point) =>
  changed(draft, key, ({ kind, points }) => {
    const at = onPicture(point);
    const isTaken = kind === "line" && isSame(at, points[1 - index]);
    return { points: isTaken ? points : points.with(index, at) };
  });

/**
 * Remove a point.
 * @param {Draft} draft
 * @param {number} key
 * @param {number} index
 * @returns {Step}
 */
export function withoutPoint(draft, key, index) {
  const shape = draft.shapes.find((each) => each.key === key);
  if (shape?.kind === "line") return { draft, said: "A line keeps its two points. You can remove the whole line." };
  if (!shape || shape.points.length <= LEAST_CORNERS) return { draft, said: "A zone keeps at least three corners." };
  const less = changed(draft, key, ({ points }) => ({ points: points.toSpliced(index, 1) }));
  return { draft: less, said: "Corner removed." };
}

/**
 * Add a corner to a zone, in the middle of its longest edge.
 * @param {Draft} draft
 * @param {number} key
 * @param {Size} size of the picture
 * @returns {Step & {index: number}} the new corner's
 */
export function withCorner(draft, key, size) {
  const points = draft.shapes.find((shape) => shape.key === key)?.points ?? [];
  const lengths = edges(points).map(([one, other]) => gap(one, other, size));
  const index = lengths.indexOf(Math.max(...lengths)) + 1;
  if (points.length >= MOST_CORNERS) return { draft, said: `A zone has at most ${MOST_CORNERS} corners.`, index };
  const corner = onPicture(middle([points[index - 1], points[index % points.length]]));
  const more = changed(draft, key, () => ({ points: points.toSpliced(index, 0, corner) }));
  return { draft: more, said: "Corner added.", index };
}

/**
 * Return a draft without a shape.
 * @param {Draft} draft
 * @param {number} key
 * @returns {Draft}
 */
export const without = (draft, key) => ({
  ...draft,
  shapes: draft.shapes.filter((shape) => shape.key !== key),
  chosen: 0,
});

/**
 * Swap the directions of a line: it begins where it ended.
 * @param {Draft} draft
 * @param {number} key
 */
export const swapped = (draft, key) => changed(draft, key, ({ points }) => ({ points: points.toReversed() }));
