// The wall of streams: a picture of each, its rate, since when it has been silent, and how many frames were refused.

import { ask, credentials, Refused, sentence } from "./api.js";
import { $, byId, element, put } from "./dom.js";
import { pictures } from "./moving.js";
import { pause } from "./time.js";
import { facts, isLate, isSilent, watch } from "./watching.js";

/** @typedef {import("./contract").components["schemas"]["Stream"]} Stream */
/**
 * One stream on the wall. `askedAt`: when its last picture was asked for, by the page's clock.
 * @typedef {{stream: Stream, item: HTMLLIElement, image: HTMLImageElement, rate: HTMLElement, facts: HTMLElement,
 *   askedAt: number}} Card
 */

const MOST_AT_ONCE = 3; // a browser has six connections to a server
const PICTURE_EVERY_MS = 2000;
const PICTURE_TIMEOUT_MS = 15_000;
const IDLE_MS = 300;
const FRAMES = new URL("../inference", import.meta.url).href;
const HOW_TO = `No streams yet. Frames posted to ${FRAMES}?stream=NAME appear here.`;

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
  for (let loop = 0; loop < MOST_AT_ONCE; loop++) void refreshCards();
}

/** List the streams; return what to say about them. */
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
  return streams.length ? unseen : HOW_TO;
}

/** @param {Stream[]} streams */
function showCounts(streams) {
  const silent = streams.filter(isSilent).length;
  $("streams-count").textContent = streams.length ? String(streams.length) : "";
  const all = streams.length === 1 ? "1 stream" : `${streams.length} streams`;
  $("streams-summary").textContent = silent ? `${all}, ${silent} silent` : all;
  $("streams-tools").hidden = !streams.length;
}

/** @param {Stream} stream */
function showCard(stream) {
  const [rate, ...others] = facts(stream);
  const card = cards.get(stream.id) ?? newCard(stream);
  card.stream = stream;
  card.item.classList.toggle("silent", isSilent(stream));
  card.rate.textContent = rate;
  card.facts.textContent = others.join(", ");
}

/** @param {Stream} stream */
function newCard(stream) {
  const { id } = stream;
  const image = element("img", { alt: "" });
  const rate = element("span", { className: "rate" });
  const rest = element("span", { className: "facts" });
  const text = element("span", { className: "about" }, element("strong", { textContent: id }), rate, rest);
  const picture = element("span", { className: "thumbnail" }, "No picture yet", image);
  const scene = element("a", { href: pageOf(id), className: "scene" }, "Lines and zones");
  scene.setAttribute("aria-label", `Lines and zones of ${id}`);
  const item = element("li", {}, element("button", { type: "button", onclick: () => open(id) }, picture, text), scene);
  const card = { stream, item, image, rate, facts: rest, askedAt: 0 };
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

/** For ever, show the next picture of the stream whose turn it is. */
async function refreshCards() {
  for (;;) {
    const isBusy = document.hidden || unseen || byId("watch", HTMLDialogElement).open;
    const due = isBusy ? [] : [...cards.values()].filter(isDue).sort((one, other) => one.askedAt - other.askedAt);
    await (due.length ? refresh(due[0]) : pause(IDLE_MS));
  }
}

/** Whether a picture of a late stream is awaited: one at a time, so that the others go on. */
let awaitsLate = false;

/** @param {Card} card */
function isDue({ stream, item, askedAt }) {
  const mayCome = !isSilent(stream) && !(isLate(stream) && awaitsLate);
  return mayCome && performance.now() > askedAt + PICTURE_EVERY_MS && isInSight(item);
}

/** @param {Card} card */
async function refresh(card) {
  card.askedAt = performance.now() + PICTURE_TIMEOUT_MS; // not due while it waits
  const late = isLate(card.stream);
  if (late) awaitsLate = true;
  try {
    const signal = AbortSignal.timeout(PICTURE_TIMEOUT_MS);
    for await (const picture of pictures(card.stream.id, "?frames=1", signal)) await put(card.image, picture);
  } catch (error) {
    if (!(error instanceof Refused)) return;
    if (error.status === 503) card.facts.textContent = error.message;
    if (error.isAboutCredentials) unseen = `Their pictures: ${sentence(error)}`;
  } finally {
    if (late) awaitsLate = false;
    card.askedAt = performance.now();
  }
}

/** @param {HTMLElement} item */
function isInSight(item) {
  const { top, bottom, height } = item.getBoundingClientRect();
  return height > 0 && bottom > 0 && top < innerHeight;
}

/** @param {string} id */
const pageOf = (id) => `stream/${encodeURIComponent(id)}`;

/** @param {string} id */
function open(id) {
  $("watch-title").textContent = id;
  byId("watch-page", HTMLAnchorElement).href = pageOf(id);
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
