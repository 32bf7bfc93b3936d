// What was found, as a list: a row lights its box, a label filters both.

import { colours, drawBoxes, placeCaptions } from "./boxes.js";
import { $, element } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["Inference"]} Inference */
/** @typedef {import("./contract").components["schemas"]["Box"]} Box */
/**
 * One result as the page shows it. `index`: its place among the results; events and texts have no `confidence`.
 * @typedef {{index: number, label: string, details: string, confidence?: number, caption: string, box?: Box,
 *   colour: string, ink: string, extensions?: Record<string, string>}} Result
 */

/** @type {Set<string>} */
const hiddenLabels = new Set();

/**
 * Show the results, or none.
 * @param {Inference[]} inferences
 * @param {string[]} labels of the model, for the colours
 */
export function showResults(inferences, labels) {
  const results = resultsOf(inferences, labels);
  hiddenLabels.clear();
  drawBoxes(results, light);
  $("results").replaceChildren(...results.map(row));
  const counts = Map.groupBy(results, ({ label }) => label);
  $("chips").replaceChildren(...(counts.size > 1 ? [...counts].map(([label, { length }]) => chip(label, length)) : []));
  return [...counts].map(([label, { length }]) => (length > 1 ? `${length} \u00d7 ${label}` : label)).join(", ");
}

/**
 * @param {Inference[]} inferences
 * @param {string[]} labels
 * @returns {Result[]}
 */
function resultsOf(inferences, labels) {
  const texts = new Map();
  for (const each of inferences) if (each.type === "text") texts.set(each.relatedInferences?.[0], each.text.value);
  const ids = new Set(inferences.map(({ inferenceId }) => inferenceId).filter(Boolean));
  const shown = inferences.filter((each) => each.type !== "text" || !ids.has(each.relatedInferences?.[0] ?? ""));
  return shown.map((inference, index) => result(inference, index, labels, texts.get(inference.inferenceId)));
}

/**
 * @param {Inference} inference
 * @param {number} index
 * @param {string[]} labels
 * @param {string | undefined} read
 * @returns {Result}
 */
function result(inference, index, labels, read) {
  const entity = inference.type === "entity" ? inference.entity : undefined;
  const tagged = inference.type === "classification" ? inference.classification : entity;
  const label = tagged?.tag.value ?? (inference.type === "text" ? inference.text.value : inference.type);
  const confidence = tagged?.tag.confidence;
  const attributes = (tagged?.attributes ?? []).map(({ value }) => value);
  const [colour, ink] = colours(labels.indexOf(label));
  const words = [label, ...attributes].join(", ");
  return {
    index,
    label,
    details: [...(read ? [read] : []), ...attributes].join(", "),
    confidence,
    caption: read ?? (confidence === undefined ? words : `${words} ${confidence.toFixed(2)}`),
    box: entity?.box,
    colour,
    ink,
    extensions: inference.extensions,
  };
}

/** @param {Result} result */
function row({ index, label, details, confidence, colour }) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.background = colour;
  const name = element("span", { className: "name" }, label, ...(details ? [element("small", {}, details)] : []));
  const made = element("button", { type: "button", className: "result" }, swatch, name);
  if (confidence !== undefined) {
    const bar = element("span", { className: "bar" }, element("i"));
    /** @type {HTMLElement} */ (bar.firstChild).style.width = `${confidence * 100}%`;
    made.append(bar, element("span", { className: "number", textContent: confidence.toFixed(2) }));
  }
  made.addEventListener("pointerenter", () => light(index));
  made.addEventListener("pointerleave", () => light(-1));
  made.addEventListener("focus", () => light(index));
  made.addEventListener("blur", () => light(-1));
  const item = element("li", {}, made);
  Object.assign(item.dataset, { index, label });
  return item;
}

/**
 * @param {string} label
 * @param {number} count
 */
function chip(label, count) {
  const made = element("button", { type: "button", className: "chip", textContent: `${label} ${count}` });
  made.setAttribute("aria-pressed", "true");
  made.addEventListener("click", () => {
    const isHidden = !hiddenLabels.delete(label);
    if (isHidden) hiddenLabels.add(label);
    made.setAttribute("aria-pressed", String(!isHidden));
    filter();
  });
  return made;
}

function filter() {
  const kept = new Set();
  for (const item of parts("#results > li")) {
    item.hidden = hiddenLabels.has(item.dataset.label ?? "");
    if (!item.hidden) kept.add(item.dataset.index);
  }
  for (const box of parts("#boxes > .box")) box.hidden = !kept.has(box.dataset.index);
  placeCaptions();
}

/** @param {number} index of the result to light, -1 for none */
function light(index) {
  $("boxes").classList.toggle("dimmed", index >= 0);
  for (const part of parts("#boxes > .box, #results > li")) {
    part.classList.toggle("lit", part.dataset.index === String(index));
  }
}

/**
 * @param {string} selector
 * @returns {NodeListOf<HTMLElement>}
 */
const parts = (selector) => document.querySelectorAll(selector);
