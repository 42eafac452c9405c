/** The state of a room, from those of its two connections. Pure. */

/**
 * One word for two connections, WebSocket and media.
 *
 * @param {'connecting' | 'connected' | 'reconnecting' | 'closed'} before
 * @param {boolean} isWell Both are up.
 * @returns {'connecting' | 'connected' | 'reconnecting' | 'closed'}
 */
export function overall(before, isWell) {
  if (before === 'closed') return 'closed';
  if (isWell) return 'connected';
  return before === 'connecting' ? 'connecting' : 'reconnecting';
}
