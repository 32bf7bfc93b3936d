// Draws results over a picture, in the colours and with the captions of annotated pictures.

import { $, element, svg } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["Box"]} Box */
/**
 * One result as the page shows it. `index`: its place among the results; events and texts have no `confidence`.
 * @typedef {{index: number, label: string, details: string, confidence?: number, caption: string, box?: Box,
 *   colour: string, ink: string, extensions?: Record<string, string>}} Result
 */

const WHOLE = { l: 0, t: 0, w: 1, h: 1 };
const HUE_STEP = 0.618034;
const percent = (/** @type {number} */ share) => `${share * 100}%`;

/**
 * Return the colour of a class and that of text on it: steps of the golden ratio around the colour circle.
 * @param {number} classId
 * @returns {[string, string]}
 */
export function colours(classId) {
  const hue = (Math.max(classId, 0) * HUE_STEP) % 1;
  const part = (/** @type {number} */ n) => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * (1 - 0.85 * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  const rgb = [part(5), part(3), part(1)];
  return [`rgb(${rgb.join(", ")})`, luminance(rgb) > 0.179 ? "black" : "white"];
}

/**
 * The relative luminance of WCAG 2: above 0.179, black has more contrast than white.
 * @param {number[]} rgb
 */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * Draw the results that have a box.
 * @param {Result[]} results
 * @param {(index: number) => void} light is called with the result that the pointer is on, -1 for none
 */
export function drawBoxes(results, light) {
  const placed = results.filter(({ box }) => box);
  const bySize = placed.toSorted((one, other) => area(other) - area(one)); // so that no box covers a smaller one
  $("boxes").replaceChildren(...bySize.map((result) => drawn(result, light)));
  placeCaptions();
}

/** @param {Result} result */
const area = ({ box }) => (box ? box.w * box.h : 0);

/**
 * @param {Result} result
 * @param {(index: number) => void} light
 */
function drawn({ index, box, caption, colour, ink, extensions }, light) {
  const text = element("span", { className: "caption", textContent: caption });
  text.style.background = colour;
  text.style.color = ink;
  const made = element("div", { className: "box" }, text);
  made.dataset.index = String(index);
  const { l, t, w, h } = box ?? WHOLE;
  Object.assign(made.style, { left: percent(l), top: percent(t), width: percent(w), height: percent(h) });
  made.style.borderColor = colour;
  made.addEventListener("pointerenter", () => light(index));
  made.addEventListener("pointerleave", () => light(-1));
  if (box && extensions) made.append(...shapes(box, extensions, colour));
  return made;
}

/**
 * Return the mask, the key points and the turned box of a result, drawn over its box.
 * @param {Box} box
 * @param {Record<string, string>} extensions
 * @param {string} colour
 */
function shapes(box, { mask, keypoints, corners }, colour) {
  const made = [];
  if (mask) {
    const shape = element("div", { className: "mask" });
    Object.assign(shape.style, { background: colour, maskImage: `url("${mask}")` });
    made.push(shape);
  }
  const within = (/** @type {number[]} */ [x, y]) => [(x - box.l) / box.w, (y - box.t) / box.h];
  for (const point of keypoints ? JSON.parse(keypoints) : []) {
    const [left, top] = within(point);
    const dot = element("div", { className: "dot" });
    Object.assign(dot.style, { background: colour, left: percent(left), top: percent(top) });
    made.push(dot);
  }
  if (corners) {
    const points = JSON.parse(corners).map(within).join(" ");
    const polygon = svg("polygon", { points, stroke: colour });
    made.push(svg("svg", { class: "corners", viewBox: "0 0 1 1", preserveAspectRatio: "none" }, polygon));
  }
  return made;
}

/**
 * Place captions above, below or inside their boxes, without overlap; surer results choose first. A caption without
 * room is `crowded`: it is seen only while its box is lit.
 */
export function placeCaptions() {
  const { clientWidth, clientHeight } = $("boxes");
  const boxes = /** @type {HTMLElement[]} */ ([...$("boxes").children]).filter(({ hidden }) => !hidden);
  const order = boxes.sort((one, other) => Number(one.dataset.index) - Number(other.dataset.index));
  /** @type {{left: number, top: number, right: number, bottom: number}[]} */
  const taken = [];
  for (const box of order) {
    const caption = /** @type {HTMLElement} */ (box.firstChild);
    caption.style.maxWidth = `${clientWidth}px`;
    const { offsetWidth: width, offsetHeight: height } = caption;
    const left = Math.max(0, Math.min(box.offsetLeft, clientWidth - width));
    const bottom = box.offsetTop + box.offsetHeight;
    const wanted = [box.offsetTop - height, bottom, box.offsetTop, bottom - height];
    const tops = wanted.map((top) => Math.max(0, Math.min(top, clientHeight - height)));
    const right = left + width;
    const isFree = (/** @type {number} */ top) =>
      taken.every((one) => left >= one.right || one.left >= right || top >= one.bottom || one.top >= top + height);
    const free = tops.find(isFree);
    const top = free ?? tops[0];
    if (free !== undefined) taken.push({ left, top, right, bottom: top + height });
    caption.classList.toggle("crowded", free === undefined);
    caption.style.left = `${left - box.offsetLeft - box.clientLeft}px`;
    caption.style.top = `${top - box.offsetTop - box.clientTop}px`;
  }
}
