// Builds app.js with each bundler, as docs/clients.md says, into out/NAME; and the page of socketio.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import esbuild from "esbuild";
import { build as vite } from "vite";
import webpack from "webpack";

await vite({ base: "./", build: { outDir: "out/vite" }, logLevel: "warn" });
await vite({ root: "socketio", base: "./", build: { outDir: "../out/socketio" }, logLevel: "warn" });

const stats = await promisify(webpack)({
  mode: "production",
  entry: "./app.js",
  output: { path: `${import.meta.dirname}/out/webpack` },
});
if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString());
await writeFile("out/webpack/index.html", '<!doctype html><link rel="icon" href="data:,"><script src="main.js"></script>');

// esbuild leaves workers alone: the worker is a second entry point beside the first.
const options = { bundle: true, format: "esm", minify: true, entryNames: "[name]", logLevel: "warning" };
await esbuild.build({ ...options, entryPoints: ["app.js", "maru-client/worker.js"], outdir: "out/esbuild" });
await copyFile("index.html", "out/esbuild/index.html");

// Without it each page has a connection of its own.
await mkdir("out/alone");
await esbuild.build({ ...options, entryPoints: ["app.js"], outdir: "out/alone" });
await copyFile("index.html", "out/alone/index.html");
