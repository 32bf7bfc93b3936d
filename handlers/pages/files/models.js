// The models: what each finds, its state, its load, and a way to try it.

import { ask } from "./api.js";
import { choose, offer } from "./choice.js";
import { $, element } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["ModelList"]} ModelList */
/** @typedef {import("./contract").components["schemas"]["Model"]} Model */
/** @typedef {import("./contract").components["schemas"]["BrokenModel"]} BrokenModel */
/** @typedef {import("./contract").components["schemas"]["ModelLoad"]} ModelLoad */

const SHOWN_LABELS = 6;

/** The list as it was last shown. */
let shownList = "";
/** @type {{at: number, loads: Map<string, ModelLoad>}} */
let before = { at: 0, loads: new Map() };

/** List the models, if the list has changed: what is open, selected or focused stays. Return what to say about them. */
export async function readModels() {
  const list = await (await ask("models")).text();
  if (list !== shownList) show(JSON.parse(list));
  shownList = list;
  return $("models").childElementCount ? "" : "None.";
}

/** @param {ModelList} list */
function show({ models, defaultModel, broken = [] }) {
  offer(models, defaultModel);
  const names = new Set(models.map(({ name }) => name));
  const reasons = new Map(broken.map(({ name, detail }) => [name, detail]));
  const gone = broken.filter(({ name }) => !names.has(name));
  const cards = models.map((model) => card(model, model.name === defaultModel, reasons.get(model.name)));
  $("models").replaceChildren(...gone.map(brokenCard), ...cards);
  $("models-broken").textContent = broken.length ? String(broken.length) : "";
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
 * @param {boolean} isDefault
 * @param {string} [fault] why the change of its folder is rejected
 */
function card(model, isDefault, fault) {
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
  const reason = fault ? [element("p", { className: "reason" }, stays, fault)] : [];
  const title = head(name, ...(isDefault ? ["default"] : []), ...(fault ? ["change rejected"] : []));
  const actions = element("p", { className: "actions" }, load, tried);
  return element("li", { className: fault ? "bad" : "" }, title, ...reason, actions, element("dl", {}, ...list));
}

/** @param {string[]} labels */
function listed(labels) {
  const text = labels.slice(0, SHOWN_LABELS).join(", ");
  if (labels.length <= SHOWN_LABELS) return text || "what its family gives, without labels";
  const all = element("p", { textContent: labels.join(", ") });
  const summary = element("summary", {}, `${labels.length} labels: ${text} \u2026`);
  return element("details", {}, summary, all);
}

/** @param {string} name */
function tryIt(name) {
  choose(name);
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
