/** The token of the page: pasted, or in development mode from the server. */

export class NoDevToken extends Error {}

/**
 * Returns a token with a new identity for a room.
 *
 * @param {string} room @param {string} name
 * @returns {Promise<string>}
 * @throws {NoDevToken} The server is not in development mode.
 */
export async function devToken(room, name) {
  const response = await fetch('v1/dev/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ room, name }),
  });
  if ([401, 403, 404, 405].includes(response.status)) throw new NoDevToken('This server requires a token: paste one.');
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? problem.title ?? `The server returned no token (${response.status}).`);
  }
  return (await response.json()).token;
}
