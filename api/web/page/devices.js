/** The local camera, microphone and screen: switches them on and off. */

import { capture } from '../client.js';

/** @typedef {import('../client.js').Room} Room */
/** @typedef {import('../client.js').LocalTrack} LocalTrack */

export class Devices {
  /** @type {Record<'microphone' | 'camera', LocalTrack | null>} */
  #tracks = { microphone: null, camera: null };
  /** @type {LocalTrack[]} */
  #screen = [];
  /** Devices that are being switched. A second press meanwhile is ignored. @type {Set<string>} */
  #busy = new Set();

  /** @param {Room} room @param {() => void} changed */
  constructor(room, changed) {
    this.room = room;
    this.changed = changed;
    room.addEventListener('localTrackUnpublished', (event) => this.#forget(/** @type {any} */ (event).detail.track));
    room.addEventListener('localTrackMuted', () => changed());
  }

  get isHeard() {
    return Boolean(this.#tracks.microphone && !this.#tracks.microphone.muted);
  }

  get isSeen() {
    return Boolean(this.#tracks.camera && !this.#tracks.camera.muted);
  }

  get isSharing() {
    return this.#screen.length > 0;
  }

  /** What the local tile shows. @returns {LocalTrack | null} */
  get picture() {
    return this.isSeen ? this.#tracks.camera : null;
  }

  /** @returns {LocalTrack | null} */
  get screenPicture() {
    return this.#screen[0] ?? null;
  }

  /** @returns {{camera: string, screen: string}} */
  get sids() {
    return { camera: this.#tracks.camera?.sid ?? '', screen: this.#screen[0]?.sid ?? '' };
  }

  /** Opens the devices chosen in the lobby, with one prompt. @param {{microphone: boolean, camera: boolean}} wanted */
  async start(wanted) {
    if (!wanted.microphone && !wanted.camera) return;
    await this.#once('microphone', () => this.#once('camera', () => this.#start(wanted)));
  }

  toggleMicrophone() {
    return this.#once('microphone', async () => {
      const track = this.#tracks.microphone;
      if (track) await track.mute(!track.muted);
      else this.#tracks.microphone = await this.room.publishMicrophone();
    });
  }

  /** Off releases the camera, so its light goes out. */
  toggleCamera() {
    return this.#once('camera', async () => {
      const track = this.#tracks.camera;
      if (!track) {
        this.#tracks.camera = await this.room.publishCamera();
      } else if (!track.muted) {
        await track.mute(true);
        track.mediaStreamTrack?.stop();
        await track.replaceTrack(null);
      } else {
        const { camera } = await capture({ camera: true });
        await track.replaceTrack(camera);
        try {
          await track.mute(false);
        } catch (error) {
          camera?.stop();
          await track.replaceTrack(null);
          throw error;
        }
      }
    });
  }

  toggleScreen() {
    return this.#once('screen', async () => {
      if (!this.isSharing) {
        this.#screen = await this.room.publishScreen();
        return;
      }
      const shared = this.#screen;
      this.#screen = [];
      await Promise.all(shared.map(end));
    });
  }

  /** Releases all devices. */
  stop() {
    for (const track of [this.#tracks.microphone, this.#tracks.camera, ...this.#screen]) track?.mediaStreamTrack?.stop();
    this.#tracks = { microphone: null, camera: null };
    this.#screen = [];
  }

  async #start(wanted) {
    const { media, missing } = await either(wanted);
    const publish = async (what) => {
      const track = media[what];
      if (!track) return;
      try {
        this.#tracks[what] = await this.room.publish(track, { source: what });
        this.changed();
      } catch (error) {
        track.stop();
        throw error;
      }
    };
    await Promise.all([publish('microphone'), publish('camera')]);
    if (missing) throw missing;
  }

  async #once(what, change) {
    if (this.#busy.has(what)) return;
    this.#busy.add(what);
    try {
      await change();
    } finally {
      this.#busy.delete(what);
      this.changed();
    }
  }

  /** The track was ended by the browser's button, by the server, or because the device was removed. */
  #forget(track) {
    track.mediaStreamTrack?.stop();
    if (this.#tracks.microphone === track) this.#tracks.microphone = null;
    if (this.#tracks.camera === track) this.#tracks.camera = null;
    if (this.#screen.includes(track)) {
      const others = this.#screen.filter((other) => other !== track);
      this.#screen = [];
      // The audio of a screen ends with its video.
      for (const other of others) end(other).catch(() => {});
    }
    this.changed();
  }
}

/** @param {LocalTrack} track */
async function end(track) {
  track.mediaStreamTrack?.stop();
  await track.unpublish();
}

/** Captures both devices, or the one that works. If the user refused, does not ask again. */
async function either(wanted) {
  try {
    return { media: await capture(wanted), missing: null };
  } catch (error) {
    const mayHelp = wanted.microphone && wanted.camera && /** @type {DOMException} */ (error).name !== 'NotAllowedError';
    if (!mayHelp) throw error;
    const media = await capture({ microphone: true }).catch(() => capture({ camera: true }));
    return { media, missing: error };
  }
}
