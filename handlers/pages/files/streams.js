// The wall of streams: a picture of each, its rate, since when it has been silent, and how many frames were refused.

import { ask, credentials, Refused, sentence } from "./api.js";
import { $, byId, counted, element, put } from "./dom.js";
import { pictures } from "./moving.js";
import { facts, isSilent, watch } from "./watching.js";

/** @typedef {import("./contract").components["schemas"]["Stream"]} Stream */
/**
 * @typedef {{item: HTMLLIElement, image: HTMLImageElement, rate: HTMLElement, facts: HTMLElement,
 *   shownFrameAt: string}} Card
 */

const THUMBNAIL_MS = 4000;
const HOW_TO = "None yet. Frames that are posted with ?stream=NAME appear here.";

/** @type {Map<string, Card>} */
const cards = new Map();
/** Why no pictures can be shown; empty while they can. */
let unseen = "";
let watching = new AbortController();

export function startStreams() {
  credentials.addEventListener("changed", () => (unseen = ""));
  $("search").addEventListener("input", filter);
  $("watch").addEventListener("close", () => watching.abort());
  $("watch-regions").addEventListener("change", showWatched);
}

/** List the streams, and refresh their pictures; return what to say about them. */
export async function readStreams() {
  /** @type {{streams: Stream[]}} */
  const { streams } = await (await ask("streams")).json();
  const names = new Set(streams.map(({ id }) => id));
  for (const [name, { item }] of cards) {
    if (names.has(name)) continue;
    item.remove();
    cards.delete(name);
  }
  streams.forEach(showCard);
  filter();
  showCounts(streams);
  for (const stream of streams) await refresh(stream);
  return streams.length ? unseen : HOW_TO;
}

/** @param {Stream[]} streams */
function showCounts(streams) {
  const silent = streams.filter(isSilent).length;
  $("streams-count").textContent = streams.length ? String(streams.length) : "";
  $("streams-summary").textContent = counted(streams.length, "stream") + (silent ? `, ${silent} silent` : "");
  $("streams-tools").hidden = !streams.length;
}

/** @param {Stream} stream */
function showCard(stream) {
  const [rate, ...others] = facts(stream);
  const card = cards.get(stream.id) ?? newCard(stream.id);
  card.item.classList.toggle("silent", isSilent(stream));
  card.rate.textContent = rate;
  card.facts.textContent = others.join(", ");
}

/** @param {string} id */
function newCard(id) {
  const image = element("img", { alt: "" });
  const rate = element("span", { className: "rate" });
  const rest = element("span", { className: "facts" });
  const text = element("span", { className: "about" }, element("strong", { textContent: id }), rate, rest);
  const picture = element("span", { className: "thumbnail" }, image);
  const item = element("li", {}, element("button", { type: "button", onclick: () => open(id) }, picture, text));
  const card = { item, image, rate, facts: rest, shownFrameAt: "" };
  const next = [...cards.keys()].filter((other) => other > id).sort()[0];
  $("streams").insertBefore(item, cards.get(next)?.item ?? null);
  cards.set(id, card);
  return card;
}

function filter() {
  const wanted = byId("search", HTMLInputElement).value.trim().toLowerCase();
  for (const [name, { item }] of cards) item.hidden = !name.toLowerCase().includes(wanted);
  $("streams-none").hidden = !cards.size || [...cards.values()].some(({ item }) => !item.hidden);
}

/**
 * Show the next picture of a stream with new frames, if it can be seen. One stream at a time: a browser has few
 * connections to a server.
 * @param {Stream} stream
 */
async function refresh({ id, lastFrameAt }) {
  const card = cards.get(id);
  if (!card || card.shownFrameAt === lastFrameAt || !isInSight(card.item)) return;
  if (byId("watch", HTMLDialogElement).open || unseen) return;
  card.shownFrameAt = lastFrameAt;
  try {
    for await (const picture of pictures(id, "?frames=1", AbortSignal.timeout(THUMBNAIL_MS))) await put(card.image, picture);
  } catch (error) {
    if (!(error instanceof Refused)) return;
    if (error.status === 503) card.facts.textContent = error.message;
    if (error.isAboutCredentials) unseen = `Their pictures: ${sentence(error)}`;
  }
}

/** @param {HTMLElement} item */
function isInSight(item) {
  const { top, bottom, height } = item.getBoundingClientRect();
  return height > 0 && bottom > 0 && top < innerHeight;
}

/** @param {string} id */
function open(id) {
  $("watch-title").textContent = id;
  byId("watch-page", HTMLAnchorElement).href = `stream/${encodeURIComponent(id)}`;
  byId("watch", HTMLDialogElement).showModal();
  showWatched();
}

function showWatched() {
  watching.abort();
  watching = new AbortController();
  const image = byId("watched", HTMLImageElement);
  const id = $("watch-title").textContent ?? "";
  image.removeAttribute("src");
  image.alt = `The stream ${id}, live, with what was found drawn on it`;
  const drawsRegions = byId("watch-regions", HTMLInputElement).checked;
  void watch(id, { image, note: $("watch-note"), drawsRegions }, watching.signal);
}
