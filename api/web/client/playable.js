/** What can be played in an element: a track of ours or of another, alone or with its partner of the other kind. */

import { described } from './named.js';

/** @typedef {{stream: MediaStream, audio: Playable | null, video: Playable | null}} Player What an element plays. */

/** @type {WeakMap<HTMLMediaElement, Player>} */
const players = new WeakMap();

export class Playable {
  /** @type {MediaStreamTrack | null} */
  #media = null;
  /** @type {Set<HTMLMediaElement>} */
  #elements = new Set();

  /** What is played now. Null: nothing arrives, or nothing is sent. */
  get mediaStreamTrack() {
    return this.#media;
  }

  set mediaStreamTrack(media) {
    this.#media = media;
    for (const element of this.#elements) refresh(element);
  }

  /**
   * Plays it in an element, beside what the element plays of the other kind: a picture and its sound share one element
   * and stay in step. It also plays after the track has moved into another receive section. A track of the same kind
   * that was attached before is detached.
   *
   * @param {HTMLMediaElement} element With the attribute `autoplay`, and a `<video>` with `playsinline`.
   * @throws {TypeError} It is no element that plays.
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
   * Ends what `attach` began. The element goes on playing what it has of the other kind.
   *
   * @param {HTMLMediaElement} element
   * @throws {TypeError} It is no element that plays.
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
  // Not instanceof: an element of another window, such as a picture-in-picture document, has other classes.
  if (typeof element !== 'object' || element === null || !('srcObject' in element)) {
    throw new TypeError(`A track is attached to a <video> or <audio> element; this is ${described(element)}.`);
  }
  const known = players.get(element);
  if (known) return known;
  const player = { stream: new MediaStream(), audio: null, video: null };
  players.set(element, player);
  return player;
}

/** The stream is kept and its tracks are exchanged: a new one would interrupt the sound when only the picture changes. */
function refresh(element) {
  const { stream, audio, video } = playerOf(element);
  const wanted = [audio, video].flatMap((track) => track?.mediaStreamTrack ?? []);
  for (const track of stream.getTracks()) if (!wanted.includes(track)) stream.removeTrack(track);
  for (const track of wanted) stream.addTrack(track);
  const source = wanted.length > 0 ? stream : null;
  if (element.srcObject !== source) element.srcObject = source;
}
