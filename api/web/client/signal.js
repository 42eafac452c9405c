/**
 * The WebSocket of a participant: numbered messages, requests with replies, and resuming after a disconnect.
 *
 * After a disconnect the client connects again with `resume`, and repeats requests without a reply. It first sends a fence,
 * a small request whose reply follows all messages that the server replays. Without the fence, a request that had arrived
 * would be repeated.
 */

import { delay } from './backoff.js';
import { SfuError } from './errors.js';

const PROTOCOL = 'sfu.v1';
const VERSION = '0.1.0';
/** The client supports `wanted`: see sending.js. */
const FEATURES = ['wanted'];
const REPLACED = 4000;
const POLICY = 1008;
const BUSY = 1013;
/** The first attempt (see backoff.js) after a busy server: a delay of 0.5 to 1 s. */
const BUSY_ATTEMPT = 3;
/** Time limits in milliseconds: for a connection to open and be answered, and for the reply to a request. */
const DIAL_LIMIT = 10_000;
const ANSWER_LIMIT = 15_000;
const ANSWERS = new Set(['answer', 'published', 'ok', 'error']);

/**
 * @typedef {object} Events
 * @property {(joined: any, how: 'new' | 'snapshot') => void} joined The complete state of the room.
 * @property {(servers: RTCIceServer[] | undefined) => void} iceServers STUN and TURN servers with new credentials.
 * @property {(message: any) => void} message Any other message that is no reply.
 * @property {(state: 'open' | 'broken') => void} state
 * @property {(reason: string, sentence: string) => void} closed The session ended.
 */

export class Signal {
  /** Requests without a reply, by id, in order. @type {Map<number, any>} */
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

  /** Connects for the first time. Fails if the server refuses or is unreachable: see `events.closed`. If the server is
   * busy, retries for as long as for a lost connection. */
  open() {
    return this.#dial();
  }

  /**
   * Sends a request and waits for the reply, also after a resume.
   *
   * @param {Record<string, any>} message Without its `id`.
   * @returns {Promise<any>} The reply.
   * @throws {SfuError} The server's refusal, or `session_ended`, `closed`.
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

  /** Sends a message that has no reply. It is lost if the connection is broken. */
  say(message) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(message));
  }

  /** Closes a connection that is silent, or whose network is gone, and resumes over a new one. */
  redial() {
    if (this.#isClosed) return;
    if (!this.#isOpen && this.#socket !== null) return;
    this.#attempt = 0;
    this.#drop();
    this.#schedule();
  }

  /** The session cannot be resumed: joins with a new session. */
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
      // An invalid token or URL throws here, and would throw again.
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
        this.events.iceServers(message.ice_servers);
        this.#session = { sid: message.you.sid, secret: message.resume_secret };
        this.#opened();
        this.events.joined(message, message.resumed ? 'snapshot' : 'new');
        if (message.resumed) this.#fence();
        return;
      case 'resumed':
        this.events.iceServers(message.ice_servers);
        this.#opened();
        if (this.#session) this.#fence();
        else this.redial(); // The session was abandoned meanwhile.
        return;
      case 'ice_servers':
        this.events.iceServers(message.ice_servers);
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
      this.close('duplicate_identity', 'This session continues over another connection.');
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

  /** Closes the socket and ignores its later events. */
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

  /** The session ended: rejects its pending requests. */
  #forget() {
    this.#session = null;
    this.#seq = 0;
    this.#fail(new SfuError('session_ended', 'The session ended before the reply arrived.'));
  }

  #fail(error) {
    const failed = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of failed) {
      clearTimeout(pending.timer);
      pending.reject(error);
    }
  }

  /** A connection failed to open. The first attempt fails at once; later ones are retried for a while. */
  #retry(reason, sentence) {
    if (this.#brokenSince === 0) this.close(reason, sentence);
    else this.#schedule(reason, sentence);
  }

  /** Not admitted for now (too many joins, or draining): retries for a while, also the first attempt. */
  #wait(reason, sentence) {
    this.#attempt = Math.max(this.#attempt, BUSY_ATTEMPT);
    this.#schedule(reason, sentence);
  }

  #schedule(reason = 'signal_close', sentence = 'The connection was lost and could not be restored.') {
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

  /** Repeats requests that did not reach the server: those without a reply when a later request has one. */
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
