// A room finds tracks and participants by object or by name, or throws an error with a sentence.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Room } from '../../api/web/client/room.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));

class Socket {
  static last;
  static undeclared = [];
  sent = [];
  constructor() {
    Socket.last = this;
    setImmediate(() => this.onopen());
  }
  send(text) {
    const message = JSON.parse(text);
    this.sent.push(message);
    if (message.type === 'join') this.say(JOINED);
    else if (message.type === 'offer') this.say({ type: 'answer', id: message.id, sdp: '', mids: { 0: 'TR_mine' }, undeclared: Socket.undeclared });
    else if (message.type === 'publish') this.say({ type: 'published', id: message.id, track: { sid: 'TR_mine' } });
    else if (message.id !== undefined) this.say({ type: 'ok', id: message.id });
  }
  say(message) {
    setImmediate(() => this.onmessage?.({ data: JSON.stringify(message) }));
  }
  close() {}
}

class Connection {
  connectionState = 'connected';
  signalingState = 'stable';
  localDescription = { sdp: '' };
  #transceivers = [];
  #channels = {};
  constructor(configuration) {
    configured.push(configuration);
  }
  getConfiguration = () => configured.at(-1);
  setConfiguration = (configuration) => configured.push(configuration);
  restartIce() {}
  createDataChannel = (label) => (this.#channels[label] = { readyState: 'open', bufferedAmount: 0, sent: [], send: (message) => this.#channels[label].sent.push(message) });
  get sent() {
    return this.#channels['sfu-reliable'].sent;
  }
  addTransceiver() {
    const transceiver = { mid: String(this.#transceivers.length), sender: {}, receiver: {}, setCodecPreferences() {}, stop() {} };
    this.#transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers = () => this.#transceivers;
  setLocalDescription = async () => {};
  setRemoteDescription = async () => {};
  close() {}
}

/** What its peer connection was configured with, when it was made and before each restart. */
const configured = [];

class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}

const track = (sid, kind) => ({ sid, kind, source: kind === 'video' ? 'camera' : 'microphone' });
const person = (sid, identity, tracks = []) => ({ sid, identity, name: '', state: 'active', joined_at: 0, version: 1, permissions: {}, tracks });
const JOINED = {
  type: 'joined', you: person('PA_me', 'me'), room: { name: 'lobby' }, slots: {}, resume_secret: 's', resumed: false,
  server: { reliable_label: 'sfu-reliable', lossy_label: 'sfu-lossy' },
  participants: [person('PA_ada', 'ada', [track('TR_camera', 'video'), track('TR_microphone', 'audio')]), person('PA_bob', 'bob')],
};

Object.assign(globalThis, {
  WebSocket: Socket,
  RTCPeerConnection: Connection,
  RTCRtpSender: { getCapabilities: () => ({ codecs: [] }) },
  ResizeObserver: Observer,
  IntersectionObserver: Observer,
  document: new EventTarget(),
  addEventListener: () => {},
});

async function scene(t) {
  const room = new Room({ url: 'http://h', room: 'lobby', token: 't', slots: { audio: 0, video: 0 } });
  await room.join();
  while (!Socket.last.sent.some(({ type }) => type === 'offer')) await settle();
  await settle();
  t.after(() => room.leave());
  const ada = room.participants.get('PA_ada');
  const asked = (type) => Socket.last.sent.filter((message) => message.type === type).map(({ tracks, track }) => tracks ?? track);
  return { room, ada, camera: ada.tracks.get('TR_camera'), microphone: ada.tracks.get('TR_microphone'), asked };
}

test('the peer connection has the ICE servers of the join, and the newest ones before it restarts ICE', async (t) => {
  const servers = (username) => [{ urls: ['turn:turn.example.com'], username, credential: 'c' }];
  JOINED.ice_servers = servers('1:me');
  t.after(() => delete JOINED.ice_servers);
  configured.length = 0;
  const { room } = await scene(t);
  assert.deepEqual(configured.map(({ iceServers }) => iceServers), [servers('1:me')]);
  Socket.last.say({ type: 'ice_servers', seq: 2, ice_servers: servers('2:me') });
  await settle();
  assert.equal(configured.length, 1, 'new servers alone would make the next offer restart ICE');
  room.peerConnection.connectionState = 'failed';
  room.peerConnection.onconnectionstatechange();
  assert.deepEqual(configured.at(-1), { bundlePolicy: 'max-bundle', iceServers: servers('2:me') });
});

test('the application’s own ICE servers replace those of the server', async (t) => {
  const own = [{ urls: 'stun:own.example.com' }];
  JOINED.ice_servers = [{ urls: ['stun:stun.example.com'], username: '', credential: '' }];
  t.after(() => delete JOINED.ice_servers);
  configured.length = 0;
  const room = new Room({ url: 'http://h', room: 'lobby', token: 't', slots: { audio: 0, video: 0 }, rtc: { iceServers: own } });
  await room.join();
  t.after(() => room.leave());
  assert.deepEqual(configured, [{ bundlePolicy: 'max-bundle', iceServers: own }]);
});

const publish = (room) => room.publish({ kind: 'audio', stop: () => {}, enabled: true }, { source: 'microphone' });
const box = () => Object.assign(new EventTarget(), { nodeType: 1 });

test('a track is named by itself or by its sid', async (t) => {
  const { room, camera, microphone, asked } = await scene(t);
  await room.settings(camera, { quality: 'low' });
  await room.settings('TR_camera', { quality: 'low' });
  assert.deepEqual(asked('settings'), ['TR_camera', 'TR_camera']);
  await room.subscribe(camera);
  await room.subscribe('TR_camera');
  await room.subscribe([camera, 'TR_microphone']);
  await room.unsubscribe([microphone]);
  assert.deepEqual(asked('subscribe'), [['TR_camera'], ['TR_camera'], ['TR_camera', 'TR_microphone'], ['TR_microphone']]);
  for (const named of [camera, 'TR_camera']) assert.equal(typeof room.watch(named, box()), 'function');
});

const WRONG = {
  'a sid that nobody has': ['TR_none', { name: 'SfuError', code: 'not_found', message: 'There is no track "TR_none" in the room.' }],
  'an empty sid': ['', { name: 'SfuError', code: 'not_found', message: 'There is no track "" in the room.' }],
  undefined: [undefined, { name: 'TypeError', message: 'A track is identified by a RemoteTrack or its sid; this is undefined.' }],
  null: [null, { name: 'TypeError', message: 'A track is identified by a RemoteTrack or its sid; this is null.' }],
  'an object of some kind': [{ sid: 'TR_camera' }, { name: 'TypeError', message: 'A track is identified by a RemoteTrack or its sid; this is of the class Object.' }],
};
const METHODS = {
  watch: async (room, named) => room.watch(named, box()),
  settings: (room, named) => room.settings(named, { quality: 'low' }),
  subscribe: (room, named) => room.subscribe(named),
  unsubscribe: (room, named) => room.unsubscribe(['TR_camera', named]),
};

for (const [method, call] of Object.entries(METHODS)) {
  for (const [what, [named, error]] of Object.entries(WRONG)) {
    test(`${method} refuses ${what}, and asks the server nothing`, async (t) => {
      const { room } = await scene(t);
      const before = Socket.last.sent.length;
      await assert.rejects(call(room, named), error);
      assert.equal(Socket.last.sent.length, before);
    });
  }

  test(`${method} refuses a participant, a track of one's own, and one that is gone`, async (t) => {
    const { room, ada, camera } = await scene(t);
    await assert.rejects(call(room, ada), { name: 'TypeError', message: /this is of the class Participant/ });
    const local = await publish(room);
    assert.equal(local.sid, 'TR_mine');
    for (const own of [local, 'TR_mine']) await assert.rejects(call(room, own), { name: 'SfuError', code: 'own_track', message: /^This track is your own/ });
    Socket.last.say({ type: 'participants', participants: [{ ...person('PA_ada', 'ada'), version: 2 }] });
    await settle();
    await assert.rejects(call(room, camera), { name: 'SfuError', code: 'not_found', message: 'There is no track "TR_camera" in the room.' });
  });
}

test('only a picture is watched, in an element, while one is in the room', async (t) => {
  const { room, camera, microphone } = await scene(t);
  assert.throws(() => room.watch(microphone, box()), { name: 'TypeError', message: 'Only video can be watched; the track TR_microphone is audio.' });
  for (const none of [undefined, null, '#tile', camera, new EventTarget()]) {
    assert.throws(() => room.watch(camera, none), { name: 'TypeError', message: /^A track is watched in an element of a page; this is / });
  }
  await room.leave();
  assert.throws(() => room.watch(camera, box()), { name: 'SfuError', code: 'closed', message: 'You are no longer in the room.' });
});

test('a message is addressed to a participant by itself, its sid or its identity', async (t) => {
  const { room, ada } = await scene(t);
  await room.sendReliable('hello', { to: [ada, 'PA_ada', 'ada'] });
  const addresses = room.peerConnection.sent.map((message) => new TextDecoder().decode(message.subarray(1, 1 + message[0])));
  assert.deepEqual(addresses, ['PA_ada', 'PA_ada', 'PA_ada']);
});

test('a message to nobody is refused', async (t) => {
  const { room, ada, camera } = await scene(t);
  const cases = [['eve', '"eve"'], [null, 'null'], [camera, 'of the class RemoteTrack'], [await publish(room), 'of the class LocalTrack']];
  const error = (whom) => ({ name: 'SfuError', code: 'not_found', message: `There is no participant ${whom} in the room.` });
  for (const [to, whom] of cases) {
    await assert.rejects(room.sendReliable('hello', { to }), error(whom));
    assert.throws(() => room.sendLossy('hello', { to: [ada, to] }), error(whom));
  }
  assert.deepEqual(room.peerConnection.sent, []);
});

test('what is no MediaStreamTrack is not published', async (t) => {
  const { room, camera } = await scene(t);
  await assert.rejects(room.publish(undefined), { name: 'TypeError', message: 'A published track must be a MediaStreamTrack; this is undefined.' });
  await assert.rejects(room.publish(camera), { name: 'TypeError', message: /this is of the class RemoteTrack/ });
  assert.equal(room.localTracks.size, 0);
});

test('a section that sends and is no track is told of by a warning; one that was unpublished meanwhile is not', async (t) => {
  const { room } = await scene(t);
  t.mock.method(console, 'warn', () => {});
  const warnings = [];
  room.addEventListener('warning', ({ detail }) => warnings.push(detail));
  Socket.undeclared = ['0', '7'];
  t.after(() => (Socket.undeclared = []));
  await publish(room); // Its section is 0, which the offer names.
  assert.deepEqual(warnings.map(({ mids }) => mids), [['7']]);
  assert.match(warnings[0].message, /no track was published for them: 7\. Use publish\(\)\.$/);
  assert.equal(console.warn.mock.callCount(), 1);
});
