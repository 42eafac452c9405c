/** The published tracks: captures, declares, offers, mutes and ends them, and publishes them again after a new join. */

import { Backup } from './backup.js';
import { capture, captureScreen } from './capture.js';
import { backupFor, encodingsFor, prefer } from './encodings.js';
import { SfuError, isOver, unlessOver } from './errors.js';
import { LocalTrack } from './local.js';
import { Sending } from './sending.js';

/**
 * @typedef {object} Ways To the rest of the room.
 * @property {(message: Record<string, any>) => Promise<any>} request
 * @property {() => import('./peer.js').Peer | null} peer
 * @property {(type: string, detail: any) => void} emit
 */

export class Publisher {
  /** @type {Set<LocalTrack>} */
  tracks = new Set();
  /** Tracks of a session that ended. The next session publishes them. @type {Set<LocalTrack>} */
  #lost = new Set();
  /** Callers of `publish` whose session ended meanwhile. @type {Array<() => void>} */
  #overtaken = [];

  /** @param {Ways} ways */
  constructor(ways) {
    this.ways = ways;
  }

  /** @param {string} sid */
  find(sid) {
    return [...this.tracks].find((local) => local.sid === sid);
  }

  /**
   * @param {MediaStreamTrack} mediaStreamTrack
   * @param {import('./local.js').PublishOptions} options
   */
  async publish(mediaStreamTrack, options) {
    const local = new LocalTrack(this, mediaStreamTrack, options);
    this.tracks.add(local);
    try {
      await this.#publish(local);
    } catch (error) {
      if (error instanceof SfuError && error.code === 'session_ended') {
        this.#lost.add(local);
        await new Promise((resolve) => this.#overtaken.push(() => resolve(undefined)));
      }
      if (local.sid === '') {
        await this.#withdraw(local);
        throw error;
      }
    }
    return local;
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} options */
  async publishCamera(options) {
    const { camera } = await capture({ camera: options.constraints ?? true });
    return this.#publishCaptured(camera, { source: 'camera', ...options });
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} options */
  async publishMicrophone(options) {
    const { microphone } = await capture({ microphone: options.constraints ?? true });
    return this.#publishCaptured(microphone, { source: 'microphone', ...options });
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} options */
  async publishScreen(options) {
    const { picture, sound } = await captureScreen(options.constraints);
    const published = [await this.#publishCaptured(picture, { source: 'screen_share', stream: 'screen', ...options })];
    if (sound) published.push(await this.#publishCaptured(sound, { source: 'screen_share_audio', stream: 'screen' }));
    return published;
  }

  /** @param {LocalTrack} local @param {boolean} muted */
  async mute(local, muted) {
    const before = local.muted;
    local.muted = muted;
    local.obey();
    if (!local.sid) return;
    try {
      await this.ways.request({ type: 'mute', track: local.sid, muted });
    } catch (error) {
      if (isOver(error)) return; // The new join publishes the track in its present state.
      local.muted = before;
      local.obey();
      throw error;
    }
  }

  /** @param {LocalTrack} local @param {string} [why] For `localTrackUnpublished`. Absent: the caller requested it. */
  async unpublish(local, why) {
    if (!this.tracks.has(local)) return;
    const { sid } = local;
    const withdrawn = this.#withdraw(local);
    if (why) this.ways.emit('localTrackUnpublished', { track: local, reason: why });
    if (sid) await this.ways.request({ type: 'unpublish', track: sid }).catch(unlessOver);
    await withdrawn;
  }

  /** The server ended the publication. */
  handleUnpublished({ track: sid, reason }) {
    const local = this.find(sid);
    if (!local) return;
    this.#withdraw(local).catch(unlessOver);
    this.ways.emit('localTrackUnpublished', { track: local, reason });
  }

  /** A moderator muted the track, or allows it again. Only the owner unmutes it then. */
  handleMuted({ track: sid, muted }) {
    const local = this.find(sid);
    if (!local) return;
    local.silenced = muted;
    local.muted ||= muted;
    local.obey();
    this.ways.emit('localTrackMuted', { track: local, muted });
  }

  /** The server reports which encodings of a track, or of its backup, are wanted. */
  handleWanted(wish) {
    for (const { sid, sending, backup } of this.tracks) {
      if (sid === wish.track) sending?.obey(wish);
      if (backup?.sid === wish.track) backup.sending?.obey(wish);
    }
  }

  /** The server requests the backup of a track, or no longer needs it. */
  handleBackup({ track: sid, wanted }) {
    this.find(sid)?.backup?.want(wanted);
  }

  /** Handles a snapshot after too many missed messages. @param {any[]} infos Our tracks, as the server has them. */
  handleSnapshot(infos) {
    for (const local of [...this.tracks]) {
      const info = infos.find(({ sid }) => sid === local.sid);
      if (info) {
        local.muted = info.muted;
        local.obey();
      } else if (local.sid && local.transceiver?.currentDirection === 'sendonly') {
        this.unpublish(local, 'it is no longer published').catch(() => {}); // The server does not know the track, as wanted.
      }
    }
  }

  /** The peer connection was replaced in the same session: the server keeps the declared tracks by cid. */
  attachAgain() {
    for (const local of this.tracks) {
      if (!local.sid) continue;
      local.backup?.forget();
      local.sending = this.#addSender(local);
    }
  }

  /** The session was replaced: tracks get new sids. */
  forget() {
    for (const local of this.tracks) {
      if (local.sid) this.#lost.add(local);
      local.sid = '';
      local.sending = null;
      local.backup?.forget();
    }
  }

  /** Publishes the tracks of the old session in the new one. Tracks that are refused there end. */
  async restore() {
    for (const local of this.#lost) {
      try {
        if (this.tracks.has(local)) await this.#publish(local);
      } catch (error) {
        if (isOver(error)) return;
        await this.#withdraw(local);
        this.ways.emit('localTrackUnpublished', { track: local, reason: error instanceof Error ? error.message : String(error) });
      }
      this.#lost.delete(local);
    }
    this.release();
  }

  /** Releases callers that wait for a new join, which has succeeded or failed. */
  release() {
    for (const resume of this.#overtaken.splice(0)) resume();
  }

  /** Stops a device that the client opened if its track cannot be published. */
  async #publishCaptured(mediaStreamTrack, options) {
    try {
      return await this.publish(mediaStreamTrack, options);
    } catch (error) {
      mediaStreamTrack.stop();
      throw error;
    }
  }

  async #publish(local) {
    const { width = 0, height = 0 } = local.mediaStreamTrack?.getSettings?.() ?? {};
    const isVideo = local.kind === 'video';
    const backup = isVideo ? backupFor(local.options, codecs('video')) : null;
    local.backup = backup && new Backup(local, backup, (options, cid) => this.#addSender(local, options, cid), this.ways);
    const { track } = await this.ways.request({
      type: 'publish',
      cid: local.cid,
      kind: local.kind,
      source: local.source,
      name: local.name,
      muted: local.muted,
      width: isVideo ? Math.round(width) : 0,
      height: isVideo ? Math.round(height) : 0,
      stream: local.options.stream ?? '',
      backup: local.backup && { cid: local.backup.cid, mime: `video/${local.backup.codec.toUpperCase()}` },
      encrypted: local.options.encrypted ?? false,
    });
    if (!this.tracks.has(local)) {
      // The track was unpublished while the request was pending.
      await this.ways.request({ type: 'unpublish', track: track.sid });
      return;
    }
    local.sid = track.sid;
    local.sending = this.#addSender(local);
    const mids = await this.ways.peer()?.negotiate();
    if (mids && local.sid === track.sid && !Object.values(mids).includes(track.sid)) {
      await this.ways.request({ type: 'unpublish', track: track.sid });
      local.sid = '';
      throw new SfuError('not_published', 'The server did not accept the track: it may not be published, or has no codec in common.');
    }
  }

  /** @returns {Sending | null} */
  #addSender(local, options = local.options, cid = local.cid) {
    const { kind, source, mediaStreamTrack: media } = local;
    const { width, height } = media?.getSettings?.() ?? {};
    const encodings = options.encodings ?? encodingsFor({ width, height, ...options, kind, source });
    const preferred = prefer(codecs(kind), options.codec ?? (kind === 'video' ? 'vp8' : undefined));
    const transceiver = this.ways.peer()?.addSender(media ?? kind, cid, encodings, preferred);
    return transceiver ? new Sending(transceiver, encodings) : null;
  }

  async #withdraw(local) {
    this.tracks.delete(local);
    local.sid = '';
    if (local.mediaStreamTrack) local.mediaStreamTrack.onended = null;
    const { transceiver } = local;
    if (!transceiver) return;
    local.sending = null;
    local.backup?.end();
    this.ways.peer()?.removeSender(transceiver);
    await this.ways.peer()?.negotiate().catch(unlessOver);
  }
}

/** @param {'audio' | 'video'} kind @returns {readonly RTCRtpCodec[]} */
function codecs(kind) {
  return RTCRtpSender.getCapabilities(kind)?.codecs ?? [];
}
