/**
 * What the browser, or Node.js, gives. Tests give something else.
 *
 * @typedef {object} Port  one end of a channel to a host
 * @property {(message: any) => void} postMessage
 * @property {((event: any) => void) | null} onmessage
 *
 * @typedef {object} Surroundings
 * @property {(url: string, protocol: string) => WebSocket} open
 * @property {() => number} random
 * @property {() => number} now  ms, by a clock that goes on while the machine sleeps
 * @property {(run: () => void, ms: number) => any} after
 * @property {(timer: any) => void} cancel
 * @property {() => boolean} online  false: the system says that there is no network
 * @property {Pick<LockManager, "request">} [locks]  only in secure contexts
 * @property {EventTarget} [events]  tells online, pageshow and their like
 * @property {() => boolean} visible
 * @property {() => void} [forgo]  the page that goes now will not be kept to be gone back to
 * @property {(name: string, failed: () => void) => Port} [share]  the port of a worker that all tabs share by that name
 */

const page = typeof document === "object";

/** @type {Surroundings} */
export const surroundings = {
  open: (url, protocol) => new WebSocket(url, protocol),
  random: Math.random,
  now: Date.now,
  after: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
  online: () => globalThis.navigator?.onLine !== false,
  locks: globalThis.navigator?.locks,
  events: typeof addEventListener === "function" ? globalThis : undefined,
  visible: () => page && !document.hidden,
  /**
   * Chromium would freeze the worker along with its last page, its connection open for
   * minutes, before it hears that the page has left. A page that gets a message
   * meanwhile is not kept: so it is with pages that have a WebSocket themselves.
   */
  forgo: () => {
    const name = unique();
    new BroadcastChannel(name).onmessage = () => {};
    new BroadcastChannel(name).postMessage("");
  },
  share:
    page && typeof SharedWorker === "function"
      ? (name, failed) => {
          const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name });
          worker.onerror = failed; // it does not load
          return worker.port;
        }
      : undefined,
};

/**
 * Two ends of a channel within one thread.
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

/** A name that nothing else has. */
export const unique = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(36)).join("");

/**
 * Takes a lock and says its name: it becomes free with the signal, or with the tab or worker
 * that holds it, however that ends. Where there are no locks there is no name.
 *
 * @param {Surroundings} env
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | undefined>}
 */
export async function hold({ locks }, signal) {
  if (!locks) return;
  const name = `maru ${unique()}`;
  await new Promise((/** @type {(value?: any) => void} */ held) => {
    locks.request(name, () => {
      held();
      return new Promise((/** @type {(value?: any) => void} */ release) => signal?.addEventListener("abort", release));
    });
  });
  return name;
}
