// Posts a photo with the client that orval generated into ./orval, and reads the typed results: node orval.mjs URL PHOTO
import { readFile } from "node:fs/promises";
import axios from "axios";
import { detectObjects, infer, listModels } from "./orval/client.js";

const [url, photo] = process.argv.slice(2);
axios.defaults.baseURL = url!;
const picture = new Blob([await readFile(photo!)]);
const { data } = await infer(picture, { confidence: 0.8 });
if (!data) throw new Error("nothing found");
for (const inference of data.inferences) {
  if (inference.type === "entity") console.log(inference.entity.tag.value, inference.entity.tag.confidence?.toFixed(1));
}
const found = await detectObjects({ image: picture, min_confidence: 0.8 });
if (found.data.count !== data.inferences.length) throw new Error("the form");
const models = await listModels();
if (!models.data.models.some((model) => model.family === "ssd")) throw new Error("the models");
