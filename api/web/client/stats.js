/** What really flows, from the browser's own counters (RTCStatsReport). Pure: two readings make a rate. */

/**
 * @typedef {object} Received
 * @property {string} mid
 * @property {'audio' | 'video'} kind
 * @property {string} codec `VP8`, `opus`, …; empty if not known.
 * @property {number} bitrate Bits per second since the last reading.
 * @property {number} width Of the decoded picture; pixels.
 * @property {number} height
 * @property {number} fps
 * @property {number} lost Packets since the last reading that never came.
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

/**
 * @param {Iterable<any>} reports The values of an RTCStatsReport.
 * @param {Map<string, any>} previous The reports of the last reading, by id; replaced by this one's.
 * @returns {{received: Received[], sent: Sent[], roundTrip: number | null}} Milliseconds, null while not known.
 */
export function read(reports, previous) {
  const all = [...reports];
  const byId = new Map(all.map((report) => [report.id, report]));
  const rate = (report, bytes) => {
    const before = previous.get(report.id);
    const seconds = before ? (report.timestamp - before.timestamp) / 1_000 : 0;
    return seconds > 0 ? Math.max(0, Math.round(((report[bytes] - before[bytes]) * 8) / seconds)) : 0;
  };
  const received = all
    .filter((report) => report.type === 'inbound-rtp' && report.mid !== undefined)
    .map((report) => ({
      mid: report.mid,
      kind: report.kind,
      codec: byId.get(report.codecId)?.mimeType?.split('/')[1] ?? '',
      bitrate: rate(report, 'bytesReceived'),
      width: report.frameWidth ?? 0,
      height: report.frameHeight ?? 0,
      fps: Math.round(report.framesPerSecond ?? 0),
      lost: Math.max(0, (report.packetsLost ?? 0) - (previous.get(report.id)?.packetsLost ?? 0)),
      framesDecoded: report.framesDecoded ?? 0,
    }));
  const sent = all
    .filter((report) => report.type === 'outbound-rtp' && report.mid !== undefined)
    .map((report) => ({
      mid: report.mid,
      rid: report.rid ?? '',
      bitrate: rate(report, 'bytesSent'),
      width: report.frameWidth ?? 0,
      height: report.frameHeight ?? 0,
      fps: Math.round(report.framesPerSecond ?? 0),
      limitedBy: report.qualityLimitationReason ?? 'none',
    }));
  const pair = all.find((report) => report.type === 'candidate-pair' && report.nominated && report.state === 'succeeded');
  const roundTrip = pair?.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1_000);
  previous.clear();
  for (const [id, report] of byId) previous.set(id, report);
  return { received, sent, roundTrip };
}
