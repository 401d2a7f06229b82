// Builds the console into the Python package: the page, its script, its style, the licences.

import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = process.argv[2] ?? here("../connector/doors/server/console");

await build({
  absWorkingDir: here("."),
  entryPoints: { app: "src/main.tsx", style: "src/style.css" },
  outdir: target,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
copyFileSync(here("src/index.html"), `${target}/index.html`);

const { dependencies } = JSON.parse(readFileSync(here("package.json")));
const licences = Object.entries(dependencies).map(([name, version]) => {
  const folder = here(`node_modules/${name}`);
  const file = ["LICENSE", "LICENSE.md"].find((found) => existsSync(`${folder}/${found}`));
  return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
});
writeFileSync(
  `${target}/licences.txt`,
  `The console contains these libraries.\n\n${licences.join(`\n${"-".repeat(72)}\n\n`)}`,
);
