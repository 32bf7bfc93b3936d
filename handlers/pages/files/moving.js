// The pictures of a stream as they arrive: parts of one long answer, each with its length.

import { ask } from "./api.js";

const MAX_HEAD_BYTES = 256;

/**
 * @param {string} stream
 * @param {string} query
 * @param {AbortSignal} signal
 */
export async function* pictures(stream, query, signal) {
  const answer = await ask(`mjpeg/${encodeURIComponent(stream)}${query}`, { signal });
  if (!answer.body) return;
  const reader = answer.body.getReader();
  try {
    let bytes = new Uint8Array();
    for (let chunk; !(chunk = await reader.read()).done; ) {
      bytes = joined(bytes, chunk.value);
      for (let part; (part = firstPart(bytes)); bytes = bytes.subarray(part.end)) yield part.picture;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/**
 * Return the first part of a multipart body, or null until it is complete.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
function firstPart(bytes) {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_HEAD_BYTES));
  const head = text.match(/Content-Length: (\d+)\r\n\r\n/);
  if (!head) return null;
  const start = (head.index ?? 0) + head[0].length;
  const end = start + Number(head[1]);
  return end <= bytes.length ? { picture: new Blob([bytes.subarray(start, end)], { type: "image/jpeg" }), end } : null;
}
