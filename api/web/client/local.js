/** A track that this client publishes. After a new join it is published again, with a new sid. */

import { described } from './named.js';
import { Playable } from './playable.js';

/**
 * @typedef {object} PublishOptions
 * @property {'camera' | 'microphone' | 'screen_share' | 'screen_share_audio' | 'unknown'} [source]
 * @property {string} [name]
 * @property {string} [stream] Tracks that name the same stream belong together.
 * @property {boolean} [muted] True: the track starts muted.
 * @property {boolean} [encrypted] True: the caller's transform encrypts it end to end, so the server does not read payloads.
 * @property {boolean} [simulcast] Default: true for video.
 * @property {string} [codec] Used if the browser can send it. Default: `vp8` for video.
 * @property {string | false} [backupCodec] Sent, too, while a subscriber cannot decode `codec`. Default: `vp8`
 *   for `av1`, `vp9` and `h265`, otherwise none.
 * @property {string} [scalabilityMode] SVC instead of simulcast, such as `L3T3_KEY` with `vp9` or `av1`.
 * @property {number} [maxBitrate] Bits per second of the best encoding.
 * @property {number} [maxFramerate]
 * @property {RTCRtpEncodingParameters[]} [encodings] Replaces `simulcast`, `scalabilityMode`, `maxBitrate` and `maxFramerate`.
 */

export class LocalTrack extends Playable {
  /** The server's id of the track. Empty: not published. */
  sid = '';
  /** The client's id of the track. It identifies the section in an offer. */
  cid = newCid();
  /** Whether it speaks, according to the server. */
  speaking = false;
  /** The section in which it is sent. Null: none. @type {import('./sending.js').Sending | null} */
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
    if (!isMedia(mediaStreamTrack)) throw new TypeError(`A published track must be a MediaStreamTrack; this is ${described(mediaStreamTrack)}.`);
    this.publisher = publisher;
    this.mediaStreamTrack = mediaStreamTrack;
    this.options = options;
    this.kind = /** @type {'audio' | 'video'} */ (mediaStreamTrack.kind);
    this.source = options.source ?? 'unknown';
    this.name = options.name ?? '';
    this.muted = options.muted ?? false;
    /** A moderator muted it; only a moderator can unmute it. */
    this.silenced = false;
    this.obey();
    this.#watch();
  }

  /** @returns {RTCRtpTransceiver | null} */
  get transceiver() {
    return this.sending?.transceiver ?? null;
  }

  /** The mids of its section and of its backup's section. @returns {string[]} */
  get mids() {
    return [this.sending, this.backup?.sending].flatMap((sending) => sending?.transceiver.mid ?? []);
  }

  /** Mutes or unmutes it for everybody. @param {boolean} muted */
  async mute(muted) {
    await this.publisher.mute(this, muted);
  }

  /** Ends the publication. Does not stop the MediaStreamTrack, which belongs to the caller. */
  async unpublish() {
    await this.publisher.unpublish(this);
  }

  /**
   * Replaces the media of the track without renegotiation. Null: sends nothing. To switch a camera off, with its light,
   * call `mute(true)` first.
   *
   * @param {MediaStreamTrack | null} mediaStreamTrack Of the same kind.
   * @throws {TypeError} It is not a MediaStreamTrack of this kind.
   */
  async replaceTrack(mediaStreamTrack) {
    if (mediaStreamTrack !== null && (!isMedia(mediaStreamTrack) || mediaStreamTrack.kind !== this.kind)) {
      throw new TypeError(`The new track must be a MediaStreamTrack of kind ${this.kind}, or null; this is ${described(mediaStreamTrack)}.`);
    }
    await this.transceiver?.sender.replaceTrack(mediaStreamTrack);
    await this.backup?.sending?.transceiver.sender.replaceTrack(mediaStreamTrack);
    if (this.mediaStreamTrack) this.mediaStreamTrack.onended = null;
    this.mediaStreamTrack = mediaStreamTrack;
    this.obey();
    this.#watch();
  }

  /** Applies `muted` at the source: audio is silent and video is black. */
  obey() {
    if (this.mediaStreamTrack) this.mediaStreamTrack.enabled = !this.muted;
  }

  #watch() {
    // The user ended it (for example by the browser's button for a shared screen), or the device was removed.
    if (this.mediaStreamTrack) this.mediaStreamTrack.onended = () => this.publisher.unpublish(this, 'it ended').catch(() => {});
  }
}

/** Not instanceof: a track may come from another window. @param {any} value */
function isMedia(value) {
  return (value?.kind === 'audio' || value?.kind === 'video') && typeof value.stop === 'function';
}

function newCid() {
  // `crypto.randomUUID` exists on secure origins only. The cid is not secret.
  return globalThis.crypto?.randomUUID?.() ?? `cid-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
}
