// Points of lines and zones on the picture: placed, dragged, moved with the arrow keys, removed.

import { finished, withPoint } from "./adding.js";
import { moved, withoutPoint } from "./draft.js";
import { $, element } from "./dom.js";
import { edges, gap, gapToSegment } from "./geometry.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").Shape} Shape */
/** @typedef {import("./draft.js").Step} Step */
/** @typedef {import("./geometry.js").Point} Point */
/**
 * `current`: returns the draft, null while nobody edits. `apply`: is called with the next one.
 * @typedef {{current: () => Draft | null, apply: (step: Step) => void, abandon: () => void}} Editing
 */

const NEAR = 14; // pixels
const [STEP, LARGE_STEP] = [0.005, 0.05];
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const surface = $("surface");
const handles = $("handles");
/** The point that had the focus last. */
let marked = 0;

/** Return the index of the marked point: the one that had the focus last. */
export const markedPoint = () => marked;

/** @param {Editing} editing */
export function startPointing({ current, apply, abandon }) {
  /** @type {{key: number, index: number, offset: Point} | null} */
  let dragged = null;
  surface.addEventListener("pointerdown", (event) => {
    const draft = current();
    if (!draft || draft.begun || !event.isPrimary || event.button) return;
    const [x, y] = pointOf(event);
    const onHandle = event.target instanceof HTMLElement && handles.contains(event.target);
    const point = nearestPoint(draft, [x, y]);
    const chosen = point?.key ?? nearestShape(draft, [x, y])?.key ?? 0;
    if (chosen !== draft.chosen) apply({ draft: { ...draft, chosen }, said: "" });
    if (!point || (event.pointerType !== "mouse" && !onHandle)) return; // a touch elsewhere may scroll the page
    dragged = { key: chosen, index: point.index, offset: [point.at[0] - x, point.at[1] - y] };
    surface.setPointerCapture(event.pointerId);
    event.preventDefault(); // it would focus what is below the pointer
    focusPoint(point.index);
  });
  surface.addEventListener("pointermove", (event) => {
    const draft = current();
    if (!draft || !dragged || !event.isPrimary) return;
    const [x, y] = pointOf(event);
    const { key, index, offset } = dragged;
    apply({ draft: moved(draft, key, index, [x + offset[0], y + offset[1]]), said: "" });
  });
  for (const end of ["pointerup", "pointercancel"]) surface.addEventListener(end, () => (dragged = null));
  surface.addEventListener("click", (event) => {
    const draft = current();
    if (draft?.begun) apply(withPoint(draft, pointOf(event), (one, other) => gap(one, other, size()) <= NEAR));
  });
  handles.addEventListener("focusin", ({ target }) => {
    marked = [...handles.children].findIndex((handle) => handle === target);
    mark();
  });
  surface.addEventListener("keydown", (event) => {
    const draft = current();
    if (draft?.begun && event.key === "Enter") apply(finished(draft));
    else if (draft?.begun && event.key === "Escape") abandon();
    else if (draft && handles.contains(document.activeElement)) pressed(event, draft, apply);
  });
}

/**
 * Move or remove the point that has the focus.
 * @param {KeyboardEvent} event
 * @param {Draft} draft
 * @param {(step: Step) => void} apply
 */
function pressed(event, draft, apply) {
  const shape = draft.shapes.find(({ key }) => key === draft.chosen);
  const direction = DIRECTIONS[event.key];
  if (!shape) return;
  if (direction) {
    const [x, y] = shape.points[marked];
    const step = event.shiftKey ? LARGE_STEP : STEP;
    const next = moved(draft, shape.key, marked, [x + direction[0] * step, y + direction[1] * step]);
    const there = next.shapes.find(({ key }) => key === shape.key)?.points[marked] ?? [];
    apply({ draft: next, said: `Point ${marked + 1}: ${place(there)}` });
  } else if (event.key === "Delete" || event.key === "Backspace") {
    apply(withoutPoint(draft, shape.key, marked));
    focusPoint(marked);
  } else return;
  event.preventDefault();
}

/**
 * Place a handle on each point of a shape; none without a shape. Handles stay, so that one keeps the focus.
 * @param {Shape | undefined} shape
 */
export function placeHandles(shape) {
  const points = shape?.points ?? [];
  while (handles.childElementCount > points.length) handles.lastElementChild?.remove();
  while (handles.childElementCount < points.length) {
    handles.append(element("button", { type: "button", className: "handle" }));
  }
  for (const [index, point] of points.entries()) {
    const handle = /** @type {HTMLElement} */ (handles.children[index]);
    Object.assign(handle.style, { left: `${point[0] * 100}%`, top: `${point[1] * 100}%` });
    handle.setAttribute("aria-label", `${shape?.name}, point ${index + 1} of ${points.length}: ${place(point)}`);
  }
  mark();
}

/** Mark the point, if it is a corner: it can be removed. */
function mark() {
  const count = handles.childElementCount;
  marked = Math.max(0, Math.min(marked, count - 1));
  for (const [index, handle] of [...handles.children].entries()) {
    handle.classList.toggle("marked", count > 2 && index === marked);
  }
}

/** @param {number} index */
export const focusPoint = (index) => /** @type {HTMLElement | undefined} */ (handles.children[index])?.focus();

/** @param {Point} point */
const place = ([x, y]) => `${(x * 100).toFixed(1)} % from the left, ${(y * 100).toFixed(1)} % from the top`;

/** Return the size of the picture on the page. */
export const size = () => ({ width: surface.clientWidth, height: surface.clientHeight });

/**
 * Return where on the picture a pointer is.
 * @param {MouseEvent} event
 */
function pointOf({ clientX, clientY }) {
  const { left, top, width, height } = surface.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
}

/**
 * Return the point near a place: of the chosen shape, if it has one there.
 * @param {Draft} draft
 * @param {Point} place
 */
function nearestPoint({ shapes, chosen }, place) {
  const all = shapes.flatMap(({ key, points }) =>
    points.map((at, index) => ({ key, index, at, away: gap(at, place, size()) })));
  const near = all.filter(({ away }) => away <= NEAR).sort((one, other) => one.away - other.away);
  return near.find(({ key }) => key === chosen) ?? near[0];
}

/**
 * Return the shape of which an edge is near a place.
 * @param {Draft} draft
 * @param {Point} place
 */
function nearestShape({ shapes }, place) {
  const away = (/** @type {Shape} */ { points }) =>
    Math.min(...edges(points).map((edge) => gapToSegment(place, edge, size())));
  const near = shapes.filter((shape) => away(shape) <= NEAR);
  return near.sort((one, other) => away(one) - away(other))[0];
}
