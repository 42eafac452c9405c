/** A call on the screen: shows the events of the room as tiles, audio, texts and buttons. */

import { Devices } from './devices.js';
import { Sounds } from './sounds.js';
import { Tiles } from './tiles.js';
import { figures, isolated, sending } from './words.js';

const STATS_INTERVAL = 1_000;
const STATES = { connecting: 'Connecting…', connected: 'Connected', reconnecting: 'Reconnecting…', closed: 'Left' };
const YOU = 'you';
const YOUR_SCREEN = 'you/screen';

/** @typedef {import('../client.js').Room} Room */

export class Call {
  #timer = 0;

  /**
   * @param {Room} room
   * @param {object} parts
   * @param {HTMLElement} parts.view
   * @param {HTMLElement} parts.tiles
   * @param {HTMLElement} parts.sounds
   * @param {HTMLElement} parts.unmute
   * @param {HTMLElement} parts.status
   * @param {import('./chat.js').Chat} parts.chat
   * @param {(words: string) => void} parts.tell
   * @param {() => void} parts.changed Called when the state of buttons changed.
   * @param {(why: string) => void} parts.over
   */
  constructor(room, parts) {
    this.room = room;
    this.parts = parts;
    this.tiles = new Tiles(parts.tiles, (track, video) => room.watch(track, video));
    this.sounds = new Sounds(parts.sounds, parts.unmute);
    this.devices = new Devices(room, () => this.#refresh());
    this.#listen();
    for (const participant of room.participants.values()) this.#hear(participant);
    this.#showState();
    this.#refresh();
    this.#timer = setInterval(() => this.#readStats(), STATS_INTERVAL);
  }

  end() {
    clearInterval(this.#timer);
    this.devices.stop();
    this.sounds.clear();
    this.tiles.clear();
  }

  #listen() {
    const { chat, tell, over } = this.parts;
    const on = (type, react) => this.room.addEventListener(type, (event) => react(/** @type {CustomEvent} */ (event).detail));
    on('stateChanged', () => this.#showState());
    on('participantJoined', ({ participant }) => chat.notice(`${isolated(participant.name)} joined`));
    on('participantLeft', ({ participant }) => {
      this.#forget(participant);
      chat.notice(`${isolated(participant.name)} left`);
    });
    for (const type of ['participantChanged', 'participantJoined', 'trackPublished', 'trackChanged']) on(type, () => this.#refresh());
    on('trackUnpublished', () => this.#refresh());
    on('trackSubscribed', ({ track }) => {
      if (track.kind === 'audio') this.sounds.add(track);
      this.#refresh();
      this.tiles.arrange();
    });
    on('trackUnsubscribed', ({ track }) => {
      if (track.kind === 'audio') this.sounds.remove(track);
      this.#refresh();
    });
    on('speakers', () => this.#showSpeakers());
    on('subscription', () => this.#readStats());
    on('data', (message) => chat.receive(message));
    on('localTrackMuted', ({ track, muted }) => tell(muted ? `A moderator muted your ${track.source}.` : `You may switch on your ${track.source} again.`));
    on('localTrackUnpublished', ({ reason }) => reason !== 'it ended' && tell(`You no longer publish: ${reason}.`));
    on('draining', ({ deadline }) => tell(`This server stops at ${new Date(deadline).toLocaleTimeString()}: the call continues on another server, or ends.`));
    on('left', ({ reason, message }) => over(reason === 'client_initiated' ? '' : message));
  }

  #hear(participant) {
    for (const track of participant.tracks.values()) {
      if (track.kind === 'audio' && track.mediaStreamTrack) this.sounds.add(track);
    }
  }

  #forget(participant) {
    for (const key of this.tiles.keys()) if (key.startsWith(participant.sid)) this.tiles.remove(key);
  }

  /** Updates tiles and buttons to the state of the room. */
  #refresh() {
    const { you } = this.room;
    if (!you || this.room.state === 'closed') return;
    const wanted = new Set([YOU]);
    this.tiles.show(YOU, { identity: you.identity, name: you.name, isMine: true, picture: this.devices.picture, isSilent: !this.devices.isHeard });
    if (this.devices.isSharing) {
      wanted.add(YOUR_SCREEN);
      this.tiles.show(YOUR_SCREEN, { identity: you.identity, name: you.name, isMine: true, isScreen: true, picture: this.devices.screenPicture });
    }
    for (const participant of this.room.participants.values()) {
      wanted.add(participant.sid);
      this.#showParticipant(participant);
      for (const screen of of(participant, 'video', 'screen_share')) {
        const key = `${participant.sid}/${screen.sid}`;
        wanted.add(key);
        this.tiles.show(key, { ...named(participant), isScreen: true, picture: visible(screen), track: screen.sid });
      }
    }
    for (const key of this.tiles.keys()) if (!wanted.has(key)) this.tiles.remove(key);
    this.parts.changed();
  }

  #showParticipant(participant) {
    const camera = of(participant, 'video').find((track) => track.source !== 'screen_share');
    const isHeard = of(participant, 'audio').some((track) => track.source !== 'screen_share_audio' && !track.muted);
    this.tiles.show(participant.sid, {
      ...named(participant),
      picture: camera ? visible(camera) : null,
      track: camera?.sid ?? '',
      isSilent: !isHeard,
    });
  }

  #showSpeakers() {
    for (const participant of this.room.participants.values()) this.tiles.speaking(participant.sid, participant.speaking);
    this.tiles.speaking(YOU, [...this.room.localTracks].some((track) => track.speaking));
  }

  #showState() {
    const { status, view } = this.parts;
    status.dataset.state = view.dataset.state = this.room.state;
    status.textContent = STATES[this.room.state];
  }

  async #readStats() {
    if (document.hidden) return;
    const { received, sent } = await this.room.stats();
    for (const participant of this.room.participants.values()) {
      for (const track of of(participant, 'video')) {
        const key = track.source === 'screen_share' ? `${participant.sid}/${track.sid}` : participant.sid;
        this.tiles.figures(key, figures(received.get(track.sid), track.subscription), track.subscription?.state);
      }
      // A participant without video: its tile shows the figures of its audio.
      const [sound] = of(participant, 'audio');
      if (of(participant, 'video').length === 0) this.tiles.figures(participant.sid, sound ? figures(received.get(sound.sid), sound.subscription) : '', sound?.subscription?.state);
    }
    const { camera, screen } = this.devices.sids;
    this.tiles.figures(YOU, sending(sent.get(camera) ?? []));
    this.tiles.figures(YOUR_SCREEN, sending(sent.get(screen) ?? []));
  }
}

/** @param {import('../client.js').RemoteTrack} track */
function visible(track) {
  return !track.muted && track.mediaStreamTrack ? track : null;
}

function named({ identity, name }) {
  return { identity, name };
}

function of(participant, kind, source) {
  return [...participant.tracks.values()].filter((track) => track.kind === kind && (source === undefined || track.source === source));
}
