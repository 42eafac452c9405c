/**
 * The WebSocket of a participant: numbered messages in, requests and their answers, and coming back after a cut.
 *
 * A connection that breaks is dialled again with `resume`. What was asked and not answered by then is asked again, but
 * only behind a fence: a request whose answer comes after everything the server replays. Without it a request that did
 * arrive would be made twice.
 */

import { delay } from './backoff.js';
import { SfuError } from './errors.js';

const PROTOCOL = 'sfu.v1';
const VERSION = '0.1.0';
/** What `wanted` says is carried out: see sending.js. */
const FEATURES = ['wanted'];
const REPLACED = 4000;
const POLICY = 1008;
const BUSY = 1013;
/** Of backoff.js, the attempt that is waited for first where the server is busy: half a second to one. */
const BUSY_ATTEMPT = 3;
/** Milliseconds in which a dialled connection must be open and answered, and in which a request must be. */
const DIAL_LIMIT = 10_000;
const ANSWER_LIMIT = 15_000;
const ANSWERS = new Set(['answer', 'published', 'ok', 'error']);

/**
 * @typedef {object} Events
 * @property {(joined: any, how: 'new' | 'snapshot') => void} joined The state of the room, from which to start anew.
 * @property {(message: any) => void} message Everything else that is no answer.
 * @property {(state: 'open' | 'broken') => void} state
 * @property {(reason: string, sentence: string) => void} closed It is over.
 */

export class Signal {
  /** Requests that wait for their answer, by id, in the order they were made. @type {Map<number, any>} */
  #pending = new Map();
  /** @type {WebSocket | null} */
  #socket = null;
  #isOpen = false;
  #isClosed = false;
  #nextId = 1;
  #seq = 0;
  /** @type {{sid: string, secret: string} | null} */
  #session = null;
  #freshToken = '';
  #attempt = 0;
  #brokenSince = 0;
  #dials = 0;
  /** @type {any} */
  #timer = 0;
  /** @type {any} */
  #dialTimer = 0;

  /**
   * @param {{url: string, room?: string, token: any, autoSubscribe: boolean, patience: number}} options
   * @param {Events} events
   * @param {typeof WebSocket} [Socket]
   */
  constructor(options, events, Socket = globalThis.WebSocket) {
    this.options = options;
    this.events = events;
    this.Socket = Socket;
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** The first connection. A refusal or an unreachable server ends it: `events.closed` says why. A busy one is asked
   * again, for as long as a lost connection is. */
  open() {
    return this.#dial();
  }

  /**
   * Asks, and waits for the answer, over cuts if need be.
   *
   * @param {Record<string, any>} message Without its `id`.
   * @returns {Promise<any>} The answer.
   * @throws {SfuError} What the server refused; or `session_ended`, `closed`.
   */
  request(message) {
    if (this.#isClosed) return Promise.reject(new SfuError('closed', 'You are no longer in the room.'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const pending = { message: { ...message, id }, resolve, reject, timer: 0 };
      this.#pending.set(id, pending);
      this.#ask(pending);
    });
  }

  /** Says something that has no answer; lost if the connection is broken. */
  say(message) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(message));
  }

  /** Gives up a connection that seems dead, or belongs to a network that is gone, and resumes over another. */
  redial() {
    if (this.#isClosed) return;
    if (!this.#isOpen && this.#socket !== null) return;
    this.#attempt = 0;
    this.#drop();
    this.#schedule();
  }

  /** The session is beyond repair: joins anew. */
  rejoin() {
    if (this.#isClosed) return;
    this.#forget();
    this.redial();
  }

  /** @param {string} reason @param {string} sentence */
  close(reason, sentence) {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop(1000);
    clearTimeout(this.#timer);
    this.#fail(new SfuError('closed', sentence));
    this.events.closed(reason, sentence);
  }

  async #dial() {
    clearTimeout(this.#timer);
    const dial = ++this.#dials;
    let token;
    try {
      token = this.#freshToken || (await this.#firstToken());
    } catch (error) {
      this.#retry('unreachable', `There is no token: ${error instanceof Error ? error.message : error}`);
      return;
    }
    if (this.#isClosed || dial !== this.#dials) return;
    let socket;
    try {
      socket = new this.Socket(address(this.options.url, this.options.room), [PROTOCOL, `bearer.${token}`]);
    } catch (error) {
      // A token or an address that is none throws here, and would again.
      this.close('join_failure', error instanceof Error ? error.message : String(error));
      return;
    }
    this.#socket = socket;
    this.#dialTimer = setTimeout(() => this.#handleClose(0, 'The server did not answer.'), DIAL_LIMIT);
    socket.onopen = () => socket.send(JSON.stringify(this.#joinMessage()));
    socket.onmessage = ({ data }) => this.#handle(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#handleClose(code, reason);
  }

  async #firstToken() {
    const { token } = this.options;
    return typeof token === 'function' ? token() : token;
  }

  #joinMessage() {
    const join = { type: 'join', auto_subscribe: this.options.autoSubscribe, client: { sdk: 'sfu-js', version: VERSION, features: FEATURES } };
    return this.#session ? { ...join, resume: { ...this.#session, seq: this.#seq } } : join;
  }

  #handle(message) {
    if (typeof message.seq === 'number') this.#seq = message.seq;
    switch (message.type) {
      case 'joined':
        this.#session = { sid: message.you.sid, secret: message.resume_secret };
        this.#opened();
        this.events.joined(message, message.resumed ? 'snapshot' : 'new');
        if (message.resumed) this.#fence();
        return;
      case 'resumed':
        this.#opened();
        if (this.#session) this.#fence();
        else this.redial(); // It was given up while this was on its way.
        return;
      case 'token':
        this.#freshToken = message.token;
        return;
      case 'left':
        this.#handleLeft(message);
        return;
    }
    if (!ANSWERS.has(message.type)) {
      this.events.message(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (!pending) {
      if (message.type === 'error') console.warn(`sfu: ${message.message}`);
      return;
    }
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.type === 'error') pending.reject(new SfuError(message.code, message.message));
    else pending.resolve(message);
  }

  #handleLeft({ reason, message, action }) {
    if (action !== 'rejoin') {
      this.close(reason, message);
      return;
    }
    const wasIn = this.#isOpen || this.#session !== null;
    this.#forget();
    this.#drop();
    if (wasIn) this.#schedule();
    else this.#wait(reason, message);
  }

  #handleClose(code, reason) {
    const wasOpen = this.#isOpen;
    this.#drop();
    if (this.#isClosed) return;
    if (code === REPLACED) {
      this.close('duplicate_identity', 'This session goes on over another connection.');
    } else if (code === POLICY && !wasOpen) {
      this.close('join_failure', reason || 'The server did not accept the token.');
    } else if (wasOpen) {
      this.#schedule();
    } else if (code === BUSY) {
      this.#wait('unreachable', reason || 'The server is busy.');
    } else {
      this.#retry('unreachable', reason || 'The server cannot be reached, or did not accept the token.');
    }
  }

  #opened() {
    clearTimeout(this.#dialTimer);
    this.#isOpen = true;
    this.#attempt = 0;
    this.#brokenSince = 0;
    this.events.state('open');
  }

  /** Ends the socket without hearing of it again. */
  #drop(code = 1000) {
    clearTimeout(this.#dialTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    for (const pending of this.#pending.values()) clearTimeout(pending.timer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  /** The session is over; what was asked in it is not answered any more. */
  #forget() {
    this.#session = null;
    this.#seq = 0;
    this.#fail(new SfuError('session_ended', 'The session ended before this was answered.'));
  }

  #fail(error) {
    const failed = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of failed) {
      clearTimeout(pending.timer);
      pending.reject(error);
    }
  }

  /** A connection that never was: the first attempt ends it, later ones are tried again for a while. */
  #retry(reason, sentence) {
    if (this.#brokenSince === 0) this.close(reason, sentence);
    else this.#schedule(reason, sentence);
  }

  /** Not let in for now (too many join at once, or the server drains): tried again for a while, the first time too. */
  #wait(reason, sentence) {
    this.#attempt = Math.max(this.#attempt, BUSY_ATTEMPT);
    this.#schedule(reason, sentence);
  }

  #schedule(reason = 'signal_close', sentence = 'The connection was lost and could not be made again.') {
    const now = performance.now();
    if (this.#brokenSince === 0) {
      this.#brokenSince = now;
      this.events.state('broken');
    }
    if (now - this.#brokenSince > this.options.patience * 1_000) {
      this.close(reason, sentence);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), delay(this.#attempt++, Math.random()));
  }

  /** Asks again what the server did not hear: what is unanswered once an answer to something later has come. */
  #fence() {
    const asked = [...this.#pending.values()];
    if (asked.length === 0) return;
    const again = () => asked.filter(({ message }) => this.#pending.has(message.id)).forEach((pending) => this.#ask(pending));
    this.request({ type: 'subscribe', tracks: [], on: false }).then(again, (error) => {
      if (error.code !== 'closed' && error.code !== 'session_ended') again();
    });
  }

  #ask(pending) {
    if (!this.#isOpen) return;
    clearTimeout(pending.timer);
    pending.timer = setTimeout(() => this.redial(), ANSWER_LIMIT);
    this.#socket?.send(JSON.stringify(pending.message));
  }
}

/**
 * The WebSocket address of a room.
 *
 * @param {string} url
 * @param {string} [room]
 */
export function address(url, room) {
  const base = new URL(url, globalThis.location?.href);
  base.protocol = base.protocol.replace(/^http/, 'ws');
  const path = room === undefined ? 'v1/rtc' : `v1/rooms/${encodeURIComponent(room)}/rtc`;
  base.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`;
  base.search = base.hash = '';
  return base.href;
}
