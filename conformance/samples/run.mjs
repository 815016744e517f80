// Runs the JavaScript samples: each takes what it needs out of a scene that the runner has prepared.
// It is copied beside the SDK, since an import of a package looks only there: node run.mjs FOLDER-OF-SAMPLES

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { workos } from "./connect.mjs";

const { BASE_URL, SCENES, RESULTS } = process.env;
const scenes = JSON.parse(await readFile(SCENES, "utf8"));
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
const results = {};

for (const [name, inputs] of Object.entries(scenes)) {
  const { default: sample } = await import(pathToFileURL(`${process.argv[2]}/${name}.mjs`));
  const given = Object.fromEntries(Object.entries(inputs).map(([key, value]) => [camel(key), value]));
  // Tells the recorder whose requests follow.
  await fetch(`${BASE_URL}/-/begin/${name}`);
  let printed = "";
  console.log = (...values) => {
    printed += `${format(...values)}\n`;
  };
  try {
    results[name] = { ok: true, said: "", result: (await sample({ workos, ...given })) ?? "" };
  } catch (error) {
    results[name] = { ok: false, said: String(error), result: "" };
  }
  results[name].printed = printed;
}
await writeFile(RESULTS, JSON.stringify(results));
