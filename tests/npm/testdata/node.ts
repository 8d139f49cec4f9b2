// Compiles with the types of Node.js, and ws.
import { Maru } from "maru-client";
import "./program.js";

export const maru = new Maru(new URL("https://maru.example"), { WebSocket: globalThis.WebSocket });
maru.addEventListener("state", ({ detail, timeStamp }) => process.stdout.write(`${detail.state} ${timeStamp}`));
