// A form for each line and zone: its name, its labels, how long is long, and what can be done with it.

import { $, byId, element } from "./dom.js";

/** @typedef {import("./draft.js").Shape} Shape */
/**
 * `change`: is called with a function that returns what is new of a shape; `choose`, when a person is at its form.
 * @typedef {{change: (key: number, change: (shape: Shape) => Partial<Shape>) => void, choose: (key: number) => void,
 *   remove: (key: number) => void, swap: (key: number) => void, addCorner: (key: number) => void,
 *   removeCorner: (key: number) => void}} Actions
 */
/** @typedef {{place: HTMLFieldSetElement, name: HTMLInputElement, chips: HTMLElement}} Form */

const MOST_CHARACTERS = 64;
const LONGEST_DWELL_S = 86_400;

/** @type {Map<number, Form>} */
const forms = new Map();

/**
 * Show a form for each shape; those that are there stay as they are, with what a person types in them.
 * @param {Shape[]} shapes
 * @param {number} chosen
 * @param {Actions} actions
 */
export function showForms(shapes, chosen, actions) {
  const keys = new Set(shapes.map(({ key }) => key));
  for (const [key, { place }] of forms) {
    if (keys.has(key)) continue;
    place.remove();
    forms.delete(key);
  }
  for (const shape of shapes) {
    const form = forms.get(shape.key) ?? newForm(shape, actions);
    form.name.setCustomValidity(fault(shape, shapes));
    showLabels(form.chips, shape, actions);
    mark(form.place, shape.key === chosen);
  }
}

/**
 * Mark the chosen form, and scroll to it, unless a person is there already.
 * @param {HTMLElement} place
 * @param {boolean} isChosen
 */
function mark(place, isChosen) {
  if (isChosen === place.hasAttribute("aria-current")) return;
  if (!isChosen) return place.removeAttribute("aria-current");
  place.setAttribute("aria-current", "true");
  if (!place.contains(document.activeElement)) $("shapes").scrollTop = place.offsetTop;
}

/** Remove all forms: the next draft has others. */
export function clearForms() {
  forms.clear();
  $("shapes").replaceChildren();
}

/** @param {number} key of the shape whose name is to be typed */
export function focusName(key) {
  forms.get(key)?.name.select();
  forms.get(key)?.name.focus({ preventScroll: true });
}

/**
 * Return what is wrong with the name of a shape; an empty text if nothing is.
 * @param {Shape} shape
 * @param {Shape[]} shapes
 */
function fault({ key, kind, name }, shapes) {
  if (!name.trim()) return `Give this ${kind} a name.`;
  const isTaken = shapes.some((other) => other.key !== key && other.kind === kind && other.name.trim() === name.trim());
  return isTaken ? `Another ${kind} has this name.` : "";
}

/**
 * @param {Shape} shape
 * @param {Actions} actions
 * @returns {Form}
 */
function newForm({ key, kind, name: text, dwellS }, actions) {
  const name = element("input", { value: text, required: true, maxLength: MOST_CHARACTERS, autocomplete: "off" });
  name.addEventListener("input", () => actions.change(key, () => ({ name: name.value })));
  const chips = element("span", { className: "chips" });
  const place = element("fieldset", { className: "shape" }, element("legend", {}, kind === "line" ? "Line" : "Zone"));
  place.append(element("label", {}, "Name ", name), labelsField(key, actions), chips);
  if (kind === "zone") place.append(dwellField(key, dwellS, actions));
  const button = (/** @type {string} */ label, /** @type {() => void} */ onclick) =>
    element("button", { type: "button", onclick }, label);
  const special = kind === "line"
    ? [button("Swap its directions", () => actions.swap(key))]
    : [
        button("Add a corner", () => actions.addCorner(key)),
        button("Remove the marked corner", () => actions.removeCorner(key)),
      ];
  const remove = button(`Remove the ${kind}`, () => actions.remove(key));
  place.append(element("p", { className: "actions" }, ...special, remove));
  place.addEventListener("focusin", () => actions.choose(key));
  $("shapes").append(place);
  const form = { place, name, chips };
  forms.set(key, form);
  return form;
}

/**
 * Return whether the model has a label; if its labels are not known, every one will do.
 * @param {string} label
 */
function isKnown(label) {
  const { options } = byId("labels", HTMLDataListElement);
  return !options.length || [...options].some(({ value }) => value === label);
}

/**
 * @param {number} key
 * @param {Actions} actions
 */
function labelsField(key, actions) {
  const field = element("input", { placeholder: "all", autocomplete: "off", maxLength: 200 });
  field.setAttribute("list", "labels");
  const add = () => {
    const label = field.value.trim();
    field.setCustomValidity(label && !isKnown(label) ? "The model has no such label." : "");
    if (!field.checkValidity()) return;
    field.value = "";
    if (label) actions.change(key, ({ labels }) => ({ labels: [...new Set([...labels, label])] }));
  };
  field.addEventListener("change", add);
  field.addEventListener("input", (event) => {
    field.setCustomValidity("");
    if (event instanceof InputEvent && event.inputType === "insertReplacementText") add(); // chosen from the list
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // it would save
    add();
    field.reportValidity(); // not whenever it is left: the focus would come back
  });
  return element("label", {}, "Only these labels ", field);
}

/**
 * @param {number} key
 * @param {number | undefined} dwellS
 * @param {Actions} actions
 */
function dwellField(key, dwellS, actions) {
  const field = element("input", { type: "number", min: "0", max: String(LONGEST_DWELL_S), step: "any" });
  field.placeholder = "never";
  field.value = dwellS === undefined ? "" : String(dwellS);
  field.addEventListener("input", () => {
    actions.change(key, () => ({ dwellS: field.value ? field.valueAsNumber : undefined }));
  });
  return element("label", {}, "Report who stays for so many seconds ", field);
}

/**
 * @param {HTMLElement} chips
 * @param {Shape} shape
 * @param {Actions} actions
 */
function showLabels(chips, { key, labels }, actions) {
  if (chips.dataset.labels === JSON.stringify(labels)) return;
  chips.dataset.labels = JSON.stringify(labels);
  chips.replaceChildren(...labels.map((label) => {
    const remove = () => {
      actions.change(key, () => ({ labels: labels.filter((other) => other !== label) }));
      chips.previousElementSibling?.querySelector("input")?.focus();
    };
    const made = element("button", { type: "button", className: "chip", onclick: remove }, `${label} \u00d7`);
    made.setAttribute("aria-label", `Remove the label ${label}`);
    return made;
  }));
}
