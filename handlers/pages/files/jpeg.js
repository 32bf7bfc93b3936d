// Photos as JPEGs that the service reads.

const MOST_PIXELS = 12_000_000;
const JPEG_QUALITY = 0.92;

/**
 * Return a smaller JPEG of a photo. Throws an Error if the browser cannot read it.
 * @param {Blob} photo
 * @param {number} mostBytes
 */
export async function shrunk(photo, mostBytes) {
  const picture = await createImageBitmap(photo);
  const most = Math.min(MOST_PIXELS, (picture.width * picture.height * mostBytes) / photo.size);
  return asJpeg(picture, Math.min(1, Math.sqrt(most / (picture.width * picture.height))));
}

/**
 * Return a photo in a format that the service reads: as it is, or as a JPEG if only the browser can read it.
 * @param {Blob} photo
 * @param {string} formats media types, separated by commas
 */
export async function readable(photo, formats) {
  if (!photo.type.startsWith("image/") || formats.split(",").includes(photo.type)) return photo;
  const picture = await createImageBitmap(photo).catch(() => null);
  return picture ? asJpeg(picture, 1) : photo; // the service says what it is
}

/**
 * @param {ImageBitmap} picture
 * @param {number} scale
 * @returns {Promise<Blob>}
 */
function asJpeg(picture, scale) {
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.floor(side * scale)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d")?.drawImage(picture, 0, 0, width, height);
  picture.close();
  return jpegOf(canvas, JPEG_QUALITY);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} quality
 * @returns {Promise<Blob>}
 */
export function jpegOf(canvas, quality) {
  const failed = new Error("The browser cannot encode the picture.");
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(failed)), "image/jpeg", quality);
  });
}
