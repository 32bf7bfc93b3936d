// Posts a photo with the client that hey-api generated into ./hey, and reads the typed results: node hey_api.mjs URL PHOTO
import { readFile } from "node:fs/promises";
import { client } from "./hey/client.gen.js";
import { annotate, detectObjects, infer } from "./hey/sdk.gen.js";

const [url, photo] = process.argv.slice(2);
client.setConfig({ baseUrl: url! });
const body = new Blob([await readFile(photo!)]);
const { data, error } = await infer({ body, query: { confidence: 0.8 } });
if (!data) throw new Error(JSON.stringify(error));
for (const inference of data.inferences) {
  if (inference.type === "entity") console.log(inference.entity.tag.value, inference.entity.tag.confidence?.toFixed(1));
}
const found = await detectObjects({ body: { image: body, min_confidence: 0.8 } });
if (found.data?.count !== data.inferences.length) throw new Error("the form");
const drawn = await annotate({ body });
if (!(drawn.data instanceof Blob) || drawn.data.type !== "image/jpeg") throw new Error("the picture");
const refused = await infer({ body: new Blob(["no picture"]) });
const problem = refused.error;
if (typeof problem !== "object" || problem.type !== "urn:framehook:undecodable-frame") throw new Error("the refusal");
