/** The error of the client, with a code and a sentence. */

export class SfuError extends Error {
  /**
   * @param {string} code As in the server's `error` message, its disconnect reason, or one of the client: `unreachable`,
   *   `session_ended`, `closed`, `too_large`, `not_published`, `not_found`, `own_track`.
   * @param {string} message A sentence.
   */
  constructor(code, message) {
    super(message);
    this.name = 'SfuError';
    this.code = code;
  }
}

/** True if the session or the room ended, so the request itself was not refused. @param {unknown} error */
export function isOver(error) {
  return error instanceof SfuError && (error.code === 'closed' || error.code === 'session_ended');
}

/** For `catch`. @param {unknown} error */
export function unlessOver(error) {
  if (!isOver(error)) throw error;
}
