/**
 * The functions that the client uses of the browser or of Node.js. Tests pass their own.
 *
 * @typedef {object} Port  one end of a message channel to a host
 * @property {(message: any) => void} postMessage
 * @property {((event: any) => void) | null} onmessage
 *
 * @typedef {object} Surroundings
 * @property {(url: string, protocol: string) => WebSocket} open
 * @property {() => number} random
 * @property {() => number} now  in ms, by a clock that continues while the machine sleeps
 * @property {(run: () => void, ms: number) => any} after
 * @property {(timer: any) => void} cancel
 * @property {() => boolean} online  false: the system reports that it has no network
 * @property {Pick<LockManager, "request">} [locks]  only in secure contexts
 * @property {EventTarget} [events]  dispatches online, pageshow and similar events
 * @property {() => boolean} visible
 * @property {() => void} [forgo]  keeps this page out of the back/forward cache
 * @property {(name: string, failed: () => void) => Port} [share]  the port of the shared worker with that name
 */

const page = typeof document === "object";

/** @type {Surroundings} */
export const surroundings = {
  open: (url, protocol) => {
    if (!globalThis.WebSocket) throw "no WebSocket class: use new Maru(url, { WebSocket })"; // Node.js before 22
    return new WebSocket(url, protocol);
  },
  random: Math.random,
  now: Date.now,
  after: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
  online: () => globalThis.navigator?.onLine !== false,
  locks: globalThis.navigator?.locks,
  events: typeof addEventListener === "function" ? globalThis : undefined,
  visible: () => page && !document.hidden,
  /**
   * When the last page enters the back/forward cache, Chromium freezes the worker before
   * the worker can close its connection, which then stays open for minutes. A page that
   * receives a message at that time is not cached, just as a page with a WebSocket of its own.
   */
  forgo: () => {
    const name = unique();
    new BroadcastChannel(name).onmessage = () => {};
    new BroadcastChannel(name).postMessage("");
  },
  /** Bundlers find the worker only by this form: a class, and a URL from import.meta.url, in one expression. */
  share:
    page && typeof SharedWorker === "function"
      ? (name, failed) => {
          const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name });
          worker.onerror = failed; // the script cannot be loaded
          return worker.port;
        }
      : undefined,
};

/**
 * The two ends of a message channel within one thread.
 *
 * @returns {[Port, Port]}
 */
export function pair() {
  /** @param {() => Port} other @returns {Port} */
  const end = (other) => ({
    onmessage: null,
    postMessage: (data) => queueMicrotask(() => other().onmessage?.({ data })),
  });
  /** @type {[Port, Port]} */
  const ends = [end(() => ends[1]), end(() => ends[0])];
  return ends;
}

/**
 * A unique name: 16 random bytes, each in one or two characters. It cannot be guessed; in Node.js 18,
 * which has no global crypto, it can be guessed from other names of the same process.
 */
export const unique = () => {
  const bytes = new Uint8Array(16);
  return [...(globalThis.crypto?.getRandomValues(bytes) ?? bytes.map(() => Math.random() * 256))].map((byte) => byte.toString(36)).join("");
};

/**
 * Dispatches a CustomEvent, which Node.js 18 has only under another name: an Event with a detail.
 *
 * @param {any} target
 * @param {string} type
 * @param {any} [detail]
 */
export function emit(target, type, detail) {
  const event = new (globalThis.CustomEvent ?? Event)(type, { detail });
  if (!("detail" in event)) Object.assign(event, { detail });
  target.dispatchEvent(event);
}

/**
 * Takes a lock and returns its name. The lock is released by the signal, or when the tab or
 * worker that holds it ends in any way. Returns undefined where there are no locks, or a page
 * may not have them, as in a sandboxed frame.
 *
 * @param {Surroundings} env
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | undefined>}
 */
export async function hold({ locks }, signal) {
  if (!locks) return;
  const name = `maru ${unique()}`;
  return new Promise((/** @type {(name?: string) => void} */ held) => {
    const until = () => {
      held(name);
      return new Promise((/** @type {(value?: any) => void} */ release) => signal?.addEventListener("abort", release));
    };
    locks.request(name, until).catch(() => held());
  });
}
