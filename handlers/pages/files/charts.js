// A chart of the last ten minutes, with axes, units and the time of day.

import { element, svg } from "./dom.js";

const SPAN_MS = 600_000;
const LEFT_PX = 40;
const BOTTOM_PX = 20;
const TOP_PX = 8;
const HEIGHT_PX = 160;
const STEPS = [1, 2, 2.5, 5, 10];

export class Chart {
  /**
   * @param {string} title
   * @param {string} unit
   * @param {string[]} names of the lines
   */
  constructor(title, unit, names) {
    /** @type {{at: number, numbers: number[]}[]} */
    this.samples = [];
    this.names = names;
    this.unit = unit;
    this.drawing = svg("svg", { role: "img" });
    this.values = names.map(() => element("b"));
    const legend = this.values.map((value, line) =>
      element("span", { className: `line-${line}` }, element("i"), `${names[line]} `, value),
    );
    const lines = element("span", { className: "legend" }, ...legend);
    const caption = element("figcaption", {}, `${title} (${unit})`, lines);
    this.title = title;
    this.figure = element("figure", { className: "chart" }, caption);
    this.figure.append(this.drawing);
    new ResizeObserver(() => this.draw()).observe(this.figure);
  }

  /**
   * Add one number for each line, of now; NaN where there is none.
   * @param {number[]} numbers
   */
  add(numbers) {
    const at = Date.now();
    this.samples.push({ at, numbers });
    this.samples = this.samples.filter((sample) => sample.at >= at - SPAN_MS);
    for (const [line, value] of this.values.entries()) value.textContent = shown(numbers[line]);
    const words = this.names.map((name, line) => `${name} ${shown(numbers[line])}`).join(", ");
    this.drawing.setAttribute("aria-label", `${this.title} in the last ten minutes, in ${this.unit}; now ${words}`);
    this.draw();
  }

  draw() {
    const width = this.figure.clientWidth;
    if (!width) return; // it is not visible
    const now = this.samples.at(-1)?.at ?? Date.now();
    const top = ceiling(Math.max(...this.samples.flatMap(({ numbers }) => numbers).filter(Number.isFinite), 0));
    const x = (/** @type {number} */ at) => LEFT_PX + ((width - LEFT_PX) * (at - now + SPAN_MS)) / SPAN_MS;
    const y = (/** @type {number} */ value) => TOP_PX + (HEIGHT_PX - TOP_PX - BOTTOM_PX) * (1 - value / top);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT_PX}`);
    this.drawing.replaceChildren(
      ...[0, 0.5, 1].flatMap((share) => level(share * top, y(share * top), width)),
      ...[0, 0.5, 1].map((share) => clock(now - SPAN_MS * (1 - share), x(now - SPAN_MS * (1 - share)), share)),
      ...this.names.map((_, line) => svg("path", { class: `line-${line}`, d: path(this.samples, line, x, y) })),
    );
  }
}

/** @param {number} value */
function shown(value) {
  if (!Number.isFinite(value)) return "\u2013";
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : value.toFixed(0);
}

/**
 * Return the smallest round number that is at least a value.
 * @param {number} value
 */
function ceiling(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * (STEPS.find((step) => step * unit >= value) ?? STEPS[STEPS.length - 1]);
}

/**
 * @param {number} value
 * @param {number} y
 * @param {number} width
 */
function level(value, y, width) {
  const text = String(Number(value.toPrecision(3)));
  return [
    svg("line", { x1: LEFT_PX, x2: width, y1: y, y2: y }),
    svg("text", { x: LEFT_PX - 6, y: y + 4, "text-anchor": "end" }, text),
  ];
}

/**
 * @param {number} at
 * @param {number} x
 * @param {number} share of the axis
 */
function clock(at, x, share) {
  const text = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
  return svg("text", { x, y: HEIGHT_PX - 4, "text-anchor": anchor }, text);
}

/**
 * @param {{at: number, numbers: number[]}[]} samples
 * @param {number} line
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
function path(samples, line, x, y) {
  let isDown = false;
  return samples
    .map(({ at, numbers }) => {
      const value = numbers[line];
      if (!Number.isFinite(value)) return (isDown = false), "";
      const command = isDown ? "L" : "M";
      isDown = true;
      return `${command}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join("");
}
