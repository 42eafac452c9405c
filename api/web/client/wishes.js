/** Subscriptions and settings: sent to the server once, and again after a new join. */

import { isOver } from './errors.js';

/**
 * @typedef {object} Settings How to receive a track. Omitted fields keep their value.
 * @property {'low' | 'medium' | 'high' | 'off'} [quality] The best encoding to send; `off` pauses the track.
 * @property {number} [width] The box that the picture is fitted into, in screen pixels. 0: any.
 * @property {number} [height]
 * @property {number} [fps] Frames per second that are enough. 0: any.
 * @property {number} [priority] 1 to 255; higher is served first. 0: the default of its source.
 * @property {boolean} [visible] False: video is not sent; audio is.
 */

/** Maximum tracks in one message that the server accepts. */
const MOST = 256;

export class Wishes {
  /** By sid. @type {Map<string, {on?: boolean, settings?: Settings}>} */
  #wishes = new Map();
  /** Settings to send in one message at the end of this turn, by sid. @type {Map<string, Settings>} */
  #unsaid = new Map();
  /** @type {Promise<void> | null} */
  #saying = null;

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
    this.#unsaid.set(track, { ...this.#unsaid.get(track), ...settings });
    this.#saying ??= Promise.resolve().then(() => this.#say());
    await this.#saying;
  }

  async #say() {
    const said = [...this.#unsaid].map(([track, settings]) => ({ track, ...settings }));
    this.#unsaid.clear();
    this.#saying = null;
    if (said.length === 1) return this.request({ type: 'settings', ...said[0] });
    const parts = Array.from({ length: Math.ceil(said.length / MOST) }, (_, at) => said.slice(at * MOST, (at + 1) * MOST));
    await Promise.all(parts.map((tracks) => this.#sayTogether(tracks)));
  }

  /** Sends settings. If one track is gone, the others still get theirs. @param {({track: string} & Settings)[]} tracks */
  async #sayTogether(tracks) {
    try {
      await this.request({ type: 'settings', tracks });
    } catch (error) {
      if (isOver(error)) throw error;
      const apart = await Promise.allSettled(tracks.map((one) => this.request({ type: 'settings', ...one })));
      const refused = apart.find((one) => one.status === 'rejected');
      if (refused) throw /** @type {PromiseRejectedResult} */ (refused).reason;
    }
  }

  /** Sends the settings of all existing tracks again, because the server lost them. */
  async restore() {
    for (const sid of [...this.#wishes.keys()]) if (!this.isThere(sid)) this.#wishes.delete(sid);
    for (const on of [true, false]) {
      const tracks = [...this.#wishes].filter(([, wish]) => wish.on === on).map(([sid]) => sid);
      if (tracks.length > 0) await this.request({ type: 'subscribe', tracks, on });
    }
    const asked = [...this.#wishes].filter(([, { settings }]) => settings !== undefined);
    await Promise.all(asked.map(([sid, { settings }]) => this.set(sid, settings ?? {})));
  }
}
