// Time: waiting, and spans in words.

/**
 * Wait; throws the reason of `signal` when that is aborted.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Return a span of time for people: 12 s, 5 min, 3 h 20 min.
 * @param {number} seconds
 */
export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Return how long ago that was, in seconds.
 * @param {string} time in UTC
 */
export const agoS = (time) => Math.max(0, (Date.now() - Date.parse(time)) / 1000);
