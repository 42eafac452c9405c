/** A track that we publish. It outlives the session: after a new join it is published again, under a new sid. */

/**
 * @typedef {object} PublishOptions
 * @property {'camera' | 'microphone' | 'screen_share' | 'screen_share_audio' | 'unknown'} [source]
 * @property {string} [name]
 * @property {string} [stream] Tracks that name the same stream belong together.
 * @property {boolean} [muted] From the start.
 * @property {boolean} [encrypted] End to end, by a transform of the caller's: the server makes nothing of what is in it.
 * @property {boolean} [simulcast] Default: true for video.
 * @property {string} [codec] Sent if the browser can; default `vp8` for video.
 * @property {string} [scalabilityMode] SVC instead of simulcast, such as `L3T3_KEY` with `vp9` or `av1`.
 * @property {number} [maxBitrate] Bits per second of the best encoding.
 * @property {number} [maxFramerate]
 * @property {RTCRtpEncodingParameters[]} [encodings] Instead of all of the above.
 */

export class LocalTrack {
  /** The server's name for it; empty while it is not published. */
  sid = '';
  /** Ours: the section of an offer is known by it. */
  cid = newCid();
  /** As the server hears it. */
  speaking = false;
  /** @type {RTCRtpTransceiver | null} */
  transceiver = null;

  /**
   * @param {import('./publisher.js').Publisher} publisher
   * @param {MediaStreamTrack} mediaStreamTrack
   * @param {PublishOptions} options
   */
  constructor(publisher, mediaStreamTrack, options) {
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
   */
  async replaceTrack(mediaStreamTrack) {
    await this.transceiver?.sender.replaceTrack(mediaStreamTrack);
    if (this.mediaStreamTrack) this.mediaStreamTrack.onended = null;
    this.mediaStreamTrack = /** @type {MediaStreamTrack} */ (mediaStreamTrack);
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

function newCid() {
  // `crypto.randomUUID` exists on secure origins only; this is a name, no secret.
  return globalThis.crypto?.randomUUID?.() ?? `cid-${Math.random().toString(36).slice(2)}${Date.now().toString(36)}`;
}
