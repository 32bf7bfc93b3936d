// The models: what each finds, its state, its load, and a way to try it.

import { ask } from "./api.js";
import { $, byId, counted, element } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["ModelList"]} ModelList */
/** @typedef {import("./contract").components["schemas"]["Model"]} Model */
/** @typedef {import("./contract").components["schemas"]["BrokenModel"]} BrokenModel */
/** @typedef {import("./contract").components["schemas"]["ModelLoad"]} ModelLoad */
/** @typedef {import("./results.js").Inference} Inference */

const SHOWN_LABELS = 6;

/** @type {Map<string, Model>} */
const models = new Map();
let defaultModel = "";
/** @type {{at: number, loads: Map<string, ModelLoad>}} */
let before = { at: 0, loads: new Map() };

/** Return the model that is chosen for photos; undefined while it is not known. */
export const chosen = () => models.get(byId("model", HTMLSelectElement).value || defaultModel);

/**
 * Return the labels of the chosen model; or, if that is not known, of the first with a label that was found.
 * @param {Inference[]} found
 */
export function labelsOf(found) {
  const label = found.find((each) => each.type === "entity")?.entity.tag.value ?? "";
  return (chosen() ?? [...models.values()].find(({ labels }) => labels.includes(label)))?.labels ?? [];
}

/** List the models; return what to say about them. */
export async function readModels() {
  /** @type {ModelList} */
  const served = await (await ask("models")).json();
  defaultModel = served.defaultModel;
  models.clear();
  for (const model of served.models) models.set(model.name, model);
  const select = byId("model", HTMLSelectElement);
  const before = select.value;
  const options = served.models.map(({ name }) => element("option", { value: name, textContent: name }));
  select.replaceChildren(element("option", { value: "", textContent: `${defaultModel} (default)` }), ...options);
  if (models.has(before)) select.value = before;
  const broken = served.broken ?? [];
  const reasons = new Map(broken.map((each) => [each.name, each]));
  const gone = broken.filter(({ name }) => !models.has(name));
  const cards = served.models.map((model) => card(model, reasons.get(model.name)));
  $("models").replaceChildren(...gone.map(brokenCard), ...cards);
  $("models-broken").textContent = broken.length ? String(broken.length) : "";
  return served.models.length || broken.length ? "" : "None.";
}

/** @param {BrokenModel} broken */
function brokenCard({ name, detail }) {
  return element("li", { className: "bad" }, head(name, "not served"), element("p", { className: "reason" }, detail));
}

/**
 * @param {string} name
 * @param {...string} badges
 */
function head(name, ...badges) {
  const made = badges.map((text) => element("span", { className: "badge", textContent: text }));
  return element("h3", {}, element("span", { textContent: name }), ...made);
}

/**
 * @param {Model} model
 * @param {BrokenModel | undefined} broken
 */
function card(model, broken) {
  const { name, labels, aliases, inputSize, then } = model;
  const tried = element("button", { type: "button", textContent: "Try it", onclick: () => tryIt(name) });
  tried.setAttribute("aria-label", `Try it: ${name}, on a photo`);
  const load = element("span", { className: "load", textContent: "no frames yet" });
  load.dataset.model = name;
  const facts = {
    Finds: listed(labels),
    Family: model.family,
    Input: `${inputSize.width} \u00d7 ${inputSize.height}`,
    Reports: `from confidence ${model.confidence}, at most ${model.maxDetections}`,
    ...(then && { "Passes on to": then.map((link) => link.model).join(", ") }),
    ...(aliases && { "Also called": aliases.join(", ") }),
    Version: model.version,
    Licence: model.licence || "not known",
    Source: model.source || "not known",
  };
  const list = Object.entries(facts).flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]);
  const stays = "Its folder has changed, but this version stays in service: ";
  const reason = broken ? [element("p", { className: "reason" }, stays, broken.detail)] : [];
  const title = head(name, ...(name === defaultModel ? ["default"] : []), ...(broken ? ["change rejected"] : []));
  const actions = element("p", { className: "actions" }, load, tried);
  return element("li", { className: broken ? "bad" : "" }, title, ...reason, actions, element("dl", {}, ...list));
}

/** @param {string[]} labels */
function listed(labels) {
  const text = labels.slice(0, SHOWN_LABELS).join(", ");
  if (labels.length <= SHOWN_LABELS) return text || "what its family gives, without labels";
  const all = element("p", { textContent: labels.join(", ") });
  const summary = element("summary", {}, `${counted(labels.length, "label")}: ${text} \u2026`);
  return element("details", {}, summary, all);
}

/** @param {string} name */
function tryIt(name) {
  const select = byId("model", HTMLSelectElement);
  select.value = name;
  select.dispatchEvent(new Event("change"));
  location.hash = "photo";
}

/**
 * Show the load of each model since the last call.
 * @param {ModelLoad[]} loads
 */
export function showLoads(loads) {
  const now = { at: performance.now() / 1000, loads: new Map(loads.map((load) => [load.name, load])) };
  /** @type {NodeListOf<HTMLElement>} */
  const places = document.querySelectorAll("#models .load");
  for (const place of places) {
    const [load, last] = [now.loads, before.loads].map((all) => all.get(place.dataset.model ?? ""));
    if (!load) continue;
    const passedS = now.at - before.at;
    const rate = Math.max(0, load.framesAnswered - (last?.framesAnswered ?? 0)) / passedS;
    const cores = Math.max(0, load.busyS - (last?.busyS ?? 0)) / passedS;
    const present = before.at ? `${rate.toFixed(1)} frames/s on ${cores.toFixed(2)} cores, ` : "";
    place.textContent = `${present}${load.framesAnswered.toLocaleString("en")} frames in total`;
  }
  before = now;
}
