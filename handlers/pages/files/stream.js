// The page of one stream: its picture, what is known of it, and a word when it is silent.

import { credentials } from "./api.js";
import { startCredentials } from "./credentials.js";
import { $, byId } from "./dom.js";
import { facts, find, watch } from "./watching.js";

const FACTS_MS = 2000;

const name = $("stream-name").textContent ?? "";
const regions = byId("regions", HTMLInputElement);
let watching = new AbortController();

function show() {
  watching.abort();
  watching = new AbortController();
  const place = { image: byId("picture", HTMLImageElement), note: $("note"), drawsRegions: regions.checked };
  void watch(name, place, watching.signal);
}

async function showFacts() {
  const stream = document.hidden ? undefined : await find(name);
  $("facts").textContent = stream ? facts(stream).join(", ") : "";
}

startCredentials();
credentials.addEventListener("changed", show);
regions.addEventListener("change", () => {
  history.replaceState(null, "", regions.checked ? "?draw=regions" : location.pathname);
  show();
});
setInterval(() => void showFacts(), FACTS_MS);
void showFacts();
show();
