// The console: starts its views, and shows one of them.

import { startCredentials } from "./credentials.js";
import { $ } from "./dom.js";
import { readModels } from "./models.js";
import { showRequest, startPhoto } from "./photo.js";
import { poll } from "./polling.js";
import { readRefusals, readStatus, startService, statusFailed } from "./service.js";
import { readStreams, startStreams } from "./streams.js";

const POLL_MS = 2000;
const MODELS_MS = 30_000;

/** Show the view that the address names; without one, the first. Other anchors change nothing. */
function showView() {
  const links = [...document.querySelectorAll("nav a")];
  const shown = location.hash ? links.find((link) => link.getAttribute("href") === location.hash) : links[0];
  if (!shown) return;
  for (const link of links) {
    $(`view-${link.getAttribute("href")?.slice(1)}`).hidden = link !== shown;
    if (link === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${shown.firstChild?.textContent?.trim()} - framehook`;
}

startCredentials();
startPhoto();
startStreams();
startService();
addEventListener("hashchange", showView);
showView();
void poll("models-note", async () => {
  const note = await readModels();
  showRequest();
  return note;
}, MODELS_MS);
void poll("streams-note", readStreams, POLL_MS);
void poll("service-note", readStatus, POLL_MS, statusFailed);
void poll("refusals-note", readRefusals, POLL_MS);
