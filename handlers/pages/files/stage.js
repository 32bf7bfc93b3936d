// The stage of the photo bench: a photo, or what the camera sees.

import { $, byId, put } from "./dom.js";

const stage = $("stage");
const picture = byId("picture", HTMLImageElement);
const video = byId("video", HTMLVideoElement);
/** @type {Blob | null} */
let shown = null;

/**
 * @param {Blob} photo
 * @param {string} name
 */
export async function showPhoto(photo, name) {
  picture.alt = `The photo ${name}`;
  picture.hidden = false;
  stage.classList.remove("empty");
  shown = photo;
  await put(picture, photo);
  if (photo !== shown) return;
  stage.classList.toggle("empty", video.hidden && !picture.naturalWidth); // it cannot be shown
  setRatio(picture.naturalWidth / picture.naturalHeight);
}

/**
 * Show a camera, and return what plays it.
 * @param {MediaStream} camera
 */
export async function showCamera(camera) {
  video.srcObject = camera;
  await video.play();
  setRatio(video.videoWidth / video.videoHeight);
  choose(true);
  return video;
}

/** Show the photo again, if there is one. */
export const hideCamera = () => choose(false);

/** @param {boolean} showsCamera */
function choose(showsCamera) {
  video.hidden = !showsCamera;
  picture.hidden = showsCamera || !picture.hasAttribute("src");
  stage.classList.toggle("empty", picture.hidden && video.hidden);
}

/**
 * Tell the style sheet the shape of what is shown: it makes the picture as large as there is room.
 * @param {number} ratio width / height
 */
function setRatio(ratio) {
  if (ratio > 0) stage.style.setProperty("--ratio", String(ratio));
}

/** @param {boolean} isBusy */
export const setBusy = (isBusy) => stage.setAttribute("aria-busy", String(isBusy));
