// Requests, cuts and resumes of the client, against a WebSocket that this test holds in its hand.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Signal } from '../../api/web/client/signal.js';

const settle = async () => {
  for (let n = 0; n < 10; n++) await Promise.resolve();
};

function scene(t, options = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const sockets = [];
  class Socket {
    sent = [];
    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.closedWith = code;
    }
    open() {
      this.onopen();
    }
    say(message) {
      this.onmessage({ data: JSON.stringify(message) });
    }
    break(code = 1006, reason = '') {
      this.onclose({ code, reason });
    }
  }
  const told = [];
  const signal = new Signal(
    { url: 'http://h', room: 'r', token: 'first', autoSubscribe: true, patience: 120, ...options },
    {
      joined: (message, how) => told.push(`joined ${how}`),
      iceServers: (servers) => servers && told.push(`ICE servers of ${servers[0].username}`),
      message: (message) => told.push(message.type),
      state: (state) => told.push(state),
      closed: (reason, sentence) => told.push(`closed ${reason}: ${sentence}`),
    },
    Socket,
  );
  t.after(() => {
    signal.close('test', 'over');
    mock.timers.reset();
  });
  const it = {
    signal,
    told,
    sockets,
    get socket() {
      return sockets.at(-1);
    },
    async next(milliseconds = 0) {
      await settle();
      mock.timers.tick(milliseconds);
      await settle();
    },
    async joined() {
      signal.open();
      await it.next();
      it.socket.open();
      it.socket.say({ type: 'joined', seq: 1, you: { sid: 'PA_1' }, resume_secret: 's', resumed: false });
    },
  };
  return it;
}

test('the token travels as a subprotocol and join is the first message', async (t) => {
  const it = scene(t);
  await it.joined();
  assert.equal(it.socket.url, 'ws://h/v1/rooms/r/rtc');
  assert.deepEqual(it.socket.protocols, ['sfu.v1', 'bearer.first']);
  assert.deepEqual(it.socket.sent, [{ type: 'join', auto_subscribe: true, client: { sdk: 'sfu-js', version: '0.1.0', features: ['wanted'] } }]);
  assert.deepEqual(it.told, ['open', 'joined new']);
});

test('ICE servers come with a join and a resume, and renewed between them', async (t) => {
  const it = scene(t);
  const servers = (username) => [{ urls: ['turn:turn.example.com'], username, credential: 'c' }];
  it.signal.open();
  await it.next();
  it.socket.open();
  it.socket.say({ type: 'joined', seq: 1, you: { sid: 'PA_1' }, resume_secret: 's', resumed: false, ice_servers: servers('1:a') });
  it.socket.say({ type: 'ice_servers', seq: 2, ice_servers: servers('2:a') });
  it.socket.break();
  await it.next();
  it.socket.open();
  it.socket.say({ type: 'resumed', seq: 2, seq_from: 3, ice_servers: servers('3:a') });
  assert.deepEqual(it.told, [
    'ICE servers of 1:a', 'open', 'joined new', 'ICE servers of 2:a', 'broken', 'ICE servers of 3:a', 'open',
  ]);
});

test('an answer finds its request, and a refusal is an error with the server’s sentence', async (t) => {
  const it = scene(t);
  await it.joined();
  const first = it.signal.request({ type: 'mute', track: 'T', muted: true });
  const second = it.signal.request({ type: 'unpublish', track: 'U' });
  it.socket.say({ type: 'error', seq: 2, id: 2, code: 'not_found', message: 'you do not publish U' });
  it.socket.say({ type: 'ok', seq: 3, id: 1 });
  assert.equal((await first).type, 'ok');
  await assert.rejects(second, { code: 'not_found', message: 'you do not publish U' });
});

test('a cut connection comes back by itself, naming its session and the last message it saw', async (t) => {
  const it = scene(t);
  await it.joined();
  it.socket.say({ type: 'room', seq: 9, room: {} });
  it.socket.say({ type: 'token', seq: 10, token: 'fresh' });
  it.socket.break();
  await it.next();
  assert.equal(it.sockets.length, 2);
  assert.deepEqual(it.socket.protocols, ['sfu.v1', 'bearer.fresh']);
  it.socket.open();
  assert.deepEqual(it.socket.sent[0].resume, { sid: 'PA_1', secret: 's', seq: 10 });
  it.socket.say({ type: 'resumed', seq: 10, seq_from: 11 });
  it.socket.say({ type: 'participants', seq: 11, participants: [] });
  assert.deepEqual(it.told, ['open', 'joined new', 'room', 'broken', 'open', 'participants']);
});

test('after a cut, what was answered in the replay is not asked again; what was not heard is', async (t) => {
  const it = scene(t);
  await it.joined();
  const heard = it.signal.request({ type: 'mute', track: 'T', muted: true });
  const unheard = it.signal.request({ type: 'mute', track: 'U', muted: true });
  it.socket.break();
  const asked = it.signal.request({ type: 'mute', track: 'V', muted: true });
  await it.next();
  it.socket.open();
  it.socket.say({ type: 'resumed', seq: 1, seq_from: 2 });
  assert.deepEqual(it.socket.sent[1], { type: 'subscribe', tracks: [], on: false, id: 4 }, 'the fence');
  assert.equal(it.socket.sent.length, 2, 'nothing else is asked before its answer');
  it.socket.say({ type: 'ok', seq: 2, id: 1 });
  it.socket.say({ type: 'ok', seq: 3, id: 4 });
  await settle();
  assert.deepEqual(it.socket.sent.slice(2).map(({ track }) => track), ['U', 'V']);
  it.socket.say({ type: 'ok', seq: 4, id: 2 });
  it.socket.say({ type: 'ok', seq: 5, id: 3 });
  await Promise.all([heard, unheard, asked]);
});

test('a session that came back too late is joined anew, and what was asked in it is over', async (t) => {
  const it = scene(t);
  await it.joined();
  const asked = it.signal.request({ type: 'offer', sdp: '' });
  it.socket.break();
  await it.next();
  it.socket.open();
  it.socket.say({ type: 'left', seq: 0, reason: 'state_mismatch', message: 'join with a new session', action: 'rejoin' });
  await assert.rejects(asked, { code: 'session_ended' });
  await it.next(1_000);
  it.socket.open();
  assert.equal(it.socket.sent[0].resume, undefined);
  it.socket.say({ type: 'joined', seq: 1, you: { sid: 'PA_2' }, resume_secret: 't', resumed: false });
  assert.equal(it.told.at(-1), 'joined new');
});

test('who is told to leave for good does not come back', async (t) => {
  const it = scene(t);
  await it.joined();
  const { socket } = it;
  socket.say({ type: 'left', seq: 2, reason: 'participant_removed', message: 'you were removed', action: 'none' });
  await it.next(60_000);
  assert.equal(it.sockets.length, 1);
  assert.equal(it.told.at(-1), 'closed participant_removed: you were removed');
  await assert.rejects(it.signal.request({ type: 'leave' }), { code: 'closed' });
});

test('a server that cannot be reached at first ends it; later it is tried again, less and less often', async (t) => {
  const first = scene(t);
  first.signal.open();
  await first.next();
  first.socket.break();
  assert.match(first.told.at(-1), /^closed unreachable/);
  mock.timers.reset();

  const later = scene(t);
  await later.joined();
  for (let n = 0; n < 6; n++) {
    later.socket.break();
    await later.next(5_000);
  }
  assert.equal(later.sockets.length, 7);
  assert.equal(later.told.at(-1), 'broken');
});

test('a connection that does not answer is given up for another, and the request goes with it', async (t) => {
  const it = scene(t);
  await it.joined();
  const asked = it.signal.request({ type: 'mute', track: 'T', muted: true });
  await it.next(14_999);
  assert.equal(it.sockets.length, 1);
  await it.next(1);
  await it.next();
  assert.equal(it.sockets.length, 2);
  it.socket.open();
  it.socket.say({ type: 'resumed', seq: 1, seq_from: 2 });
  it.socket.say({ type: 'ok', seq: 2, id: 1 });
  await asked;
});

test('a session taken over by another connection ends', async (t) => {
  const it = scene(t);
  await it.joined();
  it.socket.break(4000);
  assert.match(it.told.at(-1), /^closed duplicate_identity/);
});

for (const [how, refuse] of [
  ['is told to join with a new session', (it) => it.socket.say({ type: 'left', seq: 0, reason: 'join_failure', message: 'too many join', action: 'rejoin' })],
  ['is closed with 1013', (it) => it.socket.break(1013, 'too many join')],
]) {
  test(`a first join that ${how}, since the server is busy, is tried again, later and later`, async (t) => {
    const it = scene(t);
    it.signal.open();
    await it.next();
    const waited = [];
    for (let n = 0; n < 5; n++) {
      it.socket.open();
      refuse(it);
      const { length } = it.sockets;
      let milliseconds = 0;
      while (it.sockets.length === length && milliseconds < 10_000) {
        await it.next(100);
        milliseconds += 100;
      }
      waited.push(milliseconds);
    }
    const longest = [1_000, 2_000, 4_000, 5_000, 5_000];
    waited.forEach((milliseconds, n) => assert.ok(milliseconds >= longest[n] / 2 && milliseconds <= longest[n] + 100, `${waited}`));
    it.socket.open();
    it.socket.say({ type: 'joined', seq: 1, you: { sid: 'PA_1' }, resume_secret: 's', resumed: false });
    assert.deepEqual(it.told, ['broken', 'open', 'joined new']);
  });

  test(`one that ${how} for longer than its patience is over, with the sentence of the server`, async (t) => {
    const it = scene(t, { patience: -1 });
    it.signal.open();
    await it.next();
    it.socket.open();
    refuse(it);
    await it.next(60_000);
    assert.equal(it.sockets.length, 1);
    assert.match(it.told.at(-1), /^closed (join_failure|unreachable): too many join$/);
  });
}

test('a first join that is refused for good is not tried again', async (t) => {
  const it = scene(t);
  it.signal.open();
  await it.next();
  it.socket.open();
  it.socket.break(1008, 'the token has expired');
  await it.next(60_000);
  assert.equal(it.sockets.length, 1);
  assert.equal(it.told.at(-1), 'closed join_failure: the token has expired');
});
