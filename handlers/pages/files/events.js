// What happened at lines and in zones, in words.

import { element } from "./dom.js";

/** @typedef {import("./contract").components["schemas"]["StreamEvent"]} StreamEvent */

/**
 * Return an event in words; an empty text for a count, of which the entry before or after it speaks.
 * @param {StreamEvent} event
 */
export function words({ inference: { subtype, event } }) {
  const { name, properties = {} } = event;
  const { direction, total, count, dwellSeconds } = properties;
  switch (subtype) {
    case "lineCrossing":
      return `${name} crossed ${direction}, total ${total}`;
    case "zoneEnter":
      return `${name} entered, now ${count} in it`;
    case "zoneExit":
      return `${name} left after ${dwellSeconds} s, now ${count} in it`;
    case "zoneDwell":
      return `${name}: an object stayed for ${dwellSeconds} s`;
    default:
      return "";
  }
}

/**
 * Return an event as an item of a list, with its local time.
 * @param {StreamEvent} event
 */
export function item(event) {
  const at = new Date(event.at);
  const isToday = at.toDateString() === new Date().toDateString();
  const textContent = isToday ? at.toLocaleTimeString() : at.toLocaleString();
  return element("li", {}, element("time", { dateTime: event.at, textContent }), " ", words(event));
}
