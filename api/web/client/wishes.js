/** What one wants to be shown, and how: asked of the server once, and again after a new join. */

/**
 * @typedef {object} Settings How one wants to see a track. What is left out stays as it was.
 * @property {'low' | 'medium' | 'high' | 'off'} [quality] The best that is worth its bits; `off` pauses it.
 * @property {number} [width] Of the box it is fitted into, in pixels of the screen. 0: any.
 * @property {number} [height]
 * @property {number} [fps] Frames per second that are enough. 0: any.
 * @property {number} [priority] Who goes first where not all have room, 1 to 255. 0: as its source has it.
 * @property {boolean} [visible] Video that is not visible is not sent.
 */

export class Wishes {
  /** By sid. @type {Map<string, {on?: boolean, settings?: Settings}>} */
  #wishes = new Map();

  /**
   * @param {object} room
   * @param {(message: any) => Promise<any>} room.request
   * @param {(track: string) => boolean} room.isThere Whether a track is published.
   */
  constructor({ request, isThere }) {
    this.request = request;
    this.isThere = isThere;
  }

  /** @param {readonly string[]} tracks @param {boolean} on */
  async subscribe(tracks, on) {
    for (const sid of tracks) this.#wishes.set(sid, { ...this.#wishes.get(sid), on });
    await this.request({ type: 'subscribe', tracks, on });
  }

  /** @param {string} track @param {Settings} settings */
  async set(track, settings) {
    const before = this.#wishes.get(track);
    this.#wishes.set(track, { ...before, settings: { ...before?.settings, ...settings } });
    await this.request({ type: 'settings', track, ...settings });
  }

  /** The server knows nothing of them: says those again whose tracks are there still. */
  async restore() {
    for (const [sid, { on, settings }] of [...this.#wishes]) {
      if (!this.isThere(sid)) {
        this.#wishes.delete(sid);
        continue;
      }
      if (on !== undefined) await this.request({ type: 'subscribe', tracks: [sid], on });
      if (settings !== undefined) await this.request({ type: 'settings', track: sid, ...settings });
    }
  }
}
