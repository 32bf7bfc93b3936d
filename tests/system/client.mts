// Posts a photo and reads the typed results: node client.mjs URL PHOTO
// api.d.ts beside it is generated from openapi.yaml; a name that the contract does not have does not compile.
import { readFile } from "node:fs/promises";
import type { components } from "./api.js";

type Inferences = components["responses"]["Inferences"]["content"]["application/json"];
type Problem = components["schemas"]["Problem"];

const [url, photo] = process.argv.slice(2);
const headers = { "Content-Type": "image/jpeg" };
const answer = await fetch(`${url}/inference?confidence=0.8`, { method: "POST", headers, body: await readFile(photo!) });
if (answer.status !== 200) throw new Error(((await answer.json()) as Problem).detail);
const { inferences } = (await answer.json()) as Inferences;
for (const inference of inferences) {
  if (inference.type === "entity") console.log(inference.entity.tag.value, inference.entity.tag.confidence?.toFixed(1));
}
