"use strict";

const POLL_MS = 2000;
const SAMPLES = 60;
const SETTLE_MS = 150;
const CAMERA_PAUSE_MS = 100;
const THUMBNAIL_MS = 4000;
const SHOWN_LABELS = 8;
const MAX_HEAD = 256;
const NO_CREDENTIAL = [401, 403];

const $ = (id) => document.getElementById(id);
const models = new Map();
const now = { photo: null, name: "photo.jpg", camera: null, starts: 0, asked: 0, token: "", unseen: "", watched: null };

class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

// Send a request to the service. Throws Refused with the detail of the problem document.
async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(now.token && { Authorization: `Bearer ${now.token}` }) };
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError" || error.name === "TimeoutError") throw error;
    throw new Refused(0, "The service cannot be reached.");
  }
  if (answer.ok) return answer;
  if (NO_CREDENTIAL.includes(answer.status)) $("credential").hidden = false;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail || `The service answered ${answer.status}.`);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// ---- The photo ----

function query() {
  return new URLSearchParams({ confidence: $("confidence").value, maxDetections: $("most").value });
}

function target() {
  const model = $("model").value;
  return `inference${model && "/"}${encodeURIComponent(model)}?${query()}`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function showCurl() {
  const url = new URL(target(), location.href).href;
  const type = now.photo?.type || "image/jpeg";
  const token = now.token && '--oauth2-bearer "$TOKEN" ';
  $("curl").textContent = `curl ${token}--data-binary ${quoted("@" + now.name)} -H ${quoted("Content-Type: " + type)} ${quoted(url)}`;
}

function showProblem(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}

function take(photo, name) {
  if (!photo) return;
  stopCamera();
  now.photo = photo;
  now.name = name || "photo.jpg";
  const picture = $("picture");
  put(picture, photo);
  picture.alt = `The photo ${now.name}`;
  picture.hidden = false;
  $("stage").classList.remove("empty");
  $("boxes").replaceChildren();
  post();
}

// Post the photo and show the answer, unless a newer request was made meanwhile. Return the error, if there is one.
async function post() {
  showCurl();
  if (!now.photo) return;
  const number = ++now.asked;
  const model = $("model").value;
  const startedAt = performance.now();
  try {
    const type = now.photo.type || "application/octet-stream";
    const answer = await ask(target(), { method: "POST", body: now.photo, headers: { "Content-Type": type } });
    const found = answer.status === 204 ? [] : (await answer.json()).inferences;
    if (number !== now.asked) return;
    showProblem(null);
    show(found, answer.status, model, Math.round(performance.now() - startedAt));
  } catch (error) {
    if (number !== now.asked) return;
    $("boxes").replaceChildren();
    $("answer").textContent = "";
    $("summary").textContent = "";
    showProblem(error);
    return error;
  }
}

function show(found, status, model, tookMs) {
  $("answer").textContent = status === 204 ? "204, nothing was found" : JSON.stringify({ inferences: found }, null, 2);
  const read = new Map(found.filter((each) => each.text).map((each) => [each.relatedInferences?.[0], each.text.value]));
  const labels = labelsOf(model, found);
  const placed = found.filter((each) => each.entity);
  $("boxes").replaceChildren(...placed.map((each) => box(each.entity, read.get(each.inferenceId), labels)).reverse());
  placeCaptions();
  const tags = found.map((each) => each.text?.value || each.classification?.tag.value || each.entity?.tag.value);
  const named = found.some((each) => each.text) ? tags.filter((_, at) => found[at].text) : tags.filter(Boolean);
  const counts = new Map();
  for (const name of named) counts.set(name, (counts.get(name) || 0) + 1);
  const results = [...counts].map(([name, count]) => (count > 1 ? `${count} \u00d7 ${name}` : name)).join(", ");
  $("summary").textContent = `${results || "Nothing was found"} (${tookMs} ms).`;
}

// The labels of a model. For the default model, whose name the page does not know: of the first model with that label.
function labelsOf(name, found) {
  const label = found[0]?.entity?.tag.value;
  return (models.get(name) || [...models.values()].find(({ labels }) => labels.includes(label)))?.labels || [];
}

function box(entity, text, labels) {
  const { l, t, w, h } = entity.box;
  const [colour, ink] = colours(labels.indexOf(entity.tag.value));
  const words = [entity.tag, ...(entity.attributes || [])].map((each) => each.value).join(", ");
  const caption = element("span", { textContent: text || `${words} ${entity.tag.confidence.toFixed(2)}` });
  const made = element("div", { className: "box" }, caption);
  Object.assign(made.style, { left: `${l * 100}%`, top: `${t * 100}%`, width: `${w * 100}%`, height: `${h * 100}%` });
  made.style.borderColor = caption.style.background = colour;
  caption.style.color = ink;
  return made;
}

// Place captions as on annotated pictures: above, below, inside the top or the bottom of the box, without overlap if
// there is room.
function placeCaptions() {
  const { clientWidth, clientHeight } = $("boxes");
  const boxes = [...$("boxes").children].reverse();
  for (const { firstChild } of boxes) firstChild.style.maxWidth = `${clientWidth}px`;
  const places = [];
  for (const { firstChild, offsetLeft, offsetTop, offsetHeight, clientLeft } of boxes) {
    const { offsetWidth: width, offsetHeight: height } = firstChild;
    const left = Math.max(0, Math.min(offsetLeft, clientWidth - width));
    const bottom = offsetTop + offsetHeight;
    const wanted = [offsetTop - height, bottom, offsetTop, bottom - height];
    const tops = wanted.map((top) => Math.max(0, Math.min(top, clientHeight - height)));
    const overlaps = (top, { place }) =>
      left < place.right && place.left < left + width && top < place.bottom && place.top < top + height;
    const top = tops.find((each) => !places.some((other) => overlaps(each, other))) ?? tops[0];
    const style = { left: `${left - offsetLeft - clientLeft}px`, top: `${top - offsetTop - clientLeft}px` };
    places.push({ firstChild, style, place: { left, top, right: left + width, bottom: top + height } });
  }
  for (const { firstChild, style } of places) Object.assign(firstChild.style, style);
}

// The colours of annotated pictures: steps of the golden ratio around the colour circle.
function colours(classId) {
  const hue = (Math.max(classId, 0) * 0.618034) % 1;
  const part = (n) => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * (1 - 0.85 * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  const [red, green, blue] = [part(5), part(3), part(1)];
  const ink = 0.299 * red + 0.587 * green + 0.114 * blue > 110 ? "black" : "white";
  return [`rgb(${red}, ${green}, ${blue})`, ink];
}

function showSliders() {
  $("confidence-value").textContent = Number($("confidence").value).toFixed(2);
  $("most-value").textContent = $("most").value;
  showCurl();
}

// ---- The camera ----

async function startCamera() {
  if (!navigator.mediaDevices) throw new Error("Browsers allow the camera only on pages from https or localhost.");
  const number = ++now.starts;
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } }).catch((error) => {
    throw new Error(`The camera cannot be used: ${error.message}.`);
  });
  if (number !== now.starts) return end(stream);
  now.camera = stream;
  now.photo = null;
  const video = $("video");
  video.srcObject = stream;
  await video.play();
  video.hidden = false;
  $("picture").hidden = true;
  $("stage").classList.remove("empty");
  $("camera").setAttribute("aria-pressed", "true");
  $("camera").textContent = "Stop the camera";
  const canvas = document.createElement("canvas");
  while (now.camera === stream) {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    const frame = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
    if (now.camera !== stream) break;
    [now.photo, now.name] = [frame, "camera.jpg"];
    const refused = await post();
    if (NO_CREDENTIAL.includes(refused?.status)) stopCamera();
    await pause(refused ? POLL_MS : CAMERA_PAUSE_MS);
  }
}

function end(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

function stopCamera() {
  now.starts++;
  if (!now.camera) return;
  end(now.camera);
  now.camera = null;
  now.asked++;
  $("video").hidden = true;
  $("boxes").replaceChildren();
  $("stage").classList.toggle("empty", $("picture").hidden);
  $("camera").setAttribute("aria-pressed", "false");
  $("camera").textContent = "Use the camera";
}

// ---- The models ----

async function listModels() {
  const served = await (await ask("models")).json();
  const chosen = $("model").value;
  models.clear();
  for (const model of served.models) models.set(model.name, model);
  const options = served.models.map(({ name }) => element("option", { value: name, textContent: name }));
  $("model").replaceChildren(element("option", { value: "", textContent: "The default model" }), ...options);
  if (models.has(chosen)) $("model").value = chosen;
  $("models").replaceChildren(...served.models.map(row));
  return (served.broken || []).map(brokenSentence).join(" ");
}

function brokenSentence({ name, detail, servedVersion }) {
  const stays = servedVersion ? ` as it is; ${servedVersion} stays in service` : "";
  return `${name} cannot be served${stays}: ${detail}`;
}

function row(model) {
  const labels = model.labels.slice(0, SHOWN_LABELS).join(", ");
  const more = model.labels.length > SHOWN_LABELS ? ` and ${model.labels.length - SHOWN_LABELS} more` : "";
  const { width, height } = model.inputSize;
  const cells = [model.name, labels + more, model.family, `${width} \u00d7 ${height}`, model.licence, model.version];
  return element("tr", {}, ...cells.map((text, at) => element(at ? "td" : "th", { textContent: text, scope: at ? "" : "row" })));
}

// ---- The streams ----

const cards = new Map();

async function listStreams() {
  const { streams } = await (await ask("streams")).json();
  for (const [name, card] of cards) {
    if (streams.some(({ id }) => id === name)) continue;
    card.item.remove();
    cards.delete(name);
  }
  for (const stream of streams) showStream(stream);
  for (const { id, lastFrameAt } of streams) await thumbnail(id, lastFrameAt);
  return streams.length ? now.unseen : "None. Frames that are posted with ?stream=NAME appear here.";
}

function showStream({ id, model, size, framesPerSecond, viewers, frames }) {
  if (!cards.has(id)) {
    const image = element("img", { alt: "" });
    const facts = element("span");
    const text = element("span", { className: "facts" }, element("strong", { textContent: id }), facts);
    const button = element("button", { type: "button", onclick: () => watch(id) }, image, text);
    const item = element("li", {}, button);
    cards.set(id, { item, image, facts });
    const next = [...cards.keys()].filter((other) => other > id).sort()[0];
    $("streams").insertBefore(item, next ? cards.get(next).item : null);
  }
  const watching = viewers ? `, ${viewers} watching` : "";
  const remembers = frames.regions || frames.repeated;
  const outcomes = remembers ? `, ${frames.run} run, ${frames.regions} on regions, ${frames.repeated} repeated` : "";
  const facts = `${framesPerSecond.toFixed(1)} frames/s, ${size.width} \u00d7 ${size.height}, ${model}${watching}${outcomes}`;
  cards.get(id).facts.textContent = facts;
}

// Show the next picture of a stream with new frames. One stream at a time: a browser has few connections per server.
async function thumbnail(id, lastFrameAt) {
  const card = cards.get(id);
  const goesOn = card.lastFrameAt !== lastFrameAt;
  card.lastFrameAt = lastFrameAt;
  if (!goesOn || $("watch").open || now.unseen) return;
  try {
    const signal = AbortSignal.timeout(THUMBNAIL_MS);
    for await (const picture of pictures(id, { signal }, "?frames=1")) await put(card.image, picture);
  } catch (error) {
    if (error.status === 503) card.facts.textContent = error.message;
    if (NO_CREDENTIAL.includes(error.status)) now.unseen = `Their pictures: ${error.message}`;
  }
}

// The pictures of a stream as they arrive: parts of one long answer, each with its length.
async function* pictures(id, options, query = "") {
  const reader = (await ask(`mjpeg/${encodeURIComponent(id)}${query}`, options)).body.getReader();
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

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

// The first part of a multipart body, or null until it is complete.
function firstPart(bytes) {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_HEAD)).match(/Content-Length: (\d+)\r\n\r\n/);
  if (!head) return null;
  const start = head.index + head[0].length;
  const end = start + Number(head[1]);
  return end <= bytes.length ? { picture: new Blob([bytes.subarray(start, end)], { type: "image/jpeg" }), end } : null;
}

// Show a picture. Resolves when it is visible, or when another one has replaced it.
async function put(image, picture) {
  const url = URL.createObjectURL(picture);
  image.src = url;
  await image.decode().catch(() => {});
  URL.revokeObjectURL(url);
}

function watch(id) {
  $("watch-title").textContent = id;
  $("watched").removeAttribute("src");
  $("watched").alt = `The stream ${id}, live, with what was found drawn on it`;
  $("watch").showModal();
  showPictures(id);
}

// Show the pictures of a stream until the dialog is closed, or what is drawn is changed.
async function showPictures(id) {
  now.watched?.abort();
  const ended = (now.watched = new AbortController());
  const query = $("watch-regions").checked ? "?draw=regions" : "";
  $("watch-note").textContent = "";
  try {
    for await (const picture of pictures(id, { signal: ended.signal }, query)) {
      if (ended.signal.aborted) return;
      await put($("watched"), picture);
    }
    $("watch-note").textContent = "The stream has ended.";
  } catch (error) {
    if (!ended.signal.aborted) $("watch-note").textContent = error.message;
  }
}

// ---- The service ----

const history = { time: 0, framesAnswered: 0, buckets: new Map() };
const charts = {};

function chart(name, title) {
  const value = element("span");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${SAMPLES - 1} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const figure = element("figure", { className: "chart" }, element("figcaption", {}, title, value), svg);
  charts[name] = { title, value, svg, series: [] };
  $("charts").append(figure);
}

// Add a sample, with one number per line of the chart, and draw the last two minutes.
function draw(name, numbers, legend) {
  const { title, value, svg, series } = charts[name];
  series.push(numbers);
  if (series.length > SAMPLES) series.shift();
  const most = Math.max(...series.flat().filter(Number.isFinite), 1e-9);
  const lines = numbers.map((_, line) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const offset = SAMPLES - series.length;
    const points = series.map((sample, at) => [offset + at, 95 - (90 * (sample[line] || 0)) / most]);
    drawn.setAttribute("points", points.map((point) => point.join(",")).join(" "));
    return drawn;
  });
  svg.replaceChildren(...lines);
  value.replaceChildren(...legend);
  svg.setAttribute("aria-label", `${title}: ${value.textContent}`);
}

async function readStatus() {
  const { ready, reason, queueDepth, framesRunning, framesAnswered, requestDurations } = await (await ask("status")).json();
  const time = performance.now() / 1000;
  const buckets = new Map(requestDurations.map(({ upToMs = Infinity, count }) => [upToMs, count]));
  if (history.time) {
    const rate = Math.max(0, framesAnswered - history.framesAnswered) / (time - history.time);
    const [median, tail] = [0.5, 0.95].map((share) => quantile(share, buckets, history.buckets));
    draw("frames", [rate], [element("b", { textContent: rate.toFixed(1) })]);
    draw("queue", [queueDepth, framesRunning], pair("waiting", queueDepth, "running", framesRunning));
    draw("latency", [median, tail], pair("p50", ms(median), "p95", ms(tail)));
  }
  Object.assign(history, { time, framesAnswered, buckets });
  showState(ready ? "good" : "bad", ready ? "Ready" : "Not ready");
  return reason || "";
}

const ms = (value) => (Number.isFinite(value) ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : "-");

function pair(first, one, second, other) {
  const name = (className, text) => element("span", { className, textContent: `${text} ` });
  const value = (text) => element("b", { textContent: `${text} ` });
  return [name("first", first), value(one), name("second", second), value(other)];
}

// A quantile of the requests since the previous sample, as Prometheus computes it; NaN if there were none.
function quantile(share, buckets, before) {
  const grown = [...buckets].map(([upTo, n]) => [upTo, n - (before.get(upTo) || 0)]);
  const all = grown.at(-1)?.[1] || 0;
  if (all <= 0) return NaN;
  const rank = share * all;
  let [lower, below] = [0, 0];
  for (const [upTo, count] of grown) {
    if (count >= rank) return upTo === Infinity ? lower : lower + ((upTo - lower) * (rank - below)) / (count - below || 1);
    [lower, below] = [upTo, count];
  }
  return lower;
}

function showState(kind, text) {
  if ($("state").textContent === text) return;
  $("state").className = `state ${kind}`;
  $("state").textContent = text;
}

// ---- Polling ----

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Repeat `read` while the page is visible. After a refused credential it waits for a new one, or the browser would ask for ever.
async function poll(noteId, read, everyMs) {
  for (;;) {
    try {
      const note = document.hidden ? $(noteId).textContent : await read();
      $(noteId).textContent = note;
      $(noteId).hidden = !note;
    } catch (error) {
      $(noteId).hidden = false;
      $(noteId).textContent = error.message;
      const refused = NO_CREDENTIAL.includes(error.status);
      if (read === readStatus) showState("bad", refused ? "Not allowed to read" : "Not reachable");
      if (refused) {
        const again = element("button", { type: "button", textContent: "Try again" });
        $(noteId).append(" ", again);
        await new Promise((resolve) => {
          again.addEventListener("click", resolve);
          $("credential").addEventListener("submit", resolve, { once: true });
        });
        continue;
      }
    }
    await pause(everyMs);
  }
}

function start() {
  let settling;
  const changed = () => {
    showSliders();
    clearTimeout(settling);
    settling = setTimeout(() => now.camera || post(), SETTLE_MS);
  };
  $("model").addEventListener("change", changed);
  for (const id of ["confidence", "most"]) $(id).addEventListener("input", changed);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("credential").addEventListener("submit", (event) => {
    event.preventDefault();
    [now.token, now.unseen] = [$("token").value, ""];
    $("credential").reset();
    $("credential").hidden = true;
    $("photo").focus();
    post();
  });
  $("file").addEventListener("change", (event) => take(event.target.files[0], event.target.files[0]?.name));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) take(file, file.name);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("stage").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("stage").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("stage").classList.remove("over");
    take(event.dataTransfer.files[0], event.dataTransfer.files[0]?.name);
  });
  $("camera").addEventListener("click", () => (now.camera ? stopCamera() : startCamera().catch(showProblem)));
  $("watch").addEventListener("close", () => now.watched.abort());
  $("watch-regions").addEventListener("change", () => showPictures($("watch-title").textContent));
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("curl").textContent).catch(showProblem);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), POLL_MS);
  });
  new ResizeObserver(placeCaptions).observe($("boxes"));
  chart("frames", "Frames/s");
  chart("latency", "Latency");
  chart("queue", "Queue");
  showSliders();
  poll("models-note", async () => {
    const note = await listModels();
    showCurl();
    return note;
  }, 15 * POLL_MS);
  poll("streams-note", listStreams, POLL_MS);
  poll("service-note", readStatus, POLL_MS);
}

start();
