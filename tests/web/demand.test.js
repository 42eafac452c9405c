// The client's settings of size and visibility: contents, times and order, with fake observers.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Demand, difference, drawn, wanted } from '../../api/web/client/demand.js';
import { Wishes } from '../../api/web/client/wishes.js';

class Observer {
  observed = new Set();
  constructor(react) {
    this.react = react;
  }
  observe(element) {
    this.observed.add(element);
  }
  unobserve(element) {
    this.observed.delete(element);
  }
  disconnect() {
    this.observed.clear();
  }
}

class Element extends EventTarget {
  nodeType = 1;
  constructor(width, height, fit = 'fill') {
    super();
    Object.assign(this, { width, height, fit });
  }
  getBoundingClientRect() {
    return { width: this.width, height: this.height };
  }
}

function scene(t) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const observers = {};
  const page = Object.assign(new EventTarget(), { hidden: false, pictureInPictureElement: null });
  const globals = {
    ResizeObserver: class extends Observer { constructor(react) { super(react); observers.sizes = this; } },
    IntersectionObserver: class extends Observer { constructor(react) { super(react); observers.sights = this; } },
    getComputedStyle: ({ fit }) => ({ objectFit: fit }),
    document: page,
    devicePixelRatio: 1,
    addEventListener: () => {},
  };
  const before = Object.fromEntries(Object.keys(globals).map((name) => [name, globalThis[name]]));
  Object.assign(globalThis, globals);
  t.after(() => {
    mock.timers.reset();
    Object.assign(globalThis, before);
  });
  const told = [];
  const demand = new Demand((track, wish) => told.push([track, wish]));
  return {
    demand,
    page,
    observers,
    sight: (isIntersecting, ...elements) => observers.sights.react(elements.map((target) => ({ target, isIntersecting }))),
    resize: (element, width, height) => {
      Object.assign(element, { width, height });
      observers.sizes.react();
    },
    wait: (milliseconds) => mock.timers.tick(milliseconds),
    told: () => told.splice(0),
  };
}

test('what comes into sight is told at once with its size, and only what changes is told again', (t) => {
  const it = scene(t);
  const tile = new Element(320, 180);
  it.demand.watch('T', tile);
  assert.deepEqual(it.told(), [], 'nothing is known before the first frame');
  it.sight(true, tile);
  assert.deepEqual(it.told(), [['T', { visible: true, width: 320, height: 184 }]]);
  it.wait(1_000);
  assert.deepEqual(it.told(), []);
  it.resize(tile, 319, 179);
  it.wait(1_000);
  assert.deepEqual(it.told(), [], 'a layout that breathes is no news');
  it.resize(tile, 640, 180);
  it.wait(1_000);
  assert.deepEqual(it.told(), [['T', { width: 640 }]]);
});

test('a size that is dragged is told when it rests', (t) => {
  const it = scene(t);
  const tile = new Element(320, 180);
  it.demand.watch('T', tile);
  it.sight(true, tile);
  it.told();
  for (let width = 400; width <= 800; width += 8) {
    it.resize(tile, width, 184);
    it.wait(100);
  }
  assert.deepEqual(it.told(), []);
  it.wait(250);
  assert.deepEqual(it.told(), [['T', { width: 800 }]]);
});

test('what goes out of sight is told when it stays there, and before what comes', (t) => {
  const it = scene(t);
  const [first, second] = [new Element(320, 184), new Element(320, 184)];
  it.demand.watch('A', first);
  it.demand.watch('B', second);
  it.sight(true, first);
  it.sight(false, second);
  it.wait(250);
  assert.deepEqual(it.told(), [['A', { visible: true, width: 320, height: 184 }], ['B', { visible: false }]]);
  it.sight(false, first);
  it.sight(true, first);
  it.wait(250);
  assert.deepEqual(it.told(), [], 'it was scrolled past');
  it.sight(false, first);
  it.wait(250);
  it.sight(true, second);
  assert.deepEqual(it.told(), [['A', { visible: false }], ['B', { visible: true, width: 320, height: 184 }]]);
});

test('a page that nobody looks at shows nothing, but for what floats over others', (t) => {
  const it = scene(t);
  const [tile, other] = [new Element(320, 184), new Element(320, 184)];
  it.demand.watch('A', tile);
  it.demand.watch('B', other);
  it.sight(true, tile, other);
  it.told();
  Object.assign(it.page, { hidden: true, pictureInPictureElement: other });
  it.page.dispatchEvent(new Event('visibilitychange'));
  it.wait(250);
  assert.deepEqual(it.told(), [['A', { visible: false }]]);
  Object.assign(it.page, { hidden: false, pictureInPictureElement: null });
  it.page.dispatchEvent(new Event('visibilitychange'));
  assert.deepEqual(it.told(), [['A', { visible: true }]]);
});

test('the largest of several elements counts, and with the last one goes what was said', (t) => {
  const it = scene(t);
  const [small, large] = [new Element(160, 96), new Element(1280, 720)];
  it.demand.watch('T', small);
  it.demand.watch('T', large);
  it.sight(true, small, large);
  assert.deepEqual(it.told(), [['T', { visible: true, width: 1280, height: 720 }]]);
  it.demand.unwatch(large);
  it.wait(250);
  assert.deepEqual(it.told(), [['T', { width: 160, height: 96 }]]);
  it.demand.unwatch(small);
  assert.deepEqual(it.told(), [['T', { visible: true, width: 0, height: 0 }]]);
  assert.equal(it.observers.sizes.observed.size + it.observers.sights.observed.size, 0);
});

test('watched again in the same element, a track is not told anew; an end that is overtaken ends nothing', (t) => {
  const it = scene(t);
  const tile = new Element(320, 184);
  it.demand.watch('A', tile);
  it.sight(true, tile);
  it.told();
  it.demand.watch('A', tile);
  it.wait(1_000);
  assert.deepEqual(it.told(), []);
  it.demand.watch('B', tile);
  it.told();
  it.demand.unwatch(tile, 'A');
  it.sight(true, tile);
  assert.deepEqual(it.told(), [['B', { visible: true, width: 320, height: 184 }]]);
});

test('of a track that is no longer published nothing is said', (t) => {
  const it = scene(t);
  const tile = new Element(320, 184);
  it.demand.watch('T', tile);
  it.sight(true, tile);
  it.told();
  it.demand.forget('T');
  it.wait(1_000);
  assert.deepEqual(it.told(), []);
});

test('an element without a size shows nothing', (t) => {
  const it = scene(t);
  const tile = new Element(0, 0);
  it.demand.watch('T', tile);
  it.sight(true, tile);
  it.wait(250);
  assert.deepEqual(it.told(), [['T', { visible: false }]]);
});

test('pixels are those of the screen', (t) => {
  const it = scene(t);
  globalThis.devicePixelRatio = 2;
  const tile = new Element(320, 184);
  it.demand.watch('T', tile);
  it.sight(true, tile);
  assert.deepEqual(it.told(), [['T', { visible: true, width: 640, height: 368 }]]);
});

test('a picture that covers its box is larger than the box', () => {
  const wide = 16 / 9;
  assert.deepEqual(drawn({ width: 320, height: 320 }, 'contain', wide), { width: 320, height: 320 });
  assert.deepEqual(drawn({ width: 360, height: 360 }, 'cover', wide), { width: 640, height: 360 });
  assert.deepEqual(drawn({ width: 640, height: 90 }, 'cover', wide), { width: 640, height: 360 });
  assert.deepEqual(drawn({ width: 320, height: 320 }, 'cover', NaN), { width: 320, height: 320 });
});

test('sizes are rounded up, and a difference is only what differs', () => {
  assert.deepEqual(wanted([]), { visible: false });
  assert.deepEqual(wanted([{ width: 1, height: 100 }, { width: 90, height: 2 }]), { visible: true, width: 96, height: 104 });
  assert.deepEqual(difference(undefined, { visible: false }), { visible: false });
  assert.deepEqual(difference({ visible: true, width: 8 }, { visible: true, width: 16 }), { width: 16 });
  assert.equal(difference({ visible: false, width: 8 }, { visible: false }), null);
});

test('what is set in one turn is said in one message, and one refusal costs no other track', async () => {
  const said = [];
  const refuse = (message) => message.tracks?.length > 1 || message.track === 'gone';
  const request = async (message) => {
    said.push(message);
    if (refuse(message)) throw Object.assign(new Error('there is no such track'), { code: 'not_found' });
  };
  const wishes = new Wishes({ request, isThere: () => true });
  const set = [wishes.set('A', { width: 8 }), wishes.set('A', { height: 8 }), wishes.set('gone', { visible: false })];
  assert.deepEqual((await Promise.allSettled(set)).map(({ status }) => status), ['rejected', 'rejected', 'rejected']);
  const [a, gone] = [{ track: 'A', width: 8, height: 8 }, { track: 'gone', visible: false }];
  assert.deepEqual(said.splice(0), [{ type: 'settings', tracks: [a, gone] }, { type: 'settings', ...a }, { type: 'settings', ...gone }]);
  await Promise.all(Array.from({ length: 300 }, (_, at) => wishes.set(`T${at}`, { visible: false })).slice(0, 1)).catch(() => {});
  assert.deepEqual(said.filter(({ tracks }) => tracks).map(({ tracks }) => tracks.length), [256, 44]);
});

test('after a new join everything is said again of the tracks that are there', async () => {
  const said = [];
  const wishes = new Wishes({ request: async (message) => said.push(message), isThere: (track) => track !== 'gone' });
  await wishes.subscribe(['A', 'gone'], true);
  await wishes.set('A', { width: 320, height: 180 });
  await wishes.set('A', { quality: 'low', width: 640 });
  await wishes.set('gone', { visible: false });
  said.splice(0);
  await wishes.restore();
  const again = [
    { type: 'subscribe', tracks: ['A'], on: true },
    { type: 'settings', track: 'A', width: 640, height: 180, quality: 'low' },
  ];
  assert.deepEqual(said.splice(0), again);
  await wishes.restore();
  assert.deepEqual(said, again);
});
