/**
 * What a text in the hall says, and how far to believe who says it.
 */

const ARROW = " => ";
/** As many characters as a nickname may have. */
const LONGEST_NAME = 32;

/**
 * Splits `name => message`, the form in which everybody writes in the hall. A
 * signed-in person's own name is looked for first, since it may hold an arrow
 * itself. What stands before an arrow and cannot be a name is message.
 *
 * @param {string} text
 * @param {string} [user] the server's word for who sent it
 * @returns {{name: string, text: string}} name is "" if there is none
 */
export function splitMessage(text, user) {
  if (user && text.startsWith(user + ARROW)) {
    return { name: user, text: text.slice(user.length + ARROW.length) };
  }
  const at = text.indexOf(ARROW);
  const name = text.slice(0, Math.max(at, 0)).trim();
  if (!name || name.includes("\n") || [...name].length > LONGEST_NAME) return { name: "", text };
  return { name, text: text.slice(at + ARROW.length) };
}

/**
 * How the claimed name and the server's word go together:
 * "verified" (the same), "unverified" (the server knows nobody), "claims"
 * (somebody else), "unnamed" (nobody is claimed and nobody is known).
 *
 * @param {string} name
 * @param {string} [user]
 * @returns {"verified"|"unverified"|"claims"|"unnamed"}
 */
export function judge(name, user) {
  if (!user) return name ? "unverified" : "unnamed";
  return !name || name === user ? "verified" : "claims";
}
