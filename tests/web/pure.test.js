// The parts of the client and the page that need no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { delay } from '../../api/web/client/backoff.js';
import { LARGEST, seal, unseal } from '../../api/web/client/data.js';
import { bitrateFor, encodingsFor, prefer } from '../../api/web/client/encodings.js';
import { overall } from '../../api/web/client/state.js';
import { address } from '../../api/web/client/signal.js';
import { read } from '../../api/web/client/stats.js';
import { Chat } from '../../api/web/page/chat.js';
import { arrange, bestGrid } from '../../api/web/page/layout.js';
import { bitrate, figures, initials, isolated, sending } from '../../api/web/page/words.js';

test('a broken connection is dialled at once, then less and less often, and never all at one moment', () => {
  assert.equal(delay(0, 0.5), 0);
  assert.deepEqual([1, 2, 3, 9].map((attempt) => delay(attempt, 0)), [250, 500, 1000, 5000]);
  assert.equal(delay(2, 1), 250);
});

test('an envelope is one byte n, n bytes of address, and the payload', () => {
  assert.deepEqual([...seal('PA_x', 'hi')], [4, 80, 65, 95, 120, 104, 105]);
  assert.deepEqual([...seal('', new Uint8Array([7]))], [0, 7]);
  const { name, payload } = unseal(seal('server', 'grüß'));
  assert.equal(name, 'server');
  assert.equal(new TextDecoder().decode(payload), 'grüß');
});

test('a view of a part of a buffer is sent as that part', () => {
  const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
  assert.deepEqual([...seal('', new DataView(buffer, 1, 2))], [0, 2, 3]);
});

test('bytes that are no envelope are nobody’s message', () => {
  assert.equal(unseal(new Uint8Array([])), null);
  assert.equal(unseal(new Uint8Array([3, 65])), null);
  assert.deepEqual([...unseal(new Uint8Array([0])).payload], []);
});

test('a message that the server would not take is refused with a sentence', () => {
  assert.equal(seal('', new Uint8Array(LARGEST - 1)).length, LARGEST);
  assert.throws(() => seal('', new Uint8Array(LARGEST)), /at most 65536 octets, this one has 65537/);
});

test('a camera is sent as q, h and f, each with the bits its size is worth', () => {
  const encodings = encodingsFor({ kind: 'video', source: 'camera', width: 1280, height: 720 });
  assert.deepEqual(
    encodings.map(({ rid, scaleResolutionDownBy, maxBitrate }) => [rid, scaleResolutionDownBy, maxBitrate]),
    [['q', 4, 150_000], ['h', 2, 500_000], ['f', 1, 1_700_000]],
  );
});

test('a screen has no quarter; SVC and a single stream have one encoding; a ceiling holds for all', () => {
  assert.deepEqual(encodingsFor({ kind: 'video', source: 'screen_share' }).map(({ rid }) => rid), ['h', 'f']);
  assert.deepEqual(encodingsFor({ kind: 'video', scalabilityMode: 'L3T3_KEY', maxBitrate: 9 }), [{ maxBitrate: 9, scalabilityMode: 'L3T3_KEY' }]);
  assert.deepEqual(encodingsFor({ kind: 'video', simulcast: false, maxBitrate: 9, maxFramerate: 5 }), [{ maxBitrate: 9, maxFramerate: 5 }]);
  assert.deepEqual(encodingsFor({ kind: 'video', maxBitrate: 100_000 }).map(({ maxBitrate }) => maxBitrate), [100_000, 100_000, 100_000]);
  assert.equal(bitrateFor(7680, 4320), 8_000_000);
});

test('the wished codec goes first and its companions stay', () => {
  const codecs = ['video/H264', 'video/rtx', 'video/VP8', 'video/AV1'].map((mimeType) => ({ mimeType }));
  assert.deepEqual(prefer(codecs, 'vp8').map(({ mimeType }) => mimeType), ['video/VP8', 'video/H264', 'video/rtx', 'video/AV1']);
  assert.equal(prefer(codecs, 'h265'), null);
  assert.equal(prefer(codecs, undefined), null);
});

test('the address of a room is a WebSocket’s, and its name cannot leave its place', () => {
  assert.equal(address('https://sfu.example', 'a/b c'), 'wss://sfu.example/v1/rooms/a%2Fb%20c/rtc');
  assert.equal(address('http://h:7880/sfu/?x=1', undefined), 'ws://h:7880/sfu/v1/rtc');
});

test('a room is connected when both its connections are, and reconnecting when it was', () => {
  assert.equal(overall('connecting', false), 'connecting');
  assert.equal(overall('connecting', true), 'connected');
  assert.equal(overall('connected', false), 'reconnecting');
  assert.equal(overall('reconnecting', false), 'reconnecting');
  assert.equal(overall('closed', true), 'closed');
});

test('two readings make a rate; what is no flow of a section is left out', () => {
  const previous = new Map();
  const inbound = { id: 'i', type: 'inbound-rtp', kind: 'video', mid: '3', codecId: 'c', frameWidth: 640, frameHeight: 360, framesPerSecond: 29.97, packetsLost: 2 };
  const others = [{ id: 'c', type: 'codec', mimeType: 'video/VP8' }, { id: 'p', type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.025 }];
  const first = read([{ ...inbound, timestamp: 1_000, bytesReceived: 1_000 }, ...others], previous);
  assert.equal(first.received[0].bitrate, 0);
  const second = read([{ ...inbound, timestamp: 3_000, bytesReceived: 126_000, packetsLost: 5 }, ...others], previous);
  assert.deepEqual(second.received, [{ mid: '3', kind: 'video', codec: 'VP8', bitrate: 500_000, width: 640, height: 360, fps: 30, lost: 3, framesDecoded: 0 }]);
  assert.equal(second.roundTrip, 25);
  assert.deepEqual(second.sent, []);
  const soon = read([{ ...inbound, timestamp: 3_100, bytesReceived: 126_000 }, ...others], previous);
  assert.equal(soon.received[0].bitrate, 500_000, 'two that read at once do not spoil one another’s rates');
});

test('tiles never overlap, never leave the window, and keep a picture’s shape', () => {
  for (const [width, height] of [[1280, 720], [390, 700], [844, 330], [1000, 1000]]) {
    for (let count = 1; count <= 50; count++) {
      for (const spot of [false, true]) {
        const boxes = arrange(count, width, height, 8, spot);
        assert.equal(boxes.length, count);
        for (const [index, box] of boxes.entries()) {
          assert.ok(box.left >= -0.01 && box.top >= -0.01, 'inside');
          assert.ok(box.left + box.width <= width + 0.01 && box.top + box.height <= height + 0.01, `inside ${count} ${width}`);
          for (const other of boxes.slice(index + 1)) {
            const apart = box.left + box.width <= other.left + 0.01 || other.left + other.width <= box.left + 0.01
              || box.top + box.height <= other.top + 0.01 || other.top + other.height <= box.top + 0.01;
            assert.ok(apart, `apart: ${count} in ${width}x${height}`);
          }
          const ratio = box.width / box.height;
          if (!spot) assert.ok(ratio > 0.99 && ratio < 1.79, 'shape');
        }
      }
    }
  }
});

test('two stand side by side on a desk and one above the other on a phone', () => {
  assert.equal(bestGrid(2, 1280, 640, 8).columns, 2);
  assert.equal(bestGrid(2, 390, 700, 8).columns, 1);
  assert.equal(bestGrid(9, 1280, 720, 8).columns, 3);
});

test('a shared screen gets most of the window', () => {
  const [screen, ...others] = arrange(4, 1280, 720, 8, true);
  const area = ({ width, height }) => width * height;
  assert.ok(area(screen) > others.reduce((sum, box) => sum + area(box), 0) * 2);
});

test('figures say what is there, or why it is not', () => {
  const flow = { codec: 'VP8', width: 640, height: 360, fps: 30, bitrate: 512_345 };
  assert.equal(figures(flow, { state: 'active', layer: { spatial: 1, temporal: 2 } }), 'S1 T2 · 512 kbit/s · 640×360 @30 · VP8');
  assert.equal(figures(flow, { state: 'paused', reason: 'muted by its publisher' }), 'paused: muted by its publisher');
  assert.equal(figures(undefined, { state: 'active', layer: { spatial: 0, temporal: 1 }, cause: 'demand' }), 'S0 T1 · as requested');
  assert.equal(figures(flow, { state: 'active', layer: null, cause: 'none' }), '512 kbit/s · 640×360 @30 · VP8');
  assert.equal(figures(undefined, null), '');
  assert.equal(bitrate(1_640_000), '1.6 Mbit/s');
  assert.equal(
    sending([{ rid: 'h', width: 640, height: 360, bitrate: 450_000, limitedBy: 'bandwidth' }, { rid: 'q', width: 320, height: 180, bitrate: 150_000, limitedBy: 'none' }, { rid: 'f', width: 0, height: 0, bitrate: 0, limitedBy: 'none' }]),
    'q+h · 600 kbit/s · 640×360 · limited by bandwidth',
  );
});

test('what is unread is in the label of the button, which is all that is read of it', (t) => {
  const part = () => ({ attributes: {}, children: [], classList: { toggle() {} }, hidden: true, setAttribute(name, value) { this.attributes[name] = value; }, append() {}, replaceChildren() {}, addEventListener() {}, querySelector: () => null });
  globalThis.document = { createElement: part };
  t.after(() => delete globalThis.document);
  const toggle = part();
  const chat = new Chat({ panel: part(), log: part(), form: part(), input: part(), toggle, complain() {} });
  chat.open(async () => {});
  assert.equal(toggle.attributes['aria-label'], 'Chat');
  chat.receive({ text: () => '{"type": "chat", "text": "hello"}', participant: { name: 'Ada' } });
  assert.equal(toggle.attributes['aria-label'], 'Chat, 1 unread');
});

test('initials are of the first and the last name', () => {
  assert.equal(initials('ada king lovelace'), 'AL');
  assert.equal(initials('Ada'), 'A');
  assert.equal(initials('  '), '?');
  assert.equal(initials('\u{1f468}\u200d\u{1f469}\u200d\u{1f467} e\u0301mile'), '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}E\u0301');
});

test('a name within a sentence does not turn its direction', () => {
  assert.equal(isolated('\u0639\u0631\u0628\u064a'), '\u2068\u0639\u0631\u0628\u064a\u2069');
});
