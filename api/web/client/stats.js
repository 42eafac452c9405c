/** Statistics from the browser's counters (RTCStatsReport). Pure: a rate needs two readings. */

/**
 * @typedef {object} Received
 * @property {string} mid
 * @property {'audio' | 'video'} kind
 * @property {string} codec `VP8`, `opus`, …; empty: unknown.
 * @property {number} bitrate Bits per second.
 * @property {number} width Pixels of the decoded picture.
 * @property {number} height
 * @property {number} fps
 * @property {number} lost Packets lost in the interval of the bitrate.
 * @property {number} framesDecoded
 */

/**
 * @typedef {object} Sent
 * @property {string} mid
 * @property {string} rid
 * @property {number} bitrate
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {string} limitedBy `none`, `cpu`, `bandwidth`, `other`
 */

/** Minimum milliseconds between two readings of a rate. A reading before that repeats the last one. */
const WINDOW = 500;

/**
 * @param {Iterable<any>} reports The values of an RTCStatsReport.
 * @param {Map<string, Flow>} flows The state of each flow, by the id of its report. Updated.
 * @returns {{received: Received[], sent: Sent[], roundTrip: number | null}} Milliseconds. Null: unknown.
 */
export function read(reports, flows) {
  const all = [...reports];
  const byId = new Map(all.map((report) => [report.id, report]));
  for (const id of flows.keys()) if (!byId.has(id)) flows.delete(id);
  const ofSections = (type) => all.filter((report) => report.type === type && report.mid !== undefined);
  const received = ofSections('inbound-rtp').map((report) => {
    const { bitrate, lost } = flow(report, report.bytesReceived, flows);
    return {
      mid: report.mid,
      kind: report.kind,
      codec: byId.get(report.codecId)?.mimeType?.split('/')[1] ?? '',
      bitrate,
      ...picture(report),
      lost,
      framesDecoded: report.framesDecoded ?? 0,
    };
  });
  const sent = ofSections('outbound-rtp').map((report) => ({
    mid: report.mid,
    rid: report.rid ?? '',
    bitrate: flow(report, report.bytesSent, flows).bitrate,
    ...picture(report),
    limitedBy: report.qualityLimitationReason ?? 'none',
  }));
  const pair = all.find((report) => report.type === 'candidate-pair' && report.nominated && report.state === 'succeeded');
  const roundTrip = pair?.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1_000);
  return { received, sent, roundTrip };
}

/** @typedef {{at: number, bytes: number, missing: number, bitrate: number, lost: number}} Flow */

/** @returns {Flow} */
function flow(report, bytes, flows) {
  const before = flows.get(report.id);
  const missing = report.packetsLost ?? 0;
  const elapsed = before ? report.timestamp - before.at : 0;
  if (before && elapsed < WINDOW) return before;
  const bitrate = before ? Math.max(0, Math.round(((bytes - before.bytes) * 8_000) / elapsed)) : 0;
  const now = { at: report.timestamp, bytes, missing, bitrate, lost: before ? Math.max(0, missing - before.missing) : 0 };
  flows.set(report.id, now);
  return now;
}

function picture({ frameWidth = 0, frameHeight = 0, framesPerSecond = 0 }) {
  return { width: frameWidth, height: frameHeight, fps: Math.round(framesPerSecond) };
}

/**
 * Returns a reading by the sids of the tracks.
 *
 * @param {{received: any[], sent: any[], roundTrip: number | null} | null} reading Null: there is no connection.
 * @param {readonly any[]} remote Tracks of others.
 * @param {Iterable<any>} local Local tracks.
 */
export function byTrack(reading, remote, local) {
  const received = new Map();
  const sent = new Map();
  for (const track of remote) {
    const flow = reading?.received.find(({ mid }) => mid === track.mid);
    if (flow) received.set(track.sid, { ...flow, subscription: track.subscription });
  }
  for (const { sid, mids } of local) {
    if (mids.length > 0) sent.set(sid, reading?.sent.filter(({ mid }) => mids.includes(mid)) ?? []);
  }
  return { received, sent, roundTrip: reading?.roundTrip ?? null };
}
