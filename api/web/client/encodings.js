/** The encodings of a sent track: its simulcast streams, their bitrates, and the order of codecs. Pure. */

/** Bits per second for a VP8 picture of this many pixels at 30 frames per second, smallest first. */
const LADDER = [
  [320 * 180, 150_000],
  [640 * 360, 500_000],
  [960 * 540, 1_000_000],
  [1280 * 720, 1_700_000],
  [1920 * 1080, 3_000_000],
  [2560 * 1440, 4_500_000],
];
const HIGHEST = 8_000_000;
const AUDIO_BITRATE = 48_000;

/** @param {number} width @param {number} height Pixels. */
export function bitrateFor(width, height) {
  const rung = LADDER.find(([pixels]) => width * height <= pixels);
  return rung ? rung[1] : HIGHEST;
}

/**
 * The encodings of a sender, lowest first.
 *
 * @param {object} of
 * @param {'audio' | 'video'} of.kind
 * @param {string} [of.source]
 * @param {number} [of.width] Of the capture; pixels.
 * @param {number} [of.height]
 * @param {boolean} [of.simulcast]
 * @param {string} [of.scalabilityMode] SVC (`L3T3_KEY`) instead of simulcast.
 * @param {number} [of.maxBitrate] Of the best encoding; bits per second.
 * @param {number} [of.maxFramerate]
 * @returns {(RTCRtpEncodingParameters & {scalabilityMode?: string})[]}
 */
export function encodingsFor({ kind, source, width, height, simulcast, scalabilityMode, maxBitrate, maxFramerate }) {
  if (kind === 'audio') return [{ maxBitrate: maxBitrate ?? AUDIO_BITRATE }];
  const [w, h] = [width || 1280, height || 720];
  const best = maxBitrate ?? bitrateFor(w, h);
  const rate = maxFramerate ? { maxFramerate } : {};
  if (scalabilityMode) return [{ maxBitrate: best, scalabilityMode, ...rate }];
  if (simulcast === false) return [{ maxBitrate: best, ...rate }];
  // Text is unreadable at a quarter of the screen's size, so a screen has two streams, not three.
  const scales = source === 'screen_share' ? { h: 2, f: 1 } : { q: 4, h: 2, f: 1 };
  return Object.entries(scales).map(([rid, scale]) => ({
    rid,
    scaleResolutionDownBy: scale,
    maxBitrate: Math.min(best, scale === 1 ? best : bitrateFor(w / scale, h / scale)),
    ...rate,
  }));
}

/**
 * All codecs, those of the requested name first. Null: the browser has none of that name, or none was requested.
 *
 * @template {{mimeType: string}} C
 * @param {readonly C[]} codecs As of `RTCRtpSender.getCapabilities(kind)`.
 * @param {string} [name] `vp8`, `vp9`, `av1`, `h264`, `opus`, `red`, …
 * @returns {C[] | null}
 */
export function prefer(codecs, name) {
  if (!name) return null;
  const isWished = ({ mimeType }) => mimeType.toLowerCase().endsWith(`/${name.toLowerCase()}`);
  if (!codecs.some(isWished)) return null;
  return [...codecs.filter(isWished), ...codecs.filter((codec) => !isWished(codec))];
}

/** A codec that every browser decodes, as the backup of codecs that some do not. */
const WIDESPREAD = 'vp8';
const RARE = new Set(['av1', 'vp9', 'h265']);

/**
 * The options of the backup for subscribers that cannot decode the track. Null: no backup.
 *
 * @template {{codec?: string, backupCodec?: string | false, encodings?: any, scalabilityMode?: string}} O
 * @param {O} options As published.
 * @param {readonly {mimeType: string}[]} codecs As of `RTCRtpSender.getCapabilities('video')`.
 * @returns {(O & {codec: string}) | null}
 */
export function backupFor(options, codecs) {
  const wished = options.backupCodec ?? (RARE.has(options.codec?.toLowerCase() ?? '') ? WIDESPREAD : false);
  if (!wished || wished.toLowerCase() === (options.codec ?? WIDESPREAD).toLowerCase() || !prefer(codecs, wished)) return null;
  // The caller's own layers and encodings apply only to the codec that they were made for.
  return { ...options, codec: wished, encodings: undefined, scalabilityMode: undefined };
}
