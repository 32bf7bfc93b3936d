// Requests to the service, with the credential of the person. Never with the browser's own login box, unless asked.

/** @typedef {import("./contract").components["schemas"]["Problem"]} Problem */

const BASE = new URL("../", import.meta.url);
const DEFAULT_RETRY_S = 2;

/** Has the events `needed`, when a credential is missing or wrong, and `changed`, when there is another one. */
export const credentials = new EventTarget();

const TOO_LITTLE =
  "This credential may not do everything here: the console uses the permissions infer, read, view and monitor.";
const KEPT_AS = "framehook.credential";

/** What is sent with each request. `forCurl`: the option of curl that does the same. Kept until the tab is closed. */
const now = { authorization: "", byBrowser: false, forCurl: "" };
Object.assign(now, JSON.parse(sessionStorage.getItem(KEPT_AS) ?? "{}"));

/** A request that was refused, or did not reach the service: then its status is 0. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {string} [problem] the last part of the problem's type
   * @param {number} [retryAfterS]
   */
  constructor(status, detail, problem = "", retryAfterS = DEFAULT_RETRY_S) {
    super(detail);
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }

  /** Whether another credential could help. */
  get isAboutCredentials() {
    return this.status === 401 || this.problem === "forbidden";
  }
}

/** @param {unknown} error */
export const sentence = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Send a request; return its answer. Throws Refused, and what `options.signal` was aborted with.
 * @param {string} path relative to the console
 * @param {RequestInit} [options]
 * @param {boolean} [isNeeded] whether the person is asked for a credential if that is missing
 */
export async function ask(path, options = {}, isNeeded = true) {
  const headers = new Headers(options.headers);
  if (now.authorization) headers.set("Authorization", now.authorization);
  const answer = await fetch(new URL(path, BASE), {
    cache: "no-store",
    credentials: now.byBrowser ? "same-origin" : "omit",
    ...options,
    headers,
  }).catch((error) => {
    options.signal?.throwIfAborted();
    if (error instanceof DOMException) throw error;
    throw new Refused(0, "The service cannot be reached.");
  });
  if (answer.ok) return answer;
  const refused = await refusal(answer, Boolean(options.method) && options.method !== "POST");
  if (refused.isAboutCredentials && isNeeded) {
    const schemes = (answer.headers.get("WWW-Authenticate") ?? "").toLowerCase();
    credentials.dispatchEvent(new CustomEvent("needed", { detail: { schemes, message: refused.message } }));
  }
  throw refused;
}

/**
 * @param {Response} answer
 * @param {boolean} isChange whether the request was to change something
 * @returns {Promise<Refused>}
 */
async function refusal(answer, isChange) {
  /** @type {Partial<Problem>} */
  const problem = await answer.json().catch(() => ({}));
  const retryAfterS = Number(answer.headers.get("Retry-After")) || DEFAULT_RETRY_S;
  const kind = (problem.type ?? "").split(":").at(-1);
  const isTooLittle = kind === "forbidden" && !isChange;
  const detail = kind === "unauthorized" ? credentialSentence() : isTooLittle ? TOO_LITTLE : problem.detail;
  return new Refused(answer.status, detail ?? `The service answered ${answer.status}.`, kind, retryAfterS);
}

function credentialSentence() {
  return now.authorization ? "The service does not accept this credential." : "This service needs a credential.";
}

/** @param {string} token */
export function useToken(token) {
  change(`Bearer ${token}`, '--oauth2-bearer "$TOKEN" ');
}

/**
 * @param {string} name
 * @param {string} password
 */
export function usePassword(name, password) {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  change(`Basic ${btoa(String.fromCharCode(...bytes))}`, `--user ${quoted(name)} `);
}

/** Let the browser ask for the password: it knows how to prove it without sending it. */
export function useBrowsersLogin() {
  change("", "--digest --user NAME ", true);
}

/**
 * @param {string} authorization
 * @param {string} forCurl
 */
function change(authorization, forCurl, byBrowser = false) {
  Object.assign(now, { authorization, forCurl, byBrowser });
  sessionStorage.setItem(KEPT_AS, JSON.stringify(now));
  credentials.dispatchEvent(new Event("changed"));
}

/**
 * Return the command that posts a photo as the page does.
 * @param {string} target
 * @param {string} name
 * @param {string} type
 */
export function curl(target, name, type) {
  const url = new URL(target, BASE).href;
  return `curl ${now.forCurl}--data-binary ${quoted(`@${name}`)} -H ${quoted(`Content-Type: ${type}`)} ${quoted(url)}`;
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
