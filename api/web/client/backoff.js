/** When to retry. Pure: time and randomness are arguments. */

const FIRST = 250;
const LONGEST = 5_000;

/**
 * Milliseconds to wait before an attempt: none before the first, then twice as long each time. Up to half of it is random,
 * so that the clients of a room do not reconnect at the same moment.
 *
 * @param {number} attempt From 0.
 * @param {number} chance 0 to 1.
 */
export function delay(attempt, chance) {
  if (attempt === 0) return 0;
  const longest = Math.min(LONGEST, FIRST * 2 ** (attempt - 1));
  return longest * (1 - chance / 2);
}
