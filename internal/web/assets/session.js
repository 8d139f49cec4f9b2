/**
 * The session of the user, across requests, tabs and restarts of the server.
 */
const KEY = "maru.signed-in";

/**
 * @typedef {{ok: true} | {ok: false, code: string, reason: string}} Answer
 */

export class Session {
  /** The nickname that the server has for this browser; "" is anonymous. */
  user = "";

  #fetch;
  #store;

  /**
   * @param {(path: string, init: RequestInit) => Promise<Response>} request  path: relative to the server's address
   * @param {Pick<Storage, "getItem"|"setItem"|"removeItem">} store remembers the nickname
   */
  constructor(request, store) {
    this.#fetch = request;
    this.#store = store;
  }

  /**
   * Asks the server for the session. If there is none, because the server has restarted,
   * signs in again with the remembered nickname.
   *
   * @returns {Promise<string>} the remembered nickname if another user has it now, else ""
   */
  async resume() {
    if (await this.#ask()) return "";
    const nickname = this.#store.getItem(KEY);
    if (!nickname || (await this.signIn(nickname)).ok) return "";
    // Another tab of this browser may have signed in first: then the cookie is valid.
    if (await this.#ask()) return "";
    this.forget();
    return nickname;
  }

  /**
   * @param {string} nickname
   * @returns {Promise<Answer>}
   */
  async signIn(nickname) {
    const answer = await this.#request("POST", JSON.stringify({ nickname }));
    if (answer.status >= 500) throw new Error(await reasonOf(answer));
    if (!answer.ok) {
      const { error } = await answer.json().catch(() => ({}));
      return { ok: false, code: String(error?.code), reason: String(error?.message ?? answer.status) };
    }
    this.user = (await answer.json()).user;
    this.#store.setItem(KEY, this.user);
    return { ok: true };
  }

  /** Ends the session and the connections of all tabs. */
  async signOut() {
    await this.#request("DELETE");
    this.forget();
  }

  /** The session has ended: anonymous, and not signed in again by resume. */
  forget() {
    this.user = "";
    this.#store.removeItem(KEY);
  }

  async #ask() {
    const answer = await this.#request("GET");
    if (answer.status >= 500) throw new Error(await reasonOf(answer));
    this.user = answer.ok ? (await answer.json()).user : "";
    return answer.ok;
  }

  /**
   * @param {string} method
   * @param {string} [body]
   */
  #request(method, body) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    return this.#fetch("session", { method, body, headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  }
}

/**
 * The message of an error response, {"error":{"code","message"}}, or its status.
 *
 * @param {Response} answer
 */
async function reasonOf(answer) {
  try {
    return String((await answer.json()).error.message);
  } catch {
    return `HTTP ${answer.status}`;
  }
}
