// Saves a draft of lines and zones, or says why that cannot be.

import { Refused, sentence } from "./api.js";
import { settingsOf } from "./draft.js";
import { readSettings, writeSettings } from "./settings.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./settings.js").StreamSettings} StreamSettings */

const ELSEWHERE = "Its lines and zones were changed elsewhere since you began. Save again to replace them by yours.";
const KEPT = "What you have drawn is kept until you leave this page.";

/**
 * Save a draft, with all else as the settings are now. Return what they are then, and `why` they were not changed.
 * @param {string} stream
 * @param {Draft} draft
 * @param {StreamSettings} from the settings of which the draft was made
 * @returns {Promise<{settings: StreamSettings, why: string}>}
 */
export async function save(stream, draft, from) {
  let settings = from;
  try {
    ({ settings } = await readSettings(stream));
    if (drawnIn(settings) !== drawnIn(from)) return { settings, why: ELSEWHERE };
    return { settings: await writeSettings(stream, settingsOf(settings, draft)), why: "" };
  } catch (error) {
    return { settings, why: `Not saved: ${sentence(error)} ${remedy(error)} ${KEPT}` };
  }
}

/** @param {StreamSettings} settings */
const drawnIn = ({ lines, zones }) => JSON.stringify([lines, zones]);

/** @param {unknown} error */
function remedy(error) {
  const isAboutCredentials = error instanceof Refused && error.isAboutCredentials;
  return isAboutCredentials ? "Saving needs a credential with the permission configure." : "Then save again.";
}
