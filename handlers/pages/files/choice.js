// The model that is chosen for photos.

import { byId, element } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["Inference"]} Inference */
/** @typedef {import("./contract").components["schemas"]["Model"]} Model */

const select = byId("model", HTMLSelectElement);

/** @type {Map<string, Model>} */
let models = new Map();
let defaultModel = "";

/** Return the name that requests carry; empty for the default model. */
export const chosenName = () => select.value;

/** Return the chosen model; undefined while it is not known. */
export const chosen = () => models.get(select.value || defaultModel);

/**
 * Return the labels of the chosen model; or, if that is not known, of the first with a label that was found.
 * @param {Inference[]} found
 */
export function labelsOf(found) {
  const label = found.find((each) => each.type === "entity")?.entity.tag.value ?? "";
  return (chosen() ?? [...models.values()].find(({ labels }) => labels.includes(label)))?.labels ?? [];
}

/**
 * Offer these models. The chosen one stays, if it is among them.
 * @param {Model[]} served
 * @param {string} nameOfDefault
 */
export function offer(served, nameOfDefault) {
  models = new Map(served.map((model) => [model.name, model]));
  defaultModel = nameOfDefault;
  const name = select.value;
  const options = served.map((model) => element("option", { value: model.name }, model.name));
  select.replaceChildren(element("option", { value: "" }, `${defaultModel} (default)`), ...options);
  if (models.has(name)) select.value = name;
}

/**
 * Choose a model, as a person does.
 * @param {string} name
 */
export function choose(name) {
  select.value = name;
  select.dispatchEvent(new Event("change"));
}

/** @param {() => void} changed is called when a person chooses another model */
export function onChoice(changed) {
  select.addEventListener("change", changed);
}
