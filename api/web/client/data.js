/**
 * Messages over data channels. On our two channels a message is one byte n, n bytes of ASCII that name the destination
 * (none: everybody; `server`: the server; otherwise a participant's sid), then the payload. On arrival the name is the sender's.
 */

import { SfuError } from './errors.js';
import { participantNamed } from './named.js';

export const SERVER = 'server';
/** Maximum octets of a message with its header; the server accepts no more. */
export const LARGEST = 64 * 1024;
/** Maximum octets in the browser's buffer. Beyond it reliable messages wait, and lossy ones are dropped. */
const HIGH_WATER = 256 * 1024;
const LOW_WATER = 64 * 1024;
const REOPEN = 1_000;

/** @param {string} name @param {string | ArrayBuffer | ArrayBufferView} payload @returns {Uint8Array} */
export function seal(name, payload) {
  const address = new TextEncoder().encode(name);
  const body = bytes(payload);
  const message = new Uint8Array(1 + address.length + body.length);
  if (address.length > 255) throw new SfuError('too_large', 'A destination has at most 255 octets.');
  if (message.length > LARGEST) throw new SfuError('too_large', `A message has at most ${LARGEST} octets, this one has ${message.length}.`);
  message[0] = address.length;
  message.set(address, 1);
  message.set(body, 1 + address.length);
  return message;
}

/** @param {Uint8Array} message @returns {{name: string, payload: Uint8Array} | null} Null: it has no valid envelope. */
export function unseal(message) {
  const end = 1 + message[0];
  if (message.length === 0 || end > message.length) return null;
  return { name: new TextDecoder().decode(message.subarray(1, end)), payload: message.subarray(end) };
}

export class Data {
  /** @type {Record<'reliable' | 'lossy', RTCDataChannel | null>} */
  #channels = { reliable: null, lossy: null };
  /** Senders that wait until a channel is open and has room. @type {Array<() => void>} */
  #waiting = [];
  /** @type {RTCPeerConnection | null} */
  #pc = null;

  /** @param {(sender: string, payload: Uint8Array, reliable: boolean) => void} received */
  constructor(received) {
    this.received = received;
    this.labels = { reliable: 'sfu-reliable', lossy: 'sfu-lossy' };
  }

  /** Opens the channels on a peer connection, before its first offer. @param {RTCPeerConnection} pc */
  attach(pc) {
    this.#pc = pc;
    this.#open('reliable', { ordered: true });
    this.#open('lossy', { ordered: false, maxRetransmits: 0 });
  }

  /** Sends nothing more, and rejects the senders that wait. */
  close() {
    this.#pc = null;
    this.#wake();
  }

  /** Resolves when the browser has accepted the messages. @param {readonly Uint8Array[]} messages */
  async sendReliable(messages) {
    for (const message of messages) {
      for (;;) {
        const channel = this.#channels.reliable;
        if (channel?.readyState === 'open' && channel.bufferedAmount < HIGH_WATER) {
          channel.send(/** @type {Uint8Array<ArrayBuffer>} */ (message));
          break;
        }
        if (!this.#pc) throw new SfuError('closed', 'You are no longer in the room.');
        await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
      }
    }
  }

  /** Sends messages or drops them. @param {readonly Uint8Array[]} messages @returns {boolean} False: one was dropped. */
  sendLossy(messages) {
    const channel = this.#channels.lossy;
    if (channel?.readyState !== 'open' || channel.bufferedAmount > LOW_WATER) return false;
    for (const message of messages) channel.send(/** @type {Uint8Array<ArrayBuffer>} */ (message));
    return true;
  }

  #open(which, options) {
    const pc = this.#pc;
    if (!pc || pc.signalingState === 'closed') return;
    const channel = pc.createDataChannel(this.labels[which], options);
    this.#channels[which] = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW_WATER;
    channel.onopen = channel.onbufferedamountlow = () => this.#wake();
    channel.onmessage = ({ data }) => {
      const message = unseal(bytes(data));
      if (message) this.received(message.name, message.payload, which === 'reliable');
    };
    channel.onclose = () => {
      // The server closes the channel of a client that reads too slowly. The channel may be opened again.
      if (this.#pc === pc && pc.connectionState === 'connected') setTimeout(() => this.#pc === pc && this.#open(which, options), REOPEN);
    };
  }

  #wake() {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

function bytes(payload) {
  if (typeof payload === 'string') return new TextEncoder().encode(payload);
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}

/**
 * The destination names of a message.
 *
 * @param {any} to Participants, their sids or identities, or `server`; undefined: everybody.
 * @param {readonly import('./remote.js').Participant[]} people The participants in the room.
 * @returns {string[]}
 * @throws {SfuError} `not_found`: no such participant.
 */
export function addresses(to, people) {
  if (to === undefined) return [''];
  return [to].flat().map((whom) => (whom === SERVER ? SERVER : participantNamed(whom, people).sid));
}
