// Elements of the page: finding, making, filling, saving and copying them.

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
