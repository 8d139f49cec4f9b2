/**
 * Which names are proven, and which only look like one that is known.
 */

/** How many colours of names the style sheet has. */
const HUES = 8;
/** The maximum number of names that are remembered. */
const MOST = 1_000;

/** Characters that look like a Latin letter, in the order of the letters below. */
const ALIKE = "а β в е ё н і ї ı ɪ | 1 ј к м о ο ӧ 0 р ρ с ѕ т υ ν х у ԁ ԛ ԝ һ ӏ α ε κ τ";
const LATIN = "a b b e e h l l l l l l j k m o o o o p p c s t u v x y d q w h l a e k t";
const letters = new Map(ALIKE.split(" ").map((alike, i) => [alike, LATIN.split(" ")[i]]));

/**
 * The name as the eye reads it: the same for names that people take for each other.
 *
 * @param {string} name
 */
export function skeleton(name) {
  const plain = name.normalize("NFKD").toLowerCase().replace(/[\p{M}\p{Z}\p{Cf}._-]/gu, "");
  // i and l are told apart in most fonts by a dot that is easily missed.
  return [...plain].map((letter) => letters.get(letter) ?? (letter === "i" ? "l" : letter)).join("").normalize("NFC");
}

/**
 * @typedef {"proven"|"signed"|"lookalike"|"unverified"|"impostor"|"claims"|"unnamed"} Verdict
 *   proven: by a token or the site's own sign-in. signed: signed in, under a name of their
 *   choice. lookalike: signed in, but the name looks like that of another person. unverified:
 *   not signed in. impostor: not signed in, with the name of a person who is. claims: signed
 *   in as somebody else. unnamed: no name, not signed in.
 */

export class Names {
  /** @type {Map<string, string>} the first signed-in name of each skeleton */
  #known = new Map();
  #proven;

  /** @param {boolean} proven whether the server's word about a name is more than a choice of the person */
  constructor(proven) {
    this.#proven = proven;
  }

  /**
   * A person with that name is signed in.
   *
   * @param {string} name
   */
  meet(name) {
    const key = skeleton(name);
    if (!this.#known.has(key) && this.#known.size < MOST) this.#known.set(key, name);
  }

  /**
   * The known name that this one is, or looks like.
   *
   * @param {string} name
   */
  like(name) {
    return this.#known.get(skeleton(name));
  }

  /**
   * Compares the name in a message with the user that the server has identified.
   *
   * @param {string} name
   * @param {string} [user]
   * @returns {Verdict}
   */
  verdict(name, user) {
    if (!user) {
      if (!name) return "unnamed";
      return this.like(name) ? "impostor" : "unverified";
    }
    if (name && name !== user) return "claims";
    if (this.#proven) return "proven";
    const first = this.like(user) ?? user;
    return first === user ? "signed" : "lookalike";
  }
}

/**
 * The class of the colour of a name.
 *
 * @param {string} name
 */
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
  return `hue-${sum % HUES}`;
}
