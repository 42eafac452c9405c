/** A local or remote track that elements can play, alone or with a track of the other kind. */

import { described } from './named.js';

/** @typedef {{stream: MediaStream, audio: Playable | null, video: Playable | null}} Player What an element plays. */

/** @type {WeakMap<HTMLMediaElement, Player>} */
const players = new WeakMap();

export class Playable {
  /** @type {MediaStreamTrack | null} */
  #media = null;
  /** @type {Set<HTMLMediaElement>} */
  #elements = new Set();

  /** The media that is played. Null: nothing is received, or nothing is sent. */
  get mediaStreamTrack() {
    return this.#media;
  }

  set mediaStreamTrack(media) {
    this.#media = media;
    for (const element of this.#elements) refresh(element);
  }

  /**
   * Plays the track in an element, with the element's track of the other kind: video and audio share one element
   * and stay synchronous. It also plays after the track has moved into another receive section. A track of the same kind
   * that was attached before is detached.
   *
   * @param {HTMLMediaElement} element With the attribute `autoplay`, and a `<video>` with `playsinline`.
   * @throws {TypeError} The argument is no <video> or <audio> element.
   */
  attach(element) {
    const player = playerOf(element);
    const kind = kindOf(this);
    const before = player[kind];
    if (before !== this) before?.detach(element);
    player[kind] = this;
    this.#elements.add(element);
    refresh(element);
  }

  /**
   * Detaches the track from the element, which continues to play its track of the other kind.
   *
   * @param {HTMLMediaElement} element
   * @throws {TypeError} The argument is no <video> or <audio> element.
   */
  detach(element) {
    const player = playerOf(element);
    const kind = kindOf(this);
    this.#elements.delete(element);
    if (player[kind] !== this) return;
    player[kind] = null;
    refresh(element);
  }
}

/** @param {any} track Its subclass has a kind. @returns {'audio' | 'video'} */
function kindOf(track) {
  return track.kind;
}

/** @param {HTMLMediaElement} element @returns {Player} */
function playerOf(element) {
  // No instanceof: an element of another window, such as a picture-in-picture document, has other classes.
  if (typeof element !== 'object' || element === null || !('srcObject' in element)) {
    throw new TypeError(`A track is attached to a <video> or <audio> element; this is ${described(element)}.`);
  }
  const known = players.get(element);
  if (known) return known;
  const player = { stream: new MediaStream(), audio: null, video: null };
  players.set(element, player);
  return player;
}

/** Keeps the stream and exchanges its tracks: a new stream would interrupt the audio when only the video changes. */
function refresh(element) {
  const { stream, audio, video } = playerOf(element);
  const wanted = [audio, video].flatMap((track) => track?.mediaStreamTrack ?? []);
  for (const track of stream.getTracks()) if (!wanted.includes(track)) stream.removeTrack(track);
  for (const track of wanted) stream.addTrack(track);
  const source = wanted.length > 0 ? stream : null;
  if (element.srcObject !== source) element.srcObject = source;
}
