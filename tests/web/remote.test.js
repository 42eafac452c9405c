// The others in a room, from messages to events.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Others } from '../../api/web/client/remote.js';

const track = (sid, more = {}) => ({ sid, kind: 'video', source: 'camera', name: '', muted: false, width: 0, height: 0, mime: '', mid: '', simulcast: false, stream: '', ...more });
const person = (sid, version, tracks = [], more = {}) => ({ sid, identity: sid.toLowerCase(), name: sid, state: 'active', kind: 'standard', metadata: '', attributes: {}, permissions: {}, joined_at: 0, version, tracks, disconnect_reason: null, ...more });
const types = (news) => news.map(({ type }) => type);

test('somebody comes, publishes, changes and goes', () => {
  const others = new Others();
  assert.deepEqual(types(others.participantsChanged([person('A', 1)])), ['participantJoined']);
  assert.deepEqual(types(others.participantsChanged([person('A', 2, [track('T')])])), ['trackPublished', 'participantChanged']);
  assert.deepEqual(types(others.participantsChanged([person('A', 3, [track('T', { muted: true })])])), ['trackChanged', 'participantChanged']);
  const news = others.participantsChanged([person('A', 4, [], { state: 'disconnected', disconnect_reason: 'client_initiated' })]);
  assert.deepEqual(types(news), ['trackUnpublished', 'participantLeft']);
  assert.equal(news[1].detail.reason, 'client_initiated');
  assert.equal(others.participants.size, 0);
});

test('news that is older than what is known changes nothing', () => {
  const others = new Others();
  others.participantsChanged([person('A', 5, [track('T')])]);
  assert.deepEqual(others.participantsChanged([person('A', 4)]), []);
  assert.ok(others.find('T'));
});

test('the first offer has a section for each track that is there, one of each kind at least, in a crowd for some of them', () => {
  const others = new Others();
  assert.deepEqual(others.firstSlots(), { audio: 1, video: 1 });
  others.participantsChanged([person('A', 1, [track('T'), track('U', { kind: 'audio' })])]);
  others.participantsChanged([person('B', 1, Array.from({ length: 40 }, (_, n) => track(`V${n}`)))]);
  assert.deepEqual(others.firstSlots(), { audio: 1, video: 32 });
});

test('a section that shows a track before its publisher is known subscribes when it is', () => {
  const others = new Others();
  const media = { id: 'media' };
  others.slotsChanged({ 1: { track: 'T', participant: 'A' } });
  assert.deepEqual(others.reconcile(() => media), []);
  others.participantsChanged([person('A', 1, [track('T')])]);
  const news = others.reconcile(() => media);
  assert.deepEqual(types(news), ['trackSubscribed']);
  assert.equal(news[0].detail.track.mediaStreamTrack, media);
  assert.deepEqual(others.reconcile(() => media), [], 'and once only');
});

test('a track that moves into another section is subscribed again with what arrives there', () => {
  const others = new Others();
  const media = { 1: { id: 'one' }, 2: { id: 'two' } };
  others.participantsChanged([person('A', 1, [track('T')]), person('B', 1, [track('U')])]);
  others.slotsChanged({ 1: { track: 'T', participant: 'A' } });
  others.reconcile((mid) => media[mid]);
  others.slotsChanged({ 1: { track: 'U', participant: 'B' }, 2: { track: 'T', participant: 'A' } });
  const news = others.reconcile((mid) => media[mid]);
  assert.deepEqual(news.map(({ type, detail }) => [type, detail.track.sid, detail.track.mediaStreamTrack.id]), [
    ['trackSubscribed', 'T', 'two'],
    ['trackSubscribed', 'U', 'one'],
  ]);
});

test('a section that shows nothing any more unsubscribes', () => {
  const others = new Others();
  others.participantsChanged([person('A', 1, [track('T')])]);
  others.slotsChanged({ 1: { track: 'T', participant: 'A' } });
  others.reconcile(() => ({}));
  others.slotsChanged({ 1: null });
  const news = others.reconcile(() => ({}));
  assert.deepEqual(types(news), ['trackUnsubscribed']);
  assert.equal(news[0].detail.track.mediaStreamTrack, null);
});

test('who is missing from a snapshot has left', () => {
  const others = new Others();
  others.participantsChanged([person('A', 1, [track('T')]), person('B', 1)]);
  assert.deepEqual(types(others.snapshot([person('B', 1)], {})), ['trackUnpublished', 'participantLeft', 'participantChanged']);
});

test('who speaks is kept with the track', () => {
  const others = new Others();
  others.participantsChanged([person('A', 1, [track('T', { kind: 'audio' })])]);
  const [speaker] = others.speakersChanged([{ participant: 'A', track: 'T', level: 0.5, active: true }, { participant: 'Z', track: 'Z', level: 1, active: true }]);
  assert.equal(speaker.participant.speaking, true);
  assert.equal(others.speakersChanged([{ participant: 'Z', track: 'Z', level: 1, active: true }]).length, 0);
});

test('the states of subscriptions are kept with their tracks, and those of unknown tracks are ignored', () => {
  const others = new Others();
  others.participantsChanged([person('A', 1, [track('T'), track('U')])]);
  const states = ['T', 'Z', 'U'].map((sid) => ({ track: sid, state: 'active' }));
  const news = others.subscriptionsChanged(states);
  assert.deepEqual(types(news), ['subscription', 'subscription']);
  assert.deepEqual(news.map(({ detail }) => [detail.participant.sid, detail.track.sid, detail.subscription]), [['A', 'T', states[0]], ['A', 'U', states[2]]]);
  assert.equal(others.find('U').track.subscription, states[2]);
});
