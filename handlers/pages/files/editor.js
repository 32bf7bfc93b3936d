// Edits the lines and zones of a stream: one draft at a time, until it is saved or dropped.

import { begin, centred, finished } from "./adding.js";
import { sentence } from "./api.js";
import { $, byId, element } from "./dom.js";
import { changed, draftOf, settingsOf, swapped, withCorner, without, withoutPoint } from "./draft.js";
import { draw, drawBegun } from "./drawing.js";
import { clearForms, focusName, showForms } from "./forms.js";
import { focusPoint, markedPoint, placeHandles, size, startPointing } from "./pointing.js";
import { save } from "./saving.js";
import { readSettings } from "./settings.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").Kind} Kind */
/** @typedef {import("./draft.js").Step} Step */
/** @typedef {import("./settings.js").StreamSettings} StreamSettings */

const UNFINISHED = "Finish what you are adding first, or do not add it.";

/** `from`: the settings of which `draft` was made. @type {{draft: Draft, from: StreamSettings} | null} */
let editing = null;
const form = byId("editor", HTMLFormElement);
const overlay = byId("overlay", SVGSVGElement);

/**
 * What the editor needs of the page. `saved`: is called with the new settings; `closed`, when nothing is edited any
 * more; `labels`: returns those of the model.
 * @typedef {{saved: (settings: StreamSettings) => void, closed: () => void, labels: () => Promise<string[]>}} Page
 */

/**
 * @param {string} stream
 * @param {Page} page
 */
export function startEditor(stream, page) {
  const open = async (/** @type {(draft: Draft) => Step} */ first) => {
    try {
      if (!editing) await edit(stream, page.labels);
    } catch (error) {
      return say(sentence(error));
    }
    if (editing) apply(first(editing.draft));
  };
  const close = (/** @type {string} */ said) => {
    editing = null;
    clearForms();
    render();
    say(said);
    page.closed();
    $($("edit").hidden ? "add-line" : "edit").focus();
  };
  const add = (/** @type {Kind} */ kind) => open((draft) => begin(draft, kind)).then(() => $("surface").focus());
  const onDraft = (/** @type {(draft: Draft) => Step} */ step) => () => editing && apply(step(editing.draft));
  $("add-line").addEventListener("click", () => void add("line"));
  $("add-zone").addEventListener("click", () => void add("zone"));
  $("edit").addEventListener("click", async () => {
    await open((draft) => ({ draft, said: "" }));
    $("editor-title").focus();
  });
  $("abandon").addEventListener("click", abandon);
  $("finish").addEventListener("click", onDraft(finished));
  $("centre").addEventListener("click", () => {
    onDraft(centred)();
    focusPoint(0);
  });
  $("cancel").addEventListener("click", () => close("Nothing was changed."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const settings = await saved(stream);
    if (!settings) return;
    page.saved(settings);
    close("Saved. The counts begin at 0.");
  });
  addEventListener("beforeunload", (event) => {
    if (isChanged()) event.preventDefault();
  });
  startPointing({ current: () => editing?.draft ?? null, apply, abandon });
}

/**
 * @param {string} stream
 * @param {() => Promise<string[]>} labels
 */
async function edit(stream, labels) {
  const { settings, isInherited } = await readSettings(stream);
  editing = { draft: draftOf(settings), from: settings };
  $("inherits").hidden = !isInherited;
  problem("");
  say("");
  const names = await labels();
  $("labels").replaceChildren(...names.map((value) => element("option", { value })));
}

function isChanged() {
  if (!editing) return false;
  const { from, draft } = editing;
  return JSON.stringify(settingsOf(from, draft)) !== JSON.stringify(settingsOf(from, draftOf(from)));
}

/**
 * Go to the next draft. A shape that was added has a name to be typed; on a phone, the keyboard would hide the picture.
 * @param {Step} step
 */
function apply({ draft, said }) {
  if (!editing) return;
  const isAdded = draft.shapes.length > editing.draft.shapes.length;
  editing.draft = draft;
  render();
  if (said) say(said);
  if (isAdded && matchMedia("(pointer: coarse)").matches) focusPoint(0);
  else if (isAdded) focusName(draft.chosen);
}

function abandon() {
  if (editing) apply({ draft: { ...editing.draft, begun: null }, said: "Nothing was added." });
  $("add-line").focus();
}

/** @type {import("./forms.js").Actions} */
const actions = {
  change: (key, change) => step((draft) => changed(draft, key, change)),
  choose: (key) => step((draft) => ({ ...draft, chosen: key })),
  swap: (key) => step((draft) => swapped(draft, key)),
  remove: (key) => {
    step((draft) => without(draft, key));
    $("add-line").focus();
    say("Removed.");
  },
  addCorner: (key) => {
    if (!editing) return;
    const { index, ...next } = withCorner(editing.draft, key, size());
    apply(next);
    focusPoint(index);
  },
  removeCorner: (key) => {
    if (editing) apply(withoutPoint(editing.draft, key, markedPoint()));
  },
};

/** @param {(draft: Draft) => Draft} next */
function step(next) {
  if (editing) apply({ draft: next(editing.draft), said: "" });
}

function render() {
  form.hidden = !editing;
  $("scene").hidden = Boolean(editing);
  $("drawing").hidden = !editing?.draft.begun;
  $("begin").hidden = Boolean(editing?.draft.begun);
  $("finish").hidden = editing?.draft.begun?.kind !== "zone";
  for (const id of ["edit", "reset"]) if (editing) $(id).hidden = true;
  if (editing) showForms(editing.draft.shapes, editing.draft.chosen, actions);
  placeHandles(editing?.draft.shapes.find(({ key }) => key === editing?.draft.chosen));
  $("surface").classList.toggle("adding", Boolean(editing?.draft.begun));
  drawDraft();
}

/** Draw what is edited, if something is. */
export function drawDraft() {
  if (!editing) return;
  draw(overlay, editing.draft.shapes, editing.draft.chosen);
  if (editing.draft.begun) drawBegun(overlay, editing.draft.begun.points);
}

/**
 * Save the draft, and return the settings then; if it cannot be saved, the page says why, and keeps it.
 * @param {string} stream
 */
async function saved(stream) {
  if (!editing || !form.reportValidity()) return null;
  if (editing.draft.begun) return problem(UNFINISHED);
  const button = byId("save", HTMLButtonElement);
  button.disabled = true;
  const { settings, why } = await save(stream, editing.draft, editing.from);
  button.disabled = false;
  button.focus(); // it has lost the focus
  if (editing) editing.from = settings;
  return why ? problem(why) : settings;
}

/** @param {string} text */
function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
  return null;
}

/** @param {string} text */
export function say(text) {
  $("said").textContent = text;
}
