/** The media of a room: one peer connection after another, restarted when the network is another, and what flows. */

import { isOver } from './errors.js';
import { Peer } from './peer.js';
import { read } from './stats.js';

/**
 * @typedef {object} Ways To the rest of the room.
 * @property {(message: Record<string, any>) => Promise<any>} request
 * @property {() => boolean} isReachable Whether the server can be asked now.
 * @property {(mids: string[]) => void} undeclared Sections that would send and are no track: the server takes nothing there.
 * @property {() => void} changed `state` is another.
 * @property {() => void} rejoin Nothing helps: another join is needed.
 */

export class Media {
  /** The one of now. @type {Peer | null} */
  peer = null;
  /** What is known of each flow, for its rate. @type {Map<string, import('./stats.js').Flow>} */
  #flows = new Map();
  #wasUp = false;
  /** The network is another: restart ICE as soon as the server can be asked. */
  #hasMoved = false;

  /**
   * @param {Ways} ways
   * @param {RTCConfiguration} [configuration]
   */
  constructor(ways, configuration) {
    this.ways = ways;
    this.configuration = configuration;
  }

  get state() {
    return this.peer?.state ?? 'new';
  }

  /**
   * Another peer connection takes the place of the one before.
   *
   * @param {{audio: number, video: number}} slots Receive sections in its first offer.
   * @returns {RTCPeerConnection}
   */
  renew(slots) {
    this.peer?.close();
    this.#wasUp = false;
    this.#hasMoved = false;
    this.#flows.clear();
    this.peer = new Peer(
      {
        offer: (sdp, tracks) => this.#offer(sdp, tracks),
        isReachable: this.ways.isReachable,
        state: (state) => {
          this.#wasUp ||= state === 'connected';
          this.ways.changed();
        },
        failed: this.ways.rejoin,
      },
      this.configuration,
    );
    this.peer.addSlots(slots);
    return this.peer.pc;
  }

  async #offer(sdp, tracks) {
    const answer = await this.ways.request({ type: 'offer', sdp, tracks });
    // One that we name, and the server no longer knows, was unpublished meanwhile: no fault of anybody's.
    const strange = (answer.undeclared ?? []).filter((mid) => !(mid in tracks));
    if (strange.length > 0) this.ways.undeclared(strange);
    return answer;
  }

  /** What arrives in a receive section. @param {string} mid @returns {MediaStreamTrack | null} */
  received(mid) {
    return this.peer?.received(mid) ?? null;
  }

  /** Where nobody waits for the outcome: an offer that fails otherwise than by the end of its session is a new join's. */
  negotiate() {
    const { peer } = this;
    peer?.negotiate().catch((error) => {
      if (isOver(error) || peer !== this.peer) return;
      console.error('negotiation failed: joining anew', error);
      this.ways.rejoin();
    });
  }

  /** The network is another. */
  handleMoved() {
    this.#hasMoved = true;
  }

  /** The server can be asked again. */
  handleReachable() {
    if (!this.#wasUp || (!this.#hasMoved && this.state === 'connected')) return;
    this.#hasMoved = false;
    this.peer?.restart();
  }

  /** What flows, by the browser's counters. Null: there is no connection. */
  async read() {
    return this.peer && read((await this.peer.pc.getStats()).values(), this.#flows);
  }

  close() {
    this.peer?.close();
  }
}
