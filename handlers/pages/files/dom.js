// Small tools for elements, pictures, texts and time.

/**
 * Return the element with an id. Throws an Error if there is none of that kind.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`There is no ${kind.name} with the id ${id}.`);
  return found;
}

/** @param {string} id */
export const $ = (id) => byId(id, HTMLElement);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Partial<HTMLElementTagNameMap[K]>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 */
export function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * Show a picture. Resolves when it is visible, or when another one has replaced it.
 * @param {HTMLImageElement} image
 * @param {Blob} picture
 */
export async function put(image, picture) {
  const url = URL.createObjectURL(picture);
  image.src = url;
  await image.decode().catch(() => {});
  URL.revokeObjectURL(url);
}

/**
 * Save a file, as a link with the attribute `download` does.
 * @param {Blob} content
 * @param {string} name
 */
export function save(content, name) {
  const url = URL.createObjectURL(content);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * Copy the text of an element; return what to say about it. Pages without https have no clipboard: there the text is
 * selected and copied, or at least stays selected.
 * @param {HTMLElement} source
 */
export async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return "Copied";
  } catch {
    getSelection()?.selectAllChildren(source);
    return document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  }
}

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

/** @param {string} time in UTC */
export const agoS = (time) => Math.max(0, (Date.now() - Date.parse(time)) / 1000);

/**
 * @param {number} count
 * @param {string} noun
 */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
