/** Observes the elements that show tracks, and reports the size and visibility of each track when they change. */

import { isOver } from './errors.js';
import { described } from './named.js';

/** Milliseconds for which a size, or being invisible, must last before it is reported. A visible track is reported at once. */
const PATIENCE = 250;
/** Sizes are rounded up to this many pixels, so small layout changes are not reported. */
const STEP = 8;

/** @typedef {{visible?: boolean, width?: number, height?: number}} Wish In pixels of the screen; 0: any. */
/** @typedef {{track: string, isInSight: boolean}} View */

export class Demand {
  /** @type {Map<Element, View>} */
  #views = new Map();
  /** The settings that the server has, by track. @type {Map<string, Wish>} */
  #sent = new Map();
  #timer = 0;
  #ended = new AbortController();
  /** @type {ResizeObserver | null} */
  #sizes = null;
  /** @type {IntersectionObserver | null} */
  #sights = null;

  /** @param {(track: string, wish: Wish) => void} send */
  constructor(send) {
    this.send = send;
  }

  /** @param {string} track Its sid. @param {Element} element One element shows one track at a time. */
  watch(track, element) {
    // No instanceof: an element of another window has another class.
    if (element?.nodeType !== 1) throw new TypeError(`A track is watched in an element of a page; this is ${described(element)}.`);
    if (this.#views.get(element)?.track === track) return;
    this.#open();
    this.unwatch(element);
    this.#views.set(element, { track, isInSight: false });
    element.addEventListener('resize', this.#later, { signal: this.#ended.signal });
    this.#sizes?.observe(element);
    // The observer's first report comes with the next frame, also for invisible elements.
    this.#sights?.observe(element);
  }

  /**
   * Removes an element. After the last element of a track, its settings are reset.
   *
   * @param {Element} element
   * @param {string} [track] Only if the element shows this track.
   */
  unwatch(element, track) {
    const view = this.#views.get(element);
    if (!view || (track !== undefined && view.track !== track)) return;
    this.#views.delete(element);
    element.removeEventListener('resize', this.#later);
    this.#sizes?.unobserve(element);
    this.#sights?.unobserve(element);
    const isShown = [...this.#views.values()].some(({ track }) => track === view.track);
    if (isShown) this.#later();
    else if (this.#sent.delete(view.track)) this.send(view.track, { visible: true, width: 0, height: 0 });
  }

  /** It is no longer published. @param {string} track */
  forget(track) {
    this.#sent.delete(track);
    for (const [element, view] of [...this.#views]) if (view.track === track) this.unwatch(element);
  }

  close() {
    clearTimeout(this.#timer);
    this.#ended.abort();
    this.#sizes?.disconnect();
    this.#sights?.disconnect();
    this.#views.clear();
  }

  #open() {
    if (this.#sights || this.#ended.signal.aborted) return;
    const { signal } = this.#ended;
    this.#sizes = new ResizeObserver(this.#later);
    this.#sights = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const view = this.#views.get(target);
        if (view) view.isInSight = isIntersecting;
      }
      this.#look();
    });
    document.addEventListener('visibilitychange', this.#look, { signal });
    for (const event of ['enterpictureinpicture', 'leavepictureinpicture']) document.addEventListener(event, this.#look, { signal });
    // Zooming or moving to another screen changes the number of screen pixels per CSS pixel.
    addEventListener('resize', this.#later, { signal });
  }

  /** Reports visible tracks at once, and other changes when they last. */
  #look = () => {
    this.#report((now, before) => now.visible === true && before?.visible !== true);
    this.#later();
  };

  #later = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#report(() => true), PATIENCE);
  };

  /** @param {(now: Wish, before: Wish | undefined) => boolean} counts */
  #report(counts) {
    const news = [...this.#now()].filter(([track, now]) => counts(now, this.#sent.get(track)));
    // Hidden tracks first: their receive sections become free for the visible ones.
    news.sort(([, a], [, b]) => Number(a.visible) - Number(b.visible));
    for (const [track, now] of news) {
      const before = this.#sent.get(track);
      const wish = difference(before, now);
      if (!wish) continue;
      this.#sent.set(track, { ...before, ...now });
      this.send(track, wish);
    }
  }

  /** @returns {Map<string, Wish>} Of every track that is watched. */
  #now() {
    /** @type {Map<string, {width: number, height: number}[]>} */
    const boxes = new Map();
    for (const [element, { track, isInSight }] of this.#views) {
      const seen = boxes.get(track) ?? [];
      boxes.set(track, seen);
      const isApart = document.pictureInPictureElement === element;
      const box = isApart || (isInSight && !document.hidden) ? measured(element) : null;
      if (box && box.width > 0 && box.height > 0) seen.push(box);
    }
    return new Map([...boxes].map(([track, seen]) => [track, wanted(seen)]));
  }
}

/** Handles a refused setting. If its track is no longer published, the error is ignored. @param {any} error */
export function handleRefusal(error) {
  if (!isOver(error) && error.code !== 'not_found') console.warn('sfu: the server refused what the screen wants', error);
}

/** @param {any} element */
function measured(element) {
  const { width, height } = element.getBoundingClientRect();
  const pixels = { width: width * devicePixelRatio, height: height * devicePixelRatio };
  return drawn(pixels, getComputedStyle(element).objectFit, element.videoWidth / element.videoHeight);
}

/**
 * Returns the box in which a fitted picture is as large as a cropped one that covers `box`.
 *
 * @param {{width: number, height: number}} box
 * @param {string} fit `object-fit` of the element.
 * @param {number} ratio Width to height of the picture; NaN: not known.
 */
export function drawn(box, fit, ratio) {
  if (fit !== 'cover' || !(ratio > 0)) return box;
  return { width: Math.max(box.width, box.height * ratio), height: Math.max(box.height, box.width / ratio) };
}

/** Returns the settings for all boxes of a track. @param {{width: number, height: number}[]} boxes @returns {Wish} */
export function wanted(boxes) {
  if (boxes.length === 0) return { visible: false };
  const largest = (side) => Math.ceil(Math.max(...boxes.map((box) => box[side])) / STEP) * STEP;
  return { visible: true, width: largest('width'), height: largest('height') };
}

/** @param {Wish | undefined} before @param {Wish} now @returns {Wish | null} The changed fields. */
export function difference(before, now) {
  const changed = Object.entries(now).filter(([name, value]) => before?.[name] !== value);
  return changed.length > 0 ? Object.fromEntries(changed) : null;
}
