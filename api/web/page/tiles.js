/** The tiles: one for each participant and one for each shared screen, laid out so that all fit. */

import { arrange } from './layout.js';
import { hue, initials } from './words.js';

/** @typedef {import('../client.js').RemoteTrack | import('../client.js').LocalTrack} Picture */

/**
 * @typedef {object} Tile
 * @property {HTMLElement} element
 * @property {HTMLVideoElement} video
 * @property {HTMLElement} figures
 * @property {boolean} isScreen
 * @property {Picture | null} picture
 * @property {string} track Sid of the remote video. Empty: none, or it is local.
 * @property {() => void} unwatch
 */

export class Tiles {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();

  /**
   * @param {HTMLElement} container
   * @param {(track: string, video: HTMLVideoElement) => () => void} watch Watches a track in the tile.
   */
  constructor(container, watch) {
    this.container = container;
    this.watch = watch;
    new ResizeObserver(() => this.arrange()).observe(container);
  }

  /**
   * Shows a participant or a screen as it is now.
   *
   * @param {string} key
   * @param {object} shown
   * @param {string} shown.identity
   * @param {string} shown.name
   * @param {boolean} [shown.isScreen]
   * @param {boolean} [shown.isMine]
   * @param {Picture | null} shown.picture Null: none, or muted.
   * @param {string} [shown.track] Its sid, if it is a remote track.
   * @param {boolean} [shown.isSilent] The microphone is off.
   */
  show(key, { identity, name, isScreen = false, isMine = false, picture, track = '', isSilent = false }) {
    const tile = this.#tiles.get(key) ?? this.#make(key, isScreen);
    if (tile.track !== track) {
      tile.unwatch();
      tile.track = track;
      tile.unwatch = track ? this.watch(track, tile.video) : () => {};
    }
    const caption = isScreen ? `Screen of ${name}` : name;
    tile.element.setAttribute('aria-label', `${caption}${isMine ? ' (you)' : ''}${!isScreen && isSilent ? ', muted' : ''}`);
    tile.element.classList.toggle('mirrored', isMine && !isScreen);
    tile.element.classList.toggle('dark', !picture);
    text(tile.element, '.name', isMine ? `${caption} (you)` : caption);
    text(tile.element, '.avatar', initials(name));
    part(tile.element, '.avatar').style.background = `hsl(${hue(identity)} 45% 42%)`;
    part(tile.element, '.caption .icon').toggleAttribute('hidden', isScreen || !isSilent);
    if (tile.picture === picture) return;
    tile.picture?.detach(tile.video);
    picture?.attach(tile.video);
    tile.picture = picture;
  }

  /** @param {string} key */
  remove(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    tile.unwatch();
    tile.picture?.detach(tile.video);
    tile.element.remove();
    this.#tiles.delete(key);
    this.arrange();
  }

  clear() {
    for (const key of [...this.#tiles.keys()]) this.remove(key);
  }

  keys() {
    return [...this.#tiles.keys()];
  }

  /** @param {string} key @param {boolean} isSpeaking */
  speaking(key, isSpeaking) {
    this.#tiles.get(key)?.element.classList.toggle('speaking', isSpeaking);
  }

  /** @param {string} key @param {string} words @param {string} [state] */
  figures(key, words, state = 'active') {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    if (tile.figures.textContent !== words) tile.figures.textContent = words;
    tile.figures.title = words;
    tile.figures.dataset.state = state;
  }

  arrange() {
    const { clientWidth: width, clientHeight: height } = this.container;
    const gap = parseFloat(getComputedStyle(this.container).getPropertyValue('--gap')) || 8;
    // A shared screen comes first.
    const tiles = [...this.#tiles.values()].sort((a, b) => Number(b.isScreen) - Number(a.isScreen));
    const boxes = arrange(tiles.length, width, height, gap, tiles[0]?.isScreen ?? false);
    boxes.forEach((box, index) => {
      for (const [property, pixels] of Object.entries(box)) tiles[index].element.style.setProperty(property, `${pixels}px`);
    });
  }

  /** @returns {Tile} */
  #make(key, isScreen) {
    const element = document.createElement('figure');
    element.className = isScreen ? 'tile screen' : 'tile';
    element.dataset.key = key;
    element.innerHTML =
      '<span class="avatar" aria-hidden="true"></span><video autoplay playsinline muted></video>' +
      '<figcaption class="caption" aria-hidden="true"><svg class="icon"><use href="#icon-mic-off"/></svg><span class="name"></span></figcaption>' +
      '<output class="figures" aria-live="off"></output>';
    element.setAttribute('role', 'group');
    const video = /** @type {HTMLVideoElement} */ (part(element, 'video'));
    video.muted = true; // Audio has its own elements. Browsers autoplay only muted video.
    const tile = { element, video, figures: part(element, '.figures'), isScreen, picture: null, track: '', unwatch: () => {} };
    this.#tiles.set(key, tile);
    this.container.append(element);
    this.arrange();
    return tile;
  }
}

/** @returns {HTMLElement} */
function part(element, selector) {
  return element.querySelector(selector);
}

function text(element, selector, words) {
  const found = part(element, selector);
  if (found.textContent !== words) found.textContent = words;
}
