/** What goes wrong, with the code and the sentence of the server. */

export class SfuError extends Error {
  /**
   * @param {string} code As in the server's `error` message, its disconnect reason, or one of ours: `unreachable`,
   *   `session_ended`, `closed`, `too_large`, `not_published`, `not_found`, `own_track`.
   * @param {string} message A sentence.
   */
  constructor(code, message) {
    super(message);
    this.name = 'SfuError';
    this.code = code;
  }
}

/** The session or the room is over: not the fault of what was asked. @param {unknown} error */
export function isOver(error) {
  return error instanceof SfuError && (error.code === 'closed' || error.code === 'session_ended');
}

/** For `catch`. @param {unknown} error */
export function unlessOver(error) {
  if (!isOver(error)) throw error;
}
