/**
 * The shared worker: the tabs of one origin share one worker for each server and user,
 * which the name of the worker identifies.
 */
import { Host } from "./host.js";

const host = new Host();
/** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ { ports }) => host.attach(ports[0]);
