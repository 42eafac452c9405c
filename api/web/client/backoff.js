/** When to try again. Pure: time and chance are arguments. */

const FIRST = 250;
const LONGEST = 5_000;

/**
 * Milliseconds to wait before an attempt: at once, then twice as long each time, with a random share of up to half so
 * that a room which was cut does not come back in one moment.
 *
 * @param {number} attempt From 0.
 * @param {number} chance 0 to 1.
 */
export function delay(attempt, chance) {
  if (attempt === 0) return 0;
  const longest = Math.min(LONGEST, FIRST * 2 ** (attempt - 1));
  return longest * (1 - chance / 2);
}
