/**
 * Errors, and what is worth doing about them (docs/protocol.md §6, §7).
 */

/** What went wrong: `code` is for programs, the message for people. */
export class MaruError extends Error {
  /** @param {{code: string, message?: string, temporary?: boolean}} error */
  constructor({ code, message, temporary = false }) {
    super(message || code);
    this.name = "MaruError";
    this.code = code;
    /** The same may succeed later. */
    this.temporary = temporary;
  }
}

/** @param {string} [message] */
export const disconnected = (message = "there is no connection") => new MaruError({ code: "disconnected", message, temporary: true });

/** An error as a port can carry it. @param {any} error */
export const plain = ({ code = "unavailable", message, temporary = code === "unavailable" }) => ({ code, message, temporary });

/**
 * Whether a close code says to come back.
 *
 * @param {number} code
 */
export const comeBack = (code) => code !== 1008 && !(code >= 4500 && code < 5000);

const passing = new Set(
  "rate_limited slow storage_full unavailable overloaded too_many_connections shutting_down bad_frame internal".split(" "),
);

/**
 * Whether what ended with this error may be tried again as it was.
 *
 * @param {{code: string, temporary?: boolean}} error
 */
export const passes = ({ code, temporary }) => temporary || passing.has(code);

/** The longest wait before an attempt, in ms. */
export const LONGEST = 20_000;

/**
 * The wait before an attempt, in ms: anything up to a bound that doubles ("full
 * jitter"), so that those who fell together do not return together.
 *
 * @param {number} attempt how many have failed in a row
 * @param {() => number} random
 */
export const backoff = (attempt, random) => random() * Math.min(LONGEST, 500 * 2 ** attempt);
