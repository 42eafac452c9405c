/** A room as one participant sees it: joins, publishes, subscribes, and stays in over cut connections. */

import { capture, captureScreen } from './capture.js';
import { Data, SERVER, seal } from './data.js';
import { Demand } from './demand.js';
import { SfuError, isOver, unlessOver } from './errors.js';
import { watchNetwork } from './network.js';
import { Peer } from './peer.js';
import { Publisher } from './publisher.js';
import { Others, Participant } from './remote.js';
import { Signal } from './signal.js';
import { read } from './stats.js';
import { Wishes } from './wishes.js';

/** Receive sections of a kind in the first offer, at most: who joins a crowd asks for the rest as the server says. */
const MOST_AT_FIRST = 32;

export class Room extends EventTarget {
  /** @type {'connecting' | 'connected' | 'reconnecting' | 'closed'} */
  state = 'connecting';
  /** The server's RoomInfo. @type {any} */
  info = null;
  /** Oneself; what one publishes is in `localTracks`. @type {Participant | null} */
  you = null;

  #signal;
  #publisher;
  #others = new Others();
  #data = new Data((sender, payload, reliable) => this.#handleData(sender, payload, reliable));
  /** @type {Peer | null} */
  #peer = null;
  #wishes = new Wishes({ request: (message) => this.#signal.request(message), isThere: (sid) => this.#others.find(sid) !== null });
  // A track may go before its wish arrives: then there is nothing to wish for.
  #demand = new Demand((track, wish) => this.#wishes.set(track, wish).catch(() => {}));
  #statistics = new Map();
  #mediaWasUp = false;
  /** The network is another: restart ICE as soon as the server can be asked. */
  #hasMoved = false;
  #watch = new AbortController();
  /** @type {{resolve: (value?: any) => void, reject: (error: Error) => void} | null} */
  #joining = null;

  /** @param {import('../client.js').JoinOptions} options */
  constructor(options) {
    super();
    this.options = { autoSubscribe: true, patience: 120, url: globalThis.location?.origin ?? '', ...options };
    this.#signal = new Signal(this.options, {
      joined: (message, how) => this.#handleJoined(message, how),
      message: (message) => this.#handle(message),
      state: (state) => this.#handleSignal(state),
      closed: (reason, sentence) => this.#handleClosed(reason, sentence),
    });
    this.#publisher = new Publisher({
      request: (message) => this.#signal.request(message),
      peer: () => this.#peer,
      emit: (type, detail) => this.#emit(type, detail),
    });
  }

  /** The others. @returns {ReadonlyMap<string, Participant>} By sid. */
  get participants() {
    return this.#others.participants;
  }

  /** @returns {ReadonlySet<import('./local.js').LocalTrack>} */
  get localTracks() {
    return this.#publisher.tracks;
  }

  /** Of the media alone: `new`, `connecting`, `connected`, `disconnected`, `failed`. */
  get mediaState() {
    return this.#peer?.state ?? 'new';
  }

  /** The peer connection of now, for what this client has no word for. @returns {RTCPeerConnection | null} */
  get peerConnection() {
    return this.#peer?.pc ?? null;
  }

  /** Called once, by `join` of client.js. */
  async join() {
    const moved = () => this.#handleMoved();
    const seen = () => this.state === 'reconnecting' && !this.#signal.isOpen && this.#signal.redial();
    watchNetwork({ moved, seen }, this.#watch.signal);
    await new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#signal.open();
    });
  }

  /** Leaves for good. Tracks are not stopped: they are the caller's. */
  async leave() {
    this.#signal.say({ type: 'leave' });
    this.#signal.close('client_initiated', 'You left.');
  }

  // ------------------------------------------------------------------------------------------------ publishing

  /**
   * @param {MediaStreamTrack} mediaStreamTrack
   * @param {import('./local.js').PublishOptions} [options]
   * @returns {Promise<import('./local.js').LocalTrack>} With `mute()`, `replaceTrack()` and `unpublish()`.
   */
  async publish(mediaStreamTrack, options = {}) {
    return this.#publisher.publish(mediaStreamTrack, options);
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options] */
  async publishCamera(options = {}) {
    const { camera } = await capture({ camera: options.constraints ?? true });
    return this.#publishCaptured(camera, { source: 'camera', ...options });
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options] */
  async publishMicrophone(options = {}) {
    const { microphone } = await capture({ microphone: options.constraints ?? true });
    return this.#publishCaptured(microphone, { source: 'microphone', ...options });
  }

  /**
   * A screen or window, and its sound if the user shares it.
   *
   * @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options]
   * @returns {Promise<import('./local.js').LocalTrack[]>} The picture first.
   */
  async publishScreen(options = {}) {
    const { picture, sound } = await captureScreen(options.constraints);
    const published = [await this.#publishCaptured(picture, { source: 'screen_share', stream: 'screen', ...options })];
    if (sound) published.push(await this.#publishCaptured(sound, { source: 'screen_share_audio', stream: 'screen' }));
    return published;
  }

  async #publishCaptured(track, options) {
    try {
      return await this.publish(track, options);
    } catch (error) {
      track.stop();
      throw error;
    }
  }

  // ----------------------------------------------------------------------------------------------- subscribing

  /** With `autoSubscribe: false`, or after `unsubscribe`. @param {string | readonly string[]} tracks Sids. */
  async subscribe(tracks) {
    await this.#wishes.subscribe([tracks].flat(), true);
  }

  /** @param {string | readonly string[]} tracks Sids. */
  async unsubscribe(tracks) {
    await this.#wishes.subscribe([tracks].flat(), false);
  }

  /**
   * How a track is wanted here; what is left out stays as it was.
   *
   * @param {string} track Its sid.
   * @param {import('./wishes.js').Settings} settings
   */
  async settings(track, settings) {
    await this.#wishes.set(track, settings);
  }

  /**
   * Has the element decide what is sent of a track: as many pixels as it has on the screen, nothing while it is out of
   * sight or the page is hidden. Several elements may show one track. Its size must come from the page's layout: an
   * element as large as its picture would never ask for a larger one.
   *
   * @param {string} track Its sid.
   * @param {Element} element A video, or what stands for it until there is a picture.
   * @returns {() => void} Ends it: the track is wanted in any size again, once no element shows it.
   */
  watch(track, element) {
    this.#demand.watch(track, element);
    return () => this.#demand.unwatch(element);
  }

  /** Of oneself, where the token allows it. @param {{name?: string, metadata?: string, attributes?: Record<string, string>}} changes */
  async update(changes) {
    await this.#signal.request({ type: 'update', ...changes });
  }

  // ------------------------------------------------------------------------------------------------------ data

  /**
   * In order and complete. Resolves when it is on its way.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload At most 64 KiB with its address.
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options] Participants, or
   *   their sids or identities. Default: everybody.
   */
  async sendReliable(payload, { to } = {}) {
    await this.#data.sendReliable(this.#addresses(to).map((name) => seal(name, payload)));
  }

  /**
   * Now or never; the parameters are those of `sendReliable`.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options]
   * @returns {boolean} False: it was lost at once.
   */
  sendLossy(payload, { to } = {}) {
    return this.#data.sendLossy(this.#addresses(to).map((name) => seal(name, payload)));
  }

  #addresses(to) {
    if (to === undefined) return [''];
    return [to].flat().map((whom) => {
      if (whom === SERVER) return SERVER;
      const people = [...this.participants.values()];
      const found = people.find((one) => one === whom || one.sid === whom) ?? people.find((one) => one.identity === whom);
      if (!found) throw new SfuError('not_found', `There is nobody ${JSON.stringify(whom?.identity ?? whom)} in the room.`);
      return found.sid;
    });
  }

  // ----------------------------------------------------------------------------------------------------- stats

  /**
   * What really flows, by the browser's counters; rates are over the last half second, or since the call before that.
   *
   * @returns {Promise<{received: Map<string, import('./stats.js').Received & {subscription: any}>,
   *   sent: Map<string, import('./stats.js').Sent[]>, roundTrip: number | null}>} By the sids of the tracks.
   */
  async stats() {
    const reading = this.#peer ? read((await this.#peer.pc.getStats()).values(), this.#statistics) : null;
    const received = new Map();
    const sent = new Map();
    for (const participant of this.participants.values()) {
      for (const track of participant.tracks.values()) {
        const flow = reading?.received.find(({ mid }) => mid === track.mid);
        if (flow) received.set(track.sid, { ...flow, subscription: track.subscription });
      }
    }
    for (const { sid, mids } of this.localTracks) {
      if (mids.length > 0) sent.set(sid, reading?.sent.filter(({ mid }) => mids.includes(mid)) ?? []);
    }
    return { received, sent, roundTrip: reading?.roundTrip ?? null };
  }

  // ------------------------------------------------------------------------------------------- what the server says

  #handleJoined(message, how) {
    this.info = message.room;
    this.you = new Participant(message.you);
    this.#data.labels = { reliable: message.server.reliable_label, lossy: message.server.lossy_label };
    if (how === 'new') this.#others.forgetSlots();
    this.#dispatch(this.#others.snapshot(message.participants, message.slots));
    if (how === 'snapshot') {
      this.#publisher.handleSnapshot(message.you.tracks);
      // The server may have asked for an offer with more sections in what was missed: it asks again after this one.
      this.#negotiate();
    } else {
      this.#publisher.forget();
      this.#newPeer();
      this.#restore().catch(unlessOver);
    }
    this.#reconcile();
    this.#refreshState();
    this.#joining?.resolve();
    this.#joining = null;
  }

  #handle(message) {
    switch (message.type) {
      case 'participants':
        this.#handleParticipants(message.participants);
        break;
      case 'room':
        this.info = message.room;
        this.#emit('roomChanged', { room: message.room });
        break;
      case 'renegotiate':
        this.#peer?.addSlots(message);
        this.#negotiate();
        break;
      case 'slots':
        this.#others.slotsChanged(message.slots);
        this.#reconcile();
        break;
      case 'speakers':
        this.#handleSpeakers(message.speakers);
        break;
      case 'dominant_speaker':
        this.#handleDominantSpeaker(message);
        break;
      case 'subscription':
        this.#dispatch(this.#others.subscriptionChanged(message));
        break;
      case 'unpublished':
        this.#publisher.handleUnpublished(message);
        break;
      case 'muted':
        this.#publisher.handleMuted(message);
        break;
      case 'wanted':
        this.#publisher.handleWanted(message);
        break;
      case 'backup':
        this.#publisher.handleBackup(message);
        break;
      case 'draining':
        this.#emit('draining', { deadline: message.deadline, url: message.url });
        break;
      // A type that is not known here is a newer server's, and no harm.
    }
  }

  #handleParticipants(infos) {
    const me = infos.find((info) => info.sid === this.you?.sid);
    if (me && this.you) {
      const wasThere = this.you.state !== 'joining';
      this.you.update(me);
      this.#emit('participantChanged', { participant: this.you });
      // The server has given up our transport: what we publish waits there, under the same cid, for a new one.
      if (wasThere && me.state === 'joining') this.#renewMedia();
    }
    this.#dispatch(this.#others.participantsChanged(infos.filter((info) => info !== me)));
    this.#reconcile();
  }

  #handleSpeakers(speakers) {
    const mine = speakers.flatMap(({ track: sid, level, active }) => {
      const track = this.#publisher.find(sid);
      if (track) track.speaking = active;
      return track ? [{ participant: this.you, track, level, active }] : [];
    });
    const others = this.#others.speakersChanged(speakers);
    if (mine.length + others.length > 0) this.#emit('speakers', { speakers: [...mine, ...others] });
  }

  #handleDominantSpeaker({ participant: sid, track }) {
    this.info = { ...this.info, dominant_speaker: sid };
    const participant = (sid === this.you?.sid ? this.you : this.participants.get(sid)) ?? null;
    const found = this.#publisher.find(track) ?? participant?.tracks.get(track) ?? null;
    this.#emit('dominantSpeaker', { participant, track: found });
  }

  #handleData(sender, payload, reliable) {
    // Its sender may be known by data before the WebSocket has told of it; a hidden one never is.
    const participant = this.participants.get(sender) ?? null;
    this.#emit('data', { sender, participant, reliable, payload, text: () => new TextDecoder().decode(payload) });
  }

  #handleClosed(reason, sentence) {
    this.state = 'closed';
    this.#watch.abort();
    this.#data.close();
    this.#demand.close();
    this.#peer?.close();
    this.#others.forgetSlots();
    this.#reconcile();
    this.#publisher.forget();
    this.#publisher.release();
    this.#joining?.reject(new SfuError(reason, sentence));
    this.#joining = null;
    this.#emit('stateChanged', { state: 'closed' });
    this.#emit('left', { reason, message: sentence });
  }

  // ----------------------------------------------------------------------------------------------------- media

  #newPeer() {
    this.#peer?.close();
    this.#mediaWasUp = false;
    this.#hasMoved = false;
    this.#statistics.clear();
    const peer = new Peer(
      {
        offer: (sdp, tracks) => this.#signal.request({ type: 'offer', sdp, tracks }),
        isReachable: () => this.#signal.isOpen,
        state: (state) => {
          this.#mediaWasUp ||= state === 'connected';
          this.#refreshState();
        },
        failed: () => this.#signal.rejoin(),
      },
      this.options.rtc,
    );
    this.#peer = peer;
    peer.addSlots(this.#firstSlots());
    this.#data.attach(peer.pc);
  }

  /** A section for each track that is there already saves the round trip of being asked for it. */
  #firstSlots() {
    if (this.options.slots) return this.options.slots;
    const slots = { audio: 0, video: 0 };
    if (!this.options.autoSubscribe || this.you?.permissions.can_subscribe === false) return slots;
    for (const { tracks } of this.participants.values()) {
      for (const { kind } of tracks.values()) slots[kind] = Math.min(slots[kind] + 1, MOST_AT_FIRST);
    }
    return slots;
  }

  #renewMedia() {
    this.#others.forgetSlots();
    this.#reconcile();
    this.#newPeer();
    this.#publisher.attachAgain();
    this.#negotiate();
  }

  /** After a join: the first offer. After another join also what was wished for and published before. */
  async #restore() {
    await this.#peer?.negotiate();
    await this.#wishes.restore();
    await this.#publisher.restore();
  }

  /** Where nobody waits for the outcome: an offer that fails otherwise than by the end of its session is a new join's. */
  #negotiate() {
    const peer = this.#peer;
    peer?.negotiate().catch((error) => {
      if (isOver(error) || peer !== this.#peer) return;
      console.error('negotiation failed: joining anew', error);
      this.#signal.rejoin();
    });
  }

  #reconcile() {
    this.#dispatch(this.#others.reconcile((mid) => this.#peer?.received(mid) ?? null));
  }

  // ------------------------------------------------------------------------------------------------- staying in

  #handleSignal(state) {
    if (state === 'open' && this.#mediaWasUp && (this.#hasMoved || this.mediaState !== 'connected')) {
      this.#hasMoved = false;
      this.#peer?.restart();
    }
    this.#refreshState();
  }

  #handleMoved() {
    this.#hasMoved = true;
    this.#signal.redial();
  }

  #refreshState() {
    const state = overall(this.state, this.#signal.isOpen && this.mediaState === 'connected');
    if (state === this.state) return;
    this.state = state;
    this.#emit('stateChanged', { state });
  }

  #dispatch(news) {
    for (const { type, detail } of news) {
      if (type === 'trackUnpublished') this.#demand.forget(detail.track.sid);
      this.#emit(type, detail);
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * One word for two connections, WebSocket and media.
 *
 * @param {'connecting' | 'connected' | 'reconnecting' | 'closed'} before
 * @param {boolean} isWell Both are up.
 * @returns {'connecting' | 'connected' | 'reconnecting' | 'closed'}
 */
export function overall(before, isWell) {
  if (before === 'closed') return 'closed';
  if (isWell) return 'connected';
  return before === 'connecting' ? 'connecting' : 'reconnecting';
}
