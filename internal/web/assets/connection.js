/**
 * One channel, held open.
 *
 *     connect ─→ connecting ─→ open ─→ (lost) waiting ─→ connecting ─→ …
 *                                 └──→ (by hand, or for good) closed
 *
 * Each attempt has the same steps, the first one too: prepare (sign in again),
 * read what was said (HTTP, since the last position), then go on from there
 * (WebSocket). The server replays what came between the two, so nothing is
 * missed and nothing comes twice; if it no longer has everything, the history's
 * answer tells of the gap.
 *
 * @typedef {{offset: number, kind: "text"|"json"|"binary", data: any, key?: string, time: string, user?: string}} Publication
 * @typedef {{reason: "expired"|"epoch", from?: number, to?: number}} Gap
 * @typedef {{channel: string, epoch: string, offset: number, publications: Publication[], gap?: Gap}} History
 * @typedef {"connecting"|"open"|"waiting"|"closed"} State
 *
 * @typedef {object} Handlers
 * @property {(state: State, reason: string) => void} onState  reason: why the server closed for good, else ""
 * @property {(publication: Publication, first: boolean) => void} onPublication  first: from the history on entry
 * @property {(gap: Gap) => void} [onGap]  comes before what is still retained
 * @property {(text: string) => void} [onLost]  sent before a drop and not seen since
 * @property {(code: number) => void} [onRefused]  closed for good with this code
 * @property {() => Promise<void>} [prepare]  runs before each attempt; if it fails, so does the attempt
 *
 * What the browser gives, replaced in tests:
 * @typedef {object} Surroundings
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {(url: string) => WebSocket} open
 * @property {() => number} random
 * @property {() => number} now  milliseconds
 * @property {(run: () => void, milliseconds: number) => any} after
 * @property {(timer: any) => void} cancel
 */

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** An attempt that has no answer after this long has failed. */
const PATIENCE = 15_000;
/** A connection that lived this long was a good one: the next delay is short again. */
const STEADY = 5_000;
/** The largest message the server takes, in bytes. */
export const MAX_MESSAGE_BYTES = 1 << 20;

/**
 * The time to wait before an attempt: anything up to a bound that doubles
 * ("full jitter"), so that clients that fell together do not return together.
 *
 * @param {number} attempt counted from 0
 * @param {() => number} random
 */
export function backoff(attempt, random) {
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
}

/**
 * Whether it makes sense to come back after a close code: not after 1008 (not
 * allowed) and not from 4500 on.
 *
 * @param {number} code
 */
export function comeBack(code) {
  return code !== 1008 && code < 4500;
}

/** @type {Surroundings} */
const browser = {
  fetch: (url, init) => fetch(url, init),
  open: (url) => new WebSocket(url),
  random: Math.random,
  now: () => performance.now(),
  after: (run, milliseconds) => setTimeout(run, milliseconds),
  cancel: (timer) => clearTimeout(timer),
};

/** An answer that will be the same next time. */
class Refusal extends Error {}

export class Connection {
  /** @type {State} */
  state = "closed";

  #url;
  #limit;
  #handlers;
  #env;
  /** @type {{epoch: string, offset: number} | undefined} */
  #position;
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {any} */
  #timer;
  #attempt = 0;
  #openedAt = Infinity;
  /** Each attempt has its number; what an older one still brings is not listened to. */
  #run = 0;
  /** @type {{text: string, at: number}[]} sent and not yet heard */
  #unheard = [];

  /**
   * @param {string} url of the channel, absolute, http or https
   * @param {Handlers} handlers
   * @param {{limit?: number, env?: Surroundings}} [options] limit: how much history to show on entry
   */
  constructor(url, handlers, { limit = 50, env = browser } = {}) {
    this.#url = url;
    this.#handlers = handlers;
    this.#limit = limit;
    this.#env = env;
  }

  /** Connects, at once, whatever was before. */
  connect() {
    this.#attempt = 0;
    this.#start();
  }

  /** Ends the connection; only connect starts it again. */
  disconnect() {
    this.#run++;
    this.#letGo();
    this.#set("closed", "");
  }

  /** The network or the person is back: no use in waiting longer. */
  wake() {
    if (this.state === "waiting") this.connect();
  }

  /**
   * Sends a message, or says that it cannot now.
   *
   * @param {string} text
   */
  send(text) {
    if (this.state !== "open" || !this.#socket) return false;
    this.#socket.send(text);
    this.#unheard.push({ text, at: this.#env.now() });
    // A message comes back to its sender. One that does not is how a dead
    // connection shows that nobody has closed.
    const run = this.#run;
    this.#env.after(() => {
      const oldest = this.#unheard[0];
      if (run === this.#run && oldest && this.#env.now() - oldest.at >= PATIENCE) this.#start();
    }, PATIENCE);
    return true;
  }

  async #start() {
    const run = ++this.#run;
    this.#letGo();
    this.#set("connecting", "");
    try {
      await this.#handlers.prepare?.();
      if (run !== this.#run) return;
      const history = await this.#history();
      if (run !== this.#run) return;
      this.#show(history);
    } catch (error) {
      if (run !== this.#run) return;
      if (error instanceof Refusal) this.#set("closed", error.message);
      else this.#retry();
      return;
    }
    this.#listen(run);
  }

  /** @returns {Promise<History>} */
  async #history() {
    const since = this.#position ? `?since=${this.#since()}&limit=500` : `?limit=${this.#limit}`;
    const answer = await this.#env.fetch(this.#url + since, {
      headers: { Accept: "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) return answer.json();
    if (answer.status >= 500 || answer.status === 429) throw new Error("later");
    throw new Refusal(await reasonOf(answer));
  }

  #since() {
    return `${this.#position?.epoch}:${this.#position?.offset}`;
  }

  /** @param {History} history */
  #show({ epoch, offset, publications, gap }) {
    const known = this.#position;
    if (known && gap) this.#handlers.onGap?.(gap);
    for (const publication of publications) {
      if (known?.epoch === epoch && publication.offset <= known.offset) continue;
      this.#heard(publication, !known);
    }
    // Where the list was cut at its limit the head is further on: the socket brings the rest.
    this.#position = { epoch, offset: publications.at(-1)?.offset ?? offset };
    for (const { text } of this.#unheard.splice(0)) this.#handlers.onLost?.(text);
  }

  /** @param {number} run */
  #listen(run) {
    const url = this.#url.replace(/^http/, "ws");
    const socket = this.#env.open(`${url}?as=publication&since=${this.#since()}`);
    this.#socket = socket;
    this.#timer = this.#env.after(() => this.#retry(), PATIENCE);
    socket.onopen = () => {
      if (run !== this.#run) return;
      this.#env.cancel(this.#timer);
      this.#openedAt = this.#env.now();
      this.#set("open", "");
    };
    socket.onmessage = ({ data }) => {
      if (run !== this.#run || !this.#position) return;
      /** @type {Publication} */
      const publication = JSON.parse(data);
      if (publication.offset <= this.#position.offset) return;
      this.#position.offset = publication.offset;
      this.#heard(publication, false);
    };
    socket.onclose = ({ code, reason }) => {
      if (run !== this.#run) return;
      if (comeBack(code)) return this.#retry();
      this.#run++;
      this.#letGo();
      this.#set("closed", reason || String(code));
      this.#handlers.onRefused?.(code);
    };
  }

  /**
   * @param {Publication} publication
   * @param {boolean} first
   */
  #heard(publication, first) {
    const own = this.#unheard.findIndex(({ text }) => text === publication.data);
    if (own >= 0) this.#unheard.splice(own, 1);
    this.#handlers.onPublication(publication, first);
  }

  #retry() {
    this.#run++;
    if (this.#env.now() - this.#openedAt >= STEADY) this.#attempt = 0;
    this.#letGo();
    this.#set("waiting", "");
    this.#timer = this.#env.after(() => this.#start(), backoff(this.#attempt++, this.#env.random));
  }

  #letGo() {
    this.#env.cancel(this.#timer);
    this.#socket?.close();
    this.#socket = undefined;
    this.#openedAt = Infinity;
  }

  /**
   * @param {State} state
   * @param {string} reason
   */
  #set(state, reason) {
    this.state = state;
    this.#handlers.onState(state, reason);
  }
}

/**
 * The message of an error answer, {"error":{"code","message"}}; its status if it
 * has none.
 *
 * @param {Response} answer
 */
export async function reasonOf(answer) {
  try {
    return String((await answer.json()).error.message);
  } catch {
    return `HTTP ${answer.status}`;
  }
}
