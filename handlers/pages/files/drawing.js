// Draws lines and zones over a picture. Each stroke has a dark edge: it is seen on any picture.

import { svg } from "./dom.js";
import { counterclockwise, middle, pixels } from "./geometry.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Size} Size */
/**
 * `counts`: of a line, clockwise and counterclockwise; of a zone, how many are in it; none while it is edited. `key`
 * names it while it is edited.
 * @typedef {{kind: "line" | "zone", name: string, points: Point[], counts?: number[], key?: number}} Drawn
 */

const ARROW = 24; // pixels
const HEAD = 7;
const BEYOND = 14;
const MARGIN = 12;
const CHARACTER = 9; // most are narrower
const MOST_CHARACTERS = 24;
const TEXT_LINE = 16;

/**
 * Draw on an overlay that has the size of its picture.
 * @param {SVGSVGElement} overlay
 * @param {Drawn[]} shapes
 * @param {number} [chosen] the key of the one that stands out
 */
export function draw(overlay, shapes, chosen = 0) {
  const { clientWidth: width, clientHeight: height } = overlay;
  if (!width || !height) return;
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const isChosen = (/** @type {Drawn} */ { key }) => Boolean(chosen) && key === chosen;
  const order = shapes.toSorted((one, other) => Number(isChosen(one)) - Number(isChosen(other))); // it is on top
  overlay.replaceChildren(...order.map((shape) => drawn(shape, { width, height }, isChosen(shape))));
}

/**
 * Draw what is being added, as far as it is known.
 * @param {SVGSVGElement} overlay
 * @param {Point[]} points
 */
export function drawBegun(overlay, points) {
  const size = { width: overlay.clientWidth, height: overlay.clientHeight };
  const group = svg("g", { class: "begun" }, ...stroked("polyline", { points: listed(points, size) }));
  for (const [cx, cy] of points.map((point) => pixels(point, size))) group.append(svg("circle", { cx, cy, r: 6 }));
  overlay.append(group);
}

/**
 * @param {Drawn} shape
 * @param {Size} size
 * @param {boolean} isChosen
 */
function drawn(shape, size, isChosen) {
  const { kind, points } = shape;
  const parts = kind === "line" ? lineParts(shape, size) : zoneParts(shape, size);
  const corners = points.map((point) => pixels(point, size)).map(([cx, cy]) => svg("circle", { cx, cy, r: 3 }));
  return svg("g", { class: isChosen ? `${kind} chosen` : kind }, ...parts, ...corners);
}

/**
 * @param {Drawn} shape
 * @param {Size} size
 */
function zoneParts({ name, points, counts }, size) {
  const text = counts ? `${short(name, size)}: ${counts[0]}` : short(name, size);
  return [...stroked("polygon", { points: listed(points, size) }), label(pixels(middle(points), size), text, size)];
}

/**
 * Return a line with an arrow across it for each direction, and at its tip the count.
 * @param {Drawn} shape
 * @param {Size} size
 */
function lineParts({ name, points, counts }, size) {
  const [dx, dy] = counterclockwise(points, size);
  const [x, y] = pixels(middle(points), size);
  const higher = pixels(points[0][1] <= points[1][1] ? points[0] : points[1], size);
  const ends = [["\u21bb", -1], ["\u21ba", 1]].flatMap(([sign, side], index) => {
    const [across, along] = [dx * Number(side), dy * Number(side)];
    const tip = [x + across * ARROW, y + along * ARROW];
    const text = counts ? `${sign} ${counts[index]}` : String(sign);
    const away = ARROW + BEYOND + Math.abs(across) * 4;
    return [...arrow([x, y], tip, [across, along]), label([x + across * away, y + along * away], text, size)];
  });
  const title = label([higher[0], higher[1] - BEYOND], short(name, size), size);
  return [...stroked("polyline", { points: listed(points, size) }), ...ends, title];
}

/**
 * @param {number[]} from
 * @param {number[]} tip
 * @param {number[]} direction
 */
function arrow(from, [x, y], [dx, dy]) {
  const [backX, backY] = [x - dx * HEAD, y - dy * HEAD];
  const sides = [1, -1].map((side) => [backX - dy * HEAD * side, backY + dx * HEAD * side]);
  return stroked("path", { d: `M${from}L${[x, y]}M${sides[0]}L${[x, y]}L${sides[1]}` });
}

/**
 * Return a shape twice: its dark edge, and itself.
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
const stroked = (name, attributes) => [svg(name, { ...attributes, class: "edge" }), svg(name, attributes)];

/**
 * Return a name, cut if it is long.
 * @param {string} name
 * @param {Size} size
 */
function short(name, { width }) {
  const most = Math.min(MOST_CHARACTERS, Math.floor(width / 2 / CHARACTER));
  return name.length > most ? `${name.slice(0, most)}\u2026` : name;
}

/**
 * Return a text around a place; if the picture has no room there, beside and above it.
 * @param {number[]} at in pixels
 * @param {string} text
 * @param {Size} size
 */
function label([x, y], text, { width, height }) {
  const half = (text.length * CHARACTER) / 2;
  const left = Math.max(half, Math.min(width - half, x));
  const top = left === x ? y : y - TEXT_LINE;
  const inside = Math.max(MARGIN, Math.min(height - MARGIN, top));
  return svg("text", { x: left, y: inside, "text-anchor": "middle" }, text);
}

/**
 * @param {Point[]} points
 * @param {Size} size
 */
const listed = (points, size) => points.map((point) => pixels(point, size).join()).join(" ");
