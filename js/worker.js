/**
 * The worker that all tabs of an origin share, one for each server and person: its
 * name says which.
 */
import { Host } from "./host.js";

const host = new Host();
/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ { ports }) => host.attach(ports[0]);
