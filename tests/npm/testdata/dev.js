// Runs Vite's development server for the page in a directory and prints its address.
import { createServer } from "vite";

const server = await createServer({ root: process.argv[2], server: { host: "127.0.0.1", port: 0 }, cacheDir: `${import.meta.dirname}/out/cache/${process.argv[2]}` });
await server.listen();
console.log(server.resolvedUrls.local[0]);
