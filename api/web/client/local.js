/** A track that we publish. It outlives the session: after a new join it is published again, under a new sid. */

import { described } from './named.js';
import { Playable } from './playable.js';

/**
 * @typedef {object} PublishOptions
 * @property {'camera' | 'microphone' | 'screen_share' | 'screen_share_audio' | 'unknown'} [source]
 * @property {string} [name]
 * @property {string} [stream] Tracks that name the same stream belong together.
 * @property {boolean} [muted] From the start.
 * @property {boolean} [encrypted] End to end, by a transform of the caller's: the server makes nothing of what is in it.
 * @property {boolean} [simulcast] Default: true for video.
 * @property {string} [codec] Sent if the browser can; default `vp8` for video.
 * @property {string | false} [backupCodec] Sent too, while somebody in the room cannot decode `codec`. Default: `vp8`
 *   beside `av1`, `vp9` and `h265`, none beside others.
 * @property {string} [scalabilityMode] SVC instead of simulcast, such as `L3T3_KEY` with `vp9` or `av1`.
 * @property {number} [maxBitrate] Bits per second of the best encoding.
 * @property {number} [maxFramerate]
 * @property {RTCRtpEncodingParameters[]} [encodings] Instead of all of the above.
 */

export class LocalTrack extends Playable {
  /** The server's name for it; empty while it is not published. */
  sid = '';
  /** Ours: the section of an offer is known by it. */
  cid = newCid();
  /** As the server hears it. */
  speaking = false;
  /** Its section, while it has one. @type {import('./sending.js').Sending | null} */
  sending = null;
  /** @type {import('./backup.js').Backup | null} */
  backup = null;

  /**
   * @param {import('./publisher.js').Publisher} publisher
   * @param {MediaStreamTrack} mediaStreamTrack
   * @param {PublishOptions} options
   */
  constructor(publisher, mediaStreamTrack, options) {
    super();
    if (!isMedia(mediaStreamTrack)) throw new TypeError(`What is published is a MediaStreamTrack; this is ${described(mediaStreamTrack)}.`);
    this.publisher = publisher;
    this.mediaStreamTrack = mediaStreamTrack;
    this.options = options;
    this.kind = /** @type {'audio' | 'video'} */ (mediaStreamTrack.kind);
    this.source = options.source ?? 'unknown';
    this.name = options.name ?? '';
    this.muted = options.muted ?? false;
    /** A moderator muted it: only a moderator can allow it again. */
    this.silenced = false;
    this.obey();
    this.#watch();
  }

  /** @returns {RTCRtpTransceiver | null} */
  get transceiver() {
    return this.sending?.transceiver ?? null;
  }

  /** Of the sections it is sent in: its own, and its backup's. @returns {string[]} */
  get mids() {
    return [this.sending, this.backup?.sending].flatMap((sending) => sending?.transceiver.mid ?? []);
  }

  /** Stops or starts sending it, and tells everybody. @param {boolean} muted */
  async mute(muted) {
    await this.publisher.mute(this, muted);
  }

  /** Ends it. The MediaStreamTrack stays the caller's, to stop or to use elsewhere. */
  async unpublish() {
    await this.publisher.unpublish(this);
  }

  /**
   * Another picture or sound in the same track, without renegotiation. Null: nothing is sent; with `mute(true)` before,
   * that is how a camera is switched off, light and all.
   *
   * @param {MediaStreamTrack | null} mediaStreamTrack Of the same kind.
   * @throws {TypeError} It is something else.
   */
  async replaceTrack(mediaStreamTrack) {
    if (mediaStreamTrack !== null && (!isMedia(mediaStreamTrack) || mediaStreamTrack.kind !== this.kind)) {
      throw new TypeError(`What replaces it is a MediaStreamTrack of kind ${this.kind}, or null; this is ${described(mediaStreamTrack)}.`);
    }
    await this.transceiver?.sender.replaceTrack(mediaStreamTrack);
    await this.backup?.sending?.transceiver.sender.replaceTrack(mediaStreamTrack);
    if (this.mediaStreamTrack) this.mediaStreamTrack.onended = null;
    this.mediaStreamTrack = mediaStreamTrack;
    this.obey();
    this.#watch();
  }

  /** Muted tracks are silent and black at the source, whatever the server does with them. */
  obey() {
    if (this.mediaStreamTrack) this.mediaStreamTrack.enabled = !this.muted;
  }

  #watch() {
    // The user ended it, such as by the browser's own button under a shared screen, or the device is gone.
    if (this.mediaStreamTrack) this.mediaStreamTrack.onended = () => this.publisher.unpublish(this, 'it ended').catch(() => {});
  }
}

/** Not instanceof: a track may come from another window. @param {any} value */
function isMedia(value) {
  return (value?.kind === 'audio' || value?.kind === 'video') && typeof value.stop === 'function';
}

function newCid() {
  // `crypto.randomUUID` exists on secure origins only; this is a name, no secret.
  return globalThis.crypto?.randomUUID?.() ?? `cid-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
}
