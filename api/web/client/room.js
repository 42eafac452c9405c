/** A room as one participant sees it: joins, publishes and subscribes, and resumes after a disconnect. */

import { Data, addresses, seal } from './data.js';
import { Demand, handleRefusal } from './demand.js';
import { SfuError, unlessOver } from './errors.js';
import { Media } from './media.js';
import { trackNamed } from './named.js';
import { watchNetwork } from './network.js';
import { Publisher } from './publisher.js';
import { Others, Participant } from './remote.js';
import { Signal } from './signal.js';
import { overall } from './state.js';
import { byTrack } from './stats.js';
import { Wishes } from './wishes.js';

/** @typedef {import('./remote.js').RemoteTrack | string} Named A track or its sid; anything else is an error. */

export class Room extends EventTarget {
  /** @type {'connecting' | 'connected' | 'reconnecting' | 'closed'} */
  state = 'connecting';
  /** The server's RoomInfo. @type {any} */
  info = null;
  /** This participant. Its tracks are in `localTracks`. @type {Participant | null} */
  you = null;

  #signal;
  #media;
  #publisher;
  #others = new Others();
  #data = new Data((sender, payload, reliable) => this.#handleData(sender, payload, reliable));
  #wishes = new Wishes({ request: (message) => this.#signal.request(message), isThere: (sid) => this.#others.find(sid) !== null });
  #demand = new Demand((track, wish) => this.#wishes.set(track, wish).catch(handleRefusal));
  #watch = new AbortController();
  /** @type {{resolve: (value?: any) => void, reject: (error: Error) => void} | null} */
  #joining = null;

  /** @param {import('../client.js').JoinOptions} options */
  constructor(options) {
    super();
    this.options = { autoSubscribe: true, patience: 120, url: globalThis.location?.origin ?? '', ...options };
    this.#signal = new Signal(this.options, {
      joined: (message, how) => this.#handleJoined(message, how),
      iceServers: (servers) => this.#media.handleIceServers(servers),
      message: (message) => this.#handle(message),
      state: (state) => this.#handleSignal(state),
      closed: (reason, sentence) => this.#handleClosed(reason, sentence),
    });
    this.#media = new Media(
      {
        request: (message) => this.#signal.request(message),
        isReachable: () => this.#signal.isOpen,
        undeclared: (mids) => this.#warn(mids),
        changed: () => this.#refreshState(),
        rejoin: () => this.#signal.rejoin(),
      },
      this.options.rtc,
    );
    this.#publisher = new Publisher({
      request: (message) => this.#signal.request(message),
      peer: () => this.#media.peer,
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

  /** State of the media connection: `new`, `connecting`, `connected`, `disconnected`, `failed`. */
  get mediaState() {
    return this.#media.state;
  }

  /** The current peer connection, for features that this client does not offer. @returns {RTCPeerConnection | null} */
  get peerConnection() {
    return this.#media.peer?.pc ?? null;
  }

  /** Called once, by `join` of client.js. */
  async join() {
    const moved = () => {
      this.#media.handleMoved();
      this.#signal.redial();
    };
    const seen = () => this.state === 'reconnecting' && !this.#signal.isOpen && this.#signal.redial();
    watchNetwork({ moved, seen }, this.#watch.signal);
    await new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#signal.open();
    });
  }

  /** Leaves the room. Does not stop MediaStreamTracks, which belong to the caller. */
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
    return this.#publisher.publishCamera(options);
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options] */
  async publishMicrophone(options = {}) {
    return this.#publisher.publishMicrophone(options);
  }

  /**
   * Publishes a screen or window, and its audio if the user shares it.
   *
   * @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options]
   * @returns {Promise<import('./local.js').LocalTrack[]>} The video first.
   */
  async publishScreen(options = {}) {
    return this.#publisher.publishScreen(options);
  }

  // ----------------------------------------------------------------------------------------------- subscribing

  /** Subscribes to tracks: needed with `autoSubscribe: false`, or after `unsubscribe`. @param {Named | readonly Named[]} tracks */
  async subscribe(tracks) {
    await this.#wishes.subscribe(this.#sids(tracks), true);
  }

  /** @param {Named | readonly Named[]} tracks */
  async unsubscribe(tracks) {
    await this.#wishes.subscribe(this.#sids(tracks), false);
  }

  /**
   * Sets how to receive a track. Omitted fields keep their value.
   *
   * @param {Named} track
   * @param {import('./wishes.js').Settings} settings
   */
  async settings(track, settings) {
    await this.#wishes.set(this.#find(track).sid, settings);
  }

  /**
   * Receives a track in the size of an element, and nothing while the element or the page is not visible. Several
   * elements may show one track; an element watches one track at a time. The page's layout must set the element's size:
   * an element that takes its size from the picture would never request a larger picture.
   *
   * @param {Named} track A video track. Audio has no size, and is received also if it is not visible.
   * @param {Element} element A video element, or a placeholder until there is a picture.
   * @returns {() => void} Stops watching. The track is received in any size when no element watches it.
   */
  watch(track, element) {
    const { sid, kind } = this.#find(track);
    if (kind !== 'video') throw new TypeError(`Only video can be watched; the track ${sid} is audio.`);
    if (this.state === 'closed') throw new SfuError('closed', 'You are no longer in the room.');
    this.#demand.watch(sid, element);
    return () => this.#demand.unwatch(element, sid);
  }

  #find(track) {
    return trackNamed(track, this.#others, this.localTracks);
  }

  #sids(tracks) {
    return [tracks].flat().map((track) => this.#find(track).sid);
  }

  /** Changes the own name, metadata or attributes, if the token allows it. @param {{name?: string, metadata?: string, attributes?: Record<string, string>}} changes */
  async update(changes) {
    await this.#signal.request({ type: 'update', ...changes });
  }

  // ------------------------------------------------------------------------------------------------------ data

  /**
   * Sends a message reliably and in order. Resolves when the browser has accepted it.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload At most 64 KiB with the destination.
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options] Participants, or
   *   their sids or identities. Default: everybody.
   */
  async sendReliable(payload, { to } = {}) {
    await this.#data.sendReliable(addresses(to, [...this.participants.values()]).map((name) => seal(name, payload)));
  }

  /**
   * Sends a message unreliably. The parameters are those of `sendReliable`.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options]
   * @returns {boolean} False: it was dropped.
   */
  sendLossy(payload, { to } = {}) {
    return this.#data.sendLossy(addresses(to, [...this.participants.values()]).map((name) => seal(name, payload)));
  }

  // ----------------------------------------------------------------------------------------------------- stats

  /**
   * Statistics of the browser. Rates are over the last half second, or since the call before that.
   *
   * @returns {Promise<{received: Map<string, import('./stats.js').Received & {subscription: any}>,
   *   sent: Map<string, import('./stats.js').Sent[]>, roundTrip: number | null}>} By the sids of the tracks.
   */
  async stats() {
    const reading = await this.#media.read();
    const remote = [...this.participants.values()].flatMap(({ tracks }) => [...tracks.values()]);
    return byTrack(reading, remote, this.localTracks);
  }

  // ---------------------------------------------------------------------------------------- messages of the server

  #handleJoined(message, how) {
    this.info = message.room;
    this.you = new Participant(message.you);
    this.#data.labels = { reliable: message.server.reliable_label, lossy: message.server.lossy_label };
    if (how === 'new') this.#others.forgetSlots();
    this.#dispatch(this.#others.snapshot(message.participants, message.slots));
    if (how === 'snapshot') {
      this.#publisher.handleSnapshot(message.you.tracks);
      // A missed message may have requested an offer with more sections. The server requests it again after this offer.
      this.#media.negotiate();
    } else {
      this.#publisher.forget();
      this.#openMedia();
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
        this.#media.peer?.addSlots(message);
        this.#media.negotiate();
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
      case 'subscriptions':
        this.#dispatch(this.#others.subscriptionsChanged(message.subscriptions));
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
      // Ignore unknown types: they are from a newer server.
    }
  }

  #handleParticipants(infos) {
    const me = infos.find((info) => info.sid === this.you?.sid);
    if (me && this.you) {
      const wasThere = this.you.state !== 'joining';
      this.you.update(me);
      this.#emit('participantChanged', { participant: this.you });
      // The server closed the transport. It keeps the published tracks, by cid, for a new one.
      if (wasThere && me.state === 'joining') this.#replaceMedia();
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
    // Data may arrive before the WebSocket reports the sender. Hidden senders are never reported.
    const participant = this.participants.get(sender) ?? null;
    this.#emit('data', { sender, participant, reliable, payload, text: () => new TextDecoder().decode(payload) });
  }

  #handleClosed(reason, sentence) {
    this.state = 'closed';
    this.#watch.abort();
    this.#data.close();
    this.#demand.close();
    this.#media.close();
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

  #openMedia() {
    this.#data.attach(this.#media.renew(this.#firstSlots()));
  }

  /** Replaces the peer connection in the same session. */
  #replaceMedia() {
    this.#others.forgetSlots();
    this.#reconcile();
    this.#openMedia();
    this.#publisher.attachAgain();
    this.#media.negotiate();
  }

  #firstSlots() {
    if (this.options.slots) return this.options.slots;
    const isShown = this.options.autoSubscribe && this.you?.permissions.can_subscribe !== false;
    return isShown ? this.#others.firstSlots() : { audio: 0, video: 0 };
  }

  /** After a join: makes the first offer. After a repeated join: restores settings and published tracks, too. */
  async #restore() {
    await this.#media.peer?.negotiate();
    await this.#wishes.restore();
    await this.#publisher.restore();
  }

  #warn(mids) {
    const message = `Nobody receives the media of these sections of the peer connection, because no track was published for them: ${mids.join(', ')}. Use publish().`;
    console.warn(`sfu: ${message}`);
    this.#emit('warning', { message, mids });
  }

  #reconcile() {
    this.#dispatch(this.#others.reconcile((mid) => this.#media.received(mid)));
  }

  // -------------------------------------------------------------------------------------------------- reconnecting

  #handleSignal(state) {
    if (state === 'open') this.#media.handleReachable();
    this.#refreshState();
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
