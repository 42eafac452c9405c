// The client carries out the requests `wanted` and `backup`: encodings stop and start, a backup is added and removed.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Backup } from '../../api/web/client/backup.js';
import { backupFor } from '../../api/web/client/encodings.js';
import { SfuError } from '../../api/web/client/errors.js';
import { Sending, running } from '../../api/web/client/sending.js';

const settle = async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

const RIDS = [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }];
const wish = (on, paused = false) => ({ encodings: RIDS.map(({ rid }, index) => ({ rid, wanted: on[index] })), paused });

test('the encodings that somebody wants run, by rid or else by place, unless the application forbids', () => {
  assert.deepEqual(running(RIDS, wish([true, false, true]), [true, true, true]), [true, false, true]);
  assert.deepEqual(running([...RIDS].reverse(), wish([true, false, false]), []), [false, false, true]);
  assert.deepEqual(running(RIDS, wish([true, true, true]), [true, false, true]), [true, false, true]);
  assert.deepEqual(running(RIDS, wish([true, true, true], true), []), [false, false, false]);
  assert.deepEqual(running([{}], { encodings: [{ rid: '', wanted: true }], paused: false }, []), [true]);
  assert.deepEqual(running([{}], { encodings: [{ rid: '', wanted: false }], paused: true }, []), [false]);
  assert.deepEqual(running([{}], wish([true, false, false]), []), [true], 'where the answer took simulcast away');
});

/** A transceiver whose sender takes parameters as `take` says. */
function transceiver(take = async () => {}) {
  const it = {
    direction: 'sendonly',
    active: [true, true, true],
    sender: {
      getParameters: () => ({ encodings: RIDS.map(({ rid }, index) => ({ rid, active: it.active[index] })) }),
      async setParameters({ encodings }) {
        await take();
        it.active = encodings.map(({ active }) => active);
      },
    },
  };
  return it;
}

test('wishes that come while one is carried out are carried out after it, the last one only', async () => {
  const waiting = [];
  const it = transceiver(() => new Promise((resolve) => waiting.push(resolve)));
  const sending = new Sending(it, RIDS);
  sending.obey(wish([true, false, false]));
  sending.obey(wish([true, true, false]));
  const done = sending.obey(wish([true, true, true]));
  waiting.shift()();
  await settle();
  assert.deepEqual(it.active, [true, false, false]);
  waiting.shift()();
  await done;
  assert.deepEqual([it.active, waiting.length], [[true, true, true], 0]);
});

test('a browser that is in the middle of something is asked again, but not for ever, nor after the end', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const warned = mock.method(console, 'warn', () => {});
  t.after(() => warned.mock.restore());
  let asked = 0;
  let refusals = 3;
  const it = transceiver(async () => {
    asked++;
    if (refusals-- > 0) throw new Error('InvalidStateError');
  });
  const pass = async (count) => {
    for (let n = 0; n < count; n++) {
      await settle();
      mock.timers.tick(100);
    }
    await settle();
  };
  const sending = new Sending(it, RIDS);
  sending.obey(wish([true, false, false]));
  await pass(5);
  assert.deepEqual([asked, it.active], [4, [true, false, false]]);

  [asked, refusals] = [0, Infinity];
  sending.obey(wish([true, true, false]));
  await pass(20);
  assert.deepEqual([asked, warned.mock.callCount()], [10, 1]);

  it.direction = 'stopped';
  [asked, refusals] = [0, 0];
  sending.obey(wish([true, true, true]));
  await pass(2);
  assert.equal(asked, 0);
});

const BROWSER = ['video/VP8', 'video/VP9', 'video/AV1', 'video/H264'].map((mimeType) => ({ mimeType }));

test('what not every browser decodes has a backup in VP8, unless the application says otherwise', () => {
  const of = (options, codecs = BROWSER) => backupFor(options, codecs)?.codec ?? null;
  assert.deepEqual(
    [{ codec: 'av1' }, { codec: 'VP9' }, { codec: 'h265' }, { codec: 'vp8' }, { codec: 'h264' }, {}].map((options) => of(options)),
    ['vp8', 'vp8', 'vp8', null, null, null],
  );
  assert.equal(of({ codec: 'av1', backupCodec: false }), null);
  assert.equal(of({ codec: 'av1', backupCodec: 'h264' }), 'h264');
  assert.equal(of({ codec: 'av1', backupCodec: 'av1' }), null);
  assert.equal(of({ backupCodec: 'vp8' }), null);
  assert.equal(of({ codec: 'av1' }, [{ mimeType: 'video/AV1' }]), null, 'what the browser cannot send is no backup');
  const { scalabilityMode, encodings, maxFramerate } = backupFor({ codec: 'av1', scalabilityMode: 'L3T3_KEY', encodings: [{}], maxFramerate: 15 }, BROWSER);
  assert.deepEqual([scalabilityMode, encodings, maxFramerate], [undefined, undefined, 15]);
});

/** A backup whose negotiations end when `answer` is called, and what became of its sections. */
function backup() {
  const log = [];
  const waiting = [];
  const peer = {
    removeSender: () => log.push('removed'),
    negotiate: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
  };
  const added = () => {
    log.push('added');
    return { transceiver: { mid: '3' } };
  };
  const it = new Backup({ cid: 'c' }, { codec: 'vp8' }, added, { peer: () => peer, request: async () => {}, emit: () => {} });
  const answer = async (mids = { 3: 'TR_b' }) => {
    waiting.shift().resolve(mids);
    await settle();
  };
  return { it, log, waiting, answer };
}

test('a backup is sent when it is wanted, under a name of its own, and ended when it is not', async () => {
  const { it, log, answer } = backup();
  it.want(true);
  await answer();
  assert.deepEqual([log, it.sid, it.cid], [['added'], 'TR_b', 'c-backup']);
  it.want(true);
  await settle();
  assert.deepEqual(log, ['added'], 'said twice is done once');
  it.want(false);
  await answer({});
  assert.deepEqual([log, it.sid, it.sending], [['added', 'removed'], '', null]);
});

test('a change of mind while the offer is under way is followed when it is answered', async () => {
  const { it, log, waiting, answer } = backup();
  it.want(true);
  it.want(false);
  it.want(true);
  it.want(false);
  await answer();
  await answer({});
  assert.deepEqual([log, waiting.length, it.sending], [['added', 'removed'], 0, null]);
});

test('a backup that the server refuses is given up, and one whose session ends is silent about it', async (t) => {
  const warned = mock.method(console, 'warn', () => {});
  t.after(() => warned.mock.restore());
  for (const [code, warnings] of [['session_ended', 0], ['negotiation_failed', 1]]) {
    const { it, waiting } = backup();
    const done = it.want(true);
    await settle();
    waiting.shift().reject(new SfuError(code, ''));
    await done;
    assert.equal(warned.mock.callCount(), warnings);
  }
});
