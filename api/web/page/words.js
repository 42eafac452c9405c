/** Figures and reasons as texts. Pure. */

/** @param {number} bitsPerSecond */
export function bitrate(bitsPerSecond) {
  if (bitsPerSecond >= 995_000) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1_000)} kbit/s`;
}

/** Why a tile gets no better layer, if the state does not say it. */
const CAUSES = {
  demand: 'as requested',
  bandwidth: 'limited by the network',
  publisher: 'nothing better is sent',
  encrypted: 'fixed, encrypted',
  waiting_for_keyframe: 'better with the next keyframe',
  loss: 'packets are lost',
};

/**
 * What a tile receives: the layer as the server reports it, size and bitrate from the browser's counters. A small tile
 * truncates the text, so the most important part comes first.
 *
 * @param {any} flow As of `room.stats().received`; undefined before the first reading.
 * @param {any} subscription The server's message. Null: none yet.
 */
export function figures(flow, subscription) {
  if (subscription && subscription.state !== 'active') {
    const reason = subscription.reason ? `: ${subscription.reason}` : '';
    return `${subscription.state}${reason}`;
  }
  const parts = [];
  if (subscription?.layer) parts.push(`S${subscription.layer.spatial} T${subscription.layer.temporal}`);
  if (flow) parts.push(bitrate(flow.bitrate));
  if (flow?.width) parts.push(`${flow.width}×${flow.height}${flow.fps ? ` @${flow.fps}` : ''}`);
  if (flow?.codec) parts.push(flow.codec);
  const cause = subscription?.cause ?? 'none';
  if (cause !== 'none') parts.push(CAUSES[cause] ?? cause);
  return parts.join(' · ');
}

/** What the local tile sends. @param {any[]} flows As of `room.stats().sent`. */
export function sending(flows) {
  const active = flows.filter((flow) => flow.bitrate > 0).sort((a, b) => a.width - b.width);
  if (active.length === 0) return '';
  const best = active[active.length - 1];
  const total = active.reduce((sum, flow) => sum + flow.bitrate, 0);
  const layers = active.map((flow) => flow.rid).filter(Boolean);
  const limit = best.limitedBy === 'none' ? '' : ` · limited by ${best.limitedBy}`;
  const size = best.width ? ` · ${best.width}×${best.height}` : '';
  return `${layers.length ? `${layers.join('+')} · ` : ''}${bitrate(total)}${size}${limit}`;
}

/** @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => first(word).toUpperCase()).join('') || '?';
}

/** The first letter as a reader sees it: an emoji of several code points is one. @param {string} word */
function first(word) {
  const [letter] = 'Segmenter' in Intl ? [...new Intl.Segmenter().segment(word)].map(({ segment }) => segment) : [...word];
  return letter;
}

/**
 * A name inside a sentence, isolated so that it does not change the writing direction (UAX #9 s2.4).
 * @param {string} name
 */
export function isolated(name) {
  return `\u2068${name}\u2069`;
}

/** A hue derived from the identity. @param {string} identity */
export function hue(identity) {
  let hash = 2166136261; // FNV-1a
  for (const char of identity) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % 360;
}
