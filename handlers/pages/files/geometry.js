// Points, lines and polygons on a picture. A point is its shares of the picture's width and height.

/** @typedef {number[]} Point */
/** @typedef {{width: number, height: number}} Size in pixels */

const DECIMALS = 10_000;

/**
 * Return a point of the picture: not outside, and with at most four decimals.
 * @param {Point} point
 * @returns {Point}
 */
export const onPicture = (point) =>
  point.map((share) => Math.round(Math.min(1, Math.max(0, share)) * DECIMALS) / DECIMALS);

/**
 * @param {Point} point
 * @param {Size} size
 */
export const pixels = ([x, y], { width, height }) => [x * width, y * height];

/**
 * @param {Point} one
 * @param {Point} other
 */
export const isSame = (one, other) => one[0] === other[0] && one[1] === other[1];

/**
 * Return how far two points are from each other, in pixels.
 * @param {Point} one
 * @param {Point} other
 * @param {Size} size
 */
export function gap(one, other, size) {
  const [[x1, y1], [x2, y2]] = [pixels(one, size), pixels(other, size)];
  return Math.hypot(x1 - x2, y1 - y2);
}

/**
 * Return how far a point is from a segment, in pixels.
 * @param {Point} point
 * @param {Point[]} segment its two ends
 * @param {Size} size
 */
export function gapToSegment(point, [from, to], size) {
  const [[x, y], [x1, y1], [x2, y2]] = [point, from, to].map((each) => pixels(each, size));
  const [dx, dy] = [x2 - x1, y2 - y1];
  const along = ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(x - x1 - share * dx, y - y1 - share * dy);
}

/**
 * Return the segments that join points, from the last one back to the first, too.
 * @param {Point[]} points
 */
export const edges = (points) => points.map((point, index) => [point, points[(index + 1) % points.length]]);

/** @param {Point[]} points */
export const middle = (points) =>
  [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);

/**
 * Return the direction in which objects cross a segment counterclockwise, as a vector of length 1 in pixels: to the
 * left of a person who walks from its first point to its second.
 * @param {Point[]} segment
 * @param {Size} size
 */
export function counterclockwise(segment, size) {
  const [[x1, y1], [x2, y2]] = segment.map((point) => pixels(point, size));
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  return [(y2 - y1) / length, (x1 - x2) / length];
}
