// The service: its state, its figures over time, and the last refusals.

import { ask, Refused } from "./api.js";
import { Chart } from "./charts.js";
import { $, element } from "./dom.js";
import { showLoads } from "./models.js";
import { agoS, span } from "./time.js";

/** @typedef {import("./contract").components["schemas"]["Status"]} Status */
/** @typedef {import("./contract").components["schemas"]["Refusal"]} Refusal */
/** @typedef {Map<number, number>} Buckets */

const MEDIAN = 0.5;
const TAIL = 0.95;

const charts = {
  frames: new Chart("Frames", "per second", ["answered", "refused"]),
  latency: new Chart("Time of a request", "ms", ["median", "95th percentile"]),
  queue: new Chart("Frames in the service", "number", ["waiting", "running"]),
};
/** @type {{at: number, answered: number, buckets: Buckets}} */
let before = { at: 0, answered: 0, buckets: new Map() };
/** The list of refusals as it was last shown. */
let shownRefusals = "";

export function startService() {
  $("charts").append(...Object.values(charts).map(({ figure }) => figure));
}

/** Read the state of the service, and draw it; return why it is not ready. */
export async function readStatus() {
  /** @type {Status} */
  const status = await (await ask("status")).json();
  const at = performance.now() / 1000;
  const buckets = new Map(status.requestDurations.map(({ upToMs = Infinity, count }) => [upToMs, count]));
  if (before.at) {
    const passedS = at - before.at;
    const answered = Math.max(0, status.framesAnswered - before.answered);
    const all = Math.max(0, (buckets.get(Infinity) ?? 0) - (before.buckets.get(Infinity) ?? 0));
    charts.frames.add([answered / passedS, Math.max(0, all - answered) / passedS]);
    charts.latency.add([MEDIAN, TAIL].map((share) => quantile(share, buckets, before.buckets)));
    charts.queue.add([status.queueDepth, status.framesRunning]);
    $("rate").textContent = `${(answered / passedS).toFixed(1)} frames/s`;
  }
  before = { at, answered: status.framesAnswered, buckets };
  showLoads(status.models);
  showState(status.ready ? "good" : "bad", status.ready ? "Ready" : "Not ready");
  return status.reason ?? "";
}

/**
 * Show that the state cannot be read; the charts have a gap.
 * @param {unknown} error
 */
export function statusFailed(error) {
  before.at = 0;
  for (const chart of Object.values(charts)) chart.add([NaN, NaN]);
  $("rate").textContent = "";
  showState("bad", error instanceof Refused && error.isAboutCredentials ? "Not allowed to read" : "Not reachable");
}

/**
 * @param {"good" | "bad"} kind
 * @param {string} text
 */
function showState(kind, text) {
  if ($("state").textContent === text) return;
  $("state").className = `state ${kind}`;
  $("state").textContent = text;
}

/**
 * Return a quantile of the requests since the previous sample, as Prometheus computes it; NaN if there were none.
 * @param {number} share
 * @param {Buckets} buckets
 * @param {Buckets} previous
 */
function quantile(share, buckets, previous) {
  const grown = [...buckets].map(([upTo, count]) => [upTo, count - (previous.get(upTo) ?? 0)]);
  const all = grown.at(-1)?.[1] ?? 0;
  if (all <= 0) return NaN;
  const rank = share * all;
  let [lower, below] = [0, 0];
  for (const [upTo, count] of grown) {
    const share = (rank - below) / (count - below || 1);
    if (count >= rank) return upTo === Infinity ? lower : lower + (upTo - lower) * share;
    [lower, below] = [upTo, count];
  }
  return lower;
}

/** List the last refusals, if they have changed: their text stays selected. Return what to say if there are none. */
export async function readRefusals() {
  const list = await (await ask("refusals")).text();
  if (list !== shownRefusals) showRefusals(JSON.parse(list));
  shownRefusals = list;
  for (const time of $("refusals").querySelectorAll("time")) time.textContent = `${span(agoS(time.dateTime))} ago`;
  return $("refusals").childElementCount ? "" : "None since the start.";
}

/** @param {{refusals: Refusal[]}} list */
function showRefusals({ refusals }) {
  $("refusals-table").hidden = !refusals.length;
  $("refusals").replaceChildren(...refusals.map(row));
}

/** @param {Refusal} refusal */
function row({ lastAt, count, status, problem, detail, path = "", stream = "" }) {
  const when = element("time", { dateTime: lastAt });
  const why = [detail, element("small", {}, problem)];
  const cells = [[when], [String(count)], [String(status)], why, [path], [stream]];
  return element("tr", {}, ...cells.map((cell) => element("td", {}, ...cell)));
}
