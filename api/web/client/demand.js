/** What the screen can use of each track: looks at the elements that show it, and tells what has changed. */

import { isOver } from './errors.js';
import { described } from './named.js';

/** Milliseconds for which a size, or being out of sight, must last to be told. Who comes into sight is told at once. */
const PATIENCE = 250;
/** Pixels in which sizes are told, rounded up: a layout that breathes is no news. */
const STEP = 8;

/** @typedef {{visible?: boolean, width?: number, height?: number}} Wish In pixels of the screen; 0: any. */
/** @typedef {{track: string, isInSight: boolean}} View */

export class Demand {
  /** @type {Map<Element, View>} */
  #views = new Map();
  /** What the server knows, by track. @type {Map<string, Wish>} */
  #told = new Map();
  #timer = 0;
  #ended = new AbortController();
  /** @type {ResizeObserver | null} */
  #sizes = null;
  /** @type {IntersectionObserver | null} */
  #sights = null;

  /** @param {(track: string, wish: Wish) => void} tell */
  constructor(tell) {
    this.tell = tell;
  }

  /** @param {string} track Its sid. @param {Element} element One element shows one track at a time. */
  watch(track, element) {
    // Not instanceof: an element of another window has another class.
    if (element?.nodeType !== 1) throw new TypeError(`A track is watched in an element of a page; this is ${described(element)}.`);
    if (this.#views.get(element)?.track === track) return;
    this.#open();
    this.unwatch(element);
    this.#views.set(element, { track, isInSight: false });
    element.addEventListener('resize', this.#later, { signal: this.#ended.signal });
    this.#sizes?.observe(element);
    // Its first report comes with the next frame, also of what is out of sight.
    this.#sights?.observe(element);
  }

  /**
   * With the last element of a track goes what was said of it.
   *
   * @param {Element} element
   * @param {string} [track] Only if it is this one that the element shows.
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
    else if (this.#told.delete(view.track)) this.tell(view.track, { visible: true, width: 0, height: 0 });
  }

  /** It is no longer published. @param {string} track */
  forget(track) {
    this.#told.delete(track);
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
    // Zooming, and another screen, change how many pixels a CSS pixel has.
    addEventListener('resize', this.#later, { signal });
  }

  /** Who has come into sight is told at once, all else when it lasts. */
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
    const news = [...this.#now()].filter(([track, now]) => counts(now, this.#told.get(track)));
    // What goes makes room for what comes.
    news.sort(([, a], [, b]) => Number(a.visible) - Number(b.visible));
    for (const [track, now] of news) {
      const before = this.#told.get(track);
      const wish = difference(before, now);
      if (!wish) continue;
      this.#told.set(track, { ...before, ...now });
      this.tell(track, wish);
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

/** The server refused a wish: its track may have gone meanwhile, and then there is nothing to wish for. @param {any} error */
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
 * The box that a picture is fitted into so that it is drawn as large as in this one: a picture that covers its box is cut.
 *
 * @param {{width: number, height: number}} box
 * @param {string} fit `object-fit` of the element.
 * @param {number} ratio Width to height of the picture; NaN: not known.
 */
export function drawn(box, fit, ratio) {
  if (fit !== 'cover' || !(ratio > 0)) return box;
  return { width: Math.max(box.width, box.height * ratio), height: Math.max(box.height, box.width / ratio) };
}

/** What serves all boxes in which a track is seen. @param {{width: number, height: number}[]} boxes @returns {Wish} */
export function wanted(boxes) {
  if (boxes.length === 0) return { visible: false };
  const largest = (side) => Math.ceil(Math.max(...boxes.map((box) => box[side])) / STEP) * STEP;
  return { visible: true, width: largest('width'), height: largest('height') };
}

/** @param {Wish | undefined} before @param {Wish} now @returns {Wish | null} What is new in it. */
export function difference(before, now) {
  const changed = Object.entries(now).filter(([name, value]) => before?.[name] !== value);
  return changed.length > 0 ? Object.fromEntries(changed) : null;
}
