/**
 * The form with the nickname: signing in and out, where people choose their names, and the name
 * of the user.
 */
import { find, input, notice, proven, reason, say, server, storage } from "./page.js";
import { Session } from "./session.js";

/** The name that an anonymous user has chosen. */
const NAME = "maru.nickname";

export class Identity {
  #session = new Session((path, init) => fetch(new URL(path, server), init), {
    getItem: (key) => storage(() => localStorage.getItem(key)) ?? null,
    setItem: (key, value) => void storage(() => localStorage.setItem(key, value)),
    removeItem: (key) => void storage(() => localStorage.removeItem(key)),
  });
  /** @type {import("./maru.js").Maru | undefined} */
  #maru;
  #field = document.getElementById("identity") ? input("nickname") : undefined;
  /** This tab is signing out, so that the server closes the connection. */
  #leaving = false;

  /** The name that the server has for the user; "" is anonymous. */
  get user() {
    return (proven ? this.#maru?.user : this.#session.user) ?? "";
  }

  /** The name under which the user writes. */
  get name() {
    return this.user || this.#field?.value.trim() || this.#field?.placeholder || "";
  }

  /** Runs before each attempt to connect: the server may have restarted, and forgotten the user. */
  prepare = async () => {
    if (proven) return;
    const session = this.#session;
    const before = session.user;
    const taken = await session.resume();
    if (taken) notice(say("takenSince", { name: taken }));
    else if (before && !session.user) notice(say("signedOut")); // or another tab has shown the reason
    if (before !== session.user || taken) this.#show();
  };

  /** @param {import("./maru.js").Maru} maru */
  follow(maru) {
    this.#maru = maru;
    const field = this.#field;
    if (field) {
      field.value = storage(() => localStorage.getItem(NAME)) ?? "";
      field.addEventListener("input", () => storage(() => localStorage.setItem(NAME, field.value)));
      find("identity").addEventListener("submit", (event) => {
        event.preventDefault();
        if (!proven) this.#become(() => this.#signIn());
      });
      document.getElementById("sign-out")?.addEventListener("click", () => this.#become(() => this.#signOut()));
    }
    maru.addEventListener("state", ({ detail: { state, user = "", error } }) => {
      if (proven) return this.#show();
      if (state === "open" && user !== this.user) this.#agree(user);
      if (error?.code !== "revoked" || this.#leaving) return;
      // Signed out in another tab. Continue as an anonymous user.
      this.#session.forget();
      this.#show();
      notice(say("signedOut"));
      maru.connect();
    });
    this.#show();
  }

  /**
   * The shared connection belongs to another user than this tab has shown: another tab has
   * signed in, or connected before this tab could sign in again.
   *
   * @param {string} user
   */
  async #agree(user) {
    await this.prepare().catch(() => {});
    this.#show();
    if (this.user && this.user !== user) this.#maru?.reconnect();
  }

  #show() {
    const field = this.#field;
    if (!field) return;
    const known = this.user !== "";
    if (known) field.value = this.user;
    field.readOnly = known;
    const mark = find("signed");
    mark.hidden = !known;
    mark.classList.toggle("proven", proven);
    mark.textContent = proven ? "✓" : "●";
    mark.ariaLabel = mark.title = say(proven ? "proven" : "signed");
    document.getElementById("sign-in")?.toggleAttribute("hidden", known);
    document.getElementById("sign-out")?.toggleAttribute("hidden", !known);
  }

  /**
   * Signs in or out and shows the result. A connection belongs to the user who opened it, so
   * change opens it again for all tabs.
   *
   * @param {() => Promise<string>} change returns an error message, or ""
   */
  async #become(change) {
    let trouble;
    try {
      trouble = await change();
    } catch {
      trouble = say("sessionFailed", { reason: say("unreachable") });
    }
    notice(trouble);
    this.#show();
  }

  async #signIn() {
    const wished = this.#field?.value.trim() ?? "";
    const answer = await this.#session.signIn(wished);
    if (answer.ok) {
      storage(() => localStorage.removeItem(NAME));
      if (this.#maru?.state !== "closed") this.#maru?.reconnect();
      document.getElementById("message")?.focus();
      return "";
    }
    this.#field?.focus();
    if (answer.code === "taken") return say("taken", { name: wished });
    if (answer.code === "bad_nickname") return say("badNickname");
    return say("sessionFailed", { reason: reason({ code: answer.code, message: answer.reason }) });
  }

  async #signOut() {
    const live = this.#maru?.state !== "closed";
    this.#leaving = true;
    try {
      await this.#session.signOut(); // the server closes the connection
    } finally {
      this.#leaving = false;
      if (live) this.#maru?.reconnect();
    }
    this.#field?.focus();
    return "";
  }
}
