// The console: starts its views, and shows one of them.

import { startCredentials } from "./credentials.js";
import { $ } from "./dom.js";
import { readModels } from "./models.js";
import { modelsChanged, startPhoto } from "./photo.js";
import { poll } from "./polling.js";
import { readRefusals, readStatus, startService, statusFailed } from "./service.js";
import { readStreams, startStreams } from "./streams.js";

const POLL_MS = 2000;
const MODELS_MS = 30_000;
const VIEWS = ["streams", "photo", "models", "service"];
const FIRST = "photo";

/** Show the view that the address names; without one, the photo bench. Other anchors change nothing. */
function showView() {
  const shown = location.hash.slice(1) || FIRST;
  if (!VIEWS.includes(shown)) return;
  for (const view of VIEWS) {
    $(`view-${view}`).hidden = view !== shown;
    const link = document.querySelector(`nav a[href="#${view}"]`);
    if (view === shown) link?.setAttribute("aria-current", "page");
    else link?.removeAttribute("aria-current");
  }
  const title = document.querySelector(`nav a[href="#${shown}"]`)?.firstChild?.textContent ?? "";
  document.title = `${title.trim()} - framehook`;
}

startCredentials();
startPhoto();
startStreams();
startService();
addEventListener("hashchange", showView);
showView();
void poll("models-note", async () => {
  const note = await readModels();
  modelsChanged();
  return note;
}, MODELS_MS);
void poll("streams-note", readStreams, POLL_MS);
void poll("service-note", readStatus, POLL_MS, statusFailed);
void poll("refusals-note", readRefusals, POLL_MS);
