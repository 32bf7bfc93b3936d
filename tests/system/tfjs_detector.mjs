// Runs the detector of an unpacked TF.js model folder on one picture: node tfjs_detector.mjs FOLDER PICTURE OUTPUT
// PICTURE: float32 [300, 300, 3], RGB, -1..1. OUTPUT: float32 boxes [1917, 4] (y1, x1, y2, x2), then scores [1917, 91].
import "@tensorflow/tfjs-backend-cpu";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, picture, output] = process.argv.slice(2);
const bytes = (path) => new Uint8Array(readFileSync(path)).buffer;
const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
const weightSpecs = weightsManifest.flatMap((group) => group.weights);
const weightData = weightsManifest.flatMap((group) => group.paths).map((path) => bytes(join(folder, path)));
const model = await loadGraphModel({ load: async () => ({ modelTopology, weightSpecs, weightData }) });

const centred = tf.tensor(new Float32Array(bytes(picture)), [1, 300, 300, 3]);
const outputs = ["Postprocessor/Decode/transpose_1", "Postprocessor/convert_scores"];
const values = model.execute({ "Preprocessor/sub": centred }, outputs).map((tensor) => tensor.dataSync());
writeFileSync(output, Buffer.concat(values.map((value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength))));
